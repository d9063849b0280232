//! What is known of the points of one sweep with one firmware set.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the history knows of a sweep.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SweepKnown {
    /// SHA-256 of the list of flash operations that the points are of.
    pub operations: String,
    /// How many points there are altogether, where that is known.
    pub points: Option<u32>,
    /// Visits of these points, the oldest first.
    pub visits: Vec<PointVisit>,
}

/// A point was visited.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PointVisit {
    /// Its name.
    pub cut: String,
    /// The board.
    pub board: String,
    /// Whether the board came to what it must.
    pub good: bool,
    /// When, in milliseconds since 1970, UTC.
    pub at_ms: i64,
}

/// How long a sweep takes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pace {
    /// For one point.
    pub per_point: Duration,
    /// Besides its points.
    pub besides: Duration,
}

/// What came of a visit in this night.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Came {
    /// To what it must.
    Good,
    /// To something else.
    Bad,
    /// The clock was too late for it: nothing is shown.
    Missed,
}

/// What is known of one point.
#[derive(Clone, Debug, Default)]
pub(super) struct Point {
    pub(super) visits: u32,
    pub(super) on_board: BTreeMap<String, u32>,
    /// When it was visited last.
    pub(super) last_ms: i64,
    /// Whether its last visit was bad, and the one before it.
    bad: [bool; 2],
}

impl Point {
    fn visited(&mut self, board: &str, good: bool, at_ms: i64) {
        self.visits += 1;
        *self.on_board.entry(board.to_owned()).or_default() += 1;
        self.last_ms = self.last_ms.max(at_ms);
        self.bad = [!good, self.bad[0]];
    }

    /// Whether one of its last two visits was bad: it failed, or its verdict changes.
    pub(super) fn is_suspect(&self) -> bool {
        self.bad.contains(&true)
    }
}

/// The points of a sweep: what the history knows of them, and what this night has done.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    operations: String,
    /// How many there are; none before the first sweep.
    count: Option<u32>,
    /// Their names, once a board has begun the sweep in this night.
    names: BTreeSet<String>,
    points: BTreeMap<String, Point>,
    pace: Option<Pace>,
    measured: Measured,
    /// Visited in this night: no point has two turns in one.
    pub(super) tonight: BTreeSet<String>,
    /// For the first time.
    new: u64,
    /// What slices that run have for themselves, by their numbers: points, or how many where they are not chosen yet.
    claims: BTreeMap<u64, Claim>,
    /// How many slices there were.
    pub(super) slices: u64,
    /// How many of them failed.
    pub(super) failed: u32,
    /// Boards on which a slice came to no point at all.
    pub(super) closed: BTreeSet<String>,
}

#[derive(Clone, Debug)]
enum Claim {
    Reserved(u32),
    Points(BTreeSet<String>),
}

/// How long points took in this night.
#[derive(Clone, Debug, Default)]
struct Measured {
    points: u32,
    took: Duration,
    /// Besides them; none before a slice has ended.
    besides: Option<Duration>,
}

impl Book {
    pub(super) fn new(known: SweepKnown, pace: Option<Pace>) -> Self {
        let mut book = Self {
            operations: known.operations,
            count: known.points,
            pace,
            ..Self::default()
        };
        for visit in known.visits {
            let point = book.points.entry(visit.cut).or_default();
            point.visited(&visit.board, visit.good, visit.at_ms);
        }
        book
    }

    /// A board has begun the sweep: these are its points. Of another list of operations nothing is known.
    pub(super) fn planned(&mut self, operations: &str, names: &[String]) {
        if self.operations != operations {
            operations.clone_into(&mut self.operations);
            self.points.clear();
            self.tonight.clear();
            self.new = 0;
        }
        self.names = names.iter().cloned().collect();
        self.count = Some(u32::try_from(names.len()).unwrap_or(u32::MAX));
    }

    pub(super) fn visited(&mut self, visit: &PointVisit, came: Came, took: Duration) {
        self.measured.points += 1;
        self.measured.took += took;
        self.tonight.insert(visit.cut.clone());
        if came == Came::Missed {
            return;
        }
        let is_one = self.is_one(&visit.cut);
        let point = self.points.entry(visit.cut.clone()).or_default();
        self.new += u64::from(point.visits == 0 && is_one);
        point.visited(&visit.board, visit.good, visit.at_ms);
    }

    /// Whether it is a single point of the sweep: cuts in a row are no points that can be counted.
    fn is_one(&self, cut: &str) -> bool {
        if self.names.is_empty() {
            !cut.contains('+')
        } else {
            self.names.contains(cut)
        }
    }

    /// What is known of a point; none where it was never visited.
    pub(super) fn point(&self, cut: &str) -> Option<&Point> {
        self.points.get(cut)
    }

    /// The points that were tested.
    pub(super) fn tested(&self) -> impl Iterator<Item = (&str, &Point)> {
        let points = self.points.iter().map(|(cut, point)| (cut.as_str(), point));
        points.filter(|(cut, _)| self.is_one(cut))
    }

    /// Whether a slice may have a point: it had no turn in this night and is nobody's.
    pub(super) fn is_free(&self, cut: &str) -> bool {
        let claimed =
            |claim: &Claim| matches!(claim, Claim::Points(points) if points.contains(cut));
        !self.tonight.contains(cut) && !self.claims.values().any(claimed)
    }

    /// How many points there are; none before the first sweep.
    pub(super) const fn count(&self) -> Option<u32> {
        self.count
    }

    /// How many points slices that run have for themselves and have not visited yet.
    pub(super) fn claimed(&self) -> u32 {
        self.claims_of(|_| true)
    }

    /// How many of these were never visited.
    pub(super) fn unvisited_claims(&self) -> u32 {
        self.claims_of(|cut| !self.points.contains_key(cut))
    }

    /// Of what is not chosen yet nobody knows what it will be.
    fn claims_of(&self, wanted: impl Fn(&str) -> bool) -> u32 {
        let left = |claim: &Claim| match claim {
            Claim::Reserved(count) => *count,
            Claim::Points(points) => {
                let left = |cut: &&String| !self.tonight.contains(*cut) && wanted(cut);
                u32::try_from(points.iter().filter(left).count()).unwrap_or(u32::MAX)
            }
        };
        self.claims.values().map(left).sum()
    }

    pub(super) const fn new_tonight(&self) -> u64 {
        self.new
    }

    /// Begins a slice; its number, from 1.
    pub(super) fn reserve(&mut self, count: u32) -> u64 {
        self.slices += 1;
        self.claims.insert(self.slices, Claim::Reserved(count));
        self.slices
    }

    pub(super) fn claim(&mut self, slice: u64, points: BTreeSet<String>) {
        self.claims.insert(slice, Claim::Points(points));
    }

    /// A slice has ended. How many of its points it did not visit: they are free again.
    pub(super) fn release(&mut self, slice: u64) -> Released {
        match self.claims.remove(&slice) {
            None => Released::default(),
            Some(Claim::Reserved(count)) => Released {
                visited: 0,
                left: count,
            },
            Some(Claim::Points(points)) => {
                let (visited, left): (Vec<_>, Vec<_>) =
                    points.iter().partition(|cut| self.tonight.contains(*cut));
                Released {
                    visited: u32::try_from(visited.len()).unwrap_or(u32::MAX),
                    left: u32::try_from(left.len()).unwrap_or(u32::MAX),
                }
            }
        }
    }

    /// A slice with so many points took so long.
    pub(super) fn took(&mut self, points: u32, took: Duration) {
        let of_points = self.per_point().unwrap_or_default() * points;
        let besides = took.saturating_sub(of_points);
        self.measured.besides = self.measured.besides.max(Some(besides));
    }

    /// How long a point takes: as the history says, or else as it was measured in this night.
    fn per_point(&self) -> Option<Duration> {
        let measured = || self.measured.took.checked_div(self.measured.points);
        self.pace.map(|pace| pace.per_point).or_else(measured)
    }

    /// How long the sweep takes; none before the first slice of all has ended.
    pub(super) fn pace(&self) -> Option<Pace> {
        let besides = self.pace.map(|pace| pace.besides);
        Some(Pace {
            per_point: self.per_point()?,
            besides: besides.or(self.measured.besides)?,
        })
    }
}

/// What a slice leaves.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Released {
    pub(super) visited: u32,
    pub(super) left: u32,
}
