//! Why a bootloader refuses an image.

use crate::error::ImageError;
use crate::hash::Digest;
use crate::header::AesKeySize;
use crate::keys::{SignatureError, SignatureKind, UnwrapError};
use crate::rules::HeaderRefusal;
use crate::tlv::TlvKind;

/// Why a bootloader refuses an image. Offsets count bytes from the start of the image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not an image, or one with a broken structure.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The header breaks a rule of the build.
    #[error(transparent)]
    Header(#[from] HeaderRefusal),
    /// Marked as not bootable.
    #[error(
        "`flags` at offset 0x0010 is {found:#010x} with NON_BOOTABLE, expected a bootable image"
    )]
    NotBootable {
        /// The flags.
        found: u32,
    },
    /// Encrypted, without a content key that the loader's key could open.
    #[error(
        "unprotected TLV area at offset {offset:#06x} has {}, expected a content key for {scheme}",
        found.map_or("no ENC TLV".to_owned(), |kind| kind.to_string())
    )]
    NoContentKey {
        /// Offset of the unprotected area.
        offset: u32,
        /// Another scheme's TLV, if there is one.
        found: Option<TlvKind>,
        /// Scheme of the loader's key.
        scheme: &'static str,
    },
    /// The content key cannot be opened.
    #[error("TLV {kind} at offset {offset:#06x} cannot be opened")]
    ContentKey {
        /// Type of the TLV.
        kind: TlvKind,
        /// Offset of the TLV.
        offset: u32,
        /// Why not.
        #[source]
        source: UnwrapError,
    },
    /// The content key has another length than the flags say.
    #[error(
        "TLV {kind} at offset {offset:#06x} holds an {found} key, expected {expected} as in `flags` at offset 0x0010"
    )]
    ContentKeySize {
        /// Type of the TLV.
        kind: TlvKind,
        /// Offset of the TLV.
        offset: u32,
        /// Size of the key in the TLV.
        found: AesKeySize,
        /// Size by the header's flags.
        expected: AesKeySize,
    },
    /// A TLV that may only stand in the protected area.
    #[error(
        "TLV {kind} at offset {offset:#06x} is in the unprotected area, expected only hash, key, signature and content key there"
    )]
    NotAllowed {
        /// Type of the TLV.
        kind: TlvKind,
        /// Offset of the TLV.
        offset: u32,
    },
    /// The stored hash is not the image's.
    #[error(
        "image hash in TLV {kind} at offset {offset:#06x} is {found}, expected {expected} by the image's own bytes"
    )]
    Hash {
        /// Type of the TLV.
        kind: TlvKind,
        /// Offset of the TLV.
        offset: u32,
        /// The stored hash.
        found: Digest,
        /// The computed hash.
        expected: Digest,
    },
    /// No hash of the kind that the build uses.
    #[error(
        "TLV areas from offset {offset:#06x} have {}, expected an image hash in {expected}",
        found.map_or("no image hash".to_owned(), |kind| format!("an image hash in {kind}"))
    )]
    NoHash {
        /// Where the TLV areas start.
        offset: u32,
        /// Another hash, if there is one.
        found: Option<TlvKind>,
        /// The build's hash TLV.
        expected: TlvKind,
    },
    /// No mark for a pure signature.
    #[error(
        "TLV areas from offset {offset:#06x} have no SIG_PURE (0x0025) TLV with value 1, expected one: the loader checks signatures over the image itself"
    )]
    NotPure {
        /// Where the TLV areas start.
        offset: u32,
    },
    /// No signature at all.
    #[error("TLV areas from offset {offset:#06x} have no signature, expected {expected}")]
    NoSignature {
        /// Where the TLV areas start.
        offset: u32,
        /// Kinds that the build's keys check.
        expected: String,
    },
    /// A signature of another kind than the build checks.
    #[error("signature at offset {offset:#06x} is {found}, expected {expected}")]
    SignatureKind {
        /// Offset of the TLV.
        offset: u32,
        /// Kind found.
        found: SignatureKind,
        /// Kinds that the build's keys check.
        expected: String,
    },
    /// No key TLV in front of the signature.
    #[error(
        "signature at offset {offset:#06x} has no {expected} TLV in front of it, expected one that names the key"
    )]
    NoKey {
        /// Offset of the signature's TLV.
        offset: u32,
        /// The build's key TLV.
        expected: TlvKind,
    },
    /// A key that the loader does not have, so that its signature is not looked at.
    #[error(
        "key in TLV {kind} at offset {offset:#06x} has hash {found}, expected {}",
        expected_keys(known)
    )]
    UnknownKey {
        /// Type of the key TLV.
        kind: TlvKind,
        /// Offset of the key TLV.
        offset: u32,
        /// Hash of the key that the image names.
        found: Digest,
        /// Hashes of the loader's keys.
        known: Vec<Digest>,
    },
    /// A key TLV longer than the loader's buffer.
    #[error("key TLV {kind} at offset {offset:#06x} has {found} bytes, expected at most {most}")]
    KeyLength {
        /// Type of the key TLV.
        kind: TlvKind,
        /// Offset of the key TLV.
        offset: u32,
        /// Bytes found.
        found: usize,
        /// Bytes of the loader's buffer.
        most: usize,
    },
    /// A signature of a length that its kind does not have.
    #[error(
        "{kind} signature at offset {offset:#06x} has {found} bytes, expected {}{}",
        if *kind == SignatureKind::EcdsaP256 { "at most " } else { "" },
        kind.buffer_len()
    )]
    SignatureLength {
        /// Kind of the signature.
        kind: SignatureKind,
        /// Offset of the TLV.
        offset: u32,
        /// Bytes found.
        found: usize,
    },
    /// A signature that does not match.
    #[error(
        "{kind} signature at offset {offset:#06x} is wrong for image hash {hash}, expected one made with key {key_hash}"
    )]
    Signature {
        /// Kind of the signature.
        kind: SignatureKind,
        /// Offset of the TLV.
        offset: u32,
        /// The image's hash.
        hash: Digest,
        /// Hash of the key that the signature was checked with.
        key_hash: Digest,
        /// Malformed, or different.
        #[source]
        source: SignatureError,
    },
}

fn expected_keys(known: &[Digest]) -> String {
    match known {
        [] => "a key of the loader, which has none".to_owned(),
        [one] => one.to_string(),
        many => {
            let hashes: Vec<_> = many.iter().map(ToString::to_string).collect();
            format!("one of {}", hashes.join(", "))
        }
    }
}

impl Refusal {
    /// What a person can try, where there is something.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Image(error) => error.help(),
            Self::NotBootable { .. } => Some("the image was signed with `--non-bootable`"),
            Self::UnknownKey { .. } => {
                Some("sign with the key that the bootloader was built with, or give that key")
            }
            Self::NoSignature { .. } => {
                Some("was the image signed? `imgtool sign` without `--key` stores a hash only")
            }
            Self::Header(HeaderRefusal::Encrypted { .. }) => {
                Some("give the decryption key, or send the plain image")
            }
            _ => None,
        }
    }
}
