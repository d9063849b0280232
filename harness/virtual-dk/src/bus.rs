//! What model firmware sees of the silicon: the bus of its core.
//!
//! Model firmware is ordinary Rust that runs on a thread of its own. Every call goes to the chip, which may
//! have lost power, been reset or been halted by a debugger since the last one. A halted core's call returns
//! when the core is resumed; after a reset or a power loss it returns [`Stopped`], and the firmware must
//! return from its entry function at once (`?`): the chip has started, or will start, a new one.

use std::time::Duration;

use virtual_radio::{Advertisement, LinkEvent, LinkId};

/// One of the two cores of an nRF5340.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Core {
    /// The application core: 1 MiB flash at 0x0000_0000 in pages of 4 KiB, RAM at 0x2000_0000.
    App,
    /// The network core: 256 KiB flash at 0x0100_0000 in pages of 2 KiB, RAM at 0x2100_0000.
    Net,
}

impl Core {
    /// First address of its flash, where it starts after a reset.
    #[must_use]
    pub const fn flash_start(self) -> u32 {
        match self {
            Self::App => 0,
            Self::Net => 0x0100_0000,
        }
    }
}

/// The core was reset or lost power: whatever ran on it has ceased to exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the core was reset or lost power")]
pub struct Stopped;

/// Why a bus access did not happen.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BusError {
    /// The core is gone; return from the firmware.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// Nothing answers at this address, or not to this kind of access: a bus fault.
    #[error("bus fault at {address:#010x}")]
    Fault {
        /// The first address that faulted.
        address: u32,
    },
}

/// The bus of one core, as model firmware uses it. Addresses are the core's own.
pub trait CoreBus: Send {
    /// Which core this is.
    fn core(&self) -> Core;

    /// Reads flash, RAM, FICR, UICR or the QSPI window (0x1000_0000, application core only).
    fn read(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), BusError>;

    /// Writes RAM. The network core reaches application RAM at its address too (for the PCD command).
    fn write_ram(&mut self, address: u32, data: &[u8]) -> Result<(), BusError>;

    /// Programs words of the core's own flash through the NVMC: whole words, bits only fall. Takes the
    /// time that the flash takes; a power loss before that time has passed leaves the flash as it was.
    fn flash_write(&mut self, address: u32, data: &[u8]) -> Result<(), BusError>;

    /// Erases the pages of the core's own flash that `address..address + length` covers (both are
    /// multiples of the page size).
    fn flash_erase(&mut self, address: u32, length: u32) -> Result<(), BusError>;

    /// Programs the external flash; `offset` counts from its start.
    fn external_write(&mut self, offset: u32, data: &[u8]) -> Result<(), BusError>;

    /// Erases 4 KiB sectors of the external flash.
    fn external_erase(&mut self, offset: u32, length: u32) -> Result<(), BusError>;

    /// Sends bytes on the core's UART (each core of the DK has its own virtual serial port).
    fn uart_write(&mut self, bytes: &[u8]) -> Result<(), Stopped>;

    /// Takes what has arrived on the core's UART, waiting at most `wait` for the first byte. Empty when
    /// nothing came, and at once when [`ble_events`](Self::ble_events) has something.
    fn uart_read(&mut self, wait: Duration) -> Result<Vec<u8>, Stopped>;

    /// Advertises, until a central connects: through the controller on the network core, which must run. Application
    /// core only. Without a radio nothing happens, in this and the next three.
    fn ble_advertise(&mut self, _advertisement: Advertisement) -> Result<(), Stopped> {
        Ok(())
    }

    /// Refuses what a central without a pairing writes, and its subscriptions, with this ATT error; or takes them. Until
    /// the board says otherwise: firmware says it each time before it advertises.
    fn ble_require_security(&mut self, _refusal: Option<u8>) -> Result<(), Stopped> {
        Ok(())
    }

    /// Takes what has happened on the air since the last call.
    fn ble_events(&mut self) -> Result<Vec<LinkEvent>, Stopped> {
        Ok(Vec::new())
    }

    /// Notifies a value of the characteristic that is declared at this handle, at most the MTU less 3 bytes.
    fn ble_notify(
        &mut self,
        _link: LinkId,
        _characteristic: u16,
        _value: Vec<u8>,
    ) -> Result<(), Stopped> {
        Ok(())
    }

    /// Makes a pin of port 0 an input with a pull-up and reads it: `true` is high, as it is where nothing grounds it.
    /// Application core only.
    fn read_input(&mut self, _pin: u8) -> Result<bool, Stopped> {
        Ok(true)
    }

    /// Lets `duration` of the board's time pass.
    fn wait(&mut self, duration: Duration) -> Result<(), Stopped>;

    /// The time on the board since power-up, in the board's time.
    fn uptime(&mut self) -> Result<Duration, Stopped>;

    /// Holds the network core in reset (`true`) or lets it run (`false`): RESET.NETWORK.FORCEOFF.
    /// Application core only. Releasing starts the network core from its flash.
    fn force_network_off(&mut self, off: bool) -> Result<(), BusError>;

    /// The reasons of the last resets: RESET.RESETREAS, bits as on silicon, accumulated until
    /// [`clear_reset_reasons`](Self::clear_reset_reasons).
    fn reset_reasons(&mut self) -> Result<u32, Stopped>;

    /// Clears all bits of RESETREAS.
    fn clear_reset_reasons(&mut self) -> Result<(), Stopped>;

    /// Asks for a system reset (SYSRESETREQ). Always comes back as [`Stopped`]: on the application core
    /// both cores are reset, on the network core only that one.
    fn system_reset(&mut self) -> Stopped;

    /// The core's watchdog bites: resets as [`system_reset`](Self::system_reset) does, and RESETREAS says that it was
    /// the watchdog. Always comes back as [`Stopped`].
    fn watchdog_reset(&mut self) -> Stopped;

    /// Stops for ever, as a core that hangs does; comes back when it is reset or loses power.
    fn hang(&mut self) -> Stopped;

    /// Enters lock-up, as a core does that faults in its fault handler: stops for ever, and a debugger
    /// sees S_LOCKUP.
    fn lock_up(&mut self) -> Stopped;
}

/// Model firmware: what a core runs after reset, found from the bytes in its flash.
///
/// Called on a fresh thread at every start of the core. Returns only when the core is [`Stopped`].
pub trait Firmware: Send + Sync {
    /// Runs the core until it is stopped.
    fn run(&self, bus: &mut dyn CoreBus) -> Stopped;
}
