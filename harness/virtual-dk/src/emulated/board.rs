//! The board around an emulated chip: its probe and its supply on TCP, its serial port, and the command that offers them.

use super::chip::EmulatedChip;
use super::machine::EmulatorError;
use super::uart;
use crate::chip::{Button, Power};
use crate::server::{
    Accelerators, BoardFault, Debuggers, Output, PortFolder, Remote, ServeError, StartError, Wired,
    accept_supply_clients, answer_all, run_until_told,
};
use hil_clock::{SharedClock, SystemClock};
use hil_pty::Pty;
use serde::Serialize;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What to emulate.
#[derive(Clone, Debug)]
pub struct EmulatedOptions {
    /// QEMU for Arm: `qemu-system-arm`.
    pub program: PathBuf,
    /// The board's name.
    pub name: String,
}

/// Starts a board with blank flash, prints its endpoints as a line of JSON, and runs until SIGTERM or SIGINT comes or standard
/// input ends.
///
/// # Errors
///
/// When QEMU or the board's ports do not start, or its endpoints cannot be printed. Nothing is left running then.
pub fn serve_emulated(options: &EmulatedOptions) -> Result<(), ServeError> {
    run_until_told(|| {
        let board = EmulatedBoard::start(options)?;
        let line = serde_json::to_string(&Started {
            boards: [&board.endpoints],
        });
        let mut out = io::stdout().lock();
        line.map_err(io::Error::from)
            .and_then(|line| writeln!(out, "{line}"))
            .and_then(|()| out.flush())
            .map_err(ServeError::Print)?;
        Ok(board)
    })
}

/// The line of JSON: that of a virtual DK, with one serial port.
#[derive(Serialize)]
struct Started<'a> {
    boards: [&'a Endpoints; 1],
}

#[derive(Debug, Serialize)]
struct Endpoints {
    name: String,
    probe: String,
    uart: Uarts,
    power: String,
}

#[derive(Debug, Serialize)]
struct Uarts {
    app: PathBuf,
}

/// What the threads of a board share.
pub(super) struct Shared {
    pub(super) name: String,
    chip: Mutex<EmulatedChip>,
    stopping: AtomicBool,
}

impl Shared {
    pub(super) fn chip(&self) -> MutexGuard<'_, EmulatedChip> {
        self.chip.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn switch(&self, power: Power) -> Result<(), EmulatorError> {
        match power {
            Power::On => self.chip().power_up(),
            Power::Off => self.chip().power_down(),
        }
    }
}

impl Wired for Arc<Shared> {
    type Chip = EmulatedChip;
    const NAME: &'static str = "Black Magic Probe (nRF51822 in QEMU)";

    fn with_chip<R>(&self, action: impl FnOnce(&mut EmulatedChip) -> R) -> R {
        action(&mut self.chip())
    }
}

/// The supply of the board.
#[derive(Clone)]
struct Supply(Arc<Shared>);

impl Output for Supply {
    fn power(&self) -> Power {
        crate::chip::Target::power(&*self.0.chip())
    }

    fn set_power(&self, power: Power) {
        if let Err(error) = self.0.switch(power) {
            tracing::error!(board = self.0.name, %error, help = error.help(), "the power was not switched {power:?}");
        }
    }

    /// The board has none that its firmware looks at.
    fn button(&self, _button: Button) -> bool {
        false
    }

    fn set_button(&self, _button: Button, _pressed: bool) {}

    fn set_fault(&self, _fault: BoardFault, _wrong: bool) {}

    /// Nothing flows in an emulator.
    fn current(&self) -> Option<f64> {
        None
    }
}

/// A running board. Dropped, its emulator and its threads end.
struct EmulatedBoard {
    shared: Arc<Shared>,
    endpoints: Endpoints,
    stop: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
    _folder: PortFolder,
}

impl EmulatedBoard {
    fn start(options: &EmulatedOptions) -> Result<Self, StartError> {
        let name = options.name.clone();
        let clock: SharedClock = Arc::new(SystemClock::new());
        let folder = PortFolder::make().map_err(|source| StartError::PortFolder {
            board: name.clone(),
            source,
        })?;
        let pty = Pty::open().map_err(|source| StartError::Pty {
            core: crate::bus::Core::App,
            board: name.clone(),
            source,
        })?;
        let (probe, probe_port) = listen(&name, "debug probe")?;
        let (power, power_port) = listen(&name, "power supply")?;
        let endpoints = Endpoints {
            name: name.clone(),
            probe: format!("1d50:6018:127.0.0.1:{probe_port}"),
            uart: Uarts {
                app: pty.path().to_owned(),
            },
            power: format!("127.0.0.1:{power_port}"),
        };
        let chip = EmulatedChip::new(options.program.clone(), folder.path().to_owned(), clock);
        let shared = Arc::new(Shared {
            name: name.clone(),
            chip: Mutex::new(chip),
            stopping: AtomicBool::new(false),
        });
        shared.switch(Power::On)?;
        let (stop, stopped) = oneshot::channel();
        let mut board = Self {
            shared: Arc::clone(&shared),
            endpoints,
            stop: Some(stop),
            threads: Vec::new(),
            _folder: folder,
        };
        let no_thread = |source| StartError::Thread {
            board: name.clone(),
            source,
        };
        let line = Arc::clone(&shared);
        let uart = thread::Builder::new()
            .name(format!("{name}-uart"))
            .spawn(move || uart::serve(&line, &pty))
            .map_err(no_thread)?;
        board.threads.push(uart);
        let server = thread::Builder::new()
            .name(name.clone())
            .spawn(move || offer(&shared, probe, power, stopped))
            .map_err(no_thread)?;
        board.threads.push(server);
        Ok(board)
    }
}

impl Drop for EmulatedBoard {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        // Its flash is nobody's any more.
        let _ = self.shared.switch(Power::Off);
    }
}

fn listen(board: &str, endpoint: &'static str) -> Result<(std::net::TcpListener, u16), StartError> {
    let opened = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    });
    opened.map_err(|source| StartError::Listen {
        endpoint,
        board: board.to_owned(),
        port: 0,
        source,
    })
}

/// Serves debuggers and clients of the supply until it is told to stop.
fn offer(
    shared: &Arc<Shared>,
    probe: std::net::TcpListener,
    power: std::net::TcpListener,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        tracing::error!(board = shared.name, "no runtime");
        return;
    };
    let debuggers = Debuggers::new(shared.name.clone());
    let chip = Arc::clone(shared);
    let answer = move |socket: TcpStream| {
        let remote = Remote::new(Arc::clone(&chip), Accelerators::On);
        if let Err(error) = answer_all(remote, &socket, || true) {
            tracing::debug!(board = chip.name, %error, "debug probe: connection lost");
        }
    };
    runtime.block_on(async {
        let (Ok(probe), Ok(power)) = (TcpListener::from_std(probe), TcpListener::from_std(power))
        else {
            tracing::error!(board = shared.name, "listeners could not be registered");
            return;
        };
        tokio::select! {
            () = debuggers.accept(&probe, answer) => {}
            () = accept_supply_clients(Supply(Arc::clone(shared)), &shared.name, &power) => {}
            _ = stopped => {}
        }
    });
    debuggers.close();
}
