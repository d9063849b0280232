//! Bluetooth end to end: the worker process with stock btleplug, a radio that it knows nothing of, and the boards on it.

mod support;

use hil_ble::{
    AdapterId, Address, BleError, BleLink, BleWorker, DeviceId, Failure, Patient, Peer,
    WorkerLauncher,
};
use hil_clock::{SharedClock, SystemClock};
use hil_image::{ImageBuilder, ImageVersion};
use hil_rig::{Core, ProbeSession, Recover};
use hil_smp::{Client, ClientError, TransportError, UploadOptions};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use support::DFU_HIL;
use support::boards::Boards;
use support::bus::Onlooker;

/// Where an update waits in the demo firmware's layout.
const APP_SECONDARY: u32 = 0x0004_C000;

/// Boards of a process, and a worker for their air.
struct Air {
    clock: SharedClock,
    boards: Vec<OnAir>,
    adapters: Vec<String>,
    bus: String,
    worker: Arc<BleWorker>,
    started: Boards,
}

struct OnAir {
    address: Address,
    probe: String,
}

impl Air {
    fn of(boards: usize, adapters: usize) -> Self {
        let started = Boards::start(&[
            "--boards",
            &boards.to_string(),
            "--ble-adapters",
            &adapters.to_string(),
        ]);
        let json = started.json();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let list = |value: &Value| value.as_array().expect("a list").clone();
        let clock: SharedClock = Arc::new(SystemClock::new());
        let bus = text(&json["radio"]["bus"]);
        Self {
            boards: list(&json["boards"])
                .iter()
                .map(|board| OnAir {
                    address: text(&board["ble"]["address"]).parse().expect("an address"),
                    probe: text(&board["probe"]),
                })
                .collect(),
            adapters: list(&json["radio"]["adapters"]).iter().map(text).collect(),
            worker: Arc::new(BleWorker::new(
                WorkerLauncher::new(DFU_HIL),
                Some(bus.clone()),
                clock.clone(),
            )),
            bus,
            clock,
            started,
        }
    }

    fn link(&self, adapter: &str, device: DeviceId) -> BleLink {
        let peer = Peer {
            adapter: AdapterId::from(adapter),
            device,
        };
        BleLink::new(Arc::clone(&self.worker), peer)
    }

    /// The link to a board, which takes the adapters in turn.
    fn link_to(&self, board: usize) -> BleLink {
        let adapter = &self.adapters[board % self.adapters.len()];
        self.link(adapter, DeviceId::Address(self.boards[board].address))
    }

    fn connect(&self, link: &BleLink) {
        link.connect(self.clock.now() + Duration::from_secs(120), &mut Patient)
            .expect("the board is on the air");
    }

    fn client(&self, link: &BleLink) -> Client<hil_ble::BleTransport> {
        let damaged = Box::new(|damage| panic!("a virtual radio damages nothing: {damage}"));
        Client::new(link.transport(damaged), self.clock.clone())
    }

    /// What the update slot of a board begins with.
    fn slot(&self, board: usize, length: usize) -> Vec<u8> {
        let probe = self.boards[board].probe.parse().expect("a selector");
        let session = ProbeSession::with_probe("dk", probe, Recover::Forbidden, self.clock.clone());
        let read = session.read(Core::App, APP_SECONDARY, length as u32);
        let detached = session.detach();
        detached.expect("the board is let go");
        read.expect("flash can be read")
    }

    /// Ends the worker. Links that are still held keep it.
    fn end_worker(&mut self) {
        let worker = self.worker.pid();
        let nobody = Arc::new(BleWorker::new(
            WorkerLauncher::new(DFU_HIL),
            Some(self.bus.clone()),
            self.clock.clone(),
        ));
        drop(std::mem::replace(&mut self.worker, nobody));
        if let Some(pid) = worker {
            assert!(
                !Path::new("/proc").join(pid.to_string()).exists(),
                "the worker has ended and is reaped"
            );
        }
    }

    /// Ends everything, and finds nothing left of it.
    fn end(mut self) {
        self.end_worker();
        assert_eq!(self.started.end().code(), Some(0));
        let socket = self.bus.trim_start_matches("unix:path=");
        let socket = socket.split(',').next().unwrap_or_default();
        assert!(!Path::new(socket).exists(), "{socket} is left");
    }
}

/// An image that no other board gets.
fn image_for(number: usize) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(number as u64);
    let mut payload = vec![0; 20_000 + 512 * number];
    random.fill_bytes(&mut payload);
    ImageBuilder::new(payload)
        .version(ImageVersion::new(2, 0, 0))
        .build(&mut random)
        .expect("nothing special is asked for")
}

#[test]
fn a_board_is_connected_and_told_what_the_link_is_like() {
    let air = Air::of(1, 1);
    let link = air.link_to(0);
    air.connect(&link);
    let parameters = link.parameters().expect("it is connected");
    assert_eq!(parameters.address, Some(air.boards[0].address));
    assert_eq!(parameters.mtu, 498);
    assert!(parameters.name.is_some(), "{parameters}");
    assert!(parameters.rssi.is_some(), "{parameters}");
    assert_eq!(parameters.attempts, 1);
    let mut client = air.client(&link);
    // More than one fragment, there and back.
    let text = "x".repeat(1500);
    assert_eq!(client.echo(&text).expect("it answers"), text);

    let image = image_for(1);
    let outcome = client
        .upload(&image, UploadOptions::default(), &mut |_| {
            ControlFlow::Continue(())
        })
        .expect("the upload gets through");
    assert!(
        outcome.stats.peak_in_flight > 1,
        "requests are under way at the same time: {outcome:?}"
    );
    assert_eq!(outcome.stats.timeouts, 0);
    link.disconnect();
    let error = client.echo("x").expect_err("it hung up");
    assert!(
        matches!(error, ClientError::Transport(TransportError::Lost { .. })),
        "{error:?}"
    );
    drop((client, link));
    air.end();
}

#[test]
fn boards_with_one_name_are_told_apart_by_their_addresses_only() {
    let air = Air::of(2, 1);
    let first = air.link_to(0);
    air.connect(&first);
    let name = first
        .parameters()
        .and_then(|found| found.name)
        .expect("it has a name");
    first.disconnect();

    let deadline = air.clock.now() + Duration::from_secs(60);
    for device in [DeviceId::Name(name), DeviceId::SmpService] {
        let error = air
            .link(&air.adapters[0], device)
            .connect(deadline, &mut Patient)
            .expect_err("there are two");
        let text = error.to_string();
        for board in &air.boards {
            assert!(text.contains(&board.address.to_string()), "{text}");
        }
        assert!(
            error
                .help()
                .is_some_and(|help| help.contains("ble.address"))
        );
    }
    let second = air.link_to(1);
    air.connect(&second);
    assert_eq!(
        second.parameters().and_then(|found| found.address),
        Some(air.boards[1].address)
    );
    drop((first, second));
    air.end();
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let air = Air::of(1, 1);
    let deadline = air.clock.now() + Duration::from_secs(2);
    let nobody = DeviceId::Address("C0:FF:EE:00:00:01".parse().expect("an address"));
    let error = air
        .link(&air.adapters[0], nobody)
        .connect(deadline, &mut Patient)
        .expect_err("nobody has this address");
    assert!(error.may_be_the_board());
    let text = error.to_string();
    assert!(text.contains(&air.boards[0].address.to_string()), "{text}");

    let error = air
        .link("hci9", DeviceId::SmpService)
        .connect(deadline, &mut Patient)
        .expect_err("there is no such adapter");
    assert!(!error.may_be_the_board());
    assert!(
        matches!(error, BleError::Link(Failure::NoAdapter { .. })),
        "{error}"
    );
    assert!(error.to_string().contains(&air.adapters[0]), "{error}");
    air.end();
}

#[test]
fn sixteen_uploads_at_once_on_two_adapters_land_each_on_its_own_board() {
    const BOARDS: usize = 16;
    let air = Air::of(BOARDS, 2);
    std::thread::scope(|scope| {
        for board in 0..BOARDS {
            let air = &air;
            scope.spawn(move || {
                let link = air.link_to(board);
                air.connect(&link);
                air.client(&link)
                    .upload(&image_for(board), UploadOptions::default(), &mut |_| {
                        ControlFlow::Continue(())
                    })
                    .unwrap_or_else(|error| panic!("board {board}: {error:?}"));
            });
        }
    });
    for board in 0..BOARDS {
        let image = image_for(board);
        assert!(
            air.slot(board, image.len()) == image,
            "board {board} has its own image"
        );
    }
    air.end();
}

/// Breaks a link off at random moments of uploads, on this side or (one time in eight) by a reset of the board, until it
/// was done so often. Every upload has to end with the right bytes in the slot.
#[test]
fn two_hundred_disconnects_leave_the_right_bytes_and_nothing_else() {
    const DISCONNECTS: usize = 200;
    let mut air = Air::of(1, 1);
    let onlooker = Onlooker::new(&air.bus);
    let before = onlooker.names();
    let mut with_worker = None;
    let mut random = ChaCha8Rng::seed_from_u64(20_250);
    let mut disconnects = 0;
    let mut uploads = 0;
    let probe = air.boards[0].probe.parse().expect("a selector");
    let session = ProbeSession::with_probe("dk", probe, Recover::Forbidden, air.clock.clone());
    while disconnects < DISCONNECTS {
        uploads += 1;
        let image = image_for(uploads);
        loop {
            let link = air.link_to(0);
            air.connect(&link);
            with_worker.get_or_insert_with(|| onlooker.names());
            // Often at the start, where a link is young, and sometimes not at all.
            let after = random.next_u32() % 24;
            let by_reset = random.next_u32().is_multiple_of(8);
            let mut steps = 0;
            let mut client = air.client(&link);
            let result = client.upload(&image, UploadOptions::default(), &mut |_| {
                steps += 1;
                if steps == after {
                    if by_reset {
                        session.reset().expect("the board can be reset");
                    } else {
                        link.disconnect();
                    }
                }
                ControlFlow::Continue(())
            });
            match result {
                Ok(_) => break,
                Err(ClientError::Transport(TransportError::Lost { .. })) => disconnects += 1,
                // A reset between a request and its answer, which the client waited for before the link was missed.
                Err(ClientError::Upload { source, .. }) => panic!("upload {uploads}: {source}"),
                Err(error) => panic!("upload {uploads}: {error:?}"),
            }
        }
        assert!(
            air.slot(0, image.len()) == image,
            "upload {uploads} after {disconnects} disconnects"
        );
    }
    println!("{uploads} uploads got through {disconnects} disconnects");
    drop(session);
    let with_worker = with_worker.expect("there was a link");
    assert_eq!(
        with_worker.len(),
        before.len() + 1,
        "the worker has one name: {before:?}, {with_worker:?}"
    );
    println!("names on the bus: {before:?}, with the worker {with_worker:?}");
    onlooker.until_names_are(&with_worker, &*air.clock);
    air.end_worker();
    onlooker.until_names_are(&before, &*air.clock);
    drop(onlooker);
    air.end();
}

#[test]
fn a_worker_that_hangs_in_mid_upload_is_killed_and_is_trouble_of_the_bench() {
    let air = Air::of(1, 1);
    let link = air.link_to(0);
    air.connect(&link);
    let stopped = air.worker.pid().expect("it runs");
    let mut client = air.client(&link);
    let mut steps = 0;
    let error = client
        .upload(&image_for(4), UploadOptions::default(), &mut |_| {
            steps += 1;
            if steps == 3 {
                let stop = Command::new("kill")
                    .args(["-STOP", &stopped.to_string()])
                    .status();
                assert!(stop.expect("there is a `kill` command").success());
            }
            ControlFlow::Continue(())
        })
        .expect_err("the worker does nothing any more");
    let ClientError::Transport(TransportError::Link { source, .. }) = &error else {
        panic!("it is the bench: {error:?}");
    };
    assert_eq!(
        source.to_string(),
        "the Bluetooth worker has not reacted for 7s while writing a request, and was killed"
    );
    assert!(!Path::new("/proc").join(stopped.to_string()).exists());
    drop((client, link));
    air.end();
}

#[test]
fn a_worker_that_is_killed_in_mid_upload_is_trouble_of_the_bench_and_replaced() {
    let air = Air::of(1, 1);
    let link = air.link_to(0);
    air.connect(&link);
    let killed = air.worker.pid().expect("it runs");
    let mut client = air.client(&link);
    let image = image_for(3);
    let mut steps = 0;
    let error = client
        .upload(&image, UploadOptions::default(), &mut |_| {
            steps += 1;
            if steps == 3 {
                let kill = Command::new("kill")
                    .args(["-9", &killed.to_string()])
                    .status();
                assert!(kill.expect("there is a `kill` command").success());
            }
            ControlFlow::Continue(())
        })
        .expect_err("the worker is gone");
    let ClientError::Transport(TransportError::Link { source, help, .. }) = &error else {
        panic!("it is the bench: {error:?}");
    };
    assert!(source.to_string().contains("signal: 9"), "{source}");
    assert!(help.is_some());

    // The system still has the connection of the worker that was killed.
    air.connect(&link);
    assert_ne!(air.worker.pid(), Some(killed));
    client
        .upload(&image, UploadOptions::default(), &mut |_| {
            ControlFlow::Continue(())
        })
        .expect("the upload gets through now");
    assert!(air.slot(0, image.len()) == image);
    drop((client, link));
    air.end();
}
