//! TLV areas: what stands behind the payload.
//!
//! A protected area (hashed with the payload, optional) is followed by the unprotected one. Entries are a
//! `u16` type, a `u16` length and the value, without alignment (mcuboot
//! `boot/bootutil/include/bootutil/image.h`, `boot/bootutil/src/tlv.c`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bytes::u16_at;
use crate::error::ImageError;
use crate::header::ImageHeader;

/// Bytes of an area's info header (magic, total), and of an entry's type and length.
pub(crate) const INFO_LEN: u32 = 4;

/// Which of the two areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlvArea {
    /// Covered by the image hash.
    Protected,
    /// Not covered: the hash itself, keys and signatures.
    Unprotected,
}

impl TlvArea {
    /// The magic that the area starts with.
    #[must_use]
    pub const fn magic(self) -> u16 {
        match self {
            Self::Protected => 0x6908,
            Self::Unprotected => 0x6907,
        }
    }
}

impl fmt::Display for TlvArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protected => "protected",
            Self::Unprotected => "unprotected",
        })
    }
}

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

/// One entry of a TLV area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Its type.
    pub kind: TlvKind,
    /// The area it stands in.
    pub area: TlvArea,
    /// Where its type field is, bytes from the start of the image; the value is 4 bytes further.
    pub offset: u32,
    /// Its value.
    pub value: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// The value as an array, for types that have one length only.
    ///
    /// # Errors
    ///
    /// The value has another length.
    pub fn exactly<const N: usize>(&self) -> Result<&'a [u8; N], ImageError> {
        self.value.try_into().map_err(|_| ImageError::TlvLength {
            kind: self.kind,
            offset: self.offset,
            found: self.value.len(),
            expected: N,
        })
    }
}

/// Both areas of one image, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlvAreas<'a> {
    /// All entries, protected ones first, in file order.
    pub(crate) entries: Vec<Tlv<'a>>,
    /// Where the unprotected area's info header is.
    pub(crate) unprotected_offset: u32,
    /// Where the unprotected area, and so the image, ends.
    pub(crate) end: u32,
}

impl<'a> TlvAreas<'a> {
    /// Reads both areas, with the limits of MCUboot's iterator.
    ///
    /// Stricter than the loader in two corners that no tool produces: an area total below 4, and a
    /// protected entry that reaches into the unprotected area. The loader may iterate over such an
    /// image; it is refused here.
    pub(crate) fn parse(image: &'a [u8], header: &ImageHeader) -> Result<Self, ImageError> {
        let start = header.require_tlv_offset()?;
        let mut entries = Vec::new();
        let announced = header.protected_tlv_size;
        let expected = if announced == 0 {
            TlvArea::Unprotected
        } else {
            TlvArea::Protected
        };
        let first = magic_at(image, start, expected)?;
        let mut unprotected_offset = start;
        if first == TlvArea::Protected.magic() {
            let total = total_at(image, start)?;
            if total != announced {
                return Err(ImageError::ProtectedSize {
                    offset: start + 2,
                    found: total,
                    announced,
                });
            }
            unprotected_offset = read_area(image, TlvArea::Protected, start, &mut entries)?;
        } else if announced != 0 {
            return Err(ImageError::ProtectedMissing {
                offset: start,
                found: first,
                announced,
            });
        }
        let end = read_area(
            image,
            TlvArea::Unprotected,
            unprotected_offset,
            &mut entries,
        )?;
        Ok(Self {
            entries,
            unprotected_offset,
            end,
        })
    }
}

fn magic_at(image: &[u8], offset: u32, area: TlvArea) -> Result<u16, ImageError> {
    let at = offset as usize;
    let info = image
        .get(at..)
        .and_then(|rest| rest.get(..INFO_LEN as usize))
        .ok_or(ImageError::AreaTruncated {
            area,
            offset,
            end: image.len(),
        })?;
    Ok(u16_at(info, 0).unwrap_or_default())
}

fn total_at(image: &[u8], offset: u32) -> Result<u16, ImageError> {
    u16_at(image, offset as usize + 2).ok_or(ImageError::AreaTruncated {
        area: TlvArea::Unprotected,
        offset,
        end: image.len(),
    })
}

/// Reads one area's entries and returns where it ends.
fn read_area<'a>(
    image: &'a [u8],
    area: TlvArea,
    offset: u32,
    entries: &mut Vec<Tlv<'a>>,
) -> Result<u32, ImageError> {
    let found = magic_at(image, offset, area)?;
    if found != area.magic() {
        return Err(ImageError::AreaMagic {
            area,
            offset,
            found,
        });
    }
    let total = total_at(image, offset)?;
    if u32::from(total) < INFO_LEN {
        return Err(ImageError::AreaTotal {
            area,
            offset: offset + 2,
            found: total,
        });
    }
    let overrun = ImageError::AreaOverrun {
        area,
        offset,
        total,
        end: image.len(),
    };
    // The loader's sums are 32-bit too: an area past 4 GiB does not exist.
    let Some(end) = offset.checked_add(u32::from(total)) else {
        return Err(overrun);
    };
    let Some(bytes) = image.get(..end as usize) else {
        return Err(overrun);
    };
    let mut at = offset + INFO_LEN;
    while at < end {
        if end - at < INFO_LEN {
            return Err(ImageError::TlvTruncated {
                area,
                offset: at,
                end,
            });
        }
        let kind = TlvKind(u16_at(bytes, at as usize).unwrap_or_default());
        let length = u16_at(bytes, at as usize + 2).unwrap_or_default();
        let start = at + INFO_LEN;
        if u32::from(length) > end - start {
            return Err(ImageError::TlvOverrun {
                area,
                kind,
                offset: at,
                length,
                end,
            });
        }
        let next = start + u32::from(length);
        entries.push(Tlv {
            kind,
            area,
            offset: at,
            value: &bytes[start as usize..next as usize],
        });
        at = next;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::image::Image;
    use crate::{ImageFlags, ImageVersion};

    /// A header of 32 bytes, no payload, and these bytes as TLV areas.
    fn image(protected_tlv_size: u16, areas: &[u8]) -> Vec<u8> {
        let header = ImageHeader {
            load_address: 0,
            header_size: 32,
            protected_tlv_size,
            image_size: 0,
            flags: ImageFlags::empty(),
            version: ImageVersion::default(),
        };
        [&header.emit(), areas].concat()
    }

    const EMPTY: [u8; 4] = [0x07, 0x69, 4, 0];

    #[test]
    fn entries_of_both_areas_come_in_file_order() {
        let areas = [
            &[0x08, 0x69, 10, 0, 0xa0, 0x00, 2, 0, 1, 2][..],
            &[0x07, 0x69, 12, 0, 0x10, 0, 0, 0, 0x22, 0, 0, 0],
        ]
        .concat();
        let bytes = image(10, &areas);
        let image = Image::parse(&bytes).unwrap();
        let found: Vec<_> = image
            .tlvs()
            .map(|tlv| (tlv.kind.to_string(), tlv.area, tlv.offset, tlv.value.len()))
            .collect();
        assert_eq!(
            found,
            [
                ("vendor (0x00a0)".to_owned(), TlvArea::Protected, 36, 2),
                ("SHA256 (0x0010)".to_owned(), TlvArea::Unprotected, 46, 0),
                ("ECDSA_SIG (0x0022)".to_owned(), TlvArea::Unprotected, 50, 0),
            ]
        );
        assert_eq!(image.protected_bytes(), &areas[..10]);
        assert_eq!(image.area_offset(TlvArea::Protected), Some(32));
        assert_eq!(image.area_offset(TlvArea::Unprotected), Some(42));
    }

    #[rstest]
    #[case::nothing(0, &[], "unprotected TLV area at offset 0x0020 needs 4 bytes for its info header, the data ends at 0x0020")]
    #[case::half_a_header(0, &EMPTY[..3], "unprotected TLV area at offset 0x0020 needs 4 bytes for its info header, the data ends at 0x0023")]
    #[case::magic(0, &[1, 2, 4, 0], "unprotected TLV area magic at offset 0x0020 is 0x0201, expected 0x6907")]
    #[case::no_protected_area(4, &EMPTY, "TLV area magic at offset 0x0020 is 0x6907, expected 0x6908: `protect_tlv_size` at offset 0x000a announces 4 protected bytes")]
    #[case::protected_not_announced(
        0,
        &[0x08, 0x69, 4, 0, 0x07, 0x69, 4, 0],
        "protected TLV area total at offset 0x0022 is 4 bytes, expected 0 as in `protect_tlv_size` at offset 0x000a"
    )]
    #[case::protected_size(
        8,
        &[0x08, 0x69, 4, 0, 0x07, 0x69, 4, 0],
        "protected TLV area total at offset 0x0022 is 4 bytes, expected 8 as in `protect_tlv_size` at offset 0x000a"
    )]
    #[case::two_protected_areas(
        4,
        &[0x08, 0x69, 4, 0, 0x08, 0x69, 4, 0],
        "unprotected TLV area magic at offset 0x0024 is 0x6908, expected 0x6907"
    )]
    #[case::total_too_small(0, &[0x07, 0x69, 3, 0], "unprotected TLV area total at offset 0x0022 is 3 bytes, expected at least 4 for its own info header")]
    #[case::total_too_large(
        0,
        &[0x07, 0x69, 5, 0],
        "unprotected TLV area at offset 0x0020 is 5 bytes long and ends at 0x0025, the data ends at 0x0024"
    )]
    #[case::half_an_entry(
        0,
        &[0x07, 0x69, 6, 0, 0x10, 0],
        "TLV at offset 0x0024 needs 4 bytes for type and length, its unprotected area ends at 0x0026"
    )]
    #[case::value_past_the_end(
        0,
        &[0x07, 0x69, 9, 0, 0x10, 0, 2, 0, 0],
        "TLV SHA256 (0x0010) length at offset 0x0026 is 2 bytes, expected at most 1 before the unprotected area ends at 0x0029"
    )]
    #[case::protected_value_into_the_unprotected_area(
        8,
        &[0x08, 0x69, 8, 0, 0xa0, 0, 4, 0, 0x07, 0x69, 4, 0],
        "TLV vendor (0x00a0) length at offset 0x0026 is 4 bytes, expected at most 0 before the protected area ends at 0x0028"
    )]
    fn broken_areas_are_refused(
        #[case] protected_tlv_size: u16,
        #[case] areas: &[u8],
        #[case] message: &str,
    ) {
        let bytes = image(protected_tlv_size, areas);
        assert_eq!(Image::parse(&bytes).unwrap_err().to_string(), message);
    }

    #[test]
    fn values_of_the_wrong_length_are_refused() {
        let dependency = [0x08, 0x69, 12, 0, 0x40, 0, 4, 0, 1, 0, 0, 0];
        let bytes = image(12, &[&dependency[..], &EMPTY].concat());
        assert_eq!(
            Image::parse(&bytes)
                .unwrap()
                .dependencies()
                .unwrap_err()
                .to_string(),
            "TLV DEPENDENCY (0x0040) at offset 0x0024 has 4 bytes, expected 12"
        );
        let counter = [0x08, 0x69, 10, 0, 0x50, 0, 2, 0, 1, 0];
        let bytes = image(10, &[&counter[..], &EMPTY].concat());
        assert_eq!(
            Image::parse(&bytes)
                .unwrap()
                .security_counter()
                .unwrap_err()
                .to_string(),
            "TLV SEC_CNT (0x0050) at offset 0x0024 has 2 bytes, expected 4"
        );
    }

    #[test]
    fn counters_and_dependencies_count_only_when_protected() {
        let unprotected = [0x07, 0x69, 12, 0, 0x50, 0, 4, 0, 9, 0, 0, 0];
        let bytes = image(0, &unprotected);
        assert_eq!(Image::parse(&bytes).unwrap().security_counter(), Ok(None));
        let protected = [0x08, 0x69, 12, 0, 0x50, 0, 4, 0, 9, 0, 0, 0];
        let bytes = image(12, &[&protected[..], &EMPTY].concat());
        assert_eq!(
            Image::parse(&bytes).unwrap().security_counter(),
            Ok(Some(9))
        );
    }
}
