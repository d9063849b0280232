//! The upload's state machine.

use super::chunk::Chunks;
use super::window::Window;
use super::{
    Trouble, UploadError, UploadEvent, UploadLimits, UploadOptions, UploadOutcome, UploadProgress,
    UploadProof, UploadStats, mcuboot,
};
use crate::code::{ManagementCode, Refused};
use crate::header::{Header, Version};
use crate::message::{Command, ImageState, ReadImageState, UploadAnswer, UploadChunk, read_answer};
use hil_clock::Instant;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::time::Duration;

/// Pause after a server was busy or out of buffers; what nRF Connect Device Manager gives it.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// Requests without an answer that are remembered, in case it comes late.
const REMEMBERED: usize = 64;

/// An image on its way to a server.
///
/// Drive it as [`Exchange`](crate::Exchange): after [`handle_packet`](Self::handle_packet) and
/// [`handle_timeout`](Self::handle_timeout), drain [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event), then wait for a packet until [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct Upload {
    chunks: Chunks,
    options: UploadOptions,
    version: Version,
    sequence: u8,
    hash: Option<Vec<u8>>,

    phase: Phase,
    /// The last offset that the server named.
    acked: u64,
    /// The largest that it was since the start or restart: only what is beyond it is progress.
    highest: u64,
    /// What is sent next.
    next: u64,
    in_flight: VecDeque<Sent>,
    unanswered: VecDeque<Sent>,
    /// Counts restarts, so that answers from before one are told apart.
    generation: u32,
    /// The end was sent, so the server may have all of it.
    end_sent: bool,
    /// The image list may be asked (again) whether the server has all of it.
    list_helps: bool,

    window: Window,

    attempts: u32,
    last_life: Instant,
    last_progress: Instant,
    pause_until: Option<Instant>,
    resumed_at: Option<u64>,
    stats: UploadStats,
    events: VecDeque<UploadEvent>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// The first chunk, alone.
    Opening,
    /// All others.
    Streaming,
    /// The image list.
    Listing,
    /// Nothing more to do.
    Over,
}

/// A request that went out.
#[derive(Clone, Copy, Debug)]
struct Sent {
    header: Header,
    kind: Kind,
    generation: u32,
    at: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// `stale`: sent before the server asked for an earlier offset, so its answer only repeats that.
    Chunk {
        start: u64,
        end: u64,
        stale: bool,
    },
    List,
}

impl Upload {
    /// Prepares the upload of `file`; the first chunk is ready for [`poll_transmit`](Self::poll_transmit) at once.
    /// `sequence` is the number of the first request.
    ///
    /// # Errors
    ///
    /// When `file` is empty, or packets are so small that nothing of it fits.
    pub fn new(
        now: Instant,
        file: Vec<u8>,
        options: UploadOptions,
        limits: UploadLimits,
        version: Version,
        sequence: u8,
    ) -> Result<Self, UploadError> {
        if file.is_empty() {
            return Err(UploadError::Empty);
        }
        let limit = options
            .packet_limit
            .map_or(limits.packet, |limit| limit.min(limits.packet));
        let window_limit = options
            .window_limit
            .map_or(limits.window, |window| window.min(limits.window));
        let hash = options
            .image_hash
            .clone()
            .or_else(|| mcuboot::listed_hash(&file));
        let first = UploadChunk {
            len: Some(file.len() as u64),
            sha: Some(match &options.announced_sha {
                Some(other) => other.clone(),
                None => Sha256::digest(&file).to_vec(),
            }),
            image: (options.image != 0).then_some(options.image),
            upgrade: options.newer_only.then_some(true),
            ..UploadChunk::default()
        };
        let chunks = Chunks {
            file,
            first,
            limit,
            alignment: options.alignment,
        };
        if chunks.at(0).is_none() {
            return Err(UploadError::PacketTooSmall { limit });
        }
        Ok(Self {
            chunks,
            options,
            version,
            sequence,
            hash,
            phase: Phase::Opening,
            acked: 0,
            highest: 0,
            next: 0,
            in_flight: VecDeque::new(),
            unanswered: VecDeque::new(),
            generation: 0,
            end_sent: false,
            list_helps: true,
            window: Window::new(window_limit),
            attempts: 0,
            last_life: now,
            last_progress: now,
            pause_until: None,
            resumed_at: None,
            stats: UploadStats::default(),
            events: VecDeque::new(),
        })
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> UploadProgress {
        UploadProgress {
            offset: self.acked,
            total: self.chunks.total(),
            stats: self.stats,
        }
    }

    /// The number that the next request would have; for whatever comes after the upload.
    #[must_use]
    pub const fn next_sequence(&self) -> u8 {
        self.sequence
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<UploadEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) next has something to do; `None` when all is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.phase == Phase::Over {
            return None;
        }
        self.pause_until.or_else(|| self.answer_due())
    }

    /// The packet to send now; call until it returns `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.pause_until.is_some() {
            return None;
        }
        let (kind, packet) = match self.phase {
            Phase::Opening if self.in_flight.is_empty() => self.chunk_at(0)?,
            Phase::Streaming
                if self.window.has_room(self.in_flight.len())
                    && self.next < self.chunks.total() =>
            {
                self.chunk_at(self.next)?
            }
            Phase::Listing if self.in_flight.is_empty() => {
                let packet = ReadImageState.packet(self.sequence, self.version).ok()?;
                (Kind::List, packet)
            }
            Phase::Opening | Phase::Streaming | Phase::Listing | Phase::Over => return None,
        };
        let (header, _) = Header::parse(&packet).ok()?;
        if let Kind::Chunk { end, .. } = kind {
            self.next = end;
            self.end_sent |= end == self.chunks.total();
        }
        self.in_flight.push_back(Sent {
            header,
            kind,
            generation: self.generation,
            at: now,
        });
        self.sequence = self.sequence.wrapping_add(1);
        self.stats.requests += 1;
        let in_flight = u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX);
        self.stats.peak_in_flight = self.stats.peak_in_flight.max(in_flight);
        Some(packet)
    }

    /// Takes a packet that arrived.
    pub fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        let Ok((header, payload)) = Header::parse(packet) else {
            self.stats.strays += 1;
            return;
        };
        let answers = |sent: &Sent| header.answers(&sent.header);
        if self.phase == Phase::Over {
            return;
        }
        if let Some(at) = self.in_flight.iter().position(answers) {
            let sent = self.in_flight[at];
            match sent.kind {
                Kind::Chunk { start, end, stale } => match read_answer::<UploadAnswer>(payload) {
                    Ok(answer) => {
                        self.settle(at, now);
                        match answer {
                            Ok(answer) => self.chunk_answered(now, start, end, stale, answer),
                            Err(refused) => self.chunk_refused(now, start, refused),
                        }
                    }
                    // Damaged on the way: no answer.
                    Err(_) => self.stats.strays += 1,
                },
                Kind::List => {
                    self.settle(at, now);
                    self.listed(
                        now,
                        read_answer::<ImageState>(payload).ok().and_then(Result::ok),
                    );
                }
            }
            self.resume_when_idle(now);
        } else if let Some(at) = self.unanswered.iter().rposition(answers) {
            let sent = self.unanswered.remove(at);
            self.stats.strays += 1;
            self.answered_late(now, sent, payload);
        } else {
            self.stats.strays += 1;
        }
    }

    /// Takes the time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.phase == Phase::Over {
            return;
        }
        if let Some(until) = self.pause_until {
            if now >= until {
                self.pause_until = None;
                self.last_life = now;
            }
            return;
        }
        if self.answer_due().is_none_or(|due| now < due) {
            return;
        }
        self.stats.timeouts += 1;
        self.last_life = now;
        self.forget_in_flight();
        self.window.trouble();
        if !self.try_again(now, Trouble::Silence) {
            return;
        }
        self.events.push_back(UploadEvent::TimedOut {
            offset: self.acked,
            attempt: self.attempts,
        });
        match self.phase {
            Phase::Streaming if self.end_sent => self.look_for_the_end(),
            Phase::Listing => self.stream_from(self.acked),
            Phase::Opening | Phase::Streaming | Phase::Over => self.next = self.acked,
        }
    }

    fn answer_due(&self) -> Option<Instant> {
        let oldest = self.in_flight.front()?;
        let timeout = match self.phase {
            Phase::Opening => self.options.first_timeout,
            _ => self.options.timeout,
        };
        Some(oldest.at.max(self.last_life) + timeout)
    }

    fn chunk_at(&self, start: u64) -> Option<(Kind, Vec<u8>)> {
        let chunk = self.chunks.at(start)?;
        let end = start + chunk.data.as_ref().map_or(0, Vec::len) as u64;
        let packet = chunk.packet(self.sequence, self.version).ok()?;
        Some((
            Kind::Chunk {
                start,
                end,
                stale: false,
            },
            packet,
        ))
    }

    /// The request at this place was answered. Servers work in order, so those before it will not be any more.
    fn settle(&mut self, at: usize, now: Instant) {
        self.last_life = now;
        for _ in 0..at {
            if let Some(lost) = self.in_flight.pop_front() {
                self.remember(lost);
            }
        }
        self.in_flight.pop_front();
    }

    fn remember(&mut self, sent: Sent) {
        self.unanswered.push_back(sent);
        if self.unanswered.len() > REMEMBERED {
            self.unanswered.pop_front();
        }
    }

    fn forget_in_flight(&mut self) {
        while let Some(sent) = self.in_flight.pop_front() {
            self.remember(sent);
        }
    }

    fn chunk_answered(
        &mut self,
        now: Instant,
        start: u64,
        end: u64,
        stale: bool,
        answer: UploadAnswer,
    ) {
        let total = self.chunks.total();
        let off = answer.off;
        if off > total {
            return self.fail(UploadError::BeyondEnd { offset: off, total });
        }
        if off == total {
            return self.complete(now, answer);
        }
        match self.phase {
            Phase::Opening if off == 0 => {
                self.try_again(now, Trouble::SameOffset);
            }
            Phase::Opening => {
                if off != end {
                    if off > end {
                        self.resumed_at = Some(off);
                        self.events.push_back(UploadEvent::Resumed { at: off });
                    }
                    self.next = off;
                }
                self.phase = Phase::Streaming;
                self.advance(now, off);
            }
            Phase::Streaming => {
                if off == 0 && start > 0 {
                    if !stale {
                        self.session_lost(now);
                    }
                    return;
                }
                if off > self.acked {
                    self.advance(now, off);
                }
                if off >= end {
                    self.window.good_answer();
                } else if !stale {
                    self.rewind(now, end, off);
                }
            }
            Phase::Listing | Phase::Over => {}
        }
    }

    fn advance(&mut self, now: Instant, off: u64) {
        self.acked = off;
        self.next = self.next.max(off);
        if off > self.highest {
            self.highest = off;
            self.attempts = 0;
            self.last_progress = now;
        }
        self.events
            .push_back(UploadEvent::Progress(self.progress()));
    }

    fn rewind(&mut self, now: Instant, from: u64, to: u64) {
        self.stats.rewinds += 1;
        self.events.push_back(UploadEvent::Rewound { from, to });
        self.acked = to;
        self.next = to;
        for sent in &mut self.in_flight {
            if let Kind::Chunk { stale, .. } = &mut sent.kind {
                *stale = true;
            }
        }
        self.try_again(now, Trouble::SameOffset);
    }

    fn chunk_refused(&mut self, now: Instant, start: u64, refused: Refused) {
        if !refused.is(ManagementCode::BUSY) && !refused.is(ManagementCode::NO_MEMORY) {
            return self.fail(UploadError::Refused {
                offset: start,
                refused,
            });
        }
        self.stats.busy += 1;
        self.window.trouble();
        self.next = self.acked;
        self.forget_in_flight();
        self.pause_until = Some(now + BUSY_PAUSE);
        self.events.push_back(UploadEvent::Busy {
            refused: refused.clone(),
        });
        self.try_again(now, Trouble::Busy(refused));
    }

    /// An answer to a request that had been given up: it can only bring good news.
    fn answered_late(&mut self, now: Instant, sent: Option<Sent>, payload: &[u8]) {
        let Some(Sent {
            kind: Kind::Chunk { end, .. },
            generation,
            ..
        }) = sent
        else {
            return;
        };
        let Ok(Ok(answer)) = read_answer::<UploadAnswer>(payload) else {
            return;
        };
        if generation != self.generation || answer.off <= self.acked {
            return;
        }
        if answer.off == self.chunks.total() {
            self.complete(now, answer);
        } else if answer.off < self.chunks.total() {
            if self.phase == Phase::Opening {
                if answer.off > end {
                    self.resumed_at = Some(answer.off);
                    self.events
                        .push_back(UploadEvent::Resumed { at: answer.off });
                }
                self.phase = Phase::Streaming;
            }
            self.advance(now, answer.off);
        }
    }

    /// The server says 0 in the middle: it has lost the upload, or finished it and forgotten about it.
    fn session_lost(&mut self, now: Instant) {
        if self.end_sent && self.list_helps && self.hash.is_some() {
            self.forget_in_flight();
            self.look_for_the_end();
        } else {
            self.restart(now);
        }
    }

    fn look_for_the_end(&mut self) {
        if self.list_helps && self.hash.is_some() {
            self.events.push_back(UploadEvent::Checking);
            self.phase = Phase::Listing;
        } else {
            self.stream_from(self.acked);
        }
    }

    /// What the image list says; `None` when the server has none to show.
    fn listed(&mut self, now: Instant, state: Option<ImageState>) {
        let there = state.is_some_and(|state| {
            self.hash.as_deref().is_some_and(|hash| {
                state.with_hash(hash).any(|slot| {
                    !slot.active && slot.image.is_none_or(|image| image == self.options.image)
                })
            })
        });
        if there {
            self.finish(now, UploadProof::ImageList);
        } else {
            self.list_helps = false;
            self.stream_from(self.acked);
        }
    }

    fn stream_from(&mut self, offset: u64) {
        self.phase = if offset == 0 {
            Phase::Opening
        } else {
            Phase::Streaming
        };
        self.next = offset;
    }

    fn restart(&mut self, now: Instant) {
        let offset = self.acked;
        self.stats.restarts += 1;
        if self.stats.restarts > self.options.restarts {
            return self.fail(UploadError::Lost {
                offset,
                total: self.chunks.total(),
                restarts: self.stats.restarts,
            });
        }
        self.events.push_back(UploadEvent::Restarted { at: offset });
        self.forget_in_flight();
        self.generation += 1;
        self.acked = 0;
        self.highest = 0;
        self.next = 0;
        self.end_sent = false;
        self.list_helps = true;
        self.resumed_at = None;
        self.attempts = 0;
        self.last_progress = now;
        self.phase = Phase::Opening;
    }

    /// With nothing under way, what was not acknowledged has to go out again.
    fn resume_when_idle(&mut self, now: Instant) {
        if self.phase == Phase::Streaming && self.in_flight.is_empty() && self.next > self.acked {
            self.next = self.acked;
            self.try_again(now, Trouble::SameOffset);
        }
    }

    /// Counts a try that brought nothing; false when it was the last one.
    fn try_again(&mut self, now: Instant, last: Trouble) -> bool {
        self.attempts += 1;
        let most = match self.phase {
            Phase::Opening => self.options.first_attempts,
            _ => self.options.attempts,
        };
        if self.attempts < most || self.phase == Phase::Over {
            return true;
        }
        self.fail(UploadError::Stuck {
            offset: self.acked,
            total: self.chunks.total(),
            attempts: self.attempts,
            waited_ms: (now - self.last_progress).as_millis(),
            last,
        });
        false
    }

    fn complete(&mut self, now: Instant, answer: UploadAnswer) {
        match answer.matches {
            Some(false) => self.fail(UploadError::Mismatch {
                total: self.chunks.total(),
            }),
            Some(true) => self.finish(now, UploadProof::Matched),
            None => self.finish(now, UploadProof::Offset),
        }
    }

    fn finish(&mut self, now: Instant, proof: UploadProof) {
        if self.phase == Phase::Opening
            && self.acked == 0
            && self.chunks_of_first() < self.chunks.total()
        {
            self.resumed_at = Some(self.chunks.total());
        }
        self.advance(now, self.chunks.total());
        self.phase = Phase::Over;
        self.in_flight.clear();
        self.events.push_back(UploadEvent::Done(UploadOutcome {
            proof,
            resumed_at: self.resumed_at,
            stats: self.stats,
        }));
    }

    fn chunks_of_first(&self) -> u64 {
        let first = self.chunks.at(0).and_then(|chunk| chunk.data);
        first.map_or(0, |data| data.len() as u64)
    }

    fn fail(&mut self, error: UploadError) {
        self.phase = Phase::Over;
        self.in_flight.clear();
        self.events.push_back(UploadEvent::Failed(error));
    }
}
