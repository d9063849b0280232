//! A blank virtual DK whose radio is behind `/dev/vhci`, and a rig file for it: what `tools/ble-vm` runs in its VM.
//!
//! `board_behind_vhci RIG` writes the rig file and runs until its standard input ends. It is a rig as a bench has it: nothing
//! in the file says that the board is virtual, and Bluetooth goes through the system's bluetoothd.

use std::error::Error;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::{env, fs, io};
use virtual_controller::vhci;
use virtual_dk::firmware::StockFirmware;
use virtual_dk::{Endpoints, Speed, VirtualDk, VirtualDkOptions};

/// The adapter's address: of the block for documentation.
const ADAPTER: [u8; 6] = [0x00, 0x00, 0x5e, 0x00, 0x53, 0x01];

fn main() -> Result<(), Box<dyn Error>> {
    let rig = env::args_os().nth(1).ok_or("which rig file to write?")?;
    let air = vhci::start(Path::new("/dev/vhci"), virtual_radio::Address::new(ADAPTER))?;
    let options = VirtualDkOptions {
        air: Some(air),
        // A VM without hardware help is slow enough.
        speed: Speed::Instant,
        ..VirtualDkOptions::default()
    };
    let board = VirtualDk::start(options, Arc::new(StockFirmware))?;
    fs::write(rig, rig_file(board.endpoints())?)?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn rig_file(endpoints: &Endpoints) -> Result<String, &'static str> {
    let Endpoints {
        probe,
        uart,
        power,
        ble,
        ..
    } = endpoints;
    let address = &ble.as_ref().ok_or("the board has no radio")?.address;
    Ok(format!(
        "rig: vm\nbluetooth: {{ adapters: [{{ name: hci0 }}] }}\nboards:\n  - name: dk\n    probe: {{ selector: \
         \"{probe}\" }}\n    uart:\n      app: {{ path: \"{}\" }}\n      net: {{ path: \"{}\" }}\n    power: {{ scpi: {{ \
         address: \"{power}\" }} }}\n    ble: {{ adapter: hci0, address: \"{address}\" }}\n    external-flash: mx25r64\n",
        uart.app.display(),
        uart.net.display(),
    ))
}
