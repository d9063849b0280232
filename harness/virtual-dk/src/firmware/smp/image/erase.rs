//! Erasing a slot, and slot information.

use hil_smp::Map;

use super::super::error::{Failure, ImageError, Rc};
use super::super::{Call, Server, Services, Slot};
use super::{device, in_use, info, is_blank};
use crate::model::EraseAnswer;

impl Server {
    /// A slot that holds a readable image is refused when it is in use. One that does not is erased without that
    /// question, the running one too: so does Zephyr.
    pub(super) fn erase(&mut self, call: &mut Call<'_>) -> Result<Map, Failure> {
        let number = call.arguments()?.uint("slot")?.unwrap_or(1);
        let slot = Slot::from_number(number);
        let exists = slot.image < call.services.images() && call.services.has_slot(slot);
        if exists {
            match info::read(slot, call.services) {
                Ok(_) if in_use(slot, call.services)? => return Err(ImageError::NoFreeSlot.into()),
                Err(Failure::Stopped(stopped)) => return Err(stopped.into()),
                Ok(_) | Err(_) => {}
            }
        }
        self.session = None;
        if !exists {
            return Err(ImageError::InvalidSlot.into());
        }
        erase_slot(slot, call.services)?;
        match self.build.erase_answer {
            EraseAnswer::Honest => Ok(Map::new()),
            EraseAnswer::Failure => Err(Rc::Unknown.into()),
        }
    }

    pub(super) fn slot_info(&self, services: &mut dyn Services) -> Map {
        let slot = |slot: Slot| {
            Map::new()
                .with("slot", slot.number())
                .with("size", services.slot_size(slot))
        };
        let image = |image: u32| {
            let secondary = Slot::secondary(image);
            let waiting = services
                .has_slot(secondary)
                .then(|| slot(secondary).with("upload_image_id", image));
            let slots = [slot(Slot::primary(image))].into_iter().chain(waiting);
            Map::new()
                .with("image", image)
                .with_list("slots", slots)
                .with_some("max_image_size", self.build.max_image_size)
        };
        let images = (0..services.images()).map(image);
        Map::new().with_list("images", images)
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
