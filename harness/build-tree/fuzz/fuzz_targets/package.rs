//! Any bytes as a DFU zip: refused, or unpacked to members that the manifest fits.
#![no_main]

use hil_build_tree::Package;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(package) = Package::parse(bytes) {
        for file in &package.manifest.files {
            assert!(package.members.contains_key(&file.file));
        }
    }
});
