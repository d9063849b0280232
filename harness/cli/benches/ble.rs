//! How fast an upload is over Bluetooth: stock btleplug, a D-Bus and a worker in between, on the virtual air with the
//! timing of a real one, for one, two and four requests under way.
//!
//! The limit that it is held against is the air's: a request of 2,475 bytes is five ATT packets of 498, which fit one
//! connection event of 15 ms at 2M; its answer comes in the next event. So one request at a time takes two events, and
//! more of them fill every event. The board's flash takes no time here, so that nothing but the link is measured.
//!
//! Prints numbers and judges nothing: `cargo bench -p dfu-hil --bench ble`.

use hil_ble::{AdapterId, BleLink, BleWorker, DeviceId, Patient, Peer, WorkerLauncher};
use hil_clock::{SharedClock, SystemClock};
use hil_image::{ImageBuilder, ImageVersion};
use hil_smp::{Client, UploadOptions};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::Value;
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const DFU_HIL: &str = env!("CARGO_BIN_EXE_dfu-hil");
const MTU: u64 = 498;
const INTERVAL: Duration = Duration::from_millis(15);
/// Bytes of the server's buffer, and of image data in a request that fills it.
const REQUEST: u64 = 2475;
const DATA: u64 = 2449;
/// An ATT packet of 498 bytes is two PDUs of 251 bytes, 1,408 us each with everything around them at 2M; 300 us of an
/// event are not for data.
const ATT_PACKET_US: u64 = 2 * 1408;
const EVENT_OVERHEAD_US: u64 = 300;
/// Bytes of the image: most of the demo firmware's slot.
const IMAGE: usize = 200_000;
const RUNS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let interval = INTERVAL.as_micros().to_string();
    let mut process = Command::new(DFU_HIL)
        .args(["virtual-dk", "--json", "--speed", "instant"])
        .args(["--ble-timing", "realistic", "--ble-phy", "2m"])
        .args([
            "--ble-mtu",
            &MTU.to_string(),
            "--ble-interval-us",
            &interval,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let json: Value = serde_json::from_str(&line)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("no radio");
    let clock: SharedClock = Arc::new(SystemClock::new());
    let worker = Arc::new(BleWorker::new(
        WorkerLauncher::new(DFU_HIL),
        Some(text(&json["radio"]["bus"])?),
        clock.clone(),
    ));
    let peer = Peer {
        adapter: AdapterId::from(text(&json["radio"]["adapters"][0])?.as_str()),
        device: DeviceId::Address(text(&json["boards"][0]["ble"]["address"])?.parse()?),
    };
    let link = BleLink::new(worker, peer);
    let parameters = link.connect(clock.now() + Duration::from_secs(60), &mut Patient)?;
    println!("{parameters}");
    println!("upload of {IMAGE} bytes, best of {RUNS}; 1 kB is 1,000 bytes:");
    println!("  window  under way  kB/s  limit  of limit");
    for window in [1, 2, 4] {
        let mut best: f64 = 0.0;
        let mut peak = 0;
        for run in 0..RUNS {
            // Another image each time: a server that has it already would say so at once.
            let image = image(window * 10 + run);
            let mut client = Client::new(link.transport(Box::new(|_| {})), clock.clone());
            let options = UploadOptions {
                window_limit: Some(window),
                ..UploadOptions::default()
            };
            let begun = clock.now();
            let outcome = client.upload(&image, options, &mut |_| ControlFlow::Continue(()))?;
            let took = clock.now() - begun;
            best = best.max(image.len() as f64 / took.as_secs_f64() / 1000.0);
            peak = peak.max(outcome.stats.peak_in_flight);
        }
        let limit = limit(u64::from(peak));
        println!(
            "  {window:<6}  {peak:<9}  {best:<4.1}  {limit:<5.1}  {:.0} %",
            best / limit * 100.0
        );
    }
    link.disconnect();
    drop(process.stdin.take());
    process.wait()?;
    Ok(())
}

/// kB/s of image data that the air carries with so many requests under way.
fn limit(window: u64) -> f64 {
    let interval = INTERVAL.as_secs_f64();
    let usable = INTERVAL.as_micros() as u64 - EVENT_OVERHEAD_US;
    let packets_per_event = usable / ATT_PACKET_US;
    let packets = REQUEST.div_ceil(MTU - 3);
    let events = packets.div_ceil(packets_per_event);
    let one = DATA as f64 / ((events + 1) as f64 * interval) / 1000.0;
    let full = (packets_per_event * (MTU - 3)) as f64 / interval / 1000.0;
    (one * window as f64).min(full * DATA as f64 / REQUEST as f64)
}

fn image(seed: usize) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(seed as u64);
    let mut payload = vec![0; IMAGE];
    random.fill_bytes(&mut payload);
    ImageBuilder::new(payload)
        .version(ImageVersion::new(2, 0, 0))
        .build(&mut random)
        .unwrap_or_default()
}
