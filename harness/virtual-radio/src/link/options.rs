//! The parameters of a link, and how many packets they let through.

use std::str::FromStr;
use std::time::Duration;

/// Between two packets of a connection event (`T_IFS`).
const INTER_FRAME_SPACE: Duration = Duration::from_micros(150);
/// What of an interval is not for data: the controller's preparation of the next event.
const EVENT_OVERHEAD: Duration = Duration::from_micros(300);
/// L2CAP header of an ATT packet, bytes.
const L2CAP_HEADER: u32 = 4;
/// Access address, header, message integrity check and CRC around the payload of a packet, bytes. Counted as on an
/// encrypted link: an open one is 1.3 % faster.
const AROUND_PAYLOAD: u32 = 4 + 2 + 4 + 3;
/// The same of an empty packet, which has no integrity check.
const EMPTY_PACKET: u32 = 4 + 2 + 3;

/// The rate at which the radio sends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Phy {
    /// 1 Mbit/s.
    OneM,
    /// 2 Mbit/s.
    #[default]
    TwoM,
}

/// A PHY was not understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("PHY is `{found}`, expected `1M` or `2M`")]
pub struct ParsePhyError {
    found: String,
}

impl FromStr for Phy {
    type Err = ParsePhyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_uppercase().as_str() {
            "1M" => Ok(Self::OneM),
            "2M" => Ok(Self::TwoM),
            _ => Err(ParsePhyError {
                found: text.to_owned(),
            }),
        }
    }
}

/// Whether the air takes its time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Timing {
    /// Everything arrives at once, and nothing is lost.
    #[default]
    Instant,
    /// Data waits for connection events, which carry so much and no more; connecting and discovering take what they
    /// take on the air.
    Realistic,
}

/// A timing was not understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("timing is `{found}`, expected `instant` or `realistic`")]
pub struct ParseTimingError {
    found: String,
}

impl FromStr for Timing {
    type Err = ParseTimingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "instant" => Ok(Self::Instant),
            "realistic" => Ok(Self::Realistic),
            _ => Err(ParseTimingError {
                found: text.to_owned(),
            }),
        }
    }
}

/// The parameters of all links of a radio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkOptions {
    /// ATT MTU in bytes, 23 to 517; a write or a notification carries three less.
    pub mtu: u16,
    /// Connection interval: a multiple of 1.25 ms from 7.5 ms to 4 s.
    pub interval: Duration,
    /// The PHY, both ways.
    pub phy: Phy,
    /// Data length in bytes, both ways: 27 without the extension, 251 with it.
    pub data_length: u16,
    /// Most packets in an event, each way, when the central allows fewer than fit.
    pub packets_per_event: Option<u32>,
    /// Part of the packets that has to be sent again, 0 to 1.
    pub loss: f64,
    /// Decides which.
    pub seed: u64,
    /// After so long without a packet the link is lost. Linux asks for 420 ms (`linux net/bluetooth/hci_core.c`).
    pub supervision: Duration,
    /// Whether the air takes its time.
    pub timing: Timing,
}

impl Default for LinkOptions {
    /// Nordic's settings for fast updates (MTU 498, 2M, data length 251), 15 ms, no loss, no waiting.
    fn default() -> Self {
        Self {
            mtu: 498,
            interval: Duration::from_millis(15),
            phy: Phy::default(),
            data_length: 251,
            packets_per_event: None,
            loss: 0.0,
            seed: 0,
            supervision: Duration::from_millis(420),
            timing: Timing::default(),
        }
    }
}

impl LinkOptions {
    /// Time on the air of a packet with `payload` bytes, the empty packet that answers it, and the spaces behind both.
    #[must_use]
    pub fn exchange(&self, payload: u32) -> Duration {
        // Preamble: one byte at 1M, two at 2M.
        let (preamble, nanoseconds_per_byte) = match self.phy {
            Phy::OneM => (1, 8000),
            Phy::TwoM => (2, 4000),
        };
        let on_air =
            |bytes: u32| Duration::from_nanos(u64::from(preamble + bytes) * nanoseconds_per_byte);
        on_air(payload + AROUND_PAYLOAD) + on_air(EMPTY_PACKET) + 2 * INTER_FRAME_SPACE
    }

    /// Full packets that a connection event carries each way; at least one.
    #[must_use]
    pub fn event_capacity(&self) -> u32 {
        let usable = self.interval.saturating_sub(EVENT_OVERHEAD).as_nanos();
        let full = self.exchange(u32::from(self.data_length)).as_nanos();
        let fitting = u32::try_from(usable / full).unwrap_or(u32::MAX);
        self.packets_per_event
            .map_or(fitting, |most| most.min(fitting))
            .max(1)
    }

    /// Packets of the link layer that an ATT packet of `length` bytes is cut into.
    #[must_use]
    pub fn packets(&self, length: usize) -> u32 {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        length
            .saturating_add(L2CAP_HEADER)
            .div_ceil(u32::from(self.data_length.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn options(phy: Phy, data_length: u16) -> LinkOptions {
        LinkOptions {
            phy,
            data_length,
            ..LinkOptions::default()
        }
    }

    #[rstest]
    #[case::one_m(Phy::OneM, 251, 2500)]
    #[case::two_m(Phy::TwoM, 251, 1408)]
    #[case::one_m_short(Phy::OneM, 27, 708)]
    #[case::two_m_short(Phy::TwoM, 27, 512)]
    fn an_exchange_takes_what_the_core_specification_gives(
        #[case] phy: Phy,
        #[case] data_length: u16,
        #[case] microseconds: u64,
    ) {
        let options = options(phy, data_length);
        assert_eq!(
            options.exchange(u32::from(data_length)),
            Duration::from_micros(microseconds)
        );
    }

    #[rstest]
    #[case::fast(Phy::TwoM, 15, 10)]
    #[case::slow(Phy::OneM, 15, 5)]
    #[case::long(Phy::OneM, 30, 11)]
    fn an_event_carries_what_fits_its_interval(
        #[case] phy: Phy,
        #[case] milliseconds: u64,
        #[case] packets: u32,
    ) {
        let options = LinkOptions {
            interval: Duration::from_millis(milliseconds),
            ..options(phy, 251)
        };
        assert_eq!(options.event_capacity(), packets);
    }

    #[rstest]
    #[case::fills_one(247, 1)]
    #[case::one_byte_more(248, 2)]
    #[case::fills_two(498, 2)]
    fn att_packets_are_cut_to_the_data_length(#[case] length: usize, #[case] packets: u32) {
        assert_eq!(options(Phy::TwoM, 251).packets(length), packets);
    }

    #[test]
    fn a_central_can_allow_fewer_packets() {
        let options = LinkOptions {
            packets_per_event: Some(4),
            ..options(Phy::TwoM, 251)
        };
        assert_eq!(options.event_capacity(), 4);
    }
}
