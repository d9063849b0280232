//! MCUboot's build options as the bootloader model's configuration.
//!
//! Facts: mcuboot and sdk-mcuboot `boot/zephyr/Kconfig`. Options that only choose a default say nothing of the build:
//! `BOOT_PREFER_SWAP_MOVE`, `BOOT_ENCRYPTION_SUPPORT`.

use crate::finding::Finding;
use crate::kconfig::Kconfig;
use crate::partitions::shortened;
use hil_bootloader::{
    AddressCheck, Area, B0nBuild, Config, ContentKeySize, DeviceId, DowngradePrevention,
    Encryption, ImageSlots, Mode, NetworkCore, RecoveryButton, SerialRecovery, Signature,
};

/// How a build has MCUboot update.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bootloader {
    /// The build for the model; its slots are still to be filled in.
    pub config: Config,
    /// How many images it knows (`UPDATEABLE_IMAGE_NUMBER`).
    pub images: u32,
    /// Whether the network core's image has slots of its own (`NRF53_MULTI_IMAGE_UPDATE`).
    pub simultaneous: bool,
}

/// Options that choose the mode, and what the model calls it.
const MODES: [(&str, Result<Mode, &str>); 8] = [
    ("CONFIG_BOOT_SWAP_USING_MOVE", Ok(Mode::SwapMove)),
    ("CONFIG_BOOT_SWAP_USING_OFFSET", Ok(Mode::SwapOffset)),
    ("CONFIG_BOOT_SWAP_USING_SCRATCH", Ok(Mode::SwapScratch)),
    ("CONFIG_BOOT_UPGRADE_ONLY", Ok(Mode::OverwriteOnly)),
    ("CONFIG_SINGLE_APPLICATION_SLOT", Ok(Mode::SingleSlot)),
    ("CONFIG_BOOT_DIRECT_XIP", Err("direct execution in place")),
    ("CONFIG_BOOT_RAM_LOAD", Err("loading into RAM")),
    ("CONFIG_BOOT_FIRMWARE_LOADER", Err("a firmware loader")),
];

/// Reads MCUboot's options; `file` is where they stand. Nothing when they are of no build that is modelled.
pub fn bootloader(
    options: &Kconfig,
    file: &str,
    application: &Kconfig,
    sysbuild: &Kconfig,
    b0n: &Kconfig,
) -> Result<Bootloader, Finding> {
    let mode = mode(options, file)?;
    let signature = signature(options, file)?;
    let base = unplaced(mode, signature);
    let images = options
        .number("CONFIG_UPDATEABLE_IMAGE_NUMBER")
        .unwrap_or(1);
    let simultaneous = options.is_on("CONFIG_NRF53_MULTI_IMAGE_UPDATE");
    let updates_network = application.is_on("CONFIG_NRF53_UPGRADE_NETWORK_CORE")
        || sysbuild.is_on("SB_CONFIG_NETCORE_APP_UPDATE")
        || options.is_on("CONFIG_PCD_APP");
    let config = Config {
        encryption: encryption(options, signature),
        content_key: if options.is_on("CONFIG_BOOT_ENCRYPT_ALG_AES_256") {
            ContentKeySize::Aes256
        } else {
            ContentKeySize::Aes128
        },
        save_enctlv: options.is_on("CONFIG_BOOT_SWAP_SAVE_ENCTLV"),
        downgrade_prevention: downgrade_prevention(options),
        compare_build_number: options.is_on("CONFIG_BOOT_VERSION_CMP_USE_BUILD_NUMBER"),
        validate_primary: options.is_on("CONFIG_BOOT_VALIDATE_SLOT0"),
        max_sectors: options
            .number("CONFIG_BOOT_MAX_IMG_SECTORS")
            .unwrap_or(base.max_sectors),
        address_check: address_check(options, images),
        network_core: match (simultaneous, updates_network) {
            // Nothing waits for a boot; recovery has a way of its own to the network core.
            _ if mode == Mode::SingleSlot => NetworkCore::None,
            (true, _) => NetworkCore::PcdSimultaneous,
            (false, true) => NetworkCore::Pcd,
            (false, false) => NetworkCore::None,
        },
        network_version_check: options.is_on("CONFIG_PCD_READ_NETCORE_APP_VERSION"),
        b0n: B0nBuild {
            version_command: b0n.is_on("CONFIG_PCD_READ_NETCORE_APP_VERSION"),
            ..B0nBuild::default()
        },
        serial_recovery: serial_recovery(options),
        ..base
    };
    Ok(Bootloader {
        config,
        images,
        simultaneous,
    })
}

/// A build whose slots are still to be filled in, with defaults for the rest.
pub(crate) fn unplaced(mode: Mode, signature: Signature) -> Config {
    let nowhere = Area {
        device: DeviceId::AppFlash,
        offset: 0,
        size: 0,
    };
    let slots = ImageSlots {
        primary: nowhere,
        secondary: nowhere,
    };
    Config::new(mode, signature, slots).with_images(Vec::new())
}

fn mode(options: &Kconfig, file: &str) -> Result<Mode, Finding> {
    let chosen = MODES.iter().find(|(option, _)| options.is_on(option));
    match chosen {
        Some((_, Ok(mode))) => Ok(*mode),
        Some((option, Err(what))) => Err(Finding::error(
            file,
            format_args!("{option}=y: MCUboot with {what}"),
        )
        .expected("swap-move, swap-offset, swap-scratch, overwrite-only or a single slot")
        .help("there is no model of this mode: choose one of CONFIG_BOOT_SWAP_USING_MOVE, CONFIG_BOOT_SWAP_USING_OFFSET, CONFIG_BOOT_UPGRADE_ONLY (sysbuild: SB_CONFIG_MCUBOOT_MODE_…)")),
        None => Err(Finding::error(file, "has no update mode")
            .expected("one of CONFIG_BOOT_SWAP_USING_MOVE, CONFIG_BOOT_SWAP_USING_OFFSET, CONFIG_BOOT_SWAP_USING_SCRATCH, CONFIG_BOOT_UPGRADE_ONLY")
            .help("is this the `.config` of MCUboot? it is complete only after the build was configured")),
    }
}

fn signature(options: &Kconfig, file: &str) -> Result<Signature, Finding> {
    let on = |name: &str| options.is_on(name);
    if on("CONFIG_BOOT_SIGNATURE_TYPE_RSA") {
        match options.number("CONFIG_BOOT_SIGNATURE_TYPE_RSA_LEN") {
            None | Some(2048) => Ok(Signature::Rsa2048),
            Some(3072) => Ok(Signature::Rsa3072),
            Some(bits) => Err(Finding::error(
                file,
                format_args!("CONFIG_BOOT_SIGNATURE_TYPE_RSA_LEN={bits}"),
            )
            .expected("2048 or 3072")),
        }
    } else if on("CONFIG_BOOT_SIGNATURE_TYPE_ECDSA_P256") {
        Ok(Signature::EcdsaP256)
    } else if on("CONFIG_BOOT_SIGNATURE_TYPE_ED25519") {
        if on("CONFIG_BOOT_SIGNATURE_TYPE_PURE") {
            return Err(Finding::error(
                file,
                "CONFIG_BOOT_SIGNATURE_TYPE_PURE=y: signatures over the image itself",
            )
            .expected("signatures over the image hash")
            .help("there is no model of this yet: set CONFIG_BOOT_SIGNATURE_TYPE_PURE=n"));
        }
        Ok(Signature::Ed25519)
    } else if on("CONFIG_BOOT_SIGNATURE_TYPE_NONE") {
        Ok(Signature::None)
    } else {
        Err(Finding::error(file, "has no type of signature")
            .expected("one of CONFIG_BOOT_SIGNATURE_TYPE_RSA, _ECDSA_P256, _ED25519, _NONE")
            .help("is this the `.config` of MCUboot? it is complete only after the build was configured"))
    }
}

/// The scheme follows the type of signature in the Zephyr port; older builds name it.
fn encryption(options: &Kconfig, signature: Signature) -> Encryption {
    let on = |name: &str| options.is_on(name);
    if on("CONFIG_BOOT_ENCRYPT_RSA") {
        Encryption::Rsa2048
    } else if on("CONFIG_BOOT_ENCRYPT_EC256") {
        Encryption::Ec256
    } else if on("CONFIG_BOOT_ENCRYPT_X25519") {
        x25519(options)
    } else if on("CONFIG_BOOT_ENCRYPT_IMAGE") {
        match signature {
            Signature::Rsa2048 | Signature::Rsa3072 => Encryption::Rsa2048,
            Signature::Ed25519 => x25519(options),
            Signature::EcdsaP256 | Signature::None => Encryption::Ec256,
        }
    } else {
        Encryption::None
    }
}

fn x25519(options: &Kconfig) -> Encryption {
    if options.is_on("CONFIG_BOOT_HMAC_SHA512") {
        Encryption::X25519Sha512
    } else {
        Encryption::X25519
    }
}

/// The recovery server, where it is on a UART: a virtual board and its serial ports have no USB. Where options are not there,
/// their defaults are those of a chip of Nordic (mcuboot `boot/zephyr/Kconfig.serial_recovery`).
fn serial_recovery(options: &Kconfig) -> Option<SerialRecovery> {
    let on = |name: &str| options.is_on(name);
    if !on("CONFIG_MCUBOOT_SERIAL") || on("CONFIG_BOOT_SERIAL_CDC_ACM") {
        return None;
    }
    let number = |name: &str| options.number(name);
    let button = on("CONFIG_BOOT_SERIAL_ENTRANCE_GPIO").then(|| RecoveryButton {
        delay_ms: number("CONFIG_BOOT_SERIAL_DETECT_DELAY").unwrap_or(0),
        ..RecoveryButton::default()
    });
    let wait_ms = on("CONFIG_BOOT_SERIAL_WAIT_FOR_DFU")
        .then(|| number("CONFIG_BOOT_SERIAL_WAIT_FOR_DFU_TIMEOUT").unwrap_or(500));
    Some(SerialRecovery {
        on_no_image: on("CONFIG_BOOT_SERIAL_NO_APPLICATION"),
        on_boot_mode: on("CONFIG_BOOT_SERIAL_BOOT_MODE"),
        button,
        wait_ms: wait_ms.unwrap_or(0),
        direct_upload: on("CONFIG_MCUBOOT_SERIAL_DIRECT_IMAGE_UPLOAD"),
        network_core: on("CONFIG_NRF53_RECOVERY_NETWORK_CORE"),
        network_image: options
            .text("CONFIG_MCUBOOT_NETWORK_CORE_IMAGE_NUMBER")
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| SerialRecovery::default().network_image),
        progressive_erase: on("CONFIG_BOOT_ERASE_PROGRESSIVELY"),
        image_state: on("CONFIG_BOOT_SERIAL_IMG_GRP_IMAGE_STATE"),
        slot_info: on("CONFIG_BOOT_SERIAL_IMG_GRP_SLOT_INFO"),
        echo: on("CONFIG_BOOT_MGMT_ECHO"),
        params: on("CONFIG_BOOT_MGMT_PARAMS"),
        buf_size: number("CONFIG_BOOT_SERIAL_MAX_RECEIVE_SIZE")
            .unwrap_or_else(|| SerialRecovery::default().buf_size),
    })
}

/// Builds of one image have nothing to tell apart, and encrypted vectors cannot be read.
fn address_check(options: &Kconfig, images: u32) -> AddressCheck {
    let encrypts = [
        "CONFIG_BOOT_ENCRYPT_IMAGE",
        "CONFIG_BOOT_ENCRYPT_RSA",
        "CONFIG_BOOT_ENCRYPT_EC256",
        "CONFIG_BOOT_ENCRYPT_X25519",
    ]
    .into_iter()
    .any(|name| options.is_on(name));
    if options.is_on("CONFIG_MCUBOOT_CHECK_HEADER_LOAD_ADDRESS") {
        AddressCheck::LoadAddress
    } else if options.is_on("CONFIG_MCUBOOT_VERIFY_IMG_ADDRESS") && images > 1 && !encrypts {
        AddressCheck::ResetVector
    } else {
        AddressCheck::None
    }
}

fn downgrade_prevention(options: &Kconfig) -> DowngradePrevention {
    if options.is_on("CONFIG_MCUBOOT_DOWNGRADE_PREVENTION_SECURITY_COUNTER")
        || options.is_on("CONFIG_MCUBOOT_HW_DOWNGRADE_PREVENTION")
    {
        DowngradePrevention::SecurityCounter
    } else if options.is_on("CONFIG_MCUBOOT_DOWNGRADE_PREVENTION") {
        DowngradePrevention::Version
    } else {
        DowngradePrevention::None
    }
}

/// Options of which a difference between two builds changes what the bootloader does.
const COMPARED: [&str; 28] = [
    "CONFIG_SINGLE_APPLICATION_SLOT",
    "CONFIG_BOOT_HMAC_SHA512",
    "CONFIG_PCD_READ_NETCORE_APP_VERSION",
    "CONFIG_MCUBOOT_CHECK_HEADER_LOAD_ADDRESS",
    "CONFIG_BOOT_SWAP_USING_MOVE",
    "CONFIG_BOOT_SWAP_USING_OFFSET",
    "CONFIG_BOOT_SWAP_USING_SCRATCH",
    "CONFIG_BOOT_UPGRADE_ONLY",
    "CONFIG_BOOT_SIGNATURE_TYPE_RSA",
    "CONFIG_BOOT_SIGNATURE_TYPE_RSA_LEN",
    "CONFIG_BOOT_SIGNATURE_TYPE_ECDSA_P256",
    "CONFIG_BOOT_SIGNATURE_TYPE_ED25519",
    "CONFIG_BOOT_SIGNATURE_TYPE_NONE",
    "CONFIG_BOOT_ENCRYPT_IMAGE",
    "CONFIG_BOOT_ENCRYPT_RSA",
    "CONFIG_BOOT_ENCRYPT_EC256",
    "CONFIG_BOOT_ENCRYPT_X25519",
    "CONFIG_BOOT_ENCRYPT_ALG_AES_256",
    "CONFIG_BOOT_SWAP_SAVE_ENCTLV",
    "CONFIG_MCUBOOT_DOWNGRADE_PREVENTION",
    "CONFIG_MCUBOOT_DOWNGRADE_PREVENTION_SECURITY_COUNTER",
    "CONFIG_MCUBOOT_HW_DOWNGRADE_PREVENTION",
    "CONFIG_BOOT_VALIDATE_SLOT0",
    "CONFIG_BOOT_MAX_IMG_SECTORS",
    "CONFIG_UPDATEABLE_IMAGE_NUMBER",
    "CONFIG_NRF53_MULTI_IMAGE_UPDATE",
    "CONFIG_MCUBOOT_VERIFY_IMG_ADDRESS",
    "CONFIG_BOOT_VERSION_CMP_USE_BUILD_NUMBER",
];

/// In what two builds of MCUboot differ, as `OPTION: before, after`.
#[must_use]
pub(crate) fn differences(before: &Kconfig, after: &Kconfig) -> Vec<String> {
    let value = |options: &Kconfig, name: &str| shortened(options.text(name).unwrap_or("n"));
    COMPARED
        .iter()
        .filter_map(|name| {
            let (before, after) = (value(before, name), value(after, name));
            (before != after).then(|| format!("{name}: {before}, then {after}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read(text: &str) -> Result<Bootloader, Finding> {
        bootloader(
            &Kconfig::parse(text),
            "build/mcuboot/zephyr/.config",
            &Kconfig::parse("CONFIG_NRF53_UPGRADE_NETWORK_CORE=y"),
            &Kconfig::default(),
            &Kconfig::default(),
        )
    }

    #[rstest]
    #[case::sdk_2_4_thingy53(
        "CONFIG_BOOT_UPGRADE_ONLY=y\nCONFIG_BOOT_SIGNATURE_TYPE_RSA=y\nCONFIG_BOOT_SIGNATURE_TYPE_RSA_LEN=2048\n\
         CONFIG_UPDATEABLE_IMAGE_NUMBER=2\nCONFIG_NRF53_MULTI_IMAGE_UPDATE=y\nCONFIG_BOOT_MAX_IMG_SECTORS=2048\nCONFIG_BOOT_VALIDATE_SLOT0=y\nCONFIG_PCD_APP=y\n",
        "OverwriteOnly Rsa2048 None None validate=true sectors=2048 network=PcdSimultaneous images=2"
    )]
    #[case::encrypted_before_2_6(
        "CONFIG_BOOT_SWAP_USING_MOVE=y\nCONFIG_BOOT_SIGNATURE_TYPE_ECDSA_P256=y\nCONFIG_BOOT_ENCRYPT_EC256=y\nCONFIG_MCUBOOT_DOWNGRADE_PREVENTION=y\n",
        "SwapMove EcdsaP256 Ec256 Version validate=false sectors=128 network=Pcd images=1"
    )]
    #[case::encrypted_from_2_6(
        "CONFIG_BOOT_SWAP_USING_OFFSET=y\nCONFIG_BOOT_SIGNATURE_TYPE_ED25519=y\nCONFIG_BOOT_ENCRYPT_IMAGE=y\nCONFIG_MCUBOOT_DOWNGRADE_PREVENTION_SECURITY_COUNTER=y\n",
        "SwapOffset Ed25519 X25519 SecurityCounter validate=false sectors=128 network=Pcd images=1"
    )]
    #[case::defaults_say_nothing(
        "CONFIG_BOOT_PREFER_SWAP_MOVE=y\nCONFIG_BOOT_UPGRADE_ONLY=y\nCONFIG_BOOT_SIGNATURE_TYPE_NONE=y\nCONFIG_BOOT_ENCRYPTION_SUPPORT=y\n",
        "OverwriteOnly None None None validate=false sectors=128 network=Pcd images=1"
    )]
    fn options_become_a_configuration(#[case] text: &str, #[case] expected: &str) {
        let Bootloader { config, images, .. } = read(text).unwrap();
        assert_eq!(
            format!(
                "{:?} {:?} {:?} {:?} validate={} sectors={} network={:?} images={images}",
                config.mode,
                config.signature,
                config.encryption,
                config.downgrade_prevention,
                config.validate_primary,
                config.max_sectors,
                config.network_core
            ),
            expected
        );
    }

    #[test]
    fn a_recovery_server_on_a_uart_is_part_of_the_build() {
        let options = "CONFIG_BOOT_SWAP_USING_MOVE=y\nCONFIG_BOOT_SIGNATURE_TYPE_ECDSA_P256=y\nCONFIG_MCUBOOT_SERIAL=y\n\
                       CONFIG_BOOT_SERIAL_UART=y\nCONFIG_BOOT_SERIAL_ENTRANCE_GPIO=y\nCONFIG_BOOT_SERIAL_DETECT_DELAY=450\n\
                       CONFIG_BOOT_ERASE_PROGRESSIVELY=y\nCONFIG_MCUBOOT_SERIAL_DIRECT_IMAGE_UPLOAD=y\n\
                       CONFIG_NRF53_RECOVERY_NETWORK_CORE=y\nCONFIG_BOOT_SERIAL_MAX_RECEIVE_SIZE=2048\n";
        let recovery = read(options).unwrap().config.serial_recovery;
        let expected = SerialRecovery {
            on_no_image: false,
            button: Some(RecoveryButton {
                pin: 23,
                delay_ms: 450,
            }),
            direct_upload: true,
            network_core: true,
            buf_size: 2048,
            ..SerialRecovery::default()
        };
        assert_eq!(recovery, Some(expected));
        let usb = options.replace("CONFIG_BOOT_SERIAL_UART", "CONFIG_BOOT_SERIAL_CDC_ACM");
        assert_eq!(read(&usb).unwrap().config.serial_recovery, None);
    }

    #[test]
    fn one_slot_has_nothing_that_waits_and_a_recovery_that_reaches_both_cores() {
        let options = "CONFIG_SINGLE_APPLICATION_SLOT=y\nCONFIG_BOOT_SIGNATURE_TYPE_ECDSA_P256=y\nCONFIG_MCUBOOT_SERIAL=y\n\
                       CONFIG_BOOT_SERIAL_UART=y\nCONFIG_MCUBOOT_SERIAL_DIRECT_IMAGE_UPLOAD=y\nCONFIG_PCD_APP=y\n\
                       CONFIG_NRF53_RECOVERY_NETWORK_CORE=y\nCONFIG_MCUBOOT_NETWORK_CORE_IMAGE_NUMBER=-1\n";
        let config = read(options).unwrap().config;
        assert_eq!(config.mode, Mode::SingleSlot);
        assert_eq!(config.network_core, NetworkCore::None);
        let recovery = config.serial_recovery.unwrap();
        assert!(recovery.network_core);
        assert_eq!(recovery.network_image, -1);
    }

    #[rstest]
    #[case::build_numbers("CONFIG_BOOT_VERSION_CMP_USE_BUILD_NUMBER=y", |config: &Config| config.compare_build_number)]
    #[case::network_versions("CONFIG_PCD_READ_NETCORE_APP_VERSION=y", |config: &Config| config.network_version_check)]
    #[case::long_hmac(
        "CONFIG_BOOT_ENCRYPT_X25519=y\nCONFIG_BOOT_HMAC_SHA512=y",
        |config: &Config| config.encryption == Encryption::X25519Sha512
    )]
    fn an_option_that_changes_what_is_compared_is_read(
        #[case] option: &str,
        #[case] read_in: fn(&Config) -> bool,
    ) {
        let base = "CONFIG_BOOT_UPGRADE_ONLY=y\nCONFIG_BOOT_SIGNATURE_TYPE_ED25519=y\n";
        assert!(!read_in(&read(base).unwrap().config));
        assert!(read_in(&read(&format!("{base}{option}\n")).unwrap().config));
    }

    #[test]
    fn modes_without_a_model_are_named() {
        insta::assert_snapshot!(read("CONFIG_BOOT_DIRECT_XIP=y").unwrap_err(), @r"
        error: build/mcuboot/zephyr/.config: CONFIG_BOOT_DIRECT_XIP=y: MCUboot with direct execution in place
          expected: swap-move, swap-offset, swap-scratch, overwrite-only or a single slot
          help: there is no model of this mode: choose one of CONFIG_BOOT_SWAP_USING_MOVE, CONFIG_BOOT_SWAP_USING_OFFSET, CONFIG_BOOT_UPGRADE_ONLY (sysbuild: SB_CONFIG_MCUBOOT_MODE_…)
        ");
        insta::assert_snapshot!(read("CONFIG_X=y").unwrap_err(), @r"
        error: build/mcuboot/zephyr/.config: has no update mode
          expected: one of CONFIG_BOOT_SWAP_USING_MOVE, CONFIG_BOOT_SWAP_USING_OFFSET, CONFIG_BOOT_SWAP_USING_SCRATCH, CONFIG_BOOT_UPGRADE_ONLY
          help: is this the `.config` of MCUboot? it is complete only after the build was configured
        ");
    }

    #[test]
    fn differences_of_two_builds_are_listed() {
        let before = Kconfig::parse("CONFIG_BOOT_UPGRADE_ONLY=y\n");
        let after = Kconfig::parse(
            "CONFIG_BOOT_SWAP_USING_MOVE=y\n# CONFIG_BOOT_UPGRADE_ONLY is not set\n",
        );
        assert_eq!(
            differences(&before, &after),
            [
                "CONFIG_BOOT_SWAP_USING_MOVE: n, then y",
                "CONFIG_BOOT_UPGRADE_ONLY: y, then n"
            ]
        );
    }
}
