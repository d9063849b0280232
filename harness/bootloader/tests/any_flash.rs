//! Whatever stands in flash and however MCUboot was built, a boot comes to an end.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

#[path = "../fuzz/any_flash.rs"]
mod any_flash;

/// What the fuzz target does, with bytes that are random but the same in every run.
#[test]
fn random_flash_in_random_builds_ends_every_boot() {
    for seed in 0..3000 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut bytes = vec![0; (rng.next_u32() % 600) as usize];
        rng.fill_bytes(&mut bytes);
        any_flash::boot_any_flash(&bytes);
    }
}
