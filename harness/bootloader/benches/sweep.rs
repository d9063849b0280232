//! How many power cuts per second one core explores: a swap of a 100 KiB image by moving, ECDSA P-256.
//!
//! A cut is explored when the boot after it has run and its flash was compared with the one that an uninterrupted boot
//! leaves. Prints numbers, asserts nothing about time.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{area, encrypted_image, image, keys};
use hil_bootloader::sweep::Sweep;
use hil_bootloader::{
    Config, Cut, DeviceId, Encryption, ImageSlots, Mode, Pending, Signature, SimFlash, set_pending,
};
use std::time::Duration;

const SECTOR: u32 = 0x1000;
const PRIMARY: u32 = 0x10000;
const SLOT: u32 = 0x20000;
const SECONDARY: u32 = PRIMARY + SLOT;
const IMAGE: u32 = 100 * 1024;
/// The fewest points of a measurement.
const POINTS: u32 = 20_000;

fn main() {
    for (name, encryption) in [
        ("plain", Encryption::None),
        ("encrypted, ECIES-P256", Encryption::Ec256),
    ] {
        let slots = ImageSlots {
            primary: area(PRIMARY, SLOT),
            secondary: area(SECONDARY, SLOT),
        };
        let mut config = Config::new(Mode::SwapMove, Signature::EcdsaP256, slots);
        config.encryption = encryption;
        let flash = flash(&config);
        let sweep = Sweep::plan(&config, keys(), &flash).unwrap();
        let operations = u32::try_from(sweep.operations().len()).unwrap();
        let mut explorer = sweep.explorer();
        let (mut points, mut different) = (0, 0);
        let (elapsed, ()) = timed(|| {
            while points < POINTS {
                for ops in 0..operations {
                    let point = explorer.visit(Cut { ops, torn: 0 }).unwrap().unwrap();
                    different += u32::from(!point.same_end);
                    points += 1;
                }
            }
        });
        println!(
            "swap-move, ECDSA P-256, {name}: {operations} operations, {points} cut points in {:.3} s, {:.0} per second; \
             {different} ended otherwise than uninterrupted",
            elapsed.as_secs_f64(),
            f64::from(points) / elapsed.as_secs_f64()
        );
    }
}

/// A running image of 100 KiB, and another one that is requested for a test.
fn flash(config: &Config) -> SimFlash {
    let encrypts = config.encryption == Encryption::Ec256;
    let mut flash = SimFlash::new().with_device(DeviceId::AppFlash, SECONDARY + SLOT, 4, SECTOR);
    let running = image(1, IMAGE);
    let update = if encrypts {
        encrypted_image(2, IMAGE)
    } else {
        image(2, IMAGE)
    };
    flash.edit(DeviceId::AppFlash, PRIMARY, &running);
    flash.edit(DeviceId::AppFlash, SECONDARY, &update);
    set_pending(config, &mut flash, 0, Pending::Test).unwrap();
    flash
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let began = std::time::Instant::now();
    let result = work();
    (began.elapsed(), result)
}
