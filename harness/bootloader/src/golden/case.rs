//! A case as it stands in `cases.jsonl`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::{
    AddressCheck, B0nBuild, Config, ContentKeySize, DowngradePrevention, Encryption, ImageSlots,
    Line, Mode, NetworkCore, NetworkSlot, Signature,
};
use crate::flash::{Area, DeviceId};

#[derive(Debug, Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) about: String,
    pub(crate) config: RecordedConfig,
    pub(crate) layout: Layout,
    pub(crate) flash: InitialFlash,
    pub(crate) steps: Vec<Step>,
    #[serde(default)]
    pub(crate) sweeps: Vec<Sweep>,
    #[serde(default)]
    pub(crate) variants: Vec<Variant>,
}

/// The parts of a case that say how the bootloader was built and where its slots are: `config` and `layout`.
#[derive(Debug, Deserialize)]
pub struct RecordedBuild {
    config: RecordedConfig,
    layout: Layout,
}

impl RecordedBuild {
    /// The model's configuration.
    ///
    /// # Errors
    /// Names what the model does not know, or the slot that the layout lacks.
    pub fn config(&self) -> Result<Config, String> {
        model_config(&self.config, &self.layout)
    }

    /// Name in the recording (`int`, `ext`) and size in bytes of each flash device.
    pub fn devices(&self) -> impl Iterator<Item = (&str, u32)> {
        self.layout
            .devices
            .iter()
            .map(|(name, size)| (name.as_str(), *size))
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct RecordedConfig {
    pub(crate) mode: String,
    signature: String,
    encryption: String,
    /// `aes-128` (also when absent) or `aes-256`.
    content_key: Option<String>,
    save_enctlv: bool,
    downgrade_prevention: String,
    validate_primary: bool,
    max_sectors: u32,
    pub(crate) write_size: u32,
    pub(crate) sector_size: u32,
    max_align: u32,
    images: usize,
    source: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Layout {
    pub(crate) devices: BTreeMap<String, u32>,
    pub(crate) slots: BTreeMap<String, SlotPlace>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SlotPlace {
    dev: String,
    off: u32,
    size: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct InitialFlash {
    pub(crate) edits: Vec<Edit>,
    pub(crate) sha256: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Edit {
    pub(crate) slot: String,
    pub(crate) off: u32,
    pub(crate) blob: Option<String>,
    pub(crate) hex: Option<String>,
    pub(crate) repeat: Option<usize>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    #[serde(default)]
    pub(crate) edits: Vec<Edit>,
    #[serde(default)]
    pub(crate) actions: Vec<Action>,
    pub(crate) flash_before: String,
    pub(crate) swap_types_before: Vec<String>,
    pub(crate) cut: Option<RecordedCut>,
    pub(crate) expect: Expect,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Action {
    pub(crate) image: usize,
    #[serde(rename = "do")]
    pub(crate) request: String,
    pub(crate) ok: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct RecordedCut {
    pub(crate) ops: u32,
    #[serde(default)]
    pub(crate) torn: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Expect {
    pub(crate) result: String,
    pub(crate) image: Option<RecordedImage>,
    pub(crate) swap_types_after: Vec<String>,
    pub(crate) ops: u32,
    pub(crate) writes: u32,
    pub(crate) erases: u32,
    #[serde(default)]
    pub(crate) dirty_writes: u32,
    #[serde(default)]
    pub(crate) misaligned_writes: u32,
    #[serde(default)]
    pub(crate) trailers: BTreeMap<String, String>,
    pub(crate) trace: Option<Vec<Vec<serde_json::Value>>>,
    pub(crate) flash: String,
    #[serde(default)]
    pub(crate) blob: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RecordedImage {
    pub(crate) dev: String,
    pub(crate) off: u32,
    pub(crate) version: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Sweep {
    pub(crate) step: usize,
    #[serde(default)]
    pub(crate) torn: u32,
    pub(crate) cuts: Vec<CutRow>,
    #[serde(default)]
    pub(crate) blob_cuts: Vec<u32>,
}

/// Cut; flash at the cut; flash after a clean boot; version that boots; swap types at the cut.
#[derive(Debug, Deserialize)]
pub(crate) struct CutRow(
    pub(crate) u32,
    pub(crate) String,
    pub(crate) String,
    pub(crate) Option<String>,
    pub(crate) Vec<String>,
);

#[derive(Debug, Deserialize)]
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) edits: Vec<Edit>,
    pub(crate) swap_types_before: Vec<String>,
    pub(crate) result: String,
    pub(crate) version: Option<String>,
    pub(crate) swap_types_after: Vec<String>,
    pub(crate) ops: u32,
    pub(crate) flash: String,
}

/// The device that a recording means: `int` or `ext`.
#[must_use]
pub fn device(name: &str) -> Option<DeviceId> {
    match name {
        "int" => Some(DeviceId::AppFlash),
        "ext" => Some(DeviceId::External),
        _ => None,
    }
}

impl SlotPlace {
    pub(crate) fn area(&self) -> Option<Area> {
        Some(Area {
            device: device(&self.dev)?,
            offset: self.off,
            size: self.size,
        })
    }
}

impl Case {
    /// The model's configuration; the error names what the model does not know.
    pub(crate) fn config(&self) -> Result<Config, String> {
        model_config(&self.config, &self.layout)
    }
}

/// Whose MCUboot was recorded: `mcuboot COMMIT`, `sdk-mcuboot TAG` or, of its newest, `sdk-mcuboot COMMIT`.
fn line_of(source: &str) -> Line {
    let Some(version) = source.strip_prefix("sdk-mcuboot ") else {
        return Line::Upstream;
    };
    match version {
        "v1.9.99-ncs4" => Line::Nordic23,
        "v1.10.0-ncs1" => Line::Nordic24,
        "v1.10.99-ncs1" => Line::Nordic25,
        "v2.0.99-ncs1" => Line::Nordic26,
        "v2.1.0-ncs1" => Line::Nordic27,
        "v2.1.0-ncs3" => Line::Nordic29,
        "v2.1.0-ncs5" => Line::Nordic30,
        "ncs-v3.1.0" => Line::Nordic31,
        "ncs-v3.2.0" | "ncs-v3.3.0" | "ncs-v3.4.0" => Line::Nordic34,
        _ => Line::Nordic,
    }
}

fn model_config(recorded: &RecordedConfig, layout: &Layout) -> Result<Config, String> {
    let unknown = |what: &str, value: &str| format!("{what} `{value}` is not known");
    let area = |name: String| -> Result<Area, String> {
        let place = layout
            .slots
            .get(&name)
            .ok_or_else(|| format!("layout has no slot `{name}`"))?;
        place
            .area()
            .ok_or_else(|| format!("slot `{name}` is in an unknown device `{}`", place.dev))
    };
    let line = line_of(&recorded.source);
    let mut images = Vec::new();
    for name in ["app", "net"].into_iter().take(recorded.images) {
        images.push(ImageSlots {
            primary: area(format!("{name}.primary"))?,
            secondary: area(format!("{name}.secondary"))?,
        });
    }
    if images.len() != recorded.images {
        return Err(format!(
            "{} images are more than a recording can name",
            recorded.images
        ));
    }
    Ok(Config {
        mode: match recorded.mode.as_str() {
            "move" => Mode::SwapMove,
            "offset" if !line.has_swap_offset() => {
                return Err(format!(
                    "mode `offset` is not in MCUboot of {line} (`{}`)",
                    recorded.source
                ));
            }
            "offset" => Mode::SwapOffset,
            "scratch" => Mode::SwapScratch,
            "overwrite" => Mode::OverwriteOnly,
            other => return Err(unknown("mode", other)),
        },
        signature: match recorded.signature.as_str() {
            "ecdsa-p256" => Signature::EcdsaP256,
            "rsa-2048" => Signature::Rsa2048,
            "rsa-3072" => Signature::Rsa3072,
            "ed25519" => Signature::Ed25519,
            "none" => Signature::None,
            other => return Err(unknown("signature", other)),
        },
        encryption: match recorded.encryption.as_str() {
            "none" => Encryption::None,
            "ec256" => Encryption::Ec256,
            "x25519" => Encryption::X25519,
            "x25519-sha512" => Encryption::X25519Sha512,
            "rsa-2048" => Encryption::Rsa2048,
            "aes-kw" => Encryption::AesKw,
            other => return Err(unknown("encryption", other)),
        },
        content_key: match recorded.content_key.as_deref() {
            None | Some("aes-128") => ContentKeySize::Aes128,
            Some("aes-256") => ContentKeySize::Aes256,
            Some(other) => return Err(unknown("content key", other)),
        },
        save_enctlv: recorded.save_enctlv,
        downgrade_prevention: match recorded.downgrade_prevention.as_str() {
            "none" => DowngradePrevention::None,
            "version" => DowngradePrevention::Version,
            "security-counter" => DowngradePrevention::SecurityCounter,
            other => return Err(unknown("downgrade prevention", other)),
        },
        compare_build_number: false,
        validate_primary: recorded.validate_primary,
        max_sectors: recorded.max_sectors,
        write_size: recorded.write_size,
        sector_size: recorded.sector_size,
        max_align: recorded.max_align,
        line,
        address_check: AddressCheck::None,
        network_core: NetworkCore::None,
        network_slot: NetworkSlot::default(),
        network_version_check: false,
        b0n: B0nBuild::default(),
        images,
        scratch: layout.slots.get("scratch").and_then(SlotPlace::area),
        serial_recovery: None,
        defect: None,
    })
}
