//! Which chip a board has, by the number that its maker gave it.

use super::schema::Described;
use std::fmt;
use std::str::FromStr;

/// FICR.INFO.DEVICEID of the application core: unique to the chip, and nothing can change it (nRF5340 product
/// specification, FICR). As 16 hex digits, which is how `dfu-hil rig check` shows it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ChipId(pub u64);

impl fmt::Display for ChipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ChipId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parsed = (digits && text.len() == 16).then(|| u64::from_str_radix(text, 16).ok());
        parsed.flatten().map(Self).ok_or_else(|| {
            format!(
                "`{text}` is not the id of a chip: expected 16 hex digits, for example `ae4f213a3d734e77`; `dfu-hil rig \
                 check` shows it"
            )
        })
    }
}

impl Described for ChipId {
    const NAME: &'static str = "ChipId";
    const WHAT: &'static str =
        "FICR device id of the chip, 16 hex digits in quotes; a board with another chip is refused";
    const PATTERN: &'static str = "^[0-9a-fA-F]{16}$";
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::as_it_is_shown("ae4f213a3d734e77", Some(0xAE4F_213A_3D73_4E77))]
    #[case::zeros_in_front("00000000000000a1", Some(0xA1))]
    #[case::short("ae4f213a", None)]
    #[case::prefix("0xae4f213a3d734e", None)]
    #[case::sign("+e4f213a3d734e77", None)]
    fn a_chip_is_16_hex_digits(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(text.parse().ok(), expected.map(ChipId));
    }
}
