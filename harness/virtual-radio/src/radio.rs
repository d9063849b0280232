//! A running radio: one thread with the bus, BlueZ on it and the air.

use crate::address::Address;
use crate::bluez::{Bluez, Faults, PeripheralId};
use crate::bus::{self, BusError};
use crate::gatt::GattTable;
use crate::link::LinkOptions;
use crate::peripheral::{Advertisement, LinkId, Peripheral, Reason};
use futures_core::Stream;
use hil_clock::{Instant, SharedClock, SystemClock};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::task::Poll;
use std::thread::{self, JoinHandle};
use zbus::message::Type;
use zbus::{Message, MessageStream};
use zruntime::SharedRuntime;
use zruntime::mpmc::{self, Receiver, Sender};

/// How a radio is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RadioOptions {
    /// How many adapters: hci0 and so on.
    pub adapters: usize,
    /// Parameters of every link.
    pub link: LinkOptions,
}

impl Default for RadioOptions {
    /// One adapter.
    fn default() -> Self {
        Self {
            adapters: 1,
            link: LinkOptions::default(),
        }
    }
}

/// Why a radio did not start.
#[derive(Debug, thiserror::Error)]
pub enum RadioError {
    /// The bus could not be made.
    #[error("cannot make the bus of the virtual radio")]
    Bus(#[source] BusError),
    /// The thread could not be started.
    #[error("cannot start the thread of the virtual radio")]
    Thread(#[source] io::Error),
}

impl RadioError {
    /// What a person can try.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Bus(error) => error.help(),
            Self::Thread(_) => {
                "raise the limits of processes (`ulimit -u`) and of open files (`ulimit -n`)"
            }
        }
    }
}

/// What the radio's thread is asked to do.
enum Command {
    Attach(PeripheralId, Address, GattTable, Box<dyn Peripheral>),
    Detach(PeripheralId),
    Advertise(PeripheralId, Option<Advertisement>),
    Notify(LinkId, u16, Vec<u8>),
    DropLink(PeripheralId, Reason),
    Faults(PeripheralId, Box<dyn FnOnce(&mut Faults) + Send>),
    Stop,
}

/// A radio: a bus with BlueZ on it, adapters, and boards within their reach. Ends when it is dropped: clients lose
/// their bus, and its socket is gone.
#[derive(Debug)]
pub struct VirtualRadio {
    address: String,
    adapters: Vec<String>,
    air: AirHandle,
    thread: Option<JoinHandle<()>>,
}

impl VirtualRadio {
    /// Starts a radio that takes the time from the system.
    ///
    /// # Errors
    ///
    /// When there is no place for its socket, or no thread.
    pub fn start(options: RadioOptions) -> Result<Self, RadioError> {
        let place = bus::Place::new().map_err(RadioError::Bus)?;
        let address = place.address();
        let (commands, inbox) = mpmc::unbounded();
        let (ready, started) = mpsc::channel();
        let clock: SharedClock = Arc::new(SystemClock::new());
        let thread = thread::Builder::new()
            .name("virtual-radio".to_owned())
            .spawn(move || run(&place, options, &clock, inbox, &ready))
            .map_err(RadioError::Thread)?;
        let radio = Self {
            address,
            adapters: (0..options.adapters)
                .map(|index| format!("hci{index}"))
                .collect(),
            air: AirHandle {
                commands,
                boards: Arc::default(),
            },
            thread: Some(thread),
        };
        match started.recv() {
            Ok(Ok(())) => Ok(radio),
            Ok(Err(error)) => Err(RadioError::Bus(error)),
            Err(_) => Err(RadioError::Bus(BusError::Ended)),
        }
    }

    /// The address of its bus, for `DBUS_SYSTEM_BUS_ADDRESS`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The names of its adapters.
    #[must_use]
    pub fn adapters(&self) -> &[String] {
        &self.adapters
    }

    /// Where boards are attached.
    #[must_use]
    pub fn air(&self) -> AirHandle {
        self.air.clone()
    }
}

impl Drop for VirtualRadio {
    fn drop(&mut self) {
        self.air.send(Command::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the virtual radio panicked");
        }
    }
}

/// The air of a radio. Boards can be attached through it for as long as the radio runs; later they are alone.
#[derive(Clone, Debug)]
pub struct AirHandle {
    commands: Sender<Command>,
    boards: Arc<AtomicU64>,
}

impl AirHandle {
    /// Puts a board within reach of all adapters. It is silent until it advertises.
    #[must_use = "the board is taken away when its port is dropped"]
    pub fn attach(&self, address: Address, table: GattTable, board: Box<dyn Peripheral>) -> Port {
        let id = PeripheralId(self.boards.fetch_add(1, Ordering::Relaxed));
        self.send(Command::Attach(id, address, table, board));
        Port {
            id,
            air: self.clone(),
        }
    }

    fn send(&self, command: Command) {
        // It fails when the radio is gone: then there is nobody to hear it.
        let _ = self.commands.try_send(command);
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
        self.air.send(Command::Advertise(self.id, advertisement));
    }

    /// Notifies the value of the characteristic that is declared at `characteristic`, at most MTU - 3 bytes. Lost
    /// when the central has not subscribed or the link is gone.
    pub fn notify(&self, link: LinkId, characteristic: u16, value: Vec<u8>) {
        self.air.send(Command::Notify(link, characteristic, value));
    }

    /// Ends the link, if there is one; the board is told, too.
    pub fn drop_link(&self, reason: Reason) {
        self.air.send(Command::DropLink(self.id, reason));
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
        self.air.send(Command::Faults(self.id, Box::new(change)));
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.air.send(Command::Detach(self.id));
    }
}

/// The radio's thread.
fn run(
    place: &bus::Place,
    options: RadioOptions,
    clock: &SharedClock,
    inbox: Receiver<Command>,
    ready: &mpsc::Sender<Result<(), BusError>>,
) {
    let runtime = match SharedRuntime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(BusError::Runtime(error)));
            return;
        }
    };
    runtime.block_on(async {
        let bus = match bus::Running::start(place, &runtime).await {
            Ok(bus) => bus,
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        let mut radio = Radio {
            bluez: Bluez::new(options),
            clock,
            runtime: &runtime,
        };
        radio.serve(&bus, inbox).await;
        bus.stop().await;
    });
}

/// What woke the radio.
enum Woken {
    Message(Message),
    Command(Command),
    Timer,
    BusEnded,
}

struct Radio<'a> {
    bluez: Bluez,
    clock: &'a SharedClock,
    runtime: &'a SharedRuntime,
}

impl Radio<'_> {
    async fn serve(&mut self, bus: &bus::Running, inbox: Receiver<Command>) {
        let mut messages = pin!(MessageStream::from(bus.connection()));
        let mut inbox = pin!(inbox);
        loop {
            let timer = self.bluez.poll_timeout();
            let sleep = timer.map(|due| self.runtime.sleep(self.clock.block_for(due)));
            let mut sleep = pin!(async {
                match sleep {
                    Some(sleep) => {
                        sleep.await;
                    }
                    None => std::future::pending::<()>().await,
                }
            });
            let woken = poll_fn(|context| {
                match inbox.as_mut().poll_next(context) {
                    Poll::Ready(Some(command)) => return Poll::Ready(Woken::Command(command)),
                    Poll::Ready(None) => return Poll::Ready(Woken::Command(Command::Stop)),
                    Poll::Pending => {}
                }
                match messages.as_mut().poll_next(context) {
                    Poll::Ready(Some(Ok(message))) => {
                        return Poll::Ready(Woken::Message(message));
                    }
                    Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Woken::BusEnded),
                    Poll::Pending => {}
                }
                sleep.as_mut().poll(context).map(|()| Woken::Timer)
            })
            .await;
            let now = self.clock.now();
            match woken {
                Woken::Message(message) => self.take(&message, now),
                Woken::Command(Command::Stop) => return,
                Woken::Command(command) => self.obey(command, now),
                Woken::Timer => {}
                Woken::BusEnded => {
                    tracing::error!("the bus of the virtual radio has ended");
                    return;
                }
            }
            self.bluez.handle_timeout(now);
            let messages = self.bluez.take_messages();
            if let Err(error) = bus.connection().send_all(&messages).await {
                tracing::error!(%error, "the virtual BlueZ cannot send");
                return;
            }
        }
    }

    fn take(&mut self, message: &Message, now: Instant) {
        match message.message_type() {
            Type::MethodCall => self.bluez.call(message, now),
            Type::Signal => {
                // NameOwnerChanged: name, old owner, new owner.
                let body = message.body();
                if let Ok((name, _, "")) = body.deserialize::<(&str, &str, &str)>() {
                    self.bluez.client_left(name, now);
                }
            }
            Type::MethodReturn | Type::Error => {}
        }
    }

    fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Attach(id, address, table, board) => {
                self.bluez.attach(id, address, table, board);
            }
            Command::Detach(id) => self.bluez.detach(id, now),
            Command::Advertise(id, advertisement) => self.bluez.advertise(id, advertisement, now),
            Command::Notify(link, characteristic, value) => {
                self.bluez.notify(link, characteristic, value, now);
            }
            Command::DropLink(id, reason) => self.bluez.drop_link(id, reason, now),
            Command::Faults(id, change) => self.bluez.change_faults(id, change),
            Command::Stop => {}
        }
    }
}
