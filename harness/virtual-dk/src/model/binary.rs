//! Builds model binaries: vector table, description, and filling that stands for the code.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};

use super::block::{self, BLOCK_OFFSET};
use super::{Model, ModelError};
use crate::bus::Core;

/// Vectors of the nRF5340 application core: 16 of the CPU and 69 interrupts (`nrf5340-app-pac`).
pub(crate) const VECTORS: usize = 85;

/// A model binary to be built.
#[derive(Clone, Debug)]
pub struct Binary {
    model: Model,
    base: u32,
    size: u32,
    seed: u64,
}

impl Binary {
    /// A binary of `size` bytes whose vector table will lie at `base`.
    pub fn new(model: Model, base: u32, size: u32) -> Self {
        Self {
            model,
            base,
            size,
            seed: 0,
        }
    }

    /// Chooses the filling, so that two versions differ everywhere as two builds do.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The bytes. The same binary always gives the same bytes.
    ///
    /// # Panics
    ///
    /// When `size` is too small for the description: a mistake in the generator, not in any input.
    pub fn build(&self) -> Vec<u8> {
        let block = block::encode(&self.model);
        let code = (BLOCK_OFFSET as usize + block.len()).next_multiple_of(16);
        assert!(
            code + 16 <= self.size as usize,
            "a binary of {:#x} bytes has no room for its code",
            self.size
        );
        let mut bytes = self.filling();
        let reset = self.base + code as u32 + 1;
        let stack_pointer: u32 = match self.model.core() {
            Core::App => 0x2000_8000,
            Core::Net => 0x2100_8000,
        };
        for vector in 0..VECTORS {
            let word = if vector == 0 { stack_pointer } else { reset };
            bytes[4 * vector..4 * vector + 4].copy_from_slice(&word.to_le_bytes());
        }
        bytes[4 * VECTORS..BLOCK_OFFSET as usize].fill(0);
        bytes[BLOCK_OFFSET as usize..BLOCK_OFFSET as usize + block.len()].copy_from_slice(&block);
        bytes[BLOCK_OFFSET as usize + block.len()..code].fill(0);
        debug_assert!(self.reads_back(&bytes).is_ok());
        bytes
    }

    /// Noise stands for code: it does not compress and no part of it repeats, so a copied, shifted or
    /// undecrypted page never passes for another.
    fn filling(&self) -> Vec<u8> {
        let mut seed = Sha256::new();
        seed.update(b"dfu-hil model binary");
        seed.update(self.seed.to_le_bytes());
        seed.update(self.base.to_le_bytes());
        let mut bytes = vec![0; self.size as usize];
        ChaCha8Rng::from_seed(seed.finalize().into()).fill_bytes(&mut bytes);
        bytes
    }

    fn reads_back(&self, bytes: &[u8]) -> Result<Model, ModelError> {
        let Ok(found) = Model::read_at(self.model.core(), self.base, |address, buffer| {
            let start = (address - self.base) as usize;
            buffer.copy_from_slice(&bytes[start..start + buffer.len()]);
            Ok::<(), std::convert::Infallible>(())
        });
        found
    }
}
