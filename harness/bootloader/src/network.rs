//! MCUboot's side of a network core update that is not simultaneous: the image arrives in the application's secondary
//! slot, is recognised by its reset vector, and b0n copies it from there.
//!
//! Source: `boot_validated_swap_type` in sdk-mcuboot `boot/bootutil/src/loader.c`.

use crate::config::{Mode, NetworkCore};
use crate::flash::{DeviceId, FlashError};
use crate::io::{EraseOrder, OrAssert, Step, Stop};
use crate::outcome::SwapType;
use crate::pcd::{self, NetworkUpdate};
use crate::state::{Loader, SECONDARY, reason};

/// First address of the network core's flash, in its own map.
pub(crate) const NETWORK_FLASH: u32 = 0x0100_0000;

/// The reset vector is the second word of the vector table.
const RESET_VECTOR: u32 = 4;

impl Loader<'_> {
    /// Whether the image in the secondary slot runs on the network core; the error says why that cannot be told.
    pub(crate) fn recognise_network_image(&mut self) -> Step<Result<bool, String>> {
        let header = self.header(SECONDARY);
        if self.io.config.network_core != NetworkCore::Pcd || !header.is_image() {
            return Ok(Ok(false));
        }
        let area = self.area(SECONDARY);
        let offset = u32::from(header.header_size) + RESET_VECTOR;
        let vector = match self.io.read_bytes::<4>(area, offset)? {
            Ok(bytes) => u32::from_le_bytes(bytes),
            Err(error) => return Ok(Err(reason(&error))),
        };
        Ok(Ok(self.io.config.network_slot.contains(vector)))
    }

    /// Has b0n copy the payload, then forgets the request, whatever came of it.
    pub(crate) fn update_network_core(&mut self) -> Step<SwapType> {
        let header = self.header(SECONDARY);
        let secondary = self.area(SECONDARY);
        self.io.info("Starting network core update");
        // b0n reads the payload where it is: only the application core's own flash has an address.
        let source = if secondary.area.device == DeviceId::AppFlash {
            secondary
                .area
                .offset
                .wrapping_add(u32::from(header.header_size))
        } else {
            return Err(Stop::Assert(
                "the secondary slot is in memory-mapped flash".to_owned(),
            ));
        };
        let Some(board) = self.network.as_deref_mut() else {
            return Err(Stop::Hang(
                "waiting for a network core that is not there".to_owned(),
            ));
        };
        let offset = self
            .io
            .config
            .network_slot
            .address
            .wrapping_sub(NETWORK_FLASH);
        let updated =
            pcd::update_network_core(board, source, header.image_size, offset, self.io.log);
        let swap_type = match updated {
            Ok(NetworkUpdate::Done) => {
                self.io.info("Done updating network core");
                self.decided(
                    "network core updated",
                    "the reset vector lies in the network core's slot",
                );
                SwapType::None
            }
            Err(FlashError::PowerLost) => return Err(Stop::PowerLost),
            Ok(NetworkUpdate::Failed) => {
                self.decided("network core not updated", "b0n reported a failure");
                SwapType::Fail
            }
            Err(error) => {
                self.decided("network core not updated", reason(&error));
                SwapType::Fail
            }
        };
        if self.mode() == Mode::OverwriteOnly {
            self.forget_request()?;
        } else {
            self.erase_trailer_sectors()?;
        }
        Ok(swap_type)
    }

    /// `swap_erase_trailer_sectors` of the secondary slot: one sector at a time, the last one first.
    fn erase_trailer_sectors(&mut self) -> Step<()> {
        let secondary = self.area(SECONDARY);
        let sector = self.sector_size();
        let count = self.io.config.trailer_size().div_ceil(sector).max(1);
        let sectors = self.image().sectors[SECONDARY];
        for step in 1..=count {
            let offset = self.sector_offset(SECONDARY, sectors.wrapping_sub(step))?;
            self.io
                .erase(secondary, offset, sector, EraseOrder::Forwards)?
                .or_assert("the secondary trailer is erased")?;
        }
        Ok(())
    }
}
