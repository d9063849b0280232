//! Shows a run while it goes on: moving lines on a terminal, plain lines anywhere else.
//!
//! Both read nothing but the run's events, and both write to standard error, so that standard output stays
//! free for what was asked for.

mod bars;
mod tally;

use hil_record::Reporter;
use hil_report::ProgressLines;
use std::io::{self, IsTerminal as _};

/// What suits the place that standard error goes to.
pub(crate) fn reporter() -> Box<dyn Reporter> {
    if io::stderr().is_terminal() {
        Box::new(bars::Bars::new())
    } else {
        Box::new(ProgressLines::new(io::stderr()))
    }
}

/// `1 scenario`, `2 scenarios`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}
