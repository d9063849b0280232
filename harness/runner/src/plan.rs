//! What will run where and with which firmware: scenario variants against boards, decided before any board is touched.

use crate::bench::FoundBoard;
use crate::firmware::Firmware;
use crate::sweep::SweepOrders;
use hil_bootloader::Config;
use hil_scenario::{BoardFeature, Capabilities, Chip, Scenario, StandingCheck, Transport, Variant};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A variant that is to have its turn.
#[derive(Clone, Debug)]
pub struct Job {
    /// What runs.
    pub variant: Variant,
    /// What it shows, in one sentence.
    pub summary: String,
    /// The file it is in.
    pub file: String,
    /// The requirements that it covers.
    pub requirements: Vec<String>,
    /// The defect whose presence it shows, in words.
    pub known_issue: Option<String>,
    /// The checks that must not follow it, and why.
    pub waived: BTreeMap<StandingCheck, String>,
    /// The firmware that it may run with.
    pub firmware: Choice,
    /// What is wanted of its sweep, where it has one.
    pub sweep: SweepOrders,
}

/// The firmware that a job may run with.
#[derive(Clone, Debug)]
pub enum Choice {
    /// Sets that have everything it names and needs, the one to be preferred first.
    Sets(Vec<Arc<Firmware>>),
    /// Why there is none.
    Nothing(String),
}

impl Job {
    /// A variant of a scenario with its firmware.
    #[must_use]
    pub fn new(scenario: &Scenario, variant: &Variant, firmware: Choice) -> Self {
        Self {
            variant: variant.clone(),
            summary: scenario.summary.trim().to_owned(),
            file: scenario.path().display().to_string(),
            requirements: scenario
                .requirements
                .iter()
                .map(ToString::to_string)
                .collect(),
            known_issue: scenario.known_issue.as_ref().map(ToString::to_string),
            waived: scenario.waived.clone(),
            firmware,
            sweep: SweepOrders::default(),
        }
    }
}

/// What will happen to the jobs of a run.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Jobs that some board can run, in order.
    pub(crate) runnable: Vec<Runnable>,
    /// Jobs that no board can run, and why not.
    pub(crate) skipped: Vec<(Job, String)>,
}

/// A job, its firmware, and the boards that can run it.
#[derive(Clone, Debug)]
pub(crate) struct Runnable {
    pub(crate) job: Job,
    pub(crate) firmware: Arc<Firmware>,
    /// Names of boards.
    pub(crate) boards: Vec<String>,
}

/// What a board has, whatever is programmed on it.
struct Has {
    name: String,
    chip: Chip,
    features: BTreeSet<BoardFeature>,
    transports: BTreeSet<Transport>,
}

impl Has {
    fn with<'a>(&self, bootloader: &'a Config) -> Capabilities<'a> {
        Capabilities {
            board: self.name.clone(),
            features: self.features.clone(),
            transports: self.transports.clone(),
            bootloader,
        }
    }
}

impl Plan {
    /// Holds every job against every board.
    pub(crate) fn new(jobs: Vec<Job>, boards: &[FoundBoard]) -> Self {
        let boards: Vec<Has> = boards
            .iter()
            .map(|board| Has {
                name: board.info().name,
                chip: board.chip(),
                features: board.features(),
                transports: board.transports(),
            })
            .collect();
        let mut plan = Self::default();
        for job in jobs {
            match seat(&job, &boards) {
                Ok((firmware, boards)) => plan.runnable.push(Runnable {
                    job,
                    firmware,
                    boards,
                }),
                Err(reason) => plan.skipped.push((job, reason)),
            }
        }
        plan
    }
}

/// The first of several canaries that a board can run; why it can run none.
pub(crate) fn canary(canaries: &[Job], board: &FoundBoard) -> Result<Runnable, String> {
    let board = [Has {
        name: board.name().to_owned(),
        chip: board.chip(),
        features: board.features(),
        transports: board.transports(),
    }];
    let mut first_reason = None;
    for job in canaries {
        match seat(job, &board) {
            Ok((firmware, boards)) => {
                return Ok(Runnable {
                    job: job.clone(),
                    firmware,
                    boards,
                });
            }
            Err(reason) => {
                let reason = format!("`{}` cannot run on it: {reason}", job.variant.name);
                first_reason.get_or_insert(reason);
            }
        }
    }
    Err(first_reason.unwrap_or_else(|| "there is no scenario that could be one".to_owned()))
}

/// The first set with which some board can run the job, and those boards; otherwise why none can.
fn seat(job: &Job, boards: &[Has]) -> Result<(Arc<Firmware>, Vec<String>), String> {
    let sets = match &job.firmware {
        Choice::Sets(sets) => sets,
        Choice::Nothing(reason) => return Err(reason.clone()),
    };
    let mut first_reason = None;
    for firmware in sets {
        let set = firmware.set();
        let of_its_chip: Vec<&Has> = boards.iter().filter(|has| has.chip == set.chip).collect();
        if of_its_chip.is_empty() {
            let reason = format!(
                "firmware set `{}` is for an {}, and no board of the rig has one",
                set.name, set.chip
            );
            first_reason.get_or_insert(reason);
            continue;
        }
        match boards_for(&job.variant, &set.bootloader, &of_its_chip) {
            Ok(boards) => return Ok((Arc::clone(firmware), boards)),
            Err(reason) => {
                first_reason.get_or_insert(reason);
            }
        }
    }
    Err(first_reason.unwrap_or_else(|| "there is no firmware set for it".to_owned()))
}

/// The boards that can run a variant with this bootloader; why none can.
fn boards_for(
    variant: &Variant,
    bootloader: &Config,
    boards: &[&Has],
) -> Result<Vec<String>, String> {
    let mut fit = Vec::new();
    let mut reasons: Vec<String> = Vec::new();
    for board in boards {
        match variant.unmet(&board.with(bootloader)) {
            None => fit.push(board.name.clone()),
            Some(unmet) => {
                let reason = unmet.to_string();
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
    }
    if fit.is_empty() {
        Err(reasons.join("; "))
    } else {
        Ok(fit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_bootloader::{Area, DeviceId, ImageSlots, Mode, Signature};

    fn bootloader() -> Config {
        let area = |offset| Area {
            device: DeviceId::AppFlash,
            offset,
            size: 0x4_0000,
        };
        let slots = ImageSlots {
            primary: area(0xC000),
            secondary: area(0x4_C000),
        };
        Config::new(Mode::SwapMove, Signature::EcdsaP256, slots)
    }

    fn board(name: &str, features: &[BoardFeature]) -> Has {
        Has {
            name: name.to_owned(),
            chip: Chip::Nrf5340,
            features: features.iter().copied().collect(),
            transports: [Transport::Uart].into(),
        }
    }

    fn variant(steps: &str) -> Variant {
        let text =
            format!("scenario: one\nsummary: Shows it.\nsteps:\n  - program: baseline\n{steps}");
        Scenario::parse("one.yaml", &text).unwrap().variants()[0].clone()
    }

    const CUT: &str = "  - power_cycle: {}\n";

    #[test]
    fn a_job_goes_to_the_boards_that_have_what_it_needs() {
        let bootloader = bootloader();
        let boards = [board("left", &[]), board("right", &[BoardFeature::Power])];
        let fit = |steps| boards_for(&variant(steps), &bootloader, &boards.each_ref()).unwrap();
        assert_eq!(fit(""), ["left", "right"]);
        assert_eq!(fit(CUT), ["right"]);
    }

    #[test]
    fn a_job_that_fits_no_board_is_skipped_with_the_reason() {
        let reason = boards_for(&variant(CUT), &bootloader(), &[&board("left", &[])]).unwrap_err();
        assert!(reason.contains("power switch"), "{reason}");
    }
}
