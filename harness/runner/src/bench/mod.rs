//! One board of the rig, open for the whole run: probe, power, and both consoles from the first line to the last.
//!
//! Everything that a step does to a board goes through here, becomes an event, and comes back with bench trouble
//! as an error of the bench. Whether the board is made of silicon is not known here.

mod console;
mod found;
mod noise;
mod power;
mod rtt;
mod stop;
mod trouble;

use crate::cancel::CancelToken;
use crate::console::ConsoleLog;
use crate::context::Programmed;
use crate::events::Events;
use crate::firmware::Region;
use crate::link::Link;
use crate::outage::Outage;
use crate::radio::RadioLink;
use crate::trouble::{Checked, Trouble};
use crate::wear::Wear;
use console::Console;
use hil_clock::{Instant, SharedClock};
use hil_record::{Check, ConsoleSource, CoreName, ErrorKind, EventKind};
use hil_rig::{
    Board, FlashImage, HealthFile, PowerLoss, PowerSwitch, ProgramOptions, Rest, RigError, Silicon,
};
use hil_scenario::{Button, Core, PrintedBy, Transport};
use hil_smp::{FaultSwitch, TransportError};
use rtt::Rtt;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use trouble::trouble;

pub use found::{FoundBoard, FoundBoards, MissingBoard};
pub(crate) use power::wait_for_debugger;

/// RESET.NETWORK.FORCEOFF of the application core (the same): 1 holds the network core off.
const FORCEOFF: u32 = 0x5000_5614;

/// DHCSR and its bit for a core that has locked up (Armv8-M Architecture Reference Manual, D1.2.53).
const DHCSR: u32 = 0xE000_EDF0;
const S_LOCKUP: u32 = 1 << 19;

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
    rtt: Rtt,
    link: Option<Link>,
    radio: Option<RadioLink>,
    /// Breaks what goes over both.
    pub(crate) faults: FaultSwitch,
    power: Arc<dyn PowerSwitch>,
    /// What flowed when it was last measured with the power on, in amperes.
    drawn: Option<f64>,
    /// The power is off, or was and it is not proven yet.
    outage: Option<Outage>,
    /// How often pages of its flash were erased.
    pub(crate) wear: Wear,
    /// The consoles were not there when the board was last started: its first lines are lost.
    deaf: bool,
    /// FICR device id of the chip that it was found with.
    device: u64,
    /// The button is held.
    pressed: bool,
    /// Where keys were found in RAM.
    left: Vec<(Core, Range<u32>)>,
    // Last, so that the ports are closed before the board goes away.
    board: Board,
}

impl Bench {
    /// What a core printed over RTT, where the rig file says that it does.
    pub(crate) const fn rtt(&self, core: Core) -> &ConsoleLog {
        self.rtt.log(core)
    }

    /// The board is about to be started: what it printed until now is of the past.
    pub(crate) fn starts(&self) {
        self.rtt.board_starts();
    }

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
        self.rtt.look();
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
        self.rtt.look();
        self.probe_event("program", &format!("{} bytes", image.len()));
        let options = ProgramOptions {
            rest: Rest::Erase,
            external: external
                .iter()
                .map(|region| region.address..region.address + region.size)
                .collect(),
            ..ProgramOptions::default()
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
    ///
    /// Records are of the memories of an nRF5340. What a smaller chip has not of them counts as blank: nothing can be programmed
    /// there, and nothing there can change.
    pub(crate) fn read(&mut self, core: Core, address: u32, size: u32) -> Checked<Vec<u8>> {
        let there = self.there(core, address, size);
        let mut bytes = vec![0xFF; size as usize];
        if there > 0 {
            self.probe_event("read", &format!("{core} {address:#010x} +{there:#x}"));
            let read = self.board.probe().read(rig_core(core), address, there);
            let read = read.map_err(|error| trouble(&error))?;
            bytes[..there as usize].copy_from_slice(&read);
        }
        Ok(bytes)
    }

    /// The kind of its chip.
    pub(crate) fn silicon(&self) -> Silicon {
        self.board.silicon()
    }

    /// How many of these bytes the chip has.
    fn there(&self, core: Core, address: u32, size: u32) -> u32 {
        let of_any = rig_core(core).flash();
        if !of_any.contains(&address) {
            return size;
        }
        let flash = self.board.silicon().flash(rig_core(core));
        flash.end.saturating_sub(address).min(size)
    }

    /// Whether the rig file allows that RAM is searched.
    pub(crate) fn may_scan_ram(&self) -> bool {
        self.board.may_scan_ram()
    }

    /// Reads the RAM of a core, which goes on; and where it begins.
    pub(crate) fn read_ram(&mut self, core: Core) -> Checked<(u32, Vec<u8>)> {
        let range = rig_core(core).ram();
        let bytes = self.read(core, range.start, range.end - range.start)?;
        Ok((range.start, bytes))
    }

    /// A key was found there. Before the board is programmed next it is [cleared](Self::clear_left_in_ram).
    pub(crate) fn left_in_ram(&mut self, core: Core, place: Range<u32>) {
        self.left.push((core, place));
    }

    /// Clears keys that were found in RAM, which survives a reset: the next scenario is not to answer for them. The application core
    /// must be held.
    pub(crate) fn clear_left_in_ram(&mut self) -> Checked {
        for (core, place) in std::mem::take(&mut self.left) {
            self.probe_event("clear", &format!("{core} {:#010x}", place.start));
            for word in (place.start & !3..place.end).step_by(4) {
                self.board
                    .probe()
                    .write_word(rig_core(core), word, 0)
                    .map_err(|error| trouble(&error))?;
            }
        }
        Ok(())
    }

    /// Reads the UICR of a core.
    pub(crate) fn read_uicr(&mut self, core: Core) -> Checked<Vec<u8>> {
        let range = self.board.silicon().uicr(rig_core(core));
        if range.is_empty() {
            return Ok(Vec::new());
        }
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
    /// With the registers that tell it.
    pub(crate) fn network_core_runs(&mut self) -> Checked<(bool, Check)> {
        let mut word = |core, address| -> Checked<u32> {
            let bytes = self.read(core, address, 4)?;
            Ok(bytes.first_chunk().copied().map_or(0, u32::from_le_bytes))
        };
        // Reading the network core would release it for that moment, so first whether it is.
        let forceoff = word(Core::App, FORCEOFF)?;
        let dhcsr = match is_released(forceoff) {
            true => Some(word(Core::Net, DHCSR)?),
            false => None,
        };
        let runs = dhcsr.is_some_and(is_not_locked_up);
        Ok((runs, Check::NetworkRuns { forceoff, dhcsr }))
    }

    /// Makes pages of both flashes and of the external flash hold these bytes, with the chip held at its first instruction
    /// before and after.
    pub(crate) fn restore(&mut self, image: &FlashImage) -> Checked {
        self.deaf = false;
        self.rtt.look();
        self.probe_event("restore", &format!("{} bytes", image.len()));
        let done = self
            .board
            .probe()
            .restore(image)
            .map_err(|error| trouble(&error))?;
        self.wear.restored(&done.erased_pages);
        Ok(())
    }

    /// Lets the application core go on that is held.
    pub(crate) fn let_go(&mut self) -> Checked {
        self.probe_event("run", "");
        self.board
            .probe()
            .run(hil_rig::Core::App)
            .map_err(|error| trouble(&error))
    }

    /// Whether its power can be taken away.
    pub(crate) fn has_power_switch(&self) -> bool {
        self.power.power_loss() == PowerLoss::Real
    }

    /// Resets the chip and lets it run.
    pub(crate) fn reset(&mut self) -> Checked {
        self.deaf = false;
        self.rtt.look();
        self.probe_event("reset", "");
        self.board.probe().reset().map_err(|error| trouble(&error))
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

    /// A scenario begins: what its consoles bring is counted from here on.
    pub(crate) fn begins(&self) {
        for console in [&self.app, &self.net] {
            console.noise.begin();
            console.log.begin();
        }
        self.rtt.begins();
    }

    /// Why what a step found is not to be believed: a serial port went away under it, or brought what no firmware prints.
    /// `failed` is whether it found that the firmware is wrong.
    pub(crate) fn doubt(&self, failed: bool) -> Option<Trouble> {
        let consoles = [(Core::App, &self.app), (Core::Net, &self.net)];
        // Ports that go with the power are away while it is off.
        let away = |console: &Console| self.outage.is_none() && console.is_gone();
        consoles.into_iter().find_map(|(core, console)| {
            if away(console) {
                return Some(
                    Trouble::error(
                        ErrorKind::Port,
                        format_args!(
                            "the serial port of the {core} core of board `{}` went away during this step",
                            self.name
                        ),
                    )
                    .with_help("look at the USB cable, the hub and what the system says of both (`dmesg`)"),
                );
            }
            let flood = console.noise.flood(&self.name, core);
            flood.or_else(|| console.noise.babble(&self.name, core).filter(|_| failed))
        })
        .or_else(|| self.rtt.flood())
    }

    /// Whether its power is on, its serial ports are open, and the chip that it was found with tells its id.
    pub(crate) fn answers(&mut self) -> Checked {
        self.switch_on()?;
        let identity = self.board.probe().identity();
        let found = identity.map_err(|error| trouble(&error))?.device_id;
        if found == self.device {
            return Ok(());
        }
        Err(Trouble::error(
            ErrorKind::Board,
            format_args!(
                "chip {found:016x} answers on the probe of board `{}`, which began the run with {:016x}",
                self.name, self.device
            ),
        ))
    }

    /// Lets the probe and the serial ports go, so that they are opened anew.
    pub(crate) fn reopen(&mut self) {
        self.probe_event("reopen", "");
        self.board.probe().forget();
        self.app.let_go();
        self.net.let_go();
    }

    /// Whether the board may be erased completely to unlock it.
    pub(crate) fn may_be_erased(&self) -> bool {
        self.board.may_be_erased()
    }

    /// Erases both cores through their control access ports.
    pub(crate) fn recover(&mut self) -> Checked {
        self.probe_event("recover", "both cores");
        let recovered = self.board.probe().recover();
        recovered.map_err(|error| trouble(&error))
    }

    /// Where its health is kept over runs, if it is.
    pub(crate) fn health_file(&self) -> Option<HealthFile> {
        self.board.health().cloned()
    }

    /// After how many scenarios in a row that the bench could not decide it gets no more.
    pub(crate) fn quarantine_after(&self) -> u32 {
        self.board.quarantine().after.get()
    }

    fn probe_event(&self, action: &str, detail: &str) {
        self.events.emit(EventKind::Probe {
            board: self.name.clone(),
            action: action.to_owned(),
            detail: detail.to_owned(),
        });
    }
}

/// Whether the network core is released, by `NETWORK.FORCEOFF`.
pub(crate) const fn is_released(forceoff: u32) -> bool {
    forceoff & 1 == 0
}

/// Whether a core has not locked up, by its `DHCSR`.
pub(crate) const fn is_not_locked_up(dhcsr: u32) -> bool {
    dhcsr & S_LOCKUP == 0
}

pub(crate) const fn rig_core(core: Core) -> hil_rig::Core {
    match core {
        Core::App => hil_rig::Core::App,
        Core::Net => hil_rig::Core::Net,
    }
}

pub(crate) const fn source_name(by: PrintedBy) -> ConsoleSource {
    match by {
        PrintedBy::Uart => ConsoleSource::Uart,
        PrintedBy::Rtt => ConsoleSource::Rtt,
    }
}

pub(crate) const fn core_name(core: Core) -> CoreName {
    match core {
        Core::App => CoreName::App,
        Core::Net => CoreName::Net,
    }
}
