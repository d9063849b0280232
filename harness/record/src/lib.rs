//! Events, results and the append-only journal of a run.
//!
//! The runner emits one stream of [`Event`]s. The [`Journal`] keeps them as JSON lines, so that a run
//! that was killed can be reported up to its last step; a [`RunRecord`] is rebuilt from them. Nothing
//! here knows who produces the events or how they are shown, and nothing here decides anything. Keys and decrypted
//! payloads have no place in any of these types.

mod capture;
mod console_log;
mod course;
mod directory;
mod event;
mod flash;
mod fold;
mod grid;
mod health;
mod identity;
mod journal;
mod manifest;
mod merge;
mod night;
mod objects;
mod outcome;
mod proof;
mod reporter;
mod run;
mod sweep;
mod transport_fault;
mod wear;

pub use capture::{Capture, DISSECTOR, Sink, packets_of};
pub use console_log::ConsoleLogs;
pub use course::{Again, Attempt, Course, Part, Resumption, Shard};
pub use directory::{RunDirectory, RunDirectoryError};
pub use event::{
    BoardInfo, BoardWear, ConsoleSource, CoreName, Direction, Durability, Event, EventKind,
    Evidence, FirmwareInfo, InputFile, InputRole, LinkConnected, LinkEnd, PowerAction, RigInfo,
    RunStarted, ScenarioStarted, SmpPacket, StepInfo, Tool, WornPage, WornPages,
};
pub use flash::{ChangedPage, FlashSnapshot, MemorySnapshot, PageRun, Partition};
pub use grid::{Grid, GridCell};
pub use health::{Canary, Health, HealthRecord, Quarantine, Rescue, Rung, RungEnd};
pub use identity::BoardIdentity;
pub use journal::{Journal, JournalContents, JournalError, parse_journal, read_journal};
pub use manifest::{FileDigest, JournalPart, Manifest, ManifestError, Mismatch};
pub use merge::{MergeError, MergePart, merge};
pub use night::{Night, SweepCoverage, slice_name, slice_of, sweep_variant};
pub use objects::{ObjectError, Objects};
pub use outcome::{ErrorKind, FailKind, Outcome, SkipKind, Verdict};
pub use proof::{
    Answered, BoardDone, Check, CheckMade, Done, ListedImage, MeasuredImage, RamPlace, RamRange,
    RegionShot, SentPart, StartCause, StoredForm,
};
pub use reporter::Reporter;
pub use run::{ConsoleLine, Ending, RecordError, RunRecord, ScenarioRecord, StepRecord, Totals};
pub use sweep::{SweepPlan, SweepPoint, SweepTotals};
pub use transport_fault::TransportFault;
pub use wear::WearRecord;
