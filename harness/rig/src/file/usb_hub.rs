//! A USB hub, by where it is plugged in.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A USB hub by its place: `1-1.4` is what is plugged into port 4 of what is plugged into port 1 of bus 1, and `usb1` (or
/// `1`, as `uhubctl` says) is the root hub of that bus.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UsbHub(String);

impl UsbHub {
    /// As Linux names it: `1-1.4` or `usb1`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// As `uhubctl` names it: `1-1.4` or `1`.
    #[must_use]
    pub fn for_uhubctl(&self) -> &str {
        self.0.strip_prefix("usb").unwrap_or(&self.0)
    }

    /// The folder of one of its ports, in `/sys/bus/usb/devices`.
    #[must_use]
    pub fn port_folder(&self, port: u8) -> PathBuf {
        let interface = match self.0.strip_prefix("usb") {
            Some(bus) => format!("{bus}-0:1.0"),
            None => format!("{}:1.0", self.0),
        };
        PathBuf::from(interface).join(format!("{}-port{port}", self.0))
    }
}

impl fmt::Display for UsbHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UsbHub {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let (is_hub, name) = match text.split_once('-') {
            Some((bus, ports)) => (number(bus) && ports.split('.').all(number), text.to_owned()),
            None => {
                let bus = text.strip_prefix("usb").unwrap_or(text);
                (number(bus), format!("usb{bus}"))
            }
        };
        if is_hub {
            Ok(Self(name))
        } else {
            Err(format!(
                "`{text}` is not a USB hub: expected its place, for example `1-1.4`, or `usb1` for a root hub"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::hub("1-1", "1-1")]
    #[case::deep("12-3.4.1", "12-3.4.1")]
    #[case::root("usb2", "2")]
    #[case::root_number("2", "2")]
    fn hubs(#[case] text: &str, #[case] for_uhubctl: &str) {
        assert_eq!(text.parse::<UsbHub>().unwrap().for_uhubctl(), for_uhubctl);
    }

    #[rstest]
    #[case::empty("")]
    #[case::no_port("1-")]
    #[case::path("1-1/../..")]
    #[case::interface("1-1:1.0")]
    #[case::words("left")]
    fn what_is_no_place_of_a_hub_is_refused(#[case] text: &str) {
        assert!(text.parse::<UsbHub>().is_err());
    }
}
