use super::*;
use proptest::prelude::*;
use rstest::rstest;
use std::sync::Arc;
use virtual_dk::firmware::StockFirmware;
use virtual_dk::{Power, Sampling, VirtualDk, VirtualDkOptions};

fn board() -> VirtualDk {
    VirtualDk::start(VirtualDkOptions::default(), Arc::new(StockFirmware)).unwrap()
}

fn probe(board: &VirtualDk) -> CmsisDap {
    CmsisDap::new(board.debug_header().plug_in(Sampling::AtEdge), "42")
}

/// As a host does it: SWD, the line reset, and DPIDR.
fn attached(board: &VirtualDk) -> CmsisDap {
    let mut probe = probe(board);
    assert_eq!(probe.answer(&[2, 1]), Some(vec![2, 1]));
    let mut reset = vec![0x12, 64];
    reset.extend([0xff; 7]);
    reset.push(0);
    assert_eq!(probe.answer(&reset), Some(vec![0x12, 0]));
    let dpidr = [5, 1, 1, 0x77, 0x24, 0xa0, 0x6b];
    assert_eq!(probe.answer(&[5, 0, 1, 0x02]), Some(dpidr.to_vec()));
    probe
}

/// A DAP_Transfer of these requests with their data.
fn transfer(requests: &[(u8, Option<u32>)]) -> Vec<u8> {
    let mut packet = vec![5, 0, requests.len() as u8];
    for (request, data) in requests {
        packet.push(*request);
        packet.extend(data.iter().flat_map(|data| data.to_le_bytes()));
    }
    packet
}

const WRITE_ABORT: u8 = 0x00;
const WRITE_CONTROL: u8 = 0x04;
const WRITE_SELECT: u8 = 0x08;
const WRITE_CSW: u8 = 0x01;
const WRITE_TAR: u8 = 0x05;
const WRITE_DRW: u8 = 0x0d;
const READ_DRW: u8 = 0x0f;

/// Powers the debug port up and selects words with auto-increment on access port 0.
fn memory(board: &VirtualDk) -> CmsisDap {
    let mut probe = attached(board);
    let answer = probe.answer(&transfer(&[
        (WRITE_ABORT, Some(0x1e)),
        (WRITE_CONTROL, Some(0x5000_0000)),
        (WRITE_SELECT, Some(0)),
        (WRITE_CSW, Some(0x2380_0052)),
    ]));
    assert_eq!(answer, Some(vec![5, 4, 1]));
    probe
}

#[rstest]
#[case::packet_size(0xff, vec![0, 2, 0, 2])]
#[case::packets(0xfe, vec![0, 1, 8])]
#[case::swd_only(0xf0, vec![0, 2, 1, 1])]
#[case::serial(0x03, vec![0, 3, b'4', b'2', 0])]
#[case::not_known(0x7f, vec![0, 0])]
fn dap_info_says_what_the_probe_is(#[case] what: u8, #[case] expected: Vec<u8>) {
    assert_eq!(probe(&board()).answer(&[0, what]), Some(expected));
}

#[test]
fn memory_is_written_and_read_back_in_blocks() {
    let board = board();
    let mut probe = memory(&board);
    let words = [0x0102_0304, 0xdead_beef, 0];
    probe.answer(&transfer(&[(WRITE_TAR, Some(0x2000_0000))]));
    let mut block = vec![6, 0, 3, 0, WRITE_DRW];
    block.extend(words.iter().flat_map(|word: &u32| word.to_le_bytes()));
    assert_eq!(probe.answer(&block), Some(vec![6, 3, 0, 1]));
    probe.answer(&transfer(&[(WRITE_TAR, Some(0x2000_0000))]));
    let mut expected = vec![6, 3, 0, 1];
    expected.extend(&block[5..]);
    assert_eq!(probe.answer(&[6, 0, 3, 0, READ_DRW]), Some(expected));
}

#[test]
fn an_access_to_nowhere_is_a_fault_until_it_is_cleared() {
    let board = board();
    let mut probe = memory(&board);
    let to_nowhere = transfer(&[(WRITE_TAR, Some(0x3000_0000)), (READ_DRW, None)]);
    assert_eq!(
        probe.answer(&to_nowhere),
        Some(vec![5, 2, Ack::Fault as u8])
    );
    assert_eq!(
        probe.answer(&transfer(&[(READ_DRW, None)])),
        Some(vec![5, 1, Ack::Fault as u8])
    );
    let clear = transfer(&[
        (WRITE_ABORT, Some(0x1e)),
        (WRITE_TAR, Some(0x2000_0000)),
        (READ_DRW, None),
    ]);
    assert_eq!(probe.answer(&clear).unwrap()[..3], [5, 3, 1]);
}

#[test]
fn a_write_to_nowhere_is_told_with_its_own_packet() {
    let board = board();
    let mut probe = memory(&board);
    let to_nowhere = transfer(&[(WRITE_TAR, Some(0x3000_0000)), (WRITE_DRW, Some(1))]);
    assert_eq!(
        probe.answer(&to_nowhere),
        Some(vec![5, 2, Ack::Fault as u8])
    );
}

#[test]
fn a_read_can_be_compared() {
    let board = board();
    let mut probe = memory(&board);
    let mask = (0x20, Some(0xffff_0000));
    for (wanted, answer) in [
        (0x6ba0_0000, vec![5, 2, 1]),
        (0x1234_0000, vec![5, 2, 0x11]),
    ] {
        let compare = transfer(&[mask, (0x12, Some(wanted))]);
        assert_eq!(probe.answer(&compare), Some(answer));
    }
}

#[test]
fn a_board_without_power_does_not_acknowledge() {
    let board = board();
    let mut probe = attached(&board);
    board.set_power(Power::Off);
    assert_eq!(
        probe.answer(&[5, 0, 1, 0x02]),
        Some(vec![5, 1, Ack::None as u8])
    );
}

#[test]
fn bits_can_be_sent_one_by_one() {
    let board = board();
    let mut probe = attached(&board);
    // The read of DPIDR: 8 bits out, then 1 turnaround, 3 of acknowledgement, 32 and a parity, 1 turnaround.
    let answer = probe.answer(&[0x1d, 2, 8, 0xa5, 0x80 | 38]).unwrap();
    assert_eq!(answer[..2], [0x1d, 0]);
    let heard = answer[2..7]
        .iter()
        .rev()
        .fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
    assert_eq!(heard >> 1 & 7, 1);
    assert_eq!(heard >> 4 & 0xffff_ffff, 0x6ba0_2477);
}

#[test]
fn jtag_is_not_there_and_unknown_commands_say_so() {
    let board = board();
    assert_eq!(probe(&board).answer(&[2, 2]), Some(vec![2, 0]));
    assert_eq!(probe(&board).answer(&[0x99, 1, 2]), Some(vec![0xff]));
    assert_eq!(probe(&board).answer(&[5, 0]), Some(vec![0xff]));
}

#[test]
fn nreset_goes_down_and_up() {
    let board = board();
    let mut probe = probe(&board);
    assert_eq!(
        probe.answer(&[0x10, 0, 0x80, 0, 0, 0, 0]),
        Some(vec![0x10, 0])
    );
    assert_eq!(
        probe.answer(&[0x10, 0x80, 0x80, 0, 0, 0, 0]),
        Some(vec![0x10, 0x80])
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_packets_make_the_probe_panic(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..20),
    ) {
        let board = board();
        let mut probe = attached(&board);
        for packet in packets {
            probe.answer(&packet);
        }
    }
}
