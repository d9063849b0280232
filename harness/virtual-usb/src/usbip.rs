//! USB/IP messages, once a device is attached: what the kernel asks for and what it is answered.
//!
//! All numbers are big-endian except the setup packet, which is as on the bus. Requests and replies begin with a header of 48
//! bytes (linux `Documentation/usb/usbip_protocol.rst`, version 1.1.1).

use std::io::{self, Read};

/// Bytes of a header, whatever the message.
pub const HEADER: usize = 48;
/// The longest transfer that is taken, in bytes: usbfs splits above 16 KiB, the kernel's own drivers are far below.
pub const LONGEST: usize = 1 << 20;

const CMD_SUBMIT: u32 = 1;
const CMD_UNLINK: u32 = 2;
const RET_SUBMIT: u32 = 3;
const RET_UNLINK: u32 = 4;
/// What the kernel sends for transfers that are not isochronous.
const NOT_ISOCHRONOUS: u32 = u32::MAX;

/// `-EPIPE`: the endpoint stalls.
pub const STALL: i32 = -32;
/// `-ECONNRESET`: the transfer was unlinked.
pub const UNLINKED: i32 = -104;

/// What the kernel asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// A transfer.
    Submit(Urb),
    /// A transfer that nobody waits for any more.
    Unlink {
        /// Of this command.
        number: u32,
        /// Of the transfer.
        victim: u32,
    },
}

/// A transfer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Urb {
    /// It is answered under this number.
    pub number: u32,
    /// Endpoint, 0 to 15, without its direction.
    pub endpoint: u8,
    /// Which way the data goes.
    pub data: Data,
    /// The setup packet; means something on endpoint 0 only.
    pub setup: [u8; 8],
}

/// The data stage of a transfer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Data {
    /// To the host, at most so many bytes.
    In(usize),
    /// From the host.
    Out(Vec<u8>),
}

/// Reads the next command; `None` when the kernel has closed the connection between two of them.
///
/// # Errors
///
/// The connection breaks, or what comes is no command of a device without isochronous endpoints.
pub fn read(from: &mut impl Read) -> io::Result<Option<Command>> {
    let mut header = [0; HEADER];
    if !fill(from, &mut header)? {
        return Ok(None);
    }
    let field = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let number = field(4);
    match field(0) {
        CMD_SUBMIT => {
            let length = field(24) as usize;
            let packets = field(32);
            if length > LONGEST || !matches!(packets, 0 | NOT_ISOCHRONOUS) {
                return Err(invalid(format!(
                    "a transfer of {length} bytes in {packets} isochronous packets"
                )));
            }
            let endpoint = u8::try_from(field(16))
                .ok()
                .filter(|&endpoint| endpoint < 16)
                .ok_or_else(|| invalid(format!("there is no endpoint {}", field(16))))?;
            let data = match field(12) {
                0 => {
                    let mut data = vec![0; length];
                    from.read_exact(&mut data)?;
                    Data::Out(data)
                }
                _ => Data::In(length),
            };
            let mut setup = [0; 8];
            setup.copy_from_slice(&header[40..48]);
            Ok(Some(Command::Submit(Urb {
                number,
                endpoint,
                data,
                setup,
            })))
        }
        CMD_UNLINK => Ok(Some(Command::Unlink {
            number,
            victim: field(20),
        })),
        other => Err(invalid(format!("there is no USB/IP command {other:#x}"))),
    }
}

/// Fills the buffer; `false` when the other end closed before its first byte.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The end of a transfer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// It is done, with what goes to the host.
    In {
        /// Of the transfer.
        number: u32,
        /// For the host.
        data: Vec<u8>,
    },
    /// It is done, and so many bytes were taken.
    Out {
        /// Of the transfer.
        number: u32,
        /// Bytes taken.
        taken: usize,
    },
    /// The device does not do that.
    Stalled {
        /// Of the transfer.
        number: u32,
    },
    /// An answer to an unlink.
    Unlinked {
        /// Of the unlink command.
        number: u32,
        /// Whether the transfer was still waiting.
        waiting: bool,
    },
}

impl Reply {
    /// As the kernel takes it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (command, number, status, length) = match self {
            Self::In { number, data } => (RET_SUBMIT, *number, 0, data.len()),
            Self::Out { number, taken } => (RET_SUBMIT, *number, 0, *taken),
            Self::Stalled { number } => (RET_SUBMIT, *number, STALL, 0),
            Self::Unlinked { number, waiting } => {
                (RET_UNLINK, *number, if *waiting { UNLINKED } else { 0 }, 0)
            }
        };
        let mut bytes = Vec::with_capacity(HEADER + length);
        bytes.extend(command.to_be_bytes());
        bytes.extend(number.to_be_bytes());
        // Device, direction and endpoint are for the other way only.
        bytes.extend([0; 12]);
        bytes.extend(status.to_be_bytes());
        bytes.extend((length as u32).to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(match self {
            Self::Unlinked { .. } => [0; 4],
            _ => NOT_ISOCHRONOUS.to_be_bytes(),
        });
        bytes.resize(HEADER, 0);
        if let Self::In { data, .. } = self {
            bytes.extend(data);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// A submit as the kernel writes it (`drivers/usb/usbip/vhci_tx.c`).
    fn submit(number: u32, endpoint: u32, direction: u32, length: u32, setup: [u8; 8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for field in [
            1,
            number,
            0x0001_0002,
            direction,
            endpoint,
            0x200,
            length,
            0,
            u32::MAX,
            0,
        ] {
            bytes.extend(field.to_be_bytes());
        }
        bytes.extend(setup);
        bytes
    }

    #[test]
    fn the_get_descriptor_of_an_enumeration_is_read() {
        let setup = [0x80, 6, 0, 1, 0, 0, 64, 0];
        let bytes = submit(1, 0, 1, 64, setup);
        let expected = Urb {
            number: 1,
            endpoint: 0,
            data: Data::In(64),
            setup,
        };
        assert_eq!(
            read(&mut bytes.as_slice()).unwrap(),
            Some(Command::Submit(expected))
        );
    }

    #[test]
    fn what_goes_out_follows_its_header() {
        let mut bytes = submit(7, 1, 0, 3, [0; 8]);
        bytes.extend([1, 2, 3]);
        let Some(Command::Submit(urb)) = read(&mut bytes.as_slice()).unwrap() else {
            panic!("no submit");
        };
        assert_eq!(urb.data, Data::Out(vec![1, 2, 3]));
    }

    #[test]
    fn an_unlink_names_its_victim() {
        let mut bytes = Vec::new();
        for field in [2, 9, 0x0001_0002, 0, 0, 7] {
            bytes.extend(u32::to_be_bytes(field));
        }
        bytes.resize(HEADER, 0);
        let expected = Command::Unlink {
            number: 9,
            victim: 7,
        };
        assert_eq!(read(&mut bytes.as_slice()).unwrap(), Some(expected));
    }

    #[rstest]
    #[case::no_command(vec![0xff; HEADER])]
    #[case::cut_in_the_header(vec![0; HEADER - 1])]
    #[case::too_long(submit(1, 1, 0, u32::MAX, [0; 8]))]
    #[case::no_such_endpoint(submit(1, 16, 1, 8, [0; 8]))]
    #[case::data_missing(submit(1, 1, 0, 8, [0; 8]))]
    fn what_no_kernel_sends_is_an_error(#[case] bytes: Vec<u8>) {
        assert!(read(&mut bytes.as_slice()).is_err());
    }

    #[test]
    fn the_end_between_two_commands_is_the_end() {
        assert_eq!(read(&mut [].as_slice()).unwrap(), None);
    }

    #[test]
    fn a_reply_has_status_length_and_data_where_the_kernel_looks() {
        let bytes = Reply::In {
            number: 5,
            data: vec![0xaa, 0xbb],
        }
        .to_bytes();
        assert_eq!(bytes.len(), HEADER + 2);
        assert_eq!(bytes[..8], [0, 0, 0, 3, 0, 0, 0, 5]);
        assert_eq!(bytes[20..28], [0, 0, 0, 0, 0, 0, 0, 2]);
        let stalled = Reply::Stalled { number: 5 }.to_bytes();
        assert_eq!(stalled[20..24], (-32i32).to_be_bytes());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = bytes.as_slice();
            while let Ok(Some(_)) = read(&mut bytes) {}
        }
    }
}
