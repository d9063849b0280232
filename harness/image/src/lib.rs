//! MCUboot images: parse, verify, decrypt, build, sign; trailers and keys.

mod build;
mod bytes;
mod content_key;
mod ecies;
mod error;
mod hash;
mod header;
mod image;
pub mod inspect;
mod keys;
pub mod network;
mod tlv;
pub mod trailer;
mod verify;
mod version;

pub use build::{
    BuildError, ImageBuilder, LoadAddress, PaddedTrailer, Padding, SavedKeys, TrailerMark,
};
pub use content_key::ContentKey;
pub use error::ImageError;
pub use hash::{Digest, HashAlgorithm, Hasher};
pub use header::{
    AesKeySize, HeaderRefusal, HeaderRules, IMAGE_MAGIC, ImageFlags, ImageHeader, LoadAddressRule,
    Support,
};
pub use image::{Dependency, Encryption, Image};
pub use keys::{
    DecryptionKey, EncryptionKey, KeyError, KeyRing, PrivateKey, PublicKey, SignError,
    SignatureError, SignatureKind, UnwrapError, WrapError,
};
pub use tlv::{Tlv, TlvArea, TlvKind};
pub use verify::{
    CheckedSignature, KeyTlv, Refusal, SignedData, StoredPayload, UnprotectedTlvs, Verified,
    Verifier,
};
pub use version::{ImageVersion, VersionError};
