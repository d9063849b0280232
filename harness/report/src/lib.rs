//! Reports from the record of a run: terminal, JUnit, JSON, CTRF, Markdown, HTML.
//!
//! [`index()`] is the page over all runs, from their history.
//!
//! Each report is a function of the [`RunRecord`](hil_record::RunRecord), the HTML report also of its events, and so can be
//! made again from a journal, byte for byte.
//! A report decides nothing: what passed and what did not is in the record.

mod ctrf;
mod display;
mod files;
mod grid;
mod html;
mod index;
mod junit;
mod markdown;
mod progress;
mod requirements;
mod story;
mod summary;
mod text;

pub use ctrf::ctrf;
pub use files::{ReportError, json, write};
pub use html::html;
pub use index::index;
pub use junit::junit;
pub use markdown::markdown;
pub use progress::ProgressLines;
pub use summary::{SummaryContext, summary};
pub use text::firmware_sets;
