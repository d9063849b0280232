//! A port of a USB hub that can switch its power: by the program `uhubctl`, or by Linux itself.
//!
//! `uhubctl` ends with status 0 even when the hub refused (mvp/uhubctl `uhubctl.c`), so what it says of the port is read.
//! Linux has a file `disable` for each port of each hub since 6.0 (torvalds/linux
//! `Documentation/ABI/testing/sysfs-bus-usb`): a disabled port has no power, if the hub can switch it.

use super::{Commands, PowerKind, PowerState, PowerSwitch, Programs};
use crate::error::RigError;
use crate::file::UsbHub;
use hil_clock::{Clock, SharedClock};
use std::path::PathBuf;

/// Where Linux has its USB devices.
pub(crate) const SYSFS: &str = "/sys/bus/usb/devices";

/// The port of one board, switched by `uhubctl`.
#[derive(Debug)]
pub(crate) struct UhubctlSwitch {
    pub(crate) programs: Programs,
    pub(crate) program: String,
    pub(crate) hub: UsbHub,
    pub(crate) port: u8,
}

impl PowerSwitch for UhubctlSwitch {
    fn switch(&self, to: PowerState) -> Result<(), RigError> {
        let port = self.port.to_string();
        let hub = self.hub.for_uhubctl();
        let line = [&*self.program, "-l", hub, "-p", &port, "-a", to.word()];
        let list = line.map(str::to_owned);
        let said = self.programs.output(&list)?;
        let found = match port_status(&said, self.port) {
            Some(state) if state == to => return Ok(()),
            Some(state) => format!("it says that port {port} is {}", state.word()),
            None => format!("it says nothing of port {port}"),
        };
        Err(RigError::PowerNotSwitched {
            board: self.programs.board.clone(),
            supply: format!("port {port} of USB hub {hub}"),
            wanted: to.word(),
            found: format!("by `{}`, and {found}", list.join(" ")),
        })
    }

    fn clock(&self) -> &dyn Clock {
        &*self.programs.clock
    }

    fn kind(&self) -> PowerKind {
        PowerKind::UsbPort
    }
}

/// The last thing that `uhubctl` says of a port: behind its number come the status word, its bits in words, and what is connected in
/// brackets. Without power it says `off` only of a port with no other bit (mvp/uhubctl `uhubctl.c`, `print_port_status`); some hubs still
/// tell of a connection there.
fn port_status(said: &str, port: u8) -> Option<PowerState> {
    let head = format!("Port {port}:");
    let line = said
        .lines()
        .rev()
        .find_map(|line| line.trim().strip_prefix(&head))?;
    let bits = line.split('[').next()?;
    let mut words = bits.split_whitespace();
    u16::from_str_radix(words.next()?, 16).ok()?;
    Some(if words.any(|word| word == "power") {
        PowerState::On
    } else {
        PowerState::Off
    })
}

/// The port of one board, switched by Linux.
#[derive(Debug)]
pub(crate) struct SysfsSwitch {
    pub(crate) board: String,
    pub(crate) devices: PathBuf,
    /// The hub, and the other half of it where it is one of USB 3.
    pub(crate) hubs: Vec<UsbHub>,
    pub(crate) port: u8,
    pub(crate) clock: SharedClock,
}

impl SysfsSwitch {
    fn set(&self, hub: &UsbHub, to: PowerState) -> Result<(), RigError> {
        let path = self
            .devices
            .join(hub.port_folder(self.port))
            .join("disable");
        let error = |source| RigError::PowerFile {
            board: self.board.clone(),
            path: path.clone(),
            wanted: to.word(),
            source,
        };
        let value = match to {
            PowerState::On => "0",
            PowerState::Off => "1",
        };
        // Not created: a file that is not there is a hub, a port or a kernel that is not there.
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .map_err(error)?;
        std::io::Write::write_all(&mut file, value.as_bytes()).map_err(error)?;
        drop(file);
        let now = std::fs::read_to_string(&path).map_err(error)?;
        if now.trim() == value {
            return Ok(());
        }
        Err(RigError::PowerNotSwitched {
            board: self.board.clone(),
            supply: format!("port {} of USB hub {}", self.port, hub.name()),
            wanted: to.word(),
            found: format!(
                "by writing `{value}` to {}, which still has `{}`",
                path.display(),
                now.trim()
            ),
        })
    }
}

impl PowerSwitch for SysfsSwitch {
    fn switch(&self, to: PowerState) -> Result<(), RigError> {
        self.hubs.iter().try_for_each(|hub| self.set(hub, to))
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn kind(&self) -> PowerKind {
        PowerKind::UsbPort
    }
}

/// The commands with which a YKUSH hub switches one of its ports (manual page ykushcmd(1)).
pub(crate) fn ykush(program: &str, board: Option<&str>, serial: &str, port: u8) -> Commands {
    let list = |action: &str| {
        let mut list = vec![program.to_owned()];
        list.extend(board.map(str::to_owned));
        list.extend(["-s", serial, action].map(str::to_owned));
        list.push(port.to_string());
        list
    };
    Commands {
        on: list("-u"),
        off: list("-d"),
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "helpers of tests: a panic is a failed test"
    )]

    use super::*;
    use crate::error::Purpose;
    use hil_clock::SystemClock;
    use rstest::rstest;
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    fn hub(name: &str) -> UsbHub {
        name.parse().unwrap()
    }

    /// A folder with the files that Linux has for these ports.
    fn sysfs(ports: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for port in ports {
            let port = folder.path().join(port);
            fs::create_dir_all(&port).unwrap();
            fs::write(port.join("disable"), "0\n").unwrap();
        }
        folder
    }

    fn switch(folder: &Path, hubs: &[&str]) -> SysfsSwitch {
        SysfsSwitch {
            board: "left".into(),
            devices: folder.to_owned(),
            hubs: hubs.iter().map(|name| hub(name)).collect(),
            port: 2,
            clock: Arc::new(SystemClock::new()),
        }
    }

    #[rstest]
    #[case::hub("1-1", "1-1:1.0/1-1-port2")]
    #[case::hub_behind_hubs("3-1.4.2", "3-1.4.2:1.0/3-1.4.2-port2")]
    #[case::root_hub("usb1", "1-0:1.0/usb1-port2")]
    #[case::root_hub_as_uhubctl_names_it("1", "1-0:1.0/usb1-port2")]
    fn a_port_is_disabled_and_enabled_where_linux_has_it(#[case] name: &str, #[case] port: &str) {
        let folder = sysfs(&[port]);
        let file = folder.path().join(port).join("disable");
        let power = switch(folder.path(), &[name]);
        power.off().unwrap();
        assert!(fs::read_to_string(&file).unwrap().starts_with('1'));
        power.on().unwrap();
        assert!(fs::read_to_string(&file).unwrap().starts_with('0'));
    }

    #[test]
    fn both_halves_of_a_usb_3_hub_are_switched() {
        let folder = sysfs(&["1-1:1.0/1-1-port2", "2-1:1.0/2-1-port2"]);
        switch(folder.path(), &["1-1", "2-1"]).off().unwrap();
        let other = folder.path().join("2-1:1.0/2-1-port2/disable");
        assert!(fs::read_to_string(other).unwrap().starts_with('1'));
    }

    #[test]
    fn a_port_that_is_not_there_is_named_and_not_made() {
        let folder = sysfs(&["1-1:1.0/1-1-port1"]);
        let error = switch(folder.path(), &["1-1"]).off().unwrap_err();
        let text = error
            .to_string()
            .replace(&folder.path().display().to_string(), "SYSFS");
        insta::assert_snapshot!(text, @"cannot switch the power of board `left` off with SYSFS/1-1:1.0/1-1-port2/disable");
        assert!(!folder.path().join("1-1:1.0/1-1-port2").exists());
    }

    /// A program in place of `uhubctl`, which says this.
    fn uhubctl(folder: &Path, said: &str) -> UhubctlSwitch {
        use std::os::unix::fs::PermissionsExt as _;
        let program = folder.join("uhubctl");
        fs::write(folder.join("said"), said).unwrap();
        let text = format!(
            "#!/bin/sh\necho \"$@\" > {0}/args\nexec cat {0}/said\n",
            folder.display()
        );
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        UhubctlSwitch {
            programs: Programs {
                board: "left".into(),
                purpose: Purpose::Power,
                within: Duration::from_secs(60),
                clock: Arc::new(SystemClock::new()),
            },
            program: program.display().to_string(),
            hub: hub("1-1"),
            port: 2,
        }
    }

    const OFF: &str = "Current status for hub 1-1 [0424:9514, USB 2.00, 5 ports]\n  Port 2: 0103 power enable connect [1366:1051]\n\
        Sent power off request\nNew status for hub 1-1 [0424:9514, USB 2.00, 5 ports]\n  Port 2: 0000 off\n";

    #[test]
    fn uhubctl_is_told_hub_port_and_action() {
        let folder = tempfile::tempdir().unwrap();
        uhubctl(folder.path(), OFF).off().unwrap();
        let args = fs::read_to_string(folder.path().join("args")).unwrap();
        assert_eq!(args, "-l 1-1 -p 2 -a off\n");
    }

    #[test]
    fn a_port_that_uhubctl_could_not_switch_is_an_error_although_it_ends_well() {
        let folder = tempfile::tempdir().unwrap();
        let said = OFF.replace("0000 off", "0103 power enable connect [1366:1051]");
        let error = uhubctl(folder.path(), &said).off().unwrap_err();
        let text = error
            .to_string()
            .replace(&folder.path().display().to_string(), "DIR");
        insta::assert_snapshot!(text, @"the power of board `left` did not go off: the port 2 of USB hub 1-1 was told to, by `DIR/uhubctl -l 1-1 -p 2 -a off`, and it says that port 2 is on");
    }

    #[rstest]
    #[case::off("  Port 2: 0000 off", Some(PowerState::Off))]
    #[case::on("  Port 2: 0100 power", Some(PowerState::On))]
    #[case::usb_3("  Port 2: 02a0 power 5gbps Rx.Detect", Some(PowerState::On))]
    #[case::off_and_still_connected(
        "  Port 2: 0403 highspeed enable connect [1366:1051 SEGGER J-Link]",
        Some(PowerState::Off)
    )]
    #[case::a_device_of_that_name(
        "  Port 2: 0001 connect [0416:5011 power meter]",
        Some(PowerState::Off)
    )]
    #[case::no_status("  Port 2: power", None)]
    #[case::another_port("  Port 12: 0000 off", None)]
    #[case::nothing("", None)]
    fn the_status_of_a_port_is_read(#[case] said: &str, #[case] expected: Option<PowerState>) {
        assert_eq!(port_status(said, 2), expected);
    }

    #[test]
    fn a_ykush_is_told_serial_number_action_and_port() {
        let commands = ykush("ykushcmd", Some("ykush3"), "YK00001", 3);
        assert_eq!(commands.off.join(" "), "ykushcmd ykush3 -s YK00001 -d 3");
        assert_eq!(
            ykush("ykushcmd", None, "YK00001", 3).on.join(" "),
            "ykushcmd -s YK00001 -u 3"
        );
    }
}
