//! The start after an interruption: which image runs, and whether the flash is what the model makes of that cut.

use super::foretold::Outcome;
use super::start::Start;
use crate::console::Waited;
use crate::context::Context;
use crate::firmware::Firmware;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::{BootResult, SimFlash};
use hil_record::FailKind;
use hil_scenario::{Core, ImageRef, Sweep};

/// MCUboot's last words before an application, and those of a board that has none (mcuboot `boot/zephyr/main.c`).
const JUMPING: &str = "Jumping to the first image slot";
const NOT_BOOTABLE: &str = "Unable to find bootable image";

/// What was seen of the start after an interruption.
pub(super) struct Looked {
    /// The hash of the image that runs, as its application says; none when no application answered.
    pub(super) runs: Option<Vec<u8>>,
    /// What the board holds, also when that is wrong, as it has to be put back.
    pub(super) flash: Option<SimFlash>,
    /// What it came to, in words.
    pub(super) came_to: Checked<String>,
}

/// Waits until the board has booted, and compares it with what was foretold.
pub(super) fn look(
    context: &mut Context<'_>,
    step: &Sweep,
    allowed: &[String],
    start: &Start,
    expected: &Outcome,
) -> Looked {
    let nothing = |trouble| Looked {
        runs: None,
        flash: None,
        came_to: Err(trouble),
    };
    let ran = match boots(context, step) {
        Err(trouble @ (Trouble::Error(..) | Trouble::Cancelled)) => return nothing(trouble),
        ran => ran,
    };
    let flash = match start.read(context) {
        Ok(flash) => flash,
        Err(trouble) => return nothing(trouble),
    };
    let came_to = match &ran {
        Err(trouble) => Err(trouble.clone()),
        Ok(hash) => judge(&Judging {
            firmware: context.firmware,
            start,
            allowed,
            runs: hash,
            found: &flash,
            expected,
            // Keys are secret, and so is what is encrypted on its way.
            may_be_shown: context.encrypted_images_sent().is_empty(),
        }),
    };
    Looked {
        runs: ran.ok(),
        flash: Some(flash),
        came_to,
    }
}

/// What is compared of the start after an interruption.
pub(crate) struct Judging<'a> {
    pub(crate) firmware: &'a Firmware,
    pub(crate) start: &'a Start,
    /// The releases that may run; none: whatever runs.
    pub(crate) allowed: &'a [String],
    /// The hash of the image that runs.
    pub(crate) runs: &'a [u8],
    pub(crate) found: &'a SimFlash,
    pub(crate) expected: &'a Outcome,
    /// Whether bytes of flash may be told.
    pub(crate) may_be_shown: bool,
}

/// Whether an allowed image runs and the flash is as foretold: what it came to, in words.
pub(crate) fn judge(judging: &Judging<'_>) -> Checked<String> {
    let release = release(judging.firmware, judging.allowed, judging.runs)?;
    judging.as_foretold()?;
    let flash = if judging.expected.same_end {
        "flash as without the cut"
    } else {
        "flash as this cut must leave it"
    };
    Ok(format!("boots {release}, {flash}"))
}

fn not_booted(sentence: impl std::fmt::Display) -> Trouble {
    Trouble::fail(FailKind::NotBooted, sentence)
}

/// Waits until the board has booted; the hash of the image that its application says runs.
pub(super) fn boots(context: &mut Context<'_>, step: &Sweep) -> Checked<Vec<u8>> {
    let deadline = context.deadline(step.within);
    let log = context.console(Core::App).clone();
    let mark = context.started_at(Core::App);
    let ended = |line: &str| line.contains(JUMPING) || line.contains(NOT_BOOTABLE);
    match log.wait_for(mark, deadline, &context.cancel, ended) {
        Waited::Cancelled => return Err(Trouble::Cancelled),
        Waited::Found(line, _) if line.text.contains(NOT_BOOTABLE) => {
            return Err(not_booted(format_args!(
                "nothing boots any more: `{}`",
                line.text
            )));
        }
        Waited::Found(_, behind) => {
            // A question before the application is there would be waited for in vain for a second.
            let banner = |line: &str| line.contains("*** Booting ");
            if log.wait_for(behind, deadline, &context.cancel, banner) == Waited::Cancelled {
                return Err(Trouble::Cancelled);
            }
        }
        // Bootloaders without a console are asked through their application.
        Waited::TimedOut => {}
    }
    let asking = context.deadline(step.within);
    let Some(list) = context.image_list(asking)? else {
        return Err(not_booted(format_args!(
            "no application answers within {:?}; {}",
            step.within,
            context.last_line(Core::App)
        )));
    };
    let active = list
        .images
        .into_iter()
        .find(|entry| entry.active && entry.image.unwrap_or(0) == 0);
    Ok(active.and_then(|entry| entry.hash).unwrap_or_default())
}

/// The release whose application has this hash: one of `allowed`, where there are any.
pub(super) fn release(firmware: &Firmware, allowed: &[String], runs: &[u8]) -> Checked<String> {
    for release in allowed {
        let image = firmware.image(&ImageRef::new(release, Core::App))?;
        if image.hash() == runs {
            return Ok(release.clone());
        }
    }
    let runs = firmware.name_of(runs).unwrap_or_else(|| {
        let hash = runs.get(..4).unwrap_or(runs);
        format!("an image with hash {}", hex::encode(hash))
    });
    if allowed.is_empty() {
        return Ok(runs);
    }
    Err(Trouble::fail(
        FailKind::WrongImage,
        format_args!("{runs} runs, expected {}", allowed.join(" or ")),
    ))
}

impl Judging<'_> {
    fn as_foretold(&self) -> Checked {
        let expected = self.expected;
        let Some(first) = self.start.first_difference(self.found, &expected.after) else {
            return Ok(());
        };
        let bytes = if self.may_be_shown {
            format!(
                "found {:#04x}, expected {:#04x}",
                first.found, first.expected
            )
        } else {
            "which may be secret and are not shown".to_owned()
        };
        let foretold = match expected
            .step
            .outcome
            .as_ref()
            .map(|outcome| &outcome.result)
        {
            Some(BootResult::Boot(image)) => format!("version {} boots", image.version),
            Some(other) => other.to_string(),
            None => "no boot".to_owned(),
        };
        Err(Trouble::fail(
            FailKind::StandingCheck,
            format_args!(
                "flash is not as the model predicts of this cut ({foretold}): {} bytes differ, the first at {:#010x}, {}: {bytes}",
                first.count,
                first.address,
                self.firmware.place(first.core, first.address)
            ),
        ))
    }
}
