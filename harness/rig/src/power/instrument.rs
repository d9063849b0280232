//! Instruments that understand SCPI, on TCP or on a serial port: supplies, and relays for whatever else.
//!
//! The connection stays open: a cut must not have to wait for a handshake. When the instrument has closed it, one new
//! connection is tried.

use super::wire::{Missed, Place, WITHIN, Wire};
use crate::error::{Purpose, RigError};
use hil_clock::SharedClock;
use std::sync::{Mutex, PoisonError};

/// An answer longer than this is not one.
const LONGEST_ANSWER: usize = 256;

/// An instrument that does something for one board.
#[derive(Debug)]
pub(crate) struct Instrument {
    pub(super) board: String,
    purpose: Purpose,
    pub(super) place: Place,
    pub(super) clock: SharedClock,
    connection: Mutex<Option<Wire>>,
}

/// What is asked behind a command, and the answers that say that it was carried out.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) query: &'a str,
    /// What the answer must be, or begin with up to a comma.
    pub(crate) expected: [&'a str; 2],
}

impl Asked<'_> {
    fn is_answered_by(&self, answer: &str) -> bool {
        let value = answer.split(',').next().unwrap_or_default().trim();
        self.expected
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word))
    }
}

/// What went wrong on one connection, and whether a new one may help.
enum Trouble {
    /// The instrument closed the connection before it answered: it may have timed out since the last use.
    Closed,
    Fatal(RigError),
}

impl Instrument {
    pub(crate) fn new(board: &str, purpose: Purpose, place: Place, clock: SharedClock) -> Self {
        Self {
            board: board.to_owned(),
            purpose,
            place,
            clock,
            connection: Mutex::new(None),
        }
    }

    /// Sends a command and asks whether it was carried out.
    pub(crate) fn command(&self, command: &str, asked: Asked<'_>) -> Result<(), RigError> {
        let sent = format!("{command}; {}", asked.query);
        let answer = self.exchange(&[command, asked.query], &sent)?;
        if asked.is_answered_by(&answer) {
            return Ok(());
        }
        Err(self.answer_error(
            &sent,
            format!(
                "it answered `{}`, expected `{}`",
                answer.escape_default(),
                asked.expected[0]
            ),
        ))
    }

    /// Sends lines, the last of which is a question, and gives the answer. `sent` is what messages call them.
    pub(super) fn exchange(&self, lines: &[&str], sent: &str) -> Result<String, RigError> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let reused = connection.is_some();
        let mut result = self.try_exchange(&mut connection, lines, sent);
        if reused && matches!(result, Err(Trouble::Closed)) {
            tracing::info!(
                board = self.board,
                "the instrument had closed its connection; opening a new one"
            );
            *connection = None;
            result = self.try_exchange(&mut connection, lines, sent);
        }
        result.map_err(|trouble| {
            *connection = None;
            match trouble {
                Trouble::Closed => self.answer_error(sent, "it closed the connection".to_owned()),
                Trouble::Fatal(error) => error,
            }
        })
    }

    fn try_exchange(
        &self,
        connection: &mut Option<Wire>,
        lines: &[&str],
        sent: &str,
    ) -> Result<String, Trouble> {
        let wire = match connection {
            Some(wire) => wire,
            None => connection.insert(
                self.place
                    .open(&self.board, self.purpose)
                    .map_err(Trouble::Fatal)?,
            ),
        };
        let mut text = lines.join("\n");
        text.push('\n');
        let deadline = self.clock.now() + WITHIN;
        wire.write(text.as_bytes()).map_err(|_| Trouble::Closed)?;
        let mut line = Vec::new();
        let mut byte = [0u8; 1];
        loop {
            match wire.read(&mut byte, deadline, &*self.clock) {
                Ok(_) if byte[0] == b'\n' => break,
                Ok(_) if line.len() == LONGEST_ANSWER => {
                    return Err(Trouble::Fatal(self.answer_error(
                        sent,
                        format!("its answer is longer than {LONGEST_ANSWER} bytes"),
                    )));
                }
                Ok(_) => line.push(byte[0]),
                Err(Missed::Closed) => return Err(Trouble::Closed),
                Err(Missed::Silent) => {
                    let problem = format!("no answer within {WITHIN:?}");
                    return Err(Trouble::Fatal(self.answer_error(sent, problem)));
                }
            }
        }
        Ok(String::from_utf8_lossy(&line).trim().to_owned())
    }

    pub(super) fn answer_error(&self, sent: &str, problem: String) -> RigError {
        RigError::InstrumentAnswer {
            board: self.board.clone(),
            purpose: self.purpose,
            address: self.place.to_string(),
            sent: sent.to_owned(),
            problem,
        }
    }
}
