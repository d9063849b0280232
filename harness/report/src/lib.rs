//! Reports from the record of a run: terminal, JUnit, JSON.
//!
//! Each report is a function of the [`RunRecord`](hil_record::RunRecord), and so can be made again from a journal.
//! A report decides nothing: what passed and what did not is in the record.

mod files;
mod junit;
mod progress;
mod summary;
mod text;

pub use files::{ReportError, json, write};
pub use junit::junit;
pub use progress::ProgressLines;
pub use summary::{SummaryContext, summary};
pub use text::firmware_sets;
