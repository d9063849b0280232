//! Whether a candidate was linked for the slot that it would go to.
//!
//! Off in most builds. Zephyr's port switches it on for overwrite-only builds with several images, where nothing would
//! bring back an application that was overwritten with an image for another place.
//!
//! Source: the end of `boot_validate_slot` in `boot/bootutil/src/loader.c` of mcuboot and sdk-mcuboot,
//! `MCUBOOT_VERIFY_IMG_ADDRESS` in `boot/zephyr/Kconfig`.

use std::ops::Range;

use crate::config::{AddressCheck, NetworkCore};
use crate::flash::DeviceId;
use crate::header::Header;
use crate::io::{FlashArea, Step};
use crate::state::{Loader, PRIMARY, reason};

/// The reset vector is the second word of the vector table.
pub(crate) const RESET_VECTOR: u32 = 4;
/// Where the application core sees its external flash (QSPI XIP).
const EXTERNAL_WINDOW: u32 = 0x1000_0000;

impl Loader<'_> {
    /// Why a valid candidate is refused after all: it was linked for another place. It is erased then.
    pub(crate) fn refused_for_its_address(
        &mut self,
        area: FlashArea,
        header: &Header,
    ) -> Step<Option<String>> {
        let address = match self.io.config.address_check {
            AddressCheck::None => return Ok(None),
            // Encrypted images hide their vector table: such builds have no check of it.
            AddressCheck::ResetVector if self.io.config.encrypts() => return Ok(None),
            // Not where an image begins with swap-using-offset: the C code looks into the first sector there too.
            AddressCheck::ResetVector => {
                let offset = u32::from(header.header_size) + RESET_VECTOR;
                match self.io.read_bytes::<4>(area, offset)? {
                    Ok(bytes) => u32::from_le_bytes(bytes),
                    Err(error) => {
                        if self.line().address_check_tells_failed_read() {
                            let image = self.current;
                            self.io
                                .error(format!("Failed to read image {image} load address"));
                        }
                        return Ok(Some(reason(&error)));
                    }
                }
            }
            AddressCheck::LoadAddress => header.load_address,
        };
        let Some(own) = self.own_addresses() else {
            return Ok(None);
        };
        let image = self.current;
        let shared = self.line().address_check_knows_shared_slot()
            && self.io.config.network_core == NetworkCore::Pcd
            && image == 0;
        if shared && self.io.config.network_slot.contains(address) {
            self.io.info(format!(
                "Binary in secondary slot of image {image} is destined for the network core"
            ));
            return Ok(None);
        }
        let just_behind = self.line().address_check_takes_end() && address == own.end;
        if own.contains(&address) || just_behind {
            return Ok(None);
        }
        self.io.error(self.line().address_complaint(image));
        self.io.error("Erasing image from secondary slot");
        let _ignored_by_the_c_code = self.io.scramble_slot(area)?;
        Ok(Some(format!(
            "it was linked for {address:#010x}, the primary slot is {:#010x} to {:#010x}",
            own.start, own.end
        )))
    }

    /// The addresses that an image of the current number runs at; `None` where the build does not look.
    fn own_addresses(&self) -> Option<Range<u32>> {
        let config = self.io.config;
        let primary = self.area(PRIMARY).area;
        let at_window =
            primary.device == DeviceId::External && config.line.address_check_knows_window();
        let base = if at_window { EXTERNAL_WINDOW } else { 0 };
        let start = primary.offset.wrapping_add(base);
        let slot = start..start.wrapping_add(primary.size);
        if !config.line.is_nordic() {
            return Some(slot);
        }
        if config.is_virtual(self.current) {
            let network = config.network_slot;
            return Some(network.address..network.address.wrapping_add(network.size));
        }
        // Newer lines compare nothing for images that are neither the application nor the network core's.
        (self.current == 0 || !config.line.address_check_skips_other_images()).then_some(slot)
    }
}
