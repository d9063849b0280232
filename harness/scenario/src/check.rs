//! Checks scenarios against a firmware set and boards, without any board.

use crate::expect::SlotContents;
use crate::fault::{FaultPlace, FaultWhen};
use crate::firmware::{FirmwareSet, UnknownRole};
use crate::locate::{NodePath, Part, Segment, locate};
use crate::needs::{Capabilities, Unmet};
use crate::reset::ResetBy;
use crate::scenario::{Scenario, step_path};
use crate::source::FileError;
use crate::step::{Answer, Step};
use crate::sweep::Sweep;
use crate::variant::Variant;
use crate::words::{Core, ImageRef, Stored};
use hil_bootloader::Mode;

/// What a check found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CheckReport {
    /// Mistakes: the scenarios and the firmware set do not fit together.
    pub errors: Vec<FileError>,
    /// Variants that no board can run, in the order of the scenarios.
    pub skips: Vec<SkippedVariant>,
}

/// A variant that no board can run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SkippedVariant {
    /// Name of the variant.
    pub variant: String,
    /// Why, for each board.
    pub reasons: Vec<Unmet>,
}

/// Checks every variant of every scenario: that the firmware set has the roles and slots that the steps name, that
/// what they ask for can be, and, where boards are given, that one of them can run it.
#[must_use]
pub fn check(
    scenarios: &[Scenario],
    firmware: &FirmwareSet,
    boards: &[Capabilities<'_>],
) -> CheckReport {
    let mut report = CheckReport::default();
    for scenario in scenarios {
        for variant in scenario.variants() {
            for error in check_steps(scenario, variant, firmware) {
                // Variants of one scenario share their mistakes.
                if !report.errors.contains(&error) {
                    report.errors.push(error);
                }
            }
            let reasons: Option<Vec<_>> = boards.iter().map(|board| variant.unmet(board)).collect();
            if let Some(reasons) = reasons.filter(|reasons| !reasons.is_empty()) {
                report.skips.push(SkippedVariant {
                    variant: variant.name.clone(),
                    reasons,
                });
            }
        }
    }
    report
}

/// What the steps of a variant ask of a firmware set that it has not, or that can never be. Empty when they fit together.
#[must_use]
pub fn check_steps(
    scenario: &Scenario,
    variant: &Variant,
    firmware: &FirmwareSet,
) -> Vec<FileError> {
    let mut errors = Vec::new();
    for planned in &variant.steps {
        let step = &planned.step;
        let at = |key: &str| {
            let mut path = step_path(planned.number);
            path.push(Segment::Key(step.name().to_owned()));
            if !key.is_empty() {
                path.push(Segment::Key(key.to_owned()));
            }
            path
        };
        let mut say = |key: &str, problem: Problem| errors.push(problem.at(scenario, &at(key)));

        if let Step::Program(name) = step {
            match firmware.release(name) {
                Err(unknown) => say("", unknown.into()),
                Ok(release) if release.program.is_empty() => say(
                    "",
                    Problem::new(format!(
                        "release `{name}` of firmware set `{}` has nothing to program",
                        firmware.name
                    )),
                ),
                Ok(_) => {}
            }
        }
        for (key, role) in step.images() {
            if let Err(unknown) = firmware.image(&role) {
                say(key, unknown.into());
            }
        }
        for (key, slot) in step.slots() {
            if firmware.layout.slot(slot).is_none() {
                say(
                    key,
                    Problem::new(format!(
                        "firmware set `{}` has no slot `{slot}` in its layout",
                        firmware.name
                    )),
                );
            }
        }
        if let Some((key, problem)) = impossible(step, firmware) {
            say(key, problem);
        }
        let is_sweep = |step: &Step| matches!(step, Step::Sweep(_));
        let before = variant
            .steps
            .iter()
            .take_while(|other| other.number < planned.number);
        if is_sweep(step)
            && let Some(first) = before.into_iter().find(|other| is_sweep(&other.step))
        {
            say(
                "",
                Problem {
                    advice: Some("put it into a scenario of its own".to_owned()),
                    ..Problem::new(format!(
                        "a scenario has one `sweep`, as the name of a cut point does not say which: step {} is one already",
                        first.number
                    ))
                },
            );
        }
    }
    errors
}

/// Faults of a link that have no packet to happen to.
fn faultless(step: &Step) -> Option<(&'static str, Problem)> {
    let faults = step.transport_faults();
    let problem = match step {
        Step::Reset(reset) if reset.by != ResetBy::Smp && !faults.is_empty() => {
            Problem::new("only a reset over SMP has packets on a link".to_owned())
        }
        Step::Upload(_) => faults
            .iter()
            .find(|fault| {
                matches!(
                    fault.when,
                    FaultWhen::At {
                        place: FaultPlace::Only,
                        ..
                    }
                )
            })
            .map(|fault| Problem {
                advice: Some("add `at: first`, `at: 50%`, `at: last` or `chance: 5%`".to_owned()),
                ..Problem::new(format!(
                    "an upload has many chunks, and `{fault}` does not say which"
                ))
            })?,
        step => faults
            .iter()
            .find(|fault| match fault.when {
                FaultWhen::At { place, .. } => place != FaultPlace::Only,
                FaultWhen::Chance(_) => false,
            })
            .map(|fault| {
                Problem::new(format!(
                    "`{fault}`: only an upload has chunks, `{}` has one request",
                    step.name()
                ))
            })?,
    };
    Some(("transport_faults", problem))
}

/// What can never be, whatever the firmware does.
fn impossible(step: &Step, firmware: &FirmwareSet) -> Option<(&'static str, Problem)> {
    if let Some(problem) = faultless(step) {
        return Some(problem);
    }
    match step {
        Step::ExpectSlot(step) => match &step.contents {
            SlotContents::Holds {
                image,
                stored: Some(Stored::Encrypted),
            } if !firmware.image(image).ok()?.encrypted => Some((
                "stored",
                Problem::new(format!("`{image}` is not an encrypted image")),
            )),
            SlotContents::Holds { .. } | SlotContents::Erased => None,
        },
        Step::ExpectPlainText(step) if !firmware.image(&step.of).ok()?.encrypted => Some((
            "of",
            Problem::new(format!(
                "`{}` is not an encrypted image: its plain text is no secret",
                step.of
            )),
        )),
        Step::Upload(step)
            if step.gives_up_after.is_some()
                && (step.link_lost.is_some() || step.power_cut.is_some()) =>
        {
            Some((
                "gives_up_after",
                Problem::new(
                    "a client that gives up loses neither power nor link: one of them ends the upload"
                        .to_owned(),
                ),
            ))
        }
        Step::Upload(step)
            if step.asks_again_after.is_some() && step.gives_up_after.is_some() =>
        {
            Some((
                "asks_again_after",
                Problem::new("a client asks again or gives up, not both".to_owned()),
            ))
        }
        Step::Sweep(step) => later_update(step, firmware),
        Step::Upload(step) if step.link_lost.is_some() && step.power_cut.is_some() => Some((
            "link_lost",
            Problem::new(
                "an upload ends with `power_cut` or with `link_lost`, not with both".to_owned(),
            ),
        )),
        // Of a damaged image nothing is known before it is made.
        Step::Upload(step) if step.expect == Answer::Accepted && step.image.damage.is_none() => {
            let slot = firmware.update_slot(step.image.core);
            let secondary = firmware.layout.slot(slot)?;
            let length = firmware.image(&step.image).ok()?.bytes().len();
            let room = match firmware.bootloader.mode {
                // An update lies one sector up.
                Mode::SwapOffset => secondary
                    .size
                    .saturating_sub(firmware.bootloader.sector_size),
                Mode::SwapMove | Mode::SwapScratch | Mode::OverwriteOnly | Mode::SingleSlot => secondary.size,
            };
            (length as u64 > u64::from(room)).then(|| {
                (
                    "image",
                    Problem {
                        advice: Some("write `expect: refused` if that is the point".to_owned()),
                        ..Problem::new(format!(
                            "`{}` has {length} bytes, more than the {room} of `{slot}`",
                            step.image
                        ))
                    },
                )
            })
        }
        _ => None,
    }
}

/// Of the releases that a board may be updated to later, one must be there and be sent as it is.
fn later_update(step: &Sweep, firmware: &FirmwareSet) -> Option<(&'static str, Problem)> {
    let plain = |release: &String| {
        firmware
            .image(&ImageRef::new(release, Core::App))
            .is_ok_and(|image| !image.encrypted)
    };
    (!step.later_update.is_empty() && !step.later_update.iter().any(plain)).then(|| {
        (
            "later_update",
            Problem {
                advice: Some("add one that the firmware set has, such as `update`".to_owned()),
                ..Problem::new(format!(
                    "firmware set `{}` has none of them with an application that is not encrypted",
                    firmware.name
                ))
            },
        )
    })
}

/// A mistake before its place is known.
struct Problem {
    message: String,
    allowed: Vec<String>,
    advice: Option<String>,
}

impl Problem {
    fn new(message: String) -> Self {
        Self {
            message,
            allowed: Vec::new(),
            advice: None,
        }
    }

    fn at(self, scenario: &Scenario, path: &NodePath) -> FileError {
        FileError::new(scenario.path(), self.message)
            .at(locate(&scenario.source, path, Part::Value))
            .allowing(self.allowed)
            .advising(self.advice)
    }
}

impl From<UnknownRole> for Problem {
    fn from(unknown: UnknownRole) -> Self {
        Self {
            message: unknown.to_string(),
            advice: unknown.help(),
            allowed: unknown.known,
        }
    }
}
