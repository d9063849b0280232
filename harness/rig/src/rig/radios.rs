//! Which adapter reaches a board: the host's own, which all boards of a rig share, or those of the process that virtual boards are in.

use super::opening::Opening;
use crate::bluetooth::{Radio, SeatFolder, Seats};
use crate::file::BleSpec;
use hil_ble::{AdapterId, BleWorker, DeviceId};
use std::sync::Arc;

impl Opening<'_> {
    pub(super) fn radio(&self, board: &str, ble: &BleSpec) -> Radio {
        let adapters = &self.file.bluetooth.adapters;
        let count = adapters
            .iter()
            .find(|known| known.adapter == ble.adapter)
            .and_then(|known| known.max_connections);
        let others = adapters
            .iter()
            .map(|known| known.adapter.clone())
            .filter(|other| *other != ble.adapter)
            .collect();
        let key = format!("bluetooth-{}", ble.adapter).replace('`', "");
        Radio {
            board: board.to_owned(),
            rig: self.file.name.clone(),
            worker: Arc::clone(&self.host),
            adapter: ble.adapter.clone(),
            device: ble.device.clone(),
            others,
            seats: count.map(|count| Seats {
                folder: Arc::new(SeatFolder::Host(self.lease_folder())),
                key,
                count,
            }),
            clock: self.options.clock.clone(),
        }
    }

    pub(super) fn virtual_radio(
        &self,
        board: &str,
        worker: &Arc<BleWorker>,
        device: DeviceId,
        adapter: &str,
        adapters: &[String],
        folder: &Arc<SeatFolder>,
    ) -> Radio {
        let id = AdapterId::from(adapter);
        let count = self
            .file
            .bluetooth
            .adapters
            .iter()
            .find(|known| known.adapter == id)
            .and_then(|known| known.max_connections);
        let others = adapters
            .iter()
            .filter(|other| *other != adapter)
            .map(|other| AdapterId::from(other.as_str()))
            .collect();
        Radio {
            board: board.to_owned(),
            rig: self.file.name.clone(),
            worker: Arc::clone(worker),
            adapter: id,
            device,
            others,
            seats: count.map(|count| Seats {
                folder: Arc::clone(folder),
                key: adapter.to_owned(),
                count,
            }),
            clock: self.options.clock.clone(),
        }
    }
}
