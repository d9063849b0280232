//! The firmware set file.

use std::fmt::Write;

use hil_bootloader::{Config, Encryption};
use serde::Serialize;

use super::Variant;
use super::releases::Release;

/// The text of the file that describes a set.
pub(super) fn render(variant: Variant, releases: &[Release]) -> String {
    let mut text = format!(
        "# Demo firmware set of dfu-hil, generated: model firmware that runs on the virtual DK only.\n\
         # {}.\nfirmware: {}\n\nlayout:\n",
        variant.summary(),
        variant.set_name()
    );
    let mut add = |line: std::fmt::Arguments<'_>| {
        writeln!(text, "{line}").expect("writing to a String cannot fail");
    };
    for partition in variant.layout() {
        let name = format!("{}:", partition.name);
        let (core, address, size) = (partition.core, partition.address, partition.size);
        add(format_args!(
            "  {name:<15} {{ core: {core}, address: {address:#010X}, size: {size:#X} }}"
        ));
    }
    let config = variant.bootloader();
    add(format_args!("\nbootloader:"));
    add(format_args!("  mode: {}", name(&config.mode)));
    add(format_args!("  signature: {}", name(&config.signature)));
    add(format_args!("  encryption: {}", name(&config.encryption)));
    add(format_args!(
        "  downgrade-prevention: {}",
        name(&config.downgrade_prevention)
    ));
    add(format_args!(
        "  validate-primary: {}",
        config.validate_primary
    ));
    add(format_args!(
        "  network-core: {}",
        name(&config.network_core)
    ));
    add(format_args!("  max-sectors: {}", config.max_sectors));
    for (setting, value) in unusual(&config) {
        add(format_args!("  {setting}: {value}"));
    }
    if let Some(recovery) = &config.serial_recovery {
        add(format_args!("  serial-recovery: {}", flow(recovery)));
    }
    let encryption = match config.encryption {
        Encryption::None => "",
        _ => ", encryption: keys/encryption.pem",
    };
    add(format_args!(
        "\nkeys: {{ signing: keys/signing.pub.pem, signing-private: keys/signing.pem{encryption} }}"
    ));
    add(format_args!("\nreleases:"));
    for release in releases {
        add(format_args!("  # {}", release.summary));
        add(format_args!("  {}:", release.name));
        if release.refused {
            // A JSON text is a YAML text.
            let why = serde_json::Value::from(release.summary);
            add(format_args!("    refused: {why}"));
        }
        if !release.program.is_empty() {
            add(format_args!("    program:"));
            for (core, file, _) in &release.program {
                add(format_args!(
                    "      - {{ core: {core}, file: {}/{file} }}",
                    release.name
                ));
            }
        }
        if !release.images.is_empty() {
            add(format_args!("    images:"));
        }
        for (image, file, _) in &release.images {
            add(format_args!(
                "      {image}: {{ file: {}/{file} }}",
                release.name
            ));
        }
    }
    text
}

/// The settings that are not always told and have another value than MCUboot's default, without the slots: those are
/// the layout's.
fn unusual(config: &Config) -> Vec<(String, serde_json::Value)> {
    const TOLD: [&str; 10] = [
        "mode",
        "signature",
        "encryption",
        "downgrade-prevention",
        "validate-primary",
        "network-core",
        "max-sectors",
        "serial-recovery",
        "images",
        "scratch",
    ];
    let plain = Config {
        images: Vec::new(),
        ..Config::new(config.mode, config.signature, config.images[0])
    };
    match (serde_json::to_value(config), serde_json::to_value(plain)) {
        (Ok(serde_json::Value::Object(settings)), Ok(plain)) => settings
            .into_iter()
            .filter(|(name, value)| {
                !TOLD.contains(&name.as_str()) && plain.get(name) != Some(value)
            })
            .collect(),
        other => unreachable!("settings are a map, not {other:?}"),
    }
}

/// Settings that are plain words and numbers, in one line.
fn flow(settings: &impl Serialize) -> String {
    match serde_json::to_value(settings) {
        Ok(settings) => flow_value(&settings),
        Err(error) => unreachable!("settings are plain: {error}"),
    }
}

fn flow_value(value: &serde_json::Value) -> String {
    let serde_json::Value::Object(settings) = value else {
        return value.to_string();
    };
    let settings: Vec<String> = settings
        .iter()
        .map(|(name, value)| format!("{name}: {}", flow_value(value)))
        .collect();
    format!("{{ {} }}", settings.join(", "))
}

/// The name of a setting, as it stands in files.
fn name(setting: &impl Serialize) -> String {
    match serde_json::to_value(setting) {
        Ok(serde_json::Value::String(name)) => name,
        other => unreachable!("settings are plain enums, not {other:?}"),
    }
}
