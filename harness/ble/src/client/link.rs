//! One board's link: connecting with patience, hanging up, and clearing what a lost link left behind.

use super::error::BleError;
use super::process::{BleWorker, HalfSent, Process};
use super::shared::{Phase, State};
use super::transport::{BleTransport, DamageSink};
use crate::peer::{LinkParameters, Peer};
use crate::protocol::Request;
use hil_clock::{Instant, SharedClock};
use hil_smp::ble::clearing_writes;
use serde_bytes::ByteBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How much longer than a link may take the worker is waited for, before it is taken for hung: it has to hang up a link
/// that came to nothing, and each of its questions to the system may take 5 s.
const SLACK: Duration = Duration::from_secs(20);

/// The longest that one attempt listens for the board before the system is asked anew. We chose it.
const ATTEMPT: Duration = Duration::from_secs(30);

/// Pauses between attempts: the first, and the longest. We chose them: a board that resets advertises again within a
/// second, and a radio that is disturbed needs time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// How often a wait looks whether it should go on.
const POLL: Duration = Duration::from_millis(50);

/// Who waits while a link is connected.
pub trait ConnectWatch {
    /// Whether to go on waiting; asked every now and then.
    fn go_on(&mut self) -> bool;

    /// An attempt failed, and another one will be made.
    fn retry(&mut self, attempt: u32, cause: &BleError);
}

/// Waits until the deadline and does not mind retries.
#[derive(Clone, Copy, Debug)]
pub struct Patient;

impl ConnectWatch for Patient {
    fn go_on(&mut self) -> bool {
        true
    }

    fn retry(&mut self, attempt: u32, cause: &BleError) {
        tracing::debug!(attempt, %cause, "connecting again");
    }
}

/// The link to one board. Clones are the same link. The connection is ended when the last of them is gone.
#[derive(Clone, Debug)]
pub struct BleLink(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) worker: Arc<BleWorker>,
    peer: Peer,
    open: Mutex<Option<Open>>,
}

/// A link in a worker process.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) process: Arc<Process>,
    pub(super) number: u32,
    pub(super) parameters: LinkParameters,
}

impl BleLink {
    /// A link that is not connected yet.
    #[must_use]
    pub fn new(worker: Arc<BleWorker>, peer: Peer) -> Self {
        Self(Arc::new(Inner {
            worker,
            peer,
            open: Mutex::new(None),
        }))
    }

    /// The other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Whether it is connected, as far as is known.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.current().is_ok()
    }

    /// What the link is like; `None` when it is not connected.
    #[must_use]
    pub fn parameters(&self) -> Option<LinkParameters> {
        self.0.current().ok().map(|open| open.parameters)
    }

    /// Connects, unless it is connected. Tries again, with longer and longer pauses, until `deadline`.
    ///
    /// # Errors
    ///
    /// The last reason for which it could not be connected.
    pub fn connect(
        &self,
        deadline: Instant,
        watch: &mut dyn ConnectWatch,
    ) -> Result<LinkParameters, BleError> {
        if let Some(parameters) = self.parameters() {
            return Ok(parameters);
        }
        self.disconnect();
        let clock = &self.0.worker.clock;
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            match self.0.attempt(deadline, watch) {
                Ok(mut open) => {
                    open.parameters.attempts = attempt;
                    self.0.clear(&mut open);
                    let parameters = open.parameters.clone();
                    *self.0.lock() = Some(open);
                    return Ok(parameters);
                }
                Err(error) => {
                    let worth = matches!(&error, BleError::Link(failure) if failure.may_pass());
                    let next = clock.now() + pause;
                    if !worth || next >= deadline {
                        return Err(error);
                    }
                    attempt += 1;
                    watch.retry(attempt, &error);
                    wait(clock, next, watch)?;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Ends the connection and waits until the system has done so. Nothing happens when there is none.
    pub fn disconnect(&self) {
        self.0.close();
    }

    /// Waits until the system has taken everything that was sent; `false` when `deadline` came first.
    ///
    /// # Errors
    ///
    /// When the link is gone.
    pub fn flush(&self, deadline: Instant) -> Result<bool, BleError> {
        let open = self.0.current()?;
        let flushed = open
            .process
            .shared
            .wait(&self.0.worker.clock, deadline, |state| {
                match open.check(state) {
                    Err(error) => Some(Err(error)),
                    Ok(()) => state
                        .link(open.number)
                        .is_none_or(|link| link.written >= link.writes)
                        .then_some(Ok(())),
                }
            });
        flushed.transpose().map(|flushed| flushed.is_some())
    }

    /// The SMP half of the link. It goes on working after the link was connected anew; packets that are under way then
    /// are lost.
    #[must_use]
    pub fn transport(&self, damaged: DamageSink) -> BleTransport {
        BleTransport::new(self.clone(), damaged)
    }
}

impl Inner {
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let Some(open) = self.lock().take() else {
            return;
        };
        let half = open.process.shared.change(|state| {
            let link = state.link(open.number)?;
            Some(link.half_sent()).filter(|packets| !packets.is_empty())
        });
        if let Some(packets) = half {
            let mtu = open.parameters.mtu;
            self.worker
                .note_half_sent(&self.peer.device, HalfSent { packets, mtu });
        }
        open.close(&self.worker.clock);
    }

    /// Has the server forget what the link before left in it.
    fn clear(&self, open: &mut Open) {
        let Some(half) = self.worker.take_half_sent(&self.peer.device) else {
            return;
        };
        let writes = clearing_writes(&half.packets, half.mtu, open.parameters.mtu);
        if writes.is_empty() {
            return;
        }
        open.parameters.cleared = true;
        let number = open.number;
        open.process.shared.change(|state| {
            state.send(&Request::Write {
                link: number,
                fragments: writes.into_iter().map(ByteBuf::from).collect(),
            });
            if let Some(link) = state.link(number) {
                // Nothing comes back for it.
                link.writes += 1;
                link.received += 1;
            }
        });
    }

    /// The open link, or why there is none.
    pub(super) fn current(&self) -> Result<Open, BleError> {
        let open = self.lock().clone().ok_or(BleError::NotConnected)?;
        let usable = open.check(&mut open.process.shared.lock());
        match usable {
            Ok(()) => Ok(open),
            Err(error) => Err(open.process.explain(error)),
        }
    }

    fn attempt(&self, deadline: Instant, watch: &mut dyn ConnectWatch) -> Result<Open, BleError> {
        let clock = &self.worker.clock;
        let process = self.worker.process()?;
        let within = deadline.saturating_since(clock.now()).min(ATTEMPT);
        let number = self.worker.new_link();
        process.shared.change(|state| {
            state.new_link(number);
            state.send(&Request::Open {
                link: number,
                peer: self.peer.clone(),
                within_ms: u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
            });
        });
        let hung_at = clock.now() + within + SLACK;
        loop {
            let slice = hung_at.min(clock.now() + POLL);
            let told = process.shared.wait(clock, slice, |state| {
                if let Some(gone) = &state.gone {
                    return Some(Err(gone.clone()));
                }
                match state.link(number).map(|link| link.phase.clone()) {
                    Some(Phase::Open(parameters)) => Some(Ok(parameters)),
                    Some(Phase::Failed(failure)) => Some(Err(failure.into())),
                    Some(Phase::Closed) | None => Some(Err(BleError::NotConnected)),
                    Some(Phase::Opening) => None,
                }
            });
            match told {
                Some(Ok(parameters)) => {
                    return Ok(Open {
                        process,
                        number,
                        parameters,
                    });
                }
                Some(Err(error)) => {
                    process.shared.change(|state| state.forget(number));
                    return Err(process.explain(error));
                }
                None if clock.now() >= hung_at => {
                    return Err(process.hung("connecting", within + SLACK));
                }
                None if !watch.go_on() => {
                    // It hangs up as soon as it has connected.
                    process.shared.change(|state| {
                        state.forget(number);
                        state.send(&Request::Close { link: number });
                    });
                    return Err(BleError::Stopped);
                }
                None => {}
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Open {
    /// Whether the link can be used.
    pub(super) fn check(&self, state: &mut State) -> Result<(), BleError> {
        if let Some(gone) = &state.gone {
            return Err(gone.clone());
        }
        match state.link(self.number).map(|link| &link.phase) {
            Some(Phase::Open(_)) => Ok(()),
            Some(Phase::Failed(failure)) => Err(failure.clone().into()),
            Some(Phase::Opening | Phase::Closed) | None => Err(BleError::NotConnected),
        }
    }

    fn close(&self, clock: &SharedClock) {
        let number = self.number;
        let open = self.process.shared.change(|state| {
            let open = self.check(state).is_ok();
            if open {
                state.send(&Request::Close { link: number });
            }
            open
        });
        if open {
            let deadline = clock.now() + SLACK;
            let closed = self.process.shared.wait(clock, deadline, |state| {
                self.check(state).is_err().then_some(())
            });
            if closed.is_none() {
                drop(self.process.hung("disconnecting", SLACK));
            }
        }
        self.process.shared.change(|state| state.forget(number));
    }
}

/// Waits until `until`; an error when the watcher does not want to.
fn wait(clock: &SharedClock, until: Instant, watch: &mut dyn ConnectWatch) -> Result<(), BleError> {
    while clock.now() < until {
        if !watch.go_on() {
            return Err(BleError::Stopped);
        }
        clock.sleep_until(until.min(clock.now() + POLL));
    }
    Ok(())
}
