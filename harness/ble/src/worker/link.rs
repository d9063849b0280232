//! One link from the search for the board to the end of the connection.

use super::adapter::{Radio, Told};
use super::call::{ASK_WITHIN, CallError, is_in_progress, millis, within};
use super::find::find;
use super::{Answers, tell};
use crate::failure::{Failure, Loss, Stage};
use crate::peer::{LinkParameters, Peer};
use crate::protocol::Answer;
use btleplug::api::{Characteristic, Peripheral as _, ValueNotification, WriteType};
use btleplug::platform::Peripheral;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use hil_clock::{Clock as _, Instant, SystemClock};
use serde_bytes::ByteBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use uuid::Uuid;

/// How long the system may take to make a connection and to read the services. Its own limit is 30 s for each; a board
/// that was just heard answers within a second, and is worth another try if it does not.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// How long a connection may take to end. BlueZ waits 2 s for the other side before it drops it.
const DISCONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How often the system is asked whether the link is still there, should it have failed to say so.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What a link is told to do.
pub(super) enum Order {
    /// Write these.
    Write(Vec<ByteBuf>),
    /// Hang up.
    Close,
}

/// What a link's task needs.
pub(super) struct Task {
    pub(super) number: u32,
    pub(super) radio: Arc<Radio>,
    pub(super) answers: Answers,
}

/// A connection that can be used.
struct Connection {
    events: broadcast::Receiver<Told>,
    peripheral: Peripheral,
    characteristic: Characteristic,
    notifications: BoxStream<'static, ValueNotification>,
    /// The board in words.
    device: String,
    since: Instant,
}

impl Task {
    /// Opens the link, serves it, and hangs up when told to or when there are no more orders.
    pub(super) async fn run(self, peer: Peer, limit: Duration, orders: UnboundedReceiver<Order>) {
        let number = self.number;
        let clock = SystemClock::new();
        match self.open(&peer, limit, &clock).await {
            Ok((connection, parameters)) => {
                tell(
                    &self.answers,
                    Answer::Opened {
                        link: number,
                        parameters,
                    },
                );
                self.serve(connection, orders, &clock).await;
            }
            Err(failure) => tell(
                &self.answers,
                Answer::NotOpened {
                    link: number,
                    failure,
                },
            ),
        }
    }

    async fn open(
        &self,
        peer: &Peer,
        limit: Duration,
        clock: &SystemClock,
    ) -> Result<(Connection, LinkParameters), Failure> {
        let deadline = clock.now() + limit;
        let adapter = self.radio.adapter(&peer.adapter).await?;
        let begun = clock.now();
        let found = find(&adapter, &peer.device, clock.block_for(deadline)).await?;
        let scan = clock.now() - begun;
        let device = found
            .heard
            .address
            .map_or_else(|| peer.device.to_string(), |address| address.to_string());
        let begun = clock.now();
        let events = adapter.subscribe();
        connect(&found.peripheral, &device, clock.block_for(deadline)).await?;
        let connected = clock.now();
        match prepare(&found.peripheral, &device).await {
            Ok((characteristic, notifications)) => {
                let since = clock.now();
                let parameters = LinkParameters {
                    adapter: adapter.name.clone(),
                    address: found.heard.address,
                    name: found.heard.name,
                    rssi: found.heard.rssi,
                    mtu: found.peripheral.mtu(),
                    scan_ms: millis(scan),
                    connect_ms: millis(connected - begun),
                    discover_ms: millis(since - connected),
                    attempts: 1,
                    cleared: false,
                };
                let connection = Connection {
                    events,
                    peripheral: found.peripheral,
                    characteristic,
                    notifications,
                    device,
                    since,
                };
                Ok((connection, parameters))
            }
            Err(failure) => {
                hang_up(&found.peripheral, &device).await;
                Err(failure)
            }
        }
    }

    async fn serve(
        &self,
        mut connection: Connection,
        mut orders: UnboundedReceiver<Order>,
        clock: &SystemClock,
    ) {
        let link = self.number;
        let (to_write, queued) = unbounded_channel();
        let writer = self.write(
            connection.peripheral.clone(),
            connection.characteristic.clone(),
            queued,
        );
        tokio::pin!(writer);
        let mut doubts = tokio::time::interval(LOOK_EVERY);
        let lost = loop {
            tokio::select! {
                order = orders.recv() => match order {
                    // The writer goes only when a write has failed, which is seen below.
                    Some(Order::Write(fragments)) => drop(to_write.send(fragments)),
                    Some(Order::Close) | None => break None,
                },
                loss = &mut writer => break Some(loss),
                Some(notification) = connection.notifications.next() => {
                    self.notified(&connection.characteristic, notification);
                }
                told = connection.events.recv() => {
                    if let Some(loss) = ended(&connection.peripheral, told).await {
                        break Some(loss);
                    }
                }
                _ = doubts.tick() => {
                    if let Some(loss) = look(&connection.peripheral).await {
                        break Some(loss);
                    }
                }
            }
        };
        // What came before the end still counts.
        while let Some(Some(notification)) = connection.notifications.next().now_or_never() {
            self.notified(&connection.characteristic, notification);
        }
        match lost {
            Some(cause) => {
                let after = clock.now() - connection.since;
                let failure = Failure::Lost {
                    device: connection.device.clone(),
                    after_ms: millis(after),
                    cause,
                };
                tell(&self.answers, Answer::Lost { link, failure });
                // BlueZ keeps the subscription of a link that it lost, and refuses it on the next one
                // ("In Progress") unless it is ended; and a link that we only think lost must not stay.
                let ended = connection
                    .peripheral
                    .unsubscribe(&connection.characteristic);
                drop(within(ASK_WITHIN, ended).await);
                hang_up(&connection.peripheral, &connection.device).await;
            }
            None => {
                let ended = connection
                    .peripheral
                    .unsubscribe(&connection.characteristic);
                drop(within(ASK_WITHIN, ended).await);
                hang_up(&connection.peripheral, &connection.device).await;
                tell(&self.answers, Answer::Closed { link });
            }
        }
    }

    fn notified(&self, of: &Characteristic, notification: ValueNotification) {
        if notification.uuid == of.uuid && notification.service_uuid == of.service_uuid {
            let value = ByteBuf::from(notification.value);
            let link = self.number;
            tell(&self.answers, Answer::Notified { link, value });
        }
    }

    /// Writes what is queued; returns when that does not work any more.
    async fn write(
        &self,
        peripheral: Peripheral,
        characteristic: Characteristic,
        mut queued: UnboundedReceiver<Vec<ByteBuf>>,
    ) -> Loss {
        let mut writes = 0;
        while let Some(fragments) = queued.recv().await {
            for fragment in fragments {
                let write =
                    peripheral.write(&characteristic, &fragment, WriteType::WithoutResponse);
                match within(ASK_WITHIN, write).await {
                    Ok(()) => {}
                    Err(CallError::Said(message)) => return Loss::WriteFailed { message },
                    Err(CallError::Slow(limit)) => {
                        return Loss::NoAnswer {
                            waited_ms: millis(limit),
                        };
                    }
                }
            }
            writes += 1;
            let link = self.number;
            tell(&self.answers, Answer::Written { link, writes });
        }
        std::future::pending().await
    }
}

/// Makes the connection.
async fn connect(peripheral: &Peripheral, device: &str, limit: Duration) -> Result<(), Failure> {
    // A client that was killed leaves its connection behind, and the server its half of a request in it.
    if within(ASK_WITHIN, peripheral.is_connected())
        .await
        .unwrap_or(false)
    {
        hang_up(peripheral, device).await;
    }
    let connected = within(limit.min(CONNECT_WITHIN), peripheral.connect()).await;
    if let Err(error) = connected {
        // Whatever it was doing, it must not go on with it.
        hang_up(peripheral, device).await;
        return Err(error.of_link(device, Stage::Connecting));
    }
    Ok(())
}

/// Finds the characteristic and switches its notifications on.
async fn prepare(
    peripheral: &Peripheral,
    device: &str,
) -> Result<(Characteristic, BoxStream<'static, ValueNotification>), Failure> {
    within(CONNECT_WITHIN, peripheral.discover_services())
        .await
        .map_err(|error| error.of_link(device, Stage::Discovering))?;
    let service = Uuid::from_u128(hil_smp::ble::SERVICE);
    let wanted = Uuid::from_u128(hil_smp::ble::CHARACTERISTIC);
    let services = peripheral.services();
    let characteristic = services
        .iter()
        .filter(|found| found.uuid == service)
        .flat_map(|found| &found.characteristics)
        .find(|found| found.uuid == wanted)
        .cloned()
        .ok_or_else(|| Failure::NoServer {
            device: device.to_owned(),
            services: services
                .iter()
                .map(|found| found.uuid.to_string())
                .collect(),
        })?;
    // In this order: a notification that comes right after the subscription is not missed.
    let notifications = within(ASK_WITHIN, peripheral.notifications())
        .await
        .map_err(|error| error.of_link(device, Stage::Subscribing))?;
    let mut subscribed = within(CONNECT_WITHIN, peripheral.subscribe(&characteristic)).await;
    if matches!(&subscribed, Err(CallError::Said(message)) if is_in_progress(message)) {
        // Left over from a link that was lost.
        drop(within(ASK_WITHIN, peripheral.unsubscribe(&characteristic)).await);
        subscribed = within(CONNECT_WITHIN, peripheral.subscribe(&characteristic)).await;
    }
    subscribed.map_err(|error| error.of_link(device, Stage::Subscribing))?;
    Ok((characteristic, notifications))
}

async fn hang_up(peripheral: &Peripheral, device: &str) {
    if let Err(error) = within(DISCONNECT_WITHIN, peripheral.disconnect()).await {
        tracing::debug!(device, error = error.message(), "cannot disconnect");
    }
}

/// Whether what the adapter told is the end of the link to `peripheral`.
async fn ended(
    peripheral: &Peripheral,
    told: Result<Told, broadcast::error::RecvError>,
) -> Option<Loss> {
    match told {
        // It may be about the connection before this one.
        Ok(Told::Disconnected(id)) if id == peripheral.id() => look(peripheral).await,
        Ok(Told::Off) => Some(Loss::AdapterOff),
        Ok(Told::Disconnected(_) | Told::Heard(_)) => None,
        Err(broadcast::error::RecvError::Lagged(_)) => look(peripheral).await,
        // The adapter's task is over, so only looking now and then is left.
        Err(broadcast::error::RecvError::Closed) => {
            tokio::time::sleep(LOOK_EVERY).await;
            look(peripheral).await
        }
    }
}

/// Asks the system whether `peripheral` is still connected.
async fn look(peripheral: &Peripheral) -> Option<Loss> {
    match within(ASK_WITHIN, peripheral.is_connected()).await {
        Ok(true) => None,
        // With the adapter gone, the device is too.
        Ok(false) | Err(CallError::Said(_)) => Some(Loss::Disconnected),
        Err(CallError::Slow(limit)) => Some(Loss::NoAnswer {
            waited_ms: millis(limit),
        }),
    }
}
