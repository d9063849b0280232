//! USB devices and Bluetooth adapters, as Linux tells of them in `/sys` and `/dev`.
//!
//! Which file says what: torvalds/linux `Documentation/ABI/stable/sysfs-bus-usb` and `Documentation/ABI/testing/sysfs-bus-usb`.
//! Everything that is read comes from devices, so what is missing or nonsense leaves a gap and no error.

use crate::file::UsbHub;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

/// USB class of a disk (USB-IF, defined class codes).
const MASS_STORAGE: u8 = 0x08;

/// Where the system tells of its devices: `/`, or a copy of it in tests.
#[derive(Clone, Debug)]
pub struct System {
    root: PathBuf,
}

/// A device on USB.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct UsbDevice {
    /// Where it is plugged in, such as `1-1.4`.
    pub place: String,
    /// Vendor id.
    pub vendor: u16,
    /// Product id.
    pub product: u16,
    /// Serial number; empty when it has none.
    pub serial: String,
    /// Its name in its own words.
    pub name: String,
    /// Its serial ports, by interface.
    pub ports: Vec<TtyPort>,
    /// Whether it is a disk besides.
    pub mass_storage: bool,
    /// The file through which programs use it.
    pub node: PathBuf,
}

/// A serial port of a device.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TtyPort {
    /// Its path, such as `/dev/ttyACM1`.
    pub path: PathBuf,
    /// The number of its interface in the device.
    pub interface: u8,
}

impl UsbDevice {
    /// The hub that it is plugged into, and the number of the port there.
    #[must_use]
    pub fn hub(&self) -> Option<(UsbHub, u8)> {
        let (hub, port) = match self.place.rsplit_once('.') {
            Some((hub, port)) => (hub.to_owned(), port),
            None => {
                let (bus, port) = self.place.split_once('-')?;
                (format!("usb{bus}"), port)
            }
        };
        Some((hub.parse().ok()?, port.parse().ok()?))
    }

    /// Whether this is its serial number. Stickers leave out the zeros in front that USB has.
    #[must_use]
    pub fn has_serial(&self, serial: &str) -> bool {
        !serial.is_empty() && self.serial.trim_start_matches('0') == serial.trim_start_matches('0')
    }
}

impl Default for System {
    fn default() -> Self {
        Self::at("/")
    }
}

impl System {
    /// The system whose `sys` and `dev` are in this folder.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// All USB devices, by place. None where the system has no such folder, as in some containers.
    #[must_use]
    pub fn usb_devices(&self) -> Vec<UsbDevice> {
        let folder = self.root.join("sys/bus/usb/devices");
        let names = names(&folder);
        let mut devices: Vec<UsbDevice> = names
            .iter()
            .filter(|name| name.contains('-') && !name.contains(':'))
            .filter_map(|name| self.device(&folder, name, &names))
            .collect();
        devices.sort_by(|a, b| a.place.cmp(&b.place));
        devices
    }

    /// The device with this serial number.
    #[must_use]
    pub fn usb_device(&self, serial: &str) -> Option<UsbDevice> {
        self.usb_devices()
            .into_iter()
            .find(|device| device.has_serial(serial))
    }

    /// The Bluetooth adapters, such as `hci0`.
    #[must_use]
    pub fn adapters(&self) -> Vec<String> {
        let mut adapters = names(&self.root.join("sys/class/bluetooth"));
        // Connections are there as well, as `hci0:64`.
        adapters.retain(|name| name.starts_with("hci") && !name.contains(':'));
        adapters.sort();
        adapters
    }

    /// Whether this process may read and write a file of the system. Opening a device disturbs nothing.
    pub(crate) fn may_use(&self, node: &Path) -> std::io::Result<()> {
        let node = node.strip_prefix("/").unwrap_or(node);
        let file = self.root.join(node);
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(file)
            .map(drop)
    }

    fn device(&self, folder: &Path, place: &str, names: &[String]) -> Option<UsbDevice> {
        let own = folder.join(place);
        let hex = |name: &str| u16::from_str_radix(&text(&own.join(name))?, 16).ok();
        let number = |name: &str| text(&own.join(name))?.parse::<u16>().ok();
        let mut device = UsbDevice {
            place: place.to_owned(),
            vendor: hex("idVendor")?,
            product: hex("idProduct")?,
            serial: text(&own.join("serial")).unwrap_or_default(),
            name: text(&own.join("product")).unwrap_or_default(),
            node: match (number("busnum"), number("devnum")) {
                (Some(bus), Some(device)) => {
                    PathBuf::from(format!("/dev/bus/usb/{bus:03}/{device:03}"))
                }
                _ => PathBuf::new(),
            },
            ..UsbDevice::default()
        };
        let interfaces = names
            .iter()
            .filter(|name| name.split_once(':').is_some_and(|(of, _)| of == place));
        for interface in interfaces {
            let interface = folder.join(interface);
            let byte = |name: &str| u8::from_str_radix(&text(&interface.join(name))?, 16).ok();
            device.mass_storage |= byte("bInterfaceClass") == Some(MASS_STORAGE);
            if let (Some(number), Some(tty)) = (byte("bInterfaceNumber"), tty(&interface)) {
                device.ports.push(TtyPort {
                    path: PathBuf::from("/dev").join(tty),
                    interface: number,
                });
            }
        }
        device.ports.sort_by_key(|port| port.interface);
        Some(device)
    }
}

/// The serial port of an interface: `tty/ttyACM0` of a modem, `ttyUSB0` of a converter.
fn tty(interface: &Path) -> Option<String> {
    let is_tty = |name: &String| name.starts_with("tty") && name != "tty";
    let of_modem = names(&interface.join("tty")).into_iter().find(is_tty);
    of_modem.or_else(|| names(interface).into_iter().find(is_tty))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn text(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.trim().to_owned())
}
