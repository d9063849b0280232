//! The sockets of the bus: a listener, and for each client a task that reads and one that writes.

use super::broker::ClientId;
use super::place::{BusError, Place};
use futures_core::Stream;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::os::unix::net::UnixListener as StdListener;
use std::pin::Pin;
use zbus::connection::{AuthMechanism, Builder};
use zbus::{Connection, Guid, Message, OwnedGuid};
use zruntime::mpmc::{self, Receiver, Sender};
use zruntime::net::unix::UnixListener;
use zruntime::{Shared, SharedRuntime, Task};

/// Batches of messages that wait for a client before it is taken for dead (ours).
const MOST_BATCHES: usize = 4096;

/// What happens on the sockets.
#[derive(Debug)]
pub(crate) enum SocketEvent {
    /// A client has connected.
    Joined(ClientId, Writer),
    /// It has sent a message.
    Message(ClientId, Message),
    /// It is gone.
    Left(ClientId),
}

/// The way to a client. Its connection ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    batches: Sender<Vec<Message>>,
}

impl Writer {
    /// Sends messages in one go. Says whether the client still takes them.
    pub(crate) fn send(&self, batch: Vec<Message>) -> bool {
        self.batches.try_send(batch).is_ok()
    }
}

/// A listening bus. Ends when it is dropped.
pub(crate) struct Listening {
    _accepting: Task<(), Shared>,
}

impl Listening {
    /// Listens on the socket of `place` and reports to `events`.
    pub(crate) fn start(
        place: &Place,
        runtime: &SharedRuntime,
        events: Sender<SocketEvent>,
    ) -> Result<Self, BusError> {
        let socket = place.socket();
        let listener = StdListener::bind(&socket)
            .and_then(|listener| UnixListener::from_std(runtime, listener))
            .map_err(|source| BusError::Listen { socket, source })?;
        let guid: OwnedGuid = Guid::generate().into();
        Ok(Self {
            _accepting: runtime.spawn("accept", accept(listener, guid, events)),
        })
    }
}

// None of these tasks may keep a handle of the runtime that it runs on: neither would ever end.

async fn accept(listener: UnixListener<Shared>, guid: OwnedGuid, events: Sender<SocketEvent>) {
    let mut clients = 0;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let id = ClientId(clients);
                clients += 1;
                let builder = Builder::unix_stream(stream.into_std());
                let serve = serve(id, builder, guid.clone(), events.clone());
                zruntime::spawn(serve).detach();
            }
            Err(error) => {
                tracing::error!(%error, "the bus of the virtual radio takes no more clients");
                return;
            }
        }
    }
}

/// Takes a client through its authentication, and then reads what it sends.
async fn serve(
    id: ClientId,
    builder: Builder<'static>,
    guid: OwnedGuid,
    events: Sender<SocketEvent>,
) {
    let built = builder
        .server(guid)
        .p2p()
        .auth_mechanism(AuthMechanism::External)
        .validate_bodies()
        .build_message_stream()
        .await;
    let mut stream = match built {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a client did not get onto the bus");
            return;
        }
    };
    let most = NonZeroUsize::new(MOST_BATCHES).unwrap_or(NonZeroUsize::MIN);
    let (batches, to_write) = mpmc::bounded(most);
    zruntime::spawn(write(Connection::from(&stream), to_write)).detach();
    let mut event = SocketEvent::Joined(id, Writer { batches });
    while events.send(event).await.is_ok() {
        event = match poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
            Some(Ok(message)) => SocketEvent::Message(id, message),
            Some(Err(_)) | None => break,
        };
    }
    let _ = events.send(SocketEvent::Left(id)).await;
}

async fn write(connection: Connection, batches: Receiver<Vec<Message>>) {
    while let Ok(batch) = batches.recv().await {
        if connection.send_all(&batch).await.is_err() {
            break;
        }
    }
    // This also ends the reading.
    let _ = connection.close().await;
}
