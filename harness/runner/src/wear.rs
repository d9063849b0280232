//! How often pages of a board's flash were erased: in a scenario, and in all runs on that chip.
//!
//! What the harness programs is known exactly. What bootloaders and applications erase follows from the bootloader model,
//! once the flash is as it predicts; where it is not, only the first half is counted, and the record says so. Over runs it
//! is kept in a file for each chip, named by its device id, so that a board is stopped before it is worn out (10,000
//! erases, nRF5340 product specification, NVMC electrical data; the external flash takes 100,000).

use crate::events::Events;
use crate::firmware::EXTERNAL_WINDOW;
use crate::trouble::Trouble;
use hil_bootloader::{DeviceId, Erases};
use hil_record::{BoardWear, ErrorKind, EventKind, WornPage, WornPages};
use hil_rig::WearSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Where the network core's flash begins.
const NET_FLASH: u32 = 0x0100_0000;

/// Erases of pages, by address.
type Pages = BTreeMap<u32, u64>;

/// The wear of one board.
#[derive(Debug, Default)]
pub(crate) struct Wear {
    /// The file of the chip.
    ledger: Option<PathBuf>,
    budget: Option<u64>,
    /// All that is known, without this scenario.
    total: Pages,
    /// This scenario.
    scenario: Pages,
    /// Whether what firmware erased since the board was programmed is in it.
    complete: bool,
    /// The board was programmed in this scenario, so firmware runs on it that is followed.
    ran: bool,
    /// It was programmed again, and what firmware had erased until then was not looked at.
    missed: bool,
}

/// The file of a chip.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Ledger {
    /// Erases by page, whose address is in hex.
    pages: BTreeMap<String, u64>,
}

impl Wear {
    /// What is known of a chip. A file that cannot be read is told and begun anew beside the old one.
    pub(crate) fn open(spec: &WearSpec, device: u64, events: &Events, board: &str) -> Self {
        let ledger = spec
            .ledger
            .as_ref()
            .map(|folder| folder.join(format!("{device:016x}.json")));
        let mut wear = Self {
            budget: spec.budget,
            ..Self::default()
        };
        let Some(path) = ledger else {
            return wear;
        };
        match load(&path) {
            Ok(total) => {
                wear.total = total;
                wear.ledger = Some(path);
            }
            Err(error) => events.note(
                Some(board),
                format!(
                    "the wear of its flash is not known: cannot use {}: {error}",
                    path.display()
                ),
            ),
        }
        wear
    }

    /// The harness erased these pages.
    pub(crate) fn programmed(&mut self, pages: &[u32]) {
        self.missed |= std::mem::replace(&mut self.ran, true);
        for page in pages {
            *self.scenario.entry(*page).or_default() += 1;
        }
    }

    /// These pages were put back to what they were, while the firmware was followed all the time.
    pub(crate) fn restored(&mut self, pages: &[u32]) {
        for page in pages {
            *self.scenario.entry(*page).or_default() += 1;
        }
    }

    /// Bootloaders and applications erased these sectors since the board was programmed.
    pub(crate) fn predicted(&mut self, erases: &Erases) {
        self.firmware_did(erases);
        self.complete = true;
    }

    /// They erased these as well, which the prediction at the end does not know.
    pub(crate) fn firmware_did(&mut self, erases: &Erases) {
        for (&(device, offset), &count) in erases {
            let start = match device {
                DeviceId::AppFlash => 0,
                DeviceId::NetFlash => NET_FLASH,
                DeviceId::External => EXTERNAL_WINDOW,
                // It is RAM.
                DeviceId::RamFlash => continue,
            };
            *self.scenario.entry(start + offset).or_default() += u64::from(count);
        }
    }

    /// Why nothing may run on the board any more, if nothing may.
    pub(crate) fn over_budget(&self, board: &str) -> Option<Trouble> {
        let budget = self.budget?;
        let most = most(&self.so_far()).filter(|page| page.erases >= budget)?;
        let trouble = Trouble::error(
            ErrorKind::Worn,
            format_args!(
                "flash of board `{board}` is worn: the page at {:#010x} was erased {} times, its rig file allows {budget}",
                most.address, most.erases
            ),
        );
        Some(trouble.with_help(
            "take another board; a page is good for 10,000 erases. `wear.budget` in the rig file is the limit, and the count \
             is in the file of the chip in the ledger folder",
        ))
    }

    /// All that is known, this scenario included.
    fn so_far(&self) -> Pages {
        let mut pages = self.total.clone();
        for (page, erases) in &self.scenario {
            *pages.entry(*page).or_default() += erases;
        }
        pages
    }

    /// Keeps what is known in the middle of a scenario that wears much: a run that is killed must not be forgotten.
    pub(crate) fn keep(&self, events: &Events, board: &str) {
        self.save(&self.so_far(), events, board);
    }

    fn save(&self, pages: &Pages, events: &Events, board: &str) {
        let Some(path) = &self.ledger else {
            return;
        };
        if let Err(error) = save(path, pages) {
            events.note(
                Some(board),
                format!(
                    "the wear of its flash could not be kept in {}: {error}",
                    path.display()
                ),
            );
        }
    }

    /// The scenario is over: what it wore is told and kept.
    pub(crate) fn settle(&mut self, events: &Events, board: &str) {
        let scenario = std::mem::take(&mut self.scenario);
        let complete = std::mem::take(&mut self.complete) && !std::mem::take(&mut self.missed);
        self.ran = false;
        for (page, erases) in &scenario {
            *self.total.entry(*page).or_default() += erases;
        }
        events.emit(EventKind::Wear(BoardWear {
            board: board.to_owned(),
            complete,
            erases: scenario.values().sum(),
            pages: runs(&scenario),
            most: most(&self.total),
            budget: self.budget,
        }));
        self.save(&self.total, events, board);
    }
}

fn most(pages: &Pages) -> Option<WornPage> {
    pages
        .iter()
        .rev()
        .max_by_key(|(_, erases)| **erases)
        .map(|(&address, &erases)| WornPage { address, erases })
}

/// Bytes of the page at an address.
const fn page_size(address: u32) -> u32 {
    if address >= NET_FLASH && address < EXTERNAL_WINDOW {
        0x800
    } else {
        0x1000
    }
}

/// Neighbouring pages with equal counts as one.
fn runs(pages: &Pages) -> Vec<WornPages> {
    let mut runs: Vec<WornPages> = Vec::new();
    for (&address, &erases) in pages {
        match runs.last_mut() {
            Some(run)
                if run.erases == erases
                    && run.address + run.pages * page_size(run.address) == address =>
            {
                run.pages += 1;
            }
            _ => runs.push(WornPages {
                address,
                pages: 1,
                erases,
            }),
        }
    }
    runs
}

fn load(path: &Path) -> io::Result<Pages> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Pages::new()),
        Err(error) => return Err(error),
    };
    let ledger: Ledger = serde_json::from_str(&text)?;
    ledger
        .pages
        .into_iter()
        .map(|(address, erases)| {
            let digits = address.trim_start_matches("0x");
            let address = u32::from_str_radix(digits, 16)
                .map_err(|_| io::Error::other(format!("`{address}` is not an address")))?;
            Ok((address, erases))
        })
        .collect()
}

/// Beside the file first, so that a run that is killed leaves the old one or the new one.
fn save(path: &Path, pages: &Pages) -> io::Result<()> {
    let ledger = Ledger {
        pages: pages
            .iter()
            .map(|(address, erases)| (format!("{address:#010x}"), *erases))
            .collect(),
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("json.new");
    std::fs::write(&beside, serde_json::to_string_pretty(&ledger)?)?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_are_worn_alike_are_one_run() {
        let pages = Pages::from([
            (0xc000, 2),
            (0xd000, 2),
            (0xe000, 1),
            (0x0100_8800, 1),
            (0x0100_9000, 1),
            (0x1000_0000, 1),
        ]);
        let run = |address, pages, erases| WornPages {
            address,
            pages,
            erases,
        };
        assert_eq!(
            runs(&pages),
            [
                run(0xc000, 2, 2),
                run(0xe000, 1, 1),
                run(0x0100_8800, 2, 1),
                run(0x1000_0000, 1, 1)
            ]
        );
    }

    #[test]
    fn a_ledger_reads_back_and_a_damaged_one_is_an_error() {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let path = folder.path().join("deep/1.json");
        assert_eq!(load(&path).expect("a new board"), Pages::new());
        let pages = Pages::from([(0xc000, 7), (0x0100_8800, 1)]);
        save(&path, &pages).expect("it can be written");
        assert_eq!(load(&path).expect("it was written"), pages);
        std::fs::write(&path, r#"{"pages":{"there":1}}"#).expect("it can be written");
        assert!(load(&path).is_err());
    }

    #[test]
    fn a_board_is_stopped_at_its_budget_with_the_page_and_the_count() {
        let mut wear = Wear {
            budget: Some(3),
            total: Pages::from([(0xc000, 2), (0xd000, 2)]),
            ..Wear::default()
        };
        assert_eq!(wear.over_budget("dk"), None);
        wear.scenario.insert(0xd000, 1);
        assert!(wear.over_budget("dk").is_some(), "this scenario counts");
        wear.scenario.clear();
        wear.total.insert(0xd000, 3);
        let outcome = wear.over_budget("dk").expect("it is worn").into_outcome();
        assert_eq!(outcome.kind_word().as_deref(), Some("worn"));
        insta::assert_snapshot!(outcome.cause().unwrap_or_default(), @"flash of board `dk` is worn: the page at 0x0000d000 was erased 3 times, its rig file allows 3");
    }

    #[test]
    fn what_firmware_erased_is_added_to_what_was_programmed() {
        let mut wear = Wear::default();
        wear.programmed(&[0xc000, 0x0100_8800]);
        wear.predicted(&Erases::from([
            ((DeviceId::AppFlash, 0xc000), 2),
            ((DeviceId::NetFlash, 0x8800), 1),
            ((DeviceId::RamFlash, 0), 5),
        ]));
        assert_eq!(wear.scenario, Pages::from([(0xc000, 3), (0x0100_8800, 2)]));
    }
}
