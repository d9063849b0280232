//! Flash in memory that is stricter than the real one: it refuses what silicon would do badly, counts and traces
//! every operation, and loses power exactly where it is told to.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::flash::{DeviceId, Flash, FlashError};
use crate::pages::Pages;

/// Flash devices in memory.
///
/// A write clears bits only, and is refused when it is misaligned; an erase covers whole sectors. A clone shares the
/// bytes until one of the two changes them, so it is cheap to keep many moments of one flash.
#[derive(Clone, Debug, Default)]
pub struct SimFlash {
    devices: Vec<Device>,
    counts: Counts,
    trace: Option<Vec<Operation>>,
    moments: Moments,
    cut: Option<Cut>,
    off: bool,
    erases: Option<Erases>,
}

/// How often each sector was erased, by the device and the sector's first byte. Sectors that never were are not in it.
pub type Erases = BTreeMap<(DeviceId, u32), u32>;

/// The flash as it was before each operation, when that is kept. A clone begins without.
#[derive(Default)]
struct Moments(Option<Vec<SimFlash>>);

impl Clone for Moments {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl std::fmt::Debug for Moments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Moments({:?})", self.0.as_ref().map(Vec::len))
    }
}

#[derive(Clone)]
struct Device {
    id: DeviceId,
    bytes: Pages,
    write_size: u32,
    sector_size: u32,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the bytes: they are long, and a trailer may hold content keys.
        write!(f, "Device({}, {} bytes)", self.id, self.bytes.size())
    }
}

/// Flash operations since power-up or since [`SimFlash::reset_counts`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Writes that completed.
    pub writes: u32,
    /// Erases that completed.
    pub erases: u32,
    /// Completed writes that asked for a 0 to become 1. The flash kept the 0.
    pub dirty_writes: u32,
    /// Writes that were refused because of their alignment; not in [`writes`](Self::writes).
    pub misaligned_writes: u32,
}

impl Counts {
    /// Completed operations: writes and erases.
    #[must_use]
    pub fn ops(&self) -> u32 {
        self.writes + self.erases
    }
}

/// When the power fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cut {
    /// The power fails when operation number `ops`, counted from 0, is about to begin.
    pub ops: u32,
    /// So many bytes of that operation were still done.
    pub torn: u32,
}

/// Writing or erasing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OperationKind {
    /// Programming bytes.
    Write,
    /// Erasing sectors.
    Erase,
}

/// One operation of the flash driver, as traced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Operation {
    /// Writing or erasing.
    pub kind: OperationKind,
    /// The device.
    pub device: DeviceId,
    /// First byte, from the start of the device.
    pub offset: u32,
    /// Length in bytes.
    pub length: u32,
    /// True when the power failed in it.
    pub torn: bool,
}

impl SimFlash {
    /// No devices yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an erased device of `size` bytes.
    #[must_use]
    pub fn with_device(self, id: DeviceId, size: u32, write_size: u32, sector_size: u32) -> Self {
        self.with_pages(id, Pages::erased(size as usize), write_size, sector_size)
    }

    /// Adds a device that holds `bytes`.
    #[must_use]
    pub fn with_contents(
        self,
        id: DeviceId,
        bytes: &[u8],
        write_size: u32,
        sector_size: u32,
    ) -> Self {
        self.with_pages(id, Pages::from_bytes(bytes), write_size, sector_size)
    }

    fn with_pages(mut self, id: DeviceId, bytes: Pages, write_size: u32, sector_size: u32) -> Self {
        self.devices.retain(|device| device.id != id);
        self.devices.push(Device {
            id,
            bytes,
            write_size,
            sector_size,
        });
        self
    }

    /// The same flash without one of its devices.
    #[must_use]
    pub fn without_device(mut self, id: DeviceId) -> Self {
        self.devices.retain(|device| device.id != id);
        self
    }

    fn find(&self, id: DeviceId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == id)
    }

    /// How many bytes a device has; 0 when there is none.
    #[must_use]
    pub fn size(&self, id: DeviceId) -> usize {
        self.find(id).map_or(0, |device| device.bytes.size())
    }

    /// A copy of all bytes of a device; empty when there is none.
    #[must_use]
    pub fn bytes(&self, id: DeviceId) -> Vec<u8> {
        self.bytes_at(id, 0, self.size(id))
    }

    /// A copy of `length` bytes from `offset` of a device; shorter when they do not all lie in it.
    #[must_use]
    pub fn bytes_at(&self, id: DeviceId, offset: usize, length: usize) -> Vec<u8> {
        self.find(id)
            .map_or_else(Vec::new, |device| device.bytes.copy(offset, length))
    }

    /// Whether the same devices hold the same bytes. Quick where the two are copies of each other.
    #[must_use]
    pub fn holds_same(&self, other: &Self) -> bool {
        self.devices.len() == other.devices.len()
            && self.devices.iter().all(|device| {
                other
                    .find(device.id)
                    .is_some_and(|other| device.bytes == other.bytes)
            })
    }

    /// Sets bytes as an upload or damage does: also from 0 to 1, and without counting as an operation. What does not
    /// fit in the device is ignored.
    pub fn edit(&mut self, id: DeviceId, offset: u32, data: &[u8]) {
        if let Some(device) = self.devices.iter_mut().find(|device| device.id == id) {
            device.bytes.set(offset as usize, data);
        }
    }

    /// SHA-256 over all bytes of all devices, in the order in which they were added.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for device in &self.devices {
            for piece in device.bytes.chunks() {
                hash.update(piece);
            }
        }
        hash.finalize().into()
    }

    /// Operations so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Starts counting from zero. A cut that was set counts from here.
    pub fn reset_counts(&mut self) {
        self.counts = Counts::default();
    }

    /// Counts how often each sector is erased from now on, for wear. Clones count on from here; an erase that the power
    /// interrupts counts as one.
    #[must_use]
    pub fn counting_erases(mut self) -> Self {
        self.erases.get_or_insert_default();
        self
    }

    /// How often each sector was erased since [`counting_erases`](Self::counting_erases).
    #[must_use]
    pub fn erases(&self) -> Erases {
        self.erases.clone().unwrap_or_default()
    }

    /// Counts the sectors of a range as erased once more, where they are counted: by whoever [edits](Self::edit) what an
    /// application erases.
    pub(crate) fn count_erased(&mut self, device: DeviceId, offset: u32, length: u32) {
        let Ok(found) = self.device(device) else {
            return;
        };
        let unit = found.sector_size.max(1);
        if let Some(erases) = &mut self.erases {
            for sector in (offset..offset.saturating_add(length)).step_by(unit as usize) {
                *erases.entry((device, sector)).or_default() += 1;
            }
        }
    }

    /// Keeps every operation from now on.
    pub fn start_trace(&mut self) {
        self.trace = Some(Vec::new());
    }

    /// The operations since [`start_trace`](Self::start_trace), which ends here.
    pub fn take_trace(&mut self) -> Vec<Operation> {
        self.trace.take().unwrap_or_default()
    }

    /// Keeps the flash as it is before every operation from now on.
    pub fn keep_moments(&mut self) {
        self.moments.0 = Some(Vec::new());
    }

    /// The flash before each operation since [`keep_moments`](Self::keep_moments), which ends here.
    pub fn take_moments(&mut self) -> Vec<Self> {
        self.moments.0.take().unwrap_or_default()
    }

    fn keep_moment(&mut self) {
        if self.moments.0.is_some() {
            let moment = Self {
                devices: self.devices.clone(),
                erases: self.erases.clone(),
                ..Self::default()
            };
            self.moments.0.get_or_insert_default().push(moment);
        }
    }

    /// Makes the power fail at an operation, counted from the last [`reset_counts`](Self::reset_counts).
    pub fn cut_at(&mut self, cut: Cut) {
        self.cut = Some(cut);
    }

    /// Power is back: no cut is set, operations count from zero.
    pub fn power_up(&mut self) {
        self.off = false;
        self.cut = None;
        self.reset_counts();
    }

    /// True after the power failed and before [`power_up`](Self::power_up).
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.off
    }

    /// How much of an operation of `length` bytes is done before the power fails; `None` when it holds.
    fn torn_here(&mut self, length: u32) -> Option<u32> {
        let cut = self.cut?;
        if self.counts.ops() < cut.ops {
            return None;
        }
        self.off = true;
        Some(cut.torn.min(length))
    }

    fn record(&mut self, operation: Operation) {
        if let Some(trace) = &mut self.trace {
            trace.push(operation);
        }
    }

    fn device(&mut self, id: DeviceId) -> Result<&mut Device, FlashError> {
        if self.off {
            return Err(FlashError::PowerLost);
        }
        self.devices
            .iter_mut()
            .find(|device| device.id == id)
            .ok_or(FlashError::NoDevice(id))
    }
}

impl Device {
    fn check(&self, offset: u32, length: u32) -> Result<(), FlashError> {
        if self.bytes.holds(offset as usize, length as usize) {
            Ok(())
        } else {
            Err(FlashError::OutOfRange {
                device: self.id,
                offset,
                length,
            })
        }
    }
}

/// Length of a buffer as flash offsets count; longer than any device when it does not fit.
fn length_of(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

impl SimFlash {
    /// Does one operation, or as much of it as the power allows; `apply` does its first bytes, and says whether a bit
    /// could not be set.
    fn operate(
        &mut self,
        operation: Operation,
        apply: impl FnOnce(&mut Pages, u32) -> bool,
    ) -> Result<bool, FlashError> {
        let Operation { device, length, .. } = operation;
        let torn = self.torn_here(length);
        self.keep_moment();
        let done = torn.unwrap_or(length);
        // Found again because a cut and a moment need all of `self`; a cut has just set `off`, so not by `device`.
        let found = self
            .devices
            .iter_mut()
            .find(|found| found.id == device)
            .ok_or(FlashError::NoDevice(device))?;
        let dirty = apply(&mut found.bytes, done);
        if torn.is_some() {
            if done > 0 {
                self.record(Operation {
                    torn: true,
                    ..operation
                });
            }
            return Err(FlashError::PowerLost);
        }
        self.record(operation);
        Ok(dirty)
    }
}

impl Flash for SimFlash {
    fn read(&mut self, device: DeviceId, offset: u32, buffer: &mut [u8]) -> Result<(), FlashError> {
        let found = self.device(device)?;
        found.check(offset, length_of(buffer))?;
        found.bytes.read(offset as usize, buffer);
        Ok(())
    }

    fn write(&mut self, device: DeviceId, offset: u32, data: &[u8]) -> Result<(), FlashError> {
        let length = length_of(data);
        let found = self.device(device)?;
        let unit = found.write_size;
        found.check(offset, length)?;
        if !offset.is_multiple_of(unit) || !length.is_multiple_of(unit) {
            self.counts.misaligned_writes += 1;
            return Err(FlashError::Misaligned {
                device,
                offset,
                length,
                unit,
            });
        }
        let operation = Operation {
            kind: OperationKind::Write,
            device,
            offset,
            length,
            torn: false,
        };
        let dirty = self.operate(operation, |bytes, done| {
            bytes.program(offset as usize, data.get(..done as usize).unwrap_or(data))
        })?;
        self.counts.writes += 1;
        self.counts.dirty_writes += u32::from(dirty);
        Ok(())
    }

    fn erase(&mut self, device: DeviceId, offset: u32, length: u32) -> Result<(), FlashError> {
        let found = self.device(device)?;
        let unit = found.sector_size;
        found.check(offset, length)?;
        if !offset.is_multiple_of(unit) || !length.is_multiple_of(unit) {
            return Err(FlashError::Misaligned {
                device,
                offset,
                length,
                unit,
            });
        }
        let operation = Operation {
            kind: OperationKind::Erase,
            device,
            offset,
            length,
            torn: false,
        };
        let erased = self.operate(operation, |bytes, done| {
            bytes.erase(offset as usize, done as usize);
            false
        });
        self.count_erased(device, offset, length);
        erased?;
        self.counts.erases += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: DeviceId = DeviceId::AppFlash;

    fn flash() -> SimFlash {
        SimFlash::new().with_device(APP, 0x4000, 4, 0x1000)
    }

    #[test]
    fn writes_only_clear_bits_and_say_when_they_could_not() {
        let mut flash = flash();
        flash.write(APP, 0, &[0x0f, 0xff, 0xff, 0xff]).unwrap();
        assert_eq!(flash.counts().dirty_writes, 0);
        flash.write(APP, 0, &[0xf1, 0xff, 0xff, 0xff]).unwrap();
        assert_eq!(flash.bytes(APP)[0], 0x01);
        assert_eq!(flash.counts().dirty_writes, 1);
    }

    #[test]
    fn misaligned_accesses_are_refused_and_change_nothing() {
        let mut flash = flash();
        let before = flash.sha256();
        assert!(matches!(
            flash.write(APP, 2, &[0; 4]),
            Err(FlashError::Misaligned { unit: 4, .. })
        ));
        assert!(matches!(
            flash.write(APP, 0, &[0; 3]),
            Err(FlashError::Misaligned { .. })
        ));
        assert!(matches!(
            flash.erase(APP, 0x800, 0x1000),
            Err(FlashError::Misaligned { unit: 0x1000, .. })
        ));
        assert!(matches!(
            flash.erase(APP, 0x4000, 0x1000),
            Err(FlashError::OutOfRange { .. })
        ));
        assert_eq!(
            flash.counts(),
            Counts {
                misaligned_writes: 2,
                ..Counts::default()
            }
        );
        assert_eq!(flash.sha256(), before);
    }

    #[test]
    fn a_cut_stops_before_its_operation_and_stays_off_until_power_up() {
        let mut flash = flash();
        flash.cut_at(Cut { ops: 1, torn: 0 });
        flash.write(APP, 0, &[0; 4]).unwrap();
        assert_eq!(flash.write(APP, 4, &[0; 4]), Err(FlashError::PowerLost));
        assert_eq!(flash.read(APP, 0, &mut [0; 4]), Err(FlashError::PowerLost));
        assert_eq!(flash.counts().ops(), 1);
        flash.power_up();
        assert_eq!(flash.bytes(APP)[..8], [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        flash.write(APP, 4, &[0; 4]).unwrap();
    }

    #[test]
    fn a_torn_operation_has_done_its_first_bytes_and_does_not_count() {
        let mut flash = flash();
        flash.edit(APP, 0, &[0x55; 0x1000]);
        flash.start_trace();
        flash.cut_at(Cut { ops: 0, torn: 16 });
        assert_eq!(flash.erase(APP, 0, 0x1000), Err(FlashError::PowerLost));
        assert_eq!(flash.counts().ops(), 0);
        assert_eq!(flash.bytes(APP)[15..17], [0xff, 0x55]);
        let trace = flash.take_trace();
        assert!(trace.len() == 1 && trace[0].torn, "{trace:?}");
    }

    #[test]
    fn erases_are_counted_for_each_sector_by_the_flash_and_its_clones() {
        let mut flash = flash().counting_erases();
        flash.erase(APP, 0x1000, 0x2000).unwrap();
        let mut clone = flash.clone();
        clone.erase(APP, 0x2000, 0x1000).unwrap();
        clone.power_up();
        let expected = [((APP, 0x1000), 1), ((APP, 0x2000), 2)];
        assert_eq!(clone.erases(), Erases::from(expected));
        assert_eq!(flash.erases()[&(APP, 0x2000)], 1);
    }

    #[test]
    fn moments_are_the_flash_before_each_operation() {
        let mut flash = flash();
        flash.edit(APP, 0, &[0x55; 8]);
        let begun = flash.clone();
        flash.keep_moments();
        flash.erase(APP, 0, 0x1000).unwrap();
        flash.write(APP, 4, &[0xaa; 4]).unwrap();
        let moments = flash.take_moments();
        assert_eq!(moments.len(), 2);
        assert!(moments[0].holds_same(&begun));
        assert_eq!(moments[1].bytes_at(APP, 0, 8), [0xff; 8]);
        assert_eq!(flash.bytes_at(APP, 2, 4), [0xff, 0xff, 0xaa, 0xaa]);
        assert!(flash.take_moments().is_empty());
    }
}
