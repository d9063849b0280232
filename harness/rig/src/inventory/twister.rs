//! Entries of a rig file, made of a hardware map of Zephyr's Twister.
//!
//! The map is a list of serial ports (Zephyr `doc/develop/test/twister.rst`, "Hardware map"; the schema is
//! `scripts/schemas/twister/hwmap-schema.yaml`): `id` is the serial number of the debugger, `platform` the board, `serial` the
//! port. Ports of the same `id` are those of one board. What the map does not say, which interface of USB a port is, the system
//! is asked.

use super::system::{System, UsbDevice};
use crate::file::RigFileError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// SEGGER's vendor id and the product id that a DK's debugger usually has: maps have neither.
const USUAL_PROBE: (u16, u16) = (0x1366, 0x1051);

/// An entry of a map, as far as it matters here. Others are of no interest and may be anything.
#[derive(Debug, Deserialize)]
struct Entry {
    id: Option<Text>,
    platform: Option<String>,
    serial: Option<String>,
    #[serde(default)]
    baud: Option<u32>,
    #[serde(default)]
    connected: bool,
}

/// A serial number, which people write without quotes too.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Text {
    Number(u64),
    Words(String),
}

/// What became of a map.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Imported {
    /// A rig file; `None` when the map has no nRF5340 DK.
    pub rig_file: Option<String>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

/// Makes a rig file called `name` of the map in `text`; `path` is only for messages.
///
/// # Errors
/// When `text` is no hardware map.
pub fn import(
    path: &Path,
    text: &str,
    name: &str,
    system: &System,
) -> Result<Imported, RigFileError> {
    let entries: Vec<Entry> =
        serde_yaml::from_str(text).map_err(|source| RigFileError::from_yaml(path, &source))?;
    let devices = system.usb_devices();
    let mut boards: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    let mut left_out = Vec::new();
    for (number, entry) in (1..).zip(entries) {
        let id = match &entry.id {
            Some(Text::Number(id)) => id.to_string(),
            Some(Text::Words(id)) => id.clone(),
            None => String::new(),
        };
        let platform = entry.platform.as_deref().unwrap_or("unknown");
        let why = if !platform.starts_with("nrf5340dk") {
            format!("its platform is `{platform}`, no nRF5340 DK")
        } else if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            format!("`{id}` is no serial number of a debugger")
        } else if !entry.connected {
            "it is not connected".to_owned()
        } else {
            boards.entry(id).or_default().push(entry);
            continue;
        };
        left_out.push(format!("entry {number}: {why}"));
    }
    let rig_file = (!boards.is_empty()).then(|| {
        let mut out = format!("rig: {name}\nboards:\n");
        for (number, (id, ports)) in (1..).zip(&boards) {
            let device = devices.iter().find(|device| device.has_serial(id));
            board(number, id, ports, device, &mut out);
        }
        out
    });
    Ok(Imported { rig_file, left_out })
}

fn board(number: usize, id: &str, ports: &[Entry], device: Option<&UsbDevice>, out: &mut String) {
    let (vendor, product) = device.map_or(USUAL_PROBE, |device| (device.vendor, device.product));
    let serial = device.map_or(id, |device| &device.serial);
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("  - name: dk-{number}"));
    if device.is_none() {
        line("    # Not plugged in here: whether the probe is 1366:1051 is not known.".to_owned());
    }
    line(format!(
        "    probe: {{ selector: \"{vendor:04x}:{product:04x}:{serial}\" }}"
    ));
    line("    # chip: the id that `dfu-hil rig check` shows".to_owned());
    let mut ports: Vec<&Entry> = ports.iter().filter(|port| port.serial.is_some()).collect();
    ports.sort_by_key(|port| port.serial.clone());
    let cpunet = |port: &&&Entry| {
        let platform = port.platform.as_deref().unwrap_or_default();
        platform.contains("cpunet")
    };
    let net = ports.iter().find(cpunet);
    let mut roles = Vec::new();
    // Without a word on the network core the last port is the application core's, as on the DK.
    if let Some(app) = ports.iter().rev().find(|port| !cpunet(port)) {
        roles.push(("app", app));
    }
    if let Some(net) = net {
        roles.push(("net", net));
    }
    if !roles.is_empty() {
        line("    uart:".to_owned());
    }
    for (core, port) in roles {
        let path = port.serial.as_deref().unwrap_or_default();
        let known = device.and_then(|device| {
            device
                .ports
                .iter()
                .find(|known| known.path == Path::new(path))
        });
        let mut words = match known {
            Some(known) => format!("usb-serial: \"{serial}\", interface: {}", known.interface),
            None => format!("path: \"{}\"", path.escape_default()),
        };
        if let Some(baud) = port.baud {
            // Writing to a string cannot fail.
            let _ = write!(words, ", baud: {baud}");
        }
        line(format!("      {core}: {{ {words} }}"));
    }
    line("    power: reset-only".to_owned());
}
