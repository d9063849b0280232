//! Brings what was written to disk while the run goes on.
//!
//! A disk takes milliseconds for that, and all boards of a run write one journal: if each waited for it at each step, they would
//! spend their time there. So one thread does it, once for all that was written meanwhile. What only a kill can take is safe
//! without it, as the system has the bytes when a write returns.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The thread. When this is dropped, it has brought everything to disk.
#[derive(Debug)]
pub(super) struct Syncing {
    /// None once it is told to end.
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Syncing {
    /// For this file, of which it has a handle of its own.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let failure = Arc::new(Mutex::new(None));
        // One who waits is enough: what comes meanwhile is on disk with it.
        let (wake, woken) = sync_channel(1);
        let told = Arc::clone(&failure);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                while woken.recv().is_ok() {
                    if let Err(error) = file.sync_data() {
                        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    }
                }
            })?;
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread),
            failure,
        })
    }

    /// Has all that was written until now brought to disk soon.
    ///
    /// # Errors
    /// The disk did not take what came before.
    pub(super) fn soon(&self) -> io::Result<()> {
        self.failed()?;
        match self.wake.as_ref().map(|wake| wake.try_send(())) {
            Some(Err(TrySendError::Disconnected(()))) | None => {
                Err(io::Error::other("the thread that syncs it has ended"))
            }
            Some(Ok(()) | Err(TrySendError::Full(()))) => Ok(()),
        }
    }

    fn failed(&self) -> io::Result<()> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take().map_or(Ok(()), Err)
    }

    /// Waits until all that was asked for is on disk.
    fn end(&mut self) -> io::Result<()> {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        self.failed()
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        // The last event of a run is brought to disk by who writes it.
        drop(self.end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;

    #[test]
    fn a_disk_that_takes_it_is_no_trouble() {
        let mut syncing = Syncing::of(&tempfile::tempfile().unwrap()).unwrap();
        for _ in 0..3 {
            syncing.soon().unwrap();
        }
        syncing.end().unwrap();
    }

    #[test]
    fn what_cannot_be_brought_to_disk_is_told() {
        // Nothing brings a pipe to disk.
        let (_reader, writer) = io::pipe().unwrap();
        let mut syncing = Syncing::of(&File::from(OwnedFd::from(writer))).unwrap();
        syncing.soon().unwrap();
        syncing.end().unwrap_err();
    }
}
