//! L2CAP on an LE link: fixed channels, PDUs in pieces that fit the controller's buffers.

/// Data bytes of a piece, as LE Read Buffer Size tells the host.
pub(crate) const PIECE: usize = 251;
/// Length and channel in front of a PDU's payload.
const HEADER: usize = 4;

/// The attribute protocol's channel.
pub(crate) const ATT: u16 = 0x0004;
/// The security manager's channel.
pub(crate) const SECURITY: u16 = 0x0006;

/// A whole PDU.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pdu {
    /// Its channel.
    pub(crate) channel: u16,
    /// Its payload.
    pub(crate) payload: Vec<u8>,
}

/// Puts the pieces of one link together.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    bytes: Vec<u8>,
}

impl Reassembly {
    /// Takes a piece; gives the PDU that it completes. What does not fit together is dropped, as the specification
    /// has it for a PDU that is longer than it says.
    pub(crate) fn take(&mut self, first: bool, data: &[u8]) -> Option<Pdu> {
        if first {
            self.bytes.clear();
        } else if self.bytes.is_empty() {
            return None;
        }
        self.bytes.extend(data);
        let [low, high, channel_low, channel_high, payload @ ..] = self.bytes.as_slice() else {
            return None;
        };
        let expected = usize::from(u16::from_le_bytes([*low, *high]));
        if payload.len() < expected {
            return None;
        }
        let whole = (payload.len() == expected).then(|| Pdu {
            channel: u16::from_le_bytes([*channel_low, *channel_high]),
            payload: payload.to_vec(),
        });
        self.bytes.clear();
        whole
    }
}

/// A PDU in pieces. Its payload is shorter than 64 KiB.
pub(crate) fn pieces(channel: u16, payload: &[u8]) -> Vec<Vec<u8>> {
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend(
        u16::try_from(payload.len())
            .unwrap_or(u16::MAX)
            .to_le_bytes(),
    );
    bytes.extend(channel.to_le_bytes());
    bytes.extend(payload);
    bytes.chunks(PIECE).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::no_beginning(&[(false, &[1, 0, 4, 0, 9][..])], None)]
    #[case::longer_than_it_says(&[(true, &[1, 0, 4, 0, 9, 9][..])], None)]
    #[case::header_in_two(&[(true, &[1, 0][..]), (false, &[4, 0, 9][..])], Some(vec![9]))]
    #[case::begun_again(&[(true, &[9, 0, 4, 0, 1][..]), (true, &[1, 0, 4, 0, 9][..])], Some(vec![9]))]
    fn pieces_are_put_together_or_dropped(
        #[case] given: &[(bool, &[u8])],
        #[case] expected: Option<Vec<u8>>,
    ) {
        let mut reassembly = Reassembly::default();
        let mut last = None;
        for (first, data) in given {
            last = reassembly.take(*first, data);
        }
        assert_eq!(last.map(|pdu| pdu.payload), expected);
    }

    proptest! {
        #[test]
        fn what_is_cut_comes_out_whole(payload in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut reassembly = Reassembly::default();
            let mut whole = Vec::new();
            for (number, piece) in pieces(ATT, &payload).iter().enumerate() {
                prop_assert!(piece.len() <= PIECE);
                whole.extend(reassembly.take(number == 0, piece));
            }
            prop_assert_eq!(whole, vec![Pdu { channel: ATT, payload }]);
        }
    }
}
