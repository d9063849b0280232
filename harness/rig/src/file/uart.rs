//! Serial ports, of a board or of an instrument on a serial line: as the person wrote them, and how they become checked.

use super::place::Place;
use super::{RigFileError, UartPortSpec, UartSpec};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// The DK's virtual serial ports run at this speed (sdk-nrf
/// `doc/nrf/app_dev/device_guides/nrf53/logging_nrf5340.rst`).
const DEFAULT_BAUD: u32 = 115_200;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Uarts {
    pub(super) app: Option<Uart>,
    pub(super) net: Option<Uart>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Uart {
    usb_serial: Option<String>,
    interface: Option<u8>,
    path: Option<PathBuf>,
    baud: Option<u32>,
}

impl Uart {
    /// A serial port whose speed does not matter.
    pub(super) const fn new(
        usb_serial: Option<String>,
        interface: Option<u8>,
        path: Option<PathBuf>,
    ) -> Self {
        Self {
            usb_serial,
            interface,
            path,
            baud: None,
        }
    }
}

pub(super) fn check_uart(
    uart: &Uart,
    place: &Place<'_>,
    at: &str,
) -> Result<UartSpec, RigFileError> {
    let baud = uart.baud.unwrap_or(DEFAULT_BAUD);
    if !(1_200..=4_000_000).contains(&baud) {
        return Err(place.problem(
            format!("{at}.baud: found {baud}, expected 1200 to 4000000"),
            "the DK's serial ports run at 115200 unless the firmware was built otherwise",
        ));
    }
    let port = match (&uart.usb_serial, uart.interface, &uart.path) {
        (Some(serial), Some(interface), None) => UartPortSpec::Usb {
            serial: serial.clone(),
            interface,
        },
        (None, None, Some(path)) => UartPortSpec::Path(path.clone()),
        (serial, interface, path) => {
            let mut found = Vec::new();
            found.extend(serial.as_ref().map(|_| "`usb-serial`"));
            found.extend(interface.map(|_| "`interface`"));
            found.extend(path.as_ref().map(|_| "`path`"));
            let found = if found.is_empty() {
                "nothing".to_owned()
            } else {
                found.join(" and ")
            };
            return Err(place.problem(
                format!("{at}: found {found}, expected `usb-serial` and `interface`, or `path`"),
                "USB serial number and interface stay the same when the system renames its ports",
            ));
        }
    };
    Ok(UartSpec { port, baud })
}
