//! SMP over Bluetooth LE: fragments in, packets out, as Zephyr's transport does it
//! (`zephyr subsys/mgmt/mcumgr/transport/src/{smp_bt,smp_reassembly}.c`).
//!
//! There is one reassembly for the whole transport: it belongs to no connection, and no timeout ends it. After a
//! fragment was lost, or a link in the middle of a request, what comes next is appended to the old request until that
//! overflows and is dropped.

use hil_smp::{HEADER_LEN, RawHeader};
use virtual_radio::LinkId;

use crate::model::Feature;

/// Opcode and handle in front of the value of a notification, bytes.
const ATT_HEADER: u16 = 3;

/// The SMP side of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Central {
    pub(super) link: LinkId,
    /// ATT MTU, bytes.
    pub(super) mtu: u16,
}

impl Central {
    /// A response in pieces that notifications can carry.
    pub(super) fn fragments(self, response: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        let size = usize::from(self.mtu.saturating_sub(ATT_HEADER).max(1));
        response.chunks(size).map(<[u8]>::to_vec)
    }
}

/// Why a fragment led to nothing. The client hears of none of this: it sends write commands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dropped {
    /// A first fragment without a whole header.
    NoHeader,
    /// More bytes than the request was to have.
    Overflow,
    /// The request does not fit a buffer.
    TooLarge,
    /// There is no buffer left.
    NoBuffer,
}

/// The reassembly of requests.
#[derive(Debug)]
pub(super) struct Reassembly {
    /// `CONFIG_MCUMGR_TRANSPORT_BT_REASSEMBLY`.
    enabled: Feature,
    /// `MCUMGR_TRANSPORT_NETBUF_SIZE`, bytes.
    buf_size: usize,
    partial: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    bytes: Vec<u8>,
    expected: usize,
}

impl Reassembly {
    pub(super) fn new(enabled: Feature, buf_size: u32) -> Self {
        Self {
            enabled,
            buf_size: buf_size as usize,
            partial: None,
        }
    }

    /// Buffers of the pool that it holds.
    pub(super) fn buffers(&self) -> usize {
        usize::from(self.partial.is_some())
    }

    /// Takes what was written; gives the request that it completes. `free` buffers are left in the pool.
    pub(super) fn collect(
        &mut self,
        fragment: &[u8],
        free: usize,
    ) -> Result<Option<Vec<u8>>, Dropped> {
        if !self.enabled.is_on() {
            return match free {
                0 => Err(Dropped::NoBuffer),
                _ if fragment.len() > self.buf_size => Err(Dropped::TooLarge),
                _ => Ok(Some(fragment.to_vec())),
            };
        }
        let mut partial = match self.partial.take() {
            Some(partial) => partial,
            None => self.first(fragment, free)?,
        };
        if partial.bytes.len() + fragment.len() > partial.expected {
            return Err(Dropped::Overflow);
        }
        partial.bytes.extend_from_slice(fragment);
        if partial.bytes.len() == partial.expected {
            return Ok(Some(partial.bytes));
        }
        self.partial = Some(partial);
        Ok(None)
    }

    fn first(&self, fragment: &[u8], free: usize) -> Result<Partial, Dropped> {
        let header = RawHeader::read(fragment).ok_or(Dropped::NoHeader)?;
        let expected = HEADER_LEN + usize::from(header.payload_len);
        if fragment.len() > expected {
            return Err(Dropped::Overflow);
        }
        if free == 0 {
            return Err(Dropped::NoBuffer);
        }
        if expected > self.buf_size {
            return Err(Dropped::TooLarge);
        }
        Ok(Partial {
            bytes: Vec::with_capacity(expected),
            expected,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// A packet with a payload of `length` bytes, each `fill`.
    fn packet(length: u16, fill: u8) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let mut bytes = vec![2, 0, high, low, 0, 0, 7, 0];
        bytes.resize(HEADER_LEN + usize::from(length), fill);
        bytes
    }

    fn reassembly() -> Reassembly {
        Reassembly::new(Feature::On, 2475)
    }

    /// Writes the packet in pieces; what the last of them gave.
    fn write(
        reassembly: &mut Reassembly,
        packet: &[u8],
        mtu: usize,
    ) -> Result<Option<Vec<u8>>, Dropped> {
        let mut last = Ok(None);
        for piece in packet.chunks(mtu - 3) {
            last = reassembly.collect(piece, 4);
        }
        last
    }

    #[rstest]
    #[case::whole(517)]
    #[case::in_two(247)]
    #[case::in_many(23)]
    fn a_request_is_whole_again(#[case] mtu: usize) {
        let mut reassembly = reassembly();
        let request = packet(400, 1);
        assert_eq!(write(&mut reassembly, &request, mtu), Ok(Some(request)));
        assert_eq!(reassembly.buffers(), 0);
    }

    #[rstest]
    #[case::seven_bytes_of_header(&[2, 0, 0, 4, 0, 0, 7], 4, Dropped::NoHeader)]
    #[case::more_than_it_says(&packet(4, 1)[..], 4, Dropped::Overflow)]
    #[case::no_buffer(&packet(9, 1)[..10], 0, Dropped::NoBuffer)]
    #[case::larger_than_a_buffer(&packet(2468, 1)[..495], 4, Dropped::TooLarge)]
    fn a_first_fragment_that_cannot_be_is_dropped(
        #[case] fragment: &[u8],
        #[case] free: usize,
        #[case] why: Dropped,
    ) {
        let mut fragment = fragment.to_vec();
        if why == Dropped::Overflow {
            fragment.push(0);
        }
        let mut reassembly = reassembly();
        assert_eq!(reassembly.collect(&fragment, free), Err(why));
        assert_eq!(reassembly.buffers(), 0);
    }

    #[test]
    fn after_a_lost_fragment_the_next_request_is_appended_and_both_are_lost() {
        let mut reassembly = reassembly();
        let first = packet(1000, 1);
        assert_eq!(reassembly.collect(&first[..495], 4), Ok(None));
        assert_eq!(reassembly.collect(&first[495..990], 4), Ok(None));
        // The last 18 bytes of it never come. The next request is taken for them, and is too long.
        let next = packet(40, 2);
        assert_eq!(reassembly.collect(&next, 4), Err(Dropped::Overflow));
        assert_eq!(reassembly.collect(&next, 4), Ok(Some(next)));
    }

    #[test]
    fn without_reassembly_every_write_is_a_request() {
        let mut reassembly = Reassembly::new(Feature::Off, 384);
        let request = packet(300, 1);
        let piece = &request[..200];
        assert_eq!(reassembly.collect(piece, 4), Ok(Some(piece.to_vec())));
        assert_eq!(reassembly.collect(&request, 0), Err(Dropped::NoBuffer));
        assert_eq!(
            reassembly.collect(&packet(400, 1), 4),
            Err(Dropped::TooLarge)
        );
    }

    proptest! {
        #[test]
        fn whatever_is_written_it_holds_at_most_a_buffer(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..40),
        ) {
            let mut reassembly = reassembly();
            for piece in pieces {
                if let Ok(Some(request)) = reassembly.collect(&piece, 4) {
                    prop_assert!(request.len() <= 2475);
                }
                let held = reassembly.partial.as_ref().map_or(0, |partial| partial.bytes.len());
                prop_assert!(held < 2475);
            }
        }
    }
}
