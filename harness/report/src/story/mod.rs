//! What happened while each scenario ran, from the events of the run: its log, its uploads and its flash.
//!
//! Events name a board, not a scenario: what a board does belongs to the scenario that runs on it. The log is cut where a
//! report would become too large to open; what was left out is counted, and is in the journal.

mod build;
mod heat;
mod line;

pub(crate) use build::stories;
pub(crate) use heat::{Point, Sweep};
pub(crate) use line::{Kind, LogLine};

use hil_record::{BoardWear, FlashSnapshot};

/// What happened while one scenario ran.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) log: Log,
    pub(crate) uploads: Vec<Upload>,
    pub(crate) sweeps: Vec<Sweep>,
    pub(crate) flash: Option<FlashSnapshot>,
    pub(crate) wear: Option<BoardWear>,
}

/// Lines in their order, at most so many: the first ones go when there are more.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) lines: std::collections::VecDeque<LogLine>,
    /// How many were left out in front.
    pub(crate) left_out: u64,
    /// How many are kept.
    pub(crate) limit: usize,
}

impl Log {
    fn push(&mut self, line: LogLine) {
        if let Some(last) = self.lines.back_mut()
            && last.join(&line)
        {
            return;
        }
        self.lines.push_back(line);
        while self.lines.len() > self.limit {
            self.lines.pop_front();
            self.left_out += 1;
        }
    }
}

/// How an upload went.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) image: String,
    /// Bytes of the image.
    pub(crate) total: u64,
    /// When, in milliseconds since the start of the run, and the bytes that the board had acknowledged.
    pub(crate) points: Vec<(u64, u64)>,
}

/// All stories of a run: one for each scenario of the record, and what happened outside of all.
#[derive(Debug)]
pub(crate) struct Stories {
    pub(crate) scenarios: Vec<Story>,
    pub(crate) outside: Log,
}
