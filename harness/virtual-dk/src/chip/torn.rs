//! What a flash operation leaves behind when the power fails in the middle of it.
//!
//! A word whose programming was cut short has some of the bits that should have fallen, a page whose erase was cut short
//! some of those that should have risen, and cells in between read now one way and now the other: which way is decided
//! anew at each reset here, where silicon decides at each read. The product specification promises nothing of all this; the
//! model is ours. All of it follows from a seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use std::collections::BTreeMap;

/// Of the bits that an interrupted operation should change, every so manieth is left in between; our choice.
const IN_BETWEEN: u32 = 8;

/// Whether operations are torn when the power fails, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Torn {
    /// What it follows from.
    pub seed: u64,
    /// Whether cells in between read differently after each reset; without it they stay what they first read as.
    pub unstable: bool,
}

/// An operation on a core's own flash that has begun and not ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum UnderWay {
    /// A word, at its offset in the flash.
    Program { offset: u32, value: u32 },
    /// The page at this offset.
    Erase { offset: u32 },
}

/// The dice of one board.
#[derive(Debug)]
pub(super) struct Tearing {
    rng: ChaCha8Rng,
    unstable: bool,
}

/// Bits of words that read differently after each reset, by the offset of the word.
pub(super) type Unstable = BTreeMap<usize, u32>;

impl Tearing {
    pub(super) fn new(torn: Torn) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(torn.seed),
            unstable: torn.unstable,
        }
    }

    /// How far an operation got before the power failed, of 256.
    pub(super) fn progress(&mut self) -> u32 {
        self.rng.next_u32() % 256
    }

    /// Each bit of `bits` with a chance of `progress` in 256.
    pub(super) fn some_of(&mut self, bits: u32, progress: u32) -> u32 {
        (0..u32::BITS)
            .map(|bit| 1 << bit)
            .filter(|bit| bits & bit != 0 && self.rng.next_u32() % 256 < progress)
            .sum()
    }

    /// Those of `bits` that are left in between.
    pub(super) fn in_between(&mut self, bits: u32) -> u32 {
        if !self.unstable {
            return 0;
        }
        (0..u32::BITS)
            .map(|bit| 1 << bit)
            .filter(|bit| bits & bit != 0 && self.rng.next_u32().is_multiple_of(IN_BETWEEN))
            .sum()
    }

    /// What bits in between read as from now on.
    pub(super) fn reading(&mut self, bits: u32) -> u32 {
        self.rng.next_u32() & bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn only_bits_that_were_asked_for_come_out(seed: u64, bits: u32, progress in 0u32..256) {
            let mut tearing = Tearing::new(Torn { seed, unstable: true });
            prop_assert_eq!(tearing.some_of(bits, progress) & !bits, 0);
            prop_assert_eq!(tearing.in_between(bits) & !bits, 0);
            prop_assert_eq!(tearing.reading(bits) & !bits, 0);
            prop_assert_eq!(tearing.some_of(bits, 256), bits);
            prop_assert_eq!(tearing.some_of(bits, 0), 0);
        }
    }

    #[test]
    fn a_seed_always_tears_alike() {
        let torn = |seed| {
            let mut tearing = Tearing::new(Torn {
                seed,
                unstable: true,
            });
            let progress = tearing.progress();
            (progress, tearing.some_of(u32::MAX, 128))
        };
        assert_eq!(torn(7), torn(7));
        assert_ne!(torn(7), torn(8));
    }
}
