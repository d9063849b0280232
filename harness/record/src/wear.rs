//! The wear of the flash of each board: what a run has added to it, and how far it is from what the board is good for.

use crate::event::{BoardWear, WornPage, WornPages};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How often pages of a board's flash were erased.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WearRecord {
    /// Name of the board.
    pub board: String,
    /// Whether it is all of it: erases by bootloaders and applications follow from the bootloader model, and are not known
    /// of a scenario whose flash was not as it predicts.
    pub complete: bool,
    /// Erases in this run, page by page.
    pub erases: u64,
    /// Runs of pages that were erased equally often in this run, by address.
    pub pages: Vec<WornPages>,
    /// The page that was erased most often in all that is known of the board, other runs included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<WornPage>,
    /// How often a page may have been erased for a further scenario to run on the board. The rig file says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
}

/// The wear of all boards, while the events of a run are gone through.
#[derive(Debug, Default)]
pub(crate) struct Worn(BTreeMap<String, OneBoard>);

#[derive(Debug, Default)]
struct OneBoard {
    incomplete: bool,
    /// By address: how large the page is, and how often it was erased.
    pages: BTreeMap<u32, (u32, u64)>,
    most: Option<WornPage>,
    budget: Option<u64>,
}

impl Worn {
    /// A scenario has ended.
    pub(crate) fn take(&mut self, wear: &BoardWear) {
        let board = self.0.entry(wear.board.clone()).or_default();
        board.incomplete |= !wear.complete;
        for run in &wear.pages {
            let size = run.page_size();
            for page in 0..run.pages {
                let address = run.address.saturating_add(page.saturating_mul(size));
                let (_, erases) = board.pages.entry(address).or_insert((size, 0));
                *erases = erases.saturating_add(run.erases);
            }
        }
        // The count over all runs only grows.
        board.most = wear.most.clone().or_else(|| board.most.take());
        board.budget = wear.budget.or(board.budget);
    }

    /// What became of every board that was worn, by name.
    pub(crate) fn finish(self) -> Vec<WearRecord> {
        self.0
            .into_iter()
            .map(|(board, worn)| WearRecord {
                board,
                complete: !worn.incomplete,
                erases: worn.pages.values().map(|(_, erases)| erases).sum(),
                pages: runs(&worn.pages),
                most: worn.most,
                budget: worn.budget,
            })
            .collect()
    }
}

/// Neighbouring pages with equal counts as one.
fn runs(pages: &BTreeMap<u32, (u32, u64)>) -> Vec<WornPages> {
    let mut runs: Vec<WornPages> = Vec::new();
    for (&address, &(size, erases)) in pages {
        match runs.last_mut() {
            Some(run)
                if run.erases == erases
                    && run.page_size() == size
                    && u64::from(run.address) + u64::from(run.pages) * u64::from(size)
                        == u64::from(address) =>
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

#[cfg(test)]
mod tests {
    use super::*;

    fn run(address: u32, pages: u32, erases: u64) -> WornPages {
        WornPages {
            address,
            pages,
            erases,
        }
    }

    fn wear(complete: bool, pages: Vec<WornPages>, most: u64) -> BoardWear {
        BoardWear {
            board: "dk".to_owned(),
            complete,
            erases: pages
                .iter()
                .map(|run| u64::from(run.pages) * run.erases)
                .sum(),
            pages,
            most: Some(WornPage {
                address: 0xC000,
                erases: most,
            }),
            budget: Some(1000),
        }
    }

    #[test]
    fn the_wear_of_a_board_is_the_sum_of_its_scenarios() {
        let mut worn = Worn::default();
        worn.take(&wear(
            true,
            vec![run(0xC000, 2, 1), run(0x0100_8800, 2, 1)],
            41,
        ));
        worn.take(&wear(true, vec![run(0xD000, 2, 2)], 43));
        let [board] = worn.finish().try_into().expect("there is one board");
        assert!(board.complete);
        assert_eq!(board.erases, 8);
        assert_eq!(
            board.pages,
            [
                run(0xC000, 1, 1),
                run(0xD000, 1, 3),
                run(0xE000, 1, 2),
                // A page of the network core is half as large.
                run(0x0100_8800, 2, 1)
            ]
        );
        assert_eq!(board.most.map(|most| most.erases), Some(43));
        assert_eq!(board.budget, Some(1000));
    }

    #[test]
    fn what_is_not_known_of_one_scenario_is_not_known_of_the_run() {
        let mut worn = Worn::default();
        worn.take(&wear(false, vec![run(0xC000, 1, 1)], 1));
        worn.take(&wear(true, vec![run(0xC000, 1, 1)], 2));
        assert!(!worn.finish()[0].complete);
    }
}
