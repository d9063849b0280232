//! Programming and verifying 1 MiB of application flash: the harness beside the stock probe library.
//!
//! Both start from a closed probe and end with a closed one, on the same virtual DK, whose flash takes no time,
//! so that what is measured is the way to it. Prints numbers and judges nothing: `cargo bench -p hil-rig`.

use hil_clock::{SharedClock, SystemClock};
use hil_rig::{FlashImage, ProbeSession, ProgramOptions, ProgramPhase, Recover};
use probe_rs::Permissions;
use probe_rs::flashing::{DownloadOptions, FlashProgress};
use probe_rs::probe::list::Lister;
use probe_rs::probe::{DebugProbeSelector, WireProtocol};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use virtual_dk::bus::{CoreBus, Firmware, Stopped};
use virtual_dk::{Speed, VirtualDk, VirtualDkOptions};

const SIZE: usize = 1 << 20;
const ROUNDS: usize = 11;

/// Nothing runs on the board.
#[derive(Debug)]
struct Idle;

impl Firmware for Idle {
    fn run(&self, bus: &mut dyn CoreBus) -> Stopped {
        bus.hang()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = VirtualDkOptions {
        speed: Speed::Instant,
        ..VirtualDkOptions::default()
    };
    let dk = VirtualDk::start(options, Arc::new(Idle))?;
    let clock: SharedClock = Arc::new(SystemClock::new());
    let selector = dk.endpoints().probe.clone();
    let ours = ProbeSession::with_probe(
        "dk",
        selector.parse()?,
        Recover::Forbidden,
        Arc::clone(&clock),
    );
    let (first, second) = (noise(1), noise(2));

    // Not counted: the first session of either reads the registry of targets.
    stock(&selector, &first)?;
    harness(&ours, &second)?;

    let mut rows: [Vec<Duration>; 6] = Default::default();
    for _ in 0..ROUNDS {
        let mut time = |row: usize, run: &dyn Fn() -> Result<(), Box<dyn Error>>| {
            let start = clock.now();
            run()?;
            rows[row].push(clock.now() - start);
            Ok::<(), Box<dyn Error>>(())
        };
        time(0, &|| stock(&selector, &first))?;
        time(1, &|| harness(&ours, &second))?;
        time(2, &|| harness(&ours, &second))?;
        time(3, &|| stock(&selector, &second))?;
        ours.erase()?;
        time(4, &|| stock(&selector, &first))?;
        ours.erase()?;
        time(5, &|| harness(&ours, &second))?;
    }
    let [
        stock_other,
        ours_other,
        ours_same,
        stock_same,
        stock_blank,
        ours_blank,
    ] = rows;
    println!(
        "program and verify 1 MiB of application flash, median and shortest of {ROUNDS} in turn:"
    );
    print("all pages differ", ours_other, stock_other);
    print("flash is blank", ours_blank, stock_blank);
    print("unchanged image", ours_same, stock_same);
    print_phases(&ours, &clock, &first)?;
    print_phases(&ours, &clock, &first)?;
    Ok(())
}

/// The median suffers from whatever else the machine does; the shortest time hardly does.
fn print(what: &str, ours: Vec<Duration>, stock: Vec<Duration>) {
    let ([ours, ours_best], [stock, stock_best]) = (median_and_best(ours), median_and_best(stock));
    println!(
        "  {what:<18} dfu-hil {:>7.1} ms   probe-rs {:>7.1} ms   ratio {:.3}   shortest {:>7.1} / {:>7.1} ms   ratio {:.3}",
        ours * 1e3,
        stock * 1e3,
        ours / stock,
        ours_best * 1e3,
        stock_best * 1e3,
        ours_best / stock_best
    );
}

/// Prints where the time of one programming goes, up to the last report of each phase.
fn print_phases(
    probe: &ProbeSession,
    clock: &SharedClock,
    data: &[u8],
) -> Result<(), Box<dyn Error>> {
    let mut image = FlashImage::new();
    image.add_segment(0, data)?;
    let start = clock.now();
    let mut phases: Vec<(ProgramPhase, Duration)> = Vec::new();
    probe.program(&image, &ProgramOptions::default(), &mut |progress| {
        let now = clock.now() - start;
        match phases.last_mut() {
            Some((phase, until)) if *phase == progress.phase => *until = now,
            _ => phases.push((progress.phase, now)),
        }
    })?;
    print!("  one run, phases end at:");
    for (phase, until) in phases {
        print!(" {phase:?} {:.1} ms;", until.as_secs_f64() * 1e3);
    }
    println!(" done {:.1} ms", (clock.now() - start).as_secs_f64() * 1e3);
    Ok(())
}

fn harness(probe: &ProbeSession, data: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut image = FlashImage::new();
    image.add_segment(0, data)?;
    probe.program(&image, &ProgramOptions::default(), &mut |_| {})?;
    Ok(())
}

/// What a user of the probe library writes.
fn stock(selector: &str, data: &[u8]) -> Result<(), Box<dyn Error>> {
    let selector: DebugProbeSelector = selector.parse()?;
    // The probe that was closed a moment ago may still be in use.
    let mut attempts = 0;
    let mut probe = loop {
        match Lister::new().open(selector.clone()) {
            Ok(probe) => break probe,
            Err(error) if attempts == 50 => return Err(error.into()),
            Err(_) => attempts += 1,
        }
    };
    probe.select_protocol(WireProtocol::Swd)?;
    // The description with both cores cannot attach while the network core is held off.
    let mut session = probe.attach("nRF5340_xxAA_APPONLY", Permissions::new())?;
    let mut loader = session.target().flash_loader();
    loader.add_data(0, data)?;
    let mut options = DownloadOptions::default();
    options.verify = true;
    options.progress = FlashProgress::empty();
    loader.commit(&mut session, options)?;
    Ok(())
}

fn noise(seed: u32) -> Vec<u8> {
    let mut state = seed;
    (0..SIZE)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

/// In seconds.
fn median_and_best(mut times: Vec<Duration>) -> [f64; 2] {
    times.sort_unstable();
    [times[times.len() / 2], times[0]].map(|time| time.as_secs_f64())
}
