//! The peripheral as a driver meets it: by its registers, and with time.

use super::super::mx25r::{JEDEC_ID, QE};
use super::*;
use rstest::rstest;

const MS: Duration = Duration::from_millis(1);

/// The peripheral with its flash, a RAM, and a time that tests move.
struct Bench {
    qspi: Qspi,
    ram: Vec<u8>,
    now: Duration,
}

impl Bench {
    fn new() -> Self {
        Self {
            qspi: Qspi::new(Some(Mx25r::new())),
            ram: vec![0; 0x8000],
            now: Duration::ZERO,
        }
    }

    /// Wired, clocked, enabled and active, reading on two lines and programming on one.
    fn active() -> Self {
        let mut bench = Self::new();
        bench.wire();
        bench.write(reg::ENABLE, 1);
        bench.write(reg::ACTIVATE, 1);
        bench.wait(MS);
        assert!(bench.take_ready());
        bench
    }

    fn wire(&mut self) {
        self.qspi.clock_control = 0;
        for (register, pin) in WIRES {
            self.write(register, pin);
        }
        // READ2IO, PP; 8 MHz from 192 MHz.
        self.write(reg::IFCONFIG0, 2);
        self.write(reg::IFCONFIG1, 11 << 28 | 0x80);
    }

    fn write(&mut self, register: u32, value: u32) {
        self.qspi.write_register(register, value);
        self.qspi.advance(self.now, &mut self.ram);
    }

    fn read(&self, register: u32) -> u32 {
        self.qspi.read_register(register)
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.qspi.advance(self.now, &mut self.ram);
    }

    fn take_ready(&mut self) -> bool {
        let ready = self.read(reg::READY) == 1;
        self.write(reg::READY, 0);
        ready
    }

    fn instruct(&mut self, conf: u32, data: u32) -> u32 {
        self.write(reg::CINSTRDAT0, data);
        self.write(reg::CINSTRCONF, conf);
        self.wait(MS);
        assert!(self.take_ready());
        self.read(reg::CINSTRDAT0)
    }

    fn program(&mut self, to: u32, data: &[u8]) {
        self.ram[..data.len()].copy_from_slice(data);
        self.write(reg::WRITE_SRC, 0x2000_0000);
        self.write(reg::WRITE_DST, to);
        self.write(reg::WRITE_CNT, data.len() as u32);
        self.write(reg::WRITESTART, 1);
    }

    fn erase(&mut self, at: u32, length: u32) {
        self.write(reg::ERASE_PTR, at);
        self.write(reg::ERASE_LEN, length);
        self.write(reg::ERASESTART, 1);
    }

    /// What the array holds, past the peripheral.
    fn array(&self, at: u32, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.qspi.flash().unwrap().array().read(at, &mut bytes);
        bytes
    }

    fn flash_is_busy(&mut self) -> bool {
        self.instruct(0x3205, 0) & 1 == 1
    }
}

#[test]
fn registers_have_the_vendors_reset_values() {
    let bench = Bench::new();
    for (register, value) in [
        (0x500, 0),
        (0x524, u32::MAX),
        (0x52c, 0),
        (0x53c, u32::MAX),
        (0x544, 0),
        (0x54c, 1),
        (0x600, 0x0004_0480),
        (0x614, u32::MAX),
        (0x624, 0xb7),
        (0x634, 0x2000),
        (0x640, 0x200),
    ] {
        assert_eq!(bench.read(register), value, "{register:#x}");
    }
}

#[rstest]
#[case::not_enabled(&[])]
#[case::not_activated(&[(reg::ENABLE, 1)])]
#[case::deactivated(&[(reg::ENABLE, 1), (reg::ACTIVATE, 1), (reg::DEACTIVATE, 1)])]
#[case::disabled(&[(reg::ENABLE, 1), (reg::ACTIVATE, 1), (reg::ENABLE, 0)])]
fn nothing_happens_while_the_interface_is_inactive(#[case] before: &[(u32, u32)]) {
    let mut bench = Bench::new();
    bench.wire();
    for &(register, value) in before {
        bench.write(register, value);
        bench.wait(MS);
    }
    bench.take_ready();
    for task in [reg::READSTART, reg::WRITESTART, reg::ERASESTART] {
        bench.write(task, 1);
        bench.wait(1000 * MS);
        assert!(!bench.take_ready(), "{task:#x}");
    }
    assert_eq!(bench.qspi.read_window(0, &mut [0; 4]), None, "bus fault");
}

#[rstest]
#[case::other_pins(|bench: &mut Bench| bench.write(reg::PSEL, 19))]
#[case::clock_divided_by_four(|bench: &mut Bench| bench.qspi.clock_control = 2)]
#[case::no_flash(|bench: &mut Bench| bench.qspi.flash = None)]
fn activation_waits_for_ever_for_a_flash_that_it_cannot_reach(#[case] spoil: fn(&mut Bench)) {
    let mut bench = Bench::new();
    bench.wire();
    spoil(&mut bench);
    bench.write(reg::ENABLE, 1);
    bench.write(reg::ACTIVATE, 1);
    bench.wait(60_000 * MS);
    assert!(!bench.take_ready());
    assert_eq!(bench.read(reg::STATUS) & 8, 0, "not ready for another task");
    bench.write(reg::ENABLE, 0);
    assert_eq!(bench.read(reg::STATUS) & 8, 8);
}

#[test]
fn data_goes_from_ram_to_flash_and_back() {
    let mut bench = Bench::active();
    let data: Vec<u8> = (0..0x300_u32).map(|n| (n * 7) as u8).collect();
    bench.program(0x10_0080, &data);
    bench.wait(100 * MS);
    assert!(bench.take_ready());
    assert_eq!(bench.array(0x10_0080, data.len()), data);
    bench.write(reg::READ_SRC, 0x10_0080);
    bench.write(reg::READ_DST, 0x2000_1000);
    bench.write(reg::READ_CNT, 0x300);
    bench.write(reg::READSTART, 1);
    bench.wait(MS);
    assert!(bench.take_ready());
    assert_eq!(&bench.ram[0x1000..0x1300], &data[..]);
    let mut window = [0; 16];
    bench.qspi.read_window(0x10_0080, &mut window).unwrap();
    assert_eq!(window, data[..16]);
}

#[test]
fn a_transfer_takes_the_time_of_its_bytes() {
    let mut bench = Bench::active();
    bench.write(reg::READ_DST, 0x2000_0000);
    bench.write(reg::READ_CNT, 0x4000);
    bench.write(reg::READSTART, 1);
    // 16 KiB on two lines at 8 MHz: 8.192 ms and the command.
    bench.wait(8 * MS);
    assert!(!bench.take_ready());
    bench.wait(MS);
    assert!(bench.take_ready());
}

#[test]
fn ready_comes_before_the_flash_has_ended_an_erase() {
    let mut bench = Bench::active();
    bench.program(0x2000, &[0; 4]);
    bench.wait(10 * MS);
    bench.take_ready();
    bench.erase(0x2abc, 0);
    bench.wait(MS);
    assert!(bench.take_ready());
    assert!(bench.flash_is_busy());
    assert_eq!(bench.array(0x2000, 1), [0]);
    bench.wait(48 * MS);
    assert!(!bench.flash_is_busy());
    assert_eq!(bench.array(0x2000, 1), [0xff]);
}

#[rstest]
#[case::sector(0, 1, 48)]
#[case::block(1, 16, 480)]
#[case::all(2, 2048, 52_000)]
fn the_length_of_an_erase_is_one_of_three(
    #[case] length: u32,
    #[case] sectors: u64,
    #[case] ms: u32,
) {
    let mut bench = Bench::active();
    bench.erase(0x1_2000, length);
    bench.wait(ms * MS + MS);
    let wear = bench.qspi.flash().unwrap().array().wear();
    assert_eq!(wear.sector_erases, sectors);
}

#[test]
fn a_task_waits_until_the_flash_has_ended_what_it_does() {
    let mut bench = Bench::active();
    bench.erase(0, 0);
    bench.wait(MS);
    bench.take_ready();
    bench.program(0, &[0x55; 4]);
    bench.wait(40 * MS);
    assert!(!bench.take_ready(), "the erase is not over");
    bench.wait(10 * MS);
    assert!(bench.take_ready());
    assert_eq!(bench.array(0, 2), [0x55; 2], "programmed behind the erase");
}

#[test]
fn a_second_task_is_lost_while_one_is_under_way() {
    let mut bench = Bench::active();
    bench.write(reg::READ_DST, 0x2000_0000);
    bench.write(reg::READ_CNT, 0x4000);
    bench.write(reg::READSTART, 1);
    bench.erase(0, 2);
    bench.wait(100_000 * MS);
    assert_eq!(bench.qspi.flash().unwrap().array().wear().sector_erases, 0);
}

#[test]
fn easy_dma_reaches_ram_only() {
    let mut bench = Bench::active();
    bench.write(reg::WRITE_SRC, 0x0000_1000);
    bench.write(reg::WRITE_CNT, 256);
    bench.write(reg::WRITESTART, 1);
    bench.wait(1000 * MS);
    assert!(!bench.take_ready());
    assert_eq!(bench.array(0, 4), [0xff; 4]);
}

#[rstest]
#[case::identification(0x349f, [0xc2, 0x28, 0x17, 0])]
#[case::status(0x3205, [0, 0, 0, 0])]
fn a_custom_instruction_brings_the_answer(#[case] conf: u32, #[case] expected: [u8; 4]) {
    let mut bench = Bench::active();
    assert_eq!(bench.instruct(conf, 0).to_le_bytes(), expected);
}

#[test]
fn quad_enable_is_set_by_a_custom_instruction_with_write_enable() {
    let mut bench = Bench::active();
    bench.instruct(0x3201, u32::from(QE));
    bench.wait(20 * MS);
    assert_eq!(bench.instruct(0x3205, 0) & 0xff, 0, "no write enable");
    bench.instruct(0xb201, u32::from(QE));
    bench.wait(20 * MS);
    assert_eq!(bench.instruct(0x3205, 0) & 0xff, u32::from(QE));
}

#[test]
fn four_lines_need_quad_enable() {
    let mut bench = Bench::active();
    bench.program(0, &[0; 4]);
    bench.wait(10 * MS);
    bench.write(reg::IFCONFIG0, 4 | 3 << 3);
    let mut window = [0; 4];
    bench.qspi.read_window(0, &mut window).unwrap();
    assert_eq!(window, [0xff; 4]);
    bench.instruct(0xb201, u32::from(QE));
    bench.wait(20 * MS);
    bench.qspi.read_window(0, &mut window).unwrap();
    assert_eq!(window, [0; 4]);
}

#[test]
fn a_long_frame_reads_the_parameters() {
    let mut bench = Bench::active();
    let long = 1 << 16;
    bench.instruct(0x315a | long, 0);
    bench.instruct(0x355a | long, 0);
    let first = bench.instruct(0x395a | long, 0);
    assert_eq!(&first.to_le_bytes(), b"SFDP");
    let second = bench.instruct(0x355a | long | 1 << 17, 0);
    assert_eq!(second.to_le_bytes(), [0, 6, 1, 0x10]);
    assert_eq!(bench.instruct(0x349f, 0).to_le_bytes()[..3], JEDEC_ID);
}

#[test]
fn deep_power_down_hides_the_flash_until_the_next_activation() {
    let mut bench = Bench::active();
    bench.instruct(0x31b9, 0);
    bench.write(reg::DEACTIVATE, 1);
    bench.write(reg::ACTIVATE, 1);
    bench.wait(MS);
    assert!(bench.take_ready(), "its first poll wakes the flash");
    assert_eq!(bench.instruct(0x349f, 0).to_le_bytes()[..3], JEDEC_ID);
}

#[test]
fn the_peripheral_sends_the_flash_to_deep_power_down_by_itself() {
    let mut bench = Bench::active();
    bench.write(reg::IFCONFIG0, 2 | 1 << 7);
    let awake = bench.read(reg::IFCONFIG1);
    bench.write(reg::IFCONFIG1, awake | 1 << 24);
    assert_eq!(bench.read(reg::STATUS) & 4, 4);
    let mut window = [0; 2];
    bench.qspi.read_window(0, &mut window).unwrap();
    assert_eq!(window, [0xff; 2]);
    bench.write(reg::IFCONFIG1, awake);
    bench.wait(MS);
    assert_eq!(bench.read(reg::STATUS) & 4, 0);
    assert_eq!(bench.instruct(0x349f, 0).to_le_bytes()[..3], JEDEC_ID);
}

#[test]
fn a_reset_of_the_core_does_not_stop_the_flash_and_a_loss_of_power_does() {
    for (reset, erased) in [(true, true), (false, false)] {
        let mut bench = Bench::active();
        bench.program(0, &[0; 4]);
        bench.wait(10 * MS);
        bench.erase(0, 0);
        bench.wait(MS);
        if reset {
            bench.qspi.reset();
        } else {
            bench.qspi.lose_power();
            bench.now = Duration::ZERO;
        }
        bench.wait(100 * MS);
        assert_eq!(bench.array(0, 1) == [0xff], erased);
        assert_eq!(bench.read(reg::ENABLE), 0);
    }
}

#[test]
fn interrupt_enables_are_set_and_cleared_by_bits() {
    let mut bench = Bench::new();
    bench.write(reg::INTENSET, 1);
    assert_eq!((bench.read(reg::INTEN), bench.read(reg::INTENCLR)), (1, 1));
    bench.write(reg::INTENCLR, 1);
    assert_eq!(bench.read(reg::INTENSET), 0);
}
