//! The client: negotiates, sets the line up, and then carries bytes.

use crate::telnet::{Event, IAC, Parser, SB, SE, Verb, escape};

/// Bytes with all eight bits, both ways (RFC 856).
const BINARY: u8 = 0;
/// The other side's business; accepted, as it changes nothing for a serial line (RFC 857).
const ECHO: u8 = 1;
/// No half-duplex line discipline (RFC 858).
const SUPPRESS_GO_AHEAD: u8 = 3;
/// RFC 2217 itself.
const COM_PORT: u8 = 44;

// Commands to the server, and what it adds to them in its answers (RFC 2217, section 3).
const SET_BAUDRATE: u8 = 1;
const SET_DATASIZE: u8 = 2;
const SET_PARITY: u8 = 3;
const SET_STOPSIZE: u8 = 4;
const SET_CONTROL: u8 = 5;
const FLOWCONTROL_SUSPEND: u8 = 8;
const FLOWCONTROL_RESUME: u8 = 9;
const ANSWER: u8 = 100;

/// 8 data bits, no parity, one stop bit, no flow control: what a DK's virtual serial ports have (Zephyr's `nrf5340dk` board).
/// DTR and RTS are set as a system does that opens such a port: a debugger may hold back what it has for a port that nobody
/// has open.
const LINE: [[u8; 2]; 6] = [
    [SET_DATASIZE, 8],
    [SET_PARITY, 1],
    [SET_STOPSIZE, 1],
    [SET_CONTROL, 1],
    [SET_CONTROL, 8],
    [SET_CONTROL, 11],
];

/// How far the connection is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// The other side has not agreed to everything yet.
    Negotiating,
    /// Bytes are carried, and the line has the speed that was asked for.
    Open,
    /// The other side is of no use.
    Refused(Refusal),
}

/// Why the other side is of no use.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It knows no RFC 2217.
    #[error("it speaks Telnet, and refuses RFC 2217 (option 44)")]
    NoComPort,
    /// It would change bytes.
    #[error("it refuses bytes of eight bits (Telnet's option 0)")]
    NotBinary,
    /// The line has another speed.
    #[error("it was told {asked} baud and set {set}")]
    OtherBaud {
        /// What it was told.
        asked: u32,
        /// What it says that the line has now.
        set: u32,
    },
}

/// A serial port behind Telnet.
#[derive(Debug)]
pub struct Client {
    baud: u32,
    parser: Parser,
    outgoing: Vec<u8>,
    /// What this side does, and what it was asked to do.
    ours: Options,
    theirs: Options,
    /// What the server says of the line's speed.
    set: Option<u32>,
    refused: Option<Refusal>,
    suspended: bool,
}

/// Options that one side uses.
#[derive(Debug, Default)]
struct Options {
    binary: Agreed,
    com_port: Agreed,
}

/// Whether the other side has agreed to an option that we asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Agreed {
    #[default]
    Asked,
    Yes,
    No,
}

impl Client {
    /// A client for a line of `baud`. What [`take_outgoing`](Self::take_outgoing) gives then is to be sent at once.
    #[must_use]
    pub fn new(baud: u32) -> Self {
        let mut client = Self {
            baud,
            parser: Parser::default(),
            outgoing: Vec::new(),
            ours: Options::default(),
            theirs: Options::default(),
            set: None,
            refused: None,
            suspended: false,
        };
        for (verb, option) in [
            (Verb::Will, COM_PORT),
            (Verb::Will, BINARY),
            (Verb::Do, BINARY),
            (Verb::Will, SUPPRESS_GO_AHEAD),
            (Verb::Do, SUPPRESS_GO_AHEAD),
        ] {
            client.option(verb, option);
        }
        client
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> State {
        if let Some(refusal) = &self.refused {
            return State::Refused(refusal.clone());
        }
        let agreed = [self.ours.binary, self.theirs.binary, self.ours.com_port];
        if agreed.iter().all(|agreed| *agreed == Agreed::Yes) && self.set == Some(self.baud) {
            State::Open
        } else {
            State::Negotiating
        }
    }

    /// Whether the server takes bytes: it may ask the client to wait (`FLOWCONTROL-SUSPEND`).
    #[must_use]
    pub const fn may_send(&self) -> bool {
        !self.suspended
    }

    /// Takes `bytes` for the line.
    pub fn send(&mut self, bytes: &[u8]) {
        escape(bytes, &mut self.outgoing);
    }

    /// What is to be sent on the connection now.
    #[must_use]
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    /// Reads what came on the connection: what the line sent is appended to `data`.
    pub fn receive(&mut self, bytes: &[u8], data: &mut Vec<u8>) {
        let mut events = Vec::new();
        self.parser.push(bytes, data, |event| events.push(event));
        for event in events {
            match event {
                Event::Option(verb, option) => self.negotiate(verb, option),
                Event::Subnegotiation(COM_PORT, words) => self.answered(&words),
                Event::Subnegotiation(..) => {}
            }
        }
    }

    fn negotiate(&mut self, verb: Verb, option: u8) {
        match (verb, option) {
            (Verb::Do, COM_PORT) => {
                // Some servers say it again, to what they heard as an offer of their own.
                if self.ours.com_port != Agreed::Yes {
                    self.ours.com_port = Agreed::Yes;
                    self.set_up();
                }
            }
            (Verb::Dont, COM_PORT) => {
                self.ours.com_port = Agreed::No;
                self.refuse(Refusal::NoComPort);
            }
            // Only the client's side of it has a meaning (RFC 2217, section 2), and some servers offer theirs.
            (Verb::Will, COM_PORT) if self.theirs.com_port == Agreed::Asked => {
                self.theirs.com_port = Agreed::Yes;
                self.option(Verb::Do, COM_PORT);
            }
            (Verb::Do, BINARY) => self.ours.binary = Agreed::Yes,
            (Verb::Will, BINARY) => self.theirs.binary = Agreed::Yes,
            (Verb::Dont, BINARY) => {
                self.ours.binary = Agreed::No;
                self.refuse(Refusal::NotBinary);
            }
            (Verb::Wont, BINARY) => {
                self.theirs.binary = Agreed::No;
                self.refuse(Refusal::NotBinary);
            }
            // It was asked for, so this is the answer, and an answer has none (RFC 854).
            (_, SUPPRESS_GO_AHEAD) | (Verb::Will | Verb::Wont, COM_PORT) => {}
            (Verb::Will, ECHO) => self.option(Verb::Do, ECHO),
            (Verb::Will, other) => self.option(Verb::Dont, other),
            (Verb::Do, other) => self.option(Verb::Wont, other),
            (Verb::Wont | Verb::Dont, _) => {}
        }
    }

    fn answered(&mut self, words: &[u8]) {
        const BAUDRATE_IS: u8 = ANSWER + SET_BAUDRATE;
        const SUSPEND: u8 = ANSWER + FLOWCONTROL_SUSPEND;
        const RESUME: u8 = ANSWER + FLOWCONTROL_RESUME;
        match words {
            [BAUDRATE_IS, baud @ ..] => {
                let Ok(bytes) = <[u8; 4]>::try_from(baud) else {
                    return;
                };
                let set = u32::from_be_bytes(bytes);
                self.set = Some(set);
                if set != self.baud {
                    self.refuse(Refusal::OtherBaud {
                        asked: self.baud,
                        set,
                    });
                }
            }
            [SUSPEND] => self.suspended = true,
            [RESUME] => self.suspended = false,
            // Signatures, and states of lines that a DK's ports do not have.
            _ => {}
        }
    }

    /// Asks for the line as it is to be.
    fn set_up(&mut self) {
        let mut speed = vec![SET_BAUDRATE];
        speed.extend(self.baud.to_be_bytes());
        self.subnegotiate(&speed);
        for words in LINE {
            self.subnegotiate(&words);
        }
    }

    fn subnegotiate(&mut self, words: &[u8]) {
        self.outgoing.extend([IAC, SB, COM_PORT]);
        escape(words, &mut self.outgoing);
        self.outgoing.extend([IAC, SE]);
    }

    fn option(&mut self, verb: Verb, option: u8) {
        self.outgoing.extend([IAC, verb.byte(), option]);
    }

    fn refuse(&mut self, why: Refusal) {
        self.refused.get_or_insert(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that agrees to everything, as ser2net does.
    const AGREES: &[u8] = b"\xff\xfd\x2c\xff\xfd\x00\xff\xfb\x00\xff\xfd\x03\xff\xfb\x03";
    const AT_115200: &[u8] = b"\xff\xfa\x2c\x65\x00\x01\xc2\x00\xff\xf0";

    fn opened() -> Client {
        let mut client = Client::new(115_200);
        let mut data = Vec::new();
        client.receive(AGREES, &mut data);
        client.receive(AT_115200, &mut data);
        assert_eq!((client.state(), data), (State::Open, Vec::new()));
        drop(client.take_outgoing());
        client
    }

    #[test]
    fn the_line_is_set_up_once_the_server_knows_the_option() {
        let mut client = Client::new(115_200);
        assert!(!client.take_outgoing().contains(&SB));
        client.receive(AGREES, &mut Vec::new());
        assert_eq!(client.state(), State::Negotiating);
        let asked = client.take_outgoing();
        assert!(asked.starts_with(b"\xff\xfa\x2c\x01\x00\x01\xc2\x00\xff\xf0"));
        assert!(asked.ends_with(b"\xff\xfa\x2c\x05\x0b\xff\xf0"));
        client.receive(AT_115200, &mut Vec::new());
        assert_eq!(client.state(), State::Open);
    }

    #[test]
    fn a_server_that_says_it_twice_is_not_asked_twice() {
        let mut client = opened();
        client.receive(AGREES, &mut Vec::new());
        assert_eq!(client.take_outgoing(), b"");
    }

    #[test]
    fn a_server_that_does_not_know_the_option_is_refused() {
        let mut client = Client::new(115_200);
        client.receive(b"\xff\xfe\x2c", &mut Vec::new());
        assert_eq!(client.state(), State::Refused(Refusal::NoComPort));
    }

    #[test]
    fn a_server_that_would_change_bytes_is_refused() {
        for answer in [b"\xff\xfe\x00", b"\xff\xfc\x00"] {
            let mut client = Client::new(115_200);
            client.receive(answer, &mut Vec::new());
            assert_eq!(client.state(), State::Refused(Refusal::NotBinary));
        }
    }

    #[test]
    fn another_speed_than_was_asked_for_is_refused() {
        let mut client = Client::new(115_200);
        client.receive(AGREES, &mut Vec::new());
        client.receive(b"\xff\xfa\x2c\x65\x00\x00\x25\x80\xff\xf0", &mut Vec::new());
        insta::assert_snapshot!(
            format!("{:?}", client.state()),
            @"Refused(OtherBaud { asked: 115200, set: 9600 })"
        );
    }

    #[test]
    fn options_that_nobody_asked_for_are_declined() {
        let mut client = opened();
        client.receive(b"\xff\xfd\x18\xff\xfb\x22", &mut Vec::new());
        assert_eq!(client.take_outgoing(), b"\xff\xfc\x18\xff\xfe\x22");
    }

    #[test]
    fn a_server_may_have_the_client_wait() {
        let mut client = opened();
        client.receive(b"\xff\xfa\x2c\x6c\xff\xf0", &mut Vec::new());
        assert!(!client.may_send());
        client.receive(b"\xff\xfa\x2c\x6d\xff\xf0", &mut Vec::new());
        assert!(client.may_send());
    }
}
