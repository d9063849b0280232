//! What the runner has of a board. Here ends what a board is made of: from outside, one in a process is like one on a bench.

use crate::bluetooth::Radio;
use crate::button::{self, Button};
use crate::core::Core;
use crate::error::RigError;
use crate::file::{
    BoardKind, BoardSpec, ChipId, Cuts, ExternalFlash, QuarantineSpec, RamScan, RealSpec, Recover,
    UartSpec, WearSpec,
};
use crate::health::HealthFile;
use crate::labgrid::{HeldPlace, PlaceUart};
use crate::launcher::VirtualProcess;
use crate::lease::Lease;
use crate::power::{self, Current, Judgement, PowerSwitch, ProbeSight, Sighting};
use crate::probe::{ProbeConfig, ProbeFirmware, ProbeSession};
use crate::rig::RigOptions;
use crate::silicon::Silicon;
use crate::uart::{self, UartEndpoint};
use hil_clock::Clock;
use std::sync::Arc;
use std::time::Duration;

/// How long the power may take to go when its supply says that it is off. We chose it: a DK draws some milliamperes, which empty
/// some hundred microfarads in a few tens of milliseconds.
const FALLS_WITHIN: Duration = Duration::from_millis(250);

/// How often a board that still lives is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A board: what the runner has of it. Whether it is a process cannot be told from here.
#[derive(Debug)]
pub struct Board {
    pub(super) name: String,
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

    /// What is seen of the board while its power should be off. `measure` asks the supply what flows, in amperes, and `on` is
    /// what flowed before.
    ///
    /// A board that shows a sign of life is looked at again for up to 250 ms: what a switch leaves behind it in capacitors
    /// feeds the board for a while, and is no switch that sticks.
    #[must_use]
    pub fn look_while_off(
        &self,
        clock: &dyn Clock,
        on: Option<f64>,
        measure: impl Fn() -> Option<f64>,
    ) -> Sighting {
        let deadline = clock.now() + FALLS_WITHIN;
        loop {
            let seen = Sighting {
                cuts: self.cuts,
                current: measure().map(|off| Current { on, off }),
                // Also where the current has fallen: it may be that of another board.
                probe: Some(self.look_for_chip()),
                ..Sighting::default()
            };
            let lives = matches!(seen.judge(), Judgement::Refuted(_));
            if !lives || clock.now() >= deadline {
                return seen;
            }
            clock.sleep_until(deadline.min(clock.now() + LOOK_EVERY));
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

/// What decides whether a board may have scenarios.
pub(super) struct Standing {
    pub(super) wear: WearSpec,
    pub(super) health: Option<HealthFile>,
    pub(super) quarantine: QuarantineSpec,
}

/// What keeps a board ours: the lease of a real one, the place of one in a laboratory besides, or the process that a virtual one
/// is in.
pub(super) enum Backing {
    Leased(Lease),
    Acquired(Box<Acquired>),
    Started(Arc<VirtualProcess>),
}

/// A board in a laboratory.
pub(super) struct Acquired {
    pub(super) place: Arc<HeldPlace>,
    pub(super) uarts: [Option<PlaceUart>; 2],
    /// On the probe and on the place.
    pub(super) leases: [Lease; 2],
}

impl Board {
    pub(super) fn new(
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
        let power = power::of(&name, &real.power, &probe, options);
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
