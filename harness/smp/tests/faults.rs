//! Uploads over links that lose, repeat, delay, overtake, cut and damage packets, in simulated time.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod support;

use hil_clock::{Instant, SimClock};
use hil_smp::{
    Client, ClientError, ClientOptions, Direction, Fault, FaultEvent, FaultKind, FaultLog,
    FaultPlan, FaultSwitch, Faulty, Patience, Place, Transport, UploadOptions, UploadOutcome,
    UploadProof, When,
};
use proptest::prelude::*;
use rstest::rstest;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Framing, Personality, Server, VirtualLink, image};

/// How much of everything goes wrong on a way, in percent.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    drop: u8,
    duplicate: u8,
    reorder: u8,
    delay: u8,
    corrupt: u8,
    truncate: u8,
}

impl Rates {
    fn faults(self, way: Direction, seed: u64) -> impl Iterator<Item = Fault> {
        [
            (self.drop, FaultKind::Drop),
            (self.duplicate, FaultKind::Duplicate),
            (self.reorder, FaultKind::Reorder),
            (self.delay, FaultKind::Delay(Duration::from_millis(300))),
            (self.corrupt, FaultKind::Corrupt { byte: None }),
            (self.truncate, FaultKind::Truncate { keep: None }),
        ]
        .into_iter()
        .filter(|(percent, _)| *percent > 0)
        .map(move |(percent, kind)| Fault {
            kind,
            way,
            when: When::Chance(percent),
            seed,
        })
    }
}

fn plan(seed: u64, sent: Rates, received: Rates) -> FaultPlan {
    FaultPlan {
        total: 0,
        faults: sent
            .faults(Direction::Sent, seed)
            .chain(received.faults(Direction::Received, seed))
            .collect(),
    }
}

/// So patient that a link which loses every third packet is no reason to give up.
fn patient() -> UploadOptions {
    UploadOptions {
        attempts: 60,
        first_attempts: 30,
        restarts: 30,
        ..UploadOptions::default()
    }
}

struct Ran {
    result: Result<UploadOutcome, ClientError>,
    link: VirtualLink,
    log: FaultLog,
    damaged: Vec<String>,
}

impl Ran {
    fn requests(&self) -> u32 {
        self.result.as_ref().unwrap().stats.requests
    }
}

fn run(link: VirtualLink, plan: &FaultPlan, options: UploadOptions, file: &[u8]) -> Ran {
    let clock = link.clock.clone();
    let switch = FaultSwitch::default();
    let damaged = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let damaged = damaged.clone();
        Box::new(move |event| {
            if let FaultEvent::Damaged(how) = event {
                damaged.lock().unwrap().push(how);
            }
        })
    };
    let faulty = Faulty::new(link, Arc::new(clock.clone()), switch.clone(), sink);
    switch.arm(plan);
    let client_options = ClientOptions {
        patience: Patience {
            timeout: Duration::from_millis(2500),
            attempts: options.attempts,
        },
        ..ClientOptions::default()
    };
    let mut client = Client::with_options(faulty, Arc::new(clock), client_options);
    let result = client.upload(file, options, &mut |_| ControlFlow::Continue(()));
    Ran {
        result,
        link: client.into_transport().into_inner(),
        log: switch.disarm(),
        damaged: std::mem::take(&mut damaged.lock().unwrap()),
    }
}

fn over_console(personality: Personality) -> VirtualLink {
    VirtualLink::new(SimClock::new(), Server::new(personality))
}

fn application() -> VirtualLink {
    over_console(Personality::Application { image_check: true })
}

/// The places of the plans below: of an image that takes about twenty chunks.
const IMAGE: usize = 6000;

#[rstest]
#[case::lost_request(FaultKind::Drop, Direction::Sent)]
#[case::lost_answer(FaultKind::Drop, Direction::Received)]
#[case::repeated_request(FaultKind::Duplicate, Direction::Sent)]
#[case::repeated_answer(FaultKind::Duplicate, Direction::Received)]
#[case::overtaken_request(FaultKind::Reorder, Direction::Sent)]
#[case::overtaken_answer(FaultKind::Reorder, Direction::Received)]
#[case::late_request(FaultKind::Delay(Duration::from_secs(7)), Direction::Sent)]
#[case::late_answer(FaultKind::Delay(Duration::from_secs(7)), Direction::Received)]
#[case::damaged_request(FaultKind::Corrupt { byte: Some(30) }, Direction::Sent)]
#[case::damaged_answer(FaultKind::Corrupt { byte: Some(30) }, Direction::Received)]
#[case::cut_request(FaultKind::Truncate { keep: Some(90) }, Direction::Sent)]
#[case::cut_answer(FaultKind::Truncate { keep: Some(9) }, Direction::Received)]
fn an_upload_survives_each_fault_at_each_place(
    #[case] kind: FaultKind,
    #[case] way: Direction,
    #[values(Place::First, Place::Offset(3000), Place::Last)] place: Place,
) {
    let file = image(IMAGE, 3);
    let plan = FaultPlan {
        total: file.len() as u64,
        faults: vec![Fault {
            kind,
            way,
            when: When::At { place, times: 1 },
            seed: 5,
        }],
    };
    let ran = run(application(), &plan, UploadOptions::default(), &file);
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    assert_eq!(ran.link.server.slot, file);
    assert_eq!(ran.log.missed, []);
    assert_eq!(ran.log.injected.len(), 1);
    if matches!(kind, FaultKind::Corrupt { .. }) && way == Direction::Received {
        assert!(!ran.damaged.is_empty(), "the decoder took it");
    }
    if way == Direction::Sent && kind == FaultKind::Drop {
        let undisturbed = run(
            application(),
            &FaultPlan::default(),
            UploadOptions::default(),
            &file,
        );
        assert!(ran.requests() > undisturbed.requests());
    }
}

#[test]
fn a_fault_happens_to_the_repetitions_as_often_as_it_says() {
    let file = image(IMAGE, 3);
    let fault = |times| FaultPlan {
        total: file.len() as u64,
        faults: vec![Fault {
            kind: FaultKind::Drop,
            way: Direction::Sent,
            when: When::At {
                place: Place::Offset(3000),
                times,
            },
            seed: 0,
        }],
    };
    let once = run(application(), &fault(1), UploadOptions::default(), &file);
    let twice = run(application(), &fault(2), UploadOptions::default(), &file);
    assert_eq!(twice.log.injected.len(), 2);
    assert!(twice.requests() > once.requests());
    // More often than the client tries: it says over which link it gave up.
    let for_ever = run(
        application(),
        &fault(u32::MAX),
        UploadOptions::default(),
        &file,
    );
    let error = for_ever.result.unwrap_err().to_string();
    assert_eq!(error, "upload over virtual link failed");
    assert_eq!(for_ever.log.missed.len(), 1);
}

#[test]
fn a_place_that_is_never_come_to_is_told() {
    let file = image(IMAGE, 3);
    let plan = FaultPlan {
        total: file.len() as u64,
        faults: vec![Fault {
            kind: FaultKind::Drop,
            way: Direction::Sent,
            when: When::At {
                place: Place::Offset(1_000_000),
                times: 1,
            },
            seed: 0,
        }],
    };
    let ran = run(application(), &plan, UploadOptions::default(), &file);
    assert_eq!(ran.log.missed, plan.faults);
    assert_eq!(ran.log.injected, []);
}

#[test]
fn what_was_done_is_told_with_its_place_and_seed() {
    let file = image(IMAGE, 3);
    let plan = FaultPlan {
        total: file.len() as u64,
        faults: vec![Fault {
            kind: FaultKind::Corrupt { byte: None },
            way: Direction::Received,
            when: When::At {
                place: Place::Last,
                times: 1,
            },
            seed: 11,
        }],
    };
    let ran = run(application(), &plan, UploadOptions::default(), &file);
    insta::assert_snapshot!(ran.log.injected[0], @"corrupt byte 36, bit 3: answer to chunk 5652..6000 (sequence 17, seed 11)");
    insta::assert_snapshot!(ran.damaged.join("\n"), @"checksum is 0x843f, the packet's own bytes give 0x863f");
}

#[test]
fn a_packet_that_is_late_comes_after_the_plan_is_over() {
    let clock = SimClock::new();
    let switch = FaultSwitch::default();
    let link = VirtualLink::new(
        clock.clone(),
        Server::new(Personality::Application { image_check: true }),
    );
    let mut faulty = Faulty::new(link, Arc::new(clock), switch.clone(), Box::new(|_| {}));
    switch.arm(&FaultPlan {
        total: 0,
        faults: vec![Fault {
            kind: FaultKind::Delay(Duration::from_secs(3)),
            way: Direction::Received,
            when: When::At {
                place: Place::Any,
                times: 1,
            },
            seed: 0,
        }],
    });
    use hil_smp::message::{Command, Params};
    faulty
        .send(&Params.packet(4, hil_smp::Version::V2).unwrap())
        .unwrap();
    let second = |count| Instant::START + Duration::from_secs(count);
    assert_eq!(faulty.recv(second(2)).unwrap(), None);
    assert_eq!(switch.disarm().injected.len(), 1);
    assert!(faulty.recv(second(5)).unwrap().is_some());
}

fn rates(bound: u8) -> impl Strategy<Value = Rates> {
    let rate = || 0..bound;
    (rate(), rate(), rate(), rate(), rate(), rate()).prop_map(
        |(drop, duplicate, reorder, delay, corrupt, truncate)| Rates {
            drop,
            duplicate,
            reorder,
            delay,
            corrupt,
            truncate,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever goes wrong on a serial port: the image is there, all of it, or the client says over which link it was not
    /// to be brought there.
    #[test]
    fn faults_leave_a_whole_image_or_an_error_that_names_the_link(
        seed in any::<u64>(),
        out in rates(12),
        back in rates(12),
        len in 80usize..9_000,
        buf_count in 1u32..6,
        few_tries in any::<bool>(),
    ) {
        let mut link = application();
        link.server.buf_count = buf_count;
        let file = image(len, 3);
        let options = if few_tries { UploadOptions::default() } else { patient() };
        let ran = run(link, &plan(seed, out, back), options, &file);
        match ran.result {
            Ok(_) => {
                prop_assert_eq!(&ran.link.server.slot, &file);
                prop_assert!(ran.link.server.complete);
            }
            Err(error) => {
                prop_assert!(few_tries, "{error:?}");
                prop_assert!(error.to_string().contains("virtual link"), "{error}");
                prop_assert!(!ran.link.server.complete || ran.link.server.slot == file);
            }
        }
    }

    /// The same over a wireless link, whose packets have no checksum that could be damaged. A lost write can put the
    /// bytes of two chunks together, so only the server's comparison says that the image is right.
    #[test]
    fn lost_writes_never_end_in_a_match_of_other_bytes(
        seed in any::<u64>(),
        out in rates(10),
        back in rates(10),
        len in 80usize..9_000,
        mtu in 23u16..300,
    ) {
        let mut link = application();
        link.framing = Framing::writes(mtu);
        let file = image(len, 3);
        let wireless = |rates: Rates| Rates { corrupt: 0, ..rates };
        let ran = run(link, &plan(seed, wireless(out), wireless(back)), patient(), &file);
        match ran.result {
            Ok(_) => prop_assert_eq!(&ran.link.server.slot, &file),
            Err(error) => prop_assert!(error.to_string().contains("virtual link") || error.refused().is_some(), "{error}"),
        }
    }

    #[test]
    fn upload_completes_whatever_is_lost_repeated_or_late(
        seed in any::<u64>(),
        out in (0u8..35, 0u8..30, 0u8..30),
        back in (0u8..35, 0u8..30, 0u8..30),
        len in 80usize..12_000,
        buf_count in 1u32..6,
        forget in prop::option::of(1u32..60),
    ) {
        let mut link = application();
        link.server.buf_count = buf_count;
        link.server.forget_in = forget;
        let file = image(len, 3);
        let rates = |(drop, duplicate, delay)| Rates { drop, duplicate, delay, ..Rates::default() };
        let ran = run(link, &plan(seed, rates(out), rates(back)), patient(), &file);
        prop_assert!(ran.result.is_ok(), "{:?}", ran.result);
        prop_assert_eq!(&ran.link.server.slot, &file);
        prop_assert!(ran.link.server.complete);
        prop_assert!(ran.link.longest_packet <= 380);
    }

    /// Without a check of the whole image, a first chunk that comes late would erase what is complete; no client can
    /// help that. Loss it can.
    #[test]
    fn upload_completes_whatever_is_lost_without_any_check(
        seed in any::<u64>(),
        out in 0u8..35,
        back in 0u8..35,
        len in 80usize..12_000,
        recovery in any::<bool>(),
    ) {
        let personality = if recovery {
            Personality::Recovery { direct: false }
        } else {
            Personality::Application { image_check: false }
        };
        let file = image(len, 3);
        let lost = |drop| Rates { drop, ..Rates::default() };
        let ran = run(over_console(personality), &plan(seed, lost(out), lost(back)), patient(), &file);
        prop_assert!(ran.result.is_ok(), "{:?}", ran.result);
        prop_assert_eq!(&ran.link.server.slot, &file);
    }

    /// Damage that a checksum would have caught may spoil the image, and even the hash that goes with it; but when the
    /// server says that it matches, it does. It never hangs.
    #[test]
    fn damaged_requests_never_end_in_a_match_of_other_bytes(
        seed in any::<u64>(),
        corrupt in 1u8..40,
        len in 80usize..6000,
    ) {
        let mut link = application();
        link.framing = Framing::writes(498);
        let file = image(len, 3);
        let damage = Rates { corrupt, ..Rates::default() };
        let ran = run(link, &plan(seed, damage, Rates::default()), patient(), &file);
        if ran.result.is_ok_and(|outcome| outcome.proof == UploadProof::Matched) {
            prop_assert_eq!(&ran.link.server.slot, &file);
        }
    }

    #[test]
    fn damaged_answers_never_hang_or_panic(seed in any::<u64>(), corrupt in 1u8..60, len in 80usize..6000) {
        let mut link = application();
        link.framing = Framing::writes(498);
        let damage = Rates { corrupt, ..Rates::default() };
        let _ = run(link, &plan(seed, Rates::default(), damage), patient(), &image(len, 3));
    }
}

#[test]
fn same_seed_gives_the_same_run() {
    let run = |seed| {
        let rates = Rates {
            drop: 20,
            duplicate: 10,
            delay: 10,
            corrupt: 10,
            ..Rates::default()
        };
        let ran = run(
            application(),
            &plan(seed, rates, rates),
            patient(),
            &image(9000, 3),
        );
        ran.result.unwrap();
        (ran.log, ran.link.server.uploads)
    };
    assert_eq!(run(42), run(42));
    assert_ne!(run(42).0, run(43).0);
}
