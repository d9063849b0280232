//! A board is used by one process at a time.
//!
//! A lease is an exclusive lock on a file named after the probe's serial number, in a folder that all
//! processes of the host share. The operating system frees the lock when the process ends, however it ends,
//! so a lease never has to be broken by hand. What the file says (who, since when) is only for messages.

mod queue;

pub use queue::QueueClass;
pub(crate) use queue::Ticket;

use crate::error::RigError;
use hil_clock::Clock;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Who holds a lease, as far as the lease file says.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Holder {
    /// The process.
    pub pid: Option<u32>,
    /// The user.
    pub user: Option<String>,
    /// Since when, as RFC 3339 in UTC.
    pub since: Option<String>,
    /// The rig and board under which it uses the probe.
    pub rig: Option<String>,
    /// What for, where it is no run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Holder {
    /// This process, from now on.
    pub(crate) fn this_process(rig: String, reason: Option<String>, clock: &dyn Clock) -> Self {
        Self {
            pid: Some(std::process::id()),
            user: std::env::var("USER").ok().filter(|user| !user.is_empty()),
            since: jiff::Timestamp::try_from(clock.wall())
                .ok()
                .map(|at| format!("{at:.0}")),
            rig: Some(rig),
            reason,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => f.write_str("another process")?,
        }
        if let Some(user) = &self.user {
            write!(f, " of {user}")?;
        }
        if let Some(rig) = &self.rig {
            write!(f, " as `{rig}`")?;
        }
        if let Some(since) = &self.since {
            write!(f, " since {since}")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        Ok(())
    }
}

/// How often a lease is tried, and the time in between: who only looks at it has it for less than that.
const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// The right to use a board; given back when dropped, or when the process ends.
#[derive(Debug)]
pub(crate) struct Lease(File);

impl Drop for Lease {
    /// Closing the file would give the lock back too, but not before a process that was just started, and has
    /// copies of all open files until it runs its program, has closed its own.
    fn drop(&mut self) {
        // What fails to be unlocked is unlocked by closing.
        let _ = self.0.unlock();
    }
}

/// Where the leases of this host are: `$XDG_RUNTIME_DIR/dfu-hil-leases`, or `/tmp/dfu-hil-leases`.
pub(crate) fn default_folder() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .filter(|dir| Path::new(dir).is_dir())
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join("dfu-hil-leases")
}

impl Lease {
    /// Takes the lease of the board with this probe.
    pub(crate) fn take(
        folder: &Path,
        board: &str,
        rig: &str,
        serial: &str,
        clock: &dyn Clock,
    ) -> Result<Self, RigError> {
        Self::take_for(folder, board, rig, serial, clock, None)
    }

    /// The same, for a reason that is told to others.
    pub(crate) fn take_for(
        folder: &Path,
        board: &str,
        rig: &str,
        serial: &str,
        clock: &dyn Clock,
        reason: Option<String>,
    ) -> Result<Self, RigError> {
        let path = path(folder, serial);
        let error = |source| RigError::Lease {
            board: board.to_owned(),
            path: path.clone(),
            source,
        };
        if !folder.is_dir() {
            std::fs::create_dir_all(folder).map_err(error)?;
            share(folder, 0o1777);
        }
        let mut file = match open(&path, true) {
            // Another user's lease: it can be read and locked all the same.
            Err(denied) if denied.kind() == std::io::ErrorKind::PermissionDenied => {
                open(&path, false)
            }
            other => other,
        }
        .map_err(error)?;
        let mut locked = file.try_lock();
        for _ in 1..TRIES {
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            clock.sleep(BETWEEN_TRIES);
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who it is only helps the message: an unreadable file is "another process".
                let _ = file.read_to_string(&mut text);
                return Err(RigError::BoardInUse {
                    board: board.to_owned(),
                    holder: Box::new(serde_json::from_str(&text).unwrap_or_default()),
                });
            }
            Err(TryLockError::Error(source)) => return Err(error(source)),
        }
        let holder = Holder::this_process(format!("{rig}/{board}"), reason, clock);
        let text = serde_json::to_string(&holder).unwrap_or_default();
        // The lock is the lease; when the file belongs to another user, its text stays as it is.
        let _ = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(text.as_bytes()));
        Ok(Self(file))
    }

    /// Who holds the lease of the board with this probe, if anybody does. Looking takes a shared lock for a moment, which
    /// [`take`](Self::take) outlasts.
    pub(crate) fn holder(
        folder: &Path,
        board: &str,
        serial: &str,
    ) -> Result<Option<Holder>, RigError> {
        let path = path(folder, serial);
        let error = |source| RigError::Lease {
            board: board.to_owned(),
            path: path.clone(),
            source,
        };
        let mut file = match File::open(&path) {
            Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(error)?,
        };
        match file.try_lock_shared() {
            Ok(()) => {
                // What fails to be unlocked is unlocked by closing.
                let _ = file.unlock();
                Ok(None)
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                Ok(Some(serde_json::from_str(&text).unwrap_or_default()))
            }
            Err(TryLockError::Error(source)) => Err(error(source)),
        }
    }
}

/// The file of the lease of the board with this probe.
pub(crate) fn path(folder: &Path, serial: &str) -> PathBuf {
    folder.join(format!("{}.lease", file_name(serial)))
}

fn open(path: &Path, writable: bool) -> std::io::Result<File> {
    if !writable {
        return File::open(path);
    }
    let existed = path.exists();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    if !existed {
        share(path, 0o666);
    }
    Ok(file)
}

/// Lets other users of the host take part; without the right to do so they get a message instead.
fn share(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
}

/// A probe's serial number as a file name: other characters than letters, digits, `-` and `.` become `_`.
pub(crate) fn file_name(serial: &str) -> String {
    serial
        .chars()
        .map(|character| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' => character,
            _ => '_',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_clock::SimClock;

    fn take(folder: &Path, serial: &str) -> Result<Lease, RigError> {
        Lease::take(folder, "left", "bench", serial, &SimClock::new())
    }

    #[test]
    fn a_second_user_of_a_probe_is_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let _lease = take(folder.path(), "001050012345").unwrap();
        let error = take(folder.path(), "001050012345").unwrap_err();
        let RigError::BoardInUse { holder, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(holder.pid, Some(std::process::id()));
        assert_eq!(holder.rig.as_deref(), Some("bench/left"));
        assert_eq!(holder.since.as_deref(), Some("1970-01-01T00:00:00Z"));
    }

    #[test]
    fn a_lease_can_be_taken_again_after_it_was_given_back() {
        let folder = tempfile::tempdir().unwrap();
        drop(take(folder.path(), "1").unwrap());
        take(folder.path(), "1").unwrap();
    }

    #[test]
    fn leases_of_different_probes_do_not_exclude_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let _first = take(folder.path(), "1").unwrap();
        take(folder.path(), "2").unwrap();
    }

    #[test]
    fn a_serial_number_cannot_leave_the_folder() {
        assert_eq!(file_name("../127.0.0.1:3333"), ".._127.0.0.1_3333");
    }

    #[test]
    fn a_lease_file_with_nonsense_still_says_that_the_board_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let _lease = take(folder.path(), "1").unwrap();
        std::fs::write(folder.path().join("1.lease"), "nonsense").unwrap();
        let error = take(folder.path(), "1").unwrap_err();
        insta::assert_snapshot!(error, @"board `left` is in use by another process");
    }
}
