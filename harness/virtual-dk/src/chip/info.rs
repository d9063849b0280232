//! FICR and UICR: what the factory and the user have written about the chip.

use crate::bus::Core;
use sha2::{Digest, Sha256};

/// Bytes of each of the two blocks.
pub(super) const INFO_SIZE: usize = 0x1000;

/// The value of an APPROTECT word that leaves the access port open; every other one closes it.
pub(super) const APPROTECT_OPEN: u32 = 0x50fa_50fa;

/// Offsets in UICR.
pub(super) mod uicr {
    pub(in super::super) const APPROTECT: usize = 0x00;
    /// Application core.
    pub(in super::super) const SECURE_APPROTECT: usize = 0x1c;
    /// Application core.
    pub(in super::super) const APP_ERASEPROTECT: usize = 0x20;
    /// Network core.
    pub(in super::super) const NET_ERASEPROTECT: usize = 0x04;
}

/// The factory's block of `core`, with a device id that follows from the board's name.
///
/// The pages and their number must be right: flash algorithms walk the flash by CODEPAGESIZE and CODESIZE.
pub(super) fn ficr(core: Core, board: &str) -> Vec<u8> {
    let (page, pages, flash_kib, ram_kib) = match core {
        Core::App => (0x1000, 0x100, 0x400, 0x200),
        Core::Net => (0x800, 0x80, 0x100, 0x40),
    };
    let label = match core {
        Core::App => "app",
        Core::Net => "net",
    };
    let identity = Sha256::digest(format!("virtual nRF5340 {board} {label}"));
    let identity = |word: usize| {
        identity[4 * word..4 * word + 4]
            .iter()
            .fold(0, |value, &byte| value << 8 | u32::from(byte))
    };
    let mut bytes = vec![0xff; INFO_SIZE];
    for (offset, value) in [
        (0x204, identity(0)), // INFO.DEVICEID[0]
        (0x208, identity(1)), // INFO.DEVICEID[1]
        (0x20c, 0x5340),      // INFO.PART
        (0x210, 0x514b_4141), // INFO.VARIANT "QKAA"
        (0x214, 0x2000),      // INFO.PACKAGE
        (0x218, ram_kib),     // INFO.RAM
        (0x21c, flash_kib),   // INFO.FLASH
        (0x220, page),        // INFO.CODEPAGESIZE
        (0x224, pages),       // INFO.CODESIZE
    ] {
        put(&mut bytes, offset, value);
    }
    if core == Core::Net {
        put(&mut bytes, 0x2a0, 1); // DEVICEADDRTYPE: random
        put(&mut bytes, 0x2a4, identity(2)); // DEVICEADDR[0]
        put(&mut bytes, 0x2a8, identity(3)); // DEVICEADDR[1]
    }
    bytes
}

/// The user's block of `core` as a DK is delivered: access ports open, the rest erased.
pub(super) fn delivered_uicr(core: Core) -> Vec<u8> {
    let mut bytes = vec![0xff; INFO_SIZE];
    put(&mut bytes, uicr::APPROTECT, APPROTECT_OPEN);
    if core == Core::App {
        put(&mut bytes, uicr::SECURE_APPROTECT, APPROTECT_OPEN);
    }
    bytes
}

/// The word at `offset`, which is inside the block.
pub(super) fn word(bytes: &[u8], offset: usize) -> u32 {
    bytes
        .iter()
        .skip(offset)
        .take(4)
        .rev()
        .fold(0, |value, &byte| value << 8 | u32::from(byte))
}

fn put(bytes: &mut [u8], offset: usize, value: u32) {
    bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_of_different_names_have_different_device_ids() {
        let id = |core, name| ficr(core, name)[0x204..0x20c].to_vec();
        assert_eq!(id(Core::App, "dk1"), id(Core::App, "dk1"));
        assert_ne!(id(Core::App, "dk1"), id(Core::App, "dk2"));
        assert_ne!(id(Core::App, "dk1"), id(Core::Net, "dk1"));
    }

    #[test]
    fn ficr_describes_the_flash_of_its_core() {
        let net = ficr(Core::Net, "dk1");
        assert_eq!((word(&net, 0x220), word(&net, 0x224)), (0x800, 0x80));
        assert_eq!(word(&net, 0x20c), 0x5340);
    }
}
