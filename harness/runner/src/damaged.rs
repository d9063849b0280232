//! Damaged images: made of the firmware set's own when a scenario names them, and kept, as all that is sent.

use crate::firmware::{EXTERNAL_WINDOW, LoadedImage};
use hil_image::{DamageError, DamageTarget, DecryptionKey, PrivateKey};
use hil_scenario::{Core, FirmwareSet, ImageRef, Memory, Slot};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A damaged image, or why it cannot be made.
type Made = Result<Arc<LoadedImage>, DamageError>;

/// The damaged images that were asked for so far.
#[derive(Default)]
pub(crate) struct DamagedImages {
    made: Mutex<BTreeMap<ImageRef, Made>>,
}

impl DamagedImages {
    /// The damaged image `role`, made of `whole` unless it was made before.
    pub(crate) fn get(
        &self,
        role: &ImageRef,
        whole: &LoadedImage,
        set: &FirmwareSet,
        signing: Option<&PrivateKey>,
        decryption: Option<&DecryptionKey>,
    ) -> Made {
        let lock = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = lock().get(role) {
            return made.clone();
        }
        // Not under the lock: a foreign RSA key takes a while.
        let made = make(role, whole, set, signing, decryption).map(Arc::new);
        lock().entry(role.clone()).or_insert(made).clone()
    }
}

impl DamagedImages {
    /// Keeps a damaged image that was made elsewhere.
    pub(crate) fn put(&self, role: &ImageRef, image: LoadedImage) -> Arc<LoadedImage> {
        let image = Arc::new(image);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert(role.clone(), Ok(Arc::clone(&image)));
        image
    }
}

fn make(
    role: &ImageRef,
    whole: &LoadedImage,
    set: &FirmwareSet,
    signing: Option<&PrivateKey>,
    decryption: Option<&DecryptionKey>,
) -> Result<LoadedImage, DamageError> {
    let absent = DamageError::Absent("slot in the firmware set that it could be sent to");
    let (Some(slots), Some(damage)) = (set.bootloader.images.first(), role.damage) else {
        return Err(absent);
    };
    // A network core's image has slots of its own, or goes through the application's.
    let number = match role.core {
        Core::Net if set.bootloader.images.len() > 1 => 1,
        Core::App | Core::Net => 0,
    };
    let slots = set.bootloader.images.get(number).unwrap_or(slots);
    let target = DamageTarget {
        signing,
        decryption,
        slot_size: slots.secondary.size,
        largest: set.bootloader.largest_image(*slots),
        other_core: other_core(role.core, set),
        other_image: 1 - number as u8,
        max_align: set.bootloader.max_align,
    };
    let bytes = damage.apply(whole.bytes(), &target)?;
    Ok(whole.damaged(role.clone(), bytes))
}

/// Where firmware of the other core begins.
fn other_core(core: Core, set: &FirmwareSet) -> u32 {
    let slot = match core {
        Core::App => Slot::NetPrimary,
        Core::Net => Slot::AppPrimary,
    };
    set.layout.slot(slot).map_or_else(
        || set.bootloader.network_slot.address,
        |region| match region.memory {
            Memory::App | Memory::Net => region.address,
            Memory::External => EXTERNAL_WINDOW + region.address,
        },
    )
}
