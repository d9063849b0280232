//! The AES key of one encrypted image, and the cipher it drives.
//!
//! Facts: mcuboot `docs/encrypted_images.md`, `boot/bootutil/src/encrypted.c`.

use std::fmt;

use aes::{Aes128, Aes256};
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::header::AesKeySize;

/// The key that one image's payload is encrypted with. Never shown; wiped when dropped.
#[derive(Clone)]
pub struct ContentKey(Bytes);

#[derive(Clone)]
enum Bytes {
    Aes128(Zeroizing<[u8; 16]>),
    Aes256(Zeroizing<[u8; 32]>),
}

impl ContentKey {
    /// A key from its 16 or 32 bytes; `None` for any other length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(key) = <[u8; 16]>::try_from(bytes) {
            return Some(Self(Bytes::Aes128(Zeroizing::new(key))));
        }
        let key = <[u8; 32]>::try_from(bytes).ok()?;
        Some(Self(Bytes::Aes256(Zeroizing::new(key))))
    }

    /// A fresh key.
    #[must_use]
    pub fn random(size: AesKeySize, rng: &mut impl CryptoRngCore) -> Self {
        match size {
            AesKeySize::Aes128 => {
                let mut key = Zeroizing::new([0; 16]);
                rng.fill_bytes(key.as_mut());
                Self(Bytes::Aes128(key))
            }
            AesKeySize::Aes256 => {
                let mut key = Zeroizing::new([0; 32]);
                rng.fill_bytes(key.as_mut());
                Self(Bytes::Aes256(key))
            }
        }
    }

    /// Its length.
    #[must_use]
    pub fn size(&self) -> AesKeySize {
        match self.0 {
            Bytes::Aes128(_) => AesKeySize::Aes128,
            Bytes::Aes256(_) => AesKeySize::Aes256,
        }
    }

    /// The key itself, 16 or 32 bytes, as MCUboot writes it into a trailer during a swap.
    ///
    /// For a model of the loader; must not reach a log, a journal or a report.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        match &self.0 {
            Bytes::Aes128(key) => key.as_slice(),
            Bytes::Aes256(key) => key.as_slice(),
        }
    }

    /// Encrypts or decrypts (the same operation) `data`, which stands `payload_offset` bytes behind the
    /// start of the payload.
    ///
    /// AES-CTR; the counter block is 12 zero bytes and the big-endian number of the 16-byte block within
    /// the payload. Any offset and length will do, also within a block.
    pub fn apply(&self, payload_offset: u32, data: &mut [u8]) {
        const START: [u8; 16] = [0; 16];
        match &self.0 {
            Bytes::Aes128(key) => {
                let mut cipher = Ctr128BE::<Aes128>::new((&**key).into(), (&START).into());
                cipher.seek(payload_offset);
                cipher.apply_keystream(data);
            }
            Bytes::Aes256(key) => {
                let mut cipher = Ctr128BE::<Aes256>::new((&**key).into(), (&START).into());
                cipher.seek(payload_offset);
                cipher.apply_keystream(data);
            }
        }
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentKey({}, redacted)", self.size())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn first_block_is_the_cipher_of_counter_zero() {
        // AES-128 of a zero block under a zero key: the hash key of test case 1 in the GCM specification.
        let key = ContentKey::from_bytes(&[0; 16]).unwrap();
        let mut data = [0; 16];
        key.apply(0, &mut data);
        assert_eq!(hex::encode(data), "66e94bd4ef8a2c3b884cfa59ca342b2e");
    }

    #[test]
    fn debug_output_has_no_key_bytes() {
        let key = ContentKey::from_bytes(&[0xab; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "ContentKey(AES-256, redacted)");
    }

    #[test]
    fn only_two_lengths_make_a_key() {
        for length in 0..64 {
            let made = ContentKey::from_bytes(&vec![1; length]).is_some();
            assert_eq!(made, length == 16 || length == 32, "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn pieces_give_the_same_bytes_as_the_whole(
            data in prop::collection::vec(any::<u8>(), 1..300),
            cut in 0usize..300,
            long in any::<bool>(),
        ) {
            let key = ContentKey::from_bytes(if long { &[7; 32][..] } else { &[7; 16] }).unwrap();
            let cut = cut % data.len();
            let mut whole = data.clone();
            key.apply(0, &mut whole);
            let mut pieces = data.clone();
            key.apply(0, &mut pieces[..cut]);
            key.apply(cut as u32, &mut pieces[cut..]);
            prop_assert_eq!(&whole, &pieces);
            key.apply(0, &mut whole);
            prop_assert_eq!(whole, data);
        }
    }
}
