//! A bench supply that understands SCPI, on TCP or on a serial port.
//!
//! `OUTP ON` and `OUTP OFF` switch, and `OUTP?` (SCPI-99 volume 2, OUTPut subsystem) is asked behind each, so
//! that the call returns when the supply has done it. `MEAS:CURR?` (the same, MEASure subsystem) tells what flows.
//! Supplies with several outputs have other words for it, which the rig file can give.

use super::{Instrument, Place, PowerKind, PowerState, PowerSwitch};
use crate::error::{Purpose, RigError};
use crate::file::ScpiWords;
use hil_clock::{Clock, SharedClock};

/// The supply of one board.
#[derive(Debug)]
pub(crate) struct ScpiSwitch {
    instrument: Instrument,
    words: ScpiWords,
}

impl ScpiSwitch {
    pub(crate) fn new(board: &str, place: Place, words: ScpiWords, clock: SharedClock) -> Self {
        Self {
            instrument: Instrument::new(board, Purpose::Power, place, clock),
            words,
        }
    }
}

/// What a supply says of its output.
fn state(answer: &str) -> Option<PowerState> {
    match answer.to_ascii_uppercase().as_str() {
        "1" | "ON" => Some(PowerState::On),
        "0" | "OFF" => Some(PowerState::Off),
        _ => None,
    }
}

impl PowerSwitch for ScpiSwitch {
    fn switch(&self, to: PowerState) -> Result<(), RigError> {
        let ScpiWords { on, off, ask, .. } = &self.words;
        let (command, expected) = match to {
            PowerState::On => (on, "1"),
            PowerState::Off => (off, "0"),
        };
        let sent = format!("{command}; {ask}");
        let answer = self.instrument.exchange(&[command, ask], &sent)?;
        match state(&answer) {
            Some(found) if found == to => Ok(()),
            Some(_) => Err(RigError::PowerNotSwitched {
                board: self.instrument.board.clone(),
                supply: format!("supply at {}", self.instrument.place),
                wanted: to.word(),
                found: format!("sent `{sent}`, it answered `{answer}`, expected `{expected}`"),
            }),
            None => Err(self.instrument.answer_error(
                &sent,
                format!(
                    "it answered `{}`, expected `{expected}`",
                    answer.escape_default()
                ),
            )),
        }
    }

    fn clock(&self) -> &dyn Clock {
        &*self.instrument.clock
    }

    fn kind(&self) -> PowerKind {
        PowerKind::Scpi
    }

    fn current(&self) -> Result<Option<f64>, RigError> {
        let Some(question) = &self.words.current else {
            return Ok(None);
        };
        let answer = self.instrument.exchange(&[question], question)?;
        // Some supplies put the unit behind the number.
        let number = answer.trim_end_matches(['A', 'a', ' ']);
        match number.parse::<f64>() {
            Ok(amperes) if amperes.is_finite() => Ok(Some(amperes)),
            _ => Err(self.instrument.answer_error(
                question,
                format!(
                    "it answered `{}`, expected a current in amperes",
                    answer.escape_default()
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_clock::SystemClock;
    use rstest::rstest;
    use std::io::Write as _;
    use std::io::{BufRead, BufReader};
    use std::net::{SocketAddr, TcpListener};
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
                        let query = line.contains('?');
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
        let clock = Arc::new(SystemClock::new());
        ScpiSwitch::new("left", Place::Tcp(address), ScpiWords::default(), clock)
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
            insta::assert_snapshot!(error, @"the power of board `left` did not go off: the supply at ADDRESS was told to, sent `OUTP OFF; OUTP?`, it answered `1`, expected `0`");
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

    #[rstest]
    #[case::plain("0.004200\n", Some(0.0042))]
    #[case::exponent("+4.20000E-03\r\n", Some(0.0042))]
    #[case::unit("0.0042A\n", Some(0.0042))]
    #[case::words("output is off\n", None)]
    #[case::not_a_number("NaN\n", None)]
    fn a_current_is_a_number_of_amperes(
        #[case] answer: &'static str,
        #[case] expected: Option<f64>,
    ) {
        let (address, _server) = supply(vec![vec![answer]]);
        assert_eq!(switch(address).current().ok().flatten(), expected);
    }

    #[test]
    fn a_supply_that_is_not_asked_for_its_current_has_none() {
        let (address, _server) = supply(vec![vec![]]);
        let mut power = switch(address);
        power.words.current = None;
        assert_eq!(power.current().unwrap(), None);
    }

    #[test]
    fn a_supply_with_several_outputs_is_spoken_to_in_its_own_words() {
        let (address, server) = supply(vec![vec!["OFF\n", "0.1\n"]]);
        let mut power = switch(address);
        power.words = ScpiWords {
            on: "OUTP CH2,ON".to_owned(),
            off: "OUTP CH2,OFF".to_owned(),
            ask: "OUTP? CH2".to_owned(),
            current: Some("MEAS:CURR? CH2".to_owned()),
        };
        // What ends in the words of the output is a question all the same.
        let asked = std::thread::spawn(move || {
            power.off().unwrap();
            power.current().unwrap()
        });
        assert_eq!(asked.join().unwrap(), Some(0.1));
        assert_eq!(
            server.join().unwrap(),
            ["OUTP CH2,OFF", "OUTP? CH2", "MEAS:CURR? CH2"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_supply_on_a_serial_port_is_spoken_to_alike() {
        let mut port = super::super::fake_port::FakePort::open();
        let spec = port.spec();
        let supply = std::thread::spawn(move || {
            let heard = port.read_until(|heard| heard.ends_with(b"OUTP?\n"));
            port.write(b"0\r\n");
            (String::from_utf8(heard).unwrap(), port)
        });
        let clock = Arc::new(SystemClock::new());
        let power = ScpiSwitch::new("left", Place::Serial(spec), ScpiWords::default(), clock);
        power.off().unwrap();
        assert_eq!(supply.join().unwrap().0, "OUTP OFF\nOUTP?\n");
    }
}
