//! What debuggers do to the chip, and what becomes of it: written down where all probes meet, whatever they speak to the host.
//!
//! Two levels in one list. *Accesses* are what arrives at the debug port: its registers, those of the access ports, and memory, with the
//! address that a transfer through TAR and DRW or through an accelerated command has. They differ from probe to probe.
//! *Operations* are what an access or the program in RAM does to the chip: cores that are reset, halted or started, core registers that
//! are set, stores to registers, RAM, flash and UICR, erased pages, power, nRESET. They are the same for every way to the same end.
//!
//! What model firmware does to the chip by itself is in neither.
//!
//! Off until [`VirtualDk::start_debug_log`](crate::VirtualDk::start_debug_log), and then one look at an empty option for each access.

mod condense;
mod entry;
mod text;

pub(super) use entry::{Access, Operation};

use condense::Condenser;
use entry::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where entries go, if anywhere. All clones write the same log: the chip's, and that of its silicon while it is lent to a program.
#[derive(Clone, Debug)]
pub(crate) struct Recorder(Option<Arc<Mutex<Condenser>>>);

/// For what keeps no log.
pub(super) static OFF: Recorder = Recorder(None);

impl Recorder {
    pub(super) const fn off() -> Self {
        Self(None)
    }

    pub(super) fn on() -> Self {
        Self(Some(Arc::default()))
    }

    pub(super) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn access(&self, access: impl FnOnce() -> Access) {
        if let Some(log) = &self.0 {
            lock(log).access(access());
        }
    }

    pub(super) fn operation(&self, operation: impl FnOnce() -> Operation) {
        if let Some(log) = &self.0 {
            lock(log).operation(operation());
        }
    }

    /// What was written down since it is on.
    pub(super) fn log(&self) -> DebugLog {
        DebugLog(match &self.0 {
            Some(log) => lock(log).entries().to_vec(),
            None => Vec::new(),
        })
    }
}

fn lock(log: &Mutex<Condenser>) -> MutexGuard<'_, Condenser> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What debuggers have done to a board, condensed so that a person can compare two of them: a line for each operation and, indented, for
/// each access. Accesses and stores that follow each other in memory are one line, and so is what is done over and over until its
/// result changes, with the last result.
#[derive(Clone, Debug, Default)]
pub struct DebugLog(Vec<Entry>);

impl DebugLog {
    /// The operations alone, a line each: what must not depend on the probe.
    #[must_use]
    pub fn operations(&self) -> String {
        self.0
            .iter()
            .filter(|entry| matches!(entry, Entry::Operation(_)))
            .map(|entry| format!("{entry}\n"))
            .collect()
    }
}

impl fmt::Display for DebugLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}
