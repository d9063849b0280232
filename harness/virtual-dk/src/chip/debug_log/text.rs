//! The log as a person reads it.

use super::entry::{Access, Entry, Operation};
use crate::bus::Core;
use crate::chip::cpu::Run;
use crate::chip::debug_port::{AccessPort, NoAnswer};
use crate::chip::dwt::Direction;
use crate::chip::nrf5340::Power;
use std::fmt;

const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access(access) => write!(f, "    {access}"),
            Self::Operation(operation) => write!(f, "{operation}"),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineReset => f.write_str("line reset"),
            Self::Dp {
                direction,
                address,
                bank,
                value,
            } => {
                let name = debug_port_register(*direction, *address, *bank);
                write!(f, "DP  {} {name} {value:#010x}", verb(*direction))
            }
            Self::Ap {
                direction,
                port,
                register,
                value,
            } => {
                let (number, name) = match port {
                    AccessPort::Ahb(Core::App) => ('0', ahb_ap_register(*register)),
                    AccessPort::Ahb(Core::Net) => ('1', ahb_ap_register(*register)),
                    AccessPort::Control(Core::App) => ('2', ctrl_ap_register(*register)),
                    AccessPort::Control(Core::Net) => ('3', ctrl_ap_register(*register)),
                    // One that the chip does not have.
                    AccessPort::Absent => ('?', ahb_ap_register(*register)),
                };
                write!(f, "AP{number} {} ", verb(*direction))?;
                match name {
                    Some(name) => f.write_str(name)?,
                    None => write!(f, "{register:#04x}")?,
                }
                write!(f, " {value:#010x}")
            }
            Self::Memory {
                direction,
                core,
                address,
                length,
                value,
                answer,
            } => {
                write!(f, "{} {} ", name(*core), verb(*direction))?;
                match value {
                    Some(value) => {
                        place(f, *address)?;
                        let digits = 2 + 2 * *length as usize;
                        write!(f, " {value:#0digits$x}")?;
                    }
                    None => range(f, *address, *length)?,
                }
                match answer {
                    Ok(()) => Ok(()),
                    Err(NoAnswer::Fault) => f.write_str(" faults"),
                    Err(NoAnswer::NoTarget) => f.write_str(" is not answered"),
                }
            }
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Power(Power::On) => f.write_str("power on"),
            Self::Power(Power::Off) => f.write_str("power off"),
            Self::PinReset { asserted: true } => f.write_str("nRESET asserted"),
            Self::PinReset { asserted: false } => f.write_str("nRESET released"),
            Self::Reset { core, then } => {
                write!(f, "{} is reset and {}", name(*core), state(*then))
            }
            Self::State { core, run } => write!(f, "{} {}", name(*core), state(*run)),
            Self::Step { core } => write!(f, "{} makes a step", name(*core)),
            Self::Registers { core, set } => {
                write!(f, "{} registers set:", name(*core))?;
                for (at, (selector, value)) in set.iter().enumerate() {
                    f.write_str(if at == 0 { " " } else { ", " })?;
                    core_register(f, *selector)?;
                    write!(f, " {value:#010x}")?;
                }
                Ok(())
            }
            Self::Store {
                core,
                address,
                value,
            } => {
                write!(f, "{} store ", name(*core))?;
                place(f, *address)?;
                write!(f, " {value:#010x}")
            }
            Self::Ram {
                core,
                address,
                data,
            } => {
                write!(f, "{} RAM ", name(*core))?;
                range(f, *address, data.len() as u32)?;
                write!(f, " written, CRC {:#010x}", CRC.checksum(data))
            }
            Self::Programmed {
                core,
                address,
                data,
            } => {
                write!(f, "{} flash ", name(*core))?;
                range(f, *address, data.len() as u32)?;
                write!(f, " programmed, CRC {:#010x}", CRC.checksum(data))
            }
            Self::Erased {
                core,
                address,
                length,
            } => {
                write!(f, "{} flash ", name(*core))?;
                range(f, *address, *length)?;
                f.write_str(" erased")
            }
            Self::ErasedAll { core } => write!(f, "{} flash and UICR erased", name(*core)),
        }
    }
}

const fn name(core: Core) -> &'static str {
    match core {
        Core::App => "app",
        Core::Net => "net",
    }
}

/// Both of one width, so that what follows is in one column.
const fn verb(direction: Direction) -> &'static str {
    match direction {
        Direction::Read => "read ",
        Direction::Write => "write",
    }
}

const fn state(run: Run) -> &'static str {
    match run {
        Run::Held => "is held in reset",
        Run::Halted => "is halted",
        Run::Running => "runs",
        Run::Asleep => "sleeps",
        Run::LockedUp => "is in lock-up",
    }
}

/// Arm Debug Interface v5.2, B2.2.
const fn debug_port_register(direction: Direction, address: u8, bank: u8) -> &'static str {
    match (direction, address, bank) {
        (Direction::Read, 0, _) => "DPIDR",
        (Direction::Write, 0, _) => "ABORT",
        (_, 4, 0) => "CTRL/STAT",
        (_, 4, 1) => "DLCR",
        (_, 4, 2) => "TARGETID",
        (_, 4, 3) => "DLPIDR",
        (_, 4, _) => "EVENTSTAT",
        (Direction::Read, 8, _) => "RESEND",
        (Direction::Write, 8, _) => "SELECT",
        (Direction::Read, _, _) => "RDBUFF",
        (Direction::Write, _, _) => "TARGETSEL",
    }
}

/// Arm Debug Interface v5.2, C2.6.
const fn ahb_ap_register(register: u8) -> Option<&'static str> {
    Some(match register {
        0x00 => "CSW",
        0x04 => "TAR",
        0xf4 => "CFG",
        0xf8 => "BASE",
        0xfc => "IDR",
        _ => return None,
    })
}

/// nRF5340 product specification, CTRL-AP.
const fn ctrl_ap_register(register: u8) -> Option<&'static str> {
    Some(match register {
        0x00 => "RESET",
        0x04 => "ERASEALL",
        0x08 => "ERASEALLSTATUS",
        0xfc => "IDR",
        _ => return None,
    })
}

/// An address, by its name where it is a register that debuggers use (Armv8-M Architecture Reference Manual; nRF5340 product
/// specification).
fn place(f: &mut fmt::Formatter<'_>, address: u32) -> fmt::Result {
    let name = match address {
        0xe000_2000 => "FP_CTRL",
        0xe000_ed0c => "AIRCR",
        0xe000_ed30 => "DFSR",
        0xe000_edf0 => "DHCSR",
        0xe000_edf4 => "DCRSR",
        0xe000_edf8 => "DCRDR",
        0xe000_edfc => "DEMCR",
        0x5000_5614 => "FORCEOFF",
        0x5003_9400 | 0x4108_0400 => "NVMC.READY",
        0x5003_9504 | 0x4108_0504 => "NVMC.CONFIG",
        _ => return write!(f, "{address:#010x}"),
    };
    f.write_str(name)
}

fn range(f: &mut fmt::Formatter<'_>, address: u32, length: u32) -> fmt::Result {
    let end = u64::from(address) + u64::from(length);
    write!(f, "{address:#010x}..{end:#010x}")
}

/// DCRSR.REGSEL.
fn core_register(f: &mut fmt::Formatter<'_>, selector: u8) -> fmt::Result {
    match selector {
        0..=12 => write!(f, "R{selector}"),
        13 => f.write_str("SP"),
        14 => f.write_str("LR"),
        15 => f.write_str("PC"),
        16 => f.write_str("XPSR"),
        17 => f.write_str("MSP"),
        18 => f.write_str("PSP"),
        _ => write!(f, "register {selector:#04x}"),
    }
}
