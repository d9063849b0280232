//! Uploads through the client to models of both servers, in simulated time.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod support;

use hil_clock::{Clock, Instant, SimClock};
use hil_smp::message::Reset;
use hil_smp::{
    Client, ClientError, Direction, Group, Trace, Traced, UploadError, UploadOptions,
    UploadOutcome, UploadProgress, UploadProof, Version,
};
use rstest::rstest;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use support::{Personality, Server, VirtualLink, address, image};

const APPLICATION: Personality = Personality::Application { image_check: false };
const CHECKING: Personality = Personality::Application { image_check: true };
const RECOVERY: Personality = Personality::Recovery { direct: false };

fn link(personality: Personality) -> (SimClock, VirtualLink) {
    let clock = SimClock::new();
    let link = VirtualLink::new(clock.clone(), Server::new(personality));
    (clock, link)
}

fn client(clock: &SimClock, link: VirtualLink) -> Client<VirtualLink> {
    Client::new(link, Arc::new(clock.clone()))
}

fn go_on(_: UploadProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn upload(client: &mut Client<VirtualLink>, file: &[u8]) -> Result<UploadOutcome, ClientError> {
    client.upload(file, UploadOptions::default(), &mut go_on)
}

/// The client's upload failed with this.
fn upload_error(result: Result<UploadOutcome, ClientError>) -> UploadError {
    match result {
        Err(ClientError::Upload { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::application(APPLICATION, UploadProof::Offset)]
#[case::application_that_checks(CHECKING, UploadProof::Matched)]
#[case::recovery(RECOVERY, UploadProof::Offset)]
fn whole_image_arrives_within_the_server_s_buffers(
    #[case] personality: Personality,
    #[case] proof: UploadProof,
    #[values(96, 384, 2475)] buf_size: u32,
    #[values(33, 1000, 20_001)] len: usize,
) {
    let (clock, mut link) = link(personality);
    link.server.buf_size = buf_size;
    let file = image(len.max(80), 1);
    let mut client = client(&clock, link);
    let outcome = upload(&mut client, &file).unwrap();
    // Beside the image header, 96 bytes have no room for the whole SHA-256 that a check needs.
    let expected = if buf_size == 96 {
        UploadProof::Offset
    } else {
        proof
    };
    assert_eq!(outcome.proof, expected);
    assert_eq!(
        outcome.stats.timeouts + outcome.stats.rewinds + outcome.stats.strays,
        0
    );
    let link = client.into_transport();
    assert_eq!(link.server.slot, file);
    assert_eq!(link.server.erases, 1);
    assert!(link.longest_packet <= buf_size as usize - 4);
    let window = link.server.buf_count as usize;
    assert!(link.peak <= (window - 1).max(1), "{} under way", link.peak);
}

#[test]
fn as_many_requests_are_under_way_as_the_server_has_buffers_less_one() {
    let (clock, link) = link(APPLICATION);
    let mut client = client(&clock, link);
    let outcome = upload(&mut client, &image(20_000, 1)).unwrap();
    assert_eq!(outcome.stats.peak_in_flight, 3);
    assert_eq!(client.into_transport().peak, 3);
}

#[rstest]
#[case::nothing(UploadOptions::default(), 3, 380)]
#[case::one_by_one(UploadOptions { window_limit: Some(1), ..UploadOptions::default() }, 1, 380)]
#[case::more_than_there_is(UploadOptions { window_limit: Some(9), packet_limit: Some(9999), ..UploadOptions::default() }, 3, 380)]
#[case::smaller_packets(UploadOptions { packet_limit: Some(124), ..UploadOptions::default() }, 3, 124)]
fn limits_can_only_be_lowered(
    #[case] options: UploadOptions,
    #[case] window: usize,
    #[case] packet: usize,
) {
    let (clock, link) = link(APPLICATION);
    let mut client = client(&clock, link);
    client
        .upload(&image(20_000, 1), options, &mut go_on)
        .unwrap();
    let link = client.into_transport();
    assert_eq!(link.peak, window);
    assert!(link.longest_packet <= packet && link.longest_packet > packet - 5);
}

#[test]
fn server_that_does_not_tell_its_buffers_gets_the_default_one_by_one() {
    let (clock, mut link) = link(APPLICATION);
    link.server.params_supported = false;
    let mut client = client(&clock, link);
    let file = image(5000, 1);
    upload(&mut client, &file).unwrap();
    let link = client.into_transport();
    assert_eq!(link.server.slot, file);
    assert_eq!(link.peak, 1);
    assert!(link.longest_packet <= 380);
}

#[test]
fn server_of_the_old_protocol_is_spoken_to_in_it() {
    let (clock, mut link) = link(APPLICATION);
    link.server.newest_version = Version::V1;
    let mut client = client(&clock, link);
    assert_eq!(client.echo("hello").unwrap(), "hello");
    let file = image(3000, 1);
    upload(&mut client, &file).unwrap();
    assert_eq!(client.into_transport().server.slot, file);
}

#[test]
fn erasing_for_30_seconds_is_waited_for() {
    let (clock, mut link) = link(APPLICATION);
    link.erase_time = Duration::from_secs(30);
    let mut client = client(&clock, link);
    let outcome = upload(&mut client, &image(3000, 1)).unwrap();
    assert_eq!(outcome.stats.timeouts, 0);
    assert!(clock.now().since_start() > Duration::from_secs(30));
}

#[test]
fn unfinished_upload_is_resumed_where_the_server_says() {
    let (clock, link) = link(APPLICATION);
    let file = image(20_000, 1);
    let mut client = client(&clock, link);
    let stopped = client.upload(&file, UploadOptions::default(), &mut |step| {
        if step.offset > 10_000 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let Err(ClientError::Stopped {
        offset,
        total: 20_000,
    }) = stopped
    else {
        panic!("{stopped:?}");
    };
    assert!(offset > 10_000);
    let outcome = upload(&mut client, &file).unwrap();
    assert!(outcome.resumed_at.unwrap() >= offset);
    let server = client.into_transport().server;
    assert_eq!(server.slot, file);
    assert_eq!(server.erases, 1);
}

#[test]
fn image_that_is_already_there_is_not_sent_again() {
    let (clock, link) = link(CHECKING);
    let file = image(20_000, 1);
    let mut client = client(&clock, link);
    upload(&mut client, &file).unwrap();
    let again = upload(&mut client, &file).unwrap();
    assert_eq!(again.proof, UploadProof::Matched);
    assert_eq!(again.resumed_at, Some(20_000));
    assert_eq!(again.stats.requests, 1);
    assert_eq!(client.into_transport().server.erases, 1);
}

#[rstest]
#[case::application(APPLICATION)]
#[case::application_that_checks(CHECKING)]
#[case::recovery(RECOVERY)]
fn server_that_restarts_in_the_middle_gets_the_image_from_the_start(
    #[case] personality: Personality,
) {
    let (clock, mut link) = link(personality);
    link.server.forget_in = Some(7);
    let file = image(8000, 1);
    let mut client = client(&clock, link);
    let outcome = upload(&mut client, &file).unwrap();
    assert_eq!(outcome.stats.restarts, 1);
    let server = client.into_transport().server;
    assert_eq!(server.slot, file);
    assert_eq!(server.erases, 2);
}

#[test]
fn server_that_restarts_again_and_again_is_given_up() {
    let (clock, mut link) = link(APPLICATION);
    link.keeps = |server, _| {
        if server.uploads.is_multiple_of(5) {
            server.reboot();
        }
        true
    };
    let mut client = client(&clock, link);
    let error = upload_error(upload(&mut client, &image(20_000, 1)));
    assert!(
        matches!(error, UploadError::Lost { restarts: 4, .. }),
        "{error}"
    );
}

/// Loses the answer to the last chunk, once.
fn lose_the_end(server: &mut Server, answer: &[u8]) -> bool {
    if server.complete && server.forget_in.is_none() && address(answer) == (Group::IMAGE, 1) {
        server.forget_in = Some(1000);
        return false;
    }
    true
}

#[rstest]
#[case::application_by_the_image_list(APPLICATION, UploadProof::ImageList)]
#[case::application_that_checks_too(CHECKING, UploadProof::ImageList)]
fn lost_last_answer_costs_a_look_at_the_image_list(
    #[case] personality: Personality,
    #[case] proof: UploadProof,
) {
    let (clock, mut link) = link(personality);
    link.keeps = lose_the_end;
    let file = image(20_000, 1);
    let mut client = client(&clock, link);
    let outcome = upload(&mut client, &file).unwrap();
    assert_eq!(outcome.proof, proof);
    assert_eq!(outcome.stats.timeouts, 1);
    let server = client.into_transport().server;
    assert_eq!(server.slot, file);
    assert_eq!(server.erases, 1, "nothing was sent twice");
}

#[test]
fn lost_last_answer_of_a_file_that_no_list_knows_is_found_by_its_first_chunk() {
    let (clock, mut link) = link(CHECKING);
    link.keeps = lose_the_end;
    let mut file = image(20_000, 1);
    // No TLVs that we could find, so no hash to look for.
    file[12] ^= 1;
    let mut client = client(&clock, link);
    let outcome = upload(&mut client, &file).unwrap();
    assert_eq!(outcome.proof, UploadProof::Matched);
    assert_eq!(client.into_transport().server.erases, 1);
}

#[test]
fn lost_last_answer_of_mcuboot_is_found_by_the_last_chunk() {
    let (clock, mut link) = link(RECOVERY);
    link.keeps = lose_the_end;
    let file = b"MCUboot takes any bytes".repeat(200);
    let mut client = client(&clock, link);
    let outcome = upload(&mut client, &file).unwrap();
    assert_eq!(outcome.proof, UploadProof::Offset);
    let server = client.into_transport().server;
    assert_eq!(server.slot, file);
    assert_eq!(server.erases, 1);
}

#[test]
fn identical_image_in_the_running_slot_is_no_proof() {
    let (clock, mut link) = link(APPLICATION);
    // The last answer is lost with the last chunk; the running image has the hash that is looked for.
    link.keeps = |server, _| {
        if server.complete && server.forget_in.is_none() {
            server.forget_in = Some(1000);
            server.slot.clear();
            server.complete = false;
            return false;
        }
        true
    };
    let mut client = client(&clock, link);
    let options = UploadOptions {
        image_hash: Some(vec![1; 32]),
        ..UploadOptions::default()
    };
    let file = image(20_000, 1);
    let outcome = client.upload(&file, options, &mut go_on).unwrap();
    assert_eq!(outcome.stats.restarts, 1);
    assert_eq!(client.into_transport().server.slot, file);
}

#[test]
fn silence_is_given_up_after_counted_tries_and_says_where() {
    let (clock, mut link) = link(APPLICATION);
    link.keeps = |server, _| server.uploads < 5;
    let mut client = client(&clock, link);
    let error = upload_error(upload(&mut client, &image(20_000, 1)));
    insta::assert_snapshot!(error, @"no progress beyond offset 1380 of 20000 in 6 tries over 30000 ms: no answer");
}

#[rstest]
#[case::not_an_image(vec![0; 500], "server refused the chunk at offset 0: `INVALID_IMAGE_HEADER_MAGIC` (image error 23)")]
#[case::too_large(
    image(70_000, 1),
    "server refused the chunk at offset 0: `INVALID_IMAGE_TOO_LARGE` (image error 30)"
)]
#[case::empty(Vec::new(), "the image is empty")]
fn refused_uploads_say_why(#[case] file: Vec<u8>, #[case] expected: &str) {
    let (clock, link) = link(APPLICATION);
    let mut client = client(&clock, link);
    assert_eq!(
        upload_error(upload(&mut client, &file)).to_string(),
        expected
    );
}

#[test]
fn no_request_is_longer_than_the_server_announced() {
    let (clock, mut link) = link(APPLICATION);
    link.server.buf_size = 96;
    let mut client = client(&clock, link);
    client.params().unwrap();
    let error = client.echo(&"x".repeat(90)).unwrap_err();
    insta::assert_snapshot!(error, @"request for echo has 103 bytes, the server takes 92");
}

#[test]
fn after_a_reset_the_announced_buffers_no_longer_count() {
    let (clock, mut link) = link(APPLICATION);
    link.server.buf_size = 96;
    let mut client = client(&clock, link);
    client.params().unwrap();
    client.reset(Reset::default()).unwrap();
    assert_eq!(client.echo(&"x".repeat(90)).unwrap().len(), 90);
}

#[test]
fn refusal_of_a_command_is_told_by_name() {
    let (clock, link) = link(APPLICATION);
    let mut client = client(&clock, link);
    let error = client.erase(Some(0)).unwrap_err();
    insta::assert_snapshot!(error, @"server refused image erase: `NO_FREE_SLOT` (image error 9)");
    let error = client.slot_info().unwrap_err();
    insta::assert_snapshot!(error, @"server refused slot info: `ENOTSUP` (rc 8)");
}

#[test]
fn silence_of_a_command_tells_what_was_tried() {
    let (clock, mut link) = link(APPLICATION);
    link.keeps = |_, _| false;
    let mut client = client(&clock, link);
    let error = client.image_state().unwrap_err();
    insta::assert_snapshot!(error, @"no answer to image list on virtual link: 3 tries in 7500 ms, 0 other packets came");
}

#[test]
fn trace_has_every_packet_both_ways_in_order_of_time() {
    let (clock, link) = link(APPLICATION);
    let mut trace: Vec<(Instant, Direction, u8)> = Vec::new();
    let traced = Traced::new(link, Arc::new(clock.clone()), |entry: Trace<'_>| {
        trace.push((entry.at, entry.direction, entry.packet[6]));
    });
    let mut client = Client::new(traced, Arc::new(clock));
    client.echo("a").unwrap();
    client.image_state().unwrap();
    drop(client);
    let ms = |millis| Instant::from_start(Duration::from_millis(millis));
    assert_eq!(
        trace,
        [
            (ms(0), Direction::Sent, 0),
            (ms(15), Direction::Received, 0),
            (ms(15), Direction::Sent, 1),
            (ms(30), Direction::Received, 1),
        ]
    );
}
