//! Tells what the flash of a board holds at the end of a scenario, against what was programmed.
//!
//! The bytes are those that the standing check *flash as predicted* has read anyhow; where a scenario failed before that, or
//! waives it, they are read once more. Only addresses and hashes of pages are told: a page may hold what is secret.

use crate::context::Context;
use crate::firmware::{EXTERNAL_WINDOW, Region, memory_name};
use crate::trouble::Checked;
use hil_bootloader::DeviceId;
use hil_record::{EventKind, FlashSnapshot, MemorySnapshot, Outcome};
use hil_scenario::Core;

/// Pages of the application core's flash and sectors of the MX25R64, in bytes (nRF5340 product specification, NVMC;
/// MX25R6435F data sheet, sector erase).
const PAGE: u32 = 4096;

/// Pages of the network core's flash, in bytes (nRF5340 product specification, NVMC).
const NET_PAGE: u32 = 2048;

/// Tells what is there when no check has: whoever looks into a failure must not need a second run. Not after trouble of the
/// bench, which would only go on; and what cannot be read now changes no verdict.
pub(crate) fn at_the_end(context: &mut Context<'_>, outcome: &Outcome) {
    let useful = !context.flash_told
        && context.programmed().is_some()
        && matches!(outcome, Outcome::Pass | Outcome::Fail { .. });
    if useful && !context.cancel.is_cancelled() && context.in_time().is_ok() {
        // Unread memories are no snapshot.
        drop(read_and_tell(context));
    }
}

fn read_and_tell(context: &mut Context<'_>) -> Checked {
    let app = context.read(Region::whole_flash(Core::App))?;
    let net = context.read(Region::whole_flash(Core::Net))?;
    let external = context.read_external()?;
    tell(context, &app, &net, &external);
    Ok(())
}

/// Emits the snapshot; nothing when no step programmed the board.
pub(crate) fn tell(context: &mut Context<'_>, app: &[u8], net: &[u8], external: &[u8]) {
    let Some(programmed) = context.programmed() else {
        return;
    };
    let memories = [
        (
            DeviceId::AppFlash,
            Region::whole_flash(Core::App).address,
            PAGE,
            programmed.app.as_slice(),
            app,
        ),
        (
            DeviceId::NetFlash,
            Region::whole_flash(Core::Net).address,
            NET_PAGE,
            programmed.net.as_slice(),
            net,
        ),
        (
            DeviceId::External,
            EXTERNAL_WINDOW,
            PAGE,
            programmed.external.as_slice(),
            external,
        ),
    ];
    let memories = memories
        .into_iter()
        .filter(|(.., found)| !found.is_empty())
        .map(|(device, address, page, programmed, found)| {
            MemorySnapshot::compare(
                memory_name(device),
                address,
                page,
                context.firmware.partitions(device),
                programmed,
                found,
            )
        })
        .collect();
    context.flash_told = true;
    context.events.emit(EventKind::Flash(FlashSnapshot {
        board: context.bench.name.clone(),
        scenario: context.scenario.clone(),
        memories,
    }));
}
