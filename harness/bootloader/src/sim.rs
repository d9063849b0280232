//! Flash in memory that is stricter than the real one: it refuses what silicon would do badly, counts and traces
//! every operation, and loses power exactly where it is told to.

use sha2::{Digest, Sha256};

use crate::flash::{DeviceId, Flash, FlashError};

/// Value of an erased byte.
pub const ERASED: u8 = 0xff;

/// Flash devices in memory.
///
/// A write clears bits only, and is refused when it is misaligned; an erase covers whole sectors. Cloning copies the
/// bytes and the counters, so a sweep starts each cut from the same flash.
#[derive(Clone, Debug, Default)]
pub struct SimFlash {
    devices: Vec<Device>,
    counts: Counts,
    trace: Option<Vec<Operation>>,
    cut: Option<Cut>,
    off: bool,
}

#[derive(Clone)]
struct Device {
    id: DeviceId,
    bytes: Vec<u8>,
    write_size: u32,
    sector_size: u32,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the bytes: they are long, and a trailer may hold content keys.
        write!(f, "Device({}, {} bytes)", self.id, self.bytes.len())
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
        self.with_contents(id, vec![ERASED; size as usize], write_size, sector_size)
    }

    /// Adds a device that holds `bytes`.
    #[must_use]
    pub fn with_contents(
        mut self,
        id: DeviceId,
        bytes: Vec<u8>,
        write_size: u32,
        sector_size: u32,
    ) -> Self {
        self.devices.retain(|device| device.id != id);
        self.devices.push(Device {
            id,
            bytes,
            write_size,
            sector_size,
        });
        self
    }

    /// All bytes of a device; empty when there is none.
    #[must_use]
    pub fn bytes(&self, id: DeviceId) -> &[u8] {
        self.devices
            .iter()
            .find(|device| device.id == id)
            .map_or(&[], |device| &device.bytes)
    }

    /// Sets bytes as an upload or damage does: also from 0 to 1, and without counting as an operation. What does not
    /// fit in the device is ignored.
    pub fn edit(&mut self, id: DeviceId, offset: u32, data: &[u8]) {
        if let Some(device) = self.devices.iter_mut().find(|device| device.id == id) {
            for (byte, value) in device.bytes.iter_mut().skip(offset as usize).zip(data) {
                *byte = *value;
            }
        }
    }

    /// SHA-256 over all bytes of all devices, in the order in which they were added.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for device in &self.devices {
            hash.update(&device.bytes);
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

    /// Keeps every operation from now on.
    pub fn start_trace(&mut self) {
        self.trace = Some(Vec::new());
    }

    /// The operations since [`start_trace`](Self::start_trace), which ends here.
    pub fn take_trace(&mut self) -> Vec<Operation> {
        self.trace.take().unwrap_or_default()
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
    fn range(&mut self, offset: u32, length: u32) -> Result<&mut [u8], FlashError> {
        let id = self.id;
        (offset as usize)
            .checked_add(length as usize)
            .and_then(|end| self.bytes.get_mut(offset as usize..end))
            .ok_or(FlashError::OutOfRange {
                device: id,
                offset,
                length,
            })
    }
}

/// Length of a buffer as flash offsets count; longer than any device when it does not fit.
fn length_of(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

impl Flash for SimFlash {
    fn read(&mut self, device: DeviceId, offset: u32, buffer: &mut [u8]) -> Result<(), FlashError> {
        let bytes = self.device(device)?.range(offset, length_of(buffer))?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write(&mut self, device: DeviceId, offset: u32, data: &[u8]) -> Result<(), FlashError> {
        let length = length_of(data);
        let found = self.device(device)?;
        let unit = found.write_size;
        found.range(offset, length)?;
        if !offset.is_multiple_of(unit) || !length.is_multiple_of(unit) {
            self.counts.misaligned_writes += 1;
            return Err(FlashError::Misaligned {
                device,
                offset,
                length,
                unit,
            });
        }
        let torn = self.torn_here(length);
        let operation = Operation {
            kind: OperationKind::Write,
            device,
            offset,
            length,
            torn: torn.is_some(),
        };
        let done = torn.unwrap_or(length);
        // Borrowed again because `torn_here` needs all of `self`; a cut has just set `off`, so not by `device`.
        let found = self
            .devices
            .iter_mut()
            .find(|found| found.id == device)
            .ok_or(FlashError::NoDevice(device))?;
        let dirty = program(
            found.range(offset, done)?,
            data.get(..done as usize).unwrap_or(data),
        );
        if torn.is_some() {
            if done > 0 {
                self.record(operation);
            }
            return Err(FlashError::PowerLost);
        }
        self.counts.writes += 1;
        self.counts.dirty_writes += u32::from(dirty);
        self.record(operation);
        Ok(())
    }

    fn erase(&mut self, device: DeviceId, offset: u32, length: u32) -> Result<(), FlashError> {
        let found = self.device(device)?;
        let unit = found.sector_size;
        found.range(offset, length)?;
        if !offset.is_multiple_of(unit) || !length.is_multiple_of(unit) {
            return Err(FlashError::Misaligned {
                device,
                offset,
                length,
                unit,
            });
        }
        let torn = self.torn_here(length);
        let operation = Operation {
            kind: OperationKind::Erase,
            device,
            offset,
            length,
            torn: torn.is_some(),
        };
        let done = torn.unwrap_or(length);
        let found = self
            .devices
            .iter_mut()
            .find(|found| found.id == device)
            .ok_or(FlashError::NoDevice(device))?;
        found.range(offset, done)?.fill(ERASED);
        if torn.is_some() {
            if done > 0 {
                self.record(operation);
            }
            return Err(FlashError::PowerLost);
        }
        self.counts.erases += 1;
        self.record(operation);
        Ok(())
    }
}

/// Clears bits; tells whether a 0 was asked to become 1.
fn program(flash: &mut [u8], data: &[u8]) -> bool {
    static BLANK: [u8; 4096] = [ERASED; 4096];
    if BLANK.get(..flash.len()).is_some_and(|blank| blank == flash) {
        // The usual case, and by far the fastest: the target is erased.
        flash.copy_from_slice(data);
        return false;
    }
    let mut dirty = false;
    for (cell, value) in flash.iter_mut().zip(data) {
        dirty |= *value & !*cell != 0;
        *cell &= *value;
    }
    dirty
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
}
