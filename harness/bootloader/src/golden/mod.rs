//! Replays recordings of the real MCUboot and compares the model with them, operation by operation.
//!
//! A corpus directory holds `cases.jsonl` (one case per line), `blobs/` (images and flash contents, gzip, named by their
//! SHA-256) and `keys/` (MCUboot's published test keys). Each case starts from a known flash, lets the application make
//! requests, boots, perhaps cuts the power, and states result, operations, trailers, swap types and the hash of all
//! flash. The format is described in the README beside such a corpus, for instance
//! `harness/bootloader/tests/data/golden/README.md`.
//!
//! ```no_run
//! use hil_bootloader::golden::{Corpus, Options};
//!
//! let corpus = Corpus::load("harness/bootloader/tests/data/golden".as_ref())?;
//! let summary = corpus.replay(&Options::default());
//! println!("{summary}");
//! # Ok::<(), hil_bootloader::golden::CorpusError>(())
//! ```

mod case;
mod compare;
mod corpus;
mod replay;
mod summary;

pub use case::{RecordedBuild, device};
pub use corpus::{Corpus, CorpusError};
pub use replay::Sampling;
pub use summary::{CaseReport, ModeTally, Options, Summary};
