//! The external flash, driven through the registers of the QSPI peripheral.
//!
//! A debugger reaches the flash on any board this way, whatever firmware is on it: the core is halted, the peripheral
//! is set up as the DK is wired, EasyDMA moves data between the flash and a piece of RAM, and everything that was
//! touched is put back, so that firmware which uses the flash itself goes on with it. Nothing that stays in the flash is
//! changed besides its contents: data goes on one and two lines, which needs no quad enable bit.
//!
//! Sources: registers `nrf5340-app-pac` 0.12.2 `src/{qspi_ns,clock_ns,p0_ns}.rs`; their use, erratum 121 and the reserved
//! bits nrfx `drivers/src/nrfx_qspi.c` and `hal/nrf_qspi.h`; wiring and part zephyr `boards/nordic/nrf5340dk`;
//! the clock zephyr `drivers/flash/nrf_qspi_nor.c`. Nobody has run it on hardware yet.

use super::bus::{Bus, SequenceFault, wait_for};
use probe_rs::architecture::arm::ArmError;
use std::time::Duration;

/// What RDID says of the DK's part: Macronix, MX25R, 64 Mbit.
const MX25R64: [u8; 3] = [0xC2, 0x28, 0x17];

/// The smallest part that can be erased, and the larger one that is erased ten times as fast.
pub(super) const SECTOR: u32 = 0x1000;
const BLOCK: u32 = 0x1_0000;

/// The piece of application RAM that EasyDMA uses; its contents are put back. Behind the stacks and heaps of TF-M and in
/// front of the RAM that the cores share, at 0x2007_0000.
const BUFFER: u32 = 0x2006_0000;
const BUFFER_SIZE: u32 = 0x1_0000;

/// SPU.PERIPHID[n].PERM of QSPI (43) and of CLOCK and RESET (5); bit 4 says whether a peripheral is mapped secure.
const SPU_QSPI_PERM: u32 = 0x5000_3800 + 4 * 43;
const SPU_CLOCK_PERM: u32 = 0x5000_3800 + 4 * 5;
const SPU_PERM_SECURE: u32 = 1 << 4;
/// Secure addresses; the same peripherals are 0x1000_0000 lower for the non-secure side.
const QSPI_SECURE: u32 = 0x5002_B000;
const CLOCK_SECURE: u32 = 0x5000_5000;
const NON_SECURE: u32 = 0x1000_0000;
/// GPIO port 0, PIN_CNF[0].
const PIN_CNF: u32 = 0x5084_2700;

/// Offsets in QSPI.
const ACTIVATE: u32 = 0x000;
const READSTART: u32 = 0x004;
const WRITESTART: u32 = 0x008;
const ERASESTART: u32 = 0x00C;
const DEACTIVATE: u32 = 0x010;
const READY: u32 = 0x100;
const INTENSET: u32 = 0x304;
const INTENCLR: u32 = 0x308;
const ENABLE: u32 = 0x500;
const READ_SRC: u32 = 0x504;
const READ_DST: u32 = 0x508;
const READ_CNT: u32 = 0x50C;
const WRITE_DST: u32 = 0x510;
const WRITE_SRC: u32 = 0x514;
const WRITE_CNT: u32 = 0x518;
const ERASE_PTR: u32 = 0x51C;
const ERASE_LEN: u32 = 0x520;
const PSEL_SCK: u32 = 0x524;
const PSEL_CSN: u32 = 0x528;
const PSEL_IO0: u32 = 0x530;
const PSEL_IO1: u32 = 0x534;
const PSEL_IO2: u32 = 0x538;
const PSEL_IO3: u32 = 0x53C;
const IFCONFIG0: u32 = 0x544;
const IFCONFIG1: u32 = 0x600;
const STATUS: u32 = 0x604;
const STATUS_READY: u32 = 1 << 3;
const CINSTRCONF: u32 = 0x634;
const CINSTRDAT0: u32 = 0x638;
const IFTIMING: u32 = 0x640;
/// In CLOCK: HFCLK192MCTRL. The divider by four that it has after reset must not be used while the peripheral works.
const HFCLK192MCTRL: u32 = 0x5B8;

/// How the flash is wired on the DK, by PSEL register and pin of port 0.
const WIRES: [(u32, u32); 6] = [
    (PSEL_SCK, 17),
    (PSEL_CSN, 18),
    (PSEL_IO0, 13),
    (PSEL_IO1, 14),
    (PSEL_IO2, 15),
    (PSEL_IO3, 16),
];
/// PIN_CNF: input, its buffer disconnected, high drive both ways; bits 28 to 30 say whose pin it is, and stay.
const PIN_HIGH_DRIVE: u32 = 0x302;
const PIN_OWNER: u32 = 7 << 28;

/// IFCONFIG0: READ2IO, PP, 24 bit addresses; bit 16 is for erratum 121, with IFTIMING.
const TWO_LINES_IN_ONE_OUT: u32 = 2 | 1 << 16;
const ERRATUM_121_TIMING: u32 = 6 << 8;
/// IFCONFIG1: 8 MHz from 192 MHz, which the part takes in every mode, and the pause that the vendor uses.
const SCK_8_MHZ: u32 = 11 << 28 | 0x80;
/// The bits of IFCONFIG1 that have no name and keep their values.
const IFCONFIG1_RESERVED: u32 = 0x00FF_FF00;

/// Custom instructions: opcode, length with it, IO2 and IO3 high.
const RDSR: u32 = 0x3205;
const RDID: u32 = 0x349F;
const WIP: u32 = 1;

/// Activation ends when the flash is not busy; erasing 64 KiB takes at most 3.84 s (its SFDP table).
const ACTIVE_WITHIN: Duration = Duration::from_secs(5);
/// A transfer of the whole buffer: 33 ms to read, 1.4 s to program at the slowest. We chose several times that.
const TRANSFER_WITHIN: Duration = Duration::from_secs(10);
/// A sector takes at most 384 ms, a block of 64 KiB 3.84 s; twice that.
const SECTOR_WITHIN: Duration = Duration::from_millis(800);
const BLOCK_WITHIN: Duration = Duration::from_secs(8);
/// A custom instruction takes microseconds.
const INSTRUCTION_WITHIN: Duration = Duration::from_millis(100);

/// Registers that are used, and put back when they are not.
const SAVED: [u32; 17] = [
    READ_SRC, READ_DST, READ_CNT, WRITE_DST, WRITE_SRC, WRITE_CNT, ERASE_PTR, ERASE_LEN, PSEL_SCK,
    PSEL_CSN, PSEL_IO0, PSEL_IO1, PSEL_IO2, PSEL_IO3, IFCONFIG0, IFCONFIG1, IFTIMING,
];

/// The flash, ready for use.
pub(super) struct ExternalFlash<'a> {
    bus: &'a mut dyn Bus,
    qspi: u32,
}

/// Runs `job` on the external flash. The application core is halted. Everything is put back as it was, also when `job`
/// fails.
pub(super) fn with_external_flash<T>(
    bus: &mut dyn Bus,
    job: impl FnOnce(&mut ExternalFlash<'_>) -> Result<T, ArmError>,
) -> Result<T, ArmError> {
    let found = Found::take(bus)?;
    let done = prepare(bus, &found).and_then(|()| {
        let mut flash = ExternalFlash {
            bus,
            qspi: found.qspi,
        };
        flash.identify()?;
        job(&mut flash)
    });
    let restored = found.put_back(bus);
    done.and_then(|value| restored.map(|()| value))
}

/// The tasks that change the flash, as firmware on the secure side starts them.
pub(super) const WRITE_TASK_SECURE: u32 = QSPI_SECURE + WRITESTART;
pub(super) const ERASE_TASK_SECURE: u32 = QSPI_SECURE + ERASESTART;

/// What a task of firmware was about.
pub(super) struct TaskDone {
    pub(super) offset: Option<u32>,
    pub(super) length: Option<u32>,
}

/// Waits until the task that firmware has started is over, and the flash done with it. The application core stands, and
/// its driver waits for that task.
pub(super) fn finish_task(bus: &mut dyn Bus, erased: bool) -> Result<TaskDone, ArmError> {
    let qspi = QSPI_SECURE;
    wait_for(bus, BUSY, TRANSFER_WITHIN, qspi + STATUS, |status| {
        status & STATUS_READY != 0
    })?;
    let (offset, length) = if erased {
        let length = match bus.read(qspi + ERASE_LEN)? & 3 {
            0 => Some(SECTOR),
            1 => Some(BLOCK),
            _ => None,
        };
        (bus.read(qspi + ERASE_PTR)?, length)
    } else {
        let length = bus.read(qspi + WRITE_CNT)?;
        (bus.read(qspi + WRITE_DST)?, Some(length))
    };
    // An erase goes on in the flash when the peripheral is done: activation waits for that.
    with_external_flash(bus, |_| Ok(()))?;
    Ok(TaskDone {
        offset: Some(offset),
        length,
    })
}

/// What firmware has left in the registers and the RAM that are used here.
struct Found {
    qspi: u32,
    clock: u32,
    clock_control: u32,
    enabled: bool,
    ready: bool,
    interrupts: u32,
    registers: [u32; SAVED.len()],
    pins: [u32; WIRES.len()],
    ram: Vec<u8>,
}

impl Found {
    fn take(bus: &mut dyn Bus) -> Result<Self, ArmError> {
        let secure = |bus: &mut dyn Bus, perm, base| {
            bus.read(perm).map(|perm| match perm & SPU_PERM_SECURE {
                0 => base - NON_SECURE,
                _ => base,
            })
        };
        let qspi = secure(bus, SPU_QSPI_PERM, QSPI_SECURE)?;
        let clock = secure(bus, SPU_CLOCK_PERM, CLOCK_SECURE)?;
        let mut found = Self {
            qspi,
            clock,
            clock_control: bus.read(clock + HFCLK192MCTRL)?,
            enabled: bus.read(qspi + ENABLE)? & 1 == 1,
            ready: false,
            interrupts: bus.read(qspi + INTENSET)?,
            registers: [0; SAVED.len()],
            pins: [0; WIRES.len()],
            ram: vec![0; BUFFER_SIZE as usize],
        };
        if found.enabled {
            // Whatever firmware has asked for comes to its end first.
            wait_for(bus, BUSY, ACTIVE_WITHIN, qspi + STATUS, |status| {
                status & STATUS_READY != 0
            })?;
        }
        found.ready = bus.read(qspi + READY)? & 1 == 1;
        for (saved, register) in found.registers.iter_mut().zip(SAVED) {
            *saved = bus.read(qspi + register)?;
        }
        for (saved, (_, pin)) in found.pins.iter_mut().zip(WIRES) {
            *saved = bus.read(PIN_CNF + 4 * pin)?;
        }
        bus.read_bytes(BUFFER, &mut found.ram)?;
        Ok(found)
    }

    fn put_back(&self, bus: &mut dyn Bus) -> Result<(), ArmError> {
        let qspi = self.qspi;
        bus.write(qspi + DEACTIVATE, 1)?;
        bus.write(qspi + ENABLE, 0)?;
        for (register, &value) in SAVED.into_iter().zip(&self.registers) {
            bus.write(qspi + register, value)?;
        }
        for ((_, pin), &value) in WIRES.into_iter().zip(&self.pins) {
            bus.write(PIN_CNF + 4 * pin, value)?;
        }
        bus.write_bytes(BUFFER, &self.ram)?;
        let activated = if self.enabled {
            bus.write(qspi + ENABLE, 1)?;
            trigger(bus, qspi, ACTIVATE, "activating QSPI again", ACTIVE_WITHIN)
        } else {
            Ok(())
        };
        // An event that firmware has not seen yet, it shall see; and no other.
        bus.write(qspi + READY, u32::from(self.ready))?;
        bus.write(self.clock + HFCLK192MCTRL, self.clock_control)?;
        if self.interrupts & 1 == 1 {
            bus.write(qspi + INTENSET, 1)?;
        }
        bus.flush()?;
        activated
    }
}

/// What is waited for when firmware is using the flash.
const BUSY: &str = "the end of what the firmware does with the external flash";

/// Sets the peripheral up for the flash as it is wired on the DK.
fn prepare(bus: &mut dyn Bus, found: &Found) -> Result<(), ArmError> {
    let qspi = found.qspi;
    bus.write(qspi + INTENCLR, 1)?;
    bus.write(found.clock + HFCLK192MCTRL, 0)?;
    if found.enabled {
        // Without a transaction after one of the window, activating again may hang the chip (zephyr pull request
        // 88967).
        instruct(bus, qspi, RDSR)?;
        bus.write(qspi + DEACTIVATE, 1)?;
        bus.write(qspi + ENABLE, 0)?;
    }
    for ((register, pin), &owner) in WIRES.into_iter().zip(&found.pins) {
        bus.write(PIN_CNF + 4 * pin, owner & PIN_OWNER | PIN_HIGH_DRIVE)?;
        bus.write(qspi + register, pin)?;
    }
    let reserved = bus.read(qspi + IFCONFIG1)? & IFCONFIG1_RESERVED;
    bus.write(qspi + IFCONFIG0, TWO_LINES_IN_ONE_OUT)?;
    bus.write(qspi + IFTIMING, ERRATUM_121_TIMING)?;
    bus.write(qspi + IFCONFIG1, reserved | SCK_8_MHZ)?;
    bus.write(qspi + ENABLE, 1)?;
    // It asks the flash for its status until that is not busy. Nobody answers where no flash is.
    trigger(bus, qspi, ACTIVATE, "an answer", ACTIVE_WITHIN).map_err(|error| {
        match SequenceFault::below(&error) {
            Some(SequenceFault::Timeout { within, .. }) => {
                SequenceFault::ExternalSilent { within: *within }.into()
            }
            _ => error,
        }
    })
}

/// Starts a task and waits until the peripheral is done with it.
fn trigger(
    bus: &mut dyn Bus,
    qspi: u32,
    task: u32,
    what: &str,
    within: Duration,
) -> Result<(), ArmError> {
    bus.write(qspi + READY, 0)?;
    bus.write(qspi + task, 1)?;
    bus.flush()?;
    wait_for(bus, what, within, qspi + READY, |ready| ready & 1 == 1)
}

/// Sends a custom instruction and gives the four bytes that come back.
fn instruct(bus: &mut dyn Bus, qspi: u32, instruction: u32) -> Result<u32, ArmError> {
    bus.write(qspi + READY, 0)?;
    bus.write(qspi + CINSTRDAT0, 0)?;
    bus.write(qspi + CINSTRCONF, instruction)?;
    bus.flush()?;
    wait_for(
        bus,
        "a custom instruction of QSPI",
        INSTRUCTION_WITHIN,
        qspi + READY,
        |ready| ready & 1 == 1,
    )?;
    bus.read(qspi + CINSTRDAT0)
}

impl ExternalFlash<'_> {
    /// Refuses another part than the one that commands and times here are for.
    fn identify(&mut self) -> Result<(), ArmError> {
        let [a, b, c, _] = instruct(self.bus, self.qspi, RDID)?.to_le_bytes();
        let found = [a, b, c];
        if found == MX25R64 {
            return Ok(());
        }
        Err(SequenceFault::ExternalOther { found }.into())
    }

    /// Reads from `offset`, which is a multiple of 4, as is the length.
    pub(super) fn read(&mut self, offset: u32, data: &mut [u8]) -> Result<(), ArmError> {
        let mut offset = offset;
        for piece in data.chunks_mut(BUFFER_SIZE as usize) {
            let length = piece.len() as u32;
            for (register, value) in [
                (READ_SRC, offset),
                (READ_DST, BUFFER),
                (READ_CNT, length.next_multiple_of(4)),
            ] {
                self.bus.write(self.qspi + register, value)?;
            }
            let what = format!("reading the external flash at {offset:#010x}");
            trigger(self.bus, self.qspi, READSTART, &what, TRANSFER_WITHIN)?;
            self.bus.read_bytes(BUFFER, piece)?;
            offset += length;
        }
        Ok(())
    }

    /// Programs erased flash from `offset`; both it and the length are multiples of 4.
    pub(super) fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), ArmError> {
        let mut offset = offset;
        for piece in data.chunks(BUFFER_SIZE as usize) {
            self.bus.write_bytes(BUFFER, piece)?;
            for (register, value) in [
                (WRITE_DST, offset),
                (WRITE_SRC, BUFFER),
                (WRITE_CNT, piece.len() as u32),
            ] {
                self.bus.write(self.qspi + register, value)?;
            }
            let what = format!("programming the external flash at {offset:#010x}");
            trigger(self.bus, self.qspi, WRITESTART, &what, TRANSFER_WITHIN)?;
            self.wait_until_idle(&what, SECTOR_WITHIN)?;
            offset += piece.len() as u32;
        }
        Ok(())
    }

    /// Erases sectors, whole blocks of 64 KiB at once where all of it is to go. `sectors` are sorted.
    pub(super) fn erase(
        &mut self,
        sectors: &[u32],
        progress: &mut dyn FnMut(u32),
    ) -> Result<(), ArmError> {
        let mut rest = sectors;
        while let Some(&first) = rest.first() {
            let in_block = (BLOCK / SECTOR) as usize;
            let is_block = first.is_multiple_of(BLOCK)
                && rest.len() >= in_block
                && rest[in_block - 1] == first + BLOCK - SECTOR;
            let (length, code, within) = if is_block {
                (BLOCK, 1, BLOCK_WITHIN)
            } else {
                (SECTOR, 0, SECTOR_WITHIN)
            };
            self.bus.write(self.qspi + ERASE_PTR, first)?;
            self.bus.write(self.qspi + ERASE_LEN, code)?;
            let what = format!("erasing the external flash at {first:#010x}");
            trigger(self.bus, self.qspi, ERASESTART, &what, within)?;
            // The peripheral is ready when the flash has the command, and not when it is done.
            self.wait_until_idle(&what, within)?;
            progress(length);
            rest = &rest[(length / SECTOR) as usize..];
        }
        Ok(())
    }

    fn wait_until_idle(&mut self, what: &str, within: Duration) -> Result<(), ArmError> {
        let deadline = self.bus.clock().now() + within;
        while instruct(self.bus, self.qspi, RDSR)? & WIP != 0 {
            if self.bus.clock().now() >= deadline {
                let what = what.to_owned();
                return Err(SequenceFault::Timeout { what, within }.into());
            }
            self.bus.clock().sleep(super::bus::POLL);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
