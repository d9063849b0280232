//! What goes through the worker's pipes: requests on its standard input, answers on its standard output.
//!
//! Each message is a frame: its length in four bytes, big endian, then that many bytes of CBOR. The first message each way
//! is `Hello` with the version of this protocol; a worker that speaks another one is refused, so that a binary which was
//! replaced during a run cannot be misread. The worker ends when its standard input does.
//!
//! Links are numbered by the client, each number once. `Open` is answered by `Opened` or `NotOpened`, `Close` by `Closed`;
//! an open link sends `Notified` for every notification, and `Lost` at most once, after which its number is of no use.
//! `Write` is not answered: a fragment that cannot be written is the end of the link.

use crate::failure::Failure;
use crate::peer::{LinkParameters, Peer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::io::{self, Read};

/// The version that both sides must speak.
pub(crate) const VERSION: u32 = 1;

/// The longest frame. A request is at most 64 KiB, cut into fragments of at least 20 bytes with a few bytes of CBOR each.
const LONGEST_FRAME: usize = 256 * 1024;

/// From the client to the worker.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Request {
    /// The client's version.
    Hello { version: u32 },
    /// Find a board and connect it.
    Open {
        link: u32,
        peer: Peer,
        within_ms: u64,
    },
    /// Write these to the characteristic, one after the other, without response.
    Write { link: u32, fragments: Vec<ByteBuf> },
    /// Hang up.
    Close { link: u32 },
}

/// From the worker to the client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Answer {
    /// The worker's version.
    Hello { version: u32 },
    /// The link can be used.
    Opened {
        link: u32,
        parameters: LinkParameters,
    },
    /// There is no link.
    NotOpened { link: u32, failure: Failure },
    /// All fragments of so many `Write`s, since the link was opened, have been taken by the system.
    Written { link: u32, writes: u64 },
    /// A notification.
    Notified { link: u32, value: ByteBuf },
    /// The link is gone.
    Lost { link: u32, failure: Failure },
    /// The link was closed, as asked.
    Closed { link: u32 },
    /// A task of the worker panicked: it is of no use any more.
    Panicked { message: String },
}

/// A message as a frame.
pub(crate) fn frame<T: Serialize>(message: &T) -> Vec<u8> {
    let mut frame = vec![0; 4];
    // Writing into memory and serializing these types cannot fail; an empty frame is refused by the other side.
    let written = ciborium::into_writer(message, &mut frame);
    debug_assert!(written.is_ok(), "{written:?}");
    let length = u32::try_from(frame.len() - 4).unwrap_or(u32::MAX);
    if let Some(head) = frame.first_chunk_mut() {
        *head = length.to_be_bytes();
    }
    frame
}

/// Why the other side's bytes are not a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The pipe failed, or ended in the middle of a frame.
    #[error("the pipe broke")]
    Io(#[from] io::Error),
    /// The length makes no sense.
    #[error("a frame of {length} bytes was announced, at most {LONGEST_FRAME} are taken")]
    Length {
        /// The announced length.
        length: usize,
    },
    /// The contents make no sense.
    #[error("a frame of {length} bytes is no message: {message}")]
    Contents {
        /// Bytes of the frame.
        length: usize,
        /// What is wrong with it.
        message: String,
    },
}

/// Reads one message; `None` when the pipe has ended between two frames.
pub(crate) fn read<T: DeserializeOwned>(pipe: &mut impl Read) -> Result<Option<T>, FrameError> {
    let mut head = [0; 4];
    // Read by hand, as an end here is in order and an end further on is not.
    let mut got = 0;
    while got < head.len() {
        match pipe.read(&mut head[got..]) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let length = u32::from_be_bytes(head) as usize;
    if length == 0 || length > LONGEST_FRAME {
        return Err(FrameError::Length { length });
    }
    let mut contents = vec![0; length];
    pipe.read_exact(&mut contents)?;
    ciborium::from_reader(contents.as_slice())
        .map(Some)
        .map_err(|error| FrameError::Contents {
            length,
            message: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::peer::{AdapterId, DeviceId};
    use proptest::prelude::*;

    fn open() -> Request {
        Request::Open {
            link: 3,
            peer: Peer {
                adapter: AdapterId::from("hci1"),
                device: DeviceId::Address(Address::new([0xC0, 0, 0, 0, 0, 1])),
            },
            within_ms: 5000,
        }
    }

    #[test]
    fn messages_come_out_as_they_went_in_and_the_pipe_may_end_between_them() {
        let write = Request::Write {
            link: 3,
            fragments: vec![ByteBuf::from([1, 2, 3]), ByteBuf::from(vec![9; 495])],
        };
        let bytes = [frame(&open()), frame(&write)].concat();
        let mut pipe = bytes.as_slice();
        assert_eq!(read::<Request>(&mut pipe).unwrap(), Some(open()));
        assert_eq!(read::<Request>(&mut pipe).unwrap(), Some(write));
        assert_eq!(read::<Request>(&mut pipe).unwrap(), None);
    }

    /// A change here is a new [`VERSION`].
    #[test]
    fn the_bytes_of_a_message_stay_the_same() {
        let write = Request::Write {
            link: 1,
            fragments: vec![ByteBuf::from([0xAA, 0xBB])],
        };
        insta::assert_snapshot!(hex::encode(frame(&write)), @"0000001ca1655772697465a2646c696e6b0169667261676d656e74738142aabb");
    }

    #[test]
    fn a_pipe_that_ends_within_a_frame_is_broken() {
        let bytes = frame(&open());
        let mut pipe = &bytes[..bytes.len() - 1];
        let error = read::<Request>(&mut pipe).unwrap_err();
        assert!(matches!(error, FrameError::Io(_)), "{error}");
    }

    #[test]
    fn a_length_that_makes_no_sense_is_not_allocated() {
        let mut pipe = [0xFF; 64].as_slice();
        let error = read::<Answer>(&mut pipe).unwrap_err();
        insta::assert_snapshot!(error, @"a frame of 4294967295 bytes was announced, at most 262144 are taken");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut pipe = bytes.as_slice();
            while let Ok(Some(_)) = read::<Answer>(&mut pipe) {}
            let framed = [&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat();
            drop(read::<Request>(&mut framed.as_slice()));
        }
    }
}
