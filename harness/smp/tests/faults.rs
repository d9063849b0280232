//! Uploads over links that lose, repeat, delay and damage packets, in simulated time.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod support;

use hil_clock::SimClock;
use hil_smp::{
    Client, ClientError, ClientOptions, FaultPlan, FaultRates, Faulty, Patience, UploadOptions,
    UploadOutcome, UploadProof,
};
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use support::{Personality, Server, VirtualLink, image};

/// So patient that a link which loses every third packet is no reason to give up.
fn patient() -> UploadOptions {
    UploadOptions {
        attempts: 60,
        first_attempts: 30,
        restarts: 30,
        ..UploadOptions::default()
    }
}

fn run(
    server: Server,
    plan: FaultPlan,
    file: &[u8],
) -> (Result<UploadOutcome, ClientError>, VirtualLink) {
    let clock = SimClock::new();
    let link = VirtualLink::new(clock.clone(), server);
    let faulty = Faulty::new(link, Arc::new(clock.clone()), plan);
    let options = ClientOptions {
        patience: Patience {
            timeout: Duration::from_millis(2500),
            attempts: 60,
        },
        ..ClientOptions::default()
    };
    let mut client = Client::with_options(faulty, Arc::new(clock), options);
    let result = client.upload(file, patient(), &mut |_| ControlFlow::Continue(()));
    (result, client.into_transport().into_inner())
}

fn rates(drop: u8, duplicate: u8, delay: u8) -> FaultRates {
    FaultRates {
        drop,
        duplicate,
        delay,
        corrupt: 0,
    }
}

fn plan(seed: u64, sent: FaultRates, received: FaultRates) -> FaultPlan {
    FaultPlan {
        seed,
        sent,
        received,
        longest_delay: Duration::from_millis(300),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn upload_completes_whatever_is_lost_repeated_or_late(
        seed in any::<u64>(),
        out in (0u8..35, 0u8..30, 0u8..30),
        back in (0u8..35, 0u8..30, 0u8..30),
        len in 80usize..12_000,
        buf_count in 1u32..6,
        forget in prop::option::of(1u32..60),
    ) {
        let mut server = Server::new(Personality::Application { image_check: true });
        server.buf_count = buf_count;
        server.forget_in = forget;
        let file = image(len, 3);
        let plan = plan(seed, rates(out.0, out.1, out.2), rates(back.0, back.1, back.2));
        let (result, link) = run(server, plan, &file);
        prop_assert!(result.is_ok(), "{result:?}");
        prop_assert_eq!(&link.server.slot, &file);
        prop_assert!(link.server.complete);
        prop_assert!(link.longest_packet <= 380);
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
        let plan = plan(seed, rates(out, 0, 0), rates(back, 0, 0));
        let (result, link) = run(Server::new(personality), plan, &file);
        prop_assert!(result.is_ok(), "{result:?}");
        prop_assert_eq!(&link.server.slot, &file);
    }

    /// Damage that a checksum would have caught may spoil the image, and even the hash that goes with it; but when the
    /// server says that it matches, it does. It never hangs.
    #[test]
    fn damaged_requests_never_end_in_a_match_of_other_bytes(
        seed in any::<u64>(),
        corrupt in 1u8..40,
        len in 80usize..6000,
    ) {
        let server = Server::new(Personality::Application { image_check: true });
        let file = image(len, 3);
        let damage = FaultRates { corrupt, ..FaultRates::default() };
        let (result, link) = run(server, plan(seed, damage, FaultRates::default()), &file);
        if result.is_ok_and(|outcome| outcome.proof == UploadProof::Matched) {
            prop_assert_eq!(&link.server.slot, &file);
        }
    }

    #[test]
    fn damaged_answers_never_hang_or_panic(seed in any::<u64>(), corrupt in 1u8..60, len in 80usize..6000) {
        let server = Server::new(Personality::Application { image_check: true });
        let damage = FaultRates { corrupt, ..FaultRates::default() };
        let _ = run(server, plan(seed, FaultRates::default(), damage), &image(len, 3));
    }
}

#[test]
fn same_seed_gives_the_same_run() {
    let run = || {
        let server = Server::new(Personality::Application { image_check: true });
        let plan = plan(42, rates(20, 10, 10), rates(20, 10, 10));
        let (result, link) = run(server, plan, &image(9000, 3));
        (result.unwrap(), link.server.uploads)
    };
    assert_eq!(run(), run());
}
