//! What a bootloader's serial recovery was built with: MCUboot's `boot_serial` in the Zephyr port.
//!
//! Only the settings; the server itself is firmware of the virtual DK. Source: mcuboot `boot/zephyr/Kconfig.serial_recovery`.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::flash::Area;

/// How a serial recovery was built.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SerialRecovery {
    /// It is entered when no image can be booted (`BOOT_SERIAL_NO_APPLICATION`).
    pub on_no_image: bool,
    /// It is entered when the application asked for it with its reset (`BOOT_SERIAL_BOOT_MODE`).
    pub on_boot_mode: bool,
    /// So many milliseconds are waited for a request before every boot (`BOOT_SERIAL_WAIT_FOR_DFU`); 0 is not at all.
    pub wait_ms: u32,
    /// Image numbers mean slots: 1 and 2 the slots of image 0, 3 and 4 those of image 1
    /// (`MCUBOOT_SERIAL_DIRECT_IMAGE_UPLOAD`).
    pub direct_upload: bool,
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

impl Config {
    /// Where the sector begins in which the trailer of a slot does, in bytes from the start of the slot: the one that a
    /// recovery server erases last.
    #[must_use]
    pub fn trailer_sector(&self, slot: Area) -> u32 {
        let sector = self.sector_size.max(1);
        slot.size.saturating_sub(self.trailer_size()) / sector * sector
    }
}

impl Default for SerialRecovery {
    /// Kconfig's defaults for a Nordic chip with one image; entered when no image can be booted.
    fn default() -> Self {
        Self {
            on_no_image: true,
            on_boot_mode: false,
            wait_ms: 0,
            direct_upload: false,
            progressive_erase: true,
            image_state: false,
            slot_info: false,
            echo: false,
            params: false,
            buf_size: 1024,
        }
    }
}
