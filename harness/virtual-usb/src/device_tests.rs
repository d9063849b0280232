use super::*;
use crate::pipe::Framing;
use proptest::prelude::*;
use rstest::rstest;

/// Sends back what it gets.
struct Echo;

impl Function for Echo {
    fn receive(&mut self, data: &[u8]) -> Vec<Vec<u8>> {
        vec![data.to_vec()]
    }

    fn control(&mut self, setup: Setup, _data: &[u8]) -> Answer {
        match setup.request {
            0x21 => Answer::Done(vec![9; 7]),
            _ => Answer::Stall,
        }
    }
}

fn device() -> Device {
    let identity = Identity {
        vendor: 0x1209,
        product: 1,
        version: 0x0100,
        manufacturer: "M".to_owned(),
        name: "P".to_owned(),
        serial: "42".to_owned(),
    };
    let pipe = || Pipe::new(Framing::Messages, 1024);
    Device::builder(&identity)
        .serial_port("port", pipe(), Box::new(Echo))
        .probe("CMSIS-DAP", [0xff, 0, 0], true, pipe(), Box::new(Echo))
        .build()
}

fn control(setup: [u8; 8]) -> Command {
    let length = usize::from(u16::from_le_bytes([setup[6], setup[7]]));
    Command::Submit(Urb {
        number: 1,
        endpoint: 0,
        data: if setup[0] & 0x80 == 0 {
            Data::Out(vec![0; length])
        } else {
            Data::In(length)
        },
        setup,
    })
}

fn bulk(number: u32, endpoint: u8, data: Data) -> Command {
    Command::Submit(Urb {
        number,
        endpoint,
        data,
        setup: [0; 8],
    })
}

#[rstest]
#[case::device([0x80, 6, 0, 1, 0, 0, 18, 0], 18)]
#[case::the_first_eight_bytes([0x80, 6, 0, 1, 0, 0, 8, 0], 8)]
#[case::configuration([0x80, 6, 0, 2, 0, 0, 255, 0], 9 + 8 + 9 + 19 + 7 + 9 + 14 + 9 + 14)]
#[case::serial_number([0x80, 6, 3, 3, 9, 4, 255, 0], 6)]
#[case::bos([0x80, 6, 0, 15, 0, 0, 255, 0], 33)]
#[case::microsoft([0xc0, 0x20, 0, 0, 7, 0, 10, 0], 10)]
#[case::status([0x80, 0, 0, 0, 0, 0, 2, 0], 2)]
#[case::line_coding([0xa1, 0x21, 0, 0, 0, 0, 7, 0], 7)]
fn what_a_host_asks_at_enumeration_is_answered(#[case] setup: [u8; 8], #[case] length: usize) {
    match device().handle(control(setup)).as_slice() {
        [Reply::In { data, .. }] => assert_eq!(data.len(), length),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::no_such_string([0x80, 6, 99, 3, 0, 0, 255, 0])]
#[case::no_second_configuration([0x80, 6, 1, 2, 0, 0, 255, 0])]
#[case::of_no_interface([0xa1, 0x21, 0, 0, 9, 0, 7, 0])]
#[case::no_such_request([0x80, 0x55, 0, 0, 0, 0, 1, 0])]
fn what_the_device_does_not_have_stalls(#[case] setup: [u8; 8]) {
    assert_eq!(
        device().handle(control(setup)),
        [Reply::Stalled { number: 1 }]
    );
}

#[test]
fn data_goes_through_the_endpoints_of_its_function() {
    let mut device = device();
    assert!(
        device.handle(bulk(1, 3, Data::In(64))).is_empty(),
        "it waits"
    );
    let replies = device.handle(bulk(2, 3, Data::Out(vec![5, 6])));
    let expected = [
        Reply::Out {
            number: 2,
            taken: 2,
        },
        Reply::In {
            number: 1,
            data: vec![5, 6],
        },
    ];
    assert_eq!(replies, expected);
    assert_eq!(
        device.handle(bulk(3, 9, Data::In(1))),
        [Reply::Stalled { number: 3 }]
    );
}

#[test]
fn a_waiting_transfer_can_be_unlinked_once() {
    let mut device = device();
    device.handle(bulk(1, 1, Data::In(16)));
    for waiting in [true, false] {
        let reply = device.handle(Command::Unlink {
            number: 2,
            victim: 1,
        });
        assert_eq!(reply, [Reply::Unlinked { number: 2, waiting }]);
    }
}

#[test]
fn what_was_not_fetched_is_gone_after_a_new_configuration() {
    let mut device = device();
    device.handle(bulk(1, 3, Data::Out(vec![1])));
    device.handle(control([0, 9, 1, 0, 0, 0, 0, 0]));
    assert!(device.handle(bulk(2, 3, Data::In(8))).is_empty());
}

proptest! {
    #[test]
    fn no_setup_packet_makes_the_device_panic(setup: [u8; 8]) {
        let mut setup = setup;
        // The data stage is as long as it says; a small one will do.
        setup[7] &= 1;
        prop_assert_eq!(device().handle(control(setup)).len(), 1);
    }
}
