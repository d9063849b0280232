//! Runs the program that a debugger put into RAM: flash algorithms, really executed.
//!
//! armagnac interprets the instructions; memory is the chip's. What it cannot run (an unknown instruction, one
//! of its own unfinished corners, a bus fault) puts the core into lock-up, with a line in the log that says
//! where. Everything it must not be asked is kept from it: WFI and WFE, in which it would loop for ever.

use super::cpu::{Cpu, Run};
use super::dwt::{Access, Direction, Dwt};
use super::silicon::{Fault, Silicon};
use crate::bus::Core;
use armagnac::core::{ArmVersion, Config, Emulator as _, Event, Processor};
use armagnac::decoder::Lut16AndGrouped32InstructionDecoder;
use armagnac::memory::{
    Env, MemoryAccessError, MemoryInterface, MemoryReadResult, MemoryWriteResult,
};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// The interpreter for one core. Belongs to one thread, because armagnac's processor does.
pub(crate) struct Emulator {
    core: Core,
    /// The chip's buses while a program runs; an empty one otherwise.
    silicon: Rc<RefCell<Silicon>>,
    watched: Rc<Watched>,
    /// Made when first needed: its decoding tables are large. Dropped when it failed, so that nothing of a
    /// broken run is left in it.
    processor: Option<Processor>,
}

/// The core's watchpoints while a program runs.
#[derive(Default)]
struct Watched {
    /// Whether accesses are shown to them.
    active: Cell<bool>,
    watchpoints: RefCell<Dwt>,
    /// The instruction that is executed; fetching it is no data access.
    pc: Cell<u32>,
    /// One of them was met.
    met: Cell<bool>,
}

impl Watched {
    fn access(&self, direction: Direction, address: u32, bytes: &[u8]) {
        if !self.active.get() {
            return;
        }
        if direction == Direction::Read && address.wrapping_sub(self.pc.get()) < 4 {
            return;
        }
        let value = bytes
            .iter()
            .rev()
            .fold(0, |value, &byte| value << 8 | u32::from(byte));
        let access = Access {
            direction,
            address,
            size: bytes.len() as u32,
            value,
        };
        if self.watchpoints.borrow_mut().access(access) {
            self.met.set(true);
        }
    }
}

/// Why emulation ended.
enum End {
    LimitReached,
    Break,
    /// A watchpoint, behind the instruction that met it.
    Watchpoint,
    Asleep,
    LeftRam,
    Failed(String),
}

impl Emulator {
    pub(super) fn new(core: Core) -> Self {
        Self {
            core,
            silicon: Rc::new(RefCell::new(Silicon::absent())),
            watched: Rc::default(),
            processor: None,
        }
    }

    /// Lets the core execute at most `limit` instructions, from where it stands.
    pub(super) fn run(&mut self, cpu: &mut Cpu, silicon: &mut Silicon, limit: u64) {
        if !cpu.runs_from_ram() {
            return;
        }
        let mut processor = self
            .processor
            .take()
            .unwrap_or_else(|| make_processor(self.core, &self.silicon, &self.watched));
        processor.registers = cpu.registers;
        self.watched.active.set(cpu.is_watched());
        self.watched.met.set(false);
        std::mem::swap(
            &mut *self.watched.watchpoints.borrow_mut(),
            &mut cpu.watchpoints,
        );
        std::mem::swap(&mut *self.silicon.borrow_mut(), silicon);
        let end = catch_unwind(AssertUnwindSafe(|| {
            self.execute(&mut processor, cpu, limit)
        }))
        .unwrap_or_else(|_| End::Failed("the emulator does not know this case".to_owned()));
        std::mem::swap(&mut *self.silicon.borrow_mut(), silicon);
        std::mem::swap(
            &mut *self.watched.watchpoints.borrow_mut(),
            &mut cpu.watchpoints,
        );

        let failed = matches!(end, End::Failed(_));
        match end {
            End::LimitReached | End::LeftRam => {}
            End::Break => cpu.break_in(),
            End::Watchpoint => cpu.trap(),
            End::Asleep => cpu.run = Run::Asleep,
            End::Failed(reason) => {
                tracing::warn!(
                    core = ?self.core,
                    pc = format_args!("{:#010x}", processor.registers.pc),
                    reason,
                    "program in RAM failed: lock-up"
                );
                cpu.lock_up();
            }
        }
        cpu.retired(processor.registers);
        if !failed {
            self.processor = Some(processor);
        }
    }

    fn execute(&self, processor: &mut Processor, cpu: &Cpu, limit: u64) -> End {
        let breakpoints = cpu.has_breakpoints();
        let mut retired = 0;
        while retired < limit {
            let pc = processor.registers.pc;
            // A breakpoint where the core was resumed does not stop it again at once.
            if breakpoints && retired > 0 && cpu.is_breakpoint(pc) {
                return End::Break;
            }
            let Some(instruction) = self.silicon.borrow().ram_halfword(self.core, pc) else {
                return End::LeftRam;
            };
            const WFE: u16 = 0xbf20;
            const WFI: u16 = 0xbf30;
            if matches!(instruction, WFE | WFI) {
                processor.registers.pc = pc.wrapping_add(2);
                return End::Asleep;
            }
            self.watched.pc.set(pc);
            match processor.next_event() {
                Ok(Event::Instruction { .. }) => {
                    retired += 1;
                    if self.watched.met.get() {
                        if cpu.has_halting_debug() {
                            return End::Watchpoint;
                        }
                        self.watched.met.set(false);
                    }
                }
                Ok(Event::Break(_)) => {
                    // armagnac reports the break before the instruction and stands behind it; a core stands
                    // on it. The instruction's own event is still queued.
                    let _ = processor.next_event();
                    processor.registers.pc = pc;
                    return End::Break;
                }
                Ok(_) => {}
                Err(error) => {
                    processor.registers.pc = pc;
                    return End::Failed(format!("{error:x?}"));
                }
            }
        }
        End::LimitReached
    }
}

fn make_processor(core: Core, silicon: &Rc<RefCell<Silicon>>, watched: &Rc<Watched>) -> Processor {
    let mut processor = Processor::new(Config::v8m());
    processor.instruction_decoder =
        Box::new(Lut16AndGrouped32InstructionDecoder::new(ArmVersion::V8M));
    let (ram, ram_size) = Silicon::ram_range(core);
    // The most used first: armagnac looks through them in order.
    let mut windows = vec![
        (ram, ram_size),
        (0x4000_0000, 0x2000_0000),
        (0x0000_0000, 0x2000_0000),
    ];
    if core == Core::Net {
        windows.push(Silicon::ram_range(Core::App));
    }
    for (base, size) in windows {
        let window = Window {
            silicon: Rc::clone(silicon),
            watched: Rc::clone(watched),
            core,
            base,
            size,
        };
        let mapped = processor.map_iface(base, Rc::new(RefCell::new(window)));
        debug_assert!(mapped.is_ok(), "the windows do not overlap");
    }
    processor
}

/// A part of the core's bus, as armagnac wants it.
struct Window {
    silicon: Rc<RefCell<Silicon>>,
    watched: Rc<Watched>,
    core: Core,
    base: u32,
    size: u32,
}

impl Window {
    fn read<const N: usize>(&self, address: u32) -> MemoryReadResult<[u8; N]> {
        let mut bytes = [0; N];
        self.silicon
            .borrow()
            .read(self.core, self.base + address, &mut bytes)
            .map_err(bus_fault)?;
        let at = self.base + address;
        self.watched.access(Direction::Read, at, &bytes);
        Ok(bytes)
    }

    fn write(&self, address: u32, bytes: &[u8]) -> MemoryWriteResult {
        let at = self.base + address;
        self.watched.access(Direction::Write, at, bytes);
        self.silicon
            .borrow_mut()
            .write(self.core, self.base + address, bytes)
            .map_err(bus_fault)
    }
}

fn bus_fault(_: Fault) -> MemoryAccessError {
    MemoryAccessError::InvalidAddress
}

impl MemoryInterface for Window {
    fn size(&self) -> u32 {
        self.size
    }

    fn read_u8(&mut self, address: u32, _: &mut Env) -> MemoryReadResult<u8> {
        self.read(address).map(u8::from_le_bytes)
    }

    fn read_u16le(&mut self, address: u32, _: &mut Env) -> MemoryReadResult<u16> {
        self.read(address).map(u16::from_le_bytes)
    }

    fn read_u32le(&mut self, address: u32, _: &mut Env) -> MemoryReadResult<u32> {
        self.read(address).map(u32::from_le_bytes)
    }

    fn write_u8(&mut self, address: u32, value: u8, _: &mut Env) -> MemoryWriteResult {
        self.write(address, &[value])
    }

    fn write_u16le(&mut self, address: u32, value: u16, _: &mut Env) -> MemoryWriteResult {
        self.write(address, &value.to_le_bytes())
    }

    fn write_u32le(&mut self, address: u32, value: u32, _: &mut Env) -> MemoryWriteResult {
        self.write(address, &value.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RAM: u32 = 0x2000_0000;

    /// A core that is halted with `program` at the start of RAM and `pc` there, and then resumed.
    fn resumed(program: &[u16]) -> (Cpu, Silicon) {
        let mut silicon = Silicon::new("dk1");
        let bytes: Vec<u8> = program.iter().flat_map(|half| half.to_le_bytes()).collect();
        silicon.write(Core::App, RAM, &bytes).unwrap();
        let mut cpu = Cpu::new(Core::App);
        cpu.write_scs(0xe000_edf0, 0xa05f_0003, false);
        cpu.registers.msp = RAM + 0x8000;
        cpu.registers.pc = RAM;
        cpu.registers.psr.set(1 << 24);
        cpu.write_scs(0xe000_edf0, 0xa05f_0001, false);
        (cpu, silicon)
    }

    #[test]
    fn a_program_counts_and_stops_on_its_bkpt() {
        // movs r0,#0; loop: adds r0,#1; cmp r0,#200; bne loop; bkpt
        let (mut cpu, mut silicon) = resumed(&[0x2000, 0x3001, 0x28c8, 0xd1fc, 0xbe00]);
        Emulator::new(Core::App).run(&mut cpu, &mut silicon, 10_000);
        assert_eq!(cpu.run, Run::Halted);
        assert_eq!((cpu.registers.r0, cpu.registers.pc), (200, RAM + 8));
    }

    #[test]
    fn an_endless_loop_gives_the_debugger_its_turn() {
        let (mut cpu, mut silicon) = resumed(&[0xe7fe]);
        Emulator::new(Core::App).run(&mut cpu, &mut silicon, 1000);
        assert_eq!(cpu.run, Run::Running);
    }

    #[test]
    fn waiting_for_an_interrupt_is_sleep_and_does_not_hang() {
        let (mut cpu, mut silicon) = resumed(&[0xbf30]);
        Emulator::new(Core::App).run(&mut cpu, &mut silicon, 1000);
        assert_eq!(cpu.run, Run::Asleep);
    }

    #[test]
    fn an_unknown_instruction_locks_up_and_the_next_program_runs() {
        let mut emulator = Emulator::new(Core::App);
        let (mut cpu, mut silicon) = resumed(&[0xde00]);
        emulator.run(&mut cpu, &mut silicon, 1000);
        assert_eq!(cpu.run, Run::LockedUp);
        let (mut cpu, mut silicon) = resumed(&[0x2007, 0xbe00]);
        emulator.run(&mut cpu, &mut silicon, 1000);
        assert_eq!((cpu.run, cpu.registers.r0), (Run::Halted, 7));
    }

    #[test]
    fn a_hardware_breakpoint_stops_before_its_instruction() {
        let (mut cpu, mut silicon) = resumed(&[0x2001, 0x2002, 0x2003, 0xe7fe]);
        cpu.write_scs(0xe000_2008, (RAM + 4) | 1, false);
        cpu.write_scs(0xe000_2000, 3, false);
        Emulator::new(Core::App).run(&mut cpu, &mut silicon, 1000);
        assert_eq!(
            (cpu.run, cpu.registers.pc, cpu.registers.r0),
            (Run::Halted, RAM + 4, 2)
        );
    }

    #[test]
    fn a_watchpoint_stops_behind_the_store_that_meets_it() {
        // movs r0,#7; str r0,[r1,#0]; str r0,[r1,#4]; movs r0,#9; b .
        let (mut cpu, mut silicon) = resumed(&[0x2007, 0x6008, 0x6048, 0x2009, 0xe7fe]);
        cpu.registers.r1 = RAM + 0x100;
        cpu.write_scs(0xe000_edfc, 1 << 24, false);
        cpu.write_scs(0xe000_1020, RAM + 0x104, false);
        cpu.write_scs(0xe000_1028, 0x815, false);
        Emulator::new(Core::App).run(&mut cpu, &mut silicon, 1000);
        assert_eq!(
            (cpu.run, cpu.registers.pc, cpu.registers.r0),
            (Run::Halted, RAM + 6, 7)
        );
        assert_eq!(silicon.read_word(Core::App, RAM + 0x104), Ok(7));
        const DWTTRAP: u32 = 1 << 2;
        assert_eq!(cpu.read_scs(0xe000_ed30) & DWTTRAP, DWTTRAP);
    }

    #[test]
    fn fetching_instructions_is_no_data_access() {
        let (mut cpu, mut silicon) = resumed(&[0x2001, 0x2002, 0x2003, 0xe7fe]);
        cpu.write_scs(0xe000_edfc, 1 << 24, false);
        cpu.write_scs(0xe000_1020, RAM + 4, false);
        cpu.write_scs(0xe000_1028, 0x814, false);
        Emulator::new(Core::App).run(&mut cpu, &mut silicon, 1000);
        assert_eq!(cpu.run, Run::Running);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_program_hangs_or_panics(program in prop::collection::vec(any::<u16>(), 1..64)) {
            let (mut cpu, mut silicon) = resumed(&program);
            Emulator::new(Core::App).run(&mut cpu, &mut silicon, 2000);
            prop_assert_ne!(cpu.run, Run::Held);
        }
    }
}
