//! Opening a rig: each entry of the file becomes boards, by what it takes for its kind. A lease for one on the bench, its place as well
//! for one in a laboratory, a process for virtual ones.

use super::board::{Acquired, Backing, Board, Standing};
use super::lasting;
use super::started::as_real;
use crate::bluetooth::SeatFolder;
use crate::error::RigError;
use crate::file::{BoardKind, BoardSpec, RealSpec, RigFile, WearSpec};
use crate::inventory::System;
use crate::labgrid::{self, Acquiring, HeldPlace};
use crate::launcher::{Offer, VirtualProcess};
use crate::lease::{self, Lease};
use crate::rig::RigOptions;
use hil_ble::{BleWorker, DeviceId};
use hil_clock::Instant;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A rig that is being opened.
pub(super) struct Opening<'a> {
    pub(super) file: &'a RigFile,
    pub(super) options: &'a RigOptions,
    /// The worker for the host's own Bluetooth.
    pub(super) host: Arc<BleWorker>,
    // In front of the leases: a place is released before somebody else here may want it.
    /// Of the boards in laboratories, by name, until the boards have them.
    pub(super) places: RefCell<BTreeMap<String, Arc<HeldPlace>>>,
    /// Of the boards on the bench, by name, until the boards have them.
    pub(super) leases: RefCell<BTreeMap<String, Lease>>,
}

impl Opening<'_> {
    pub(super) fn board(&self, spec: &BoardSpec, boards: &mut Vec<Board>) -> Result<(), RigError> {
        match &spec.kind {
            BoardKind::Real(real) => {
                let lease = self.lease(&spec.name)?;
                boards.push(self.standing_board(spec, real, Backing::Leased(lease)));
            }
            BoardKind::Labgrid(labgrid) => {
                let lease = self.lease(&spec.name)?;
                let place = self.places.borrow_mut().remove(&spec.name);
                let place = place.ok_or_else(|| RigError::BadRequest {
                    board: spec.name.clone(),
                    what: "its place was not acquired".to_owned(),
                })?;
                let (real, uarts) = place.board(labgrid, &System::default())?;
                // Its probe may be in another rig file, by its serial number.
                let of_probe = Lease::take(
                    &self.lease_folder(),
                    &spec.name,
                    &self.file.name,
                    real.probe.selector.serial(),
                    &*self.options.clock,
                )?;
                let acquired = Acquired {
                    place,
                    uarts,
                    leases: [of_probe, lease],
                };
                let backing = Backing::Acquired(Box::new(acquired));
                boards.push(self.standing_board(spec, &real, backing));
            }
            BoardKind::Virtual(simulated) => {
                let (
                    process,
                    Offer {
                        boards: offered,
                        radio,
                    },
                ) = VirtualProcess::start(
                    &self.options.launcher,
                    &spec.name,
                    simulated,
                    &self.file.bluetooth,
                    spec.external_flash,
                    &self.options.clock,
                )?;
                let process = Arc::new(process);
                let worker = radio.as_ref().map(|radio| {
                    Arc::new(BleWorker::new(
                        self.options.bluetooth.clone(),
                        Some(radio.bus.clone()),
                        self.options.clock.clone(),
                    ))
                });
                let adapters = radio.map(|radio| radio.adapters).unwrap_or_default();
                // Nobody else can use these adapters, but others have adapters of the same name.
                let own = format!("bluetooth-{}-{}", std::process::id(), spec.name);
                let folder = Arc::new(SeatFolder::Own(self.lease_folder().join(own)));
                for (index, endpoints) in offered.into_iter().enumerate() {
                    let name = match simulated.count {
                        1 => spec.name.clone(),
                        _ => format!("{}-{}", spec.name, index + 1),
                    };
                    let address = endpoints.ble.as_ref().map(|ble| ble.address);
                    // The boards take the adapters in turn.
                    let adapter = adapters.get(index % adapters.len().max(1));
                    let radio = match (&worker, address, adapter) {
                        (Some(worker), Some(address), Some(adapter)) => Some(self.virtual_radio(
                            &name,
                            worker,
                            DeviceId::Address(address),
                            adapter,
                            &adapters,
                            &folder,
                        )),
                        _ => None,
                    };
                    let real = as_real(&name, endpoints, simulated)?;
                    boards.push(Board::new(
                        name,
                        spec,
                        &real,
                        radio,
                        self.options,
                        Backing::Started(Arc::clone(&process)),
                        // Its health is new with each run.
                        Standing {
                            wear: self.wear(self.file.wear.ledger.clone()),
                            health: None,
                            quarantine: self.file.quarantine.clone(),
                        },
                    ));
                }
            }
        }
        Ok(())
    }

    /// Acquires the places of all boards that have one.
    pub(super) fn acquire(
        &self,
        until: Option<Instant>,
    ) -> Result<BTreeMap<String, Arc<HeldPlace>>, RigError> {
        let mut wanted = Vec::new();
        // Not those that the rig goes without.
        let leased = |spec: &&BoardSpec| self.leases.borrow().contains_key(&spec.name);
        for spec in self.file.boards.iter().filter(leased) {
            if let (BoardKind::Labgrid(labgrid), Some(key)) = (&spec.kind, spec.kind.key()) {
                wanted.push((spec.name.as_str(), key, &**labgrid));
            }
        }
        let acquiring = Acquiring {
            clock: &self.options.clock,
            ledger: lasting::folder("labgrid"),
            waiting: self.options.waiting.as_ref().zip(until),
        };
        labgrid::acquire_all(&wanted, &acquiring)
    }

    fn lease(&self, board: &str) -> Result<Lease, RigError> {
        let lease = self.leases.borrow_mut().remove(board);
        lease.ok_or_else(|| RigError::BadRequest {
            board: board.to_owned(),
            what: "its lease was not taken".to_owned(),
        })
    }

    /// A board that was there before and will be there afterwards.
    fn standing_board(&self, spec: &BoardSpec, real: &RealSpec, backing: Backing) -> Board {
        let radio = real.ble.as_ref().map(|ble| self.radio(&spec.name, ble));
        let wear = self.file.wear.ledger.clone();
        let key = spec.kind.key();
        Board::new(
            spec.name.clone(),
            spec,
            real,
            radio,
            self.options,
            backing,
            Standing {
                wear: self.wear(wear.or_else(|| lasting::folder("wear"))),
                health: key.and_then(|key| lasting::health_file(&self.file.quarantine, &key)),
                quarantine: self.file.quarantine.clone(),
            },
        )
    }

    fn wear(&self, ledger: Option<PathBuf>) -> WearSpec {
        WearSpec {
            ledger,
            budget: self.file.wear.budget,
        }
    }

    pub(super) fn lease_folder(&self) -> PathBuf {
        self.options
            .lease_folder
            .clone()
            .unwrap_or_else(lease::default_folder)
    }
}
