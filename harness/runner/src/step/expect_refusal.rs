//! `expect_refusal`: the whole way of an image that must not run, to the place where it must be refused.
//!
//! It is the way of every update: upload, request, reset. So it is made of the steps that others write down one by one,
//! and they fail as they do there.

use crate::context::{Context, LoadedImage};
use crate::firmware::Firmware;
use crate::step::{expect_boot, expect_console, expect_slot, mark, reset, upload};
use crate::trouble::{Checked, Trouble};
use hil_image::Damage;
use hil_image::trailer::magic;
use hil_record::{Check, Evidence, FailKind};
use hil_scenario::{
    Answer, BootState, Core, ExpectBoot, ExpectConsole, ExpectRefusal, ExpectSlot, ImageRef,
    Leaves, Mark, MarkAnswer, Missing, Presence, PrintedBy, Refusal, Request, Reset, ResetBy, Slot,
    SlotContents, Upload,
};
use std::time::Duration;

/// How long a line of the bootloader may still be on its way when the application answers. We chose it.
const LINE_WITHIN: Duration = Duration::from_secs(5);

pub(super) fn run(context: &mut Context<'_>, step: &ExpectRefusal) -> Checked {
    if let Some(damage) = step.image.damage {
        context.see(Evidence::seen(
            "damage",
            format!("{}: {}", step.image.whole(), damage.summary()),
        ));
    }
    let answers = match step.refusal {
        Refusal::Upload(code) => (Answer::Refused(Some(code)), None),
        Refusal::Mark(code) => (
            Answer::Accepted,
            Some(MarkAnswer::Honest(Answer::Refused(Some(code)))),
        ),
        Refusal::Boot { .. } => (Answer::Accepted, Some(MarkAnswer::default())),
    };
    // What runs, and must go on running, is asked before anything is done.
    let running = running(context, step.within)?;
    let network = network_flash(context, step)?;
    let upload = Upload {
        to: step.to,
        over: step.over,
        expect: answers.0,
        ..Upload::new(step.image.clone())
    };
    upload::run(context, &upload)?;
    if let Some(expect) = answers.1 {
        let mark = Mark {
            image: step.image.clone(),
            request: Request::Test,
            over: step.over,
            expect,
            transport_faults: Vec::new(),
        };
        mark::run(context, &mark)?;
    }
    let Refusal::Boot { says, leaves } = &step.refusal else {
        return Ok(());
    };
    reset::run(context, &Reset::by(ResetBy::Smp))?;
    let boot = ExpectBoot {
        app: Some(running.release),
        net: None,
        state: Some(BootState::Confirmed),
        within: step.within,
    };
    expect_boot::run(context, &boot)?;
    if let Some(text) = says {
        let console = ExpectConsole {
            core: Core::App,
            by: PrintedBy::Uart,
            text: text.clone(),
            presence: Presence::Present,
            missing: Missing::Fail,
            within: LINE_WITHIN,
        };
        expect_console::run(context, &console)?;
    }
    left(context, step, *leaves)?;
    let now = network_flash(context, step)?;
    if let (Some(before), Some(now)) = (&network, &now) {
        let region = context.firmware.slot(Slot::NetPrimary)?;
        context.checked(Check::Same {
            before: context.shot(region, before),
            found: context.shot(region, now),
        });
    }
    if network != now {
        return Err(Trouble::fail(
            FailKind::NetworkCore,
            format_args!(
                "{} was refused, but the network core's flash is not what it was",
                step.image
            ),
        ));
    }
    Ok(())
}

/// The image that runs, of the firmware set.
fn running(context: &mut Context<'_>, within: Duration) -> Checked<ImageRef> {
    let deadline = context.deadline(within);
    let list = context.image_list(deadline)?.ok_or_else(|| {
        Trouble::fail(
            FailKind::Protocol,
            format_args!("the board does not answer before anything is sent to it"),
        )
    })?;
    let active = list.images.into_iter().find(|entry| entry.active);
    let hash = active.and_then(|entry| entry.hash).unwrap_or_default();
    context.firmware.role_of(&hash).ok_or_else(|| {
        Trouble::fail(
            FailKind::WrongImage,
            format_args!(
                "the board runs an image that the firmware set does not have: hash {}",
                hex::encode(&hash)
            ),
        )
    })
}

/// The network core's flash, where an image could have got there.
fn network_flash(context: &mut Context<'_>, step: &ExpectRefusal) -> Checked<Option<Vec<u8>>> {
    let concerns_it = step.image.core == Core::Net || step.image.damage == Some(Damage::OtherCore);
    if !concerns_it {
        return Ok(None);
    }
    let region = context.firmware.slot(Slot::NetPrimary)?;
    context.read(region).map(Some)
}

/// What the bootloader left of the image.
fn left(context: &mut Context<'_>, step: &ExpectRefusal, leaves: Leaves) -> Checked {
    let slot = match step.to {
        None | Some(0) => Slot::AppSecondary,
        Some(_) => Slot::NetSecondary,
    };
    if leaves == Leaves::Erased {
        let erased = ExpectSlot {
            slot,
            contents: SlotContents::Erased,
        };
        return expect_slot::run(context, &erased);
    }
    let image = context.image(&step.image)?;
    let region = context.firmware.slot(slot)?;
    let bytes = context.read(region)?;
    context.checked(Check::SlotLeft {
        slot: slot.word().to_owned(),
        image: step.image.to_string(),
        leaves: leaves.to_string(),
        found: context.shot(region, &bytes),
    });
    judge_left(context.firmware, slot, &image, leaves, &bytes)?;
    context.see(Evidence::seen(
        format!("slot {slot}"),
        format!("{leaves}: {}", step.image),
    ));
    Ok(())
}

/// Holds the bytes of a slot against what must be left of an image in it; nothing at all is for
/// [`expect_slot`](super::expect_slot).
pub(crate) fn judge_left(
    firmware: &Firmware,
    slot: Slot,
    image: &LoadedImage,
    leaves: Leaves,
    bytes: &[u8],
) -> Checked {
    let bootloader = &firmware.set().bootloader;
    let magic = magic(bootloader.max_align);
    let sector = bootloader.sector_size as usize;
    let begins = if firmware.lies_one_sector_up(slot) {
        sector
    } else {
        0
    };
    let name = image.role();
    let (gone, kept) = match leaves {
        Leaves::Rest => (sector.min(image.bytes().len()), begins + sector),
        Leaves::Image | Leaves::Request | Leaves::Erased => (0, begins),
    };
    let first_is_gone = bytes[begins..begins + gone]
        .iter()
        .all(|byte| *byte == 0xFF);
    if !first_is_gone || !bytes[kept..].starts_with(&image.bytes()[gone..]) {
        return Err(Trouble::fail(
            FailKind::SlotContents,
            format_args!("slot {slot} must hold {leaves} ({name}), but holds other bytes"),
        ));
    }
    if bytes.ends_with(&magic) != (leaves == Leaves::Request) {
        let (must, but) = match leaves {
            Leaves::Request => ("still", "it is gone"),
            Leaves::Image | Leaves::Rest | Leaves::Erased => ("no longer", "it is there"),
        };
        return Err(Trouble::fail(
            FailKind::SlotContents,
            format_args!("slot {slot} must {must} have a request for a swap, but {but}"),
        ));
    }
    Ok(())
}
