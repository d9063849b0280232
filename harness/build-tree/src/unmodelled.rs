//! Options of a build that change what its bootloader does, and that the model knows nothing of.
//!
//! A set is written all the same: most scenarios do not come near them. But nobody shall take a virtual board, or the check of
//! the whole flash, for more than it is.
//!
//! Facts: mcuboot and sdk-mcuboot `boot/zephyr/Kconfig`, `boot/zephyr/Kconfig.serial_recovery`; sdk-nrf `sysbuild/Kconfig.*` for
//! b0 in front of MCUboot.

use crate::finding::Finding;
use crate::kconfig::Kconfig;
use crate::tree::BuildTree;

/// Options that are not modelled when they are on, and what they do.
const ON: [(&str, &str); 19] = [
    (
        "CONFIG_BOOT_VALIDATE_SLOT0_ONCE",
        "the primary slot is validated once, and its trailer notes that it was",
    ),
    (
        "CONFIG_BOOT_BOOTSTRAP",
        "an erased primary slot is filled from the secondary one",
    ),
    (
        "CONFIG_BOOT_HW_KEY",
        "images carry their key, and the device knows its hash",
    ),
    (
        "CONFIG_BOOT_BYPASS_KEY_MATCH",
        "the hash of the key in an image is not looked at",
    ),
    (
        "CONFIG_BOOT_IMG_HASH_ALG_SHA384",
        "images are hashed with SHA-384",
    ),
    (
        "CONFIG_BOOT_IMG_HASH_ALG_SHA512",
        "images are hashed with SHA-512",
    ),
    ("CONFIG_BOOT_DECOMPRESSION", "images may be compressed"),
    (
        "CONFIG_MCUBOOT_UUID_VID",
        "images of another vendor are refused by their TLV",
    ),
    (
        "CONFIG_MCUBOOT_UUID_CID",
        "images of another class are refused by their TLV",
    ),
    (
        "CONFIG_MCUBOOT_MANIFEST_UPDATES",
        "a manifest says which images go together",
    ),
    (
        "CONFIG_MCUBOOT_HW_DOWNGRADE_PREVENTION",
        "the least security counter is kept in the device; compared is that of the running image",
    ),
    ("CONFIG_BOOT_USB_DFU_WAIT", "updates come in over USB DFU"),
    ("CONFIG_BOOT_USB_DFU_GPIO", "updates come in over USB DFU"),
    (
        "CONFIG_BOOT_SERIAL_PIN_RESET",
        "serial recovery is entered by a reset with the pin",
    ),
    (
        "CONFIG_BOOT_MGMT_CUSTOM_COMMANDS",
        "serial recovery knows commands of the product's own",
    ),
    (
        "CONFIG_BOOT_MGMT_CUSTOM_STORAGE_ERASE",
        "serial recovery can erase the storage partition",
    ),
    (
        "CONFIG_BOOT_GO_HOOKS",
        "code of the product's own decides what boots",
    ),
    (
        "CONFIG_BOOT_FLASH_AREA_HOOKS",
        "code of the product's own says where slots are",
    ),
    (
        "CONFIG_NRF_MCUBOOT_BOOT_REQUEST",
        "the application can ask for a slot to be booted",
    ),
];

/// What is not modelled of a build's bootloader.
pub(crate) fn unmodelled(tree: &BuildTree) -> Vec<Finding> {
    let Some(options) = &tree.mcuboot_options else {
        return Vec::new();
    };
    let file = tree.shown("mcuboot/zephyr/.config");
    let mut findings = of_options(options, &file);
    findings.extend(second_stage(tree));
    findings
}

fn of_options(options: &Kconfig, file: &str) -> Vec<Finding> {
    let mut findings: Vec<_> = ON
        .iter()
        .filter(|(option, _)| options.is_on(option))
        // Nothing of recovery counts where there is none.
        .filter(|(option, _)| {
            let of_recovery = ["CONFIG_BOOT_SERIAL_", "CONFIG_BOOT_MGMT_"];
            options.is_on("CONFIG_MCUBOOT_SERIAL")
                || !of_recovery.iter().any(|start| option.starts_with(start))
        })
        .map(|(option, what)| not_modelled(file, format_args!("{option}=y: {what}")))
        .collect();
    let on = |name: &str| options.is_on(name);
    if on("CONFIG_MCUBOOT_SERIAL") && on("CONFIG_BOOT_SERIAL_CDC_ACM") {
        findings.push(
            Finding::warning(
                file,
                "CONFIG_BOOT_SERIAL_CDC_ACM=y: serial recovery is on USB, which is not modelled",
            )
            .expected("serial recovery on a UART (CONFIG_BOOT_SERIAL_UART), or none")
            .help("the set is one without serial recovery, and scenarios about it are skipped"),
        );
    }
    let off = |name: &str| options.knows(name) && !on(name);
    if off("CONFIG_MCUBOOT_USE_TLV_ALLOW_LIST") {
        findings.push(not_modelled(
            file,
            "CONFIG_MCUBOOT_USE_TLV_ALLOW_LIST is not set: any TLV may stand in the unprotected area",
        ));
    }
    if off("CONFIG_LOG") {
        findings.push(
            Finding::warning(file, "CONFIG_LOG is not set: this bootloader says nothing on its console")
                .expected("the lines that some scenarios wait for")
                .help("virtual boards print them all the same; on a real board such steps fail, so build MCUboot with CONFIG_LOG=y for tests"),
        );
    }
    let images = options
        .number("CONFIG_UPDATEABLE_IMAGE_NUMBER")
        .unwrap_or(1);
    let own = options
        .text("CONFIG_MCUBOOT_MCUBOOT_IMAGE_NUMBER")
        .is_some_and(|number| number != "-1");
    let known = 1
        + u32::from(options.is_on("CONFIG_NRF53_MULTI_IMAGE_UPDATE"))
        // What is said of a second stage says this too.
        + u32::from(own);
    if images > known {
        findings.push(not_modelled(
            file,
            format_args!(
                "CONFIG_UPDATEABLE_IMAGE_NUMBER={images}: images beyond the application's and the network core's"
            ),
        ));
    }
    findings
}

/// MCUboot that is itself started, and can be replaced, by b0 on the application core (NSIB).
fn second_stage(tree: &BuildTree) -> Option<Finding> {
    let asked = tree.sysbuild_options.is_on("SB_CONFIG_SECURE_BOOT_APPCORE")
        || tree.application_options.is_on("CONFIG_SECURE_BOOT");
    let table = tree.partitions.as_ref()?;
    let placed = ["s0", "s1"].iter().all(|name| table.get(name).is_some());
    (asked || placed).then(|| {
        Finding::warning(
            tree.shown(&tree.partitions_file),
            "has MCUboot as the second stage: b0 starts it from `s0` or `s1`, whichever is newer",
        )
        .expected("MCUboot as the first stage: only that is modelled")
        .help("b0 and both places of MCUboot count as one bootloader, which is never updated: virtual boards run MCUboot as it was programmed, and an update of MCUboot itself (`signed_by_mcuboot_and_b0_….bin`, `dfu_mcuboot.zip`) is none of the set's images. A real board that gets one fails the check that bootloaders are unchanged")
    })
}

fn not_modelled(file: &str, what: impl std::fmt::Display) -> Finding {
    Finding::warning(file, format_args!("{what}, which is not modelled"))
        .expected("a build without it, for virtual boards and for the check of the whole flash")
        .help("scenarios run as if it were not there; where a real board differs, that is why")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn told(text: &str) -> Vec<String> {
        of_options(&Kconfig::parse(text), ".config")
            .iter()
            .map(|finding| finding.found.clone())
            .collect()
    }

    #[rstest]
    #[case::validated_once(
        "CONFIG_BOOT_VALIDATE_SLOT0_ONCE=y",
        "CONFIG_BOOT_VALIDATE_SLOT0_ONCE=y: the primary slot is validated once, and its trailer notes that it was, which is not modelled"
    )]
    #[case::three_images(
        "CONFIG_UPDATEABLE_IMAGE_NUMBER=3\nCONFIG_NRF53_MULTI_IMAGE_UPDATE=y",
        "CONFIG_UPDATEABLE_IMAGE_NUMBER=3: images beyond the application's and the network core's, which is not modelled"
    )]
    #[case::recovery_on_usb(
        "CONFIG_MCUBOOT_SERIAL=y\nCONFIG_BOOT_SERIAL_CDC_ACM=y",
        "CONFIG_BOOT_SERIAL_CDC_ACM=y: serial recovery is on USB, which is not modelled"
    )]
    #[case::silent(
        "# CONFIG_LOG is not set",
        "CONFIG_LOG is not set: this bootloader says nothing on its console"
    )]
    fn what_is_not_modelled_is_told(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(told(text), [expected]);
    }

    #[rstest]
    #[case::nothing("")]
    #[case::what_is_modelled(
        "CONFIG_BOOT_SWAP_USING_MOVE=y\nCONFIG_BOOT_VERSION_CMP_USE_BUILD_NUMBER=y\nCONFIG_LOG=y"
    )]
    #[case::of_a_recovery_that_is_not_there("CONFIG_BOOT_MGMT_CUSTOM_STORAGE_ERASE=y")]
    #[case::both_cores("CONFIG_UPDATEABLE_IMAGE_NUMBER=2\nCONFIG_NRF53_MULTI_IMAGE_UPDATE=y")]
    #[case::mcuboot_itself(
        "CONFIG_UPDATEABLE_IMAGE_NUMBER=2\nCONFIG_MCUBOOT_MCUBOOT_IMAGE_NUMBER=1"
    )]
    fn what_does_not_matter_is_not_told(#[case] text: &str) {
        assert_eq!(told(text), Vec::<String>::new());
    }
}
