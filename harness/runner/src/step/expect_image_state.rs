//! `expect_image_state`: what the board's own image list says about a slot.

use crate::context::{Context, SMP_WITHIN};
use crate::firmware::Firmware;
use crate::trouble::{Checked, Trouble};
use hil_record::{Evidence, FailKind};
use hil_scenario::{ExpectImageState, ImageEntry, Slot};
use hil_smp::message::ImageState;

pub(super) fn run(context: &mut Context<'_>, expect: &ExpectImageState) -> Checked {
    let deadline = context.deadline(SMP_WITHIN);
    let Some(list) = context.image_list_over(expect.over, deadline)? else {
        return Err(Trouble::fail(
            FailKind::Protocol,
            format_args!("no answer to `image list` within {SMP_WITHIN:?}"),
        ));
    };
    context.tell_list(&list);
    judge(context.firmware, expect, &list).map(|found| context.see(found))
}

/// Holds the board's image list against what it must have for a slot.
pub(crate) fn judge(
    firmware: &Firmware,
    expect: &ExpectImageState,
    list: &ImageState,
) -> Checked<Evidence> {
    let (image, slot) = numbers(expect.slot);
    let entry = list.slot(image, slot);
    let found = entry.map_or_else(|| "nothing".to_owned(), |entry| format!("{entry:?}"));
    match (&expect.entry, entry) {
        (ImageEntry::Absent, None) => {}
        (ImageEntry::Absent, Some(_)) => {
            return Err(wrong(expect.slot, &found, "nothing"));
        }
        (ImageEntry::Listed { .. }, None) => {
            return Err(wrong(expect.slot, "nothing", "an image"));
        }
        (
            ImageEntry::Listed {
                image,
                version,
                flags,
            },
            Some(entry),
        ) => {
            if let Some(image) = image {
                let loaded = firmware.image(image)?;
                if entry.hash.as_deref() != Some(loaded.hash()) {
                    return Err(wrong(
                        expect.slot,
                        &found,
                        &format!("{image} ({})", loaded.label()),
                    ));
                }
            }
            if let Some(version) = version
                && entry.version.as_deref() != Some(listed(version).as_str())
            {
                return Err(wrong(expect.slot, &found, &format!("version {version}")));
            }
            for (name, found_flag, expected) in [
                ("active", entry.active, flags.active),
                ("pending", entry.pending, flags.pending),
                ("confirmed", entry.confirmed, flags.confirmed),
                ("permanent", entry.permanent, flags.permanent),
            ] {
                if let Some(expected) = expected
                    && expected != found_flag
                {
                    let not = if expected { "" } else { "not " };
                    return Err(wrong(expect.slot, &found, &format!("{not}{name}")));
                }
            }
        }
    }
    Ok(Evidence::seen(
        format!("image list, slot {}", expect.slot),
        found,
    ))
}

/// A version as Zephyr lists it: the build number behind a dot, and only when it is not 0
/// (zephyr `subsys/mgmt/mcumgr/grp/img_mgmt/src/img_mgmt.c`, `img_mgmt_ver_str`).
fn listed(version: &hil_image::ImageVersion) -> String {
    let hil_image::ImageVersion {
        major,
        minor,
        revision,
        build,
    } = version;
    if *build == 0 {
        format!("{major}.{minor}.{revision}")
    } else {
        format!("{major}.{minor}.{revision}.{build}")
    }
}

/// Image and slot number of a slot in SMP.
pub(crate) fn numbers(slot: Slot) -> (u32, u32) {
    match slot {
        Slot::AppPrimary => (0, 0),
        Slot::AppSecondary => (0, 1),
        Slot::NetPrimary => (1, 0),
        Slot::NetSecondary => (1, 1),
    }
}

fn wrong(slot: Slot, found: &str, expected: &str) -> Trouble {
    Trouble::fail(
        FailKind::ImageState,
        format_args!("the board lists {found} for slot {slot}, expected {expected}"),
    )
}
