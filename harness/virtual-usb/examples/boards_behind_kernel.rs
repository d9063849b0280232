//! Two virtual DKs that the kernel has on its USB and its Bluetooth: what `tools/bench-vm` runs in its VM.
//!
//! `boards_behind_kernel READY` plugs in `dk1` with a J-Link and `dk2` with CMSIS-DAP, makes the file READY, and runs until its
//! standard input ends. A board has the power of its port, which is switched where Linux switches it for any hub. A line
//! `unplug dk1 500` on the standard input pulls a cable for so many milliseconds.

use hil_clock::{Clock as _, Instant, SystemClock};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::BufRead as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;
use std::{env, fs, io, thread};
use virtual_controller::vhci as bluetooth;
use virtual_dk::firmware::StockFirmware;
use virtual_dk::{Power, Speed, VirtualDk, VirtualDkOptions};
use virtual_usb::dk::{Cable, ProbeKind, UsbDk};
use virtual_usb::vhci::{CONTROLLER, Port};

/// The adapter's address: of the block for documentation.
const ADAPTER: [u8; 6] = [0x00, 0x00, 0x5e, 0x00, 0x53, 0x01];
/// How soon a switched port is noticed: the kernel tells nobody.
const LOOK: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn Error>> {
    let ready = env::args_os()
        .nth(1)
        .ok_or("which file to make when the boards are there?")?;
    let air = bluetooth::start(Path::new("/dev/vhci"), virtual_radio::Address::new(ADAPTER))?;
    let mut boards = BTreeMap::new();
    let kinds = [("dk1", ProbeKind::JLink), ("dk2", ProbeKind::CmsisDap)];
    for (number, (name, kind)) in kinds.into_iter().enumerate() {
        let options = VirtualDkOptions {
            name: name.to_owned(),
            air: Some(air.clone()),
            // A VM without hardware help is slow enough.
            speed: Speed::Instant,
            power: Power::Off,
            ..VirtualDkOptions::default()
        };
        let dk = VirtualDk::start(options, Arc::new(StockFirmware))?;
        eprintln!("{}", serde_json::to_string(dk.endpoints())?);
        let serial = format!("00105000000{}", number + 1);
        boards.insert(
            name,
            Board {
                usb: UsbDk::of(&dk, kind, &serial),
                dk,
                port: Port::new(Path::new(CONTROLLER), number as u8),
                cable: None,
                out_until: Instant::START,
            },
        );
    }
    let lines = lines();
    let clock = SystemClock::new();
    loop {
        for board in boards.values_mut() {
            board.follow(clock.now())?;
        }
        if boards.values().all(|board| board.cable.is_some()) && !Path::new(&ready).exists() {
            fs::write(&ready, "")?;
        }
        match lines.recv_timeout(LOOK) {
            Ok(line) => match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["unplug", name, time] => {
                    let board = boards.get_mut(name).ok_or("there is no such board")?;
                    board.pull(clock.now() + Duration::from_millis(time.parse()?));
                }
                _ => return Err(format!("`{line}` is not `unplug BOARD MILLISECONDS`").into()),
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

struct Board {
    dk: VirtualDk,
    usb: UsbDk,
    port: Port,
    cable: Option<Cable>,
    out_until: Instant,
}

impl Board {
    /// Plugs in and pulls out as the power of the port and the time say.
    fn follow(&mut self, now: Instant) -> Result<(), Box<dyn Error>> {
        let has_power = self.port.switch().is_some_and(|switch| {
            fs::read_to_string(switch).is_ok_and(|value| value.trim() == "0")
        });
        if self
            .cable
            .as_ref()
            .is_some_and(|cable| !has_power || cable.is_out())
        {
            self.pull(now);
        } else if self.cable.is_none()
            && has_power
            && now >= self.out_until
            && self.port.is_free()?
        {
            let (device, host) = UnixStream::pair()?;
            self.cable = Some(self.usb.plug_in(device)?);
            self.dk.set_power(Power::On);
            self.port.attach(&host)?;
        }
        Ok(())
    }

    fn pull(&mut self, until: Instant) {
        self.dk.set_power(Power::Off);
        self.cable = None;
        self.out_until = until;
    }
}

/// The lines of the standard input; the channel closes where it ends.
fn lines() -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
