//! What can go wrong on a bench, and what a person can do about it.
//!
//! Everything here is bench trouble: it ends a scenario with *error*, never with *fail*, because it says
//! nothing about the firmware under test.

mod help;
mod operation;

pub use operation::Operation;

use crate::core::{Core, memory_name};
use crate::file::{ChipId, RigFileError};
use crate::image::ImageError;
use crate::labgrid::PlaceError;
use crate::lease::Holder;
use crate::silicon::Silicon;
use std::path::PathBuf;
use std::time::Duration;

/// The error below, from whichever library it came.
pub type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What a thing on the bench is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// It switches the power of a board.
    Power,
    /// It presses the button that the bootloader looks at.
    RecoveryButton,
}

impl Purpose {
    /// What speaks SCPI.
    const fn instrument(self) -> &'static str {
        match self {
            Self::Power => "power supply",
            Self::RecoveryButton => "relay at the recovery button",
        }
    }
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Power => "power",
            Self::RecoveryButton => "recovery button",
        })
    }
}

/// Why a rig, a board or something on it could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RigError {
    /// The rig file is wrong.
    #[error(transparent)]
    File(#[from] RigFileError),

    /// A file to program is wrong.
    #[error(transparent)]
    Image(#[from] ImageError),

    /// There is no board of this name.
    #[error("rig `{rig}` has no board `{board}`; it has {known}")]
    NoSuchBoard {
        /// The rig.
        rig: String,
        /// What was asked for.
        board: String,
        /// The names that exist, for people.
        known: String,
    },

    /// The program that is a virtual DK cannot be started.
    #[error("cannot start virtual board `{board}` with `{program}`")]
    VirtualStart {
        /// The board.
        board: String,
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The program did not print its endpoints in time.
    #[error("virtual board `{board}` did not say its endpoints within {within:?}{}", said(.stderr))]
    VirtualSilent {
        /// The board.
        board: String,
        /// How long it was given.
        within: Duration,
        /// What it wrote to its error stream.
        stderr: String,
    },
    /// The program printed something else than its endpoints.
    #[error("virtual board `{board}` answered `{line}`, which are not endpoints{}", said(.stderr))]
    VirtualAnswer {
        /// The board.
        board: String,
        /// The line, shortened.
        line: String,
        /// What it wrote to its error stream.
        stderr: String,
        /// What is wrong with the line.
        #[source]
        source: serde_json::Error,
    },
    /// The program offers another number of boards than it was asked for.
    #[error("virtual board `{board}`: {asked} boards were asked for, {found} are there")]
    VirtualCount {
        /// The board.
        board: String,
        /// How many were asked for.
        asked: usize,
        /// How many it offers.
        found: usize,
    },
    /// The program is gone.
    #[error("virtual board `{board}` has ended by itself: {status}{}", said(.stderr))]
    VirtualExited {
        /// The board.
        board: String,
        /// How it ended.
        status: String,
        /// What it wrote to its error stream.
        stderr: String,
    },

    /// Another process uses the board.
    #[error("board `{board}` is in use by {holder}")]
    BoardInUse {
        /// The board.
        board: String,
        /// Who uses it.
        holder: Box<Holder>,
    },
    /// The board's place in labgrid cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// An adapter cannot hold another connection.
    #[error(
        "adapter {adapter} holds all the connections that it can ({connections}), none is left for board `{board}`: {holders}"
    )]
    AdapterFull {
        /// The board.
        board: String,
        /// The adapter.
        adapter: String,
        /// How many it can hold.
        connections: usize,
        /// Who holds them, for people.
        holders: String,
    },
    /// The lease file cannot be used.
    #[error("cannot take the lease of board `{board}` with `{path}`")]
    Lease {
        /// The board.
        board: String,
        /// The lease file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },

    /// The probe cannot be opened.
    #[error("cannot open probe `{probe}` of board `{board}`")]
    ProbeOpen {
        /// The board.
        board: String,
        /// The probe's selector.
        probe: String,
        /// Why.
        #[source]
        source: Source,
    },
    /// The chip does not answer the probe, or not as an nRF5340 does.
    #[error("probe `{probe}` of board `{board}` cannot reach the chip while {doing}")]
    Attach {
        /// The board.
        board: String,
        /// The probe's selector.
        probe: String,
        /// What was being done.
        doing: Operation,
        /// Why.
        #[source]
        source: Source,
    },
    /// The chip refuses debug access to a core.
    #[error("the {core} of board `{board}` is locked: access port protection is on")]
    Locked {
        /// The board.
        board: String,
        /// The core.
        core: Core,
    },
    /// An access failed in the middle of an operation.
    #[error("board `{board}` failed while {doing}")]
    Access {
        /// The board.
        board: String,
        /// What was being done.
        doing: Operation,
        /// Why.
        #[source]
        source: Source,
    },
    /// The chip did not get where it should be in time.
    #[error("board `{board}`: {what} did not happen within {within:?} while {doing}")]
    ChipTimeout {
        /// The board.
        board: String,
        /// What was being done.
        doing: Operation,
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
    },
    /// The chip's watchpoints cannot halt a core at its flash operations.
    #[error("board `{board}`: the core has {what}; a trap needs those of an nRF5340")]
    NoWatchpoints {
        /// The board.
        board: String,
        /// What there is instead.
        what: String,
    },
    /// A core with a trap was halted by something else.
    #[error("board `{board}`: {problem} while {doing}")]
    TrapDisturbed {
        /// The board.
        board: String,
        /// What was being done.
        doing: Operation,
        /// What halted it.
        problem: String,
    },
    /// The chip is not what the board is said to have.
    #[error("board `{board}` is not an {expected}: its FICR says {found}")]
    WrongChip {
        /// The board.
        board: String,
        /// What it should be.
        expected: Silicon,
        /// What its FICR says.
        found: String,
    },
    /// It is another board.
    #[error(
        "board `{board}` has the chip {found}, its rig file says {expected}: it is another board"
    )]
    OtherChip {
        /// The board.
        board: String,
        /// FICR.INFO.DEVICEID.
        found: ChipId,
        /// What the rig file says.
        expected: ChipId,
    },
    /// Flash holds something else than was programmed.
    #[error(
        "board `{board}`: {} holds {found:#04x} at {address:#010x}, the image has {expected:#04x} \
         ({differing} bytes differ)", memory_name(*core, *address)
    )]
    VerifyFailed {
        /// The board.
        board: String,
        /// The core.
        core: Core,
        /// The first address that differs.
        address: u32,
        /// What flash holds there.
        found: u8,
        /// What it should hold.
        expected: u8,
        /// How many bytes differ altogether.
        differing: usize,
    },
    /// The rig file says that the board has no external flash.
    #[error("board `{board}` has no external flash: its rig file says `external-flash: none`")]
    NoExternalFlash {
        /// The board.
        board: String,
    },
    /// Nothing answers where the DK has its external flash.
    #[error("the external flash of board `{board}` did not answer within {within:?} while {doing}")]
    ExternalFlashSilent {
        /// The board.
        board: String,
        /// What was being done.
        doing: Operation,
        /// How long it was waited for.
        within: Duration,
    },
    /// There is another external flash than on a DK.
    #[error(
        "the external flash of board `{board}` says that it is {}, expected c2 28 17 (MX25R6435F), while {doing}",
        flash_id(found)
    )]
    ExternalFlashOther {
        /// The board.
        board: String,
        /// What was being done.
        doing: Operation,
        /// Its answer to RDID: manufacturer, kind, density.
        found: [u8; 3],
    },
    /// UICR holds something that cannot be overwritten.
    #[error(
        "board `{board}`: UICR of the {core} holds {found:#010x} at {address:#010x} and cannot become \
         {expected:#010x} without erasing the chip"
    )]
    UicrHeld {
        /// The board.
        board: String,
        /// The core.
        core: Core,
        /// The word's address.
        address: u32,
        /// What it holds.
        found: u32,
        /// What it should hold.
        expected: u32,
    },
    /// A word of UICR did not take what was written.
    #[error("board `{board}`: UICR of the {core} did not take {expected:#010x} at {address:#010x}")]
    UicrNotWritten {
        /// The board.
        board: String,
        /// The core.
        core: Core,
        /// The word's address.
        address: u32,
        /// What was written.
        expected: u32,
    },
    /// The board may not be erased to unlock it.
    #[error("recovering board `{board}` erases everything, and its rig file does not allow it")]
    RecoverForbidden {
        /// The board.
        board: String,
    },
    /// A request was refused before the board was touched.
    #[error("board `{board}`: {what}")]
    BadRequest {
        /// The board.
        board: String,
        /// What is wrong with the request.
        what: String,
    },
    /// The probe library did not come back in time; its thread has been given up.
    #[error(
        "board `{board}`: probe `{probe}` has not answered for {waited:?} while {doing}; the session is lost"
    )]
    ProbeStuck {
        /// The board.
        board: String,
        /// The probe's selector.
        probe: String,
        /// What was being done.
        doing: Operation,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Too many probe sessions hang.
    #[error(
        "board `{board}`: {lost} sessions of probe `{probe}` hang, no further one is opened for {doing}"
    )]
    ProbeHangs {
        /// The board.
        board: String,
        /// The probe's selector.
        probe: String,
        /// What was to be done.
        doing: Operation,
        /// How many sessions hang.
        lost: usize,
    },
    /// The probe library panicked.
    #[error("board `{board}`: the probe library gave up while {doing}: {message}")]
    ProbePanicked {
        /// The board.
        board: String,
        /// What was being done.
        doing: Operation,
        /// What it said.
        message: String,
    },

    /// An instrument cannot be reached.
    #[error("cannot reach the {} of board `{board}` at {address}", purpose.instrument())]
    InstrumentConnect {
        /// The board.
        board: String,
        /// What it is for.
        purpose: Purpose,
        /// Where it should be.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An instrument did not answer, or not with what was asked for.
    #[error("{} of board `{board}` at {address}: sent `{sent}`, {problem}", purpose.instrument())]
    InstrumentAnswer {
        /// The board.
        board: String,
        /// What it is for.
        purpose: Purpose,
        /// Where it is.
        address: String,
        /// The command.
        sent: String,
        /// What came instead of the expected answer.
        problem: String,
    },
    /// The power supply was told to switch, and says that it has not.
    #[error("the power of board `{board}` did not go {wanted}: the {supply} was told to, {found}")]
    PowerNotSwitched {
        /// The board.
        board: String,
        /// What should have switched.
        supply: String,
        /// `on` or `off`.
        wanted: &'static str,
        /// What it was told, and what it says.
        found: String,
    },
    /// The serial port of the power supply is not there.
    #[error("cannot reach the power supply of board `{board}`: {problem}")]
    PowerPort {
        /// The board.
        board: String,
        /// What is there instead.
        problem: String,
    },
    /// The file of the system that switches a USB port cannot be used.
    #[error("cannot switch the power of board `{board}` {wanted} with {path}")]
    PowerFile {
        /// The board.
        board: String,
        /// The file.
        path: PathBuf,
        /// `on` or `off`.
        wanted: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A command cannot be started.
    #[error("cannot start {purpose} command `{command}` of board `{board}`")]
    CommandStart {
        /// The board.
        board: String,
        /// What it is for.
        purpose: Purpose,
        /// The command and its arguments.
        command: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A command failed.
    #[error("{purpose} command `{command}` of board `{board}` ended with {status}{}", said(.stderr))]
    CommandFailed {
        /// The board.
        board: String,
        /// What it is for.
        purpose: Purpose,
        /// The command and its arguments.
        command: String,
        /// How it ended.
        status: String,
        /// What it wrote to its error stream.
        stderr: String,
    },
    /// A command did not end.
    #[error("{purpose} command `{command}` of board `{board}` did not end within {within:?}{}", said(.stderr))]
    CommandStuck {
        /// The board.
        board: String,
        /// What it is for.
        purpose: Purpose,
        /// The command and its arguments.
        command: String,
        /// How long it was given.
        within: Duration,
        /// What it wrote to its error stream.
        stderr: String,
    },
    /// The person did not do what was asked for, or nobody is there to ask.
    #[error("board `{board}`: nobody {wanted}: {reason}")]
    Manual {
        /// The board.
        board: String,
        /// What it is for.
        purpose: Purpose,
        /// `switched the power on`.
        wanted: &'static str,
        /// Why not.
        reason: String,
    },
    /// The board has no switch that removes power.
    #[error("board `{board}` has no power switch: its rig file says `reset-only`")]
    NoPowerSwitch {
        /// The board.
        board: String,
    },

    /// The rig file does not say how the button is pressed.
    #[error("board `{board}` has no recovery button in its rig file")]
    NoButton {
        /// The board.
        board: String,
    },

    /// The board has no such serial port in its rig file.
    #[error("board `{board}` has no serial port for the {core} in its rig file")]
    NoUart {
        /// The board.
        board: String,
        /// The core.
        core: Core,
    },
    /// No serial port matches.
    #[error(
        "no serial port for the {core} of board `{board}`: none is interface {interface} of USB serial number `{serial}`; {seen}"
    )]
    UartNotFound {
        /// The board.
        board: String,
        /// The core.
        core: Core,
        /// The USB serial number.
        serial: String,
        /// The USB interface number.
        interface: u8,
        /// What is there instead.
        seen: String,
    },
    /// Several serial ports match.
    #[error(
        "serial port for the {core} of board `{board}` is ambiguous: {ports} are all interface {interface} of USB serial number `{serial}`"
    )]
    UartAmbiguous {
        /// The board.
        board: String,
        /// The core.
        core: Core,
        /// The USB serial number.
        serial: String,
        /// The USB interface number.
        interface: u8,
        /// The ports that match.
        ports: String,
    },
    /// The serial port of the rig file does not exist.
    #[error("serial port {path} for the {core} of board `{board}` is not there")]
    UartMissing {
        /// The board.
        board: String,
        /// The core.
        core: Core,
        /// The path.
        path: PathBuf,
    },
    /// The system's serial ports cannot be listed.
    #[error("cannot list the serial ports to find the {core} of board `{board}`")]
    UartList {
        /// The board.
        board: String,
        /// The core.
        core: Core,
        /// Why.
        #[source]
        source: Source,
    },
}

/// The answer to RDID, as data sheets write it.
pub(crate) fn flash_id(id: &[u8; 3]) -> String {
    let [manufacturer, kind, density] = id;
    format!("{manufacturer:02x} {kind:02x} {density:02x}")
}

/// The tail of a message: what a program wrote to its error stream, if anything.
fn said(stderr: &str) -> String {
    match stderr.trim() {
        "" => String::new(),
        text => format!("; it wrote: {text}"),
    }
}
