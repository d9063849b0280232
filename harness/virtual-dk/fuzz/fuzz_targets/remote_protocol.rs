//! Whatever a debugger sends to the probe, it answers and does not panic.
//!
//! `cargo +nightly fuzz run remote_protocol` in this crate's folder.

#![no_main]

use libfuzzer_sys::fuzz_target;
use virtual_dk::RemoteProbe;

fuzz_target!(|pieces: Vec<Vec<u8>>| {
    let mut probe = RemoteProbe::new();
    for piece in &pieces {
        probe.feed(piece);
    }
    assert!(probe.feed(b"!HC#").ends_with(b"&K4#"));
});
