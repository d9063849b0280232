//! What goes wrong on a link, and where.

use crate::header::Header;
use crate::message::{Command, Payload, UploadChunk};
use crate::traced::Direction;
use crate::{HeaderError, Map};
use std::fmt;
use std::time::Duration;

/// What goes wrong on a link. The same plan over the same packets does the same.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FaultPlan {
    /// Bytes of the image whose upload is meant by the places; 0 where none is uploaded.
    pub total: u64,
    /// Each on its own: a packet can be met by several.
    pub faults: Vec<Fault>,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// On which way.
    pub way: Direction,
    /// To which packets.
    pub when: When,
    /// Decides what the rest of the fault leaves open: which packets, which byte.
    pub seed: u64,
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FaultKind {
    /// It is lost.
    Drop,
    /// It comes twice.
    Duplicate,
    /// The packet behind it comes first. Where none follows within a second, it is only late.
    Reorder,
    /// It comes later.
    Delay(Duration),
    /// One bit of it is another one on the wire.
    Corrupt {
        /// In this byte on the wire, counted from 0, or in the last one where there are fewer. The seed decides when
        /// nothing is said.
        byte: Option<u32>,
    },
    /// It ends early on the wire.
    Truncate {
        /// So many bytes get through, but never all of them. Of a wireless link only whole writes do. The seed decides
        /// when nothing is said.
        keep: Option<u32>,
    },
}

/// To which packets a fault happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    /// To the first so many that are sent at a place: the request there and its repetitions, or the answers to them.
    At {
        /// Where.
        place: Place,
        /// How many.
        times: u32,
    },
    /// To this many of a hundred packets, whatever is in them.
    Chance(u8),
}

/// A request by what is in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// Any request.
    Any,
    /// The first chunk of an upload.
    First,
    /// The chunk with this byte of the image.
    Offset(u64),
    /// The chunk that ends the image.
    Last,
}

impl Place {
    /// Whether a request is here, in an upload of `total` bytes.
    pub(super) fn has(self, request: Request, total: u64) -> bool {
        let Request::Chunk { start, end } = request else {
            return self == Self::Any;
        };
        match self {
            Self::Any => true,
            Self::First => start == 0,
            Self::Offset(offset) => (start..end).contains(&offset),
            Self::Last => end == total && end > start,
        }
    }
}

/// What a request is, as far as places go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Request {
    /// These bytes of an image.
    Chunk { start: u64, end: u64 },
    /// Something else.
    Other { group: u16, command: u8 },
}

impl Request {
    /// What a packet asks for, and the number by which its answer is known.
    pub(super) fn parse(packet: &[u8]) -> Result<(u8, Self), HeaderError> {
        let (header, payload) = Header::parse(packet)?;
        let is_chunk = (header.group, header.command) == (UploadChunk::GROUP, UploadChunk::COMMAND);
        let chunk = is_chunk
            .then(|| Map::decode(payload).ok())
            .flatten()
            .and_then(|map| UploadChunk::from_map(&map).ok());
        let other = Self::Other {
            group: header.group.id(),
            command: header.command,
        };
        let request = chunk.map_or(other, |chunk| {
            let start = chunk.off.unwrap_or(0);
            let length = chunk.data.map_or(0, |data| data.len() as u64);
            Self::Chunk {
                start,
                end: start.saturating_add(length),
            }
        });
        Ok((header.sequence, request))
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chunk { start, end } => write!(f, "chunk {start}..{end}"),
            Self::Other { group, command } => write!(f, "request {command} of group {group}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("the request"),
            Self::First => f.write_str("the first chunk"),
            Self::Offset(offset) => write!(f, "the chunk with byte {offset}"),
            Self::Last => f.write_str("the last chunk"),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drop => f.write_str("drop"),
            Self::Duplicate => f.write_str("duplicate"),
            Self::Reorder => f.write_str("reorder"),
            Self::Delay(by) => write!(f, "delay by {by:?}"),
            Self::Corrupt { byte: Some(byte) } => write!(f, "corrupt byte {byte}"),
            Self::Corrupt { byte: None } => f.write_str("corrupt"),
            Self::Truncate { keep: Some(keep) } => write!(f, "truncate after {keep} bytes"),
            Self::Truncate { keep: None } => f.write_str("truncate"),
        }
    }
}

impl fmt::Display for Fault {
    /// What it is, such as `drop of the answer to the last chunk`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.kind;
        match (self.when, self.way) {
            (When::At { place, .. }, Direction::Sent) => write!(f, "{what}: {place}"),
            (When::At { place, .. }, Direction::Received) => {
                write!(f, "{what}: the answer to {place}")
            }
            (When::Chance(percent), Direction::Sent) => {
                write!(f, "{what}: {percent}% of the requests")
            }
            (When::Chance(percent), Direction::Received) => {
                write!(f, "{what}: {percent}% of the answers")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;
    use rstest::rstest;

    #[rstest]
    #[case::first(Place::First, [true, false, false])]
    #[case::inside(Place::Offset(450), [false, true, false])]
    #[case::at_the_edge(Place::Offset(400), [false, true, false])]
    #[case::last(Place::Last, [false, false, true])]
    #[case::any(Place::Any, [true, true, true])]
    fn a_place_is_in_one_chunk(#[case] place: Place, #[case] expected: [bool; 3]) {
        let chunks = [(0, 400), (400, 800), (800, 1000)];
        let found = chunks.map(|(start, end)| place.has(Request::Chunk { start, end }, 1000));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_request_is_known_by_what_is_in_it() {
        let chunk = UploadChunk {
            off: Some(400),
            data: Some(vec![0; 100]),
            ..UploadChunk::default()
        };
        let packet = chunk.packet(9, Version::V2).unwrap();
        let expected = Request::Chunk {
            start: 400,
            end: 500,
        };
        assert_eq!(Request::parse(&packet).ok(), Some((9, expected)));
        let list = crate::message::ReadImageState
            .packet(10, Version::V2)
            .unwrap();
        let other = Request::Other {
            group: 1,
            command: 0,
        };
        assert_eq!(Request::parse(&list).ok(), Some((10, other)));
        assert!(Request::parse(&packet[..5]).is_err());
    }
}
