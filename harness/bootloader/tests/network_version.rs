//! The version of the network core's firmware: what b0n makes of it, and what MCUboot does where it can ask for it
//! (`PCD_READ_NETCORE_APP_VERSION`).

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::*;
use hil_bootloader::b0n::B0nOutcome;
use hil_bootloader::predict::{Action, Board, Mark, Step};
use hil_bootloader::{
    Area, B0nBuild, BootResult, Config, DeviceId, DowngradePrevention, ERASED, ImageSlots, Mode,
    NetworkCore, SimFlash,
};
use hil_image::network::NetworkBuilder;
use hil_image::{ImageBuilder, ImageVersion};
use rstest::rstest;

const NET_SLOT: u32 = 0x40000;
/// Start of the network core's application in its flash.
const NET_APPLICATION: u32 = 0x8800;
/// The version that runs on the network core.
const RUNNING: u32 = 5;

/// Whether the network core's image has a slot of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Slots {
    Shared,
    Own,
}

/// A build that compares versions, with a b0n that tells its own.
fn config(mode: Mode, slots: Slots) -> Config {
    let mut config = common::config(mode);
    config.downgrade_prevention = DowngradePrevention::Version;
    config.network_version_check = true;
    config.b0n.version_command = true;
    match slots {
        Slots::Shared => config.network_core = NetworkCore::Pcd,
        Slots::Own => {
            config.network_core = NetworkCore::PcdSimultaneous;
            let area = |device| Area {
                device,
                offset: 0,
                size: NET_SLOT,
            };
            config.images.push(ImageSlots {
                primary: area(DeviceId::RamFlash),
                secondary: area(DeviceId::External),
            });
        }
    }
    config
}

/// A network image with this `fw_info` version; its header says what the application's says.
fn builder(version: u32) -> ImageBuilder {
    ImageBuilder::new(network_payload(version, 5000))
        .version(ImageVersion::new(1, 0, 0))
        .header_size(0x200)
}

fn network(version: u32) -> Vec<u8> {
    builder(version).build(&mut rng(7)).unwrap()
}

/// Puts an image where it belongs, marks it, and boots.
fn update(config: &Config, image: &[u8]) -> (Step, SimFlash) {
    let number = config.images.len() - 1;
    let mut flash = flash_with(config.mode, &image_of_application(), &[])
        .with_device(DeviceId::External, NET_SLOT, 4, SECTOR)
        .with_device(DeviceId::NetFlash, 0x40000, 4, 0x800);
    let running = network_payload(RUNNING, 3000);
    flash.edit(DeviceId::NetFlash, NET_APPLICATION, &running);
    let secondary = config.images[number].secondary;
    flash.edit(secondary.device, secondary.offset, image);
    let mut board = Board::new(config, keys(), flash);
    let mark = Mark::Test;
    let image = number;
    board.apply(&Action::Mark { image, mark }).unwrap();
    let step = board.apply(&Action::Reset).unwrap();
    (step, board.flash())
}

fn image_of_application() -> Vec<u8> {
    image(1, 5000)
}

fn runs_on_the_network_core(flash: &SimFlash, payload: &[u8]) -> bool {
    flash.bytes_at(DeviceId::NetFlash, NET_APPLICATION as usize, payload.len()) == payload
}

fn is_erased(flash: &SimFlash, area: Area) -> bool {
    let bytes = flash.bytes_at(area.device, area.offset as usize, area.size as usize);
    bytes.iter().all(|byte| *byte == ERASED)
}

#[rstest]
#[case::newer(RUNNING + 1, true)]
#[case::the_same(RUNNING, true)]
#[case::older(RUNNING - 1, false)]
fn network_firmware_must_not_be_older_where_its_version_can_be_read(
    #[case] version: u32,
    #[case] installed: bool,
    #[values(
        (Mode::OverwriteOnly, Slots::Own),
        (Mode::OverwriteOnly, Slots::Shared),
        (Mode::SwapMove, Slots::Shared)
    )]
    build: (Mode, Slots),
) {
    let (mode, slots) = build;
    let config = config(mode, slots);

    let (step, flash) = update(&config, &network(version));

    assert!(
        matches!(&step.outcome.as_ref().unwrap().result, BootResult::Boot(_)),
        "{step}"
    );
    let payload = network_payload(version, 5000);
    assert_eq!(
        runs_on_the_network_core(&flash, &payload),
        installed,
        "{step}"
    );
    if !installed {
        let running = network_payload(RUNNING, 3000);
        assert!(runs_on_the_network_core(&flash, &running), "{step}");
        assert!(
            step.to_string()
                .contains("its fw_info version 4 is below 5"),
            "{step}"
        );
    }
}

/// The hook that compares is only asked by overwrite-only; the other modes exempt the network core's image.
#[test]
fn in_a_shared_slot_the_version_in_the_header_is_compared_with_that_of_the_application() {
    let mut config = config(Mode::OverwriteOnly, Slots::Shared);
    config.network_version_check = false;
    let image = builder(RUNNING + 1)
        .version(ImageVersion::new(0, 0, 0))
        .build(&mut rng(7))
        .unwrap();

    let (step, flash) = update(&config, &image);

    let running = network_payload(RUNNING, 3000);
    assert!(runs_on_the_network_core(&flash, &running), "{step}");
    assert!(is_erased(&flash, config.images[0].secondary), "{step}");
}

#[test]
fn a_swap_of_both_images_compares_no_network_version() {
    let config = config(Mode::SwapMove, Slots::Own);
    let (step, flash) = update(&config, &network(RUNNING - 1));
    let payload = network_payload(RUNNING - 1, 5000);
    assert!(runs_on_the_network_core(&flash, &payload), "{step}");
    assert!(!lines(&step.console).contains("Checking network core version"));
}

#[test]
fn without_downgrade_prevention_nobody_asks() {
    let mut config = config(Mode::OverwriteOnly, Slots::Own);
    config.downgrade_prevention = DowngradePrevention::None;
    let (step, flash) = update(&config, &network(RUNNING - 1));
    let payload = network_payload(RUNNING - 1, 5000);
    assert!(runs_on_the_network_core(&flash, &payload), "{step}");
}

#[test]
fn the_lines_of_a_refused_older_version() {
    let (step, flash) = update(
        &config(Mode::OverwriteOnly, Slots::Own),
        &network(RUNNING - 1),
    );
    insta::assert_snapshot!(lines(&step.console), @r"
    I: Starting bootloader
    I: Image index: 0, Swap type: none
    I: Image index: 1, Swap type: test
    I: Turned on network core
    I: Turned off network core
    E: Insufficient version in secondary slot
    I: Bootloader chainload address offset: 0x8000
    I: Image version: v1.0.0
    I: Jumping to the first image slot
    ");
    let area = config(Mode::OverwriteOnly, Slots::Own).images[1].secondary;
    assert!(is_erased(&flash, area));
}

/// `fw_info` is looked for behind header *and* protected TLVs, which lie behind the payload: 16 bytes too far.
#[rstest]
fn a_network_image_with_protected_tlvs_is_refused_where_its_version_is_read(
    #[values(Slots::Own, Slots::Shared)] slots: Slots,
) {
    let image = builder(RUNNING + 1)
        .dependency(0, ImageVersion::new(1, 0, 0))
        .build(&mut rng(7))
        .unwrap();
    let mut config = config(Mode::OverwriteOnly, slots);

    let (step, flash) = update(&config, &image);

    let payload = network_payload(RUNNING + 1, 5000);
    assert!(!runs_on_the_network_core(&flash, &payload), "{step}");
    assert!(
        step.to_string().contains("no fw_info in the 2048 bytes"),
        "{step}"
    );

    // The same image where nobody reads the version.
    config.network_version_check = false;
    let (step, flash) = update(&config, &image);
    assert!(runs_on_the_network_core(&flash, &payload), "{step}");
}

#[rstest]
fn a_b0n_that_does_not_know_the_command_is_waited_for_for_ever(
    #[values(Slots::Own, Slots::Shared)] slots: Slots,
) {
    let mut config = config(Mode::OverwriteOnly, slots);
    config.b0n.version_command = false;

    let (step, flash) = update(&config, &network(RUNNING + 1));

    let Some(outcome) = &step.outcome else {
        panic!("{step}")
    };
    assert!(
        matches!(&outcome.result, BootResult::Hang { what } if what.contains("b0n never tells")),
        "{step}"
    );
    let running = network_payload(RUNNING, 3000);
    assert!(runs_on_the_network_core(&flash, &running));
    assert!(
        matches!(step.network, Some(B0nOutcome::Boot { .. })),
        "b0n takes the command for none: {step}"
    );
}

#[test]
fn network_flash_without_firmware_counts_as_version_0() {
    let config = config(Mode::OverwriteOnly, Slots::Own);
    let mut flash = flash_with(config.mode, &image_of_application(), &[])
        .with_device(DeviceId::External, NET_SLOT, 4, SECTOR)
        .with_device(DeviceId::NetFlash, 0x40000, 4, 0x800);
    flash.edit(DeviceId::External, 0, &network(0));
    let mut board = Board::new(&config, keys(), flash);
    let mark = Mark::Test;
    board.apply(&Action::Mark { image: 1, mark }).unwrap();
    let step = board.apply(&Action::Reset).unwrap();
    assert!(
        runs_on_the_network_core(&board.flash(), &network_payload(0, 5000)),
        "{step}"
    );
}

/// b0n's own three refusals, whatever MCUboot thinks: a counter, a place, a hash.
#[rstest]
#[case::below_the_counter(network_payload(2, 5000), "monotonic counter")]
#[case::for_another_place(
    NetworkBuilder::new(vec![1; 5000]).address(0x0100_8000).version(4).build().unwrap(),
    "fw_info address"
)]
#[case::with_a_wrong_hash(
    {
        let mut payload = network_payload(4, 5000);
        payload[0x800] ^= 1;
        payload
    },
    "validation info hash"
)]
fn b0n_refuses_and_the_old_firmware_stays(#[case] payload: Vec<u8>, #[case] named: &str) {
    let mut config = config(Mode::SwapMove, Slots::Own);
    config.network_version_check = false;
    config.b0n = B0nBuild {
        least_version: Some(3),
        version_command: false,
    };
    let image = ImageBuilder::new(payload)
        .header_size(0x200)
        .build(&mut rng(1))
        .unwrap();

    let (step, flash) = update(&config, &image);

    let Some(B0nOutcome::Failed { reason }) = &step.network else {
        panic!("{step}")
    };
    assert!(reason.contains(named), "{reason}");
    let running = network_payload(RUNNING, 3000);
    assert!(runs_on_the_network_core(&flash, &running), "{step}");
}
