//! Real bootloaders of firmware sets on virtual boards.
//!
//! A set from a build folder has real binaries. A virtual core cannot execute them, and nothing in them says how they
//! were built, but the set does: its `bootloader` is what MCUboot does, its keys are MCUboot's keys. So a virtual board is
//! told to take exactly these bytes for that. Binaries of the demo set describe themselves and need none of this.

use crate::error::CliError;
use hil_build_tree::HexFile;
use hil_scenario::{FirmwareSet, Memory, Slot, SmpServer};
use std::fs;
use std::path::Path;
use virtual_dk::firmware::KnownBinary;
use virtual_dk::model::{
    B0nModel, ConsoleOutput, Feature, McubootModel, Model, Secret, SmpModel, UndescribedApplication,
};

/// Bytes without code that still belong to a binary (ours): builds leave gaps of a few bytes, and between b0n and the
/// provisioned data, which changes on a device, there are kilobytes.
const LARGEST_GAP: u32 = 256;

/// The bootloaders that the sets program, with what they are; `application` is what applications do that they start.
pub(super) fn known_binaries(
    sets: &[FirmwareSet],
    application: Option<&UndescribedApplication>,
) -> Result<Vec<KnownBinary>, CliError> {
    let mut found: Vec<Found<'_>> = Vec::new();
    for set in sets {
        for new in bootloaders(set, application)? {
            match found.iter().find(|known| known.bytes == new.bytes) {
                None => found.push(new),
                Some(known) if known.is_same(&new) => {}
                Some(known) => return Err(known.contradicts(&new)),
            }
        }
    }
    // The longest first: one may be the beginning of another.
    found.sort_by_key(|found| std::cmp::Reverse(found.bytes.len()));
    Ok(found
        .into_iter()
        .map(|found| KnownBinary::new(&found.bytes, found.model))
        .collect())
}

/// A bootloader of a set.
struct Found<'a> {
    set: &'a FirmwareSet,
    bytes: Vec<u8>,
    model: Model,
}

impl Found<'_> {
    /// Whether two sets say the same of one binary, apart from their own names.
    fn is_same(&self, other: &Self) -> bool {
        let unnamed = |model: &Model| {
            let mut model = model.clone();
            match &mut model {
                Model::Mcuboot(McubootModel { version, .. })
                | Model::B0n(B0nModel { version, .. }) => version.clear(),
                Model::Application(_) | Model::Network(_) => {}
            }
            model
        };
        unnamed(&self.model) == unnamed(&other.model)
    }

    fn contradicts(&self, other: &Self) -> CliError {
        CliError::usage(format_args!(
            "firmware sets `{}` and `{}` have the same bootloader in flash and describe it differently",
            self.set.path.display(),
            other.set.path.display()
        ))
        .with_help(Some(
            "a virtual board knows a real bootloader by its bytes: correct `bootloader`, `keys` and `smp` of one of them, or use them in two runs",
        ))
    }
}

fn bootloaders<'a>(
    set: &'a FirmwareSet,
    application: Option<&UndescribedApplication>,
) -> Result<Vec<Found<'a>>, CliError> {
    let mcuboot = Model::Mcuboot(McubootModel {
        version: format!("of firmware set {}", set.name),
        config: set.bootloader.clone(),
        signing_keys: set
            .keys
            .signing
            .as_deref()
            .map(key)
            .transpose()?
            .into_iter()
            .collect(),
        encryption_key: set
            .keys
            .encryption
            .as_deref()
            .map(key)
            .transpose()?
            .map(Secret::new),
        console: ConsoleOutput::Log,
        undescribed: Some(UndescribedApplication {
            smp: smp_model(set.smp),
            ..application.cloned().unwrap_or_default()
        }),
    });
    let b0n = set.layout.slot(Slot::NetPrimary).map(|application| {
        Model::B0n(B0nModel {
            version: format!("of firmware set {}", set.name),
            application: application.address,
            application_size: application.size,
            least_version: None,
            version_command: Feature::Off,
            console: ConsoleOutput::Silent,
        })
    });
    let mut known = Vec::new();
    for (memory, partition, model) in [
        (Memory::App, "app.bootloader", Some(mcuboot)),
        (Memory::Net, "net.bootloader", b0n),
    ] {
        let (Some(model), Some(region)) = (model, set.layout.region(partition)) else {
            continue;
        };
        let end = u32::try_from(region.end()).unwrap_or(u32::MAX);
        for release in set.releases.values() {
            for program in &release.program {
                let text = String::from_utf8_lossy(program.file.contents());
                // Other formats, and files that are damaged, are for others to complain of.
                let Ok(hex) = HexFile::parse(&text) else {
                    continue;
                };
                if let Some(bytes) = binary(&hex, memory.start(), end) {
                    known.push(Found {
                        set,
                        bytes,
                        model: model.clone(),
                    });
                }
            }
        }
    }
    Ok(known)
}

/// The server that the set describes.
fn smp_model(built: SmpServer) -> SmpModel {
    let usual = SmpModel::default();
    let feature = |on: Option<bool>, usual| match on {
        Some(true) => Feature::On,
        Some(false) => Feature::Off,
        None => usual,
    };
    SmpModel {
        buf_size: built.buf_size.unwrap_or(usual.buf_size),
        buf_count: built.buf_count.unwrap_or(usual.buf_count),
        ble_reassembly: feature(built.ble_reassembly, usual.ble_reassembly),
        params: feature(built.params, usual.params),
        image_check: feature(built.image_check, usual.image_check),
        slot_info: feature(built.slot_info, usual.slot_info),
        frugal_list: feature(built.frugal_list, usual.frugal_list),
        ..usual
    }
}

fn key(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|error| {
        CliError::usage(format_args!(
            "key `{}` cannot be read: {error}",
            path.display()
        ))
        .with_help(Some("check `keys` in the firmware set"))
    })
}

/// The binary at the start of a flash, up to the first large gap.
fn binary(hex: &HexFile, start: u32, limit: u32) -> Option<Vec<u8>> {
    let mut end = start;
    for (address, bytes) in hex.pieces() {
        if address < start {
            continue;
        }
        if address >= limit || address - end.min(address) > LARGEST_GAP {
            break;
        }
        end = address
            .saturating_add(u32::try_from(bytes.len()).ok()?)
            .min(limit);
    }
    if end == start {
        return None;
    }
    hex.read(start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two pieces with a small gap, and one far behind them, as b0n and its provisioned data.
    const HEX: &str =
        ":020000040100F9\n:0400000001020304F2\n:020006000506ED\n:0280000009096C\n:00000001FF\n";

    #[test]
    fn a_binary_ends_where_a_large_gap_begins() {
        let hex = HexFile::parse(HEX).unwrap();
        assert_eq!(
            binary(&hex, 0x0100_0000, 0x0100_8800).unwrap(),
            [1, 2, 3, 4, 0xFF, 0xFF, 5, 6]
        );
        assert_eq!(binary(&hex, 0, 0x1_0000), None);
    }
}
