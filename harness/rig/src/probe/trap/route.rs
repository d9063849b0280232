//! The shortest way to a point between two flash operations, when all operations are known beforehand.
//!
//! Halting at each of 50 000 words to get to the last one takes seconds. But the address of each operation is known
//! (a bootloader model foretells it, or an earlier boot was followed), and a core can be halted at the store to one word:
//! the way to any point is then as many halts as there were stores to that word before, mostly none.

use super::watch::{Class, Memory, Watch};
use crate::core::Core;
use crate::silicon::Silicon;

/// An operation of a flash driver, known beforehand: one call, of any length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Planned {
    /// The memory.
    pub memory: Memory,
    /// Programming or erasing.
    pub class: Class,
    /// First byte, from the start of the memory.
    pub offset: u32,
    /// Bytes: whole words, or whole pages.
    pub length: u32,
}

/// How to get to a point of a boot from its first instruction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route {
    /// Nothing has been done there: the core stands at its reset vector.
    Start,
    /// With this trap on this core.
    Halt {
        /// The core that does the operation.
        core: Core,
        /// What the trap watches for.
        watch: Watch,
        /// The halt at which the point is reached, from 1.
        number: u64,
    },
}

/// Bytes that an operation of the external flash is started for at a time (zephyr `drivers/flash/nrf_qspi_nor.c`).
const BLOCK: u32 = 0x1_0000;
const SECTOR: u32 = 0x1000;

impl Planned {
    const fn core(&self) -> Core {
        match self.memory {
            Memory::App | Memory::External => Core::App,
            Memory::Net => Core::Net,
        }
    }

    /// Bytes that cannot be done in part.
    const fn unit(&self, silicon: Silicon) -> u32 {
        match (self.memory, self.class) {
            (Memory::External, Class::Write) => self.length,
            (Memory::External, Class::Erase) => SECTOR,
            (Memory::App | Memory::Net, Class::Write) => 4,
            (Memory::App, Class::Erase) => silicon.page_size(Core::App),
            (Memory::Net, Class::Erase) => silicon.page_size(Core::Net),
        }
    }

    /// QSPI tasks for the first `bytes` of it; `None` in the middle of a task.
    fn tasks(&self, bytes: u32) -> Option<u64> {
        if bytes == 0 {
            return Some(0);
        }
        if self.class == Class::Write {
            return (bytes == self.length).then_some(1);
        }
        let mut tasks = 0;
        let mut at = 0;
        while at < bytes {
            at += self.erased_at(Silicon::Nrf5340, at);
            tasks += 1;
        }
        (at == bytes).then_some(tasks)
    }

    /// Bytes that an erase does at once, of which so many bytes are done.
    const fn erased_at(&self, silicon: Silicon, done: u32) -> u32 {
        let left = self.length - done;
        match self.memory {
            Memory::External if left >= BLOCK && (self.offset + done).is_multiple_of(BLOCK) => {
                BLOCK
            }
            Memory::App | Memory::Net | Memory::External => self.unit(silicon),
        }
    }

    /// What an erase does at once, one after the other: first byte and bytes of each page or task.
    pub(super) fn erased_at_a_time(self, silicon: Silicon) -> impl Iterator<Item = (u32, u32)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            (done < self.length).then(|| {
                let length = self.erased_at(silicon, done);
                let offset = self.offset + done;
                done += length;
                (offset, length)
            })
        })
    }

    /// How often its first `bytes` are begun with a store to the word at `offset`. An nRF51 erases by a store elsewhere.
    fn stores_to(&self, silicon: Silicon, offset: u32, bytes: u32) -> u64 {
        if silicon == Silicon::Nrf51 && self.class == Class::Erase {
            return 0;
        }
        let Some(within) = offset.checked_sub(self.offset) else {
            return 0;
        };
        u64::from(within < bytes && within.is_multiple_of(self.unit(silicon)))
    }
}

/// The way to the point at which all operations before number `index` (from 0) are done, and `done` bytes of that one:
/// whole words of a write, whole pages of an erase. Nothing else has been done then, and nothing is under way.
///
/// `None` when there is no such point: beyond the last operation, or in the middle of what cannot be done in part (a page, a
/// write to the external flash).
#[must_use]
pub fn route(silicon: Silicon, operations: &[Planned], index: usize, done: u32) -> Option<Route> {
    let (index, done) = match (index, done) {
        (0, 0) => return Some(Route::Start),
        // Where an operation has not begun, the one before it has ended.
        (_, 0) => (index - 1, operations.get(index - 1)?.length),
        _ => (index, done),
    };
    let operation = operations.get(index)?;
    let before = &operations[..index];
    if done > operation.length || operation.length == 0 {
        return None;
    }
    if operation.memory == Memory::External {
        let earlier = before
            .iter()
            .filter(|other| other.memory == Memory::External)
            .map(|other| other.tasks(other.length))
            .sum::<Option<u64>>()?;
        return Some(Route::Halt {
            core: Core::App,
            watch: Watch::ExternalTasks,
            number: earlier + operation.tasks(done)?,
        });
    }
    let unit = operation.unit(silicon);
    if !done.is_multiple_of(unit) {
        return None;
    }
    if silicon == Silicon::Nrf51 && operation.class == Class::Erase {
        // All pages are erased by stores to one register: they are counted.
        let pages = |bytes: u32| u64::from(bytes / unit);
        let erases = before.iter().filter(|other| other.class == Class::Erase);
        let earlier: u64 = erases.map(|other| pages(other.length)).sum();
        return Some(Route::Halt {
            core: Core::App,
            watch: Watch::Erases,
            number: earlier + pages(done),
        });
    }
    let last = operation.offset + done - unit;
    let earlier: u64 = before
        .iter()
        .filter(|other| other.memory == operation.memory)
        .map(|other| other.stores_to(silicon, last, other.length))
        .sum();
    let core = operation.core();
    Some(Route::Halt {
        core,
        watch: Watch::store_at(core.flash().start + last),
        number: earlier + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const fn planned(memory: Memory, class: Class, offset: u32, length: u32) -> Planned {
        Planned {
            memory,
            class,
            offset,
            length,
        }
    }

    const BOOT: [Planned; 8] = [
        planned(Memory::App, Class::Erase, 0x4000, 0x2000),
        planned(Memory::App, Class::Write, 0x4000, 0x400),
        planned(Memory::External, Class::Erase, 0, 0x2000),
        planned(Memory::External, Class::Write, 0x100, 0x400),
        planned(Memory::App, Class::Erase, 0x4000, 0x1000),
        planned(Memory::App, Class::Write, 0x4000, 8),
        planned(Memory::External, Class::Erase, 0x1_F000, 0x1_2000),
        planned(Memory::Net, Class::Write, 0x9000, 4),
    ];

    fn halt(core: Core, watch: Watch, number: u64) -> Option<Route> {
        Some(Route::Halt {
            core,
            watch,
            number,
        })
    }

    fn store(address: u32, number: u64) -> Option<Route> {
        halt(Core::App, Watch::store_at(address), number)
    }

    fn task(number: u64) -> Option<Route> {
        halt(Core::App, Watch::ExternalTasks, number)
    }

    #[rstest]
    #[case::beginning(0, 0, Some(Route::Start))]
    #[case::one_page_of_two(0, 0x1000, store(0x4000, 1))]
    #[case::half_a_page(0, 0x800, None)]
    #[case::behind_an_erase(1, 0, store(0x5000, 1))]
    #[case::one_word(1, 4, store(0x4000, 2))]
    #[case::half_a_write(1, 0x200, store(0x41fc, 1))]
    #[case::half_a_word(1, 2, None)]
    #[case::more_than_it_is(1, 0x404, None)]
    #[case::behind_a_write(2, 0, store(0x43fc, 1))]
    #[case::one_sector_of_two(2, 0x1000, task(1))]
    #[case::both_sectors(3, 0, task(2))]
    #[case::half_an_external_write(3, 0x200, None)]
    #[case::behind_an_external_write(4, 0, task(3))]
    #[case::the_same_page_again(5, 0, store(0x4000, 3))]
    #[case::the_same_word_again(5, 8, store(0x4004, 2))]
    #[case::a_sector_in_front_of_a_block(6, 0x1000, task(4))]
    #[case::inside_a_block(6, 0x2000, None)]
    #[case::a_block(6, 0x1_1000, task(5))]
    #[case::a_sector_behind_a_block(7, 0, task(6))]
    #[case::network_core(7, 4, halt(Core::Net, Watch::store_at(0x0100_9000), 1))]
    #[case::the_end(8, 0, halt(Core::Net, Watch::store_at(0x0100_9000), 1))]
    #[case::beyond_the_end(9, 0, None)]
    fn a_point_is_reached_by_the_last_store_before_it(
        #[case] index: usize,
        #[case] done: u32,
        #[case] expected: Option<Route>,
    ) {
        assert_eq!(route(Silicon::Nrf5340, &BOOT, index, done), expected);
    }

    #[rstest]
    #[case::one_page_of_two(0, 0x400, halt(Core::App, Watch::Erases, 1))]
    #[case::behind_an_erase(1, 0, halt(Core::App, Watch::Erases, 2))]
    #[case::one_word(1, 4, store(0x4000, 1))]
    #[case::the_same_page_again(3, 0, halt(Core::App, Watch::Erases, 3))]
    #[case::the_same_word_again(3, 4, store(0x4000, 2))]
    fn an_nrf51_counts_its_erases(
        #[case] index: usize,
        #[case] done: u32,
        #[case] expected: Option<Route>,
    ) {
        const BOOT: [Planned; 4] = [
            planned(Memory::App, Class::Erase, 0x4000, 0x800),
            planned(Memory::App, Class::Write, 0x4000, 0x400),
            planned(Memory::App, Class::Erase, 0x4000, 0x400),
            planned(Memory::App, Class::Write, 0x4000, 8),
        ];
        assert_eq!(route(Silicon::Nrf51, &BOOT, index, done), expected);
    }
}
