//! What lies at a place of flash, in the words of the layout.

use std::fmt;

use crate::config::Config;
use crate::flash::{Area, DeviceId};
use crate::io::{AreaId, FlashArea};

/// What lies at a byte of flash that belongs to a slot or to the scratch area.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    area: String,
    /// From the start of the area, in bytes.
    offset: u32,
    part: Part,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    /// Below the trailer.
    Contents,
    Status(u32),
    Key(usize),
    /// Between the fields.
    Field(&'static str),
}

impl Place {
    /// What lies at `offset` of `device`; `None` outside the bootloader's areas.
    #[must_use]
    pub fn of(config: &Config, device: DeviceId, offset: u32) -> Option<Self> {
        let slots = config.images.iter().enumerate().flat_map(|(image, slots)| {
            [
                (
                    format!("primary slot of image {image}"),
                    AreaId::Primary(image),
                    slots.primary,
                ),
                (
                    format!("secondary slot of image {image}"),
                    AreaId::Secondary(image),
                    slots.secondary,
                ),
            ]
        });
        let scratch = config
            .scratch
            .map(|area| ("scratch area".to_owned(), AreaId::Scratch, area));
        slots
            .chain(scratch)
            .find(|(_, _, area)| area.contains(device, offset))
            .map(|(name, id, area)| Self {
                area: name,
                offset: offset - area.offset,
                part: Part::of(config, FlashArea { id, area }, offset - area.offset),
            })
    }

    /// Whether a content key may lie there.
    #[must_use]
    pub fn is_key(&self) -> bool {
        matches!(self.part, Part::Key(_))
    }

    /// Whether it is below the trailer, where images lie.
    #[must_use]
    pub fn is_contents(&self) -> bool {
        self.part == Part::Contents
    }
}

impl Part {
    fn of(config: &Config, area: FlashArea, offset: u32) -> Self {
        let fields = [
            ("magic", config.magic_offset(area)),
            ("image_ok", config.image_ok_offset(area)),
            ("copy_done", config.copy_done_offset(area)),
            ("swap_info", config.swap_info_offset(area)),
            ("swap_size", config.swap_size_offset(area)),
        ];
        if let Some((name, _)) = fields.iter().find(|(_, start)| offset >= *start) {
            return Self::Field(name);
        }
        if config.encrypts() {
            for slot in [0, 1] {
                if offset >= config.key_offset(area, slot) {
                    return Self::Key(slot);
                }
            }
        }
        match config.status_offset(area) {
            Some(status) if offset >= status => {
                Self::Status((offset - status) / config.write_size.max(1))
            }
            Some(_) | None => Self::Contents,
        }
    }
}

impl fmt::Display for Place {
    /// `primary slot of image 0 at 0x0003ffe8, trailer field image_ok`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:#010x}", self.area, self.offset)?;
        match self.part {
            Part::Contents => Ok(()),
            Part::Status(entry) => write!(f, ", swap status entry {entry}"),
            Part::Key(slot) => write!(f, ", trailer field key {slot}"),
            Part::Field(name) => write!(f, ", trailer field {name}"),
        }
    }
}

impl Area {
    /// The bytes that the trailer's sectors take, counted from the start of the area, when the trailer has `trailer`
    /// bytes.
    pub(crate) fn trailer_sectors(self, trailer: u32, sector: u32) -> u32 {
        let start = self.size.saturating_sub(trailer);
        start - start % sector.max(1)
    }
}
