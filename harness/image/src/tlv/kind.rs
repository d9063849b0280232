//! Types of TLVs, by number and by MCUboot's names (`boot/bootutil/include/bootutil/image.h`).

use std::fmt;

/// The type of a TLV. Any number is possible: vendors have their own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlvKind(pub u16);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        impl TlvKind {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// MCUboot's name for the type, where it has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// Hash of the public key that the next signature was made with.
    KEYHASH = 0x01;
    /// The whole public key instead of its hash (`MCUBOOT_HW_KEY`).
    PUBKEY = 0x02;
    /// SHA-256 of the image.
    SHA256 = 0x10;
    /// SHA-384 of the image.
    SHA384 = 0x11;
    /// SHA-512 of the image.
    SHA512 = 0x12;
    /// RSA-2048 PSS signature.
    RSA2048_PSS = 0x20;
    /// ECDSA P-224 signature; obsolete.
    ECDSA224 = 0x21;
    /// ECDSA signature, DER.
    ECDSA_SIG = 0x22;
    /// RSA-3072 PSS signature.
    RSA3072_PSS = 0x23;
    /// Ed25519 signature.
    ED25519 = 0x24;
    /// Marks a signature over the image itself rather than over its hash.
    SIG_PURE = 0x25;
    /// Content key, RSA-OAEP-2048.
    ENC_RSA2048 = 0x30;
    /// Content key, AES key wrap.
    ENC_KW = 0x31;
    /// Content key, ECIES with P-256.
    ENC_EC256 = 0x32;
    /// Content key, ECIES with X25519.
    ENC_X25519 = 0x33;
    /// Content key, ECIES with X25519 and SHA-512.
    ENC_X25519_SHA512 = 0x34;
    /// Version that another image must have.
    DEPENDENCY = 0x40;
    /// Security counter.
    SEC_CNT = 0x50;
    /// Measured-boot record, CBOR.
    BOOT_RECORD = 0x60;
    /// Compressed images: size of the plain payload.
    DECOMP_SIZE = 0x70;
    /// Compressed images: hash of the plain image.
    DECOMP_SHA = 0x71;
    /// Compressed images: signature of the plain image.
    DECOMP_SIGNATURE = 0x72;
    /// Compressed and encrypted images: plain size.
    COMP_DEC_SIZE = 0x73;
    /// Vendor UUID.
    UUID_VID = 0x74;
    /// Class UUID.
    UUID_CID = 0x75;
    /// Manifest of a multi-image set; only in Nordic's fork.
    MANIFEST = 0x76;
}

impl TlvKind {
    /// Whether the type is in the range that MCUboot leaves to vendors (low byte 0xa0 and up).
    #[must_use]
    pub const fn is_vendor(self) -> bool {
        self.0 & 0xff >= 0xa0 && self.0 != 0xffff
    }

    /// Whether the value is an encrypted content key.
    #[must_use]
    pub const fn is_content_key(self) -> bool {
        matches!(self.0, 0x30..=0x34)
    }

    /// Whether a loader with `MCUBOOT_USE_TLV_ALLOW_LIST` accepts the type in the unprotected area.
    ///
    /// A real build allows `SIG_PURE` and only one of the two X25519 types by its configuration;
    /// all are allowed here, for a wrong scheme is refused by name later.
    #[must_use]
    pub const fn is_allowed_unprotected(self) -> bool {
        matches!(self.0, 0x01 | 0x02 | 0x10..=0x12 | 0x20..=0x25 | 0x30..=0x34)
    }
}

impl fmt::Display for TlvKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({:#06x})", self.0),
            None if self.is_vendor() => write!(f, "vendor ({:#06x})", self.0),
            None => write!(f, "unknown ({:#06x})", self.0),
        }
    }
}

impl fmt::Debug for TlvKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
