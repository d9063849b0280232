//! A rig that is open: its boards can be used until it is dropped.

use crate::core::Core;
use crate::error::RigError;
use crate::file::{
    BoardKind, BoardSpec, ExternalFlash, PowerSpec, ProbeSelector, ProbeSpec, RealSpec, RigFile,
    UartPortSpec, UartSpec,
};
use crate::launcher::{VirtualEndpoints, VirtualLauncher, VirtualProcess};
use crate::lease::{self, Lease};
use crate::power::{Ask, CommandSwitch, ManualSwitch, PowerSwitch, ResetOnly, ScpiSwitch};
use crate::probe::{ProbeConfig, ProbeSession};
use crate::uart::{self, UartEndpoint};
use hil_clock::SharedClock;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// What opening a rig needs to know beyond the rig file.
#[derive(Clone)]
#[non_exhaustive]
pub struct RigOptions {
    /// The clock of the run.
    pub clock: SharedClock,
    /// The program that is a virtual DK.
    pub launcher: VirtualLauncher,
    /// Asks a person, for boards with `power: manual`; without it they cannot be switched.
    pub ask: Option<Ask>,
    /// Where leases are; the host's folder when absent.
    pub lease_folder: Option<PathBuf>,
}

impl RigOptions {
    /// Options with nobody to ask and the host's folder for leases.
    #[must_use]
    pub fn new(clock: SharedClock, launcher: VirtualLauncher) -> Self {
        Self {
            clock,
            launcher,
            ask: None,
            lease_folder: None,
        }
    }
}

impl fmt::Debug for RigOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RigOptions")
            .field("launcher", &self.launcher)
            .field("lease_folder", &self.lease_folder)
            .finish_non_exhaustive()
    }
}

/// A rig that is open. Dropping it stops virtual boards and gives the leases of real ones back.
#[derive(Debug)]
pub struct Rig {
    name: String,
    boards: Vec<Board>,
}

impl Rig {
    /// Takes the leases of the real boards and starts the virtual ones. No probe is opened yet.
    ///
    /// # Errors
    /// When another process uses a board, or a virtual board cannot be started. What was started until then is
    /// stopped.
    pub fn open(file: &RigFile, options: &RigOptions) -> Result<Self, RigError> {
        let mut boards = Vec::new();
        for spec in &file.boards {
            open_board(file, spec, options, &mut boards)?;
        }
        Ok(Self {
            name: file.name.clone(),
            boards,
        })
    }

    /// The rig's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its boards, in the order of the file.
    #[must_use]
    pub fn boards(&self) -> &[Board] {
        &self.boards
    }

    /// Its boards, for threads that take one each. They keep what they need alive.
    #[must_use]
    pub fn into_boards(self) -> Vec<Board> {
        self.boards
    }

    /// The board of this name.
    ///
    /// # Errors
    /// [`RigError::NoSuchBoard`] with the names that exist.
    pub fn board(&self, name: &str) -> Result<&Board, RigError> {
        self.boards
            .iter()
            .find(|board| board.name == name)
            .ok_or_else(|| RigError::NoSuchBoard {
                rig: self.name.clone(),
                board: name.to_owned(),
                known: self
                    .boards
                    .iter()
                    .map(|board| format!("`{}`", board.name))
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }
}

/// A board: what the runner has of it. Whether it is a process cannot be told from here.
#[derive(Debug)]
pub struct Board {
    name: String,
    description: Option<String>,
    uart_app: Option<UartSpec>,
    uart_net: Option<UartSpec>,
    external_flash: ExternalFlash,
    power: Arc<dyn PowerSwitch>,
    // In front of the process, so that the probe is closed before the board goes away.
    probe: Arc<ProbeSession>,
    _lease: Option<Lease>,
    _process: Option<Arc<VirtualProcess>>,
}

impl Board {
    /// The board's name, unique in the rig.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is, in the words of the rig file.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The board's debug probe.
    #[must_use]
    pub fn probe(&self) -> &ProbeSession {
        &self.probe
    }

    /// The board's power switch; can be given to other threads.
    #[must_use]
    pub fn power(&self) -> Arc<dyn PowerSwitch> {
        Arc::clone(&self.power)
    }

    /// Whether the board has an external flash, as its rig file says.
    #[must_use]
    pub fn has_external_flash(&self) -> bool {
        self.external_flash != ExternalFlash::None
    }

    /// Whether the rig file has a serial port for `core`.
    #[must_use]
    pub fn has_uart(&self, core: Core) -> bool {
        self.uart_spec(core).is_some()
    }

    /// The serial port of `core`, as the system names it now.
    ///
    /// # Errors
    /// When the rig file has none, or it is not there.
    pub fn uart(&self, core: Core) -> Result<UartEndpoint, RigError> {
        let spec = self.uart_spec(core).ok_or_else(|| RigError::NoUart {
            board: self.name.clone(),
            core,
        })?;
        uart::find(&self.name, core, spec)
    }

    fn uart_spec(&self, core: Core) -> Option<&UartSpec> {
        match core {
            Core::App => self.uart_app.as_ref(),
            Core::Net => self.uart_net.as_ref(),
        }
    }
}

fn open_board(
    file: &RigFile,
    spec: &BoardSpec,
    options: &RigOptions,
    boards: &mut Vec<Board>,
) -> Result<(), RigError> {
    match &spec.kind {
        BoardKind::Real(real) => {
            let folder = options
                .lease_folder
                .clone()
                .unwrap_or_else(lease::default_folder);
            let serial = real.probe.selector.serial();
            let lease = Lease::take(&folder, &spec.name, &file.name, serial, &*options.clock)?;
            boards.push(Board::new(
                spec.name.clone(),
                spec,
                real,
                options,
                Some(lease),
                None,
            ));
        }
        BoardKind::Virtual(simulated) => {
            let (process, endpoints) = VirtualProcess::start(
                &options.launcher,
                &spec.name,
                simulated,
                spec.external_flash,
                &options.clock,
            )?;
            let process = Arc::new(process);
            for (index, endpoints) in endpoints.into_iter().enumerate() {
                let name = match simulated.count {
                    1 => spec.name.clone(),
                    _ => format!("{}-{}", spec.name, index + 1),
                };
                let real = as_real(&name, endpoints)?;
                boards.push(Board::new(
                    name,
                    spec,
                    &real,
                    options,
                    None,
                    Some(Arc::clone(&process)),
                ));
            }
        }
    }
    Ok(())
}

/// A virtual board with the endpoints that it has said: from here on a board like any other.
fn as_real(name: &str, endpoints: VirtualEndpoints) -> Result<RealSpec, RigError> {
    let selector: ProbeSelector = endpoints
        .probe
        .parse()
        .map_err(|what| RigError::BadRequest {
            board: name.to_owned(),
            what,
        })?;
    let uart = |path| {
        Some(UartSpec {
            port: UartPortSpec::Path(path),
            baud: 115_200,
        })
    };
    Ok(RealSpec {
        probe: ProbeSpec {
            selector,
            speed_khz: None,
        },
        uart_app: uart(endpoints.uart.app),
        uart_net: uart(endpoints.uart.net),
        power: PowerSpec::Scpi {
            address: endpoints.power,
        },
    })
}

/// What a board is, in words: whether it is a virtual one has to be in every report, whatever its owner calls it.
fn description(spec: &BoardSpec, process: &Option<Arc<VirtualProcess>>) -> Option<String> {
    match (process, &spec.description) {
        (Some(_), None) => Some("virtual nRF5340 DK".to_owned()),
        (Some(_), Some(words)) => Some(format!("virtual nRF5340 DK, {words}")),
        (None, words) => words.clone(),
    }
}

impl Board {
    fn new(
        name: String,
        spec: &BoardSpec,
        real: &RealSpec,
        options: &RigOptions,
        lease: Option<Lease>,
        process: Option<Arc<VirtualProcess>>,
    ) -> Self {
        let probe = Arc::new(ProbeSession::new(ProbeConfig {
            board: name.clone(),
            selector: real.probe.selector.clone(),
            speed_khz: real.probe.speed_khz,
            recover: spec.recover,
            external_flash: spec.external_flash,
            clock: options.clock.clone(),
            process: process.clone(),
        }));
        let power: Arc<dyn PowerSwitch> = match &real.power {
            PowerSpec::Scpi { address } => {
                Arc::new(ScpiSwitch::new(&name, *address, options.clock.clone()))
            }
            PowerSpec::Command { on, off, within } => Arc::new(CommandSwitch {
                board: name.clone(),
                on: on.clone(),
                off: off.clone(),
                within: *within,
                clock: options.clock.clone(),
            }),
            PowerSpec::Manual => Arc::new(ManualSwitch {
                board: name.clone(),
                ask: options.ask.clone(),
            }),
            PowerSpec::ResetOnly => Arc::new(ResetOnly {
                board: name.clone(),
                probe: Arc::clone(&probe),
            }),
        };
        Self {
            name,
            description: description(spec, &process),
            uart_app: real.uart_app.clone(),
            uart_net: real.uart_net.clone(),
            external_flash: spec.external_flash,
            power,
            probe,
            _lease: lease,
            _process: process,
        }
    }
}
