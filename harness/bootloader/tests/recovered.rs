//! What serial recovery leaves in flash for the network core, when it was waited for and when it was not.

mod common;

use common::*;
use hil_bootloader::predict::{Comparison, Forecast, Sent};
use hil_bootloader::{Config, DeviceId, Mode, NetworkCore, SerialRecovery, SimFlash};
use rstest::rstest;

const NET: DeviceId = DeviceId::NetFlash;
const NET_SLOT: u32 = 0x8800;
const PAGE: usize = 0x800;

fn config() -> Config {
    Config {
        network_core: NetworkCore::Pcd,
        serial_recovery: Some(SerialRecovery {
            direct_upload: true,
            network_core: true,
            ..SerialRecovery::default()
        }),
        ..common::config(Mode::SwapMove)
    }
}

/// Application 1 and network firmware 1 run.
fn running() -> SimFlash {
    let mut flash =
        flash_with(Mode::SwapMove, &image(1, 5000), &[]).with_device(NET, 0x40000, 4, PAGE as u32);
    flash.edit(NET, NET_SLOT, &network_payload(1, 3000));
    flash
}

/// The same, with so many bytes of other network firmware written over the old.
fn copied(payload: &[u8], bytes: usize) -> SimFlash {
    let mut flash = running();
    let end = bytes.next_multiple_of(PAGE);
    flash.edit(NET, NET_SLOT, &vec![0xff; end]);
    flash.edit(NET, NET_SLOT, &payload[..bytes]);
    flash
}

fn same(forecast: &Forecast<'_>, flash: &SimFlash) -> bool {
    match forecast.compare(flash, &[]) {
        Comparison::Same(_) => true,
        Comparison::Different(_) => false,
        other @ Comparison::NotKnown(_) => panic!("there is a forecast: {other:?}"),
    }
}

#[test]
fn an_image_under_number_3_is_in_the_network_core_when_recovery_was_left() {
    let config = config();
    let (file, payload) = (network_image(2, 6000), network_payload(2, 6000));
    let mut forecast = Forecast::new(&config, keys(), running());
    forecast.recovered(3, &file, None, Sent::Whole).unwrap();
    forecast.run_ended(true).unwrap();
    assert!(same(&forecast, &copied(&payload, payload.len())));
    assert!(!same(&forecast, &running()));
    assert!(!same(&forecast, &copied(&payload, 3000)));
}

#[test]
fn when_the_power_went_the_network_core_may_hold_any_part_of_it() {
    let config = config();
    let (file, payload) = (network_image(2, 6000), network_payload(2, 6000));
    let mut forecast = Forecast::new(&config, keys(), running());
    forecast.recovered(3, &file, None, Sent::Whole).unwrap();
    forecast.run_ended(false).unwrap();
    for bytes in [0, 100, 3000, payload.len()] {
        assert!(same(&forecast, &copied(&payload, bytes)), "{bytes} bytes");
    }
    let mut other = copied(&payload, 3000);
    // None of the bits that it must have: neither the old byte nor a part of the new one.
    let at = (0..3000).find(|&at| payload[at] != 0 && network_payload(1, 3000)[at] != !payload[at]);
    let at = at.unwrap();
    other.edit(NET, NET_SLOT + at as u32, &[!payload[at]]);
    assert!(!same(&forecast, &other));
    // Recovered once more, and waited for: what was open is closed, but for what lies behind the shorter image.
    let (file, payload) = (network_image(3, 2500), network_payload(3, 2500));
    forecast.recovered(3, &file, None, Sent::Whole).unwrap();
    forecast.run_ended(true).unwrap();
    let mut flash = copied(&network_payload(2, 6000), 5000);
    flash.edit(
        NET,
        NET_SLOT,
        &vec![0xff; payload.len().next_multiple_of(PAGE)],
    );
    flash.edit(NET, NET_SLOT, &payload);
    assert!(same(&forecast, &flash));
    flash.edit(NET, NET_SLOT + 0x10, &[!payload[0x10]]);
    assert!(!same(&forecast, &flash));
}

#[rstest]
#[case::an_application(3, image(2, 5000))]
#[case::not_all_of_it(3, network_image(2, 6000)[..4000].to_vec())]
fn what_is_no_image_for_the_network_core_changes_nothing(
    #[case] number: u32,
    #[case] file: Vec<u8>,
) {
    let config = config();
    let mut forecast = Forecast::new(&config, keys(), running());
    let sent = if file.len() == 4000 {
        Sent::Part { acknowledged: 4000 }
    } else {
        Sent::Whole
    };
    forecast.recovered(number, &file, None, sent).unwrap();
    assert!(same(&forecast, &running()));
}

#[rstest]
#[case::the_first_slot(0, true, Some((PRIMARY, false)))]
#[case::the_first_slot_by_its_own_number(1, true, Some((PRIMARY, false)))]
#[case::the_second_slot(2, true, Some((SECONDARY, true)))]
#[case::ram(3, true, Some((0, false)))]
#[case::no_slot_of_the_network_core(4, true, None)]
#[case::a_build_that_does_not_look(3, false, Some((PRIMARY, false)))]
fn numbers_mean_slots(
    #[case] number: u32,
    #[case] direct_upload: bool,
    #[case] expected: Option<(u32, bool)>,
) {
    let config = config();
    let build = SerialRecovery {
        direct_upload,
        network_core: true,
        ..SerialRecovery::default()
    };
    let target = build.target(&config, number);
    assert_eq!(
        target.map(|(area, is_secondary)| (area.offset, is_secondary)),
        expected
    );
    assert_eq!(
        build.hands_over(&config, number),
        direct_upload && number == 3
    );
}
