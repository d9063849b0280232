//! The emulated chip behind a debug port: a machine while it has power, and the flash that stays.

use super::debug::{DebugUnit, is_debug};
use super::machine::{EmulatorError, FLASH, Machine};
use crate::bus::Core;
use crate::chip::{AccessPort, Emulator, Fault, Identification, Power, Target};
use hil_clock::SharedClock;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// What the chip answers to (nRF51 Series Reference Manual 3.0, memory map).
const MAP: [Range<u32>; 7] = [
    0..FLASH as u32,
    // FICR and UICR.
    0x1000_0000..0x1000_0100,
    0x1000_1000..0x1000_1100,
    // 16 KiB of RAM.
    0x2000_0000..0x2000_4000,
    0x4000_0000..0x4002_0000,
    // GPIO.
    0x5000_0000..0x5000_1000,
    // The core's own registers.
    0xe000_0000..0xe010_0000,
];

/// The chip of a board.
pub(super) struct EmulatedChip {
    program: PathBuf,
    folder: PathBuf,
    clock: SharedClock,
    machine: Option<Machine>,
    /// The supply is on; the machine may have ended all the same.
    supplied: bool,
    debug: DebugUnit,
    /// What flash holds while there is no power. `None` when the machine ended with it.
    flash: Option<Vec<u8>>,
    power_ups: u64,
    in_pin_reset: bool,
    /// The UART of this power-up, for who moves its bytes.
    uart: Option<UnixStream>,
}

impl EmulatedChip {
    /// A chip without power, with blank flash.
    pub(super) fn new(program: PathBuf, folder: PathBuf, clock: SharedClock) -> Self {
        Self {
            program,
            folder,
            clock,
            machine: None,
            supplied: false,
            debug: DebugUnit::default(),
            flash: Some(vec![0xff; FLASH]),
            power_ups: 0,
            in_pin_reset: false,
            uart: None,
        }
    }

    /// Gives it power: a new machine with the flash that the last one left.
    pub(super) fn power_up(&mut self) -> Result<(), EmulatorError> {
        if self.supplied {
            return Ok(());
        }
        let Some(flash) = &self.flash else {
            return Err(EmulatorError::Gone);
        };
        let (machine, uart) = Machine::start(&self.program, &self.folder, flash, &self.clock)?;
        let machine = self.machine.insert(machine);
        self.debug.power_up(machine)?;
        self.uart = Some(uart);
        self.power_ups += 1;
        self.supplied = true;
        Ok(())
    }

    /// Takes its power away. The core stops first, and nothing of the flash changes any more; an operation of the emulated NVMC
    /// takes no time, so none is under way.
    pub(super) fn power_down(&mut self) -> Result<(), EmulatorError> {
        self.supplied = false;
        self.uart = None;
        let Some(mut machine) = self.machine.take() else {
            return Ok(());
        };
        self.flash = None;
        machine.core.halt()?;
        self.flash = Some(machine.flash()?);
        Ok(())
    }

    /// The UART of this power-up, once.
    pub(super) fn take_uart(&mut self) -> Option<UnixStream> {
        self.uart.take()
    }

    /// Whether firmware reads what arrives at the UART.
    pub(super) fn hears(&mut self) -> bool {
        self.machine.as_mut().is_some_and(Machine::hears)
    }

    /// Runs `job` on the machine; that it is gone, or what it answers, is a fault on the bus.
    fn on_machine<R>(
        &mut self,
        address: u32,
        job: impl FnOnce(&mut Machine, &mut DebugUnit) -> Result<R, EmulatorError>,
    ) -> Result<R, Fault> {
        let machine = self.machine.as_mut().ok_or(Fault { address })?;
        job(machine, &mut self.debug).map_err(|error| {
            let said = if machine.is_there() {
                String::new()
            } else {
                machine.last_words()
            };
            tracing::error!(%error, said, "the emulator failed at {address:#010x}");
            Fault { address }
        })
    }
}

/// Whether all of it lies in something that answers.
fn is_mapped(address: u32, length: usize) -> bool {
    MAP.iter()
        .any(|range| range.contains(&address) && u64::from(range.end - address) >= length as u64)
}

impl Target for EmulatedChip {
    const IDENTIFICATION: Identification = Identification {
        // SW-DPv1 and AHB-AP of a Cortex-M0 (Cortex-M0 Technical Reference Manual, DAP; Black Magic Debug `src/target/adiv5.c`).
        dpidr: 0x0bb1_1477,
        target_id: 0,
        ahb_ap_idr: 0x0477_0021,
        rom_table: 0xe00f_f003,
    };

    fn power(&self) -> Power {
        if self.supplied { Power::On } else { Power::Off }
    }

    fn power_ups(&self) -> u64 {
        self.power_ups
    }

    /// SWDIO is the reset pin of an nRF51; a probe's reset line is a reset of the chip.
    fn set_pin_reset(&mut self, asserted: bool) {
        let released = std::mem::replace(&mut self.in_pin_reset, asserted) && !asserted;
        if released {
            // What failed is in the log.
            let _ = self.on_machine(0, |machine, debug| debug.reset(machine));
        }
    }

    fn has_port(&self, port: AccessPort) -> bool {
        port == AccessPort::Ahb(Core::App)
    }

    fn port_is_open(&self, core: Core) -> bool {
        core == Core::App && self.supplied
    }

    fn port_is_secure(&self, _core: Core) -> bool {
        false
    }

    fn debug_read(
        &mut self,
        _core: Core,
        address: u32,
        buffer: &mut [u8],
        _emulator: &mut Emulator,
    ) -> Result<(), Fault> {
        if !is_mapped(address, buffer.len()) {
            return Err(Fault { address });
        }
        self.on_machine(address, |machine, debug| {
            if is_debug(address & !3) {
                for (at, bytes) in (address & !3..).step_by(4).zip(buffer.chunks_mut(4)) {
                    let word = debug.read(machine, at)?.to_le_bytes();
                    bytes.copy_from_slice(&word[..bytes.len()]);
                }
                return Ok(());
            }
            let bytes = machine.bus.read(address, buffer.len())?;
            buffer.copy_from_slice(&bytes);
            Ok(())
        })
    }

    fn debug_write(
        &mut self,
        _core: Core,
        address: u32,
        data: &[u8],
        _emulator: &mut Emulator,
    ) -> Result<(), Fault> {
        if !is_mapped(address, data.len()) {
            return Err(Fault { address });
        }
        self.on_machine(address, |machine, debug| {
            if !is_debug(address & !3) {
                return machine.bus.write(address, data);
            }
            for (at, bytes) in (address & !3..).step_by(4).zip(data.chunks(4)) {
                let mut word = [0; 4];
                word[..bytes.len()].copy_from_slice(bytes);
                debug.write(machine, at, u32::from_le_bytes(word))?;
            }
            Ok(())
        })
    }

    fn control_read(&mut self, _core: Core, _register: u8) -> u32 {
        0
    }

    fn control_write(&mut self, _core: Core, _register: u8, _value: u32) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::flash(0, FLASH, true)]
    #[case::beyond_flash(0x3_fffc, 8, false)]
    #[case::nothing_there(0x0100_0000, 4, false)]
    #[case::nvmc(0x4001_e504, 4, true)]
    #[case::the_end_of_all(0xffff_fffc, 4, false)]
    fn what_the_chip_does_not_have_does_not_answer(
        #[case] address: u32,
        #[case] length: usize,
        #[case] expected: bool,
    ) {
        assert_eq!(is_mapped(address, length), expected);
    }
}
