//! Nights on simulated time: boards that visit what the ledger gives them, for as long as it is known to take.

use super::NightLimits;
use super::book::{Came, Pace, PointVisit, SweepKnown};
use super::fill::Slice;
use super::ledger::{Ledger, SliceEnd, SweepKey};
use crate::sweep::Share;
use hil_record::FirmwareInfo;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const NIGHT_MS: i64 = 86_400_000;

/// A sweep as a board has it.
#[derive(Clone, Debug)]
struct Swept {
    key: SweepKey,
    points: Vec<String>,
    per_point: Duration,
    besides: Duration,
    /// Points at which the firmware fails.
    bad: BTreeSet<String>,
}

fn swept(name: &str, points: usize, per_point: u64) -> Swept {
    Swept {
        key: SweepKey {
            scenario: name.to_owned(),
            firmware: "f1".to_owned(),
        },
        points: (0..points)
            .map(|index| format!("boot.app-write.{index}.before"))
            .collect(),
        per_point: Duration::from_secs(per_point),
        besides: Duration::from_secs(20),
        bad: BTreeSet::new(),
    }
}

/// What the history has after some nights.
#[derive(Clone, Debug, Default)]
struct Past(BTreeMap<SweepKey, SweepKnown>);

/// A point that was visited: of which sweep, which, and how long after the beginning of the night it was done.
type Done = (String, String, Duration);

struct Night<'a> {
    sweeps: &'a [Swept],
    boards: usize,
    budget: Duration,
    limits: NightLimits,
    number: i64,
}

impl Night<'_> {
    fn ledger(&self, past: &Past) -> Ledger {
        let mut ledger = Ledger::new(self.limits);
        for one in self.sweeps {
            let known = past.0.get(&one.key).cloned();
            let pace = known.is_some().then_some(Pace {
                per_point: one.per_point,
                besides: one.besides,
            });
            ledger.remember(one.key.clone(), known, pace);
        }
        ledger
    }

    /// Runs it; what was visited, in order, and when the last slice ended.
    fn run(&self, past: &mut Past) -> (Vec<Done>, Duration) {
        let mut ledger = self.ledger(past);
        let keys: Vec<(usize, &SweepKey)> =
            self.sweeps.iter().map(|one| &one.key).enumerate().collect();
        let mut at: Vec<Duration> = vec![Duration::ZERO; self.boards];
        let mut open: Vec<usize> = (0..self.boards).collect();
        let (mut done, mut last) = (Vec::new(), Duration::ZERO);
        // One board after the other, the one whose time is earliest: as they would on one clock.
        while let Some(&board) = open.iter().min_by_key(|board| at[**board]) {
            let name = format!("dk-{board}");
            let left = self.budget.saturating_sub(at[board]);
            let Some(slice) = ledger.next(&keys, &name, left) else {
                open.retain(|other| *other != board);
                continue;
            };
            let visited = self.slice(&mut ledger, slice, &name, at[board], past);
            let one = &self.sweeps[slice.sweep];
            let took = one.besides + one.per_point * u32::try_from(visited.len()).unwrap();
            ledger.ended(
                &one.key,
                &SliceEnd {
                    number: slice.number,
                    board: &name,
                    failed: visited.iter().any(|(_, cut, _)| one.bad.contains(cut)),
                    took,
                },
            );
            at[board] += took;
            last = last.max(at[board]);
            done.extend(visited);
        }
        (done, last)
    }

    fn slice(
        &self,
        ledger: &mut Ledger,
        slice: Slice,
        board: &str,
        began: Duration,
        past: &mut Past,
    ) -> Vec<Done> {
        let one = &self.sweeps[slice.sweep];
        ledger.planned(&one.key, "list", &one.points);
        let chosen = ledger.choose(&one.key, slice, board, &one.points);
        let known = past.0.entry(one.key.clone()).or_default();
        known.operations = "list".to_owned();
        known.points = Some(u32::try_from(one.points.len()).unwrap());
        let mut visited = Vec::new();
        for index in chosen {
            let cut = &one.points[index];
            let at =
                began + one.besides + one.per_point * u32::try_from(visited.len() + 1).unwrap();
            let good = !one.bad.contains(cut);
            let visit = PointVisit {
                cut: cut.clone(),
                board: board.to_owned(),
                good,
                at_ms: self.number * NIGHT_MS + i64::try_from(at.as_millis()).unwrap(),
            };
            let came = if good { Came::Good } else { Came::Bad };
            ledger.visited(&one.key, &visit, came, one.per_point);
            known.visits.push(visit);
            visited.push((one.key.scenario.clone(), cut.clone(), at));
            if !good {
                break;
            }
        }
        visited
    }
}

fn night<'a>(sweeps: &'a [Swept], budget: u64, number: i64) -> Night<'a> {
    Night {
        sweeps,
        boards: 1,
        budget: Duration::from_secs(budget),
        limits: NightLimits::default(),
        number,
    }
}

fn names(done: &[Done]) -> BTreeSet<(String, String)> {
    done.iter()
        .map(|(sweep, cut, _)| (sweep.clone(), cut.clone()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Where the history knows how long points take, nothing is at work when the budget is over; no point has two turns in one
    /// night; and the same history and seed give the same night.
    #[test]
    fn a_night_ends_within_its_budget_and_visits_no_point_twice(
        counts in prop::collection::vec(1usize..40, 1..5),
        per_point in 1u64..30,
        boards in 1usize..4,
        budget in 1u64..3_000,
        seed: u64,
    ) {
        let sweeps: Vec<Swept> = counts
            .iter()
            .enumerate()
            .map(|(number, count)| swept(&format!("sweep-{number}"), *count, per_point))
            .collect();
        let mut past = Past::default();
        for one in &sweeps {
            past.0.insert(one.key.clone(), SweepKnown { operations: "list".to_owned(), points: None, visits: Vec::new() });
        }
        let tonight = Night {
            boards,
            limits: NightLimits { seed, ..NightLimits::default() },
            ..night(&sweeps, budget, 1)
        };
        let mut same = past.clone();
        let (done, last) = tonight.run(&mut past);
        prop_assert!(last <= tonight.budget, "{last:?} of {:?}", tonight.budget);
        prop_assert_eq!(names(&done).len(), done.len(), "a point had two turns");
        prop_assert_eq!(tonight.run(&mut same).0, done);
    }

    /// Nights that have time for a part each come to all points before any has its second turn.
    #[test]
    fn all_points_are_tested_before_any_is_tested_again(
        counts in prop::collection::vec(1usize..30, 1..4),
        boards in 1usize..3,
        seed: u64,
    ) {
        let sweeps: Vec<Swept> = counts
            .iter()
            .enumerate()
            .map(|(number, count)| swept(&format!("sweep-{number}"), *count, 10))
            .collect();
        let all: usize = counts.iter().sum();
        let mut past = Past::default();
        let mut seen: BTreeMap<(String, String), u32> = BTreeMap::new();
        for number in 0..200 {
            let tonight = Night {
                boards,
                limits: NightLimits { seed, ..NightLimits::default() },
                ..night(&sweeps, 100, number)
            };
            let before = seen.len();
            let (done, _) = tonight.run(&mut past);
            prop_assert!(!done.is_empty(), "night {number} did nothing");
            for point in names(&done) {
                let visits = seen.entry(point).or_default();
                *visits += 1;
                prop_assert!(
                    *visits == 1 || before + done.len() >= all,
                    "night {number} visits again, and only {before} of {all} were tested"
                );
            }
            if seen.len() == all && seen.values().any(|visits| *visits > 1) {
                return Ok(());
            }
        }
        prop_assert!(false, "only {} of {all} after 200 nights", seen.len());
    }
}

#[test]
fn two_nights_have_other_points_and_the_third_knows_what_is_left() {
    let sweeps = [swept("swap", 10, 10)];
    let mut past = Past::default();
    let limits = NightLimits {
        points: Some(4),
        ..NightLimits::default()
    };
    let of = |number| Night {
        limits,
        ..night(&sweeps, 3_600, number)
    };
    let (first, _) = of(1).run(&mut past);
    let (second, _) = of(2).run(&mut past);
    assert_eq!((first.len(), second.len()), (4, 4));
    assert!(names(&first).is_disjoint(&names(&second)));
    let info = FirmwareInfo {
        name: "demo".to_owned(),
        digest: "f1".to_owned(),
    };
    let known = of(3).ledger(&past).coverage(&sweeps[0].key, info.clone());
    assert_eq!((known.tested, known.points, known.new), (8, 10, 0));
    let now = jiff::Timestamp::from_millisecond(4 * NIGHT_MS).unwrap();
    assert_eq!(
        known.words(now),
        "8 of 10 points tested, oldest 3 nights ago"
    );
    let (third, _) = of(3).run(&mut past);
    assert_eq!(
        names(&third).difference(&names(&first)).count(),
        2,
        "the two that were left"
    );
    let again: Vec<&Done> = third
        .iter()
        .filter(|done| first.iter().any(|one| one.1 == done.1))
        .collect();
    assert_eq!(
        again.len(),
        2,
        "then those that were not visited for the longest time"
    );
}

#[test]
fn a_point_that_failed_comes_first_until_it_was_good_twice() {
    let mut sweeps = [swept("swap", 40, 10)];
    let bad = sweeps[0].points[17].clone();
    let mut past = Past::default();
    let visit = |good, night: i64| PointVisit {
        cut: bad.clone(),
        board: "dk-0".to_owned(),
        good,
        at_ms: night * NIGHT_MS,
    };
    let known = past.0.entry(sweeps[0].key.clone()).or_default();
    known.operations = "list".to_owned();
    known.points = Some(40);
    known.visits.push(visit(false, 1));
    sweeps[0].bad.clear();
    for number in 2..4 {
        let (done, _) = night(&sweeps, 60, number).run(&mut past);
        assert_eq!(done[0].1, bad, "night {number}");
    }
    let (done, _) = night(&sweeps, 60, 4).run(&mut past);
    assert!(
        done.iter().all(|(_, cut, _)| *cut != bad),
        "it is as good as any other: {done:?}"
    );
}

#[test]
fn a_sweep_that_fails_everywhere_leaves_the_night_to_others() {
    let mut sweeps = [swept("broken", 100, 10), swept("sound", 100, 10)];
    sweeps[0].bad = sweeps[0].points.iter().cloned().collect();
    let (done, _) = night(&sweeps, 6_000, 1).run(&mut Past::default());
    let broken = done.iter().filter(|(sweep, ..)| sweep == "broken").count();
    assert_eq!(broken, 3, "three failures tell enough");
    assert_eq!(done.len() - broken, 100);
}

#[test]
fn a_slice_that_comes_to_no_point_is_not_begun_again_on_that_board() {
    let sweeps = [swept("swap", 10, 10)];
    let key = &sweeps[0].key;
    let mut ledger = night(&sweeps, 60, 1).ledger(&Past::default());
    let next =
        |ledger: &mut Ledger, board| ledger.next(&[(0, key)], board, Duration::from_secs(3_600));
    let slice = next(&mut ledger, "dk-0").expect("there is time");
    ledger.ended(
        key,
        &SliceEnd {
            number: slice.number,
            board: "dk-0",
            failed: false,
            took: Duration::from_secs(5),
        },
    );
    assert_eq!(next(&mut ledger, "dk-0"), None);
    assert!(
        next(&mut ledger, "dk-1").is_some(),
        "another board may do better"
    );
}

#[test]
fn another_list_of_operations_begins_anew() {
    let sweeps = [swept("swap", 4, 10)];
    let key = &sweeps[0].key;
    let mut past = Past::default();
    night(&sweeps, 3_600, 1).run(&mut past);
    let mut ledger = night(&sweeps, 3_600, 2).ledger(&past);
    ledger.planned(key, "other list", &sweeps[0].points);
    let info = FirmwareInfo {
        name: "demo".to_owned(),
        digest: "f1".to_owned(),
    };
    let known = ledger.coverage(key, info);
    assert_eq!((known.tested, known.points, known.oldest), (0, 4, None));
}

#[test]
fn hosts_that_share_a_night_have_other_points_and_other_names() {
    let sweeps = [swept("swap", 11, 10)];
    let mut all = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for number in 0..3 {
        let limits = NightLimits {
            share: Some(Share { number, of: 3 }),
            ..NightLimits::default()
        };
        let tonight = Night {
            limits,
            ..night(&sweeps, 3_600, 1)
        };
        let (done, _) = tonight.run(&mut Past::default());
        for point in names(&done) {
            assert!(all.insert(point.clone()), "{point:?} is on two hosts");
        }
        let mut ledger = tonight.ledger(&Past::default());
        let slice = ledger.next(&[(0, &sweeps[0].key)], "dk", tonight.budget);
        numbers.insert(slice.expect("there is time").number);
    }
    assert_eq!(all.len(), 11);
    assert_eq!(numbers, [1, 2, 3].into());
}
