//! The USB side of a virtual nRF5340 DK, for a real host: the kernel of a VM takes it through vhci-hcd.
//!
//! A DK is one composite device with a debug probe and two serial ports, and its own serial number. Two kinds of probe are there:
//! a J-Link, as every DK has it, and CMSIS-DAP. Both clock bits on the [pins](virtual_dk::DebugPins) of the chip that the board's
//! other interfaces show, so whatever probe is used, the same debug port answers.
//!
//! From the outside in: [`vhci`] gives the kernel a [`socket`], [`usbip`] is what is spoken on it, [`device`] is a USB device without
//! I/O, made of the [`Function`](device::Function)s [`jlink`], [`dap`] and [`acm`]; [`dk`] puts them together. Sources:
//! linux `Documentation/usb/usbip_protocol.rst` and `drivers/usb/usbip`, Universal Serial Bus Specification 2.0 chapter 9, USB CDC
//! PSTN 1.2 (ACM), CMSIS-DAP 2.1, and for the J-Link `probe-rs probe-rs/src/probe/jlink` with SEGGER's RM08001.

pub mod acm;
pub mod dap;
pub mod descriptor;
pub mod device;
pub mod dk;
pub mod jlink;
pub mod pipe;
pub mod socket;
pub mod usbip;
pub mod vhci;
