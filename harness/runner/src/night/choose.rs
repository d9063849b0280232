//! Which points a slice has: suspect ones first, then those that were tested least, then those that were not for the longest time.

use super::book::{Book, Point};
use crate::sweep::Share;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// What decides which of two points comes first; the lesser does.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Rank {
    /// 0: it failed, or its verdict changes.
    suspect: u8,
    visits: u32,
    on_this_board: u32,
    last_ms: i64,
    /// Neighbours are much alike, so among equals the seed decides.
    drawn: u32,
}

/// `count` of the points `all`, as indices, the one to be visited first first; fewer where no more are free. `share` is the part
/// of them that this host has.
pub(super) fn points(
    book: &Book,
    all: &[String],
    count: u32,
    board: &str,
    seed: u64,
    share: Option<Share>,
) -> Vec<usize> {
    let mut draw = ChaCha8Rng::seed_from_u64(seed);
    let mut ranked: Vec<(Rank, usize)> = all
        .iter()
        .enumerate()
        // For each, so that what is drawn for a point does not depend on what became of the others.
        .map(|(index, cut)| (index, cut, draw.next_u32()))
        .filter(|(index, cut, _)| share.is_none_or(|share| share.has(*index)) && book.is_free(cut))
        .map(|(index, cut, drawn)| {
            let point = book.point(cut);
            let rank = Rank {
                suspect: u8::from(!point.is_some_and(Point::is_suspect)),
                visits: point.map_or(0, |point| point.visits),
                on_this_board: point
                    .and_then(|point| point.on_board.get(board))
                    .copied()
                    .unwrap_or_default(),
                last_ms: point.map_or(i64::MIN, |point| point.last_ms),
                drawn,
            };
            (rank, index)
        })
        .collect();
    ranked.sort_unstable();
    ranked
        .into_iter()
        .take(count as usize)
        .map(|(_, index)| index)
        .collect()
}
