//! What the links of one worker process share with the threads at its pipes.

use super::error::BleError;
use crate::failure::Failure;
use crate::peer::LinkParameters;
use crate::protocol::{Answer, Request, frame};
use hil_clock::{Instant, SharedClock};
use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Notifications that nobody has fetched. More than any window of requests has answers; the oldest go first.
const KEPT_NOTIFICATIONS: usize = 4096;

/// Packets that may be under way at a time: a server has a handful of buffers.
const REMEMBERED_PACKETS: usize = 16;

/// Frames that wait for the pipe. One is a request, and a server takes a few at a time.
const QUEUED_FRAMES: usize = 256;

/// State that the threads and the links change, and a way to wait for changes.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// What is known of a worker process.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) version: Option<u32>,
    /// Why it cannot be used any more.
    pub(super) gone: Option<BleError>,
    /// The process is to end: nothing more is written, and its input is closed.
    pub(super) stop: bool,
    outgoing: VecDeque<Vec<u8>>,
    links: HashMap<u32, Link>,
    next_link: u32,
}

/// One link as far as the worker told.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) phase: Phase,
    pub(super) notifications: VecDeque<Vec<u8>>,
    /// `Write`s that were handed over, and that the system has taken.
    pub(super) writes: u64,
    pub(super) written: u64,
    /// Packets that came back.
    pub(super) received: u64,
    /// Lengths of the last packets that went out.
    pub(super) sent: VecDeque<usize>,
}

impl Link {
    /// Notes a packet that goes out.
    pub(super) fn note_sent(&mut self, length: usize) {
        self.writes += 1;
        if self.sent.len() >= REMEMBERED_PACKETS {
            self.sent.pop_front();
        }
        self.sent.push_back(length);
    }

    /// Lengths of packets that the other side may have half of; none when everything was answered.
    pub(super) fn half_sent(&self) -> Vec<usize> {
        if self.received >= self.writes {
            return Vec::new();
        }
        self.sent.iter().copied().collect()
    }
}

/// How far a link is.
#[derive(Clone, Debug, Default)]
pub(super) enum Phase {
    #[default]
    Opening,
    Open(LinkParameters),
    /// Never was, or is no longer.
    Failed(Failure),
    Closed,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked leaves nothing half done in here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes whoever waits for that.
    pub(super) fn change<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        let result = with(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits until `ready` says something or `deadline` passes.
    pub(super) fn wait<T>(
        &self,
        clock: &SharedClock,
        deadline: Instant,
        mut ready: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(result) = ready(&mut state) {
                drop(state);
                // What was taken may make room for somebody.
                self.changed.notify_all();
                return Some(result);
            }
            let longest = clock.block_for(deadline);
            if longest.is_zero() {
                drop(state);
                clock.sleep_until(deadline);
                return None;
            }
            state = self
                .changed
                .wait_timeout(state, longest)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// The next frame for the pipe; `None` when there will be no more.
    pub(super) fn next_frame(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        loop {
            if state.gone.is_some() {
                return None;
            }
            if let Some(frame) = state.outgoing.pop_front() {
                drop(state);
                self.changed.notify_all();
                return Some(frame);
            }
            if state.stop {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes what the worker says.
    pub(super) fn take(&self, answer: Answer) {
        self.change(|state| state.take(answer));
    }

    /// The worker is of no use any more. The first cause stays.
    pub(super) fn set_gone(&self, cause: BleError) {
        self.change(|state| {
            state.gone.get_or_insert(cause);
        });
    }
}

impl State {
    /// Whether the pipe takes another frame.
    pub(super) fn has_room(&self) -> bool {
        self.outgoing.len() < QUEUED_FRAMES
    }

    pub(super) fn send(&mut self, request: &Request) {
        self.outgoing.push_back(frame(request));
    }

    /// A number for a new link.
    pub(super) fn new_link(&mut self) -> u32 {
        let number = self.next_link;
        self.next_link = number.wrapping_add(1);
        self.links.insert(number, Link::default());
        number
    }

    pub(super) fn link(&mut self, number: u32) -> Option<&mut Link> {
        self.links.get_mut(&number)
    }

    pub(super) fn forget(&mut self, number: u32) {
        self.links.remove(&number);
    }

    fn take(&mut self, answer: Answer) {
        match answer {
            Answer::Hello { version } => self.version = Some(version),
            Answer::Panicked { message } => {
                self.gone.get_or_insert(BleError::Gone { cause: message });
            }
            Answer::Opened { link, parameters } => self.set(link, Phase::Open(parameters)),
            Answer::NotOpened { link, failure } | Answer::Lost { link, failure } => {
                self.set(link, Phase::Failed(failure));
            }
            Answer::Closed { link } => self.set(link, Phase::Closed),
            Answer::Written { link, writes } => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.written = writes;
                }
            }
            Answer::Notified { link, value } => {
                if let Some(link) = self.links.get_mut(&link) {
                    if link.notifications.len() >= KEPT_NOTIFICATIONS {
                        link.notifications.pop_front();
                    }
                    link.notifications.push_back(value.into_vec());
                }
            }
        }
    }

    /// A link that was given up on this side is not in the table any more.
    fn set(&mut self, link: u32, phase: Phase) {
        if let Some(link) = self.links.get_mut(&link) {
            link.phase = phase;
        }
    }
}
