//! What Linux sends and what it gets, packet for packet.

use super::*;
use hil_clock::{Clock as _, SimClock};
use proptest::prelude::*;
use rstest::rstest;
use std::sync::mpsc::{self, Receiver};
use virtual_radio::gatt::{SMP_HANDLE, SMP_SERVICE};
use virtual_radio::{AirHandle, Port};

/// A controller, and a board that tells what happens to it.
struct Bench {
    controller: Controller,
    clock: SimClock,
    asked: Receiver<AirCommand>,
    happened: Receiver<LinkEvent>,
    port: Port,
}

const BOARD: [u8; 6] = [0x9a, 0x78, 0x56, 0x34, 0x12, 0xc0];
/// LE Create Connection to the board, as Linux asks for it.
const CREATE: [u8; 29] = [
    1, 0x0d, 0x20, 25, 0x60, 0, 0x60, 0, 0, 1, 0x9a, 0x78, 0x56, 0x34, 0x12, 0xc0, 0, 0x18, 0,
    0x28, 0, 0, 0, 0x2a, 0, 0, 0, 0, 0,
];

impl Bench {
    fn new() -> Self {
        let (ask, asked) = mpsc::channel();
        let (tell, happened) = mpsc::channel();
        let air = AirHandle::driven_by(move |command| drop(ask.send(command)));
        let address = Address::new([0xc0, 0x12, 0x34, 0x56, 0x78, 0x9a]);
        let port = air.attach(
            address,
            GattTable::smp(),
            Box::new(move |event| drop(tell.send(event))),
        );
        let controller = Controller::new(Address::new([0, 0, 0x5e, 0, 0x53, 1]));
        let clock = SimClock::new();
        Self {
            controller,
            clock,
            asked,
            happened,
            port,
        }
    }

    fn advertise(&mut self) {
        self.port.advertise(Some(Advertisement {
            name: Some("dk".to_owned()),
            services: vec![SMP_SERVICE],
        }));
        self.settle();
    }

    fn settle(&mut self) {
        while let Ok(command) = self.asked.try_recv() {
            self.controller.handle_board(command);
        }
    }

    fn send(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        self.settle();
        self.controller.handle_packet(packet, self.clock.now());
        self.controller.handle_timeout(self.clock.now());
        self.controller.take_packets()
    }

    /// Sends a PDU of ATT, and gives what comes behind the report that the packet was taken.
    fn att(&mut self, pdu: &[u8]) -> Vec<Vec<u8>> {
        let length = u8::try_from(pdu.len()).expect("a short one");
        let mut packet = vec![2, 1, 0, length + 4, 0, length, 0, 4, 0];
        packet.extend(pdu);
        let mut packets = self.send(&packet);
        assert_eq!(packets.remove(0), [4, 0x13, 5, 1, 1, 0, 1, 0]);
        packets
    }

    fn connect(&mut self) -> LinkId {
        self.advertise();
        self.send(&CREATE);
        self.att(&[0x02, 0x05, 0x02]);
        match self.happened.try_recv() {
            Ok(LinkEvent::Connected { link, mtu: 498 }) => link,
            other => panic!("not connected: {other:?}"),
        }
    }
}

#[rstest]
#[case::reset(&[1, 3, 0x0c, 0], &[4, 0x0e, 4, 1, 3, 0x0c, 0])]
#[case::address(&[1, 9, 0x10, 0], &[4, 0x0e, 10, 1, 9, 0x10, 0, 1, 0x53, 0, 0x5e, 0, 0])]
#[case::buffers(&[1, 2, 0x20, 0], &[4, 0x0e, 7, 1, 2, 0x20, 0, 251, 0, 8])]
#[case::unknown(&[1, 0x36, 0x20, 0], &[4, 0x0e, 4, 1, 0x36, 0x20, 1])]
#[case::disconnect_nobody(&[1, 6, 4, 3, 1, 0, 0x13], &[4, 0x0f, 4, 2, 1, 6, 4])]
#[case::cancel_nothing(&[1, 0x0e, 0x20, 0], &[4, 0x0e, 4, 1, 0x0e, 0x20, 0x0c])]
fn commands(#[case] packet: &[u8], #[case] expected: &[u8]) {
    assert_eq!(Bench::new().send(packet), [expected]);
}

#[test]
fn a_scan_reports_who_advertises_with_service_and_name_at_its_interval() {
    let mut bench = Bench::new();
    bench.advertise();
    let packets = bench.send(&[1, 0x0c, 0x20, 2, 1, 0]);
    let [complete, report, response] = packets.as_slice() else {
        panic!("{packets:?}");
    };
    assert_eq!(complete, &[4, 0x0e, 4, 1, 0x0c, 0x20, 0]);
    assert_eq!(report[..6], [4, 0x3e, 33, 2, 1, 0]);
    assert_eq!(report[7..13], BOARD);
    assert_eq!(report[13..20], [21, 2, 1, 6, 17, 7, 0x84]);
    assert_eq!(response[13..], [4, 3, 9, b'd', b'k', 0xd1]);
    let due = bench.controller.poll_timeout();
    assert_eq!(due, Some(bench.clock.now() + REPORT_INTERVAL));
    // Switched off, it is silent.
    bench.send(&[1, 0x0c, 0x20, 2, 0, 0]);
    assert_eq!(bench.controller.poll_timeout(), None);
}

#[test]
fn a_connection_waits_for_the_board_to_advertise() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(&CREATE), [[4, 0x0f, 4, 0, 1, 0x0d, 0x20]]);
    bench.advertise();
    let connected = [
        4, 0x3e, 19, 1, 0, 1, 0, 0, 1, 0x9a, 0x78, 0x56, 0x34, 0x12, 0xc0, 0x18, 0, 0, 0, 0x48, 0,
        0,
    ];
    assert_eq!(bench.controller.take_packets(), [connected]);
}

#[test]
fn an_attempt_that_is_cancelled_is_over() {
    let mut bench = Bench::new();
    bench.send(&CREATE);
    let packets = bench.send(&[1, 0x0e, 0x20, 0]);
    assert_eq!(packets[0], [4, 0x0e, 4, 1, 0x0e, 0x20, 0]);
    assert_eq!(packets[1][..5], [4, 0x3e, 19, 1, 0x02]);
    bench.advertise();
    assert_eq!(bench.controller.take_packets(), Vec::<Vec<u8>>::new());
}

#[test]
fn what_is_written_reaches_the_board_and_what_it_notifies_the_host() {
    let mut bench = Bench::new();
    let link = bench.connect();
    let subscribed = bench.att(&[0x12, 0x13, 0, 1, 0]);
    assert_eq!(subscribed, [[2, 1, 0x20, 5, 0, 1, 0, 4, 0, 0x13]]);
    assert_eq!(bench.att(&[0x52, 0x12, 0, 2, 9]), Vec::<Vec<u8>>::new());
    let events: Vec<LinkEvent> = bench.happened.try_iter().collect();
    let characteristic = SMP_HANDLE;
    assert_eq!(
        events,
        [
            LinkEvent::Subscribed {
                link,
                characteristic,
                wanted: true
            },
            LinkEvent::Written {
                link,
                characteristic,
                value: vec![2, 9]
            },
        ]
    );
    bench.port.notify(link, SMP_HANDLE, vec![3; 300]);
    bench.settle();
    let packets = bench.controller.take_packets();
    let heads: Vec<&[u8]> = packets.iter().map(|packet| &packet[..5]).collect();
    assert_eq!(heads, [[2, 1, 0x20, 251, 0], [2, 1, 0x10, 56, 0]]);
}

#[test]
fn a_link_that_the_board_loses_is_told_to_both_and_its_notifications_are_lost() {
    let mut bench = Bench::new();
    let link = bench.connect();
    bench.port.drop_link(Reason::ConnectionTimeout);
    bench.port.notify(link, SMP_HANDLE, vec![1]);
    bench.settle();
    assert_eq!(bench.controller.take_packets(), [[4, 5, 4, 0, 1, 0, 0x08]]);
    let reason = Reason::ConnectionTimeout;
    let events: Vec<LinkEvent> = bench.happened.try_iter().collect();
    assert_eq!(events, [LinkEvent::Disconnected { link, reason }]);
}

#[test]
fn a_link_that_the_host_ends_is_ended_by_the_remote_user_for_the_board() {
    let mut bench = Bench::new();
    let link = bench.connect();
    let packets = bench.send(&[1, 6, 4, 3, 1, 0, 0x13]);
    assert_eq!(
        packets,
        [[4, 0x0f, 4, 0, 1, 6, 4], [4, 5, 4, 0, 1, 0, 0x16]]
    );
    let reason = Reason::RemoteUser;
    let events: Vec<LinkEvent> = bench.happened.try_iter().collect();
    assert_eq!(events, [LinkEvent::Disconnected { link, reason }]);
}

#[test]
fn a_second_link_of_a_board_is_another_one() {
    let mut bench = Bench::new();
    let first = bench.connect();
    bench.send(&[1, 6, 4, 3, 1, 0, 0x13]);
    assert!(matches!(
        bench.happened.try_recv(),
        Ok(LinkEvent::Disconnected { .. })
    ));
    assert_ne!(bench.connect(), first);
}

#[test]
fn pairing_is_refused() {
    let mut bench = Bench::new();
    bench.connect();
    let request = [2, 1, 0, 11, 0, 7, 0, 6, 0, 1, 3, 0, 1, 16, 7, 7];
    let packets = bench.send(&request);
    assert_eq!(packets[1], [2, 1, 0x20, 6, 0, 2, 0, 6, 0, 5, 5]);
}

proptest! {
    #[test]
    fn whatever_the_host_sends_it_stays_up(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..40),
    ) {
        let mut bench = Bench::new();
        bench.connect();
        for mut packet in packets {
            // Most would be of no type otherwise.
            if let Some(kind) = packet.first_mut() {
                *kind = 1 + (*kind & 1);
            }
            bench.send(&packet);
        }
        let reset = bench.send(&[1, 3, 0x0c, 0]);
        prop_assert_eq!(reset, vec![vec![4, 0x0e, 4, 1, 3, 0x0c, 0]]);
    }
}
