//! Who comes first when several runs wait for the same boards.
//!
//! A run that wants boards draws a ticket: a file that it keeps locked, beside the leases, with what it wants and since when. It
//! takes the boards when all of them are free and nobody who wants one of them is before it. The locks on the leases stay the
//! truth; a ticket only says who may try. A process that ends takes its ticket with it, as its lock is gone then.
//!
//! Classes have patience of different length: a ticket is due when it was drawn, plus that; who is due first comes first. So a
//! sign-off overtakes a night's run that has just been queued, and nobody waits for ever: what comes later than
//! somebody's due time never overtakes him.

use super::{Holder, share};
use hil_clock::Clock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What a run is for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueClass {
    /// A release waits for it.
    SignOff,
    /// Somebody at a desk does.
    #[default]
    Developer,
    /// Nobody does.
    Nightly,
}

impl QueueClass {
    /// How long others may overtake it. We chose it: a developer lets a sign-off go first for a quarter of an hour, a night's
    /// run lets everybody go first for the length of an evening.
    #[must_use]
    pub const fn patience(self) -> Duration {
        match self {
            Self::SignOff => Duration::ZERO,
            Self::Developer => Duration::from_secs(15 * 60),
            Self::Nightly => Duration::from_secs(4 * 60 * 60),
        }
    }
}

impl FromStr for QueueClass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "sign-off" => Ok(Self::SignOff),
            "developer" => Ok(Self::Developer),
            "nightly" => Ok(Self::Nightly),
            other => Err(format!(
                "`{other}` is no class; there are sign-off, developer and nightly"
            )),
        }
    }
}

/// Who waits for what.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Entry {
    holder: Holder,
    class: QueueClass,
    drawn: Timestamp,
    /// Serial numbers of the probes of the boards that it wants.
    wants: Vec<String>,
}

impl Entry {
    /// When it comes before everybody who draws a ticket later.
    fn due(&self) -> Timestamp {
        self.drawn
            .checked_add(self.class.patience())
            .unwrap_or(Timestamp::MAX)
    }

    /// Whether this one comes first. Names of tickets make it a total order.
    fn is_before(&self, name: &str, other: &Self, others_name: &str) -> bool {
        (self.due(), self.drawn, name) < (other.due(), other.drawn, others_name)
    }

    /// The first board that both want, by the serial number of its probe.
    fn shared_with(&self, other: &Self) -> Option<&str> {
        let mut wants = self.wants.iter();
        wants
            .find(|want| other.wants.contains(want))
            .map(String::as_str)
    }

    fn wants_some_of(&self, other: &Self) -> bool {
        self.shared_with(other).is_some()
    }
}

/// A place in the queue, given up when dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    folder: PathBuf,
    name: String,
    entry: Entry,
    _lock: File,
}

/// Tickets drawn by this process.
static DRAWN: AtomicU32 = AtomicU32::new(0);

impl Ticket {
    /// Draws a ticket for the boards with these probes, in the queue of a folder of leases.
    pub(crate) fn draw(
        leases: &Path,
        class: QueueClass,
        holder: Holder,
        wants: Vec<String>,
        clock: &dyn Clock,
    ) -> io::Result<Self> {
        let folder = leases.join("queue");
        if !folder.is_dir() {
            std::fs::create_dir_all(&folder)?;
            share(leases, 0o1777);
            share(&folder, 0o1777);
        }
        let number = DRAWN.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}.ticket", std::process::id());
        let entry = Entry {
            holder,
            class,
            drawn: clock.wall().try_into().unwrap_or(Timestamp::UNIX_EPOCH),
            wants,
        };
        // Nobody sees it before it is locked and whole.
        let beside = folder.join(format!("{name}.new"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&beside)?;
        file.try_lock()?;
        file.write_all(&serde_json::to_vec(&entry)?)?;
        share(&beside, 0o666);
        std::fs::rename(&beside, folder.join(&name))?;
        Ok(Self {
            folder,
            name,
            entry,
            _lock: file,
        })
    }

    /// Who wants one of the same boards and comes first, if somebody does, with the serial number of that board's probe. Tickets
    /// of processes that have ended are thrown away.
    pub(crate) fn behind(&self) -> io::Result<Option<(Holder, String)>> {
        let mut first: Option<(String, Entry)> = None;
        for other in std::fs::read_dir(&self.folder)?.flatten() {
            let name = other.file_name().to_string_lossy().into_owned();
            if !name.ends_with(".ticket") || name == self.name {
                continue;
            }
            let Some(entry) = waiting(&other.path()) else {
                continue;
            };
            if entry.wants_some_of(&self.entry)
                && entry.is_before(&name, &self.entry, &self.name)
                && first
                    .as_ref()
                    .is_none_or(|(known, best)| entry.is_before(&name, best, known))
            {
                first = Some((name, entry));
            }
        }
        Ok(first.and_then(|(_, entry)| {
            let board = self.entry.shared_with(&entry)?.to_owned();
            Some((entry.holder, board))
        }))
    }
}

/// Who holds a ticket; nobody does when its process has ended, or it was given up just now.
fn waiting(path: &Path) -> Option<Entry> {
    let file = File::open(path).ok()?;
    match file.try_lock_shared() {
        Ok(()) => {
            // Its owner has it locked for as long as it lives.
            drop(std::fs::remove_file(path));
            None
        }
        Err(TryLockError::WouldBlock) => serde_json::from_reader(file).ok(),
        Err(TryLockError::Error(_)) => None,
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // What stays behind is thrown away by the next one who looks.
        drop(std::fs::remove_file(self.folder.join(&self.name)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_clock::SimClock;
    use proptest::prelude::*;

    fn named(rig: &str) -> Holder {
        Holder {
            rig: Some(rig.to_owned()),
            ..Holder::default()
        }
    }

    fn draw(
        folder: &Path,
        class: QueueClass,
        rig: &str,
        wants: &[&str],
        clock: &SimClock,
    ) -> Ticket {
        let wants = wants.iter().map(|&want| want.to_owned()).collect();
        Ticket::draw(folder, class, named(rig), wants, clock).unwrap()
    }

    fn first(ticket: &Ticket) -> Option<String> {
        let (holder, _) = ticket.behind().unwrap()?;
        holder.rig
    }

    #[test]
    fn who_waits_for_other_boards_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let clock = SimClock::new();
        let _left = draw(
            folder.path(),
            QueueClass::Developer,
            "left",
            &["1", "2"],
            &clock,
        );
        let right = draw(
            folder.path(),
            QueueClass::Developer,
            "right",
            &["3"],
            &clock,
        );
        assert_eq!(first(&right), None);
        let both = draw(
            folder.path(),
            QueueClass::Nightly,
            "both",
            &["2", "3"],
            &clock,
        );
        assert_eq!(first(&both).as_deref(), Some("left"));
        let (_, board) = both.behind().unwrap().unwrap();
        assert_eq!(board, "2", "the one that both want");
    }

    #[test]
    fn a_sign_off_overtakes_a_developer_who_has_not_waited_long_and_none_who_has() {
        let folder = tempfile::tempdir().unwrap();
        let clock = SimClock::new();
        let developer = draw(
            folder.path(),
            QueueClass::Developer,
            "developer",
            &["1"],
            &clock,
        );
        clock.advance(Duration::from_secs(60));
        let early = draw(folder.path(), QueueClass::SignOff, "early", &["1"], &clock);
        assert_eq!(first(&developer).as_deref(), Some("early"));
        drop(early);
        clock.advance(QueueClass::Developer.patience());
        let late = draw(folder.path(), QueueClass::SignOff, "late", &["1"], &clock);
        assert_eq!(first(&developer), None);
        assert_eq!(first(&late).as_deref(), Some("developer"));
    }

    #[test]
    fn the_ticket_of_a_process_that_has_ended_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let clock = SimClock::new();
        let dead = draw(folder.path(), QueueClass::SignOff, "dead", &["1"], &clock);
        let path = folder.path().join("queue").join(&dead.name);
        let text = std::fs::read(&path).unwrap();
        drop(dead);
        std::fs::write(&path, text).unwrap();
        let alive = draw(folder.path(), QueueClass::Nightly, "alive", &["1"], &clock);
        assert_eq!(first(&alive), None);
        assert!(!path.exists());
    }

    fn class() -> impl Strategy<Value = QueueClass> {
        prop_oneof![
            Just(QueueClass::SignOff),
            Just(QueueClass::Developer),
            Just(QueueClass::Nightly)
        ]
    }

    proptest! {
        /// A rack of boards that are used for some time each. However many come: everybody has his turn, no two use a board at
        /// once, within a class it goes by who came first, and nobody is overtaken by who came when he was due.
        #[test]
        fn nobody_starves(
            runs in prop::collection::vec((class(), 0u64..36_000, 1u64..7_200, 1u8..8), 1..24),
        ) {
            let entries: Vec<(String, Entry, u64)> = runs
                .iter()
                .enumerate()
                .map(|(number, &(class, drawn, takes, boards))| {
                    let wants = (0..3).filter(|bit| boards >> bit & 1 == 1).map(|bit| bit.to_string());
                    let entry = Entry {
                        holder: Holder::default(),
                        class,
                        drawn: Timestamp::from_second(drawn as i64).unwrap(),
                        wants: wants.collect(),
                    };
                    (format!("{number:02}"), entry, takes)
                })
                .collect();
            let mut waits: Vec<usize> = (0..entries.len()).collect();
            // When each began and when it will have ended.
            let mut began: Vec<Option<(u64, u64)>> = vec![None; entries.len()];
            let mut now = 0;
            while !waits.is_empty() {
                let at = Timestamp::from_second(now as i64).unwrap();
                let there: Vec<usize> =
                    waits.iter().copied().filter(|&one| entries[one].1.drawn <= at).collect();
                for &one in &there {
                    let (name, entry, takes) = &entries[one];
                    let busy = began.iter().enumerate().any(|(other, times)| {
                        times.is_some_and(|(_, end)| end > now)
                            && entries[other].1.wants_some_of(entry)
                    });
                    let behind = waits.iter().filter(|&&other| other != one).any(|&other| {
                        let (others_name, other, _) = &entries[other];
                        other.drawn <= at
                            && other.wants_some_of(entry)
                            && other.is_before(others_name, entry, name)
                    });
                    if !busy && !behind {
                        began[one] = Some((now, now + takes));
                        waits.retain(|&waiting| waiting != one);
                    }
                }
                // On to the next thing that happens: a run ends, or somebody comes.
                let ends = began.iter().flatten().map(|&(_, end)| end);
                let comes = waits.iter().map(|&one| entries[one].1.drawn.as_second() as u64);
                let next = ends.chain(comes).filter(|&moment| moment > now).min();
                prop_assert!(next.is_some() || waits.is_empty(), "{waits:?} never have their turn");
                now = next.unwrap_or(now);
            }
            for (one, (_, first, _)) in entries.iter().enumerate() {
                for (other, (_, second, _)) in entries.iter().enumerate() {
                    let (Some(mine), Some(theirs)) = (began[one], began[other]) else {
                        continue;
                    };
                    if one == other || !first.wants_some_of(second) {
                        continue;
                    }
                    prop_assert!(mine.1 <= theirs.0 || theirs.1 <= mine.0, "both at once");
                    if first.class == second.class && first.drawn < second.drawn {
                        prop_assert!(mine.0 < theirs.0, "{second:?} overtook {first:?}");
                    }
                    if second.drawn > first.due() {
                        prop_assert!(mine.0 < theirs.0, "{second:?} overtook {first:?} when it was due");
                    }
                }
            }
        }
    }
}
