//! What a trap can watch for, and what it caught.

use super::super::dwt::Condition;
use super::super::nvmc::NRF51_ERASEPAGE;
use super::super::qspi;
use crate::core::Core;
use crate::silicon::Silicon;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// Where a trap halts its core.
///
/// Firmware programs on-chip flash word by word and erases it page by page: it puts the NVMC into a mode, stores a word,
/// and puts the mode back (nrfx `drivers/src/nrfx_nvmc.c`). A driver's write of 1 KiB is 256 of these. The external flash
/// gets one task of the QSPI peripheral for a whole write (zephyr `drivers/flash/nrf_qspi_nor.c`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Watch {
    /// In front of each word and each page, and behind it: CONFIG is written.
    Modes,
    /// In front of each page that is erased: CONFIG becomes erase. On an nRF51 behind it: ERASEPAGE is written.
    Erases,
    /// In front of each word that is programmed: CONFIG becomes write.
    Words,
    /// Behind each word and each page: CONFIG becomes read.
    Ends,
    /// Behind each word that is programmed in this range of the core's own flash, and each page whose first word lies in
    /// it and is erased. Leads to a known operation with very few halts.
    Stores(Range<u32>),
    /// Behind the store to this word of the core's own flash, which programs it or erases the page that begins with it, and
    /// in front of each page that is erased.
    StoreOrErase(u32),
    /// Behind each write and each erase of the external flash. Application core only.
    ExternalTasks,
    /// Behind each time that firmware holds the network core off or lets it run. Application core only.
    NetworkSwitch,
}

/// NVMC.CONFIG, and its values (nRF5340 product specification, NVMC).
pub(super) const CONFIG: u32 = 0x504;
pub(super) const CONFIG_WRITE: u32 = 1;
pub(super) const CONFIG_ERASE: u32 = 2;
/// RESET.NETWORK.FORCEOFF on the secure side: 1 holds the network core off.
pub(super) const FORCEOFF: u32 = 0x5000_5614;

impl Watch {
    /// The store of one word, or the erase of the page that begins with it.
    #[must_use]
    pub const fn store_at(address: u32) -> Self {
        Self::Stores(address..address.saturating_add(4))
    }

    /// What is wrong with watching for this on `core`.
    pub(super) fn problem(&self, silicon: Silicon, core: Core) -> Option<String> {
        match self {
            Self::StoreOrErase(address) => Self::store_at(*address).problem(silicon, core),
            Self::Stores(range) => {
                let flash = silicon.flash(core);
                let inside = flash.start <= range.start && range.end <= flash.end;
                let aligned = range.start.is_multiple_of(4) && range.end.is_multiple_of(4);
                (range.is_empty() || !inside || !aligned).then(|| {
                    format!(
                        "{:#010x}..{:#010x} is no range of words in the flash of the {core}",
                        range.start, range.end
                    )
                })
            }
            Self::ExternalTasks | Self::NetworkSwitch if silicon == Silicon::Nrf51 => {
                Some(format!("an {silicon} has nothing of that"))
            }
            Self::ExternalTasks | Self::NetworkSwitch if core == Core::Net => {
                Some("only the application core drives that".to_owned())
            }
            _ => None,
        }
    }

    pub(super) fn condition(&self, silicon: Silicon, core: Core) -> Condition {
        let config = silicon.nvmc(core) + CONFIG;
        let erase_page = silicon.nvmc(core) + NRF51_ERASEPAGE;
        match self {
            // There the register is stored to that starts the erase, so the core halts behind it.
            Self::Erases if silicon == Silicon::Nrf51 => Condition::To(erase_page),
            Self::StoreOrErase(address) if silicon == Silicon::Nrf51 => {
                Condition::Either(*address, erase_page)
            }
            Self::Modes => Condition::To(config),
            Self::Erases => Condition::Value(config, CONFIG_ERASE),
            Self::Words => Condition::Value(config, CONFIG_WRITE),
            Self::Ends => Condition::Value(config, 0),
            Self::Stores(range) => Condition::Into(range.clone()),
            Self::StoreOrErase(address) => Condition::ToOrValue(*address, config, CONFIG_ERASE),
            Self::ExternalTasks => {
                Condition::Either(qspi::WRITE_TASK_SECURE, qspi::ERASE_TASK_SECURE)
            }
            Self::NetworkSwitch => Condition::To(FORCEOFF),
        }
    }
}

/// A flash memory of the board.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Memory {
    /// The application core's flash.
    App,
    /// The network core's flash.
    Net,
    /// The external flash.
    External,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// It programs.
    Write,
    /// It erases.
    Erase,
}

/// Where a core stands, seen from an operation.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Edge {
    /// It has not begun.
    Before,
    /// It is done, and the next has not begun.
    After,
}

/// A core that stands at an operation. Flash holds what all operations so far have done, and nothing else happens to it
/// until the core is resumed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Halted {
    /// The how manieth halt since the trap was armed, from 1.
    pub number: u64,
    /// The memory that the operation is on. The application core's for [`Watch::NetworkSwitch`].
    pub memory: Memory,
    /// What it does, where that is known: [`Watch::Ends`] sees only that something is over.
    pub class: Option<Class>,
    /// Where the core stands.
    pub edge: Edge,
    /// First byte, where it is known: of the word for a [`Watch::store_at`] one, from the start of the external flash for
    /// [`Watch::ExternalTasks`]. A driver keeps it in a register of the core that depends on its compiler.
    pub address: Option<u32>,
    /// Bytes, where they are known.
    pub length: Option<u32>,
    /// The program counter.
    pub pc: u32,
    /// How often the core was reset since the trap was armed.
    pub resets: u32,
}

/// The core did not get to the halt that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Missed {
    /// Halts since the trap was armed.
    pub number: u64,
    /// How long it was waited for.
    pub waited: Duration,
    /// What the core does instead.
    pub core: CoreState,
    /// How often the core was reset since the trap was armed.
    pub resets: u32,
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            waited,
            core,
            resets,
        } = self;
        write!(
            f,
            "the core {core} after {waited:?}; it has halted {number} times"
        )?;
        if *resets > 0 {
            write!(f, " and was reset {resets} times")?;
        }
        Ok(())
    }
}

/// What a core that is not halted does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CoreState {
    /// It executes.
    Running,
    /// It waits for an interrupt.
    Asleep,
    /// It is in lock-up: it will do nothing until it is reset.
    LockedUp,
}

impl fmt::Display for CoreState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "still runs",
            Self::Asleep => "sleeps",
            Self::LockedUp => "is locked up",
        })
    }
}

/// How waiting for a halt ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Caught {
    /// The core stands.
    Halted(Halted),
    /// The time is over and it does not.
    Missed(Missed),
}

impl Caught {
    /// The halt, if there was one.
    #[must_use]
    pub fn halted(self) -> Option<Halted> {
        match self {
            Self::Halted(halted) => Some(halted),
            Self::Missed(_) => None,
        }
    }
}
