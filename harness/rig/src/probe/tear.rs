//! The half-done state of a flash operation, written by the probe: what a loss of power in the middle of one may leave.
//!
//! A board cannot be told to lose its power halfway through the programming of a word. But it can be stopped in front of that
//! word, and be given the state that such a loss could have left: some of the bits that should change have, the others have
//! not. Then the power is taken away, and the firmware has to cope with what it finds. The product specification does not
//! say what an interrupted operation leaves; each bit is drawn by itself here, from a seed. Cells in between, which read now
//! one way and now the other, cannot be made this way.
//!
//! Bits that have to rise cost an erase of their page, and programming it again; words may then be programmed more often than
//! the two times between erases that the product specification allows (`n_WRITE`).

use super::bus::Bus;
use super::context::Context;
use super::cortex::{DHCSR, DHCSR_S_HALT};
use super::link::{Link, on_bus};
use super::qspi::{ExternalFlash, SECTOR, with_external_flash};
use super::trap::Memory;
use super::{ProbeSession, external, nvmc};
use crate::core::{Core, EXTERNAL_FLASH};
use crate::error::{Operation, RigError};
use crate::silicon::Silicon;
use probe_rs::architecture::arm::ArmError;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use std::ops::Range;
use std::time::Duration;

/// How an operation is torn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tear {
    /// What it follows from.
    pub seed: u64,
    /// How many of 256 bits that change have changed, on average: 0 leaves what was there, 256 what should be there.
    pub progress: u16,
}

impl Tear {
    /// Of two states of the same bytes, one in between. What only one of the two has is left out.
    #[must_use]
    pub fn between(self, before: &[u8], after: &[u8]) -> Vec<u8> {
        let mut dice = ChaCha8Rng::seed_from_u64(self.seed);
        let pairs = before.iter().zip(after);
        pairs
            .map(|(&before, &after)| {
                let changed = (0..8)
                    .map(|bit| 1u8 << bit)
                    .filter(|bit| (before ^ after) & bit != 0)
                    .filter(|_| dice.next_u32() % 256 < u32::from(self.progress))
                    .fold(0, |bits, bit| bits | bit);
                before ^ changed
            })
            .collect()
    }
}

impl ProbeSession {
    /// Leaves flash as an operation may leave it that was interrupted. The core that does the operation stands in front of it
    /// (see [`reach`](Self::reach)); `after` is what would be there from `offset` of the memory on if it were done: whole
    /// words. Gives what is there now.
    ///
    /// # Errors
    /// Bench trouble; [`RigError::BadRequest`] for bytes that are no words of that memory, and when the core runs.
    pub fn leave_torn(
        &self,
        memory: Memory,
        offset: u32,
        after: &[u8],
        tear: Tear,
    ) -> Result<Vec<u8>, RigError> {
        let place =
            Place::of(self.config.silicon, memory, offset, after.len()).ok_or_else(|| {
                RigError::BadRequest {
                    board: self.config.board.clone(),
                    what: format!(
                        "{} bytes at {offset:#x} are no words of that flash",
                        after.len()
                    ),
                }
            })?;
        let core = place.core;
        let doing = Operation::Tear {
            core,
            address: place.address,
        };
        let after = after.to_vec();
        // Erasing and programming a page word by word through the probe, for each page, several times over.
        let within = super::SHORT + Duration::from_secs(10) * place.pages().count() as u32;
        self.request(doing, within, move |link: &mut Link, context: &Context| {
            link.tear(context, &place, &after, tear)
        })
    }
}

/// Words of a flash memory.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Place {
    core: Core,
    /// In the map of `core`.
    address: u32,
    length: u32,
    /// What can be erased at a time.
    page: u32,
}

impl Place {
    fn of(silicon: Silicon, memory: Memory, offset: u32, length: usize) -> Option<Self> {
        let (core, flash, page) = match memory {
            Memory::App => (
                Core::App,
                silicon.flash(Core::App),
                silicon.page_size(Core::App),
            ),
            Memory::Net => (
                Core::Net,
                silicon.flash(Core::Net),
                silicon.page_size(Core::Net),
            ),
            Memory::External => (Core::App, EXTERNAL_FLASH, SECTOR),
        };
        let length = u32::try_from(length).ok()?;
        let address = flash.start.checked_add(offset)?;
        let fits = address.checked_add(length)? <= flash.end;
        let words = offset.is_multiple_of(4) && length.is_multiple_of(4) && length > 0;
        (fits && words).then_some(Self {
            core,
            address,
            length,
            page,
        })
    }

    const fn bytes(&self) -> Range<u32> {
        self.address..self.address + self.length
    }

    /// The first addresses of the pages that it touches.
    fn pages(&self) -> impl Iterator<Item = u32> + use<> {
        (self.address / self.page * self.page..self.bytes().end).step_by(self.page as usize)
    }

    const fn is_external(&self) -> bool {
        EXTERNAL_FLASH.start <= self.address && self.address < EXTERNAL_FLASH.end
    }
}

impl Link {
    fn tear(
        &mut self,
        context: &Context,
        place: &Place,
        after: &[u8],
        tear: Tear,
    ) -> Result<Vec<u8>, RigError> {
        if place.is_external() {
            external::check_fitted(context)?;
        }
        let held = self.hold(context)?;
        let core = place.core;
        let stands = on_bus(context, &mut *held.interface, core, |bus| {
            Ok(bus.read(DHCSR)? & DHCSR_S_HALT != 0)
        })?;
        if !stands {
            self.release_if_unused();
            return Err(RigError::BadRequest {
                board: context.board(),
                what: format!("the {core} runs: it has to stand where its flash is to be torn"),
            });
        }
        on_bus(context, &mut *held.interface, core, |bus| {
            if place.is_external() {
                with_external_flash(bus, |flash| overwrite(flash, place, after, tear))
            } else {
                // Firmware may have set the mode for what it is about to do.
                let mode = nvmc::mode(bus, core)?;
                let torn = overwrite(&mut OnChip { bus, core }, place, after, tear);
                let restored = nvmc::set_mode(bus, core, mode);
                torn.and_then(|torn| restored.map(|()| torn))
            }
        })
    }
}

/// A flash whose pages can be read, erased and programmed.
trait Pages {
    fn read(&mut self, address: u32, data: &mut [u8]) -> Result<(), ArmError>;
    fn erase(&mut self, page: u32) -> Result<(), ArmError>;
    /// Bits only fall. Words that are `0xFFFF_FFFF` are left out.
    fn program(&mut self, address: u32, data: &[u8]) -> Result<(), ArmError>;
}

struct OnChip<'a> {
    bus: &'a mut dyn Bus,
    core: Core,
}

impl Pages for OnChip<'_> {
    fn read(&mut self, address: u32, data: &mut [u8]) -> Result<(), ArmError> {
        self.bus.read_bytes(address, data)
    }

    fn erase(&mut self, page: u32) -> Result<(), ArmError> {
        nvmc::erase_pages(self.bus, self.core, &[page], &mut |_| {})
    }

    fn program(&mut self, address: u32, data: &[u8]) -> Result<(), ArmError> {
        let words: Vec<(u32, u32)> = (address..)
            .step_by(4)
            .zip(data.chunks_exact(4))
            .filter_map(|(address, word)| {
                let value = word
                    .iter()
                    .rev()
                    .fold(0, |value, &byte| value << 8 | u32::from(byte));
                (value != u32::MAX).then_some((address, value))
            })
            .collect();
        nvmc::write_words(self.bus, self.core, &words)
    }
}

impl Pages for ExternalFlash<'_> {
    fn read(&mut self, address: u32, data: &mut [u8]) -> Result<(), ArmError> {
        Self::read(self, address - EXTERNAL_FLASH.start, data)
    }

    fn erase(&mut self, page: u32) -> Result<(), ArmError> {
        Self::erase(self, &[page - EXTERNAL_FLASH.start], &mut |_| {})
    }

    fn program(&mut self, address: u32, data: &[u8]) -> Result<(), ArmError> {
        Self::program(self, address - EXTERNAL_FLASH.start, data)
    }
}

/// Makes flash hold what is between what it holds and `after`, and gives that.
fn overwrite(
    flash: &mut dyn Pages,
    place: &Place,
    after: &[u8],
    tear: Tear,
) -> Result<Vec<u8>, ArmError> {
    let mut before = vec![0; after.len()];
    flash.read(place.address, &mut before)?;
    let torn = tear.between(&before, after);
    for page in place.pages() {
        let mut held = vec![0; place.page as usize];
        flash.read(page, &mut held)?;
        let mut wanted = held.clone();
        for (address, &byte) in (place.address..).zip(&torn) {
            if let Some(cell) = address
                .checked_sub(page)
                .and_then(|at| wanted.get_mut(at as usize))
            {
                *cell = byte;
            }
        }
        let rises = held
            .iter()
            .zip(&wanted)
            .any(|(held, wanted)| wanted & !held != 0);
        if rises {
            flash.erase(page)?;
            flash.program(page, &wanted)?;
        } else {
            // What stays is programmed as blank, which changes nothing.
            let change: Vec<u8> = held
                .chunks(4)
                .zip(wanted.chunks(4))
                .flat_map(|(held, wanted)| {
                    if held == wanted {
                        &[0xFF; 4][..]
                    } else {
                        wanted
                    }
                })
                .copied()
                .collect();
            flash.program(page, &change)?;
        }
    }
    Ok(torn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// Flash in memory, from address 0.
    struct Sim {
        bytes: Vec<u8>,
        erased: Vec<u32>,
    }

    impl Pages for Sim {
        fn read(&mut self, address: u32, data: &mut [u8]) -> Result<(), ArmError> {
            data.copy_from_slice(&self.bytes[address as usize..][..data.len()]);
            Ok(())
        }

        fn erase(&mut self, page: u32) -> Result<(), ArmError> {
            self.bytes[page as usize..][..0x1000].fill(0xFF);
            self.erased.push(page);
            Ok(())
        }

        fn program(&mut self, address: u32, data: &[u8]) -> Result<(), ArmError> {
            for (cell, new) in self.bytes[address as usize..].iter_mut().zip(data) {
                *cell &= new;
            }
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn a_torn_state_is_between_the_two(
            pairs in prop::collection::vec(any::<(u8, u8)>(), 1..64),
            seed: u64,
            progress in 0u16..=256,
        ) {
            let (before, after): (Vec<u8>, Vec<u8>) = pairs.into_iter().unzip();
            let tear = Tear { seed, progress };
            let torn = tear.between(&before, &after);
            prop_assert_eq!(&torn, &tear.between(&before, &after), "a seed gives one state");
            for ((before, after), torn) in before.iter().zip(&after).zip(&torn) {
                prop_assert_eq!((before ^ torn) & !(before ^ after), 0);
            }
            if progress == 0 {
                prop_assert_eq!(&torn, &before);
            }
            if progress == 256 {
                prop_assert_eq!(&torn, &after);
            }
        }

        #[test]
        fn flash_holds_the_torn_state_and_everything_else_as_before(
            held in prop::collection::vec(any::<u8>(), 0x3000),
            after in prop::collection::vec(any::<[u8; 4]>(), 1..600),
            at in 0u32..0x600,
            seed: u64,
        ) {
            let after = after.concat();
            let place = Place::of(Silicon::Nrf5340, Memory::App, at * 4, after.len()).unwrap();
            let mut flash = Sim { bytes: held.clone(), erased: Vec::new() };
            let torn = overwrite(&mut flash, &place, &after, Tear { seed, progress: 128 }).unwrap();
            let mut expected = held;
            expected[at as usize * 4..][..torn.len()].copy_from_slice(&torn);
            prop_assert_eq!(flash.bytes, expected);
        }
    }

    #[test]
    fn bits_that_only_fall_cost_no_erase() {
        let mut flash = Sim {
            bytes: vec![0xFF; 0x1000],
            erased: Vec::new(),
        };
        let place = Place::of(Silicon::Nrf5340, Memory::App, 8, 4).unwrap();
        let tear = Tear {
            seed: 1,
            progress: 128,
        };
        overwrite(&mut flash, &place, &[0; 4], tear).unwrap();
        assert!(flash.erased.is_empty(), "{:?}", flash.erased);
    }

    #[rstest]
    #[case::no_words(Memory::App, 2, 4)]
    #[case::nothing(Memory::App, 0, 0)]
    #[case::beyond_the_end(Memory::Net, 0x3_FFFC, 8)]
    #[case::far_beyond(Memory::External, u32::MAX - 3, 4)]
    fn what_is_no_flash_is_refused(
        #[case] memory: Memory,
        #[case] offset: u32,
        #[case] length: usize,
    ) {
        assert_eq!(Place::of(Silicon::Nrf5340, memory, offset, length), None);
    }
}
