//! The files that a run is made from, by digest.

use crate::bench_files;
use crate::error::CliError;
use hil_record::{InputFile, InputRole, Objects};
use hil_runner::Firmware;
use hil_scenario::Scenario;
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The versions of all libraries in this program.
const LOCK_FILE: &[u8] = include_bytes!("../../../Cargo.lock");

/// All inputs: what a person could have changed between two runs of the same name; and the bytes of those that verdicts
/// are made from. A rig file is not among these: what it says of a bench is nobody else's business.
pub(crate) fn of<'a>(
    scenarios: impl IntoIterator<Item = &'a Scenario>,
    rig: Option<&Path>,
    firmware: &[Arc<Firmware>],
) -> Result<(Vec<InputFile>, Vec<Vec<u8>>), CliError> {
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
    let mut kept = Vec::new();
    for scenario in scenarios {
        let name = scenario.path().display().to_string();
        kept.push(scenario.text().as_bytes().to_vec());
        inputs.push(input(InputRole::Scenario, &name, &scenario.digest()));
    }
    for firmware in firmware {
        let set = firmware.set();
        let digest = set.digest_hex();
        let mut own = |role, name: String, bytes: &[u8]| {
            let mut file = input(role, &name, &Sha256::digest(bytes));
            file.set = Some(digest.clone());
            inputs.push(file);
            kept.push(bytes.to_vec());
        };
        let name = set.path.file_name().unwrap_or_default();
        own(
            InputRole::FirmwareSet,
            name.to_string_lossy().into_owned(),
            set.text.as_bytes(),
        );
        if let Some(key) = firmware.signing_key() {
            own(InputRole::PublicKey, "signing".to_owned(), key.as_bytes());
        }
        for file in set.files() {
            let mut listed = input(InputRole::Firmware, file.name(), file.digest());
            listed.set = Some(digest.clone());
            // One file may play several roles.
            if !inputs.contains(&listed) {
                inputs.push(listed);
                kept.push(file.contents().to_vec());
            }
        }
    }
    Ok((inputs, kept))
}

/// Puts the bytes of inputs into the evidence store of a run.
pub(crate) fn keep(kept: &[Vec<u8>], objects: &Objects) -> io::Result<()> {
    kept.iter()
        .try_for_each(|bytes| objects.put(bytes).map(drop))
}

fn input(role: InputRole, name: &str, sha256: &[u8]) -> InputFile {
    InputFile {
        role,
        name: name.to_owned(),
        sha256: hex::encode(sha256),
        set: None,
    }
}
