//! Any bytes in any pieces from a server: no panic, the pieces do not matter, and no more is answered than was asked.
#![no_main]

use hil_rfc2217::Client;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|pieces: Vec<Vec<u8>>| {
    let whole: Vec<u8> = pieces.concat();
    let (mut in_pieces, mut at_once) = (Client::new(115_200), Client::new(115_200));
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for piece in &pieces {
        in_pieces.receive(piece, &mut first);
    }
    at_once.receive(&whole, &mut second);
    assert_eq!(first, second);
    assert_eq!(in_pieces.state(), at_once.state());
    let answers = at_once.take_outgoing();
    assert_eq!(in_pieces.take_outgoing(), answers);
    // The offers, the set-up, and three bytes for each three that ask for an option.
    assert!(answers.len() <= 128 + whole.len());
});
