//! Updates from every release to every other one, as a table on a terminal.

use hil_record::{Grid, GridCell, Verdict};
use std::fmt::Write as _;

/// The table: a row for each release that was programmed, a column for each that was sent.
pub(crate) fn table(out: &mut String, grid: &Grid) {
    let rows: Vec<Vec<String>> = grid
        .from
        .iter()
        .map(|from| {
            let cells = grid
                .to
                .iter()
                .map(|to| word(grid.cell(from, to)).to_owned());
            std::iter::once(from.clone()).chain(cells).collect()
        })
        .collect();
    let head: Vec<String> = std::iter::once("from \\ to".to_owned())
        .chain(grid.to.iter().cloned())
        .collect();
    let width = |column: usize| {
        std::iter::once(&head)
            .chain(&rows)
            .map(|row| row[column].len())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let _ = writeln!(out, "{}:", grid.scenario);
    for row in std::iter::once(&head).chain(&rows) {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        let _ = writeln!(out, "  {}", line.join("  ").trim_end());
    }
}

/// A cell in a word: what it came to, or in capitals why that is not known.
pub(crate) fn word(cell: Option<&GridCell>) -> &str {
    let Some(cell) = cell else { return "-" };
    match cell.verdict {
        Verdict::Pass => cell.came_to.as_deref().unwrap_or("passed"),
        Verdict::Fail => "FAIL",
        Verdict::Error => "ERROR",
        Verdict::Skip => "skipped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_update_has_its_place_and_no_release_meets_itself() {
        let cell = |from: &str, to: &str, verdict, came_to: Option<&str>| GridCell {
            from: from.to_owned(),
            to: to.to_owned(),
            verdict,
            came_to: came_to.map(str::to_owned),
        };
        let grid = Grid {
            scenario: "version-matrix".to_owned(),
            from: vec!["baseline".to_owned(), "v2.1.0".to_owned()],
            to: vec![
                "baseline".to_owned(),
                "update".to_owned(),
                "v2.1.0".to_owned(),
            ],
            cells: vec![
                cell("baseline", "update", Verdict::Pass, Some("updated")),
                cell("baseline", "v2.1.0", Verdict::Fail, None),
                cell("v2.1.0", "baseline", Verdict::Pass, Some("refused")),
                cell("v2.1.0", "update", Verdict::Skip, None),
            ],
        };
        let mut out = String::new();
        table(&mut out, &grid);
        insta::assert_snapshot!(out, @r"
        version-matrix:
          from \ to  baseline  update   v2.1.0
          baseline   -         updated  FAIL
          v2.1.0     refused   skipped  -
        ");
    }
}
