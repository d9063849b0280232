//! Any notifications in any order: no panic, whatever comes out is a whole packet, and after a pause the next packet is
//! heard.
#![no_main]

use hil_clock::Instant;
use hil_smp::ble::{Reassembler, fragments};
use hil_smp::Header;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

fuzz_target!(|notifications: Vec<Vec<u8>>| {
    let mut reassembler = Reassembler::default();
    for notification in &notifications {
        reassembler.push(Instant::START, notification);
        while let Some(found) = reassembler.next_packet() {
            if let Ok(packet) = found {
                Header::parse(&packet).expect("it ends where its header says");
            }
        }
    }
    let next = [1, 0, 0, 30, 0, 0, 9, 0].into_iter().chain([0xa0; 30]).collect::<Vec<u8>>();
    for fragment in fragments(&next, 23) {
        reassembler.push(Instant::START + Duration::from_secs(60), fragment);
    }
    let last = std::iter::from_fn(|| reassembler.next_packet()).last();
    assert_eq!(last, Some(Ok(next)));
});
