//! Image state, erase and slot information.

use hil_smp::Map;
use rstest::rstest;

use super::{Device, Next, PRIMARY, SECONDARY, SLOT, Trailer, client, hash, image};
use crate::model::{Feature, SmpModel};

#[rstest]
#[case::none(Next::None, "0 1.0.0 bootable confirmed active; 1 2.0.0 bootable")]
#[case::for_test(
    Next::Test,
    "0 1.0.0 bootable confirmed active; 1 2.0.0 bootable pending"
)]
#[case::permanent(
    Next::Permanent,
    "0 1.0.0 bootable confirmed active; 1 2.0.0 bootable pending permanent"
)]
#[case::revert(Next::Revert, "0 1.0.0 bootable active; 1 2.0.0 bootable confirmed")]
fn the_list_has_the_flags_of_the_swap_type(#[case] next: Next, #[case] expected: &str) {
    let device = Device::new();
    device.program(SECONDARY, &image("2.0.0"));
    device.next_boot(next);
    assert_eq!(device.answer(client::list()), expected);
}

#[test]
fn a_full_list_has_all_flags_and_a_frugal_one_only_those_that_are_set() {
    let boot = Device::new().boot(&[client::list()]);
    let full = client::body(&boot.packets[0]);
    let entries: Vec<Map> = full.require("images").expect("a list");
    let keys: Vec<&str> = entries[0].entries().map(|(key, _)| key).collect();
    assert_eq!(
        keys,
        [
            "slot",
            "version",
            "hash",
            "bootable",
            "pending",
            "confirmed",
            "active",
            "permanent"
        ]
    );
    assert_eq!(full.get("splitStatus"), Ok(Some(0_u32)));
    let device = Device::with(SmpModel {
        frugal_list: Feature::On,
        ..SmpModel::default()
    });
    let frugal = client::body(&device.boot(&[client::list()]).packets[0]);
    let entries: Vec<Map> = frugal.require("images").expect("a list");
    let keys: Vec<&str> = entries[0].entries().map(|(key, _)| key).collect();
    assert_eq!(
        keys,
        ["slot", "version", "hash", "bootable", "confirmed", "active"]
    );
    assert_eq!(frugal.get::<u32>("splitStatus"), Ok(None));
}

#[rstest]
#[case::without_build("1.2.3", "1.2.3")]
#[case::with_build("1.2.3+45", "1.2.3.45")]
fn a_version_has_its_build_number_when_there_is_one(#[case] version: &str, #[case] shown: &str) {
    let device = Device::new();
    device.program(SECONDARY, &image(version));
    assert!(
        device
            .answer(client::list())
            .contains(&format!("1 {shown} "))
    );
}

#[test]
fn the_list_shows_the_hash_of_the_image_and_not_of_the_file() {
    let device = Device::new();
    let boot = device.boot(&[client::list()]);
    let entries: Vec<Map> = client::body(&boot.packets[0])
        .require("images")
        .expect("a list");
    assert_eq!(entries[0].get("hash"), Ok(Some(hash(&image("1.0.0")))));
}

#[rstest]
#[case::erased_header(0, 0xff, 32)]
#[case::wrong_magic(0, 0x00, 4)]
#[case::no_tlv_area(0x200 + 3000, 0x00, 2)]
fn a_slot_without_a_readable_image_is_not_listed(
    #[case] offset: u32,
    #[case] value: u8,
    #[case] length: usize,
) {
    let device = Device::new();
    device.program(SECONDARY, &image("2.0.0"));
    device.program(SECONDARY + offset, &vec![value; length]);
    assert_eq!(
        device.answer(client::list()),
        "0 1.0.0 bootable confirmed active"
    );
}

/// What is asked for: test or confirm, of which image.
#[derive(Clone, Copy, Debug)]
enum Ask {
    TestPrimary,
    TestSecondary,
    ConfirmRunning,
    ConfirmPrimary,
    ConfirmSecondary,
}

#[rstest]
#[case::test_of_what_runs(Next::None, Ask::TestPrimary, "err 1:33")]
#[case::for_test(
    Next::None,
    Ask::TestSecondary,
    "0 1.0.0 bootable confirmed active; 1 2.0.0 bootable pending"
)]
#[case::confirm_of_what_is_confirmed(
    Next::None,
    Ask::ConfirmRunning,
    "0 1.0.0 bootable confirmed active; 1 2.0.0 bootable"
)]
#[case::permanent(
    Next::None,
    Ask::ConfirmSecondary,
    "0 1.0.0 bootable confirmed active; 1 2.0.0 bootable pending permanent"
)]
#[case::test_again(
    Next::Test,
    Ask::TestSecondary,
    "0 1.0.0 bootable confirmed active; 1 2.0.0 bootable pending"
)]
#[case::test_then_permanent(Next::Test, Ask::ConfirmSecondary, "err 1:28")]
#[case::confirm_while_another_is_pending(Next::Test, Ask::ConfirmRunning, "err 1:28")]
#[case::test_of_what_runs_while_another_is_pending(Next::Test, Ask::TestPrimary, "err 1:33")]
#[case::permanent_again(
    Next::Permanent,
    Ask::ConfirmSecondary,
    "0 1.0.0 bootable confirmed active; 1 2.0.0 bootable pending permanent"
)]
#[case::permanent_then_test(Next::Permanent, Ask::TestSecondary, "err 1:28")]
#[case::confirm_after_permanent(Next::Permanent, Ask::ConfirmRunning, "err 1:28")]
#[case::confirm_of_a_tested_one(
    Next::Revert,
    Ask::ConfirmRunning,
    "0 1.0.0 bootable confirmed active; 1 2.0.0 bootable"
)]
#[case::confirm_of_a_tested_one_by_hash(
    Next::Revert,
    Ask::ConfirmPrimary,
    "0 1.0.0 bootable confirmed active; 1 2.0.0 bootable"
)]
#[case::confirm_of_what_a_revert_brings(
    Next::Revert,
    Ask::ConfirmSecondary,
    "0 1.0.0 bootable active; 1 2.0.0 bootable confirmed"
)]
#[case::test_while_testing(Next::Revert, Ask::TestSecondary, "err 1:28")]
fn marking_follows_the_rules(#[case] next: Next, #[case] ask: Ask, #[case] expected: &str) {
    let device = Device::new();
    device.program(SECONDARY, &image("2.0.0"));
    device.next_boot(next);
    let (primary, secondary) = (hash(&image("1.0.0")), hash(&image("2.0.0")));
    let request = match ask {
        Ask::TestPrimary => client::test(&primary),
        Ask::TestSecondary => client::test(&secondary),
        Ask::ConfirmRunning => client::confirm(None),
        Ask::ConfirmPrimary => client::confirm(Some(&primary)),
        Ask::ConfirmSecondary => client::confirm(Some(&secondary)),
    };
    assert_eq!(device.answer(request), expected);
    assert_eq!(device.board.dirty_writes(), 0);
}

#[rstest]
#[case::test_without_hash(client::request(2, 1, 0, &Map::new()), "err 1:24")]
#[case::short_hash(client::test(&[1; 31]), "err 1:24")]
#[case::long_hash(client::confirm(Some(&[1; 48])), "err 1:24")]
#[case::unknown_hash(client::test(&[1; 32]), "err 1:8")]
#[case::hash_as_text(client::request(2, 1, 0, &Map::new().with("hash", "abc")), "rc 3")]
fn a_mark_for_no_image_is_refused(#[case] request: Vec<u8>, #[case] expected: &str) {
    assert_eq!(Device::new().answer(request), expected);
}

#[test]
fn a_spoiled_trailer_cannot_be_marked() {
    let device = Device::new();
    device.program(SECONDARY, &image("2.0.0"));
    device.trailer(
        SECONDARY,
        Trailer {
            magic: [0x55; 16],
            ..Trailer::default()
        },
    );
    assert_eq!(
        device.answer(client::test(&hash(&image("2.0.0")))),
        "err 1:23"
    );
}

#[rstest]
#[case::secondary_by_default(Next::None, None, "ok")]
#[case::secondary(Next::None, Some(1), "ok")]
#[case::running(Next::None, Some(0), "err 1:9")]
#[case::no_such_slot(Next::None, Some(2), "err 1:14")]
#[case::pending(Next::Test, None, "ok")]
#[case::needed_for_a_revert(Next::Revert, None, "err 1:9")]
fn erase_spares_what_is_in_use(
    #[case] next: Next,
    #[case] slot: Option<u32>,
    #[case] expected: &str,
) {
    let device = Device::new();
    device.program(SECONDARY, &image("2.0.0"));
    device.next_boot(next);
    let request = client::request(2, 1, 5, &Map::new().with_some("slot", slot));
    assert_eq!(device.answer(request), expected);
    let blank = device
        .board
        .flash(SECONDARY, SLOT as usize)
        .iter()
        .all(|&byte| byte == 0xff);
    assert_eq!(blank, expected == "ok");
    assert_ne!(device.board.flash(PRIMARY, 4), [0xff; 4]);
}

#[test]
fn an_erased_slot_is_not_erased_again() {
    let device = Device::new();
    assert_eq!(device.answer(client::erase()), "ok");
    assert_eq!(device.board.ops(), 0);
}

#[test]
fn slot_information_tells_sizes_and_where_uploads_go() {
    let device = Device::with(SmpModel {
        max_image_size: Some(0x1_E000),
        ..SmpModel::default()
    });
    let boot = device.boot(&[client::request(0, 1, 6, &Map::new())]);
    let images: Vec<Map> = client::body(&boot.packets[0])
        .require("images")
        .expect("a list");
    assert_eq!(images[0].get("max_image_size"), Ok(Some(0x1_E000_u32)));
    let slots: Vec<Map> = images[0].require("slots").expect("a list");
    assert_eq!(slots[0], Map::new().with("slot", 0).with("size", SLOT));
    assert_eq!(
        slots[1],
        Map::new()
            .with("slot", 1)
            .with("size", SLOT)
            .with("upload_image_id", 0)
    );
}
