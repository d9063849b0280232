//! Bluetooth device addresses.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The address of an adapter or a peripheral, six bytes, as in `C0:00:00:00:00:01`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address([u8; 6]);

impl Address {
    /// The address with these bytes, in the order in which they are written.
    #[must_use]
    pub const fn new(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a Bluetooth address: expected six bytes in hex, for example `C0:00:00:00:00:01`"
            )
        };
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts
                .next()
                .filter(|part| part.len() == 2)
                .ok_or_else(wrong)?;
            if !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(wrong());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        parts
            .next()
            .is_none()
            .then_some(Self(bytes))
            .ok_or_else(wrong)
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn an_address_is_shown_as_it_is_written_in_files() {
        let address: Address = "c0:00:0f:A0:00:01".parse().unwrap();
        assert_eq!(address.to_string(), "C0:00:0F:A0:00:01");
        assert_eq!(address, Address::new([0xC0, 0, 0x0F, 0xA0, 0, 1]));
    }

    #[rstest]
    fn what_is_not_an_address_is_refused(
        #[values(
            "",
            "hci0",
            "C0:00:00:00:00",
            "C0:00:00:00:00:01:02",
            "C0:00:00:00:00:+1",
            "C0-00-00-00-00-01"
        )]
        text: &str,
    ) {
        assert!(text.parse::<Address>().unwrap_err().contains(text));
    }
}
