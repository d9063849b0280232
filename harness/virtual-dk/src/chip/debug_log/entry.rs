//! What there is to write down.

use crate::bus::Core;
use crate::chip::cpu::Run;
use crate::chip::debug_port::{AccessPort, NoAnswer};
use crate::chip::dwt::Direction;
use crate::chip::nrf5340::Power;

/// A line of the log.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Access(Access),
    Operation(Operation),
}

/// Something that arrives at the debug port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::chip) enum Access {
    /// At least 50 high cycles on SWDIO.
    LineReset,
    /// A register of the debug port.
    Dp {
        direction: Direction,
        /// 0, 4, 8 or 12.
        address: u8,
        /// SELECT.DPBANKSEL.
        bank: u8,
        value: u32,
    },
    /// A register of an access port; not DRW of an AHB-AP, which is an access to memory.
    Ap {
        direction: Direction,
        port: AccessPort,
        register: u8,
        value: u32,
    },
    /// Memory through the AHB-AP of a core.
    Memory {
        direction: Direction,
        core: Core,
        address: u32,
        length: u32,
        /// What is read or written, where that is a word or less.
        value: Option<u32>,
        answer: Result<(), NoAnswer>,
    },
}

impl Access {
    /// An access to memory with these bytes.
    pub(in crate::chip) fn memory(
        direction: Direction,
        core: Core,
        address: u32,
        bytes: &[u8],
        answer: Result<(), NoAnswer>,
    ) -> Self {
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |value, &byte| value << 8 | u32::from(byte))
        };
        Self::Memory {
            direction,
            core,
            address,
            length: bytes.len() as u32,
            value: (bytes.len() <= 4 && answer.is_ok()).then(|| number(bytes)),
            answer,
        }
    }

    /// Whether both do the same, whatever is read.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        self.without_reading() == other.without_reading()
    }

    fn without_reading(&self) -> Self {
        let mut access = self.clone();
        match &mut access {
            Self::Dp {
                direction: Direction::Read,
                value,
                ..
            }
            | Self::Ap {
                direction: Direction::Read,
                value,
                ..
            } => *value = 0,
            Self::Memory {
                direction: Direction::Read,
                value,
                ..
            } => *value = None,
            _ => {}
        }
        access
    }

    /// Takes an access in that goes on in memory where this one ends.
    pub(super) fn extend(&mut self, next: &Self) -> bool {
        let (
            Self::Memory {
                direction,
                core,
                address,
                length,
                value,
                answer,
            },
            Self::Memory {
                direction: next_direction,
                core: next_core,
                address: next_address,
                length: next_length,
                answer: next_answer,
                ..
            },
        ) = (self, next)
        else {
            return false;
        };
        let goes_on = address.checked_add(*length) == Some(*next_address)
            && (*direction, *core, *answer) == (*next_direction, *next_core, *next_answer)
            && answer.is_ok();
        if goes_on {
            *length += next_length;
            *value = None;
        }
        goes_on
    }
}

/// Something that happens to the chip because of a debugger.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::chip) enum Operation {
    /// The board's supply.
    Power(Power),
    /// nRESET is pulled down, or let go of.
    PinReset { asserted: bool },
    /// A core is not the one that it was: reset, held off or started anew.
    Reset { core: Core, then: Run },
    /// A core does something else now.
    State { core: Core, run: Run },
    /// One instruction.
    Step { core: Core },
    /// Core registers, by DCRSR's numbers, in the order in which they are set.
    Registers { core: Core, set: Vec<(u8, u32)> },
    /// The debugger stores a word to a peripheral or to the core's private peripheral bus.
    Store {
        core: Core,
        address: u32,
        value: u32,
    },
    /// The debugger writes RAM.
    Ram {
        core: Core,
        address: u32,
        data: Vec<u8>,
    },
    /// Words of flash or UICR are programmed.
    Programmed {
        core: Core,
        address: u32,
        data: Vec<u8>,
    },
    /// Pages of flash are erased.
    Erased {
        core: Core,
        address: u32,
        length: u32,
    },
    /// All flash and UICR of a core are erased, by its NVMC or its CTRL-AP.
    ErasedAll { core: Core },
}

impl Operation {
    /// A store to the QSPI peripheral (nRF5340 product specification).
    pub(super) fn is_for_external_flash(&self) -> bool {
        matches!(self, Self::Store { address, .. } if address & !0xfff == 0x5002_b000)
    }

    /// A store to CINSTRCONF, which has the external flash do what it says (nRF5340 product specification, QSPI).
    pub(super) fn starts_custom_instruction(&self) -> bool {
        matches!(
            self,
            Self::Store {
                address: 0x5002_b634,
                ..
            }
        )
    }

    /// Takes an operation in that goes on where this one ends.
    pub(super) fn extend(&mut self, next: &Self) -> bool {
        match (self, next) {
            (
                Self::Registers { core, set },
                Self::Registers {
                    core: other,
                    set: more,
                },
            ) if core == other => set.extend(more),
            (
                Self::Ram {
                    core,
                    address,
                    data,
                },
                Self::Ram {
                    core: other,
                    address: next,
                    data: more,
                },
            )
            | (
                Self::Programmed {
                    core,
                    address,
                    data,
                },
                Self::Programmed {
                    core: other,
                    address: next,
                    data: more,
                },
            ) if core == other && address.checked_add(data.len() as u32) == Some(*next) => {
                data.extend_from_slice(more);
            }
            (
                Self::Erased {
                    core,
                    address,
                    length,
                },
                Self::Erased {
                    core: other,
                    address: next,
                    length: more,
                },
            ) if core == other && address.checked_add(*length) == Some(*next) => *length += more,
            _ => return false,
        }
        true
    }
}
