//! `dfu-hil virtual-dk`: virtual boards that any tool can use, until they are told to stop.

use super::opaque;
use crate::args::{RadioArgs, VirtualDkArgs};
use crate::error::CliError;
use crate::exit::Exit;
use hil_runner::error_chain;
use hil_scenario::FirmwareSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use virtual_dk::bus::Firmware;
use virtual_dk::firmware::KnownFirmware;
use virtual_dk::{
    Accelerators, Button, Contents, ExternalPart, LinkOptions, RadioOptions, ServeOptions, Torn,
};

/// Starts the boards and returns when they have stopped.
pub(crate) fn serve(args: VirtualDkArgs) -> Result<Exit, CliError> {
    let sets: Vec<FirmwareSet> = args
        .firmware
        .iter()
        .map(|path| FirmwareSet::load(path).map_err(|error| CliError::usage(error.render())))
        .collect::<Result<_, _>>()?;
    let contents = match (args.blank, args.load.is_empty(), sets.first()) {
        (true, _, _) => Contents::Blank,
        (false, false, _) => Contents::Files(args.load),
        (false, true, Some(set)) => Contents::Files(baseline(set)),
        (false, true, None) => Contents::Demo,
    };
    let options = ServeOptions {
        boards: usize::from(args.boards),
        json: args.json,
        lenient_forceoff: args.lenient_forceoff,
        speed: args.speed,
        uart_baud: args.uart_baud,
        accelerators: if args.slow_probe {
            Accelerators::Off
        } else {
            Accelerators::On
        },
        probe_port: args.probe_port,
        external: if args.no_external_flash {
            ExternalPart::None
        } else {
            ExternalPart::Mx25r64
        },
        supply: args.supply,
        cuts: args.cuts,
        torn: args.torn.map(|seed| Torn {
            seed,
            unstable: !args.torn_stable,
        }),
        pressed: args
            .press
            .into_iter()
            .filter_map(Button::numbered)
            .collect(),
        contents,
        radio: Some(radio(args.radio)),
    };
    let known = opaque::known_binaries(&sets, args.application.as_ref())?;
    let firmware: Arc<dyn Firmware> = Arc::new(KnownFirmware::new(known));
    match virtual_dk::serve_with(&options, &firmware) {
        Ok(()) => Ok(Exit::Passed),
        Err(error @ virtual_dk::ServeError::Load(_)) => {
            Err(CliError::usage(error_chain(&error)).with_help(error.help()))
        }
        Err(error) => Err(CliError::bench(error_chain(&error)).with_help(error.help())),
    }
}

fn radio(args: RadioArgs) -> RadioOptions {
    RadioOptions {
        adapters: usize::from(args.ble_adapters),
        link: LinkOptions {
            mtu: args.ble_mtu,
            interval: Duration::from_micros(args.ble_interval_us.into()),
            phy: args.ble_phy,
            packets_per_event: args
                .ble_packets_per_event
                .map(|packets| packets.get().into()),
            loss: f64::from(args.ble_loss) / 100.0,
            seed: args.ble_seed,
            timing: args.ble_timing,
            ..LinkOptions::default()
        },
    }
}

/// What a programmer puts on a board for the baseline.
fn baseline(set: &FirmwareSet) -> Vec<PathBuf> {
    set.release("baseline").map_or_else(
        |_| Vec::new(),
        |release| {
            release
                .program
                .iter()
                .map(|program| program.file.path().to_owned())
                .collect()
        },
    )
}
