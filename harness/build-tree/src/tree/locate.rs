//! Which folder is the build, and which image in it is which.

use super::{BuildSystem, BuildTree, TreeError};
use crate::finding::Finding;
use crate::folder::{Folder, FolderError, is_plain_name};
use crate::kconfig::{Kconfig, MAX_CONFIG_BYTES};
use crate::keys::{MAX_KEY_SOURCE_BYTES, key_in_source};
use crate::line::Origin;
use crate::partitions::{MAX_TABLE_BYTES, Partitions, shortened};
use hil_scenario::bounded_yaml;
use std::path::Path;

/// What only a build folder of the SDK has. `sysbuild_modules.txt` is in both layouts and so tells nothing.
const MARKERS: [&str; 7] = [
    "domains.yaml",
    "zephyr/.config",
    "mcuboot/zephyr/.config",
    "partitions.yml",
    "zephyr/app_update.bin",
    "dfu_application.zip",
    "zephyr/dfu_application.zip",
];

/// `CMakeCache.txt` is some hundred kilobytes long (the limit is ours).
const MAX_CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Folders of a build that are no image of the application core.
const OTHER_IMAGES: [&str; 8] = [
    "mcuboot",
    "b0n",
    "b0",
    "s1_image",
    "modules",
    "zephyr",
    "tfm",
    "_sysbuild",
];

pub(super) fn recognise(path: &Path) -> Result<BuildTree, TreeError> {
    let (folder, note) = build_folder(path)?;
    let domains = folder.text("domains.yaml", MAX_TABLE_BYTES)?;
    let top = options(&folder, "zephyr/.config")?;
    let system = if top.is_sysbuild() || (domains.is_some() && top.is_empty()) {
        BuildSystem::Sysbuild
    } else {
        BuildSystem::ChildImages
    };
    let network = network_image(&folder, system, &top)?;
    let application = match system {
        BuildSystem::Sysbuild => {
            application_image(&folder, domains.as_deref(), network.as_deref())?
        }
        BuildSystem::ChildImages => folder
            .parent()
            .and_then(Path::file_name)
            .map_or_else(|| folder.name(), |name| name.to_string_lossy().into_owned()),
    };
    let (application_options, sysbuild_options) = match system {
        BuildSystem::ChildImages => (top, Kconfig::default()),
        BuildSystem::Sysbuild => (
            options(&folder, &format!("{application}/zephyr/.config"))?,
            top,
        ),
    };
    let mcuboot_options =
        Some(options(&folder, "mcuboot/zephyr/.config")?).filter(|options| !options.is_empty());
    let b0n_options = match (system, &network) {
        (BuildSystem::Sysbuild, _) => options(&folder, "b0n/zephyr/.config")?,
        (BuildSystem::ChildImages, Some(network)) => {
            options(&folder, &format!("{network}/b0n/zephyr/.config"))?
        }
        (BuildSystem::ChildImages, None) => Kconfig::default(),
    };
    let mut tree = BuildTree {
        b0n_options,
        sdk: None,
        board: None,
        partitions: None,
        partitions_file: "partitions.yml".to_owned(),
        network_partitions: None,
        signing_key: folder
            .text("mcuboot/zephyr/autogen-pubkey.c", MAX_KEY_SOURCE_BYTES)?
            .and_then(|text| key_in_source(&text)),
        application_update: None,
        application_encrypted: None,
        network_update: None,
        program: Vec::new(),
        package: None,
        findings: note.into_iter().collect(),
        folder,
        system,
        application,
        network,
        application_options,
        sysbuild_options,
        mcuboot_options,
        mcuboot_origin: Origin::default(),
    };
    check_chip(&tree)?;
    check_bootloader(&tree)?;
    tree.sdk = sdk_version(&tree)?;
    tree.mcuboot_origin = Origin::of(&tree)?;
    tree.board = board(&tree)?;
    read_partitions(&mut tree)?;
    Ok(tree)
}

fn is_build(folder: &Folder) -> bool {
    MARKERS.iter().any(|marker| folder.has(marker))
}

/// The folder itself, or the only build folder in it.
fn build_folder(path: &Path) -> Result<(Folder, Option<Finding>), TreeError> {
    let folder = Folder::open(path)?;
    if is_build(&folder) {
        return Ok((folder, None));
    }
    let mut found = Vec::new();
    for name in folder.folders()? {
        if let Ok(inner) = folder.folder(&name)
            && is_build(&inner)
        {
            found.push((name, inner));
        }
    }
    match found.len() {
        0 => Err(TreeError::NoBuild {
            path: path.to_owned(),
            markers: MARKERS.map(|marker| format!("`{marker}`")).join(", "),
        }),
        1 => {
            let (name, inner) = found.remove(0);
            let note = Finding::note(
                path.display(),
                format_args!("is no build folder itself; taking `{name}` in it"),
            );
            Ok((inner, Some(note)))
        }
        _ => Err(TreeError::Several {
            path: path.to_owned(),
            found: found
                .into_iter()
                .map(|(name, _)| folder.shown(&name))
                .collect(),
        }),
    }
}

fn options(folder: &Folder, name: &str) -> Result<Kconfig, FolderError> {
    let text = folder.text(name, MAX_CONFIG_BYTES)?;
    Ok(text.map(|text| Kconfig::parse(&text)).unwrap_or_default())
}

/// The image of the network core: what sysbuild calls so, or the child with a partition table of its own.
fn network_image(
    folder: &Folder,
    system: BuildSystem,
    top: &Kconfig,
) -> Result<Option<String>, TreeError> {
    match system {
        BuildSystem::Sysbuild => {
            let named = top
                .text("SB_CONFIG_NETCORE_IMAGE_NAME")
                .filter(|name| is_plain_name(name))
                .map(str::to_owned);
            if named.is_some() {
                return Ok(named);
            }
            // Images of one's own (`ExternalZephyrProject_Add`) have no such option.
            let prefix = "signed_by_mcuboot_and_b0_";
            Ok(folder.files()?.into_iter().find_map(|name| {
                let image = name.strip_prefix(prefix)?.strip_suffix(".bin")?;
                (!OTHER_IMAGES.contains(&image)).then(|| image.to_owned())
            }))
        }
        BuildSystem::ChildImages => Ok(folder
            .folders()?
            .into_iter()
            .find(|name| folder.has(&format!("{name}/partitions_CPUNET.yml")))),
    }
}

/// The default domain, or the only folder that is an image and none of the others.
fn application_image(
    folder: &Folder,
    domains: Option<&str>,
    network: Option<&str>,
) -> Result<String, TreeError> {
    let named = domains
        .and_then(|text| bounded_yaml(text).ok())
        .and_then(|value| Some(value.get("default")?.as_str()?.to_owned()))
        .filter(|name| is_plain_name(name) && folder.has_folder(name));
    if let Some(name) = named {
        return Ok(name);
    }
    let images = folder.folders()?.into_iter().filter(|name| {
        !OTHER_IMAGES.contains(&name.as_str())
            && Some(name.as_str()) != network
            && folder.has_folder(&format!("{name}/zephyr"))
    });
    Ok(images
        .into_iter()
        .next()
        .unwrap_or_else(|| "application".to_owned()))
}

fn check_chip(tree: &BuildTree) -> Result<(), TreeError> {
    let named = [
        (
            tree.application_folder("zephyr/.config"),
            tree.application_options.text("CONFIG_SOC"),
        ),
        (
            "zephyr/.config".to_owned(),
            tree.sysbuild_options.text("SB_CONFIG_SOC"),
        ),
    ];
    for (file, soc) in named {
        if let Some(soc) = soc
            && !soc.to_ascii_lowercase().starts_with("nrf5340")
        {
            return Err(TreeError::Chip {
                file: tree.shown(&file),
                found: shortened(soc),
            });
        }
    }
    Ok(())
}

fn check_bootloader(tree: &BuildTree) -> Result<(), TreeError> {
    if tree.mcuboot_options.is_some() {
        return Ok(());
    }
    let (options, name) = match tree.system {
        BuildSystem::Sysbuild => (&tree.sysbuild_options, "SB_CONFIG_BOOTLOADER_MCUBOOT"),
        BuildSystem::ChildImages => (&tree.application_options, "CONFIG_BOOTLOADER_MCUBOOT"),
    };
    if options.is_empty() || options.is_on(name) {
        // Not told, or the child is missing: what is missing is explained later.
        return Ok(());
    }
    Err(TreeError::NoBootloader {
        path: tree.path().to_owned(),
        why: options.line(name),
    })
}

/// The version header lies where Zephyr generates headers: at two places, by its version.
fn sdk_version(tree: &BuildTree) -> Result<Option<String>, FolderError> {
    let images = [
        tree.application_folder("zephyr"),
        "mcuboot/zephyr".to_owned(),
    ];
    for image in images {
        for place in ["include/generated", "include/generated/zephyr"] {
            let file = format!("{image}/{place}/ncs_version.h");
            if let Some(text) = tree.folder.text(&file, MAX_TABLE_BYTES)?
                && let Some(version) = quoted_behind(&text, "NCS_VERSION_STRING")
            {
                return Ok(Some(version));
            }
        }
    }
    Ok(None)
}

fn quoted_behind(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(name)?;
    let value = rest.lines().next()?.split('"').nth(1)?;
    is_plain_name(value).then(|| value.to_owned())
}

fn board(tree: &BuildTree) -> Result<Option<String>, FolderError> {
    let cache = tree.application_folder("CMakeCache.txt");
    let cached = tree.folder.text(&cache, MAX_CACHE_BYTES)?.and_then(|text| {
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix("CACHED_BOARD:STRING="))?;
        Some(shortened(value.trim()))
    });
    let options = &tree.application_options;
    let configured = options
        .text("CONFIG_BOARD_TARGET")
        .or_else(|| options.text("CONFIG_BOARD"))
        .map(shortened);
    Ok(cached.filter(|board| !board.is_empty()).or(configured))
}

fn read_partitions(tree: &mut BuildTree) -> Result<(), FolderError> {
    let network = match (tree.system, &tree.network) {
        (BuildSystem::ChildImages, Some(name)) => format!("{name}/"),
        _ => String::new(),
    };
    let tables = [
        ("partitions.yml".to_owned(), "pm.config".to_owned()),
        (
            format!("{network}partitions_CPUNET.yml"),
            format!("{network}pm_CPUNET.config"),
        ),
    ];
    let [application, network] = tables.map(|(yaml, config)| table(tree, &yaml, &config));
    if let Some((file, partitions)) = application? {
        tree.partitions = Some(partitions);
        tree.partitions_file = file;
    } else if let Some((file, partitions)) = static_table(tree)? {
        tree.findings.push(
            Finding::warning(
                tree.shown("partitions.yml"),
                format_args!(
                    "is missing or unusable; taking `{file}`, which need not have all partitions"
                ),
            )
            .expected("the table that the partition manager generates"),
        );
        tree.partitions = Some(partitions);
        tree.partitions_file = file;
    }
    tree.network_partitions = network?.map(|(_, partitions)| partitions);
    Ok(())
}

/// A generated table, or the same as `pm.config`. A damaged one is told and not used.
fn table(
    tree: &BuildTree,
    yaml: &str,
    config: &str,
) -> Result<Option<(String, Partitions)>, FolderError> {
    let read = |name: &str, parse: fn(&str) -> Result<Partitions, _>| {
        let text = tree.folder.text(name, MAX_TABLE_BYTES)?;
        Ok::<_, FolderError>(text.map(|text| parse(&text)))
    };
    match read(yaml, Partitions::parse)? {
        Some(Ok(table)) if !table.is_empty() => return Ok(Some((yaml.to_owned(), table))),
        Some(Err(error)) => {
            return Err(FolderError::File {
                path: tree.shown(yaml).into(),
                why: error.to_string(),
            });
        }
        _ => {}
    }
    match read(config, Partitions::parse_config)? {
        Some(Ok(table)) if !table.is_empty() => Ok(Some((config.to_owned(), table))),
        _ => Ok(None),
    }
}

/// `pm_static.yml` in the folder around the build, where the application's sources usually are.
fn static_table(tree: &BuildTree) -> Result<Option<(String, Partitions)>, FolderError> {
    let Some(parent) = tree.folder.parent() else {
        return Ok(None);
    };
    let Ok(sources) = Folder::open(parent) else {
        return Ok(None);
    };
    let name = "pm_static.yml";
    let Some(text) = sources.text(name, MAX_TABLE_BYTES)? else {
        return Ok(None);
    };
    match Partitions::parse(&text) {
        Ok(table) if !table.is_empty() => Ok(Some((sources.shown(name), table))),
        _ => Ok(None),
    }
}
