//! What waits for a board: the longest first, and what the bench could not decide once more on another board.
//!
//! Which board takes what is decided when a board is free. That the longest come first keeps the last ones short, so that
//! all boards end at nearly the same time (Graham's bound: never more than 4/3 of the best that is possible).

use hil_record::{ErrorKind, Outcome};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// Jobs that wait, and jobs that boards are at. Of a job it knows which boards can take it and how long it takes.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    waiting: Vec<Turn<T>>,
    /// What each board is at.
    running: BTreeMap<String, Turn<T>>,
    /// How many attempts a job gets.
    attempts: u32,
    /// How many boards may be at something at a time.
    most: usize,
}

/// A job that waits for its turn.
#[derive(Clone, Debug)]
pub(crate) struct Turn<T> {
    pub(crate) job: T,
    /// Names of the boards that can take it.
    pub(crate) boards: Vec<String>,
    /// How long it will probably take.
    pub(crate) expected: Option<Duration>,
    /// About how often it starts the board: what decides where nobody knows how long it takes.
    starts: u32,
    /// Which attempt it is, from 1.
    attempt: u32,
}

impl<T> Turn<T> {
    /// The first turn of a job.
    pub(crate) const fn first(job: T, boards: Vec<String>, expected: Option<Duration>) -> Self {
        Self {
            job,
            boards,
            expected,
            starts: 0,
            attempt: 1,
        }
    }

    /// The same of a job that starts its board about so often.
    pub(crate) const fn with_starts(mut self, starts: u32) -> Self {
        self.starts = starts;
        self
    }
}

/// What a free board does.
#[derive(Debug)]
pub(crate) enum Next<T> {
    /// This.
    Run(T),
    /// Wait: another board is at something that may come back for this one.
    Wait,
    /// Nothing any more.
    Nothing,
}

/// What comes of a job that has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum After {
    /// Its outcome stands.
    Done,
    /// It waits for another board.
    Again {
        /// Which attempt comes next.
        attempt: u32,
        /// How many there will be at most.
        limit: u32,
    },
}

impl<T: Clone> Queue<T> {
    /// Jobs in the order in which they have their turn: the longest first. Those of which nobody knows how long they take come
    /// before them: they may be the longest; of these, those that start their board most often. Where that is the same, the order
    /// stays. Each gets `retries` turns more, on other boards.
    pub(crate) fn new(mut waiting: Vec<Turn<T>>, retries: u32) -> Self {
        waiting.sort_by_key(|turn| Reverse((turn.expected.unwrap_or(Duration::MAX), turn.starts)));
        Self::in_order(waiting, retries)
    }

    /// Jobs that have their turn in this order.
    pub(crate) const fn in_order(waiting: Vec<Turn<T>>, retries: u32) -> Self {
        Self {
            waiting,
            running: BTreeMap::new(),
            attempts: retries.saturating_add(1),
            most: usize::MAX,
        }
    }

    /// The same for so many boards at a time, whichever they are.
    pub(crate) const fn at_most(mut self, boards: usize) -> Self {
        self.most = boards;
        self
    }

    /// What a free board does next. `left` is the time until the end of the run: what will not be ready by then does not
    /// begin.
    pub(crate) fn next(&mut self, board: &str, left: Option<Duration>) -> Next<T> {
        let in_time = |turn: &Turn<T>| match (turn.expected, left) {
            (Some(expected), Some(left)) => expected <= left,
            (None, Some(left)) => !left.is_zero(),
            (_, None) => true,
        };
        let fits = |turn: &Turn<T>| turn.boards.iter().any(|name| name == board);
        let place = self
            .waiting
            .iter()
            .position(|turn| fits(turn) && in_time(turn));
        if place.is_some() && self.running.len() >= self.most {
            return Next::Wait;
        }
        if let Some(place) = place {
            let turn = self.waiting.remove(place);
            let job = turn.job.clone();
            self.running.insert(board.to_owned(), turn);
            return Next::Run(job);
        }
        let may_come_back = self
            .running
            .iter()
            .any(|(on, turn)| on != board && turn.attempt < self.attempts && fits(turn));
        if may_come_back {
            Next::Wait
        } else {
            Next::Nothing
        }
    }

    /// A board has ended what it was at.
    pub(crate) fn ended(&mut self, board: &str, outcome: &Outcome) -> After {
        let Some(mut turn) = self.running.remove(board) else {
            return After::Done;
        };
        turn.boards.retain(|name| name != board);
        if !may_be_the_board(outcome) || turn.attempt >= self.attempts || turn.boards.is_empty() {
            return After::Done;
        }
        turn.attempt += 1;
        let attempt = turn.attempt;
        // First: fewer boards can take it than any other.
        self.waiting.insert(0, turn);
        After::Again {
            attempt,
            limit: self.attempts,
        }
    }

    /// A board takes nothing any more. What it was at is lost.
    pub(crate) fn gone(&mut self, board: &str) {
        self.running.remove(board);
    }

    /// Whether anything waits that never had a turn.
    pub(crate) fn has_rest(&self) -> bool {
        self.waiting.iter().any(|turn| turn.attempt == 1)
    }

    /// Takes of what never had a turn what is wanted.
    pub(crate) fn take_rest(&mut self, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let (taken, kept) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|turn: &Turn<T>| turn.attempt == 1 && wanted(&turn.job));
        self.waiting = kept;
        let taken: Vec<Turn<T>> = taken;
        taken.into_iter().map(|turn| turn.job).collect()
    }

    /// What still waits, without those that have an outcome of an attempt before.
    pub(crate) fn rest(&mut self) -> Vec<T> {
        std::mem::take(&mut self.waiting)
            .into_iter()
            .filter(|turn| turn.attempt == 1)
            .map(|turn| turn.job)
            .collect()
    }
}

/// Whether another board may do better: the bench failed, and not the files, the harness or the person who stopped it. A
/// verdict on the firmware is never asked for again.
pub(crate) const fn may_be_the_board(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Pass | Outcome::Fail { .. } | Outcome::Skip { .. } => false,
        Outcome::Error { kind, .. } => match kind {
            ErrorKind::File | ErrorKind::Harness | ErrorKind::Interrupted => false,
            ErrorKind::Probe
            | ErrorKind::Port
            | ErrorKind::Radio
            | ErrorKind::Power
            | ErrorKind::Board
            | ErrorKind::Cut
            | ErrorKind::Inconclusive
            | ErrorKind::Worn
            | ErrorKind::Deadline => true,
            // A kind that is newer than this.
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_record::FailKind;
    use proptest::prelude::*;
    use rstest::rstest;

    type Job = &'static str;

    fn turn(job: Job, boards: &[&str], seconds: Option<u64>) -> Turn<Job> {
        let boards = boards.iter().map(|&board| board.to_owned()).collect();
        Turn::first(job, boards, seconds.map(Duration::from_secs))
    }

    /// What a board is given.
    fn taken<T: Clone>(queue: &mut Queue<T>, board: &str) -> Option<T> {
        match queue.next(board, None) {
            Next::Run(job) => Some(job),
            Next::Wait | Next::Nothing => None,
        }
    }

    fn no_probe() -> Outcome {
        Outcome::error(ErrorKind::Probe, "the probe is silent")
    }

    #[test]
    fn the_longest_have_their_turn_first_and_unknown_ones_before_them() {
        let jobs = vec![
            turn("short", &["dk"], Some(1)),
            turn("new", &["dk"], None),
            turn("long", &["dk"], Some(60)),
        ];
        let mut queue = Queue::new(jobs, 0);
        let order: Vec<_> = std::iter::from_fn(|| taken(&mut queue, "dk")).collect();
        assert_eq!(order, ["new", "long", "short"]);
    }

    #[test]
    fn without_a_history_those_that_start_their_board_most_come_first_and_else_the_order_stays() {
        let jobs = [("b", 3), ("c", 3), ("sweep", 40), ("a", 3)];
        let jobs = jobs.map(|(name, starts)| turn(name, &["dk"], None).with_starts(starts));
        let mut queue = Queue::new(jobs.to_vec(), 0);
        let order: Vec<_> = std::iter::from_fn(|| taken(&mut queue, "dk")).collect();
        assert_eq!(order, ["sweep", "b", "c", "a"]);
    }

    #[test]
    fn no_more_boards_are_at_something_than_may_be() {
        let jobs = ["one", "two", "three"].map(|name| turn(name, &["left", "right"], None));
        let mut queue = Queue::new(jobs.to_vec(), 0).at_most(1);
        assert_eq!(taken(&mut queue, "left"), Some("one"));
        assert!(matches!(queue.next("right", None), Next::Wait));
        assert_eq!(queue.ended("left", &Outcome::Pass), After::Done);
        assert_eq!(taken(&mut queue, "right"), Some("two"));
        assert!(matches!(queue.next("left", None), Next::Wait));
        queue.gone("right");
        assert_eq!(taken(&mut queue, "left"), Some("three"));
        assert!(matches!(queue.next("right", None), Next::Nothing));
    }

    #[test]
    fn bench_trouble_goes_to_another_board_which_waits_for_it() {
        let mut queue = Queue::new(vec![turn("one", &["left", "right"], None)], 1);
        assert_eq!(taken(&mut queue, "left"), Some("one"));
        assert!(matches!(queue.next("right", None), Next::Wait));
        assert_eq!(
            queue.ended("left", &no_probe()),
            After::Again {
                attempt: 2,
                limit: 2
            }
        );
        let same = queue.next("left", None);
        assert!(matches!(same, Next::Nothing), "not the same board");
        assert_eq!(taken(&mut queue, "right"), Some("one"));
        assert_eq!(queue.ended("right", &no_probe()), After::Done, "the bound");
        assert!(matches!(queue.next("right", None), Next::Nothing));
    }

    #[rstest]
    #[case::passed(Outcome::Pass)]
    #[case::firmware_failed(Outcome::fail(FailKind::WrongImage, "runs 1.0.0"))]
    #[case::skipped(Outcome::skip(hil_record::SkipKind::Blocked, "cannot be made"))]
    #[case::stopped(Outcome::error(ErrorKind::Interrupted, "stopped"))]
    #[case::harness(Outcome::error(ErrorKind::Harness, "a mistake"))]
    #[case::file(Outcome::error(ErrorKind::File, "gone"))]
    fn what_no_other_board_would_change_is_not_tried_again(#[case] outcome: Outcome) {
        let mut queue = Queue::new(vec![turn("one", &["left", "right"], None)], 3);
        taken(&mut queue, "left");
        assert_eq!(queue.ended("left", &outcome), After::Done);
        assert!(matches!(queue.next("right", None), Next::Nothing));
    }

    #[test]
    fn with_one_board_there_is_no_other() {
        let mut queue = Queue::new(vec![turn("one", &["only"], None)], 3);
        taken(&mut queue, "only");
        assert_eq!(queue.ended("only", &no_probe()), After::Done);
    }

    #[test]
    fn an_attempt_that_never_comes_leaves_nothing_to_skip() {
        let jobs = vec![
            turn("one", &["left", "right"], None),
            turn("two", &["right"], None),
        ];
        let mut queue = Queue::new(jobs, 1);
        taken(&mut queue, "left");
        queue.ended("left", &no_probe());
        assert_eq!(queue.rest(), ["two"]);
    }

    #[test]
    fn what_would_not_be_ready_by_the_end_of_the_run_does_not_begin() {
        let jobs = vec![
            turn("long", &["dk"], Some(60)),
            turn("short", &["dk"], Some(5)),
        ];
        let mut queue = Queue::new(jobs, 0);
        let left = Some(Duration::from_secs(10));
        assert!(matches!(queue.next("dk", left), Next::Run("short")));
        queue.ended("dk", &Outcome::Pass);
        assert!(matches!(queue.next("dk", left), Next::Nothing));
        assert_eq!(queue.rest(), ["long"]);
    }

    /// When the last of some boards has ended, all of which can take every job.
    fn makespan(jobs: Vec<Turn<u64>>, boards: usize) -> u64 {
        let mut queue = Queue::new(jobs, 0);
        let mut free: Vec<u64> = vec![0; boards];
        loop {
            // The board that is free first takes the next.
            let board = (0..boards).min_by_key(|&board| free[board]).unwrap_or(0);
            match taken(&mut queue, "dk") {
                Some(seconds) => {
                    free[board] += seconds;
                    queue.ended("dk", &Outcome::Pass);
                }
                None => return free.into_iter().max().unwrap_or(0),
            }
        }
    }

    #[test]
    fn a_history_shortens_a_run() {
        let jobs = |known: bool| {
            let turn = |seconds: u64| {
                let expected = known.then(|| Duration::from_secs(seconds));
                Turn::first(seconds, vec!["dk".to_owned()], expected)
            };
            [1, 1, 1, 1, 4].map(turn).to_vec()
        };
        assert_eq!(makespan(jobs(false), 2), 6);
        assert_eq!(makespan(jobs(true), 2), 4);
    }

    proptest! {
        /// No board is free while another still has most to do.
        #[test]
        fn boards_end_at_nearly_the_same_time(
            jobs in prop::collection::vec(1u64..100, 1..40),
            boards in 1usize..9,
        ) {
            let turns = jobs.iter().map(|&seconds| {
                Turn::first(seconds, vec!["dk".to_owned()], Some(Duration::from_secs(seconds)))
            });
            let took = makespan(turns.collect(), boards);
            let (all, count) = (jobs.iter().sum::<u64>(), boards as u64);
            let longest = jobs.iter().copied().max().unwrap_or(0);
            prop_assert!(took >= all.div_ceil(count).max(longest));
            prop_assert!(took * count <= all + (count - 1) * longest);
        }

        /// Whatever boards do, every job is run, never twice on one board, and no more often than allowed.
        #[test]
        fn every_job_has_its_turn_and_no_board_gets_one_twice(
            jobs in prop::collection::vec((1u8..8, 0u64..100), 1..12),
            retries in 0u32..4,
            fails in prop::collection::vec(any::<bool>(), 48),
        ) {
            const BOARDS: [&str; 3] = ["a", "b", "c"];
            let turns = (0..).zip(&jobs).map(|(number, (mask, seconds))| {
                let boards = (0..3)
                    .filter(|bit| mask >> bit & 1 == 1)
                    .map(|bit| BOARDS[bit].to_owned())
                    .collect();
                Turn::first(number, boards, Some(Duration::from_secs(*seconds)))
            });
            let mut queue: Queue<usize> = Queue::new(turns.collect(), retries);
            let mut ran: Vec<Vec<&str>> = vec![Vec::new(); jobs.len()];
            let mut fails = fails.into_iter().cycle();
            loop {
                let mut any = false;
                for board in BOARDS {
                    if let Some(job) = taken(&mut queue, board) {
                        any = true;
                        prop_assert!(!ran[job].contains(&board), "{ran:?}");
                        ran[job].push(board);
                        let fails = fails.next().unwrap_or_default();
                        let outcome = if fails { no_probe() } else { Outcome::Pass };
                        queue.ended(board, &outcome);
                    }
                }
                if !any {
                    break;
                }
            }
            for boards in &ran {
                prop_assert!(!boards.is_empty());
                prop_assert!(boards.len() as u32 <= retries + 1);
            }
        }
    }
}
