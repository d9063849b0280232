//! The UART client against real servers: Zephyr 4.4 applications that run here as Linux programs, and an emulated nRF51 with
//! real MCUboot.
//!
//! They are fetched by `.ci/fetch-zephyr-servers`, which prints the folder to give in `DFU_HIL_ZEPHYR_SERVERS`. Without
//! it these tests say `skipped` and pass, unless `DFU_HIL_REQUIRE_PEERS` is set.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "support/gdb.rs"]
mod gdb;

use hil_clock::{Clock, SharedClock, SystemClock};
use hil_image::{Image, ImageBuilder, ImageVersion};
use hil_smp::message::{ImageState, ParamsAnswer, Reset, SlotState};
use hil_smp::{
    Client, ClientError, ClientOptions, ConsoleEvent, ConsoleKind, ManagementCode, Patience,
    UartOptions, UartPort, UartTransport, UploadOptions, UploadProof,
};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Longer than any server needs to start, or MCUboot to swap, on a slow machine.
const LONG: Duration = Duration::from_secs(180);
/// Zephyr's simulated UART looks for bytes every 10 ms or so, and has room for two lines.
const LINE_GAP: Duration = Duration::from_millis(20);

/// The folder with the servers, or why there is none.
fn fixtures() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("DFU_HIL_ZEPHYR_SERVERS") else {
        assert!(
            std::env::var_os("DFU_HIL_REQUIRE_PEERS").is_none(),
            "DFU_HIL_REQUIRE_PEERS is set, but DFU_HIL_ZEPHYR_SERVERS is not"
        );
        println!("skipped: DFU_HIL_ZEPHYR_SERVERS is not set (see .ci/fetch-zephyr-servers)");
        return None;
    };
    Some(folder.into())
}

/// A build that the folder holds.
struct Build {
    config: String,
    artifact: String,
    transport: String,
    params: ParamsAnswer,
}

fn native_builds(folder: &Path) -> Vec<Build> {
    let manifest = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    manifest
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["target"] == "native_sim")
        .map(|entry| Build {
            config: entry["config"].as_str().unwrap().to_owned(),
            artifact: entry["artifact"].as_str().unwrap().to_owned(),
            transport: entry["transport"].as_str().unwrap().to_owned(),
            params: ParamsAnswer {
                buf_size: number(&entry["buf_size"]),
                buf_count: number(&entry["buf_count"]),
            },
        })
        .filter(|build| folder.join(&build.artifact).is_file())
        .collect()
}

/// A server's process; it ends with this.
struct Process {
    child: Child,
    /// What it prints.
    lines: Receiver<String>,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let (sender, lines) = channel();
        follow(child.stdout.take().unwrap(), sender.clone());
        follow(child.stderr.take().unwrap(), sender);
        Self { child, lines }
    }

    /// The path of the pseudo-terminal, from the line that tells it.
    fn terminal(&self) -> String {
        loop {
            let line = self.lines.recv_timeout(LONG).unwrap();
            if let Some(at) = line.find("/dev/pts/") {
                let path = line[at..].split_whitespace().next();
                return path.unwrap().to_owned();
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(from: impl Read + Send + 'static, to: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            if to
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                break;
            }
        }
    });
}

struct Board {
    clock: SharedClock,
    client: Client<UartTransport>,
    _port: UartPort,
    console: Receiver<ConsoleEvent>,
    _process: Process,
}

fn connect(process: Process, line_gap: Duration) -> Board {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let (events, console) = channel();
    let options = UartOptions {
        line_gap,
        ..UartOptions::default()
    };
    let sink = Box::new(move |event| {
        let _ = events.send(event);
    });
    let port = UartPort::open(&process.terminal(), options, clock.clone(), sink).unwrap();
    let options = ClientOptions {
        patience: Patience {
            timeout: Duration::from_secs(5),
            attempts: 12,
        },
        ..ClientOptions::default()
    };
    Board {
        client: Client::with_options(port.transport(), clock.clone(), options),
        clock,
        _port: port,
        console,
        _process: process,
    }
}

/// Text for an echo request of exactly `packet` bytes: 8 of header, 1 of map, 2 of key, then the text with its length.
fn echo_text(packet: usize) -> String {
    let text = packet - 11;
    let head = match text {
        0..25 => 1,
        25..258 => 2,
        _ => 3,
    };
    "x".repeat(text - head)
}

fn is_not_supported<T: std::fmt::Debug>(result: Result<T, ClientError>) -> bool {
    match result {
        Err(error) => error
            .refused()
            .is_some_and(|refused| refused.is(ManagementCode::NOT_SUPPORTED)),
        Ok(_) => false,
    }
}

#[test]
fn every_native_server_on_a_serial_console_is_spoken_to_with_its_largest_packets() {
    let Some(folder) = fixtures() else { return };
    let builds = native_builds(&folder);
    let mut spoken = Vec::new();
    for build in &builds {
        let Build { config, params, .. } = build;
        if build.transport != "serial" {
            println!("{config}: not spoken, its transport is {}", build.transport);
            continue;
        }
        let mut command = Command::new(folder.join(&build.artifact));
        let process = Process::start(command.current_dir(&folder));
        let line_gap = if config.contains("bigrx") {
            Duration::ZERO
        } else {
            LINE_GAP
        };
        let mut board = connect(process, line_gap);
        let client = &mut board.client;
        assert_eq!(client.echo("hello").unwrap(), "hello", "{config}");

        let announced = client.params();
        if config.contains("noparams") {
            assert!(is_not_supported(announced), "{config}");
        } else {
            assert_eq!(announced.unwrap(), *params, "{config}");
            let too_long = client.echo(&echo_text(params.buf_size as usize - 3));
            assert!(
                matches!(too_long, Err(ClientError::TooLong { .. })),
                "{config}: {too_long:?}"
            );
        }
        let largest = echo_text(params.buf_size as usize - 4);
        for text in [largest.as_str(), "", &largest] {
            assert_eq!(client.echo(text).unwrap(), text, "{config}");
        }
        match client.os_info("s") {
            Ok(system) => assert_eq!(system, "Zephyr", "{config}"),
            refused => assert!(is_not_supported(refused), "{config}"),
        }
        // These builds have no slots: everything about images is refused, not ignored.
        assert!(is_not_supported(client.image_state()), "{config}");
        assert!(is_not_supported(client.slot_info()), "{config}");
        let upload = client.upload(&[0; 500], UploadOptions::default(), &mut |_| {
            ControlFlow::Continue(())
        });
        assert!(is_not_supported(upload), "{config}");
        println!(
            "{config}: buffers {} x {}, echo of {} bytes",
            params.buf_count,
            params.buf_size,
            largest.len()
        );
        spoken.push(config.as_str());
    }
    for wanted in [
        "serial",
        "serial_bigrx",
        "serial_line512",
        "serial_noparams",
        "serial_buf2048",
    ] {
        assert!(spoken.contains(&wanted), "{wanted} is not among {spoken:?}");
    }
}

/// The emulated nRF51 with MCUboot: two slots of 0x1a000 bytes, swap using offset, SHA-256 only.
fn nrf51(folder: &Path) -> Board {
    let flash = folder.join("zephyr_4.4.0_smp_server_0eae053d_qemu_cortex_m0_serial.merged.hex");
    let flash = std::fs::read_to_string(flash).unwrap();
    let sockets = tempfile::tempdir().unwrap();
    let stub = sockets.path().join("gdb");
    let mut command = Command::new("qemu-system-arm");
    command
        .args([
            "-cpu",
            "cortex-m0",
            "-machine",
            "microbit",
            "-nographic",
            "-S",
        ])
        .args([
            "-monitor",
            "none",
            "-chardev",
            "pty,id=con",
            "-serial",
            "chardev:con",
        ])
        .args([
            "-chardev",
            &format!("socket,id=gdb,path={},server=on,wait=off", stub.display()),
        ])
        .args(["-gdb", "chardev:gdb"]);
    let mut board = connect(Process::start(&mut command), Duration::ZERO);
    gdb::program(&connect_to_stub(&stub, board.clock.as_ref()), &flash);
    board.wait_until_booted();
    board
}

/// QEMU names the pseudo-terminal before it listens on the socket.
fn connect_to_stub(stub: &Path, clock: &dyn Clock) -> UnixStream {
    let deadline = clock.now() + LONG;
    loop {
        match UnixStream::connect(stub) {
            Ok(stream) => return stream,
            Err(error) => assert!(clock.now() < deadline, "{}: {error}", stub.display()),
        }
        clock.sleep(Duration::from_millis(10));
    }
}

/// The shipped application as version 2.0.0, made by our own image builder.
fn update(folder: &Path) -> Vec<u8> {
    let shipped = folder.join("zephyr_4.4.0_smp_server_0eae053d_qemu_cortex_m0_serial.signed.bin");
    let shipped = std::fs::read(shipped).unwrap();
    let image = Image::parse(&shipped).unwrap();
    ImageBuilder::new(image.payload())
        .version("2.0.0".parse::<ImageVersion>().unwrap())
        .build(&mut ChaCha8Rng::seed_from_u64(0))
        .unwrap()
}

impl Board {
    /// Waits for the application's first own line. The emulated chip never hears anything again when bytes arrive before
    /// its application reads the port. What MCUboot said until then is the result.
    fn wait_until_booted(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let event = self.console.recv_timeout(LONG).unwrap();
            if let ConsoleKind::Line(line) = event.kind {
                let line = String::from_utf8_lossy(&line).into_owned();
                if line.contains("smp_sample: build time") {
                    return lines;
                }
                lines.push(line);
            }
        }
    }

    fn upload(&mut self, file: &[u8]) {
        // Longer packets than three lines hang the emulated chip, which has 16 KiB of RAM.
        let options = UploadOptions {
            packet_limit: Some(252),
            ..UploadOptions::default()
        };
        let began = self.clock.now();
        let outcome = self
            .client
            .upload(file, options, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        let took = self.clock.now() - began;
        println!(
            "{} bytes in {} ms: {:?}",
            file.len(),
            took.as_millis(),
            outcome.stats
        );
        assert_eq!(outcome.proof, UploadProof::Offset);
    }

    /// Resets, and checks what MCUboot decided and what is in the slots then.
    fn reset(&mut self, swap_type: &str) -> ImageState {
        while self.console.try_recv().is_ok() {}
        self.client.reset(Reset::default()).unwrap();
        let lines = self.wait_until_booted();
        let decided = format!("Swap type: {swap_type}");
        assert!(
            lines.iter().any(|line| line.contains(&decided)),
            "{lines:#?}"
        );
        let state = self.client.image_state().unwrap();
        println!("swap type {swap_type}: {:?}", state.images);
        state
    }
}

fn is(slot: Option<&SlotState>, version: &str, flags: &str) -> bool {
    slot.is_some_and(|slot| {
        let found: String = [
            (slot.active, 'a'),
            (slot.confirmed, 'c'),
            (slot.pending, 'p'),
        ]
        .iter()
        .filter_map(|(set, letter)| set.then_some(letter))
        .collect();
        slot.version.as_deref() == Some(version) && found == flags
    })
}

#[test]
fn real_mcuboot_swaps_reverts_and_keeps_what_our_client_uploads() {
    let Some(folder) = fixtures() else { return };
    let mut board = nrf51(&folder);
    let file = update(&folder);
    let before = board.client.image_state().unwrap();
    assert!(is(before.slot(0, 0), "0.0.0", "ac"), "{before:?}");

    board.upload(&file);
    let uploaded = board.client.image_state().unwrap();
    let slot = uploaded.slot(0, 1).unwrap();
    assert_eq!(slot.version.as_deref(), Some("2.0.0"));
    let hash = slot.hash.clone().unwrap();
    let (_, stored) = Image::parse(&file).unwrap().stored_hash().unwrap();
    assert_eq!(stored.value, hash);
    let marked = board.client.test_image(&hash).unwrap();
    assert!(is(marked.slot(0, 1), "2.0.0", "p"), "{marked:?}");

    let swapped = board.reset("test");
    assert!(is(swapped.slot(0, 0), "2.0.0", "a"), "{swapped:?}");
    assert!(is(swapped.slot(0, 1), "0.0.0", "c"), "{swapped:?}");
    let reverted = board.reset("revert");
    assert!(is(reverted.slot(0, 0), "0.0.0", "ac"), "{reverted:?}");
    assert!(is(reverted.slot(0, 1), "2.0.0", ""), "{reverted:?}");

    board.client.test_image(&hash).unwrap();
    let swapped = board.reset("test");
    assert!(is(swapped.slot(0, 0), "2.0.0", "a"), "{swapped:?}");
    let confirmed = board.client.confirm_image(None).unwrap();
    assert!(is(confirmed.slot(0, 0), "2.0.0", "ac"), "{confirmed:?}");
    let kept = board.reset("none");
    assert!(is(kept.slot(0, 0), "2.0.0", "ac"), "{kept:?}");

    let refused = board.client.erase(Some(0)).unwrap_err();
    println!("erasing the running slot: {refused}");
    assert!(refused.refused().is_some());
    board.client.erase(None).unwrap();
    assert_eq!(board.client.image_state().unwrap().images.len(), 1);
}
