//! The variants of the demo firmware: one entry in the table for each bootloader that there is a set for.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use hil_bootloader::{
    AddressCheck, Area, B0nBuild, Config, DowngradePrevention, Encryption, ImageSlots, Line, Mode,
    NetworkCore, RecoveryButton, SerialRecovery, Signature,
};

use super::layout::{
    EXTERNAL, INTERNAL, NET_PRIMARY, OFFSET, Partition, SCRATCH, SIMULTANEOUS_EXTERNAL,
    SIMULTANEOUS_INTERNAL, SINGLE_CORE, SINGLE_SLOT,
};

/// Which bootloader a set is built for.
#[derive(Clone, Copy)]
pub struct Variant(&'static Spec);

/// What is particular about a variant. A new one is a constant of this type, and its name in [`Variant::ALL`].
#[derive(Debug)]
pub(super) struct Spec {
    /// The word for it on the command line: mode, signature, encryption, and what else is particular.
    name: &'static str,
    /// What it is, for people.
    summary: &'static str,
    mode: Mode,
    signature: Signature,
    encryption: Encryption,
    downgrade_prevention: DowngradePrevention,
    network_core: NetworkCore,
    line: Line,
    /// What MCUboot's banner says.
    mcuboot: &'static str,
    /// The partitions of a board, in the order of the firmware file.
    layout: &'static [Partition],
    /// Everything else that its bootloader is built with otherwise.
    build: fn(Config) -> Config,
}

/// What most variants are: they tell what they have otherwise.
const USUAL: Spec = Spec {
    name: "swap-move-ecdsa-ec256",
    summary: "Swap using move, ECDSA P-256, encryption with ECIES-P256",
    mode: Mode::SwapMove,
    signature: Signature::EcdsaP256,
    encryption: Encryption::Ec256,
    downgrade_prevention: DowngradePrevention::Version,
    network_core: NetworkCore::Pcd,
    line: Line::Nordic,
    mcuboot: "v2.1.0",
    layout: INTERNAL,
    build: |config| config,
};

/// A recovery server as a build of one slot has it: no states of images, and the way to the network core.
fn single_slot(config: Config) -> Config {
    Config {
        serial_recovery: config.serial_recovery.map(|build| SerialRecovery {
            network_core: true,
            image_state: false,
            ..build
        }),
        ..config
    }
}

impl Variant {
    /// Swap using move, ECDSA P-256 signatures, ECIES-P256 encryption, no downgrade by version, network core by PCD.
    pub const SWAP_MOVE_ECDSA_EC256: Self = Self(&USUAL);

    /// Overwrite only, RSA-2048 signatures, no encryption, no downgrade by version, network core by PCD.
    pub const OVERWRITE_RSA2048: Self = Self(&Spec {
        name: "overwrite-rsa2048",
        summary: "Overwrite only, RSA-2048, no encryption",
        mode: Mode::OverwriteOnly,
        signature: Signature::Rsa2048,
        encryption: Encryption::None,
        ..USUAL
    });

    /// The usual one with the secondary slot in the external flash. The network core is not updated: b0n cannot read
    /// there.
    pub const SWAP_MOVE_EXTERNAL: Self = Self(&Spec {
        name: "swap-move-external",
        summary: "Swap using move, ECDSA P-256, encryption, with the secondary slot in the external flash",
        network_core: NetworkCore::None,
        layout: EXTERNAL,
        ..USUAL
    });

    /// Swap using offset: the update lies a page up in the secondary slot, which is a page larger.
    pub const SWAP_OFFSET_ECDSA_EC256: Self = Self(&Spec {
        name: "swap-offset-ecdsa-ec256",
        summary: "Swap using offset, ECDSA P-256, encryption with ECIES-P256",
        mode: Mode::SwapOffset,
        layout: OFFSET,
        ..USUAL
    });

    /// Swap using scratch, with a scratch area of four pages.
    pub const SWAP_SCRATCH_ECDSA_EC256: Self = Self(&Spec {
        name: "swap-scratch-ecdsa-ec256",
        summary: "Swap using scratch, ECDSA P-256, encryption with ECIES-P256",
        mode: Mode::SwapScratch,
        layout: SCRATCH,
        ..USUAL
    });

    /// Swap using move, Ed25519 signatures, ECIES-X25519 encryption.
    pub const SWAP_MOVE_ED25519_X25519: Self = Self(&Spec {
        name: "swap-move-ed25519-x25519",
        summary: "Swap using move, Ed25519, encryption with ECIES-X25519",
        signature: Signature::Ed25519,
        encryption: Encryption::X25519,
        ..USUAL
    });

    /// Swap using move, RSA-2048 signatures, RSA-OAEP encryption.
    pub const SWAP_MOVE_RSA2048: Self = Self(&Spec {
        name: "swap-move-rsa2048",
        summary: "Swap using move, RSA-2048, encryption with RSA-OAEP",
        signature: Signature::Rsa2048,
        encryption: Encryption::Rsa2048,
        ..USUAL
    });

    /// The usual one for the application core alone: nothing on the network core, and nothing encrypted.
    pub const SWAP_MOVE_SINGLE_CORE: Self = Self(&Spec {
        name: "swap-move-single-core",
        summary: "Swap using move, ECDSA P-256, no encryption, nothing on the network core",
        encryption: Encryption::None,
        network_core: NetworkCore::None,
        layout: SINGLE_CORE,
        ..USUAL
    });

    /// The usual one with security counters: an update may be older, but its counter may not be lower.
    pub const SWAP_MOVE_SECURITY_COUNTER: Self = Self(&Spec {
        name: "swap-move-security-counter",
        summary: "Swap using move, ECDSA P-256, encryption, no downgrade by security counter",
        downgrade_prevention: DowngradePrevention::SecurityCounter,
        ..USUAL
    });

    /// Both cores at once by overwriting, with both secondary slots in the external flash: what published builds for this
    /// board are.
    pub const SIMULTANEOUS_OVERWRITE: Self = Self(&Spec {
        name: "simultaneous-overwrite",
        summary: "Both cores at once, overwrite only, ECDSA P-256, encryption, with both secondary slots in the external flash",
        mode: Mode::OverwriteOnly,
        network_core: NetworkCore::PcdSimultaneous,
        layout: SIMULTANEOUS_EXTERNAL,
        ..USUAL
    });

    /// Both cores at once by swapping (`USE_NRF53_MULTI_IMAGE_WITHOUT_UPGRADE_ONLY`): there is a way back for the application
    /// and none for the network core.
    pub const SIMULTANEOUS_SWAP: Self = Self(&Spec {
        name: "simultaneous-swap",
        summary: "Both cores at once, swap using move, ECDSA P-256, encryption, with both secondary slots in the external flash",
        network_core: NetworkCore::PcdSimultaneous,
        layout: SIMULTANEOUS_EXTERNAL,
        ..USUAL
    });

    /// Both cores at once without an external flash, with addresses and versions of network firmware checked.
    pub const SIMULTANEOUS_INTERNAL: Self = Self(&Spec {
        name: "simultaneous-internal",
        summary: "Both cores at once in internal flash, overwrite only, ECDSA P-256, with the network firmware's version read",
        mode: Mode::OverwriteOnly,
        encryption: Encryption::None,
        network_core: NetworkCore::PcdSimultaneous,
        layout: SIMULTANEOUS_INTERNAL,
        build: |config| Config {
            address_check: AddressCheck::ResetVector,
            network_version_check: true,
            b0n: B0nBuild {
                version_command: true,
                ..B0nBuild::default()
            },
            ..config
        },
        ..USUAL
    });

    /// The same with a b0n from before the version could be read. It cannot be replaced.
    pub const SIMULTANEOUS_OLD_B0N: Self = Self(&Spec {
        name: "simultaneous-old-b0n",
        summary: "Both cores at once in internal flash, with a b0n that does not know the command that reads its version",
        build: |config| Config {
            network_version_check: true,
            ..config
        },
        ..*Self::SIMULTANEOUS_INTERNAL.0
    });

    /// The usual one with a b0n whose monotonic counter has been raised.
    pub const SWAP_MOVE_B0N_COUNTER: Self = Self(&Spec {
        name: "swap-move-b0n-counter",
        summary: "Swap using move, ECDSA P-256, encryption, with a monotonic counter in b0n",
        build: |config| Config {
            b0n: B0nBuild {
                least_version: Some(1),
                ..B0nBuild::default()
            },
            ..config
        },
        ..USUAL
    });

    /// MCUboot of SDK 2.3.
    pub const SDK_2_3: Self = Self(&Spec {
        name: "sdk-2.3",
        summary: "As with SDK 2.3: swap using move, ECDSA P-256, encryption with ECIES-P256",
        line: Line::Nordic23,
        mcuboot: "v1.9.99",
        ..USUAL
    });

    /// MCUboot of SDK 2.5.
    pub const SDK_2_5: Self = Self(&Spec {
        name: "sdk-2.5",
        summary: "As with SDK 2.5: swap using move, ECDSA P-256, encryption with ECIES-P256",
        line: Line::Nordic25,
        mcuboot: "v1.10.99",
        ..USUAL
    });

    /// MCUboot of SDK 2.7.
    pub const SDK_2_7: Self = Self(&Spec {
        name: "sdk-2.7",
        summary: "As with SDK 2.7: swap using move, ECDSA P-256, encryption with ECIES-P256",
        line: Line::Nordic27,
        ..USUAL
    });

    /// MCUboot of SDK 2.9.
    pub const SDK_2_9: Self = Self(&Spec {
        name: "sdk-2.9",
        summary: "As with SDK 2.9: swap using move, ECDSA P-256, encryption with ECIES-P256",
        line: Line::Nordic29,
        ..USUAL
    });

    /// MCUboot of SDK 2.9, overwriting.
    pub const SDK_2_9_OVERWRITE: Self = Self(&Spec {
        name: "sdk-2.9-overwrite",
        summary: "As with SDK 2.9: overwrite only, RSA-2048, no encryption",
        mode: Mode::OverwriteOnly,
        signature: Signature::Rsa2048,
        encryption: Encryption::None,
        line: Line::Nordic29,
        ..USUAL
    });

    /// MCUboot of SDK 3.4.
    pub const SDK_3_4: Self = Self(&Spec {
        name: "sdk-3.4",
        summary: "As with SDK 3.2 to 3.4: swap using move, ECDSA P-256, encryption with ECIES-P256",
        line: Line::Nordic34,
        mcuboot: "v2.3.0",
        ..USUAL
    });

    /// `BOOT_MAX_IMG_SECTORS` is below what the secondary slot has.
    pub const FEW_SECTORS: Self = Self(&Spec {
        name: "few-sectors",
        summary: "Swap using offset, ECDSA P-256, encryption, with BOOT_MAX_IMG_SECTORS one below what the secondary slot has",
        mode: Mode::SwapOffset,
        layout: OFFSET,
        build: |config| Config {
            max_sectors: 64,
            ..config
        },
        ..USUAL
    });

    /// One slot: updates of both cores come in through serial recovery.
    pub const SINGLE_SLOT: Self = Self(&Spec {
        name: "single-slot",
        summary: "One slot, ECDSA P-256, encryption with ECIES-P256: updates come in through serial recovery",
        mode: Mode::SingleSlot,
        downgrade_prevention: DowngradePrevention::None,
        network_core: NetworkCore::None,
        layout: SINGLE_SLOT,
        build: single_slot,
        ..USUAL
    });

    /// The same with SDK 2.6.
    pub const SINGLE_SLOT_SDK_2_6: Self = Self(&Spec {
        name: "single-slot-sdk-2.6",
        summary: "One slot as with SDK 2.6, ECDSA P-256, encryption with ECIES-P256",
        line: Line::Nordic26,
        mcuboot: "v2.0.99",
        ..*Self::SINGLE_SLOT.0
    });

    /// The same with SDK 3.4, whose build system assigns no number to the network core's image.
    pub const SINGLE_SLOT_SDK_3_4: Self = Self(&Spec {
        name: "single-slot-sdk-3.4",
        summary: "One slot as with SDK 3.4, ECDSA P-256, encryption, with no number for the network core's image",
        line: Line::Nordic34,
        mcuboot: "v2.3.0",
        build: |config| {
            let config = single_slot(config);
            Config {
                serial_recovery: config.serial_recovery.map(|build| SerialRecovery {
                    network_image: -1,
                    ..build
                }),
                ..config
            }
        },
        ..*Self::SINGLE_SLOT.0
    });

    /// All of them. The first one is the default.
    pub const ALL: &'static [Self] = &[
        Self::SWAP_MOVE_ECDSA_EC256,
        Self::OVERWRITE_RSA2048,
        Self::SWAP_MOVE_EXTERNAL,
        Self::SWAP_OFFSET_ECDSA_EC256,
        Self::SWAP_SCRATCH_ECDSA_EC256,
        Self::SWAP_MOVE_ED25519_X25519,
        Self::SWAP_MOVE_RSA2048,
        Self::SWAP_MOVE_SINGLE_CORE,
        Self::SWAP_MOVE_SECURITY_COUNTER,
        Self::SIMULTANEOUS_OVERWRITE,
        Self::SIMULTANEOUS_SWAP,
        Self::SIMULTANEOUS_INTERNAL,
        Self::SIMULTANEOUS_OLD_B0N,
        Self::SWAP_MOVE_B0N_COUNTER,
        Self::SDK_2_3,
        Self::SDK_2_5,
        Self::SDK_2_7,
        Self::SDK_2_9,
        Self::SDK_2_9_OVERWRITE,
        Self::SDK_3_4,
        Self::FEW_SECTORS,
        Self::SINGLE_SLOT,
        Self::SINGLE_SLOT_SDK_2_6,
        Self::SINGLE_SLOT_SDK_3_4,
    ];

    /// The word for it on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The name of its firmware set, in reports.
    #[must_use]
    pub fn set_name(self) -> String {
        format!("demo-{}", self.0.name)
    }

    /// What it is, for people.
    #[must_use]
    pub fn summary(self) -> &'static str {
        self.0.summary
    }

    /// The build of MCUboot, with its slots.
    #[must_use]
    pub fn bootloader(self) -> Config {
        let spec = self.0;
        let primary = spec.slot("app.primary");
        let slots = match spec.mode {
            Mode::SingleSlot => ImageSlots::single(primary),
            _ => ImageSlots {
                primary,
                secondary: spec.slot("app.secondary"),
            },
        };
        let config = Config {
            encryption: spec.encryption,
            downgrade_prevention: spec.downgrade_prevention,
            network_core: spec.network_core,
            line: spec.line,
            scratch: spec.area("app.scratch"),
            serial_recovery: Some(SerialRecovery {
                on_boot_mode: true,
                button: Some(RecoveryButton::default()),
                network_core: spec.network_core == NetworkCore::Pcd,
                direct_upload: true,
                image_state: true,
                echo: true,
                params: true,
                ..SerialRecovery::default()
            }),
            ..Config::new(spec.mode, spec.signature, slots)
        };
        let config = match (spec.network_core, spec.area("net.secondary")) {
            (NetworkCore::PcdSimultaneous, Some(secondary)) => {
                config.with_images(vec![slots, ImageSlots::simulated(secondary)])
            }
            _ => config,
        };
        (spec.build)(config)
    }

    /// What MCUboot's banner says.
    pub(super) fn mcuboot(self) -> &'static str {
        self.0.mcuboot
    }

    /// The partitions of a board, in the order of the firmware file.
    pub(super) fn layout(self) -> &'static [Partition] {
        self.0.layout
    }
}

impl Variant {
    /// Whether there is firmware for the network core.
    pub(super) fn has_network_core(self) -> bool {
        self.layout().contains(&NET_PRIMARY)
    }
}

impl Spec {
    fn slot(&self, partition: &str) -> Area {
        self.area(partition)
            .expect("every layout of the table has the application's slots")
    }

    fn area(&self, partition: &str) -> Option<Area> {
        let found = self.layout.iter().find(|one| one.name == partition);
        found.map(|one| one.area())
    }
}

impl Default for Variant {
    fn default() -> Self {
        Self::SWAP_MOVE_ECDSA_EC256
    }
}

impl PartialEq for Variant {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Variant {}

impl Hash for Variant {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no variant with this name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no demo firmware `{found}`")]
pub struct UnknownVariant {
    found: String,
}

impl FromStr for Variant {
    type Err = UnknownVariant;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|variant| variant.name() == name)
            .ok_or_else(|| UnknownVariant {
                found: name.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_variant_is_found_by_its_own_name() {
        let names: BTreeSet<&str> = Variant::ALL.iter().map(|variant| variant.name()).collect();
        assert_eq!(names.len(), Variant::ALL.len());
        for &variant in Variant::ALL {
            assert_eq!(variant.name().parse(), Ok(variant));
        }
        let error = "swap-by-hand".parse::<Variant>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no demo firmware `swap-by-hand`"
        );
    }

    #[test]
    fn the_documentation_lists_every_variant() {
        let docs = include_str!("../../../../docs/firmware-sets.md");
        for variant in Variant::ALL {
            let row = format!("| `{}` | {} |\n", variant.name(), variant.summary());
            assert!(
                docs.contains(&row),
                "docs/firmware-sets.md lacks this row:\n{row}"
            );
        }
    }
}
