//! What the command itself costs: the time to start it, and the memory of sixteen virtual DKs that hold something.
//!
//! The boards are programmed through their probes, each with other bytes, so nothing can be shared or left out. Other
//! commands are looked for in the folder `DFU_HIL_PEERS` and on the path; where they are not, it says so.
//! Prints numbers and judges nothing: `cargo bench -p dfu-hil --bench process`.

use hil_clock::{Clock, SharedClock, SystemClock};
use hil_rig::{FlashImage, ProbeSession, ProgramOptions, Recover};
use serde_json::Value;
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const DFU_HIL: &str = env!("CARGO_BIN_EXE_dfu-hil");
const STARTS: usize = 50;
const BOARDS: usize = 16;
/// All of the application core's flash, in bytes.
const APP_FLASH: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    println!("time of `--version`, as a process of its own: median of {STARTS}, least and most");
    print_start("dfu-hil", Some(Path::new(DFU_HIL)))?;
    for peer in ["probe-rs", "mcumgrctl"] {
        print_start(peer, installed(peer).as_deref())?;
    }

    println!();
    println!("memory of `dfu-hil virtual-dk`, 1 MB is 10^6 bytes:");
    print_memory("1 board, blank", &Boards::start(1)?)?;
    let boards = Boards::start(BOARDS)?;
    print_memory("16 boards, blank", &boards)?;
    let clock: SharedClock = Arc::new(SystemClock::new());
    let start = clock.now();
    for (number, probe) in boards.probes.iter().enumerate() {
        let mut image = FlashImage::new();
        image.add_segment(0, &noise(APP_FLASH, number as u32 + 1))?;
        ProbeSession::with_probe("dk", probe.parse()?, Recover::Forbidden, Arc::clone(&clock))
            .program(&image, &ProgramOptions::default(), &mut |_| {})?;
    }
    let took = clock.now() - start;
    print_memory("16 boards, 1 MiB in the flash of each", &boards)?;
    println!(
        "  programming and verifying them, one after the other, took {:.1} s",
        took.as_secs_f64()
    );
    Ok(())
}

fn print_start(name: &str, program: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let Some(program) = program else {
        println!("  {name:<12} not installed");
        return Ok(());
    };
    let clock = SystemClock::new();
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let start = clock.now();
        let status = Command::new(program)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        times.push(clock.now() - start);
        if !status.success() {
            return Err(format!("{name} --version ended with {status}").into());
        }
    }
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "  {name:<12} {:>6.2} ms   {:.2}..{:.2}",
        ms(times[STARTS / 2]),
        ms(times[0]),
        ms(times[STARTS - 1])
    );
    Ok(())
}

/// In the folder of the peers, or on the path. A file that does not tell its version is a stand-in (of pyenv, say).
fn installed(name: &str) -> Option<PathBuf> {
    ["DFU_HIL_PEERS", "PATH"]
        .into_iter()
        .filter_map(std::env::var_os)
        .flat_map(|folders| std::env::split_paths(&folders).collect::<Vec<_>>())
        .map(|folder| folder.join(name))
        .find(|file| {
            Command::new(file)
                .arg("--version")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        })
}

/// `dfu-hil virtual-dk` as any user starts it; ends with this value.
struct Boards {
    process: Child,
    probes: Vec<String>,
}

impl Boards {
    fn start(count: usize) -> Result<Self, Box<dyn Error>> {
        let process = Command::new(DFU_HIL)
            .args(["virtual-dk", "--json", "--speed", "instant", "--boards"])
            .arg(count.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut boards = Self {
            process,
            probes: Vec::new(),
        };
        let output = boards.process.stdout.take().ok_or("it has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let endpoints: Value = serde_json::from_str(&line)?;
        boards.probes = endpoints["boards"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|board| Some(board["probe"].as_str()?.to_owned()))
            .collect();
        if boards.probes.len() == count {
            Ok(boards)
        } else {
            Err(format!("{count} boards were asked for, these came: {line}").into())
        }
    }
}

impl Drop for Boards {
    fn drop(&mut self) {
        // The closed pipe ends it.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn print_memory(what: &str, boards: &Boards) -> Result<(), Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", boards.process.id()))?;
    println!(
        "  {what:<38} {:>7.1} MB now, {:>7.1} MB at most",
        megabytes(&status, "VmRSS:").ok_or("the system does not tell VmRSS")?,
        megabytes(&status, "VmHWM:").ok_or("the system does not tell VmHWM")?,
    );
    Ok(())
}

/// A line of `/proc/PID/status`, which counts in KiB.
fn megabytes(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

/// Bytes that do not compress, others for each seed.
fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}
