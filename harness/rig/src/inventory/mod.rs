//! What is on the bench: what the system sees, what a rig file says of it, and whether that is so.
//!
//! [`System`] reads the folders in which Linux tells of its devices, and can be given a copy of them. [`scan`] makes entries
//! of a rig file from what is plugged in, [`twister`] from a hardware map of Zephyr, and [`check`] proves what a rig file says,
//! board by board. [`leases`] tells who uses a board, and takes one out of use or back.

pub mod check;
pub mod leases;
pub mod scan;
pub mod system;
pub mod twister;

pub use system::System;
