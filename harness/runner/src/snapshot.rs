//! Tells what the flash of a board holds at the end of a scenario, against what was programmed.
//!
//! The bytes are those that the standing check *flash as predicted* has read anyhow; where a scenario failed before that, or
//! waives it, they are read once more. Only addresses and hashes of pages are told: a page may hold what is secret. Those
//! that do not are in the evidence store.

use crate::context::Context;
use crate::firmware::{EXTERNAL_WINDOW, Region, memory_name};
use crate::proof::page_size;
use crate::trouble::Checked;
use hil_bootloader::DeviceId;
use hil_record::{EventKind, FlashSnapshot, MemorySnapshot, Outcome};
use hil_scenario::Core;

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
            Region::whole_flash(Core::App),
            programmed.app.as_slice(),
            app,
        ),
        (
            DeviceId::NetFlash,
            Region::whole_flash(Core::Net),
            programmed.net.as_slice(),
            net,
        ),
        (
            DeviceId::External,
            Region {
                core: Core::App,
                address: EXTERNAL_WINDOW,
                size: context.firmware.external_size(),
            },
            programmed.external.as_slice(),
            external,
        ),
    ];
    let memories = memories
        .into_iter()
        .filter(|(.., found)| !found.is_empty())
        .map(|(device, region, programmed, found)| {
            let mut memory = MemorySnapshot::compare(
                memory_name(device),
                region.address,
                page_size(device),
                context.firmware.partitions(device),
                programmed,
                found,
            );
            // The same pages, with those that are no secret in the evidence store.
            memory.changed = context.shot(region, found).changed;
            memory
        })
        .collect();
    context.flash_told = true;
    context.events.emit(EventKind::Flash(FlashSnapshot {
        board: context.bench.name.clone(),
        scenario: context.scenario.clone(),
        memories,
    }));
}
