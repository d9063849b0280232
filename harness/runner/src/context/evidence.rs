//! What a step leaves for whoever makes its verdict again: what it compared, and what it read.

use super::Context;
use crate::events::sha256;
use crate::firmware::Region;
use crate::proof;
use hil_record::{BoardDone, Check, CheckMade, Done, EventKind, RegionShot};

impl Context<'_> {
    /// Tells what a step has compared, for whoever makes its verdict again.
    pub(crate) fn checked(&self, check: Check) {
        self.events.emit(EventKind::Checked(CheckMade {
            board: self.bench.name.clone(),
            scenario: self.scenario.clone(),
            step: self.step,
            check,
        }));
    }

    /// What was read from a region, with the pages that hold no secret in the evidence store.
    pub(crate) fn shot(&self, region: Region, found: &[u8]) -> RegionShot {
        let blank;
        let before = match &self.programmed {
            Some(programmed) => programmed.flash(region),
            None => {
                blank = vec![0xFF; found.len()];
                &blank
            }
        };
        self.shot_since(region, before, found)
    }

    /// The same as pages that are not as in `before`, which the reader has from somewhere else.
    pub(crate) fn shot_since(&self, region: Region, before: &[u8], found: &[u8]) -> RegionShot {
        let damaged: Vec<_> = self
            .sent
            .iter()
            .filter_map(|role| self.firmware.image(role).ok())
            .collect();
        let sent: Vec<&[u8]> = self
            .firmware
            .sent_bytes()
            .chain(damaged.iter().map(|image| image.bytes()))
            .collect();
        let secrets = self.firmware.secrets();
        let keep = |bytes: &[u8]| self.events.keep(bytes);
        proof::shot(region, before, found, secrets, &sent, keep, sha256)
    }

    /// Tells what was done to the board, for whoever makes the prediction of its flash again.
    pub(super) fn tell(&self, what: Done) {
        self.events.emit(EventKind::Done(BoardDone {
            board: self.bench.name.clone(),
            what,
        }));
    }
}
