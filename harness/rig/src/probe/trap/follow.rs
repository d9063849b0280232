//! Following a boot from operation to operation, and holding each against what is known of it beforehand.
//!
//! An operation of the application core's flash costs one halt: the core is halted behind its last word, or at each page that
//! it erases, and in front of every other page that is erased meanwhile. So each operation is seen to be done, where it is
//! said to be, in its order, and no page is erased that nobody has foretold. What a word that nobody foretold leaves is for
//! whoever compares the flash at the end. Tasks of the external flash halt the core each, with place and length.

use super::route::Planned;
use super::watch::{Caught, Class, Edge, Halted, Memory, Missed, Watch};
use crate::core::Core;
use crate::error::RigError;
use crate::probe::ProbeSession;
use std::fmt;
use std::time::Duration;

/// How far a boot went as it was foretold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Followed {
    /// So many operations were seen, one after the other. Those of the network core are passed over and do not count.
    pub seen: usize,
    /// What came instead of the next one.
    pub strayed: Option<Strayed>,
}

/// The board did something else than was foretold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Strayed {
    /// Which operation should have come, by its number in the list.
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
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let halted = match self {
            Self::Missed(missed) => return missed.fmt(f),
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
    /// network core left out. It goes on by itself from the last of them, or from where it strays.
    ///
    /// # Errors
    /// Bench trouble, as [`Trap::arm`](super::Trap::arm) and [`Trap::next`](super::Trap::next). A board that does something
    /// else is none: [`Followed::strayed`] says so.
    pub fn follow(&self, operations: &[Planned], within: Duration) -> Result<Followed, RigError> {
        let clock = &self.config.clock;
        let deadline = clock.now() + within;
        let mut trap = self.trap(Core::App, Watch::Erases);
        trap.arm()?;
        let mut followed = Followed {
            seen: 0,
            strayed: None,
        };
        for (index, operation) in operations.iter().enumerate() {
            if operation.memory == Memory::Net {
                continue;
            }
            let mut erasing = false;
            for part in parts(operation) {
                trap.watch(part.watch())?;
                loop {
                    let left = deadline.saturating_since(clock.now());
                    let instead = match trap.next(left)? {
                        Caught::Missed(missed) => Instead::Missed(missed),
                        Caught::Halted(halted) => match part.judge(&halted, erasing) {
                            Judged::Done => break,
                            Judged::Begun => {
                                erasing = true;
                                continue;
                            }
                            Judged::Other => Instead::Halted(halted),
                        },
                    };
                    followed.strayed = Some(Strayed { index, instead });
                    // Dropped, the trap lets the core go on.
                    return Ok(followed);
                }
                erasing = false;
            }
            followed.seen += 1;
        }
        if followed.seen == 0 {
            trap.resume()?;
        }
        Ok(followed)
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
    /// A page is about to be erased, and it will be seen which.
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

    fn judge(self, halted: &Halted, erasing: bool) -> Judged {
        if self.memory == Memory::External {
            // A QSPI driver that cannot be asked says neither.
            let same = |found: Option<u32>, expected| found.is_none_or(|found| found == expected);
            let is_it = halted.class == Some(self.class)
                && same(halted.address, self.offset)
                && same(halted.length, self.length);
            return if is_it { Judged::Done } else { Judged::Other };
        }
        match (self.class, halted.class, halted.edge) {
            (Class::Erase, Some(Class::Erase), Edge::Before) if !erasing => Judged::Begun,
            (Class::Erase, Some(Class::Erase), Edge::After)
            | (Class::Write, Some(Class::Write), Edge::After) => Judged::Done,
            _ => Judged::Other,
        }
    }
}

/// Where the core halts in an operation: at each page, or task; of a write to its own flash at the last word.
fn parts(operation: &Planned) -> Vec<Part> {
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
            .erased_at_a_time()
            .map(|(offset, length)| part(offset, length))
            .collect(),
    }
}
