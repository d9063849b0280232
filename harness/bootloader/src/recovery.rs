//! What a bootloader's serial recovery was built with: MCUboot's `boot_serial` in the Zephyr port.
//!
//! Only the settings; the server itself is firmware of the virtual DK. Source: mcuboot `boot/zephyr/Kconfig.serial_recovery`.

use serde::{Deserialize, Serialize};

use crate::address::RESET_VECTOR;
use crate::config::{Config, NetworkCore};
use crate::flash::{Area, DeviceId, Flash, FlashError};
use crate::header::{HEADER_LEN, Header};
use crate::log::LogLine;
use crate::network::{NETWORK_FLASH, RAM_FLASH_ADDRESS};
use crate::pcd::{self, PcdBoard};

/// How a serial recovery was built.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SerialRecovery {
    /// It is entered when no image can be booted (`BOOT_SERIAL_NO_APPLICATION`).
    pub on_no_image: bool,
    /// It is entered when the application asked for it with its reset (`BOOT_SERIAL_BOOT_MODE`).
    pub on_boot_mode: bool,
    /// It is entered when this button is held at the start, before anything is swapped (`BOOT_SERIAL_ENTRANCE_GPIO`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub button: Option<RecoveryButton>,
    /// So many milliseconds are waited for a request before every boot (`BOOT_SERIAL_WAIT_FOR_DFU`); 0 is not at all.
    pub wait_ms: u32,
    /// Image numbers mean slots: 1 and 2 the slots of image 0, 3 and 4 those of image 1
    /// (`MCUBOOT_SERIAL_DIRECT_IMAGE_UPLOAD`).
    pub direct_upload: bool,
    /// The network core can be updated, also where it has no slots of its own: what is sent to image number 3 goes into a
    /// slot in RAM and from there, through b0n, to the network core (`NRF53_RECOVERY_NETWORK_CORE`).
    pub network_core: bool,
    /// The number of the network core's image (`MCUBOOT_NETWORK_CORE_IMAGE_NUMBER`): an upload that is handed over goes to twice
    /// that, and one. Where nobody assigned it, it is -1, and nothing is ever handed over.
    #[serde(skip_serializing_if = "is_network_image")]
    pub network_image: i32,
    /// Sectors are erased as they are needed, and not the whole slot at the first chunk (`BOOT_ERASE_PROGRESSIVELY`).
    pub progressive_erase: bool,
    /// The list has flags, and images can be marked (`BOOT_SERIAL_IMG_GRP_IMAGE_STATE`).
    pub image_state: bool,
    /// Slots can be asked for (`BOOT_SERIAL_IMG_GRP_SLOT_INFO`).
    pub slot_info: bool,
    /// OS echo (`BOOT_MGMT_ECHO`).
    pub echo: bool,
    /// OS params (`BOOT_MGMT_PARAMS`).
    pub params: bool,
    /// Bytes that a request may have with its header (`BOOT_SERIAL_MAX_RECEIVE_SIZE`).
    pub buf_size: u32,
}

/// The button that MCUboot looks at: `mcuboot-button0` of its devicetree. Pressed is low.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RecoveryButton {
    /// Its pin of port 0.
    pub pin: u8,
    /// How many milliseconds it must be held, after 50 that are always waited; 0 is a look (`BOOT_SERIAL_DETECT_DELAY`).
    pub delay_ms: u32,
}

impl Default for RecoveryButton {
    /// Button 1 of the DK, and Kconfig's default.
    fn default() -> Self {
        Self {
            pin: 23,
            delay_ms: 0,
        }
    }
}

/// The slot in RAM that uploads for the network core go to in builds for one image (`mcuboot_primary_1`; 256 KiB in every
/// published build).
const NETWORK_SLOT: Area = Area {
    device: DeviceId::RamFlash,
    offset: 0,
    size: 0x40000,
};

/// The upload of an image for the network core: its number with `MCUBOOT_SERIAL_DIRECT_IMAGE_UPLOAD`
/// (`NET_CORE_VIRTUAL_PRIMARY_SLOT` in sdk-nrf `modules/mcuboot/hooks/nrf53_hooks.c`).
const NETWORK_UPLOAD: u32 = 3;

/// The network core's image in every build that assigns one.
const NETWORK_IMAGE: i32 = 1;

fn is_network_image(number: &i32) -> bool {
    *number == NETWORK_IMAGE
}

/// Whether an upload through serial recovery has b0n copy it to the network core.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HandOver {
    /// b0n works on it.
    Begun,
    /// What lies in RAM is no image for the network core: `-ENODATA`.
    NoImage,
    /// There is nothing in the image: `-EINVAL`.
    Empty,
}

impl SerialRecovery {
    /// Where an upload with this image number goes, and whether that is a secondary slot. `None`: there is no such slot.
    #[must_use]
    pub fn target(&self, config: &Config, number: u32) -> Option<(Area, bool)> {
        let slot = if self.direct_upload {
            // 0 is the default, and means 1.
            number.saturating_sub(1)
        } else if config.images.len() == 1 {
            // A build for one image does not look at the number.
            0
        } else {
            number.checked_mul(2)?
        };
        if self.network_core && slot == NETWORK_UPLOAD - 1 && config.images.len() == 1 {
            return Some((NETWORK_SLOT, false));
        }
        let slots = config.images.get(usize::try_from(slot / 2).ok()?)?;
        Some(match slot % 2 {
            0 => (slots.primary, false),
            _ if !config.has_secondary() => return None,
            _ => (slots.secondary, true),
        })
    }

    /// Whether what is complete in a slot in RAM can be handed to b0n.
    #[must_use]
    pub fn reaches_network_core(&self, config: &Config) -> bool {
        self.network_core || config.network_core == NetworkCore::PcdSimultaneous
    }

    /// Whether a complete upload with this number is handed to b0n.
    #[must_use]
    pub fn hands_over(&self, config: &Config, number: u32) -> bool {
        // The hook compares the number that was sent, so other numbers for the same slot do not count.
        let hooked = i64::from(self.network_image) * 2 + 1;
        self.direct_upload && self.reaches_network_core(config) && hooked == i64::from(number)
    }
}

/// `boot_serial_uploaded_hook` (sdk-nrf `modules/mcuboot/hooks/nrf53_hooks.c`): has b0n begin to copy what lies in the slot
/// in RAM to the network core.
///
/// # Errors
/// What `flash` and `board` report.
pub fn hand_over_recovered(
    config: &Config,
    slot: Area,
    flash: &mut dyn Flash,
    board: &mut dyn PcdBoard,
    log: &mut dyn FnMut(LogLine),
) -> Result<HandOver, FlashError> {
    let mut header = [0; HEADER_LEN];
    flash.read(slot.device, slot.offset, &mut header)?;
    let header = Header::parse(&header);
    let payload = slot.offset.wrapping_add(u32::from(header.header_size));
    let mut vector = [0; 4];
    flash.read(slot.device, payload.wrapping_add(RESET_VECTOR), &mut vector)?;
    if !header.is_image() || u32::from_le_bytes(vector) <= NETWORK_FLASH {
        return Ok(HandOver::NoImage);
    }
    let source = RAM_FLASH_ADDRESS.wrapping_add(payload);
    let offset = config.network_slot.address.wrapping_sub(NETWORK_FLASH);
    let given = pcd::begin_update(board, source, header.image_size, offset, log)?;
    Ok(if given {
        HandOver::Begun
    } else {
        HandOver::Empty
    })
}

impl Config {
    /// The slot in RAM that serial recovery, or a simultaneous update, has; erased whenever the bootloader starts.
    #[must_use]
    pub fn ram_slot(&self) -> Option<Area> {
        let recovers = self
            .serial_recovery
            .as_ref()
            .is_some_and(|build| build.network_core);
        self.virtual_primary()
            .or_else(|| recovers.then_some(NETWORK_SLOT))
    }

    /// Where the sector begins in which the trailer of a slot does, in bytes from the start of the slot: the one that a
    /// recovery server erases last. None where it does not, as there is no trailer (`BOOT_IMAGE_HAS_STATUS_FIELDS` in mcuboot
    /// `boot/boot_serial/src/boot_serial.c`).
    #[must_use]
    pub fn trailer_sector(&self, slot: Area) -> Option<u32> {
        let sector = self.sector_size.max(1);
        let start = slot.size.saturating_sub(self.trailer_size()) / sector * sector;
        (self.has_secondary() || self.line.erases_trailer_of_single_slot()).then_some(start)
    }
}

impl Default for SerialRecovery {
    /// Kconfig's defaults for a Nordic chip with one image; entered when no image can be booted.
    fn default() -> Self {
        Self {
            on_no_image: true,
            on_boot_mode: false,
            button: None,
            wait_ms: 0,
            direct_upload: false,
            network_core: false,
            network_image: NETWORK_IMAGE,
            progressive_erase: true,
            image_state: false,
            slot_info: false,
            echo: false,
            params: false,
            buf_size: 1024,
        }
    }
}
