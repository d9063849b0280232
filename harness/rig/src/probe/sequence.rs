//! What an nRF5340 needs of a debugger beyond the Cortex-M standard: unlocking, and a network core that must be
//! released before it can be debugged.
//!
//! RESET.NETWORK.FORCEOFF is 1 after every reset of the application core, and while it is, the network core's
//! access port is dead. So it is released when a session starts and after each reset of the application core,
//! with the sequence of erratum 161. probe-rs 0.32.0 does neither (probe-rs issue 3053).
//!
//! Sources: probe-rs `probe-rs/src/vendor/nordicsemi/sequences/{nrf,nrf53}.rs`; Zephyr
//! `soc/nordic/nrf53/soc.c` and nrfx `nrf53_errata.h` for erratum 161.

use crate::core::Core;
use crate::file::Recover;
use hil_clock::{Clock, SharedClock};
use probe_rs::architecture::arm::memory::ArmMemoryInterface;
use probe_rs::architecture::arm::sequences::{
    ArmDebugSequence, ArmDebugSequenceError, DefaultArmSequence,
};
use probe_rs::architecture::arm::{ArmDebugInterface, ArmError, FullyQualifiedApAddress};
use probe_rs::{CoreType, Permissions};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// SPU.PERIPHID[5].PERM, whose bit 4 says whether the RESET peripheral is mapped secure.
const SPU_RESET_PERM: u32 = 0x5000_3814;
const SPU_PERM_SECURE: u32 = 1 << 4;
/// RESET as seen from the secure and from the non-secure side.
const RESET_SECURE: u32 = 0x5000_5000;
const RESET_NON_SECURE: u32 = 0x4000_5000;
/// RESET.NETWORK.FORCEOFF: 1 holds the network core off, 0 lets it run.
const FORCEOFF: u32 = 0x614;
/// The register of erratum 161's workaround; it has no name in the vendor's headers.
const ERRATUM_161: u32 = 0x618;

/// Erratum 161: how long the core runs, and then is held, before it is finally released.
const ERRATUM_161_RUN: Duration = Duration::from_micros(5);
const ERRATUM_161_HOLD: Duration = Duration::from_micros(1);

const DHCSR: u32 = 0xE000_EDF0;
const DHCSR_KEY: u32 = 0xA05F_0000;
const DHCSR_C_DEBUGEN: u32 = 1 << 0;
const DHCSR_C_HALT: u32 = 1 << 1;
const DHCSR_S_HALT: u32 = 1 << 17;
const DHCSR_S_RESET_ST: u32 = 1 << 25;
const DEMCR: u32 = 0xE000_EDFC;
const DEMCR_VC_CORERESET: u32 = 1 << 0;
const AIRCR: u32 = 0xE000_ED0C;
const AIRCR_SYSRESETREQ: u32 = 0x05FA_0004;

/// CSW.DeviceEn of an AHB access port: debug access is possible.
const CSW: u64 = 0x00;
const CSW_DEVICE_EN: u32 = 1 << 6;
/// CTRL-AP registers.
const CTRL_ERASEALL: u64 = 0x04;
const CTRL_ERASEALLSTATUS: u64 = 0x08;

/// How long an erase of everything may take: 173 ms by the product specification's electrical data; we chose
/// ten times that for a slow probe.
const ERASE_ALL_WITHIN: Duration = Duration::from_secs(2);
/// How long a reset may take; probe-rs waits as long.
const RESET_WITHIN: Duration = Duration::from_millis(600);
/// How long a core may take to halt, and an access port to come alive. A host-side limit, not Nordic's.
const HALT_WITHIN: Duration = Duration::from_millis(500);
/// How often a flag of the chip is looked at.
const POLL: Duration = Duration::from_millis(1);

/// What the sequence found that an error of the probe library cannot say.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum SequenceFault {
    /// Debug access is locked, and unlocking by erasing is not allowed or did not help.
    #[error("the {core} is locked")]
    Locked {
        /// The core.
        core: Core,
    },
    /// A flag did not become what it should in time.
    #[error("{what} did not happen within {within:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
    },
}

impl From<SequenceFault> for ArmError {
    fn from(fault: SequenceFault) -> Self {
        Self::DebugSequence(ArmDebugSequenceError::SequenceSpecific(Box::new(fault)))
    }
}

/// Words in a core's memory map, and time: what the sequences need, and a test can record.
pub(super) trait Bus {
    fn read(&mut self, address: u32) -> Result<u32, ArmError>;
    fn write(&mut self, address: u32, value: u32) -> Result<(), ArmError>;
    /// Makes sure that writes have reached the chip.
    fn flush(&mut self) -> Result<(), ArmError>;
    fn clock(&self) -> &dyn Clock;
}

/// The bus behind an AHB access port.
pub(super) struct Ahb<'a> {
    pub(super) memory: &'a mut dyn ArmMemoryInterface,
    pub(super) clock: &'a dyn Clock,
}

impl Bus for Ahb<'_> {
    fn read(&mut self, address: u32) -> Result<u32, ArmError> {
        self.memory.read_word_32(u64::from(address))
    }

    fn write(&mut self, address: u32, value: u32) -> Result<(), ArmError> {
        self.memory.write_word_32(u64::from(address), value)
    }

    fn flush(&mut self) -> Result<(), ArmError> {
        self.memory.flush()
    }

    fn clock(&self) -> &dyn Clock {
        self.clock
    }
}

/// Whether the network core was held off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Release {
    /// It was held and now runs.
    Released,
    /// It ran already and was left alone.
    AlreadyRunning,
}

/// Which memory the RESET peripheral is mapped to.
fn reset_base(bus: &mut dyn Bus) -> Result<u32, ArmError> {
    let secure = bus.read(SPU_RESET_PERM)? & SPU_PERM_SECURE != 0;
    Ok(if secure {
        RESET_SECURE
    } else {
        RESET_NON_SECURE
    })
}

/// Lets the network core run, with erratum 161's sequence. One that runs is left alone: it may be in the middle
/// of something.
pub(super) fn release_network_core(bus: &mut dyn Bus) -> Result<Release, ArmError> {
    let reset = reset_base(bus)?;
    if bus.read(reset + FORCEOFF)? & 1 == 0 {
        return Ok(Release::AlreadyRunning);
    }
    bus.write(reset + ERRATUM_161, 1)?;
    let released = release_twice(bus, reset);
    // Also when releasing failed: the register is not for normal operation.
    let restored = bus.write(reset + ERRATUM_161, 0).and_then(|()| bus.flush());
    released.and(restored).map(|()| Release::Released)
}

fn release_twice(bus: &mut dyn Bus, reset: u32) -> Result<(), ArmError> {
    for (value, pause) in [
        (0, Some(ERRATUM_161_RUN)),
        (1, Some(ERRATUM_161_HOLD)),
        (0, None),
    ] {
        bus.write(reset + FORCEOFF, value)?;
        bus.flush()?;
        if let Some(pause) = pause {
            bus.clock().sleep(pause);
        }
    }
    Ok(())
}

/// Holds the network core off, as it is after every reset of the application core.
pub(super) fn hold_network_core(bus: &mut dyn Bus) -> Result<(), ArmError> {
    let reset = reset_base(bus)?;
    bus.write(reset + FORCEOFF, 1)?;
    bus.flush()
}

/// Whether a core stops at its first instruction after a reset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AfterReset {
    /// It runs, and nothing of the debugger is left behind.
    Run,
    /// It stands at its first instruction.
    Halt,
}

/// Resets the core through AIRCR; on the application core that resets the whole chip.
pub(super) fn reset(bus: &mut dyn Bus, after: AfterReset) -> Result<(), ArmError> {
    match after {
        AfterReset::Run => bus.write(DEMCR, 0)?,
        AfterReset::Halt => {
            // The catch works only with halting debug enabled (Armv8-M Architecture Reference Manual, DEMCR).
            bus.write(DHCSR, DHCSR_KEY | DHCSR_C_DEBUGEN)?;
            bus.write(DEMCR, DEMCR_VC_CORERESET)?;
        }
    }
    request_reset(bus)?;
    match after {
        AfterReset::Run => let_go(bus),
        AfterReset::Halt => {
            wait_for(
                bus,
                "halting at the reset vector",
                HALT_WITHIN,
                DHCSR,
                |dhcsr| dhcsr & DHCSR_S_HALT != 0,
            )?;
            bus.write(DEMCR, 0)
        }
    }
}

fn request_reset(bus: &mut dyn Bus) -> Result<(), ArmError> {
    bus.write(AIRCR, AIRCR_SYSRESETREQ)?;
    bus.flush()?;
    wait_for(bus, "the end of the reset", RESET_WITHIN, DHCSR, |dhcsr| {
        dhcsr & DHCSR_S_RESET_ST == 0
    })
}

/// Takes halting debug away from a core, so that it runs as if no debugger had ever been there.
pub(super) fn let_go(bus: &mut dyn Bus) -> Result<(), ArmError> {
    bus.write(DEMCR, 0)?;
    bus.write(DHCSR, DHCSR_KEY)?;
    bus.flush()
}

/// Halts a core where it is.
pub(super) fn halt(bus: &mut dyn Bus) -> Result<(), ArmError> {
    bus.write(DHCSR, DHCSR_KEY | DHCSR_C_DEBUGEN | DHCSR_C_HALT)?;
    bus.flush()?;
    wait_for(bus, "halting", HALT_WITHIN, DHCSR, |dhcsr| {
        dhcsr & DHCSR_S_HALT != 0
    })
}

/// Reads a register until it is as wanted. Accesses may fail while the chip resets.
fn wait_for(
    bus: &mut dyn Bus,
    what: &str,
    within: Duration,
    address: u32,
    wanted: impl Fn(u32) -> bool,
) -> Result<(), ArmError> {
    let deadline = bus.clock().now() + within;
    loop {
        let read = bus.read(address);
        match read {
            Ok(value) if wanted(value) => return Ok(()),
            Ok(_) | Err(_) if bus.clock().now() < deadline => bus.clock().sleep(POLL),
            Ok(_) => {
                let what = what.to_owned();
                return Err(SequenceFault::Timeout { what, within }.into());
            }
            Err(error) => return Err(error),
        }
    }
}

/// The registers of access ports, and time: what unlocking needs, and a test can record.
pub(super) trait Ports {
    fn read(&mut self, port: u8, register: u64) -> Result<u32, ArmError>;
    fn write(&mut self, port: u8, register: u64, value: u32) -> Result<(), ArmError>;
    /// Lets the network core run, through the application core's memory.
    fn release_network_core(&mut self) -> Result<Release, ArmError>;
    fn clock(&self) -> &dyn Clock;
}

/// The access ports behind a probe.
pub(super) struct ProbePorts<'a> {
    pub(super) interface: &'a mut dyn ArmDebugInterface,
    pub(super) clock: &'a dyn Clock,
}

impl Ports for ProbePorts<'_> {
    fn read(&mut self, port: u8, register: u64) -> Result<u32, ArmError> {
        let port = FullyQualifiedApAddress::v1_with_default_dp(port);
        self.interface.read_raw_ap_register(&port, register)
    }

    fn write(&mut self, port: u8, register: u64, value: u32) -> Result<(), ArmError> {
        let port = FullyQualifiedApAddress::v1_with_default_dp(port);
        self.interface.write_raw_ap_register(&port, register, value)
    }

    fn release_network_core(&mut self) -> Result<Release, ArmError> {
        let port = FullyQualifiedApAddress::v1_with_default_dp(Core::App.index());
        let mut memory = self.interface.memory_interface(&port)?;
        release_network_core(&mut Ahb {
            memory: &mut *memory,
            clock: self.clock,
        })
    }

    fn clock(&self) -> &dyn Clock {
        self.clock
    }
}

/// Whether the core's access port lets a debugger in.
pub(super) fn is_open(ports: &mut dyn Ports, core: Core) -> Result<bool, ArmError> {
    Ok(ports.read(core.index(), CSW)? & CSW_DEVICE_EN != 0)
}

/// Erases flash and UICR of a core through its control access port, which also opens its access port.
pub(super) fn erase_all(ports: &mut dyn Ports, core: Core) -> Result<(), ArmError> {
    ports.write(core.control_port(), CTRL_ERASEALL, 1)?;
    let deadline = ports.clock().now() + ERASE_ALL_WITHIN;
    while ports.read(core.control_port(), CTRL_ERASEALLSTATUS)? != 0 {
        if ports.clock().now() >= deadline {
            let what = format!("erasing everything of the {core}");
            let within = ERASE_ALL_WITHIN;
            return Err(SequenceFault::Timeout { what, within }.into());
        }
        ports.clock().sleep(POLL);
    }
    Ok(())
}

/// How far a session reaches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scope {
    /// The application core: the network core is not touched.
    App,
    /// Both cores: the network core is released.
    Both,
}

/// Makes the cores of `scope` accessible. A locked core is erased when that is allowed, and otherwise an error.
pub(super) fn unlock(
    ports: &mut dyn Ports,
    scope: Scope,
    recover: Recover,
) -> Result<(), ArmError> {
    // The application core first: the network core can be released only through it.
    if !is_open(ports, Core::App)? {
        erase_locked(ports, Core::App, recover)?;
        if !is_open(ports, Core::App)? {
            return Err(SequenceFault::Locked { core: Core::App }.into());
        }
    }
    if scope == Scope::App {
        return Ok(());
    }
    ports.release_network_core()?;
    if !opens(ports, Core::Net)? {
        erase_locked(ports, Core::Net, recover)?;
        ports.release_network_core()?;
        if !opens(ports, Core::Net)? {
            return Err(SequenceFault::Locked { core: Core::Net }.into());
        }
    }
    Ok(())
}

fn erase_locked(ports: &mut dyn Ports, core: Core, recover: Recover) -> Result<(), ArmError> {
    match recover {
        Recover::Forbidden => Err(SequenceFault::Locked { core }.into()),
        Recover::Allowed => {
            tracing::warn!("the {core} is locked; erasing everything of it");
            erase_all(ports, core)
        }
    }
}

/// Whether the core's access port opens in time: it does so a moment after the core was released.
fn opens(ports: &mut dyn Ports, core: Core) -> Result<bool, ArmError> {
    let deadline = ports.clock().now() + HALT_WITHIN;
    loop {
        if is_open(ports, core)? {
            return Ok(true);
        }
        if ports.clock().now() >= deadline {
            return Ok(false);
        }
        ports.clock().sleep(POLL);
    }
}

/// What is to become of the chip when the session ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending(Arc<AtomicBool>);

impl Ending {
    /// The chip is reset and boots, instead of going on where each core stands.
    pub(super) fn reset(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_reset(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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

fn is_port_of(memory: &mut dyn ArmMemoryInterface, core: Core) -> bool {
    memory.fully_qualified_address() == FullyQualifiedApAddress::v1_with_default_dp(core.index())
}

impl ArmDebugSequence for Nrf5340 {
    fn debug_device_unlock(
        &self,
        interface: &mut dyn ArmDebugInterface,
        _default_ap: &FullyQualifiedApAddress,
        _permissions: &Permissions,
    ) -> Result<(), ArmError> {
        let clock = &*self.clock;
        unlock(
            &mut ProbePorts { interface, clock },
            self.scope,
            self.recover,
        )
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
        let mut bus = Ahb { memory, clock };
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
        };
        if !self.ending.is_reset() {
            return let_go(&mut bus);
        }
        // With the application core goes the network core: it is held off, as after any reset.
        if of_app {
            reset(&mut bus, AfterReset::Halt)?;
            let_go(&mut bus)?;
        }
        Ok(())
    }
}
