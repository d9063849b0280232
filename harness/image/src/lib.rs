//! MCUboot images: parse, verify, decrypt, build, sign; trailers, keys and network core metadata.
//!
//! [`Image`] is the structure of one image in a file or a slot, [`Verifier`] a bootloader's judgement of it,
//! [`ImageBuilder`] makes one as imgtool does, [`Damage`] spoils one. [`trailer`] reads what a loader keeps at the end of a slot,
//! [`network`] what b0n wants to find in a payload for the network core, and [`inspect`] says all of it to
//! people. Knows nothing of boards, flash devices or swapping: bytes go in, facts come out.
//!
//! Relies on the image format of MCUboot as of v2.4 (mcuboot `boot/bootutil/include/bootutil/image.h` and
//! `docs/design.md`) and on imgtool 2.5.0 for what is built. No private key, content key or decrypted payload
//! appears in any `Debug` or `Display`.
//!
//! ```
//! use hil_image::{Image, ImageBuilder, ImageVersion, Verifier};
//! # use rand_core::{CryptoRng, RngCore};
//! # struct NoRng;
//! # impl RngCore for NoRng {
//! #     fn next_u32(&mut self) -> u32 { 0 }
//! #     fn next_u64(&mut self) -> u64 { 0 }
//! #     fn fill_bytes(&mut self, bytes: &mut [u8]) { bytes.fill(0) }
//! #     fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> { Ok(bytes.fill(0)) }
//! # }
//! # impl CryptoRng for NoRng {}
//! # let mut rng = NoRng;
//! let file = ImageBuilder::new(*b"firmware")
//!     .version(ImageVersion::new(2, 0, 0))
//!     .build(&mut rng)?;
//! let image = Image::parse(&file)?;
//! assert_eq!(image.header().version.to_string(), "2.0.0");
//! assert!(Verifier::unsigned().verify(&image).is_ok());
//!
//! let mut damaged = file.clone();
//! damaged[0x200] ^= 1;
//! let refusal = Verifier::unsigned().verify(&Image::parse(&damaged)?).unwrap_err();
//! assert!(refusal.to_string().starts_with("image hash in TLV SHA256 (0x0010) at offset 0x020c is"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod bytes;
mod content_key;
mod damage;
mod ecies;
mod error;
mod hash;
mod header;
mod image;
pub mod inspect;
mod keys;
pub mod network;
mod rules;
mod tlv;
pub mod trailer;
mod verify;
mod version;

pub use build::{
    BuildError, ImageBuilder, LoadAddress, PaddedTrailer, Padding, SavedKeys, TrailerMark,
};
pub use content_key::ContentKey;
pub use damage::{Damage, DamageError, DamageTarget};
pub use error::ImageError;
pub use hash::{Digest, HashAlgorithm, Hasher};
pub use header::{AesKeySize, IMAGE_MAGIC, ImageFlags, ImageHeader};
pub use image::{Dependency, Encryption, Image};
pub use keys::{
    DecryptionKey, EncryptionKey, KeyError, KeyRing, PrivateKey, PublicKey, SignError,
    SignatureError, SignatureKind, UnwrapError, WrapError,
};
pub use rules::{HeaderRefusal, HeaderRules, LoadAddressRule, Support};
pub use tlv::{Tlv, TlvArea, TlvKind};
pub use verify::{
    CheckedSignature, KeyTlv, Refusal, SignedData, StoredPayload, UnprotectedTlvs, Verified,
    Verifier,
};
pub use version::{ImageVersion, VersionError};
