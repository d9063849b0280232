//! The firmware of the network core.

use std::time::Duration;

use super::{IPC_ADDRESS, IPC_MAGIC, Run, console};
use crate::bus::CoreBus;
use crate::model::NetworkModel;

/// Prints its banner, tells the application core which interface it speaks, and stays alive.
pub(super) fn run(bus: &mut dyn CoreBus, model: &NetworkModel) -> Run {
    console::line(bus, "*** Booting nRF Connect SDK v2.9.0 ***")?;
    console::line(bus, "*** Using Zephyr OS v3.7.99 ***")?;
    console::line(bus, format_args!("{} {}", model.name, model.version))?;
    let mut note = [0; 8];
    note[..4].copy_from_slice(&IPC_MAGIC);
    note[4..].copy_from_slice(&model.ipc_version.to_le_bytes());
    bus.write_ram(IPC_ADDRESS, &note)?;
    loop {
        // Nobody talks to this core: what arrives on its UART goes nowhere.
        bus.uart_read(Duration::from_secs(3600))?;
    }
}
