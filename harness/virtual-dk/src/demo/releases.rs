//! The releases of a demo set: which firmware there is and how it is packed.

use std::path::PathBuf;

use hil_bootloader::{AddressCheck, Area, DeviceId, DowngradePrevention, Line, Mode, NetworkCore};
use hil_image::ImageVersion;

use super::Variant;
use super::hex_file;
use super::keys::Keys;
use super::layout::{APP_BOOTLOADER, APP_PRIMARY, NET_BOOTLOADER, NET_PRIMARY};
use super::maker::{
    App, BIG, CRASHES, HANGS, HOTFIX, Maker, NEARLY_FULL, OTHER_IPC_VERSION, PROVISION_DATA,
    TOO_LARGE, tamper,
};
use super::metadata::{break_validation, provision};
use crate::model::{Confirmation, EraseAnswer, MarkRules};

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
    let network = variant.has_network_core().then(|| Network::of(&make));
    let mut baseline = Release::of(
        "baseline",
        "what a board runs before a test: bootloaders and firmware 1.0.0",
    );
    let mcuboot = make.mcuboot();
    baseline.program = vec![(
        "app",
        "merged.hex",
        hex_file::render(&[
            (APP_BOOTLOADER.address, &mcuboot),
            (APP_PRIMARY.address, &baseline_app),
        ]),
    )];
    let mut no_app = Release::of(
        "no-app",
        "bootloaders and network firmware without an application: only serial recovery answers",
    );
    no_app.program = vec![(
        "app",
        "mcuboot.hex",
        hex_file::render(&[(APP_BOOTLOADER.address, &mcuboot)]),
    )];
    let version = ImageVersion::new(2, 0, 0);
    let mut baseline = baseline.app(baseline_app);
    let mut update = Release::of("update", "a good update of both cores to 2.0.0")
        .app(make.image(&make.app(App::new("update", 2, 0)), version));
    if let Some(network) = &network {
        let program = ("net", "merged_CPUNET.hex", network.program.clone());
        baseline.program.push(program.clone());
        no_app.program.push(program);
        baseline = baseline.net(make.net_image(&network.baseline, ImageVersion::new(1, 0, 0)));
        update = update.net(make.net_image(&network.update, version));
    }
    let unseen = unseen_slot(&make, &baseline);
    let unaware = unaware_of_offset(&make, &mcuboot, network.as_ref());
    let locked = locked(&baseline);
    let mut releases = vec![baseline, update, no_app];
    releases.extend(unseen);
    releases.extend(unaware);
    releases.extend(locked);
    releases.extend(history(&make, &mcuboot, network.as_ref()));
    if variant.bootloader().has_secondary() {
        releases.push(hotfix(&make));
    }
    if keys.encryption.is_none() {
        releases.push(
            Release::of(
                "cannot-decrypt",
                "encrypted, which the bootloader was not built for",
            )
            .refused()
            .app(make.image_for_others(&make.app(App::new("cannot-decrypt", 2, 0)), version)),
        );
    } else {
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
            .refused_if(variant.bootloader().has_secondary())
            .app(make.image(
                &make.app(App::new("downgrade", 0, 9)),
                ImageVersion::new(0, 9, 0),
            )),
        Release::of(
            "too-large",
            "fits the slot, but leaves no room for what a swap needs",
        )
        // What only overwrites swaps nothing, and what has a scratch area needs no spare sector: it fits there.
        .refused_if(matches!(
            variant.bootloader().mode,
            Mode::SwapMove | Mode::SwapOffset
        ))
        .app(make.image(
            &make.app(App {
                size: TOO_LARGE,
                ..App::new("too-large", 2, 0)
            }),
            version,
        )),
    ]);
    if variant.bootloader().mode == Mode::SwapMove {
        releases.push(nearly_full(&make, version));
        if variant == Variant::default() {
            releases.push(big(&make, version));
        }
        if variant.bootloader().line <= Line::Nordic30 {
            releases.push(large(&make, network.as_ref()));
        }
    }
    if variant.bootloader().downgrade_prevention == DowngradePrevention::SecurityCounter {
        releases.extend(counted(&make));
    }
    if let Some(network) = network {
        releases.extend(network.other_releases(&make, version));
    }
    releases
}

/// What shows how much room a swap by moving needs.
fn nearly_full(make: &Maker<'_>, version: ImageVersion) -> Release {
    Release::of(
        "nearly-full",
        "leaves the trailer alone, but no page for moving the sectors up",
    )
    .refused()
    .app(make.image(
        &make.app(App {
            size: NEARLY_FULL,
            ..App::new("nearly-full", 2, 0)
        }),
        version,
    ))
}

/// What a device runs that no update gets into. Later bootloaders would not start it.
fn large(make: &Maker<'_>, network: Option<&Network>) -> Release {
    let image = make.image(
        &make.app(App {
            size: NEARLY_FULL,
            ..App::new("large", 1, 0)
        }),
        ImageVersion::new(1, 0, 0),
    );
    let mut large = Release::of(
        "large",
        "a running application that leaves no page for a swap: no update gets in",
    )
    .refused();
    large.program = vec![(
        "app",
        "merged.hex",
        hex_file::render(&[
            (APP_BOOTLOADER.address, &make.mcuboot()),
            (APP_PRIMARY.address, &image),
        ]),
    )];
    large
        .program
        .extend(network.map(|network| ("net", "merged_CPUNET.hex", network.program.clone())));
    large.app(image)
}

/// The baseline with a bootloader that does not know the slot in the external flash: it looks for updates in its own.
fn unseen_slot(make: &Maker<'_>, baseline: &Release) -> Option<Release> {
    let mut config = make.variant.bootloader();
    let slots = config.images.first_mut()?;
    if slots.secondary.device != DeviceId::External {
        return None;
    }
    slots.secondary = Area {
        device: DeviceId::AppFlash,
        offset: slots.primary.offset + slots.primary.size,
        ..slots.primary
    };
    let (_, _, app) = baseline.images.iter().find(|(image, ..)| *image == "app")?;
    let mut release = Release::of(
        "unseen-slot",
        "the baseline with a bootloader whose devicetree lacks the external flash: it looks for updates in internal flash",
    );
    release.program.clone_from(&baseline.program);
    release.program[0].2 = hex_file::render(&[
        (APP_BOOTLOADER.address, &make.mcuboot_with(config)),
        (APP_PRIMARY.address, app),
    ]);
    Some(release)
}

/// An application that was built before its bootloader swapped using offset: it puts updates where they never were to be.
fn unaware_of_offset(
    make: &Maker<'_>,
    mcuboot: &[u8],
    network: Option<&Network>,
) -> Option<Release> {
    if make.variant.bootloader().mode != Mode::SwapOffset {
        return None;
    }
    let image = make.image(
        &make.app(App {
            built_for: Some(Mode::SwapMove),
            ..App::new("unaware-of-offset", 1, 0)
        }),
        ImageVersion::new(1, 0, 0),
    );
    let mut release = Release::of(
        "unaware-of-offset",
        "an application that was built for swap-move: it puts updates into the first sector of the slot",
    );
    release.program = vec![(
        "app",
        "merged.hex",
        hex_file::render(&[
            (APP_BOOTLOADER.address, mcuboot),
            (APP_PRIMARY.address, &image),
        ]),
    )];
    release
        .program
        .extend(network.map(|network| ("net", "merged_CPUNET.hex", network.program.clone())));
    Some(release.app(image))
}

/// Releases between the baseline and the update that boards in the field run: complete, and each with the bootloader that
/// never changes.
fn history(make: &Maker<'_>, mcuboot: &[u8], network: Option<&Network>) -> Vec<Release> {
    [
        ("v1.5.0", "what boards in the field run since: 1.5.0", 1, 5),
        ("v2.1.0", "the release after the update: 2.1.0", 2, 1),
    ]
    .into_iter()
    .map(|(name, summary, major, minor)| {
        let image = make.image(
            &make.app(App::new(name, major, minor)),
            ImageVersion::new(major, minor, 0),
        );
        let mut release = Release::of(name, summary);
        release.program = vec![(
            "app",
            "merged.hex",
            hex_file::render(&[
                (APP_BOOTLOADER.address, mcuboot),
                (APP_PRIMARY.address, &image),
            ]),
        )];
        if let Some(network) = network {
            let program = ("net", "merged_CPUNET.hex", network.program.clone());
            release.program.push(program);
        }
        release.app(image)
    })
    .collect()
}

/// What any board can be updated to in a moment, whatever it runs.
fn hotfix(make: &Maker<'_>) -> Release {
    Release::of(
        "hotfix",
        "a good update of the application to 2.2.0 that is sent within a second",
    )
    .app(make.image(
        &make.app(App {
            size: HOTFIX,
            ..App::new("hotfix", 2, 2)
        }),
        ImageVersion::new(2, 2, 0),
    ))
}

/// An update of 100 KiB, as those of applications with a radio are: its swap is hundreds of flash operations, whatever ran before.
fn big(make: &Maker<'_>, version: ImageVersion) -> Release {
    Release::of(
        "big",
        "a good update of the application to 2.0.0 with an image of 100 KiB",
    )
    .app(make.image(
        &make.app(App {
            size: BIG,
            ..App::new("big", 2, 0)
        }),
        version,
    ))
}

/// The baseline as it leaves a factory: both cores closed to debuggers from the next start on. Only for boards with firmware on
/// both cores.
fn locked(baseline: &Release) -> Option<Release> {
    /// What opens a port when it is in UICR is another word.
    const CLOSED: &[u8] = &[0; 4];
    /// APPROTECT and SECUREAPPROTECT of the application core, APPROTECT of the network core.
    const APP: [(u32, &[u8]); 2] = [(0x00FF_8000, CLOSED), (0x00FF_801C, CLOSED)];
    const NET: [(u32, &[u8]); 1] = [(0x01FF_8000, CLOSED)];
    if baseline.program.len() < 2 {
        return None;
    }
    let mut release = Release::of(
        "locked",
        "the baseline, closed to debuggers: access port protection of both cores in UICR",
    );
    release.program.clone_from(&baseline.program);
    release.program.extend([
        ("app", "closed.hex", hex_file::render(&APP)),
        ("net", "closed_CPUNET.hex", hex_file::render(&NET)),
    ]);
    Some(release)
}

/// What shows that the counter decides, and not the version.
fn counted(make: &Maker<'_>) -> [Release; 2] {
    [
        Release::of(
            "older-version",
            "older than the baseline by its version, but not by its security counter",
        )
        .app(make.counted_image(
            &make.app(App::new("older-version", 0, 8)),
            ImageVersion::new(0, 8, 0),
            ImageVersion::new(2, 0, 0),
        )),
        Release::of(
            "counter-too-low",
            "newer than the baseline by its version, but not by its security counter",
        )
        .refused()
        .app(make.counted_image(
            &make.app(App::new("counter-too-low", 2, 0)),
            ImageVersion::new(2, 0, 0),
            ImageVersion::new(0, 9, 0),
        )),
    ]
}

/// What there is for the network core.
struct Network {
    /// Its HEX file of the baseline.
    program: Vec<u8>,
    baseline: Vec<u8>,
    update: Vec<u8>,
}

impl Network {
    fn of(make: &Maker<'_>) -> Self {
        let baseline = make.net("1.0.0", 1);
        Self {
            program: hex_file::render(&[
                (NET_BOOTLOADER.address, &make.b0n()),
                (PROVISION_DATA, &provision(NET_PRIMARY.address, make.keys)),
                (NET_PRIMARY.address, &baseline),
            ]),
            update: make.net("2.0.0", 2),
            baseline,
        }
    }

    fn other_releases(self, make: &Maker<'_>, version: ImageVersion) -> Vec<Release> {
        let mut releases = vec![
            Release::of(
                "net-other-ipc",
                "good network firmware that the applications of this set cannot talk to: no radio",
            )
            .net(make.net_image(&make.net_with("2.0.0", 2, OTHER_IPC_VERSION), version)),
            Release::of(
                "net-large",
                "good network firmware of 128 KiB: its copy takes seconds",
            )
            .net(make.net_image(&make.large_net("2.0.0", 2), version)),
            Release::of(
                "new-ipc",
                "a good update of both cores to another version of the interface between them",
            )
            .app(make.image(
                &make.app(App {
                    ipc_version: OTHER_IPC_VERSION,
                    ..App::new("new-ipc", 2, 0)
                }),
                version,
            ))
            .net(make.net_image(&make.net_with("2.0.0", 3, OTHER_IPC_VERSION), version)),
            Release::of(
                "net-broken",
                "signed for MCUboot, but with a hash that b0n refuses",
            )
            .refused()
            .net(make.net_image(&break_validation(self.update.clone()), version)),
            Release::of(
                "net-wrong-address",
                "signed for MCUboot, but with metadata of another place, which b0n refuses",
            )
            .refused()
            .net(make.net_image(&make.net_with_wrong_address(), version)),
        ];
        let build = make.variant.bootloader();
        let shared = build.network_core == NetworkCore::Pcd;
        if shared && build.address_check == AddressCheck::None {
            releases.push(
                Release::of(
                    "net-linked-for-app",
                    "network firmware that was linked for the application's place: nothing tells it from an application",
                )
                .refused()
                .net(make.net_image(&make.net_linked_for_app(), version)),
            );
        }
        if make.keys.encryption.is_some() {
            let image = make.encrypted_net_image(&make.net_of_its_own("net-encrypted"), version);
            let summary = match build.network_core {
                NetworkCore::Pcd => {
                    "encrypted network firmware: nothing tells it from an application"
                }
                _ => "a good, encrypted update of the network core to 2.0.0",
            };
            // b0n would refuse it, if it ever got there.
            let useless = build.network_core == NetworkCore::Pcd;
            let release = Release::of("net-encrypted", summary).refused_if(useless);
            releases.push(release.net(image));
        }
        if build.network_version_check || build.b0n.least_version.is_some() {
            releases.push(
                Release::of(
                    "net-version-0",
                    "network firmware whose fw_info version is 0",
                )
                .refused()
                .net(make.net_image(&make.net("2.0.0", 0), version)),
            );
        }
        if build.network_version_check {
            let application = ImageVersion::new(1, 0, 0);
            releases.push(
                Release::of(
                    "net-with-dependency",
                    "good network firmware with a protected TLV, behind which fw_info is not found",
                )
                .refused()
                .net(make.net_image_with_dependency(
                    &self.update,
                    version,
                    application,
                )),
            );
        }
        if make.variant == Variant::SIMULTANEOUS_OVERWRITE {
            releases.extend(self.old_servers(make));
        }
        releases
    }

    /// Applications with SMP servers as they once were, to be programmed.
    fn old_servers(&self, make: &Maker<'_>) -> [Release; 2] {
        let release = |name, summary, app: App| {
            let image = make.image(&make.app(app), ImageVersion::new(1, 0, 0));
            let mut release = Release::of(name, summary);
            release.program = vec![
                (
                    "app",
                    "merged.hex",
                    hex_file::render(&[
                        (APP_BOOTLOADER.address, &make.mcuboot()),
                        (APP_PRIMARY.address, &image),
                    ]),
                ),
                ("net", "merged_CPUNET.hex", self.program.clone()),
            ];
            let network = make.net_image(&self.baseline, ImageVersion::new(1, 0, 0));
            release.app(image).net(network)
        };
        let (marks, erases) = ("marks-by-running-image", "erase-misreported");
        [
            release(
                marks,
                "1.0.0 with a server that looks at the running image before it marks any other",
                App {
                    mark_rules: MarkRules::RunningImage,
                    ..App::new(marks, 1, 0)
                },
            ),
            release(
                erases,
                "1.0.0 with a server that erases and reports a failure",
                App {
                    erase_answer: EraseAnswer::Failure,
                    ..App::new(erases, 1, 0)
                },
            ),
        ]
    }
}
