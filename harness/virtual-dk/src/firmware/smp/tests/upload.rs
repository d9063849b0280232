//! Upload with all its corners.

use hil_smp::Map;
use rstest::rstest;
use sha2::{Digest, Sha256};

use super::{Device, Next, SECONDARY, SLOT, client, image};
use crate::model::{Feature, SmpModel};

/// A chunk of `file`.
fn chunk(file: &[u8], off: usize, length: usize) -> Map {
    let end = file.len().min(off + length);
    Map::new()
        .with("off", off as u32)
        .with("data", file[off..end].to_vec())
}

/// The first chunk, with the length of the file.
fn first(file: &[u8], length: usize) -> Map {
    chunk(file, 0, length).with("len", file.len() as u32)
}

fn with_sha(file: &[u8], length: usize) -> Map {
    first(file, length).with("sha", Sha256::digest(file).to_vec())
}

fn upload(arguments: &Map) -> Vec<u8> {
    client::request(2, 1, 1, arguments)
}

fn uploads(arguments: &[Map]) -> Vec<Vec<u8>> {
    arguments.iter().map(upload).collect()
}

/// Chunks from `off` to the end.
fn from(file: &[u8], off: usize, length: usize) -> Vec<Map> {
    (off..file.len())
        .step_by(length)
        .map(|off| chunk(file, off, length))
        .collect()
}

fn checking() -> SmpModel {
    SmpModel {
        image_check: Feature::On,
        ..SmpModel::default()
    }
}

#[rstest]
#[case::aligned(256)]
#[case::odd(101)]
#[case::large(300)]
fn an_uploaded_file_is_in_the_slot_byte_for_byte(#[case] length: usize) {
    let device = Device::new();
    let file = image("2.0.0");
    let mut chunks = vec![first(&file, length)];
    chunks.extend(from(&file, length, length));
    let answers = device.answers(&uploads(&chunks));
    assert_eq!(answers.last(), Some(&format!("off {}", file.len())));
    assert_eq!(device.board.flash(SECONDARY, file.len()), file);
    assert_eq!(device.board.dirty_writes(), 0);
}

#[rstest]
#[case::no_offset(Map::new().with("data", vec![0; 64]), "err 1:20")]
#[case::header_cut_short(chunk(&image("2.0.0"), 0, 31).with("len", 3000), "err 1:22")]
#[case::no_length(chunk(&image("2.0.0"), 0, 64), "err 1:21")]
#[case::no_image(Map::new().with("off", 0).with("data", vec![0; 64]).with("len", 64), "err 1:23")]
#[case::sha_too_long(first(&image("2.0.0"), 64).with("sha", vec![0; 33]), "err 1:24")]
#[case::larger_than_the_slot(chunk(&image("2.0.0"), 0, 64).with("len", SLOT + 1), "err 1:30")]
#[case::as_large_as_the_slot(chunk(&image("2.0.0"), 0, 64).with("len", SLOT), "off 64")]
#[case::newer(first(&image("1.0.1"), 64).with("upgrade", true), "off 64")]
#[case::same_version(first(&image("1.0.0+9"), 64).with("upgrade", true), "err 1:27")]
#[case::older(first(&image("0.9.0"), 64).with("upgrade", true), "err 1:27")]
#[case::older_but_allowed(first(&image("0.9.0"), 64), "off 64")]
#[case::any_image_number(first(&image("2.0.0"), 64).with("image", 3), "off 64")]
#[case::image_number_as_text(first(&image("2.0.0"), 64).with("image", "0"), "rc 3")]
#[case::magic_before_sha(Map::new().with("off", 0).with("data", vec![0; 64]).with("len", 64).with("sha", vec![0; 33]), "err 1:23")]
#[case::length_before_magic(Map::new().with("off", 0).with("data", vec![0; 64]), "err 1:21")]
fn the_first_chunk_is_checked_in_zephyr_s_order(#[case] arguments: Map, #[case] expected: &str) {
    assert_eq!(Device::new().answer(upload(&arguments)), expected);
}

#[rstest]
#[case::bad_magic(Map::new().with("off", 0).with("data", vec![0; 64]).with("len", 64), "rc 1")]
#[case::older(first(&image("0.9.0"), 64).with("upgrade", true), "rc 6")]
#[case::no_length(chunk(&image("2.0.0"), 0, 64), "rc 3")]
fn a_version_1_client_gets_the_translated_code(#[case] arguments: Map, #[case] expected: &str) {
    assert_eq!(
        Device::new().answer(client::versioned(0, 2, 1, 1, &arguments)),
        expected
    );
}

#[test]
fn an_upgrade_needs_a_readable_running_image() {
    let device = Device::new();
    device.program(super::PRIMARY, &[0xff; 4]);
    assert_eq!(
        device.answer(upload(&first(&image("2.0.0"), 64).with("upgrade", true))),
        "err 1:26"
    );
}

#[test]
fn a_slot_that_a_revert_needs_is_not_free() {
    let device = Device::new();
    device.program(SECONDARY, &image("0.9.0"));
    device.next_boot(Next::Revert);
    assert_eq!(
        device.answer(upload(&first(&image("2.0.0"), 64))),
        "err 1:9"
    );
}

#[test]
fn a_pending_image_may_be_overwritten() {
    let device = Device::new();
    device.program(SECONDARY, &image("0.9.0"));
    device.next_boot(Next::Test);
    let answers = device.answers(&[upload(&first(&image("2.0.0"), 64)), client::list()]);
    assert_eq!(answers, ["off 64", "0 1.0.0 bootable confirmed active"]);
}

#[test]
fn the_limit_of_the_build_counts_where_it_is_smaller_than_the_slot() {
    let device = Device::with(SmpModel {
        max_image_size: Some(3000),
        ..SmpModel::default()
    });
    let file = image("2.0.0");
    assert_eq!(
        device.answer(upload(&chunk(&file, 0, 64).with("len", 3001))),
        "err 1:30"
    );
    assert_eq!(
        device.answer(upload(&chunk(&file, 0, 64).with("len", 3000))),
        "off 64"
    );
}

/// What a session of chunks is answered, for a file of 3584 bytes or so.
fn session(build: SmpModel, steps: impl FnOnce(&[u8]) -> Vec<Map>) -> Vec<String> {
    let file = image("2.0.0");
    Device::with(build).answers(&uploads(&steps(&file)))
}

#[test]
fn a_wrong_offset_is_answered_with_the_right_one() {
    let answers = session(SmpModel::default(), |file| {
        vec![
            first(file, 256),
            chunk(file, 512, 256),
            chunk(file, 256, 256),
            chunk(file, 256, 256),
            chunk(file, 512, 256),
        ]
    });
    assert_eq!(
        answers,
        ["off 256", "off 256", "off 512", "off 512", "off 768"]
    );
}

#[test]
fn a_chunk_without_a_session_is_answered_with_zero() {
    assert_eq!(
        session(SmpModel::default(), |file| vec![chunk(file, 256, 256)]),
        ["off 0"]
    );
}

#[test]
fn the_same_sha_resumes_whatever_else_the_request_says() {
    let answers = session(SmpModel::default(), |file| {
        vec![
            with_sha(file, 256),
            chunk(file, 256, 256),
            with_sha(file, 64).with("image", 7),
            chunk(file, 512, 256),
        ]
    });
    assert_eq!(answers, ["off 256", "off 512", "off 512", "off 768"]);
}

#[test]
fn a_part_of_a_sha_serves_as_a_tag() {
    let answers = session(SmpModel::default(), |file| {
        let tagged = first(file, 256).with("sha", vec![1, 2, 3]);
        vec![
            tagged.clone(),
            chunk(file, 256, 256),
            tagged,
            first(file, 256).with("sha", vec![1, 2]),
        ]
    });
    assert_eq!(answers, ["off 256", "off 512", "off 512", "off 256"]);
}

#[test]
fn without_a_sha_the_first_chunk_starts_over() {
    let answers = session(SmpModel::default(), |file| {
        vec![
            first(file, 256),
            chunk(file, 256, 256),
            first(file, 128),
            chunk(file, 128, 128),
        ]
    });
    assert_eq!(answers, ["off 256", "off 512", "off 128", "off 256"]);
}

#[test]
fn more_data_than_announced_ends_the_session() {
    let answers = session(SmpModel::default(), |file| {
        let short = chunk(file, 0, 256).with("len", 400);
        vec![short, chunk(file, 256, 256), chunk(file, 256, 100)]
    });
    assert_eq!(answers, ["off 256", "err 1:31", "off 0"]);
}

#[test]
fn a_bad_request_ends_the_session_and_one_that_does_not_decode_does_not() {
    let answers = session(SmpModel::default(), |file| {
        vec![
            first(file, 256),
            Map::new().with("off", "x"),
            chunk(file, 256, 256),
            Map::new().with("data", vec![1]),
            chunk(file, 512, 256),
        ]
    });
    assert_eq!(answers, ["off 256", "rc 3", "off 512", "err 1:20", "off 0"]);
}

#[test]
fn an_erase_ends_the_session() {
    let device = Device::new();
    let file = image("2.0.0");
    let answers = device.answers(&[
        upload(&with_sha(&file, 256)),
        client::erase(),
        upload(&chunk(&file, 256, 256)),
    ]);
    assert_eq!(answers, ["off 256", "ok", "off 0"]);
}

#[test]
fn the_last_chunk_again_is_answered_with_zero() {
    let file = image("2.0.0");
    let last = (file.len() - 1) / 256 * 256;
    let answers = session(SmpModel::default(), |file| {
        let mut chunks = vec![with_sha(file, 256)];
        chunks.extend(from(file, 256, 256));
        chunks.push(chunk(file, last, 256));
        chunks
    });
    assert_eq!(
        answers[answers.len() - 2..],
        [format!("off {}", file.len()), "off 0".to_owned()]
    );
}

#[rstest]
#[case::with_check(checking(), "match true")]
#[case::without(SmpModel::default(), "")]
fn the_first_chunk_again_after_the_end_depends_on_the_image_check(
    #[case] build: SmpModel,
    #[case] check: &str,
) {
    let file = image("2.0.0");
    let done = format!("off {} {check}", file.len()).trim_end().to_owned();
    let again = if check.is_empty() {
        "off 256".to_owned()
    } else {
        done.clone()
    };
    let answers = session(build, |file| {
        let mut chunks = vec![with_sha(file, 256)];
        chunks.extend(from(file, 256, 256));
        chunks.push(with_sha(file, 256));
        chunks
    });
    assert_eq!(answers[answers.len() - 2..], [done, again]);
}

#[test]
fn an_image_check_compares_with_what_the_client_announced() {
    let answers = session(checking(), |file| {
        let mut chunks = vec![first(file, 256).with("sha", vec![9; 32])];
        chunks.extend(from(file, 256, 256));
        chunks
    });
    assert!(answers[answers.len() - 1].ends_with("match false"));
    let answers = session(checking(), |file| {
        let mut chunks = vec![first(file, 256)];
        chunks.extend(from(file, 256, 256));
        chunks
    });
    assert!(
        answers[answers.len() - 1].ends_with("match false"),
        "no SHA-256 matches nothing"
    );
}

#[test]
fn an_image_that_is_there_already_is_not_written_again() {
    let device = Device::with(checking());
    let file = image("2.0.0");
    device.program(SECONDARY, &file);
    assert_eq!(
        device.answer(upload(&with_sha(&file, 256))),
        format!("off {} match true", file.len())
    );
    assert_eq!(device.board.ops(), 0);
}

#[test]
fn a_slot_in_use_is_erased_as_far_as_the_file_needs_and_at_its_trailer() {
    let device = Device::new();
    device.program(SECONDARY, &vec![0; SLOT as usize]);
    assert_eq!(
        device.answer(upload(&first(&image("2.0.0"), 256))),
        "off 256"
    );
    let slot = device.board.flash(SECONDARY, SLOT as usize);
    let erased: Vec<usize> = slot
        .chunks(0x1000)
        .enumerate()
        .filter(|(_, page)| page.iter().all(|&b| b == 0xff))
        .map(|(n, _)| n)
        .collect();
    assert_eq!(erased, [0, 31], "256 bytes still wait in the block buffer");
}

#[test]
fn a_blank_slot_is_not_erased() {
    let device = Device::new();
    assert_eq!(
        device.answer(upload(&first(&image("2.0.0"), 256))),
        "off 256"
    );
    assert_eq!(
        device.board.ops(),
        0,
        "the first 512 bytes are written together"
    );
}
