//! How many cut points a second a sweep visits, of a swap to the demo's update of 100 KiB: by the bootloader model alone, on one
//! core, and through the full interfaces, which are the probe, serial port and supply of one virtual board whose flash takes no
//! time, so that nothing but the harness and the interfaces is measured.
//!
//! `cargo bench -p hil-bootloader --bench sweep` measures the model with more images. Prints numbers and judges nothing:
//! `cargo bench -p dfu-hil --bench sweep`.

use hil_bootloader::sweep::Sweep;
use hil_bootloader::{Cut, DeviceId, Keys, NetworkCore, Pending, SimFlash, set_pending};
use hil_image::PublicKey;
use hil_record::{EventKind, RunDirectory, read_journal};
use std::error::Error;
use std::fs;
use std::process::Command;
use std::time::Duration;
use virtual_dk::demo::{DemoSet, Variant};

const DFU_HIL: &str = env!("CARGO_BIN_EXE_dfu-hil");

/// Points through the interfaces.
const POINTS: &str = "sample:60";

/// The fewest points of the model.
const LEAST: u32 = 40_000;

const SCENARIO: &str = "\
scenario: swap
summary: A swap is finished wherever it is interrupted.
needs: { bootloader: { mode: swap-move } }
steps:
  - program: baseline
  - expect_boot: { app: baseline, within: 20s }
  - upload: { image: big.app }
  - mark: { image: big.app, as: test }
  - sweep: { cuts: every, boots: [big], within: 20s, off_for: 0s }
  - expect_boot: { app: big, state: testing, within: 20s }
";

fn main() -> Result<(), Box<dyn Error>> {
    by_the_model()?;
    through_the_interfaces()
}

/// The start from the flash that the scenario leaves, of the application core alone.
fn by_the_model() -> Result<(), Box<dyn Error>> {
    let set = DemoSet::generate(Variant::default());
    let file = |path: &str| {
        set.file(path)
            .ok_or_else(|| format!("the demo has no {path}"))
    };
    let mut config = Variant::default().bootloader();
    config.network_core = NetworkCore::None;
    let keys = Keys {
        signing: vec![PublicKey::from_pem(std::str::from_utf8(file(
            "keys/signing.pub.pem",
        )?)?)?],
        encryption: None,
    };
    let slots = *config.images.first().ok_or("no slots")?;
    let end = slots.secondary.offset + slots.secondary.size;
    let mut flash = SimFlash::new().with_device(
        DeviceId::AppFlash,
        end,
        config.write_size,
        config.sector_size,
    );
    let big = file("big/app_update.bin")?;
    let running = file("baseline/app_update.bin")?;
    flash.edit(DeviceId::AppFlash, slots.primary.offset, running);
    flash.edit(DeviceId::AppFlash, slots.secondary.offset, big);
    set_pending(&config, &mut flash, 0, Pending::Test)?;
    let sweep = Sweep::plan(&config, keys, &flash)?;
    let operations = u32::try_from(sweep.operations().len())?;
    let mut explorer = sweep.explorer();
    let (mut points, mut different) = (0_u32, 0_u32);
    let (took, visited) = timed(|| -> Result<(), Box<dyn Error>> {
        while points < LEAST {
            for ops in 0..operations {
                let point = explorer.visit(Cut { ops, torn: 0 })?.ok_or("no such cut")?;
                different += u32::from(!point.same_end);
                points += 1;
            }
        }
        Ok(())
    });
    visited?;
    println!(
        "by the model alone: image of {} bytes, {operations} flash operations: {points} points in {:.2} s, {:.0} per second and \
         core; {different} ended otherwise than uninterrupted",
        big.len(),
        took.as_secs_f64(),
        f64::from(points) / took.as_secs_f64().max(f64::MIN_POSITIVE)
    );
    Ok(())
}

fn through_the_interfaces() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("swap.yaml"), SCENARIO)?;
    fs::write(
        folder.path().join("rig.yaml"),
        "rig: bench\nboards:\n  - name: dk\n    virtual: { count: 1, speed: instant }\n",
    )?;
    let command = |args: &[&str]| -> Result<(), Box<dyn Error>> {
        let output = Command::new(DFU_HIL)
            .current_dir(folder.path())
            .args(args)
            .output()?;
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stdout).into_owned().into())
        }
    };
    command(&["demo-firmware", "fw"])?;
    command(&[
        "run",
        "swap.yaml",
        "--rig",
        "rig.yaml",
        "--firmware",
        "fw/firmware.yaml",
        "--sweep",
        POINTS,
    ])?;
    let runs = fs::read_dir(folder.path().join("reports/runs"))?;
    for run in runs {
        let journal = read_journal(&RunDirectory::at(run?.path()).journal())?;
        for event in journal.events {
            if let EventKind::SweepFinished(totals) = event.kind {
                println!("through the full interfaces of one board: {totals}");
            }
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let began = std::time::Instant::now();
    let result = work();
    (began.elapsed(), result)
}
