//! Intel HEX files of a build: which bytes lie where.
//!
//! Gaps of some bytes inside of an image are normal (alignment) and stand for erased flash. A start record means nothing
//! here; in `app_moved_test_update.hex` it is garbage.

use ihex::Record;
use std::collections::BTreeMap;

/// The longest file in bytes (ours): a whole external flash of 8 MiB as text.
pub const MAX_HEX_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes by address: pieces that neither touch nor overlap.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HexFile(BTreeMap<u32, Vec<u8>>);

/// Why a text is no Intel HEX.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HexError {
    /// A record is damaged.
    #[error("record {number} is damaged: {why}")]
    Record {
        /// Number of the record, from 1.
        number: usize,
        /// Why.
        why: String,
    },
    /// Two different bytes for one address.
    #[error("record {number} puts other bytes at {address:#010x} than a record before it")]
    Conflict {
        /// Number of the record, from 1.
        number: usize,
        /// First address of the record.
        address: u32,
    },
    /// Bytes behind 4 GiB.
    #[error("record {number} reaches behind 4 GiB")]
    Overflow {
        /// Number of the record, from 1.
        number: usize,
    },
    /// No end record: the file was cut off.
    #[error("has no end record: the file is not complete")]
    NoEnd,
}

impl HexFile {
    /// Reads a file. Lines may end in CR LF.
    ///
    /// # Errors
    ///
    /// It is damaged.
    pub fn parse(text: &str) -> Result<Self, HexError> {
        let (mut base, mut ended) = (0u32, false);
        let mut file = Self::default();
        // The piece that grows, so that a file in order is joined without looking for neighbours.
        let (mut start, mut piece) = (0u32, Vec::new());
        for (index, record) in ihex::Reader::new(text).enumerate() {
            let number = index + 1;
            let record = record.map_err(|error| HexError::Record {
                number,
                why: error.to_string(),
            })?;
            match record {
                Record::Data { offset, value } => {
                    let address = base
                        .checked_add(u32::from(offset))
                        .ok_or(HexError::Overflow { number })?;
                    if address.checked_add(value.len() as u32).is_none() {
                        return Err(HexError::Overflow { number });
                    }
                    if u64::from(address) != u64::from(start) + piece.len() as u64 {
                        file.put(start, std::mem::take(&mut piece), number)?;
                        start = address;
                    }
                    piece.extend(value);
                }
                Record::ExtendedLinearAddress(upper) => base = u32::from(upper) << 16,
                Record::ExtendedSegmentAddress(segment) => base = u32::from(segment) << 4,
                Record::StartLinearAddress(_) | Record::StartSegmentAddress { .. } => {}
                Record::EndOfFile => {
                    ended = true;
                    break;
                }
            }
        }
        file.put(start, piece, 0)?;
        if ended {
            Ok(file)
        } else {
            Err(HexError::NoEnd)
        }
    }

    fn put(&mut self, address: u32, piece: Vec<u8>, number: usize) -> Result<(), HexError> {
        if piece.is_empty() {
            return Ok(());
        }
        let end = u64::from(address) + piece.len() as u64;
        let overlaps = |(&start, old): (&u32, &Vec<u8>)| {
            u64::from(start) < end && u64::from(start) + old.len() as u64 > u64::from(address)
        };
        if self.0.range(..=address).next_back().is_some_and(overlaps)
            || self.0.range(address..).next().is_some_and(overlaps)
        {
            return Err(HexError::Conflict { number, address });
        }
        self.0.insert(address, piece);
        Ok(())
    }

    /// The pieces, in order of their addresses.
    pub fn pieces(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.0
            .iter()
            .map(|(&address, bytes)| (address, bytes.as_slice()))
    }

    /// Flash from `start` to `end` after it was erased and the file was programmed; nothing when the file has nothing
    /// there. At most 16 MiB are looked at.
    #[must_use]
    pub fn read(&self, start: u32, end: u32) -> Option<Vec<u8>> {
        const MOST: u32 = 16 * 1024 * 1024;
        let length = end.checked_sub(start)?.min(MOST);
        let end = start + length;
        let mut flash = vec![0xFF; length as usize];
        let mut touched = false;
        for (address, bytes) in self.pieces() {
            let from = address.max(start);
            let until = (u64::from(address) + bytes.len() as u64).min(u64::from(end)) as u32;
            if from < until {
                touched = true;
                flash[(from - start) as usize..(until - start) as usize]
                    .copy_from_slice(&bytes[(from - address) as usize..(until - address) as usize]);
            }
        }
        touched.then_some(flash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn pieces_and_gaps_are_told_apart() {
        let file = HexFile::parse(
            ":020000040100F9\r\n:0400000001020304F2\r\n:020006000506ED\r\n:00000001FF\r\n",
        )
        .unwrap();
        let pieces: Vec<_> = file.pieces().collect();
        assert_eq!(
            pieces,
            [(0x0100_0000, &[1, 2, 3, 4][..]), (0x0100_0006, &[5, 6])]
        );
        assert_eq!(
            file.read(0x0100_0002, 0x0100_0009).unwrap(),
            [3, 4, 0xFF, 0xFF, 5, 6, 0xFF]
        );
        assert_eq!(file.read(0, 0x100), None);
    }

    #[rstest]
    #[case::checksum(":0400000001020304F3\n:00000001FF\n", "record 1 is damaged")]
    #[case::cut_off(":0400000001020304F2\n", "has no end record")]
    #[case::not_hexadecimal(":0400000001020304F2\n:04000200090909 09\n", "record 2 is damaged")]
    #[case::overlap(
        ":0400000001020304F2\n:020002000909EA\n:00000001FF\n",
        "puts other bytes at 0x00000002"
    )]
    #[case::behind_the_end(":02000004FFFFFC\n:02FFFF000000FE00\n:00000001FF\n", "record 2")]
    fn a_damaged_file_is_refused(#[case] text: &str, #[case] message: &str) {
        let error = HexFile::parse(text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[:0-9A-F\r\n]{0,200}") {
            let _ = HexFile::parse(&text);
        }

        #[test]
        fn what_is_written_is_read(address in 0u32..0xFFFF, bytes in prop::collection::vec(any::<u8>(), 1..64)) {
            let mut records = vec![Record::ExtendedLinearAddress(0x0100)];
            records.extend(bytes.chunks(16).enumerate().filter_map(|(index, chunk)| {
                let offset = u16::try_from(address + 16 * index as u32).ok()?;
                Some(Record::Data { offset, value: chunk.to_vec() })
            }));
            records.push(Record::EndOfFile);
            let text = ihex::create_object_file_representation(&records).unwrap();
            let file = HexFile::parse(&text).unwrap();
            prop_assert!(file.pieces().count() <= 1);
        }
    }
}
