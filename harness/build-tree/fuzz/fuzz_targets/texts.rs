//! Any text as every text that a build folder has.
#![no_main]

use hil_build_tree::{HexFile, Kconfig, Manifest, Partitions, key_in_source, to_pem};
use hil_scenario::bounded_yaml;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Kconfig::parse(text).is_sysbuild();
    let _ = Manifest::parse(text.as_bytes());
    let _ = Partitions::parse(text);
    let _ = Partitions::parse_config(text);
    let _ = bounded_yaml(text);
    if let Some(key) = key_in_source(text) {
        let _ = to_pem(&key);
    }
    if let Ok(file) = HexFile::parse(text) {
        for (address, bytes) in file.pieces() {
            let end = u64::from(address) + bytes.len() as u64;
            assert!(end <= 1 << 32);
        }
        let _ = file.read(0, 0x1000);
    }
});
