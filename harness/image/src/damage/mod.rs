//! Images that a device has to refuse, or to live with: a good image, damaged on purpose.
//!
//! Every [`Damage`] is one thing that goes wrong with images: a bit flipped in one region, a file cut short at one
//! boundary, a release that was made with the wrong key, for the wrong board, core or version, or that is no image at
//! all. The same image and the same damage always give the same bytes, also where something is drawn at random (a foreign
//! key, the salt of a signature): the seed is the image itself.
//!
//! Damage that changes what is signed, and still wants a good signature, needs the private signing key. Nothing here
//! says what a device makes of the result: that is for a bootloader's model.

mod kind;
mod region;
mod remake;
#[cfg(test)]
mod tests;

pub use kind::Damage;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::error::ImageError;
use crate::hash::HashAlgorithm;
use crate::image::Image;
use crate::keys::{DecryptionKey, PrivateKey};
use crate::trailer::magic;

/// What is known of the device that a damaged image is for.
#[derive(Clone, Copy, Debug)]
pub struct DamageTarget<'a> {
    /// Signs again what was changed.
    pub signing: Option<&'a PrivateKey>,
    /// Opens encrypted images.
    pub decryption: Option<&'a DecryptionKey>,
    /// Bytes of the slot that the image is sent to.
    pub slot_size: u32,
    /// Bytes of the largest image, header to last TLV, that its bootloader can bring into the primary slot.
    pub largest: u32,
    /// An address in the flash that firmware of the other core runs from.
    pub other_core: u32,
    /// Number of the image that a bad dependency is about.
    pub other_image: u8,
    /// Distance of the trailer's fields, bytes (`BOOT_MAX_ALIGN`).
    pub max_align: u32,
}

/// Why an image cannot be damaged in this way. That says nothing of the device.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DamageError {
    /// The image to begin with is none.
    #[error("the image to be damaged is none: {0}")]
    Image(#[from] ImageError),
    /// It would have to be signed again.
    #[error("the private signing key is needed to sign it again")]
    NoSigningKey,
    /// It is encrypted, and would have to be opened.
    #[error("the image is encrypted, and the key that opens it is needed")]
    NoDecryptionKey,
    /// It does not have what is to be damaged.
    #[error("the image has no {0}")]
    Absent(&'static str),
    /// The result would not be what the damage is about.
    #[error("{0}")]
    Unsuitable(String),
    /// The result cannot be made.
    #[error("the damaged image cannot be made: {0}")]
    Build(#[from] crate::build::BuildError),
}

impl Damage {
    /// Damages the image in `file`; bytes behind its TLVs are left out first.
    ///
    /// # Errors
    ///
    /// It is no image, has nothing to be damaged in this way, or a key is missing.
    pub fn apply(self, file: &[u8], target: &DamageTarget<'_>) -> Result<Vec<u8>, DamageError> {
        let image = Image::parse(file)?;
        if let Some((offset, mask)) = region::flipped(self, &image)? {
            let mut bytes = image.as_bytes().to_vec();
            bytes[offset] ^= mask;
            return Ok(bytes);
        }
        if let Some(length) = region::kept(self, &image) {
            return Ok(image.as_bytes()[..length].to_vec());
        }
        match self {
            Self::TrailingBytes => {
                let mut bytes = image.as_bytes().to_vec();
                bytes.extend((1..=TRAILING).rev());
                Ok(bytes)
            }
            Self::LargerThanSlot => {
                let mut bytes = image.as_bytes().to_vec();
                bytes.resize(target.slot_size as usize + 1, 0xa5);
                Ok(bytes)
            }
            Self::Padded | Self::PaddedConfirmed => padded(&image, target, self),
            _ => remake::remade(self, &image, target, &mut rng(self, image.as_bytes())),
        }
    }
}

/// Bytes that are appended by [`Damage::TrailingBytes`]. We chose it: a few words that are not erased.
const TRAILING: u8 = 64;

/// Randomness that depends on the image and the damage alone.
fn rng(damage: Damage, image: &[u8]) -> ChaCha20Rng {
    let text = [damage.word().as_bytes(), &[0], image].concat();
    let digest = HashAlgorithm::Sha256.digest(&text);
    let mut seed = [0; 32];
    seed.copy_from_slice(digest.as_bytes());
    ChaCha20Rng::from_seed(seed)
}

/// The image grown to its slot with a trailer that asks for a swap, as `imgtool sign --pad` and `--confirm` leave it.
fn padded(
    image: &Image<'_>,
    target: &DamageTarget<'_>,
    damage: Damage,
) -> Result<Vec<u8>, DamageError> {
    let magic = magic(target.max_align);
    let size = target.slot_size as usize;
    let flag = size - magic.len() - target.max_align as usize;
    if image.len() > flag {
        return Err(DamageError::Unsuitable(format!(
            "the image has {} bytes, which leaves no room for a trailer in {size}",
            image.len()
        )));
    }
    let mut bytes = image.as_bytes().to_vec();
    bytes.resize(size, 0xff);
    bytes[size - magic.len()..].copy_from_slice(&magic);
    if damage == Damage::PaddedConfirmed {
        bytes[flag] = 0x01;
    }
    Ok(bytes)
}
