//! Finding the plain text of an encrypted image where it must not be.
//!
//! Works on blocks of 16 bytes (the block of AES), at every word of flash, so that a copy which is shifted by
//! a sector or cut short is found as well. Blocks that prove nothing are left out: runs of one byte, and
//! blocks that also occur in what may be read anyway. What is found is never shown, only where.

use std::collections::HashSet;
use zeroize::Zeroize as _;

/// Bytes of a block.
const BLOCK: usize = 16;

/// Flash is written in words of 4 bytes, so a copy starts at one.
const WORD: usize = 4;

/// The blocks of a plain payload that give it away.
pub(crate) struct TellTales {
    blocks: HashSet<[u8; BLOCK]>,
}

impl TellTales {
    /// The blocks of `payload` that occur in none of the `public` bytes.
    pub(crate) fn new<'a>(payload: &[u8], public: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut blocks: HashSet<[u8; BLOCK]> = payload
            .as_chunks::<BLOCK>()
            .0
            .iter()
            .filter(|block| !is_trivial(block))
            .copied()
            .collect();
        for bytes in public {
            for window in words(bytes) {
                blocks.remove(window);
            }
        }
        Self { blocks }
    }

    /// The blocks of a content key, which is as secret as what it opens.
    pub(crate) fn of_key(key: &[u8]) -> Self {
        Self {
            blocks: key.as_chunks::<BLOCK>().0.iter().copied().collect(),
        }
    }

    /// How many blocks there are to look for.
    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Offsets in `bytes` at which a block of the payload begins.
    pub(crate) fn offsets<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        words(bytes)
            .enumerate()
            .filter(|(_, window)| self.blocks.contains(*window))
            .map(|(index, _)| index * WORD)
    }
}

impl Drop for TellTales {
    fn drop(&mut self) {
        for mut block in self.blocks.drain() {
            block.zeroize();
        }
    }
}

/// Every 16 bytes that begin at a word.
fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8; BLOCK]> {
    bytes
        .windows(BLOCK)
        .step_by(WORD)
        .filter_map(|window| window.try_into().ok())
}

/// Offsets in `bytes` at which `secret` begins, at any byte: in RAM a key lies wherever a compiler puts it.
pub(crate) fn places_of(bytes: &[u8], secret: &[u8]) -> Vec<usize> {
    let Some(first) = secret.first() else {
        return Vec::new();
    };
    let starts = bytes.iter().enumerate();
    starts
        .filter(|(at, byte)| *byte == first && bytes[*at..].starts_with(secret))
        .map(|(at, _)| at)
        .collect()
}

/// Whether a block repeats one word, as padding, erased flash and tables of zeroes do.
fn is_trivial(block: &[u8; BLOCK]) -> bool {
    let (words, _) = block.as_chunks::<WORD>();
    words.iter().all(|word| *word == words[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload() -> Vec<u8> {
        (0..64u8).chain([0xFF; 16]).chain([0; 16]).collect()
    }

    #[test]
    fn a_copy_of_one_block_is_found_at_any_word() {
        let tell_tales = TellTales::new(&payload(), []);
        let mut flash = vec![0xFF; 256];
        flash[100..116].copy_from_slice(&payload()[16..32]);
        assert_eq!(tell_tales.offsets(&flash).collect::<Vec<_>>(), [100]);
    }

    #[test]
    fn a_content_key_is_found_at_any_word() {
        let key: Vec<u8> = (100..132).collect();
        let tell_tales = TellTales::of_key(&key);
        let mut trailer = vec![0xFF; 96];
        trailer[36..52].copy_from_slice(&key[16..]);
        assert_eq!(tell_tales.offsets(&trailer).collect::<Vec<_>>(), [36]);
    }

    #[test]
    fn a_key_in_ram_is_found_whole_and_at_any_byte() {
        let key: Vec<u8> = (100..132).collect();
        let mut ram = vec![100; 256];
        ram[33..65].copy_from_slice(&key);
        ram[224..256].copy_from_slice(&key);
        ram[100..131].copy_from_slice(&key[..31]);
        assert_eq!(places_of(&ram, &key), [33, 224]);
        assert_eq!(places_of(&ram[..64], &key), [0; 0]);
    }

    #[test]
    fn padding_is_no_plain_text() {
        let tell_tales = TellTales::new(&payload(), []);
        assert_eq!(
            tell_tales.len(),
            4,
            "the 64 counting bytes, not the padding"
        );
        assert_eq!(tell_tales.offsets(&[0xFF; 64]).count(), 0);
        assert_eq!(tell_tales.offsets(&[0; 64]).count(), 0);
    }

    #[test]
    fn what_may_be_read_anyway_is_no_plain_text() {
        let payload = payload();
        let public = [vec![0xAA; 8], payload[..32].to_vec()].concat();
        let tell_tales = TellTales::new(&payload, [public.as_slice()]);
        assert_eq!(tell_tales.offsets(&payload).collect::<Vec<_>>(), [32, 48]);
    }
}
