//! The debug sequence of an nRF5340 for probe-rs's sessions.
//!
//! The standard sequence of probe-rs 0.32.0 cannot attach to a chip whose network core is held off, and loses it
//! with each reset of the application core (probe-rs issue 3053). This one resets the chip and
//! releases the network core when a session starts and after each such reset, waits for nothing without a deadline, and decides what becomes of
//! the chip at the end.

use super::access::{ProbePorts, Scope, opens, unlock};
use super::bus::{Ahb, SequenceFault};
use super::cortex::{
    AfterReset, DHCSR, DHCSR_C_DEBUGEN, DHCSR_KEY, halt, let_go, request_reset, reset,
};
use super::network::release_network_core;
use crate::core::Core;
use crate::file::Recover;
use crate::silicon::Silicon;
use hil_clock::{Clock, SharedClock};
use probe_rs::architecture::arm::memory::ArmMemoryInterface;
use probe_rs::architecture::arm::sequences::{ArmDebugSequence, DefaultArmSequence};
use probe_rs::architecture::arm::{ArmDebugInterface, ArmError, FullyQualifiedApAddress};
use probe_rs::{CoreType, Permissions};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is to become of the chip when the session ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending {
    resets: Arc<AtomicBool>,
    holds: Arc<AtomicBool>,
}

impl Ending {
    /// The chip is reset and boots, instead of going on where each core stands.
    pub(super) fn reset(&self) {
        self.resets.store(true, Ordering::Relaxed);
    }

    /// The chip is reset, and the application core stands at its first instruction, for another connection.
    pub(super) fn hold(&self) {
        self.holds.store(true, Ordering::Relaxed);
        self.reset();
    }

    fn is_reset(&self) -> bool {
        self.resets.load(Ordering::Relaxed)
    }

    fn is_held(&self) -> bool {
        self.holds.load(Ordering::Relaxed)
    }
}

/// The debug sequence of an nRF5340.
pub(super) struct Nrf5340 {
    pub(super) scope: Scope,
    pub(super) recover: Recover,
    pub(super) clock: SharedClock,
    pub(super) ending: Ending,
    pub(super) standard: Arc<dyn ArmDebugSequence>,
}

impl fmt::Debug for Nrf5340 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nrf5340")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Nrf5340 {
    pub(super) fn new(scope: Scope, recover: Recover, clock: SharedClock) -> Self {
        Self {
            scope,
            recover,
            clock,
            ending: Ending::default(),
            standard: DefaultArmSequence::create(),
        }
    }
}

/// Runs `job` on the registers of `core`.
fn on_core(
    interface: &mut dyn ArmDebugInterface,
    clock: &dyn Clock,
    core: Core,
    job: impl FnOnce(&mut Ahb<'_>) -> Result<(), ArmError>,
) -> Result<(), ArmError> {
    let port = FullyQualifiedApAddress::v1_with_default_dp(core.index());
    let mut memory = interface.memory_interface(&port)?;
    job(&mut Ahb {
        memory: &mut *memory,
        clock,
        silicon: Silicon::Nrf5340,
    })
}

fn is_port_of(memory: &mut dyn ArmMemoryInterface, core: Core) -> bool {
    memory.fully_qualified_address() == FullyQualifiedApAddress::v1_with_default_dp(core.index())
}

impl ArmDebugSequence for Nrf5340 {
    /// Also brings the cores to where a session can start from: whatever they were doing, they stand at their
    /// reset vectors (the network core soon behind it) and nothing of an earlier debugger is noted any more. The
    /// library's own attaching fails on a core that stands at an address that cannot be read.
    fn debug_device_unlock(
        &self,
        interface: &mut dyn ArmDebugInterface,
        _default_ap: &FullyQualifiedApAddress,
        _permissions: &Permissions,
    ) -> Result<(), ArmError> {
        let clock = &*self.clock;
        unlock(
            &mut ProbePorts { interface, clock },
            Scope::App,
            self.recover,
        )?;
        on_core(interface, clock, Core::App, |bus| {
            reset(bus, AfterReset::Halt)
        })?;
        if self.scope == Scope::Both {
            unlock(
                &mut ProbePorts { interface, clock },
                Scope::Both,
                self.recover,
            )?;
            on_core(interface, clock, Core::Net, |bus| halt(bus))?;
        }
        Ok(())
    }

    fn reset_catch_set(
        &self,
        core: &mut dyn ArmMemoryInterface,
        core_type: CoreType,
        debug_base: Option<u64>,
    ) -> Result<(), ArmError> {
        // A core that was off has lost its debug state, and the catch works only with halting debug enabled.
        let dhcsr = core.read_word_32(u64::from(DHCSR))?;
        if dhcsr & DHCSR_C_DEBUGEN == 0 {
            core.write_word_32(u64::from(DHCSR), DHCSR_KEY | DHCSR_C_DEBUGEN)?;
        }
        self.standard.reset_catch_set(core, core_type, debug_base)
    }

    fn reset_system(
        &self,
        memory: &mut dyn ArmMemoryInterface,
        _core_type: CoreType,
        _debug_base: Option<u64>,
    ) -> Result<(), ArmError> {
        let of_app = is_port_of(memory, Core::App);
        let clock = &*self.clock;
        let mut bus = Ahb {
            memory,
            clock,
            silicon: Silicon::Nrf5340,
        };
        request_reset(&mut bus)?;
        if of_app && self.scope == Scope::Both {
            // The reset has switched the network core off, and with it the access port that the session uses.
            release_network_core(&mut bus)?;
            let interface = memory.get_arm_debug_interface()?;
            if !opens(&mut ProbePorts { interface, clock }, Core::Net)? {
                return Err(SequenceFault::Locked { core: Core::Net }.into());
            }
        }
        Ok(())
    }

    fn debug_core_stop(
        &self,
        memory: &mut dyn ArmMemoryInterface,
        _core_type: CoreType,
    ) -> Result<(), ArmError> {
        let of_app = is_port_of(memory, Core::App);
        let mut bus = Ahb {
            memory,
            clock: &*self.clock,
            silicon: Silicon::Nrf5340,
        };
        if !self.ending.is_reset() {
            return let_go(&mut bus);
        }
        // With the application core goes the network core: it is held off, as after any reset.
        if of_app {
            reset(&mut bus, AfterReset::Halt)?;
            if !self.ending.is_held() {
                let_go(&mut bus)?;
            }
        }
        Ok(())
    }
}
