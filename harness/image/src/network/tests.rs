use proptest::prelude::*;
use rstest::rstest;

use super::*;

/// Vector table and some code.
fn code() -> Vec<u8> {
    let mut code: Vec<u8> = (0..1026u32).map(|byte| byte as u8).collect();
    code[..4].copy_from_slice(&0x2101_0000u32.to_le_bytes());
    code[4..8].copy_from_slice(&0x0100_8901u32.to_le_bytes());
    code
}

fn payload() -> Vec<u8> {
    NetworkBuilder::new(code()).version(7).build().unwrap()
}

#[test]
fn built_payload_is_accepted() {
    let payload = payload();
    let image = NetworkImage::check(&payload, &NetworkRules::default()).unwrap();
    assert_eq!(image.firmware.version, 7);
    assert_eq!(image.firmware.size, 1026);
    assert_eq!(image.validation.offset, 1028, "padded to a whole word");
    assert_eq!(NetworkImage::parse(&payload), Ok(image));
}

#[rstest]
#[case::no_info(
    0x200,
    [0; 4],
    "payload has no fw_info, expected magic 0x281ee6de 0x8fcebb4c 0x00003502 at payload offset 0x0, 0x200, 0x400, 0x600, 0x800, 0xe00 or 0x1000"
)]
#[case::other_chip(
    0x208,
    [0x02, 0x5b, 0x00, 0x00],
    "fw_info compatibility at payload offset 0x0208 is 0x00005b02, expected 0x00003502 for nRF53"
)]
#[case::address(
    0x218,
    [0x00, 0x00, 0x00, 0x01],
    "fw_info address at payload offset 0x0218 is 0x01000000, expected 0x01008800, the start of the network core application"
)]
#[case::invalidated(
    0x220,
    [0; 4],
    "fw_info valid at payload offset 0x0220 is 0x00000000, expected 0x9102ffff: the firmware was invalidated"
)]
#[case::size_too_small(
    0x210,
    [0x3c, 0x02, 0x00, 0x00],
    "fw_info size at payload offset 0x0210 is 0x23c bytes, expected more than 0x23c so that fw_info itself is inside"
)]
#[case::size_too_large(
    0x210,
    [0xff; 4],
    "payload has no validation info, expected magic 0x281ee6de 0x86518483 0x00013502 at payload offset 0xffffffff or up to 4 bytes further; the payload ends at 0x04b4"
)]
#[case::vector(
    0x004,
    [0x01, 0x0c, 0x00, 0x00],
    "reset vector at payload offset 0x0004 is 0x00000c01, expected an address from 0x01008800 to below 0x01008c02"
)]
#[case::validation_address(
    0x404 + 12,
    [0; 4],
    "validation info address at payload offset 0x0410 is 0x00000000, expected 0x01008800 as in fw_info"
)]
#[case::code(
    0x300,
    [0; 4],
    "validation info hash at payload offset 0x0414 is ed6ae3717bdcb9ab2e309fb4228a319be7f339cb26ee926466bf123066127536, expected c64a4cdb8db35b131d8928fa47688a3feeca0398660821095b2f173872f7c7f3 by the firmware's own 0x402 bytes"
)]
fn refusal_says_field_and_offset(
    #[case] offset: usize,
    #[case] bytes: [u8; 4],
    #[case] message: &str,
) {
    let mut payload = payload();
    payload[offset..offset + 4].copy_from_slice(&bytes);
    let refusal = NetworkImage::check(&payload, &NetworkRules::default()).unwrap_err();
    assert_eq!(refusal.to_string(), message);
}

#[test]
fn version_below_the_counter_is_refused() {
    let rules = NetworkRules {
        least_version: Some(8),
        ..NetworkRules::default()
    };
    insta::assert_snapshot!(
        NetworkImage::check(&payload(), &rules).unwrap_err(),
        @"fw_info version at payload offset 0x0214 is 7, expected at least 8 by the monotonic counter"
    );
}

#[test]
fn code_without_room_for_fw_info_is_refused() {
    let refusal = NetworkBuilder::new(vec![0; 0x23c]).build().unwrap_err();
    insta::assert_snapshot!(refusal, @"code is 0x23c bytes, expected more than 0x23c and less than 4 GiB");
    let refusal = NetworkBuilder::new(code())
        .info_offset(0x100)
        .build()
        .unwrap_err();
    insta::assert_snapshot!(refusal, @"fw_info offset is 0x100, expected 0x0, 0x200, 0x400, 0x600, 0x800, 0xe00 or 0x1000");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = NetworkImage::parse(&bytes);
        let _ = NetworkImage::check(&bytes, &NetworkRules::default());
    }

    #[test]
    fn every_changed_bit_of_firmware_is_noticed(at in 0usize..1026, bit in 0u8..8) {
        let mut payload = payload();
        payload[at] ^= 1 << bit;
        prop_assert!(NetworkImage::check(&payload, &NetworkRules::default()).is_err());
    }
}
