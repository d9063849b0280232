//! In which order, how often and how long.

use hil_record::Shard;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

/// How a run goes about its jobs.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// How long variants will probably take, by name: the longest have their turn first.
    pub expected: BTreeMap<String, Duration>,
    /// How many more turns a variant gets, each on another board, when the bench failed. Verdicts on the firmware stand.
    pub retries: u32,
    /// How many boards may be at something at a time; all of them when nothing is said.
    pub boards_at_a_time: Option<NonZeroUsize>,
    /// After which time the run ends, with what has been done by then.
    pub deadline: Option<Duration>,
    /// Which part of all variants the jobs are.
    pub shard: Option<Shard>,
    /// The run was stopped or killed, and goes on.
    pub resumed: Option<Resumed>,
}

/// Where a run goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Resumed {
    /// How many events it has.
    pub events: u64,
    /// How long after its start it goes on, in milliseconds.
    pub at_ms: u64,
}
