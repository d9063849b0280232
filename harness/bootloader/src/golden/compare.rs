//! What differs between a recording and the model, in the words of the layout.

use crate::config::Config;
use crate::flash::{Area, DeviceId};
use crate::golden::case::Case;
use crate::io::{AreaId, FlashArea};
use crate::sim::{Operation, OperationKind, SimFlash};

/// Differences of one case.
#[derive(Debug, Default)]
pub(crate) struct Differences(pub(crate) Vec<String>);

/// So many are kept per case: the first ones tell the most.
const KEPT: usize = 20;

impl Differences {
    pub(crate) fn push(&mut self, text: String) {
        if self.0.len() < KEPT {
            self.0.push(text);
        }
    }

    /// Notes a difference between two values of a kind.
    pub(crate) fn expect<T: PartialEq + std::fmt::Debug + ?Sized>(
        &mut self,
        place: &str,
        what: &str,
        recorded: &T,
        model: &T,
    ) {
        if recorded != model {
            self.push(format!(
                "{place}: {what}: recorded {recorded:?}, model {model:?}"
            ));
        }
    }
}

/// Names places of flash.
pub(crate) struct Places<'a> {
    case: &'a Case,
    config: &'a Config,
}

impl<'a> Places<'a> {
    pub(crate) fn new(case: &'a Case, config: &'a Config) -> Self {
        Self { case, config }
    }

    /// Slot and offset of a place in a device; the device itself where there is no slot.
    fn slot(&self, device: DeviceId, offset: u32) -> (String, u32) {
        for (name, place) in &self.case.layout.slots {
            if let Some(area) = place.area()
                && area.contains(device, offset)
            {
                return (name.clone(), offset - area.offset);
            }
        }
        (device.to_string(), offset)
    }

    /// An operation as recordings write it.
    pub(crate) fn operation(&self, operation: &Operation) -> String {
        let (slot, offset) = self.slot(operation.device, operation.offset);
        let kind = match operation.kind {
            OperationKind::Write => "W",
            OperationKind::Erase => "E",
        };
        let torn = if operation.torn { ", torn" } else { "" };
        format!(
            "{kind} {slot}+{offset:#x}, {} bytes{torn}",
            operation.length
        )
    }

    /// A recorded operation in the same words.
    pub(crate) fn recorded_operation(fields: &[serde_json::Value]) -> String {
        let text = |at: usize| {
            fields
                .get(at)
                .and_then(serde_json::Value::as_str)
                .unwrap_or("?")
        };
        let number = |at: usize| {
            fields
                .get(at)
                .and_then(serde_json::Value::as_u64)
                .unwrap_or(u64::MAX)
        };
        let torn = if fields.len() > 4 { ", torn" } else { "" };
        format!(
            "{} {}+{:#x}, {} bytes{torn}",
            text(0),
            text(1),
            number(2),
            number(3)
        )
    }

    /// The first byte that differs from `recorded` (all devices one after the other).
    pub(crate) fn first_difference(&self, flash: &SimFlash, recorded: &[u8]) -> Option<String> {
        let mut start = 0;
        for device in [DeviceId::AppFlash, DeviceId::External] {
            let bytes = flash.bytes(device);
            let theirs = recorded.get(start..start + bytes.len())?;
            if let Some(at) = bytes
                .iter()
                .zip(theirs)
                .position(|(model, recorded)| model != recorded)
            {
                let (slot, offset) = self.slot(device, u32::try_from(at).unwrap_or(u32::MAX));
                let field = self
                    .field(&slot, offset)
                    .map(|field| format!(" ({field})"))
                    .unwrap_or_default();
                return Some(format!(
                    "first at {slot}+{offset:#x}{field}: recorded {:#04x}, model {:#04x}",
                    theirs[at], bytes[at]
                ));
            }
            start += bytes.len();
        }
        None
    }

    /// The field of a trailer that an offset of a slot lies in.
    fn field(&self, slot: &str, offset: u32) -> Option<String> {
        let area: Area = self.case.layout.slots.get(slot)?.area()?;
        let id = if slot == "scratch" {
            AreaId::Scratch
        } else {
            AreaId::Primary(0)
        };
        let area = FlashArea { id, area };
        let status = self.config.status_offset(area)?;
        let config = self.config;
        let name = if offset < status {
            return None;
        } else if offset >= config.magic_offset(area) {
            "magic"
        } else if offset >= config.image_ok_offset(area) {
            "image_ok"
        } else if offset >= config.copy_done_offset(area) {
            "copy_done"
        } else if offset >= config.swap_info_offset(area) {
            "swap_info"
        } else if offset >= config.swap_size_offset(area) {
            "swap_size"
        } else if config.encrypts() && offset >= config.key_offset(area, 0) {
            "key 0"
        } else if config.encrypts() && offset >= config.key_offset(area, 1) {
            "key 1"
        } else {
            return Some(format!(
                "status word {}",
                (offset - status) / config.write_size.max(1)
            ));
        };
        Some(name.to_owned())
    }
}
