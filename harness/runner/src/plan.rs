//! What will run where: scenario variants against boards, decided before any board is touched.

use crate::bench::FoundBoard;
use crate::firmware::Firmware;
use hil_scenario::{Capabilities, Scenario, StandingCheck, Variant};
use std::collections::BTreeMap;

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
}

impl Job {
    /// The variants of `scenarios` whose name is `wanted`, in order.
    #[must_use]
    pub fn of(scenarios: &[Scenario], wanted: impl Fn(&str) -> bool) -> Vec<Self> {
        scenarios
            .iter()
            .flat_map(|scenario| {
                scenario.expand().into_iter().map(|variant| Self {
                    variant,
                    summary: scenario.summary.trim().to_owned(),
                    file: scenario.path().display().to_string(),
                    requirements: scenario
                        .requirements
                        .iter()
                        .map(ToString::to_string)
                        .collect(),
                    known_issue: scenario.known_issue.as_ref().map(ToString::to_string),
                    waived: scenario.waived.clone(),
                })
            })
            .filter(|job| wanted(&job.variant.name))
            .collect()
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

/// A job and the boards that can run it.
#[derive(Debug)]
pub(crate) struct Runnable {
    pub(crate) job: Job,
    /// Names of boards.
    pub(crate) boards: Vec<String>,
}

impl Plan {
    /// Holds every job against every board.
    pub(crate) fn new(jobs: Vec<Job>, boards: &[FoundBoard], firmware: &Firmware) -> Self {
        let capabilities: Vec<Capabilities<'_>> = boards
            .iter()
            .map(|board| Capabilities {
                board: board.info().name,
                features: board.features(),
                transports: board.transports(),
                bootloader: &firmware.set().bootloader,
            })
            .collect();
        let mut plan = Self::of(jobs, &capabilities);
        for Runnable { job, boards } in std::mem::take(&mut plan.runnable) {
            match firmware.unmet(&job.variant) {
                None => plan.runnable.push(Runnable { job, boards }),
                Some(reason) => plan.skipped.push((job, reason)),
            }
        }
        plan
    }

    fn of(jobs: Vec<Job>, capabilities: &[Capabilities<'_>]) -> Self {
        let mut plan = Self::default();
        for job in jobs {
            let mut boards = Vec::new();
            let mut reasons: Vec<String> = Vec::new();
            for board in capabilities {
                match job.variant.unmet(board) {
                    None => boards.push(board.board.clone()),
                    Some(unmet) => {
                        let reason = unmet.to_string();
                        if !reasons.contains(&reason) {
                            reasons.push(reason);
                        }
                    }
                }
            }
            if boards.is_empty() {
                plan.skipped.push((job, reasons.join("; ")));
            } else {
                plan.runnable.push(Runnable { job, boards });
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_bootloader::{Area, Config, DeviceId, ImageSlots, Mode, Signature};
    use hil_scenario::{BoardFeature, Transport};

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

    fn board<'a>(
        name: &str,
        features: &[BoardFeature],
        bootloader: &'a Config,
    ) -> Capabilities<'a> {
        Capabilities {
            board: name.to_owned(),
            features: features.iter().copied().collect(),
            transports: [Transport::Uart].into(),
            bootloader,
        }
    }

    fn jobs() -> Vec<Job> {
        let text = "scenario: NAME\nsummary: Shows it.\nsteps:\n  - program: baseline\n";
        let cut = "  - power_cycle: {}\n";
        let scenarios = [
            Scenario::parse("plain.yaml", &text.replace("NAME", "plain")).unwrap(),
            Scenario::parse("cut.yaml", &format!("{}{cut}", text.replace("NAME", "cut"))).unwrap(),
        ];
        Job::of(&scenarios, |_| true)
    }

    #[test]
    fn a_job_goes_to_the_boards_that_have_what_it_needs() {
        let bootloader = bootloader();
        let boards = [
            board("left", &[], &bootloader),
            board("right", &[BoardFeature::Power], &bootloader),
        ];
        let plan = Plan::of(jobs(), &boards);
        let runs: Vec<_> = plan
            .runnable
            .iter()
            .map(|runnable| {
                (
                    runnable.job.variant.name.as_str(),
                    runnable.boards.join(" "),
                )
            })
            .collect();
        assert_eq!(
            runs,
            [
                ("plain", "left right".to_owned()),
                ("cut", "right".to_owned())
            ]
        );
        assert!(plan.skipped.is_empty());
    }

    #[test]
    fn a_job_that_fits_no_board_is_skipped_with_the_reason() {
        let bootloader = bootloader();
        let plan = Plan::of(jobs(), &[board("left", &[], &bootloader)]);
        let [(job, reason)] = plan.skipped.as_slice() else {
            panic!("one job needs power: {:?}", plan.skipped);
        };
        assert_eq!(job.variant.name, "cut");
        assert!(reason.contains("power switch"), "{reason}");
    }
}
