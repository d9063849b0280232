//! A board's radio: who it is on the air, through which adapter it is reached, and whose turn it is there.
//!
//! Bluetooth itself is used in a worker process for each bus (`hil-ble`), which is started when a board is first connected.
//! A controller holds only so many connections; where the rig file says how many, each of them is a lease
//! ([`Radio::reserve`]), among the boards of this rig as among all processes of the host.

use crate::error::RigError;
use crate::lease::Lease;
use hil_ble::{AdapterId, BleLink, BleWorker, DeviceId, Peer};
use hil_clock::{Instant, SharedClock};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often a board that waits for its turn looks for a free connection.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How a board is reached with Bluetooth.
#[derive(Debug)]
pub struct Radio {
    pub(crate) board: String,
    pub(crate) rig: String,
    pub(crate) worker: Arc<BleWorker>,
    pub(crate) adapter: AdapterId,
    pub(crate) device: DeviceId,
    /// Other adapters of the rig on the same bus.
    pub(crate) others: Vec<AdapterId>,
    pub(crate) seats: Option<Seats>,
    pub(crate) clock: SharedClock,
}

/// The connections that an adapter can hold.
#[derive(Clone, Debug)]
pub(crate) struct Seats {
    /// Where leases are.
    pub(crate) folder: Arc<SeatFolder>,
    /// What the adapter's leases are called.
    pub(crate) key: String,
    /// How many.
    pub(crate) count: usize,
}

/// Where leases of connections are.
#[derive(Debug)]
pub(crate) enum SeatFolder {
    /// With those of probes: the adapter is the host's.
    Host(PathBuf),
    /// Apart, as nobody else can use the adapters of these virtual boards. Goes with the last of them.
    Own(PathBuf),
}

impl SeatFolder {
    fn path(&self) -> &Path {
        match self {
            Self::Host(path) | Self::Own(path) => path,
        }
    }
}

impl Drop for SeatFolder {
    fn drop(&mut self) {
        if let Self::Own(path) = self {
            // It is only there when a connection was ever waited for.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// The right to one connection of an adapter; given back when dropped.
#[derive(Debug)]
#[must_use]
pub struct Seat {
    _lease: Option<Lease>,
}

impl Radio {
    /// The link to the board, not connected yet.
    #[must_use]
    pub fn link(&self) -> BleLink {
        self.link_through(self.adapter.clone())
    }

    /// A link to the board through another adapter, as a second phone would have; `None` where the rig has only one.
    #[must_use]
    pub fn second_link(&self) -> Option<BleLink> {
        self.others
            .first()
            .cloned()
            .map(|adapter| self.link_through(adapter))
    }

    fn link_through(&self, adapter: AdapterId) -> BleLink {
        let peer = Peer {
            adapter,
            device: self.device.clone(),
        };
        BleLink::new(Arc::clone(&self.worker), peer)
    }

    /// Waits until the adapter can hold one more connection. `go_on` is asked now and then.
    ///
    /// # Errors
    ///
    /// When `deadline` passes, `go_on` breaks it off, or the lease files cannot be used.
    pub fn reserve(
        &self,
        deadline: Instant,
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Seat, RigError> {
        let Some(seats) = &self.seats else {
            return Ok(Seat { _lease: None });
        };
        loop {
            let mut holders = Vec::new();
            for number in 1..=seats.count {
                let name = format!("{}-{number}", seats.key);
                match Lease::take(
                    seats.folder.path(),
                    &self.board,
                    &self.rig,
                    &name,
                    &*self.clock,
                ) {
                    Ok(lease) => {
                        return Ok(Seat {
                            _lease: Some(lease),
                        });
                    }
                    Err(RigError::BoardInUse { holder, .. }) => holders.push(holder),
                    Err(error) => return Err(error),
                }
            }
            if self.clock.now() >= deadline || go_on().is_break() {
                return Err(RigError::AdapterFull {
                    board: self.board.clone(),
                    adapter: self.adapter.to_string(),
                    connections: seats.count,
                    holders: holders
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join(", "),
                });
            }
            self.clock
                .sleep_until(deadline.min(self.clock.now() + LOOK_EVERY));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_ble::WorkerLauncher;
    use hil_clock::SimClock;

    fn radio(board: &str, folder: &Path, count: usize) -> Radio {
        let clock: SharedClock = Arc::new(SimClock::new());
        let launcher = WorkerLauncher::new("/nonexistent/dfu-hil");
        Radio {
            board: board.to_owned(),
            rig: "bench".to_owned(),
            worker: Arc::new(BleWorker::new(launcher, None, clock.clone())),
            adapter: AdapterId::from("hci0"),
            device: DeviceId::Name(board.to_owned()),
            others: Vec::new(),
            seats: Some(Seats {
                folder: Arc::new(SeatFolder::Host(folder.to_owned())),
                key: "bluetooth-hci0".to_owned(),
                count,
            }),
            clock,
        }
    }

    fn at_once(radio: &Radio) -> Result<Seat, RigError> {
        radio.reserve(Instant::START, &mut || ControlFlow::Continue(()))
    }

    #[test]
    fn an_adapter_holds_as_many_connections_as_its_rig_file_says() {
        let folder = tempfile::tempdir().unwrap();
        let left = at_once(&radio("left", folder.path(), 2)).unwrap();
        let _right = at_once(&radio("right", folder.path(), 2)).unwrap();
        let third = radio("third", folder.path(), 2);
        let error = at_once(&third).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("adapter `hci0` holds all the connections that it can (2), none is left for board `third`: process "),
            "{text}"
        );
        assert!(text.contains("`bench/right`"), "{text}");
        drop(left);
        drop(at_once(&third).unwrap());
    }

    #[test]
    fn leases_of_adapters_that_are_not_the_hosts_go_with_the_last_board() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        let seats = Arc::new(SeatFolder::Own(own.clone()));
        let boards = ["left", "right"].map(|board| {
            let mut radio = radio(board, folder.path(), 2);
            if let Some(known) = &mut radio.seats {
                known.folder = Arc::clone(&seats);
            }
            radio
        });
        drop(seats);
        drop(at_once(&boards[0]).unwrap());
        let [left, right] = boards;
        drop(left);
        assert!(own.is_dir());
        drop(right);
        assert!(!own.exists());
    }

    #[test]
    fn a_board_waits_for_its_turn_until_its_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let first = radio("first", folder.path(), 1);
        let mut held = Some(at_once(&first).unwrap());
        let second = radio("second", folder.path(), 1);
        let deadline = Instant::START + Duration::from_secs(60);
        let clock = second.clock.clone();
        let _seat = second
            .reserve(deadline, &mut || {
                if clock.now() > Instant::START + Duration::from_secs(30) {
                    held = None;
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(clock.now() < deadline);
    }

    #[test]
    fn a_board_that_is_told_to_stop_waits_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let first = radio("first", folder.path(), 1);
        let _held = at_once(&first).unwrap();
        let deadline = Instant::START + Duration::from_secs(60);
        let error = radio("second", folder.path(), 1)
            .reserve(deadline, &mut || ControlFlow::Break(()))
            .unwrap_err();
        assert!(matches!(error, RigError::AdapterFull { .. }), "{error}");
    }
}
