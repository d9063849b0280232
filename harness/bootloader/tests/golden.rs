//! The model agrees with recordings of the real MCUboot.

use std::path::PathBuf;

use hil_bootloader::golden::{Corpus, Options, Sampling};

#[test]
fn model_does_to_flash_what_mcuboot_was_recorded_doing() {
    let (directory, sampling) = match std::env::var_os("DFU_HIL_GOLDEN_DIR") {
        Some(directory) => (PathBuf::from(directory), Sampling::Full),
        None => (
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden"),
            Sampling::Every(20),
        ),
    };
    let corpus = Corpus::load(&directory).unwrap();
    let summary = corpus.replay(&Options { jobs: 2, sampling });
    println!("{summary}");
    assert_eq!(summary.failed().count(), 0, "{summary}");
}
