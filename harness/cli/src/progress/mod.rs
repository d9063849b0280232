//! Shows a run while it goes on: moving bars on a terminal, plain lines anywhere else.
//!
//! Both read nothing but the run's events, and both write to standard error, so that standard output stays
//! free for what was asked for.

mod bars;
mod lines;
mod tally;

pub(crate) use bars::Bars;
pub(crate) use lines::{Lines, counted};

use hil_record::Reporter;
use std::io::{self, IsTerminal as _};

/// What suits the place that standard error goes to.
pub(crate) fn reporter() -> Box<dyn Reporter> {
    if io::stderr().is_terminal() {
        Box::new(Bars::new())
    } else {
        Box::new(Lines::new(io::stderr()))
    }
}
