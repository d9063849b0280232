//! What was in a board's memories when it had been programmed.

use crate::bench::rig_core;
use crate::firmware::{EXTERNAL_WINDOW, Region};
use hil_bootloader::DeviceId;
use hil_scenario::Core;

/// What was in the board's memories when it had been programmed and had not run yet.
pub(crate) struct Programmed {
    /// Of which release.
    pub(crate) release: String,
    pub(crate) app: Vec<u8>,
    pub(crate) net: Vec<u8>,
    /// From its start to the end of the last partition there.
    pub(crate) external: Vec<u8>,
    pub(crate) app_uicr: Vec<u8>,
    pub(crate) net_uicr: Vec<u8>,
}

impl Programmed {
    /// The flash in a region.
    pub(crate) fn flash(&self, region: Region) -> &[u8] {
        region.of_dump(match region.device() {
            DeviceId::External => &self.external,
            DeviceId::NetFlash => &self.net,
            DeviceId::AppFlash | DeviceId::RamFlash => &self.app,
        })
    }

    /// Puts programmed bytes where they belong. UICR bits only fall; flash was blank before.
    pub(crate) fn put(&mut self, address: u32, bytes: &[u8]) {
        let external = EXTERNAL_WINDOW..EXTERNAL_WINDOW + self.external.len() as u32;
        let memories = [
            (external, &mut self.external),
            (rig_core(Core::App).flash(), &mut self.app),
            (rig_core(Core::Net).flash(), &mut self.net),
            (rig_core(Core::App).uicr(), &mut self.app_uicr),
            (rig_core(Core::Net).uicr(), &mut self.net_uicr),
        ];
        for (range, memory) in memories {
            if range.contains(&address) {
                let start = (address - range.start) as usize;
                for (old, new) in memory.iter_mut().skip(start).zip(bytes) {
                    *old &= new;
                }
            }
        }
    }

    /// The UICR of a core.
    pub(crate) fn uicr(&self, core: Core) -> &[u8] {
        match core {
            Core::App => &self.app_uicr,
            Core::Net => &self.net_uicr,
        }
    }
}
