//! Scenario files and firmware sets: model, validation with file, line and hint, expansion.
//!
//! A scenario is a script over roles (`baseline`, `update.app`); it never names a file or a board. A firmware
//! set says which files play the roles. Both are parsed here into types that hold nothing meaningless, so that
//! whoever runs them has nothing left to validate; how a step is run is not known here.

mod asked;
mod bounded;
mod check;
mod cut;
mod document;
mod expect;
mod fault;
mod firmware;
mod first_lines;
mod library;
mod locate;
mod matrix;
mod needs;
mod node;
mod radio;
mod refusal;
mod reset;
mod scenario;
mod source;
mod step;
mod step_info;
mod sweep;
mod units;
mod variant;
mod words;

pub use asked::{Asked, AskedErase, AskedUpload};
pub use bounded::{MAX_YAML_BYTES, MAX_YAML_DEPTH, MAX_YAML_NODES, bounded_yaml};
pub use check::{CheckReport, SkippedVariant, check, check_steps};
pub use cut::{
    Class, CutList, CutPoint, Edge, Memory as CutMemory, Method, ParseCutError, Phase, Work,
};
pub use document::{At, YamlDocument};
pub use expect::{
    BootState, ExpectBoot, ExpectConsole, ExpectImageState, ExpectNet, ExpectPlainText, ExpectSlot,
    ImageEntry, ImageFlags, Missing, Presence, SlotContents,
};
pub use fault::{FaultKind, FaultPlace, FaultWay, FaultWhen, TransportFault};
pub use firmware::{
    Chip, FirmwareFile, FirmwareSet, KeyFiles, Layout, Memory, ProgramFile, Region, Release,
    ReleaseImage, SmpServer, UnknownRole,
};
pub use library::load_scenarios;
pub use matrix::ReleaseNames;
pub use needs::{
    BoardFeature, BootloaderNeeds, Capabilities, FlashNeed, ModeNeed, Needs, Unmet,
    uses_external_flash,
};
pub use radio::{ExpectRadio, LinkLoss, LossPoint, SecondCentral, StartsAt};
pub use refusal::{ExpectRefusal, ExpectUpdate, Leaves, Refusal, RefusalCode};
pub use reset::{Button, PowerCycle, Reset, ResetBy};
pub use scenario::{KnownIssue, RequirementId, Scenario, StandingCheck};
pub use source::{FileError, Place};
pub use step::{
    Answer, CutAt, Erase, EraseAnswer, Mark, MarkAnswer, PowerCut, Request, Step, Upload, UploadCut,
};
pub use sweep::{Bursts, Strategy, Sweep};
pub use units::Percent;
pub use variant::{PlannedStep, Variant};
pub use words::{Core, ImageRef, PrintedBy, Slot, Stored, Transport};
