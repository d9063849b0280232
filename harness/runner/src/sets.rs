//! Several firmware sets in one run: which of them a scenario variant runs with.
//!
//! A set may be costly to make, so it is made when the first variant needs it. What its bootloader was built with is known
//! before, and decides for most variants that another set is the right one.

use crate::firmware::Firmware;
use crate::plan::{Choice, Job};
use hil_bootloader::Config;
use hil_scenario::{
    FileError, FirmwareSet, Scenario, Slot, Transport, Variant, check_steps, uses_external_flash,
};
use std::sync::Arc;

/// Makes a set.
type Load<E> = Box<dyn Fn() -> Result<Firmware, E>>;

/// A firmware set that variants may run with.
pub struct SetSource<E> {
    name: String,
    bootloader: Config,
    load: Option<Load<E>>,
    loaded: Option<Arc<Firmware>>,
}

/// What came of choosing sets.
#[derive(Debug, Default)]
pub struct Chosen {
    /// Every variant that was wanted, in order.
    pub jobs: Vec<Job>,
    /// What is wrong in the files of scenarios that were named by themselves.
    pub mistakes: Vec<FileError>,
}

impl Chosen {
    /// The sets that variants may run with, each once, in the order of first use.
    #[must_use]
    pub fn sets(&self) -> Vec<Arc<Firmware>> {
        let mut sets: Vec<Arc<Firmware>> = Vec::new();
        for job in &self.jobs {
            if let Choice::Sets(fit) = &job.firmware {
                for firmware in fit {
                    if !sets.iter().any(|known| Arc::ptr_eq(known, firmware)) {
                        sets.push(Arc::clone(firmware));
                    }
                }
            }
        }
        sets
    }
}

impl<E> SetSource<E> {
    /// A set that is there.
    #[must_use]
    pub fn of(firmware: Firmware) -> Self {
        Self {
            name: firmware.set().name.clone(),
            bootloader: firmware.set().bootloader.clone(),
            load: None,
            loaded: Some(Arc::new(firmware)),
        }
    }

    /// A set that is there and is used elsewhere too.
    #[must_use]
    pub fn shared(firmware: &Arc<Firmware>) -> Self {
        Self {
            name: firmware.set().name.clone(),
            bootloader: firmware.set().bootloader.clone(),
            load: None,
            loaded: Some(Arc::clone(firmware)),
        }
    }

    /// A set that is made when it is needed, and whose bootloader is this one.
    #[must_use]
    pub fn when_needed(
        name: impl Into<String>,
        bootloader: Config,
        load: impl Fn() -> Result<Firmware, E> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            bootloader,
            load: Some(Box::new(load)),
            loaded: None,
        }
    }

    /// Whether it is made only when a variant needs it.
    #[must_use]
    pub fn is_made_when_needed(&self) -> bool {
        self.load.is_some()
    }

    /// The set, where it is there.
    #[must_use]
    pub fn loaded(&self) -> Option<&Arc<Firmware>> {
        self.loaded.as_ref()
    }

    fn firmware(&mut self) -> Result<Option<Arc<Firmware>>, E> {
        if let (Some(load), None) = (&self.load, &self.loaded) {
            self.loaded = Some(Arc::new(load()?));
        }
        Ok(self.loaded.clone())
    }
}

/// Chooses a set for each variant whose name is `wanted`: the first one in order that has everything that its steps name,
/// and whose bootloader is what it needs. A variant without one is a job that is skipped with the reason for the set that
/// comes nearest. Where the scenario `is_named` by itself, what no set has is a mistake in its file.
///
/// # Errors
///
/// A set could not be made.
pub fn choose<E>(
    scenarios: &[Scenario],
    sets: &mut [SetSource<E>],
    wanted: impl Fn(&str) -> bool,
    is_named: impl Fn(&Scenario) -> bool,
) -> Result<Chosen, E> {
    let mut chosen = Chosen::default();
    for scenario in scenarios {
        let scenario = match with_releases(scenario, sets)? {
            Ok(scenario) => scenario,
            Err(mistake) => {
                chosen.mistakes.push(mistake);
                continue;
            }
        };
        let scenario = &scenario;
        for variant in scenario.variants() {
            if !wanted(&variant.name) {
                continue;
            }
            let choice = choose_for(scenario, variant, sets)?;
            if matches!(choice, Choice::Nothing(_)) && is_named(scenario) {
                for mistake in mistakes(scenario, variant, sets)? {
                    // Variants of one scenario share their mistakes.
                    if !chosen.mistakes.contains(&mistake) {
                        chosen.mistakes.push(mistake);
                    }
                }
            }
            chosen.jobs.push(Job::new(scenario, variant, choice));
        }
    }
    Ok(chosen)
}

/// The scenario with releases in its matrix, where it asks for some: those of the first set that it can run with.
fn with_releases<E>(
    scenario: &Scenario,
    sets: &mut [SetSource<E>],
) -> Result<Result<Scenario, FileError>, E> {
    if scenario.asks_for_releases() {
        for source in sets {
            let mut variants = scenario.variants().iter();
            if variants.any(|variant| variant.unmet_by(&source.bootloader).is_none())
                && let Some(firmware) = source.firmware()?
            {
                return Ok(scenario.with_releases(&firmware.set().release_names()));
            }
        }
    }
    Ok(Ok(scenario.clone()))
}

fn choose_for<E>(
    scenario: &Scenario,
    variant: &Variant,
    sets: &mut [SetSource<E>],
) -> Result<Choice, E> {
    let count = sets.len();
    let mut fit = Vec::new();
    let mut nearest = (usize::MAX, "there is no firmware set".to_owned());
    for source in sets {
        let (distance, reason) = match variant.unmet_by(&source.bootloader) {
            Some(unmet) if count == 1 => (unmet.count(), unmet.to_string()),
            Some(unmet) => (
                unmet.count(),
                format!(
                    "none of the {count} firmware sets will do; the nearest, `{}`: {unmet}",
                    source.name
                ),
            ),
            None => {
                let Some(firmware) = source.firmware()? else {
                    continue;
                };
                let mut errors: Vec<String> = check_steps(scenario, variant, firmware.set())
                    .into_iter()
                    .map(|error| error.message)
                    .chain(no_radio(variant, firmware.set()))
                    .collect();
                if errors.is_empty() {
                    errors.extend(firmware.unmet(variant));
                }
                if errors.is_empty() {
                    fit.push(firmware);
                    // Any board can have this one, so the sets behind it are not asked for.
                    if !uses_external_flash(&source.bootloader) {
                        break;
                    }
                    continue;
                }
                errors.dedup();
                let reason = errors.join("; ");
                (
                    errors.len(),
                    match count {
                        1 => reason,
                        _ => format!("none of the {count} firmware sets will do: {reason}"),
                    },
                )
            }
        };
        if distance < nearest.0 {
            nearest = (distance, reason);
        }
    }
    Ok(if fit.is_empty() {
        Choice::Nothing(nearest.1)
    } else {
        Choice::Sets(fit)
    })
}

/// Why a variant cannot talk over Bluetooth with a set: the radio belongs to the network core, and programming leaves
/// nothing there that the set does not have.
fn no_radio(variant: &Variant, set: &FirmwareSet) -> Option<String> {
    let wireless = variant.transports().contains(&Transport::Ble);
    (wireless && set.layout.slot(Slot::NetPrimary).is_none()).then(|| {
        format!(
            "needs SMP over `ble`, and firmware set `{}` has nothing for the network core, whose radio it is",
            set.name
        )
    })
}

/// What the steps of a variant name that is in no set at all, as the set with the fewest of such things says it.
fn mistakes<E>(
    scenario: &Scenario,
    variant: &Variant,
    sets: &mut [SetSource<E>],
) -> Result<Vec<FileError>, E> {
    let mut by_set: Vec<Vec<FileError>> = Vec::new();
    for source in sets {
        if let Some(firmware) = source.firmware()? {
            by_set.push(check_steps(scenario, variant, firmware.set()));
        }
    }
    let fewest = by_set.iter().min_by_key(|errors| errors.len());
    let in_all = |mistake: &&FileError| {
        by_set
            .iter()
            .all(|errors| errors.iter().any(|error| error.place == mistake.place))
    };
    Ok(fewest
        .map(|errors| errors.iter().filter(in_all).cloned().collect())
        .unwrap_or_default())
}
