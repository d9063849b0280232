//! What the harness does to a chip does not depend on how its probe reaches the chip.
//!
//! Here that is the Black Magic protocol, with accelerators, and without them bit by bit, for which probe-rs has the same code as for a
//! J-Link (`probe-rs probe-rs/src/architecture/arm/traits/polyfill.rs`). Its drivers for J-Link and CMSIS-DAP take what they speak to from
//! nusb alone, and that from a kernel: `tools/bench-vm/run --probes` compares those with the same snapshot.

#[path = "../examples/bench_probe/steps.rs"]
mod steps;

use hil_clock::{SharedClock, SystemClock};
use hil_rig::{ProbeSession, Recover};
use rstest::rstest;
use std::sync::Arc;
use virtual_dk::firmware::StockFirmware;
use virtual_dk::{Accelerators, VirtualDk, VirtualDkOptions};

#[rstest]
#[case::with_accelerators(Accelerators::On)]
#[case::bit_by_bit(Accelerators::Off)]
fn the_same_steps_do_the_same_to_the_chip(#[case] accelerators: Accelerators) {
    // As delivered.
    let options = VirtualDkOptions {
        accelerators,
        ..VirtualDkOptions::default()
    };
    let dk = VirtualDk::start(options, Arc::new(StockFirmware)).unwrap();
    let clock: SharedClock = Arc::new(SystemClock::new());
    let selector = dk.endpoints().probe.parse().unwrap();
    let probe = ProbeSession::with_probe("dk", selector, Recover::Allowed, clock);
    dk.start_debug_log();
    steps::use_probe(&probe).unwrap();
    let log = dk.take_debug_log();
    insta::assert_snapshot!("operations", log.operations());
}
