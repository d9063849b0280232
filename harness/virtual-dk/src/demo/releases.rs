//! The releases of a demo set: which firmware there is and how it is packed.

use std::path::PathBuf;

use hil_image::{ImageBuilder, ImageVersion};
use sha2::{Digest, Sha256};

use super::hex_file;
use super::keys::{self, Keys};
use super::metadata::{break_validation, provision, with_info, with_validation};
use super::{APP_BOOTLOADER, APP_PRIMARY, NET_BOOTLOADER, NET_PRIMARY, Variant};
use crate::model::{
    ApplicationModel, B0nModel, Behaviour, Binary, BootloaderSupport, Confirmation, ConsoleOutput,
    Feature, Link, McubootModel, Model, NetworkModel, ResetWay, Secret, SmpModel,
};

/// Bytes of an image header in SDK builds (`CONFIG_ROM_START_OFFSET`).
const HEADER: u32 = 0x200;

/// Version of the interface between the cores in all demo firmware but one.
const IPC_VERSION: u32 = 1;

/// The other version.
const OTHER_IPC_VERSION: u32 = 2;

/// A release: files to program through the probe, and images to send.
#[derive(Clone, Debug)]
pub(super) struct Release {
    pub(super) name: &'static str,
    /// What it is for, for the reader of the file.
    pub(super) summary: &'static str,
    /// Whether it is there to be refused.
    pub(super) refused: bool,
    /// Core, file name, contents.
    pub(super) program: Vec<(&'static str, &'static str, Vec<u8>)>,
    /// Image, file name, contents.
    pub(super) images: Vec<(&'static str, &'static str, Vec<u8>)>,
}

impl Release {
    fn of(name: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            summary,
            refused: false,
            program: Vec::new(),
            images: Vec::new(),
        }
    }

    /// Every bootloader of the variant refuses it.
    fn refused(self) -> Self {
        self.refused_if(true)
    }

    fn refused_if(mut self, refused: bool) -> Self {
        self.refused = refused;
        self
    }

    fn app(mut self, image: Vec<u8>) -> Self {
        self.images.push(("app", "app_update.bin", image));
        self
    }

    fn net(mut self, image: Vec<u8>) -> Self {
        self.images.push(("net", "net_core_app_update.bin", image));
        self
    }

    pub(super) fn into_files(self) -> Vec<(PathBuf, Vec<u8>)> {
        let folder = PathBuf::from(self.name);
        self.program
            .into_iter()
            .chain(self.images)
            .map(|(_, file, bytes)| (folder.join(file), bytes))
            .collect()
    }
}

/// All releases of a variant. The first one is what a board is programmed with.
pub(super) fn all(variant: Variant, keys: &Keys) -> Vec<Release> {
    let make = Maker { variant, keys };
    let baseline_app = make.image(
        &make.app(App::new("baseline", 1, 0)),
        ImageVersion::new(1, 0, 0),
    );
    let baseline_net = make.net("1.0.0", 1);
    let mut baseline = Release::of(
        "baseline",
        "what a board runs before a test: bootloaders and firmware 1.0.0",
    );
    baseline.program = vec![
        (
            "app",
            "merged.hex",
            hex_file::render(&[
                (APP_BOOTLOADER.address, &make.mcuboot()),
                (APP_PRIMARY.address, &baseline_app),
            ]),
        ),
        (
            "net",
            "merged_CPUNET.hex",
            hex_file::render(&[
                (NET_BOOTLOADER.address, &make.b0n()),
                (PROVISION_DATA, &provision(NET_PRIMARY.address, keys)),
                (NET_PRIMARY.address, &baseline_net),
            ]),
        ),
    ];
    let mut no_app = Release::of(
        "no-app",
        "bootloaders and network firmware without an application: only serial recovery answers",
    );
    no_app.program = vec![
        (
            "app",
            "mcuboot.hex",
            hex_file::render(&[(APP_BOOTLOADER.address, &make.mcuboot())]),
        ),
        ("net", "merged_CPUNET.hex", baseline.program[1].2.clone()),
    ];
    let version = ImageVersion::new(2, 0, 0);
    let update_app = make.app(App::new("update", 2, 0));
    let update_net = make.net("2.0.0", 2);
    let mut releases = vec![
        baseline
            .app(baseline_app)
            .net(make.image(&baseline_net, ImageVersion::new(1, 0, 0))),
        Release::of("update", "a good update of both cores to 2.0.0")
            .app(make.image(&update_app, version))
            .net(make.image(&update_net, version)),
        no_app,
    ];
    if keys.encryption.is_some() {
        releases.push(
            Release::of(
                "encrypted",
                "a good, encrypted update of the application to 2.0.0",
            )
            .app(make.encrypted_image(&make.app(App::new("encrypted", 2, 0)), version)),
        );
    }
    releases.extend([
        Release::of("self-confirms", "confirms itself a second after its start").app(make.image(
            &make.app(App {
                confirmation: Confirmation::BySelf { after_ms: 1000 },
                ..App::new("self-confirms", 2, 0)
            }),
            version,
        )),
        Release::of("never-confirms", "runs, but refuses to be confirmed").app(make.image(
            &make.app(App {
                confirmation: Confirmation::Refused,
                ..App::new("never-confirms", 2, 0)
            }),
            version,
        )),
        Release::of(
            "crashes",
            "faults right after its start; the watchdog resets",
        )
        .app(make.image(
            &make.app(App {
                behaviour: CRASHES,
                ..App::new("crashes", 2, 0)
            }),
            version,
        )),
        Release::of(
            "hangs",
            "answers nothing after a second; the watchdog resets",
        )
        .app(make.image(
            &make.app(App {
                behaviour: HANGS,
                ..App::new("hangs", 2, 0)
            }),
            version,
        )),
        Release::of(
            "wrong-key",
            "signed with a key that the bootloader does not know",
        )
        .refused()
        .app(make.foreign_image(&make.app(App::new("wrong-key", 2, 0)), version)),
        Release::of(
            "tampered",
            "one bit of its code flipped after it was signed",
        )
        .refused()
        .app(tamper(
            make.image(&make.app(App::new("tampered", 2, 0)), version),
        )),
        Release::of("unsigned", "has a hash but no signature")
            .refused()
            .app(make.unsigned_image(&make.app(App::new("unsigned", 2, 0)), version)),
        Release::of("downgrade", "older than the baseline: 0.9.0")
            .refused()
            .app(make.image(
                &make.app(App::new("downgrade", 0, 9)),
                ImageVersion::new(0, 9, 0),
            )),
        Release::of(
            "too-large",
            "fits the slot, but leaves no room for what a swap needs",
        )
        // Nothing is swapped in the other variant, so it fits there.
        .refused_if(variant == Variant::SwapMoveEcdsaEc256)
        .app(make.image(
            &make.app(App {
                size: TOO_LARGE,
                ..App::new("too-large", 2, 0)
            }),
            version,
        )),
        Release::of(
            "net-other-ipc",
            "good network firmware that the applications of this set cannot talk to: no radio",
        )
        .net(make.image(&make.net_with("2.0.0", 2, OTHER_IPC_VERSION), version)),
        Release::of(
            "net-large",
            "good network firmware of 128 KiB: its copy takes seconds",
        )
        .net(make.image(
            &make.net_sized("2.0.0", 2, IPC_VERSION, LARGE_NET_SIZE),
            version,
        )),
        Release::of(
            "net-broken",
            "signed for MCUboot, but with a hash that b0n refuses",
        )
        .refused()
        .net(make.image(&break_validation(update_net), version)),
    ]);
    releases
}

/// Faults 100 ms after its start, before a client could confirm it.
const CRASHES: Behaviour = Behaviour::Crashes {
    after_ms: 100,
    then: ResetWay::Watchdog { timeout_ms: 2000 },
};

/// Dead after a second.
const HANGS: Behaviour = Behaviour::Hangs {
    after_ms: 1000,
    then: ResetWay::Watchdog { timeout_ms: 2000 },
};

/// Payload bytes of an ordinary application: eight pages and a bit with header and TLVs.
const APP_SIZE: u32 = 0x8000;

/// Payload bytes of the image that is too large: it reaches the last page of the slot, where the trailer is.
const TOO_LARGE: u32 = APP_PRIMARY.size - 0x1000;

/// Bytes of the bootloader binaries: smaller than their partitions, as real ones.
const MCUBOOT_SIZE: u32 = 0x9000;
const B0N_SIZE: u32 = 0x5400;

/// Bytes of the network firmware, without validation information.
const NET_SIZE: u32 = 0x4000;

/// The same, of the one that is large.
const LARGE_NET_SIZE: u32 = 0x20000;

/// Where the data of the provision partition begins (SDK 2.4.2 to 3.0.2).
const PROVISION_DATA: u32 = 0x0100_85A8;

/// What is particular about one application.
#[derive(Clone, Copy, Debug)]
struct App {
    release: &'static str,
    major: u8,
    minor: u8,
    behaviour: Behaviour,
    confirmation: Confirmation,
    size: u32,
}

impl App {
    fn new(release: &'static str, major: u8, minor: u8) -> Self {
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
        }
    }
}

/// Builds the pieces of one variant.
struct Maker<'a> {
    variant: Variant,
    keys: &'a Keys,
}

impl Maker<'_> {
    fn mcuboot(&self) -> Vec<u8> {
        let model = McubootModel {
            version: "v2.1.0".to_owned(),
            config: self.variant.bootloader(),
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

    fn app(&self, app: App) -> Vec<u8> {
        let version = format!("{}.{}.0", app.major, app.minor);
        let seed = seed_of(app.release);
        let model = ApplicationModel {
            name: "dfu-hil demo app".to_owned(),
            version,
            release: app.release.to_owned(),
            behaviour: app.behaviour,
            confirmation: app.confirmation,
            ipc_version: IPC_VERSION,
            links: vec![Link::Uart, Link::Ble],
            smp: SmpModel {
                // Nordic's settings for fast updates: five BLE packets of 495 bytes.
                buf_size: 2475,
                image_check: Feature::On,
                ..SmpModel::default()
            },
            bootloader: BootloaderSupport::Mcuboot(self.variant.bootloader()),
        };
        Binary::new(
            Model::Application(model),
            APP_PRIMARY.address + HEADER,
            app.size,
        )
        .seed(seed)
        .build()
    }

    fn b0n(&self) -> Vec<u8> {
        let model = B0nModel {
            version: "v1".to_owned(),
            application: NET_PRIMARY.address,
            application_size: NET_PRIMARY.size,
            least_version: None,
            version_command: Feature::Off,
            console: ConsoleOutput::Silent,
        };
        with_info(
            Binary::new(Model::B0n(model), NET_BOOTLOADER.address, B0N_SIZE).build(),
            NET_BOOTLOADER.address,
            self.keys,
        )
    }

    /// Network firmware with validation information behind it, as b0n wants it.
    fn net(&self, version: &str, number: u32) -> Vec<u8> {
        self.net_with(version, number, IPC_VERSION)
    }

    /// The same, with a version of the interface between the cores.
    fn net_with(&self, version: &str, number: u32, ipc_version: u32) -> Vec<u8> {
        self.net_sized(version, number, ipc_version, NET_SIZE)
    }

    /// The same, of so many bytes without validation information.
    fn net_sized(&self, version: &str, number: u32, ipc_version: u32, size: u32) -> Vec<u8> {
        let model = NetworkModel {
            name: "dfu-hil demo net".to_owned(),
            version: version.to_owned(),
            ipc_version,
        };
        let firmware = Binary::new(Model::Network(model), NET_PRIMARY.address, size)
            .seed(number.into())
            .build();
        with_validation(firmware, NET_PRIMARY.address, number, self.keys)
    }

    fn builder(payload: &[u8], version: ImageVersion) -> ImageBuilder {
        ImageBuilder::new(payload)
            .version(version)
            .header_size(HEADER as u16)
    }

    fn image(&self, payload: &[u8], version: ImageVersion) -> Vec<u8> {
        finish(
            &Self::builder(payload, version).key(&self.keys.signing.signing()),
            payload,
        )
    }

    fn foreign_image(&self, payload: &[u8], version: ImageVersion) -> Vec<u8> {
        finish(
            &Self::builder(payload, version).key(&self.keys.foreign.signing()),
            payload,
        )
    }

    #[expect(clippy::unused_self, reason = "one of a row of ways to pack a payload")]
    fn unsigned_image(&self, payload: &[u8], version: ImageVersion) -> Vec<u8> {
        finish(&Self::builder(payload, version), payload)
    }

    fn encrypted_image(&self, payload: &[u8], version: ImageVersion) -> Vec<u8> {
        let builder = Self::builder(payload, version).key(&self.keys.signing.signing());
        match &self.keys.encryption {
            Some(key) => finish(&builder.encrypt(&key.encryption()), payload),
            None => finish(&builder, payload),
        }
    }
}

/// Builds an image with randomness that depends on its payload only.
fn finish(builder: &ImageBuilder, payload: &[u8]) -> Vec<u8> {
    let digest = Sha256::digest(payload);
    builder
        .build(&mut keys::rng(&format!("image {digest:x}")))
        .expect("the generator asks for nothing that cannot be built")
}

/// Flips a bit in the middle of the code.
fn tamper(mut image: Vec<u8>) -> Vec<u8> {
    let middle = (HEADER + APP_SIZE / 2) as usize;
    image[middle] ^= 0x10;
    image
}

/// Filling that differs between releases.
fn seed_of(release: &str) -> u64 {
    let digest = Sha256::digest(release);
    u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
}
