//! A running radio: one thread with the bus, BlueZ on it and the air.

use crate::bluez::{Bluez, Faults};
use crate::bus::{self, Broker, BusError, ClientId, Delivery, SocketEvent, Writer};
use crate::link::LinkOptions;
use crate::peripheral::PeripheralId;
use crate::port::{AirCommand, AirHandle};
use futures_core::Stream;
use hil_clock::{Instant, SharedClock, SystemClock};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use zbus::Message;
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
pub(crate) enum Command {
    Air(AirCommand),
    Faults(PeripheralId, Box<dyn FnOnce(&mut Faults) + Send>),
    Stop,
}

/// A radio: a bus with BlueZ on it, adapters, and boards within their reach. Ends when it is dropped: clients lose
/// their bus, and its socket is gone.
#[derive(Debug)]
pub struct VirtualRadio {
    address: String,
    adapters: Vec<String>,
    commands: Sender<Command>,
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
            air: AirHandle::of_radio(commands.clone()),
            commands,
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
        // It fails when the thread has ended already.
        let _ = self.commands.try_send(Command::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the virtual radio panicked");
        }
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
    let (events, sockets) = mpmc::unbounded();
    let listening = match bus::Listening::start(place, &runtime, events) {
        Ok(listening) => listening,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    let radio = Radio {
        bluez: Bluez::new(options),
        broker: Broker::default(),
        writers: BTreeMap::new(),
        clock,
        runtime: &runtime,
    };
    runtime.block_on(radio.serve(listening, sockets, inbox));
}

/// What woke the radio.
enum Woken {
    Socket(SocketEvent),
    Command(Command),
    Timer,
}

struct Radio<'a> {
    bluez: Bluez,
    broker: Broker,
    writers: BTreeMap<ClientId, Writer>,
    clock: &'a SharedClock,
    runtime: &'a SharedRuntime,
}

impl Radio<'_> {
    async fn serve(
        mut self,
        listening: bus::Listening,
        mut sockets: Receiver<SocketEvent>,
        mut inbox: Receiver<Command>,
    ) {
        loop {
            let timer = self.bluez.poll_timeout();
            let mut sleep = timer.map(|due| self.runtime.sleep(self.clock.block_for(due)));
            let woken = poll_fn(|context| {
                match Pin::new(&mut inbox).poll_next(context) {
                    Poll::Ready(Some(command)) => return Poll::Ready(Woken::Command(command)),
                    Poll::Ready(None) => return Poll::Ready(Woken::Command(Command::Stop)),
                    Poll::Pending => {}
                }
                if let Poll::Ready(Some(event)) = Pin::new(&mut sockets).poll_next(context) {
                    return Poll::Ready(Woken::Socket(event));
                }
                match &mut sleep {
                    Some(sleep) => Pin::new(sleep).poll(context).map(|_| Woken::Timer),
                    None => Poll::Pending,
                }
            })
            .await;
            let now = self.clock.now();
            let mut deliveries = Vec::new();
            match woken {
                Woken::Command(Command::Stop) => break,
                Woken::Command(command) => self.obey(command, now),
                Woken::Socket(event) => deliveries = self.take(event),
                Woken::Timer => {}
            }
            self.step(deliveries, now);
        }
        drop(listening);
        self.end(sockets).await;
    }

    /// Lets BlueZ do what is due, and delivers all that comes of it, each client's share in one go.
    fn step(&mut self, deliveries: Vec<Delivery>, now: Instant) {
        let mut shares: BTreeMap<ClientId, Vec<Message>> = BTreeMap::new();
        let mut rest = VecDeque::from(deliveries);
        loop {
            while let Some(delivery) = rest.pop_front() {
                match delivery {
                    Delivery::Client(id, message) => shares.entry(id).or_default().push(message),
                    Delivery::Bluez(message) => self.bluez.call(&message, now),
                    Delivery::Left(client) => self.bluez.client_left(&client, now),
                }
            }
            self.bluez.handle_timeout(now);
            for message in self.bluez.take_messages() {
                rest.extend(self.broker.route_from_bluez(message));
            }
            if rest.is_empty() {
                break;
            }
        }
        for (id, share) in shares {
            let taken = self
                .writers
                .get(&id)
                .is_some_and(|writer| writer.send(share));
            if !taken {
                // It does not read: its connection ends, and `Left` follows.
                self.writers.remove(&id);
            }
        }
    }

    fn take(&mut self, event: SocketEvent) -> Vec<Delivery> {
        match event {
            SocketEvent::Joined(id, writer) => {
                self.broker.join(id);
                self.writers.insert(id, writer);
                Vec::new()
            }
            SocketEvent::Message(id, message) => self.broker.route(id, &message),
            SocketEvent::Left(id) => {
                self.writers.remove(&id);
                self.broker.leave(id)
            }
        }
    }

    /// Ends all connections, and waits until they are closed.
    async fn end(mut self, mut sockets: Receiver<SocketEvent>) {
        self.writers.clear();
        let mut patience = self.runtime.sleep(FAREWELL);
        poll_fn(|context| {
            loop {
                match Pin::new(&mut sockets).poll_next(context) {
                    // A client in the middle of its authentication: its writer is dropped here.
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => break,
                }
            }
            Pin::new(&mut patience).poll(context).map(|_| ())
        })
        .await;
    }

    fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Air(AirCommand::Attach {
                board,
                address,
                table,
                peripheral,
            }) => self.bluez.attach(board, address, table, peripheral),
            Command::Air(AirCommand::Detach(id)) => self.bluez.detach(id, now),
            Command::Air(AirCommand::Advertise(id, advertisement)) => {
                self.bluez.advertise(id, advertisement, now);
            }
            Command::Air(AirCommand::Notify(link, characteristic, value)) => {
                self.bluez.notify(link, characteristic, value, now);
            }
            Command::Air(AirCommand::DropLink(id, reason)) => {
                self.bluez.drop_link(id, reason, now);
            }
            Command::Faults(id, change) => self.bluez.change_faults(id, change),
            Command::Stop => {}
        }
    }
}

/// How long the end of a radio may take at most (ours): clients that do not go are left behind.
const FAREWELL: Duration = Duration::from_secs(1);
