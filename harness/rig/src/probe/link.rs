//! The connection to a chip, on the probe's thread: access ports and memory, without a debug session.
//!
//! Nothing here enables halting debug unless a core is to be halted, so a core that runs does not notice.

use super::access::{ProbePorts, Scope, erase_all, is_open, unlock};
use super::bus::{Ahb, wait_for};
use super::context::Context;
use super::cortex::{AfterReset, DHCSR, DHCSR_S_HALT, halt, let_go, reset};
use super::external;
use super::glance;
use super::network::{
    self, Release, hold_network_core, is_network_core_held, release_network_core,
};
use super::overtaken::once_more;
use super::qspi::ExternalFlash;
use super::rtt::{self, RttPiece};
use super::{Identity, nvmc};
use crate::core::Core;
use crate::error::RigError;
use crate::file::{ChipId, Recover};
use crate::silicon::Silicon;
use hil_clock::Instant;
use probe_rs::architecture::arm::memory::ArmMemoryInterface;
use probe_rs::architecture::arm::{ArmDebugInterface, ArmError, FullyQualifiedApAddress};
use std::fmt;
use std::time::Duration;

/// FICR.INFO of the application core (nRF5340 product specification, FICR).
const FICR_DEVICE_ID: u32 = 0x00FF_0204;
const FICR_PART: u32 = 0x00FF_020C;
const FICR_VARIANT: u32 = 0x00FF_0210;
const PART_NRF5340: u32 = 0x5340;

/// FICR of an nRF51 (nRF51 Series Reference Manual 3.0, FICR): CODEPAGESIZE, CODESIZE in pages, DEVICEID.
const NRF51_CODE_PAGE_SIZE: u32 = 0x1000_0010;
const NRF51_CODE_SIZE: u32 = 0x1000_0014;
const NRF51_DEVICE_ID: u32 = 0x1000_0060;
/// It tells no part number: this is the name of the series.
const PART_NRF51: u32 = 0x51;

/// A core that was left standing stands: this is for a probe that is slow to say so.
const TAKE_OVER_WITHIN: Duration = Duration::from_millis(100);

/// A connection that is open only while it must be.
pub(super) struct Link {
    /// Kept while a core is halted.
    held: Option<Held>,
    /// Kept from one look at RTT to the next, and closed as soon as anything else is asked of the probe.
    listening: Option<Box<dyn ArmDebugInterface>>,
    /// What is known of the RTT of each core.
    rtt: [rtt::Reader; 2],
}

impl Default for Link {
    fn default() -> Self {
        Self {
            held: None,
            listening: None,
            rtt: Core::ALL.map(|core| rtt::Reader::new(core.ram())),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let halted = self.held.as_ref().map(|held| &held.halted);
        f.debug_struct("Link").field("halted", &halted).finish()
    }
}

/// A connection that stays.
pub(super) struct Held {
    pub(super) interface: Box<dyn ArmDebugInterface>,
    halted: Vec<Core>,
    /// Cores with a trap.
    armed: Vec<Core>,
}

impl Held {
    /// A locked core is an error before anything is tried on it, and so is a network core that is held off: releasing it
    /// would start it.
    pub(super) fn check_alive(&mut self, context: &Context, core: Core) -> Result<(), RigError> {
        check_open(context, &mut *self.interface, Core::App)?;
        if core == Core::Net {
            let held_off = on_bus(context, &mut *self.interface, Core::App, |bus| {
                is_network_core_held(bus)
            })?;
            if held_off {
                return Err(RigError::BadRequest {
                    board: context.board(),
                    what: "the network core is held off: a trap can be set once the application core has released it"
                        .to_owned(),
                });
            }
            check_open(context, &mut *self.interface, Core::Net)?;
        }
        Ok(())
    }

    pub(super) fn arm(&mut self, core: Core) {
        if !self.armed.contains(&core) {
            self.armed.push(core);
        }
    }

    /// The core has no trap any more, and stands.
    pub(super) fn leave(&mut self, core: Core) {
        self.let_go(core);
        self.halted.push(core);
    }

    /// The core was left to itself.
    pub(super) fn let_go(&mut self, core: Core) {
        self.halted.retain(|&other| other != core);
        self.armed.retain(|&other| other != core);
    }
}

impl Link {
    /// Forgets the connection after something went wrong on it.
    pub(super) fn abandon(&mut self) {
        self.held = None;
        self.listening = None;
    }

    /// Closes the connection that only RTT keeps open: it is in the way of others.
    pub(super) fn stop_listening(&mut self) {
        self.listening = None;
    }

    /// Takes what a core has printed over RTT. Disturbs nothing: a network core that is held off stays so. It has nothing to say, and
    /// neither has a chip without power.
    pub(super) fn take_rtt(
        &mut self,
        context: &Context,
        core: Core,
        deadline: Instant,
    ) -> Result<Vec<RttPiece>, RigError> {
        // Opening a connection to a chip that does not answer takes the probe library five seconds.
        let open = self.held.is_some() || self.listening.is_some();
        if !open && !glance::chip_answers(context)? {
            return Ok(Vec::new());
        }
        let interface = match (&mut self.held, &mut self.listening) {
            (Some(held), _) => &mut *held.interface,
            (None, Some(listening)) => &mut **listening,
            (None, listening) => &mut **listening.insert(context.open_interface()?),
        };
        check_open(context, interface, Core::App)?;
        if core == Core::Net {
            let held_off = on_bus(context, interface, Core::App, |bus| {
                is_network_core_held(bus)
            })?;
            if held_off {
                return Ok(Vec::new());
            }
            check_open(context, interface, core)?;
        }
        // Nobody waits for it any more: what it took would be lost.
        if context.clock().now() >= deadline {
            return Ok(Vec::new());
        }
        let reader = &mut self.rtt[usize::from(core.index())];
        on_bus(context, interface, core, |bus| reader.take(bus))
    }

    /// The cores start, or have just done so: their RTT is looked for from the start of their RAM.
    pub(super) fn look_for_rtt_anew(&mut self) {
        self.rtt.iter_mut().for_each(rtt::Reader::look_anew);
    }

    /// A core was reset (the application core: the chip): what its RTT still holds is of the past.
    pub(super) fn rtt_was_reset(&mut self, core: Core) {
        for other in Core::ALL {
            if core == Core::App || other == core {
                self.rtt[usize::from(other.index())].was_reset();
            }
        }
    }

    /// The chip has lost its power.
    pub(super) fn lost_power(&mut self) {
        self.abandon();
        self.rtt.iter_mut().for_each(rtt::Reader::lost_power);
    }

    /// Runs `job` on the connection that is held, or on one of its own.
    pub(super) fn with<T>(
        &mut self,
        context: &Context,
        job: impl FnOnce(&mut dyn ArmDebugInterface) -> Result<T, RigError>,
    ) -> Result<T, RigError> {
        match &mut self.held {
            Some(held) => job(&mut *held.interface),
            None => job(&mut *context.open_interface()?),
        }
    }

    /// The connection, kept open behind this request.
    pub(super) fn hold(&mut self, context: &Context) -> Result<&mut Held, RigError> {
        let held = match self.held.take() {
            Some(held) => held,
            None => Held {
                interface: context.open_interface()?,
                halted: Vec::new(),
                armed: Vec::new(),
            },
        };
        Ok(self.held.insert(held))
    }

    pub(super) fn identity(&mut self, context: &Context) -> Result<Identity, RigError> {
        if context.config.silicon == Silicon::Nrf51 {
            return self.identity_of_nrf51(context);
        }
        let [low, high, part, variant, family, revision] = self.with(context, |interface| {
            with_memory(context, interface, Core::App, |memory| {
                let mut words = [0u32; 6];
                let addresses = [
                    FICR_DEVICE_ID,
                    FICR_DEVICE_ID + 4,
                    FICR_PART,
                    FICR_VARIANT,
                    network::FICR_PART,
                    network::FICR_PART_VARIANT,
                ];
                for (word, address) in words.iter_mut().zip(addresses) {
                    *word = memory.read_word_32(u64::from(address))?;
                }
                Ok(words)
            })
        })?;
        if part != PART_NRF5340 {
            return Err(RigError::WrongChip {
                board: context.board(),
                expected: Silicon::Nrf5340,
                found: format!("part {part:#x}, expected {PART_NRF5340:#x}"),
            });
        }
        let found = expected_chip(context, low, high)?;
        Ok(Identity {
            device_id: found.0,
            revision: (family == network::PART_NRF53).then_some(revision),
            part,
            variant: variant
                .to_be_bytes()
                .into_iter()
                .map(|byte| {
                    if byte.is_ascii_graphic() {
                        char::from(byte)
                    } else {
                        '?'
                    }
                })
                .collect(),
        })
    }

    /// An nRF51 does not say its part. Its flash does: no other chip that can be in a rig has pages of 1 KiB.
    fn identity_of_nrf51(&mut self, context: &Context) -> Result<Identity, RigError> {
        let [page, pages, low, high] = self.with(context, |interface| {
            with_memory(context, interface, Core::App, |memory| {
                let mut words = [0u32; 4];
                let addresses = [
                    NRF51_CODE_PAGE_SIZE,
                    NRF51_CODE_SIZE,
                    NRF51_DEVICE_ID,
                    NRF51_DEVICE_ID + 4,
                ];
                for (word, address) in words.iter_mut().zip(addresses) {
                    *word = memory.read_word_32(u64::from(address))?;
                }
                Ok(words)
            })
        })?;
        let flash = Silicon::Nrf51.flash(Core::App);
        if page != Silicon::Nrf51.page_size(Core::App) || page.saturating_mul(pages) != flash.end {
            return Err(RigError::WrongChip {
                board: context.board(),
                expected: Silicon::Nrf51,
                found: format!("{pages} pages of {page} bytes, expected 256 of 1024"),
            });
        }
        let found = expected_chip(context, low, high)?;
        Ok(Identity {
            device_id: found.0,
            part: PART_NRF51,
            variant: format!("{} KiB", flash.end / 1024),
            revision: None,
        })
    }

    pub(super) fn read(
        &mut self,
        context: &Context,
        core: Core,
        address: u32,
        length: u32,
    ) -> Result<Vec<u8>, RigError> {
        // On an nRF51 that part of the map is FICR and UICR.
        let has_window = context.config.silicon == Silicon::Nrf5340;
        if has_window && external::contains(core, address, length) {
            return self.with_external(context, |flash| external::read(flash, address, length));
        }
        let job = |interface: &mut dyn ArmDebugInterface| {
            with_memory(context, interface, core, |memory| {
                let mut data = vec![0u8; length as usize];
                memory.read(u64::from(address), &mut data)?;
                Ok(data)
            })
        };
        // A network core may be in the middle of being held off again, and a core that is held has this connection only.
        if core == Core::App && self.held.is_none() {
            once_more(&context.config.board, || self.with(context, job))
        } else {
            self.with(context, job)
        }
    }

    /// Runs `job` on the external flash, while the application core stands.
    pub(super) fn with_external<T>(
        &mut self,
        context: &Context,
        job: impl FnOnce(&mut ExternalFlash<'_>) -> Result<T, ArmError>,
    ) -> Result<T, RigError> {
        external::check_fitted(context)?;
        self.with(context, |interface| {
            check_open(context, interface, Core::App)?;
            external::on_external(context, interface, job)
        })
    }

    pub(super) fn write_word(
        &mut self,
        context: &Context,
        core: Core,
        address: u32,
        value: u32,
    ) -> Result<(), RigError> {
        self.with(context, |interface| {
            with_memory(context, interface, core, |memory| {
                memory.write_word_32(u64::from(address), value)?;
                memory.flush()
            })
        })
    }

    pub(super) fn reset(
        &mut self,
        context: &Context,
        core: Core,
        after: AfterReset,
    ) -> Result<(), RigError> {
        self.rtt_was_reset(core);
        if after == AfterReset::Run && self.held.is_none() {
            return self.with(context, |interface| {
                reset_core(context, interface, core, after)
            });
        }
        let held = self.hold(context)?;
        reset_core(context, &mut *held.interface, core, after)?;
        // With the application core the whole chip was reset.
        for other in Core::ALL {
            if core == Core::App || other == core {
                held.let_go(other);
            }
        }
        if after == AfterReset::Halt {
            held.halted.push(core);
        }
        self.release_if_unused();
        Ok(())
    }

    pub(super) fn halt(&mut self, context: &Context, core: Core) -> Result<(), RigError> {
        let held = self.hold(context)?;
        if core == Core::Net {
            release_for_debug(context, &mut *held.interface)?;
        }
        on_bus(context, &mut *held.interface, core, |bus| halt(bus))?;
        if !held.halted.contains(&core) {
            held.halted.push(core);
        }
        Ok(())
    }

    /// Keeps a core halted that another connection has left standing.
    pub(super) fn take_over_halted(
        &mut self,
        context: &Context,
        core: Core,
    ) -> Result<(), RigError> {
        let held = self.hold(context)?;
        on_bus(context, &mut *held.interface, core, |bus| {
            wait_for(
                bus,
                "standing at the reset vector",
                TAKE_OVER_WITHIN,
                DHCSR,
                |dhcsr| dhcsr & DHCSR_S_HALT != 0,
            )
        })?;
        held.halted.push(core);
        Ok(())
    }

    pub(super) fn run(&mut self, context: &Context, core: Core) -> Result<(), RigError> {
        let Some(held) = &mut self.held else {
            return Ok(());
        };
        if held.halted.contains(&core) {
            on_bus(context, &mut *held.interface, core, |bus| let_go(bus))?;
            held.let_go(core);
        }
        self.release_if_unused();
        Ok(())
    }

    pub(super) fn detach(&mut self, context: &Context) -> Result<(), RigError> {
        for core in Core::ALL {
            self.run(context, core)?;
        }
        self.held = None;
        Ok(())
    }

    pub(super) fn recover(&mut self, context: &Context) -> Result<(), RigError> {
        if context.config.recover == Recover::Forbidden {
            return Err(RigError::RecoverForbidden {
                board: context.board(),
            });
        }
        self.held = None;
        self.with(context, |interface| {
            // The network core first: erasing it takes the application core's flash with it, not the other way
            // round (Zephyr pull request 63448).
            for core in [Core::Net, Core::App] {
                let clock = context.clock();
                erase_all(&mut ProbePorts { interface, clock }, core)
                    .map_err(|error| context.access_error(error))?;
            }
            let clock = context.clock();
            unlock(
                &mut ProbePorts { interface, clock },
                Scope::Both,
                Recover::Forbidden,
            )
            .map_err(|error| context.access_error(error))?;
            for core in Core::ALL {
                on_bus(context, interface, core, |bus| nvmc::keep_open(bus, core))?;
            }
            Ok(())
        })
    }

    pub(super) fn release_if_unused(&mut self) {
        if self
            .held
            .as_ref()
            .is_some_and(|held| held.halted.is_empty() && held.armed.is_empty())
        {
            self.held = None;
        }
    }
}

/// The device id, which must be that of the rig file where that has one.
fn expected_chip(context: &Context, low: u32, high: u32) -> Result<ChipId, RigError> {
    let found = ChipId(u64::from(high) << 32 | u64::from(low));
    match context.config.chip {
        Some(expected) if expected != found => Err(RigError::OtherChip {
            board: context.board(),
            found,
            expected,
        }),
        Some(_) | None => Ok(found),
    }
}

fn reset_core(
    context: &Context,
    interface: &mut dyn ArmDebugInterface,
    core: Core,
    after: AfterReset,
) -> Result<(), RigError> {
    match core {
        Core::App => check_open(context, interface, core)?,
        Core::Net => release_for_debug(context, interface).map(drop)?,
    }
    on_bus(context, interface, core, |bus| reset(bus, after))
}

/// A locked core is an error before anything is tried on it.
fn check_open(
    context: &Context,
    interface: &mut dyn ArmDebugInterface,
    core: Core,
) -> Result<(), RigError> {
    let clock = context.clock();
    match is_open(&mut ProbePorts { interface, clock }, core) {
        Ok(true) => Ok(()),
        Ok(false) => Err(RigError::Locked {
            board: context.board(),
            core,
        }),
        Err(error) => Err(context.attach_error(error)),
    }
}

/// Makes sure that the network core's access port is alive.
fn release_for_debug(
    context: &Context,
    interface: &mut dyn ArmDebugInterface,
) -> Result<Release, RigError> {
    check_open(context, interface, Core::App)?;
    let release = on_bus(context, interface, Core::App, |bus| {
        release_network_core(bus)
    })?;
    let clock = context.clock();
    unlock(
        &mut ProbePorts { interface, clock },
        Scope::Both,
        Recover::Forbidden,
    )
    .map_err(|error| context.attach_error(error))?;
    Ok(release)
}

/// Runs `job` on the registers of `core`.
pub(super) fn on_bus<T>(
    context: &Context,
    interface: &mut dyn ArmDebugInterface,
    core: Core,
    job: impl FnOnce(&mut Ahb<'_>) -> Result<T, ArmError>,
) -> Result<T, RigError> {
    let port = FullyQualifiedApAddress::v1_with_default_dp(core.index());
    let mut memory = interface
        .memory_interface(&port)
        .map_err(|error| context.attach_error(error))?;
    let mut bus = Ahb {
        memory: &mut *memory,
        clock: context.clock(),
        silicon: context.config.silicon,
    };
    job(&mut bus).map_err(|error| context.access_error(error))
}

/// Runs `job` on the memory of `core`. A network core that is held off is released for that time, and halted
/// at once so that it does not do anything.
pub(super) fn with_memory<T>(
    context: &Context,
    interface: &mut dyn ArmDebugInterface,
    core: Core,
    job: impl FnOnce(&mut dyn ArmMemoryInterface) -> Result<T, ArmError>,
) -> Result<T, RigError> {
    let release = match core {
        Core::App => {
            check_open(context, interface, core)?;
            Release::AlreadyRunning
        }
        Core::Net => release_for_debug(context, interface)?,
    };
    if release == Release::Released {
        on_bus(context, interface, core, |bus| halt(bus))?;
    }
    let result = on_bus(context, interface, core, |bus| job(&mut *bus.memory));
    if release == Release::Released {
        let restored = on_bus(context, interface, core, |bus| let_go(bus))
            .and_then(|()| on_bus(context, interface, Core::App, |bus| hold_network_core(bus)));
        return result.and_then(|value| restored.map(|()| value));
    }
    result
}
