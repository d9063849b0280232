//! Any bytes as a multi-image file: refused, or split into images that fill it.
#![no_main]

use hil_build_tree::parse_multi_image;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(images) = parse_multi_image(bytes) {
        let listed: usize = images.iter().map(|image| image.bytes.len()).sum();
        assert!(listed <= bytes.len());
    }
});
