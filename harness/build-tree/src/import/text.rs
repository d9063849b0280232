//! The text of a firmware set's file.

use super::layout::Layout;
use super::{FileEntry, KeyEntries, Release};
use crate::bootloader::Bootloader;
use hil_bootloader::{AddressCheck, ContentKeySize};
use hil_scenario::SmpServer;
use serde::Serialize;
use std::fmt::Write as _;

pub(super) fn render(
    name: &str,
    layout: &Layout,
    loader: &Bootloader,
    keys: &KeyEntries,
    smp: SmpServer,
    releases: &[Release],
) -> String {
    let mut text = String::from(
        "# Written by `dfu-hil firmware import`. Check it with `dfu-hil firmware check`; docs/firmware-sets.md explains it.\n",
    );
    let mut line = |line: std::fmt::Arguments<'_>| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{line}");
    };
    line(format_args!("firmware: {}\n\nlayout:", quoted(name)));
    for entry in &layout.entries {
        line(format_args!(
            "  {:<15} {{ core: {}, address: {:#010X}, size: {:#X} }}",
            format!("{}:", entry.name),
            entry.memory,
            entry.address,
            entry.size
        ));
    }
    let config = &loader.config;
    line(format_args!("\nbootloader:"));
    line(format_args!("  mode: {}", word(&config.mode)));
    line(format_args!("  signature: {}", word(&config.signature)));
    line(format_args!("  encryption: {}", word(&config.encryption)));
    if config.content_key != ContentKeySize::Aes128 {
        line(format_args!("  content-key: {}", word(&config.content_key)));
    }
    if config.save_enctlv {
        line(format_args!("  save-enctlv: true"));
    }
    line(format_args!(
        "  downgrade-prevention: {}",
        word(&config.downgrade_prevention)
    ));
    if config.compare_build_number {
        line(format_args!("  compare-build-number: true"));
    }
    line(format_args!(
        "  validate-primary: {}",
        config.validate_primary
    ));
    if config.address_check != AddressCheck::None {
        line(format_args!(
            "  address-check: {}",
            word(&config.address_check)
        ));
    }
    line(format_args!(
        "  network-core: {}",
        word(&config.network_core)
    ));
    if config.network_version_check {
        line(format_args!("  network-version-check: true"));
    }
    if config.b0n.version_command {
        line(format_args!("  b0n: {{ version-command: true }}"));
    }
    line(format_args!("  line: {}", word(&config.line)));
    line(format_args!("  max-sectors: {}", config.max_sectors));
    if let Some(recovery) = &config.serial_recovery {
        // A JSON text is a YAML text; what cannot be written is left out, and there is no such thing here.
        let settings = serde_json::to_string(recovery).unwrap_or_else(|_| "{}".to_owned());
        line(format_args!("  serial-recovery: {settings}"));
    }
    if loader.simultaneous {
        for slots in images(layout) {
            line(format_args!("{slots}"));
        }
    }
    let keys: Vec<_> = [
        ("signing", keys.signing.as_deref()),
        ("encryption", keys.encryption.as_deref()),
    ]
    .into_iter()
    .filter_map(|(name, path)| Some(format!("{name}: {}", quoted(path?))))
    .collect();
    if !keys.is_empty() {
        line(format_args!("\nkeys: {{ {} }}", keys.join(", ")));
    }
    if smp != SmpServer::default() {
        line(format_args!("\nsmp:"));
        let options = serde_json::to_value(smp).unwrap_or_default();
        for (name, value) in options.as_object().into_iter().flatten() {
            line(format_args!("  {name}: {value}"));
        }
    }
    line(format_args!("\nreleases:"));
    for release in releases {
        line(format_args!("  # {}", release.comment));
        line(format_args!("  {}:", key(&release.name)));
        if !release.program.is_empty() {
            line(format_args!("    program:"));
            for (core, file) in &release.program {
                line(format_args!(
                    "      - {{ core: {core}, {} }}",
                    written(file)
                ));
            }
        }
        if !release.images.is_empty() {
            line(format_args!("    images:"));
            for (core, file) in &release.images {
                line(format_args!("      {core}: {{ {} }}", written(file)));
            }
        }
    }
    text
}

/// The slots of both images, where the network core's have a place of their own.
fn images(layout: &Layout) -> Vec<String> {
    let area = |name: &str| {
        let entry = layout.get(name)?;
        let device = match entry.memory {
            "external" => "external",
            _ => "app-flash",
        };
        Some(format!(
            "{{ device: {device}, offset: {:#010X}, size: {:#X} }}",
            entry.address, entry.size
        ))
    };
    let (Some(primary), Some(secondary), Some(network), Some((offset, size))) = (
        area("app.primary"),
        area("app.secondary"),
        area("net.secondary"),
        layout.ram_slot,
    ) else {
        return Vec::new();
    };
    vec![
        "  images:".to_owned(),
        format!("    - primary: {primary}"),
        format!("      secondary: {secondary}"),
        format!("    - primary: {{ device: ram-flash, offset: {offset:#010X}, size: {size:#X} }}"),
        format!("      secondary: {network}"),
    ]
}

fn written(file: &FileEntry) -> String {
    format!("file: {}, sha256: {}", quoted(&file.path), file.sha256)
}

/// A text as YAML; in quotes when it could be read as something else.
/// A name as a key: in quotes where YAML would take it for a number.
fn key(name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off"]
            .contains(&text.to_ascii_lowercase().as_str());
    if plain {
        text.to_owned()
    } else {
        // A JSON text is a YAML text.
        serde_json::Value::from(text).to_string()
    }
}

/// The name of a setting, as it stands in files.
fn word(setting: &impl Serialize) -> String {
    match serde_json::to_value(setting) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
