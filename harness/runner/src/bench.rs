//! One board of the rig, open for the whole run: probe, power, and both consoles from the first line to the last.
//!
//! Everything that a step does to a board goes through here, becomes an event, and comes back with bench trouble
//! as an error of the bench. Whether the board is made of silicon is not known here.

use crate::cancel::CancelToken;
use crate::console::{ConsoleLog, Waited};
use crate::context::{BOOT_BANNERS, Programmed};
use crate::events::Events;
use crate::firmware::Region;
use crate::link::Link;
use crate::outage::Outage;
use crate::radio::RadioLink;
use crate::trouble::{Checked, Trouble, error_chain};
use crate::wear::Wear;
use hil_clock::{Clock, Instant, SharedClock};
use hil_record::{BoardInfo, CoreName, ErrorKind, EventKind, PowerAction};
use hil_rig::{
    Board, Current, Cuts, FlashImage, Judgement, PowerLoss, PowerSwitch, ProbeSight,
    ProgramOptions, Purpose, Rest, Rig, RigError, Switched,
};
use hil_scenario::{BoardFeature, Button, Core, Transport};
use hil_smp::{ConsoleEvent, ConsoleKind, TransportError, UartOptions, UartPort};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long the debugger, with its serial ports, may take to come back after the power did: a device on USB is found again
/// by the system within a few seconds.
const REOPEN_WITHIN: Duration = Duration::from_secs(15);

/// How often it is looked for meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// RESETREAS of the application core (nRF5340 product specification, RESET).
const RESETREAS: u32 = 0x5000_5400;

/// RESET.NETWORK.FORCEOFF of the application core (the same): 1 holds the network core off.
const FORCEOFF: u32 = 0x5000_5614;

/// DHCSR and its bit for a core that has locked up (Armv8-M Architecture Reference Manual, D1.2.53).
const DHCSR: u32 = 0xE000_EDF0;
const S_LOCKUP: u32 = 1 << 19;

/// How long a board that has power again may take to print the first line of its boot, where that is waited for.
const BOOT_SHOWS_WITHIN: Duration = Duration::from_secs(10);

/// Why a board cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Its probe, its power or the rig.
    #[error(transparent)]
    Rig(#[from] RigError),
    /// A serial port.
    #[error("the {core} console of board `{board}` cannot be used")]
    Port {
        /// The board.
        board: String,
        /// Whose console.
        core: Core,
        /// Why.
        #[source]
        source: TransportError,
    },
}

impl BenchError {
    /// What to try.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Rig(error) => Some(error.help()).filter(|help| !help.is_empty()),
            Self::Port { source, .. } => source.help().map(str::to_owned),
        }
    }
}

/// A board that is ready to be used.
pub(crate) struct Bench {
    pub(crate) name: String,
    pub(crate) clock: SharedClock,
    pub(crate) cancel: CancelToken,
    pub(crate) events: Events,
    app: Console,
    net: Console,
    link: Option<Link>,
    radio: Option<RadioLink>,
    power: Arc<dyn PowerSwitch>,
    /// What flowed when it was last measured with the power on, in amperes.
    drawn: Option<f64>,
    /// The power is off, or was and it is not proven yet.
    outage: Option<Outage>,
    /// How often pages of its flash were erased.
    pub(crate) wear: Wear,
    /// The consoles were not there when the board was last started: its first lines are lost.
    deaf: bool,
    /// The button is held.
    pressed: bool,
    // Last, so that the ports are closed before the board goes away.
    board: Board,
}

/// The console of one core; boards exist without one.
struct Console {
    log: ConsoleLog,
    port: Option<UartPort>,
}

/// A board that has answered, but whose consoles are not read yet.
pub struct FoundBoard {
    board: Board,
    /// What the chip says that it is, for the report.
    identity: String,
    /// Its chip, which its flash wears with.
    device: u64,
}

impl FoundBoard {
    /// Switches every board of a rig on and asks its chip what it is.
    ///
    /// # Errors
    ///
    /// The first board that does not answer.
    pub fn all(rig: Rig) -> Result<Vec<Self>, BenchError> {
        rig.into_boards()
            .into_iter()
            .map(|board| {
                board.power().on()?;
                if board.cuts() == Cuts::Board {
                    // It may have been off, and its debugger with it. What the probe then says is asked below.
                    let clock = board.power();
                    wait_for_debugger(&board, clock.clock());
                }
                let identity = board.probe().identity()?;
                let device = identity.device_id;
                let identity = identity.to_string();
                Ok(Self {
                    board,
                    identity,
                    device,
                })
            })
            .collect()
    }

    /// Name and description, for events.
    #[must_use]
    pub fn info(&self) -> BoardInfo {
        let description = self.board.description().unwrap_or("nRF5340 board");
        BoardInfo {
            name: self.board.name().to_owned(),
            description: format!("{description}; {}", self.identity),
        }
    }

    /// What it has, besides its bootloader.
    #[must_use]
    pub fn features(&self) -> BTreeSet<BoardFeature> {
        let mut features = BTreeSet::new();
        if self.board.power().power_loss() == PowerLoss::Real {
            features.insert(BoardFeature::Power);
        }
        for core in Core::ALL {
            if self.board.has_uart(rig_core(core)) {
                features.insert(match core {
                    Core::App => BoardFeature::AppConsole,
                    Core::Net => BoardFeature::NetConsole,
                });
            }
        }
        if self
            .board
            .radio()
            .is_some_and(|radio| radio.second_link().is_some())
        {
            features.insert(BoardFeature::SecondAdapter);
        }
        if self.board.has_external_flash() {
            features.insert(BoardFeature::ExternalFlash);
        }
        if self.board.may_be_erased() {
            features.insert(BoardFeature::Recover);
        }
        if self.board.recovery_button().is_some() {
            features.insert(BoardFeature::RecoveryButton);
        }
        features
    }

    /// The links on which it can be reached.
    #[must_use]
    pub fn transports(&self) -> BTreeSet<Transport> {
        let uart = self.board.has_uart(hil_rig::Core::App);
        let ble = self.board.radio().is_some();
        uart.then_some(Transport::Uart)
            .into_iter()
            .chain(ble.then_some(Transport::Ble))
            .collect()
    }

    /// Opens its consoles, whose lines are events from here on.
    ///
    /// # Errors
    ///
    /// A serial port that is in the rig file cannot be opened.
    pub(crate) fn open(
        self,
        clock: &SharedClock,
        cancel: &CancelToken,
        events: &Events,
    ) -> Result<Bench, BenchError> {
        let info = self.info();
        let app = Console::open(&self.board, Core::App, clock, events)?;
        let net = Console::open(&self.board, Core::Net, clock, events)?;
        let link = app
            .port
            .as_ref()
            .map(|port| Link::new(port.transport(), &info.name, clock, cancel, events));
        let radio = RadioLink::of(&self.board, clock, cancel, events);
        let wear = Wear::open(self.board.wear(), self.device, events, &info.name);
        Ok(Bench {
            name: info.name,
            clock: clock.clone(),
            cancel: cancel.clone(),
            events: events.clone(),
            app,
            net,
            link,
            radio,
            drawn: measured(&*self.board.power()),
            outage: None,
            wear,
            deaf: false,
            power: self.board.power(),
            pressed: false,
            board: self.board,
        })
    }
}

impl Console {
    fn open(
        board: &Board,
        core: Core,
        clock: &SharedClock,
        events: &Events,
    ) -> Result<Self, BenchError> {
        let log = ConsoleLog::new(clock.clone());
        if !board.has_uart(rig_core(core)) {
            return Ok(Self { log, port: None });
        }
        let endpoint = board.uart(rig_core(core))?;
        let options = UartOptions {
            baud: endpoint.baud,
            ..UartOptions::default()
        };
        let sink = {
            let log = log.clone();
            let events = events.clone();
            let board = board.name().to_owned();
            move |event: ConsoleEvent| match event.kind {
                ConsoleKind::Line(bytes) => {
                    let text = printable(&bytes);
                    // The event first: whoever acts on the line does so after it in the stream.
                    events.console(&board, core_name(core), &text);
                    log.push(event.at, text);
                }
                ConsoleKind::Partial(_) => {}
                ConsoleKind::Damaged(error) => events.note(
                    Some(&board),
                    format!("an SMP packet was damaged on the {core} console: {error}"),
                ),
                ConsoleKind::Gone(cause) => {
                    events.note(Some(&board), format!("the {core} console is gone: {cause}"));
                }
            }
        };
        let path = endpoint.path.to_string_lossy();
        let port =
            UartPort::open(&path, options, clock.clone(), Box::new(sink)).map_err(|source| {
                BenchError::Port {
                    board: board.name().to_owned(),
                    core,
                    source,
                }
            })?;
        Ok(Self {
            log,
            port: Some(port),
        })
    }

    /// Closes the port, which is about to go away or has gone: the system gives a port that is still open another name.
    fn let_go(&mut self) {
        if let Some(port) = &mut self.port {
            port.close();
        }
    }

    /// Opens the port again if it went away with the power, under whatever name it has now.
    fn come_back(&mut self, board: &Board, core: Core, clock: &SharedClock) -> Checked {
        let Some(port) = self.port.as_mut().filter(|port| port.is_gone()) else {
            return Ok(());
        };
        let deadline = clock.now() + REOPEN_WITHIN;
        loop {
            let opened = match board.uart(rig_core(core)) {
                Ok(endpoint) => port
                    .reopen_as(&endpoint.path.to_string_lossy(), clock.now())
                    .map_err(|error| Trouble::error(ErrorKind::Port, error_chain(&error))),
                Err(error) => Err(trouble(&error)),
            };
            match opened {
                Err(_) if clock.now() < deadline => clock.sleep(LOOK_EVERY),
                opened => return opened,
            }
        }
    }
}

/// Waits until the probe is there and reaches the chip; `false` when it is not in time.
fn wait_for_debugger(board: &Board, clock: &dyn Clock) -> bool {
    let deadline = clock.now() + REOPEN_WITHIN;
    loop {
        match board.look_for_chip() {
            ProbeSight::Answered => return true,
            _ if clock.now() >= deadline => return false,
            _ => clock.sleep(LOOK_EVERY),
        }
    }
}

/// What flows, where the supply can tell; trouble with that is no trouble with switching.
fn measured(power: &dyn PowerSwitch) -> Option<f64> {
    match power.current() {
        Ok(amperes) => amperes,
        Err(error) => {
            tracing::info!(
                error = error_chain(&error),
                "no current from the power supply"
            );
            None
        }
    }
}

impl Bench {
    /// The lines of a core.
    pub(crate) const fn console(&self, core: Core) -> &ConsoleLog {
        match core {
            Core::App => &self.app.log,
            Core::Net => &self.net.log,
        }
    }

    /// SMP with the board, over a link that has been [connected](Self::connect).
    pub(crate) fn link(&mut self, over: Transport) -> Checked<&mut Link> {
        let name = &self.name;
        match over {
            Transport::Uart => self.link.as_mut().ok_or_else(|| {
                Trouble::error(
                    ErrorKind::Port,
                    format_args!("board `{name}` has no serial port for its application core"),
                )
            }),
            Transport::Ble => self.radio.as_mut().map(RadioLink::link).ok_or_else(|| {
                Trouble::error(
                    ErrorKind::Radio,
                    format_args!("board `{name}` has no `ble` in its rig file"),
                )
            }),
        }
    }

    /// Makes a link, unless it is there; what it is like, when it is a new one. A serial port is always there.
    pub(crate) fn connect(
        &mut self,
        over: Transport,
        deadline: Instant,
    ) -> Checked<Option<String>> {
        match (over, &mut self.radio) {
            (Transport::Ble, Some(radio)) => radio.connect(deadline),
            (Transport::Ble, None) | (Transport::Uart, _) => Ok(None),
        }
    }

    /// Waits until the radio's adapter has a connection for this board, if `links` has a wireless one.
    pub(crate) fn reserve(&mut self, links: &BTreeSet<Transport>, within: Duration) -> Checked {
        match &mut self.radio {
            Some(radio) if links.contains(&Transport::Ble) => {
                radio.reserve(&self.board, self.clock.now() + within)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The wireless link, where there is one.
    pub(crate) const fn radio(&mut self) -> Option<&mut RadioLink> {
        self.radio.as_mut()
    }

    /// Ends the wireless link, if there is one.
    pub(crate) fn hang_up(&mut self, why: &str) {
        if let Some(radio) = &mut self.radio {
            radio.hang_up(why);
        }
    }

    /// Resets the chip and keeps it from running, so that nothing of what it ran before is seen any more. A board that is
    /// closed to debuggers is erased first, where its rig file allows it; whether it was.
    pub(crate) fn hold(&mut self) -> Checked<bool> {
        self.deaf = false;
        self.probe_event("hold", "");
        let probe = self.board.probe();
        match probe.reset_and_halt(hil_rig::Core::App) {
            Ok(()) => Ok(false),
            Err(RigError::Locked { .. }) if self.board.may_be_erased() => {
                self.probe_event("recover", "both cores");
                probe
                    .recover()
                    .and_then(|()| probe.reset_and_halt(hil_rig::Core::App))
                    .map(|()| true)
                    .map_err(|error| trouble(&error))
            }
            Err(error) => Err(trouble(&error)),
        }
    }

    /// Makes both flashes hold `image` and nothing else, and so parts of the external flash, and starts the chip. What it
    /// did, in words.
    pub(crate) fn program(&mut self, image: &FlashImage, external: &[Region]) -> Checked<String> {
        self.probe_event("program", &format!("{} bytes", image.len()));
        let options = ProgramOptions {
            rest: Rest::Erase,
            external: external
                .iter()
                .map(|region| region.address..region.address + region.size)
                .collect(),
            within: None,
        };
        let done = self
            .board
            .probe()
            .program(image, &options, &mut |_| {})
            .map_err(|error| trouble(&error))?;
        self.wear.programmed(&done.erased_pages);
        Ok(format!(
            "{} of {} pages changed, {} bytes verified",
            done.changed, done.pages, done.verified
        ))
    }

    /// What the memories hold when they have been programmed with `image`: that, and nothing else. `external` is how
    /// much of the external flash counts.
    pub(crate) fn contents_of(
        &mut self,
        release: &str,
        image: &FlashImage,
        external: u32,
    ) -> Checked<Programmed> {
        let blank = |core| vec![0xFF; Region::whole_flash(core).size as usize];
        let mut contents = Programmed {
            release: release.to_owned(),
            app: blank(Core::App),
            net: blank(Core::Net),
            external: vec![0xFF; external as usize],
            app_uicr: self.read_uicr(Core::App)?,
            net_uicr: self.read_uicr(Core::Net)?,
        };
        for (address, bytes) in image.segments() {
            contents.put(address, bytes);
        }
        Ok(contents)
    }

    /// Reads flash.
    pub(crate) fn read(&mut self, core: Core, address: u32, size: u32) -> Checked<Vec<u8>> {
        self.probe_event("read", &format!("{core} {address:#010x} +{size:#x}"));
        self.board
            .probe()
            .read(rig_core(core), address, size)
            .map_err(|error| trouble(&error))
    }

    /// Reads the UICR of a core.
    pub(crate) fn read_uicr(&mut self, core: Core) -> Checked<Vec<u8>> {
        let range = rig_core(core).uicr();
        self.read(core, range.start, range.end - range.start)
    }

    /// Whether the first lines of the last start are lost, because the serial ports came back after the power.
    pub(crate) const fn is_deaf(&self) -> bool {
        self.deaf
    }

    /// The board is about to start anew, with the consoles there.
    pub(crate) const fn hears(&mut self) {
        self.deaf = false;
    }

    /// Whether the network core is released and has not locked up, as the probe sees it.
    pub(crate) fn network_core_runs(&mut self) -> Checked<bool> {
        let mut word = |core, address| -> Checked<u32> {
            let bytes = self.read(core, address, 4)?;
            Ok(bytes.first_chunk().copied().map_or(0, u32::from_le_bytes))
        };
        // Reading the network core would release it for that moment, so first whether it is.
        Ok(word(Core::App, FORCEOFF)? & 1 == 0 && word(Core::Net, DHCSR)? & S_LOCKUP == 0)
    }

    /// Resets the chip and lets it run.
    pub(crate) fn reset(&mut self) -> Checked {
        self.deaf = false;
        self.probe_event("reset", "");
        self.board.probe().reset().map_err(|error| trouble(&error))
    }

    /// Takes the power away, and looks whether it is gone: what proves it, if something does already.
    pub(crate) fn power_off(&mut self, action: PowerAction) -> Checked<Option<String>> {
        let switched = self.power.off().map_err(|error| trouble(&error))?;
        let mut outage = Outage::new(self.clock.now(), [&self.app.log, &self.net.log]);
        self.power_event(action, switched);
        // Whatever the probe held of the chip is lost.
        self.board.probe().forget();
        outage.seen.cuts = self.board.cuts();
        outage.seen.current = measured(&*self.power).map(|off| Current {
            on: self.drawn,
            off,
        });
        // Also where the current has fallen: it may be that of another board.
        outage.seen.probe = Some(self.board.look_for_chip());
        if self.board.cuts() == Cuts::Board {
            self.app.let_go();
            self.net.let_go();
        }
        let outage = self.outage.insert(outage);
        outage.proof(&self.name, &*self.power)
    }

    /// When the power went, while it is off.
    pub(crate) fn off_since(&self) -> Option<Instant> {
        self.outage.as_ref().map(|outage| outage.since)
    }

    /// Gives the power back, and waits for what went away with it. What proves that the power was gone, if nothing did
    /// before.
    pub(crate) fn power_on(&mut self) -> Checked<Option<String>> {
        let outage = self.outage.take();
        let outage = outage.filter(|outage| !matches!(outage.seen.judge(), Judgement::Proven(_)));
        let outage = outage.map(|mut outage| {
            outage.look_at_consoles();
            outage
        });
        self.switch_on()?;
        match outage {
            None => Ok(None),
            Some(outage) => self.prove_afterwards(outage).map(Some),
        }
    }

    fn switch_on(&mut self) -> Checked {
        let switched = self.power.on().map_err(|error| trouble(&error))?;
        self.power_event(PowerAction::On, switched);
        self.deaf = self.board.cuts() == Cuts::Board;
        let clock = self.clock.clone();
        self.app.come_back(&self.board, Core::App, &clock)?;
        self.net.come_back(&self.board, Core::Net, &clock)?;
        if self.board.cuts() == Cuts::Board && !wait_for_debugger(&self.board, &*clock) {
            // Says why, which the look did not.
            self.board
                .probe()
                .identity()
                .map_err(|error| trouble(&error))?;
        }
        self.drawn = measured(&*self.power).or(self.drawn);
        Ok(())
    }

    /// Looks for a proof once the power is back.
    fn prove_afterwards(&mut self, mut outage: Outage) -> Checked<String> {
        if let Some(proof) = outage.proof(&self.name, &*self.power)? {
            return Ok(proof);
        }
        let log = &self.app.log;
        let deadline = self.clock.now() + BOOT_SHOWS_WITHIN;
        let booting = |line: &str| BOOT_BANNERS.iter().any(|banner| line.contains(banner));
        let started = self.app.port.is_some()
            && match log.wait_for(outage.app_mark(), deadline, &self.cancel, booting) {
                Waited::Found(..) => true,
                Waited::TimedOut => false,
                Waited::Cancelled => return Err(Trouble::Cancelled),
            };
        // Without a new start it is 0 on a board to which nothing happened, too.
        if started {
            let bytes = self.read(Core::App, RESETREAS, 4)?;
            outage.seen.reset_reasons = bytes.first_chunk().copied().map(u32::from_le_bytes);
        }
        let proof = outage.proof(&self.name, &*self.power)?;
        proof.ok_or_else(|| outage.unproven(&self.name, &*self.power))
    }

    /// Presses a button, until [`release`](Self::release).
    pub(crate) fn press(&mut self, button: Button) -> Checked {
        let hand = self.button(button)?;
        self.button_event(button, true);
        // Also when it is not known whether it was.
        self.pressed = true;
        hand.press().map_err(|error| trouble(&error))
    }

    /// Lets go of it.
    pub(crate) fn release(&mut self, button: Button) -> Checked {
        self.button(button)?
            .release()
            .map_err(|error| trouble(&error))?;
        self.pressed = false;
        self.button_event(button, false);
        Ok(())
    }

    fn button(&self, button: Button) -> Checked<Arc<dyn hil_rig::Button>> {
        let Button::Recovery = button;
        self.board.recovery_button().ok_or_else(|| {
            trouble(&RigError::NoButton {
                board: self.name.clone(),
            })
        })
    }

    fn button_event(&self, button: Button, pressed: bool) {
        self.events.emit(EventKind::Button {
            board: self.name.clone(),
            button: button.to_string(),
            pressed,
        });
    }

    /// Leaves the board as it was found: powered, running, with nothing of a debugger on it.
    pub(crate) fn put_back(&mut self) -> Checked {
        if let Some(radio) = &mut self.radio {
            radio.end();
        }
        let released = if self.pressed {
            self.release(Button::Recovery)
        } else {
            Ok(())
        };
        // Whether an outage was one is no question any more.
        self.outage = None;
        let powered = self.switch_on();
        let detached = self.board.probe().detach().map_err(|error| trouble(&error));
        released.and(powered).and(detached)
    }

    fn probe_event(&self, action: &str, detail: &str) {
        self.events.emit(EventKind::Probe {
            board: self.name.clone(),
            action: action.to_owned(),
            detail: detail.to_owned(),
        });
    }

    fn power_event(&self, action: PowerAction, switched: Switched) {
        self.events.emit(EventKind::Power {
            board: self.name.clone(),
            action,
            latency_us: u64::try_from(switched.took.as_micros()).ok(),
        });
    }
}

/// What the rig says about itself is never a verdict about firmware.
fn trouble(error: &RigError) -> Trouble {
    let kind = match error {
        RigError::File(_) | RigError::Image(_) => ErrorKind::File,
        // A supply that was told and says itself that it is not off: the cut did not happen.
        RigError::PowerNotSwitched { wanted: "off", .. } => ErrorKind::Inconclusive,
        RigError::InstrumentConnect { purpose, .. }
        | RigError::InstrumentAnswer { purpose, .. }
        | RigError::CommandStart { purpose, .. }
        | RigError::CommandFailed { purpose, .. }
        | RigError::CommandStuck { purpose, .. }
        | RigError::Manual { purpose, .. } => match purpose {
            Purpose::Power => ErrorKind::Power,
            Purpose::RecoveryButton => ErrorKind::Board,
        },
        RigError::PowerNotSwitched { .. }
        | RigError::PowerPort { .. }
        | RigError::PowerFile { .. }
        | RigError::NoPowerSwitch { .. } => ErrorKind::Power,
        RigError::NoUart { .. } | RigError::UartNotFound { .. } => ErrorKind::Port,
        RigError::NoButton { .. }
        | RigError::NoSuchBoard { .. }
        | RigError::VirtualStart { .. }
        | RigError::VirtualSilent { .. }
        | RigError::VirtualAnswer { .. }
        | RigError::VirtualCount { .. }
        | RigError::VirtualExited { .. }
        | RigError::BoardInUse { .. }
        | RigError::NoExternalFlash { .. }
        | RigError::ExternalFlashSilent { .. }
        | RigError::ExternalFlashOther { .. } => ErrorKind::Board,
        _ => ErrorKind::Probe,
    };
    Trouble::error(kind, error_chain(error)).with_help(error.help())
}

/// A line as text: what is not UTF-8 or not printable is shown as its code, and the terminal's own sequences with it.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for character in String::from_utf8_lossy(bytes).chars() {
        if character.is_control() && character != '\t' {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}

pub(crate) const fn rig_core(core: Core) -> hil_rig::Core {
    match core {
        Core::App => hil_rig::Core::App,
        Core::Net => hil_rig::Core::Net,
    }
}

pub(crate) const fn core_name(core: Core) -> CoreName {
    match core {
        Core::App => CoreName::App,
        Core::Net => CoreName::Net,
    }
}
