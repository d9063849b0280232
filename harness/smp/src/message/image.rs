//! The image group: what is in the slots, upload, test and confirm, erase.
//!
//! Keys: `zephyr doc/services/device_mgmt/smp_groups/smp_group_1.rst`,
//! `subsys/mgmt/mcumgr/grp/img_mgmt/src/img_mgmt_state.c`, and `mcuboot boot/boot_serial/src/boot_serial.c`.

use super::{Command, Done, Payload};
use crate::cbor::{CborError, Map};
use crate::header::{Group, Op};
use std::fmt;

/// Asks what is in the slots.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReadImageState;

/// Marks an image for test, or confirms it. The answer is the state after it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WriteImageState {
    /// Which image: the hash from the list, not that of the file. None means the running one.
    pub hash: Option<Vec<u8>>,
    /// True makes it permanent. Some versions of MCUboot read rubbish when this is left out, so send it.
    pub confirm: Option<bool>,
}

/// What is in the slots. Slots without a valid image are not in the list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ImageState {
    /// One entry per slot that holds an image.
    pub images: Vec<SlotState>,
    /// Sent as 0 by many servers; means nothing today.
    pub split_status: Option<i32>,
}

/// One slot of an [`ImageState`].
#[derive(Clone, Default, Eq, PartialEq)]
pub struct SlotState {
    /// Which image, on servers that have several.
    pub image: Option<u32>,
    /// 0 is the primary slot, 1 the secondary.
    pub slot: u32,
    /// `major.minor.revision`, and `.build` when that is not 0.
    pub version: Option<String>,
    /// The hash TLV of the MCUboot image: 32, 48 or 64 bytes.
    pub hash: Option<Vec<u8>>,
    /// The bootloader could boot it.
    pub bootable: bool,
    /// The next reset will try it.
    pub pending: bool,
    /// It stays.
    pub confirmed: bool,
    /// It runs now.
    pub active: bool,
    /// Pending without going back.
    pub permanent: bool,
}

impl ImageState {
    /// The slot of image `image` (0 on servers that do not number them) that is `slot`.
    #[must_use]
    pub fn slot(&self, image: u32, slot: u32) -> Option<&SlotState> {
        self.images
            .iter()
            .find(|entry| entry.image.unwrap_or(0) == image && entry.slot == slot)
    }

    /// The slots that hold the image with this hash.
    pub fn with_hash<'a>(&'a self, hash: &'a [u8]) -> impl Iterator<Item = &'a SlotState> {
        self.images
            .iter()
            .filter(move |entry| entry.hash.as_deref() == Some(hash))
    }
}

impl fmt::Debug for SlotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "image {} slot {}", self.image.unwrap_or(0), self.slot)?;
        if let Some(version) = &self.version {
            write!(f, " version {}", version.escape_debug())?;
        }
        if let Some(hash) = &self.hash {
            f.write_str(" hash ")?;
            for byte in hash.iter().take(4) {
                write!(f, "{byte:02x}")?;
            }
        }
        for (set, name) in [
            (self.bootable, "bootable"),
            (self.pending, "pending"),
            (self.confirmed, "confirmed"),
            (self.active, "active"),
            (self.permanent, "permanent"),
        ] {
            if set {
                write!(f, " {name}")?;
            }
        }
        Ok(())
    }
}

impl Payload for ReadImageState {
    fn to_map(&self) -> Map {
        Map::new()
    }

    fn from_map(_: &Map) -> Result<Self, CborError> {
        Ok(Self)
    }
}

impl Command for ReadImageState {
    type Answer = ImageState;
    const GROUP: Group = Group::IMAGE;
    const COMMAND: u8 = 0;
    const OP: Op = Op::Read;
    const NAME: &'static str = "image list";
}

impl Payload for WriteImageState {
    fn to_map(&self) -> Map {
        Map::new()
            .with_some("hash", self.hash.clone().map(ciborium::Value::Bytes))
            .with_some("confirm", self.confirm)
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        Ok(Self {
            hash: map.get("hash")?,
            confirm: map.get("confirm")?,
        })
    }
}

impl Command for WriteImageState {
    type Answer = ImageState;
    const GROUP: Group = Group::IMAGE;
    const COMMAND: u8 = 0;
    const OP: Op = Op::Write;
    const NAME: &'static str = "image mark";
}

impl Payload for ImageState {
    fn to_map(&self) -> Map {
        Map::new()
            .with_list("images", self.images.iter().map(Payload::to_map))
            .with_some("splitStatus", self.split_status)
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        let images: Vec<Map> = map.require("images")?;
        Ok(Self {
            images: images
                .iter()
                .map(SlotState::from_map)
                .collect::<Result<_, _>>()?,
            split_status: map.get("splitStatus")?,
        })
    }
}

impl Payload for SlotState {
    /// With all flags, in the order of Zephyr's default list.
    fn to_map(&self) -> Map {
        Map::new()
            .with_some("image", self.image)
            .with("slot", self.slot)
            .with_some("version", self.version.as_deref())
            .with_some("hash", self.hash.clone().map(ciborium::Value::Bytes))
            .with("bootable", self.bootable)
            .with("pending", self.pending)
            .with("confirmed", self.confirmed)
            .with("active", self.active)
            .with("permanent", self.permanent)
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        let flag = |key| map.get(key).map(Option::unwrap_or_default);
        Ok(Self {
            image: map.get("image")?,
            slot: map.require("slot")?,
            version: map.get("version")?,
            hash: map.get("hash")?,
            bootable: flag("bootable")?,
            pending: flag("pending")?,
            confirmed: flag("confirmed")?,
            active: flag("active")?,
            permanent: flag("permanent")?,
        })
    }
}

/// A piece of an image.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UploadChunk {
    /// Bytes of the whole file; with offset 0 only.
    pub len: Option<u64>,
    /// Where the piece belongs.
    pub off: Option<u64>,
    /// SHA-256 of the whole file, or the start of it; with offset 0 only.
    pub sha: Option<Vec<u8>>,
    /// The piece.
    pub data: Option<Vec<u8>>,
    /// Which image; with offset 0 only.
    pub image: Option<u32>,
    /// Refuse unless newer than what runs; with offset 0 only.
    pub upgrade: Option<bool>,
}

/// How far a server is with an upload. `off` is the only thing to go by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UploadAnswer {
    /// The next byte that it wants.
    pub off: u64,
    /// Whether what it holds has the hash that came with the first chunk; only at the end, and only on some.
    pub matches: Option<bool>,
}

impl Payload for UploadChunk {
    fn to_map(&self) -> Map {
        let bytes = |bytes: &Option<Vec<u8>>| bytes.clone().map(ciborium::Value::Bytes);
        Map::new()
            .with_some("len", self.len)
            .with_some("off", self.off)
            .with_some("sha", bytes(&self.sha))
            .with_some("data", bytes(&self.data))
            .with_some("image", self.image)
            .with_some("upgrade", self.upgrade)
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        Ok(Self {
            len: map.get("len")?,
            off: map.get("off")?,
            sha: map.get("sha")?,
            data: map.get("data")?,
            image: map.get("image")?,
            upgrade: map.get("upgrade")?,
        })
    }
}

impl Command for UploadChunk {
    type Answer = UploadAnswer;
    const GROUP: Group = Group::IMAGE;
    const COMMAND: u8 = 1;
    const OP: Op = Op::Write;
    const NAME: &'static str = "image upload";
}

impl Payload for UploadAnswer {
    fn to_map(&self) -> Map {
        Map::new()
            .with("off", self.off)
            .with_some("match", self.matches)
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        Ok(Self {
            off: map.require("off")?,
            matches: map.get("match")?,
        })
    }
}

/// Erases a slot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EraseSlot {
    /// Two times the image number plus the slot within the image; the server's default is 1.
    pub slot: Option<u32>,
}

impl Payload for EraseSlot {
    fn to_map(&self) -> Map {
        Map::new().with_some("slot", self.slot)
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        Ok(Self {
            slot: map.get("slot")?,
        })
    }
}

impl Command for EraseSlot {
    type Answer = Done;
    const GROUP: Group = Group::IMAGE;
    const COMMAND: u8 = 5;
    const OP: Op = Op::Write;
    const NAME: &'static str = "image erase";
}

/// Asks for the sizes of the slots, and how to upload to them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SlotInfo;

/// The answer to [`SlotInfo`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SlotInfoAnswer {
    /// One entry per image.
    pub images: Vec<ImageSlots>,
}

/// The slots of one image.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ImageSlots {
    /// Image number.
    pub image: u32,
    /// Its slots.
    pub slots: Vec<ImageSlot>,
    /// Bytes of the largest image that MCUboot takes.
    pub max_image_size: Option<u32>,
}

/// One slot of an image.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ImageSlot {
    /// Number within the image.
    pub slot: u32,
    /// Bytes of the slot.
    pub size: Option<u32>,
    /// What to give as `image` for an upload to it. Builds disagree on the meaning.
    pub upload_image_id: Option<u32>,
    /// Set when the server could not read the slot.
    pub rc: Option<i32>,
}

impl Payload for SlotInfo {
    fn to_map(&self) -> Map {
        Map::new()
    }

    fn from_map(_: &Map) -> Result<Self, CborError> {
        Ok(Self)
    }
}

impl Command for SlotInfo {
    type Answer = SlotInfoAnswer;
    const GROUP: Group = Group::IMAGE;
    const COMMAND: u8 = 6;
    const OP: Op = Op::Read;
    const NAME: &'static str = "slot info";
}

impl Payload for SlotInfoAnswer {
    fn to_map(&self) -> Map {
        Map::new().with_list("images", self.images.iter().map(Payload::to_map))
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        let images: Vec<Map> = map.require("images")?;
        Ok(Self {
            images: images
                .iter()
                .map(ImageSlots::from_map)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Payload for ImageSlots {
    fn to_map(&self) -> Map {
        Map::new()
            .with("image", self.image)
            .with_list("slots", self.slots.iter().map(Payload::to_map))
            .with_some("max_image_size", self.max_image_size)
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        let slots: Vec<Map> = map.require("slots")?;
        Ok(Self {
            image: map.require("image")?,
            slots: slots
                .iter()
                .map(ImageSlot::from_map)
                .collect::<Result<_, _>>()?,
            max_image_size: map.get("max_image_size")?,
        })
    }
}

impl Payload for ImageSlot {
    fn to_map(&self) -> Map {
        Map::new()
            .with("slot", self.slot)
            .with_some("size", self.size)
            .with_some("upload_image_id", self.upload_image_id)
            .with_some("rc", self.rc)
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        Ok(Self {
            slot: map.require("slot")?,
            size: map.get("size")?,
            upload_image_id: map.get("upload_image_id")?,
            rc: map.get("rc")?,
        })
    }
}
