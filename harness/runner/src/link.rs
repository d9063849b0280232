//! SMP with one board: requests whose answers are told apart into done, refused, silence and a broken bench.

use crate::cancel::{CancelToken, POLL};
use crate::events::Events;
use crate::fuse::{Fuse, Fused};
use crate::trouble::{Checked, Trouble, error_chain};
use hil_clock::{Instant, SharedClock};
use hil_record::{ErrorKind, EventKind, FailKind, SmpPacket};
use hil_smp::message::{ImageState, ReadImageState, Reset};
use hil_smp::{
    Capabilities, Client, ClientError, Direction, Header, Patience, Refused, Trace, Traced,
    Transport, TransportError, UploadError, UploadOptions, UploadOutcome, UploadProgress,
};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long one request for the image list waits while the board may be booting. We chose it: short enough that the
/// answer of a board that has just come up is not waited for much longer than it takes.
const LIST_TIMEOUT: Duration = Duration::from_millis(1000);

/// What a board answers to a request that it may refuse.
pub(crate) enum Reply<T> {
    /// It did what was asked.
    Done(T),
    /// It answered with this error.
    Refused(Refused),
}

/// How an upload ended.
pub(crate) enum Uploaded {
    /// The board has all of it.
    Complete(UploadOutcome),
    /// It was stopped on the way, as planned, when the board had this many bytes.
    Stopped {
        /// Bytes that the board had acknowledged.
        offset: u64,
    },
    /// The board answered with an error.
    Refused(Refused),
    /// The board has all of it, and says that it is not what was announced.
    Mismatched,
    /// The first chunk was not answered, and the client does not ask again.
    GaveUp,
}

/// An SMP client whose packets are all events, and whose waits end when the run is stopped.
pub(crate) struct Link {
    client: Client<Box<dyn Transport + Send>>,
    clock: SharedClock,
    cancel: CancelToken,
    enough: Enough,
    fuse: Fuse,
}

/// Tells a client that no answer will come any more, as the board has been stopped in what it was asked for. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Enough(Arc<AtomicBool>);

impl Enough {
    /// The client gives up at once, and so does every one that asks from now on.
    pub(crate) fn say(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Answers are waited for again.
    pub(crate) fn take_back(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    fn is_said(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Link {
    /// A client over `transport`, which is this link of a board.
    pub(crate) fn new(
        transport: impl Transport + Send + 'static,
        (board, link): (&str, &'static str),
        clock: &SharedClock,
        cancel: &CancelToken,
        events: &Events,
    ) -> Self {
        let board = board.to_owned();
        let events = events.clone();
        let traced = Traced::new(transport, clock.clone(), move |trace: Trace<'_>| {
            let direction = match trace.direction {
                Direction::Sent => hil_record::Direction::ToBoard,
                Direction::Received => hil_record::Direction::FromBoard,
            };
            let summary = summary(trace.packet);
            let packet = SmpPacket::new(board.as_str(), direction, trace.packet, summary);
            events.emit(EventKind::Smp(packet.over(link)));
        });
        let fuse = Fuse::default();
        let enough = Enough::default();
        let stoppable = Stoppable {
            inner: Fused::new(traced, fuse.clone()),
            clock: clock.clone(),
            cancel: cancel.clone(),
            enough: enough.clone(),
        };
        Self {
            client: Client::new(Box::new(stoppable), clock.clone()),
            clock: clock.clone(),
            cancel: cancel.clone(),
            enough,
            fuse,
        }
    }

    /// Ends what is asked over this link, from another thread.
    pub(crate) fn enough(&self) -> Enough {
        self.enough.clone()
    }

    /// Makes it go dead with a chunk of an upload.
    pub(crate) fn fuse(&self) -> Fuse {
        self.fuse.clone()
    }

    /// The image list, asked for until it comes or `deadline` passes: `None` when it did not come.
    pub(crate) fn image_list(&mut self, deadline: Instant) -> Checked<Option<ImageState>> {
        loop {
            let left = deadline.saturating_since(self.clock.now());
            let patience = Patience {
                timeout: LIST_TIMEOUT.min(left).max(POLL),
                attempts: 1,
            };
            match self.client.call_with(&ReadImageState, patience) {
                Ok(list) => return Ok(Some(list)),
                Err(ClientError::Timeout { .. }) if self.cancel.is_cancelled() => {
                    return Err(Trouble::Cancelled);
                }
                Err(ClientError::Timeout { .. }) if self.clock.now() >= deadline => {
                    return Ok(None);
                }
                Err(ClientError::Timeout { .. }) => {}
                Err(error) => return Err(self.trouble(&error)),
            }
        }
    }

    /// Requests a test of an image, or confirms it.
    pub(crate) fn mark(&mut self, hash: &[u8], confirm: bool) -> Checked<Reply<ImageState>> {
        let marked = if confirm {
            self.client.confirm_image(Some(hash))
        } else {
            self.client.test_image(hash)
        };
        self.reply(marked)
    }

    /// What came of something that the board may have been stopped in, which a client takes for silence.
    pub(crate) fn unless_stopped<T>(&self, asked: Checked<Reply<T>>) -> Checked<Reply<()>> {
        match asked {
            Ok(Reply::Refused(refused)) => Ok(Reply::Refused(refused)),
            Ok(Reply::Done(_)) => Ok(Reply::Done(())),
            Err(Trouble::Cancelled) => Err(Trouble::Cancelled),
            Err(_) if self.enough.is_said() || self.fuse.is_blown() => Ok(Reply::Done(())),
            Err(trouble) => Err(trouble),
        }
    }

    /// Erases a slot, counted over all images.
    pub(crate) fn erase(&mut self, slot: u32) -> Checked<Reply<()>> {
        let erased = self.client.erase(Some(slot));
        self.reply(erased)
    }

    /// Has the board reset itself, which it does a moment after its answer. The inner error says that no answer came.
    pub(crate) fn reset(&mut self) -> Checked<Result<Reply<()>, String>> {
        match self.client.reset(Reset::default()) {
            Err(error @ ClientError::Timeout { .. }) if !self.cancel.is_cancelled() => {
                Ok(Err(error_chain(&error)))
            }
            reset => self.reply(reset).map(Ok),
        }
    }

    /// Uploads a file. `progress` may stop it. With one attempt for the first chunk the client may give up.
    pub(crate) fn upload(
        &mut self,
        file: &[u8],
        options: UploadOptions,
        progress: &mut dyn FnMut(UploadProgress) -> ControlFlow<()>,
    ) -> Checked<Uploaded> {
        let gives_up = options.first_attempts == 1;
        let mixed_up = options.announced_sha.is_some();
        match self.client.upload(file, options, progress) {
            Ok(outcome) => Ok(Uploaded::Complete(outcome)),
            Err(_) if self.cancel.is_cancelled() => Err(Trouble::Cancelled),
            Err(ClientError::Stopped { offset, .. }) => Ok(Uploaded::Stopped { offset }),
            Err(ClientError::Upload {
                source: UploadError::Stuck { offset: 0, .. },
                ..
            }) if gives_up => Ok(Uploaded::GaveUp),
            Err(ClientError::Upload {
                source: UploadError::Mismatch { .. },
                ..
            }) if mixed_up => Ok(Uploaded::Mismatched),
            Err(error) => match error.refused() {
                Some(refused) => Ok(Uploaded::Refused(refused.clone())),
                None => Err(self.trouble(&error)),
            },
        }
    }

    fn reply<T>(&self, result: Result<T, ClientError>) -> Checked<Reply<T>> {
        match result {
            Ok(done) => Ok(Reply::Done(done)),
            Err(error) => match error.refused() {
                Some(refused) => Ok(Reply::Refused(refused.clone())),
                None => Err(self.trouble(&error)),
            },
        }
    }

    /// Silence and nonsense are the firmware's: the port works, or it would have said so. A wireless link that is gone may
    /// be either's.
    fn trouble(&self, error: &ClientError) -> Trouble {
        if self.cancel.is_cancelled() {
            return Trouble::Cancelled;
        }
        match error {
            ClientError::Transport(lost @ TransportError::Lost { .. }) => {
                Trouble::Lost(error_chain(lost))
            }
            ClientError::Transport(transport) => {
                let kind = match transport {
                    TransportError::Link { .. } => ErrorKind::Radio,
                    _ => ErrorKind::Port,
                };
                let trouble = Trouble::error(kind, error_chain(transport));
                match transport.help() {
                    Some(help) => trouble.with_help(help),
                    None => trouble,
                }
            }
            ClientError::Upload {
                source: UploadError::Mismatch { .. },
                ..
            } => Trouble::fail(FailKind::SlotContents, error_chain(error)),
            error => Trouble::fail(FailKind::Protocol, error_chain(error)),
        }
    }
}

/// A packet in a few words: its length is recorded elsewhere, its bytes too.
fn summary(packet: &[u8]) -> String {
    match Header::parse(packet) {
        Ok((header, _)) => format!(
            "{:?} group {} command {} seq {}",
            header.op,
            header.group.id(),
            header.command,
            header.sequence
        ),
        Err(error) => format!("no SMP header: {error}"),
    }
}

/// A link whose waits end when the run is stopped.
struct Stoppable<T> {
    inner: T,
    clock: SharedClock,
    cancel: CancelToken,
    enough: Enough,
}

/// The run, or the board, was stopped while a link was waited for. Never shown: the outcome says it in its own words.
#[derive(Debug, thiserror::Error)]
#[error("the run was stopped")]
struct Stopped;

impl<T: Transport> Transport for Stoppable<T> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), TransportError> {
        self.inner.send(packet)
    }

    fn recv(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, TransportError> {
        loop {
            if self.cancel.is_cancelled() || self.enough.is_said() {
                return Err(TransportError::Link {
                    link: self.capabilities().link,
                    help: None,
                    source: Box::new(Stopped),
                });
            }
            let slice = deadline.min(self.clock.now() + POLL);
            if let Some(packet) = self.inner.recv(slice)? {
                return Ok(Some(packet));
            }
            if self.clock.now() >= deadline {
                return Ok(None);
            }
        }
    }
}
