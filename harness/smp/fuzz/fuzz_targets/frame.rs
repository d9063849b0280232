//! Any bytes in any pieces on a console: no panic, and the next whole frame is heard.
#![no_main]

use hil_smp::frame::{Decoded, Decoder, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|pieces: Vec<Vec<u8>>| {
    for mut decoder in [Decoder::new(), Decoder::server(384)] {
        for piece in &pieces {
            decoder.push(piece);
            while decoder.next().is_some() {}
        }
        decoder.push(b"\n");
        decoder.push(&encode(b"next").expect("four bytes fit a frame"));
        let last = std::iter::from_fn(|| decoder.next()).last();
        assert_eq!(last, Some(Decoded::Packet(b"next".to_vec())));
    }
});
