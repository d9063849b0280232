//! The image group, for images with two slots each (`zephyr subsys/mgmt/mcumgr/grp/img_mgmt`).
//!
//! With several images the list and the slot information have their numbers, an upload goes where its `image` says,
//! and slots are counted over all images where a slot is given by a number alone: slot = 2 * image + place. The running
//! image is number 0. What the primary slot of the network core's image holds nobody knows who runs on the application
//! core: it is a simulated flash in RAM, which is erased.

mod erase;
mod info;
mod state;
mod upload;

pub(super) use upload::Session;

use hil_bootloader::SwapType;
use hil_smp::Map;

use super::error::{Failure, ImageError, Rc};
use super::{Call, DeviceError, READ, Server, Services, Slot, WRITE};

impl Server {
    pub(super) fn image(
        &mut self,
        op: u8,
        command: u8,
        call: &mut Call<'_>,
    ) -> Result<Map, Failure> {
        match (command, op) {
            (0, READ) => self.state_read(call.services),
            (0, WRITE) => self.state_write(call),
            (1, WRITE) => self.upload(call),
            (5, WRITE) => self.erase(call),
            (6, READ) if self.build.slot_info.is_on() => Ok(self.slot_info(call.services)),
            _ => Err(Rc::NotSupported.into()),
        }
    }
}

/// What the next start will do (`img_mgmt_get_next_boot_slot`): which slot's image, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum NextBoot {
    /// The image in the primary slot, as now.
    Same,
    /// The image in the secondary slot, to stay.
    Permanent,
    /// The image in the secondary slot, to be confirmed.
    Test,
    /// The image in the secondary slot, from which the unconfirmed one came.
    Revert,
}

impl NextBoot {
    fn read(image: u32, services: &mut dyn Services) -> Result<Self, Failure> {
        match services
            .swap_type(image)
            .map_err(|error| device(error, ImageError::FlashReadFailed))?
        {
            SwapType::Perm => Ok(Self::Permanent),
            SwapType::Test => Ok(Self::Test),
            SwapType::Revert => Ok(Self::Revert),
            SwapType::None | SwapType::Fail | SwapType::Panic | SwapType::Other(_) => {
                Ok(Self::Same)
            }
        }
    }
}

/// Whether a slot must be left alone (`img_mgmt_slot_in_use`): the running one, and the one that a revert needs.
/// A pending one may be overwritten, as by default (`MCUMGR_GRP_IMG_ALLOW_ERASE_PENDING`).
fn in_use(slot: Slot, services: &mut dyn Services) -> Result<bool, Failure> {
    Ok(slot.is_primary() || NextBoot::read(slot.image, services)? == NextBoot::Revert)
}

/// A device error as `otherwise`, unless the core is gone.
fn device(error: DeviceError, otherwise: ImageError) -> Failure {
    match error {
        DeviceError::Stopped(stopped) => stopped.into(),
        DeviceError::Failed | DeviceError::BadTrailer => otherwise.into(),
    }
}

/// Whether all bytes of a slot are erased.
fn is_blank(slot: Slot, services: &mut dyn Services) -> Result<bool, Failure> {
    let size = services.slot_size(slot);
    let mut buffer = vec![0; 4096];
    let mut offset = 0;
    while offset < size {
        let length = (size - offset).min(buffer.len() as u32);
        let part = &mut buffer[..length as usize];
        services
            .read(slot, offset, part)
            .map_err(|error| device(error, ImageError::FlashReadFailed))?;
        if part.iter().any(|&byte| byte != 0xff) {
            return Ok(false);
        }
        offset += length;
    }
    Ok(true)
}
