//! Erasing a slot, and slot information.

use hil_smp::Map;

use super::super::error::{Failure, ImageError};
use super::super::{Call, Server, Services, Slot};
use super::{device, in_use, info, is_blank};

impl Server {
    /// A slot that holds a readable image is refused when it is in use. One that does not is erased without that
    /// question, the running one too: so does Zephyr.
    pub(super) fn erase(&mut self, call: &mut Call<'_>) -> Result<Map, Failure> {
        let number = call.arguments()?.uint("slot")?.unwrap_or(1);
        let slot = Slot::from_number(number);
        if let Some(slot) = slot {
            match info::read(slot, call.services) {
                Ok(_) if in_use(slot, call.services)? => return Err(ImageError::NoFreeSlot.into()),
                Err(Failure::Stopped(stopped)) => return Err(stopped.into()),
                Ok(_) | Err(_) => {}
            }
        }
        self.session = None;
        erase_slot(slot.ok_or(ImageError::InvalidSlot)?, call.services)?;
        Ok(Map::new())
    }

    pub(super) fn slot_info(&self, services: &mut dyn Services) -> Map {
        let slot = |slot: Slot| {
            Map::new()
                .with("slot", slot.number())
                .with("size", services.slot_size(slot))
        };
        let slots = [
            slot(Slot::Primary),
            slot(Slot::Secondary).with("upload_image_id", 0),
        ];
        let image = Map::new()
            .with("image", 0)
            .with_list("slots", slots)
            .with_some("max_image_size", self.build.max_image_size);
        Map::new().with_list("images", [image])
    }
}

fn erase_slot(slot: Slot, services: &mut dyn Services) -> Result<(), Failure> {
    if is_blank(slot, services)? {
        return Ok(());
    }
    let size = services.slot_size(slot);
    services
        .erase(slot, 0, size)
        .map_err(|error| device(error, ImageError::FlashEraseFailed))
}
