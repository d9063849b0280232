//! Who uses the boards of this host: looking, taking one out of use, and taking one back from a process that does not let go.
//!
//! A lease is a lock that the system frees when its holder ends, so taking one back means ending its holder. That is done only
//! to a process that demonstrably has the lease file open, and first in good order (SIGTERM).

use crate::error::RigError;
use crate::file::{BoardSpec, RigFile};
use crate::health::{HealthError, HealthFile, Quarantined};
use crate::lease::{self, Holder, Lease};
use crate::rig::health_file;
use hil_clock::SharedClock;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often it is looked whether a holder has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A board of a rig and who uses it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BoardStatus {
    /// Its name.
    pub board: String,
    /// What of it can be held.
    pub state: BoardState,
    /// Since when and why it is in quarantine, if it is; or why that is not known.
    pub quarantined: Option<Result<Quarantined, String>>,
}

/// Whether a board is used.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BoardState {
    /// It is started for each run.
    Virtual,
    /// Nobody uses it.
    Free,
    /// This one does.
    Held(Holder),
}

/// The leases of a host.
#[derive(Clone, Debug)]
pub struct Leases {
    folder: PathBuf,
    clock: SharedClock,
}

/// A board that was taken out of use; given back when dropped.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "it is held, not looked at")] Lease);

/// How a holder is asked to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kick {
    /// SIGTERM: in good order, with a report of what it did so far.
    Politely,
    /// SIGKILL: at once. Its board may be left without power.
    AtOnce,
}

/// Why a board was not taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KickError {
    /// The rig file, or the lease.
    #[error(transparent)]
    Rig(#[from] RigError),
    /// Nobody uses it.
    #[error("board `{board}` is free")]
    Free {
        /// The board.
        board: String,
    },
    /// It was not `rig hold` that took it.
    #[error("board `{board}` is in use by {holder}, and not held by hand")]
    NotByHand {
        /// The board.
        board: String,
        /// Who uses it.
        holder: Box<Holder>,
    },
    /// The lease file does not name a process that has it open.
    #[error(
        "board `{board}` is in use by {holder}, which cannot be shown to be the process that holds it"
    )]
    NotShown {
        /// The board.
        board: String,
        /// Who uses it, as the file says.
        holder: Box<Holder>,
    },
    /// The system does not let us.
    #[error("{holder}, which uses board `{board}`, cannot be told to end")]
    Refused {
        /// The board.
        board: String,
        /// Who uses it.
        holder: Box<Holder>,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It was told, and went on.
    #[error("{holder} still uses board `{board}`, {within:?} after it was told to end")]
    GoesOn {
        /// The board.
        board: String,
        /// Who uses it.
        holder: Box<Holder>,
        /// How long it was given.
        within: Duration,
    },
}

impl KickError {
    /// What a person can try next.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Rig(error) => return Some(error.help()).filter(|help| !help.is_empty()),
            Self::Free { .. } => return None,
            Self::NotByHand { .. } => {
                "`dfu-hil rig kick` ends a run, which then has no verdict for what it was at".to_owned()
            }
            Self::NotShown { .. } => {
                "it may be of another user, or in a container: have it ended where it was started".to_owned()
            }
            Self::Refused { .. } => "it is another user's: ask them, or root".to_owned(),
            Self::GoesOn { .. } => {
                "it may be waiting for a slow probe: try again, or end it with `--now`, which may leave its board without power"
                    .to_owned()
            }
        })
    }
}

impl Leases {
    /// The leases in a folder; the host's when there is none.
    #[must_use]
    pub fn new(folder: Option<PathBuf>, clock: SharedClock) -> Self {
        Self {
            folder: folder.unwrap_or_else(lease::default_folder),
            clock,
        }
    }

    /// Who uses which board of a rig.
    ///
    /// # Errors
    /// A lease cannot be looked at.
    pub fn status(&self, file: &RigFile) -> Result<Vec<BoardStatus>, RigError> {
        let status = |spec: &BoardSpec| {
            let state = match spec.kind.key() {
                None => BoardState::Virtual,
                Some(key) => self.state(&spec.name, &key)?,
            };
            Ok(BoardStatus {
                board: spec.name.clone(),
                state,
                quarantined: quarantined(file, spec),
            })
        };
        file.boards.iter().map(status).collect()
    }

    /// Takes a board out of use, for this reason, until what is returned is dropped.
    ///
    /// # Errors
    /// Somebody uses it, the rig has no such board, or it is a virtual one.
    pub fn hold(&self, file: &RigFile, board: &str, reason: &str) -> Result<Held, RigError> {
        let key = key_of(file, board)?;
        let reason = format!("{BY_HAND}: {reason}");
        let clock = &*self.clock;
        Lease::take_for(&self.folder, board, &file.name, &key, clock, Some(reason)).map(Held)
    }

    /// Ends a `hold`, whoever began it. Returns who that was.
    ///
    /// # Errors
    /// It is free, used by something else, or cannot be taken back.
    pub fn release(
        &self,
        file: &RigFile,
        board: &str,
        within: Duration,
    ) -> Result<Holder, KickError> {
        let holder = self.holder(file, board)?;
        if holder.is_by_hand() {
            self.end(file, board, holder, Kick::Politely, within)
        } else {
            Err(KickError::NotByHand {
                board: board.to_owned(),
                holder: Box::new(holder),
            })
        }
    }

    /// Ends whatever uses a board. Returns what that was.
    ///
    /// # Errors
    /// It is free, or cannot be taken back.
    pub fn kick(
        &self,
        file: &RigFile,
        board: &str,
        how: Kick,
        within: Duration,
    ) -> Result<Holder, KickError> {
        let holder = self.holder(file, board)?;
        self.end(file, board, holder, how, within)
    }

    fn holder(&self, file: &RigFile, board: &str) -> Result<Holder, KickError> {
        let key = key_of(file, board)?;
        match self.state(board, &key)? {
            BoardState::Held(holder) => Ok(holder),
            BoardState::Free | BoardState::Virtual => Err(KickError::Free {
                board: board.to_owned(),
            }),
        }
    }

    fn state(&self, board: &str, key: &str) -> Result<BoardState, RigError> {
        let held = Lease::holder(&self.folder, board, key)?;
        Ok(held.map_or(BoardState::Free, BoardState::Held))
    }

    fn end(
        &self,
        file: &RigFile,
        board: &str,
        holder: Holder,
        how: Kick,
        within: Duration,
    ) -> Result<Holder, KickError> {
        let key = key_of(file, board)?;
        let path = lease::path(&self.folder, &key);
        let name = board.to_owned();
        let pid = holder.pid.and_then(|pid| i32::try_from(pid).ok());
        let process = pid
            .filter(|pid| has_open(*pid, &path))
            .and_then(rustix::process::Pid::from_raw);
        let Some(process) = process else {
            return Err(KickError::NotShown {
                board: name,
                holder: Box::new(holder),
            });
        };
        let signal = match how {
            Kick::Politely => rustix::process::Signal::TERM,
            Kick::AtOnce => rustix::process::Signal::KILL,
        };
        if let Err(error) = rustix::process::kill_process(process, signal) {
            return Err(KickError::Refused {
                board: name,
                holder: Box::new(holder),
                source: error.into(),
            });
        }
        let deadline = self.clock.now() + within;
        // Another one may have been waiting for it.
        while self.state(board, &key)? == BoardState::Held(holder.clone()) {
            if self.clock.now() >= deadline {
                return Err(KickError::GoesOn {
                    board: name,
                    holder: Box::new(holder),
                    within,
                });
            }
            self.clock.sleep(LOOK_EVERY);
        }
        Ok(holder)
    }
}

/// Whether a board is in quarantine. That it is not known keeps nobody from using it.
fn quarantined(file: &RigFile, spec: &BoardSpec) -> Option<Result<Quarantined, String>> {
    match health_of(file, spec)?.load() {
        Ok(health) => health.quarantined.map(Ok),
        Err(error) => Some(Err(format!("{error}: {}", error.source))),
    }
}

fn health_of(file: &RigFile, spec: &BoardSpec) -> Option<HealthFile> {
    health_file(&file.quarantine, &spec.kind.key()?)
}

/// Takes a board out of quarantine and forgets the trouble that it made; whether there was any.
///
/// # Errors
/// What is kept of it cannot be removed.
pub fn forgive(file: &RigFile, board: &str) -> Result<bool, HealthError> {
    let spec = file.boards.iter().find(|spec| spec.name == board);
    match spec.and_then(|spec| health_of(file, spec)) {
        Some(health) => health.clear(),
        None => Ok(false),
    }
}

/// How the reason of a `hold` begins.
const BY_HAND: &str = "held by hand";

impl Holder {
    /// Whether a person has taken the board out of use.
    #[must_use]
    pub fn is_by_hand(&self) -> bool {
        self.reason
            .as_ref()
            .is_some_and(|reason| reason.starts_with(BY_HAND))
    }
}

/// What a board is known by: the serial number of its probe, or its place.
fn key_of(file: &RigFile, board: &str) -> Result<String, RigError> {
    let spec = file.boards.iter().find(|spec| spec.name == board);
    match spec.map(|spec| spec.kind.key()) {
        Some(Some(key)) => Ok(key),
        Some(None) => Err(RigError::BadRequest {
            board: board.to_owned(),
            what: "a virtual board is started for each run: nobody else can use it, so there is nothing to hold".to_owned(),
        }),
        None => Err(RigError::NoSuchBoard {
            rig: file.name.clone(),
            board: board.to_owned(),
            known: file
                .boards
                .iter()
                .map(|spec| format!("`{}`", spec.name))
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// Whether a process has a file open: so a number that another process has by now is not taken for the holder.
fn has_open(pid: i32, path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else {
        return false;
    };
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
    open.into_iter()
        .flatten()
        .flatten()
        .any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target == path))
}
