//! Releases against each other: versions, counters, dependencies.

use crate::finding::Finding;
use hil_bootloader::{DowngradePrevention, Mode, NetworkCore};
use hil_image::Image;
use hil_image::network::FirmwareInfo;
use hil_scenario::{Core, FirmwareSet, ImageRef, ReleaseImage};
use std::cmp::Ordering;

/// The release that devices have before they are updated.
const BASELINE: &str = "baseline";

pub(super) fn check(set: &FirmwareSet, role: &ImageRef, image: &ReleaseImage) -> Vec<Finding> {
    let mut findings = dependencies(set, &role.release, image);
    let baseline = set.releases.get(BASELINE);
    if role.release != BASELINE
        && let Some(before) = baseline.and_then(|release| release.images.get(&role.core))
        && !(role.core == Core::Net && changes_application(set, &role.release, before, image))
    {
        findings.extend(against(set, role.core, before, image));
    }
    findings
}

/// Whether a release leaves the network core's image as it was and brings another application: then nothing is missing.
fn changes_application(
    set: &FirmwareSet,
    release: &str,
    before: &ReleaseImage,
    after: &ReleaseImage,
) -> bool {
    let same = |one: &ReleaseImage, other: &ReleaseImage| {
        let parsed = (Image::parse(one.bytes()), Image::parse(other.bytes()));
        matches!(parsed, (Ok(one), Ok(other)) if same(&one, &other))
    };
    let app = |release: &str| set.releases.get(release)?.images.get(&Core::App);
    let changed = app(BASELINE)
        .zip(app(release))
        .is_some_and(|(old, new)| !same(old, new));
    changed && same(before, after)
}

/// Whether two images are one, by their hashes.
fn same(one: &Image<'_>, other: &Image<'_>) -> bool {
    let hash = |image: &Image<'_>| image.stored_hash().map(|(_, tlv)| tlv.value.to_vec());
    hash(one).is_some() && hash(one) == hash(other)
}

fn against(
    set: &FirmwareSet,
    core: Core,
    before: &ReleaseImage,
    after: &ReleaseImage,
) -> Vec<Finding> {
    let file = after.file.name();
    let (Ok(old), Ok(new)) = (Image::parse(before.bytes()), Image::parse(after.bytes())) else {
        return Vec::new();
    };
    if same(&old, &new) {
        return vec![
            Finding::error(file, format_args!("is the same image as `{}`", before.file.name()))
                .expected("another image than the baseline's")
                .help("name the build of the update with `--update`; the SMP server answers a second upload of the running image at once, and nothing is swapped"),
        ];
    }
    let mut findings = Vec::new();
    let version = after.version.cmp_ignoring_build(&before.version);
    let prevention = set.bootloader.downgrade_prevention;
    // The network core's image is exempt: its version is in `fw_info`.
    let compared = prevention != DowngradePrevention::None && core == Core::App;
    let place = match core {
        Core::App => {
            "the application's `VERSION` file (from SDK 2.7 on), CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION (2.5, 2.6) or CONFIG_MCUBOOT_IMAGE_VERSION (before)"
        }
        Core::Net => {
            "SB_CONFIG_SECURE_BOOT_MCUBOOT_VERSION (from SDK 2.7 on), or the application's version (before)"
        }
    };
    match (version, compared, prevention) {
        (Ordering::Less, true, DowngradePrevention::Version) => findings.push(
            Finding::error(
                file,
                format_args!("has version {}, older than {} of the baseline", after.version, before.version),
            )
            .expected(format_args!(
                "at least {}: the bootloader prevents downgrades",
                before.version
            ))
            .help(format_args!("raise it: {place}")),
        ),
        (Ordering::Less, _, _) => findings.push(
            Finding::warning(
                file,
                format_args!("has version {}, older than {} of the baseline", after.version, before.version),
            )
            .expected("a newer version")
            .help(format_args!(
                "the bootloader takes it, for CONFIG_MCUBOOT_DOWNGRADE_PREVENTION is off for this image; is the order of the two folders right? raise it: {place}"
            )),
        ),
        (Ordering::Equal, _, _) => findings.push(
            Finding::warning(
                file,
                format_args!("has version {}, as the baseline has, and other contents", after.version),
            )
            .expected("another version: nobody can tell the two apart on a device but by their hash")
            .help(format_args!("raise it: {place}")),
        ),
        (Ordering::Greater, _, _) => {}
    }
    if prevention == DowngradePrevention::SecurityCounter && core == Core::App {
        findings.extend(counters(file, &old, &new));
    }
    if core == Core::Net && reads_network_version(set) {
        findings.extend(network_version(file, &old, &new));
    }
    findings
}

/// Whether MCUboot asks b0n for the version that runs, and refuses a lower one.
fn reads_network_version(set: &FirmwareSet) -> bool {
    let bootloader = &set.bootloader;
    let looks = match bootloader.network_core {
        NetworkCore::None => false,
        NetworkCore::Pcd => true,
        NetworkCore::PcdSimultaneous => bootloader.mode == Mode::OverwriteOnly,
    };
    looks
        && bootloader.network_version_check
        && bootloader.downgrade_prevention != DowngradePrevention::None
}

fn network_version(file: &str, old: &Image<'_>, new: &Image<'_>) -> Option<Finding> {
    if !new.protected_bytes().is_empty() {
        return Some(
            Finding::error(file, "has protected TLVs, behind whose length MCUboot looks for `fw_info`")
                .expected("a network core image without a dependency or a counter: CONFIG_PCD_READ_NETCORE_APP_VERSION does not find its version otherwise")
                .help("sign it without `-d` and `--security-counter`"),
        );
    }
    let version = |image: &Image<'_>| Some(FirmwareInfo::find(image.payload()).ok()?.version);
    let (before, after) = (version(old)?, version(new)?);
    (after < before).then(|| {
        Finding::error(file, format_args!("has fw_info version {after}"))
            .expected(format_args!(
                "at least {before}, that of the baseline: MCUboot asks b0n for it"
            ))
            .help("raise CONFIG_FW_INFO_FIRMWARE_VERSION of the network core's image")
    })
}

fn counters(file: &str, old: &Image<'_>, new: &Image<'_>) -> Option<Finding> {
    let counter = |image: &Image<'_>| image.security_counter().ok().flatten();
    let help = "sign with `imgtool --security-counter`: CONFIG_MCUBOOT_HW_DOWNGRADE_PREVENTION_COUNTER_VALUE";
    match (counter(old), counter(new)) {
        (_, None) => Some(
            Finding::error(file, "has no security counter")
                .expected("one in its protected TLVs: the bootloader compares it")
                .help(help),
        ),
        (Some(before), Some(after)) if after < before => Some(
            Finding::error(file, format_args!("has security counter {after}"))
                .expected(format_args!("at least {before}, that of the baseline"))
                .help(help),
        ),
        _ => None,
    }
}

fn dependencies(set: &FirmwareSet, name: &str, image: &ReleaseImage) -> Vec<Finding> {
    let file = image.file.name();
    let Ok(parsed) = Image::parse(image.bytes()) else {
        return Vec::new();
    };
    let dependencies = match parsed.dependencies() {
        Ok(dependencies) => dependencies,
        Err(error) => {
            return vec![
                Finding::error(file, &error)
                    .help("MCUboot cancels the update of all images for it: sign with `imgtool -d \"(0, 1.2.3)\"`"),
            ];
        }
    };
    let images = set.bootloader.images.len();
    let of = |core: Core| {
        [name, BASELINE]
            .iter()
            .find_map(|release| set.releases.get(*release)?.images.get(&core))
    };
    dependencies
        .into_iter()
        .filter_map(|dependency| {
            let core = match dependency.image {
                0 => Core::App,
                1 => Core::Net,
                _ => {
                    return Some(unknown_image(file, dependency.image, images));
                }
            };
            if images < 2 {
                return Some(
                    Finding::note(
                        file,
                        format_args!("depends on image {}, which this bootloader does not look at", dependency.image),
                    )
                    .help("only builds with CONFIG_UPDATEABLE_IMAGE_NUMBER above 1 check dependencies"),
                );
            }
            let other = of(core)?;
            (other.version.cmp_ignoring_build(&dependency.minimum) == Ordering::Less).then(|| {
                Finding::error(
                    file,
                    format_args!(
                        "depends on image {} ({core}) of at least version {}",
                        dependency.image, dependency.minimum
                    ),
                )
                .expected(format_args!(
                    "`{}` to be that new: it has version {}",
                    other.file.name(),
                    other.version
                ))
                .help("update both images to the same version (CONFIG_NRF53_ENFORCE_IMAGE_VERSION_EQUALITY adds the dependency in SDK 2.x), or sign without `-d`")
            })
        })
        .collect()
}

fn unknown_image(file: &str, image: u8, images: usize) -> Finding {
    Finding::warning(file, format_args!("depends on image {image}"))
        .expected(format_args!(
            "an image from 0 to {}",
            images.saturating_sub(1)
        ))
        .help("Nordic's MCUboot ignores the dependency, MCUboot's own cancels the update")
}
