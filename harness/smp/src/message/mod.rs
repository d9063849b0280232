//! Commands and their answers, typed.
//!
//! A type that implements [`Command`] is a request; its [`Command::Answer`] is what success brings. Clients write
//! requests and read answers, servers the other way round, so both directions are here for each.

mod image;
mod os;

pub use image::{
    EraseSlot, ImageSlot, ImageSlots, ImageState, ReadImageState, SlotInfo, SlotInfoAnswer,
    SlotState, UploadAnswer, UploadChunk, WriteImageState,
};
pub use os::{
    BootloaderInfo, BootloaderInfoAnswer, BootloaderMode, Echo, EchoAnswer, OsInfo, OsInfoAnswer,
    Params, ParamsAnswer, ReadDateTime, ReadDateTimeAnswer, Reset,
};

use crate::cbor::{CborError, Lengths, Map};
use crate::code::Refused;
use crate::header::{Group, Header, HeaderError, Op, Version};

/// Something that goes into a payload and comes out of it again.
pub trait Payload: Sized {
    /// As a map, keys in the order in which they go on the wire.
    fn to_map(&self) -> Map;

    /// From a map; unknown keys do not matter.
    ///
    /// # Errors
    ///
    /// When a required key is missing, or a known one holds something else or occurs twice.
    fn from_map(map: &Map) -> Result<Self, CborError>;
}

/// A request.
pub trait Command: Payload {
    /// What success brings back.
    type Answer: Payload;
    /// The group it is in.
    const GROUP: Group;
    /// Its number in the group.
    const COMMAND: u8;
    /// Read or write.
    const OP: Op;
    /// What to call it in messages.
    const NAME: &'static str;

    /// The header of this request; the length is set when the packet is made.
    #[must_use]
    fn header(sequence: u8, version: Version) -> Header {
        Header {
            op: Self::OP,
            version,
            payload_len: 0,
            group: Self::GROUP,
            sequence,
            command: Self::COMMAND,
        }
    }

    /// The whole packet of this request.
    ///
    /// # Errors
    ///
    /// When the request is longer than a packet can be.
    fn packet(&self, sequence: u8, version: Version) -> Result<Vec<u8>, HeaderError> {
        Self::header(sequence, version).packet(&self.to_map().encode(Lengths::Definite))
    }
}

/// Success without anything to say: the empty map, or `rc: 0` from MCUboot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Done;

impl Payload for Done {
    fn to_map(&self) -> Map {
        Map::new()
    }

    fn from_map(_: &Map) -> Result<Self, CborError> {
        Ok(Self)
    }
}

/// Reads the payload of an answer: what the command brings, or the server's refusal.
///
/// # Errors
///
/// When the payload is neither.
pub fn read_answer<A: Payload>(payload: &[u8]) -> Result<Result<A, Refused>, CborError> {
    let map = Map::decode(payload)?;
    match Refused::read(&map)? {
        Some(refused) => Ok(Err(refused)),
        None => A::from_map(&map).map(Ok),
    }
}
