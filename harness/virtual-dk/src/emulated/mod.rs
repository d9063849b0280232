//! An emulated nRF51 behind the interfaces of a board: real firmware, executed by QEMU.
//!
//! A virtual DK models what its firmware does; here the bytes in flash are executed. QEMU's machine `microbit` is an nRF51822
//! with 256 KiB of flash behind an NVMC, 16 KiB of RAM and one UART, and no more is offered: one core, no control access port,
//! no radio, no external flash.
//!
//! What is a debugger's goes through two sockets of QEMU ([`machine`]): memory, peripherals and the NVMC through `qtest`, which is
//! a bus master beside the core, and the core through the GDB stub. [`chip`] puts them behind the debug registers of a
//! Cortex-M0 ([`debug`]), and the chip behind the same debug port and probe protocol that the virtual DK has. What this is not:
//! the emulated flash needs no time and is never torn, and a loss of power is a read of flash from the outside, the end of QEMU,
//! and a new QEMU that is given the same flash.

mod board;
mod chip;
mod debug;
mod gdb;
mod machine;
mod process;
mod qtest;
mod uart;

pub use board::{EmulatedOptions, serve_emulated};
pub use machine::EmulatorError;
