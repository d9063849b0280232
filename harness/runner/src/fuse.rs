//! A link that goes dead between the last chunk of an upload and its answer.

use hil_clock::Instant;
use hil_smp::message::{Command, Payload, UploadChunk};
use hil_smp::{Capabilities, Header, Map, Transport, TransportError};
use std::sync::{Arc, Mutex, PoisonError};

/// Decides when the link goes dead. Clones are the same fuse.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fuse(Arc<Mutex<State>>);

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Off,
    /// Goes with the chunk that ends an image of so many bytes.
    Armed(u64),
    /// Nothing is received any more.
    Blown,
}

impl Fuse {
    /// From now on the link goes dead with the last chunk of an image of `total` bytes.
    pub(crate) fn arm(&self, total: u64) {
        self.set(State::Armed(total));
    }

    /// Everything comes through again.
    pub(crate) fn disarm(&self) {
        self.set(State::Off);
    }

    /// Whether the last chunk has been sent.
    pub(crate) fn is_blown(&self) -> bool {
        matches!(self.state(), State::Blown)
    }

    fn state(&self) -> State {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// A transport with a [`Fuse`] in it.
#[derive(Debug)]
pub(crate) struct Fused<T> {
    inner: T,
    fuse: Fuse,
}

/// The link was made dead on purpose. Never shown: the step says it in its own words.
#[derive(Debug, thiserror::Error)]
#[error("the link was given up on purpose")]
struct OnPurpose;

impl<T: Transport> Fused<T> {
    /// Puts `fuse` into `inner`.
    pub(crate) const fn new(inner: T, fuse: Fuse) -> Self {
        Self { inner, fuse }
    }
}

impl<T: Transport> Transport for Fused<T> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), TransportError> {
        self.inner.send(packet)?;
        if let State::Armed(total) = self.fuse.state()
            && ends(packet, total)
        {
            self.fuse.set(State::Blown);
        }
        Ok(())
    }

    fn recv(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, TransportError> {
        if self.fuse.is_blown() {
            return Err(TransportError::Lost {
                link: self.capabilities().link,
                help: None,
                source: Box::new(OnPurpose),
            });
        }
        self.inner.recv(deadline)
    }
}

/// Whether a request is the last chunk of an image of `total` bytes.
fn ends(packet: &[u8], total: u64) -> bool {
    let Ok((header, payload)) = Header::parse(packet) else {
        return false;
    };
    if (header.group, header.command) != (UploadChunk::GROUP, UploadChunk::COMMAND) {
        return false;
    }
    let chunk = Map::decode(payload)
        .ok()
        .and_then(|map| UploadChunk::from_map(&map).ok());
    chunk.is_some_and(|chunk| {
        let data = chunk.data.map_or(0, |data| data.len() as u64);
        chunk.off.unwrap_or(0) + data == total
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_smp::Version;

    /// Answers everything at once.
    #[derive(Default)]
    struct Answering {
        answers: usize,
    }

    impl Transport for Answering {
        fn capabilities(&self) -> Capabilities {
            Capabilities {
                link: "a link".to_owned(),
                overhead: 0,
                default_buf_size: 384,
            }
        }

        fn send(&mut self, _packet: &[u8]) -> Result<(), TransportError> {
            self.answers += 1;
            Ok(())
        }

        fn recv(&mut self, _deadline: Instant) -> Result<Option<Vec<u8>>, TransportError> {
            Ok(Some(Vec::new()))
        }
    }

    fn chunk(off: u64, length: usize) -> Vec<u8> {
        let chunk = UploadChunk {
            off: Some(off),
            data: Some(vec![0; length]),
            ..UploadChunk::default()
        };
        chunk.packet(0, Version::V2).unwrap()
    }

    #[test]
    fn the_last_chunk_goes_out_and_its_answer_does_not_come() {
        let fuse = Fuse::default();
        let mut link = Fused::new(Answering::default(), fuse.clone());
        fuse.arm(1000);
        link.send(&chunk(0, 600)).unwrap();
        assert!(link.recv(Instant::START).unwrap().is_some());
        link.send(&chunk(600, 400)).unwrap();
        assert!(fuse.is_blown());
        assert_eq!(link.inner.answers, 2, "the chunk itself was sent");
        let error = link.recv(Instant::START).unwrap_err();
        assert!(matches!(error, TransportError::Lost { .. }), "{error}");
        fuse.disarm();
        assert!(link.recv(Instant::START).unwrap().is_some());
    }

    #[test]
    fn without_being_armed_nothing_is_held_back() {
        let mut link = Fused::new(Answering::default(), Fuse::default());
        link.send(&chunk(0, 1000)).unwrap();
        assert!(link.recv(Instant::START).unwrap().is_some());
    }
}
