//! A rig that is open: its boards can be used until it is dropped.

mod board;
mod lasting;
mod opening;
mod options;
mod radios;
mod started;

pub use board::Board;
pub(crate) use lasting::health_file;
pub use options::{BoardsInUse, RigOptions, WaitListener, Waiting};

use crate::error::RigError;
use crate::file::{BoardSpec, RigFile};
use crate::taking::leases;
use hil_ble::BleWorker;
use opening::Opening;
use std::cell::RefCell;
use std::sync::Arc;

/// A rig that is open. Dropping it stops virtual boards and gives the leases of real ones back.
#[derive(Debug)]
pub struct Rig {
    name: String,
    boards: Vec<Board>,
    /// Boards that somebody else uses, by name, and by whom.
    away: Vec<(String, RigError)>,
}

impl Rig {
    /// Takes the leases of the real boards and starts the virtual ones. No probe is opened yet.
    ///
    /// # Errors
    /// When another process uses a board, or a virtual board cannot be started. What was started until then is
    /// stopped.
    pub fn open(file: &RigFile, options: &RigOptions) -> Result<Self, RigError> {
        let until = (options.waiting.as_ref()).map(|waiting| options.clock.now() + waiting.within);
        // All boards on the host's own bus share a worker. It starts when one of them is first connected.
        let host = Arc::new(BleWorker::new(
            options.bluetooth.clone(),
            file.bluetooth.bus.clone(),
            options.clock.clone(),
        ));
        let (leases, away) = leases(file, options, until)?;
        let opening = Opening {
            file,
            options,
            host,
            leases: RefCell::new(leases),
            places: RefCell::default(),
        };
        *opening.places.borrow_mut() = opening.acquire(until)?;
        let mut boards = Vec::new();
        let is_here = |spec: &&BoardSpec| away.iter().all(|(board, _)| *board != spec.name);
        for spec in file.boards.iter().filter(is_here) {
            opening.board(spec, &mut boards)?;
        }
        Ok(Self {
            name: file.name.clone(),
            boards,
            away,
        })
    }

    /// The rig's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its boards, in the order of the file.
    #[must_use]
    pub fn boards(&self) -> &[Board] {
        &self.boards
    }

    /// The boards that it was opened without, by name, and who uses them.
    #[must_use]
    pub fn take_away(&mut self) -> Vec<(String, RigError)> {
        std::mem::take(&mut self.away)
    }

    /// Its boards, for threads that take one each. They keep what they need alive.
    #[must_use]
    pub fn into_boards(self) -> Vec<Board> {
        self.boards
    }

    /// The board of this name.
    ///
    /// # Errors
    /// [`RigError::NoSuchBoard`] with the names that exist.
    pub fn board(&self, name: &str) -> Result<&Board, RigError> {
        self.boards
            .iter()
            .find(|board| board.name == name)
            .ok_or_else(|| RigError::NoSuchBoard {
                rig: self.name.clone(),
                board: name.to_owned(),
                known: self
                    .boards
                    .iter()
                    .map(|board| format!("`{}`", board.name))
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }
}
