//! Bytes from a console to packets, text lines, and reports of damage.

use super::{CRC, MARKER_CONTINUE, MARKER_START, OVERHEAD};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::VecDeque;

/// Longest line that a client keeps together, in bytes; longer text comes out in pieces of this size.
const CLIENT_LINE: usize = 4096;
/// Line buffer of Zephyr's UART driver with the line feed, in bytes (`zephyr drivers/console/uart_mcumgr.c`).
const SERVER_LINE: usize = 128;
const LENGTH_LEN: usize = 2;
const CRC_LEN: usize = 2;

/// What came out of a console.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decoded {
    /// A packet whose checksum is right. What is in it has not been looked at.
    Packet(Vec<u8>),
    /// A line of text without its line end: anything that is not a frame.
    Line(Vec<u8>),
    /// Something that looked like a frame had to be thrown away. The decoder is ready for the next one.
    Damaged(FrameError),
}

/// Why a frame had to be thrown away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// The CRC-16 does not belong to the bytes.
    #[error("checksum is {found:#06x}, the packet's own bytes give {computed:#06x}")]
    Checksum {
        /// From the frame.
        found: u16,
        /// Over the packet.
        computed: u16,
    },
    /// A line carries more than the frame announced.
    #[error("frame announces {announced} bytes but {received} arrived")]
    TooMuch {
        /// Packet and checksum, from the frame's first two bytes.
        announced: usize,
        /// Bytes that arrived.
        received: usize,
    },
    /// Another frame started before this one was whole.
    #[error("frame announces {announced} bytes, another one started after {received}")]
    Unfinished {
        /// Packet and checksum, from the frame's first two bytes.
        announced: usize,
        /// Bytes that arrived.
        received: usize,
    },
    /// A line that starts a frame has no room for its length.
    #[error("first line of a frame ends before the length")]
    NoLength,
    /// The frame announces nothing but a checksum, or not even that.
    #[error("frame announces {announced} bytes, which leaves none for a packet")]
    Empty {
        /// From the frame's first two bytes.
        announced: usize,
    },
    /// A continuation without a start.
    #[error("line continues a frame that never started")]
    NoStart,
    /// Characters that base64 does not have, or a wrong number of them.
    #[error("line of a frame is not base64")]
    NotBase64,
    /// The line does not fit the line buffer.
    #[error("line of a frame is longer than {limit} bytes")]
    LineTooLong {
        /// Bytes of the line buffer.
        limit: usize,
    },
    /// The packet does not fit the server's buffer.
    #[error("frame announces {announced} bytes, the buffer holds {limit}")]
    PacketTooLong {
        /// Packet and checksum, from the frame's first two bytes.
        announced: usize,
        /// What fits.
        limit: usize,
    },
}

/// Reassembles packets from a console that also carries text.
///
/// Give it what arrived with [`push`](Self::push), then take results with [`next`](Self::next) until it returns
/// `None`. It keeps at most one line and one frame, whatever the peer sends.
#[derive(Debug)]
pub struct Decoder {
    side: Side,
    line: Vec<u8>,
    skipping: bool,
    frame: Option<Frame>,
    ready: VecDeque<Decoded>,
}

/// Who is listening: they forgive differently.
#[derive(Clone, Copy, Debug)]
enum Side {
    Client,
    Server { largest: usize },
}

/// A frame that has started: what it announced, and what came of it.
#[derive(Debug)]
struct Frame {
    announced: usize,
    bytes: Vec<u8>,
}

impl Decoder {
    /// A client's decoder: it finds a frame also behind text on the same line (a shell prompt), takes lines of any
    /// usual length, and brings back every other line as text.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Side::Client)
    }

    /// A server's decoder, as strict as Zephyr's: a marker counts only at the start of a line, lines of more than
    /// 128 bytes and frames that do not fit `buf_size` bytes are dropped.
    #[must_use]
    pub fn server(buf_size: usize) -> Self {
        Self::on(Side::Server {
            largest: buf_size.saturating_sub(LENGTH_LEN),
        })
    }

    fn on(side: Side) -> Self {
        Self {
            side,
            line: Vec::new(),
            skipping: false,
            frame: None,
            ready: VecDeque::new(),
        }
    }

    /// Takes any number of received bytes, split anywhere.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let end = bytes.iter().position(|&byte| byte == b'\n');
            let (piece, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            self.extend_line(piece);
            bytes = rest;
            if end.is_some() {
                bytes = &bytes[1..];
                self.end_line();
            }
        }
    }

    /// The next packet, line or damage; `None` means that more bytes are needed.
    #[expect(
        clippy::should_implement_trait,
        reason = "None is not the end: more may come after the next push"
    )]
    pub fn next(&mut self) -> Option<Decoded> {
        self.ready.pop_front()
    }

    /// Text that has no line end yet, such as a shell's prompt. It stays, and comes out again as the start of its
    /// [`Decoded::Line`].
    #[must_use]
    pub fn partial(&self) -> Option<&[u8]> {
        let frame = match self.line.as_slice() {
            [] => true,
            [one] => *one == MARKER_START[0] || *one == MARKER_CONTINUE[0],
            line => marker_at(line).is_some(),
        };
        (!frame).then_some(self.line.as_slice())
    }

    /// Forgets everything that has not come out: after the port was opened again, say.
    pub fn reset(&mut self) {
        *self = Self::on(self.side);
    }

    fn extend_line(&mut self, mut piece: &[u8]) {
        if self.skipping {
            return;
        }
        let limit = match self.side {
            Side::Client => CLIENT_LINE,
            Side::Server { .. } => SERVER_LINE - 1,
        };
        while self.line.len() + piece.len() > limit {
            let (fits, rest) = piece.split_at(limit - self.line.len());
            self.line.extend_from_slice(fits);
            piece = rest;
            if marker_at(&self.line).is_some() || matches!(self.side, Side::Server { .. }) {
                if marker_at(&self.line).is_some() {
                    self.frame = None;
                    self.damaged(FrameError::LineTooLong { limit });
                }
                self.line.clear();
                self.skipping = true;
                return;
            }
            let text = std::mem::take(&mut self.line);
            self.ready.push_back(Decoded::Line(text));
        }
        self.line.extend_from_slice(piece);
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.skipping) {
            return;
        }
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let marker = match self.side {
            Side::Client => find_marker(&line),
            Side::Server { .. } => marker_at(&line).map(|marker| (0, marker)),
        };
        match marker {
            Some((at, marker)) => {
                let frame = line.split_off(at);
                if !line.is_empty() {
                    self.ready.push_back(Decoded::Line(line));
                }
                self.frame_line(marker, &frame[marker.len()..]);
            }
            None => self.ready.push_back(Decoded::Line(line)),
        }
    }

    fn frame_line(&mut self, marker: [u8; 2], text: &[u8]) {
        let before = self.frame.take();
        let Ok(decoded) = STANDARD.decode(text) else {
            self.damaged(FrameError::NotBase64);
            // A board that resets in the middle of a frame puts its boot banner behind half a line of base64.
            if text.iter().any(|byte| !is_base64(*byte)) {
                self.ready.push_back(Decoded::Line(text.to_vec()));
            }
            return;
        };
        let frame = if marker == MARKER_START {
            if let Some(lost) = before {
                self.damaged(FrameError::Unfinished {
                    announced: lost.announced,
                    received: lost.bytes.len(),
                });
            }
            match self.start(&decoded) {
                Ok(frame) => frame,
                Err(error) => return self.damaged(error),
            }
        } else if let Some(mut frame) = before {
            frame.bytes.extend_from_slice(&decoded);
            frame
        } else {
            return self.damaged(FrameError::NoStart);
        };
        if frame.bytes.len() < frame.announced {
            self.frame = Some(frame);
        } else {
            let done = frame.finish();
            self.ready
                .push_back(done.map_or_else(Decoded::Damaged, Decoded::Packet));
        }
    }

    fn start(&self, decoded: &[u8]) -> Result<Frame, FrameError> {
        let (length, bytes) = decoded.split_first_chunk().ok_or(FrameError::NoLength)?;
        let announced = usize::from(u16::from_be_bytes(*length));
        if announced <= CRC_LEN {
            return Err(FrameError::Empty { announced });
        }
        match self.side {
            Side::Server { largest } if announced > largest => Err(FrameError::PacketTooLong {
                announced,
                limit: largest,
            }),
            _ => Ok(Frame {
                announced,
                bytes: bytes.to_vec(),
            }),
        }
    }

    fn damaged(&mut self, error: FrameError) {
        self.ready.push_back(Decoded::Damaged(error));
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Frame {
    /// The packet of a frame that has at least what it announced.
    fn finish(mut self) -> Result<Vec<u8>, FrameError> {
        if self.bytes.len() > self.announced {
            return Err(FrameError::TooMuch {
                announced: self.announced,
                received: self.bytes.len(),
            });
        }
        let Some((packet, found)) = self.bytes.split_last_chunk() else {
            return Err(FrameError::Empty {
                announced: self.announced,
            });
        };
        let found = u16::from_be_bytes(*found);
        let computed = CRC.checksum(packet);
        if found != computed {
            return Err(FrameError::Checksum { found, computed });
        }
        self.bytes.truncate(self.announced - CRC_LEN);
        Ok(self.bytes)
    }
}

/// The marker that `line` starts with.
fn marker_at(line: &[u8]) -> Option<[u8; 2]> {
    line.first_chunk()
        .copied()
        .filter(|marker| *marker == MARKER_START || *marker == MARKER_CONTINUE)
}

/// The first marker anywhere in `line`, and where.
fn find_marker(line: &[u8]) -> Option<(usize, [u8; 2])> {
    line.windows(2)
        .enumerate()
        .find_map(|(at, pair)| marker_at(pair).map(|marker| (at, marker)))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

const _: () = assert!(OVERHEAD == LENGTH_LEN + CRC_LEN);

#[cfg(test)]
mod tests {
    use super::super::encode;
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn drain(decoder: &mut Decoder) -> Vec<Decoded> {
        std::iter::from_fn(|| decoder.next()).collect()
    }

    fn decode(bytes: &[u8]) -> Vec<Decoded> {
        let mut decoder = Decoder::new();
        decoder.push(bytes);
        drain(&mut decoder)
    }

    fn line(text: &str) -> Decoded {
        Decoded::Line(text.as_bytes().to_vec())
    }

    #[test]
    fn text_around_a_frame_comes_out_as_lines() {
        let mut wire = b"[00:00:01.000] <inf> smp: ready\r\nuart:~$ ".to_vec();
        wire.extend(encode(b"hello smp").unwrap());
        wire.extend(b"bye\n");
        assert_eq!(
            decode(&wire),
            [
                line("[00:00:01.000] <inf> smp: ready"),
                line("uart:~$ "),
                Decoded::Packet(b"hello smp".to_vec()),
                line("bye"),
            ]
        );
    }

    #[test]
    fn text_between_the_lines_of_a_frame_does_not_hurt_it() {
        let packet = [0x11; 200];
        let wire = encode(&packet).unwrap();
        let mut mixed = Vec::new();
        for piece in wire.split_inclusive(|&b| b == b'\n') {
            mixed.extend_from_slice(piece);
            mixed.extend_from_slice(b"I: log\r\n");
        }
        let decoded = decode(&mixed);
        assert!(decoded.contains(&Decoded::Packet(packet.to_vec())));
        assert_eq!(decoded.iter().filter(|d| **d == line("I: log")).count(), 3);
    }

    #[test]
    fn boot_banner_behind_half_a_frame_is_not_lost() {
        let mut wire = encode(b"hello").unwrap();
        wire.truncate(8);
        wire.extend(b"*** Booting Zephyr OS ***\r\n");
        let decoded = decode(&wire);
        assert_eq!(decoded[0], Decoded::Damaged(FrameError::NotBase64));
        let Decoded::Line(text) = &decoded[1] else {
            panic!("no text in {decoded:?}");
        };
        assert!(text.ends_with(b"*** Booting Zephyr OS ***"));
    }

    #[test]
    fn prompt_without_line_end_can_be_read_and_stays() {
        let mut decoder = Decoder::new();
        decoder.push(b"uart:~$ ");
        assert_eq!(decoder.next(), None);
        assert_eq!(decoder.partial(), Some(&b"uart:~$ "[..]));
        decoder.push(b"help\r\n");
        assert_eq!(decoder.partial(), None);
        assert_eq!(decoder.next(), Some(line("uart:~$ help")));
    }

    #[test]
    fn half_a_frame_is_not_a_prompt() {
        let mut decoder = Decoder::new();
        decoder.push(b"\x06");
        assert_eq!(decoder.partial(), None);
        decoder.push(b"\x09AB");
        assert_eq!(decoder.partial(), None);
    }

    #[test]
    fn endless_text_comes_out_in_pieces() {
        let decoded = decode(&[b'x'; 3 * CLIENT_LINE]);
        assert_eq!(decoded.len(), 2);
        assert!(
            decoded
                .iter()
                .all(|d| matches!(d, Decoded::Line(text) if text.len() == CLIENT_LINE))
        );
    }

    #[rstest]
    #[case::endless_frame_line(&[b"\x06\x09".as_slice(), &[b'A'; 9000], b"\n"].concat(), FrameError::LineTooLong { limit: CLIENT_LINE })]
    #[case::continuation_alone(b"\x04\x14AAAA\n", FrameError::NoStart)]
    #[case::no_length(b"\x06\x09AA==\n", FrameError::NoLength)]
    #[case::only_checksum(b"\x06\x09AAIAAA==\n", FrameError::Empty { announced: 2 })]
    #[case::not_even_checksum(b"\x06\x09AAAA\n", FrameError::Empty { announced: 0 })]
    #[case::missing_padding(b"\x06\x09AAIAAA\n", FrameError::NotBase64)]
    #[case::wrong_checksum(b"\x06\x09AANBQUE=\n", FrameError::Checksum { found: 0x4141, computed: 0x58e5 })]
    #[case::too_much(b"\x06\x09AANBAABB\n", FrameError::TooMuch { announced: 3, received: 4 })]
    fn damage_is_named_and_the_next_frame_arrives(
        #[case] wire: &[u8],
        #[case] expected: FrameError,
    ) {
        let mut decoder = Decoder::new();
        decoder.push(wire);
        decoder.push(&encode(b"next").unwrap());
        assert_eq!(
            drain(&mut decoder),
            [
                Decoded::Damaged(expected),
                Decoded::Packet(b"next".to_vec())
            ]
        );
    }

    #[rstest]
    #[case::text_before_the_marker(&[b"log ".as_slice(), &encode(b"x").unwrap()].concat(), &[line("log \x06\x09AAN4/58=")])]
    #[case::larger_than_the_buffer(&encode(&[0; 61]).unwrap(), &[Decoded::Damaged(FrameError::PacketTooLong { announced: 63, limit: 62 })])]
    #[case::as_large_as_the_buffer(&encode(&[0; 60]).unwrap(), &[Decoded::Packet(vec![0; 60])])]
    #[case::line_of_129(&[b"\x06\x09".as_slice(), &[b'A'; 126], b"\n"].concat(), &[Decoded::Damaged(FrameError::LineTooLong { limit: 127 })])]
    fn server_is_strict(#[case] wire: &[u8], #[case] expected: &[Decoded]) {
        let mut decoder = Decoder::server(64);
        decoder.push(wire);
        assert_eq!(drain(&mut decoder), expected);
    }

    proptest! {
        #[test]
        fn packets_survive_any_split(
            packet in prop::collection::vec(any::<u8>(), 1..2500),
            cuts in prop::collection::vec(1usize..200, 1..40),
        ) {
            let wire = encode(&packet).unwrap();
            for mut decoder in [Decoder::new(), Decoder::server(2504)] {
                let mut rest = wire.as_slice();
                for cut in cuts.iter().cycle() {
                    if rest.is_empty() {
                        break;
                    }
                    let (piece, after) = rest.split_at((*cut).min(rest.len()));
                    decoder.push(piece);
                    rest = after;
                }
                prop_assert_eq!(drain(&mut decoder), [Decoded::Packet(packet.clone())]);
            }
        }

        #[test]
        fn nothing_makes_it_panic_or_deaf(pieces in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                Just(b"\x06\x09".to_vec()),
                Just(b"\x04\x14".to_vec()),
                Just(b"\n".to_vec()),
                prop::collection::vec(any::<u8>(), 1..200).prop_map(|packet| encode(&packet).unwrap()),
            ], 0..30)) {
            for mut decoder in [Decoder::new(), Decoder::server(256)] {
                for piece in &pieces {
                    decoder.push(piece);
                    while decoder.next().is_some() {}
                }
                decoder.push(b"\n");
                decoder.push(&encode(b"still there").unwrap());
                prop_assert_eq!(drain(&mut decoder).pop(), Some(Decoded::Packet(b"still there".to_vec())));
            }
        }
    }
}
