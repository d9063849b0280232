//! `dfu_multi_image.bin`: several images in one file, for transports that send one file.
//!
//! Facts: sdk-nrf `scripts/bootloader/dfu_multi_image_tool.py` and `subsys/dfu/dfu_multi_image`: a length of two bytes,
//! a CBOR map `{"img": [{"id": int, "size": uint}, …]}` of that length, and the images one behind the other.

use serde::Deserialize;

/// The longest file in bytes (ours).
pub(crate) const MAX_MULTI_IMAGE_BYTES: u64 = 16 * 1024 * 1024;

/// The most images (ours): four are possible.
const MAX_IMAGES: usize = 16;

/// An image of the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PackedImage<'a> {
    /// 0 the application, 1 the network core, -2 and -1 MCUboot's two slots.
    pub id: i32,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Why a file is no multi-image file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MultiImageError {
    /// Shorter than its header.
    #[error("header needs {expected} bytes, {found} are there")]
    Truncated {
        /// Bytes that it needs.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// A header that is no such CBOR.
    #[error("header is no CBOR map of images: {0}")]
    Cbor(String),
    /// Too many images.
    #[error("header lists {0} images, expected 1 to {MAX_IMAGES}")]
    Images(usize),
    /// Two images of one id.
    #[error("header lists image {0} twice")]
    Twice(i32),
    /// The images do not fill the file.
    #[error("header lists {listed} bytes of images, {found} follow it")]
    Sizes {
        /// Bytes by the header.
        listed: u64,
        /// Bytes that are there.
        found: u64,
    },
}

#[derive(Deserialize)]
struct Header {
    img: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: i32,
    size: u32,
}

/// Nesting of the header's CBOR: a map, a list, a map, and one to spare.
const CBOR_DEPTH: usize = 4;

/// Splits the file into its images.
///
/// # Errors
///
/// It is no such file.
pub fn parse_multi_image(bytes: &[u8]) -> Result<Vec<PackedImage<'_>>, MultiImageError> {
    let truncated = |expected| MultiImageError::Truncated {
        expected,
        found: bytes.len(),
    };
    let (length, rest) = bytes.split_first_chunk::<2>().ok_or_else(|| truncated(2))?;
    let length = usize::from(u16::from_le_bytes(*length));
    let (header, mut rest) = rest
        .split_at_checked(length)
        .ok_or_else(|| truncated(2 + length))?;
    let Header { img } = ciborium::de::from_reader_with_recursion_limit(header, CBOR_DEPTH)
        .map_err(|error| MultiImageError::Cbor(error.to_string()))?;
    if img.is_empty() || img.len() > MAX_IMAGES {
        return Err(MultiImageError::Images(img.len()));
    }
    let listed = img.iter().map(|entry| u64::from(entry.size)).sum();
    if listed != rest.len() as u64 {
        return Err(MultiImageError::Sizes {
            listed,
            found: rest.len() as u64,
        });
    }
    let mut images: Vec<PackedImage<'_>> = Vec::new();
    for entry in img {
        if images.iter().any(|image| image.id == entry.id) {
            return Err(MultiImageError::Twice(entry.id));
        }
        // The sum of all sizes is what is there.
        let (image, behind) = rest
            .split_at_checked(entry.size as usize)
            .ok_or_else(|| truncated(bytes.len() + 1))?;
        images.push(PackedImage {
            id: entry.id,
            bytes: image,
        });
        rest = behind;
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde::Serialize;

    #[derive(Serialize)]
    struct Written<'a> {
        img: &'a [WrittenEntry],
    }

    #[derive(Serialize)]
    struct WrittenEntry {
        id: i32,
        size: u32,
    }

    fn file(entries: &[(i32, u32)], images: &[u8]) -> Vec<u8> {
        let img: Vec<_> = entries
            .iter()
            .map(|&(id, size)| WrittenEntry { id, size })
            .collect();
        let mut header = Vec::new();
        ciborium::into_writer(&Written { img: &img }, &mut header).unwrap();
        let mut file = (header.len() as u16).to_le_bytes().to_vec();
        file.extend(header);
        file.extend(images);
        file
    }

    #[test]
    fn images_come_out_in_their_order() {
        let file = file(&[(0, 2), (1, 3), (-2, 0)], b"aabbb");
        let images = parse_multi_image(&file).unwrap();
        let images: Vec<_> = images.iter().map(|image| (image.id, image.bytes)).collect();
        assert_eq!(images, [(0, &b"aa"[..]), (1, b"bbb"), (-2, b"")]);
    }

    #[rstest]
    #[case::empty(vec![], "header needs 2 bytes, 0 are there")]
    #[case::short(vec![9, 0, 1], "header needs 11 bytes, 3 are there")]
    #[case::too_few_bytes(file(&[(0, 9)], b"a"), "header lists 9 bytes of images, 1 follow it")]
    #[case::sizes_beyond_everything(
        file(&[(0, u32::MAX), (1, u32::MAX)], b"a"),
        "header lists 8589934590 bytes of images, 1 follow it"
    )]
    #[case::twice(file(&[(0, 1), (0, 1)], b"ab"), "header lists image 0 twice")]
    #[case::none(file(&[], b""), "header lists 0 images, expected 1 to 16")]
    #[case::many(file(&[(0, 0); 17], b""), "header lists 17 images, expected 1 to 16")]
    fn a_damaged_file_is_refused(#[case] file: Vec<u8>, #[case] message: &str) {
        assert_eq!(parse_multi_image(&file).unwrap_err().to_string(), message);
    }

    #[test]
    fn a_list_that_claims_to_be_endless_is_refused() {
        // A map of one, the text `img`, and a list of 2^32 - 1 items.
        let mut file = vec![10, 0, 0xA1, 0x63];
        file.extend(b"img");
        file.extend([0x9A, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert!(parse_multi_image(&file).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_multi_image(&bytes);
        }
    }
}
