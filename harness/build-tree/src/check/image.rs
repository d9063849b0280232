//! One image: what the bootloader makes of it when it lies in the secondary slot.

use super::{Keys, Verdict, size};
use crate::finding::Finding;
use hil_bootloader::{ContentKeySize, Encryption, NetworkCore, Signature};
use hil_image::network::{NetworkImage, NetworkRefusal, NetworkRules};
use hil_image::{AesKeySize, Image, Refusal, Verifier};
use hil_scenario::{Core, FirmwareSet, ImageRef, ReleaseImage, Slot};

pub(super) fn check(
    set: &FirmwareSet,
    keys: &Keys,
    role: &ImageRef,
    image: &ReleaseImage,
) -> (Verdict, Vec<Finding>) {
    let file = image.file.name();
    let parsed = match Image::parse(image.bytes()) {
        Ok(parsed) => parsed,
        Err(error) => {
            let finding = Finding::error(file, &error);
            return (Verdict::Refused, vec![finding]);
        }
    };
    let (verdict, mut findings, plain) = verify(set, keys, file, &parsed);
    if role.core == Core::App {
        findings.extend(taken_for_network_firmware(set, file, &parsed));
    }
    findings.extend(size::check(set, role, file, &parsed));
    if let Some(plain) = &plain {
        match role.core {
            Core::App => findings.extend(application(set, file, &parsed, plain)),
            Core::Net => findings.extend(network(set, file, &parsed, plain)),
        }
    }
    let trailing = image.bytes().len().saturating_sub(parsed.len());
    if trailing > 0 {
        findings.push(
            Finding::note(
                file,
                format_args!(
                    "has {trailing} bytes behind the image, which ends at {:#x}",
                    parsed.len()
                ),
            )
            .help("an image made with `imgtool --pad` fills its slot and brings a trailer: for sending, sign without `--pad` and `--confirm`"),
        );
    }
    (verdict, findings)
}

/// Hash, signature and encryption; also the plain payload when it can be seen.
fn verify<'a>(
    set: &FirmwareSet,
    keys: &Keys,
    file: &str,
    image: &Image<'a>,
) -> (Verdict, Vec<Finding>, Option<std::borrow::Cow<'a, [u8]>>) {
    let encrypted = image.encryption();
    let decrypts = set.bootloader.encryption != Encryption::None;
    if let Some(encryption) = encrypted {
        let built = match set.bootloader.content_key {
            ContentKeySize::Aes128 => AesKeySize::Aes128,
            ContentKeySize::Aes256 => AesKeySize::Aes256,
        };
        if decrypts && let Some(found) = encryption.key_size.filter(|size| *size != built) {
            let finding = Finding::error(file, format_args!("is encrypted with {found}"))
                .expected(format_args!("{built}, as `bootloader.content-key` says"))
                .help("CONFIG_BOOT_ENCRYPT_ALG_AES_256 of MCUboot and imgtool's `--encrypt-keylen` must agree");
            return (Verdict::Refused, vec![finding], None);
        }
    }
    let unsigned = set.bootloader.signature == Signature::None;
    let mut verifier = match (&keys.signing, unsigned) {
        (Some(key), false) => Verifier::new([key.clone()]),
        _ => Verifier::unsigned(),
    }
    .suited_to(image);
    let missing_key = match (encrypted, decrypts, &keys.encryption) {
        (Some(_), true, Some(key)) => {
            verifier = verifier.decryption(key.clone());
            false
        }
        (Some(_), true, None) => true,
        _ => false,
    };
    if missing_key {
        let finding = Finding::warning(
            file,
            "is encrypted, and the set gives no key that opens it: hash and signature are not checked",
        )
        .expected("`keys.encryption`")
        .help("add the private key's path to `keys`; it is read for checks and never copied or shown");
        return (Verdict::Undecided, vec![finding], None);
    }
    match verifier.verify(image) {
        Ok(verified) => {
            let plain = image.plain_payload(verified.content_key.as_ref());
            let verdict = if keys.signing.is_none() && !unsigned {
                Verdict::Undecided
            } else {
                Verdict::Accepted
            };
            (verdict, Vec::new(), Some(plain))
        }
        Err(refusal) => {
            let plain = encrypted.is_none().then(|| image.plain_payload(None));
            (Verdict::Refused, vec![refused(file, &refusal)], plain)
        }
    }
}

fn refused(file: &str, refusal: &Refusal) -> Finding {
    let text = match std::error::Error::source(refusal) {
        Some(source) => format!("{refusal}: {source}"),
        None => refusal.to_string(),
    };
    let finding = Finding::error(file, text);
    let help = match refusal {
        Refusal::UnknownKey { .. } => Some(
            "wrong key: sign with the key that the device's bootloader was built with (SB_CONFIG_BOOT_SIGNATURE_KEY_FILE from SDK 2.7 on, CONFIG_BOOT_SIGNATURE_KEY_FILE of MCUboot before), or correct `keys.signing`",
        ),
        Refusal::Hash { .. } => {
            Some("the file was changed after it was signed, or not copied completely")
        }
        Refusal::Header(hil_image::HeaderRefusal::Encrypted { .. }) => Some(
            "this MCUboot does not decrypt: send the plain image, or build MCUboot with SB_CONFIG_BOOT_ENCRYPTION=y (CONFIG_BOOT_ENCRYPT_IMAGE, before SDK 2.6 CONFIG_BOOT_ENCRYPT_EC256 or _RSA)",
        ),
        Refusal::SignatureKind { .. } => Some(
            "MCUboot checks one type of signature only: SB_CONFIG_BOOT_SIGNATURE_TYPE_… and the key must agree",
        ),
        other => other.help(),
    };
    match help {
        Some(help) => finding.help(help),
        None => finding,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// An encrypted application whose cipher text is taken for a reset vector of the network core: up to SDK 2.7 almost any is
/// (`boot_validated_swap_type` in sdk-mcuboot `boot/bootutil/src/loader.c`).
fn taken_for_network_firmware(set: &FirmwareSet, file: &str, image: &Image<'_>) -> Option<Finding> {
    let bootloader = &set.bootloader;
    if bootloader.network_core != NetworkCore::Pcd || image.encryption().is_none() {
        return None;
    }
    let found = word(image.payload(), 4).filter(|found| bootloader.is_network_vector(*found))?;
    Some(
        Finding::error(
            file,
            format_args!("is encrypted, and has {found:#010x} where the bootloader looks for the reset vector"),
        )
        .expected(format_args!(
            "cipher text that MCUboot of {} does not take for network core firmware",
            bootloader.line
        ))
        .help("the update never installs, and costs the radio: up to SDK 2.7 send this application plain, or to devices without CONFIG_NRF53_UPGRADE_NETWORK_CORE; from SDK 2.8 on encrypt it again, with another content key"),
    )
}

/// Where an application was linked to: its reset vector is in the primary slot, or it was built for another layout.
fn application(set: &FirmwareSet, file: &str, image: &Image<'_>, plain: &[u8]) -> Option<Finding> {
    let primary = set.layout.slot(Slot::AppPrimary)?;
    let Some(reset) = word(plain, 4) else {
        return Some(
            Finding::warning(file, format_args!("has a payload of {} bytes", plain.len()))
                .expected("at least a vector table: stack pointer and reset vector"),
        );
    };
    let start = primary
        .address
        .saturating_add(u32::from(image.header().header_size));
    let inside = u64::from(reset) >= u64::from(start) && u64::from(reset) < primary.end();
    if inside {
        return None;
    }
    let network = set
        .layout
        .slot(Slot::NetPrimary)
        .is_some_and(|slot| reset >= slot.address && u64::from(reset) < slot.end());
    Some(
        Finding::error(file, format_args!("has reset vector {reset:#010x}"))
            .expected(format_args!(
                "an address in `app.primary`, from {start:#010x} to below {:#010x}",
                primary.end()
            ))
            .help(if network {
                "this is firmware of the network core: it belongs under `net`"
            } else {
                "it was linked for another place: the builds have different partitions (`pm_static.yml`), or the file was signed with another `--header-size`"
            }),
    )
}

fn network(set: &FirmwareSet, file: &str, image: &Image<'_>, plain: &[u8]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(primary) = set.layout.slot(Slot::NetPrimary) else {
        findings.push(
            Finding::error(file, "is for the network core, and the layout has no `net.primary`")
                .expected("the network core's application partition")
                .help("take it from `partitions_CPUNET.yml`: 0x01008800, 0x37800 bytes in all SDKs from 2.1 to 3.0"),
        );
        return findings;
    };
    if plain.len() as u64 > u64::from(primary.size) {
        findings.push(
            Finding::error(
                file,
                format_args!("has {:#x} bytes of firmware", plain.len()),
            )
            .expected(format_args!(
                "at most the {:#x} of `net.primary`",
                primary.size
            ))
            .help("the network core's flash is 256 KiB: leave features out of its image"),
        );
    }
    if image.encryption().is_some()
        && set.bootloader.network_core == NetworkCore::Pcd
        && set.layout.slot(Slot::NetSecondary).is_none()
    {
        findings.push(
            Finding::error(file, "is encrypted and would wait in the application's secondary slot")
                .expected("a plain image: the network core reads it from there")
                .help("MCUboot takes it for an application, for it reads the reset vector from cipher text: send it plain, or use a build with a slot of its own (simultaneous update)"),
        );
    }
    let rules = NetworkRules {
        address: primary.address,
        least_version: set.bootloader.b0n.least_version,
    };
    if let Err(refusal) = NetworkImage::check(plain, &rules) {
        let finding = Finding::error(file, &refusal);
        findings.push(match network_help(&refusal, plain, set) {
            Some(help) => finding.help(help),
            None => finding,
        });
    }
    findings
}

fn network_help(refusal: &NetworkRefusal, plain: &[u8], set: &FirmwareSet) -> Option<&'static str> {
    let application = word(plain, 4)
        .zip(set.layout.slot(Slot::AppPrimary))
        .is_some_and(|(reset, slot)| reset >= slot.address && u64::from(reset) < slot.end());
    Some(match refusal {
        _ if application => {
            "this is an application: its reset vector is in `app.primary`; it belongs under `app`"
        }
        NetworkRefusal::NoFirmwareInfo => {
            "the network core's image was built without b0n: set SB_CONFIG_SECURE_BOOT_NETCORE=y (from SDK 2.7 on) or CONFIG_NRF53_UPGRADE_NETWORK_CORE=y (before), and send `signed_by_mcuboot_and_b0_….bin` or `net_core_app_update.bin`"
        }
        NetworkRefusal::NoValidationInfo { .. } => {
            "the firmware was signed for MCUboot but not for b0n: sign `signed_by_b0_….bin`, not the network core's `zephyr.bin`"
        }
        NetworkRefusal::Address { .. }
        | NetworkRefusal::ResetVector { .. }
        | NetworkRefusal::ValidationAddress { .. } => {
            "it was built for another `b0n_container` (CONFIG_PM_PARTITION_SIZE_B0N_IMAGE, CONFIG_PM_PARTITION_SIZE_PROVISION): both builds need the same `partitions_CPUNET.yml`"
        }
        NetworkRefusal::Hash { .. } => "the firmware was changed after it was signed for b0n",
        NetworkRefusal::Invalidated { .. } => {
            "the image was read back from a device that had given it up: take the one from the build"
        }
        NetworkRefusal::Compatibility { .. } => "the image is for another chip",
        NetworkRefusal::Version { .. } => {
            "raise CONFIG_FW_INFO_FIRMWARE_VERSION of the network core's image"
        }
        NetworkRefusal::InfoOutside { .. } => "`fw_info` is damaged",
    })
}
