//! The bus of a core as its firmware thread has it.

use super::board::{Board, State};
use super::flash_driver::ExternalWork;
use super::options::Speed;
use crate::bus::{BusError, Core, CoreBus, Stopped};
use crate::chip::{
    Chip, EXTERNAL_FLASH_SIZE, EXTERNAL_PAGE, EXTERNAL_SECTOR, ExternalOperation, Fault, Gate,
    QspiTask, UnderWay, flash_base, index, page_size,
};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;
use virtual_radio::{Advertisement, LinkEvent, LinkId};

/// Programming a word (nRF5340 product specification, `t_WRITE`, typical).
const WORD_WRITE: Duration = Duration::from_micros(41);
/// Erasing a page of either core (the same, `t_ERASEPAGE`).
const PAGE_ERASE: Duration = Duration::from_micros(87_500);
/// The shortest sleep when waiting for the host, whose time is not scaled; our choice.
const SHORTEST_UART_WAIT: Duration = Duration::from_millis(1);
/// How long a full UART waits for a host that takes nothing before its bytes are lost; our choice.
const UART_STALL: Duration = Duration::from_millis(250);

/// One start of a core, from its firmware's point of view.
pub(super) struct CoreHandle {
    pub(super) board: Arc<Board>,
    pub(super) core: Core,
    pub(super) epoch: u64,
}

impl CoreHandle {
    pub(super) fn new(board: Arc<Board>, core: Core, epoch: u64) -> Self {
        Self { board, core, epoch }
    }

    /// The board's state, once this core may go on.
    pub(super) fn enter(&self) -> Result<MutexGuard<'_, State>, Stopped> {
        self.resume(self.board.lock())
    }

    /// Waits until the core may go on.
    pub(super) fn resume<'a>(
        &self,
        state: MutexGuard<'a, State>,
    ) -> Result<MutexGuard<'a, State>, Stopped> {
        let mut state = state;
        loop {
            match state.chip.gate(self.core, self.epoch) {
                Gate::Go => return Ok(state),
                Gate::Wait => state = self.board.wait(state, None),
                Gate::Stopped => return Err(Stopped),
            }
        }
    }

    /// Stays until the core is stopped.
    fn stay(&self) -> Stopped {
        let mut state = self.board.lock();
        while state.chip.gate(self.core, self.epoch) != Gate::Stopped {
            state = self.board.wait(state, None);
        }
        Stopped
    }
}

impl CoreHandle {
    /// Whether there is an external flash for this core, with `offset..offset + length` in it.
    fn reaches_external(&self, offset: u32, length: usize) -> Result<bool, Stopped> {
        let state = self.enter()?;
        let fits = self.core == Core::App && Chip::is_external(offset, length);
        Ok(fits && state.chip.has_external())
    }
}

/// What the driver erases at a time, with `left` bytes to go: everything, blocks of 64 KiB, or sectors (zephyr
/// `drivers/flash/nrf_qspi_nor.c`, `qspi_erase`).
const fn erase_length(offset: u32, left: u32) -> u32 {
    const BLOCK: u32 = 0x1_0000;
    if left == EXTERNAL_FLASH_SIZE {
        left
    } else if left >= BLOCK && offset.is_multiple_of(BLOCK) {
        BLOCK
    } else {
        EXTERNAL_SECTOR
    }
}

impl From<Fault> for BusError {
    fn from(fault: Fault) -> Self {
        Self::Fault {
            address: fault.address,
        }
    }
}

impl CoreBus for CoreHandle {
    fn core(&self) -> Core {
        self.core
    }

    fn read(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), BusError> {
        let mut state = self.enter()?;
        // What the external flash was told before has happened by now.
        self.board.set_now(&mut state);
        Ok(state.chip.read(self.core, address, buffer)?)
    }

    fn write_ram(&mut self, address: u32, data: &[u8]) -> Result<(), BusError> {
        Ok(self.enter()?.chip.write_ram(self.core, address, data)?)
    }

    fn flash_write(&mut self, address: u32, data: &[u8]) -> Result<(), BusError> {
        let core = self.core;
        let length = u32::try_from(data.len()).map_err(|_| BusError::Fault { address })?;
        let whole_words = address.is_multiple_of(4) && length.is_multiple_of(4);
        if !whole_words || !Chip::is_own_flash(core, address, length) {
            drop(self.enter()?);
            return Err(BusError::Fault { address });
        }
        let words: Vec<u32> = data
            .chunks_exact(4)
            .map(|word| {
                word.iter()
                    .rev()
                    .fold(0, |value, &byte| value << 8 | u32::from(byte))
            })
            .collect();
        let start = address - flash_base(core);
        self.operate(words.len(), WORD_WRITE, |number| UnderWay::Program {
            offset: start + 4 * number as u32,
            value: words[number],
        })?;
        Ok(())
    }

    fn flash_erase(&mut self, address: u32, length: u32) -> Result<(), BusError> {
        let core = self.core;
        let page = page_size(core);
        let whole_pages = address.is_multiple_of(page) && length.is_multiple_of(page);
        if !whole_pages || !Chip::is_own_flash(core, address, length) {
            drop(self.enter()?);
            return Err(BusError::Fault { address });
        }
        let start = address - flash_base(core);
        self.operate((length / page) as usize, PAGE_ERASE, |number| {
            UnderWay::Erase {
                offset: start + page * number as u32,
            }
        })?;
        Ok(())
    }

    fn external_write(&mut self, offset: u32, data: &[u8]) -> Result<(), BusError> {
        if !self.reaches_external(offset, data.len())? {
            return Err(BusError::Fault { address: offset });
        }
        // Pages of the flash, as its program command takes them.
        let mut pages = Vec::new();
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let room = (EXTERNAL_PAGE - at % EXTERNAL_PAGE) as usize;
            let (page, later) = rest.split_at(room.min(rest.len()));
            pages.push(ExternalOperation::Program {
                offset: at,
                data: page.to_vec(),
            });
            at += page.len() as u32;
            rest = later;
        }
        let task = QspiTask::Write {
            offset,
            length: data.len() as u32,
        };
        Ok(self.operate_external(vec![ExternalWork {
            task,
            operations: pages,
        }])?)
    }

    fn external_erase(&mut self, offset: u32, length: u32) -> Result<(), BusError> {
        let whole_sectors =
            offset.is_multiple_of(EXTERNAL_SECTOR) && length.is_multiple_of(EXTERNAL_SECTOR);
        if !whole_sectors || !self.reaches_external(offset, length as usize)? {
            return Err(BusError::Fault { address: offset });
        }
        let mut works = Vec::new();
        let mut at = offset;
        while at < offset + length {
            let left = offset + length - at;
            let length = erase_length(at, left);
            let sectors = (at..at + length).step_by(EXTERNAL_SECTOR as usize);
            works.push(ExternalWork {
                task: QspiTask::Erase { offset: at, length },
                operations: sectors
                    .map(|offset| ExternalOperation::EraseSector { offset })
                    .collect(),
            });
            at += length;
        }
        Ok(self.operate_external(works)?)
    }

    fn uart_write(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        let board = &self.board;
        let number = index(self.core);
        let mut state = self.enter()?;
        let mut rest = bytes;
        let mut given_up_at = board.clock.now() + UART_STALL;
        while !rest.is_empty() {
            let uart = &mut state.uarts[number];
            let room = board.uart_capacity.saturating_sub(uart.to_host.len());
            if room > 0 {
                let (now, later) = rest.split_at(room.min(rest.len()));
                uart.to_host.extend(now);
                rest = later;
                board.wake_uart(self.core);
                given_up_at = board.clock.now() + UART_STALL;
                continue;
            }
            let patience = board.clock.block_for(given_up_at);
            if uart.stalled || patience.is_zero() {
                uart.stalled = true;
                break;
            }
            state = board.wait(state, Some(patience));
            state = self.resume(state)?;
        }
        Ok(())
    }

    fn uart_read(&mut self, wait: Duration) -> Result<Vec<u8>, Stopped> {
        let board = &self.board;
        let number = index(self.core);
        let outside = match board.speed {
            // The host's time does not jump.
            Speed::Instant => wait,
            Speed::Factor(_) => board.speed.outside(wait),
        };
        let outside = if wait.is_zero() {
            Duration::ZERO
        } else {
            outside.max(SHORTEST_UART_WAIT)
        };
        let deadline = board.clock.now() + outside;
        let mut state = self.enter()?;
        loop {
            let uart = &mut state.uarts[number];
            if !uart.to_board.is_empty() {
                board.wake_uart(self.core);
                return Ok(std::mem::take(&mut uart.to_board).into());
            }
            let patience = board.clock.block_for(deadline);
            let called = self.core == Core::App && state.radio.has_events();
            if patience.is_zero() || called {
                return Ok(Vec::new());
            }
            state = board.wait(state, Some(patience));
            state = self.resume(state)?;
        }
    }

    fn ble_advertise(&mut self, advertisement: Advertisement) -> Result<(), Stopped> {
        let state = &mut *self.enter()?;
        state.radio.advertise(&state.chip, advertisement);
        Ok(())
    }

    fn ble_require_security(&mut self, refusal: Option<u8>) -> Result<(), Stopped> {
        self.enter()?.radio.require_security(refusal);
        Ok(())
    }

    fn ble_events(&mut self) -> Result<Vec<LinkEvent>, Stopped> {
        Ok(self.enter()?.radio.take_events())
    }

    fn ble_notify(
        &mut self,
        link: LinkId,
        characteristic: u16,
        value: Vec<u8>,
    ) -> Result<(), Stopped> {
        self.enter()?.radio.notify(link, characteristic, value);
        Ok(())
    }

    fn read_input(&mut self, pin: u8) -> Result<bool, Stopped> {
        Ok(self.enter()?.chip.read_input(pin))
    }

    fn wait(&mut self, duration: Duration) -> Result<(), Stopped> {
        let board = &self.board;
        let deadline = board.clock.now() + board.speed.outside(duration);
        let mut state = self.enter()?;
        loop {
            let remaining = board.clock.block_for(deadline);
            if remaining.is_zero() {
                break;
            }
            state = board.wait(state, Some(remaining));
            state = self.resume(state)?;
        }
        if board.speed == Speed::Instant {
            state.skipped += duration;
        }
        Ok(())
    }

    fn uptime(&mut self) -> Result<Duration, Stopped> {
        let state = self.enter()?;
        Ok(self.board.uptime(&state))
    }

    fn force_network_off(&mut self, off: bool) -> Result<(), BusError> {
        const FORCEOFF: u32 = 0x5000_5614;
        let mut state = self.enter()?;
        if self.core == Core::Net {
            return Err(BusError::Fault { address: FORCEOFF });
        }
        state.chip.store_force_off(off);
        self.board.settle(&mut state);
        Ok(())
    }

    fn reset_reasons(&mut self) -> Result<u32, Stopped> {
        Ok(self.enter()?.chip.reset_reasons(self.core))
    }

    fn clear_reset_reasons(&mut self) -> Result<(), Stopped> {
        self.enter()?.chip.clear_reset_reasons(self.core);
        Ok(())
    }

    fn system_reset(&mut self) -> Stopped {
        let Ok(mut state) = self.enter() else {
            return Stopped;
        };
        state.chip.system_reset(self.core);
        self.board.settle(&mut state);
        Stopped
    }

    fn watchdog_reset(&mut self) -> Stopped {
        let Ok(mut state) = self.enter() else {
            return Stopped;
        };
        state.chip.watchdog_reset(self.core);
        self.board.settle(&mut state);
        Stopped
    }

    fn hang(&mut self) -> Stopped {
        self.stay()
    }

    fn lock_up(&mut self) -> Stopped {
        let Ok(mut state) = self.enter() else {
            return Stopped;
        };
        state.chip.lock_up_firmware(self.core);
        self.board.settle(&mut state);
        drop(state);
        self.stay()
    }
}
