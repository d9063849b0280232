//! Events, results and the append-only journal of a run.
//!
//! The runner emits one stream of [`Event`]s. The journal keeps them as JSON lines, synced at every step, so
//! that a run that was killed can be reported up to its last step; the record of a run is rebuilt from them.
//! Nothing here knows who produces the events or how they are shown, and nothing here decides anything.

mod event;
mod outcome;

pub use event::{
    BoardInfo, CoreName, Direction, Event, EventKind, Evidence, FirmwareInfo, PowerAction, RigInfo,
    RunStarted, ScenarioStarted, SmpPacket, StepInfo, Tool,
};
pub use outcome::{ErrorKind, FailKind, Outcome, SkipKind, Verdict};
