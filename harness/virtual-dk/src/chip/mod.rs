//! The silicon of an nRF5340 as a debugger and the firmware see it, without any I/O of the host.
//!
//! [`Chip`] is the whole part: both cores with their memories and debug registers, power, resets, protection.
//! [`DebugPort`] is the way in from outside, at register level, and [`SwdWire`] the same at bit level. Nothing
//! here opens a port, starts a thread or reads a clock: `server` does.
//!
//! Sources, where a comment names none: nRF5340 product specification; addresses from the vendor's register
//! descriptions; debug behaviour from the Armv8-M architecture reference manual and from what probe-rs 0.32.0
//! relies on (`probe-rs/src/vendor/nordicsemi/sequences/nrf53.rs`, `architecture/arm/core/armv8m.rs`).

mod cpu;
mod debug_log;
mod debug_port;
mod dwt;
mod emulator;
mod external;
mod flash;
mod info;
mod mx25r;
mod nrf5340;
mod protection;
mod qspi;
mod silicon;
mod swd;
mod torn;

pub(crate) use cpu::Run;
pub use debug_log::DebugLog;
pub(crate) use debug_log::Recorder;
pub(crate) use debug_port::{AccessPort, DebugPort, Identification, NoAnswer, Target};
pub(crate) use emulator::Emulator;
pub use external::ExternalWear;
pub(crate) use external::{EXTERNAL_FLASH_SIZE, EXTERNAL_PAGE, EXTERNAL_SECTOR};
pub use flash::FlashWear;
pub(crate) use mx25r::ExternalOperation;
pub use nrf5340::{Button, ExternalPart, ForceOffView, Power};
pub(crate) use nrf5340::{Chip, Gate, NvmcMode, QspiTask, Start};
pub(crate) use silicon::{Fault, flash_base, index, page_size};
pub(crate) use swd::SwdWire;
pub use torn::Torn;
pub(crate) use torn::UnderWay;
