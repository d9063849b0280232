//! Image state: the list, and marking an image for the next start
//! (`zephyr grp/img_mgmt/src/img_mgmt_state.c`).

use hil_bootloader::Pending;
use hil_smp::Map;

use super::super::error::{Failure, ImageError};
use super::super::{Call, DeviceError, Place, Server, Services, Slot};
use super::{NextBoot, device, info};
use crate::model::{Confirmation, MarkRules};

/// The image that runs this server.
const RUNNING: u32 = 0;

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
        match slot.place {
            Place::Primary => Self {
                active: true,
                confirmed: next != NextBoot::Revert,
                ..Self::default()
            },
            Place::Secondary => Self {
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
        let count = services.images();
        let mut images = Vec::new();
        for slot in Slot::all(count) {
            let next = NextBoot::read(slot.image, services)?;
            match info::read(slot, services) {
                Ok(image) => images.push((slot, next, image)),
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
        let entries = images.iter().map(|(slot, next, image)| {
            let flags = Flags::of(*slot, *next);
            let entry = Map::new()
                .with_some("image", (count > 1).then_some(slot.image))
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
            (0, Request::Confirm) => Slot::primary(RUNNING),
            (32, _) => find(hash, call.services)?,
            _ => return Err(ImageError::InvalidHash.into()),
        };
        if slot == Slot::primary(RUNNING)
            && request == Request::Confirm
            && self.identity.confirmation == Confirmation::Refused
        {
            return Err(ImageError::ConfirmationDenied.into());
        }
        match self.build.mark_rules {
            MarkRules::EachImage => set_next_boot(slot, request, call.services)?,
            MarkRules::RunningImage => set_next_boot_by_running(slot, request, call.services)?,
        }
        self.state_read(call.services)
    }
}

/// The first slot whose image has this hash.
fn find(hash: &[u8], services: &mut dyn Services) -> Result<Slot, Failure> {
    for slot in Slot::all(services.images()) {
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
    let next = NextBoot::read(slot.image, services)?;
    if request == Request::Confirm && slot.image != RUNNING && slot.is_primary() {
        return Err(ImageError::ConfirmationDenied.into());
    }
    if request == Request::Test && slot.is_primary() {
        return Err(ImageError::TestOfActiveDenied.into());
    }
    match (next, slot.place, request) {
        // Asked for what will happen anyway.
        (NextBoot::Test, Place::Secondary, Request::Test)
        | (NextBoot::Same, Place::Primary, Request::Confirm)
        | (NextBoot::Permanent | NextBoot::Revert, Place::Secondary, Request::Confirm) => {
            return Ok(());
        }
        // Something else is decided already.
        (NextBoot::Test | NextBoot::Permanent, ..) | (NextBoot::Revert, _, Request::Test) => {
            return Err(ImageError::AlreadyPending.into());
        }
        (NextBoot::Same, Place::Secondary, _)
        | (NextBoot::Revert, Place::Primary, Request::Confirm)
        | (NextBoot::Same, Place::Primary, Request::Test) => {}
    }
    write_mark(slot, request, services)
}

/// `img_mgmt_set_next_boot_slot` as it was first written (zephyr pull request 61288, on the way to Zephyr 3.5): whichever slot is
/// asked for, it looks what the next start will do with the running image. Once that one is to be tested, a test of any
/// other image is taken without an error, and nothing is written.
fn set_next_boot_by_running(
    slot: Slot,
    request: Request,
    services: &mut dyn Services,
) -> Result<(), Failure> {
    let active = Slot::primary(RUNNING);
    let next = NextBoot::read(RUNNING, services)?;
    let next_slot = match next {
        NextBoot::Same => active,
        NextBoot::Permanent | NextBoot::Test | NextBoot::Revert => Slot::secondary(RUNNING),
    };
    match (next, request) {
        (NextBoot::Test, Request::Confirm) if slot != active => {
            return Err(ImageError::AlreadyPending.into());
        }
        (NextBoot::Test, Request::Test) if slot == active => {
            return Err(ImageError::AlreadyPending.into());
        }
        (NextBoot::Test, _) => return Ok(()),
        (NextBoot::Same | NextBoot::Permanent, _) if slot == next_slot => return Ok(()),
        (NextBoot::Permanent, _) => return Err(ImageError::AlreadyPending.into()),
        (NextBoot::Revert, Request::Confirm) if slot == next_slot => return Ok(()),
        (NextBoot::Revert, Request::Test) => return Err(ImageError::AlreadyPending.into()),
        (NextBoot::Same, _) | (NextBoot::Revert, Request::Confirm) => {}
    }
    write_mark(slot, request, services)
}

/// `boot_set_next` of a slot.
fn write_mark(slot: Slot, request: Request, services: &mut dyn Services) -> Result<(), Failure> {
    let done = match (slot.place, request) {
        (Place::Primary, _) => services.set_confirmed(slot.image),
        (Place::Secondary, Request::Test) => services.set_pending(slot.image, Pending::Test),
        (Place::Secondary, Request::Confirm) => {
            services.set_pending(slot.image, Pending::Permanent)
        }
    };
    done.map_err(|error| match error {
        // `boot_set_next` answers BOOT_EBADVECT for the running image, BOOT_EBADIMAGE for the other.
        DeviceError::BadTrailer if slot.is_primary() => ImageError::InvalidVectorTable.into(),
        DeviceError::BadTrailer => ImageError::InvalidHeaderMagic.into(),
        DeviceError::Failed | DeviceError::Stopped(_) => {
            device(error, ImageError::FlashWriteFailed)
        }
    })
}
