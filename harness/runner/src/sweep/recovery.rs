//! The start after an interruption: which image runs, and whether the flash is what the model makes of that cut.

use super::foretold::Outcome;
use super::start::Start;
use crate::console::Waited;
use crate::context::Context;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::{BootResult, SimFlash};
use hil_record::FailKind;
use hil_scenario::{Core, ImageRef, Sweep};

/// MCUboot's last words before an application, and those of a board that has none (mcuboot `boot/zephyr/main.c`).
const JUMPING: &str = "Jumping to the first image slot";
const NOT_BOOTABLE: &str = "Unable to find bootable image";

/// Waits until the board has booted, and compares it with what was foretold. What it holds is given also when it is wrong, as
/// that has to be put back.
pub(super) fn look(
    context: &mut Context<'_>,
    step: &Sweep,
    allowed: &[String],
    start: &Start,
    expected: &Outcome,
) -> (Checked<String>, Option<SimFlash>) {
    let ran = boots(context, step, allowed);
    if matches!(ran, Err(Trouble::Error(..) | Trouble::Cancelled)) {
        return (ran, None);
    }
    let flash = match start.read(context) {
        Ok(flash) => flash,
        Err(trouble) => return (Err(trouble), None),
    };
    let judged = ran.and_then(|release| {
        as_foretold(context, start, &flash, expected)?;
        let flash = if expected.same_end {
            "flash as without the cut"
        } else {
            "flash as this cut must leave it"
        };
        Ok(format!("boots {release}, {flash}"))
    });
    (judged, Some(flash))
}

/// Waits until the board has booted; the release whose application runs, one of these, where there are any.
pub(super) fn boots(
    context: &mut Context<'_>,
    step: &Sweep,
    allowed: &[String],
) -> Checked<String> {
    let deadline = context.deadline(step.within);
    let log = context.console(Core::App).clone();
    let mark = context.started_at(Core::App);
    let ended = |line: &str| line.contains(JUMPING) || line.contains(NOT_BOOTABLE);
    match log.wait_for(mark, deadline, &context.cancel, ended) {
        Waited::Cancelled => return Err(Trouble::Cancelled),
        Waited::Found(line, _) if line.text.contains(NOT_BOOTABLE) => {
            return Err(Trouble::fail(
                FailKind::NotBooted,
                format_args!("nothing boots any more: `{}`", line.text),
            ));
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
        return Err(Trouble::fail(
            FailKind::NotBooted,
            format_args!(
                "no application answers within {:?}; {}",
                step.within,
                context.last_line(Core::App)
            ),
        ));
    };
    let active = list
        .images
        .into_iter()
        .find(|entry| entry.active && entry.image.unwrap_or(0) == 0);
    let hash = active.and_then(|entry| entry.hash).unwrap_or_default();
    for release in allowed {
        if context.image(&ImageRef::new(release, Core::App))?.hash() == hash {
            return Ok(release.clone());
        }
    }
    let runs = context.firmware.name_of(&hash).unwrap_or_else(|| {
        let hash = hash.get(..4).unwrap_or(&hash);
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

fn as_foretold(
    context: &Context<'_>,
    start: &Start,
    found: &SimFlash,
    expected: &Outcome,
) -> Checked {
    let Some(first) = start.first_difference(found, &expected.after) else {
        return Ok(());
    };
    // Keys are secret, and so is what is encrypted on its way.
    let bytes = if context.encrypted_images_sent().is_empty() {
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
            context.firmware.place(first.core, first.address)
        ),
    ))
}
