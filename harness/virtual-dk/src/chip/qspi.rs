//! The QSPI peripheral: registers, tasks with EasyDMA, custom instructions, and the window that shows the flash.
//!
//! A task takes the time that its bytes take on the wire, and waits while the flash is busy; READY says that the
//! peripheral is done, not that the flash is: an erase goes on behind it (zephyr issue 71442). Nothing here reads
//! a clock: [`Qspi::advance`] is told the board's time. What the peripheral cannot reach (no flash, other pins, its
//! clock divided by four) never gets READY.
//!
//! Sources: register map of `nrf5340-app-pac` 0.12.2 (the vendor's SVD), `src/qspi_ns.rs`; use of it by nrfx
//! `drivers/src/nrfx_qspi.c` and zephyr `drivers/flash/nrf_qspi_nor.c`; nRF5340 product specification, QSPI.

use super::external::{EXTERNAL_FLASH_SIZE, EXTERNAL_PAGE, EXTERNAL_SECTOR};
use super::mx25r::Mx25r;
use std::time::Duration;

const RAM_BASE: u32 = 0x2000_0000;

/// Register offsets.
mod reg {
    pub(super) const ACTIVATE: u32 = 0x000;
    pub(super) const READSTART: u32 = 0x004;
    pub(super) const WRITESTART: u32 = 0x008;
    pub(super) const ERASESTART: u32 = 0x00c;
    pub(super) const DEACTIVATE: u32 = 0x010;
    pub(super) const READY: u32 = 0x100;
    pub(super) const INTEN: u32 = 0x300;
    pub(super) const INTENSET: u32 = 0x304;
    pub(super) const INTENCLR: u32 = 0x308;
    pub(super) const ENABLE: u32 = 0x500;
    pub(super) const READ_SRC: u32 = 0x504;
    pub(super) const READ_DST: u32 = 0x508;
    pub(super) const READ_CNT: u32 = 0x50c;
    pub(super) const WRITE_DST: u32 = 0x510;
    pub(super) const WRITE_SRC: u32 = 0x514;
    pub(super) const WRITE_CNT: u32 = 0x518;
    pub(super) const ERASE_PTR: u32 = 0x51c;
    pub(super) const ERASE_LEN: u32 = 0x520;
    /// SCK, CSN, one that is not used, IO0 to IO3.
    pub(super) const PSEL: u32 = 0x524;
    pub(super) const XIPOFFSET: u32 = 0x540;
    pub(super) const IFCONFIG0: u32 = 0x544;
    pub(super) const XIPEN: u32 = 0x54c;
    pub(super) const IFCONFIG1: u32 = 0x600;
    pub(super) const STATUS: u32 = 0x604;
    pub(super) const DPMDUR: u32 = 0x614;
    pub(super) const ADDRCONF: u32 = 0x624;
    pub(super) const CINSTRCONF: u32 = 0x634;
    pub(super) const CINSTRDAT0: u32 = 0x638;
    pub(super) const CINSTRDAT1: u32 = 0x63c;
    pub(super) const IFTIMING: u32 = 0x640;
    pub(super) const LAST: u32 = 0x640;
}

/// Registers that a reset does not leave at zero.
const RESET_VALUES: [(u32, u32); 11] = [
    (reg::PSEL, u32::MAX),
    (reg::PSEL + 0x04, u32::MAX),
    (reg::PSEL + 0x0c, u32::MAX),
    (reg::PSEL + 0x10, u32::MAX),
    (reg::PSEL + 0x14, u32::MAX),
    (reg::PSEL + 0x18, u32::MAX),
    (reg::XIPEN, 1),
    (reg::IFCONFIG1, 0x0004_0480),
    (reg::DPMDUR, u32::MAX),
    (reg::ADDRCONF, 0xb7),
    (reg::CINSTRCONF, 0x2000),
];
/// And one more, so that the table above stays one of plain numbers.
const IFTIMING_RESET: u32 = 0x0200;

/// How the flash is wired on the DK: SCK, CSN, IO0 to IO3 (`nrf5340_cpuapp_common-pinctrl.dtsi`), all on port 0.
const WIRES: [(u32, u32); 6] = [
    (reg::PSEL, 17),
    (reg::PSEL + 0x04, 18),
    (reg::PSEL + 0x0c, 13),
    (reg::PSEL + 0x10, 14),
    (reg::PSEL + 0x14, 15),
    (reg::PSEL + 0x18, 16),
];

/// CLOCK.HFCLK192MCTRL after reset: the clock divided by four, with which the peripheral must not work.
const DIVIDED_BY_FOUR: u32 = 2;

/// A task that is under way, and when its next step can be done at the earliest.
#[derive(Clone, Debug)]
struct Task {
    kind: Kind,
    at: Duration,
}

#[derive(Clone, Debug)]
enum Kind {
    Activate,
    Read,
    /// So many bytes are with the flash.
    Write {
        done: u32,
    },
    Erase,
    Instruction {
        conf: u32,
    },
    /// The bytes are on the wire until the task's time.
    Finishing,
}

/// The peripheral and the flash behind it.
#[derive(Debug)]
pub(super) struct Qspi {
    flash: Option<Mx25r>,
    registers: Vec<u32>,
    active: bool,
    ready: bool,
    in_deep_power_down: bool,
    task: Option<Task>,
    /// Model firmware has a task under way, which it does by itself.
    driven: bool,
    /// The bytes of a long frame since chip select fell.
    long_frame: Option<Vec<u8>>,
    /// CLOCK.HFCLK192MCTRL, which is another peripheral's register.
    pub(super) clock_control: u32,
    now: Duration,
}

impl Qspi {
    pub(super) fn new(flash: Option<Mx25r>) -> Self {
        let mut qspi = Self {
            flash,
            registers: vec![0; (reg::LAST / 4 + 1) as usize],
            active: false,
            ready: false,
            in_deep_power_down: false,
            task: None,
            driven: false,
            long_frame: None,
            clock_control: DIVIDED_BY_FOUR,
            now: Duration::ZERO,
        };
        qspi.reset();
        qspi
    }

    pub(super) fn flash(&self) -> Option<&Mx25r> {
        self.flash.as_ref()
    }

    pub(super) fn flash_mut(&mut self) -> Option<&mut Mx25r> {
        self.flash.as_mut()
    }

    /// A reset of the application core. The flash does not notice it.
    pub(super) fn reset(&mut self) {
        self.registers.fill(0);
        for (register, value) in RESET_VALUES {
            self.set(register, value);
        }
        self.set(reg::IFTIMING, IFTIMING_RESET);
        self.active = false;
        self.ready = false;
        self.in_deep_power_down = false;
        self.task = None;
        self.driven = false;
        self.long_frame = None;
        self.clock_control = DIVIDED_BY_FOUR;
    }

    /// Model firmware has begun a task, or it is over.
    pub(super) fn set_driven(&mut self, driven: bool) {
        self.ready |= self.driven && !driven;
        self.driven = driven;
    }

    pub(super) fn lose_power(&mut self) {
        self.reset();
        self.now = Duration::ZERO;
        if let Some(flash) = &mut self.flash {
            flash.lose_power();
        }
    }

    fn get(&self, register: u32) -> u32 {
        self.registers
            .get((register / 4) as usize)
            .copied()
            .unwrap_or(0)
    }

    fn set(&mut self, register: u32, value: u32) {
        if let Some(word) = self.registers.get_mut((register / 4) as usize) {
            *word = value;
        }
    }

    pub(super) fn read_register(&self, register: u32) -> u32 {
        const READY: u32 = 1 << 3;
        const DPM: u32 = 1 << 2;
        match register {
            reg::READY => u32::from(self.ready),
            reg::STATUS => {
                let idle = self.task.is_none() && !self.driven;
                let ready = if idle { READY } else { 0 };
                let deep = if self.in_deep_power_down { DPM } else { 0 };
                let flash = self.reachable().map_or(0xff, Mx25r::status);
                u32::from(flash) << 24 | ready | deep
            }
            reg::INTENSET | reg::INTENCLR => self.get(reg::INTEN),
            reg::ACTIVATE..=reg::DEACTIVATE => 0,
            _ => self.get(register),
        }
    }

    pub(super) fn write_register(&mut self, register: u32, value: u32) {
        let trigger = value & 1 == 1;
        match register {
            reg::ACTIVATE if trigger && self.is_enabled() => self.start(Kind::Activate),
            reg::READSTART if trigger && self.active => self.start(Kind::Read),
            reg::WRITESTART if trigger && self.active => self.start(Kind::Write { done: 0 }),
            reg::ERASESTART if trigger && self.active => self.start(Kind::Erase),
            reg::DEACTIVATE if trigger => {
                self.active = false;
                self.task = None;
            }
            reg::ACTIVATE..=reg::DEACTIVATE | reg::STATUS => {}
            reg::READY => self.ready = trigger,
            reg::INTENSET => self.set(reg::INTEN, self.get(reg::INTEN) | value & 1),
            reg::INTENCLR => self.set(reg::INTEN, self.get(reg::INTEN) & !value),
            reg::ENABLE => {
                self.set(register, value & 1);
                if !trigger {
                    self.active = false;
                    self.task = None;
                    self.long_frame = None;
                }
            }
            reg::CINSTRCONF => {
                self.set(register, value);
                let length = value >> 8 & 0xf;
                if self.is_enabled() && length != 0 {
                    self.start(Kind::Instruction { conf: value });
                }
            }
            reg::IFCONFIG1 => {
                self.set(register, value);
                self.switch_deep_power_down(value >> 24 & 1 == 1);
            }
            _ => self.set(register, value),
        }
    }

    fn is_enabled(&self) -> bool {
        self.get(reg::ENABLE) & 1 == 1
    }

    /// A task while another one is under way is not allowed, and lost.
    fn start(&mut self, kind: Kind) {
        if self.task.is_none() {
            let at = self.now;
            self.task = Some(Task { kind, at });
        }
    }

    /// Whether the peripheral's pins are the flash's and its clock is one that it works with.
    fn reaches_flash(&self) -> bool {
        self.clock_control & 3 != DIVIDED_BY_FOUR
            && WIRES[..4]
                .iter()
                .all(|&(register, pin)| self.get(register) == pin)
    }

    fn reachable(&self) -> Option<&Mx25r> {
        self.flash.as_ref().filter(|_| self.reaches_flash())
    }

    fn reachable_mut(&mut self) -> Option<&mut Mx25r> {
        let reaches = self.reaches_flash();
        self.flash.as_mut().filter(|_| reaches)
    }

    /// IO2 and IO3 are wired, so that four lines work.
    fn lines(&self, lines: u32) -> u32 {
        let all = WIRES
            .iter()
            .all(|&(register, pin)| self.get(register) == pin);
        // A number of lines that the flash does not understand.
        if lines == 4 && !all { 3 } else { lines }
    }

    /// IFCONFIG0.READOC.
    fn read_lines(&self) -> u32 {
        self.lines(match self.get(reg::IFCONFIG0) & 7 {
            0 => 1,
            1 | 2 => 2,
            _ => 4,
        })
    }

    /// IFCONFIG0.WRITEOC: one line, and four for address and data. PP2O and PP4O the flash does not know.
    fn write_lines(&self) -> u32 {
        match self.get(reg::IFCONFIG0) >> 3 & 7 {
            0 => 1,
            3 => self.lines(4),
            _ => 2,
        }
    }

    /// How long bytes are on the wire.
    fn wire_time(&self, bytes: u32, lines: u32) -> Duration {
        // SCK = PCLK192M / (2 * (SCKFREQ + 1)).
        let clock = 192_000_000_u64 >> (self.clock_control & 3).min(2);
        let sck = clock / (2 * (u64::from(self.get(reg::IFCONFIG1) >> 28) + 1));
        let clocks = 40 + u64::from(bytes) * 8 / u64::from(lines.max(1));
        Duration::from_nanos(clocks * 1_000_000_000 / sck)
    }

    fn switch_deep_power_down(&mut self, enter: bool) {
        const DPMENABLE: u32 = 1 << 7;
        if self.get(reg::IFCONFIG0) & DPMENABLE == 0
            || enter == self.in_deep_power_down
            || !self.is_enabled()
        {
            return;
        }
        self.in_deep_power_down = enter;
        if let Some(flash) = self.reachable_mut() {
            if enter {
                flash.transfer(&[0xb9]);
            } else {
                flash.poll();
            }
        }
    }

    /// Time passes: tasks go on, and the flash with them. `ram` is the application core's.
    pub(super) fn advance(&mut self, now: Duration, ram: &mut [u8]) {
        self.now = self.now.max(now);
        while let Some(task) = self.task.take() {
            let listens = self
                .flash
                .as_ref()
                .map_or(Duration::ZERO, Mx25r::listens_at);
            let patient = !matches!(task.kind, Kind::Finishing)
                && !matches!(task.kind, Kind::Instruction { conf } if conf & WIPWAIT == 0);
            let at = if patient {
                task.at.max(listens)
            } else {
                task.at
            };
            if at > self.now {
                self.task = Some(task);
                break;
            }
            if let Some(flash) = &mut self.flash {
                flash.advance(at);
            }
            self.task = self.step(task.kind, at, ram);
            self.ready |= self.task.is_none();
        }
        if let Some(flash) = &mut self.flash {
            flash.advance(self.now);
        }
    }

    /// When the peripheral and the flash will have nothing left to do, as far as is known now.
    pub(super) fn idle_at(&self) -> Duration {
        let flash = self
            .flash
            .as_ref()
            .map_or(Duration::ZERO, Mx25r::listens_at);
        let task = match &self.task {
            Some(task) if task.at < Duration::MAX => task.at,
            _ => Duration::ZERO,
        };
        flash.max(task)
    }

    /// One step of a task at time `at`; `None` when it is over.
    fn step(&mut self, kind: Kind, at: Duration, ram: &mut [u8]) -> Option<Task> {
        let finish = |at| {
            Some(Task {
                kind: Kind::Finishing,
                at,
            })
        };
        match kind {
            Kind::Finishing => None,
            Kind::Activate => {
                const WIP: u8 = 1;
                let took = self.wire_time(1, 1);
                match self.reachable_mut().map(Mx25r::poll) {
                    Some(status) if status & WIP == 0 => {
                        self.active = true;
                        finish(at + took)
                    }
                    Some(_) => Some(Task {
                        kind,
                        at: at + took,
                    }),
                    // Nobody answers: it asks for ever.
                    None => Some(Task {
                        kind,
                        at: Duration::MAX,
                    }),
                }
            }
            Kind::Read => {
                let count = self.get(reg::READ_CNT) & 0x1f_fffc;
                let lines = self.read_lines();
                let from = self.get(reg::READ_SRC) & !3;
                let mut data = vec![0xff; count as usize];
                if let Some(flash) = self.reachable_mut() {
                    flash.read(from, lines, &mut data);
                }
                let took = self.wire_time(count, lines);
                match dma(ram, self.get(reg::READ_DST), count) {
                    Some(buffer) => buffer.copy_from_slice(&data),
                    None => return outside_ram(self.get(reg::READ_DST)),
                }
                finish(at + took)
            }
            Kind::Write { done } => self.write_page(done, at, ram),
            Kind::Erase => {
                let pointer = self.get(reg::ERASE_PTR);
                let length = match self.get(reg::ERASE_LEN) & 3 {
                    0 => EXTERNAL_SECTOR,
                    1 => 0x1_0000,
                    _ => EXTERNAL_FLASH_SIZE,
                };
                let took = self.wire_time(4, 1);
                if let Some(flash) = self.reachable_mut() {
                    flash.erase(pointer, length);
                }
                finish(at + took)
            }
            Kind::Instruction { conf } => {
                self.instruct(conf);
                finish(at + self.wire_time(conf >> 8 & 0xf, 1))
            }
        }
    }

    /// The next page of a write, which ends at a page of the flash or with the data.
    fn write_page(&mut self, done: u32, at: Duration, ram: &mut [u8]) -> Option<Task> {
        let count = self.get(reg::WRITE_CNT) & 0x1f_fffc;
        let source = self.get(reg::WRITE_SRC);
        let to = (self.get(reg::WRITE_DST) & !3).wrapping_add(done);
        let length = (EXTERNAL_PAGE - to % EXTERNAL_PAGE).min(count - done);
        let lines = self.write_lines();
        let Some(data) = dma(ram, source.wrapping_add(done), length) else {
            return outside_ram(source);
        };
        if length > 0
            && let Some(flash) = self.reachable_mut()
        {
            flash.program(to, lines, data);
        }
        let sent = at + self.wire_time(length, lines);
        let done = done + length;
        let kind = if done == count {
            Kind::Finishing
        } else {
            Kind::Write { done }
        };
        Some(Task { kind, at: sent })
    }

    /// A custom instruction: opcode and up to eight bytes, which the answer replaces.
    fn instruct(&mut self, conf: u32) {
        const WREN: u32 = 1 << 15;
        const LFEN: u32 = 1 << 16;
        const LFSTOP: u32 = 1 << 17;
        let count = ((conf >> 8 & 0xf) as usize).saturating_sub(1).min(8);
        let mut data = [0; 8];
        data[..4].copy_from_slice(&self.get(reg::CINSTRDAT0).to_le_bytes());
        data[4..].copy_from_slice(&self.get(reg::CINSTRDAT1).to_le_bytes());
        let mut frame = self.long_frame.take().unwrap_or_default();
        let goes_on = !frame.is_empty();
        if !goes_on {
            frame.push((conf & 0xff) as u8);
        }
        let first = frame.len();
        frame.extend_from_slice(&data[..count]);
        let keeps_selected = conf & LFEN != 0 && conf & LFSTOP == 0;
        let answer = match self.reachable_mut() {
            None => vec![0xff; frame.len()],
            Some(flash) => {
                if conf & WREN != 0 && !goes_on {
                    flash.transfer(&[0x06]);
                }
                if keeps_selected || goes_on {
                    let answer = (0..frame.len())
                        .map(|at| flash.answer(&frame, at))
                        .collect();
                    if !keeps_selected {
                        flash.execute(&frame);
                    }
                    answer
                } else {
                    flash.transfer(&frame)
                }
            }
        };
        data[..count].copy_from_slice(&answer[first..first + count]);
        let [d0, d1, d2, d3, d4, d5, d6, d7] = data;
        self.set(reg::CINSTRDAT0, u32::from_le_bytes([d0, d1, d2, d3]));
        self.set(reg::CINSTRDAT1, u32::from_le_bytes([d4, d5, d6, d7]));
        if keeps_selected {
            self.long_frame = Some(frame);
        }
    }

    /// Reads the window. `None` is a bus fault: the peripheral is not active, its window is closed, or it does something
    /// else.
    pub(super) fn read_window(&self, offset: u32, buffer: &mut [u8]) -> Option<()> {
        let is_open = self.active && self.task.is_none() && self.get(reg::XIPEN) & 1 == 1;
        let flash = self.reachable().filter(|_| is_open)?;
        let answers = flash.listens_at() <= self.now && !flash.is_deep();
        if answers && flash.understands(self.read_lines()) {
            let at = offset.wrapping_add(self.get(reg::XIPOFFSET));
            flash.array().read(at, buffer);
        } else {
            buffer.fill(0xff);
        }
        Some(())
    }
}

/// CINSTRCONF.WIPWAIT: a custom instruction waits until the flash is ready.
const WIPWAIT: u32 = 1 << 14;

/// The part of RAM that EasyDMA uses; it reaches nothing else.
fn dma(ram: &mut [u8], address: u32, count: u32) -> Option<&mut [u8]> {
    let start = (address & !3).checked_sub(RAM_BASE)? as usize;
    ram.get_mut(start..start.checked_add(count as usize)?)
}

/// EasyDMA was sent where it cannot go: a bus error that nobody is told, and no READY.
fn outside_ram(address: u32) -> Option<Task> {
    tracing::warn!(
        address = format_args!("{address:#010x}"),
        "QSPI: EasyDMA outside of RAM"
    );
    Some(Task {
        kind: Kind::Read,
        at: Duration::MAX,
    })
}

#[cfg(test)]
mod tests;
