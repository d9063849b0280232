//! All points of all sweeps of a night, and who is at which.

use super::book::{Book, Came, Pace, PointVisit, SweepKnown};
use super::fill::{self, Slice};
use super::{NightLimits, choose};
use hil_record::{FirmwareInfo, SweepCoverage};
use std::collections::BTreeMap;
use std::time::Duration;

/// A sweep with its firmware: another build has points of its own.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SweepKey {
    /// Name of the variant.
    pub scenario: String,
    /// SHA-256 of the firmware set, in hex digits.
    pub firmware: String,
}

/// What is known of the points of all sweeps.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    limits: NightLimits,
    books: BTreeMap<SweepKey, Book>,
    /// How many points slices may still have.
    left: Option<u64>,
}

impl Ledger {
    /// A ledger that knows nothing yet.
    #[must_use]
    pub fn new(limits: NightLimits) -> Self {
        Self {
            left: limits.points,
            limits,
            books: BTreeMap::new(),
        }
    }

    /// What the history knows of a sweep, and how long it takes.
    pub fn remember(&mut self, key: SweepKey, known: Option<SweepKnown>, pace: Option<Pace>) {
        let book = Book::new(known.unwrap_or_default(), pace);
        self.books.insert(key, book);
    }

    fn book(&mut self, key: &SweepKey) -> &mut Book {
        self.books.entry(key.clone()).or_default()
    }

    /// The slice that a free board begins, of the sweeps that it can run; none when there is nothing left that fits into the
    /// time.
    pub(crate) fn next(
        &mut self,
        sweeps: &[(usize, &SweepKey)],
        board: &str,
        left: Duration,
    ) -> Option<Slice> {
        let most = self
            .left
            .map_or(u32::MAX, |left| u32::try_from(left).unwrap_or(u32::MAX));
        for (_, key) in sweeps {
            self.book(key);
        }
        let books = sweeps
            .iter()
            .filter_map(|(place, key)| Some((*place, self.books.get(*key)?)));
        let (sweep, count) = fill::next(books, board, left, most)?;
        let (_, key) = sweeps.iter().find(|(place, _)| *place == sweep)?;
        let slice = self.book(key).reserve(count);
        self.left = self.left.map(|left| left.saturating_sub(count.into()));
        let number = match self.limits.share {
            None => slice,
            // Other hosts give the numbers between: names are unique in the whole night.
            Some(share) => (slice - 1) * share.of as u64 + share.number as u64 + 1,
        };
        Some(Slice {
            sweep,
            number,
            count,
        })
    }

    /// The points of a slice, as indices of `all`. What the slice has not visited when it [ends](Self::ended) is free again.
    pub(crate) fn choose(
        &mut self,
        key: &SweepKey,
        slice: Slice,
        board: &str,
        all: &[String],
    ) -> Vec<usize> {
        let NightLimits { seed, share, .. } = self.limits;
        let Slice { number, count, .. } = slice;
        let slice = self.own_number(number);
        let book = self.book(key);
        let chosen = choose::points(book, all, count, board, seed, share);
        let names = chosen.iter().filter_map(|index| all.get(*index)).cloned();
        book.claim(slice, names.collect());
        let fewer = u64::from(count).saturating_sub(chosen.len() as u64);
        self.left = self.left.map(|left| left + fewer);
        chosen
    }

    /// The number of a slice among those of this host.
    fn own_number(&self, number: u64) -> u64 {
        match self.limits.share {
            None => number,
            Some(share) => (number - 1) / share.of as u64 + 1,
        }
    }

    /// A board has begun a sweep: these are all of its points.
    pub(crate) fn planned(&mut self, key: &SweepKey, operations: &str, all: &[String]) {
        self.book(key).planned(operations, all);
    }

    /// A point was visited.
    pub(crate) fn visited(
        &mut self,
        key: &SweepKey,
        visit: &PointVisit,
        came: Came,
        took: Duration,
    ) {
        self.book(key).visited(visit, came, took);
    }

    /// A slice has ended.
    pub(crate) fn ended(&mut self, key: &SweepKey, end: &SliceEnd<'_>) {
        let slice = self.own_number(end.number);
        let book = self.book(key);
        let released = book.release(slice);
        if released.visited == 0 {
            book.closed.insert(end.board.to_owned());
        }
        book.failed += u32::from(end.failed);
        book.took(released.visited, end.took);
        self.left = self.left.map(|left| left + u64::from(released.left));
    }

    /// How much of a sweep has been tested.
    pub(crate) fn coverage(&self, key: &SweepKey, firmware: FirmwareInfo) -> SweepCoverage {
        let unknown = Book::default();
        let book = self.books.get(key).unwrap_or(&unknown);
        let suspect = book.tested().filter(|(_, point)| point.is_suspect());
        let oldest = book.tested().map(|(_, point)| point.last_ms).min();
        SweepCoverage {
            scenario: key.scenario.clone(),
            firmware,
            points: book.count().map_or(0, u64::from),
            tested: book.tested().count() as u64,
            new: book.new_tonight(),
            tonight: book.tonight.len() as u64,
            suspect: suspect.count() as u64,
            oldest: oldest.and_then(|oldest| jiff::Timestamp::from_millisecond(oldest).ok()),
        }
    }
}

/// How a slice ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SliceEnd<'a> {
    /// Its number.
    pub(crate) number: u64,
    /// The board.
    pub(crate) board: &'a str,
    /// Whether the firmware failed in it.
    pub(crate) failed: bool,
    /// How long it took.
    pub(crate) took: Duration,
}
