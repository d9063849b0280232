//! What a slot holds, compared with the image that it must hold, byte for byte.
//!
//! Knows nothing of boards: bytes of a slot and bytes of a file go in, and one sentence comes out that says what
//! the slot holds instead. Decrypted bytes are compared but never shown.

use hil_image::Image;
use std::fmt;
use zeroize::Zeroizing;

/// How many differing bytes a message shows. We chose it: enough to recognise a pattern in one line.
const SHOWN: usize = 8;

/// An image as it must lie in a slot.
pub(crate) struct Expected<'a> {
    stored: &'a [u8],
    image: Image<'a>,
    /// The payload in clear, where the file's is encrypted.
    plain: Option<Zeroizing<Vec<u8>>>,
    form: Form,
    extent: Extent,
}

/// How much of an image lies in a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Extent {
    /// From the header to the end of the TLVs.
    Whole,
    /// The payload, at the start of the slot.
    Payload,
}

/// In what form an image must lie in a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// As the file has it: cipher text where the file is encrypted.
    AsSent,
    /// With its payload in clear.
    Plain,
}

impl<'a> Expected<'a> {
    /// What `image` looks like in a slot. `plain` is its decrypted payload, where it is encrypted.
    pub(crate) fn new(image: Image<'a>, plain: Option<Zeroizing<Vec<u8>>>, form: Form) -> Self {
        Self {
            stored: image.as_bytes(),
            image,
            plain,
            form,
            extent: Extent::Whole,
        }
    }

    /// What the payload of `image` alone looks like in a slot, in clear.
    pub(crate) fn payload_only(image: Image<'a>, plain: Option<Zeroizing<Vec<u8>>>) -> Self {
        Self {
            extent: Extent::Payload,
            ..Self::new(image, plain, Form::Plain)
        }
    }

    /// Bytes that lie in the slot.
    fn len(&self) -> usize {
        match self.extent {
            Extent::Whole => self.stored.len(),
            Extent::Payload => self.payload().len(),
        }
    }

    fn payload_range(&self) -> std::ops::Range<usize> {
        let start = self.image.header_bytes().len();
        start..start + self.image.payload().len()
    }

    /// The payload in the form that is expected, and whether it may be shown.
    fn payload(&self) -> &[u8] {
        match (self.form, &self.plain) {
            (Form::Plain, Some(plain)) => plain,
            _ => self.image.payload(),
        }
    }

    /// Compares the start of a slot with the image.
    pub(crate) fn compare(&self, slot: &[u8]) -> Result<(), Mismatch> {
        let Some(found) = slot.get(..self.len()) else {
            return Err(Mismatch::SlotTooSmall {
                slot: slot.len(),
                image: self.len(),
            });
        };
        if self.extent == Extent::Payload {
            return self.compare_payload(found);
        }
        let payload = self.payload_range();
        let header_same = found[..payload.start] == self.stored[..payload.start];
        let payload_same = found[payload.clone()] == *self.payload();
        let tlvs_same = found[payload.end..] == self.stored[payload.end..];
        if header_same && payload_same && tlvs_same {
            return Ok(());
        }
        if found.iter().all(|byte| *byte == 0xFF) {
            return Err(Mismatch::Erased);
        }
        if header_same && tlvs_same {
            if found[payload.clone()] == *self.image.payload() {
                return Err(Mismatch::CipherText);
            }
            if let Some(plain) = &self.plain
                && found[payload.clone()] == plain[..]
            {
                return Err(Mismatch::PlainText);
            }
        }
        if !header_same
            && let Ok(other) = Image::parse(slot)
            && let hash = hash_of(&other)
            && hash != hash_of(&self.image)
        {
            return Err(Mismatch::OtherImage {
                version: other.header().version.to_string(),
                hash,
            });
        }
        let secret = self.plain.is_some();
        let (part, base, found, expected) = if !header_same {
            let range = 0..payload.start;
            (Part::Header, 0, &found[range.clone()], &self.stored[range])
        } else if !payload_same {
            (
                Part::Payload,
                payload.start,
                &found[payload],
                self.payload(),
            )
        } else {
            let range = payload.end..self.len();
            (
                Part::Tlvs,
                payload.end,
                &found[range.clone()],
                &self.stored[range],
            )
        };
        Err(Mismatch::bytes(
            part,
            base,
            found,
            expected,
            secret && part == Part::Payload,
        ))
    }
}

impl Expected<'_> {
    fn compare_payload(&self, found: &[u8]) -> Result<(), Mismatch> {
        if found == self.payload() {
            Ok(())
        } else if found.iter().all(|byte| *byte == 0xFF) {
            Err(Mismatch::Erased)
        } else {
            let secret = self.plain.is_some();
            Err(Mismatch::bytes(
                Part::Payload,
                0,
                found,
                self.payload(),
                secret,
            ))
        }
    }
}

/// The first 8 digits of an image's hash TLV, as people name images.
pub(crate) fn hash_of(image: &Image<'_>) -> String {
    image.stored_hash().map_or_else(
        || "none".to_owned(),
        |(_, tlv)| hex::encode(tlv.value.get(..4).unwrap_or(tlv.value)),
    )
}

/// A part of an image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// The MCUboot header.
    Header,
    /// What runs.
    Payload,
    /// The TLV areas.
    Tlvs,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Tlvs => "TLVs",
        })
    }
}

/// What a slot holds instead of the image. Displayed as what comes after "slot … holds ".
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Mismatch {
    /// The image does not fit in.
    SlotTooSmall {
        /// Bytes of the slot.
        slot: usize,
        /// Bytes of the image.
        image: usize,
    },
    /// Nothing was written.
    Erased,
    /// The right image, but encrypted.
    CipherText,
    /// The right image, but in clear.
    PlainText,
    /// A sound image, but not this one.
    OtherImage {
        /// Version in its header.
        version: String,
        /// Start of its hash.
        hash: String,
    },
    /// The image with other bytes in it.
    Bytes {
        /// Where.
        part: Part,
        /// First differing byte, counted from the start of the slot.
        offset: usize,
        /// How many bytes of the part differ.
        count: usize,
        /// The first bytes there, and those expected, in hex; nothing where they are secret.
        shown: Option<(String, String)>,
    },
}

impl Mismatch {
    /// Of two places where the image was looked for, the mismatch that is nearer to it.
    pub(crate) fn nearer(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.distance() < self.distance() => other,
            Some(_) | None => self,
        }
    }

    fn distance(&self) -> u8 {
        match self {
            Self::CipherText | Self::PlainText => 0,
            Self::Bytes {
                part: Part::Payload | Part::Tlvs,
                ..
            } => 1,
            Self::OtherImage { .. } => 2,
            Self::Bytes {
                part: Part::Header, ..
            } => 3,
            Self::Erased => 4,
            Self::SlotTooSmall { .. } => 5,
        }
    }

    fn bytes(part: Part, base: usize, found: &[u8], expected: &[u8], secret: bool) -> Self {
        let differs = |(found, expected): (&u8, &u8)| found != expected;
        let first = found.iter().zip(expected).position(differs).unwrap_or(0);
        let count = found
            .iter()
            .zip(expected)
            .filter(|pair| differs(*pair))
            .count();
        let end = (first + SHOWN).min(found.len()).min(expected.len());
        Self::Bytes {
            part,
            offset: base + first,
            count,
            shown: (!secret).then(|| {
                (
                    hex::encode(&found[first..end]),
                    hex::encode(&expected[first..end]),
                )
            }),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SlotTooSmall { slot, image } => {
                write!(f, "{slot:#x} bytes, too few for an image of {image:#x}")
            }
            Self::Erased => f.write_str("nothing: it is erased"),
            Self::CipherText => f.write_str("the cipher text of the image, not its plain text"),
            Self::PlainText => f.write_str("the plain text of the image, not its cipher text"),
            Self::OtherImage { version, hash } => {
                write!(f, "another image, version {version} with hash {hash}…")
            }
            Self::Bytes {
                part,
                offset,
                count,
                shown,
            } => {
                write!(
                    f,
                    "other bytes: {count} of the {part} differ, the first at offset {offset:#010x}"
                )?;
                match shown {
                    Some((found, expected)) => {
                        write!(f, " (found {found}, expected {expected})")
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_image::{ImageBuilder, ImageVersion};
    use rand_chacha::rand_core::SeedableRng as _;
    use rstest::rstest;

    /// Where the payload begins in the images of these tests.
    const HEADER: usize = 32;

    fn image(version: u8) -> Vec<u8> {
        let payload: Vec<u8> = (0..200u8).collect();
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(7);
        ImageBuilder::new(payload)
            .version(ImageVersion::new(version, 0, 0))
            .header_size(HEADER as u16)
            .build(&mut rng)
            .unwrap()
    }

    /// What is said of a slot that must hold image 2.
    fn said_of(slot: &[u8], plain: Option<Vec<u8>>, form: Form) -> String {
        let bytes = image(2);
        let expected = Expected::new(
            Image::parse(&bytes).unwrap(),
            plain.map(Zeroizing::new),
            form,
        );
        match expected.compare(slot) {
            Ok(()) => "right".to_owned(),
            Err(mismatch) => mismatch.to_string(),
        }
    }

    /// The image in a slot that is larger.
    fn slot() -> Vec<u8> {
        let mut slot = image(2);
        slot.resize(1024, 0xFF);
        slot
    }

    #[rstest]
    #[case::right(slot(), "right")]
    #[case::erased(vec![0xFF; 1024], "nothing: it is erased")]
    #[case::too_small(vec![0xFF; 64], "0x40 bytes, too few for an image of 0x110")]
    fn a_slot_is_told_in_words(#[case] slot: Vec<u8>, #[case] expected: &str) {
        assert_eq!(said_of(&slot, None, Form::AsSent), expected);
    }

    #[test]
    fn another_image_is_named_by_version_and_hash() {
        let mut other = image(1);
        other.resize(1024, 0xFF);
        let said = said_of(&other, None, Form::AsSent);
        assert!(
            said.starts_with("another image, version 1.0.0 with hash "),
            "{said}"
        );
    }

    #[test]
    fn other_bytes_are_counted_and_the_first_are_shown() {
        let mut slot = slot();
        slot[HEADER + 0x50] = 0xEE;
        slot[HEADER + 0x60] = 0xEE;
        insta::assert_snapshot!(
            said_of(&slot, None, Form::AsSent),
            @"other bytes: 2 of the payload differ, the first at offset 0x00000070 (found ee51525354555657, expected 5051525354555657)"
        );
    }

    #[test]
    fn cipher_text_where_plain_text_must_be_is_said_so() {
        let plain: Vec<u8> = (0..200u8).rev().collect();
        assert_eq!(
            said_of(&slot(), Some(plain), Form::Plain),
            "the cipher text of the image, not its plain text"
        );
    }

    #[test]
    fn plain_text_where_cipher_text_must_be_is_said_so() {
        let plain: Vec<u8> = (0..200u8).rev().collect();
        let mut slot = slot();
        slot[HEADER..HEADER + 200].copy_from_slice(&plain);
        assert_eq!(
            said_of(&slot, Some(plain), Form::AsSent),
            "the plain text of the image, not its cipher text"
        );
    }

    #[test]
    fn decrypted_bytes_are_never_shown() {
        let plain: Vec<u8> = (0..200u8).rev().collect();
        let mut slot = slot();
        slot[HEADER..HEADER + 200].copy_from_slice(&plain);
        slot[HEADER] ^= 1;
        assert_eq!(
            said_of(&slot, Some(plain), Form::Plain),
            "other bytes: 1 of the payload differ, the first at offset 0x00000020"
        );
    }
}
