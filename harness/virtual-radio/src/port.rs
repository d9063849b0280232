//! How boards get onto an air and act on it, whoever drives that air.

use crate::address::Address;
use crate::bluez::Faults;
use crate::gatt::GattTable;
use crate::peripheral::{Advertisement, LinkId, Peripheral, PeripheralId, Reason};
use crate::radio::Command;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zruntime::mpmc::Sender;

/// What boards ask of the air.
pub enum AirCommand {
    /// A board is within reach from now on, and silent.
    Attach {
        /// Its number on this air.
        board: PeripheralId,
        /// Its device address.
        address: Address,
        /// What it offers.
        table: GattTable,
        /// Where it takes events.
        peripheral: Box<dyn Peripheral>,
    },
    /// A board is gone for good; a link that it had is lost.
    Detach(PeripheralId),
    /// A board begins to advertise this, or stops.
    Advertise(PeripheralId, Option<Advertisement>),
    /// Notify the value of the characteristic that is declared at this handle.
    Notify(LinkId, u16, Vec<u8>),
    /// End the link of a board, if there is one.
    DropLink(PeripheralId, Reason),
}

/// Who drives the air.
#[derive(Clone)]
enum Driver {
    Radio(Sender<Command>),
    Other(Arc<dyn Fn(AirCommand) + Send + Sync>),
}

/// The air of a radio. Boards can be attached through it for as long as the radio runs; later they are alone.
#[derive(Clone)]
pub struct AirHandle {
    driver: Driver,
    boards: Arc<AtomicU64>,
}

impl fmt::Debug for AirHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AirHandle").finish_non_exhaustive()
    }
}

impl AirHandle {
    /// An air that somebody else drives, such as an HCI controller. `take` gets what boards ask, on their threads and
    /// under their locks: it must only pass it on. Faults that tests inject through a [`Port`] do not reach it.
    #[must_use]
    pub fn driven_by(take: impl Fn(AirCommand) + Send + Sync + 'static) -> Self {
        Self::new(Driver::Other(Arc::new(take)))
    }

    pub(crate) fn of_radio(commands: Sender<Command>) -> Self {
        Self::new(Driver::Radio(commands))
    }

    fn new(driver: Driver) -> Self {
        Self {
            driver,
            boards: Arc::default(),
        }
    }

    /// Puts a board within reach of all adapters. It is silent until it advertises.
    #[must_use = "the board is taken away when its port is dropped"]
    pub fn attach(
        &self,
        address: Address,
        table: GattTable,
        peripheral: Box<dyn Peripheral>,
    ) -> Port {
        let board = PeripheralId(self.boards.fetch_add(1, Ordering::Relaxed));
        self.send(AirCommand::Attach {
            board,
            address,
            table,
            peripheral,
        });
        Port {
            id: board,
            air: self.clone(),
        }
    }

    fn send(&self, command: AirCommand) {
        match &self.driver {
            // It fails when the radio is gone: then there is nobody to hear it.
            Driver::Radio(commands) => drop(commands.try_send(Command::Air(command))),
            Driver::Other(take) => take(command),
        }
    }
}

/// A board's way to the air. None of its calls waits. Dropping it takes the board away.
#[derive(Debug)]
pub struct Port {
    id: PeripheralId,
    air: AirHandle,
}

impl Port {
    /// Begins to advertise this, or stops. A board that is connected does not advertise: it asks again when it has
    /// been told that the link is gone.
    pub fn advertise(&self, advertisement: Option<Advertisement>) {
        self.air.send(AirCommand::Advertise(self.id, advertisement));
    }

    /// Notifies the value of the characteristic that is declared at `characteristic`, at most MTU - 3 bytes. Lost
    /// when the central has not subscribed or the link is gone.
    pub fn notify(&self, link: LinkId, characteristic: u16, value: Vec<u8>) {
        self.air
            .send(AirCommand::Notify(link, characteristic, value));
    }

    /// Ends the link, if there is one; the board is told, too.
    pub fn drop_link(&self, reason: Reason) {
        self.air.send(AirCommand::DropLink(self.id, reason));
    }

    /// Lets attempts to connect fail, or not.
    pub fn refuse_connections(&self, refuse: bool) {
        self.break_with(move |faults| faults.refuse = refuse);
    }

    /// Keeps services from being resolved, or not.
    pub fn never_resolve(&self, never: bool) {
        self.break_with(move |faults| faults.never_resolve = never);
    }

    /// Refuses what needs a paired central with this ATT error: 0x05 insufficient authentication, 0x0f insufficient
    /// encryption.
    pub fn require_security(&self, error: Option<u8>) {
        self.break_with(move |faults| faults.security = error);
    }

    /// Loses the next so many writes on their way into the board.
    pub fn lose_writes(&self, count: u32) {
        self.break_with(move |faults| faults.lose_writes = count);
    }

    /// Loses the next so many notifications.
    pub fn lose_notifications(&self, count: u32) {
        self.break_with(move |faults| faults.lose_notifications = count);
    }

    fn break_with(&self, change: impl FnOnce(&mut Faults) + Send + 'static) {
        if let Driver::Radio(commands) = &self.air.driver {
            let _ = commands.try_send(Command::Faults(self.id, Box::new(change)));
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.air.send(AirCommand::Detach(self.id));
    }
}
