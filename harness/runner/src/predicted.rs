//! The standing check *flash as predicted*: the whole flash of both cores and the partitions in the external flash, byte for
//! byte, against what the model of the bootloaders makes of everything that was done to the board.
//!
//! Bytes of which nobody can know the value are compared with all values that they may have, and the evidence names
//! them; so are assumptions, such as that the application confirmed itself.

use crate::context::{Context, POLL_FLASH};
use crate::firmware::{EXTERNAL_WINDOW, Firmware, Region, memory_name};
use crate::history::{self, Rest};
use crate::trouble::{Checked, Trouble};
use crate::{snapshot, standing};
use hil_bootloader::predict::{Comparison, Forecast, Match, Mismatch, PredictError};
use hil_bootloader::{Area, DeviceId, Erases, SimFlash};
use hil_record::{Check, ErrorKind, Evidence, FailKind};
use hil_scenario::{Core, StandingCheck};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a board that may still be booting is given to end it. We chose it: a swap takes about 0.4 s for each 4 KiB
/// of image, so this is enough for the largest that fits.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

/// How many of the last things that happened a message tells.
const TOLD: usize = 2;

/// Makes the check. `waived` are the checks that the scenario leaves out: what they are about is left out here too.
pub(crate) fn run(context: &mut Context<'_>, waived: &BTreeMap<StandingCheck, String>) -> Checked {
    let Some(programmed) = context.programmed() else {
        return Err(Trouble::NotPossible(
            "no step programmed the board, so what it held before is not known".to_owned(),
        ));
    };
    let chip = context.firmware.set().chip;
    let programmed =
        history::flash_of(chip, &programmed.app, &programmed.net, &programmed.external)
            .counting_erases();
    let except: Vec<Area> = left_out(context.firmware, waived)
        .iter()
        .map(Region::area)
        .collect();
    let deadline = context.deadline(SETTLES_WITHIN);
    // A second look, in case the first met the board in the middle of something.
    let mut looks = 0;
    loop {
        let app = context.read(Region::whole_flash(Core::App))?;
        let net = context.read(Region::whole_flash(Core::Net))?;
        let external = context.read_external()?;
        let found = history::flash_of(chip, &app, &net, &external);
        let (forecast, rest) = history::forecast(
            context.firmware,
            context.firmware.bootloader_keys()?,
            programmed.clone(),
            context.history(),
            context.console(Core::App),
        )
        .map_err(|error| not_modelled(&error))?;
        looks += 1;
        let app_line = context.console(Core::App).mark().line();
        match forecast.compare(&found, &except) {
            Comparison::NotKnown(reason) => {
                snapshot::tell(context, &app, &net, &external);
                return Err(Trouble::NotPossible(reason));
            }
            Comparison::Same(matched) => {
                snapshot::tell(context, &app, &net, &external);
                tell_check(context, waived, app_line, &app, &net, &external);
                tell(context, &matched, &except);
                context.bench.wear.predicted(&matched.erases);
                return Ok(());
            }
            Comparison::Different(_)
                if looks == 1 || (rest == Rest::Unknown && context.clock.now() < deadline) =>
            {
                context.wait_at_most(POLL_FLASH, deadline)?;
            }
            Comparison::Different(mismatch) => {
                snapshot::tell(context, &app, &net, &external);
                tell_check(context, waived, app_line, &app, &net, &external);
                return Err(different(context, &mismatch));
            }
        }
    }
}

/// Holds flash against a forecast of its own, of what was done since the flash was last known. How often sectors were erased.
pub(crate) fn compare(
    context: &Context<'_>,
    forecast: &Forecast<'_>,
    found: &SimFlash,
) -> Checked<Erases> {
    match forecast.compare(found, &[]) {
        Comparison::Same(matched) => Ok(matched.erases),
        Comparison::Different(mismatch) => Err(different(context, &mismatch)),
        Comparison::NotKnown(reason) => Err(Trouble::error(ErrorKind::Harness, reason)),
    }
}

/// Tells what was compared, for whoever makes the prediction again.
fn tell_check(
    context: &Context<'_>,
    waived: &BTreeMap<StandingCheck, String>,
    app_line: u64,
    app: &[u8],
    net: &[u8],
    external: &[u8],
) {
    let mut found = vec![
        context.shot(Region::whole_flash(Core::App), app),
        context.shot(Region::whole_flash(Core::Net), net),
    ];
    if let Some(region) = context.firmware.external_flash() {
        found.push(context.shot(region, external));
    }
    context.checked(Check::Predicted {
        waived: waived
            .keys()
            .map(|check| standing::name(*check).to_owned())
            .collect(),
        app_line,
        found,
    });
}

/// Areas that other checks are about which the scenario waives.
pub(crate) fn left_out(
    firmware: &Firmware,
    waived: &BTreeMap<StandingCheck, String>,
) -> Vec<Region> {
    let mut regions = Vec::new();
    if waived.contains_key(&StandingCheck::BootloaderUnchanged) {
        regions.extend(
            Core::ALL
                .iter()
                .filter_map(|core| firmware.bootloader(*core)),
        );
    }
    if waived.contains_key(&StandingCheck::OtherPartitionsUnchanged) {
        regions.extend(firmware.untouchable());
    }
    regions
}

fn tell(context: &mut Context<'_>, matched: &Match, except: &[Area]) {
    let whole: u32 = Core::ALL
        .iter()
        .map(|core| Region::whole_flash(*core).size)
        .sum();
    let external = context.firmware.external_partitions();
    let external: u32 = external.iter().map(|region| region.size).sum();
    let out: u32 = except.iter().map(|area| area.size).sum();
    let what = match external {
        0 => "flash of both cores",
        _ => "flash of both cores and external flash",
    };
    context.see(Evidence::seen(
        what,
        format!(
            "{} bytes as the bootloader model predicts",
            whole + external - out
        ),
    ));
    if out > 0 {
        context.see(Evidence::seen(
            "not compared",
            format!("{out} bytes that waived checks are about"),
        ));
    }
    for (what, notes) in [
        ("prediction", &matched.notes),
        ("prediction assumes", &matched.assumed),
        ("compared with several values", &matched.left_open),
    ] {
        for note in notes {
            context.see(Evidence::seen(what, note.as_str()));
        }
    }
}

fn different(context: &Context<'_>, mismatch: &Mismatch) -> Trouble {
    let first = &mismatch.first;
    let (core, start) = match first.device {
        DeviceId::NetFlash => (Core::Net, Region::whole_flash(Core::Net).address),
        DeviceId::External => (Core::App, EXTERNAL_WINDOW),
        DeviceId::AppFlash | DeviceId::RamFlash => (Core::App, 0),
    };
    let address = start + first.offset;
    let place = first.place.as_ref().map_or_else(
        || context.firmware.place(core, address),
        ToString::to_string,
    );
    // Keys are secret, and so is what is encrypted on its way.
    let encrypted = !context.encrypted_images_sent().is_empty();
    let is_secret = first
        .place
        .as_ref()
        .is_some_and(|place| place.is_key() || (encrypted && place.is_contents()));
    let bytes = if is_secret {
        "which may be secret and are not shown".to_owned()
    } else {
        format!(
            "found {}, expected {}",
            hex::encode(&first.found),
            hex::encode(&first.expected)
        )
    };
    let choice = if mismatch.states == 1 {
        String::new()
    } else {
        format!(
            "; that is the nearest of {} contents that flash might have",
            mismatch.states
        )
    };
    let count = match mismatch.bytes {
        1 => "1 byte differs".to_owned(),
        bytes => format!("{bytes} bytes differ, the first"),
    };
    let from = mismatch.story.len().saturating_sub(TOLD);
    Trouble::fail(
        FailKind::StandingCheck,
        format_args!(
            "flash is not as predicted: {count} at {address:#010x} of the {}, {place}: {bytes}; predicted \
             from: {}{choice}",
            memory_name(first.device),
            mismatch.story[from..].join(" | ")
        ),
    )
}

/// The model cannot follow: that says nothing of the firmware.
pub(crate) fn not_modelled(error: &PredictError) -> Trouble {
    Trouble::error(
        ErrorKind::Harness,
        format_args!("the bootloader model cannot follow what was done: {error}"),
    )
}
