//! What holds for all commands, and the OS group.

use hil_smp::Map;
use rstest::rstest;

use super::{Device, client};
use crate::firmware::sim::Ended;
use crate::model::{Feature, SmpModel};

const READ: u8 = 0;
const WRITE: u8 = 2;

#[rstest]
#[case::unknown_group(WRITE, 8, 0, "rc 8")]
#[case::unknown_command(WRITE, 0, 1, "rc 8")]
#[case::write_of_a_read(WRITE, 0, 6, "rc 8")]
#[case::read_of_a_write(READ, 0, 5, "rc 8")]
#[case::reserved_image_command(READ, 1, 2, "rc 8")]
#[case::answer_as_request(3, 0, 0, "rc 8")]
#[case::no_operation(7, 0, 0, "rc 8")]
#[case::task_statistics_left_out(READ, 0, 2, "rc 8")]
fn what_is_not_there_is_not_supported(
    #[case] op: u8,
    #[case] group: u16,
    #[case] command: u8,
    #[case] expected: &str,
) {
    assert_eq!(
        Device::new().answer(client::request(op, group, command, &Map::new())),
        expected
    );
}

#[rstest]
#[case::v1(0, 0x03, "ok")]
#[case::v2(1, 0x0b, "ok")]
#[case::v3(2, 0x0b, "rc 13")]
#[case::v4(3, 0x0b, "rc 13")]
fn the_version_is_echoed_up_to_the_newest_known(
    #[case] version: u8,
    #[case] first_byte: u8,
    #[case] expected: &str,
) {
    let echo = client::versioned(version, WRITE, 0, 0, &Map::new().with("d", "x"));
    let boot = Device::new().boot(&[echo]);
    assert_eq!(boot.packets[0][0], first_byte);
    assert_eq!(super::answer(&boot.packets[0]), expected);
}

#[test]
fn a_build_without_the_original_protocol_says_so() {
    let device = Device::with(SmpModel {
        version_1: Feature::Off,
        ..SmpModel::default()
    });
    assert_eq!(
        device.answer(client::versioned(0, WRITE, 0, 0, &Map::new())),
        "rc 12"
    );
}

#[rstest]
#[case::v1(0, "rc 5")]
#[case::v2(1, "err 0:3")]
fn a_group_error_has_the_form_of_the_protocol_version(#[case] version: u8, #[case] expected: &str) {
    let query = client::versioned(version, READ, 0, 8, &Map::new().with("query", "colour"));
    assert_eq!(Device::new().answer(query), expected);
}

#[test]
fn an_answer_is_what_zcbor_writes() {
    let boot = Device::new().boot(&[client::echo("hello"), client::reset()]);
    assert_eq!(
        hex::encode(&boot.packets[0]),
        "0b00000a00002a00bf61726568656c6c6fff"
    );
    assert_eq!(hex::encode(&boot.packets[1]), "0b00000200002a05bfff");
}

#[test]
fn requests_in_one_packet_are_answered_one_by_one_until_one_fails() {
    let packet = [
        client::echo("one"),
        client::request(READ, 0, 8, &Map::new().with("query", "colour")),
        client::request(READ, 99, 0, &Map::new()),
        client::echo("never"),
    ]
    .concat();
    assert_eq!(Device::new().answers(&[packet]), ["ok", "err 0:3", "rc 8"]);
}

#[test]
fn a_packet_shorter_than_a_header_has_no_answer() {
    assert!(Device::new().boot(&[vec![0x08, 0, 0]]).packets.is_empty());
}

#[test]
fn a_packet_that_claims_more_than_it_has_is_corrupt() {
    let mut packet = client::echo("x");
    packet[3] += 1;
    assert_eq!(Device::new().answer(packet), "rc 9");
}

#[rstest]
#[case::missing(&[0xa0])]
#[case::wrong_type(&[0xa1, 0x61, b'd', 0x05])]
#[case::twice(&[0xa2, 0x61, b'd', 0x61, b'x', 0x61, b'd', 0x61, b'x'])]
#[case::nothing(&[])]
#[case::no_map(&[0x80])]
fn an_echo_without_its_text_is_invalid(#[case] payload: &[u8]) {
    assert_eq!(
        Device::new().answer(client::raw(1, WRITE, 0, 0, payload)),
        "rc 3"
    );
}

#[test]
fn an_answer_that_does_not_fit_the_buffer_is_too_long() {
    let device = Device::with(SmpModel {
        buf_size: 64,
        task_statistics: Feature::On,
        ..SmpModel::default()
    });
    let statistics = client::request(READ, 0, 2, &Map::new());
    assert_eq!(device.answer(statistics.clone()), "rc 7");
    let device = Device::with(SmpModel {
        buf_size: 2475,
        task_statistics: Feature::On,
        ..SmpModel::default()
    });
    assert_eq!(device.answer(statistics), "ok");
}

#[test]
fn a_request_that_does_not_fit_the_buffer_has_no_answer() {
    // Length and checksum of the frame share the buffer: 384 - 4.
    let fits = client::echo(&"x".repeat(380 - 14));
    let too_long = client::echo(&"x".repeat(380 - 13));
    assert_eq!((fits.len(), too_long.len()), (380, 381));
    assert_eq!(Device::new().boot(&[fits]).packets.len(), 1);
    assert_eq!(Device::new().boot(&[too_long]).packets.len(), 0);
}

#[test]
fn params_are_those_of_the_build() {
    let boot = Device::new().boot(&[client::request(READ, 0, 6, &Map::new())]);
    let body = client::body(&boot.packets[0]);
    assert_eq!(
        (body.get("buf_size"), body.get("buf_count")),
        (Ok(Some(384_u32)), Ok(Some(4_u32)))
    );
}

#[rstest]
#[case::kernel_by_default(None, Ok("Zephyr"))]
#[case::fixed_order(Some("ps"), Ok("Zephyr cortex-m33"))]
#[case::all(
    Some("a"),
    Ok(
        "Zephyr unknown 4.1.99 v4.1.99-dfu-hil Thu Jan  1 00:00:00 1970 arm cortex-m33 nrf5340dk/nrf5340/cpuapp Zephyr"
    )
)]
#[case::unknown_letter(Some("sz"), Err("err 0:2"))]
fn os_info_says_what_was_asked(#[case] format: Option<&str>, #[case] expected: Result<&str, &str>) {
    let boot = Device::new().boot(&[client::request(
        READ,
        0,
        7,
        &Map::new().with_some("format", format),
    )]);
    let body = client::body(&boot.packets[0]);
    let output: Option<String> = body.get("output").expect("text");
    let error = client::error(&body);
    assert_eq!(output.as_deref().ok_or(error.as_str()), expected);
}

#[test]
fn bootloader_information_names_the_mode() {
    let boot = Device::new().boot(&[
        client::request(READ, 0, 8, &Map::new()),
        client::request(READ, 0, 8, &Map::new().with("query", "mode")),
    ]);
    let name: Option<String> = client::body(&boot.packets[0])
        .get("bootloader")
        .expect("text");
    assert_eq!(name.as_deref(), Some("MCUboot"));
    assert_eq!(client::body(&boot.packets[1]).get("mode"), Ok(Some(3_i32)));
}

#[rstest]
#[case::no_arguments(&[0xa0])]
#[case::force(&[0xa1, 0x65, b'f', b'o', b'r', b'c', b'e', 0xf5])]
#[case::force_as_a_number(&[0xa1, 0x65, b'f', b'o', b'r', b'c', b'e', 0x01])]
#[case::nothing(&[])]
fn a_reset_is_answered_and_happens_a_quarter_second_later(#[case] payload: &[u8]) {
    let device = Device::new();
    let booted = device.boot(&[]);
    assert_eq!(booted.ended, Ended::Idle);
    let before = device.board.now();
    let boot = device.boot(&[
        client::raw(1, WRITE, 0, 5, payload),
        client::echo("still here"),
    ]);
    assert_eq!(boot.packets.len(), 2, "{:?}", boot.console);
    assert_eq!(boot.ended, Ended::Reset);
    assert_eq!((device.board.now() - before).as_millis(), 250);
    assert_eq!(
        device.board.reset_reasons(),
        crate::firmware::sim::SOFT_RESET
    );
}

#[test]
fn without_a_free_buffer_a_request_is_refused_or_lost() {
    let device = Device::with(SmpModel {
        buf_count: 2,
        ..SmpModel::default()
    });
    let frames: Vec<u8> = ["one", "two", "three"]
        .iter()
        .flat_map(|text| hil_smp::frame::encode(&client::echo(text)).expect("short packets"))
        .collect();
    // Three requests at once for two buffers: the third is lost, the first has no buffer for its answer.
    assert_eq!(device.board.boot_with_bytes(&[frames]).packets.len(), 2);
}

#[test]
fn text_and_damaged_frames_between_requests_do_no_harm() {
    let device = Device::new();
    let mut damaged = hil_smp::frame::encode(&client::echo("damaged")).expect("a short packet");
    damaged[6] ^= 0x01;
    let good = hil_smp::frame::encode(&client::echo("good")).expect("a short packet");
    let bytes = [b"help\r\n".as_slice(), &damaged, b"\x04\x14AAAA\n", &good].concat();
    let boot = device.board.boot_with_bytes(&[bytes]);
    assert_eq!(boot.packets.len(), 1);
    let echoed: Option<String> = client::body(&boot.packets[0]).get("r").expect("text");
    assert_eq!(echoed.as_deref(), Some("good"));
}
