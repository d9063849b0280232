//! Reading and programming the external flash through the QSPI registers, on the virtual DK.
//!
//! Once with flash and wires that take no time, so that what is measured is the way to them, and once at the pace of a
//! DK. Prints numbers and judges nothing: `cargo bench -p hil-rig --bench external_flash`.

use hil_clock::{SharedClock, SystemClock};
use hil_rig::{Core, FlashImage, ProbeSession, ProgramOptions, Recover};
use std::error::Error;
use std::sync::Arc;
use virtual_dk::bus::{CoreBus, Firmware, Stopped};
use virtual_dk::{Speed, VirtualDk, VirtualDkOptions};

const WINDOW: u32 = 0x1000_0000;
const MIB: u32 = 1 << 20;

/// Nothing runs on the board.
#[derive(Debug)]
struct Idle;

impl Firmware for Idle {
    fn run(&self, bus: &mut dyn CoreBus) -> Stopped {
        bus.hang()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    for (pace, speed) in [
        ("no time", Speed::Instant),
        ("a DK's pace", Speed::Factor(1.0)),
    ] {
        let options = VirtualDkOptions {
            speed,
            ..VirtualDkOptions::default()
        };
        let dk = VirtualDk::start(options, Arc::new(Idle))?;
        let clock: SharedClock = Arc::new(SystemClock::new());
        let probe = ProbeSession::with_probe(
            "dk",
            dk.endpoints().probe.parse()?,
            Recover::Forbidden,
            Arc::clone(&clock),
        );
        let image = image(256 << 10)?;
        let options = ProgramOptions::default();
        let time = |what: &str, bytes: u32, job: &dyn Fn() -> Result<(), Box<dyn Error>>| {
            let start = clock.now();
            job()?;
            let took = (clock.now() - start).as_secs_f64();
            let rate = f64::from(bytes) / 1e6 / took;
            println!("  {what:<44} {took:>8.3} s  {rate:>7.2} MB/s");
            Ok::<(), Box<dyn Error>>(())
        };
        println!("external flash, {pace}:");
        time("program 256 KiB, blank, and verify", 256 << 10, &|| {
            probe.program(&image, &options, &mut |_| {})?;
            Ok(())
        })?;
        time("program it again: nothing differs", 256 << 10, &|| {
            probe.program(&image, &options, &mut |_| {})?;
            Ok(())
        })?;
        time("read a slot of 256 KiB", 256 << 10, &|| {
            probe.read(Core::App, WINDOW, 256 << 10)?;
            Ok(())
        })?;
        time("read all 8 MiB", 8 * MIB, &|| {
            probe.read(Core::App, WINDOW, 8 * MIB)?;
            Ok(())
        })?;
    }
    Ok(())
}

fn image(size: usize) -> Result<FlashImage, Box<dyn Error>> {
    let mut state = 1u32;
    let noise: Vec<u8> = (0..size)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    let mut image = FlashImage::new();
    image.add_segment(WINDOW, &noise)?;
    Ok(image)
}
