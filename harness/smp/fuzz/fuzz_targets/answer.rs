//! Any packet as an answer to anything: no panic, and what is read is written and read again.
#![no_main]

use hil_smp::message::{
    BootloaderInfoAnswer, EchoAnswer, ImageState, ParamsAnswer, SlotInfoAnswer, UploadAnswer,
    read_answer,
};
use hil_smp::{Header, Lengths, Map};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    let Ok((_, payload)) = Header::parse(packet) else {
        return;
    };
    if let Ok(map) = Map::decode(payload) {
        for lengths in [Lengths::Definite, Lengths::Indefinite] {
            // Twice, as not-a-number is not equal to itself.
            let bytes = map.encode(lengths);
            let again = Map::decode(&bytes).expect("what was written can be read");
            assert_eq!(again.encode(lengths), bytes);
        }
    }
    let _ = read_answer::<EchoAnswer>(payload);
    let _ = read_answer::<ParamsAnswer>(payload);
    let _ = read_answer::<BootloaderInfoAnswer>(payload);
    let _ = read_answer::<ImageState>(payload);
    let _ = read_answer::<SlotInfoAnswer>(payload);
    let _ = read_answer::<UploadAnswer>(payload);
});
