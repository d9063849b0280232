//! The texts of a build: options, partitions, domains, as the SDK writes them.

use super::{Build, Sdk, Update};
use std::fmt::Write as _;

fn soc(build: &Build) -> &'static str {
    if build.sdk.is_sysbuild() {
        "nrf5340"
    } else {
        "nRF5340_CPUAPP_QKAA"
    }
}

pub(super) fn board(build: &Build) -> &'static str {
    if build.sdk.is_sysbuild() {
        "nrf5340dk/nrf5340/cpuapp"
    } else {
        "nrf5340dk_nrf5340_cpuapp"
    }
}

/// `y` for what is set, and a comment for what is not, as Kconfig writes it.
fn set(text: &mut String, options: &[(&str, bool)]) {
    for (name, on) in options {
        if *on {
            writeln!(text, "{name}=y").unwrap();
        } else {
            writeln!(text, "# {name} is not set").unwrap();
        }
    }
}

pub(super) fn application(build: &Build) -> String {
    let mut text = format!(
        "CONFIG_SOC=\"{}\"\nCONFIG_KERNEL_BIN_NAME=\"zephyr\"\nCONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE=2475\n",
        soc(build)
    );
    set(
        &mut text,
        &[
            ("CONFIG_BOOTLOADER_MCUBOOT", true),
            ("CONFIG_MCUMGR", true),
            ("CONFIG_MCUMGR_TRANSPORT_BT_REASSEMBLY", true),
            ("CONFIG_MCUMGR_GRP_IMG_FRUGAL_LIST", false),
            ("CONFIG_NRF53_UPGRADE_NETWORK_CORE", build.network),
        ],
    );
    text
}

pub(super) fn sysbuild(build: &Build) -> String {
    let mut text = "SB_CONFIG_SOC=\"nrf5340\"\n".to_owned();
    set(
        &mut text,
        &[
            ("SB_CONFIG_SECURE_BOOT_APPCORE", build.second_stage),
            (
                "SB_CONFIG_MCUBOOT_MODE_SINGLE_APP",
                build.update == Update::SingleSlot,
            ),
            ("SB_CONFIG_BOOTLOADER_MCUBOOT", true),
            ("SB_CONFIG_SECURE_BOOT_NETCORE", build.network),
            ("SB_CONFIG_NETCORE_APP_UPDATE", build.network),
            ("SB_CONFIG_NETCORE_IPC_RADIO", build.network),
            ("SB_CONFIG_NETCORE_NONE", !build.network),
            ("SB_CONFIG_DFU_ZIP", true),
            (
                "SB_CONFIG_DFU_ZIP_NET",
                build.update == Update::Simultaneous,
            ),
            ("SB_CONFIG_DFU_MULTI_IMAGE_PACKAGE_BUILD", false),
        ],
    );
    if build.network {
        text.push_str("SB_CONFIG_NETCORE_IMAGE_NAME=\"ipc_radio\"\n");
    }
    text
}

pub(super) fn mcuboot(build: &Build) -> String {
    let simultaneous = build.update == Update::Simultaneous;
    let encrypted = build.update == Update::SwapEncrypted;
    let single = build.update == Update::SingleSlot;
    // The name of the option changed when encryption became one choice.
    let (old, new) = match build.sdk {
        Sdk::V2_3 | Sdk::V2_5 => (encrypted, false),
        _ => (false, encrypted),
    };
    let mut text = String::new();
    set(
        &mut text,
        &[
            ("CONFIG_BOOT_UPGRADE_ONLY", simultaneous),
            ("CONFIG_BOOT_SWAP_USING_MOVE", !simultaneous && !single),
            ("CONFIG_SINGLE_APPLICATION_SLOT", single),
            ("CONFIG_MCUBOOT_SERIAL", single),
            ("CONFIG_BOOT_SERIAL_UART", single),
            ("CONFIG_BOOT_SERIAL_ENTRANCE_GPIO", single),
            ("CONFIG_BOOT_SERIAL_NO_APPLICATION", single),
            ("CONFIG_MCUBOOT_SERIAL_DIRECT_IMAGE_UPLOAD", single),
            ("CONFIG_NRF53_RECOVERY_NETWORK_CORE", single),
            ("CONFIG_BOOT_PREFER_SWAP_MOVE", true),
            ("CONFIG_BOOT_SIGNATURE_TYPE_RSA", simultaneous),
            ("CONFIG_BOOT_SIGNATURE_TYPE_ECDSA_P256", !simultaneous),
            ("CONFIG_BOOT_ENCRYPT_EC256", old),
            ("CONFIG_BOOT_ENCRYPT_IMAGE", new),
            ("CONFIG_BOOT_ENCRYPTION_SUPPORT", true),
            ("CONFIG_BOOT_VALIDATE_SLOT0", true),
            ("CONFIG_NRF53_MULTI_IMAGE_UPDATE", simultaneous),
            ("CONFIG_MCUBOOT_VERIFY_IMG_ADDRESS", simultaneous),
            ("CONFIG_PCD_APP", build.network),
        ],
    );
    let (images, sectors) = if simultaneous { (2, 2048) } else { (1, 128) };
    let images = images + i32::from(build.second_stage);
    if build.second_stage {
        text.push_str("CONFIG_MCUBOOT_MCUBOOT_IMAGE_NUMBER=1\n");
    }
    if single && build.sdk >= Sdk::V3_0 {
        text.push_str("CONFIG_MCUBOOT_NETWORK_CORE_IMAGE_NUMBER=-1\n");
    }
    write!(
        text,
        "CONFIG_UPDATEABLE_IMAGE_NUMBER={images}\nCONFIG_BOOT_MAX_IMG_SECTORS={sectors}\n\
         CONFIG_BOOT_SIGNATURE_TYPE_RSA_LEN=2048\nCONFIG_BOOT_SIGNATURE_KEY_FILE=\"C:/sdk/keys/mine.pem\"\n"
    )
    .unwrap();
    if encrypted {
        text.push_str("CONFIG_BOOT_ENCRYPTION_KEY_FILE=\"C:/sdk/keys/enc.pem\"\n");
    }
    text
}

/// `imgtool getpub`.
pub(super) fn key_source(build: &Build) -> String {
    let key = build.key().public();
    let name = match build.update {
        Update::Simultaneous => "rsa",
        Update::Swap | Update::SwapEncrypted | Update::SingleSlot => "ecdsa",
    };
    let bytes: Vec<_> = key
        .to_der()
        .iter()
        .map(|byte| format!("{byte:#04x},"))
        .collect();
    let lines: Vec<_> = bytes
        .chunks(8)
        .map(|line| format!("    {}", line.join(" ")))
        .collect();
    format!(
        "/* Autogenerated by imgtool.py, do not edit. */\nconst unsigned char {name}_pub_key[] = {{\n{}\n}};\nconst unsigned int {name}_pub_key_len = {};\n",
        lines.join("\n"),
        bytes.len()
    )
}

fn entry(text: &mut String, name: &str, address: u32, size: u32, region: &str) {
    write!(
        text,
        "{name}:\n  address: {address:#x}\n  end_address: {:#x}\n  region: {region}\n  size: {size:#x}\n",
        address + size
    )
    .unwrap();
}

/// Where the first place of MCUboot begins that is the second stage.
pub(super) const S0: u32 = 0x8000;

pub(super) fn partitions(build: &Build) -> String {
    let mut text = String::new();
    let (primary, size) = (build.primary(), build.slot_size());
    if build.second_stage {
        for (name, address, size) in [
            ("b0", 0, S0),
            ("b0_container", 0, S0),
            ("s0", S0, 0x1_4000),
            ("s1", S0 + 0x1_4000, 0x1_4000),
            ("mcuboot", S0 + 0x200, 0x1_3E00),
        ] {
            entry(&mut text, name, address, size, "flash_primary");
        }
    } else {
        entry(&mut text, "mcuboot", 0, primary, "flash_primary");
    }
    entry(&mut text, "mcuboot_pad", primary, 0x200, "flash_primary");
    entry(
        &mut text,
        "app",
        primary + 0x200,
        size - 0x200,
        "flash_primary",
    );
    write!(
        text,
        "mcuboot_primary:\n  address: {primary:#x}\n  end_address: {:#x}\n  orig_span: &id001\n  - mcuboot_pad\n  - app\n  \
         region: flash_primary\n  size: {size:#x}\n  span: *id001\n",
        primary + size
    )
    .unwrap();
    match build.update {
        Update::Simultaneous => {
            entry(&mut text, "mcuboot_primary_1", 0, 0x4_0000, "ram_flash");
            entry(&mut text, "ram_flash", 0x4_0000, 0, "ram_flash");
            entry(&mut text, "mcuboot_secondary", 0, size, "external_flash");
            entry(
                &mut text,
                "mcuboot_secondary_1",
                size,
                0x4_0000,
                "external_flash",
            );
            entry(
                &mut text,
                "external_flash",
                0x12_0000,
                0x6E_0000,
                "external_flash",
            );
            entry(
                &mut text,
                "littlefs_storage",
                0x12_0000,
                0x6E_0000,
                "external_flash",
            );
            entry(
                &mut text,
                "settings_storage",
                0xF_0000,
                0x1_0000,
                "flash_primary",
            );
        }
        Update::Swap | Update::SwapEncrypted | Update::SingleSlot => {
            if build.update != Update::SingleSlot {
                entry(
                    &mut text,
                    "mcuboot_secondary",
                    primary + size,
                    size,
                    "flash_primary",
                );
            }
            entry(
                &mut text,
                "settings_storage",
                0xF_C000,
                0x4000,
                "flash_primary",
            );
        }
    }
    entry(
        &mut text,
        "sram_primary",
        0x2000_0000,
        0x7_0000,
        "sram_primary",
    );
    text
}

pub(super) fn network_partitions(network: &str) -> String {
    let mut text = String::new();
    entry(&mut text, "app", 0x0100_8800, 0x3_7800, "flash_primary");
    entry(&mut text, "b0n", 0x0100_0000, 0x8580, "flash_primary");
    entry(
        &mut text,
        "b0n_container",
        0x0100_0000,
        0x8800,
        "flash_primary",
    );
    entry(&mut text, network, 0x0100_8800, 0x3_7800, "flash_primary");
    entry(&mut text, "provision", 0x0100_8580, 0x280, "flash_primary");
    text
}

pub(super) fn domains(network: &str) -> String {
    format!(
        "default: app\nbuild_dir: C:/dev/app/build\ndomains:\n  - name: app\n    build_dir: C:/dev/app/build/app\n  \
         - name: mcuboot\n    build_dir: C:/dev/app/build/mcuboot\n  - name: {network}\n    \
         build_dir: C:/dev/app/build/{network}\nflash_order:\n  - {network}\n  - app\n"
    )
}
