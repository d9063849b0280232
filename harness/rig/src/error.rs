//! What can go wrong on a bench, and what a person can do about it.
//!
//! Everything here is bench trouble: it ends a scenario with *error*, never with *fail*, because it says
//! nothing about the firmware under test.

use crate::core::Core;
use crate::file::RigFileError;
use crate::image::ImageError;
use crate::lease::Holder;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The error below, from whichever library it came.
pub type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What the harness was doing with a probe, for messages.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// Reading FICR.
    Identity,
    /// Programming and verifying.
    Program {
        /// Bytes in the image.
        bytes: usize,
    },
    /// Comparing flash with an image.
    Verify {
        /// Bytes in the image.
        bytes: usize,
    },
    /// Reading memory.
    Read {
        /// The core whose map is meant.
        core: Core,
        /// The first address.
        address: u32,
        /// How many bytes.
        length: u32,
    },
    /// Writing a word.
    Write {
        /// The core whose map is meant.
        core: Core,
        /// The word's address.
        address: u32,
    },
    /// Resetting the chip.
    Reset,
    /// Resetting a core and holding it at its first instruction.
    ResetAndHalt(Core),
    /// Halting a core.
    Halt(Core),
    /// Letting a core run.
    Run(Core),
    /// Erasing flash.
    Erase,
    /// Erasing everything through the control access ports.
    Recover,
    /// Letting go of the board.
    Detach,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("reading the chip's identity"),
            Self::Program { bytes } => write!(f, "programming and verifying {bytes} bytes"),
            Self::Verify { bytes } => write!(f, "comparing {bytes} bytes with flash"),
            Self::Read {
                core,
                address,
                length,
            } => {
                write!(f, "reading {length} bytes at {address:#010x} of the {core}")
            }
            Self::Write { core, address } => write!(f, "writing {address:#010x} of the {core}"),
            Self::Reset => f.write_str("resetting the chip"),
            Self::ResetAndHalt(core) => write!(f, "resetting and halting the {core}"),
            Self::Halt(core) => write!(f, "halting the {core}"),
            Self::Run(core) => write!(f, "letting the {core} run"),
            Self::Erase => f.write_str("erasing flash"),
            Self::Recover => f.write_str("erasing and unlocking the chip"),
            Self::Detach => f.write_str("detaching from the board"),
        }
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
        holder: Holder,
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
    /// The chip is not an nRF5340.
    #[error("board `{board}` is not an nRF5340: its FICR says part {part:#x}, expected 0x5340")]
    WrongChip {
        /// The board.
        board: String,
        /// FICR.INFO.PART.
        part: u32,
    },
    /// Flash holds something else than was programmed.
    #[error(
        "board `{board}`: flash of the {core} holds {found:#04x} at {address:#010x}, the image has {expected:#04x} \
         ({differing} bytes differ)"
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

    /// The power supply cannot be reached.
    #[error("cannot reach the power supply of board `{board}` at {address}")]
    PowerConnect {
        /// The board.
        board: String,
        /// Where it should be.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The power supply did not answer, or not with what was asked for.
    #[error("power supply of board `{board}` at {address}: sent `{sent}`, {problem}")]
    PowerAnswer {
        /// The board.
        board: String,
        /// Where it is.
        address: String,
        /// The command.
        sent: String,
        /// What came instead of the expected answer.
        problem: String,
    },
    /// The power command cannot be started.
    #[error("cannot start power command `{command}` of board `{board}`")]
    PowerCommandStart {
        /// The board.
        board: String,
        /// The command and its arguments.
        command: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The power command failed.
    #[error("power command `{command}` of board `{board}` ended with {status}{}", said(.stderr))]
    PowerCommandFailed {
        /// The board.
        board: String,
        /// The command and its arguments.
        command: String,
        /// How it ended.
        status: String,
        /// What it wrote to its error stream.
        stderr: String,
    },
    /// The power command did not end.
    #[error("power command `{command}` of board `{board}` did not end within {within:?}{}", said(.stderr))]
    PowerCommandStuck {
        /// The board.
        board: String,
        /// The command and its arguments.
        command: String,
        /// How long it was given.
        within: Duration,
        /// What it wrote to its error stream.
        stderr: String,
    },
    /// The person did not do what was asked for, or nobody is there to ask.
    #[error("board `{board}`: nobody switched the power {wanted}: {reason}")]
    PowerManual {
        /// The board.
        board: String,
        /// `on` or `off`.
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

/// The tail of a message: what a program wrote to its error stream, if anything.
fn said(stderr: &str) -> String {
    match stderr.trim() {
        "" => String::new(),
        text => format!("; it wrote: {text}"),
    }
}

impl RigError {
    /// What a person can try next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::File(error) => error.help().unwrap_or_default(),
            Self::Image(error) => error.help().to_owned(),
            Self::NoSuchBoard { .. } => "choose one of the names in the rig file".into(),
            Self::VirtualStart { .. } => {
                "the rig layer starts the `dfu-hil` program itself as the virtual board: is it still where it \
                 was started from?"
                    .into()
            }
            Self::VirtualSilent { .. } | Self::VirtualAnswer { .. } | Self::VirtualCount { .. } => {
                "run `dfu-hil virtual-dk --json` by hand: it must print one line with its endpoints".into()
            }
            Self::VirtualExited { .. } => {
                "run `dfu-hil virtual-dk --json` by hand and use it until it ends; its error stream says why"
                    .into()
            }
            Self::BoardInUse { .. } => {
                "wait for it, stop it, or run on another board; the lease goes with the process that holds it"
                    .into()
            }
            Self::Lease { path, .. } => {
                let dir = path.parent().map(|dir| dir.display().to_string()).unwrap_or_default();
                format!("make sure that you may write to {dir}")
            }
            Self::ProbeOpen { .. } => {
                "is the board plugged in and switched on, and is no other debugger connected (IDE, J-Link \
                 Commander, nrfutil)? `probe-rs list` shows the probes on USB; on Linux they need a udev rule"
                    .into()
            }
            Self::Attach { .. } => {
                "is the board powered, and is the debugger's switch on the chip and not on the shield? after a \
                 power cut the chip cannot be reached until the power is back"
                    .into()
            }
            Self::Locked { .. } => {
                "recovering the board erases both cores and unlocks it; allow it with `recover: allowed` in the \
                 rig file"
                    .into()
            }
            Self::Access { .. } | Self::ChipTimeout { .. } => {
                "check cable and power, then power the board off and on; if it happens again, lower the probe's \
                 `speed` in the rig file"
                    .into()
            }
            Self::WrongChip { .. } => "the probe selector of the rig file names another board".into(),
            Self::VerifyFailed { .. } => {
                "program again; if the same address differs again, its page is worn out or protected".into()
            }
            Self::UicrHeld { .. } => {
                "recover the board, which erases flash and UICR of both cores, and program again".into()
            }
            Self::BadRequest { .. } => {
                "program bytes inside of application flash 0x00000000..0x00100000 or network flash \
                 0x01000000..0x01040000, and read inside of one memory"
                    .into()
            }
            Self::ProbeStuck { .. } | Self::ProbeHangs { .. } => {
                "unplug the debugger's USB cable and plug it in again, then run again".into()
            }
            Self::ProbePanicked { .. } => {
                "this is a defect of the probe library or of the harness: please report it with the journal".into()
            }
            Self::PowerConnect { .. } => {
                "is the supply switched on, and does its SCPI port accept raw TCP at this address?".into()
            }
            Self::PowerAnswer { .. } => {
                "ask the supply by hand (`OUTP ON`, `OUTP?`); it must answer `1` or `ON`".into()
            }
            Self::PowerCommandStart { .. }
            | Self::PowerCommandFailed { .. }
            | Self::PowerCommandStuck { .. } => {
                "run the command by hand; it must end with status 0 when the power is switched".into()
            }
            Self::PowerManual { .. } => {
                "run in a terminal and answer, or give the board a power supply in the rig file".into()
            }
            Self::NoPowerSwitch { .. } => {
                "give the board `power: { scpi: … }`, `power: { command: … }` or `power: manual`, or leave out \
                 scenarios that cut the power"
                    .into()
            }
            Self::NoUart { .. } => "add it under `uart:` of the board".into(),
            Self::UartNotFound { .. } | Self::UartMissing { .. } => {
                "is the board switched on, with its USB cable in the debugger's port?".into()
            }
            Self::UartAmbiguous { .. } => "name the port by `path:` instead".into(),
            Self::UartList { .. } => "name the port by `path:` in the rig file".into(),
        }
    }
}
