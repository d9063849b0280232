//! What a bootloader was built with: everything of MCUboot's configuration that changes what it does to flash.

use std::cmp::Ordering;

use hil_image::{DecryptionKey, ImageVersion, PublicKey};
use serde::{Deserialize, Serialize};

use crate::defect::Defect;
use crate::flash::{Area, DeviceId};
pub use crate::line::Line;
use crate::recovery::SerialRecovery;

/// How an MCUboot was built, and where its slots are.
///
/// In a firmware set file the slots come from the layout, so [`images`](Self::images) may be absent there and is
/// filled in with [`with_images`](Self::with_images).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// How an update gets into the primary slot.
    pub mode: Mode,
    /// The one kind of signature that is accepted.
    pub signature: Signature,
    /// The one kind of encryption that is understood.
    #[serde(default)]
    pub encryption: Encryption,
    /// Length of content keys (`MCUBOOT_AES_256`).
    #[serde(default)]
    pub content_key: ContentKeySize,
    /// Whether a swap keeps the encrypted key TLVs in the trailer instead of the bare content keys
    /// (`BOOT_SWAP_SAVE_ENCTLV`).
    #[serde(default)]
    pub save_enctlv: bool,
    /// What a candidate must not be older in.
    #[serde(default)]
    pub downgrade_prevention: DowngradePrevention,
    /// Whether versions are compared with their build numbers (`BOOT_VERSION_CMP_USE_BUILD_NUMBER`): by downgrade prevention
    /// and by dependencies.
    #[serde(default, skip_serializing_if = "is_default")]
    pub compare_build_number: bool,
    /// Whether the primary slot is validated at every boot (`BOOT_VALIDATE_SLOT0`).
    #[serde(default = "yes")]
    pub validate_primary: bool,
    /// `BOOT_MAX_IMG_SECTORS`: fixes the layout of the trailer.
    #[serde(default = "default_max_sectors")]
    pub max_sectors: u32,
    /// Smallest write of the flash, in bytes.
    #[serde(default = "default_write_size")]
    pub write_size: u32,
    /// Erase unit of the flash, in bytes.
    #[serde(default = "default_sector_size")]
    pub sector_size: u32,
    /// `BOOT_MAX_ALIGN`: distance of the trailer's fields, in bytes.
    #[serde(default = "default_max_align")]
    pub max_align: u32,
    /// Whose MCUboot it is.
    #[serde(default)]
    pub line: Line,
    /// What a candidate must have been linked for.
    #[serde(default)]
    pub address_check: AddressCheck,
    /// How an image for the network core is recognised and handed over.
    #[serde(default)]
    pub network_core: NetworkCore,
    /// Where the network core's application lies, in that core's own addresses. Only looked at when
    /// [`network_core`](Self::network_core) is not `none`.
    #[serde(default)]
    pub network_slot: NetworkSlot,
    /// Whether the `fw_info` version of a network core image is compared with that of the running network firmware, which
    /// b0n is asked for (`PCD_READ_NETCORE_APP_VERSION`). Only with downgrade prevention.
    #[serde(default, skip_serializing_if = "is_default")]
    pub network_version_check: bool,
    /// How the network core's own bootloader was built.
    #[serde(default, skip_serializing_if = "is_default")]
    pub b0n: B0nBuild,
    /// The slots, image 0 first.
    #[serde(default)]
    pub images: Vec<ImageSlots>,
    /// The scratch area of swap-using-scratch.
    #[serde(default)]
    pub scratch: Option<Area>,
    /// Its recovery server, in builds that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_recovery: Option<SerialRecovery>,
    /// A mistake that it was given on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defect: Option<Defect>,
}

impl Config {
    /// A build with MCUboot's defaults and one image.
    #[must_use]
    pub fn new(mode: Mode, signature: Signature, image: ImageSlots) -> Self {
        Self {
            mode,
            signature,
            encryption: Encryption::None,
            content_key: ContentKeySize::Aes128,
            save_enctlv: false,
            downgrade_prevention: DowngradePrevention::None,
            compare_build_number: false,
            validate_primary: true,
            max_sectors: default_max_sectors(),
            write_size: default_write_size(),
            sector_size: default_sector_size(),
            max_align: default_max_align(),
            line: Line::default(),
            address_check: AddressCheck::None,
            network_core: NetworkCore::None,
            network_slot: NetworkSlot::default(),
            network_version_check: false,
            b0n: B0nBuild::default(),
            images: vec![image],
            scratch: None,
            serial_recovery: None,
            defect: None,
        }
    }

    /// The same build with these slots.
    #[must_use]
    pub fn with_images(mut self, images: Vec<ImageSlots>) -> Self {
        self.images = images;
        self
    }

    /// The order of two versions as the build compares them (`boot_compare_version`).
    pub(crate) fn compare_versions(&self, one: &ImageVersion, other: &ImageVersion) -> Ordering {
        let numbers = one.cmp_ignoring_build(other);
        if self.compare_build_number {
            numbers.then(one.build.cmp(&other.build))
        } else {
            numbers
        }
    }

    /// Whether an image has a slot of its own where updates wait.
    #[must_use]
    pub fn has_secondary(&self) -> bool {
        self.mode != Mode::SingleSlot
    }

    pub(crate) fn encrypts(&self) -> bool {
        self.encryption != Encryption::None
    }

    /// Bytes of the largest image, header to last TLV, that it brings from the secondary to the primary slot.
    #[must_use]
    pub fn largest_image(&self, slots: ImageSlots) -> u32 {
        let (primary, secondary) = (slots.primary.size, slots.secondary.size);
        let sector = self.sector_size.max(1);
        let trailer = self.trailer_size();
        let sectors = trailer.next_multiple_of(sector);
        let room = |slot: u32, taken: u32| slot.saturating_sub(taken);
        match self.mode {
            Mode::SwapMove => room(primary, sectors + sector).min(room(secondary, sectors)),
            Mode::SwapOffset => room(primary, sectors).min(room(secondary, sectors + sector)),
            Mode::SwapScratch => room(primary.min(secondary), trailer),
            Mode::SingleSlot => room(primary, trailer),
            // Magic, image_ok, copy_done and swap_info.
            Mode::OverwriteOnly => room(primary.min(secondary), 16 + 3 * self.max_align),
        }
    }

    /// Whether an image's primary slot is only simulated in RAM: the network core's in simultaneous updates.
    #[must_use]
    pub fn is_virtual(&self, image: usize) -> bool {
        self.network_core == NetworkCore::PcdSimultaneous && image == NETWORK_IMAGE
    }

    /// The primary slot that is only simulated in RAM, in builds that have one.
    #[must_use]
    pub fn virtual_primary(&self) -> Option<Area> {
        let slots = self.images.get(NETWORK_IMAGE)?;
        self.is_virtual(NETWORK_IMAGE).then_some(slots.primary)
    }
}

/// How a b0n was built. MCUboot does not know it, and a board has it for life; it is here because what becomes of the flash of
/// both cores depends on it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct B0nBuild {
    /// The least `fw_info` version that is accepted: the monotonic counter, in builds that have one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub least_version: Option<u32>,
    /// Whether it knows the command that asks for the version of its application (`PCD_READ_NETCORE_APP_VERSION`). One that
    /// does not starts its application, and who asked waits for ever.
    #[serde(default, skip_serializing_if = "is_default")]
    pub version_command: bool,
}

/// What need not be written down.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Number of the network core's image in builds that update both cores at once
/// (`CONFIG_MCUBOOT_NETWORK_CORE_IMAGE_NUMBER`).
const NETWORK_IMAGE: usize = 1;

fn yes() -> bool {
    true
}

/// `BOOT_MAX_IMG_SECTORS` of the Zephyr port with partition manager (mcuboot `boot/zephyr/Kconfig`).
fn default_max_sectors() -> u32 {
    128
}

/// The nRF5340's flash is written in words.
fn default_write_size() -> u32 {
    4
}

/// Pages of the nRF5340's application core and sectors of the external flash.
fn default_sector_size() -> u32 {
    4096
}

/// `BOOT_MAX_ALIGN` unless the flash's write block is larger (mcuboot `bootutil_public.h`).
fn default_max_align() -> u32 {
    8
}

/// How an update gets into the primary slot.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Both images change places; the primary is first moved up by one sector.
    SwapMove,
    /// Both images change places; the update lies one sector up in the secondary slot.
    SwapOffset,
    /// Both images change places by way of a scratch area.
    SwapScratch,
    /// The update is copied over the primary; there is no way back. The fast kind: only the sectors that the image
    /// needs are touched.
    OverwriteOnly,
    /// There is one slot (`SINGLE_APPLICATION_SLOT`): an update comes in through serial recovery, over what runs. The
    /// secondary slot of such a build is the primary one.
    SingleSlot,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SwapMove => "swap-move",
            Self::SwapOffset => "swap-offset",
            Self::SwapScratch => "swap-scratch",
            Self::OverwriteOnly => "overwrite-only",
            Self::SingleSlot => "single-slot",
        })
    }
}

/// The kind of signature a bootloader accepts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// ECDSA on P-256 over the SHA-256 of the image.
    EcdsaP256,
    /// RSA-2048 PSS.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA-3072 PSS.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// Ed25519 over the SHA-256 of the image.
    Ed25519,
    /// Only the SHA-256 of the image is checked.
    None,
}

/// How content keys are wrapped.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// Encrypted images are refused.
    #[default]
    None,
    /// ECIES on P-256.
    Ec256,
    /// ECIES on X25519 with SHA-256.
    X25519,
    /// ECIES on X25519 with SHA-512 (`MCUBOOT_HMAC_SHA512`).
    #[serde(rename = "x25519-sha512")]
    X25519Sha512,
    /// RSA-2048 OAEP.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// AES key wrap.
    AesKw,
}

/// Length of the key that encrypts a payload.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentKeySize {
    /// 16 bytes.
    #[default]
    #[serde(rename = "aes-128")]
    Aes128,
    /// 32 bytes.
    #[serde(rename = "aes-256")]
    Aes256,
}

impl ContentKeySize {
    pub(crate) fn bytes(self) -> u32 {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }
}

/// What a candidate must not be older in than the running image.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DowngradePrevention {
    /// Nothing is compared.
    #[default]
    None,
    /// The version in the header, without its build number.
    Version,
    /// The security counter TLV (swap modes; overwrite-only still compares versions).
    SecurityCounter,
}

/// What is done with a network core image.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkCore {
    /// It is not known as one.
    #[default]
    None,
    /// It is recognised in image 0's secondary slot by its reset vector, and handed to b0n through the PCD command
    /// block: one image, not simultaneous.
    Pcd,
    /// It is image 1, whose primary slot is simulated in RAM (`NRF53_MULTI_IMAGE_UPDATE`): updated like any image, and
    /// what then lies in RAM is handed to b0n. There is nothing to go back to.
    PcdSimultaneous,
}

/// What a candidate must have been linked for: the primary slot that it would go to, or it is erased.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressCheck {
    /// Nobody looks.
    #[default]
    None,
    /// The reset vector in its payload tells (`MCUBOOT_VERIFY_IMG_ADDRESS`); not in builds with encryption.
    ResetVector,
    /// The load address in its header tells (`MCUBOOT_CHECK_HEADER_LOAD_ADDRESS`), and must have been set.
    LoadAddress,
}

/// The network core's application partition.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NetworkSlot {
    /// First address, in the network core's map.
    pub address: u32,
    /// Length in bytes.
    pub size: u32,
}

impl Default for NetworkSlot {
    /// 0x0100_8800, 0x37800 bytes: every published build from SDK 2.1.0 to 3.0.2 has it there.
    fn default() -> Self {
        Self {
            address: 0x0100_8800,
            size: 0x37800,
        }
    }
}

impl NetworkSlot {
    /// Whether an address of the network core lies in it.
    #[must_use]
    pub fn contains(&self, address: u32) -> bool {
        address
            .checked_sub(self.address)
            .is_some_and(|inside| inside < self.size)
    }
}

/// The two slots of one image.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImageSlots {
    /// Where it runs from.
    pub primary: Area,
    /// Where updates are put.
    pub secondary: Area,
}

impl ImageSlots {
    /// The one slot of a build that has no other.
    #[must_use]
    pub const fn single(slot: Area) -> Self {
        Self {
            primary: slot,
            secondary: slot,
        }
    }

    /// The slots of the network core's image where both cores are updated at once: the primary is simulated in RAM, as large
    /// as the secondary.
    #[must_use]
    pub const fn simulated(secondary: Area) -> Self {
        Self {
            primary: Area {
                device: DeviceId::RamFlash,
                offset: 0,
                size: secondary.size,
            },
            secondary,
        }
    }
}

/// The keys that are compiled into a bootloader.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// Keys whose signatures are accepted.
    pub signing: Vec<PublicKey>,
    /// Unwraps the content keys of encrypted images.
    pub encryption: Option<DecryptionKey>,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_firmware_set_gives_a_bootloader_in_a_few_words() {
        let config: Config = serde_json::from_value(json!({
            "mode": "swap-move",
            "signature": "ecdsa-p256",
            "encryption": "ec256",
            "downgrade-prevention": "version",
            "validate-primary": true,
            "network-core": "pcd",
        }))
        .unwrap();
        assert_eq!(config.mode, Mode::SwapMove);
        assert_eq!(config.network_core, NetworkCore::Pcd);
        assert_eq!(config.line, Line::Nordic);
        assert_eq!(
            (config.max_sectors, config.write_size, config.sector_size),
            (128, 4, 4096)
        );
        assert_eq!(config.images, []);
    }

    #[rstest]
    #[case::misspelt_key(json!({ "mode": "swap-move", "signature": "none", "max-sector": 1 }), "unknown field `max-sector`")]
    #[case::unknown_mode(json!({ "mode": "swap", "signature": "none" }), "unknown variant `swap`, expected one of `swap-move`")]
    #[case::no_signature(json!({ "mode": "swap-move" }), "missing field `signature`")]
    fn a_wrong_bootloader_is_refused_with_what_is_allowed(
        #[case] text: serde_json::Value,
        #[case] message: &str,
    ) {
        let error = serde_json::from_value::<Config>(text)
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn a_configuration_survives_being_written_and_read() {
        let area = Area {
            device: DeviceId::External,
            offset: 4096,
            size: 8192,
        };
        let slots = ImageSlots {
            primary: area,
            secondary: area,
        };
        let config = Config::new(Mode::OverwriteOnly, Signature::Rsa2048, slots);
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
    }
}
