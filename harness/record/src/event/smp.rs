//! SMP packets. The journal has their beginnings only, or it would be larger than what was sent; who listens has all of them.

use serde::{Deserialize, Serialize};

/// An SMP packet as it is recorded.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SmpPacket {
    /// Name of the board.
    pub board: String,
    /// Which way.
    pub direction: Direction,
    /// Its length in bytes.
    pub length: u64,
    /// Its first bytes (at most [`Self::KEPT`]) as hex digits.
    pub hex: String,
    /// The link: `uart` or `ble`. Older journals do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// All of it, for who listens; the journal does not have it.
    #[serde(skip)]
    whole: Whole,
    /// What it says, such as `image upload off=0 len=71680`.
    pub summary: String,
}

impl SmpPacket {
    /// How many bytes of a packet are recorded: the header, the fields of an upload, and some of its data. A
    /// whole upload would make the journal more than twice as large as the image.
    pub const KEPT: usize = 96;

    /// Records `packet`, cut to its first [`Self::KEPT`] bytes.
    #[must_use]
    pub fn new(
        board: impl Into<String>,
        direction: Direction,
        packet: &[u8],
        summary: impl Into<String>,
    ) -> Self {
        Self {
            board: board.into(),
            direction,
            length: packet.len() as u64,
            hex: hex::encode(&packet[..packet.len().min(Self::KEPT)]),
            link: None,
            whole: Whole(packet.to_vec()),
            summary: summary.into(),
        }
    }

    /// The same over a link with this name.
    #[must_use]
    pub fn over(mut self, link: impl Into<String>) -> Self {
        self.link = Some(link.into());
        self
    }

    /// Its bytes: all of them while the run goes on, the first ones when it comes from a journal.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        if self.whole.0.is_empty() {
            hex::decode(&self.hex).unwrap_or_default()
        } else {
            self.whole.0.clone()
        }
    }
}

/// The bytes of a packet. They make no difference between two packets: a journal does not have them.
#[derive(Clone, Debug, Default)]
struct Whole(Vec<u8>);

impl PartialEq for Whole {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Whole {}

/// Which way a packet went.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the harness to the board.
    ToBoard,
    /// From the board to the harness.
    FromBoard,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_packet_is_cut_and_its_length_is_kept() {
        let packet = SmpPacket::new("dk1", Direction::ToBoard, &[0xA5; 500], "image upload");
        assert_eq!(packet.length, 500);
        assert_eq!(packet.hex, "a5".repeat(SmpPacket::KEPT));
    }
}
