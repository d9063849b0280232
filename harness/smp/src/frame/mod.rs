//! SMP over a console UART: packets as lines of base64 between other people's text.
//!
//! A packet goes out as one or more lines: `06 09` starts it, `04 14` continues it, each followed by base64 and a
//! line feed. Under the base64 lie the length (packet and checksum, big endian), the packet, and its CRC-16
//! (polynomial 0x1021, initial value 0, called XMODEM). [`encode`] writes that and [`Decoder`] reads it back, from
//! bytes in whatever pieces a port delivers. Neither owns a port.
//!
//! Format: `zephyr doc/services/device_mgmt/smp_transport.rst`; how lines are split:
//! `zephyr subsys/mgmt/mcumgr/transport/src/serial_util.c`.

mod decoder;
mod encoder;

pub use decoder::{Decoded, Decoder, FrameError};
pub use encoder::{MAX_PACKET_LEN, PacketTooLong, encode, encoded_len};

use crc::{CRC_16_XMODEM, Crc};

/// Bytes of a line on the wire, with marker and line feed, that every server takes.
pub const MAX_LINE_LEN: usize = 127;

/// Bytes around a packet under the base64: the length in front, the checksum behind. They share the server's
/// buffer with the packet.
pub const OVERHEAD: usize = 4;

const MARKER_START: [u8; 2] = [0x06, 0x09];
const MARKER_CONTINUE: [u8; 2] = [0x04, 0x14];
const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);
