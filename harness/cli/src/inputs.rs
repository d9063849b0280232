//! The files that a run is made from, by digest.

use crate::bench_files;
use crate::error::CliError;
use hil_record::{InputFile, InputRole};
use hil_runner::Firmware;
use hil_scenario::Scenario;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::Arc;

/// The versions of all libraries in this program.
const LOCK_FILE: &[u8] = include_bytes!("../../../Cargo.lock");

/// All inputs: what a person could have changed between two runs of the same name.
pub(crate) fn of<'a>(
    scenarios: impl IntoIterator<Item = &'a Scenario>,
    rig: Option<&Path>,
    firmware: &[Arc<Firmware>],
) -> Result<Vec<InputFile>, CliError> {
    let (rig, text) = bench_files::rig_text(rig)?;
    let mut inputs = vec![
        input(
            InputRole::ToolLock,
            "Cargo.lock",
            &Sha256::digest(LOCK_FILE),
        ),
        input(
            InputRole::Rig,
            &rig.display().to_string(),
            &Sha256::digest(text),
        ),
    ];
    for scenario in scenarios {
        let name = scenario.path().display().to_string();
        inputs.push(input(InputRole::Scenario, &name, &scenario.digest()));
    }
    for set in firmware.iter().map(|firmware| firmware.set()) {
        let digest = set.digest_hex();
        for file in set.files() {
            let mut firmware = input(InputRole::Firmware, file.name(), file.digest());
            firmware.set = Some(digest.clone());
            // One file may play several roles.
            if !inputs.contains(&firmware) {
                inputs.push(firmware);
            }
        }
    }
    Ok(inputs)
}

fn input(role: InputRole, name: &str, sha256: &[u8]) -> InputFile {
    InputFile {
        role,
        name: name.to_owned(),
        sha256: hex::encode(sha256),
        set: None,
    }
}
