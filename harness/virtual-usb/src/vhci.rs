//! The kernel's virtual host controller: gives it a socket with a device behind it.
//!
//! `vhci-hcd` wants a connected stream socket and takes nothing but USB/IP commands from then on, so neither the `usbip` tool nor
//! its network protocol is needed. The files are described in linux `Documentation/ABI/testing/sysfs-platform-usbip-vudc` and
//! `drivers/usb/usbip/vhci_sysfs.c`. Needs root, or a `udev` rule for them.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Where Linux has its first controller.
pub const CONTROLLER: &str = "/sys/devices/platform/vhci_hcd.0";
/// `USB_SPEED_HIGH`.
const HIGH_SPEED: u8 = 3;
/// `VDEV_ST_NULL`: nothing is attached.
const FREE: &str = "004";

/// A port of the controller's high-speed hub, counted from 0.
#[derive(Clone, Debug)]
pub struct Port {
    controller: PathBuf,
    number: u8,
}

/// Why nothing could be attached.
#[derive(Debug, thiserror::Error)]
pub enum VhciError {
    /// A file of the controller.
    #[error("{} cannot be used; is the module vhci-hcd loaded?", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no such port.
    #[error("port {number} is not in {}", path.display())]
    NoPort {
        /// Which.
        number: u8,
        /// The list that it should be in.
        path: PathBuf,
    },
}

impl Port {
    /// A port of the controller at `controller`.
    #[must_use]
    pub fn new(controller: &Path, number: u8) -> Self {
        Self {
            controller: controller.to_owned(),
            number,
        }
    }

    /// Whether nothing is attached.
    ///
    /// # Errors
    ///
    /// The controller is not there, or has no such port.
    pub fn is_free(&self) -> Result<bool, VhciError> {
        let path = self.controller.join("status");
        let status = fs::read_to_string(&path).map_err(|source| VhciError::File {
            path: path.clone(),
            source,
        })?;
        state(&status, self.number)
            .map(|state| state == FREE)
            .ok_or(VhciError::NoPort {
                number: self.number,
                path,
            })
    }

    /// Attaches whatever answers at the other end of `socket`, which is a connected stream: a socket pair's, or TCP.
    ///
    /// # Errors
    ///
    /// The kernel does not take it.
    pub fn attach(&self, socket: &impl AsRawFd) -> Result<(), VhciError> {
        let device = 1 + u32::from(self.number);
        let line = format!(
            "{} {} {device} {HIGH_SPEED}",
            self.number,
            socket.as_raw_fd()
        );
        self.write("attach", &line)
    }

    /// Takes away what is attached.
    ///
    /// # Errors
    ///
    /// The kernel does not, or nothing is.
    pub fn detach(&self) -> Result<(), VhciError> {
        self.write("detach", &self.number.to_string())
    }

    fn write(&self, file: &str, line: &str) -> Result<(), VhciError> {
        let path = self.controller.join(file);
        fs::write(&path, line).map_err(|source| VhciError::File { path, source })
    }

    /// Where the kernel has the power switch of this port: `1` in that file is off. `None` while there is no hub.
    #[must_use]
    pub fn switch(&self) -> Option<PathBuf> {
        let number = self.number + 1;
        // The controller has two hubs, of which the first is the one for high speed.
        let mut buses: Vec<u32> = fs::read_dir(&self.controller)
            .ok()?
            .filter_map(|entry| {
                entry
                    .ok()?
                    .file_name()
                    .to_str()?
                    .strip_prefix("usb")?
                    .parse()
                    .ok()
            })
            .collect();
        buses.sort_unstable();
        let bus = buses.first()?;
        let hub = format!("usb{bus}/{bus}-0:1.0/usb{bus}-port{number}/disable");
        Some(self.controller.join(hub))
    }
}

/// The state of a high-speed port in the controller's list.
fn state(status: &str, number: u8) -> Option<&str> {
    status.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let is_it = fields.next() == Some("hs") && fields.next()?.parse() == Ok(number);
        if is_it { fields.next() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const STATUS: &str = "hub port sta spd dev      sockfd local_busid\n\
                          hs  0000 006 003 00010002 000003 1-1\n\
                          hs  0001 004 000 00000000 000000 0-0\n\
                          ss  0008 004 000 00000000 000000 0-0\n";

    #[rstest]
    #[case::used(0, Some("006"))]
    #[case::free(1, Some("004"))]
    #[case::for_another_speed(8, None)]
    #[case::no_such_port(2, None)]
    fn the_controllers_list_tells_which_ports_are_free(
        #[case] number: u8,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(state(STATUS, number), expected);
    }

    #[test]
    fn without_the_module_the_error_names_it() {
        let error = Port::new(Path::new("/nowhere"), 0).is_free().unwrap_err();
        assert_eq!(
            error.to_string(),
            "/nowhere/status cannot be used; is the module vhci-hcd loaded?"
        );
    }
}
