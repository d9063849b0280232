//! Of which sweep a free board gets a slice, and how large it is.

use super::book::{Book, Pace, Point};
use std::time::Duration;

/// How long a slice takes at most. We chose it: long enough that programming and the start without a cut are little of it, and
/// short enough that a slice which takes twice as long does no harm at the end of a night.
const SLICE: Duration = Duration::from_secs(10 * 60);

/// How many points a slice has where nobody knows how long one takes. We chose it: on silicon that is a minute or two.
const FIRST: u32 = 8;

/// After how many slices that failed a sweep gets no more in a night. We chose it: what a first one shows is shown, a second and a
/// third tell whether it is one point or all, and a hundred hide what else there is.
const FAILURES: u32 = 3;

/// A slice that a board is to begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Slice {
    /// The place of its sweep among those that were offered.
    pub(crate) sweep: usize,
    /// Its number among the slices of that sweep, from 1.
    pub(crate) number: u64,
    /// How many points it has.
    pub(crate) count: u32,
}

/// What decides which of two sweeps comes first; the lesser does.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Need {
    /// 0: it has a point that failed, or whose verdict changes.
    suspect: u8,
    /// How often that of its points was visited which was least.
    visits: u32,
    /// Where that is never: how many of a thousand points were tested, or soon will be.
    tested: u64,
    /// Otherwise when that was, of those.
    oldest_ms: i64,
    /// The history says how many points it has: those of which nothing is known come first.
    known: bool,
    place: usize,
}

/// The place among `books` of the sweep that needs a slice most and for which there is time, and how many points it gets.
/// `most` is how many it may have at most.
pub(super) fn next<'a>(
    books: impl Iterator<Item = (usize, &'a Book)>,
    board: &str,
    left: Duration,
    most: u32,
) -> Option<(usize, u32)> {
    if left.is_zero() {
        return None;
    }
    let mut wanted: Vec<(Need, u32)> = books
        .filter(|(_, book)| book.failed < FAILURES && !book.closed.contains(board))
        .filter_map(|(place, book)| {
            let (need, alike) = need(place, book);
            let count = fitting(book.pace(), left)?.min(alike).min(most);
            (count > 0).then_some((need, count))
        })
        .collect();
    wanted.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    wanted
        .into_iter()
        .next()
        .map(|(need, count)| (need.place, count))
}

/// How much a sweep needs a slice, and how many points need it as much: a slice with others would visit these again while there
/// are some elsewhere that nobody has visited.
fn need(place: usize, book: &Book) -> (Need, u32) {
    let free: Vec<&Point> = (book.tested().filter(|(cut, _)| book.is_free(cut)))
        .map(|(_, point)| point)
        .collect();
    let suspects = free.iter().filter(|point| point.is_suspect()).count();
    let soon = number(book.tested().count()).saturating_add(book.unvisited_claims());
    let untested = match book.count() {
        Some(count) => count.saturating_sub(soon),
        None => FIRST.saturating_sub(book.claimed()),
    };
    let least = free.iter().map(|point| point.visits).min();
    let (visits, alike) = match (untested, least) {
        (0, Some(least)) => {
            let alike = |point: &&&Point| point.visits == least && !point.is_suspect();
            (least, number(free.iter().filter(alike).count()))
        }
        (0, None) => (u32::MAX, 0),
        (untested, _) => (0, untested),
    };
    let oldest = free
        .iter()
        .filter(|point| point.visits == visits)
        .map(|point| point.last_ms)
        .min();
    let need = Need {
        suspect: u8::from(suspects == 0),
        visits,
        tested: match book.count() {
            Some(count) if visits == 0 => u64::from(soon) * 1000 / u64::from(count.max(1)),
            Some(_) | None => 0,
        },
        oldest_ms: oldest.unwrap_or_default(),
        known: book.count().is_some(),
        place,
    };
    (need, alike.saturating_add(number(suspects)))
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// How many points there is time for; none where there is not for one.
fn fitting(pace: Option<Pace>, left: Duration) -> Option<u32> {
    let Some(pace) = pace else {
        return Some(FIRST);
    };
    // Of a sweep that needs long to begin, a slice is at least as long again.
    let longest = SLICE.max(pace.besides * 2);
    let time = left.min(longest).checked_sub(pace.besides)?;
    let per_point = pace.per_point.as_nanos().max(1);
    let count = u32::try_from(time.as_nanos() / per_point).unwrap_or(u32::MAX);
    // One point always has the time of a slice, however long it takes, if there is that time.
    let one_fits = pace.besides + pace.per_point <= left;
    match count {
        0 if one_fits => Some(1),
        0 => None,
        count => Some(count),
    }
}
