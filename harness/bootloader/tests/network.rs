//! The network core's update, from MCUboot's request to b0n's answer.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::*;
use hil_bootloader::b0n::B0nOutcome;
use hil_bootloader::predict::{Action, Board, Mark, Step};
use hil_bootloader::{BootResult, Config, Cut, DeviceId, Mode, NetworkCore, SimFlash};
use rstest::rstest;

const NET_SLOT: usize = 0x8800;

fn net_config(mode: Mode) -> Config {
    let mut config = config(mode);
    config.network_core = NetworkCore::Pcd;
    config
}

/// Application 1 and network firmware 1 run; network firmware 2 waits in the secondary slot, not marked.
fn flash_with_network_update(update: &[u8]) -> SimFlash {
    let mut flash = flash_with(Mode::SwapMove, &image(1, 5000), update).with_device(
        DeviceId::NetFlash,
        0x40000,
        4,
        0x800,
    );
    flash.edit(
        DeviceId::NetFlash,
        NET_SLOT as u32,
        &network_payload(1, 3000),
    );
    flash
}

fn network_bytes(board: &Board<'_>, length: usize) -> Vec<u8> {
    board.flash().bytes(DeviceId::NetFlash)[NET_SLOT..][..length].to_vec()
}

fn update(board: &mut Board<'_>) -> Step {
    board
        .apply(&Action::Mark {
            image: 0,
            mark: Mark::Test,
        })
        .unwrap();
    board.apply(&Action::Reset).unwrap()
}

#[test]
fn a_network_image_in_the_shared_slot_goes_to_the_network_core_and_nowhere_else() {
    let config = net_config(Mode::SwapMove);
    let mut board = Board::new(
        &config,
        keys(),
        flash_with_network_update(&network_image(2, 5000)),
    );
    let primary = |board: &Board<'_>| {
        board.flash().bytes(DeviceId::AppFlash)[PRIMARY as usize..][..SLOT as usize].to_vec()
    };
    let before = primary(&board);

    let step = update(&mut board);

    insta::assert_snapshot!(step, @r"
    reset
      image 0: test, because secondary magic good, image_ok unset
      image 0: network core updated, because the reset vector lies in the network core's slot
      boots 1.0.0 at 0x00008000 of app-flash
      network core: starts at 0x01008800
    ");
    insta::assert_snapshot!(lines(&step.console), @r"
    I: Starting bootloader
    I: Primary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
    I: Secondary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3
    I: Boot source: none
    I: Image index: 0, Swap type: test
    I: Starting network core update
    I: Turned on network core
    I: Turned off network core
    I: Done updating network core
    I: Bootloader chainload address offset: 0x8000
    I: Image version: v1.0.0
    I: Jumping to the first image slot
    ");
    let payload = network_payload(2, 5000);
    assert_eq!(network_bytes(&board, payload.len()), payload);
    assert_eq!(primary(&board), before);
    assert_eq!(
        board.apply(&Action::Reset).unwrap().counts.ops(),
        0,
        "the request was forgotten"
    );
}

#[rstest]
fn a_network_update_survives_a_cut_at_every_operation_of_either_core(
    #[values(Mode::SwapMove, Mode::OverwriteOnly)] mode: Mode,
) {
    let config = net_config(mode);
    let start = flash_with_network_update(&network_image(2, 5000));
    let mut board = Board::new(&config, keys(), start.clone());
    let operations = update(&mut board).counts.ops();
    let payload = network_payload(2, 5000);
    assert!(operations > 12, "{operations} operations");

    for ops in 0..operations {
        let mut board = Board::new(&config, keys(), start.clone());
        board
            .apply(&Action::Mark {
                image: 0,
                mark: Mark::Test,
            })
            .unwrap();
        let cut = board
            .apply(&Action::ResetAndCut(Cut { ops, torn: 256 }))
            .unwrap();
        assert!(cut.cut, "no cut at operation {ops}");

        let step = board.apply(&Action::Reset).unwrap();

        assert!(
            matches!(step.network, Some(B0nOutcome::Boot { .. })),
            "cut at operation {ops}: {step}"
        );
        assert_eq!(
            network_bytes(&board, payload.len()),
            payload,
            "cut at operation {ops}"
        );
    }
}

#[rstest]
#[case::hash_is_wrong(|payload: &mut Vec<u8>| payload[0x400] ^= 1, "validation info hash")]
#[case::invalidated(|payload: &mut Vec<u8>| payload[0x200 + 32] = 0, "valid")]
#[case::built_for_another_address(|payload: &mut Vec<u8>| payload[0x200 + 24 + 1] ^= 0x40, "address")]
#[case::no_firmware_info(|payload: &mut Vec<u8>| payload[0x200] = 0, "fw_info")]
fn an_image_that_b0n_refuses_leaves_the_network_core_as_it_was(
    #[case] damage: fn(&mut Vec<u8>),
    #[case] named: &str,
) {
    let mut payload = network_payload(2, 5000);
    damage(&mut payload);
    let image = hil_image::ImageBuilder::new(payload)
        .version(hil_image::ImageVersion::new(2, 0, 0))
        .header_size(0x200)
        .build(&mut rng(1))
        .unwrap();
    let config = net_config(Mode::SwapMove);
    let mut board = Board::new(&config, keys(), flash_with_network_update(&image));

    let step = update(&mut board);

    let Some(B0nOutcome::Failed { reason }) = &step.network else {
        panic!("{step}")
    };
    assert!(reason.contains(named), "{reason}");
    assert!(lines(&step.console).contains("E: Network core update failed"));
    let old = network_payload(1, 3000);
    assert_eq!(network_bytes(&board, old.len()), old);
    // The application starts, and at the next start the old network firmware too.
    assert!(matches!(step.outcome.unwrap().result, BootResult::Boot(_)));
    assert!(matches!(
        board.apply(&Action::Reset).unwrap().network,
        Some(B0nOutcome::Boot { .. })
    ));
}

#[test]
fn an_application_update_is_not_taken_for_a_network_image() {
    let config = net_config(Mode::SwapMove);
    let mut board = Board::new(&config, keys(), flash_with_network_update(&image(2, 5000)));

    let step = update(&mut board);

    let Some(outcome) = &step.outcome else {
        panic!("{step}")
    };
    assert!(
        matches!(outcome.result, BootResult::Boot(image) if image.version.major == 2),
        "{step}"
    );
    let old = network_payload(1, 3000);
    assert_eq!(network_bytes(&board, old.len()), old);
}

#[test]
fn an_empty_network_core_faults_and_the_application_core_does_not_mind() {
    let config = net_config(Mode::SwapMove);
    let flash = flash_with(Mode::SwapMove, &image(1, 5000), &[]).with_device(
        DeviceId::NetFlash,
        0x40000,
        4,
        0x800,
    );

    let step = Board::new(&config, keys(), flash)
        .apply(&Action::Reset)
        .unwrap();

    assert_eq!(step.network, Some(B0nOutcome::Fault));
    assert!(matches!(step.outcome.unwrap().result, BootResult::Boot(_)));
}
