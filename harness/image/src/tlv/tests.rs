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
