//! An endpoint to the host: what is ready for it, and the transfers that wait.
//!
//! A device may have nothing to say for hours; its transfers stay pending for as long, as on the bus an endpoint answers NAK.

use crate::usbip::Reply;
use std::collections::VecDeque;

/// How messages become transfers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// A transfer ends with its message: what a short packet does on the bus.
    Messages,
    /// Bytes come in whatever pieces.
    Stream,
}

/// The device's end of an IN endpoint.
#[derive(Debug)]
pub struct Pipe {
    framing: Framing,
    ready: VecDeque<Vec<u8>>,
    waiting: VecDeque<(u32, usize)>,
    /// Most bytes that are kept for a host that does not ask.
    room: usize,
    held: usize,
}

impl Pipe {
    /// One that keeps at most `room` bytes.
    #[must_use]
    pub const fn new(framing: Framing, room: usize) -> Self {
        Self {
            framing,
            ready: VecDeque::new(),
            waiting: VecDeque::new(),
            room,
            held: 0,
        }
    }

    /// Gives bytes to the host. What there is no room for is lost, as in the probe's own buffer.
    pub fn push(&mut self, mut message: Vec<u8>) -> Vec<Reply> {
        message.truncate(self.room - self.held);
        if !message.is_empty() {
            self.held += message.len();
            self.ready.push_back(message);
        }
        self.settle()
    }

    /// The host waits for up to `length` bytes.
    pub fn ask(&mut self, number: u32, length: usize) -> Vec<Reply> {
        self.waiting.push_back((number, length));
        self.settle()
    }

    /// The host does not wait any more; whether it did.
    pub fn unlink(&mut self, victim: u32) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|(number, _)| *number != victim);
        self.waiting.len() < before
    }

    /// Forgets what nobody has asked for.
    pub fn clear(&mut self) {
        self.ready.clear();
        self.held = 0;
    }

    fn settle(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        while !self.ready.is_empty() {
            let Some((number, length)) = self.waiting.pop_front() else {
                break;
            };
            let data = self.take(length);
            self.held -= data.len();
            replies.push(Reply::In { number, data });
        }
        replies
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let mut data = Vec::new();
        while let Some(first) = self.ready.front_mut() {
            let rest = first.split_off(first.len().min(length - data.len()));
            data.append(first);
            if rest.is_empty() {
                self.ready.pop_front();
            } else {
                *first = rest;
            }
            if self.framing == Framing::Messages || data.len() == length {
                break;
            }
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(replies: &[Reply]) -> Vec<(u32, Vec<u8>)> {
        replies
            .iter()
            .map(|reply| match reply {
                Reply::In { number, data } => (*number, data.clone()),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_transfer_waits_until_there_is_something() {
        let mut pipe = Pipe::new(Framing::Messages, 64);
        assert!(pipe.ask(1, 16).is_empty());
        assert!(pipe.ask(2, 16).is_empty());
        assert_eq!(bytes(&pipe.push(vec![7])), [(1, vec![7])]);
        assert!(pipe.unlink(2), "it was waiting");
        assert!(!pipe.unlink(2));
        assert!(pipe.push(vec![8]).is_empty());
    }

    #[test]
    fn messages_are_not_joined_and_a_long_one_takes_several_transfers() {
        let mut pipe = Pipe::new(Framing::Messages, 64);
        pipe.push(vec![1, 2, 3]);
        pipe.push(vec![4]);
        assert_eq!(bytes(&pipe.ask(1, 2)), [(1, vec![1, 2])]);
        assert_eq!(bytes(&pipe.ask(2, 8)), [(2, vec![3])]);
        assert_eq!(bytes(&pipe.ask(3, 8)), [(3, vec![4])]);
    }

    #[test]
    fn a_stream_fills_the_transfer() {
        let mut pipe = Pipe::new(Framing::Stream, 64);
        pipe.push(vec![1, 2, 3]);
        pipe.push(vec![4, 5]);
        assert_eq!(bytes(&pipe.ask(1, 4)), [(1, vec![1, 2, 3, 4])]);
        assert_eq!(bytes(&pipe.ask(2, 4)), [(2, vec![5])]);
    }

    #[test]
    fn what_nobody_fetches_is_bounded() {
        let mut pipe = Pipe::new(Framing::Stream, 4);
        pipe.push(vec![1, 2, 3]);
        pipe.push(vec![4, 5]);
        pipe.push(vec![6]);
        assert_eq!(bytes(&pipe.ask(1, 9)), [(1, vec![1, 2, 3, 4])]);
    }
}
