//! Packets to lines.

use super::{CRC, MARKER_CONTINUE, MARKER_START, MAX_LINE_LEN};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Longest packet that the length field can announce together with the checksum, in bytes.
pub const MAX_PACKET_LEN: usize = u16::MAX as usize - CRC_LEN;

/// Bytes under the base64 of one full line: 124 characters fit between marker and line feed.
const RAW_PER_LINE: usize = (MAX_LINE_LEN - 3) / 4 * 3;
const LENGTH_LEN: usize = 2;
const CRC_LEN: usize = 2;

/// The packet does not fit what the console framing can announce.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("packet has {found} bytes, a console frame carries at most {MAX_PACKET_LEN}")]
pub struct PacketTooLong {
    /// Bytes of the packet.
    pub found: usize,
}

/// The lines that carry `packet`, ready for the wire.
///
/// Lines are split as Zephyr does: at most 127 bytes each, and the two bytes of the checksum are never on
/// different lines nor alone on one (some servers give up on either).
///
/// # Errors
///
/// When `packet` is longer than [`MAX_PACKET_LEN`].
pub fn encode(packet: &[u8]) -> Result<Vec<u8>, PacketTooLong> {
    let announced = u16::try_from(packet.len() + CRC_LEN).map_err(|_| PacketTooLong {
        found: packet.len(),
    })?;
    let mut raw = Vec::with_capacity(LENGTH_LEN + packet.len() + CRC_LEN);
    raw.extend_from_slice(&announced.to_be_bytes());
    raw.extend_from_slice(packet);
    raw.extend_from_slice(&CRC.checksum(packet).to_be_bytes());

    let mut wire = String::with_capacity(encoded_len(packet.len()));
    let mut marker = MARKER_START;
    for line in Lines(&raw) {
        wire.extend(marker.map(char::from));
        STANDARD.encode_string(line, &mut wire);
        wire.push('\n');
        marker = MARKER_CONTINUE;
    }
    Ok(wire.into_bytes())
}

/// Bytes on the wire of a packet of `packet_len` bytes.
#[must_use]
pub fn encoded_len(packet_len: usize) -> usize {
    let mut rest = LENGTH_LEN + packet_len + CRC_LEN;
    let mut total = 0;
    while rest > 0 {
        let line = line_len(rest);
        total += MARKER_START.len() + line.div_ceil(3) * 4 + 1;
        rest -= line;
    }
    total
}

/// Raw bytes that go on the next line when `rest` are left, the checksum included.
fn line_len(rest: usize) -> usize {
    if rest <= RAW_PER_LINE {
        rest
    } else if rest <= RAW_PER_LINE + CRC_LEN {
        // Only checksum bytes would be left: end one base64 quantum earlier, so that some of the packet goes
        // with them.
        RAW_PER_LINE - 3
    } else {
        RAW_PER_LINE
    }
}

struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let (line, rest) = self.0.split_at(line_len(self.0.len()));
        self.0 = rest;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn one_short_packet_is_one_line() {
        // A v2 echo request for "hello" with sequence number 1.
        let packet = hex::decode("0a00000900000100a161646568656c6c6f").unwrap();
        assert_eq!(
            hex::encode(encode(&packet).unwrap()),
            "060941424d4b4141414a41414142414b46685a47566f5a57787362336f320a"
        );
    }

    #[rstest]
    #[case::fits_one_line(89, &[127])]
    #[case::checksum_would_be_split(90, &[123, 11])]
    #[case::checksum_would_be_alone(91, &[123, 11])]
    #[case::one_byte_goes_with_the_checksum(92, &[127, 7])]
    #[case::two_full_lines(182, &[127, 127])]
    #[case::second_line_is_shortened(183, &[127, 123, 11])]
    fn line_lengths(#[case] packet_len: usize, #[case] expected: &[usize]) {
        let wire = encode(&vec![0x5a; packet_len]).unwrap();
        let lengths: Vec<usize> = wire
            .split_inclusive(|&b| b == b'\n')
            .map(<[u8]>::len)
            .collect();
        assert_eq!(lengths, expected);
    }

    #[test]
    fn every_length_is_predicted_and_within_the_limit() {
        for packet_len in 0..1200 {
            let wire = encode(&vec![0xa5; packet_len]).unwrap();
            assert_eq!(
                wire.len(),
                encoded_len(packet_len),
                "packet of {packet_len} bytes"
            );
            for line in wire.split_inclusive(|&b| b == b'\n') {
                assert!(line.len() <= MAX_LINE_LEN, "packet of {packet_len} bytes");
            }
        }
    }

    #[test]
    fn the_longest_packet_is_taken_and_the_next_is_not() {
        assert!(encode(&vec![0; MAX_PACKET_LEN]).is_ok());
        assert_eq!(
            encode(&vec![0; MAX_PACKET_LEN + 1]),
            Err(PacketTooLong { found: 65_534 })
        );
    }
}
