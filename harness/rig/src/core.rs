//! The two cores of an nRF5340 and the non-volatile memory that a debugger can program.
//!
//! Addresses and page sizes: probe-rs `targets/nRF53_Series.yaml`, Zephyr `soc/nordic/nrf53/soc.h`.

use std::fmt;
use std::ops::Range;

/// One of the two cores of an nRF5340.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Core {
    /// The application core: 1 MiB flash at `0x0000_0000` in pages of 4 KiB.
    App,
    /// The network core: 256 KiB flash at `0x0100_0000` in pages of 2 KiB.
    Net,
}

impl Core {
    /// Both cores, application core first.
    pub const ALL: [Self; 2] = [Self::App, Self::Net];

    /// The core's flash, as addresses in its own map.
    #[must_use]
    pub const fn flash(self) -> Range<u32> {
        match self {
            Self::App => 0x0000_0000..0x0010_0000,
            Self::Net => 0x0100_0000..0x0104_0000,
        }
    }

    /// The core's user information configuration registers (UICR), one page.
    #[must_use]
    pub const fn uicr(self) -> Range<u32> {
        match self {
            Self::App => 0x00FF_8000..0x00FF_9000,
            Self::Net => 0x01FF_8000..0x01FF_8800,
        }
    }

    /// The core's own RAM.
    #[must_use]
    pub const fn ram(self) -> Range<u32> {
        match self {
            Self::App => 0x2000_0000..0x2008_0000,
            Self::Net => 0x2100_0000..0x2101_0000,
        }
    }

    /// The size of an erase page of the core's flash, in bytes.
    #[must_use]
    pub const fn page_size(self) -> u32 {
        match self {
            Self::App => 0x1000,
            Self::Net => 0x800,
        }
    }

    /// The base of the core's non-volatile memory controller, as the debugger (secure) sees it.
    pub(crate) const fn nvmc(self) -> u32 {
        match self {
            Self::App => 0x5003_9000,
            Self::Net => 0x4108_0000,
        }
    }

    /// The index of the core's AHB access port, and of the core in probe-rs's target description.
    pub(crate) const fn index(self) -> u8 {
        match self {
            Self::App => 0,
            Self::Net => 1,
        }
    }

    /// The index of the core's control access port.
    pub(crate) const fn control_port(self) -> u8 {
        match self {
            Self::App => 2,
            Self::Net => 3,
        }
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::App => "application core",
            Self::Net => "network core",
        })
    }
}

/// Where in the chip an address that can be programmed lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Region {
    /// Main flash, erased by pages.
    Flash(Core),
    /// UICR: programmed by words, erased only together with everything else.
    Uicr(Core),
    /// The flash on the board, erased by sectors.
    External,
}

/// Where the application core sees the board's external flash: the QSPI window (nRF5340 product specification, memory
/// map), as far as an MX25R6435F reaches.
pub(crate) const EXTERNAL_FLASH: Range<u32> = 0x1000_0000..0x1080_0000;

/// The memory that an address of a core's map lies in, for messages.
pub(crate) fn memory_name(core: Core, address: u32) -> &'static str {
    match core {
        Core::App if EXTERNAL_FLASH.contains(&address) => "external flash",
        Core::App => "flash of the application core",
        Core::Net => "flash of the network core",
    }
}

impl Region {
    /// The region that `address` lies in.
    pub(crate) fn of(address: u32) -> Option<Self> {
        if EXTERNAL_FLASH.contains(&address) {
            return Some(Self::External);
        }
        Core::ALL.into_iter().find_map(|core| {
            if core.flash().contains(&address) {
                Some(Self::Flash(core))
            } else if core.uicr().contains(&address) {
                Some(Self::Uicr(core))
            } else {
                None
            }
        })
    }

    pub(crate) const fn range(self) -> Range<u32> {
        match self {
            Self::Flash(core) => core.flash(),
            Self::Uicr(core) => core.uicr(),
            Self::External => EXTERNAL_FLASH,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::first_byte_of_app_flash(0x0000_0000, Some(Region::Flash(Core::App)))]
    #[case::last_byte_of_app_flash(0x000F_FFFF, Some(Region::Flash(Core::App)))]
    #[case::behind_app_flash(0x0010_0000, None)]
    #[case::app_uicr(0x00FF_8000, Some(Region::Uicr(Core::App)))]
    #[case::net_flash(0x0100_8800, Some(Region::Flash(Core::Net)))]
    #[case::behind_net_flash(0x0104_0000, None)]
    #[case::net_uicr(0x01FF_8000, Some(Region::Uicr(Core::Net)))]
    #[case::app_ram(0x2000_0000, None)]
    #[case::external_flash(0x1000_0000, Some(Region::External))]
    #[case::behind_external_flash(0x1080_0000, None)]
    fn an_address_belongs_to_one_region(#[case] address: u32, #[case] expected: Option<Region>) {
        assert_eq!(Region::of(address), expected);
    }
}
