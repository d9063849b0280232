//! Any bytes as a manifest, held against a folder that has a journal: no panic, no file outside is touched, and it ends.
#![no_main]

use hil_record::{Manifest, RunDirectory};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::parse(bytes) else {
        return;
    };
    let folder = tempfile::tempdir().expect("there is room");
    let directory = RunDirectory::at(folder.path());
    std::fs::write(directory.journal(), "{\"journal\":1}\n").expect("the folder is ours");
    let _ = manifest.mismatches(&directory);
    assert_eq!(Manifest::parse(manifest.to_json().as_bytes()).expect("what was written can be read"), manifest);
});
