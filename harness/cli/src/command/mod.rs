//! The commands, one file each; those of `dfu-hil bootloader` in a folder.

mod ble_worker;
mod bootloader;
mod check;
mod demo_firmware;
mod emulated_board;
mod firmware;
mod history;
mod image;
mod list;
mod merge;
mod nightly;
mod opaque;
mod replay;
mod report;
mod rig;
mod rig_check;
mod run;
mod signoff;
mod verify;
mod virtual_dk;

pub(crate) use bootloader::FlashFile;

use crate::args::{Command, FirmwareCommand, ImageCommand};
use crate::error::CliError;
use crate::exit::Exit;

/// Does what was asked for.
pub(crate) fn dispatch(command: Command) -> Result<Exit, CliError> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Nightly(args) => nightly::nightly(&args),
        Command::Report(args) => report::report(&args),
        Command::Merge(args) => merge::merge(&args),
        Command::History(args) => history::history(&args),
        Command::List(args) => list::list(&args),
        Command::Check(args) => check::check(&args),
        Command::Signoff(args) => signoff::signoff(&args),
        Command::Countersign(args) => signoff::countersign(&args),
        Command::Verify(args) => verify::verify(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Rig(command) => rig::dispatch(&command),
        Command::Image(ImageCommand::Inspect(args)) => image::inspect(&args),
        Command::Firmware(FirmwareCommand::Import(args)) => firmware::import(&args),
        Command::Firmware(FirmwareCommand::Check(args)) => firmware::check(&args),
        Command::Bootloader(command) => bootloader::dispatch(command),
        Command::VirtualDk(args) => virtual_dk::serve(args),
        Command::EmulatedBoard(args) => emulated_board::serve(args),
        Command::BleWorker => ble_worker::serve(),
        Command::DemoFirmware(args) => demo_firmware::write(&args),
    }
}
