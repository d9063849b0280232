//! A board of the rig that has answered, before its consoles are read.

use super::console::Console;
use super::power::{measured, wait_for_debugger};
use super::{Bench, BenchError, rig_core};
use crate::cancel::CancelToken;
use crate::events::Events;
use crate::faults;
use crate::link::Link;
use crate::radio::RadioLink;
use crate::wear::Wear;
use hil_clock::SharedClock;
use hil_record::{BoardIdentity, BoardInfo};
use hil_rig::{Board, Cuts, Identity, PowerLoss, Rig};
use hil_scenario::{BoardFeature, Core, Transport};
use hil_smp::{FaultSwitch, Faulty};
use std::collections::BTreeSet;

/// A board that has answered, but whose consoles are not read yet.
pub struct FoundBoard {
    board: Board,
    /// What the chip says that it is.
    identity: Identity,
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
                    let power = board.power();
                    wait_for_debugger(&board, power.clock());
                }
                let identity = board.probe().identity()?;
                Ok(Self { board, identity })
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
            link,
            radio,
            faults,
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
