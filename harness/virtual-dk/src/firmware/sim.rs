//! A board in memory for the tests of this folder: strict flash, virtual time, power that fails where it is told to.
//!
//! Single-threaded: the network core runs when it is released, until it waits or stops, inside the call that
//! released it. A boot is one call: it gets the packets that a client sends, one per read, and ends when the core
//! stops or when nothing would happen any more.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hil_smp::frame::{self, Decoded, Decoder};

use super::StockFirmware;
use crate::bus::{BusError, Core, CoreBus, Firmware, Stopped};

pub(crate) const APP_PAGE: u32 = 0x1000;
pub(crate) const NET_PAGE: u32 = 0x800;
pub(crate) const NET_BASE: u32 = 0x0100_0000;
const EXTERNAL_WINDOW: u32 = 0x1000_0000;
const APP_RAM: u32 = 0x2000_0000;
/// A core that still polls after this much board time polls for ever.
const PATIENCE: Duration = Duration::from_secs(3600);
/// RESETREAS.SREQ.
pub(crate) const SOFT_RESET: u32 = 1 << 3;
/// RESETREAS.DOG0.
pub(crate) const WATCHDOG_RESET: u32 = 1 << 1;

/// How a boot ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// The firmware waits for something that will not come.
    Idle,
    /// The core asked for a reset.
    Reset,
    /// It hangs.
    Hang,
    /// It is locked up.
    LockUp,
    /// The power failed.
    PowerLost,
}

#[derive(Debug)]
struct Chip {
    app_flash: Vec<u8>,
    net_flash: Vec<u8>,
    external: Vec<u8>,
    app_ram: Vec<u8>,
    now: Duration,
    network_off: bool,
    reset_reasons: u32,
    /// Until when button 1 is held in the next boots, from their start.
    held_for: Option<Duration>,
    booted_at: Duration,
    /// The network core never runs when it is released.
    network_stalls: bool,
    uart: [Vec<u8>; 2],
    inbox: std::collections::VecDeque<Vec<u8>>,
    ops: u32,
    cut_at: Option<u32>,
    dirty_writes: u32,
    ended: Option<Ended>,
    net_ended: Option<Ended>,
}

/// The board: what survives a reset, and what survives only until the power goes.
#[derive(Clone, Debug)]
pub(crate) struct SimBoard(Arc<Mutex<Chip>>);

/// What one boot showed.
#[derive(Debug)]
pub(crate) struct Boot {
    /// Text lines on the application UART.
    pub(crate) console: Vec<String>,
    /// SMP packets on the application UART.
    pub(crate) packets: Vec<Vec<u8>>,
    /// Text on the network UART.
    pub(crate) net_console: Vec<String>,
    pub(crate) ended: Ended,
    /// How the network core ended, if it ran.
    pub(crate) net_ended: Option<Ended>,
}

impl Boot {
    /// Whether a console line contains this.
    pub(crate) fn shows(&self, text: &str) -> bool {
        self.console.iter().any(|line| line.contains(text))
    }
}

impl SimBoard {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Chip {
            app_flash: vec![0xff; 0x10_0000],
            net_flash: vec![0xff; 0x4_0000],
            external: vec![0xff; 0x80_0000],
            app_ram: vec![0xaa; 0x8_0000],
            now: Duration::ZERO,
            network_off: true,
            reset_reasons: 0,
            held_for: None,
            booted_at: Duration::ZERO,
            network_stalls: false,
            uart: [Vec::new(), Vec::new()],
            inbox: std::collections::VecDeque::new(),
            ops: 0,
            cut_at: None,
            dirty_writes: 0,
            ended: None,
            net_ended: None,
        })))
    }

    fn chip(&self) -> MutexGuard<'_, Chip> {
        self.0.lock().expect("no test panics while it holds this")
    }

    /// A copy that shares nothing.
    pub(crate) fn fork(&self) -> Self {
        let chip = self.chip();
        let copy = Self::new();
        {
            let mut other = copy.chip();
            other.app_flash.clone_from(&chip.app_flash);
            other.net_flash.clone_from(&chip.net_flash);
            other.external.clone_from(&chip.external);
        }
        copy
    }

    /// Programs bytes as a probe does, on whichever core's flash has the address.
    pub(crate) fn program(&self, address: u32, bytes: &[u8]) {
        let mut chip = self.chip();
        let (flash, offset) = if address >= NET_BASE {
            (&mut chip.net_flash, address - NET_BASE)
        } else {
            (&mut chip.app_flash, address)
        };
        flash[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
    }

    /// Reads application or network flash.
    pub(crate) fn flash(&self, address: u32, length: usize) -> Vec<u8> {
        let chip = self.chip();
        let (flash, offset) = if address >= NET_BASE {
            (&chip.net_flash, address - NET_BASE)
        } else {
            (&chip.app_flash, address)
        };
        flash[offset as usize..offset as usize + length].to_vec()
    }

    /// Flash operations since power-up.
    pub(crate) fn ops(&self) -> u32 {
        self.chip().ops
    }

    /// Writes over bits that were not erased.
    pub(crate) fn dirty_writes(&self) -> u32 {
        self.chip().dirty_writes
    }

    pub(crate) fn reset_reasons(&self) -> u32 {
        self.chip().reset_reasons
    }

    /// Board time.
    pub(crate) fn now(&self) -> Duration {
        self.chip().now
    }

    /// Lets the power fail when flash operation number `ops` of the next boot is about to happen.
    pub(crate) fn cut_at(&self, ops: u32) {
        self.chip().cut_at = Some(ops);
    }

    /// Holds button 1 in the boots that follow, each time for so long from its start.
    pub(crate) fn hold_button(&self, held_for: Option<Duration>) {
        self.chip().held_for = held_for;
    }

    /// Keeps the network core from running when it is released.
    pub(crate) fn stall_network(&self, stalls: bool) {
        self.chip().network_stalls = stalls;
    }

    /// Loses RAM.
    pub(crate) fn power_cycle(&self) {
        let mut chip = self.chip();
        chip.app_ram.fill(0xaa);
        chip.now = Duration::ZERO;
        chip.reset_reasons = 0;
    }

    /// Starts the application core while a client sends `requests`.
    pub(crate) fn boot(&self, requests: &[Vec<u8>]) -> Boot {
        let frames: Vec<Vec<u8>> = requests
            .iter()
            .map(|packet| frame::encode(packet).expect("tests send packets that can be framed"))
            .collect();
        self.boot_with_bytes(&frames)
    }

    /// Starts the application core; each piece of bytes is what one read of its UART brings.
    pub(crate) fn boot_with_bytes(&self, pieces: &[Vec<u8>]) -> Boot {
        {
            let mut chip = self.chip();
            chip.network_off = true;
            chip.uart = [Vec::new(), Vec::new()];
            chip.inbox = pieces.iter().cloned().collect();
            chip.ops = 0;
            chip.booted_at = chip.now;
            chip.ended = None;
            chip.net_ended = None;
        }
        let mut bus = SimBus {
            chip: Arc::clone(&self.0),
            core: Core::App,
        };
        let Stopped = StockFirmware.run(&mut bus);
        let mut chip = self.chip();
        chip.cut_at = None;
        let (console, packets) = split(&chip.uart[0]);
        let (net_console, _) = split(&chip.uart[1]);
        Boot {
            console,
            packets,
            net_console,
            ended: chip.ended.expect("a core that stopped has a reason"),
            net_ended: chip.net_ended,
        }
    }

    /// The application core's bus, for a test that is its firmware.
    pub(crate) fn bus(&self) -> impl CoreBus {
        SimBus {
            chip: Arc::clone(&self.0),
            core: Core::App,
        }
    }

    /// Boots without a client.
    pub(crate) fn start(&self) -> Boot {
        self.boot(&[])
    }
}

fn split(bytes: &[u8]) -> (Vec<String>, Vec<Vec<u8>>) {
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    let (mut lines, mut packets) = (Vec::new(), Vec::new());
    while let Some(decoded) = decoder.next() {
        match decoded {
            Decoded::Packet(packet) => packets.push(packet),
            Decoded::Line(line) => lines.push(String::from_utf8_lossy(&line).trim_end().to_owned()),
            Decoded::Damaged(error) => panic!("the board sent a damaged frame: {error}"),
        }
    }
    (lines, packets)
}

struct SimBus {
    chip: Arc<Mutex<Chip>>,
    core: Core,
}

impl SimBus {
    fn chip(&self) -> MutexGuard<'_, Chip> {
        self.chip
            .lock()
            .expect("no test panics while it holds this")
    }

    fn end(&self, how: Ended) -> Stopped {
        let mut chip = self.chip();
        match self.core {
            Core::App => chip.ended.get_or_insert(how),
            Core::Net => chip.net_ended.get_or_insert(how),
        };
        Stopped
    }

    fn alive(&self) -> Result<(), Stopped> {
        match self.chip().ended {
            Some(_) => Err(Stopped),
            None => Ok(()),
        }
    }

    fn index(&self) -> usize {
        match self.core {
            Core::App => 0,
            Core::Net => 1,
        }
    }

    /// Counts a flash operation; the power may fail at it.
    fn operation(&self, takes: Duration) -> Result<(), Stopped> {
        self.alive()?;
        let mut chip = self.chip();
        if chip.cut_at == Some(chip.ops) {
            chip.ended = Some(Ended::PowerLost);
            return Err(Stopped);
        }
        chip.ops += 1;
        chip.now += takes;
        Ok(())
    }

    fn own_flash(
        &self,
        address: u32,
        length: u32,
        unit: u32,
    ) -> Result<std::ops::Range<usize>, BusError> {
        let base = match self.core {
            Core::App => 0,
            Core::Net => NET_BASE,
        };
        let size = match self.core {
            Core::App => 0x10_0000,
            Core::Net => 0x4_0000,
        };
        assert!(
            address.is_multiple_of(unit) && length.is_multiple_of(unit),
            "{address:#x}+{length:#x} not aligned"
        );
        match address.checked_sub(base) {
            Some(start) if start + length <= size => Ok(start as usize..(start + length) as usize),
            _ => Err(BusError::Fault { address }),
        }
    }
}

fn clear_bits(flash: &mut [u8], data: &[u8]) -> u32 {
    let mut dirty = 0;
    for (byte, value) in flash.iter_mut().zip(data) {
        dirty |= u32::from(value & !*byte != 0);
        *byte &= value;
    }
    dirty
}

impl CoreBus for SimBus {
    fn core(&self) -> Core {
        self.core
    }

    fn read(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), BusError> {
        self.alive()?;
        let chip = self.chip();
        let (memory, base): (&[u8], u32) = match (address, self.core) {
            (0..0x10_0000, Core::App) => (&chip.app_flash, 0),
            (NET_BASE..0x0104_0000, Core::Net) => (&chip.net_flash, NET_BASE),
            // The network core has a window on application flash and RAM.
            (0..0x10_0000, Core::Net) => (&chip.app_flash, 0),
            (EXTERNAL_WINDOW..0x1080_0000, Core::App) => (&chip.external, EXTERNAL_WINDOW),
            (APP_RAM..0x2008_0000, _) => (&chip.app_ram, APP_RAM),
            _ => return Err(BusError::Fault { address }),
        };
        let start = (address - base) as usize;
        let bytes = memory
            .get(start..start + buffer.len())
            .ok_or(BusError::Fault { address })?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_ram(&mut self, address: u32, data: &[u8]) -> Result<(), BusError> {
        self.alive()?;
        let start = address
            .checked_sub(APP_RAM)
            .ok_or(BusError::Fault { address })? as usize;
        let mut chip = self.chip();
        let bytes = chip
            .app_ram
            .get_mut(start..start + data.len())
            .ok_or(BusError::Fault { address })?;
        bytes.copy_from_slice(data);
        Ok(())
    }

    fn flash_write(&mut self, address: u32, data: &[u8]) -> Result<(), BusError> {
        let range = self.own_flash(address, data.len() as u32, 4)?;
        self.operation(Duration::from_micros(43) * (data.len() as u32 / 4))?;
        let mut chip = self.chip();
        let flash = match self.core {
            Core::App => &mut chip.app_flash,
            Core::Net => &mut chip.net_flash,
        };
        let dirty = clear_bits(&mut flash[range], data);
        chip.dirty_writes += dirty;
        Ok(())
    }

    fn flash_erase(&mut self, address: u32, length: u32) -> Result<(), BusError> {
        let page = match self.core {
            Core::App => APP_PAGE,
            Core::Net => NET_PAGE,
        };
        let range = self.own_flash(address, length, page)?;
        self.operation(Duration::from_micros(87_500) * (length / page))?;
        let mut chip = self.chip();
        match self.core {
            Core::App => chip.app_flash[range].fill(0xff),
            Core::Net => chip.net_flash[range].fill(0xff),
        }
        Ok(())
    }

    fn external_write(&mut self, offset: u32, data: &[u8]) -> Result<(), BusError> {
        self.operation(Duration::from_micros(900) * (data.len() as u32).div_ceil(256))?;
        let mut chip = self.chip();
        let range = offset as usize..offset as usize + data.len();
        let dirty = clear_bits(&mut chip.external[range], data);
        chip.dirty_writes += dirty;
        Ok(())
    }

    fn external_erase(&mut self, offset: u32, length: u32) -> Result<(), BusError> {
        self.operation(Duration::from_millis(48) * (length / 0x1000))?;
        self.chip().external[offset as usize..(offset + length) as usize].fill(0xff);
        Ok(())
    }

    fn uart_write(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        self.alive()?;
        let index = self.index();
        self.chip().uart[index].extend_from_slice(bytes);
        Ok(())
    }

    fn uart_read(&mut self, wait: Duration) -> Result<Vec<u8>, Stopped> {
        self.alive()?;
        if self.core == Core::App
            && let Some(bytes) = self.chip().inbox.pop_front()
        {
            return Ok(bytes);
        }
        if wait >= Duration::from_secs(60) {
            return Err(self.end(Ended::Idle));
        }
        self.wait(wait)?;
        Ok(Vec::new())
    }

    fn read_input(&mut self, pin: u8) -> Result<bool, Stopped> {
        self.alive()?;
        let chip = self.chip();
        let held = chip
            .held_for
            .is_some_and(|held| chip.now - chip.booted_at < held);
        Ok(pin != 23 || !held)
    }

    fn wait(&mut self, duration: Duration) -> Result<(), Stopped> {
        self.alive()?;
        let mut chip = self.chip();
        chip.now += duration;
        let too_long = chip.now > PATIENCE;
        drop(chip);
        if too_long {
            Err(self.end(Ended::Idle))
        } else {
            Ok(())
        }
    }

    fn uptime(&mut self) -> Result<Duration, Stopped> {
        self.alive()?;
        Ok(self.chip().now)
    }

    fn force_network_off(&mut self, off: bool) -> Result<(), BusError> {
        self.alive()?;
        let was_off = {
            let mut chip = self.chip();
            std::mem::replace(&mut chip.network_off, off)
        };
        if was_off && !off && !self.chip().network_stalls {
            self.chip().net_ended = None;
            let mut network = Self {
                chip: Arc::clone(&self.chip),
                core: Core::Net,
            };
            let Stopped = StockFirmware.run(&mut network);
        }
        Ok(())
    }

    fn reset_reasons(&mut self) -> Result<u32, Stopped> {
        self.alive()?;
        Ok(self.chip().reset_reasons)
    }

    fn clear_reset_reasons(&mut self) -> Result<(), Stopped> {
        self.alive()?;
        self.chip().reset_reasons = 0;
        Ok(())
    }

    fn system_reset(&mut self) -> Stopped {
        self.chip().reset_reasons |= SOFT_RESET;
        self.end(Ended::Reset)
    }

    fn watchdog_reset(&mut self) -> Stopped {
        self.chip().reset_reasons |= WATCHDOG_RESET;
        self.end(Ended::Reset)
    }

    fn hang(&mut self) -> Stopped {
        self.end(Ended::Hang)
    }

    fn lock_up(&mut self) -> Stopped {
        self.end(Ended::LockUp)
    }
}
