//! Six virtual DKs and a Bluetooth controller for a VM: what `tools/bench-vm` runs beside it, while `bench_hub` runs in it.
//!
//! `bench_boards ENDPOINTS [--demo]` writes a file with a line `NAME PORT` for each TCP port of the loopback interface that it listens on, and runs
//! until its standard input ends:
//!
//! * `clock` takes one connection, from which the time comes that boards and radio follow: nanoseconds, 8 bytes each, the low one
//!   first. An emulated machine may be slower than this one, and what it sees of a board would be faster;
//! * `radio` takes one connection, with HCI on it;
//! * `dk1`, with a J-Link, and `dk2` to `dk6`, with CMSIS-DAP, are plugged into whoever connects. They say so with one byte; a board whose cable is out
//!   closes the connection instead. From then on it is USB/IP. A board has no power before it is connected;
//! * `supply-dk3` to `supply-dk6` are bench supplies, which feed the chip of one board each and can press its button: SCPI. Its debugger
//!   has the power of USB;
//! * `control` takes lines, and answers each with one. `power dk1 off`: its port has lost its power, until it is connected anew.
//!   `received dk1 probe` (or `uart`): how many bytes that part has got through USB so far. `unplug dk1 500 after 30000 probe` pulls the
//!   cable for 500 ms as soon as that part has got so many. `log dk1 start`: what the probe does to the chip is written down; `log dk1 end`:
//!   all of it is in the file `dk1.log` beside ENDPOINTS, and the operations alone in `dk1.operations`.
//!
//! With `--demo` the boards have the demo firmware in their flash; without they are as delivered.
//!
//! The boards are outside of the VM because each bit on their SWD pins is emulated. In there that would be on an emulated CPU.

use hil_clock::{Clock as _, Instant, ReportedClock, SharedClock};
use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;
use std::{env, fs, thread};
use virtual_controller::vhci as bluetooth;
use virtual_dk::firmware::StockFirmware;
use virtual_dk::{Contents, Power, Speed, VirtualDk, VirtualDkOptions};
use virtual_radio::{Address, AirHandle};
use virtual_usb::dk::{Cable, Part, ProbeKind, UsbDk};

/// The adapter's address: of the block for documentation.
const ADAPTER: [u8; 6] = [0x00, 0x00, 0x5e, 0x00, 0x53, 0x01];
const BOARDS: [BoardKind; 6] = [
    BoardKind::on_its_hub("dk1", ProbeKind::JLink),
    BoardKind::on_its_hub("dk2", ProbeKind::CmsisDap),
    BoardKind::supplied("dk3", "supply-dk3"),
    BoardKind::supplied("dk4", "supply-dk4"),
    BoardKind::supplied("dk5", "supply-dk5"),
    BoardKind::supplied("dk6", "supply-dk6"),
];
const CLOCK: &str = "clock";
const RADIO: &str = "radio";
const CONTROL: &str = "control";
/// What a board sends when it is plugged in.
const PLUGGED_IN: u8 = b'+';
/// How soon a board loses its power when the host has let go of it.
const LOOK: Duration = Duration::from_millis(5);

/// How far boards go on by themselves behind a report of the time: twice as long as it is to the next one where the VM is no slower than
/// its host.
const LEAD: Duration = Duration::from_millis(20);

/// How a board is on the bench.
#[derive(Clone, Copy)]
struct BoardKind {
    name: &'static str,
    probe: ProbeKind,
    /// What its supply is called, if it has one of its own.
    supply: Option<&'static str>,
}

impl BoardKind {
    const fn on_its_hub(name: &'static str, probe: ProbeKind) -> Self {
        Self {
            name,
            probe,
            supply: None,
        }
    }

    const fn supplied(name: &'static str, supply: &'static str) -> Self {
        Self {
            name,
            probe: ProbeKind::CmsisDap,
            supply: Some(supply),
        }
    }
}

enum Event {
    Connected(&'static str, TcpStream),
    /// With where the answer goes.
    Line(String, TcpStream),
    End,
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args_os()
        .nth(1)
        .ok_or("which file to write the endpoints to?")?;
    let contents = match env::args_os().nth(2) {
        None => Contents::Blank,
        Some(option) if option == "--demo" => Contents::Demo,
        Some(_) => return Err("usage: bench_boards ENDPOINTS [--demo]".into()),
    };
    let (events, received) = mpsc::channel();
    let mut endpoints = String::new();
    let of_boards = BOARDS
        .iter()
        .flat_map(|kind| [Some(kind.name), kind.supply]);
    for name in [CLOCK, RADIO, CONTROL]
        .into_iter()
        .chain(of_boards.flatten())
    {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        endpoints += &format!("{name} {}\n", listener.local_addr()?.port());
        let events = events.clone();
        thread::spawn(move || accept(name, &listener, &events));
    }
    let file = Path::new(&file);
    publish(file, &endpoints)?;
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = events.send(Event::End);
    });

    let mut boards: Vec<Board> = Vec::new();
    let clock = ReportedClock::new(LEAD);
    loop {
        let event = received.recv_timeout(LOOK);
        let now = clock.now();
        for board in &mut boards {
            board.follow(now);
        }
        match event {
            Ok(Event::Connected(CLOCK, link)) => {
                let clock = clock.clone();
                thread::spawn(move || follow_time(link, &clock));
            }
            Ok(Event::Connected(RADIO, link)) if boards.is_empty() => {
                let time: SharedClock = Arc::new(clock.clone());
                let air = bluetooth::start_at(link, Address::new(ADAPTER), Arc::clone(&time))?;
                for (number, kind) in BOARDS.into_iter().enumerate() {
                    boards.push(Board::new(number, kind, &air, &time, &contents)?);
                }
            }
            Ok(Event::Connected(name, link)) => {
                // Whoever comes before the radio, or is a second radio, is not served.
                let of_name = |board: &&mut Board| board.kind.name == name;
                if let Some(board) = boards.iter_mut().find(of_name) {
                    if let Err(error) = board.plug_in(link, now) {
                        eprintln!("{name} is not plugged in: {error}");
                    }
                } else if let Some(board) =
                    boards.iter().find(|board| board.kind.supply == Some(name))
                    && let Err(error) = pass_on(link, &board.dk.endpoints().power)
                {
                    eprintln!("{name}: {error}");
                }
            }
            Ok(Event::Line(line, mut asker)) => {
                let answer = execute(&line, &mut boards, folder).unwrap_or_else(|error| {
                    eprintln!("`{line}`: {error}");
                    format!("error: {error}")
                });
                // Who has gone does not want it.
                let _ = writeln!(asker, "{answer}");
            }
            Ok(Event::End) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Whoever sees the file sees all of it.
fn publish(file: &Path, endpoints: &str) -> io::Result<()> {
    let unfinished = file.with_extension("new");
    fs::write(&unfinished, endpoints)?;
    fs::rename(unfinished, file)
}

fn accept(name: &'static str, listener: &TcpListener, events: &Sender<Event>) {
    for link in listener.incoming().flatten() {
        let sent = if name == CONTROL {
            let events = events.clone();
            thread::spawn(move || {
                let Ok(reader) = link.try_clone() else { return };
                for line in BufReader::new(reader).lines().map_while(Result::ok) {
                    let Ok(answer) = link.try_clone() else { return };
                    let _ = events.send(Event::Line(line, answer));
                }
            });
            Ok(())
        } else {
            events.send(Event::Connected(name, link))
        };
        if sent.is_err() {
            break;
        }
    }
}

/// Passes on each time that comes.
fn follow_time(mut link: TcpStream, clock: &ReportedClock) {
    let mut time = [0; 8];
    while link.read_exact(&mut time).is_ok() {
        clock.report(Instant::from_start(Duration::from_nanos(
            u64::from_le_bytes(time),
        )));
    }
}

/// Connects a client with what listens at an address, until one of them ends.
fn pass_on(client: TcpStream, address: &str) -> io::Result<()> {
    let server = TcpStream::connect(address)?;
    for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            // Who has gone already needs no end.
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}

/// Does what a line says; the answer.
fn execute(line: &str, boards: &mut [Board], folder: &Path) -> Result<String, Box<dyn Error>> {
    let words: Vec<_> = line.split_whitespace().collect();
    let name = words.get(1).ok_or("is no command")?;
    let board = boards
        .iter_mut()
        .find(|board| board.kind.name == *name)
        .ok_or("there is no such board")?;
    match words[..] {
        ["power", _, "off"] => board.dk.set_power(Power::Off),
        ["log", _, "start"] => board.dk.start_debug_log(),
        ["log", name, "end"] => {
            let log = board.dk.take_debug_log();
            fs::write(folder.join(format!("{name}.log")), log.to_string())?;
            fs::write(folder.join(format!("{name}.operations")), log.operations())?;
        }
        ["received", _, part] => return Ok(board.received(named(part)?).to_string()),
        ["unplug", _, time, "after", bytes, part] => {
            board.to_pull = Some(Pull {
                part: named(part)?,
                at: bytes.parse()?,
                time: Duration::from_millis(time.parse()?),
            });
            eprintln!("{line}");
        }
        _ => return Err("is no command".into()),
    }
    Ok("ok".to_owned())
}

fn named(part: &str) -> Result<Part, String> {
    match part {
        "probe" => Ok(Part::Probe),
        "uart" => Ok(Part::AppUart),
        _ => Err(format!("`{part}` is neither `probe` nor `uart`")),
    }
}

/// When a cable is pulled, and for how long.
#[derive(Clone, Copy)]
struct Pull {
    part: Part,
    at: u64,
    time: Duration,
}

struct Board {
    kind: BoardKind,
    dk: VirtualDk,
    usb: UsbDk,
    cable: Option<Cable>,
    out_until: Instant,
    /// Bytes that the probe and the UART got through earlier cables.
    before: [u64; 2],
    to_pull: Option<Pull>,
}

impl Board {
    fn new(
        number: usize,
        kind: BoardKind,
        air: &AirHandle,
        clock: &SharedClock,
        contents: &Contents,
    ) -> Result<Self, Box<dyn Error>> {
        let options = VirtualDkOptions {
            name: kind.name.to_owned(),
            air: Some(air.clone()),
            preload: contents.preload()?,
            clock: Arc::clone(clock),
            // Delays in scenarios mean what they mean on a bench.
            speed: Speed::Factor(1.0),
            power: Power::Off,
            ..VirtualDkOptions::default()
        };
        let dk = VirtualDk::start(options, Arc::new(StockFirmware))?;
        eprintln!("{}", serde_json::to_string(dk.endpoints())?);
        Ok(Self {
            kind,
            usb: UsbDk::of(&dk, kind.probe, &format!("00105000000{}", number + 1)),
            dk,
            cable: None,
            out_until: Instant::START,
            before: [0; 2],
            to_pull: None,
        })
    }

    /// Bytes that have come for this part.
    fn received(&self, part: Part) -> u64 {
        self.before[part as usize] + self.cable.as_ref().map_or(0, |cable| cable.received(part))
    }

    fn plug_in(&mut self, mut link: TcpStream, now: Instant) -> Result<(), Box<dyn Error>> {
        if now < self.out_until {
            return Ok(());
        }
        // The host has let go of the last one, or it would not connect again.
        self.lose_power();
        link.set_nodelay(true)?;
        link.write_all(&[PLUGGED_IN])?;
        self.cable = Some(self.usb.plug_in(link)?);
        self.dk.set_power(Power::On);
        Ok(())
    }

    /// Takes the power away when the host has let go, and pulls the cable when it is time.
    fn follow(&mut self, now: Instant) {
        if self.cable.as_ref().is_some_and(Cable::is_out) {
            self.lose_power();
        }
        if let Some(Pull { part, at, time }) = self.to_pull
            && self.cable.is_some()
            && self.received(part) >= at
        {
            eprintln!("{}: the cable is out for {time:?}", self.kind.name);
            self.to_pull = None;
            self.out_until = now + time;
            self.lose_power();
        }
    }

    fn lose_power(&mut self) {
        self.dk.set_power(Power::Off);
        for part in [Part::Probe, Part::AppUart] {
            self.before[part as usize] = self.received(part);
        }
        self.cable = None;
    }
}
