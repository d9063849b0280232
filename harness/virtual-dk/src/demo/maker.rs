//! Builds the pieces of a demo set: binaries, and images of them.

use hil_bootloader::{Config, DowngradePrevention, Mode};
use hil_image::{ImageBuilder, ImageVersion};
use sha2::{Digest, Sha256};

use super::Variant;
use super::keys::{self, DeviceKey, Keys};
use super::layout::{APP_BOOTLOADER, APP_PRIMARY, NET_BOOTLOADER, NET_PRIMARY};
use super::metadata::{with_info, with_validation};
use crate::model::{
    ApplicationModel, B0nModel, Behaviour, Binary, BootloaderSupport, Confirmation, ConsoleOutput,
    EraseAnswer, Feature, Link, MarkRules, McubootModel, Model, NetworkModel, ResetWay, Secret,
    SmpModel,
};

/// Bytes of an image header in SDK builds (`CONFIG_ROM_START_OFFSET`).
const HEADER: u32 = 0x200;

/// Version of the interface between the cores in all demo firmware but one.
const IPC_VERSION: u32 = 1;

/// The other version.
pub(super) const OTHER_IPC_VERSION: u32 = 2;

/// Faults 100 ms after its start, before a client could confirm it.
pub(super) const CRASHES: Behaviour = Behaviour::Crashes {
    after_ms: 100,
    then: ResetWay::Watchdog { timeout_ms: 2000 },
};

/// Dead after a second.
pub(super) const HANGS: Behaviour = Behaviour::Hangs {
    after_ms: 1000,
    then: ResetWay::Watchdog { timeout_ms: 2000 },
};

/// Payload bytes of an ordinary application: eight pages and a bit with header and TLVs.
const APP_SIZE: u32 = 0x8000;

/// Payload bytes of the image that is too large: it reaches the last page of the slot, where the trailer is.
pub(super) const TOO_LARGE: u32 = APP_PRIMARY.size - 0x1000;

/// Payload bytes of an image that ends below the trailer and leaves no spare page for a swap by moving.
pub(super) const NEARLY_FULL: u32 = APP_PRIMARY.size - 0x2000;

/// Payload bytes of an application that is sent within a second.
pub(super) const HOTFIX: u32 = 0x1800;

/// Payload bytes of an application of 100 KiB.
pub(super) const BIG: u32 = 0x19000;

/// Bytes of the bootloader binaries: smaller than their partitions, as real ones.
const MCUBOOT_SIZE: u32 = 0x9000;
const B0N_SIZE: u32 = 0x5400;

/// Bytes of the network firmware, without validation information.
const NET_SIZE: u32 = 0x4000;

/// Vectors of a binary, the stack pointer included.
const VECTORS: usize = crate::model::VECTORS;
/// The same, of the one that is large.
const LARGE_NET_SIZE: u32 = 0x20000;

/// Where the data of the provision partition begins (SDK 2.4.2 to 3.0.2).
pub(super) const PROVISION_DATA: u32 = 0x0100_85A8;

/// What is particular about one application.
#[derive(Clone, Copy, Debug)]
pub(super) struct App {
    pub(super) release: &'static str,
    pub(super) major: u8,
    pub(super) minor: u8,
    pub(super) behaviour: Behaviour,
    pub(super) confirmation: Confirmation,
    pub(super) size: u32,
    pub(super) ipc_version: u32,
    pub(super) mark_rules: MarkRules,
    /// The mode that it was built for, where that is not its bootloader's.
    pub(super) built_for: Option<Mode>,
    pub(super) erase_answer: EraseAnswer,
}

impl App {
    pub(super) fn new(release: &'static str, major: u8, minor: u8) -> Self {
        // A page more from version 2 on: a swap has two images of different length then.
        let size = if major >= 2 {
            APP_SIZE + 0x1000
        } else {
            APP_SIZE
        };
        Self {
            release,
            major,
            minor,
            behaviour: Behaviour::Normal,
            confirmation: Confirmation::ByClient,
            size,
            ipc_version: IPC_VERSION,
            mark_rules: MarkRules::default(),
            built_for: None,
            erase_answer: EraseAnswer::default(),
        }
    }
}

/// Builds the pieces of one variant.
pub(super) struct Maker<'a> {
    pub(super) variant: Variant,
    pub(super) keys: &'a Keys,
}

impl Maker<'_> {
    pub(super) fn mcuboot(&self) -> Vec<u8> {
        self.mcuboot_with(self.variant.bootloader())
    }

    /// The same, built otherwise than the set says.
    pub(super) fn mcuboot_with(&self, config: Config) -> Vec<u8> {
        let model = McubootModel {
            version: self.variant.mcuboot().to_owned(),
            config,
            signing_keys: vec![self.keys.signing.public_pem().to_owned()],
            encryption_key: self
                .keys
                .encryption
                .as_ref()
                .map(|key| Secret::new(key.private_pem().to_owned())),
            console: ConsoleOutput::Log,
            undescribed: None,
        };
        Binary::new(Model::Mcuboot(model), APP_BOOTLOADER.address, MCUBOOT_SIZE).build()
    }

    pub(super) fn app(&self, app: App) -> Vec<u8> {
        let version = format!("{}.{}.0", app.major, app.minor);
        let seed = seed_of(app.release);
        let model = ApplicationModel {
            name: "dfu-hil demo app".to_owned(),
            version,
            release: app.release.to_owned(),
            behaviour: app.behaviour,
            confirmation: app.confirmation,
            ipc_version: app.ipc_version,
            links: if self.variant.has_network_core() {
                vec![Link::Uart, Link::Ble]
            } else {
                vec![Link::Uart]
            },
            smp: SmpModel {
                // Nordic's settings for fast updates: five BLE packets of 495 bytes.
                buf_size: 2475,
                image_check: Feature::On,
                mark_rules: app.mark_rules,
                erase_answer: app.erase_answer,
                ..SmpModel::default()
            },
            bootloader: BootloaderSupport::Mcuboot(Config {
                mode: app
                    .built_for
                    .unwrap_or_else(|| self.variant.bootloader().mode),
                ..self.variant.bootloader()
            }),
            rtt: None,
        };
        Binary::new(
            Model::Application(model),
            APP_PRIMARY.address + HEADER,
            app.size,
        )
        .seed(seed)
        .build()
    }

    pub(super) fn b0n(&self) -> Vec<u8> {
        let build = self.variant.bootloader().b0n;
        let model = B0nModel {
            version: "v1".to_owned(),
            application: NET_PRIMARY.address,
            application_size: NET_PRIMARY.size,
            least_version: build.least_version,
            version_command: if build.version_command {
                Feature::On
            } else {
                Feature::Off
            },
            console: ConsoleOutput::Silent,
        };
        with_info(
            Binary::new(Model::B0n(model), NET_BOOTLOADER.address, B0N_SIZE).build(),
            NET_BOOTLOADER.address,
            self.keys,
        )
    }

    /// Network firmware with validation information behind it, as b0n wants it.
    pub(super) fn net(&self, version: &str, number: u32) -> Vec<u8> {
        self.net_with(version, number, IPC_VERSION)
    }

    /// The same, with a version of the interface between the cores.
    pub(super) fn net_with(&self, version: &str, number: u32, ipc_version: u32) -> Vec<u8> {
        self.net_sized(version, number, ipc_version, NET_SIZE)
    }

    /// The same, so large that its copy takes seconds.
    pub(super) fn large_net(&self, version: &str, number: u32) -> Vec<u8> {
        self.net_sized(version, number, IPC_VERSION, LARGE_NET_SIZE)
    }

    fn net_sized(&self, version: &str, number: u32, ipc_version: u32, size: u32) -> Vec<u8> {
        let firmware = net_firmware(version, ipc_version, number.into(), size);
        with_validation(firmware, NET_PRIMARY.address, number, self.keys)
    }

    /// Network firmware that nothing else in the set is like, so that its plain text can be told.
    pub(super) fn net_of_its_own(&self, release: &str) -> Vec<u8> {
        let firmware = net_firmware("2.0.0", IPC_VERSION, seed_of(release), NET_SIZE);
        with_validation(firmware, NET_PRIMARY.address, 2, self.keys)
    }

    /// Network firmware whose metadata say that it belongs elsewhere.
    pub(super) fn net_with_wrong_address(&self) -> Vec<u8> {
        let firmware = net_firmware("2.0.0", IPC_VERSION, 2, NET_SIZE);
        with_validation(firmware, NET_PRIMARY.address + 0x800, 2, self.keys)
    }

    /// Network firmware that was linked for the application's place.
    pub(super) fn net_linked_for_app(&self) -> Vec<u8> {
        let base = APP_PRIMARY.address + HEADER;
        let mut firmware = net_firmware("2.0.0", IPC_VERSION, 2, NET_SIZE);
        for vector in firmware[4..4 * VECTORS].chunks_exact_mut(4) {
            let from = u32::from_le_bytes([vector[0], vector[1], vector[2], vector[3]]);
            let to = from - NET_PRIMARY.address + base;
            vector.copy_from_slice(&to.to_le_bytes());
        }
        with_validation(firmware, base, 2, self.keys)
    }

    /// As the application's build does: with the counter that imgtool makes of the version, where one is asked for.
    fn builder(&self, payload: &[u8], version: ImageVersion) -> ImageBuilder {
        let builder = plain_builder(payload, version);
        match self.variant.bootloader().downgrade_prevention {
            DowngradePrevention::SecurityCounter => builder.security_counter(counter(version)),
            DowngradePrevention::None | DowngradePrevention::Version => builder,
        }
    }

    /// With the counter of another version.
    pub(super) fn counted_image(
        &self,
        payload: &[u8],
        version: ImageVersion,
        counter_of: ImageVersion,
    ) -> Vec<u8> {
        let builder = plain_builder(payload, version).security_counter(counter(counter_of));
        finish(&builder.key(&self.keys.signing.signing()), payload)
    }

    /// As the network core's build does: without a counter.
    pub(super) fn net_image(&self, payload: &[u8], version: ImageVersion) -> Vec<u8> {
        let builder = plain_builder(payload, version);
        finish(&builder.key(&self.keys.signing.signing()), payload)
    }

    /// The same with a protected TLV: the application must have at least its own version
    /// (`CONFIG_NRF53_ENFORCE_IMAGE_VERSION_EQUALITY` adds such a one).
    pub(super) fn net_image_with_dependency(
        &self,
        payload: &[u8],
        version: ImageVersion,
        application: ImageVersion,
    ) -> Vec<u8> {
        let builder = plain_builder(payload, version).dependency(0, application);
        finish(&builder.key(&self.keys.signing.signing()), payload)
    }

    /// A network image for a bootloader that decrypts.
    pub(super) fn encrypted_net_image(&self, payload: &[u8], version: ImageVersion) -> Vec<u8> {
        let builder = plain_builder(payload, version).key(&self.keys.signing.signing());
        match &self.keys.encryption {
            Some(key) => finish(&builder.encrypt(&key.encryption()), payload),
            None => finish(&builder, payload),
        }
    }

    pub(super) fn image(&self, payload: &[u8], version: ImageVersion) -> Vec<u8> {
        finish(
            &self
                .builder(payload, version)
                .key(&self.keys.signing.signing()),
            payload,
        )
    }

    pub(super) fn foreign_image(&self, payload: &[u8], version: ImageVersion) -> Vec<u8> {
        finish(
            &self
                .builder(payload, version)
                .key(&self.keys.foreign.signing()),
            payload,
        )
    }

    pub(super) fn unsigned_image(&self, payload: &[u8], version: ImageVersion) -> Vec<u8> {
        finish(&self.builder(payload, version), payload)
    }

    /// Encrypted for devices of another product, whose bootloader has a key.
    pub(super) fn image_for_others(&self, payload: &[u8], version: ImageVersion) -> Vec<u8> {
        let signature = self.variant.bootloader().signature;
        let key = DeviceKey::of_others(&self.keys.foreign, signature);
        let builder = self.builder(payload, version);
        let builder = builder.key(&self.keys.signing.signing());
        finish(&builder.encrypt(&key.encryption()), payload)
    }

    pub(super) fn encrypted_image(&self, payload: &[u8], version: ImageVersion) -> Vec<u8> {
        let builder = self
            .builder(payload, version)
            .key(&self.keys.signing.signing());
        match &self.keys.encryption {
            Some(key) => finish(&builder.encrypt(&key.encryption()), payload),
            None => finish(&builder, payload),
        }
    }
}

/// The network core's firmware without metadata.
fn net_firmware(version: &str, ipc_version: u32, seed: u64, size: u32) -> Vec<u8> {
    let model = NetworkModel {
        name: "dfu-hil demo net".to_owned(),
        version: version.to_owned(),
        ipc_version,
    };
    Binary::new(Model::Network(model), NET_PRIMARY.address, size)
        .seed(seed)
        .build()
}

fn plain_builder(payload: &[u8], version: ImageVersion) -> ImageBuilder {
    ImageBuilder::new(payload)
        .version(version)
        .header_size(HEADER as u16)
}

/// What `imgtool sign --security-counter auto` makes of a version.
fn counter(version: ImageVersion) -> u32 {
    u32::from(version.major) << 24 | u32::from(version.minor) << 16 | u32::from(version.revision)
}

/// Builds an image with randomness that depends on its payload only.
fn finish(builder: &ImageBuilder, payload: &[u8]) -> Vec<u8> {
    let digest = Sha256::digest(payload);
    builder
        .build(&mut keys::rng(&format!("image {digest:x}")))
        .expect("the generator asks for nothing that cannot be built")
}

/// Flips a bit in the middle of the code.
pub(super) fn tamper(mut image: Vec<u8>) -> Vec<u8> {
    let middle = (HEADER + APP_SIZE / 2) as usize;
    image[middle] ^= 0x10;
    image
}

/// Filling that differs between releases.
fn seed_of(release: &str) -> u64 {
    let digest = Sha256::digest(release);
    u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
}
