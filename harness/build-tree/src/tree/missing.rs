//! What a build folder lacks, and why it usually does.

use super::outputs::{application_name, network_name, package_name};
use super::{BuildSystem, BuildTree};
use crate::finding::Finding;
use crate::manifest::ManifestFile;
use hil_scenario::{Core, Stored};

pub(super) fn explain(tree: &BuildTree) -> Vec<Finding> {
    [
        bootloader(tree),
        partitions(tree),
        application(tree),
        encrypted(tree),
        network(tree),
        package(tree),
        multi_image(tree),
        programs(tree, Core::App),
        programs(tree, Core::Net),
        single_core(tree),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const UNFINISHED: &str = "the build stopped before it, or the file was left out when the folder was copied (`*.bin` and `*.hex` in a .gitignore): build again";

fn bootloader(tree: &BuildTree) -> Option<Finding> {
    tree.mcuboot_options.is_none().then(|| {
        Finding::error(tree.shown("mcuboot/zephyr/.config"), "is missing")
            .expected("MCUboot's options: they say how an update is done")
            .help("copy the whole build folder, files that start with a dot too; a build without it was stopped before MCUboot was configured")
    })
}

fn partitions(tree: &BuildTree) -> Option<Finding> {
    let table = tree.partitions.as_ref();
    let file = tree.shown(&tree.partitions_file);
    match table {
        None => Some(
            Finding::error(file, "is missing")
                .expected("the partition manager's table (or `pm.config`)")
                .help("set SB_CONFIG_PARTITION_MANAGER=y; builds whose partitions are in devicetree (from SDK 3.3 on) have no such table, so describe them in a `pm_static.yml` beside the build folder"),
        ),
        Some(table) => {
            let single = tree
                .mcuboot_options
                .as_ref()
                .is_some_and(|options| options.is_on("CONFIG_SINGLE_APPLICATION_SLOT"));
            let lacking: Vec<_> = ["mcuboot_primary", "mcuboot_secondary"]
                .into_iter()
                .filter(|name| !single || *name == "mcuboot_primary")
                .filter(|name| table.get(name).is_none())
                .collect();
            (!lacking.is_empty()).then(|| {
                Finding::error(file, format_args!("has no partition {}", lacking.join(" and no ")))
                    .expected("both slots of the application")
                    .help("name `mcuboot_primary` and `mcuboot_secondary` in `pm_static.yml`; MCUboot does without the second only with CONFIG_SINGLE_APPLICATION_SLOT=y")
            })
        }
    }
}

fn application(tree: &BuildTree) -> Option<Finding> {
    if tree.application_update.is_some() {
        return None;
    }
    let name = application_name(tree, Stored::Plain);
    let missing = if tree.application_encrypted.is_some() {
        // It can be sent; only the comparison with what is programmed is lost.
        Finding::warning(tree.shown(&name), "is missing")
    } else {
        Finding::error(tree.shown(&name), "is missing")
    };
    let options = &tree.application_options;
    let unsigned = tree.application_folder("zephyr/zephyr.bin");
    let signature = "CONFIG_MCUBOOT_SIGNATURE_KEY_FILE";
    Some(if tree.folder.has(&unsigned) {
        missing
            .expected("the signed application")
            .help(format!(
                "there is `{}`, which is unsigned and which MCUboot refuses; images are signed when {} ({} here)",
                tree.shown(&unsigned),
                match tree.system {
                    BuildSystem::Sysbuild => "SB_CONFIG_BOOTLOADER_MCUBOOT=y and SB_CONFIG_BOOT_SIGNATURE_KEY_FILE names a key",
                    BuildSystem::ChildImages => "CONFIG_BOOTLOADER_MCUBOOT=y and CONFIG_BOOT_SIGNATURE_KEY_FILE of MCUboot names a key",
                },
                match tree.system {
                    BuildSystem::Sysbuild => options.line(signature),
                    BuildSystem::ChildImages => options.line("CONFIG_BOOTLOADER_MCUBOOT"),
                }
            ))
    } else {
        missing.expected("the signed application").help(UNFINISHED)
    })
}

/// The encrypted image, where the bootloader decrypts.
fn encrypted(tree: &BuildTree) -> Option<Finding> {
    (tree.encrypts() && tree.application_encrypted.is_none()).then(|| {
        Finding::warning(
            tree.shown(&application_name(tree, Stored::Encrypted)),
            "is missing",
        )
        .expected("the encrypted application: this MCUboot decrypts")
        .help("set SB_CONFIG_BOOT_ENCRYPTION=y and SB_CONFIG_BOOT_ENCRYPTION_KEY_FILE (from SDK 2.7 on); before, sign `app_to_sign.bin` with `imgtool sign -E KEY` and name the file so")
    })
}

fn network(tree: &BuildTree) -> Option<Finding> {
    if tree.network_update.is_some() || is_single_core(tree) {
        return None;
    }
    let (file, help) = match tree.system {
        BuildSystem::Sysbuild => {
            let options = &tree.sysbuild_options;
            let file = network_name(tree)
                .unwrap_or_else(|| "signed_by_mcuboot_and_b0_ipc_radio.bin".to_owned());
            let needed = [
                "SB_CONFIG_BOOTLOADER_MCUBOOT",
                "SB_CONFIG_SECURE_BOOT_NETCORE",
                "SB_CONFIG_NETCORE_APP_UPDATE",
            ];
            (file, needs(needed, options, "sysbuild.conf"))
        }
        BuildSystem::ChildImages => (
            "zephyr/net_core_app_update.bin".to_owned(),
            needs(
                [
                    "CONFIG_BOOTLOADER_MCUBOOT",
                    "CONFIG_NRF53_UPGRADE_NETWORK_CORE",
                ],
                &tree.application_options,
                "prj.conf of the application",
            ),
        ),
    };
    Some(
        Finding::warning(tree.shown(&file), "is missing")
            .expected("the network core's image, signed for b0n and for MCUboot")
            .help(help),
    )
}

/// Which of the options is off, or that all are on.
fn needs<const N: usize>(
    options: [&str; N],
    found: &crate::kconfig::Kconfig,
    place: &str,
) -> String {
    if found.is_empty() {
        return format!(
            "its options are not there to look at; in {place} it needs {}=y",
            options.join("=y, ")
        );
    }
    let off: Vec<_> = options
        .into_iter()
        .filter(|name| !found.is_on(name))
        .collect();
    if off.is_empty() {
        format!("all options that it needs are set; {UNFINISHED}")
    } else {
        let lines: Vec<_> = off.iter().map(|name| found.line(name)).collect();
        format!(
            "set {}=y in {place}: {} here",
            off.join("=y and "),
            lines.join(", ")
        )
    }
}

/// Whether the build has nothing for the network core, by its own choice.
fn is_single_core(tree: &BuildTree) -> bool {
    tree.network.is_none()
        && match tree.system {
            BuildSystem::Sysbuild => !tree.sysbuild_options.is_on("SB_CONFIG_NETCORE_APP_UPDATE"),
            BuildSystem::ChildImages => !tree
                .application_options
                .is_on("CONFIG_NRF53_UPGRADE_NETWORK_CORE"),
        }
}

fn single_core(tree: &BuildTree) -> Option<Finding> {
    (tree.network_update.is_none() && is_single_core(tree)).then(|| {
        let help = match tree.system {
            BuildSystem::Sysbuild => "for a network core image set SB_CONFIG_NETCORE_IPC_RADIO=y or SB_CONFIG_NETCORE_EMPTY=y, and SB_CONFIG_SECURE_BOOT_NETCORE=y and SB_CONFIG_NETCORE_APP_UPDATE=y to update it",
            BuildSystem::ChildImages => "for a network core image that can be updated set CONFIG_NRF53_UPGRADE_NETWORK_CORE=y, and CONFIG_BT=y or CONFIG_NCS_SAMPLE_EMPTY_NET_CORE_CHILD_IMAGE=y for an image",
        };
        Finding::note(
            tree.path().display(),
            "is a build for the application core alone: scenarios about the network core are skipped",
        )
        .help(help)
    })
}

fn package(tree: &BuildTree) -> Option<Finding> {
    let name = package_name(tree);
    if let Some((shown, package)) = &tree.package {
        // One image in MCUboot, one in the package: the network core's is sent by itself.
        let simultaneous = tree
            .mcuboot_options
            .as_ref()
            .is_some_and(|options| options.is_on("CONFIG_NRF53_MULTI_IMAGE_UPDATE"));
        let lacks_network = simultaneous
            && tree.network_update.is_some()
            && !package.manifest.files.iter().any(ManifestFile::is_network);
        return lacks_network.then(|| {
            Finding::warning(shown, "has no image for the network core")
                .expected("both images: phone apps and `mcumgr` packages update from this file")
                .help(match tree.system {
                    BuildSystem::Sysbuild => format!(
                        "set SB_CONFIG_DFU_ZIP_NET=y ({} here)",
                        tree.sysbuild_options.line("SB_CONFIG_DFU_ZIP_NET")
                    ),
                    BuildSystem::ChildImages => UNFINISHED.to_owned(),
                })
        });
    }
    if tree.folder.has(name) {
        // It is there, and what is wrong with it was told.
        return None;
    }
    Some(
        Finding::warning(tree.shown(name), "is missing")
            .expected("the package that phone apps update from")
            .help(match tree.system {
                BuildSystem::Sysbuild if !tree.sysbuild_options.is_on("SB_CONFIG_DFU_ZIP") => {
                    format!(
                        "set SB_CONFIG_DFU_ZIP=y in sysbuild.conf ({} here); images that are sent one by one do not need it",
                        tree.sysbuild_options.line("SB_CONFIG_DFU_ZIP")
                    )
                }
                _ => format!("images that are sent one by one do not need it; {UNFINISHED}"),
            }),
    )
}

fn multi_image(tree: &BuildTree) -> Option<Finding> {
    let (name, option, options) = match tree.system {
        BuildSystem::Sysbuild => (
            "dfu_multi_image.bin",
            "SB_CONFIG_DFU_MULTI_IMAGE_PACKAGE_BUILD",
            &tree.sysbuild_options,
        ),
        BuildSystem::ChildImages => (
            "zephyr/dfu_multi_image.bin",
            "CONFIG_DFU_MULTI_IMAGE_PACKAGE_BUILD",
            &tree.application_options,
        ),
    };
    (options.is_on(option) && !tree.folder.has(name)).then(|| {
        Finding::warning(tree.shown(name), "is missing")
            .expected(format_args!("a file, for {option}=y"))
            .help(UNFINISHED)
    })
}

fn programs(tree: &BuildTree, core: Core) -> Option<Finding> {
    if tree.program.iter().any(|(of, _)| *of == core)
        || (core == Core::Net && tree.network.is_none())
    {
        return None;
    }
    let (name, parts) = match (tree.system, core) {
        (BuildSystem::Sysbuild, Core::App) => (
            "merged.hex".to_owned(),
            "`mcuboot/zephyr/zephyr.hex` and the application's `zephyr.signed.hex`",
        ),
        (BuildSystem::ChildImages, Core::App) => (
            "zephyr/merged.hex".to_owned(),
            "`mcuboot/zephyr/zephyr.hex` and `zephyr/app_signed.hex`",
        ),
        (BuildSystem::Sysbuild, Core::Net) => (
            "merged_CPUNET.hex".to_owned(),
            "`b0n_container.hex`, `net_provision.hex` and `signed_by_b0_….hex`",
        ),
        (BuildSystem::ChildImages, Core::Net) => (
            format!(
                "{}/zephyr/merged_CPUNET.hex",
                tree.network.as_deref().unwrap_or("network")
            ),
            "`b0n_container.hex` and `signed_by_b0_app.hex` beside it",
        ),
    };
    Some(
        Finding::warning(tree.shown(&name), "is missing, and so are its parts")
            .expected(format_args!(
                "what is programmed as the baseline: this file, or {parts}"
            ))
            .help(UNFINISHED),
    )
}
