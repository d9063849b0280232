//! Any bytes in flash, any build, any cuts: no panic, and every boot is over after a bounded number of flash accesses.
#![no_main]

#[path = "../any_flash.rs"]
mod any_flash;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| any_flash::boot_any_flash(bytes));
