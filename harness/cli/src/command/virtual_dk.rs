//! `dfu-hil virtual-dk`: virtual boards that any tool can use, until they are told to stop.

use crate::args::{RadioArgs, VirtualDkArgs};
use crate::error::CliError;
use crate::exit::Exit;
use hil_runner::error_chain;
use std::time::Duration;
use virtual_dk::{Accelerators, Contents, ExternalPart, LinkOptions, RadioOptions, ServeOptions};

/// Starts the boards and returns when they have stopped.
pub(crate) fn serve(args: VirtualDkArgs) -> Result<Exit, CliError> {
    let contents = match (args.blank, args.load.is_empty()) {
        (true, _) => Contents::Blank,
        (false, true) => Contents::Demo,
        (false, false) => Contents::Files(args.load),
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
        contents,
        radio: Some(radio(args.radio)),
    };
    match virtual_dk::serve(&options) {
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
            loss: f64::from(args.ble_loss) / 100.0,
            seed: args.ble_seed,
            timing: args.ble_timing,
            ..LinkOptions::default()
        },
    }
}
