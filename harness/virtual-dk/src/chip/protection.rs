//! Access port protection: which debug ports are closed, decided from UICR at a hard reset.
//!
//! `UICR.APPROTECT` (and the application core's `SECUREAPPROTECT`) leave a port open when they hold
//! 0x50FA50FA; every other value, erased included, closes it. Model chosen where public sources differ: the
//! words are looked at when power comes and at a pin reset; a soft reset changes nothing. So a part that
//! ERASEALL of its CTRL-AP has opened can be programmed and soft-reset, and is closed after the next power
//! cycle unless UICR was programmed too (`zephyr` pull request 110269).

use super::info::{self, APPROTECT_OPEN, uicr};
use super::silicon::{Silicon, index};
use crate::bus::Core;

/// Which access ports are closed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Protection {
    closed: [bool; 2],
    /// The application core's port reaches nothing secure, and all its memory is secure after reset.
    secure_closed: bool,
}

impl Protection {
    /// What a hard reset reads from UICR. ERASEPROTECT goes to the silicon, which ERASEALL asks.
    pub(super) fn at_hard_reset(silicon: &mut Silicon) -> Self {
        let closed = |core| info::word(silicon.uicr(core), uicr::APPROTECT) != APPROTECT_OPEN;
        let protection = Self {
            closed: [closed(Core::App), closed(Core::Net)],
            secure_closed: info::word(silicon.uicr(Core::App), uicr::SECURE_APPROTECT)
                != APPROTECT_OPEN,
        };
        silicon.erase_protected = [
            info::word(silicon.uicr(Core::App), uicr::APP_ERASEPROTECT) != u32::MAX,
            info::word(silicon.uicr(Core::Net), uicr::NET_ERASEPROTECT) != u32::MAX,
        ];
        protection
    }

    pub(super) fn is_closed(self, core: Core) -> bool {
        self.closed[index(core)]
    }

    pub(super) fn is_secure_closed(self, core: Core) -> bool {
        core == Core::App && self.secure_closed
    }

    /// What ERASEALL of a CTRL-AP does: there is nothing left to protect.
    pub(super) fn open(&mut self, core: Core) {
        self.closed[index(core)] = false;
        if core == Core::App {
            self.secure_closed = false;
        }
    }
}
