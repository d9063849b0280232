//! Any packets into a capture: it is read again, packet by packet, as it was written.
#![no_main]

use arbitrary::Arbitrary;
use hil_record::{Capture, Direction, Event, EventKind, Reporter as _, SmpPacket};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Packet {
    board: String,
    out: bool,
    at: u64,
    summary: String,
    bytes: Vec<u8>,
}

fuzz_target!(|packets: Vec<Packet>| {
    let mut capture = Capture::to_writer(Vec::new());
    for (seq, packet) in (0..).zip(&packets) {
        let direction = if packet.out { Direction::ToBoard } else { Direction::FromBoard };
        let packet_of = SmpPacket::new(&packet.board, direction, &packet.bytes, &packet.summary);
        let event = Event { seq, at: packet.at, kind: EventKind::Smp(packet_of) };
        capture.on_event(&event).expect("there is room in memory");
    }
    let bytes = capture.into_writer().unwrap_or_default();
    let found = hil_record::packets_of(&bytes).expect("what was written can be read");
    let sent: Vec<&[u8]> = packets.iter().map(|packet| packet.bytes.as_slice()).collect();
    assert_eq!(found, sent);
});
