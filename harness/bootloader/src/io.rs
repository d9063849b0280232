//! Flash areas as MCUboot's C code sees them: bounds, driver errors, erases sector by sector, and the console.
//!
//! Source: mcuboot `boot/bootutil/src/bootutil_area.c`, Zephyr's `flash_map.h`.

use crate::config::Config;
use crate::flash::{Area, Flash, FlashError};
use crate::log::{Level, LogLine};

/// Why the C code does not go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The power failed.
    PowerLost,
    /// An `assert` did not hold.
    Assert(String),
    /// A loop never ends.
    Hang(String),
}

/// What the model's own steps return.
pub(crate) type Step<T> = Result<T, Stop>;

/// What an access to flash returns to C code: done, or the driver's error code. A power loss is not in here, since no
/// code runs after it.
pub(crate) type Driver<T = ()> = Result<T, FlashError>;

/// The C code's `assert(rc == 0)`.
pub(crate) trait OrAssert<T> {
    /// Goes on with the value, or stops with the assertion that `what` was done.
    fn or_assert(self, what: &str) -> Step<T>;
}

impl<T> OrAssert<T> for Driver<T> {
    fn or_assert(self, what: &str) -> Step<T> {
        self.map_err(|error| Stop::Assert(format!("{what}: {error}")))
    }
}

/// Stops with an assertion unless `holds`.
pub(crate) fn insist(holds: bool, what: &str) -> Step<()> {
    if holds {
        Ok(())
    } else {
        Err(Stop::Assert(what.to_owned()))
    }
}

/// Which flash area of MCUboot's flash map. The C code compares these, not places.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AreaId {
    Primary(usize),
    Secondary(usize),
    Scratch,
}

/// An open flash area.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlashArea {
    pub(crate) id: AreaId,
    pub(crate) area: Area,
}

impl FlashArea {
    pub(crate) fn size(&self) -> u32 {
        self.area.size
    }

    pub(crate) fn is_secondary(&self) -> bool {
        matches!(self.id, AreaId::Secondary(_))
    }

    pub(crate) fn is_scratch(&self) -> bool {
        self.id == AreaId::Scratch
    }

    pub(crate) fn is_primary(&self) -> bool {
        matches!(self.id, AreaId::Primary(_))
    }
}

/// From which end a range is erased.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum EraseOrder {
    Forwards,
    Backwards,
}

/// Flash and console of the running bootloader.
pub(crate) struct Io<'a> {
    pub(crate) config: &'a Config,
    pub(crate) flash: &'a mut dyn Flash,
    pub(crate) log: &'a mut dyn FnMut(LogLine),
}

impl Io<'_> {
    pub(crate) fn info(&mut self, text: impl Into<String>) {
        (self.log)(LogLine {
            level: Level::Info,
            text: text.into(),
        });
    }

    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        (self.log)(LogLine {
            level: Level::Warning,
            text: text.into(),
        });
    }

    pub(crate) fn error(&mut self, text: impl Into<String>) {
        (self.log)(LogLine {
            level: Level::Error,
            text: text.into(),
        });
    }

    /// `flash_area_read`.
    pub(crate) fn read(&mut self, area: FlashArea, offset: u32, buffer: &mut [u8]) -> Step<Driver> {
        let place = match place(area, offset, buffer.len()) {
            Ok(place) => place,
            Err(refused) => return Ok(Err(refused)),
        };
        unless_off(self.flash.read(area.area.device, place, buffer))
    }

    /// `flash_area_read` of a fixed number of bytes.
    pub(crate) fn read_bytes<const N: usize>(
        &mut self,
        area: FlashArea,
        offset: u32,
    ) -> Step<Driver<[u8; N]>> {
        let mut buffer = [0; N];
        Ok(self.read(area, offset, &mut buffer)?.map(|()| buffer))
    }

    /// `flash_area_write`: one flash operation.
    pub(crate) fn write(&mut self, area: FlashArea, offset: u32, data: &[u8]) -> Step<Driver> {
        let place = match place(area, offset, data.len()) {
            Ok(place) => place,
            Err(refused) => return Ok(Err(refused)),
        };
        unless_off(self.flash.write(area.area.device, place, data))
    }

    /// Start of the sector that holds `offset`, from the start of the area.
    pub(crate) fn sector_start(&self, offset: u32) -> u32 {
        offset - offset % self.config.sector_size.max(1)
    }

    /// Sectors of an area.
    pub(crate) fn sectors(&self, area: FlashArea) -> u32 {
        area.size() / self.config.sector_size.max(1)
    }

    /// `boot_erase_region`: every sector that the range touches, one flash operation each. Up to SDK 3.0 it is one
    /// operation for the whole range, which has to be whole sectors.
    pub(crate) fn erase(
        &mut self,
        area: FlashArea,
        offset: u32,
        size: u32,
        order: EraseOrder,
    ) -> Step<Driver> {
        if self.config.line.erases_in_one_operation() {
            let place = match place(area, offset, size as usize) {
                Ok(place) => place,
                Err(refused) => return Ok(Err(refused)),
            };
            return unless_off(self.flash.erase(area.area.device, place, size));
        }
        let refused = FlashError::OutOfRange {
            device: area.area.device,
            offset,
            length: size,
        };
        if size == 0 || offset >= area.size() || area.size() - offset < size {
            return Ok(Err(refused));
        }
        let sector = self.config.sector_size.max(1);
        let first = self.sector_start(offset) / sector;
        let last = self.sector_start(offset + size - 1) / sector;
        let count = last - first + 1;
        for step in 0..count {
            let index = match order {
                EraseOrder::Forwards => first + step,
                EraseOrder::Backwards => last - step,
            };
            let place = area.area.offset.wrapping_add(index * sector);
            if let Err(error) = unless_off(self.flash.erase(area.area.device, place, sector))? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// `boot_scramble_region` on flash that needs erasing; nothing to do for an empty range.
    pub(crate) fn scramble(
        &mut self,
        area: FlashArea,
        offset: u32,
        size: u32,
        order: EraseOrder,
    ) -> Step<Driver> {
        if size == 0 {
            Ok(Ok(()))
        } else {
            self.erase(area, offset, size, order)
        }
    }

    /// `boot_scramble_slot`: the whole slot, from its start.
    pub(crate) fn scramble_slot(&mut self, area: FlashArea) -> Step<Driver> {
        self.scramble(area, 0, area.size(), EraseOrder::Forwards)
    }
}

/// Offset in the device of a range of an area, as Zephyr's flash map checks it.
fn place(area: FlashArea, offset: u32, length: usize) -> Driver<u32> {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    match offset.checked_add(length) {
        Some(end) if end <= area.size() => Ok(area.area.offset.wrapping_add(offset)),
        _ => Err(FlashError::OutOfRange {
            device: area.area.device,
            offset,
            length,
        }),
    }
}

fn unless_off(done: Result<(), FlashError>) -> Step<Driver> {
    match done {
        Err(FlashError::PowerLost) => Err(Stop::PowerLost),
        other => Ok(other),
    }
}
