//! Uses one probe as the harness does, for the log of what that does to the chip: what `tools/bench-vm/run --probes` runs in the VM.
//!
//! * `bench_probe SELECTOR`: a probe in probe-rs's form, whose board's flash may be erased. Tells what it found.
//! * `bench_probe virtual`: a virtual DK and its own probe. Prints the log.

mod steps;

use hil_clock::{SharedClock, SystemClock};
use hil_rig::{ProbeSession, Recover};
use std::error::Error;
use std::sync::Arc;
use virtual_dk::firmware::StockFirmware;
use virtual_dk::{VirtualDk, VirtualDkOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let probe = std::env::args().nth(1).ok_or("which probe?")?;
    if probe == "virtual" {
        let dk = VirtualDk::start(VirtualDkOptions::default(), Arc::new(StockFirmware))?;
        dk.start_debug_log();
        eprintln!("{}", use_probe(&dk.endpoints().probe)?);
        print!("{}", dk.take_debug_log());
    } else {
        println!("{}", use_probe(&probe)?);
    }
    Ok(())
}

/// What the probe is, and how long it took.
fn use_probe(selector: &str) -> Result<String, Box<dyn Error>> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let started = clock.now();
    let selector = selector.parse()?;
    let probe = ProbeSession::with_probe("board", selector, Recover::Allowed, Arc::clone(&clock));
    steps::use_probe(&probe)?;
    let took = (clock.now() - started).as_secs_f64();
    let firmware = probe.firmware();
    let name = firmware.as_deref().unwrap_or("a probe without a name");
    Ok(format!("{name}, {took:.1} s"))
}
