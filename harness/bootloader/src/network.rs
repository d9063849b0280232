//! MCUboot's side of a network core update.
//!
//! Not simultaneous: the image arrives in the application's secondary slot, is recognised by its reset vector, and b0n
//! copies it from there. Simultaneous: it is an image of its own whose primary slot is simulated in RAM; MCUboot updates
//! that like any slot, and then b0n copies what lies in RAM.
//!
//! Source: `boot_validated_swap_type` in sdk-mcuboot `boot/bootutil/src/loader.c`; `network_core_update` in sdk-nrf
//! `modules/mcuboot/hooks/nrf53_hooks.c`.

use hil_image::network::FirmwareInfo;

use crate::address::RESET_VECTOR;
use crate::config::{AddressCheck, Config, DowngradePrevention, Mode, NetworkCore};
use crate::flash::{DeviceId, FlashError};
use crate::header::{HEADER_LEN, Header};
use crate::io::{EraseOrder, OrAssert, Step, Stop};
use crate::outcome::SwapType;
use crate::pcd::{self, NetworkUpdate, NetworkVersion};
use crate::state::{Loader, PRIMARY, SECONDARY, reason};

/// First address of the network core's flash, in its own map.
pub(crate) const NETWORK_FLASH: u32 = 0x0100_0000;

/// Where in application RAM the simulated primary slot of the network core lies (ours: in a build it is wherever the
/// linker put the flash simulator's buffer). Nothing of it survives a reset, as the simulator erases it when it starts.
pub const RAM_FLASH_ADDRESS: u32 = 0x2001_0000;

/// How much of an image is looked through for its `fw_info`, in bytes (ours: `CONFIG_PCD_VERSION_PAGE_BUF_SIZE`, whose default
/// we do not know; enough for the place where every published build has it).
const VERSION_WINDOW: usize = 2048;

impl Config {
    /// Whether this word, in the place of a candidate's reset vector, makes MCUboot take the candidate for network firmware in
    /// a slot that both cores share. It looks at what lies in flash: of an encrypted image that is cipher text.
    #[must_use]
    pub fn is_network_vector(&self, word: u32) -> bool {
        if self.line.knows_network_partition() {
            self.network_slot.contains(word)
        } else {
            word > NETWORK_FLASH
        }
    }
}

impl Loader<'_> {
    /// Whether the image in the secondary slot runs on the network core; the error says why that cannot be told.
    pub(crate) fn recognise_network_image(&mut self) -> Step<Result<bool, String>> {
        let header = self.header(SECONDARY);
        if self.io.config.network_core != NetworkCore::Pcd || !header.is_image() {
            return Ok(Ok(false));
        }
        if self.io.config.address_check == AddressCheck::LoadAddress {
            // `MCUBOOT_CHECK_HEADER_LOAD_ADDRESS` goes before the reset vector.
            return Ok(Ok(self
                .io
                .config
                .network_slot
                .contains(header.load_address)));
        }
        let area = self.area(SECONDARY);
        let offset = u32::from(header.header_size) + RESET_VECTOR;
        let vector = match self.io.read_bytes::<4>(area, offset)? {
            Ok(bytes) => u32::from_le_bytes(bytes),
            Err(error) => return Ok(Err(reason(&error))),
        };
        Ok(Ok(self.io.config.is_network_vector(vector)))
    }

    /// Has b0n copy the payload, then forgets the request: after SDK 3.4 whatever came of it, before only a request that was
    /// met, and only where the code to do it is compiled in: not in overwrite mode, nor with swap-using-offset.
    pub(crate) fn update_network_core(&mut self) -> Step<SwapType> {
        let header = self.header(SECONDARY);
        let secondary = self.area(SECONDARY);
        let checked = self.io.config.network_version_check
            && self.io.config.downgrade_prevention != DowngradePrevention::None;
        let outdated = if checked {
            self.io.info("Checking network core version");
            self.outdated_network_image()?
        } else {
            None
        };
        if let Some(why) = outdated {
            self.decided("network core not updated", why);
            self.forget_network_request(false)?;
            return Ok(SwapType::Fail);
        }
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
        let updated = self.ask_b0n(source, header.image_size)?;
        let swap_type = match updated {
            Ok(()) => {
                self.io.info("Done updating network core");
                self.decided(
                    "network core updated",
                    "the reset vector lies in the network core's slot",
                );
                SwapType::None
            }
            Err(why) => {
                self.decided("network core not updated", why);
                SwapType::Fail
            }
        };
        self.forget_network_request(swap_type == SwapType::None)?;
        Ok(swap_type)
    }

    /// The request goes when the update is `done`, and in newer lines always.
    fn forget_network_request(&mut self, done: bool) -> Step<()> {
        let always = self.line().always_forgets_network_request();
        match self.mode() {
            Mode::OverwriteOnly if always => self.forget_request(),
            Mode::SwapOffset if always => self.erase_trailer_sectors(),
            Mode::SwapMove | Mode::SwapScratch if always || done => self.erase_trailer_sectors(),
            _ => Ok(()),
        }
    }

    /// `pcd_version_cmp_net`: why the network image in the secondary slot must not go to the network core, if it must not:
    /// its `fw_info` version is below that of the running one, or cannot be compared with it. An image with protected TLVs
    /// cannot, since `fw_info` is looked for too far behind, and neither can one that is encrypted.
    pub(crate) fn outdated_network_image(&mut self) -> Step<Option<String>> {
        let header = self.header(SECONDARY);
        let area = self.area(SECONDARY);
        let offset = self
            .io
            .config
            .network_slot
            .address
            .wrapping_sub(NETWORK_FLASH);
        let Some(board) = self.network.as_deref_mut() else {
            return Err(Stop::Hang(
                "waiting for a network core that is not there".to_owned(),
            ));
        };
        let running = match pcd::read_network_version(board, offset, self.io.log) {
            Ok(NetworkVersion::Known(version)) => version,
            Ok(NetworkVersion::Failed) => {
                return Ok(Some("b0n does not tell the version that runs".to_owned()));
            }
            Ok(NetworkVersion::Silent) => {
                return Err(Stop::Hang(
                    "waiting for the version that runs, which b0n never tells".to_owned(),
                ));
            }
            Err(FlashError::PowerLost) => return Err(Stop::PowerLost),
            Err(error) => return Ok(Some(reason(&error))),
        };
        let start = u32::from(header.header_size).wrapping_add(u32::from(header.protected_size));
        let mut window = vec![0; VERSION_WINDOW];
        if let Err(error) = self.io.read(area, start, &mut window)? {
            return Ok(Some(reason(&error)));
        }
        Ok(match FirmwareInfo::find(&window) {
            Ok(info) if info.version >= running => None,
            Ok(info) => Some(format!(
                "its fw_info version {} is below {running}",
                info.version
            )),
            Err(_) => Some(format!(
                "no fw_info in the {VERSION_WINDOW} bytes from {start:#x} of the slot"
            )),
        })
    }

    /// `boot_copy_region_post_hook`: what lies in the simulated primary slot goes to the network core. The error says
    /// why it did not.
    pub(crate) fn hand_over_network_image(&mut self) -> Step<Result<(), String>> {
        let primary = self.area(PRIMARY);
        let header = match self.io.read_bytes::<HEADER_LEN>(primary, 0)? {
            Ok(bytes) => Header::parse(&bytes),
            Err(error) => return Ok(Err(reason(&error))),
        };
        let vector = u32::from(header.header_size) + RESET_VECTOR;
        let vector = match self.io.read_bytes::<4>(primary, vector)? {
            Ok(bytes) => u32::from_le_bytes(bytes),
            Err(error) => return Ok(Err(reason(&error))),
        };
        let done = if !header.is_image() {
            Err("there is no image in RAM".to_owned())
        } else if vector <= NETWORK_FLASH {
            Err(format!(
                "its reset vector {vector:#010x} is not the network core's"
            ))
        } else {
            let source = RAM_FLASH_ADDRESS
                .wrapping_add(primary.area.offset)
                .wrapping_add(u32::from(header.header_size));
            self.ask_b0n(source, header.image_size)?
        };
        match &done {
            Ok(()) => self.decided("network core updated", "its image was put into RAM"),
            Err(why) => self.decided("network core not updated", why.as_str()),
        }
        Ok(done)
    }

    /// Has b0n copy `length` bytes at `source` to the network core's slot. The error says why it did not.
    fn ask_b0n(&mut self, source: u32, length: u32) -> Step<Result<(), String>> {
        let Some(board) = self.network.as_deref_mut() else {
            return Err(Stop::Hang(
                "waiting for a network core that is not there".to_owned(),
            ));
        };
        let slot = self.io.config.network_slot.address;
        let offset = slot.wrapping_sub(NETWORK_FLASH);
        match pcd::update_network_core(board, source, length, offset, self.io.log) {
            Ok(NetworkUpdate::Done) => Ok(Ok(())),
            Ok(NetworkUpdate::Failed) => Ok(Err("b0n reported a failure".to_owned())),
            Ok(NetworkUpdate::Silent) => Err(Stop::Hang(
                "waiting for b0n, which never answers".to_owned(),
            )),
            Err(FlashError::PowerLost) => Err(Stop::PowerLost),
            Err(error) => Ok(Err(reason(&error))),
        }
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
