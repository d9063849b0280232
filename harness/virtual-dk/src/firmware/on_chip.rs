//! The stock firmware on the virtual silicon, driven by the real client through the pseudo-terminal.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hil_clock::{SharedClock, SystemClock};
use hil_smp::message::Reset;
use hil_smp::{Client, ConsoleKind, UartOptions, UartPort, UartTransport, UploadOptions};

use super::StockFirmware;
use crate::bus::Core;
use crate::demo::hex_file::segments;
use crate::demo::{DemoSet, Variant};
use crate::{Power, Preload, Speed, VirtualDk, VirtualDkOptions};

/// Long enough for a machine with other things to do: a limit for what never happens.
const PATIENCE: Duration = Duration::from_secs(120);

/// A board with the baseline, and its consoles.
struct Bench {
    set: DemoSet,
    clock: SharedClock,
    app: Console,
    net: Console,
    _board: VirtualDk,
}

/// A serial port and the lines that came from it.
struct Console {
    port: UartPort,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Console {
    fn open(path: &std::path::Path, clock: &SharedClock) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let port = UartPort::open(
            &path.to_string_lossy(),
            UartOptions::default(),
            Arc::clone(clock),
            Box::new(move |event| {
                if let ConsoleKind::Line(line) = event.kind {
                    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                    sink.lock()
                        .expect("no test panics while it holds this")
                        .push(line);
                }
            }),
        );
        Self {
            port: port.expect("the pseudo-terminal is there"),
            lines,
        }
    }

    /// Waits until `text` has been printed `times` times.
    fn wait_for(&self, text: &str, times: usize, clock: &SharedClock) {
        let deadline = clock.now() + PATIENCE;
        loop {
            let lines = self
                .lines
                .lock()
                .expect("no test panics while it holds this")
                .clone();
            if lines.iter().filter(|line| line.contains(text)).count() >= times {
                return;
            }
            assert!(
                clock.now() < deadline,
                "no `{text}` on the console: {lines:#?}"
            );
            clock.sleep_until(clock.now() + Duration::from_millis(5));
        }
    }
}

/// What is in the flash of a board that was programmed with the baseline.
pub(super) fn preload(set: &DemoSet) -> Vec<Preload> {
    [
        (Core::App, "baseline/merged.hex"),
        (Core::Net, "baseline/merged_CPUNET.hex"),
    ]
    .into_iter()
    .flat_map(|(core, file)| {
        let text = String::from_utf8_lossy(set.file(file).expect("it is in the set"));
        segments(&text)
            .expect("the generator wrote it")
            .into_iter()
            .map(move |(address, data)| Preload {
                core,
                address,
                data,
            })
            .collect::<Vec<_>>()
    })
    .collect()
}

impl Bench {
    fn new() -> Self {
        let set = DemoSet::generate(Variant::SWAP_MOVE_ECDSA_EC256);
        let preload = preload(&set);
        let clock: SharedClock = Arc::new(SystemClock::new());
        let options = VirtualDkOptions {
            speed: Speed::Instant,
            preload,
            // What a board prints while nobody has its port open is lost: it gets its power when somebody has.
            power: Power::Off,
            ..VirtualDkOptions::default()
        };
        let board = VirtualDk::start(options, Arc::new(StockFirmware)).expect("the board starts");
        let uart = board.endpoints().uart.clone();
        let (app, net) = (
            Console::open(&uart.app, &clock),
            Console::open(&uart.net, &clock),
        );
        switch_on(&board.endpoints().power);
        Self {
            set,
            clock,
            app,
            net,
            _board: board,
        }
    }

    fn client(&self) -> Client<UartTransport> {
        Client::new(self.app.port.transport(), Arc::clone(&self.clock))
    }

    fn upload_and_test(&self, file: &str) {
        let file = self.set.file(file).expect("it is in the set");
        let mut client = self.client();
        client
            .upload(file, UploadOptions::default(), &mut |_| {
                ControlFlow::Continue(())
            })
            .expect("the upload is taken");
        let state = client.image_state().expect("the list is answered");
        let hash = state
            .slot(0, 1)
            .and_then(|slot| slot.hash.clone())
            .expect("the image is listed");
        client.test_image(&hash).expect("it can be tested");
        client
            .reset(Reset::default())
            .expect("the reset is answered");
    }

    fn versions(&self) -> Vec<(u32, String, bool)> {
        let state = self.client().image_state().expect("the list is answered");
        state
            .images
            .into_iter()
            .map(|slot| (slot.slot, slot.version.unwrap_or_default(), slot.confirmed))
            .collect()
    }
}

/// Has the board's power supply switch on, and waits until it has.
fn switch_on(supply: &str) {
    let mut supply = TcpStream::connect(supply).expect("the supply listens");
    supply
        .write_all(b"OUTP ON;OUTP?\n")
        .expect("the supply takes it");
    let mut answer = String::new();
    BufReader::new(supply)
        .read_line(&mut answer)
        .expect("the supply answers");
    assert_eq!(answer.trim(), "1");
}

#[test]
fn both_cores_are_updated_through_the_serial_port() {
    let bench = Bench::new();
    bench
        .net
        .wait_for("dfu-hil demo net 1.0.0", 1, &bench.clock);
    bench
        .app
        .wait_for("dfu-hil demo app 1.0.0 (baseline)", 1, &bench.clock);
    assert_eq!(
        bench.client().echo("hello").expect("the server answers"),
        "hello"
    );

    bench.upload_and_test("update/app_update.bin");
    bench
        .app
        .wait_for("dfu-hil demo app 2.0.0 (update)", 1, &bench.clock);
    bench
        .client()
        .confirm_image(None)
        .expect("it can be confirmed");
    assert_eq!(
        bench.versions(),
        [
            (0, "2.0.0".to_owned(), true),
            (1, "1.0.0".to_owned(), false)
        ]
    );

    bench.upload_and_test("update/net_core_app_update.bin");
    bench
        .net
        .wait_for("dfu-hil demo net 2.0.0", 1, &bench.clock);
    bench
        .app
        .wait_for("dfu-hil demo app 2.0.0 (update)", 2, &bench.clock);
    assert_eq!(bench.versions()[0], (0, "2.0.0".to_owned(), true));
}

#[test]
fn an_update_that_crashes_is_reverted_without_help() {
    let bench = Bench::new();
    bench
        .app
        .wait_for("dfu-hil demo app 1.0.0 (baseline)", 1, &bench.clock);
    bench.upload_and_test("crashes/app_update.bin");
    bench
        .app
        .wait_for("dfu-hil demo app 2.0.0 (crashes)", 1, &bench.clock);
    bench
        .app
        .wait_for("dfu-hil demo app 1.0.0 (baseline)", 2, &bench.clock);
    assert_eq!(bench.versions()[0], (0, "1.0.0".to_owned(), true));
}
