//! Whether the library fits into a budget, and what comes first where it does not.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// A job as far as time goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    /// Names of the boards that can take it.
    pub(crate) boards: &'a [String],
    /// How long it will probably take.
    pub(crate) expected: Option<Duration>,
}

/// How long all of it takes when the longest go first, each to the board that is free first; none where nothing is known of how
/// long anything takes. What nothing is known of takes as long as the middle of the others.
pub(crate) fn takes(loads: &[Load<'_>]) -> Option<Duration> {
    let mut known: Vec<Duration> = loads.iter().filter_map(|load| load.expected).collect();
    known.sort_unstable();
    let usual = *known.get(known.len().checked_sub(1)? / 2)?;
    let mut loads: Vec<(&[String], Duration)> = loads
        .iter()
        .map(|load| (load.boards, load.expected.unwrap_or(usual)))
        .collect();
    loads.sort_by_key(|(_, duration)| Reverse(*duration));
    let mut busy: BTreeMap<&str, Duration> = BTreeMap::new();
    for (boards, duration) in loads {
        let until = |board: &&String| busy.get(board.as_str()).copied().unwrap_or_default();
        if let Some(board) = boards.iter().min_by_key(until) {
            *busy.entry(board).or_default() += duration;
        }
    }
    busy.into_values().max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const LEFT: &[&str] = &["left"];
    const BOTH: &[&str] = &["left", "right"];

    #[rstest]
    #[case::one_board(&[(LEFT, Some(60)), (LEFT, Some(30))], Some(90))]
    #[case::two_boards(&[(BOTH, Some(60)), (BOTH, Some(30)), (BOTH, Some(30))], Some(60))]
    #[case::only_one_of_them_can(&[(LEFT, Some(60)), (LEFT, Some(30)), (BOTH, Some(10))], Some(90))]
    #[case::an_unknown_is_as_long_as_the_middle(&[(LEFT, Some(60)), (LEFT, None)], Some(120))]
    #[case::nothing_is_known(&[(BOTH, None)], None)]
    #[case::nothing(&[], None)]
    fn a_library_takes_as_long_as_its_busiest_board(
        #[case] loads: &[(&[&str], Option<u64>)],
        #[case] seconds: Option<u64>,
    ) {
        let named: Vec<Vec<String>> = loads
            .iter()
            .map(|(boards, _)| boards.iter().map(|&board| board.to_owned()).collect())
            .collect();
        let loads: Vec<Load<'_>> = named
            .iter()
            .zip(loads)
            .map(|(boards, (_, seconds))| Load {
                boards,
                expected: seconds.map(Duration::from_secs),
            })
            .collect();
        assert_eq!(takes(&loads), seconds.map(Duration::from_secs));
    }
}
