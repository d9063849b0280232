//! A worker that is not what it should be is told in words, and nothing of it is left.
//!
//! The workers are shell scripts. Waiting is simulated: a worker that is silent for half a minute costs no time.

#![cfg(unix)]

use hil_ble::{AdapterId, BleError, BleLink, BleWorker, DeviceId, Patient, Peer, WorkerLauncher};
use hil_clock::{Clock, SharedClock, SimClock, SystemClock};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn worker(script: &str, clock: &SharedClock) -> Arc<BleWorker> {
    let mut launcher = WorkerLauncher::new("sh");
    launcher.args = vec!["-c".into(), script.into()];
    Arc::new(BleWorker::new(launcher, None, clock.clone()))
}

fn connect(worker: &Arc<BleWorker>, clock: &dyn Clock) -> BleError {
    let peer = Peer {
        adapter: AdapterId::from("hci0"),
        device: DeviceId::SmpService,
    };
    let link = BleLink::new(Arc::clone(worker), peer);
    link.connect(clock.now() + Duration::from_secs(5), &mut Patient)
        .expect_err("this is no worker")
}

fn real() -> SharedClock {
    Arc::new(SystemClock::new())
}

#[test]
fn a_worker_that_ends_at_once_is_told_with_how_it_ended() {
    let clock = real();
    let error = connect(&worker("exit 3", &clock), &*clock);
    assert_eq!(
        error.to_string(),
        "the Bluetooth worker has ended by itself: exit status: 3"
    );
    assert!(!error.may_be_the_board());
    assert!(error.help().is_some());
}

#[test]
fn a_worker_that_is_killed_is_told_with_the_signal() {
    let clock = real();
    let error = connect(&worker("kill -9 $$", &clock), &*clock);
    assert!(error.to_string().contains("signal: 9"), "{error}");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let clock = real();
    let launcher = WorkerLauncher::new("/nonexistent/dfu-hil");
    let worker = Arc::new(BleWorker::new(launcher, None, clock.clone()));
    let error = connect(&worker, &*clock);
    assert!(
        error.to_string().contains("`/nonexistent/dfu-hil`"),
        "{error}"
    );
}

#[test]
fn a_worker_of_another_version_is_refused() {
    let clock = real();
    // {"Hello": {"version": 99}}, in a frame.
    let hello = r"\000\000\000\022\241eHello\241gversion\030c";
    let error = connect(
        &worker(&format!("printf '{hello}'; cat >/dev/null"), &clock),
        &*clock,
    );
    assert_eq!(
        error.to_string(),
        "the Bluetooth worker speaks version 99 of the protocol, expected 1"
    );
}

#[test]
fn a_worker_that_writes_nonsense_is_refused() {
    let clock = real();
    let error = connect(
        &worker("echo hello, I am a shell; cat >/dev/null", &clock),
        &*clock,
    );
    assert!(error.to_string().contains("bytes was announced"), "{error}");
}

#[test]
fn a_worker_that_says_nothing_is_killed() {
    let clock: SharedClock = Arc::new(SimClock::new());
    let mark = std::env::temp_dir().join(format!("hil-ble-silent-{}", std::process::id()));
    let script = format!("echo $$ > {}; exec sleep 1000", mark.display());
    let error = connect(&worker(&script, &clock), &*clock);
    assert_eq!(
        error.to_string(),
        "the Bluetooth worker has not reacted for 30s while starting, and was killed"
    );
    if let Ok(pid) = std::fs::read_to_string(&mark) {
        let process = Path::new("/proc").join(pid.trim());
        assert!(!process.join("cmdline").exists(), "it is reaped");
        std::fs::remove_file(&mark).expect("it was there");
    }
}
