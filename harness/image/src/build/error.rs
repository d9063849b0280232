//! Why no image could be made.

use crate::keys::{SignError, SignatureKind, WrapError};
use crate::tlv::{TlvArea, TlvKind};

/// Why no image could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// No room for the header's own fields.
    #[error("header size is {found} bytes, expected at least 32")]
    HeaderSize {
        /// The size that was asked for, bytes.
        found: u16,
    },
    /// Header and payload do not fit 32 bits.
    #[error("payload is {found} bytes, expected less than 4 GiB with its header")]
    PayloadSize {
        /// Bytes of the payload.
        found: usize,
    },
    /// A TLV longer than its length field can say.
    #[error("value of TLV {kind} is {found} bytes, expected at most 65535")]
    TlvSize {
        /// Type of the TLV.
        kind: TlvKind,
        /// Bytes of its value.
        found: usize,
    },
    /// An area longer than its total can say.
    #[error("{area} TLV area is {found} bytes, expected at most 65535")]
    AreaSize {
        /// Which area.
        area: TlvArea,
        /// Its size, bytes.
        found: usize,
    },
    /// A name too long for a boot record.
    #[error("software type of the boot record is {found} bytes, expected at most 12")]
    SoftwareType {
        /// Bytes of the name.
        found: usize,
    },
    /// The key cannot sign the chosen hash.
    #[error("image cannot be signed")]
    Sign(#[from] SignError),
    /// Only Ed25519 signs the image itself.
    #[error("key is {found}, expected Ed25519 for a signature over the image itself")]
    Pure {
        /// Kind of the key.
        found: SignatureKind,
    },
    /// The content key cannot be wrapped.
    #[error("image cannot be encrypted")]
    Wrap(#[from] WrapError),
    /// The image with its trailer is larger than the slot.
    #[error(
        "image is {image} bytes and its trailer {trailer}, expected at most {slot_size} together"
    )]
    SlotSize {
        /// Bytes of the image.
        image: usize,
        /// Bytes of the trailer.
        trailer: usize,
        /// Bytes of the slot.
        slot_size: u32,
    },
    /// Write sizes that flash does not have.
    #[error("trailer {field} is {found}, expected a power of two from {least} to 32")]
    Alignment {
        /// Which one.
        field: &'static str,
        /// The value that was asked for, bytes.
        found: u32,
        /// The least value.
        least: u32,
    },
}
