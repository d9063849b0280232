//! One request and its answer: matching and retrying, without I/O.
//!
//! The caller moves bytes and time: hand in what arrived and what the clock says, then drain
//! [`poll_transmit`](Exchange::poll_transmit) and [`poll_event`](Exchange::poll_event) until both are empty.
//! A retry goes out with the same bytes and the same sequence number, so that an answer which comes late still
//! counts; servers do not check sequence numbers. Answers to anything else are skipped and counted.

use crate::header::{Header, HeaderError};
use hil_clock::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// How long to wait for an answer, and how often to ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Patience {
    /// Time for one answer.
    pub timeout: Duration,
    /// Transmissions altogether; 1 means no retry.
    pub attempts: u32,
}

/// One request on its way.
#[derive(Debug)]
pub struct Exchange {
    request: Header,
    packet: Vec<u8>,
    patience: Patience,
    started: Instant,
    deadline: Option<Instant>,
    attempt: u32,
    transmit: bool,
    strays: u32,
    events: VecDeque<ExchangeEvent>,
}

/// What became of an [`Exchange`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ExchangeEvent {
    /// The request goes out again.
    Retry {
        /// Which transmission this is, from 2.
        attempt: u32,
    },
    /// The answer's payload. Nothing follows.
    Answer {
        /// CBOR.
        payload: Vec<u8>,
        /// Transmissions that it took.
        attempts: u32,
    },
    /// No answer came. Nothing follows.
    GaveUp {
        /// Transmissions.
        attempts: u32,
        /// From the first transmission.
        waited: Duration,
        /// Packets that arrived meanwhile and were something else.
        strays: u32,
    },
}

impl Exchange {
    /// Starts with a whole request packet; it is ready for [`poll_transmit`](Self::poll_transmit) at once.
    ///
    /// # Errors
    ///
    /// When `packet` is not an SMP packet.
    pub fn start(now: Instant, packet: Vec<u8>, patience: Patience) -> Result<Self, HeaderError> {
        let (request, _) = Header::parse(&packet)?;
        Ok(Self {
            request,
            packet,
            patience,
            started: now,
            deadline: Some(now + patience.timeout),
            attempt: 1,
            transmit: true,
            strays: 0,
            events: VecDeque::new(),
        })
    }

    /// Takes a packet that arrived. Poll for events afterwards.
    pub fn handle_packet(&mut self, packet: &[u8]) {
        match Header::parse(packet) {
            Ok((header, payload)) if self.deadline.is_some() && header.answers(&self.request) => {
                self.deadline = None;
                self.transmit = false;
                self.events.push_back(ExchangeEvent::Answer {
                    payload: payload.to_vec(),
                    attempts: self.attempt,
                });
            }
            _ => self.strays += 1,
        }
    }

    /// Takes the time. Poll for transmits and events afterwards.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        if self.attempt >= self.patience.attempts {
            self.deadline = None;
            self.transmit = false;
            self.events.push_back(ExchangeEvent::GaveUp {
                attempts: self.attempt,
                waited: now - self.started,
                strays: self.strays,
            });
            return;
        }
        self.attempt += 1;
        self.deadline = Some(now + self.patience.timeout);
        self.transmit = true;
        self.events.push_back(ExchangeEvent::Retry {
            attempt: self.attempt,
        });
    }

    /// When [`handle_timeout`](Self::handle_timeout) next has something to do; `None` when all is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// The packet to send now.
    pub fn poll_transmit(&mut self) -> Option<&[u8]> {
        std::mem::take(&mut self.transmit).then_some(self.packet.as_slice())
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<ExchangeEvent> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Version;
    use crate::message::{Command, Echo, Params};

    const PATIENCE: Patience = Patience {
        timeout: Duration::from_millis(500),
        attempts: 3,
    };

    fn echo(sequence: u8) -> Vec<u8> {
        let echo = Echo {
            text: "hello".to_owned(),
        };
        echo.packet(sequence, Version::V2).unwrap()
    }

    fn answer_to(request: &[u8], payload: &[u8]) -> Vec<u8> {
        let (header, _) = Header::parse(request).unwrap();
        let answer = Header {
            op: header.op.response(),
            ..header
        };
        answer.packet(payload).unwrap()
    }

    fn started() -> (Exchange, Vec<u8>) {
        let mut exchange = Exchange::start(Instant::START, echo(7), PATIENCE).unwrap();
        let sent = exchange.poll_transmit().unwrap().to_vec();
        assert_eq!(exchange.poll_transmit(), None, "once is enough");
        (exchange, sent)
    }

    #[test]
    fn late_request_goes_out_again_with_the_same_bytes() {
        let (mut exchange, first) = started();
        let due = exchange.poll_timeout().unwrap();
        assert_eq!(due.since_start(), Duration::from_millis(500));
        exchange.handle_timeout(due);
        assert_eq!(exchange.poll_transmit(), Some(first.as_slice()));
        assert_eq!(
            exchange.poll_event(),
            Some(ExchangeEvent::Retry { attempt: 2 })
        );
    }

    #[test]
    fn nothing_happens_before_the_deadline() {
        let (mut exchange, _) = started();
        exchange.handle_timeout(Instant::START + Duration::from_millis(499));
        assert_eq!(exchange.poll_transmit(), None);
        assert_eq!(exchange.poll_event(), None);
    }

    #[test]
    fn attempts_are_transmissions_and_the_last_silence_ends_it() {
        let (mut exchange, first) = started();
        exchange.handle_packet(&answer_to(&echo(6), &[0xa0]));
        let mut sent = 1;
        while let Some(due) = exchange.poll_timeout() {
            exchange.handle_timeout(due);
            sent += usize::from(exchange.poll_transmit() == Some(first.as_slice()));
        }
        assert_eq!(sent, 3);
        let last = std::iter::from_fn(|| exchange.poll_event()).last();
        assert_eq!(
            last,
            Some(ExchangeEvent::GaveUp {
                attempts: 3,
                waited: Duration::from_millis(1500),
                strays: 1
            })
        );
    }

    #[test]
    fn only_the_matching_answer_counts_and_only_once() {
        let (mut exchange, sent) = started();
        let params = Params.packet(7, Version::V2).unwrap();
        for stray in [
            sent.clone(),
            answer_to(&echo(6), &[0xa0]),
            answer_to(&params, &[0xa0]),
            vec![1, 2, 3],
        ] {
            exchange.handle_packet(&stray);
        }
        assert_eq!(exchange.poll_event(), None);
        let answer = answer_to(&sent, &[0xbf, 0xff]);
        exchange.handle_packet(&answer);
        exchange.handle_packet(&answer);
        let events: Vec<_> = std::iter::from_fn(|| exchange.poll_event()).collect();
        assert_eq!(
            events,
            [ExchangeEvent::Answer {
                payload: vec![0xbf, 0xff],
                attempts: 1
            }]
        );
        assert_eq!(exchange.poll_timeout(), None);
    }

    #[test]
    fn answer_after_a_retry_counts() {
        let (mut exchange, sent) = started();
        exchange.handle_timeout(exchange.poll_timeout().unwrap());
        exchange.handle_packet(&answer_to(&sent, &[0xa0]));
        let last = std::iter::from_fn(|| exchange.poll_event()).last();
        assert!(matches!(
            last,
            Some(ExchangeEvent::Answer { attempts: 2, .. })
        ));
    }
}
