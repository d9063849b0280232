//! A rig that is open: its boards can be used until it is dropped.

use crate::bluetooth::{Radio, SeatFolder, Seats};
use crate::button::{self, Button};
use crate::core::Core;
use crate::error::{Purpose, RigError};
use crate::file::{
    BleSpec, BoardKind, BoardSpec, ButtonSpec, ChipId, Cuts, ExternalFlash, PowerSpec,
    ProbeSelector, ProbeSpec, QuarantineSpec, RamScan, RealSpec, Recover, RigFile, ScpiPlace,
    ScpiWords, UartPortSpec, UartSpec, UsbSwitch, VirtualSpec, WearSpec,
};
use crate::health::HealthFile;
use crate::inventory::System;
use crate::labgrid::{self, Acquiring, HeldPlace, LabgridSwitch, PlaceUart};
use crate::launcher::{Offer, VirtualEndpoints, VirtualLauncher, VirtualProcess};
use crate::lease::{self, Holder, Lease, QueueClass};
use crate::power::{
    self, Ask, CommandSwitch, Commands, ManualSwitch, Place, PowerKind, PowerSwitch, Ppk2Switch,
    ProbeSight, Programs, ResetOnly, ScpiSwitch, SysfsSwitch, UhubctlSwitch,
};
use crate::probe::{ProbeConfig, ProbeFirmware, ProbeSession};
use crate::silicon::Silicon;
use crate::taking::leases;
use crate::uart::{self, UartEndpoint};
use hil_ble::{AdapterId, BleWorker, DeviceId, WorkerLauncher};
use hil_clock::{Instant, SharedClock};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What opening a rig needs to know beyond the rig file.
#[derive(Clone)]
#[non_exhaustive]
pub struct RigOptions {
    /// The clock of the run.
    pub clock: SharedClock,
    /// The program that is a virtual DK.
    pub launcher: VirtualLauncher,
    /// The program in which Bluetooth is used.
    pub bluetooth: WorkerLauncher,
    /// Asks a person, for boards with `power: manual`; without it they cannot be switched.
    pub ask: Option<Ask>,
    /// Where leases are; the host's folder when absent.
    pub lease_folder: Option<PathBuf>,
    /// What it is opened for: who comes first among those who wait for the same boards.
    pub class: QueueClass,
    /// How boards are waited for that somebody else uses; without it, they are not.
    pub waiting: Option<Waiting>,
    /// What becomes of boards that somebody else uses, also after waiting.
    pub in_use: BoardsInUse,
}

/// What becomes of boards that somebody else uses.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BoardsInUse {
    /// The rig is not opened: all boards or none.
    #[default]
    Refuse,
    /// The rig is opened without them, as long as there is another board.
    GoWithout,
}

/// Told whom a run waits for, when that changes, and `None` now and then. Waiting ends when it says `Break`.
pub type WaitListener = dyn Fn(Option<&Holder>) -> ControlFlow<()> + Send + Sync;

/// How boards are waited for.
#[derive(Clone)]
pub struct Waiting {
    /// How long at most.
    pub within: Duration,
    /// Who is told of it.
    pub told: Arc<WaitListener>,
}

impl RigOptions {
    /// Options with nobody to ask and the host's folder for leases.
    #[must_use]
    pub fn new(clock: SharedClock, launcher: VirtualLauncher) -> Self {
        Self {
            clock,
            bluetooth: WorkerLauncher::new(&launcher.program),
            launcher,
            ask: None,
            lease_folder: None,
            class: QueueClass::default(),
            waiting: None,
            in_use: BoardsInUse::default(),
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
    /// Boards that somebody else uses, by name, and by whom.
    away: Vec<(String, RigError)>,
}

impl Rig {
    /// Takes the leases of the real boards and starts the virtual ones. No probe is opened yet.
    ///
    /// # Errors
    /// When another process uses a board, or a virtual board cannot be started. What was started until then is
    /// stopped.
    pub fn open(file: &RigFile, options: &RigOptions) -> Result<Self, RigError> {
        let until = (options.waiting.as_ref()).map(|waiting| options.clock.now() + waiting.within);
        // All boards on the host's own bus share a worker. It starts when one of them is first connected.
        let host = Arc::new(BleWorker::new(
            options.bluetooth.clone(),
            file.bluetooth.bus.clone(),
            options.clock.clone(),
        ));
        let (leases, away) = leases(file, options, until)?;
        let opening = Opening {
            file,
            options,
            host,
            leases: RefCell::new(leases),
            places: RefCell::default(),
        };
        *opening.places.borrow_mut() = opening.acquire(until)?;
        let mut boards = Vec::new();
        let is_here = |spec: &&BoardSpec| away.iter().all(|(board, _)| *board != spec.name);
        for spec in file.boards.iter().filter(is_here) {
            opening.board(spec, &mut boards)?;
        }
        Ok(Self {
            name: file.name.clone(),
            boards,
            away,
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

    /// The boards that it was opened without, by name, and who uses them.
    #[must_use]
    pub fn take_away(&mut self) -> Vec<(String, RigError)> {
        std::mem::take(&mut self.away)
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
    uart_app: Option<BoardUart>,
    uart_net: Option<BoardUart>,
    external_flash: ExternalFlash,
    recover: Recover,
    rtt: Vec<Core>,
    ram_scan: RamScan,
    power: Arc<dyn PowerSwitch>,
    cuts: Cuts,
    wear: WearSpec,
    health: Option<HealthFile>,
    quarantine: QuarantineSpec,
    recovery_button: Option<Arc<dyn Button>>,
    // In front of the process too: its worker hangs up before the air goes away.
    radio: Option<Radio>,
    // In front of the process, so that the probe is closed before the board goes away.
    probe: Arc<ProbeSession>,
    // Released before the leases are given back.
    _place: Option<Arc<HeldPlace>>,
    _leases: Vec<Lease>,
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

    /// The board's debug probe, for another thread.
    #[must_use]
    pub fn shared_probe(&self) -> Arc<ProbeSession> {
        Arc::clone(&self.probe)
    }

    /// The cores whose firmware prints over SEGGER RTT, as the rig file says.
    #[must_use]
    pub fn rtt(&self) -> &[Core] {
        &self.rtt
    }

    /// Whether its RAM may be searched for the keys of encrypted images, as the rig file says.
    #[must_use]
    pub fn may_scan_ram(&self) -> bool {
        self.ram_scan == RamScan::Allowed
    }

    /// The kind of its chip.
    #[must_use]
    pub fn silicon(&self) -> Silicon {
        self.probe.silicon()
    }

    /// The chip that it has, where the rig file says it.
    #[must_use]
    pub fn chip(&self) -> Option<ChipId> {
        self.probe.expected_chip()
    }

    /// The board's power switch; can be given to other threads.
    #[must_use]
    pub fn power(&self) -> Arc<dyn PowerSwitch> {
        Arc::clone(&self.power)
    }

    /// What goes with the board's power: whether its probe and its serial ports have power of their own.
    #[must_use]
    pub const fn cuts(&self) -> Cuts {
        self.cuts
    }

    /// Where the wear of its flash is kept over runs, and how much of it is allowed.
    #[must_use]
    pub const fn wear(&self) -> &WearSpec {
        &self.wear
    }

    /// Where its health is kept over runs, if it is.
    #[must_use]
    pub const fn health(&self) -> Option<&HealthFile> {
        self.health.as_ref()
    }

    /// When it gets no more scenarios.
    #[must_use]
    pub const fn quarantine(&self) -> &QuarantineSpec {
        &self.quarantine
    }

    /// Has the probe look for the chip, which may have no power. Does not disturb the firmware.
    #[must_use]
    pub fn look_for_chip(&self) -> ProbeSight {
        match self.probe.chip_answers() {
            Ok(true) => ProbeSight::Answered,
            Ok(false) => ProbeSight::NoChip,
            Err(RigError::ProbeOpen { .. }) => ProbeSight::NoProbe,
            Err(error) => ProbeSight::Unclear(error.to_string()),
        }
    }

    /// The button that the board's bootloader looks at, where the rig file says how it is pressed.
    #[must_use]
    pub fn recovery_button(&self) -> Option<Arc<dyn Button>> {
        self.recovery_button.clone()
    }

    /// Whether the board has an external flash, as its rig file says.
    #[must_use]
    pub fn has_external_flash(&self) -> bool {
        self.external_flash != ExternalFlash::None
    }

    /// Whether the board may be erased completely to unlock it.
    #[must_use]
    pub fn may_be_erased(&self) -> bool {
        self.recover == Recover::Allowed
    }

    /// Whether the rig file has a serial port for `core`.
    #[must_use]
    pub fn has_uart(&self, core: Core) -> bool {
        self.board_uart(core).is_some()
    }

    /// The serial port of `core`, as the system names it now.
    ///
    /// # Errors
    /// When the rig file has none, or it is not there.
    pub fn uart(&self, core: Core) -> Result<UartEndpoint, RigError> {
        match self.board_uart(core) {
            Some(BoardUart::Here(spec)) => uart::find(&self.name, core, spec),
            Some(BoardUart::OfPlace(uart)) => uart.endpoint(),
            None => Err(RigError::NoUart {
                board: self.name.clone(),
                core,
            }),
        }
    }

    /// How it is reached with Bluetooth, if it is.
    #[must_use]
    pub const fn radio(&self) -> Option<&Radio> {
        self.radio.as_ref()
    }

    fn board_uart(&self, core: Core) -> Option<&BoardUart> {
        match core {
            Core::App => self.uart_app.as_ref(),
            Core::Net => self.uart_net.as_ref(),
        }
    }
}

/// A serial port of a board.
#[derive(Debug)]
enum BoardUart {
    /// Of this host.
    Here(UartSpec),
    /// On the network, as the board's place has it.
    OfPlace(PlaceUart),
}

/// A rig that is being opened.
struct Opening<'a> {
    file: &'a RigFile,
    options: &'a RigOptions,
    /// The worker for the host's own Bluetooth.
    host: Arc<BleWorker>,
    // In front of the leases: a place is released before somebody else here may want it.
    /// Of the boards in laboratories, by name, until the boards have them.
    places: RefCell<BTreeMap<String, Arc<HeldPlace>>>,
    /// Of the boards on the bench, by name, until the boards have them.
    leases: RefCell<BTreeMap<String, Lease>>,
}

impl Opening<'_> {
    fn board(&self, spec: &BoardSpec, boards: &mut Vec<Board>) -> Result<(), RigError> {
        match &spec.kind {
            BoardKind::Real(real) => {
                let lease = self.lease(&spec.name)?;
                boards.push(self.standing_board(spec, real, Backing::Leased(lease)));
            }
            BoardKind::Labgrid(labgrid) => {
                let lease = self.lease(&spec.name)?;
                let place = self.places.borrow_mut().remove(&spec.name);
                let place = place.ok_or_else(|| RigError::BadRequest {
                    board: spec.name.clone(),
                    what: "its place was not acquired".to_owned(),
                })?;
                let (real, uarts) = place.board(labgrid, &System::default())?;
                // Its probe may be in another rig file, by its serial number.
                let of_probe = Lease::take(
                    &self.lease_folder(),
                    &spec.name,
                    &self.file.name,
                    real.probe.selector.serial(),
                    &*self.options.clock,
                )?;
                let acquired = Acquired {
                    place,
                    uarts,
                    leases: [of_probe, lease],
                };
                let backing = Backing::Acquired(Box::new(acquired));
                boards.push(self.standing_board(spec, &real, backing));
            }
            BoardKind::Virtual(simulated) => {
                let (
                    process,
                    Offer {
                        boards: offered,
                        radio,
                    },
                ) = VirtualProcess::start(
                    &self.options.launcher,
                    &spec.name,
                    simulated,
                    &self.file.bluetooth,
                    spec.external_flash,
                    &self.options.clock,
                )?;
                let process = Arc::new(process);
                let worker = radio.as_ref().map(|radio| {
                    Arc::new(BleWorker::new(
                        self.options.bluetooth.clone(),
                        Some(radio.bus.clone()),
                        self.options.clock.clone(),
                    ))
                });
                let adapters = radio.map(|radio| radio.adapters).unwrap_or_default();
                // Nobody else can use these adapters, but others have adapters of the same name.
                let own = format!("bluetooth-{}-{}", std::process::id(), spec.name);
                let folder = Arc::new(SeatFolder::Own(self.lease_folder().join(own)));
                for (index, endpoints) in offered.into_iter().enumerate() {
                    let name = match simulated.count {
                        1 => spec.name.clone(),
                        _ => format!("{}-{}", spec.name, index + 1),
                    };
                    let address = endpoints.ble.as_ref().map(|ble| ble.address);
                    // The boards take the adapters in turn.
                    let adapter = adapters.get(index % adapters.len().max(1));
                    let radio = match (&worker, address, adapter) {
                        (Some(worker), Some(address), Some(adapter)) => Some(self.virtual_radio(
                            &name,
                            worker,
                            DeviceId::Address(address),
                            adapter,
                            &adapters,
                            &folder,
                        )),
                        _ => None,
                    };
                    let real = as_real(&name, endpoints, simulated)?;
                    boards.push(Board::new(
                        name,
                        spec,
                        &real,
                        radio,
                        self.options,
                        Backing::Started(Arc::clone(&process)),
                        // Its health is new with each run.
                        Standing {
                            wear: self.wear(self.file.wear.ledger.clone()),
                            health: None,
                            quarantine: self.file.quarantine.clone(),
                        },
                    ));
                }
            }
        }
        Ok(())
    }

    /// Acquires the places of all boards that have one.
    fn acquire(
        &self,
        until: Option<Instant>,
    ) -> Result<BTreeMap<String, Arc<HeldPlace>>, RigError> {
        let mut wanted = Vec::new();
        // Not those that the rig goes without.
        let leased = |spec: &&BoardSpec| self.leases.borrow().contains_key(&spec.name);
        for spec in self.file.boards.iter().filter(leased) {
            if let (BoardKind::Labgrid(labgrid), Some(key)) = (&spec.kind, spec.kind.key()) {
                wanted.push((spec.name.as_str(), key, &**labgrid));
            }
        }
        let acquiring = Acquiring {
            clock: &self.options.clock,
            ledger: data_folder("labgrid"),
            waiting: self.options.waiting.as_ref().zip(until),
        };
        labgrid::acquire_all(&wanted, &acquiring)
    }

    fn lease(&self, board: &str) -> Result<Lease, RigError> {
        let lease = self.leases.borrow_mut().remove(board);
        lease.ok_or_else(|| RigError::BadRequest {
            board: board.to_owned(),
            what: "its lease was not taken".to_owned(),
        })
    }

    /// A board that was there before and will be there afterwards.
    fn standing_board(&self, spec: &BoardSpec, real: &RealSpec, backing: Backing) -> Board {
        let radio = real.ble.as_ref().map(|ble| self.radio(&spec.name, ble));
        let wear = self.file.wear.ledger.clone();
        let key = spec.kind.key();
        Board::new(
            spec.name.clone(),
            spec,
            real,
            radio,
            self.options,
            backing,
            Standing {
                wear: self.wear(wear.or_else(|| data_folder("wear"))),
                health: key.and_then(|key| health_file(&self.file.quarantine, &key)),
                quarantine: self.file.quarantine.clone(),
            },
        )
    }

    fn wear(&self, ledger: Option<PathBuf>) -> WearSpec {
        WearSpec {
            ledger,
            budget: self.file.wear.budget,
        }
    }

    fn radio(&self, board: &str, ble: &BleSpec) -> Radio {
        let adapters = &self.file.bluetooth.adapters;
        let count = adapters
            .iter()
            .find(|known| known.adapter == ble.adapter)
            .and_then(|known| known.max_connections);
        let others = adapters
            .iter()
            .map(|known| known.adapter.clone())
            .filter(|other| *other != ble.adapter)
            .collect();
        let key = format!("bluetooth-{}", ble.adapter).replace('`', "");
        Radio {
            board: board.to_owned(),
            rig: self.file.name.clone(),
            worker: Arc::clone(&self.host),
            adapter: ble.adapter.clone(),
            device: ble.device.clone(),
            others,
            seats: count.map(|count| Seats {
                folder: Arc::new(SeatFolder::Host(self.lease_folder())),
                key,
                count,
            }),
            clock: self.options.clock.clone(),
        }
    }

    fn virtual_radio(
        &self,
        board: &str,
        worker: &Arc<BleWorker>,
        device: DeviceId,
        adapter: &str,
        adapters: &[String],
        folder: &Arc<SeatFolder>,
    ) -> Radio {
        let id = AdapterId::from(adapter);
        let count = self
            .file
            .bluetooth
            .adapters
            .iter()
            .find(|known| known.adapter == id)
            .and_then(|known| known.max_connections);
        let others = adapters
            .iter()
            .filter(|other| *other != adapter)
            .map(|other| AdapterId::from(other.as_str()))
            .collect();
        Radio {
            board: board.to_owned(),
            rig: self.file.name.clone(),
            worker: Arc::clone(worker),
            adapter: id,
            device,
            others,
            seats: count.map(|count| Seats {
                folder: Arc::clone(folder),
                key: adapter.to_owned(),
                count,
            }),
            clock: self.options.clock.clone(),
        }
    }

    fn lease_folder(&self) -> PathBuf {
        self.options
            .lease_folder
            .clone()
            .unwrap_or_else(lease::default_folder)
    }
}

/// A virtual board with the endpoints that it has said: from here on a board like any other.
fn as_real(
    name: &str,
    endpoints: VirtualEndpoints,
    spec: &VirtualSpec,
) -> Result<RealSpec, RigError> {
    let emulated = spec.emulator.is_some();
    let selector: ProbeSelector = endpoints
        .probe
        .parse()
        .map_err(|what| RigError::BadRequest {
            board: name.to_owned(),
            what,
        })?;
    let uart = |path| UartSpec {
        port: UartPortSpec::Path(path),
        baud: 115_200,
    };
    let words = ScpiWords::default();
    Ok(RealSpec {
        silicon: if emulated {
            Silicon::Nrf51
        } else {
            Silicon::Nrf5340
        },
        chip: None,
        probe: ProbeSpec {
            selector,
            speed_khz: None,
        },
        uart_app: Some(uart(endpoints.uart.app)),
        uart_net: endpoints.uart.net.map(uart),
        ble: None,
        power: PowerSpec::Scpi {
            supply: ScpiPlace::Tcp(endpoints.power),
            words: if emulated {
                // Nothing flows that could be measured.
                ScpiWords {
                    current: None,
                    ..words
                }
            } else {
                words
            },
        },
        cuts: spec.cuts,
        // Button 1, by a command of the supply.
        recovery_button: (!emulated).then(|| ButtonSpec::Scpi {
            address: endpoints.power,
            press: "BUTT1 ON".to_owned(),
            release: "BUTT1 OFF".to_owned(),
        }),
    })
}

/// What a board is, in words: whether it is a virtual one has to be in every report, whatever its owner calls it.
fn description(spec: &BoardSpec) -> Option<String> {
    let what = match &spec.kind {
        BoardKind::Virtual(spec) if spec.emulator.is_some() => "nRF51 emulated by QEMU",
        BoardKind::Virtual(_) => "virtual nRF5340 DK",
        BoardKind::Real(_) | BoardKind::Labgrid(_) => return spec.description.clone(),
    };
    Some(match &spec.description {
        None => what.to_owned(),
        Some(words) => format!("{what}, {words}"),
    })
}

/// What decides whether a board may have scenarios.
struct Standing {
    wear: WearSpec,
    health: Option<HealthFile>,
    quarantine: QuarantineSpec,
}

/// What keeps a board ours: the lease of a real one, the place of one in a laboratory besides, or the process that a virtual one
/// is in.
enum Backing {
    Leased(Lease),
    Acquired(Box<Acquired>),
    Started(Arc<VirtualProcess>),
}

/// A board in a laboratory.
struct Acquired {
    place: Arc<HeldPlace>,
    uarts: [Option<PlaceUart>; 2],
    /// On the probe and on the place.
    leases: [Lease; 2],
}

impl Board {
    fn new(
        name: String,
        spec: &BoardSpec,
        real: &RealSpec,
        radio: Option<Radio>,
        options: &RigOptions,
        backing: Backing,
        standing: Standing,
    ) -> Self {
        let mut place_uarts = [None, None];
        let (place, leases, process) = match backing {
            Backing::Leased(lease) => (None, vec![lease], None),
            Backing::Acquired(acquired) => {
                place_uarts = acquired.uarts;
                (Some(acquired.place), Vec::from(acquired.leases), None)
            }
            Backing::Started(process) => (None, Vec::new(), Some(process)),
        };
        let [app, net] = place_uarts;
        let uart = |of_place: Option<PlaceUart>, own: &Option<UartSpec>| match (of_place, own) {
            (Some(uart), _) => Some(BoardUart::OfPlace(uart)),
            (None, own) => own.clone().map(BoardUart::Here),
        };
        let probe = Arc::new(ProbeSession::new(ProbeConfig {
            board: name.clone(),
            silicon: real.silicon,
            selector: real.probe.selector.clone(),
            speed_khz: real.probe.speed_khz,
            chip: real.chip,
            recover: spec.recover,
            external_flash: spec.external_flash,
            clock: options.clock.clone(),
            process: process.clone(),
            firmware: ProbeFirmware::default(),
        }));
        let power = power_switch(&name, &real.power, &probe, options);
        let recovery_button = real
            .recovery_button
            .as_ref()
            .map(|spec| button::of(&name, spec, options));
        Self {
            name,
            description: description(spec),
            uart_app: uart(app, &real.uart_app),
            uart_net: uart(net, &real.uart_net),
            external_flash: spec.external_flash,
            recover: spec.recover,
            rtt: spec.rtt.clone(),
            ram_scan: spec.ram_scan,
            power,
            cuts: real.cuts,
            wear: standing.wear,
            health: standing.health,
            quarantine: standing.quarantine,
            recovery_button,
            radio,
            probe,
            _place: place,
            _leases: leases,
            _process: process,
        }
    }
}

/// Where the health of a board on a bench is kept.
pub(crate) fn health_file(quarantine: &QuarantineSpec, key: &str) -> Option<HealthFile> {
    let folder = (quarantine.ledger.clone()).or_else(|| data_folder("health"))?;
    Some(HealthFile::of(&folder, key))
}

/// Where a user's programs keep what is to last (XDG Base Directory Specification): the folder of one subject.
fn data_folder(subject: &str) -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let data = set("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/share")))?;
    Some(data.join("dfu-hil").join(subject))
}

/// The driver for what the rig file says.
fn power_switch(
    name: &str,
    spec: &PowerSpec,
    probe: &Arc<ProbeSession>,
    options: &RigOptions,
) -> Arc<dyn PowerSwitch> {
    let board = name.to_owned();
    let clock = options.clock.clone();
    let programs = |within: &Duration| Programs {
        board: name.to_owned(),
        purpose: Purpose::Power,
        within: *within,
        clock: options.clock.clone(),
    };
    match spec {
        PowerSpec::Scpi { supply, words } => {
            let place = match supply {
                ScpiPlace::Tcp(address) => Place::Tcp(*address),
                ScpiPlace::Serial(port) => Place::Serial(port.clone()),
            };
            Arc::new(ScpiSwitch::new(name, place, words.clone(), clock))
        }
        PowerSpec::UsbPort { hub, port, by } => match by {
            UsbSwitch::Uhubctl { program, within } => Arc::new(UhubctlSwitch {
                programs: programs(within),
                program: program.clone(),
                hub: hub.clone(),
                port: *port,
            }),
            UsbSwitch::Sysfs { companion } => Arc::new(SysfsSwitch {
                board,
                devices: power::SYSFS.into(),
                hubs: [hub].into_iter().chain(companion).cloned().collect(),
                port: *port,
                clock,
            }),
        },
        PowerSpec::Ppk2 { port, mode } => {
            Arc::new(Ppk2Switch::new(name, port.clone(), *mode, clock))
        }
        PowerSpec::Ykush {
            program,
            model,
            serial,
            port,
            within,
        } => Arc::new(CommandSwitch {
            programs: programs(within),
            kind: PowerKind::UsbPort,
            commands: power::ykush(program, model.as_deref(), serial, *port),
        }),
        PowerSpec::Command { on, off, within } => Arc::new(CommandSwitch {
            programs: programs(within),
            kind: PowerKind::Command,
            commands: Commands {
                on: on.clone(),
                off: off.clone(),
            },
        }),
        PowerSpec::Labgrid { client, resource } => Arc::new(LabgridSwitch {
            client: labgrid::Client {
                board,
                spec: client.clone(),
                clock,
            },
            resource: resource.clone(),
        }),
        PowerSpec::Manual => Arc::new(ManualSwitch {
            board,
            ask: options.ask.clone(),
            clock,
        }),
        PowerSpec::ResetOnly => Arc::new(ResetOnly {
            board,
            probe: Arc::clone(probe),
            clock,
        }),
    }
}
