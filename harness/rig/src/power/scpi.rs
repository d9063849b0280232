//! Instruments that understand SCPI on TCP; a bench supply above all.
//!
//! `OUTP ON` and `OUTP OFF` switch, and `OUTP?` (SCPI-99 volume 2, OUTPut subsystem) is asked behind each, so
//! that the call returns when the supply has done it. The connection stays open: a cut must not have to wait
//! for a handshake. When the supply has closed it, one new connection is tried.

use super::{PowerKind, PowerSwitch};
use crate::error::{Purpose, RigError};
use hil_clock::{Instant, SharedClock};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a connection and an answer may take. Bench supplies answer within tens of milliseconds; we chose
/// two seconds to leave room for their relays.
const WITHIN: Duration = Duration::from_secs(2);

/// An answer longer than this is not one.
const LONGEST_ANSWER: usize = 256;

/// The supply of one board.
#[derive(Debug)]
pub(crate) struct ScpiSwitch(Instrument);

/// An instrument that does something for one board.
#[derive(Debug)]
pub(crate) struct Instrument {
    board: String,
    purpose: Purpose,
    address: SocketAddr,
    clock: SharedClock,
    connection: Mutex<Option<TcpStream>>,
}

/// What went wrong on one connection, and whether a new one may help.
enum Trouble {
    /// The supply closed the connection before it answered: it may have timed out since the last use.
    Closed(String),
    Fatal(RigError),
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

impl ScpiSwitch {
    pub(crate) fn new(board: &str, address: SocketAddr, clock: SharedClock) -> Self {
        Self(Instrument::new(board, Purpose::Power, address, clock))
    }
}

impl Instrument {
    pub(crate) fn new(
        board: &str,
        purpose: Purpose,
        address: SocketAddr,
        clock: SharedClock,
    ) -> Self {
        Self {
            board: board.to_owned(),
            purpose,
            address,
            clock,
            connection: Mutex::new(None),
        }
    }

    /// Sends a command and asks whether it was carried out.
    pub(crate) fn command(&self, command: &str, asked: Asked<'_>) -> Result<(), RigError> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let reused = connection.is_some();
        let mut result = self.try_command(&mut connection, command, asked);
        if reused && matches!(result, Err(Trouble::Closed(_))) {
            tracing::info!(
                board = self.board,
                "the instrument had closed its connection; opening a new one"
            );
            *connection = None;
            result = self.try_command(&mut connection, command, asked);
        }
        result.map_err(|trouble| {
            *connection = None;
            match trouble {
                Trouble::Closed(sent) => {
                    self.answer_error(&sent, "it closed the connection".to_owned())
                }
                Trouble::Fatal(error) => error,
            }
        })
    }

    fn try_command(
        &self,
        connection: &mut Option<TcpStream>,
        command: &str,
        asked: Asked<'_>,
    ) -> Result<(), Trouble> {
        let stream = match connection {
            Some(stream) => stream,
            None => connection.insert(self.connect().map_err(Trouble::Fatal)?),
        };
        let query = asked.query;
        let sent = format!("{command}; {query}");
        let deadline = self.clock.now() + WITHIN;
        stream
            .write_all(format!("{command}\n{query}\n").as_bytes())
            .map_err(|_| Trouble::Closed(sent.clone()))?;
        let answer = self.read_line(stream, deadline, &sent)?;
        if asked.is_answered_by(&answer) {
            Ok(())
        } else {
            Err(Trouble::Fatal(self.answer_error(
                &sent,
                format!(
                    "it answered `{}`, expected `{}`",
                    answer.escape_default(),
                    asked.expected[0]
                ),
            )))
        }
    }

    fn connect(&self) -> Result<TcpStream, RigError> {
        let error = |source| RigError::InstrumentConnect {
            board: self.board.clone(),
            purpose: self.purpose,
            address: self.address.to_string(),
            source,
        };
        let stream = TcpStream::connect_timeout(&self.address, WITHIN).map_err(error)?;
        stream.set_nodelay(true).map_err(error)?;
        stream.set_write_timeout(Some(WITHIN)).map_err(error)?;
        Ok(stream)
    }

    fn read_line(
        &self,
        stream: &mut TcpStream,
        deadline: Instant,
        sent: &str,
    ) -> Result<String, Trouble> {
        let mut line = Vec::new();
        let mut byte = [0u8; 1];
        loop {
            let wait = self.clock.block_for(deadline);
            let silent =
                || Trouble::Fatal(self.answer_error(sent, format!("no answer within {WITHIN:?}")));
            if wait.is_zero() {
                return Err(silent());
            }
            // Fails only for a zero duration.
            let _ = stream.set_read_timeout(Some(wait));
            match stream.read(&mut byte) {
                Ok(0) => return Err(Trouble::Closed(sent.to_owned())),
                Ok(_) if byte[0] == b'\n' => break,
                Ok(_) if line.len() == LONGEST_ANSWER => {
                    return Err(Trouble::Fatal(self.answer_error(
                        sent,
                        format!("its answer is longer than {LONGEST_ANSWER} bytes"),
                    )));
                }
                Ok(_) => line.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Err(silent());
                }
                Err(_) => return Err(Trouble::Closed(sent.to_owned())),
            }
        }
        Ok(String::from_utf8_lossy(&line).trim().to_owned())
    }

    fn answer_error(&self, sent: &str, problem: String) -> RigError {
        RigError::InstrumentAnswer {
            board: self.board.clone(),
            purpose: self.purpose,
            address: self.address.to_string(),
            sent: sent.to_owned(),
            problem,
        }
    }
}

/// Whether the output is as it was switched.
const fn outp(expected: [&str; 2]) -> Asked<'_> {
    Asked {
        query: "OUTP?",
        expected,
    }
}

impl PowerSwitch for ScpiSwitch {
    fn on(&self) -> Result<(), RigError> {
        self.0.command("OUTP ON", outp(["1", "ON"]))
    }

    fn off(&self) -> Result<(), RigError> {
        self.0.command("OUTP OFF", outp(["0", "OFF"]))
    }

    fn kind(&self) -> PowerKind {
        PowerKind::Scpi
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_clock::SystemClock;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread::JoinHandle;

    /// A supply: each connection gets the answers of one list, then it is closed. Returns what was sent.
    fn supply(connections: Vec<Vec<&'static str>>) -> (SocketAddr, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let mut sent = Vec::new();
            for answers in connections {
                let (mut stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                for answer in answers {
                    loop {
                        let line = lines.next().unwrap().unwrap();
                        let query = line.ends_with('?');
                        sent.push(line);
                        if query {
                            break;
                        }
                    }
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            }
            sent
        });
        (address, server)
    }

    fn switch(address: SocketAddr) -> ScpiSwitch {
        ScpiSwitch::new("left", address, Arc::new(SystemClock::new()))
    }

    #[test]
    fn switching_asks_the_supply_whether_it_has_done_it() {
        let (address, server) = supply(vec![vec!["1\n", "OFF\r\n"]]);
        let power = switch(address);
        power.on().unwrap();
        power.off().unwrap();
        drop(power);
        assert_eq!(
            server.join().unwrap(),
            ["OUTP ON", "OUTP?", "OUTP OFF", "OUTP?"]
        );
    }

    #[test]
    fn a_supply_that_does_not_switch_is_an_error() {
        let (address, _server) = supply(vec![vec!["1\n"]]);
        let error = switch(address).off().unwrap_err();
        insta::with_settings!({filters => vec![(r"127\.0\.0\.1:\d+", "ADDRESS")]}, {
            insta::assert_snapshot!(error, @"power supply of board `left` at ADDRESS: sent `OUTP OFF; OUTP?`, it answered `1`, expected `0`");
        });
    }

    #[test]
    fn a_connection_that_the_supply_closed_is_opened_again_once() {
        let (address, server) = supply(vec![vec!["1\n"], vec!["0\n"]]);
        let power = switch(address);
        power.on().unwrap();
        power.off().unwrap();
        drop(power);
        assert!(
            server
                .join()
                .unwrap()
                .ends_with(&["OUTP OFF".to_owned(), "OUTP?".to_owned()])
        );
    }

    #[test]
    fn an_endless_answer_is_refused() {
        let endless: &'static str = Box::leak("x".repeat(300).into_boxed_str());
        let (address, _server) = supply(vec![vec![endless]]);
        let error = switch(address).on().unwrap_err();
        assert!(
            error.to_string().contains("longer than 256 bytes"),
            "{error}"
        );
    }

    #[test]
    fn a_supply_that_is_not_there_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = switch(address).on().unwrap_err();
        assert!(
            matches!(error, RigError::InstrumentConnect { .. }),
            "{error}"
        );
    }
}
