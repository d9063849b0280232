//! Any text as a policy and as requirements: no panic, and a mistake is told with its place.
#![no_main]

use hil_signoff::{Policy, Requirements};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = Policy::parse("policy.yaml", text) {
        let _ = error.render();
    }
    if let Err(error) = Requirements::parse("requirements.yaml", text) {
        let _ = error.render();
    }
});
