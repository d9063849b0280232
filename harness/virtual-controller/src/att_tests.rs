//! Requests as BlueZ sends them, against the table of a Zephyr application.

use super::*;
use crate::attributes;
use proptest::prelude::*;
use rstest::rstest;
use virtual_radio::gatt::{GattTable, SMP_HANDLE};

fn server() -> Server {
    Server::new(attributes::of(&GattTable::smp(), "dk"))
}

fn respond(server: &mut Server, pdu: &[u8]) -> Vec<u8> {
    server.take(pdu).response.unwrap_or_default()
}

#[rstest]
#[case::services_of_16_bits(&[0x10, 1, 0, 0xff, 0xff, 0x00, 0x28], &[0x11, 6, 1, 0, 8, 0, 0x01, 0x18, 9, 0, 13, 0, 0x00, 0x18])]
#[case::no_more_services(&[0x10, 0x14, 0, 0xff, 0xff, 0x00, 0x28], &[0x01, 0x10, 0x14, 0, 0x0a])]
#[case::secondary_services(&[0x10, 1, 0, 0xff, 0xff, 0x01, 0x28], &[0x01, 0x10, 1, 0, 0x10])]
#[case::gap_by_value(&[0x06, 1, 0, 0xff, 0xff, 0x00, 0x28, 0x00, 0x18], &[0x07, 9, 0, 13, 0])]
#[case::descriptor(&[0x04, 0x13, 0, 0x13, 0], &[0x05, 1, 0x13, 0, 0x02, 0x29])]
#[case::declarations(&[0x08, 9, 0, 13, 0, 0x03, 0x28], &[0x09, 7, 10, 0, 2, 11, 0, 0x00, 0x2a, 12, 0, 2, 13, 0, 0x01, 0x2a])]
#[case::name(&[0x0a, 11, 0], &[0x0b, b'd', b'k'])]
#[case::end_of_name(&[0x0c, 11, 0, 1, 0], &[0x0d, b'k'])]
#[case::behind_the_name(&[0x0c, 11, 0, 3, 0], &[0x01, 0x0c, 11, 0, 0x07])]
#[case::smp_is_not_read(&[0x0a, 0x12, 0], &[0x01, 0x0a, 0x12, 0, 0x02])]
#[case::smp_is_written_with_an_answer_if_one_is_wanted(&[0x12, 0x12, 0, 9], &[0x13])]
#[case::the_database_hash_is_not_written(&[0x12, 8, 0, 9], &[0x01, 0x12, 8, 0, 0x03])]
#[case::nothing_there(&[0x0a, 0x99, 0], &[0x01, 0x0a, 0x99, 0, 0x01])]
#[case::handles_the_wrong_way_round(&[0x04, 9, 0, 1, 0], &[0x01, 0x04, 9, 0, 0x01])]
#[case::cut_short(&[0x04, 9], &[0x01, 0x04, 0, 0, 0x04])]
#[case::long_writes(&[0x16, 0x12, 0, 0, 0, 1], &[0x01, 0x16, 0, 0, 0x06])]
fn requests(#[case] request: &[u8], #[case] expected: &[u8]) {
    assert_eq!(respond(&mut server(), request), expected);
}

#[test]
fn the_smaller_mtu_counts() {
    let mut server = server();
    assert_eq!(
        respond(&mut server, &[0x02, 0x05, 0x02]),
        [0x03, 0xf2, 0x01]
    );
    assert_eq!(server.mtu(), 498);
    assert_eq!(respond(&mut server, &[0x02, 100, 0]), [0x03, 0xf2, 0x01]);
    assert_eq!(server.mtu(), 100);
}

#[test]
fn a_write_command_to_smp_is_a_write_and_has_no_answer() {
    let outcome = server().take(&[0x52, 0x12, 0x00, 2, 0, 0, 0]);
    let effect = Effect::Written {
        declaration: SMP_HANDLE,
        value: vec![2, 0, 0, 0],
    };
    assert_eq!(
        outcome,
        Outcome {
            response: None,
            effect: Some(effect)
        }
    );
}

#[test]
fn notifications_go_to_who_wants_them_and_only_if_they_fit() {
    let mut server = server();
    assert_eq!(server.notification(SMP_HANDLE, &[1]), None);
    let outcome = server.take(&[0x12, 0x13, 0x00, 1, 0]);
    assert_eq!(outcome.response, Some(vec![0x13]));
    assert_eq!(
        outcome.effect,
        Some(Effect::Subscribed {
            declaration: SMP_HANDLE,
            wanted: true
        })
    );
    assert_eq!(
        server.notification(SMP_HANDLE, &[7]),
        Some(vec![0x1b, 0x12, 0, 7])
    );
    assert_eq!(server.notification(SMP_HANDLE, &[0; 21]), None);
    assert_eq!(respond(&mut server, &[0x0a, 0x13, 0]), [0x0b, 1, 0]);
}

proptest! {
    #[test]
    fn whatever_is_sent_no_response_is_longer_than_the_mtu(
        pdus in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
    ) {
        let mut server = server();
        for pdu in pdus {
            let response = respond(&mut server, &pdu);
            prop_assert!(response.len() <= usize::from(server.mtu().max(DEFAULT_MTU)));
        }
    }
}
