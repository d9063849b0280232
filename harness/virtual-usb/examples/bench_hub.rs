//! Plugs the boards of `bench_boards` into this kernel's USB, and its controller into this kernel's Bluetooth: what `tools/bench-vm` runs
//! in its VM. It does nothing but make connections, which the kernel takes over, pass on HCI packets, and tell the boards what time it is.
//!
//! `bench_hub HOST ENDPOINTS READY` reads where the boards listen at HOST from the file ENDPOINTS, makes the file READY once all are plugged
//! in, and runs until its standard input ends. A board has the power of its port, which is switched where Linux switches it for
//! any hub.
//!
//! A board whose port is off stays attached until the port is on again. What comes from a real hub when a port loses its power has been
//! dealt with when the switch returns; a connection that breaks later is news to the kernel, which then gives the port its power back
//! (linux `drivers/usb/core/hub.c`, `hub_port_connect`).

use hil_clock::{Clock as _, SystemClock};
use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{env, fs, thread};
use virtual_controller::vhci as bluetooth;
use virtual_usb::vhci::{CONTROLLER, Port};

/// How soon a switched port is noticed: the kernel tells nobody.
const LOOK: Duration = Duration::from_millis(20);
/// How often the boards are told the time.
const TICK: Duration = Duration::from_millis(10);
/// How long a board takes at most to say that it is plugged in.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [host, endpoints, ready] = &arguments[..] else {
        return Err("usage: bench_hub HOST ENDPOINTS READY".into());
    };
    let mut boards = Vec::new();
    let mut control = None;
    for line in fs::read_to_string(endpoints)?.lines() {
        let (name, port) = line.split_once(' ').ok_or("a line is `NAME PORT`")?;
        let address = format!("{host}:{port}");
        match name {
            "clock" => {
                let link = TcpStream::connect(address)?;
                thread::spawn(|| {
                    if let Err(error) = tell_time(link) {
                        eprintln!("clock: {error}");
                    }
                });
            }
            "radio" => {
                let link = TcpStream::connect(address)?;
                thread::spawn(|| {
                    if let Err(error) = bluetooth::relay(Path::new("/dev/vhci"), link) {
                        eprintln!("radio: {error}: {:?}", error.source());
                    }
                });
            }
            // That is on the network and not on USB.
            name if name.starts_with("supply-") => {}
            "control" => control = Some(TcpStream::connect(address)?),
            name => boards.push(Board {
                name: name.to_owned(),
                address,
                port: Port::new(Path::new(CONTROLLER), boards.len() as u8),
                is_plugged_in: false,
                is_off: false,
            }),
        }
    }
    let mut control = control.ok_or("no line is of `control`")?;
    let (hold, held) = mpsc::channel::<()>();
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        drop(hold);
    });
    loop {
        for board in &mut boards {
            board
                .follow(&mut control)
                .map_err(|error| format!("{}: {error}", board.name))?;
        }
        if boards.iter().all(|board| board.is_plugged_in) && !Path::new(&ready).exists() {
            fs::write(ready, "")?;
        }
        if held.recv_timeout(LOOK) == Err(RecvTimeoutError::Disconnected) {
            return Ok(());
        }
    }
}

/// Tells the boards again and again what time it is here, until they are gone.
fn tell_time(mut link: TcpStream) -> io::Result<()> {
    link.set_nodelay(true)?;
    let clock = SystemClock::new();
    loop {
        let nanoseconds = clock.now().since_start().as_nanos();
        link.write_all(&u64::try_from(nanoseconds).unwrap_or(u64::MAX).to_le_bytes())?;
        clock.sleep(TICK);
    }
}

struct Board {
    name: String,
    address: String,
    port: Port,
    is_plugged_in: bool,
    /// Its port was seen without power.
    is_off: bool,
}

impl Board {
    /// Plugs in and switches off as the power of the port says.
    fn follow(&mut self, control: &mut TcpStream) -> Result<(), Box<dyn Error>> {
        let has_power = self.port.switch().is_some_and(|switch| {
            fs::read_to_string(switch).is_ok_and(|value| value.trim() == "0")
        });
        let is_free = self.port.is_free()?;
        if is_free {
            self.is_plugged_in = false;
        }
        if !has_power {
            if !self.is_off {
                writeln!(control, "power {} off", self.name)?;
                self.is_off = true;
            }
        } else if is_free {
            self.is_off = false;
            self.plug_in()?;
        } else if self.is_off {
            // It comes back as a new device. One that goes by itself at the same moment cannot be taken away any more.
            self.is_off = false;
            if let Err(error) = self.port.detach()
                && !self.port.is_free()?
            {
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn plug_in(&mut self) -> Result<(), Box<dyn Error>> {
        let mut link = TcpStream::connect(&self.address)?;
        link.set_nodelay(true)?;
        link.set_read_timeout(Some(PATIENCE))?;
        // Nothing comes from a board whose cable is out.
        if link.read(&mut [0])? == 1 {
            link.set_read_timeout(None)?;
            self.port.attach(&link)?;
            self.is_plugged_in = true;
        }
        Ok(())
    }
}
