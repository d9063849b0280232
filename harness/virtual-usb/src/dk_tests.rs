use super::*;
use crate::usbip::HEADER;
use rstest::rstest;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use virtual_dk::firmware::StockFirmware;
use virtual_dk::{Power, VirtualDkOptions};

/// The kernel's end: sends transfers and waits for their replies.
struct Host {
    socket: UnixStream,
    number: u32,
}

impl Host {
    fn submit(&mut self, endpoint: u8, setup: [u8; 8], out: Option<&[u8]>, length: usize) -> u32 {
        self.number += 1;
        let direction = u32::from(out.is_none());
        let mut bytes = Vec::new();
        let fields = [
            1,
            self.number,
            1,
            direction,
            u32::from(endpoint),
            0,
            length as u32,
            0,
            u32::MAX,
            0,
        ];
        bytes.extend(fields.iter().flat_map(|field| field.to_be_bytes()));
        bytes.extend(setup);
        bytes.extend(out.unwrap_or_default());
        self.socket.write_all(&bytes).unwrap();
        self.number
    }

    /// The next reply: its number, status and data for a transfer to the host.
    fn reply(&mut self, is_in: bool) -> (u32, i32, Vec<u8>) {
        let mut header = [0; HEADER];
        self.socket.read_exact(&mut header).unwrap();
        let field = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
        let mut data = vec![0; if is_in { field(24) as usize } else { 0 }];
        self.socket.read_exact(&mut data).unwrap();
        (field(4), field(20) as i32, data)
    }

    fn control(&mut self, setup: [u8; 8]) -> Vec<u8> {
        let is_in = setup[0] & 0x80 != 0;
        let length = usize::from(u16::from_le_bytes([setup[6], setup[7]]));
        self.submit(
            0,
            setup,
            (!is_in).then_some(&[]),
            if is_in { length } else { 0 },
        );
        let (_, status, data) = self.reply(is_in);
        assert_eq!(status, 0);
        data
    }

    fn send(&mut self, endpoint: u8, data: &[u8]) {
        self.submit(endpoint, [0; 8], Some(data), data.len());
        assert_eq!(self.reply(false).1, 0);
    }

    fn receive(&mut self, endpoint: u8, length: usize) -> Vec<u8> {
        self.submit(endpoint, [0; 8], None, length);
        self.reply(true).2
    }
}

fn plugged_in(kind: ProbeKind) -> (VirtualDk, Cable, Host) {
    let options = VirtualDkOptions {
        power: Power::Off,
        ..VirtualDkOptions::default()
    };
    let board = VirtualDk::start(options, Arc::new(StockFirmware)).unwrap();
    let (host, device) = UnixStream::pair().unwrap();
    host.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let cable = UsbDk::of(&board, kind, "001050000001")
        .plug_in(device)
        .unwrap();
    let mut host = Host {
        socket: host,
        number: 0,
    };
    // SET_CONFIGURATION 1.
    host.control([0, 9, 1, 0, 0, 0, 0, 0]);
    (board, cable, host)
}

/// Number of the probe's endpoint: after those of two serial ports.
const PROBE: u8 = 5;

#[rstest]
#[case::jlink(ProbeKind::JLink, [0x66, 0x13, 0x51, 0x10])]
#[case::cmsis_dap(ProbeKind::CmsisDap, [0x09, 0x12, 0x01, 0x00])]
fn a_board_enumerates_with_its_serial_number(#[case] kind: ProbeKind, #[case] ids: [u8; 4]) {
    let (_board, _cable, mut host) = plugged_in(kind);
    let device = host.control([0x80, 6, 0, 1, 0, 0, 18, 0]);
    assert_eq!(device[8..12], ids);
    let serial = host.control([0x80, 6, device[16], 3, 9, 4, 255, 0]);
    let units: Vec<u16> = serial[2..]
        .chunks(2)
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
        .collect();
    assert_eq!(String::from_utf16(&units).unwrap(), "001050000001");
}

#[test]
fn the_jlink_answers_on_its_endpoint() {
    let (board, _cable, mut host) = plugged_in(ProbeKind::JLink);
    board.set_power(Power::On);
    host.send(PROBE, &[0x07]);
    assert_eq!(host.receive(PROBE, 8)[..2], 3000u16.to_le_bytes());
}

#[test]
fn the_cmsis_dap_probe_answers_on_its_endpoint() {
    let (_board, _cable, mut host) = plugged_in(ProbeKind::CmsisDap);
    host.send(PROBE, &[0, 0xff]);
    assert_eq!(host.receive(PROBE, 512), [0, 2, 0, 2]);
}

#[test]
fn what_each_part_got_is_counted() {
    let (_board, cable, mut host) = plugged_in(ProbeKind::JLink);
    host.send(PROBE, &[0x07]);
    host.send(PROBE - 1, b"for the application");
    // Notifications of the first port, its data, and those of the second: nothing of them is counted.
    host.send(2, b"for the network core");
    assert_eq!(cable.received(Part::Probe), 1);
    assert_eq!(cable.received(Part::AppUart), 19);
}

#[test]
fn a_pulled_cable_ends_the_connection() {
    let (_board, cable, mut host) = plugged_in(ProbeKind::JLink);
    host.submit(PROBE, [0; 8], None, 8);
    drop(cable);
    assert_eq!(host.socket.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_host_that_goes_away_is_noticed_and_the_board_can_be_plugged_in_again() {
    let (board, cable, host) = plugged_in(ProbeKind::JLink);
    drop(host);
    drop(cable);
    let (mut again, device) = UnixStream::pair()
        .map(|(host, device)| {
            (
                Host {
                    socket: host,
                    number: 0,
                },
                device,
            )
        })
        .unwrap();
    let _cable = UsbDk::of(&board, ProbeKind::JLink, "1")
        .plug_in(device)
        .unwrap();
    assert_eq!(again.control([0x80, 8, 0, 0, 0, 0, 1, 0]), [0]);
}
