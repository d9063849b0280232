//! Both cores updated at once: the network core's image has a primary slot that is only simulated in RAM.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::*;
use hil_bootloader::b0n::B0nOutcome;
use hil_bootloader::predict::{Action, Board, Mark, Step};
use hil_bootloader::sweep::Sweep;
use hil_bootloader::{
    AddressCheck, Area, BootResult, Config, Cut, DeviceId, ERASED, ImageSlots, Mode, NetworkCore,
    Outcome, SimFlash,
};
use rstest::rstest;

/// The network core's secondary slot lies in the external flash, as in the published layouts.
const NET_SECONDARY: u32 = 0x3000;
const NET_SLOT: u32 = 0x40000;
/// Start of the network core's application in its flash.
const NET_APPLICATION: usize = 0x8800;

fn simultaneous(mode: Mode) -> Config {
    let mut config = config(mode);
    config.images.push(ImageSlots {
        primary: Area {
            device: DeviceId::RamFlash,
            offset: 0,
            size: NET_SLOT,
        },
        secondary: Area {
            device: DeviceId::External,
            offset: NET_SECONDARY,
            size: NET_SLOT,
        },
    });
    config.network_core = NetworkCore::PcdSimultaneous;
    config
}

/// Application 1 and network firmware 1 run; application 2 and what is given for the network core wait.
fn staged(mode: Mode, network_update: &[u8]) -> SimFlash {
    let mut flash = flash_with(mode, &image(1, 5000), &image(2, 6000))
        .with_device(DeviceId::External, 0x50000, 4, SECTOR)
        .with_device(DeviceId::NetFlash, 0x40000, 4, 0x800);
    flash.edit(
        DeviceId::NetFlash,
        NET_APPLICATION as u32,
        &network_payload(1, 3000),
    );
    let spare = upload_offset(mode) - SECONDARY;
    flash.edit(DeviceId::External, NET_SECONDARY + spare, network_update);
    flash
}

fn mark_both(board: &mut Board<'_>) {
    // The network core's first: the other way round some servers refuse it.
    for image in [1, 0] {
        let mark = Mark::Test;
        board.apply(&Action::Mark { image, mark }).unwrap();
    }
}

fn network_bytes(flash: &SimFlash, length: usize) -> Vec<u8> {
    flash.bytes_at(DeviceId::NetFlash, NET_APPLICATION, length)
}

fn major(outcome: &Option<Outcome>) -> Option<u8> {
    match &outcome.as_ref()?.result {
        BootResult::Boot(image) => Some(image.version.major),
        _ => None,
    }
}

fn assert_both_updated(what: &str, step: &Step, flash: &SimFlash) {
    assert_eq!(major(&step.outcome), Some(2), "{what}: {step}");
    let payload = network_payload(2, 5000);
    assert!(
        network_bytes(flash, payload.len()) == payload,
        "{what}: {step}"
    );
}

#[test]
fn both_cores_are_updated_in_one_boot_and_say_why() {
    let config = simultaneous(Mode::OverwriteOnly);
    let flash = staged(config.mode, &network_image(2, 5000));
    let mut board = Board::new(&config, keys(), flash);
    mark_both(&mut board);

    let step = board.apply(&Action::Reset).unwrap();

    assert_both_updated("overwrite", &step, &board.flash());
    insta::assert_snapshot!(step, @r"
    reset
      image 0: test, because secondary magic good, image_ok unset
      image 1: test, because secondary magic good, image_ok unset
      image 1: network core updated, because its image was put into RAM
      boots 2.0.0 at 0x00008000 of app-flash
      network core: starts at 0x01008800
    ");
    insta::assert_snapshot!(lines(&step.console), @r"
    I: Starting bootloader
    I: Image index: 0, Swap type: test
    I: Image index: 1, Swap type: test
    I: Image 0 upgrade secondary slot -> primary slot
    I: Erasing the primary slot
    I: Image 0 copying the secondary slot to the primary slot: 0x1a08 bytes
    I: Image 1 upgrade secondary slot -> primary slot
    I: Erasing the primary slot
    I: Image 1 copying the secondary slot to the primary slot: 0x16d4 bytes
    I: Turned on network core
    I: Turned off network core
    I: Bootloader chainload address offset: 0x8000
    I: Image version: v2.0.0
    I: Jumping to the first image slot
    ");
    assert_eq!(board.flash().size(DeviceId::RamFlash), 0, "RAM is no flash");
    let again = board.apply(&Action::Reset).unwrap();
    assert_eq!(again.counts.ops(), 0, "both requests are forgotten");
}

#[rstest]
fn a_swap_updates_both_cores_and_leaves_what_ram_held_in_the_network_cores_secondary_slot(
    #[values(Mode::SwapMove, Mode::SwapOffset)] mode: Mode,
) {
    let config = simultaneous(mode);
    let mut board = Board::new(&config, keys(), staged(mode, &network_image(2, 5000)));
    mark_both(&mut board);
    let step = board.apply(&Action::Reset).unwrap();
    assert_both_updated("swap", &step, &board.flash());
    let swapped = board
        .flash()
        .bytes_at(DeviceId::External, NET_SECONDARY as usize, 5000);
    assert!(
        swapped.iter().all(|byte| *byte == ERASED),
        "the simulated slot was erased when the simulator started"
    );

    // Nobody confirms: the application reverts, the network core cannot.
    let reverted = board.apply(&Action::Reset).unwrap();
    assert_eq!(major(&reverted.outcome), Some(1), "{reverted}");
    let payload = network_payload(2, 5000);
    assert_eq!(network_bytes(&board.flash(), payload.len()), payload);
}

/// With overwriting a cut at any moment is made up for by the next boot. With swapping it is not: what had been moved in
/// RAM is gone, and with it the request.
#[test]
fn an_overwrite_that_is_cut_anywhere_updates_both_cores_at_the_next_boot() {
    let config = simultaneous(Mode::OverwriteOnly);
    let mut board = Board::new(
        &config,
        keys(),
        staged(config.mode, &network_image(2, 5000)),
    );
    mark_both(&mut board);
    let sweep = Sweep::plan(&config, keys(), &board.flash()).unwrap();
    let mut explorer = sweep.explorer();
    let mut late = 0;
    for ops in 0..u32::try_from(sweep.operations().len()).unwrap() {
        let point = explorer.visit(Cut { ops, torn: 0 }).unwrap().unwrap();
        // Between the last two erases the header is gone, and the request stands for nothing: a known oddity.
        late += u32::from(!point.same_end);
        assert_both_updated(&format!("cut {ops}"), &point.step, &point.after);
    }
    assert!(
        late <= 2,
        "{late} cuts leave a request that stands for nothing"
    );
}

/// What a cut during a swap of both images leads to, from the first operation to the last.
#[test]
fn a_cut_in_a_swap_of_the_simulated_slot_loses_the_network_cores_update() {
    let config = simultaneous(Mode::SwapMove);
    let mut board = Board::new(
        &config,
        keys(),
        staged(config.mode, &network_image(2, 5000)),
    );
    mark_both(&mut board);
    let sweep = Sweep::plan(&config, keys(), &board.flash()).unwrap();
    let mut explorer = sweep.explorer();
    let payload = |version, size| network_payload(version, size);
    let (old, new) = (payload(1, 3000), payload(2, 5000));
    let mut fates: Vec<(String, u32, u32)> = Vec::new();
    for ops in 0..u32::try_from(sweep.operations().len()).unwrap() {
        let point = explorer.visit(Cut { ops, torn: 0 }).unwrap().unwrap();
        let network = match &point.step.network {
            Some(B0nOutcome::Boot { .. }) if network_bytes(&point.after, new.len()) == new => "new",
            Some(B0nOutcome::Boot { .. }) if network_bytes(&point.after, old.len()) == old => "old",
            _ => "broken",
        };
        let application = major(&point.step.outcome).unwrap();
        let fate = format!("application {application}, network core {network}");
        match fates.last_mut() {
            Some((last, _, end)) if *last == fate => *end = ops,
            _ => fates.push((fate, ops, ops)),
        }
    }
    let fates: Vec<String> = fates
        .into_iter()
        .map(|(fate, first, last)| format!("cuts {first} to {last}: {fate}"))
        .collect();
    insta::assert_snapshot!(fates.join("\n"), @r"
    cuts 0 to 46: application 2, network core new
    cuts 47 to 83: application 1, network core old
    cuts 84 to 96: application 1, network core broken
    cuts 97 to 97: application 1, network core new
    ");
}

#[rstest]
#[case::overwriting_stops_on_an_assertion(Mode::OverwriteOnly, None)]
#[case::swapping_goes_on(Mode::SwapMove, Some(2))]
fn an_image_that_b0n_refuses(#[case] mode: Mode, #[case] runs: Option<u8>) {
    let mut payload = network_payload(2, 5000);
    payload[0x400] ^= 1;
    let image = hil_image::ImageBuilder::new(payload)
        .header_size(0x200)
        .build(&mut rng(1))
        .unwrap();
    let config = simultaneous(mode);
    let mut board = Board::new(&config, keys(), staged(mode, &image));
    mark_both(&mut board);

    let step = board.apply(&Action::Reset).unwrap();

    assert_eq!(major(&step.outcome), runs, "{step}");
    if runs.is_none() {
        let result = &step.outcome.as_ref().unwrap().result;
        assert!(matches!(result, BootResult::Assert { .. }), "{step}");
    }
    let old = network_payload(1, 3000);
    assert_eq!(network_bytes(&board.flash(), old.len()), old);
}

#[rstest]
#[case::an_application_for_the_network_core(1, image(2, 5000))]
#[case::a_network_image_for_the_application(0, network_image(2, 5000))]
fn an_image_for_another_place_is_erased_by_a_build_that_checks_addresses(
    #[case] number: usize,
    #[case] wrong: Vec<u8>,
) {
    let mut config = simultaneous(Mode::OverwriteOnly);
    config.address_check = AddressCheck::ResetVector;
    let secondary = config.images[number].secondary;
    let mut flash = staged(config.mode, &network_image(2, 5000));
    flash.edit(secondary.device, secondary.offset, &wrong);
    let mut board = Board::new(&config, keys(), flash);
    let mark = Mark::Test;
    board
        .apply(&Action::Mark {
            image: number,
            mark,
        })
        .unwrap();

    let step = board.apply(&Action::Reset).unwrap();

    assert_eq!(major(&step.outcome), Some(1), "{step}");
    let console = lines(&step.console);
    assert!(
        console.contains(&format!(
            "E: Binary in secondary slot of image {number} is not designated for the primary slot"
        )),
        "{console}"
    );
    let slot = board.flash().bytes_at(
        secondary.device,
        secondary.offset as usize,
        secondary.size as usize,
    );
    assert!(slot.iter().all(|byte| *byte == ERASED));
}

#[test]
fn confirming_the_network_image_writes_nothing() {
    let config = simultaneous(Mode::SwapMove);
    let flash = staged(config.mode, &network_image(2, 5000));
    let mut board = Board::new(&config, keys(), flash.clone());
    let mark = Mark::Confirmed;
    board.apply(&Action::Mark { image: 1, mark }).unwrap();
    assert!(board.flash().holds_same(&flash));
}
