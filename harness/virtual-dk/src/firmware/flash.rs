//! The bootloader models' view of a core's bus: flash, and the way to the network core.

use std::cell::RefCell;
use std::time::Duration;

use hil_bootloader::b0n::AppMemory;
use hil_bootloader::pcd::{NetworkPower, PcdBoard, Waited};
use hil_bootloader::{DeviceId, ERASED, Flash, FlashError, RAM_FLASH_ADDRESS};

use crate::bus::{BusError, CoreBus, Stopped};

/// Where the application core sees its external flash (QSPI XIP).
const EXTERNAL_WINDOW: u32 = 0x1000_0000;
const APP_SIZE: u32 = 0x0010_0000;
/// First address of the network core's flash.
const NET_START: u32 = 0x0100_0000;
const NET_SIZE: u32 = 0x0004_0000;
/// MX25R6435F: 8 MiB.
const EXTERNAL_SIZE: u32 = 0x0080_0000;

/// What of application RAM can stand for a primary slot: up to the RAM that the cores share.
const RAM_FLASH_SIZE: u32 = 0x0006_0000;

/// A bus that flash driver, console and network core access share, as they do on silicon.
pub(super) type SharedBus<'a> = RefCell<&'a mut dyn CoreBus>;

/// A core's bus as the bootloader models use it.
#[derive(Clone, Copy)]
pub(super) struct BusFlash<'a, 'b> {
    bus: &'a SharedBus<'b>,
}

impl<'a, 'b> BusFlash<'a, 'b> {
    pub(super) fn new(bus: &'a SharedBus<'b>) -> Self {
        Self { bus }
    }

    /// Whether the address range `offset..offset + length` lies in a device.
    fn address(device: DeviceId, offset: u32, length: usize) -> Result<u32, FlashError> {
        let (base, size) = match device {
            DeviceId::AppFlash => (0, APP_SIZE),
            DeviceId::NetFlash => (NET_START, NET_SIZE),
            DeviceId::External => (EXTERNAL_WINDOW, EXTERNAL_SIZE),
            DeviceId::RamFlash => (RAM_FLASH_ADDRESS, RAM_FLASH_SIZE),
        };
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        match offset.checked_add(length) {
            Some(end) if end <= size => Ok(base + offset),
            _ => Err(FlashError::OutOfRange {
                device,
                offset,
                length,
            }),
        }
    }
}

/// Where a byte of a device lies in the map of the core that runs from it.
pub(super) fn run_address(device: DeviceId, offset: u32) -> Result<u32, FlashError> {
    BusFlash::address(device, offset, 0)
}

impl Flash for BusFlash<'_, '_> {
    fn read(&mut self, device: DeviceId, offset: u32, buffer: &mut [u8]) -> Result<(), FlashError> {
        let address = Self::address(device, offset, buffer.len())?;
        let done = self.bus.borrow_mut().read(address, buffer);
        done.map_err(|error| flash_error(error, device, offset))
    }

    fn write(&mut self, device: DeviceId, offset: u32, data: &[u8]) -> Result<(), FlashError> {
        let address = Self::address(device, offset, data.len())?;
        let mut bus = self.bus.borrow_mut();
        let done = match device {
            DeviceId::External => bus.external_write(offset, data),
            DeviceId::AppFlash | DeviceId::NetFlash => bus.flash_write(address, data),
            DeviceId::RamFlash => program_ram(*bus, address, data),
        };
        done.map_err(|error| flash_error(error, device, offset))
    }

    fn erase(&mut self, device: DeviceId, offset: u32, length: u32) -> Result<(), FlashError> {
        let address = Self::address(device, offset, length as usize)?;
        let mut bus = self.bus.borrow_mut();
        let done = match device {
            DeviceId::External => bus.external_erase(offset, length),
            DeviceId::AppFlash | DeviceId::NetFlash => bus.flash_erase(address, length),
            DeviceId::RamFlash => bus.write_ram(address, &vec![ERASED; length as usize]),
        };
        done.map_err(|error| flash_error(error, device, offset))
    }
}

/// Zephyr's flash simulator: bits only fall.
fn program_ram(bus: &mut dyn CoreBus, address: u32, data: &[u8]) -> Result<(), BusError> {
    let mut bytes = vec![0; data.len()];
    bus.read(address, &mut bytes)?;
    for (cell, value) in bytes.iter_mut().zip(data) {
        *cell &= value;
    }
    bus.write_ram(address, &bytes)
}

impl PcdBoard for BusFlash<'_, '_> {
    fn write_ram(&mut self, address: u32, data: &[u8]) -> Result<(), FlashError> {
        let done = self.bus.borrow_mut().write_ram(address, data);
        done.map_err(|error| flash_error(error, DeviceId::RamFlash, address))
    }

    fn read_ram(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), FlashError> {
        let done = self.bus.borrow_mut().read(address, buffer);
        done.map_err(|error| flash_error(error, DeviceId::RamFlash, address))
    }

    fn network_power(&mut self, power: NetworkPower) -> Result<(), FlashError> {
        let done = self
            .bus
            .borrow_mut()
            .force_network_off(power == NetworkPower::Held);
        done.map_err(|error| flash_error(error, DeviceId::NetFlash, 0))
    }

    fn wait(&mut self, duration: Duration) -> Result<Waited, FlashError> {
        self.bus
            .borrow_mut()
            .wait(duration)
            .map(|()| Waited::Passed)
            .map_err(|Stopped| FlashError::PowerLost)
    }
}

impl AppMemory for BusFlash<'_, '_> {
    fn read(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), FlashError> {
        self.read_ram(address, buffer)
    }

    fn write(&mut self, address: u32, data: &[u8]) -> Result<(), FlashError> {
        self.write_ram(address, data)
    }
}

/// To whoever works on flash, a stopped core and a lost supply are the same: unwind.
fn flash_error(error: BusError, device: DeviceId, offset: u32) -> FlashError {
    match error {
        BusError::Stopped(_) => FlashError::PowerLost,
        BusError::Fault { .. } => FlashError::Device {
            device,
            offset,
            reason: error.to_string(),
        },
    }
}
