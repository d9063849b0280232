//! What is written to which register, by the record of a bus.

use super::super::bus::recording::{Op, Recording};
use super::*;
use rstest::rstest;

/// A chip as after reset, with the flash of a DK that answers at once.
fn chip() -> Recording {
    reset(QSPI_SECURE, CLOCK_SECURE, SPU_PERM_SECURE)
}

fn reset(qspi: u32, clock: u32, perm: u32) -> Recording {
    let mut bus = Recording::new()
        .holding(SPU_QSPI_PERM, perm)
        .holding(SPU_CLOCK_PERM, perm)
        .holding(clock + HFCLK192MCTRL, 2)
        .holding(qspi + IFCONFIG1, 0x0004_0480)
        .holding(qspi + IFTIMING, 0x200)
        .holding(qspi + STATUS, STATUS_READY)
        .answering(qspi + READY, &[0, 1])
        .answering(qspi + CINSTRDAT0, &[0x0017_28C2, 0]);
    for (register, pin) in WIRES {
        bus = bus
            .holding(qspi + register, u32::MAX)
            .holding(PIN_CNF + 4 * pin, 2);
    }
    bus
}

fn fault(error: &ArmError) -> String {
    SequenceFault::below(error)
        .expect("our own fault")
        .to_string()
}

/// What a write does to a register of QSPI, by its offset; other addresses whole.
fn writes(bus: &Recording, qspi: u32) -> Vec<(u32, u32)> {
    bus.writes()
        .into_iter()
        .map(|(address, value)| {
            let offset = address.wrapping_sub(qspi);
            (if offset < 0x1000 { offset } else { address }, value)
        })
        .collect()
}

/// Setting up, of which the addresses of the clock and of QSPI are the only variable.
fn set_up(clock: u32) -> Vec<(u32, u32)> {
    vec![
        (0x308, 1),
        (clock + 0x5B8, 0),
        (0x5084_2744, 0x302),
        (0x524, 17),
        (0x5084_2748, 0x302),
        (0x528, 18),
        (0x5084_2734, 0x302),
        (0x530, 13),
        (0x5084_2738, 0x302),
        (0x534, 14),
        (0x5084_273C, 0x302),
        (0x538, 15),
        (0x5084_2740, 0x302),
        (0x53C, 16),
        (0x544, 0x0001_0002),
        (0x640, 0x600),
        (0x600, 0xB004_0480),
        (0x500, 1),
        (0x100, 0),
        (0x000, 1),
        // RDID.
        (0x100, 0),
        (0x638, 0),
        (0x634, 0x349F),
    ]
}

fn put_back(clock: u32) -> Vec<(u32, u32)> {
    let zeros = [0x504, 0x508, 0x50C, 0x510, 0x514, 0x518, 0x51C, 0x520];
    let unconnected = [0x524, 0x528, 0x530, 0x534, 0x538, 0x53C];
    let pins = [
        0x5084_2744,
        0x5084_2748,
        0x5084_2734,
        0x5084_2738,
        0x5084_273C,
        0x5084_2740,
    ];
    let mut writes = vec![(0x010, 1), (0x500, 0)];
    writes.extend(zeros.map(|register| (register, 0)));
    writes.extend(unconnected.map(|register| (register, u32::MAX)));
    writes.extend([(0x544, 0), (0x600, 0x0004_0480), (0x640, 0x200)]);
    writes.extend(pins.map(|pin| (pin, 2)));
    writes.extend([(0x100, 0), (clock + 0x5B8, 2)]);
    writes
}

#[rstest]
#[case::secure(0x5002_B000, 0x5000_5000, 1 << 4)]
#[case::non_secure(0x4002_B000, 0x4000_5000, 0)]
fn reading_sets_up_moves_through_ram_and_puts_everything_back(
    #[case] qspi: u32,
    #[case] clock: u32,
    #[case] perm: u32,
) {
    let mut bus = reset(qspi, clock, perm);
    let mut data = [0; 0x1000];
    with_external_flash(&mut bus, |flash| flash.read(0x12_3000, &mut data)).unwrap();
    let read = [
        (0x504, 0x12_3000),
        (0x508, 0x2006_0000),
        (0x50C, 0x1000),
        (0x100, 0),
        (0x004, 1),
    ];
    let expected = [set_up(clock), read.to_vec(), put_back(clock)].concat();
    assert_eq!(writes(&bus, qspi), expected);
    let buffers: Vec<Op> = bus
        .ops()
        .into_iter()
        .filter(|op| matches!(op, Op::ReadBytes(..) | Op::WriteBytes(..)))
        .collect();
    assert_eq!(
        buffers,
        [
            Op::ReadBytes(0x2006_0000, 0x1_0000),
            Op::ReadBytes(0x2006_0000, 0x1000),
            Op::WriteBytes(0x2006_0000, 0x1_0000),
        ],
        "what lay in RAM is saved and put back"
    );
}

#[test]
fn programming_waits_until_the_flash_is_done() {
    let mut bus = chip().answering(QSPI_SECURE + CINSTRDAT0, &[0x0017_28C2, 1, 1, 0]);
    with_external_flash(&mut bus, |flash| flash.program(0x4000, &[0x55; 0x1000])).unwrap();
    let poll = [(0x100, 0), (0x638, 0), (0x634, 0x3205)];
    let program = [
        (0x510, 0x4000),
        (0x514, 0x2006_0000),
        (0x518, 0x1000),
        (0x100, 0),
        (0x008, 1),
    ];
    let expected = [
        set_up(CLOCK_SECURE),
        program.to_vec(),
        poll.repeat(3),
        put_back(CLOCK_SECURE),
    ]
    .concat();
    assert_eq!(writes(&bus, QSPI_SECURE), expected);
}

#[test]
fn whole_blocks_are_erased_at_once_and_the_rest_by_sectors() {
    let mut bus = chip();
    let sectors: Vec<u32> = (0xF000..0x2_2000).step_by(0x1000).collect();
    let mut erased = 0;
    with_external_flash(&mut bus, |flash| {
        flash.erase(&sectors, &mut |bytes| erased += bytes)
    })
    .unwrap();
    let erases: Vec<(u32, u32)> = writes(&bus, QSPI_SECURE)
        .windows(2)
        .filter(|pair| pair[0].0 == ERASE_PTR && pair[0].1 != 0)
        .map(|pair| (pair[0].1, pair[1].1))
        .collect();
    assert_eq!(
        erases,
        [(0xF000, 0), (0x1_0000, 1), (0x2_0000, 0), (0x2_1000, 0)]
    );
    assert_eq!(erased, 0x1_3000);
}

#[test]
fn an_interface_that_firmware_uses_is_left_as_it_was() {
    let qspi = QSPI_SECURE;
    let mut bus = chip()
        .holding(qspi + ENABLE, 1)
        .holding(qspi + IFCONFIG0, 0x1C)
        .holding(qspi + INTENSET, 1)
        .answering(qspi + STATUS, &[0, STATUS_READY])
        .answering(qspi + READY, &[1])
        .answering(qspi + CINSTRDAT0, &[0, 0x0017_28C2]);
    with_external_flash(&mut bus, |_| Ok(())).unwrap();
    let writes = writes(&bus, qspi);
    assert_eq!(
        writes[..7],
        [
            (INTENCLR, 1),
            (CLOCK_SECURE + HFCLK192MCTRL, 0),
            // A transaction before it is deactivated.
            (READY, 0),
            (CINSTRDAT0, 0),
            (CINSTRCONF, 0x3205),
            (DEACTIVATE, 1),
            (ENABLE, 0),
        ]
    );
    assert!(writes.contains(&(IFCONFIG0, 0x1C)));
    assert_eq!(
        writes[writes.len() - 6..],
        [
            (ENABLE, 1),
            (READY, 0),
            (ACTIVATE, 1),
            // Its event is still to be seen, then the clock slows down and the interrupt comes.
            (READY, 1),
            (CLOCK_SECURE + HFCLK192MCTRL, 2),
            (INTENSET, 1),
        ]
    );
}

#[rstest]
#[case::nobody_answers(
    Recording::answering(chip(), QSPI_SECURE + READY, &[0]),
    "the external flash did not answer within 5s"
)]
#[case::another_part(
    Recording::answering(chip(), QSPI_SECURE + CINSTRDAT0, &[0x0016_40EF]),
    "the external flash says that it is ef 40 16"
)]
#[case::nothing_on_the_lines(
    Recording::answering(chip(), QSPI_SECURE + CINSTRDAT0, &[u32::MAX]),
    "the external flash says that it is ff ff ff"
)]
fn a_flash_that_is_not_there_or_another_is_told_and_everything_put_back(
    #[case] mut bus: Recording,
    #[case] expected: &str,
) {
    let error = with_external_flash(&mut bus, |_| Ok(())).unwrap_err();
    assert_eq!(fault(&error), expected);
    let writes = writes(&bus, QSPI_SECURE);
    let end = put_back(CLOCK_SECURE);
    assert_eq!(writes[writes.len() - end.len()..], end[..]);
}

#[test]
fn a_flash_that_stays_busy_is_given_up() {
    let mut bus = chip().answering(QSPI_SECURE + CINSTRDAT0, &[0x0017_28C2, 1]);
    let error =
        with_external_flash(&mut bus, |flash| flash.erase(&[0x5000], &mut |_| {})).unwrap_err();
    assert_eq!(
        fault(&error),
        "erasing the external flash at 0x00005000 did not happen within 800ms"
    );
}

#[test]
fn firmware_that_does_not_let_go_of_the_flash_is_not_waited_for_without_end() {
    let mut bus = chip()
        .holding(QSPI_SECURE + ENABLE, 1)
        .holding(QSPI_SECURE + STATUS, 0);
    let error = with_external_flash(&mut bus, |_| Ok(())).unwrap_err();
    assert_eq!(
        fault(&error),
        "the end of what the firmware does with the external flash did not happen within 5s"
    );
    assert_eq!(bus.writes(), [], "nothing was touched yet");
}
