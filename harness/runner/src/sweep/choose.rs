//! Which of many points are visited: drawn by a seed, and spread over the classes of operations.
//!
//! Classes are very different in number (a swap writes ten times as often as it erases), and mistakes hide at the beginning and
//! at the end of a phase: so each class has its first and its last operation, before the rest is drawn.

use hil_scenario::{Class, Edge};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use std::collections::{BTreeMap, BTreeSet};

/// Draws numbers; the same seed gives the same ones, on every machine.
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `limit`; `None` when there is none.
    pub(super) fn below(&mut self, limit: usize) -> Option<usize> {
        // The bias of the remainder is one in 2^32 divided by a few hundred operations.
        (limit > 0).then(|| self.0.next_u32() as usize % limit)
    }

    /// One of these sides. Nothing is drawn where there is one, so that a seed gives the points that it always gave.
    pub(super) fn edge(&mut self, edges: &[Edge]) -> Edge {
        match edges {
            [] => Edge::Before,
            [one] => *one,
            several => self
                .below(several.len())
                .and_then(|index| several.get(index).copied())
                .unwrap_or(Edge::Before),
        }
    }
}

/// `count` of the operations, as indices in ascending order.
pub(super) fn sample(classes: &[Class], count: u32, seed: u64) -> Vec<usize> {
    let count = count as usize;
    if count >= classes.len() {
        return (0..classes.len()).collect();
    }
    let mut of_class: BTreeMap<Class, Vec<usize>> = BTreeMap::new();
    for (index, class) in classes.iter().enumerate() {
        of_class.entry(*class).or_default().push(index);
    }
    let mut draw = Draw::new(seed);
    let mut chosen = BTreeSet::new();
    let ends = |last: bool| {
        of_class.values().filter_map(move |indices| {
            if last {
                indices.last()
            } else {
                indices.first()
            }
        })
    };
    for index in ends(false).chain(ends(true)) {
        if chosen.len() < count {
            chosen.insert(*index);
        }
    }
    // The rest in proportion: of each class so many as its share of what is left to choose from says, drawn one by one, so
    // that rounding needs no rule.
    let mut left: Vec<usize> = (0..classes.len())
        .filter(|index| !chosen.contains(index))
        .collect();
    while chosen.len() < count
        && let Some(at) = draw.below(left.len())
    {
        chosen.insert(left.swap_remove(at));
    }
    chosen.into_iter().collect()
}

/// Halves `first..=last` until the neighbours are known between which `key` changes; `key` is asked once for each index that is
/// looked at, and may end it.
pub(super) fn bisect<K: Clone + PartialEq, E>(
    count: usize,
    mut key: impl FnMut(usize) -> Result<K, E>,
) -> Result<(), E> {
    let Some(last) = count.checked_sub(1) else {
        return Ok(());
    };
    let mut open = vec![(0, key(0)?, last, key(last)?)];
    // Also where both ends are the same, the middle is looked at once: in between it may be otherwise.
    let mut first_look = true;
    while let Some((from, from_key, to, to_key)) = open.pop() {
        if to - from < 2 || (from_key == to_key && !std::mem::take(&mut first_look)) {
            continue;
        }
        first_look = false;
        let middle = from + (to - from) / 2;
        let middle_key = key(middle)?;
        open.push((middle, middle_key.clone(), to, to_key));
        open.push((from, from_key, middle, middle_key));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_scenario::{CutMemory, Work};
    use rstest::rstest;

    const WRITE: Class = Class::Operation(CutMemory::App, Work::Write);
    const ERASE: Class = Class::Operation(CutMemory::App, Work::Erase);
    const NET: Class = Class::Operation(CutMemory::Net, Work::Erase);

    fn classes() -> Vec<Class> {
        let mut classes = vec![WRITE; 100];
        classes[10] = ERASE;
        classes[60] = ERASE;
        classes[61] = ERASE;
        classes[99] = NET;
        classes
    }

    #[test]
    fn each_class_has_its_first_and_its_last_operation() {
        let chosen = sample(&classes(), 12, 1);
        assert_eq!(chosen.len(), 12);
        for index in [0, 98, 10, 61, 99] {
            assert!(chosen.contains(&index), "{index} in {chosen:?}");
        }
        assert!(chosen.is_sorted());
    }

    #[test]
    fn a_seed_gives_the_same_points_and_another_one_gives_others() {
        assert_eq!(sample(&classes(), 12, 7), sample(&classes(), 12, 7));
        assert_ne!(sample(&classes(), 12, 7), sample(&classes(), 12, 8));
    }

    #[rstest]
    #[case::more_than_there_are(500, 100)]
    #[case::all(100, 100)]
    #[case::fewer_than_classes(2, 2)]
    #[case::one(1, 1)]
    fn so_many_are_chosen_as_are_asked_for_and_there(#[case] asked: u32, #[case] chosen: usize) {
        assert_eq!(sample(&classes(), asked, 3).len(), chosen);
    }

    #[rstest]
    #[case::in_the_first_half(100, 13)]
    #[case::in_the_last_half(100, 80)]
    #[case::at_the_end(100, 99)]
    #[case::two(2, 1)]
    fn halving_finds_the_neighbours_between_which_it_changes(
        #[case] count: usize,
        #[case] change: usize,
    ) {
        let mut asked = BTreeSet::new();
        bisect(count, |index| -> Result<bool, ()> {
            assert!(asked.insert(index), "{index} is asked for once");
            Ok(index >= change)
        })
        .unwrap();
        assert!(asked.contains(&change) && asked.contains(&(change - 1)));
        assert!(asked.len() < 12, "{asked:?}");
    }

    #[test]
    fn halving_what_is_the_same_everywhere_looks_at_both_ends_and_the_middle() {
        let mut asked = Vec::new();
        bisect(101, |index| -> Result<(), ()> {
            asked.push(index);
            Ok(())
        })
        .unwrap();
        assert_eq!(asked, [0, 100, 50]);
    }

    #[test]
    fn halving_nothing_asks_for_nothing() {
        bisect(0, |_| -> Result<(), ()> { Err(()) }).unwrap();
    }

    #[test]
    fn trouble_ends_the_halving() {
        assert_eq!(
            bisect(9, |_| -> Result<u8, &str> { Err("no board") }),
            Err("no board")
        );
    }
}
