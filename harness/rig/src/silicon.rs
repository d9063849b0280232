//! The chips that the harness knows: what memories their cores have, and where the registers are that a debugger needs.
//!
//! All is made for the nRF5340. The nRF51 is what QEMU emulates, so that the same code meets a real MCUboot; what it does not have
//! (a network core, a control access port, external flash) is left out, not replaced.

use crate::core::Core;
use std::fmt;
use std::ops::Range;

/// A kind of chip.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Silicon {
    /// Two Cortex-M33, 1 MiB and 256 KiB of flash.
    #[default]
    Nrf5340,
    /// One Cortex-M0, 256 KiB of flash in pages of 1 KiB (nRF51822 QFAA). Its core is [`Core::App`].
    Nrf51,
}

impl Silicon {
    /// The flash of a core, as addresses in its own map; empty for a core that it does not have.
    #[must_use]
    pub const fn flash(self, core: Core) -> Range<u32> {
        match (self, core) {
            (Self::Nrf5340, _) => core.flash(),
            (Self::Nrf51, Core::App) => 0..0x4_0000,
            (Self::Nrf51, Core::Net) => 0..0,
        }
    }

    /// The UICR of a core; empty for a core that it does not have.
    #[must_use]
    pub const fn uicr(self, core: Core) -> Range<u32> {
        match (self, core) {
            (Self::Nrf5340, _) => core.uicr(),
            (Self::Nrf51, Core::App) => 0x1000_1000..0x1000_1100,
            (Self::Nrf51, Core::Net) => 0..0,
        }
    }

    /// The size of an erase page of a core's flash, in bytes.
    #[must_use]
    pub const fn page_size(self, core: Core) -> u32 {
        match self {
            Self::Nrf5340 => core.page_size(),
            Self::Nrf51 => 0x400,
        }
    }

    /// Whether it has a second core.
    #[must_use]
    pub const fn has_network_core(self) -> bool {
        matches!(self, Self::Nrf5340)
    }

    /// The base of a core's non-volatile memory controller, as the debugger sees it.
    pub(crate) const fn nvmc(self, core: Core) -> u32 {
        match self {
            Self::Nrf5340 => core.nvmc(),
            Self::Nrf51 => 0x4001_e000,
        }
    }
}

impl fmt::Display for Silicon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nrf5340 => "nRF5340",
            Self::Nrf51 => "nRF51",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_with_one_core_has_no_memory_of_the_other() {
        assert!(Silicon::Nrf51.flash(Core::Net).is_empty());
        assert!(Silicon::Nrf51.uicr(Core::Net).is_empty());
        assert!(!Silicon::Nrf51.has_network_core());
    }
}
