//! The eight bytes in front of every SMP packet.
//!
//! [`RawHeader`] is what a peer wrote, whatever that is; [`Header`] holds only meaningful values and cannot be
//! made of others. A client works with [`Header`] alone; a server needs the raw one to answer a request that it
//! has to refuse.
//!
//! Layout and codes: `zephyr doc/services/device_mgmt/smp_protocol.rst` and
//! `zephyr include/zephyr/mgmt/mcumgr/mgmt/mgmt_defines.h`.

use std::fmt;

/// Bytes of a header on the wire.
pub const HEADER_LEN: usize = 8;

/// What a packet is: a request to read or write, or the answer to one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Op {
    /// Asks for something (0).
    Read,
    /// Answers a [`Op::Read`] (1).
    ReadResponse,
    /// Changes something (2).
    Write,
    /// Answers a [`Op::Write`] (3).
    WriteResponse,
}

impl Op {
    /// The three bits on the wire.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Read => 0,
            Self::ReadResponse => 1,
            Self::Write => 2,
            Self::WriteResponse => 3,
        }
    }

    /// What the answer to this carries; an answer stays what it is.
    #[must_use]
    pub const fn response(self) -> Self {
        match self {
            Self::Read | Self::ReadResponse => Self::ReadResponse,
            Self::Write | Self::WriteResponse => Self::WriteResponse,
        }
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Read),
            1 => Some(Self::ReadResponse),
            2 => Some(Self::Write),
            3 => Some(Self::WriteResponse),
            _ => None,
        }
    }
}

/// Version of the protocol; it decides how a server reports the error of a command.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Version {
    /// Errors are one number, `rc`.
    V1,
    /// Errors are a group and a number, `err`.
    #[default]
    V2,
}

impl Version {
    /// The two bits on the wire.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::V1 => 0,
            Self::V2 => 1,
        }
    }
}

/// A management group: the first half of a command's address.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Group(u16);

impl Group {
    /// Operating system: echo, reset, buffer sizes.
    pub const OS: Self = Self(0);
    /// Images: slots, upload, test and confirm.
    pub const IMAGE: Self = Self(1);
    /// Statistics.
    pub const STAT: Self = Self(2);
    /// Settings.
    pub const SETTINGS: Self = Self(3);
    /// Log; no Zephyr server has it.
    pub const LOG: Self = Self(4);
    /// File system.
    pub const FS: Self = Self(8);
    /// Shell.
    pub const SHELL: Self = Self(9);
    /// Lists the groups of a server.
    pub const ENUM: Self = Self(10);
    /// Zephyr's own small group: erases the storage partition.
    pub const BASIC: Self = Self(63);

    /// The group with this number.
    #[must_use]
    pub const fn new(id: u16) -> Self {
        Self(id)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn id(self) -> u16 {
        self.0
    }

    /// The group's usual name, when it has one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "os",
            1 => "image",
            2 => "stat",
            3 => "settings",
            4 => "log",
            5 => "crash",
            6 => "split",
            7 => "run",
            8 => "fs",
            9 => "shell",
            10 => "enum",
            11 => "transport",
            63 => "basic",
            _ => return None,
        })
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "group {}", self.0),
        }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group({} {self})", self.0)
    }
}

/// A header as a peer wrote it; any eight bytes are one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RawHeader {
    /// Three bits; 4 to 7 mean nothing.
    pub op: u8,
    /// Two bits; 2 and 3 mean nothing yet.
    pub version: u8,
    /// Not used by anybody; servers ignore what comes and send 0.
    pub flags: u8,
    /// Payload bytes after the header, if the peer tells the truth.
    pub payload_len: u16,
    /// Management group.
    pub group: u16,
    /// Pairs an answer with its request.
    pub sequence: u8,
    /// Command within the group.
    pub command: u8,
}

impl RawHeader {
    /// Reads the first eight bytes of `packet`; `None` when there are fewer.
    #[must_use]
    pub fn read(packet: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_LEN] = packet.first_chunk()?;
        Some(Self {
            op: bytes[0] & 0b111,
            version: (bytes[0] >> 3) & 0b11,
            flags: bytes[1],
            payload_len: u16::from_be_bytes([bytes[2], bytes[3]]),
            group: u16::from_be_bytes([bytes[4], bytes[5]]),
            sequence: bytes[6],
            command: bytes[7],
        })
    }

    /// The header of a server's answer to this request, whatever the request was: op 1 for op 0 and 3 for all
    /// others, the request's version up to v2 (`zephyr subsys/mgmt/mcumgr/smp/src/smp.c`).
    #[must_use]
    pub const fn response(self, payload_len: u16) -> Header {
        Header {
            op: if self.op == 0 {
                Op::ReadResponse
            } else {
                Op::WriteResponse
            },
            version: if self.version == 0 {
                Version::V1
            } else {
                Version::V2
            },
            payload_len,
            group: Group(self.group),
            sequence: self.sequence,
            command: self.command,
        }
    }
}

/// A header with only meaningful values in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// Request or answer.
    pub op: Op,
    /// Protocol version.
    pub version: Version,
    /// Payload bytes after the header.
    pub payload_len: u16,
    /// Management group.
    pub group: Group,
    /// Pairs an answer with its request; wraps at 256.
    pub sequence: u8,
    /// Command within the group.
    pub command: u8,
}

impl Header {
    /// Reads a whole packet: the header, and the payload that it announces.
    ///
    /// # Errors
    ///
    /// When there are fewer than eight bytes, op or version mean nothing, or the announced length is not what
    /// follows the header.
    pub fn parse(packet: &[u8]) -> Result<(Self, &[u8]), HeaderError> {
        let raw = RawHeader::read(packet).ok_or(HeaderError::TooShort {
            found: packet.len(),
        })?;
        let header = Self::try_from(raw)?;
        let payload = &packet[HEADER_LEN..];
        if payload.len() != usize::from(header.payload_len) {
            return Err(HeaderError::Length {
                announced: header.payload_len,
                found: payload.len(),
            });
        }
        Ok((header, payload))
    }

    /// The eight bytes on the wire. Flags and reserved bits are zero.
    #[must_use]
    pub const fn emit(self) -> [u8; HEADER_LEN] {
        let [length_high, length_low] = self.payload_len.to_be_bytes();
        let [group_high, group_low] = self.group.0.to_be_bytes();
        [
            (self.version.bits() << 3) | self.op.bits(),
            0,
            length_high,
            length_low,
            group_high,
            group_low,
            self.sequence,
            self.command,
        ]
    }

    /// A whole packet: this header, with its length set to that of `payload`, and `payload`.
    ///
    /// # Errors
    ///
    /// When `payload` is longer than the header can announce.
    pub fn packet(mut self, payload: &[u8]) -> Result<Vec<u8>, HeaderError> {
        self.payload_len =
            u16::try_from(payload.len()).map_err(|_| HeaderError::PayloadTooLong {
                found: payload.len(),
            })?;
        let mut packet = Vec::with_capacity(HEADER_LEN + payload.len());
        packet.extend_from_slice(&self.emit());
        packet.extend_from_slice(payload);
        Ok(packet)
    }

    /// Whether this is the answer to `request`: same group, command and sequence number, and the matching op.
    /// The version may differ: old servers answer v2 requests with v1 headers.
    #[must_use]
    pub fn answers(&self, request: &Self) -> bool {
        self.op == request.op.response()
            && self.op != request.op
            && self.group == request.group
            && self.command == request.command
            && self.sequence == request.sequence
    }
}

impl TryFrom<RawHeader> for Header {
    type Error = HeaderError;

    fn try_from(raw: RawHeader) -> Result<Self, HeaderError> {
        Ok(Self {
            op: Op::from_bits(raw.op).ok_or(HeaderError::UnknownOp { found: raw.op })?,
            version: match raw.version {
                0 => Version::V1,
                1 => Version::V2,
                found => return Err(HeaderError::UnknownVersion { found }),
            },
            payload_len: raw.payload_len,
            group: Group(raw.group),
            sequence: raw.sequence,
            command: raw.command,
        })
    }
}

/// Why bytes are not an SMP packet.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeaderError {
    /// Not even a header.
    #[error("packet has {found} bytes, an SMP header alone has 8")]
    TooShort {
        /// Bytes that there are.
        found: usize,
    },
    /// Bits 0 to 2 of the first byte.
    #[error("op is {found}, only 0 to 3 are defined")]
    UnknownOp {
        /// The three bits.
        found: u8,
    },
    /// Bits 3 and 4 of the first byte.
    #[error("protocol version bits are {found}, only 0 (v1) and 1 (v2) are defined")]
    UnknownVersion {
        /// The two bits.
        found: u8,
    },
    /// The announced length is not the real one.
    #[error("header announces {announced} bytes of payload, the packet has {found}")]
    Length {
        /// From the header.
        announced: u16,
        /// Bytes after the header.
        found: usize,
    },
    /// Only when emitting.
    #[error("payload has {found} bytes, a header can announce 65535")]
    PayloadTooLong {
        /// Bytes of the payload.
        found: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::v1_read(0x00, Ok((Version::V1, Op::Read)))]
    #[case::v1_write_response(0x03, Ok((Version::V1, Op::WriteResponse)))]
    #[case::v2_read(0x08, Ok((Version::V2, Op::Read)))]
    #[case::v2_read_response(0x09, Ok((Version::V2, Op::ReadResponse)))]
    #[case::v2_write(0x0a, Ok((Version::V2, Op::Write)))]
    #[case::v2_write_response(0x0b, Ok((Version::V2, Op::WriteResponse)))]
    #[case::reserved_op(0x0f, Err(HeaderError::UnknownOp { found: 7 }))]
    #[case::reserved_version(0x12, Err(HeaderError::UnknownVersion { found: 2 }))]
    #[case::reserved_bits_are_ignored(0xe8, Ok((Version::V2, Op::Read)))]
    fn first_byte(#[case] first: u8, #[case] expected: Result<(Version, Op), HeaderError>) {
        let packet = [first, 0xff, 0, 0, 0, 1, 42, 0];
        let parsed = Header::parse(&packet).map(|(header, _)| (header.version, header.op));
        assert_eq!(parsed, expected);
    }

    #[rstest]
    #[case::empty(&[], HeaderError::TooShort { found: 0 })]
    #[case::seven_bytes(&[8, 0, 0, 0, 0, 0, 0], HeaderError::TooShort { found: 7 })]
    #[case::claims_more(&[8, 0, 0, 2, 0, 0, 0, 0, 0xa0], HeaderError::Length { announced: 2, found: 1 })]
    #[case::claims_less(&[8, 0, 0, 0, 0, 0, 0, 0, 0xa0], HeaderError::Length { announced: 0, found: 1 })]
    fn refused_packet(#[case] packet: &[u8], #[case] expected: HeaderError) {
        assert_eq!(Header::parse(packet), Err(expected));
    }

    #[test]
    fn an_answer_keeps_the_address_of_its_request() {
        let raw = RawHeader::read(&[0x1d, 0xff, 0, 9, 1, 0xf4, 42, 99]).unwrap();
        let answer = raw.response(6);
        assert_eq!(answer.emit(), [0x0b, 0, 0, 6, 1, 0xf4, 42, 99]);
    }

    #[test]
    fn group_shows_its_name_or_number() {
        assert_eq!(Group::IMAGE.to_string(), "image");
        assert_eq!(Group::new(500).to_string(), "group 500");
    }

    proptest! {
        #[test]
        fn whatever_parses_is_emitted_again(packet in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok((header, payload)) = Header::parse(&packet) {
                let emitted = header.packet(payload).unwrap();
                prop_assert_eq!(Header::parse(&emitted).unwrap(), (header, payload));
                prop_assert_eq!(&emitted[2..], &packet[2..]);
            }
        }
    }
}
