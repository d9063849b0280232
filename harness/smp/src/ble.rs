//! SMP over Bluetooth LE without the Bluetooth: packets cut to what one write carries, and notifications put together.
//!
//! A packet goes out as writes of at most MTU − 3 bytes and comes back as notifications of at most as many, in order and
//! without any framing: the length in the packet's own header says where it ends, and a fragment never carries the end
//! of one packet and the start of another. So a fragment that was lost (a server drops one when it has no buffer) is only
//! seen in what follows it: [`Reassembler`] tells it when a packet would get too long or gets nothing more for two seconds.
//! (What follows may also fill the gap exactly. Such a packet has the right length and is not CBOR any more.)
//!
//! Format: `zephyr doc/services/device_mgmt/smp_transport.rst`; how answers are split:
//! `zephyr subsys/mgmt/mcumgr/transport/src/smp_bt.c`.

use crate::header::{HEADER_LEN, Header, HeaderError, RawHeader};
use hil_clock::Instant;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// The service that an SMP server has, `8d53dc1d-1db7-4cd3-868b-8a527460aa84`.
pub const SERVICE: u128 = 0x8d53_dc1d_1db7_4cd3_868b_8a52_7460_aa84;

/// The one characteristic of it, for requests and answers, `da2e7828-fbce-4e01-ae9e-261174997c48`.
pub const CHARACTERISTIC: u128 = 0xda2e_7828_fbce_4e01_ae9e_2611_7499_7c48;

/// Bytes of an ATT packet in front of what is written or notified.
pub const ATT_OVERHEAD: u16 = 3;

/// The MTU of a link on which nobody asked for a larger one.
pub const DEFAULT_MTU: u16 = 23;

/// Bytes to take for the server's buffer while it has not told (`CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE`).
pub const DEFAULT_BUF_SIZE: usize = 384;

/// Packets longer than this are not an SMP server's: twice the largest buffer that we know of.
const LONGEST_PACKET: usize = 8192;

/// A packet that has begun and gets no further fragment for so long will never be whole. We chose it: shorter than any
/// client waits for an answer, so that the answer to a retry is never taken for the rest of the one before, and longer
/// than links pause in the middle of a packet.
const STALE: Duration = Duration::from_secs(2);

/// Cuts `packet` to what a link with this MTU carries in one write. An MTU below the smallest one is taken for that.
pub fn fragments(packet: &[u8], mtu: u16) -> impl Iterator<Item = &[u8]> {
    packet.chunks(usize::from(mtu.max(DEFAULT_MTU) - ATT_OVERHEAD))
}

/// What to write on a new link so that the server forgets half a request of the link before.
///
/// Zephyr has one reassembly for all connections, and no timeout in it: what a lost link left there takes the requests of
/// the next one for its rest, and may be completed by them to a request that nobody sent
/// (`zephyr subsys/mgmt/mcumgr/transport/src/{smp_bt,smp_reassembly}.c`). These writes overflow it without completing
/// it, after which the server drops it; a server that has nothing drops each of them as no start of a request.
///
/// `packets` are the lengths of the requests that may have been cut, `mtu_before` is what they were cut for, and `mtu`
/// that of the new link.
#[must_use]
pub fn clearing_writes(packets: &[usize], mtu_before: u16, mtu: u16) -> Vec<Vec<u8>> {
    let carried = |mtu: u16| usize::from(mtu.max(DEFAULT_MTU) - ATT_OVERHEAD);
    let before = carried(mtu_before);
    let missing: BTreeSet<usize> = packets
        .iter()
        .flat_map(|packet| {
            (before..*packet)
                .step_by(before)
                .map(move |had| packet - had)
        })
        .collect();
    let most = missing.iter().max().copied().unwrap_or(0);
    let mut writes = Vec::new();
    let mut written = 0;
    while written < most {
        // As much as goes into a write, but not so that it ends where one of the requests does.
        let harmless = |size: &usize| !missing.contains(&(written + size));
        let size = (HEADER_LEN..=carried(mtu)).rev().find(harmless);
        // Of requests that were all cut for the same MTU, only a few can end within a write's length of each other.
        let size = size.unwrap_or_else(|| carried(mtu));
        writes.push(vec![NO_START; size]);
        written += size;
    }
    writes
}

/// A byte of which a header says that it announces 32,639 bytes, which no server takes.
const NO_START: u8 = 0x7F;

/// Puts notifications together to packets. It owns no link: hand in what arrived with [`push`](Self::push), and take
/// packets with [`next_packet`](Self::next_packet) until it returns `None`. After a link is connected anew, start with
/// a new one.
#[derive(Debug, Default)]
pub struct Reassembler {
    partial: Vec<u8>,
    expected: usize,
    last: Instant,
    ready: VecDeque<Result<Vec<u8>, FragmentError>>,
}

/// Why a packet was lost.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FragmentError {
    /// What arrived where a packet has to begin is no header.
    #[error("a notification of {length} bytes does not begin an SMP packet")]
    NotAStart {
        /// Bytes of the notification.
        length: usize,
        /// What is wrong with it.
        #[source]
        source: HeaderError,
    },
    /// No server has such a buffer.
    #[error("an SMP packet announces {announced} bytes, more than {LONGEST_PACKET} are not taken")]
    TooLong {
        /// Bytes of the packet, with its header.
        announced: usize,
    },
    /// A packet began and was not finished.
    #[error("an SMP packet of {announced} bytes ended after {received}: a notification was lost")]
    Incomplete {
        /// Bytes of the packet, with its header.
        announced: usize,
        /// Bytes that arrived.
        received: usize,
    },
    /// A notification carries more than the packet needed. What follows a packet is never in the same notification.
    #[error("a notification has {surplus} bytes behind the end of its SMP packet")]
    Surplus {
        /// Bytes too many.
        surplus: usize,
    },
}

impl Reassembler {
    /// Takes a notification.
    pub fn push(&mut self, now: Instant, fragment: &[u8]) {
        if !self.partial.is_empty() {
            let fits = self.partial.len() + fragment.len() <= self.expected;
            if fits && now.saturating_since(self.last) < STALE {
                self.last = now;
                self.partial.extend_from_slice(fragment);
                self.finish();
                return;
            }
            self.give_up();
        }
        self.last = now;
        self.start(fragment);
    }

    /// The next packet, or why one was lost; `None` means that more notifications are needed.
    pub fn next_packet(&mut self) -> Option<Result<Vec<u8>, FragmentError>> {
        self.ready.pop_front()
    }

    fn start(&mut self, fragment: &[u8]) {
        let length = fragment.len();
        let header = RawHeader::read(fragment)
            .ok_or(HeaderError::TooShort { found: length })
            .and_then(Header::try_from);
        let expected = match header {
            Ok(header) => HEADER_LEN + usize::from(header.payload_len),
            Err(source) => {
                self.ready
                    .push_back(Err(FragmentError::NotAStart { length, source }));
                return;
            }
        };
        if expected > LONGEST_PACKET {
            self.ready.push_back(Err(FragmentError::TooLong {
                announced: expected,
            }));
            return;
        }
        if length > expected {
            self.ready.push_back(Err(FragmentError::Surplus {
                surplus: length - expected,
            }));
            return;
        }
        self.expected = expected;
        self.partial.extend_from_slice(fragment);
        self.finish();
    }

    fn finish(&mut self) {
        if self.partial.len() == self.expected {
            self.ready.push_back(Ok(std::mem::take(&mut self.partial)));
        }
    }

    fn give_up(&mut self) {
        self.ready.push_back(Err(FragmentError::Incomplete {
            announced: self.expected,
            received: self.partial.len(),
        }));
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{Group, Op, Version};
    use proptest::prelude::*;
    use rstest::rstest;

    fn packet(payload: usize) -> Vec<u8> {
        let header = Header {
            op: Op::WriteResponse,
            version: Version::V2,
            payload_len: 0,
            group: Group::IMAGE,
            sequence: 7,
            command: 1,
        };
        header.packet(&vec![0xa5; payload]).unwrap()
    }

    fn at(millis: u64) -> Instant {
        Instant::START + Duration::from_millis(millis)
    }

    fn after(notifications: &[&[u8]]) -> Vec<Result<Vec<u8>, FragmentError>> {
        let mut reassembler = Reassembler::default();
        for notification in notifications {
            reassembler.push(Instant::START, notification);
        }
        std::iter::from_fn(|| reassembler.next_packet()).collect()
    }

    #[rstest]
    #[case::one(packet(487), 498, &[495])]
    #[case::nordic_fast(packet(2467), 498, &[495, 495, 495, 495, 495])]
    #[case::smallest_mtu(packet(40), 23, &[20, 20, 8])]
    #[case::nonsense_mtu(packet(12), 0, &[20])]
    fn a_packet_is_cut_to_the_mtu(
        #[case] packet: Vec<u8>,
        #[case] mtu: u16,
        #[case] expected: &[usize],
    ) {
        let lengths: Vec<usize> = fragments(&packet, mtu).map(<[u8]>::len).collect();
        assert_eq!(lengths, expected);
    }

    #[test]
    fn a_packet_that_would_get_too_long_has_lost_a_notification() {
        let long = packet(600);
        let pieces: Vec<_> = fragments(&long, 247).collect();
        let found = after(&[pieces[0], pieces[0], pieces[1], &packet(10)]);
        assert_eq!(
            found[0],
            Err(FragmentError::Incomplete {
                announced: 608,
                received: 488
            })
        );
        assert!(
            matches!(found[1], Err(FragmentError::NotAStart { length: 244, .. })),
            "{found:?}"
        );
        assert_eq!(found[2], Ok(packet(10)));
    }

    #[test]
    fn a_packet_without_its_start_is_told_and_the_next_one_is_read() {
        let found = after(&[&[0xff; 20], &packet(3)]);
        assert!(
            matches!(found[0], Err(FragmentError::NotAStart { length: 20, .. })),
            "{found:?}"
        );
        assert_eq!(found[1], Ok(packet(3)));
    }

    #[rstest]
    #[case::shorter_than_a_header(&[1, 0, 0], "a notification of 3 bytes does not begin an SMP packet")]
    #[case::endless(&[1, 0, 0xff, 0xff, 0, 0, 0, 0], "an SMP packet announces 65543 bytes, more than 8192 are not taken")]
    #[case::more_than_announced(&[1, 0, 0, 1, 0, 0, 0, 0, 0xa0, 0, 0], "a notification has 2 bytes behind the end of its SMP packet")]
    fn nonsense_is_told_in_words(#[case] notification: &[u8], #[case] expected: &str) {
        let found = after(&[notification]);
        let [Err(error)] = found.as_slice() else {
            panic!("one error: {found:?}");
        };
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn the_rest_of_a_packet_that_stopped_long_ago_is_not_waited_for() {
        let mut reassembler = Reassembler::default();
        let long = packet(100);
        reassembler.push(at(0), &long[..60]);
        reassembler.push(at(1_999), &long[60..70]);
        reassembler.push(at(4_000), &packet(1));
        assert_eq!(
            reassembler.next_packet(),
            Some(Err(FragmentError::Incomplete {
                announced: 108,
                received: 70
            }))
        );
        assert_eq!(reassembler.next_packet(), Some(Ok(packet(1))));
    }

    /// Zephyr's reassembly, as far as it matters here.
    struct Server {
        missing: usize,
        completed: u32,
    }

    impl Server {
        fn take(&mut self, write: &[u8]) {
            match self.missing.checked_sub(write.len()) {
                _ if self.missing == 0 => {
                    let header = RawHeader::read(write).expect("clearing writes are long enough");
                    assert!(
                        usize::from(header.payload_len) > 2475,
                        "no start of a request"
                    );
                }
                None => self.missing = 0,
                Some(0) => self.completed += 1,
                Some(missing) => self.missing = missing,
            }
        }
    }

    proptest! {
        #[test]
        fn half_a_request_is_cleared_wherever_it_was_cut(
            packets in prop::collection::vec(9usize..2476, 1..5), cut in any::<prop::sample::Index>(),
            mtus in (23u16..=517, 23u16..=517),
        ) {
            let packet = packets[0];
            let fragment = usize::from(mtus.0) - 3;
            let had = fragment * cut.index(packet.div_ceil(fragment));
            let mut server = Server {
                missing: if had == 0 { 0 } else { packet - had },
                completed: 0,
            };
            for write in clearing_writes(&packets, mtus.0, mtus.1) {
                prop_assert!(write.len() <= usize::from(mtus.1) - 3);
                server.take(&write);
            }
            prop_assert_eq!((server.missing, server.completed), (0, 0));
        }

        #[test]
        fn packets_survive_any_mtu(
            payloads in prop::collection::vec(0usize..3000, 1..6), mtu in any::<u16>(),
        ) {
            let packets: Vec<_> = payloads.into_iter().map(packet).collect();
            let mut reassembler = Reassembler::default();
            for packet in &packets {
                for fragment in fragments(packet, mtu) {
                    prop_assert!(fragment.len() <= usize::from(mtu.max(23)) - 3);
                    reassembler.push(Instant::START, fragment);
                }
            }
            for packet in packets {
                prop_assert_eq!(reassembler.next_packet(), Some(Ok(packet)));
            }
            prop_assert_eq!(reassembler.next_packet(), None);
        }

        #[test]
        fn any_notifications_are_read_within_bounds(
            notifications in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..40),
        ) {
            let mut reassembler = Reassembler::default();
            for notification in &notifications {
                reassembler.push(Instant::START, notification);
                prop_assert!(reassembler.partial.len() <= LONGEST_PACKET);
            }
            while let Some(found) = reassembler.next_packet() {
                if let Ok(packet) = found {
                    prop_assert!(Header::parse(&packet).is_ok());
                }
            }
        }
    }
}
