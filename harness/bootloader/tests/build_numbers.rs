//! `BOOT_VERSION_CMP_USE_BUILD_NUMBER`: whether builds of one version can be told apart by what compares versions.

mod common;

use common::*;
use hil_bootloader::{Config, DowngradePrevention, ImageSlots, Mode, Pending, set_pending};
use hil_image::ImageVersion;
use rstest::rstest;

fn version(build: u32) -> ImageVersion {
    ImageVersion {
        build,
        ..ImageVersion::new(2, 0, 0)
    }
}

#[rstest]
#[case::not_compared(false, 5, 4, true)]
#[case::older_build(true, 5, 4, false)]
#[case::same_build(true, 5, 5, true)]
#[case::newer_build(true, 5, 6, true)]
fn an_older_build_of_one_version_is_refused_where_build_numbers_count(
    #[values(Mode::SwapMove, Mode::OverwriteOnly)] mode: Mode,
    #[case] compared: bool,
    #[case] running: u32,
    #[case] sent: u32,
    #[case] installed: bool,
) {
    let config = Config {
        downgrade_prevention: DowngradePrevention::Version,
        compare_build_number: compared,
        ..config(mode)
    };
    let make = |seed: u8, build| {
        builder(seed, 6000)
            .version(version(build))
            .build(&mut rng(seed.into()))
            .unwrap()
    };
    let (old, new) = (make(1, running), make(2, sent));
    let mut flash = flash_with(mode, &old, &new);
    set_pending(&config, &mut flash, 0, Pending::Permanent).unwrap();
    boot_with_console(&config, &mut flash);
    let slot = flash.bytes_at(
        hil_bootloader::DeviceId::AppFlash,
        PRIMARY as usize,
        new.len(),
    );
    assert_eq!(slot == new, installed);
}

/// Image 0 wants image 1 to be at least build 5 of its version.
#[rstest]
#[case::not_compared(false, true)]
#[case::compared(true, false)]
fn a_dependency_on_a_newer_build_is_unmet_where_build_numbers_count(
    #[case] compared: bool,
    #[case] installed: bool,
) {
    let half = SLOT / 2;
    let slots = |number: u32| ImageSlots {
        primary: area(PRIMARY + 2 * number * half, half),
        secondary: area(PRIMARY + (2 * number + 1) * half, half),
    };
    let config = Config {
        compare_build_number: compared,
        ..config(Mode::OverwriteOnly).with_images(vec![slots(0), slots(1)])
    };
    let running = builder(1, 3000).build(&mut rng(1)).unwrap();
    let other = builder(3, 3000)
        .version(version(4))
        .build(&mut rng(3))
        .unwrap();
    let update = builder(2, 3000)
        .dependency(1, version(5))
        .build(&mut rng(2))
        .unwrap();
    let mut flash = flash();
    let app = hil_bootloader::DeviceId::AppFlash;
    flash.edit(app, slots(0).primary.offset, &running);
    flash.edit(app, slots(0).secondary.offset, &update);
    flash.edit(app, slots(1).primary.offset, &other);
    set_pending(&config, &mut flash, 0, Pending::Permanent).unwrap();
    boot_with_console(&config, &mut flash);
    let slot = flash.bytes_at(app, PRIMARY as usize, update.len());
    assert_eq!(slot == update, installed);
}
