//! Which comparisons a step must have made to have passed: evidence that was taken out is missed.

use crate::bench::source_name;
use hil_record::{Check, CoreName};
use hil_scenario::{Core, ExpectBoot, ExpectNet, Presence, Slot, SlotContents, Step};

/// What a step that passed has not looked at although it must.
pub(super) fn missing(step: &Step, checks: &[&Check]) -> Option<String> {
    let has = |wanted: &dyn Fn(&Check) -> bool| checks.iter().any(|check| wanted(check));
    let holds = |slot: Slot, role: &str| {
        let found = has(
            &|check| matches!(check, Check::SlotHolds { slot: at, image, .. } if at == slot.word() && image == role),
        );
        (!found).then(|| format!("slot {slot} for {role}"))
    };
    match step {
        Step::ExpectSlot(expect) => match &expect.contents {
            SlotContents::Holds { image, .. } => holds(expect.slot, &image.to_string()),
            SlotContents::Erased => {
                let word = expect.slot.word();
                let found =
                    has(&|check| matches!(check, Check::SlotErased { slot, .. } if slot == word));
                (!found).then(|| format!("slot {}", expect.slot))
            }
        },
        Step::ExpectBoot(ExpectBoot { app, net, .. }) => {
            let application = app.as_ref().and_then(|release| {
                let role = format!("{release}.app");
                let runs =
                    has(&|check| matches!(check, Check::Running { image, .. } if *image == role));
                if runs {
                    holds(Slot::AppPrimary, &role)
                } else {
                    Some(format!("which image runs, for {role}"))
                }
            });
            let network = || {
                let release = net.as_ref()?;
                holds(Slot::NetPrimary, &format!("{release}.net")).or_else(|| network_core(checks))
            };
            application.or_else(network)
        }
        Step::ExpectImageState(_) => {
            let found = has(&|check| matches!(check, Check::ImageList { .. }));
            (!found).then(|| "the board's image list".to_owned())
        }
        Step::ExpectConsole(expect) => {
            let wanted_core = match expect.core {
                Core::App => CoreName::App,
                Core::Net => CoreName::Net,
            };
            let wanted_absent = expect.presence == Presence::Absent;
            let found = has(&|check| {
                matches!(check, Check::Console { core, source, text, absent, .. }
                    if *core == wanted_core && *source == source_name(expect.by) && *text == expect.text && *absent == wanted_absent)
            });
            (!found).then(|| format!("the {} console for `{}`", expect.core, expect.text))
        }
        Step::ExpectNet(ExpectNet {
            release,
            version,
            alive,
            ..
        }) => {
            let slot = release
                .as_ref()
                .and_then(|release| holds(Slot::NetPrimary, &format!("{release}.net")));
            let version_seen = version.is_none()
                || has(
                    &|check| matches!(check, Check::NetworkVersion { version: of, .. } if Some(*of) == *version),
                );
            slot.or_else(|| (!version_seen).then(|| "the network core's version".to_owned()))
                .or_else(|| alive.and_then(|_| network_core(checks)))
        }
        Step::ExpectPlainText(expect) => {
            let role = expect.of.to_string();
            let found =
                has(&|check| matches!(check, Check::NoPlainText { image, .. } if *image == role));
            (!found).then(|| format!("flash for plain text of {role}"))
        }
        Step::ExpectRefusal(_) | Step::ExpectUpdate(_) => {
            checks.is_empty().then(|| "anything at all".to_owned())
        }
        Step::Program(_)
        | Step::Upload(_)
        | Step::Mark(_)
        | Step::Erase(_)
        | Step::Reset(_)
        | Step::PowerCycle(_)
        | Step::PowerCut(_)
        // Its looks are missed where its points are judged.
        | Step::Sweep(_)
        | Step::ExpectRadio(_) => None,
    }
}

/// Whether a failure of a step that rests on a comparison is always one of those that are made again.
pub(super) const fn is_comparison(step: &Step) -> bool {
    matches!(
        step,
        Step::ExpectSlot(_)
            | Step::ExpectBoot(_)
            | Step::ExpectImageState(_)
            | Step::ExpectConsole(_)
            | Step::ExpectPlainText(_)
            | Step::Sweep(_)
    )
}

/// The same as [`missing`] for a check that follows every scenario, by its name.
pub(super) fn missing_of_standing_check(name: &str, checks: &[&Check]) -> Option<String> {
    let count = |wanted: fn(&Check) -> bool| checks.iter().filter(|check| wanted(check)).count();
    if name == "no_plain_text" {
        return without_ram(checks);
    }
    let (least, found, what) = match name {
        "bootloader_unchanged" => (
            2,
            count(|check| matches!(check, Check::UicrUnchanged { .. })),
            "UICR of both cores",
        ),
        "other_partitions_unchanged" => (
            1,
            count(|check| matches!(check, Check::Unchanged { .. })),
            "flash outside the slots",
        ),
        "both_cores_alive" => (
            1,
            count(|check| matches!(check, Check::Answers { .. })),
            "whether the application answers",
        ),
        "flash_as_predicted" => (
            1,
            count(|check| matches!(check, Check::Predicted { .. })),
            "the whole flash",
        ),
        _ => return None,
    };
    (found < least).then(|| what.to_owned())
}

/// What was looked for in flash and not in RAM. Where RAM was not to be searched, the journal says so.
fn without_ram(checks: &[&Check]) -> Option<String> {
    let looked_for = checks.iter().filter_map(|check| match check {
        Check::NoPlainText { image, .. } => Some(image),
        _ => None,
    });
    let in_ram = |role: &String| {
        checks
            .iter()
            .any(|check| matches!(check, Check::ContentKeyInRam { image, .. } if image == role))
    };
    looked_for
        .into_iter()
        .find(|role| !in_ram(role))
        .map(|role| format!("RAM for the content key of {role}"))
}

fn network_core(checks: &[&Check]) -> Option<String> {
    let found = checks.iter().any(|check| {
        matches!(
            check,
            Check::NetworkRuns { .. }
                | Check::Console {
                    core: CoreName::Net,
                    ..
                }
        )
    });
    (!found).then(|| "whether the network core runs".to_owned())
}
