//! A glance at whether there is a chip that answers: one question to its debug port, answered or not.
//!
//! The probe library asks five times for a second each before it gives up, which is right for a chip that is slow to start
//! and much too long for one that is expected to have no power. A debug port answers as soon as it has power (ADIv5.2,
//! IHI 0031, B4.3.3: reading DPIDR behind a line reset), so a few tries are enough. Nothing of it reaches a core.

use super::context::Context;
use crate::error::RigError;
use probe_rs::architecture::arm::dp::{DpAddress, DpRegisterAddress};
use probe_rs::architecture::arm::sequences::{ArmDebugSequence, ArmDebugSequenceError};
use probe_rs::architecture::arm::{ArmError, DapProbe, RegisterAddress};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often it is asked: a line that was disturbed while the power went away may spoil the first answer.
const TRIES: usize = 3;

/// DPIDR.
const DPIDR: RegisterAddress = RegisterAddress::DpRegister(DpRegisterAddress {
    address: 0,
    bank: None,
});

/// A debug sequence that asks for DPIDR, and then ends.
#[derive(Debug, Default)]
struct Glance {
    asked: AtomicBool,
    answered: AtomicBool,
}

impl ArmDebugSequence for Glance {
    fn debug_port_setup(
        &self,
        interface: &mut dyn DapProbe,
        _dp: DpAddress,
    ) -> Result<(), ArmError> {
        self.asked.store(true, Ordering::Relaxed);
        for _ in 0..TRIES {
            // To SWD, if the port is on JTAG: line reset, the switching sequence, line reset, idle (IHI 0031, B5.3).
            line_reset(interface)?;
            interface.swj_sequence(16, 0xE79E)?;
            line_reset(interface)?;
            if interface.raw_read_register(DPIDR).is_ok() {
                self.answered.store(true, Ordering::Relaxed);
                break;
            }
        }
        Err(ArmDebugSequenceError::SequenceSpecific("only a glance".into()).into())
    }
}

fn line_reset(interface: &mut dyn DapProbe) -> Result<(), ArmError> {
    interface.swj_sequence(51, (1 << 51) - 1)?;
    interface.swj_sequence(3, 0)?;
    Ok(())
}

/// Whether the chip's debug port answers.
pub(super) fn chip_answers(context: &Context) -> Result<bool, RigError> {
    let mut probe = context.open_probe()?;
    if probe.attach_to_unspecified().is_err() {
        return Ok(false);
    }
    let glance = Arc::new(Glance::default());
    let selected = match probe.try_into_arm_debug_interface(glance.clone()) {
        Ok(mut interface) => interface.select_debug_port(DpAddress::Default).is_ok(),
        Err(_) => false,
    };
    // A probe that speaks to debug ports in its own way does not use the sequence.
    let asked = glance.asked.load(Ordering::Relaxed);
    Ok(if asked {
        glance.answered.load(Ordering::Relaxed)
    } else {
        selected
    })
}
