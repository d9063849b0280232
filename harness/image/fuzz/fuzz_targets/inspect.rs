//! Any bytes as a file to show, with keys of every kind.
#![no_main]

use std::sync::LazyLock;

use hil_image::KeyRing;
use hil_image::inspect::Inspection;
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<KeyRing> = LazyLock::new(|| {
    let mut ring = KeyRing::new();
    for (name, text) in [
        ("ec256", include_str!("../../tests/data/images/keys/sig-ec256.pub.pem")),
        ("ed25519", include_str!("../../tests/data/images/keys/sig-ed25519.pub.pem")),
        ("rsa2048", include_str!("../../tests/data/images/keys/sig-rsa2048.pub.pem")),
        ("enc-ec256", include_str!("../../tests/data/images/keys/enc-ec256.pem")),
        ("enc-x25519", include_str!("../../tests/data/images/keys/enc-x25519.pem")),
        ("enc-aeskw128", include_str!("../../tests/data/images/keys/enc-aeskw128.b64")),
    ] {
        ring.add(name, text).expect("the corpus has good keys");
    }
    ring
});

fuzz_target!(|bytes: &[u8]| {
    let inspection = Inspection::of(bytes, &KEYS);
    assert!(!inspection.to_string().is_empty());
});
