//! Leaving a core where a trap has halted it: what comes next is the end of its power, or a reset.

use super::super::context::Context;
use super::super::dwt;
use super::super::link::{Link, on_bus};
use super::super::{Operation, SHORT};
use super::Trap;
use crate::core::Core;
use crate::error::RigError;

impl Trap<'_> {
    /// Takes the watchpoints away and leaves the core where it stands, until [`run`](crate::ProbeSession::run), a reset,
    /// [`detach`](crate::ProbeSession::detach) or the end of its power.
    ///
    /// # Errors
    /// Bench trouble; the core may run then.
    pub fn leave_halted(mut self) -> Result<(), RigError> {
        if !std::mem::take(&mut self.armed) {
            return Ok(());
        }
        let core = self.core;
        self.probe
            .request(Operation::Trap(core), SHORT, move |link, context| {
                link.leave_halted(context, core)
            })
    }
}

impl Link {
    fn leave_halted(&mut self, context: &Context, core: Core) -> Result<(), RigError> {
        let held = self.hold(context)?;
        on_bus(context, &mut *held.interface, core, |bus| dwt::disarm(bus))?;
        held.leave(core);
        Ok(())
    }
}
