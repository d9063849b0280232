//! Build folders become a firmware set: the baseline, which is programmed, the update, which is sent, and any other releases,
//! with which both is done.
//!
//! Nothing is written here: the caller gets the text of the set's file and the files that belong beside it.

mod compare;
mod layout;
mod text;

use crate::bootloader::{Bootloader, bootloader};
use crate::finding::Finding;
use crate::folder::is_plain_name;
use crate::hex_file::HexFile;
use crate::keys::to_pem;
use crate::line::line;
use crate::smp::smp_server;
use crate::tree::{BuildTree, Output};
use crate::unmodelled::unmodelled;
use hil_bootloader::{Encryption, Signature};
use hil_image::Image;
use hil_scenario::Core;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a person adds to what the build folders say.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Name of the set.
    pub name: String,
    /// PEM with the key that images are signed for, instead of the one in the build.
    pub signing_key: Option<PathBuf>,
    /// PEM with the key that images are encrypted for.
    pub encryption_key: Option<PathBuf>,
    /// Other releases, each with its name: what is programmed of them is sent as well.
    pub releases: Vec<(String, BuildTree)>,
}

/// A firmware set that is not written yet.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The text of the set's file.
    pub text: String,
    /// Files by their path from the set's folder.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What was noticed in both folders and between them.
    pub findings: Vec<Finding>,
}

/// A release as it will be written.
struct Release {
    name: String,
    comment: String,
    program: Vec<(Core, FileEntry)>,
    images: Vec<(Core, FileEntry)>,
}

/// A file of a release.
#[derive(Clone)]
struct FileEntry {
    path: String,
    sha256: String,
}

/// The keys as they will be written.
struct KeyEntries {
    signing: Option<String>,
    encryption: Option<String>,
}

/// Makes a firmware set of two build folders.
///
/// # Errors
///
/// What the set cannot do without is not there; all findings say what and why.
pub fn import(
    baseline: &BuildTree,
    update: &BuildTree,
    options: &ImportOptions,
) -> Result<Imported, Vec<Finding>> {
    let mut findings = Vec::new();
    let others = options
        .releases
        .iter()
        .map(|(name, tree)| (name.as_str(), tree));
    for (role, tree) in [("baseline", baseline), ("update", update)]
        .into_iter()
        .chain(others)
    {
        findings.push(Finding::note(
            tree.path().display(),
            format_args!("taken as {role}: {}", tree.description()),
        ));
        findings.extend(tree.findings.iter().cloned());
    }
    let loader = loader_of(baseline, &mut findings)
        .map_err(|finding| findings.push(finding))
        .ok();
    let mode = loader.as_ref().map(|loader| loader.config.mode);
    let layout = layout::layout(baseline, mode)
        .map_err(|finding| findings.push(finding))
        .ok();
    if !baseline.program.iter().any(|(core, _)| *core == Core::App) {
        // Why is among the findings of the folder.
        findings.push(
            Finding::error(baseline.path().display(), "has nothing to program")
                .expected("a baseline that can be put on a board")
                .help("finish the build of the baseline; the update needs no merged files"),
        );
    }
    if [
        &update.application_update,
        &update.application_encrypted,
        &update.network_update,
    ]
    .iter()
    .all(|image| image.is_none())
    {
        findings.push(
            Finding::error(update.path().display(), "has no image to send")
                .expected("an update for at least one core")
                .help("finish the build of the update, or name another folder"),
        );
    }
    let essential = findings.iter().any(|finding| {
        finding.severity == crate::Severity::Error && is_essential(finding, baseline, update)
    });
    let (Some(mut loader), Some(layout), false) = (loader, layout, essential) else {
        return Err(findings);
    };
    if let Some(options) = &baseline.mcuboot_options
        && options.is_on("CONFIG_BOOT_MAX_IMG_SECTORS_AUTO")
    {
        // Computed from the slots when MCUboot is compiled.
        loader.config.max_sectors = layout.most_sectors(loader.config.sector_size);
    }
    findings.extend(compare::compare(baseline, update));
    for (name, tree) in &options.releases {
        findings.extend(compare::compare(baseline, tree));
        findings.extend(other_bootloader(name, baseline, tree, &layout));
    }
    let mut files = BTreeMap::new();
    let keys = keys(baseline, &loader, options, &mut files, &mut findings);
    let programmed = programmed_image(baseline, &layout);
    let mut releases = vec![
        // What is programmed is in clear: the baseline's image has to be the one that a board shows.
        release(
            &mut files,
            "baseline",
            baseline,
            &baseline.program,
            [
                programmed.as_ref(),
                baseline.application_update.as_ref(),
                baseline.application_encrypted.as_ref(),
            ],
        ),
        // What is sent to a bootloader that decrypts is encrypted. Its plain text is a secret that scenarios look for in
        // flash, so the set must not have it.
        release(
            &mut files,
            "update",
            update,
            &[],
            [
                update.application_encrypted.as_ref(),
                update.application_update.as_ref(),
                None,
            ],
        ),
    ];
    releases.extend(encrypted(&releases, update));
    findings.extend(unsigned(baseline));
    findings.extend(unsigned(update));
    for (name, tree) in &options.releases {
        findings.extend(unsigned(tree));
        let programmed = programmed_image(tree, &layout);
        releases.push(release(
            &mut files,
            name,
            tree,
            &tree.program,
            [
                programmed.as_ref(),
                tree.application_update.as_ref(),
                tree.application_encrypted.as_ref(),
            ],
        ));
    }
    let smp = smp_server(&baseline.application_options);
    let text = text::render(&options.name, &layout, &loader, &keys, smp, &releases);
    Ok(Imported {
        text,
        files,
        findings,
    })
}

/// A release of a build, with the first of these images of the application that is there.
fn release(
    files: &mut BTreeMap<String, Vec<u8>>,
    name: &str,
    tree: &BuildTree,
    program: &[(Core, Output)],
    application: [Option<&Output>; 3],
) -> Release {
    let application = application.into_iter().flatten().next();
    let images = [
        (Core::App, application),
        (Core::Net, tree.network_update.as_ref()),
    ];
    Release {
        name: name.to_owned(),
        comment: tree.description(),
        program: program
            .iter()
            .map(|(core, output)| (*core, add(files, name, *core, output)))
            .collect(),
        images: images
            .into_iter()
            .filter_map(|(core, output)| {
                let output = output?;
                // What MCUboot refuses cannot be part of a set; the check of the folder has said so.
                Image::parse(&output.bytes).ok()?;
                Some((core, add(files, name, core, output)))
            })
            .collect(),
    }
}

/// A release whose merged file has another bootloader than the baseline's: it is programmed with that one, which is not the
/// one that the set describes.
fn other_bootloader(
    name: &str,
    baseline: &BuildTree,
    tree: &BuildTree,
    layout: &layout::Layout,
) -> Option<Finding> {
    let slot = layout.get("app.bootloader")?;
    let of = |tree: &BuildTree| {
        let mut programs = tree.program.iter().filter(|(core, _)| *core == Core::App);
        programs.find_map(|(_, output)| {
            let hex = HexFile::parse(&String::from_utf8_lossy(&output.bytes)).ok()?;
            hex.read(slot.address, slot.address.saturating_add(slot.size))
        })
    };
    let (Some(before), Some(after)) = (of(baseline), of(tree)) else {
        return None;
    };
    (before != after).then(|| {
        Finding::warning(
            tree.path().display(),
            format_args!("has another bootloader than the baseline, and release `{name}` is programmed with it"),
        )
        .expected("the bootloader that devices in the field have kept")
        .help("build the release again with the bootloader of the baseline, or leave it out; virtual boards do not know this bootloader")
    })
}

/// The application as it lies in the merged file.
///
/// `.hex` and `.bin` of one image were signed by two runs of imgtool. An RSA-PSS signature has a random salt, so what a
/// board shows after it was programmed is not, byte for byte, what the build offers for sending; only the hash is the same.
fn programmed_image(tree: &BuildTree, layout: &layout::Layout) -> Option<Output> {
    let slot = layout.get("app.primary")?;
    let (program, flash) = tree
        .program
        .iter()
        .filter(|(core, _)| *core == Core::App)
        .find_map(|(_, output)| {
            let hex = HexFile::parse(&String::from_utf8_lossy(&output.bytes)).ok()?;
            let flash = hex.read(slot.address, slot.address.saturating_add(slot.size))?;
            Some((output, flash))
        })?;
    let image = Image::parse(&flash).ok()?;
    let hash = |image: &Image<'_>| image.stored_hash().map(|(_, tlv)| tlv.value.to_vec());
    if let Some(loose) = &tree.application_update {
        let same = Image::parse(&loose.bytes).is_ok_and(|loose| hash(&loose) == hash(&image));
        // A merged file of an earlier build is told of by the check, and takes nobody's place.
        if !same || loose.bytes == image.as_bytes() {
            return None;
        }
    }
    Some(Output {
        shown: format!("{}#{:#010x}", program.shown, slot.address),
        name: "app_programmed.bin".to_owned(),
        bytes: image.as_bytes().to_vec(),
    })
}

/// The encrypted update once more, under the name that scenarios about encryption have for it.
fn encrypted(releases: &[Release], tree: &BuildTree) -> Option<Release> {
    tree.application_encrypted.as_ref()?;
    let update = releases.iter().find(|release| release.name == "update")?;
    let (core, file) = update.images.iter().find(|(core, _)| *core == Core::App)?;
    Some(Release {
        name: "encrypted".to_owned(),
        comment: "The update's encrypted application".to_owned(),
        program: Vec::new(),
        images: vec![(*core, file.clone())],
    })
}

/// Whether nothing can be written because of it: the two findings above, which name the folders themselves.
fn is_essential(finding: &Finding, baseline: &BuildTree, update: &BuildTree) -> bool {
    [baseline, update]
        .iter()
        .any(|tree| finding.file == tree.path().display().to_string())
}

fn loader_of(tree: &BuildTree, findings: &mut Vec<Finding>) -> Result<Bootloader, Finding> {
    let file = tree.shown("mcuboot/zephyr/.config");
    match &tree.mcuboot_options {
        Some(options) => {
            let mut loader = bootloader(
                options,
                &file,
                &tree.application_options,
                &tree.sysbuild_options,
                &tree.b0n_options,
            )?;
            let (line, finding) = line(tree, loader.config.mode);
            loader.config.line = line;
            findings.extend(finding);
            findings.extend(unmodelled(tree));
            Ok(loader)
        }
        None => Err(Finding::error(
            tree.path().display(),
            "does not tell how its bootloader updates",
        )
        .expected(format_args!("`{file}`"))
        .help("copy the whole build folder, files that start with a dot too")),
    }
}

/// Images that are none: the classical mistake is the unsigned `zephyr.bin`.
fn unsigned(tree: &BuildTree) -> Vec<Finding> {
    [
        &tree.application_update,
        &tree.application_encrypted,
        &tree.network_update,
    ]
    .into_iter()
    .flatten()
    .filter_map(|output| {
        let error = Image::parse(&output.bytes).err()?;
        let finding = Finding::error(&output.shown, &error)
            .expected("an MCUboot image: header 0x96f3b83d, payload, TLVs");
        Some(match error.help() {
            Some(help) => finding.help(help),
            None => finding,
        })
    })
    .collect()
}

fn add(
    files: &mut BTreeMap<String, Vec<u8>>,
    release: &str,
    core: Core,
    output: &Output,
) -> FileEntry {
    let name = if is_plain_name(&output.name) {
        output.name.clone()
    } else {
        "image.bin".to_owned()
    };
    let mut path = format!("{release}/{name}");
    if files.get(&path).is_some_and(|bytes| *bytes != output.bytes) {
        path = format!("{release}/{core}_{name}");
    }
    let sha256 = hex::encode(Sha256::digest(&output.bytes));
    files.insert(path.clone(), output.bytes.clone());
    FileEntry { path, sha256 }
}

fn keys(
    tree: &BuildTree,
    loader: &Bootloader,
    options: &ImportOptions,
    files: &mut BTreeMap<String, Vec<u8>>,
    findings: &mut Vec<Finding>,
) -> KeyEntries {
    let config = tree.shown("mcuboot/zephyr/.config");
    let built_with = |option: &str| {
        let options = tree.mcuboot_options.as_ref();
        options.map_or_else(|| format!("no {option}"), |options| options.line(option))
    };
    let signing = if let Some(path) = &options.signing_key {
        Some(path.display().to_string())
    } else if let Some(key) = &tree.signing_key {
        let path = "keys/signing.pub.pem";
        files.insert(path.to_owned(), to_pem(key).into_bytes());
        Some(path.to_owned())
    } else if loader.config.signature == Signature::None {
        None
    } else {
        findings.push(
            Finding::warning(
                tree.shown("mcuboot/zephyr/autogen-pubkey.c"),
                "is missing: the key that images are signed for is not known",
            )
            .expected("the public key that imgtool writes into MCUboot's sources")
            .help(format_args!(
                "name it with `--signing-key PEM`, its public half is enough ({})",
                built_with("CONFIG_BOOT_SIGNATURE_KEY_FILE")
            )),
        );
        None
    };
    let encryption = match (&options.encryption_key, loader.config.encryption) {
        (Some(path), _) => Some(path.display().to_string()),
        (None, Encryption::None) => None,
        (None, _) => {
            let option = "CONFIG_BOOT_ENCRYPTION_KEY_FILE";
            let named = tree
                .mcuboot_options
                .as_ref()
                .and_then(|options| options.text(option))
                .filter(|path| Path::new(path).is_absolute() && Path::new(path).is_file())
                .map(str::to_owned);
            if named.is_none() {
                findings.push(
                    Finding::warning(config, format_args!("{}, which is not here", built_with(option)))
                        .expected("the private key that images are encrypted for")
                        .help("name it with `--encryption-key PEM`; it is only referred to by its path. Without it encrypted images cannot be checked"),
                );
            }
            named
        }
    };
    KeyEntries {
        signing,
        encryption,
    }
}
