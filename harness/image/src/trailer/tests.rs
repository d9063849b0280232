use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::header::AesKeySize;

const SLOT: u32 = 0x2_0000;

fn layout(mode: SwapMode, max_sectors: u32, keys: TrailerKeys) -> TrailerLayout {
    TrailerLayout {
        max_sectors,
        ..TrailerLayout::new(mode).with_keys(keys)
    }
}

const AES128: TrailerKeys = TrailerKeys::Plain(AesKeySize::Aes128);
const AES256: TrailerKeys = TrailerKeys::Plain(AesKeySize::Aes256);
/// ECIES-P256 with an AES-128 key.
const ENCTLV: TrailerKeys = TrailerKeys::Tlv(113);

#[rstest]
#[case::move_plain(SwapMode::Move, 128, TrailerKeys::None, 1584)]
#[case::scratch_aes128(SwapMode::Scratch, 128, AES128, 1616)]
#[case::move_aes256(SwapMode::Move, 128, AES256, 1648)]
#[case::move_enctlv(SwapMode::Move, 128, ENCTLV, 1824)]
#[case::move_256_sectors(SwapMode::Move, 256, TrailerKeys::None, 3120)]
#[case::move_256_sectors_enctlv(SwapMode::Move, 256, ENCTLV, 3360)]
#[case::offset_plain(SwapMode::Offset, 128, TrailerKeys::None, 1080)]
#[case::offset_aes128(SwapMode::Offset, 128, AES128, 1112)]
#[case::offset_enctlv(SwapMode::Offset, 256, ENCTLV, 2344)]
#[case::real_trees(SwapMode::Move, 2048, TrailerKeys::None, 24624)]
fn trailer_size_is_the_loaders(
    #[case] mode: SwapMode,
    #[case] max_sectors: u32,
    #[case] keys: TrailerKeys,
    #[case] size: u64,
) {
    assert_eq!(layout(mode, max_sectors, keys).size(), size);
}

/// Distances from the end of the slot: magic, image_ok, copy_done, swap_info, tlv_sizes, swap_size, key of
/// the primary's image, key of the secondary's image, start.
#[rstest]
#[case::moving(SwapMode::Move, TrailerKeys::None, &[16, 24, 32, 40, 0, 48], &[], 1584)]
#[case::scratch_aes128(SwapMode::Scratch, AES128, &[16, 24, 32, 40, 0, 48], &[64, 80], 1616)]
#[case::move_aes256(SwapMode::Move, AES256, &[16, 24, 32, 40, 0, 48], &[80, 112], 1648)]
#[case::move_enctlv(SwapMode::Move, ENCTLV, &[16, 24, 32, 40, 0, 48], &[168, 288], 1824)]
#[case::offset(SwapMode::Offset, TrailerKeys::None, &[16, 24, 32, 40, 48, 56], &[], 1080)]
#[case::offset_aes128(SwapMode::Offset, AES128, &[16, 24, 32, 40, 48, 56], &[72, 88], 1112)]
#[case::offset_aes256(SwapMode::Offset, AES256, &[16, 24, 32, 40, 48, 56], &[88, 120], 1144)]
#[case::overwrite(SwapMode::Overwrite, TrailerKeys::None, &[16, 24, 32, 40, 0, 48], &[], 1584)]
fn fields_lie_where_the_loader_looks(
    #[case] mode: SwapMode,
    #[case] keys: TrailerKeys,
    #[case] distances: &[u32],
    #[case] key_distances: &[u32],
    #[case] start: u32,
) {
    let fields = layout(mode, 128, keys).fields(SLOT).unwrap();
    let found = [
        fields.magic,
        fields.image_ok,
        fields.copy_done,
        fields.swap_info,
        fields.tlv_sizes.unwrap_or(SLOT),
        fields.swap_size,
    ]
    .map(|offset| SLOT - offset);
    assert_eq!(found, distances);
    let found: Vec<_> = fields.keys.iter().map(|key| SLOT - key.start).collect();
    assert_eq!(found, key_distances);
    assert_eq!(SLOT - fields.status.start, start);
}

#[test]
fn wide_alignment_moves_every_field_and_changes_the_magic() {
    let layout = TrailerLayout {
        max_align: 32,
        write_size: 32,
        ..TrailerLayout::new(SwapMode::Move)
    };
    let fields = layout.fields(SLOT).unwrap();
    assert_eq!(SLOT - fields.magic, 16);
    assert_eq!(SLOT - fields.image_ok, 64);
    assert_eq!(SLOT - fields.swap_size, 160);
    assert_eq!(magic(32)[..2], [32, 0]);
}

fn slot(edits: &[(u32, &[u8])]) -> Vec<u8> {
    let mut slot = vec![0xff; SLOT as usize];
    for (distance, bytes) in edits {
        let at = (SLOT - distance) as usize;
        slot[at..at + bytes.len()].copy_from_slice(bytes);
    }
    slot
}

#[test]
fn erased_slot_asks_for_nothing() {
    let trailer = Trailer::read(&slot(&[]), &TrailerLayout::new(SwapMode::Move)).unwrap();
    assert!(trailer.is_erased());
    assert_eq!(trailer.request(), SwapType::None);
}

#[test]
fn finished_test_swap_is_read_back_field_by_field() {
    // As recorded from the loader: magic, copy_done, swap_info 2, swap_size 0x6057, one status entry.
    let slot = slot(&[
        (16, &magic(8)),
        (32, &[1]),
        (40, &[0x12]),
        (48, &0x6057u32.to_le_bytes()),
        (1616, &[1]),
        (64, &[0xa5; 16]),
    ]);
    let layout = TrailerLayout::new(SwapMode::Move).with_keys(AES128);
    let trailer = Trailer::read(&slot, &layout).unwrap();
    assert_eq!(trailer.magic, MagicState::Good);
    assert_eq!(trailer.image_ok, FlagState::Unset);
    assert_eq!(trailer.copy_done, FlagState::Set);
    assert_eq!(
        trailer.swap_info,
        SwapInfo {
            swap_type: SwapType::Test,
            image: 1
        }
    );
    assert_eq!(trailer.swap_size, Some(0x6057));
    assert_eq!(trailer.steps_done(), 1);
    assert!(!trailer.is_erased());
    assert_eq!(
        format!("{:?}", trailer.keys),
        "[Plain(ContentKey(AES-128, redacted)), Erased]"
    );
    assert!(!format!("{trailer:?}").to_lowercase().contains("a5a5"));
}

#[test]
fn swap_offset_keeps_the_sizes_of_both_tlv_areas() {
    let slot = slot(&[(48, &[0x97, 0x00, 0x0d, 0x01])]);
    let trailer = Trailer::read(&slot, &TrailerLayout::new(SwapMode::Offset)).unwrap();
    assert_eq!(trailer.tlv_sizes, Some((0x97, 0x10d)));
}

#[rstest]
#[case::erased(0xff, SwapType::None, 0)]
#[case::test(0x02, SwapType::Test, 0)]
#[case::perm_of_image_1(0x13, SwapType::Perm, 1)]
#[case::revert(0x04, SwapType::Revert, 0)]
#[case::fail_is_no_swap(0x15, SwapType::None, 0)]
fn swap_info_byte_means(#[case] byte: u8, #[case] swap_type: SwapType, #[case] image: u8) {
    assert_eq!(SwapInfo::decode(byte, 0xff), SwapInfo { swap_type, image });
}

#[rstest]
#[case::test(&[(16, &magic(8)[..])], SwapType::Test)]
#[case::perm(&[(16, &magic(8)[..]), (24, &[1])], SwapType::Perm)]
#[case::bad_image_ok(&[(16, &magic(8)[..]), (24, &[0x55])], SwapType::None)]
#[case::bad_magic(&[(16, &[0; 16][..])], SwapType::None)]
fn secondary_trailer_asks_for(#[case] edits: &[(u32, &[u8])], #[case] request: SwapType) {
    let trailer = Trailer::read(&slot(edits), &TrailerLayout::new(SwapMode::Move)).unwrap();
    assert_eq!(trailer.request(), request);
}

#[rstest]
#[case::too_small(
    TrailerLayout::new(SwapMode::Move),
    0x600,
    "slot is 0x600 bytes, expected at least 0x630 for its trailer"
)]
#[case::crooked(
    TrailerLayout::new(SwapMode::Move),
    0x1004,
    "slot is 0x1004 bytes, expected a multiple of 8"
)]
#[case::align(
    TrailerLayout { max_align: 12, ..TrailerLayout::new(SwapMode::Move) },
    0x1000,
    "trailer maximum alignment is 12 bytes, expected a power of two from 8 to 32"
)]
fn impossible_layout_is_refused(
    #[case] layout: TrailerLayout,
    #[case] slot_size: u32,
    #[case] message: &str,
) {
    assert_eq!(layout.fields(slot_size).unwrap_err().to_string(), message);
}

proptest! {
    #[test]
    fn no_slot_and_no_layout_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..2048),
        mode in prop::sample::select(vec![
            SwapMode::Move, SwapMode::Scratch, SwapMode::Offset, SwapMode::Overwrite,
        ]),
        keys in prop::sample::select(vec![TrailerKeys::None, AES128, AES256, ENCTLV]),
        max_sectors in 0u32..200,
        write_size in 0u32..40,
        max_align in 0u32..40,
    ) {
        let layout = TrailerLayout { mode, max_sectors, write_size, max_align, keys };
        if let Ok(trailer) = Trailer::read(&bytes, &layout) {
            prop_assert_eq!(trailer.status.len() as u32, max_sectors * mode.states());
            let fields = layout.fields(bytes.len() as u32).unwrap();
            prop_assert_eq!(
                u64::from(bytes.len() as u32 - fields.status.start),
                layout.size()
            );
        }
    }
}
