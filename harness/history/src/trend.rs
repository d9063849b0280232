//! Small statistics that a person can check by hand.

/// The middle value; of two middle ones the lower. None of nothing.
#[must_use]
pub fn median(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

/// By how many percent the last value lies above the middle of those before it. None with fewer than three before it: two
/// values are no trend.
#[must_use]
pub fn trend(values: &[u64]) -> Option<i64> {
    let (last, before) = values.split_last()?;
    if before.len() < 3 {
        return None;
    }
    let usual = i128::from(median(before)?);
    if usual == 0 {
        return None;
    }
    i64::try_from((i128::from(*last) - usual) * 100 / usual).ok()
}

/// How often a verdict changed between two results that were made from the same things, which should not be. `results` are
/// in order of time: what each was made from, and whether it passed.
pub(crate) fn flips<'a>(results: impl IntoIterator<Item = (&'a str, bool)>) -> u64 {
    let mut last: std::collections::BTreeMap<&str, bool> = std::collections::BTreeMap::new();
    let mut flips = 0;
    for (basis, passed) in results {
        let before = last.insert(basis, passed);
        flips += u64::from(before.is_some_and(|before| before != passed));
    }
    flips
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::nothing(&[], None)]
    #[case::one(&[5], Some(5))]
    #[case::two(&[9, 5], Some(5))]
    #[case::outlier(&[10, 11, 9000], Some(11))]
    fn the_middle_of_durations(#[case] values: &[u64], #[case] middle: Option<u64>) {
        assert_eq!(median(values), middle);
    }

    #[rstest]
    #[case::too_few(&[100, 100, 200], None)]
    #[case::twice_as_long(&[100, 100, 100, 200], Some(100))]
    #[case::quicker(&[100, 110, 90, 50], Some(-50))]
    #[case::of_nothing(&[0, 0, 0, 50], None)]
    fn a_trend_needs_something_to_compare_with(
        #[case] values: &[u64],
        #[case] percent: Option<i64>,
    ) {
        assert_eq!(trend(values), percent);
    }

    #[rstest]
    #[case::steady(&[("a", true), ("a", true)], 0)]
    #[case::flaky(&[("a", true), ("a", false), ("a", true)], 2)]
    #[case::repaired_by_other_firmware(&[("a", false), ("b", true)], 0)]
    #[case::back_to_the_old_firmware(&[("a", false), ("b", true), ("a", true)], 1)]
    fn only_the_same_basis_can_flip(#[case] results: &[(&str, bool)], #[case] expected: u64) {
        assert_eq!(flips(results.iter().copied()), expected);
    }

    proptest! {
        #[test]
        fn the_middle_is_one_of_the_values(values in prop::collection::vec(any::<u64>(), 1..20)) {
            let middle = median(&values).unwrap();
            prop_assert!(values.contains(&middle));
            let below = values.iter().filter(|&&value| value < middle).count();
            prop_assert!(below * 2 <= values.len());
        }
    }
}
