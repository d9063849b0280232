//! The files of a build that an update needs, found by the names that its build system gives them.

use super::{BuildSystem, BuildTree, Output};
use crate::finding::Finding;
use crate::folder::FolderError;
use crate::kconfig::Kconfig;
use crate::multi_image::{MAX_MULTI_IMAGE_BYTES, parse_multi_image};
use crate::package::{MAX_ZIP_BYTES, Package};
use crate::partitions::shortened;
use hil_image::{Image, ImageHeader};
use hil_scenario::{Core, Stored};

/// The longest image in bytes (ours): all external flash of the DK.
const MAX_IMAGE_BYTES: u64 = 8 * 1024 * 1024;

pub(super) fn collect(tree: &mut BuildTree) -> Result<(), FolderError> {
    read_package(tree)?;
    let image = |name: &str| output(tree, name, MAX_IMAGE_BYTES);
    let plain = image(&application_name(tree, Stored::Plain))?;
    let encrypted = image(&application_name(tree, Stored::Encrypted))?;
    let network = network_name(tree).map(|name| image(&name)).transpose()?;
    tree.application_update = plain;
    tree.application_encrypted = encrypted;
    tree.network_update = network.flatten();
    take_from_package(tree);
    compare_with_package(tree);
    check_multi_image(tree)?;
    tree.program = program(tree)?;
    Ok(())
}

/// Name of the application's signed image, in clear or encrypted.
pub(super) fn application_name(tree: &BuildTree, stored: Stored) -> String {
    let suffix = match stored {
        Stored::Plain => "bin",
        Stored::Encrypted => "encrypted.bin",
    };
    match tree.system {
        BuildSystem::ChildImages => format!("zephyr/app_update.{suffix}"),
        BuildSystem::Sysbuild => {
            let base = tree
                .application_options
                .text("CONFIG_KERNEL_BIN_NAME")
                .unwrap_or("zephyr");
            tree.application_folder(&format!("zephyr/{base}.signed.{suffix}"))
        }
    }
}

/// Name of the network core's update; nothing when there is no such image.
pub(super) fn network_name(tree: &BuildTree) -> Option<String> {
    match (tree.system, &tree.network) {
        (BuildSystem::ChildImages, _) => Some("zephyr/net_core_app_update.bin".to_owned()),
        (BuildSystem::Sysbuild, Some(network)) => {
            Some(format!("signed_by_mcuboot_and_b0_{network}.bin"))
        }
        (BuildSystem::Sysbuild, None) => None,
    }
}

/// The DFU zip's name.
pub(super) fn package_name(tree: &BuildTree) -> &'static str {
    match tree.system {
        BuildSystem::ChildImages => "zephyr/dfu_application.zip",
        BuildSystem::Sysbuild => "dfu_application.zip",
    }
}

impl BuildTree {
    /// Whether MCUboot was built to decrypt.
    pub(crate) fn encrypts(&self) -> bool {
        let option = |name: &str| {
            self.mcuboot_options
                .as_ref()
                .is_some_and(|options| options.is_on(name))
        };
        [
            "CONFIG_BOOT_ENCRYPT_IMAGE",
            "CONFIG_BOOT_ENCRYPT_RSA",
            "CONFIG_BOOT_ENCRYPT_EC256",
            "CONFIG_BOOT_ENCRYPT_X25519",
        ]
        .into_iter()
        .any(option)
    }
}

fn output(tree: &BuildTree, name: &str, limit: u64) -> Result<Option<Output>, FolderError> {
    Ok(tree.folder.read(name, limit)?.map(|bytes| Output {
        shown: tree.shown(name),
        name: name.rsplit('/').next().unwrap_or(name).to_owned(),
        bytes,
    }))
}

fn is_encrypted(image: &[u8]) -> bool {
    ImageHeader::parse(image).is_ok_and(|header| header.flags.is_encrypted())
}

fn read_package(tree: &mut BuildTree) -> Result<(), FolderError> {
    let name = package_name(tree);
    let Some(bytes) = tree.folder.read(name, MAX_ZIP_BYTES)? else {
        return Ok(());
    };
    let shown = tree.shown(name);
    match Package::parse(&bytes) {
        Ok(package) => tree.package = Some((shown, package)),
        Err(error) => tree
            .findings
            .push(Finding::error(shown, &error).help(error.help())),
    }
    Ok(())
}

/// What is missing as a file may be in the zip: it is the same, byte for byte.
fn take_from_package(tree: &mut BuildTree) {
    let Some((shown, package)) = &tree.package else {
        return;
    };
    for file in &package.manifest.files {
        if file.kind == "mcuboot" {
            continue;
        }
        let encrypted = package
            .members
            .get(&file.file)
            .is_some_and(|bytes| is_encrypted(bytes));
        let slot = match (file.is_network(), file.image_index, encrypted) {
            (true, _, _) => &mut tree.network_update,
            (false, None | Some(0), true) => &mut tree.application_encrypted,
            (false, None | Some(0), false) => &mut tree.application_update,
            _ => continue,
        };
        if slot.is_none()
            && let Some(bytes) = package.members.get(&file.file)
        {
            *slot = Some(Output {
                shown: format!("{shown}#{}", file.file),
                name: file.file.clone(),
                bytes: bytes.clone(),
            });
        }
    }
}

fn compare_with_package(tree: &mut BuildTree) {
    let Some((shown, package)) = &tree.package else {
        return;
    };
    let mut findings = Vec::new();
    for file in &package.manifest.files {
        let member = format!("{shown}#{}", file.file);
        if !file.is_nrf5340() {
            findings.push(
                Finding::error(&member, format_args!("is for {}", shortened(&file.soc)))
                    .expected("the nRF5340"),
            );
            continue;
        }
        let Some(packed) = package.members.get(&file.file) else {
            continue;
        };
        let loose = match (file.is_network(), file.image_index, is_encrypted(packed)) {
            (true, _, _) => &tree.network_update,
            (false, None | Some(0), true) => &tree.application_encrypted,
            (false, None | Some(0), false) => &tree.application_update,
            _ => continue,
        };
        let Some(loose) = loose else {
            continue;
        };
        if file.kind != "mcuboot" && loose.bytes != *packed {
            findings.push(
                Finding::warning(
                    &member,
                    format_args!("is another image than `{}` beside it", loose.shown),
                )
                .expected("the same bytes: the SDK packs this file")
                .help("one of them is from an earlier build; delete the zip and build again"),
            );
        }
        let Ok(header) = ImageHeader::parse(packed) else {
            continue;
        };
        if let Some(version) = &file.version_mcuboot
            && version.parse() != Ok(header.version)
        {
            findings.push(
                Finding::warning(
                    &member,
                    format_args!("has version {} in its header", header.version),
                )
                .expected(format_args!(
                    "{} as `manifest.json` says",
                    shortened(version)
                ))
                .help("tools show the manifest's version, the device compares the header's: build the package again"),
            );
        }
    }
    tree.findings.extend(findings);
}

fn check_multi_image(tree: &mut BuildTree) -> Result<(), FolderError> {
    let name = match tree.system {
        BuildSystem::ChildImages => "zephyr/dfu_multi_image.bin",
        BuildSystem::Sysbuild => "dfu_multi_image.bin",
    };
    let Some(bytes) = tree.folder.read(name, MAX_MULTI_IMAGE_BYTES)? else {
        return Ok(());
    };
    let shown = tree.shown(name);
    let images = match parse_multi_image(&bytes) {
        Ok(images) => images,
        Err(error) => {
            tree.findings.push(
                Finding::error(shown, &error)
                    .help("the file was cut off or is none of the SDK's: build again"),
            );
            return Ok(());
        }
    };
    for image in images {
        let (core, slot) = match image.id {
            0 if is_encrypted(image.bytes) => ("application", &mut tree.application_encrypted),
            0 => ("application", &mut tree.application_update),
            1 => ("network core", &mut tree.network_update),
            _ => continue,
        };
        let member = format!("{shown}#{}", image.id);
        if Image::parse(image.bytes).is_err() {
            tree.findings.push(
                Finding::error(&member, format_args!("{core} image has no MCUboot header"))
                    .expected("a signed image")
                    .help("early sysbuild versions packed `signed_by_b0_…`, which b0n takes and MCUboot refuses: use a newer SDK, or send the images one by one"),
            );
            continue;
        }
        match slot {
            None => {
                *slot = Some(Output {
                    shown: member,
                    name: format!("dfu_multi_image_{}.bin", image.id),
                    bytes: image.bytes.to_vec(),
                });
            }
            Some(loose) if loose.bytes != image.bytes => tree.findings.push(
                Finding::warning(
                    &member,
                    format_args!("is another image than `{}`", loose.shown),
                )
                .expected("the same bytes: the SDK packs this file")
                .help("one of them is from an earlier build; delete both and build again"),
            ),
            Some(_) => {}
        }
    }
    Ok(())
}

/// What a programmer puts on the board: the merged files, or the pieces that they are merged from.
fn program(tree: &BuildTree) -> Result<Vec<(Core, Output)>, FolderError> {
    let network = tree.network.as_deref().unwrap_or("network");
    let base = |options: Option<&Kconfig>| {
        options
            .and_then(|options| options.text("CONFIG_KERNEL_BIN_NAME"))
            .unwrap_or("zephyr")
            .to_owned()
    };
    let mcuboot = format!("mcuboot/zephyr/{}.hex", base(tree.mcuboot_options.as_ref()));
    let signed = format!(
        "zephyr/{}.signed.hex",
        base(Some(&tree.application_options))
    );
    let (application, network_files): ([Vec<String>; 2], [Vec<String>; 2]) = match tree.system {
        BuildSystem::ChildImages => (
            [
                vec!["zephyr/merged.hex".to_owned()],
                vec![mcuboot, "zephyr/app_signed.hex".to_owned()],
            ],
            [
                vec![format!("{network}/zephyr/merged_CPUNET.hex")],
                vec![
                    format!("{network}/zephyr/b0n_container.hex"),
                    format!("{network}/zephyr/signed_by_b0_app.hex"),
                ],
            ],
        ),
        BuildSystem::Sysbuild => (
            [
                vec!["merged.hex".to_owned()],
                vec![mcuboot, tree.application_folder(&signed)],
            ],
            [
                vec!["merged_CPUNET.hex".to_owned()],
                vec![
                    "b0n_container.hex".to_owned(),
                    "net_provision.hex".to_owned(),
                    format!("signed_by_b0_{network}.hex"),
                ],
            ],
        ),
    };
    let mut program = Vec::new();
    for (core, choices) in [(Core::App, application), (Core::Net, network_files)] {
        for names in choices {
            let outputs = names
                .iter()
                .map(|name| output(tree, name, crate::hex_file::MAX_HEX_BYTES))
                .collect::<Result<Option<Vec<_>>, _>>()?;
            if let Some(outputs) = outputs {
                program.extend(outputs.into_iter().map(|output| (core, output)));
                break;
            }
        }
    }
    Ok(program)
}
