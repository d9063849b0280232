//! Image state: the list, and marking an image for the next start
//! (`zephyr grp/img_mgmt/src/img_mgmt_state.c`).

use hil_bootloader::Pending;
use hil_smp::Map;

use super::super::error::{Failure, ImageError};
use super::super::{Call, DeviceError, Server, Services, Slot};
use super::{NextBoot, device, info};
use crate::model::Confirmation;

/// What a client asks to be done with an image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Request {
    Test,
    Confirm,
}

/// The flags of a slot in the list.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Flags {
    pending: bool,
    confirmed: bool,
    active: bool,
    permanent: bool,
}

impl Flags {
    fn of(slot: Slot, next: NextBoot) -> Self {
        match slot {
            Slot::Primary => Self {
                active: true,
                confirmed: next != NextBoot::Revert,
                ..Self::default()
            },
            Slot::Secondary => Self {
                pending: matches!(next, NextBoot::Test | NextBoot::Permanent),
                permanent: next == NextBoot::Permanent,
                confirmed: next == NextBoot::Revert,
                active: false,
            },
        }
    }
}

impl Server {
    pub(super) fn state_read(&self, services: &mut dyn Services) -> Result<Map, Failure> {
        let next = NextBoot::read(services)?;
        let mut images = Vec::new();
        for slot in [Slot::Primary, Slot::Secondary] {
            match info::read(slot, services) {
                Ok(image) => images.push((slot, image)),
                Err(Failure::Stopped(stopped)) => return Err(stopped.into()),
                // A slot without a readable image is left out of the list.
                Err(_) => {}
            }
        }
        let frugal = self.build.frugal_list.is_on();
        let flag = |map: Map, key, value: bool| {
            if value || !frugal {
                map.with(key, value)
            } else {
                map
            }
        };
        let entries = images.iter().map(|(slot, image)| {
            let flags = Flags::of(*slot, next);
            let entry = Map::new()
                .with("slot", slot.number())
                .with("version", image.version.to_string())
                .with("hash", image.hash.to_vec());
            let entry = flag(entry, "bootable", image.bootable);
            let entry = flag(entry, "pending", flags.pending);
            let entry = flag(entry, "confirmed", flags.confirmed);
            let entry = flag(entry, "active", flags.active);
            flag(entry, "permanent", flags.permanent)
        });
        let list = Map::new().with_list("images", entries);
        Ok(if frugal {
            list
        } else {
            list.with("splitStatus", 0)
        })
    }

    pub(super) fn state_write(&mut self, call: &mut Call<'_>) -> Result<Map, Failure> {
        let arguments = call.arguments()?;
        let hash = arguments.bytes("hash")?.unwrap_or_default();
        let request = match arguments.boolean("confirm")? {
            Some(true) => Request::Confirm,
            Some(false) | None => Request::Test,
        };
        let slot = match (hash.len(), request) {
            (0, Request::Confirm) => Slot::Primary,
            (32, _) => find(hash, call.services)?,
            _ => return Err(ImageError::InvalidHash.into()),
        };
        if slot == Slot::Primary
            && request == Request::Confirm
            && self.identity.confirmation == Confirmation::Refused
        {
            return Err(ImageError::ConfirmationDenied.into());
        }
        set_next_boot(slot, request, call.services)?;
        self.state_read(call.services)
    }
}

/// The first slot whose image has this hash.
fn find(hash: &[u8], services: &mut dyn Services) -> Result<Slot, Failure> {
    for slot in [Slot::Primary, Slot::Secondary] {
        match info::read(slot, services) {
            Ok(image) if image.hash == hash => return Ok(slot),
            Err(Failure::Stopped(stopped)) => return Err(stopped.into()),
            Ok(_) | Err(_) => {}
        }
    }
    Err(ImageError::HashNotFound.into())
}

/// `img_mgmt_set_next_boot_slot`: the rules in Zephyr's order.
fn set_next_boot(slot: Slot, request: Request, services: &mut dyn Services) -> Result<(), Failure> {
    let next = NextBoot::read(services)?;
    if request == Request::Test && slot == Slot::Primary {
        return Err(ImageError::TestOfActiveDenied.into());
    }
    match (next, slot, request) {
        // Asked for what will happen anyway.
        (NextBoot::Test, Slot::Secondary, Request::Test)
        | (NextBoot::Same, Slot::Primary, Request::Confirm)
        | (NextBoot::Permanent | NextBoot::Revert, Slot::Secondary, Request::Confirm) => {
            return Ok(());
        }
        // Something else is decided already.
        (NextBoot::Test | NextBoot::Permanent, ..) | (NextBoot::Revert, _, Request::Test) => {
            return Err(ImageError::AlreadyPending.into());
        }
        (NextBoot::Same, Slot::Secondary, _)
        | (NextBoot::Revert, Slot::Primary, Request::Confirm)
        | (NextBoot::Same, Slot::Primary, Request::Test) => {}
    }
    let done = match (slot, request) {
        (Slot::Primary, _) => services.set_confirmed(),
        (Slot::Secondary, Request::Test) => services.set_pending(Pending::Test),
        (Slot::Secondary, Request::Confirm) => services.set_pending(Pending::Permanent),
    };
    done.map_err(|error| match error {
        // `boot_set_next` answers BOOT_EBADVECT for the running image, BOOT_EBADIMAGE for the other.
        DeviceError::BadTrailer if slot == Slot::Primary => ImageError::InvalidVectorTable.into(),
        DeviceError::BadTrailer => ImageError::InvalidHeaderMagic.into(),
        DeviceError::Failed | DeviceError::Stopped(_) => {
            device(error, ImageError::FlashWriteFailed)
        }
    })
}
