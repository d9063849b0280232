//! One virtual DK: made, offered at its endpoints, and gone when dropped.

use super::board::Board;
use super::faults::Fault;
use super::options::{Cuts, StartError, VirtualDkOptions};
use super::pins::DebugHeader;
use super::ports::{self, PortFolder};
use super::power::SupplyOf;
use super::probe::Probe;
use super::{power, radio, uart};
use crate::bus::{Core, Firmware};
use crate::chip::{Button, Chip, DebugLog, ExternalWear, FlashWear, Power};
use hil_pty::Pty;
use serde::Serialize;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;

/// Bytes a UART takes from the firmware before it must wait: plenty when nothing limits it, and what a DMA
/// buffer holds when a baud rate does.
const UNLIMITED_UART_BUFFER: usize = 64 << 10;
const LIMITED_UART_BUFFER: usize = 256;

/// Where a virtual DK is reached.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Endpoints {
    /// The board's name.
    pub name: String,
    /// What to give probe-rs as the probe: vendor, product, address.
    pub probe: String,
    /// The serial ports.
    pub uart: UartEndpoints,
    /// Address of the power supply, which presses buttons too: SCPI on TCP.
    pub power: String,
    /// What its radio is known by, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ble: Option<BleEndpoint>,
}

/// What is known of a board's radio before anything runs on it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct BleEndpoint {
    /// The address of its controller: `C0:12:34:56:78:9A`.
    pub address: String,
}

/// The serial ports of a virtual DK.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct UartEndpoints {
    /// The application core's.
    pub app: PathBuf,
    /// The network core's.
    pub net: PathBuf,
}

/// A running virtual DK. Dropping it ends its connections, its firmware and its threads, and closes its ports.
pub struct VirtualDk {
    board: Arc<Board>,
    probe: Arc<Probe>,
    endpoints: Endpoints,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
    uarts: Vec<JoinHandle<()>>,
    folder: Option<PortFolder>,
}

impl VirtualDk {
    /// Makes a board on which `firmware` runs, and offers it.
    ///
    /// # Errors
    ///
    /// When a port or pseudo-terminal cannot be had, or there is something to preload where no flash is.
    pub fn start(
        options: VirtualDkOptions,
        firmware: Arc<dyn Firmware>,
    ) -> Result<Self, StartError> {
        let name = options.name;
        let mut chip = Chip::new(&name, options.force_off);
        chip.fit_external(options.external);
        if let Some(torn) = options.torn {
            chip.tear_operations(torn);
        }
        for &button in &options.pressed {
            chip.set_button(button, true);
        }
        for preload in &options.preload {
            chip.load(preload.core, preload.address, &preload.data)
                .map_err(|fault| StartError::Preload {
                    core: preload.core,
                    address: fault.address,
                })?;
        }
        let listen = |endpoint, port| {
            listen(port).map_err(|source| StartError::Listen {
                endpoint,
                board: name.clone(),
                port,
                source,
            })
        };
        let (probe_listener, probe_port) = listen("debug probe", options.probe_port)?;
        let (power_listener, power_port) = listen("power supply", options.power_port)?;
        // Only where the ports come and go do they need a name that stays.
        let folder = match options.cuts {
            Cuts::Soc => None,
            Cuts::Board => Some(PortFolder::make().map_err(|source| StartError::PortFolder {
                board: name.clone(),
                source,
            })?),
        };
        let port_name = |core| folder.as_ref().map(|folder| folder.port(core));
        let pty = |core| {
            let opened = match port_name(core) {
                None => Pty::open(),
                Some(name) => ports::plug_in(&name),
            };
            opened.map_err(|source| StartError::Pty {
                core,
                board: name.clone(),
                source,
            })
        };
        let (app_uart, net_uart) = (pty(Core::App)?, pty(Core::Net)?);
        let endpoints = Endpoints {
            name: name.clone(),
            probe: format!("1d50:6018:127.0.0.1:{probe_port}"),
            uart: UartEndpoints {
                app: port_name(Core::App).unwrap_or_else(|| app_uart.path().to_owned()),
                net: port_name(Core::Net).unwrap_or_else(|| net_uart.path().to_owned()),
            },
            power: format!("127.0.0.1:{power_port}"),
            ble: options.air.as_ref().map(|_| BleEndpoint {
                address: radio::address(&chip).to_string(),
            }),
        };

        let uart_buffer = match options.uart_baud {
            Some(_) => LIMITED_UART_BUFFER,
            None => UNLIMITED_UART_BUFFER,
        };
        let no_thread = |source| StartError::Thread {
            board: name.clone(),
            source,
        };
        let board = Board::new(
            name.clone(),
            chip,
            options.clock,
            options.speed,
            uart_buffer,
            firmware,
        );
        let board = Arc::new(board.map_err(no_thread)?);
        if let Some(air) = &options.air {
            radio::attach(&board, air);
        }
        let probe = Arc::new(Probe::new(Arc::clone(&board), options.accelerators));
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(no_thread)?;
        let server = {
            let (board, probe) = (Arc::clone(&board), Arc::clone(&probe));
            let supply = SupplyOf::new(Arc::clone(&board), options.supply);
            let cuts = options.cuts;
            let serve = async move {
                let (Ok(probe_listener), Ok(power_listener)) = (
                    tokio::net::TcpListener::from_std(probe_listener),
                    tokio::net::TcpListener::from_std(power_listener),
                ) else {
                    tracing::error!(board = board.name, "listeners could not be registered");
                    return;
                };
                // Held until the end: nobody else may have the port while the probe is gone.
                let _reserved = match (cuts, probe_listener.local_addr()) {
                    (Cuts::Board, Ok(address)) => ports::reserve(address).ok(),
                    _ => None,
                };
                let debuggers = async {
                    match cuts {
                        Cuts::Soc => probe.accept(&probe_listener).await,
                        Cuts::Board => {
                            ports::accept_with_power(&board, &probe, probe_listener).await;
                        }
                    }
                };
                tokio::select! {
                    () = debuggers => {}
                    () = power::accept(supply, &board.name, &power_listener) => {}
                    _ = stopped => {}
                }
            };
            thread::Builder::new()
                .name(name.clone())
                .spawn(move || runtime.block_on(serve))
                .map_err(no_thread)?
        };
        let mut dk = Self {
            board,
            probe,
            endpoints,
            stop: Some(stop),
            server: Some(server),
            uarts: Vec::new(),
            folder,
        };
        for (core, pty, label) in [(Core::App, app_uart, "app"), (Core::Net, net_uart, "net")] {
            let board = Arc::clone(&dk.board);
            let baud = options.uart_baud;
            let port_name = dk.folder.as_ref().map(|folder| folder.port(core));
            let uart = thread::Builder::new()
                .name(format!("{name}-uart-{label}"))
                .spawn(move || match port_name {
                    None => uart::serve(&board, core, &pty, baud),
                    Some(name) => ports::serve_with_power(&board, core, pty, &name, baud),
                })
                .map_err(no_thread)?;
            dk.uarts.push(uart);
        }
        dk.board.set_power(options.power);
        Ok(dk)
    }

    /// Where the board is reached.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Where a debug probe is plugged in that is not the board's own one.
    #[must_use]
    pub fn debug_header(&self) -> DebugHeader {
        DebugHeader::of(&self.board)
    }

    /// Switches the board's supply, as a hand on the bench would.
    pub fn set_power(&self, power: Power) {
        self.board.set_power(power);
    }

    /// Presses a button, or lets go of it, as a finger would.
    pub fn set_button(&self, button: Button, pressed: bool) {
        self.board.lock().chip.set_button(button, pressed);
    }

    /// Begins or ends something that is wrong around the board.
    pub fn set_fault(&self, fault: Fault, wrong: bool) {
        self.board.set_fault(fault, wrong);
    }

    /// From now on it is written down what debuggers do to the chip, whichever probe they use, and what becomes of it.
    pub fn start_debug_log(&self) {
        self.board.lock().chip.start_debug_log();
    }

    /// What was written down since [`start_debug_log`](Self::start_debug_log), which ends.
    #[must_use]
    pub fn take_debug_log(&self) -> DebugLog {
        self.board.lock().chip.take_debug_log()
    }

    /// What has been done to `core`'s flash so far.
    #[must_use]
    pub fn flash_wear(&self, core: Core) -> FlashWear {
        self.board.lock().chip.flash_wear(core)
    }

    /// What has been done to the external flash so far.
    #[must_use]
    pub fn external_wear(&self) -> ExternalWear {
        self.board.lock().chip.external_wear()
    }
}

impl Drop for VirtualDk {
    fn drop(&mut self) {
        // The server first, so that nobody connects any more; then who is connected; then the firmware.
        drop(self.stop.take());
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
        self.probe.close();
        self.board.shut_down();
        self.board.lock().radio.detach();
        self.board.stop();
        for uart in self.uarts.drain(..) {
            let _ = uart.join();
        }
    }
}

fn listen(port: u16) -> io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}
