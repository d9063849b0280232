//! The variants of the demo firmware: one entry in the table for each bootloader that there is a set for.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use hil_bootloader::{
    Area, Config, DowngradePrevention, Encryption, ImageSlots, Line, Mode, NetworkCore,
    SerialRecovery, Signature,
};

use super::layout::{EXTERNAL, INTERNAL, Partition};

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

    /// All of them. The first one is the default.
    pub const ALL: &'static [Self] = &[
        Self::SWAP_MOVE_ECDSA_EC256,
        Self::OVERWRITE_RSA2048,
        Self::SWAP_MOVE_EXTERNAL,
    ];

    /// The word for it on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
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
        let slots = ImageSlots {
            primary: spec.area("app.primary"),
            secondary: spec.area("app.secondary"),
        };
        let config = Config {
            encryption: spec.encryption,
            downgrade_prevention: spec.downgrade_prevention,
            network_core: spec.network_core,
            line: spec.line,
            serial_recovery: Some(SerialRecovery {
                on_boot_mode: true,
                direct_upload: true,
                image_state: true,
                echo: true,
                params: true,
                ..SerialRecovery::default()
            }),
            ..Config::new(spec.mode, spec.signature, slots)
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

impl Spec {
    fn area(&self, partition: &str) -> Area {
        self.layout
            .iter()
            .find(|one| one.name == partition)
            .map(|one| one.area())
            .expect("every layout of the table has the application's slots")
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
}
