//! Following a boot from operation to operation, and holding each against what is known of it beforehand.
//!
//! An operation of the application core's flash costs one halt: the core is halted behind its last word, or at each page that
//! it erases, and in front of every other page that is erased meanwhile. So each operation is seen to be done where it is
//! said to be, and no page is erased that nobody has foretold. What is done too early is found in flash when its turn comes:
//! a bootloader that does the same things in another order is followed, and the order is told. What a word that nobody
//! foretold leaves is for whoever compares the flash at the end. Tasks of the external flash halt the core each, with place
//! and length.

use super::Trap;
use super::route::Planned;
use super::watch::{Caught, Class, Edge, Halted, Memory, Missed, Watch};
use crate::core::Core;
use crate::error::RigError;
use crate::probe::ProbeSession;
use crate::silicon::Silicon;
use hil_clock::SharedClock;
use std::fmt;
use std::time::Duration;

/// How far a boot went as it was foretold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Followed {
    /// So many operations were seen, one after the other. Those of the network core are passed over and do not count.
    pub seen: usize,
    /// How many of these were done before their turn.
    pub early: usize,
    /// What came instead of the next one.
    pub strayed: Option<Strayed>,
}

/// The board did something else than was foretold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Strayed {
    /// Which operation should have come, by its number in the list; their count, when there was one too many.
    pub index: usize,
    /// What came instead.
    pub instead: Instead,
}

/// What came in the place of an operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Instead {
    /// The core stands at another one.
    Halted(Halted),
    /// Nothing did, until the time was over.
    Missed(Missed),
    /// All came, and so many pages were erased that are in none of them.
    Erased(u32),
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let halted = match self {
            Self::Missed(missed) => return missed.fmt(f),
            Self::Erased(pages) => {
                return write!(f, "it erased {pages} pages more than are foretold");
            }
            Self::Halted(halted) => halted,
        };
        match (halted.class, halted.edge) {
            (Some(Class::Erase), Edge::Before) => f.write_str("it erases another page")?,
            (Some(Class::Erase), Edge::After) => f.write_str("it erases")?,
            (Some(Class::Write), _) => f.write_str("it writes")?,
            (None, _) => f.write_str("it does something else")?,
        }
        if let Some(address) = halted.address {
            write!(f, " at {address:#010x}")?;
        }
        if let Some(length) = halted.length {
            write!(f, " {length} bytes")?;
        }
        Ok(())
    }
}

impl ProbeSession {
    /// Lets a board start whose application core stands at its reset vector, and sees it do these operations, those of the
    /// network core left out, each within this time of the one before. It goes on by itself from the last of them, or from where
    /// it strays. `is_done` says of an
    /// operation whose turn comes, by its number in the list, whether flash shows that it was done already; the core stands
    /// meanwhile.
    ///
    /// # Errors
    /// Bench trouble, as [`Trap::arm`] and [`Trap::next`], and what `is_done` says. A board that does something else is none:
    /// [`Followed::strayed`] says so.
    pub fn follow(
        &self,
        operations: &[Planned],
        within: Duration,
        mut is_done: impl FnMut(&Self, usize) -> Result<bool, RigError>,
    ) -> Result<Followed, RigError> {
        let mut trap = self.trap(Core::App, Watch::Erases);
        trap.arm()?;
        let mut following = Following {
            silicon: self.config.silicon,
            within,
            clock: self.config.clock.clone(),
            begun: false,
            unforetold: 0,
            tasks: Vec::new(),
        };
        let mut followed = Followed {
            seen: 0,
            early: 0,
            strayed: None,
        };
        let of_app = |operation: &&Planned| operation.memory != Memory::Net;
        for (index, operation) in operations.iter().enumerate() {
            if !of_app(&operation) {
                continue;
            }
            if followed.seen > 0 && is_done(self, index)? {
                followed.early += 1;
                following.was_early(operation);
            } else if let Some(instead) = following.see(&mut trap, operation)? {
                followed.strayed = Some(Strayed { index, instead });
                // Dropped, the trap lets the core go on.
                return Ok(followed);
            }
            followed.seen += 1;
        }
        if let Ok(pages @ 1..) = u32::try_from(following.unforetold) {
            followed.strayed = Some(Strayed {
                index: operations.len(),
                instead: Instead::Erased(pages),
            });
        }
        if let Some(task) = following.tasks.into_iter().next() {
            followed.strayed = Some(Strayed {
                index: operations.len(),
                instead: Instead::Halted(task),
            });
        }
        if followed.seen == 0 {
            trap.resume()?;
        }
        Ok(followed)
    }
}

/// A boot on its way through its operations.
struct Following {
    silicon: Silicon,
    clock: SharedClock,
    /// How long an operation may be in coming. None for all of them: a core that halts at each is as slow as its probe and the
    /// host, and there are as many as the list has.
    within: Duration,
    /// The core is about to erase a page, or has just done so, and it was not seen which.
    begun: bool,
    /// Pages that were erased when none was foretold, less those that were erased before their turn.
    unforetold: i64,
    /// Tasks of the external flash that came while another one was waited for.
    tasks: Vec<Halted>,
}

/// The longest between two halts (ours): MCUboot checks images and their signatures before it changes anything.
const QUIET: Duration = Duration::from_secs(30);

impl Following {
    /// The operation was done before its turn: what came unforetold was this.
    fn was_early(&mut self, operation: &Planned) {
        let parts = parts(self.silicon, operation);
        if operation.memory == Memory::External {
            for part in parts {
                let is_it = |task: &Halted| {
                    task.address == Some(part.offset) && task.class == Some(part.class)
                };
                if let Some(index) = self.tasks.iter().position(is_it) {
                    self.tasks.remove(index);
                }
            }
        } else if operation.class == Class::Erase {
            self.unforetold -= parts.len() as i64;
        }
    }

    /// Waits until this operation is done; what came instead, when that is clear.
    fn see(
        &mut self,
        trap: &mut Trap<'_>,
        operation: &Planned,
    ) -> Result<Option<Instead>, RigError> {
        let deadline = self.clock.now() + self.within;
        for part in parts(self.silicon, operation) {
            trap.watch(part.watch())?;
            loop {
                let left = deadline.saturating_since(self.clock.now());
                let halted = match trap.next(left.min(QUIET))? {
                    Caught::Missed(missed) => return Ok(Some(Instead::Missed(missed))),
                    Caught::Halted(halted) => halted,
                };
                match part.judge(&halted) {
                    Judged::Done => break,
                    Judged::Begun => {
                        // The page before it was none that was waited for.
                        self.unforetold += i64::from(self.begun);
                        self.begun = true;
                    }
                    Judged::Other if part.memory == Memory::External => {
                        self.tasks.push(halted);
                    }
                    Judged::Other => return Ok(Some(Instead::Halted(halted))),
                }
            }
            let was_this = part.class == Class::Erase;
            self.unforetold += i64::from(self.begun && !was_this);
            self.begun = false;
        }
        Ok(None)
    }
}

/// A part of an operation at which the core halts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Part {
    memory: Memory,
    class: Class,
    /// From the start of the memory.
    offset: u32,
    length: u32,
}

/// What a halt is to a part that is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Judged {
    /// It is done.
    Done,
    /// A page is about to be erased; whether it is this one is seen when it is.
    Begun,
    /// Something else.
    Other,
}

impl Part {
    fn watch(self) -> Watch {
        match self.memory {
            Memory::External => Watch::ExternalTasks,
            Memory::App | Memory::Net => Watch::StoreOrErase(Core::App.flash().start + self.offset),
        }
    }

    fn judge(self, halted: &Halted) -> Judged {
        if self.memory == Memory::External {
            // A QSPI driver that cannot be asked says neither.
            let same = |found: Option<u32>, expected| found.is_none_or(|found| found == expected);
            let is_it = halted.class == Some(self.class)
                && same(halted.address, self.offset)
                && same(halted.length, self.length);
            return if is_it { Judged::Done } else { Judged::Other };
        }
        match (halted.class, halted.edge) {
            (Some(Class::Erase), Edge::Before) => Judged::Begun,
            (Some(class), Edge::After) if class == self.class => Judged::Done,
            _ => Judged::Other,
        }
    }
}

/// Where the core halts in an operation: at each page, or task; of a write to its own flash at the last word.
fn parts(silicon: Silicon, operation: &Planned) -> Vec<Part> {
    let part = |offset, length| Part {
        memory: operation.memory,
        class: operation.class,
        offset,
        length,
    };
    if operation.length == 0 {
        return Vec::new();
    }
    match (operation.memory, operation.class) {
        (Memory::External, Class::Write) => vec![part(operation.offset, operation.length)],
        (_, Class::Write) => {
            vec![part(
                operation.offset + operation.length.saturating_sub(4),
                4,
            )]
        }
        (_, Class::Erase) => operation
            .erased_at_a_time(silicon)
            .map(|(offset, length)| part(offset, length))
            .collect(),
    }
}
