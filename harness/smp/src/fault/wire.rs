//! What a packet is on the wire, both ways, so that faults can be made there.

use crate::ble::{Reassembler, fragments};
use crate::frame::{self, Decoded, Decoder};
use crate::transport::{Transport, TransportError};
use hil_clock::Instant;

/// A transport below whose framing faults can be made.
pub trait WireTransport: Transport {
    /// What a packet is on the wire of this link now.
    ///
    /// # Errors
    ///
    /// When the link is gone, so that nobody knows.
    fn wire(&self) -> Result<Box<dyn Wire>, TransportError>;

    /// Hands `pieces` to the link as they are. They are what is left of `packet`, whose bytes they need not be.
    ///
    /// # Errors
    ///
    /// As [`Transport::send`].
    fn send_pieces(&mut self, packet: &[u8], pieces: Vec<Vec<u8>>) -> Result<(), TransportError>;
}

/// The framing of a link, for packets that are made into what they were on the wire and back again.
pub trait Wire: Send {
    /// The pieces that carry a packet, in the order of the wire. Pieces are what a link loses as a whole. None when the
    /// framing cannot carry it.
    fn pieces(&self, packet: &[u8]) -> Vec<Vec<u8>>;

    /// Takes what arrived of a packet; what comes of it, or how it was damaged. What is left of a damaged one meets the
    /// next one, as it does on a link.
    fn arrived(&mut self, now: Instant, pieces: &[Vec<u8>]) -> Vec<Result<Vec<u8>, String>>;
}

/// Lines of base64 with a checksum on a serial port. One piece for each byte: a UART loses bytes.
#[derive(Debug, Default)]
pub struct ConsoleWire {
    decoder: Decoder,
}

impl Wire for ConsoleWire {
    fn pieces(&self, packet: &[u8]) -> Vec<Vec<u8>> {
        // A packet that does not fit is refused by the transport itself, with what to say about it.
        let bytes = frame::encode(packet).unwrap_or_default();
        bytes.into_iter().map(|byte| vec![byte]).collect()
    }

    fn arrived(&mut self, _now: Instant, pieces: &[Vec<u8>]) -> Vec<Result<Vec<u8>, String>> {
        self.decoder.push(&pieces.concat());
        let mut found = Vec::new();
        while let Some(decoded) = self.decoder.next() {
            match decoded {
                Decoded::Packet(packet) => found.push(Ok(packet)),
                Decoded::Damaged(error) => found.push(Err(error.to_string())),
                // Bytes of a frame that no longer look like one.
                Decoded::Line(text) => found.push(Err(format!(
                    "{} bytes are taken for text, not for a frame",
                    text.len()
                ))),
            }
        }
        found
    }
}

/// Writes and notifications of a wireless link, without any checksum of their own: the radio's is below them.
#[derive(Debug)]
pub struct WritesWire {
    mtu: u16,
    reassembler: Reassembler,
}

impl WritesWire {
    /// Of a link with this MTU.
    #[must_use]
    pub fn new(mtu: u16) -> Self {
        Self {
            mtu,
            reassembler: Reassembler::default(),
        }
    }
}

impl Wire for WritesWire {
    fn pieces(&self, packet: &[u8]) -> Vec<Vec<u8>> {
        fragments(packet, self.mtu).map(<[u8]>::to_vec).collect()
    }

    fn arrived(&mut self, now: Instant, pieces: &[Vec<u8>]) -> Vec<Result<Vec<u8>, String>> {
        for piece in pieces {
            self.reassembler.push(now, piece);
        }
        std::iter::from_fn(|| self.reassembler.next_packet())
            .map(|found| found.map_err(|damage| damage.to_string()))
            .collect()
    }
}

/// The first `keep` bytes of a packet on the wire, in whole pieces, and never all of them.
pub(super) fn cut(mut pieces: Vec<Vec<u8>>, keep: usize) -> Vec<Vec<u8>> {
    let mut kept = 0;
    let whole = pieces
        .iter()
        .take_while(|piece| {
            kept += piece.len();
            kept <= keep
        })
        .count();
    pieces.truncate(whole.min(pieces.len().saturating_sub(1)));
    pieces
}

/// Turns bit `bit` of byte `at` over, counted through all pieces; the last byte where there are fewer.
pub(super) fn flip(pieces: &mut [Vec<u8>], at: usize, bit: u8) {
    let total: usize = pieces.iter().map(Vec::len).sum();
    let at = at.min(total.saturating_sub(1));
    if let Some(byte) = pieces.iter_mut().flatten().nth(at) {
        *byte ^= 1 << (bit % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{Group, Header, Op, Version};
    use rstest::rstest;

    fn packet(payload: usize) -> Vec<u8> {
        let header = Header {
            op: Op::WriteResponse,
            version: Version::V2,
            payload_len: 0,
            group: Group::IMAGE,
            sequence: 7,
            command: 1,
        };
        header.packet(&vec![0xa5; payload]).unwrap()
    }

    #[rstest]
    #[case::console(Box::new(ConsoleWire::default()))]
    #[case::writes(Box::new(WritesWire::new(23)))]
    fn a_whole_packet_comes_back_and_a_damaged_one_is_told(#[case] mut wire: Box<dyn Wire>) {
        let packet = packet(100);
        let pieces = wire.pieces(&packet);
        assert_eq!(wire.arrived(Instant::START, &pieces), [Ok(packet.clone())]);
        assert_eq!(wire.arrived(Instant::START, &cut(pieces.clone(), 60)), []);
        // What is left of it spoils the next one, and the one after that is whole again.
        let next = wire.arrived(Instant::START, &pieces);
        assert!(next.iter().any(Result::is_err), "{next:?}");
        let after = wire.arrived(Instant::START, &pieces);
        assert!(after.contains(&Ok(packet)), "{after:?}");
    }

    #[rstest]
    #[case::nothing(0, 0)]
    #[case::inside_the_second(25, 1)]
    #[case::two(40, 2)]
    #[case::all(1000, 5)]
    fn whole_writes_get_through_and_never_all(#[case] keep: usize, #[case] expected: usize) {
        let pieces = WritesWire::new(23).pieces(&packet(100));
        assert_eq!(pieces.len(), 6);
        assert_eq!(cut(pieces, keep).len(), expected);
    }

    /// Every single bit of a frame, and of the line ends between its lines.
    #[test]
    fn no_flipped_bit_of_a_frame_gets_past_the_checksum() {
        let packet = packet(200);
        let pieces = ConsoleWire::default().pieces(&packet);
        for at in 0..pieces.len() {
            for bit in 0..8 {
                let mut damaged = pieces.clone();
                flip(&mut damaged, at, bit);
                let found = ConsoleWire::default().arrived(Instant::START, &damaged);
                // A flipped bit that base64 does not use leaves the packet as it is.
                let harmless = found.iter().flatten().all(|found| *found == packet);
                assert!(harmless, "byte {at} bit {bit}: {found:?}");
            }
        }
    }
}
