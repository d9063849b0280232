//! Finding a board's serial ports.
//!
//! A port of a DK is found anew each time it is needed: after a reset of the debugger the system may give it
//! another name.

use crate::core::Core;
use crate::error::RigError;
use crate::file::{UartPortSpec, UartSpec};
use std::path::PathBuf;

/// A serial port that can be opened now.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UartEndpoint {
    /// Its path, for example `/dev/ttyACM1`.
    pub path: PathBuf,
    /// Its speed in baud.
    pub baud: u32,
}

/// A USB serial port of this host.
#[derive(Clone, Debug, Eq, PartialEq)]
struct UsbPort {
    path: String,
    serial: String,
    interface: Option<u8>,
}

/// Why a port was not found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Missing {
    #[error("serial port {0} is not there")]
    Path(PathBuf),
    #[error("no serial port is interface {interface} of USB serial number `{serial}`; {seen}")]
    Usb {
        serial: String,
        interface: u8,
        seen: String,
    },
    #[error("{ports} are all interface {interface} of USB serial number `{serial}`")]
    Ambiguous {
        serial: String,
        interface: u8,
        ports: String,
    },
    #[error("the serial ports cannot be listed: {0}")]
    List(serialport::Error),
}

impl Missing {
    /// The same for the port of a board's core.
    fn of(self, board: &str, core: Core) -> RigError {
        let board = board.to_owned();
        match self {
            Self::Path(path) => RigError::UartMissing { board, core, path },
            Self::Usb {
                serial,
                interface,
                seen,
            } => RigError::UartNotFound {
                board,
                core,
                serial,
                interface,
                seen,
            },
            Self::Ambiguous {
                serial,
                interface,
                ports,
            } => RigError::UartAmbiguous {
                board,
                core,
                serial,
                interface,
                ports,
            },
            Self::List(source) => RigError::UartList {
                board,
                core,
                source: source.into(),
            },
        }
    }
}

/// Finds the port of `core` as its rig file describes it.
pub(crate) fn find(board: &str, core: Core, spec: &UartSpec) -> Result<UartEndpoint, RigError> {
    let path = locate(spec).map_err(|missing| missing.of(board, core))?;
    Ok(UartEndpoint {
        path,
        baud: spec.baud,
    })
}

/// Finds a port, whatever is on it.
pub(crate) fn locate(spec: &UartSpec) -> Result<PathBuf, Missing> {
    match &spec.port {
        UartPortSpec::Path(path) if path.exists() => Ok(path.clone()),
        UartPortSpec::Path(path) => Err(Missing::Path(path.clone())),
        UartPortSpec::Usb { serial, interface } => {
            let ports = usb_ports().map_err(Missing::List)?;
            choose(serial, *interface, &ports)
        }
    }
}

fn usb_ports() -> Result<Vec<UsbPort>, serialport::Error> {
    // `serialport` panics where the kernel has no such folder, as in some containers.
    if cfg!(target_os = "linux") && !std::path::Path::new("/sys/class/tty").is_dir() {
        return Ok(Vec::new());
    }
    let ports = serialport::available_ports()?;
    Ok(ports
        .into_iter()
        .filter_map(|port| match port.port_type {
            serialport::SerialPortType::UsbPort(usb) => Some(UsbPort {
                path: port.port_name,
                serial: usb.serial_number.unwrap_or_default(),
                interface: usb.interface,
            }),
            _ => None,
        })
        .collect())
}

fn choose(serial: &str, interface: u8, ports: &[UsbPort]) -> Result<PathBuf, Missing> {
    // The sticker on a DK leaves out the zeros in front that USB has.
    let same =
        |port: &&UsbPort| port.serial.trim_start_matches('0') == serial.trim_start_matches('0');
    let of_board: Vec<&UsbPort> = ports.iter().filter(same).collect();
    let matching: Vec<&UsbPort> = of_board
        .iter()
        .copied()
        .filter(|port| port.interface == Some(interface))
        .collect();
    match matching.as_slice() {
        [port] => Ok(PathBuf::from(&port.path)),
        [] => Err(Missing::Usb {
            serial: serial.to_owned(),
            interface,
            seen: seen(&of_board, ports),
        }),
        several => Err(Missing::Ambiguous {
            serial: serial.to_owned(),
            interface,
            ports: several
                .iter()
                .map(|port| port.path.as_str())
                .collect::<Vec<_>>()
                .join(" and "),
        }),
    }
}

/// What is there instead of the port: the other interfaces of the board, or the other boards.
fn seen(of_board: &[&UsbPort], all: &[UsbPort]) -> String {
    if !of_board.is_empty() {
        let interfaces: Vec<String> = of_board
            .iter()
            .map(|port| match port.interface {
                Some(interface) => format!("{interface} ({})", port.path),
                None => format!("an unknown one ({})", port.path),
            })
            .collect();
        return format!("that device has interface {}", interfaces.join(", "));
    }
    let mut serials: Vec<&str> = all
        .iter()
        .map(|port| port.serial.as_str())
        .filter(|serial| !serial.is_empty())
        .collect();
    serials.sort_unstable();
    serials.dedup();
    if serials.is_empty() {
        "no USB serial port is there at all".to_owned()
    } else {
        format!("there is `{}`", serials.join("`, `"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(path: &str, serial: &str, interface: u8) -> UsbPort {
        UsbPort {
            path: path.to_owned(),
            serial: serial.to_owned(),
            interface: Some(interface),
        }
    }

    /// Two DKs: ports of a J-Link are interfaces 0 and 2.
    fn bench() -> Vec<UsbPort> {
        vec![
            port("/dev/ttyACM0", "001050011111", 0),
            port("/dev/ttyACM1", "001050011111", 2),
            port("/dev/ttyACM2", "001050022222", 0),
            port("/dev/ttyACM3", "001050022222", 2),
        ]
    }

    #[test]
    fn a_port_is_found_by_serial_number_and_interface() {
        let path = choose("001050022222", 2, &bench()).unwrap();
        assert_eq!(path, PathBuf::from("/dev/ttyACM3"));
    }

    #[test]
    fn zeros_in_front_of_the_serial_number_may_be_left_out() {
        let path = choose("1050011111", 0, &bench()).unwrap();
        assert_eq!(path, PathBuf::from("/dev/ttyACM0"));
    }

    #[test]
    fn another_interface_is_shown_with_those_that_exist() {
        let error = choose("1050011111", 4, &bench())
            .unwrap_err()
            .of("left", Core::App);
        insta::assert_snapshot!(error, @"no serial port for the application core of board `left`: none is interface 4 of USB serial number `1050011111`; that device has interface 0 (/dev/ttyACM0), 2 (/dev/ttyACM1)");
    }

    #[test]
    fn another_serial_number_is_shown_with_those_that_exist() {
        let error = choose("42", 0, &bench()).unwrap_err().of("left", Core::App);
        insta::assert_snapshot!(error, @"no serial port for the application core of board `left`: none is interface 0 of USB serial number `42`; there is `001050011111`, `001050022222`");
    }

    #[test]
    fn no_port_at_all_is_said() {
        let error = choose("42", 0, &[]).unwrap_err().of("left", Core::Net);
        insta::assert_snapshot!(error, @"no serial port for the network core of board `left`: none is interface 0 of USB serial number `42`; no USB serial port is there at all");
    }

    #[test]
    fn two_ports_that_match_are_ambiguous() {
        let ports = [port("/dev/ttyACM0", "7", 0), port("/dev/ttyACM5", "7", 0)];
        let error = choose("7", 0, &ports).unwrap_err().of("left", Core::App);
        insta::assert_snapshot!(error, @"serial port for the application core of board `left` is ambiguous: /dev/ttyACM0 and /dev/ttyACM5 are all interface 0 of USB serial number `7`");
    }
}
