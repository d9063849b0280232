//! Whether the update was built for the devices that the baseline is on.

use crate::bootloader::differences;
use crate::finding::Finding;
use crate::tree::BuildTree;
use hil_image::HashAlgorithm;

/// Partitions of which both builds must have the same idea.
const SHARED: [&str; 6] = [
    "mcuboot",
    "mcuboot_pad",
    "mcuboot_primary",
    "mcuboot_secondary",
    "mcuboot_secondary_1",
    "mcuboot_scratch",
];

pub(super) fn compare(baseline: &BuildTree, update: &BuildTree) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(partitions(baseline, update));
    findings.extend(options(baseline, update));
    findings.extend(keys(baseline, update));
    if let (Some(before), Some(after)) = (&baseline.sdk, &update.sdk)
        && before != after
    {
        findings.push(Finding::note(
            update.path().display(),
            format_args!("is of SDK {after}, the baseline of SDK {before}: the bootloader in the field stays that of {before}"),
        ));
    }
    findings
}

fn partitions(baseline: &BuildTree, update: &BuildTree) -> Option<Finding> {
    let (before, after) = (baseline.partitions.as_ref()?, update.partitions.as_ref()?);
    let moved: Vec<_> = SHARED
        .iter()
        .filter_map(|name| {
            let (old, new) = (before.get(name), after.get(name));
            let place = |partition: Option<&crate::partitions::Partition>| {
                partition.map_or_else(
                    || "none".to_owned(),
                    |partition| {
                        format!(
                            "{:#x}+{:#x} in {}",
                            partition.address, partition.size, partition.region
                        )
                    },
                )
            };
            (old != new).then(|| format!("{name} {} instead of {}", place(new), place(old)))
        })
        .collect();
    (!moved.is_empty()).then(|| {
        Finding::error(
            update.shown(&update.partitions_file),
            format_args!("other partitions than the baseline's: {}", moved.join("; ")),
        )
        .expected("the partitions of the devices in the field: an update cannot move slots")
        .help("put the baseline's `partitions.yml` into the sources as `pm_static.yml` (`pm_static_<board>.yml` before SDK 2.7) and build the update again")
    })
}

fn options(baseline: &BuildTree, update: &BuildTree) -> Option<Finding> {
    let different = differences(
        baseline.mcuboot_options.as_ref()?,
        update.mcuboot_options.as_ref()?,
    );
    (!different.is_empty()).then(|| {
        Finding::warning(
            update.shown("mcuboot/zephyr/.config"),
            format_args!("another MCUboot than the baseline's: {}", different.join("; ")),
        )
        .expected("the options of the baseline, whose bootloader stays on the devices")
        .help("what the update relies on must be what the old bootloader does: build it with the old options, or update MCUboot first (needs NSIB)")
    })
}

fn keys(baseline: &BuildTree, update: &BuildTree) -> Option<Finding> {
    let (before, after) = (baseline.signing_key.as_ref()?, update.signing_key.as_ref()?);
    (before != after).then(|| {
        let hash = |key: &hil_image::PublicKey| key.key_hash(HashAlgorithm::Sha256).to_string();
        Finding::error(
            update.shown("mcuboot/zephyr/autogen-pubkey.c"),
            format_args!("another signing key than the baseline's: hash {}", hash(after)),
        )
        .expected(format_args!("hash {}: the devices accept no other", hash(before)))
        .help("sign the update with the key of the baseline: SB_CONFIG_BOOT_SIGNATURE_KEY_FILE (from SDK 2.7 on), CONFIG_BOOT_SIGNATURE_KEY_FILE of MCUboot (before)")
    })
}
