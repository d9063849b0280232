//! The checks that follow every scenario: what no step asked for must not have happened.
//!
//! Each is left out only where the scenario file waives it with a reason; that is recorded as a skip, never as a pass.

use crate::bench::core_name;
use crate::context::{Context, LoadedImage};
use crate::events::sha256;
use crate::firmware::Region;
use crate::plaintext::TellTales;
use crate::predicted;
use crate::ram;
use crate::step::expect_net_alive;
use crate::trouble::{Checked, Trouble};
use hil_record::{Check, ErrorKind, Evidence, FailKind, RegionShot};
use hil_scenario::{Core, Slot, StandingCheck};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long the cores have to show that they run. We chose it: a boot without a swap takes a few seconds, and a
/// scenario may end while one goes on.
const ALIVE_WITHIN: Duration = Duration::from_secs(30);

/// The checks in the order in which they are made: what reads one thing first, since the others may wait; the whole of
/// flash last, when the board has come to rest.
pub(crate) const CHECKS: [StandingCheck; 5] = [
    StandingCheck::BootloaderUnchanged,
    StandingCheck::OtherPartitionsUnchanged,
    StandingCheck::NoPlainText,
    StandingCheck::BothCoresAlive,
    StandingCheck::FlashAsPredicted,
];

/// Its name in events.
pub(crate) fn name(check: StandingCheck) -> &'static str {
    match check {
        StandingCheck::BootloaderUnchanged => "bootloader_unchanged",
        StandingCheck::OtherPartitionsUnchanged => "other_partitions_unchanged",
        StandingCheck::NoPlainText => "no_plain_text",
        StandingCheck::BothCoresAlive => "both_cores_alive",
        StandingCheck::FlashAsPredicted => "flash_as_predicted",
    }
}

/// What it checks, in words.
pub(crate) fn text(check: StandingCheck) -> &'static str {
    match check {
        StandingCheck::BootloaderUnchanged => {
            "bootloaders and UICR of both cores are as programmed"
        }
        StandingCheck::OtherPartitionsUnchanged => "flash outside the slots is as programmed",
        StandingCheck::NoPlainText => {
            "no plain text of an encrypted image outside the primary slot"
        }
        StandingCheck::BothCoresAlive => "both cores run",
        StandingCheck::FlashAsPredicted => "the whole flash is as the bootloader model predicts",
    }
}

/// Makes one check.
pub(crate) fn run(
    context: &mut Context<'_>,
    check: StandingCheck,
    waived: &BTreeMap<StandingCheck, String>,
) -> Checked {
    match check {
        StandingCheck::BootloaderUnchanged => bootloader_unchanged(context),
        StandingCheck::OtherPartitionsUnchanged => other_partitions_unchanged(context),
        StandingCheck::NoPlainText => no_plain_text(context, waived),
        StandingCheck::BothCoresAlive => both_cores_alive(context),
        StandingCheck::FlashAsPredicted => predicted::run(context, waived),
    }
}

fn bootloader_unchanged(context: &mut Context<'_>) -> Checked {
    for core in Core::ALL {
        if let Some(region) = context.firmware.bootloader(core) {
            unchanged(context, region, "the bootloader")?;
        }
        uicr_unchanged(context, core)?;
    }
    Ok(())
}

fn uicr_unchanged(context: &mut Context<'_>, core: Core) -> Checked {
    let Some(before) = context
        .programmed()
        .map(|programmed| programmed.uicr(core).to_vec())
    else {
        return Ok(());
    };
    let now = context.read_uicr(core)?;
    context.checked(Check::UicrUnchanged {
        core: core_name(core),
        programmed: sha256(&before),
        found: sha256(&now),
    });
    match before
        .iter()
        .zip(&now)
        .position(|(before, now)| before != now)
    {
        None => Ok(()),
        Some(first) => Err(Trouble::fail(
            FailKind::StandingCheck,
            format_args!(
                "UICR of the {core} core has changed at offset {:#05x}: {:#04x} when programmed, {:#04x} now",
                first, before[first], now[first]
            ),
        )),
    }
}

fn other_partitions_unchanged(context: &mut Context<'_>) -> Checked {
    for region in context.firmware.untouchable() {
        unchanged(context, region, "flash that no update may touch")?;
    }
    Ok(())
}

/// Compares a region with what was programmed.
fn unchanged(context: &mut Context<'_>, region: Region, what: &str) -> Checked {
    let Some(before) = context
        .programmed()
        .map(|programmed| programmed.flash(region).to_vec())
    else {
        return Ok(());
    };
    let now = context.read(region)?;
    context.checked(Check::Unchanged {
        what: what.to_owned(),
        found: context.shot(region, &now),
    });
    let differs = |(before, now): (&u8, &u8)| before != now;
    let Some(first) = before.iter().zip(&now).position(differs) else {
        return Ok(());
    };
    let count = before
        .iter()
        .zip(&now)
        .filter(|pair| differs(*pair))
        .count();
    let address = u64::from(region.address) + first as u64;
    Err(Trouble::fail(
        FailKind::StandingCheck,
        format_args!(
            "{what} of the {} has changed: {count} bytes differ in {:#010x}..{:#010x}, the first at {address:#010x} \
             ({:#04x} when programmed, {:#04x} now)",
            region.memory(),
            region.address,
            u64::from(region.address) + u64::from(region.size),
            before[first],
            now[first],
        ),
    ))
}

fn no_plain_text(context: &mut Context<'_>, waived: &BTreeMap<StandingCheck, String>) -> Checked {
    let images = context.encrypted_images_sent();
    let mut primary = Vec::new();
    for image in &images {
        let slot = match image.core() {
            Core::App => Slot::AppPrimary,
            Core::Net => Slot::NetPrimary,
        };
        let Looked {
            blocks,
            primary: found,
        } = plain_text_only_in(context, image, &[slot])?;
        primary = found;
        context.see(Evidence::seen(
            "plain text outside the primary slot",
            format!(
                "none of {blocks} blocks of {}, and not its content key",
                image.label()
            ),
        ));
    }
    ram::search(context, &images, &primary, waived)
}

/// What a look for plain text in flash came to.
#[derive(Default)]
pub(crate) struct Looked {
    /// How many blocks were looked for.
    pub(crate) blocks: usize,
    /// What the primary slots hold.
    primary: Vec<Zeroizing<Vec<u8>>>,
}

/// Looks for the plain payload of `image` in the flash of both cores and in the partitions of the external flash, outside
/// `slots`. And for its content key outside the primary slots, in whose trailers MCUboot leaves
/// it for good (mcuboot `boot/bootutil/src/bootutil_misc.c`, `boot_write_enc_key`).
pub(crate) fn plain_text_only_in(
    context: &mut Context<'_>,
    image: &Arc<LoadedImage>,
    slots: &[Slot],
) -> Checked<Looked> {
    let Some(plain) = image.plain() else {
        return Ok(Looked::default());
    };
    let public = context.firmware.public_bytes();
    let tell_tales = TellTales::new(plain, public.iter().map(AsRef::as_ref));
    if tell_tales.len() == 0 {
        return Err(Trouble::error(
            ErrorKind::File,
            format_args!(
                "the plain text of {} has no block that does not also occur in images that are not encrypted, so \
                 nothing can be looked for",
                image.label()
            ),
        ));
    }
    let allowed: Vec<Region> = slots
        .iter()
        .filter_map(|slot| context.firmware.slot(*slot).ok())
        .collect();
    let key = image.content_key().map(TellTales::of_key);
    let primary = context.firmware.primary_slots();
    let mut regions: Vec<Region> = Core::ALL.map(Region::whole_flash).to_vec();
    regions.extend(context.firmware.external_partitions());
    let mut shots = Vec::new();
    let mut running = Vec::new();
    for whole in regions {
        let core = whole.core;
        let bytes = context.read(whole)?;
        shots.push(context.shot(whole, &bytes));
        for slot in primary.iter().filter(|slot| slot.core == core) {
            let start = slot.address.checked_sub(whole.address);
            let held =
                start.and_then(|start| bytes.get(start as usize..)?.get(..slot.size as usize));
            running.extend(held.map(|bytes| Zeroizing::new(bytes.to_vec())));
        }
        let outside = |blocks: &TellTales, allowed: &[Region]| -> Vec<u32> {
            blocks
                .offsets(&bytes)
                .filter_map(|offset| u32::try_from(offset).ok())
                .map(|offset| whole.address + offset)
                .filter(|address| {
                    !allowed
                        .iter()
                        .any(|region| region.core == core && region.contains(*address))
                })
                .collect()
        };
        let keys = key
            .as_ref()
            .map(|key| outside(key, &primary))
            .unwrap_or_default();
        let stray = outside(&tell_tales, &allowed);
        if let Some(first) = keys.first() {
            let count = (stray.len() + keys.len()) as u64;
            tell_plain_text(context, image, slots, tell_tales.len(), count, shots);
            return Err(Trouble::fail(
                FailKind::PlainText,
                format_args!(
                    "the content key of the encrypted image ({}) lies at {first:#010x} of the {}, in {}",
                    image.label(),
                    whole.memory(),
                    context.firmware.place(core, *first),
                ),
            ));
        }
        if let Some(first) = stray.first() {
            let stray_blocks = stray.len() as u64;
            tell_plain_text(context, image, slots, tell_tales.len(), stray_blocks, shots);
            return Err(Trouble::fail(
                FailKind::PlainText,
                format_args!(
                    "plain text of the encrypted image ({}) lies at {first:#010x} of the {}, in {}: {} blocks \
                     of 16 bytes",
                    image.label(),
                    whole.memory(),
                    context.firmware.place(core, *first),
                    stray.len()
                ),
            ));
        }
    }
    tell_plain_text(context, image, slots, tell_tales.len(), 0, shots);
    Ok(Looked {
        blocks: tell_tales.len(),
        primary: running,
    })
}

fn tell_plain_text(
    context: &Context<'_>,
    image: &LoadedImage,
    slots: &[Slot],
    blocks: usize,
    stray: u64,
    found: Vec<RegionShot>,
) {
    context.checked(Check::NoPlainText {
        image: image.role().to_string(),
        only_in: slots.iter().map(|slot| slot.word().to_owned()).collect(),
        blocks: blocks as u64,
        stray,
        found,
    });
}

fn both_cores_alive(context: &mut Context<'_>) -> Checked {
    let deadline = context.deadline(ALIVE_WITHIN);
    let answered = context.image_list(deadline)?.is_some();
    context.checked(Check::Answers { answered });
    if !answered {
        return Err(Trouble::fail(
            FailKind::StandingCheck,
            format_args!(
                "the application core does not run: no answer over SMP within {ALIVE_WITHIN:?} after the last step; {}",
                context.last_line(Core::App)
            ),
        ));
    }
    if context.firmware.has_network_core() {
        expect_net_alive(context, deadline)
    } else {
        context.see(Evidence::seen(
            "network core",
            "the firmware set has nothing for it",
        ));
        Ok(())
    }
}
