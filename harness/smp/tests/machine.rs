//! The upload's state machine, answer by answer.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use hil_clock::Instant;
use hil_smp::message::{Payload, UploadAnswer, UploadChunk};
use hil_smp::{
    GroupCode, Header, Lengths, ManagementCode, Map, Refused, Upload, UploadError, UploadEvent,
    UploadLimits, UploadOptions, UploadProof, Version, image_code,
};
use rstest::rstest;
use std::time::Duration;

const FILE: usize = 1000;

/// An upload of 1000 bytes that are no MCUboot image, in packets of 124 bytes with three under way.
struct Sim {
    upload: Upload,
    now: Instant,
}

impl Sim {
    fn new() -> Self {
        let limits = UploadLimits {
            packet: 124,
            window: 3,
        };
        let now = Instant::START;
        let file = vec![0x5a; FILE];
        let options = UploadOptions::default();
        let upload = Upload::new(now, file, options, limits, Version::V2, 250).unwrap();
        Self { upload, now }
    }

    /// Past the first chunk, with three requests under way.
    fn streaming() -> (Self, Vec<Vec<u8>>) {
        let mut sim = Self::new();
        let first = sim.sent();
        assert_eq!(first.len(), 1, "the first chunk goes alone");
        sim.off(&first[0], end(&first[0]));
        sim.events();
        let sent = sim.sent();
        assert_eq!(sent.len(), 3);
        (sim, sent)
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.upload.poll_transmit(self.now)).collect()
    }

    fn events(&mut self) -> Vec<UploadEvent> {
        std::iter::from_fn(|| self.upload.poll_event()).collect()
    }

    fn answer(&mut self, request: &[u8], answer: &Map) {
        let (header, _) = Header::parse(request).unwrap();
        let header = Header {
            op: header.op.response(),
            ..header
        };
        let packet = header.packet(&answer.encode(Lengths::Indefinite)).unwrap();
        self.upload.handle_packet(self.now, &packet);
    }

    fn off(&mut self, request: &[u8], off: u64) {
        self.answer(request, &UploadAnswer { off, matches: None }.to_map());
    }

    fn refuse(&mut self, request: &[u8], refused: &Refused) {
        self.answer(request, &refused.answer(Version::V2));
    }

    fn time_out(&mut self) {
        self.now = self.upload.poll_timeout().unwrap();
        self.upload.handle_timeout(self.now);
    }
}

fn chunk(request: &[u8]) -> UploadChunk {
    let (_, payload) = Header::parse(request).unwrap();
    UploadChunk::from_map(&Map::decode(payload).unwrap()).unwrap()
}

fn start(request: &[u8]) -> u64 {
    chunk(request).off.unwrap()
}

fn end(request: &[u8]) -> u64 {
    start(request) + chunk(request).data.unwrap().len() as u64
}

#[test]
fn only_the_first_chunk_carries_length_and_hash() {
    let mut sim = Sim::new();
    let first = sim.sent();
    assert_eq!(chunk(&first[0]).len, Some(FILE as u64));
    assert_eq!(chunk(&first[0]).sha.unwrap().len(), 32);
    let (_, sent) = Sim::streaming();
    assert!(
        sent.iter()
            .all(|request| chunk(request).len.is_none() && chunk(request).sha.is_none())
    );
}

#[test]
fn lost_chunk_is_sent_again_at_once_and_only_once() {
    let (mut sim, sent) = Sim::streaming();
    // The first of the three is lost: the server wants it, and says so to each of the other two.
    let wanted = start(&sent[0]);
    sim.off(&sent[1], wanted);
    let again = sim.sent();
    assert_eq!(start(&again[0]), wanted);
    sim.off(&sent[2], wanted);
    let after = sim.sent();
    assert!(
        after.iter().all(|request| start(request) > wanted),
        "not twice"
    );
    let rewinds = sim.events();
    let rewinds = rewinds
        .iter()
        .filter(|event| matches!(event, UploadEvent::Rewound { .. }));
    assert_eq!(rewinds.count(), 1);
}

#[test]
fn lost_answer_is_made_up_for_by_the_next_one() {
    let (mut sim, sent) = Sim::streaming();
    sim.off(&sent[1], end(&sent[1]));
    assert_eq!(sim.upload.progress().offset, end(&sent[1]));
    assert_eq!(sim.sent().len(), 2, "both places are free again");
}

#[test]
fn answer_that_comes_twice_or_to_nobody_changes_nothing() {
    let (mut sim, sent) = Sim::streaming();
    sim.off(&sent[0], end(&sent[0]));
    let (progress, next) = (sim.upload.progress().offset, sim.sent());
    assert_eq!(next.len(), 1);
    sim.off(&sent[0], end(&sent[0]));
    sim.upload.handle_packet(sim.now, b"rubbish");
    assert_eq!(sim.upload.progress().offset, progress);
    assert_eq!(sim.sent().len(), 0);
    assert_eq!(sim.upload.progress().stats.strays, 2);
}

#[test]
fn answer_that_comes_after_its_time_still_counts() {
    let (mut sim, sent) = Sim::streaming();
    sim.time_out();
    assert_eq!(sim.sent().len(), 1, "carefully, one by one");
    sim.off(&sent[2], end(&sent[2]));
    assert_eq!(sim.upload.progress().offset, end(&sent[2]));
}

#[test]
fn answer_from_before_a_restart_does_not_count() {
    let (mut sim, sent) = Sim::streaming();
    sim.off(&sent[0], 0);
    assert!(matches!(sim.events()[..], [UploadEvent::Restarted { .. }]));
    let first = sim.sent();
    assert_eq!(start(&first[0]), 0);
    assert_eq!(chunk(&first[0]).len, Some(FILE as u64));
    sim.off(&sent[2], FILE as u64);
    assert_eq!(sim.upload.progress().offset, 0);
}

#[rstest]
#[case::busy(ManagementCode::BUSY)]
#[case::out_of_buffers(ManagementCode::NO_MEMORY)]
fn overloaded_server_gets_a_pause_and_fewer_requests(#[case] code: ManagementCode) {
    let (mut sim, sent) = Sim::streaming();
    sim.refuse(&sent[0], &code.into());
    assert!(matches!(sim.events()[..], [UploadEvent::Busy { .. }]));
    assert_eq!(sim.sent().len(), 0);
    assert_eq!(
        sim.upload.poll_timeout(),
        Some(sim.now + Duration::from_millis(100))
    );
    sim.time_out();
    let again = sim.sent();
    assert_eq!(again.len(), 1);
    assert_eq!(start(&again[0]), start(&sent[0]));
}

#[test]
fn server_that_stays_busy_is_given_up() {
    let (mut sim, mut sent) = Sim::streaming();
    let error = loop {
        sim.refuse(&sent[0], &ManagementCode::BUSY.into());
        if let Some(UploadEvent::Failed(error)) = sim.events().pop() {
            break error;
        }
        sim.time_out();
        sent = sim.sent();
    };
    insta::assert_snapshot!(error, @"no progress beyond offset 56 of 1000 in 6 tries over 500 ms: the server answers `EBUSY` (rc 10)");
    assert_eq!(sim.upload.poll_timeout(), None);
    assert_eq!(sim.sent().len(), 0);
}

#[rstest]
#[case::downgrade(image_code::CURRENT_VERSION_IS_NEWER)]
#[case::no_slot(image_code::NO_FREE_SLOT)]
fn refusal_ends_it_with_its_name(#[case] code: u32) {
    let mut sim = Sim::new();
    let first = sim.sent();
    let refused = Refused::from(GroupCode::image(code));
    sim.refuse(&first[0], &refused);
    let failed = UploadError::Refused { offset: 0, refused };
    assert_eq!(sim.events(), [UploadEvent::Failed(failed)]);
}

#[rstest]
#[case::beyond_the_end(FILE as u64 + 1, None, UploadError::BeyondEnd { offset: 1001, total: 1000 })]
#[case::other_bytes(FILE as u64, Some(false), UploadError::Mismatch { total: 1000 })]
fn nonsense_ends_it(
    #[case] off: u64,
    #[case] matches: Option<bool>,
    #[case] expected: UploadError,
) {
    let (mut sim, sent) = Sim::streaming();
    sim.answer(&sent[0], &UploadAnswer { off, matches }.to_map());
    assert_eq!(sim.events(), [UploadEvent::Failed(expected)]);
}

#[test]
fn first_chunk_waits_40_seconds_and_the_others_five_after_the_last_sign_of_life() {
    let mut sim = Sim::new();
    let first = sim.sent();
    let due = |seconds| Some(Instant::START + Duration::from_secs(seconds));
    assert_eq!(sim.upload.poll_timeout(), due(40));
    sim.now = sim.now + Duration::from_secs(30);
    sim.off(&first[0], end(&first[0]));
    let sent = sim.sent();
    assert_eq!(sim.upload.poll_timeout(), due(35));
    sim.now = sim.now + Duration::from_secs(4);
    sim.off(&sent[0], end(&sent[0]));
    assert_eq!(sim.upload.poll_timeout(), due(39));
}

#[test]
fn server_that_has_it_all_is_believed_at_the_first_chunk() {
    let mut sim = Sim::new();
    let first = sim.sent();
    let all = UploadAnswer {
        off: FILE as u64,
        matches: Some(true),
    };
    sim.answer(&first[0], &all.to_map());
    let Some(UploadEvent::Done(outcome)) = sim.events().pop() else {
        panic!("not done");
    };
    assert_eq!(outcome.proof, UploadProof::Matched);
    assert_eq!(outcome.resumed_at, Some(FILE as u64));
}
