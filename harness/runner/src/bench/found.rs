//! A board of the rig that has answered, before its consoles are read.

use super::console::Console;
use super::power::measured;
use super::rtt::Rtt;
use super::{Bench, BenchError, rig_core};
use crate::cancel::CancelToken;
use crate::events::Events;
use crate::faults;
use crate::health::{AtStart, Patient as _, climb};
use crate::link::Link;
use crate::radio::RadioLink;
use crate::wear::Wear;
use hil_clock::SharedClock;
use hil_record::{BoardIdentity, BoardInfo, Rescue};
use hil_rig::{Board, Cuts, Identity, PowerLoss, Rig, RigError, Silicon};
use hil_scenario::{BoardFeature, Chip, Core, Transport};
use hil_smp::{FaultSwitch, Faulty};
use std::collections::BTreeSet;

/// A board that has answered, but whose consoles are not read yet.
pub struct FoundBoard {
    board: Board,
    /// What the chip says that it is.
    identity: Identity,
    /// What was tried until it did.
    pub(crate) tried: Vec<Rescue>,
}

/// A board that does not answer, whatever was tried.
#[derive(Debug)]
pub struct MissingBoard {
    /// Its name.
    pub name: String,
    /// What was tried.
    pub(crate) tried: Vec<Rescue>,
    /// What was wrong before anything was tried.
    pub error: BenchError,
}

impl MissingBoard {
    pub(crate) const fn new(name: String, error: BenchError) -> Self {
        Self {
            name,
            tried: Vec::new(),
            error,
        }
    }

    /// Whether somebody else uses it, so that nothing is known of it.
    pub(crate) const fn is_in_use(&self) -> bool {
        matches!(self.error, BenchError::Rig(RigError::BoardInUse { .. }))
    }
}

/// The boards of a rig: those that answer, and those that do not.
#[derive(Default)]
pub struct FoundBoards {
    /// Ready to be used.
    pub boards: Vec<FoundBoard>,
    /// The run goes without them.
    pub missing: Vec<MissingBoard>,
}

/// Whether the rig file is wrong, and not the bench: a run without the board would hide it.
const fn is_mistake(error: &RigError) -> bool {
    matches!(
        error,
        RigError::OtherChip { .. }
            | RigError::WrongChip { .. }
            | RigError::BadRequest { .. }
            | RigError::File(_)
    )
}

impl FoundBoard {
    /// Switches every board of a rig on and asks its chip what it is. One that does not answer is helped; when that is in
    /// vain, the run goes without it, as long as there is another one.
    ///
    /// # Errors
    ///
    /// A board that is another one than the rig file says; or, where no board answers, what the first one made of it.
    pub fn all(mut rig: Rig, clock: &SharedClock) -> Result<FoundBoards, BenchError> {
        let mut all = FoundBoards::default();
        for (name, error) in rig.take_away() {
            all.missing.push(MissingBoard::new(name, error.into()));
        }
        for board in rig.into_boards() {
            match Self::find(board, clock)? {
                Ok(found) => all.boards.push(found),
                Err(missing) => all.missing.push(missing),
            }
        }
        if all.boards.is_empty() && !all.missing.is_empty() {
            return Err(all.missing.swap_remove(0).error);
        }
        Ok(all)
    }

    fn find(board: Board, clock: &SharedClock) -> Result<Result<Self, MissingBoard>, RigError> {
        let mut patient = AtStart {
            board: &board,
            clock: clock.clone(),
            last: None,
        };
        let mut tried = Vec::new();
        if patient.answers().is_err() {
            if let Some(mistake) = patient.last.take_if(|error| is_mistake(error)) {
                return Err(mistake);
            }
            // Nobody can stop the run yet, but for leaving it at once.
            let first = patient.last.take();
            let never = CancelToken::new();
            let climbed = climb(&mut patient, &never, &mut |rescue| tried.push(rescue));
            // What was wrong before anything was tried with it says most.
            if let (Err(_), Some(error)) = (climbed, first.or(patient.last)) {
                return Ok(Err(MissingBoard {
                    name: board.name().to_owned(),
                    tried,
                    error: error.into(),
                }));
            }
        }
        let identity = board.probe().identity()?;
        Ok(Ok(Self {
            board,
            identity,
            tried,
        }))
    }

    /// Its name in the rig.
    #[must_use]
    pub fn name(&self) -> &str {
        self.board.name()
    }

    /// Name and description, for events.
    #[must_use]
    pub fn info(&self) -> BoardInfo {
        let description = match self.board.description() {
            Some(description) => description.to_owned(),
            None => format!("{} board", self.board.silicon()),
        };
        BoardInfo {
            name: self.board.name().to_owned(),
            description: format!("{description}; {}", self.identity),
            identity: Some(BoardIdentity {
                chip: format!("nRF{:x}", self.identity.part),
                variant: self.identity.variant.clone(),
                device_id: format!("{:016x}", self.identity.device_id),
                revision: self.identity.revision,
                probe: self.board.probe().selector().to_owned(),
                probe_firmware: self.board.probe().firmware(),
            }),
        }
    }

    /// What it has, besides its bootloader.
    #[must_use]
    pub fn features(&self) -> BTreeSet<BoardFeature> {
        let mut features = BTreeSet::new();
        if self.board.power().power_loss() == PowerLoss::Real {
            features.insert(BoardFeature::Power);
        }
        if self.board.cuts() == Cuts::Soc {
            features.insert(BoardFeature::ConsoleAtPowerOn);
        }
        for core in Core::ALL {
            if self.board.has_uart(rig_core(core)) {
                features.insert(match core {
                    Core::App => BoardFeature::AppConsole,
                    Core::Net => BoardFeature::NetConsole,
                });
            }
        }
        for core in Core::ALL {
            if self.board.rtt().contains(&rig_core(core)) {
                features.insert(match core {
                    Core::App => BoardFeature::AppRtt,
                    Core::Net => BoardFeature::NetRtt,
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

    /// The chip that it has.
    #[must_use]
    pub fn chip(&self) -> Chip {
        match self.board.silicon() {
            Silicon::Nrf5340 => Chip::Nrf5340,
            Silicon::Nrf51 => Chip::Nrf51,
        }
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
        let rtt = Rtt::open(&self.board, clock, events);
        let faults = FaultSwitch::default();
        let link = app.port.as_ref().map(|port| {
            let told = faults::sink(events, &info.name, Transport::Uart);
            let transport = Faulty::new(port.transport(), clock.clone(), faults.clone(), told);
            Link::new(transport, (&info.name, "uart"), clock, cancel, events)
        });
        let radio = RadioLink::of(&self.board, clock, cancel, events, &faults);
        let wear = Wear::open(
            self.board.wear(),
            self.identity.device_id,
            events,
            &info.name,
        );
        Ok(Bench {
            name: info.name,
            clock: clock.clone(),
            cancel: cancel.clone(),
            events: events.clone(),
            app,
            net,
            rtt,
            link,
            radio,
            faults,
            drawn: measured(&*self.board.power()),
            outage: None,
            wear,
            deaf: false,
            power: self.board.power(),
            device: self.identity.device_id,
            pressed: false,
            left: Vec::new(),
            board: self.board,
        })
    }
}
