//! Bluetooth device addresses.

use std::fmt;

/// A device address, most significant byte first, as it is written: `C0:12:34:56:78:9A`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Address([u8; 6]);

impl Address {
    /// The address with these bytes, most significant first.
    #[must_use]
    pub const fn new(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    /// Its bytes, most significant first. HCI has them the other way round.
    #[must_use]
    pub const fn bytes(self) -> [u8; 6] {
        self.0
    }

    /// The static random address of an nRF5340 whose FICR has these `DEVICEADDR` words: their low 48 bits with the
    /// two top bits set (Zephyr `subsys/bluetooth/controller/ll_sw/nordic/hci/vendor.c`).
    #[must_use]
    pub const fn static_random(device_address: [u32; 2]) -> Self {
        let low = device_address[0].to_be_bytes();
        let high = device_address[1].to_be_bytes();
        Self([high[2] | 0xc0, high[3], low[0], low[1], low[2], low[3]])
    }

    /// As it stands in a D-Bus path of BlueZ: `dev_C0_12_34_56_78_9A`.
    pub(crate) fn path_element(self) -> String {
        format!("dev_{}", self.to_string().replace(':', "_"))
    }

    /// What BlueZ calls a device that has not told its name: `C0-12-34-56-78-9A`.
    pub(crate) fn alias(self) -> String {
        self.to_string().replace(':', "-")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_static_random_address_has_its_top_bits_set() {
        let address = Address::static_random([0x3456_789a, 0xffff_0012]);
        assert_eq!(address.to_string(), "C0:12:34:56:78:9A");
        assert_eq!(address.path_element(), "dev_C0_12_34_56_78_9A");
        assert_eq!(address.alias(), "C0-12-34-56-78-9A");
    }
}
