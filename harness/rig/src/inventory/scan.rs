//! Entries of a rig file, made of what is plugged in.

use super::system::{System, UsbDevice};
use crate::file::ChipId;
use std::fmt::{self, Write as _};

/// SEGGER's vendor id: the debugger of a DK is a J-Link.
const SEGGER: u16 = 0x1366;

/// How serial numbers of nRF5340 DKs (PCA10095) begin, ten digits in all: as on the stickers of the kits, and in Nordic's
/// `pc-nrfconnect-shared`, which tells kits by it.
const NRF5340_DK: &str = "1050";

/// What a scan found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Scan {
    /// Boards that an entry can be made of.
    pub boards: Vec<Found>,
    /// Debug probes of which is not known what they are on.
    pub others: Vec<UsbDevice>,
    /// Bluetooth adapters.
    pub adapters: Vec<String>,
}

/// An nRF5340 DK.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Found {
    /// Its debugger.
    pub device: UsbDevice,
    /// Its chip, when somebody has asked it.
    pub chip: Option<ChipId>,
}

/// Looks at what is plugged in. Opens nothing.
#[must_use]
pub fn scan(system: &System) -> Scan {
    let mut found = Scan {
        adapters: system.adapters(),
        ..Scan::default()
    };
    for device in system.usb_devices() {
        if device.vendor != SEGGER {
            continue;
        }
        let digits = device.serial.trim_start_matches('0');
        if digits.len() == 10 && digits.starts_with(NRF5340_DK) {
            found.boards.push(Found { device, chip: None });
        } else {
            found.others.push(device);
        }
    }
    found
}

impl Found {
    /// The probe, as a rig file names it.
    #[must_use]
    pub fn selector(&self) -> String {
        let UsbDevice {
            vendor,
            product,
            serial,
            ..
        } = &self.device;
        format!("{vendor:04x}:{product:04x}:{serial}")
    }
}

impl Scan {
    /// A rig file of all that was found: it reads as it is.
    #[must_use]
    pub fn rig_file(&self, name: &str) -> String {
        let mut text = format!("rig: {name}\n");
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        if !self.adapters.is_empty() {
            let adapters: Vec<String> = self
                .adapters
                .iter()
                .map(|name| format!("{{ name: {name} }}"))
                .collect();
            writeln!(out, "bluetooth: {{ adapters: [{}] }}", adapters.join(", "))?;
        }
        writeln!(out, "boards:")?;
        for (number, board) in (1..).zip(&self.boards) {
            board.write(number, self.adapters.first(), out)?;
        }
        Ok(())
    }
}

impl Found {
    fn write(&self, number: usize, adapter: Option<&String>, out: &mut String) -> fmt::Result {
        let serial = &self.device.serial;
        writeln!(out, "  - name: dk-{number}")?;
        writeln!(
            out,
            "    description: nRF5340 DK {}, at USB {}.",
            serial.trim_start_matches('0'),
            self.device.place
        )?;
        writeln!(out, "    probe: {{ selector: \"{}\" }}", self.selector())?;
        match self.chip {
            Some(chip) => writeln!(out, "    chip: \"{chip}\"")?,
            None => writeln!(out, "    # chip: the id that `dfu-hil rig check` shows")?,
        }
        // The DK's first virtual port belongs to the network core, the last one to the application core.
        if let [first, .., last] = self.device.ports.as_slice() {
            writeln!(out, "    uart:")?;
            for (core, port) in [("app", last), ("net", first)] {
                let interface = port.interface;
                writeln!(
                    out,
                    "      {core}: {{ usb-serial: \"{serial}\", interface: {interface} }}"
                )?;
            }
        } else {
            writeln!(
                out,
                "    # uart: the debugger offers {} serial ports, expected 2",
                self.device.ports.len()
            )?;
        }
        if let Some(adapter) = adapter {
            writeln!(
                out,
                "    # ble: {{ adapter: {adapter}, address: \"…\" }}, as the board's console says it"
            )?;
        }
        writeln!(out, "    power: reset-only")?;
        if let Some((hub, port)) = self.device.hub() {
            writeln!(
                out,
                "    # power: {{ usb-port: {{ hub: \"{hub}\", port: {port}, by: uhubctl }} }}, if that hub can switch its ports"
            )?;
        }
        if self.device.mass_storage {
            writeln!(
                out,
                "    # Its debugger is a disk too, which slows it down: `MSDDisable` in J-Link Commander."
            )?;
        }
        Ok(())
    }
}
