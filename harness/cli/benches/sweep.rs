//! How many cut points a second are visited through the full interfaces: probe, serial port and supply of one virtual board
//! whose flash takes no time, so that nothing but the harness and the interfaces is measured.
//!
//! `cargo bench -p hil-bootloader --bench sweep` measures the same without a board. Prints numbers and judges nothing:
//! `cargo bench -p dfu-hil --bench sweep`.

use hil_record::{EventKind, RunDirectory, read_journal};
use std::error::Error;
use std::fs;
use std::process::Command;

const DFU_HIL: &str = env!("CARGO_BIN_EXE_dfu-hil");

/// Points of a measurement.
const POINTS: &str = "sample:40";

const SCENARIO: &str = "\
scenario: swap
summary: A swap is finished wherever it is interrupted.
needs: { bootloader: { mode: swap-move } }
steps:
  - program: baseline
  - expect_boot: { app: baseline, within: 20s }
  - upload: { image: update.app }
  - mark: { image: update.app, as: test }
  - sweep: { cuts: every, boots: [update], within: 20s, off_for: 0s }
  - expect_boot: { app: update, state: testing, within: 20s }
";

fn main() -> Result<(), Box<dyn Error>> {
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
        let points: Vec<u64> = journal
            .events
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::SweepPoint(point) => Some(point.took_ms),
                _ => None,
            })
            .collect();
        let took = points.iter().sum::<u64>() as f64 / 1000.0;
        println!(
            "through the full interfaces: {} points in {took:.2} s, {:.1} per second and board",
            points.len(),
            points.len() as f64 / took.max(f64::MIN_POSITIVE)
        );
    }
    Ok(())
}
