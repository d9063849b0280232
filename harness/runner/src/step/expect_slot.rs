//! `expect_slot`: the bytes in a slot, read through the probe.

use crate::context::Context;
use crate::holding::Form;
use crate::trouble::{Checked, Trouble};
use hil_record::{Check, Evidence, FailKind};
use hil_scenario::{ExpectSlot, SlotContents, Stored};

pub(super) fn run(context: &mut Context<'_>, expect: &ExpectSlot) -> Checked {
    match &expect.contents {
        SlotContents::Erased => erased(context, expect),
        SlotContents::Holds { image, .. } => {
            let loaded = context.image(image)?;
            let stored = expect.contents.stored(expect.slot, loaded.is_encrypted());
            let form = match stored {
                Stored::Plain => Form::Plain,
                Stored::Encrypted => Form::AsSent,
            };
            let found = context.slot_holds(expect.slot, &loaded, form)?;
            found.map_err(|mismatch| {
                Trouble::fail(
                    FailKind::SlotContents,
                    format_args!(
                        "slot {} must hold {image} but holds {mismatch}",
                        expect.slot
                    ),
                )
            })?;
            context.see(Evidence::seen(
                format!("slot {}", expect.slot),
                format!("{image} ({}), {stored}", loaded.label()),
            ));
            Ok(())
        }
    }
}

fn erased(context: &mut Context<'_>, expect: &ExpectSlot) -> Checked {
    let region = context.firmware.slot(expect.slot)?;
    let bytes = context.read(region)?;
    context.checked(Check::SlotErased {
        slot: expect.slot.word().to_owned(),
        found: context.shot(region, &bytes),
    });
    let written = bytes.iter().filter(|byte| **byte != 0xFF).count();
    match bytes.iter().position(|byte| *byte != 0xFF) {
        None => {
            context.see(Evidence::seen(format!("slot {}", expect.slot), "erased"));
            Ok(())
        }
        Some(first) => Err(Trouble::fail(
            FailKind::SlotContents,
            format_args!(
                "slot {} must be erased but holds {written} written bytes, the first at offset {first:#010x}",
                expect.slot
            ),
        )),
    }
}
