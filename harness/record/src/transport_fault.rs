//! A fault that was made on a link on purpose, as it is recorded.

use crate::event::Direction;
use serde::{Deserialize, Serialize};

/// A packet that met a fault of the scenario's. What went over the link besides is in the SMP packets around it: those
/// to the board as the client sent them, those from the board as the client got them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TransportFault {
    /// Name of the board.
    pub board: String,
    /// Over which link, such as `uart`.
    pub over: String,
    /// Which way the packet went.
    pub direction: Direction,
    /// Which fault of the step, from 1.
    pub number: u32,
    /// What was done, with everything that a seed decided, such as `corrupt byte 36, bit 3`.
    pub what: String,
    /// The packet, such as `answer to chunk 5652..6000`.
    pub packet: String,
    /// The packet's sequence number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u8>,
    /// What the choices came from.
    pub seed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventKind;

    #[test]
    fn a_fault_is_one_line_of_the_journal_with_its_place_and_seed() {
        let fault = EventKind::TransportFault(TransportFault {
            board: "dk".to_owned(),
            over: "uart".to_owned(),
            direction: Direction::ToBoard,
            number: 1,
            what: "drop".to_owned(),
            packet: "chunk 0..310".to_owned(),
            sequence: Some(3),
            seed: 0,
        });
        let json = serde_json::to_string(&fault).unwrap();
        insta::assert_snapshot!(json, @r#"{"type":"transport-fault","board":"dk","over":"uart","direction":"to-board","number":1,"what":"drop","packet":"chunk 0..310","sequence":3,"seed":0}"#);
        assert_eq!(serde_json::from_str::<EventKind>(&json).unwrap(), fault);
    }
}
