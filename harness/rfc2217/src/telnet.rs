//! Telnet's own bytes among those of a serial line (RFC 854).

/// Begins everything that is Telnet's own; itself twice where it is data (RFC 854).
pub(crate) const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
pub(crate) const SB: u8 = 250;
pub(crate) const SE: u8 = 240;

/// How much of a subnegotiation is kept. RFC 2217's longest that is of use has six bytes; a signature can be of any length, and
/// its end is of no use here.
const LONGEST: usize = 64;

/// What is wanted of an option, or said of it (RFC 854).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// The sender uses it, or would like to.
    Will,
    /// The sender does not use it.
    Wont,
    /// The receiver shall use it.
    Do,
    /// The receiver shall not use it.
    Dont,
}

impl Verb {
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::Will => WILL,
            Self::Wont => WONT,
            Self::Do => DO,
            Self::Dont => DONT,
        }
    }
}

/// Something that came which is not data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// An option is negotiated.
    Option(Verb, u8),
    /// A subnegotiation: the option, and what follows, without its escapes and shortened.
    Subnegotiation(u8, Vec<u8>),
}

/// Takes Telnet's own bytes out of what came, however it was cut into pieces.
#[derive(Debug, Default)]
pub struct Parser {
    state: Reading,
    subnegotiation: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Reading {
    #[default]
    Data,
    /// Behind IAC.
    Command,
    /// Behind IAC and a verb.
    Option(Verb),
    /// Behind IAC SB.
    Subnegotiation,
    /// Behind IAC in a subnegotiation.
    SubnegotiationCommand,
}

impl Parser {
    /// Reads `bytes`: what is the serial line's is appended to `data`, the rest is told to `event`.
    pub fn push(&mut self, bytes: &[u8], data: &mut Vec<u8>, mut event: impl FnMut(Event)) {
        for &byte in bytes {
            self.state = match (self.state, byte) {
                (Reading::Data, IAC) => Reading::Command,
                (Reading::Data, byte) => {
                    data.push(byte);
                    Reading::Data
                }
                (Reading::Command, IAC) => {
                    data.push(IAC);
                    Reading::Data
                }
                (Reading::Command, SB) => {
                    self.subnegotiation.clear();
                    Reading::Subnegotiation
                }
                (Reading::Command, WILL) => Reading::Option(Verb::Will),
                (Reading::Command, WONT) => Reading::Option(Verb::Wont),
                (Reading::Command, DO) => Reading::Option(Verb::Do),
                (Reading::Command, DONT) => Reading::Option(Verb::Dont),
                // No operation, break, interrupt and the like: nothing that a serial line has to do with.
                (Reading::Command, _) => Reading::Data,
                (Reading::Option(verb), option) => {
                    event(Event::Option(verb, option));
                    Reading::Data
                }
                (Reading::Subnegotiation, IAC) => Reading::SubnegotiationCommand,
                (Reading::Subnegotiation, byte) => {
                    self.keep(byte);
                    Reading::Subnegotiation
                }
                (Reading::SubnegotiationCommand, IAC) => {
                    self.keep(IAC);
                    Reading::Subnegotiation
                }
                (Reading::SubnegotiationCommand, SE) => {
                    if let Some((&option, rest)) = self.subnegotiation.split_first() {
                        event(Event::Subnegotiation(option, rest.to_vec()));
                    }
                    Reading::Data
                }
                // RFC 854 leaves open what this is; whoever sends it has at least ended what it began.
                (Reading::SubnegotiationCommand, _) => Reading::Data,
            };
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.subnegotiation.len() < LONGEST {
            self.subnegotiation.push(byte);
        }
    }
}

/// Appends `bytes` to `to` as data.
pub(crate) fn escape(bytes: &[u8], to: &mut Vec<u8>) {
    for &byte in bytes {
        to.push(byte);
        if byte == IAC {
            to.push(IAC);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(pieces: &[&[u8]]) -> (Vec<u8>, Vec<Event>) {
        let mut parser = Parser::default();
        let (mut data, mut events) = (Vec::new(), Vec::new());
        for piece in pieces {
            parser.push(piece, &mut data, |event| events.push(event));
        }
        (data, events)
    }

    #[test]
    fn an_option_between_data_is_told_and_not_data() {
        let (data, events) = parse(&[b"ab\xff\xfd\x2ccd"]);
        assert_eq!(data, b"abcd");
        assert_eq!(events, [Event::Option(Verb::Do, 44)]);
    }

    #[test]
    fn a_subnegotiation_that_is_never_ended_takes_no_more_room_than_a_long_one() {
        let mut parser = Parser::default();
        let mut data = Vec::new();
        parser.push(b"\xff\xfa\x2c", &mut data, |_| ());
        parser.push(&[7; 100_000], &mut data, |_| panic!("it has not ended"));
        assert_eq!((data.len(), parser.subnegotiation.len()), (0, LONGEST));
    }

    #[test]
    fn an_escaped_byte_in_a_subnegotiation_is_one_byte() {
        // 115,200 is 0x0001c200; this speed has the byte that is escaped.
        let (_, events) = parse(&[b"\xff\xfa\x2c\x65\x00\x00\xff\xff\x00\xff\xf0"]);
        assert_eq!(events, [Event::Subnegotiation(44, vec![101, 0, 0, 255, 0])]);
    }

    proptest! {
        #[test]
        fn what_was_escaped_comes_back_however_it_is_cut(
            bytes in proptest::collection::vec(prop_oneof![Just(IAC), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut sent = Vec::new();
            escape(&bytes, &mut sent);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(sent.len() + 1)).collect();
            cuts.extend([0, sent.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|ends| &sent[ends[0]..ends[1]]).collect();
            prop_assert_eq!(parse(&pieces), (bytes, Vec::new()));
        }

        #[test]
        fn any_bytes_mean_the_same_however_they_are_cut(
            bytes in proptest::collection::vec(prop_oneof![Just(IAC), 240..=255_u8, any::<u8>()], 0..100),
        ) {
            let singly: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(parse(&singly), parse(&[&bytes]));
        }
    }
}
