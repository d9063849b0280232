//! Any bytes as a signed envelope, with a key that has signed nothing: no panic, nothing verifies, and what was read is
//! written and read again.
#![no_main]

use hil_signoff::{Envelope, Statement, TestResult, VerifyingKey, Vsa};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// An Ed25519 public key of which nobody has the private half here (RFC 8410, 10.3).
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

static KEY: LazyLock<[VerifyingKey; 1]> = LazyLock::new(|| {
    let file = std::env::temp_dir().join(format!("fuzz-envelope-{}.pem", std::process::id()));
    std::fs::write(&file, PUBLIC).expect("the temporary folder can be written to");
    let key = VerifyingKey::load(&file).expect("the key is one");
    std::fs::remove_file(&file).expect("it was there");
    [key]
});

fuzz_target!(|bytes: &[u8]| {
    // The payload of an envelope is as little to be trusted as the envelope.
    let _ = Statement::<TestResult>::from_bytes(bytes);
    let _ = Statement::<Vsa>::from_bytes(bytes);
    let Ok(envelope) = Envelope::from_json(bytes) else {
        return;
    };
    assert!(envelope.verified(&*KEY, 1).is_err(), "nobody has signed this");
    let again = Envelope::from_json(envelope.to_json().as_bytes()).expect("what was written can be read");
    assert_eq!(again.to_json(), envelope.to_json());
});
