//! Boards whose firmware is secretly wrong: the stock firmware on a bus that does not do what it is asked to.
//!
//! What the checks must find is made here, below everything that the harness can see; the checks are the ones that
//! everybody runs.

use hil_bootloader::pcd::COMMAND_ADDRESS;
use hil_smp::frame::{Decoded, Decoder};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use virtual_dk::bus::{BusError, Core, CoreBus, Firmware, Stopped};
use virtual_dk::firmware::StockFirmware;
use virtual_dk::{Endpoints, RadioOptions, Speed, VirtualDk, VirtualDkOptions};
use virtual_radio::{Advertisement, LinkEvent, LinkId, VirtualRadio};

/// Where things are in the demo firmware's layout.
const APP_PRIMARY: u32 = 0x0000_C000;
const APP_SECONDARY: u32 = 0x0004_C000;
const PRIMARY_END: u32 = 0x0004_C000;
const SECONDARY_END: u32 = 0x0008_C000;
const NET_PRIMARY: u32 = 0x0100_8800;
/// In the update slot, behind every image and before the trailer.
const SECONDARY_FREE: u32 = 0x0007_C000;
/// Fields of the running image's trailer, with encryption by 16 byte keys and for 128 sectors.
const SWAP_SIZE: u32 = PRIMARY_END - 48;
const SWAP_STATUS: u32 = PRIMARY_END - 1616;
/// The content keys of both slots in that trailer, 16 bytes each.
const SWAP_KEYS: [u32; 2] = [PRIMARY_END - 80, PRIMARY_END - 64];
/// In the RAM of the application core, where the stack of a bootloader may have been.
pub(crate) const BOOTLOADER_STACK: u32 = 0x2007_EF41;
/// In the bootloader's partition, behind the bootloader.
const BOOTLOADER_FREE: u32 = 0x0000_B000;
const SETTINGS: u32 = 0x000F_C000;
/// In the external flash of the set that uses it: a partition that no update may touch.
const EXTERNAL_STORAGE: u32 = 0x0004_0000;

/// Of the board's time: a second outside, at twenty times a DK's pace.
const IDLE: Duration = Duration::from_secs(20);

/// What is wrong.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// One bit of what the application writes to the update slot is lost.
    UploadLosesABit,
    /// One bit of what the bootloader's recovery server writes to the primary slot is lost.
    RecoveryLosesABit,
    /// One bit of what the bootloader swaps into the update slot is lost.
    SlotHoldsOtherBytes,
    /// A confirmation in the update slot is not written, so that a permanent update is only tried.
    ConfirmationLost,
    /// The network core's flash takes nothing, and says that it did.
    NetworkFlashNotWritten,
    /// The application confirms whatever runs before each reset, so that nothing is ever taken back.
    RevertDoesNotHappen,
    /// Whatever is written to the primary slot is also left in the settings.
    PlainTextLeftBehind,
    /// The same, in a partition of the external flash.
    PlainTextLeftInExternalFlash,
    /// The bootloader leaves the content key that it swaps with on its stack.
    KeyLeftInRam,
    /// The application writes into a partition of the external flash that is not its own.
    ExternalStorageTouched,
    /// One bit of what the bootloader swaps into the external flash is lost.
    ExternalSlotHoldsOtherBytes,
    /// The application writes into the bootloader's partition.
    BootloaderTouched,
    /// The bootloader's note of how much a swap moves is wrong by a bit, after it was of any use.
    TrailerFieldWrong,
    /// One entry of the swap status has another value than it must.
    SwapStatusWrong,
    /// The application writes into a part of the update slot that no image reaches.
    UnusedSlotTouched,
    /// The network core stops before it has said a word.
    NetworkCoreDead,
    /// The network core runs after its first start, and after no other one.
    NetworkCoreDeadAfterReset,
    /// The application core stops before it has said a word.
    ApplicationCoreDead,
    /// The update slot is not erased while it has a request: what the bootloader refuses stays.
    RefusedImageStays,
    /// The application has erased the beginning of the update slot when it refuses a request over UART.
    ErasesBeforeItRefuses,
    /// The board resets itself when a central is gone.
    ResetsWhenTheLinkIsLost,
    /// The board is on the air once, and never again after a reset.
    RadioDeadAfterReset,
    /// The board resets itself when a central is connected and says nothing for a while.
    ForgetsAnIdleCentral,
    /// One bit is lost at an address, in the given write to it, counted from 1. Addresses are those of the cores; the
    /// external flash begins at 0x1000_0000. The byte must not be zero.
    LosesABit { at: u32, write: u32 },
    /// One bit at an address is read wrong by firmware, from the given read of it on, counted from 1. The byte must not be zero.
    ReadsABitWrong { at: u32, from: u32 },
    /// Flash in a range of addresses takes nothing, neither writes nor erases, and says that it did.
    IgnoresWrites { from: u32, to: u32 },
    /// Flash in a range of addresses is not erased, although it says that it was.
    IgnoresErases { from: u32, to: u32 },
    /// The bootloader does not see that the network core still copies what it was given.
    CopyNotAwaited,
    /// The application core writes a word to an erased address before each reset by software.
    WritesAtReset { at: u32 },
}

/// Where the external flash is in the addresses of a [`Fault`]: in the window that the QSPI peripheral maps it to.
const EXTERNAL: u32 = 0x1000_0000;

/// A board within reach of a radio with two adapters.
pub(crate) struct Board {
    dk: VirtualDk,
    radio: VirtualRadio,
}

impl Board {
    pub(crate) fn endpoints(&self) -> &Endpoints {
        self.dk.endpoints()
    }

    /// The bus on which its radio is.
    pub(crate) fn bus(&self) -> &str {
        self.radio.address()
    }

    /// How often pages of both cores' flash have been erased.
    pub(crate) fn page_erases(&self) -> u64 {
        [Core::App, Core::Net]
            .map(|core| self.dk.flash_wear(core).page_erases)
            .iter()
            .sum()
    }

    /// Begins or ends something that is wrong with the bench around it.
    pub(crate) fn set_fault(&self, fault: virtual_dk::Fault, wrong: bool) {
        self.dk.set_fault(fault, wrong);
    }

    /// Names of the radio's adapters.
    pub(crate) fn adapters(&self) -> &[String] {
        self.radio.adapters()
    }
}

/// A board with this fault, at twenty times a DK's pace.
pub(crate) fn board(fault: Fault) -> Board {
    board_at(fault, 20.0)
}

/// A board with this fault, at `speed` times a DK's pace.
pub(crate) fn board_at(fault: Fault, speed: f64) -> Board {
    let firmware = Broken {
        fault,
        written: AtomicU32::new(0),
    };
    let options = VirtualDkOptions {
        speed: Speed::Factor(speed),
        ..VirtualDkOptions::default()
    };
    started(options, Arc::new(firmware))
}

/// A board whose firmware does what it should.
pub(crate) fn sound_board(options: VirtualDkOptions) -> Board {
    started(options, Arc::new(StockFirmware))
}

fn started(options: VirtualDkOptions, firmware: Arc<dyn Firmware>) -> Board {
    let radio = VirtualRadio::start(RadioOptions {
        adapters: 2,
        ..RadioOptions::default()
    })
    .expect("a virtual radio can be started here");
    let options = VirtualDkOptions {
        air: Some(radio.air()),
        ..options
    };
    let dk = VirtualDk::start(options, firmware).expect("a virtual board can be started here");
    Board { dk, radio }
}

struct Broken {
    fault: Fault,
    /// How often the byte was written that loses a bit: by the upload, then by the swap. Or how often the board was put
    /// on the air.
    written: AtomicU32,
}

impl Firmware for Broken {
    fn run(&self, bus: &mut dyn CoreBus) -> Stopped {
        match (self.fault, bus.core()) {
            (Fault::NetworkCoreDead, Core::Net) | (Fault::ApplicationCoreDead, Core::App) => {
                bus.hang()
            }
            (Fault::NetworkCoreDeadAfterReset, Core::Net)
                if self.written.load(Ordering::SeqCst) > 0 =>
            {
                bus.hang()
            }
            (fault, _) => StockFirmware.run(&mut FaultyBus {
                bus,
                fault,
                written: &self.written,
                heard: None,
            }),
        }
    }
}

/// Whether an SMP packet on its way out is an error: version 2 of the protocol has them in a map `err`.
fn is_refusal(bytes: &[u8]) -> bool {
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    std::iter::from_fn(|| decoder.next()).any(|decoded| {
        let Decoded::Packet(packet) = decoded else {
            return false;
        };
        packet.windows(3).any(|word| word == b"err")
    })
}

struct FaultyBus<'a> {
    bus: &'a mut dyn CoreBus,
    fault: Fault,
    written: &'a AtomicU32,
    /// When a central that is connected was heard last.
    heard: Option<Duration>,
}

impl FaultyBus<'_> {
    fn loses_now(&self) -> bool {
        let by_upload = self.written.fetch_add(1, Ordering::SeqCst) == 0;
        let first = matches!(
            self.fault,
            Fault::UploadLosesABit | Fault::RecoveryLosesABit
        );
        by_upload == first
    }

    /// What a write of `data` puts into flash, where the fault is one of any address.
    fn spoiled(&self, address: u32, data: &[u8]) -> Option<Vec<u8>> {
        let range = address..address + data.len() as u32;
        match self.fault {
            Fault::LosesABit { at, write }
                if range.contains(&at)
                    && self.written.fetch_add(1, Ordering::SeqCst) + 1 == write =>
            {
                let mut data = data.to_vec();
                let byte = &mut data[(at - address) as usize];
                *byte &= byte.wrapping_sub(1);
                Some(data)
            }
            _ => None,
        }
    }

    fn ignores(&self, address: u32) -> bool {
        matches!(self.fault, Fault::IgnoresWrites { from, to } if (from..to).contains(&address))
    }

    fn ignores_erase(&self, address: u32) -> bool {
        self.ignores(address)
            || matches!(self.fault, Fault::IgnoresErases { from, to } if (from..to).contains(&address))
    }
}

impl CoreBus for FaultyBus<'_> {
    fn core(&self) -> Core {
        self.bus.core()
    }

    fn read(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), BusError> {
        self.bus.read(address, buffer)?;
        let asks = self.bus.core() == Core::App && address == COMMAND_ADDRESS;
        if self.fault == Fault::CopyNotAwaited && asks {
            buffer.fill(0);
        }
        if let Fault::ReadsABitWrong { at, from } = self.fault
            && let Some(offset) = at.checked_sub(address)
            && let Some(byte) = buffer.get_mut(offset as usize)
            && self.written.fetch_add(1, Ordering::SeqCst) + 1 >= from
        {
            *byte &= byte.wrapping_sub(1);
        }
        Ok(())
    }

    fn read_input(&mut self, pin: u8) -> Result<bool, Stopped> {
        self.bus.read_input(pin)
    }

    fn write_ram(&mut self, address: u32, data: &[u8]) -> Result<(), BusError> {
        self.bus.write_ram(address, data)
    }

    fn flash_write(&mut self, address: u32, data: &[u8]) -> Result<(), BusError> {
        if self.ignores(address) {
            return Ok(());
        }
        if let Some(data) = self.spoiled(address, data) {
            return self.bus.flash_write(address, &data);
        }
        let end = address + data.len() as u32;
        match self.fault {
            Fault::UploadLosesABit | Fault::SlotHoldsOtherBytes | Fault::RecoveryLosesABit => {
                let lost = match self.fault {
                    Fault::RecoveryLosesABit => APP_PRIMARY + 0x1234,
                    _ => APP_SECONDARY + 0x1234,
                };
                let mut data = data.to_vec();
                if (address..end).contains(&lost) && self.loses_now() {
                    let byte = &mut data[(lost - address) as usize];
                    // The lowest bit that is set: flash could not hold one that is not.
                    *byte &= byte.wrapping_sub(1);
                }
                return self.bus.flash_write(address, &data);
            }
            Fault::TrailerFieldWrong if address == SWAP_SIZE => {
                let mut data = data.to_vec();
                // The bits above the length of any slot are never set.
                data[3] |= 0x10;
                return self.bus.flash_write(address, &data);
            }
            Fault::SwapStatusWrong if address == SWAP_STATUS + 4 * 3 => {
                return self.bus.flash_write(address, &[0x03, 0xFF, 0xFF, 0xFF]);
            }
            Fault::ConfirmationLost if address == SECONDARY_END - 24 => return Ok(()),
            Fault::NetworkFlashNotWritten if address >= NET_PRIMARY => return Ok(()),
            Fault::PlainTextLeftBehind if (0xD000..0xE000).contains(&address) => {
                let copy = SETTINGS + (address & 0xFFF);
                if self.bus.core() == Core::App && address & 0xFFF == 0 {
                    self.bus.flash_erase(SETTINGS, 0x1000)?;
                }
                self.bus.flash_write(copy, data)?;
            }
            Fault::KeyLeftInRam
                if SWAP_KEYS.contains(&address) && data.iter().any(|byte| *byte != 0xFF) =>
            {
                self.bus.write_ram(BOOTLOADER_STACK, data)?;
            }
            Fault::PlainTextLeftInExternalFlash if (0xD000..0xE000).contains(&address) => {
                self.bus
                    .external_write(EXTERNAL_STORAGE + (address & 0xFFF), data)?;
            }
            _ => {}
        }
        self.bus.flash_write(address, data)
    }

    fn flash_erase(&mut self, address: u32, length: u32) -> Result<(), BusError> {
        if self.ignores_erase(address)
            || self.fault == Fault::NetworkFlashNotWritten && address >= NET_PRIMARY
        {
            return Ok(());
        }
        if self.fault == Fault::RefusedImageStays
            && (APP_SECONDARY..SECONDARY_END).contains(&address)
        {
            let mut magic = [0; 16];
            self.bus.read(SECONDARY_END - 16, &mut magic)?;
            if magic != [0xFF; 16] {
                return Ok(());
            }
        }
        self.bus.flash_erase(address, length)
    }

    fn external_write(&mut self, offset: u32, data: &[u8]) -> Result<(), BusError> {
        if self.ignores(EXTERNAL + offset) {
            return Ok(());
        }
        if let Some(data) = self.spoiled(EXTERNAL + offset, data) {
            return self.bus.external_write(offset, &data);
        }
        let lost = 0x1234;
        if self.fault == Fault::ExternalSlotHoldsOtherBytes
            && (offset..offset + data.len() as u32).contains(&lost)
            && self.written.fetch_add(1, Ordering::SeqCst) > 0
        {
            let mut data = data.to_vec();
            let byte = &mut data[(lost - offset) as usize];
            *byte &= byte.wrapping_sub(1);
            return self.bus.external_write(offset, &data);
        }
        self.bus.external_write(offset, data)
    }

    fn external_erase(&mut self, offset: u32, length: u32) -> Result<(), BusError> {
        if self.ignores_erase(EXTERNAL + offset) {
            return Ok(());
        }
        self.bus.external_erase(offset, length)
    }

    fn uart_write(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        if self.fault == Fault::NetworkCoreDeadAfterReset && self.bus.core() == Core::Net {
            self.written.store(1, Ordering::SeqCst);
        }
        if self.fault == Fault::ErasesBeforeItRefuses
            && self.bus.core() == Core::App
            && is_refusal(bytes)
            && self.bus.flash_erase(APP_SECONDARY, 0x1000).is_err()
        {
            return Err(Stopped);
        }
        self.bus.uart_write(bytes)
    }

    fn uart_read(&mut self, wait: Duration) -> Result<Vec<u8>, Stopped> {
        // Not to sleep through a central's silence.
        let wait = match self.fault {
            Fault::ForgetsAnIdleCentral => wait.min(Duration::from_secs(1)),
            _ => wait,
        };
        self.bus.uart_read(wait)
    }

    fn ble_advertise(&mut self, advertisement: Advertisement) -> Result<(), Stopped> {
        if self.fault == Fault::RadioDeadAfterReset
            && self.written.fetch_add(1, Ordering::SeqCst) > 0
        {
            return Ok(());
        }
        self.bus.ble_advertise(advertisement)
    }

    fn ble_require_security(&mut self, refusal: Option<u8>) -> Result<(), Stopped> {
        self.bus.ble_require_security(refusal)
    }

    fn ble_events(&mut self) -> Result<Vec<LinkEvent>, Stopped> {
        let events = self.bus.ble_events()?;
        for event in &events {
            match (self.fault, event) {
                (Fault::ResetsWhenTheLinkIsLost, LinkEvent::Disconnected { .. }) => {
                    return Err(self.bus.system_reset());
                }
                (Fault::ForgetsAnIdleCentral, LinkEvent::Disconnected { .. }) => self.heard = None,
                (Fault::ForgetsAnIdleCentral, _) => self.heard = Some(self.bus.uptime()?),
                _ => {}
            }
        }
        if let Some(heard) = self.heard
            && self.bus.uptime()?.saturating_sub(heard) > IDLE
        {
            return Err(self.bus.system_reset());
        }
        Ok(events)
    }

    fn ble_notify(
        &mut self,
        link: LinkId,
        characteristic: u16,
        value: Vec<u8>,
    ) -> Result<(), Stopped> {
        self.bus.ble_notify(link, characteristic, value)
    }

    fn wait(&mut self, duration: Duration) -> Result<(), Stopped> {
        self.bus.wait(duration)
    }

    fn uptime(&mut self) -> Result<Duration, Stopped> {
        self.bus.uptime()
    }

    fn force_network_off(&mut self, off: bool) -> Result<(), BusError> {
        self.bus.force_network_off(off)
    }

    fn reset_reasons(&mut self) -> Result<u32, Stopped> {
        self.bus.reset_reasons()
    }

    fn clear_reset_reasons(&mut self) -> Result<(), Stopped> {
        self.bus.clear_reset_reasons()
    }

    fn system_reset(&mut self) -> Stopped {
        let extra = match self.fault {
            // image_ok of the primary slot.
            Fault::RevertDoesNotHappen => Some((PRIMARY_END - 24, [0x01, 0xFF, 0xFF, 0xFF])),
            Fault::UnusedSlotTouched => Some((SECONDARY_FREE, [0x12, 0x34, 0x56, 0x78])),
            Fault::WritesAtReset { at } => Some((at, [0x12, 0x34, 0x56, 0x78])),
            Fault::BootloaderTouched => Some((BOOTLOADER_FREE, [0x12, 0x34, 0x56, 0x78])),
            _ => None,
        };
        if self.fault == Fault::ExternalStorageTouched
            && self.bus.core() == Core::App
            && self
                .bus
                .external_write(EXTERNAL_STORAGE, &[0x12, 0x34, 0x56, 0x78])
                .is_err()
        {
            return Stopped;
        }
        if let Some((address, data)) = extra
            && self.bus.core() == Core::App
            && self.bus.flash_write(address, &data).is_err()
        {
            return Stopped;
        }
        self.bus.system_reset()
    }

    fn watchdog_reset(&mut self) -> Stopped {
        self.bus.watchdog_reset()
    }

    fn hang(&mut self) -> Stopped {
        self.bus.hang()
    }

    fn lock_up(&mut self) -> Stopped {
        self.bus.lock_up()
    }
}
