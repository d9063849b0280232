//! What a request is about: opening the probe for it, and saying what went wrong with it.

use super::ProbeConfig;
use super::access::Scope;
use super::bus::SequenceFault;
use super::overtaken::once_more;
use super::sequence::{Ending, Nrf5340};
use crate::error::{Operation, RigError, Source};
use crate::file::Recover;
use hil_clock::Clock;
use probe_rs::architecture::arm::ArmDebugInterface;
use probe_rs::architecture::arm::dp::DpAddress;
use probe_rs::config::{DebugSequence, Registry};
use probe_rs::probe::list::Lister;
use probe_rs::probe::{DebugProbeSelector, Probe, WireProtocol};
use probe_rs::{Permissions, Session, Target};
use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How often, and how far apart, opening a probe is tried: one that was just closed may still be in use.
const OPEN_ATTEMPTS: u32 = 5;
const OPEN_PAUSE: Duration = Duration::from_millis(20);

/// What a request is about, for errors.
pub(super) struct Context {
    pub(super) config: Arc<ProbeConfig>,
    pub(super) doing: Operation,
}

impl Context {
    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.config.clock
    }

    pub(super) fn board(&self) -> String {
        self.config.board.clone()
    }

    fn open_error(&self, source: impl Into<Source>) -> RigError {
        RigError::ProbeOpen {
            board: self.board(),
            probe: self.config.selector.to_string(),
            source: source.into(),
        }
    }

    /// The chip could not be reached, or why our sequence gave up.
    pub(super) fn attach_error(&self, source: impl Into<Source>) -> RigError {
        let source = source.into();
        self.fault(&*source).unwrap_or_else(|| RigError::Attach {
            board: self.board(),
            probe: self.config.selector.to_string(),
            doing: self.doing.clone(),
            source,
        })
    }

    /// An access failed, or why our sequence gave up.
    pub(super) fn access_error(&self, source: impl Into<Source>) -> RigError {
        let source = source.into();
        self.fault(&*source).unwrap_or_else(|| RigError::Access {
            board: self.board(),
            doing: self.doing.clone(),
            source,
        })
    }

    /// What our own sequence says, when it is the reason.
    fn fault(&self, error: &(dyn Error + 'static)) -> Option<RigError> {
        let fault = SequenceFault::below(error)?;
        Some(match fault {
            SequenceFault::Locked { core } => RigError::Locked {
                board: self.board(),
                core: *core,
            },
            SequenceFault::ExternalSilent { within } => RigError::ExternalFlashSilent {
                board: self.board(),
                doing: self.doing.clone(),
                within: *within,
            },
            SequenceFault::ExternalOther { found } => RigError::ExternalFlashOther {
                board: self.board(),
                doing: self.doing.clone(),
                found: *found,
            },
            SequenceFault::NoWatchpoints { what } => RigError::NoWatchpoints {
                board: self.board(),
                what: what.clone(),
            },
            SequenceFault::OtherHalt { .. } => RigError::TrapDisturbed {
                board: self.board(),
                doing: self.doing.clone(),
                problem: fault.to_string(),
            },
            SequenceFault::Timeout { what, within } => RigError::ChipTimeout {
                board: self.board(),
                doing: self.doing.clone(),
                what: what.clone(),
                within: *within,
            },
        })
    }

    pub(super) fn open_probe(&self) -> Result<Probe, RigError> {
        let selector: DebugProbeSelector = self
            .config
            .selector
            .as_str()
            .parse()
            .map_err(|error| self.open_error(error))?;
        let mut attempt = 1;
        let mut probe = loop {
            match Lister::new().open(selector.clone()) {
                Ok(probe) => break probe,
                Err(error) if attempt == OPEN_ATTEMPTS => return Err(self.open_error(error)),
                Err(error) => {
                    tracing::info!(board = self.config.board, attempt, %error, "the probe did not open; trying again");
                    attempt += 1;
                    self.clock().sleep(OPEN_PAUSE);
                }
            }
        };
        if let Some(khz) = self.config.speed_khz {
            probe
                .set_speed(khz)
                .map_err(|error| self.open_error(error))?;
        }
        probe
            .select_protocol(WireProtocol::Swd)
            .map_err(|error| self.open_error(error))?;
        Ok(probe)
    }

    /// A connection to the chip. No core notices.
    pub(super) fn open_interface(&self) -> Result<Box<dyn ArmDebugInterface>, RigError> {
        once_more(&self.config.board, || self.connect())
    }

    fn connect(&self) -> Result<Box<dyn ArmDebugInterface>, RigError> {
        // A J-Link is asked for its firmware when it is opened for the chip, a Black Magic Probe before.
        let probe = self.config.firmware.listen(|| {
            let mut probe = self.open_probe()?;
            probe
                .attach_to_unspecified()
                .map_err(|error| self.attach_error(error))?;
            Ok::<_, RigError>(probe)
        })?;
        let sequence = Nrf5340::new(Scope::App, Recover::Forbidden, self.config.clock.clone());
        let mut interface = probe
            .try_into_arm_debug_interface(Arc::new(sequence))
            .map_err(|(_, error)| self.attach_error(error))?;
        interface
            .select_debug_port(DpAddress::Default)
            .map_err(|error| self.attach_error(error))?;
        Ok(interface)
    }

    /// Opens a debug session of the probe library, for its flash algorithms. Resets the chip; its cores stand.
    pub(super) fn open_session(&self, scope: Scope) -> Result<(Session, Ending), RigError> {
        let probe = self.open_probe()?;
        let sequence = Nrf5340::new(scope, self.config.recover, self.config.clock.clone());
        let ending = sequence.ending.clone();
        let mut target = target(scope).map_err(|error| self.attach_error(error))?;
        target.debug_sequence = DebugSequence::Arm(Arc::new(sequence));
        // Unlocking is in our sequence, which knows whether it is allowed.
        let session = probe
            .attach(target, Permissions::new())
            .map_err(|error| self.attach_error(error))?;
        Ok((session, ending))
    }
}

/// The probe library's description of the chip. Reading its registry takes longer than attaching, so it is
/// done once.
fn target(scope: Scope) -> Result<Target, probe_rs::config::RegistryError> {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    let registry = REGISTRY.get_or_init(Registry::from_builtin_families);
    registry.get_target_by_name(match scope {
        Scope::App => "nRF5340_xxAA_APPONLY",
        Scope::Both => "nRF5340_xxAA",
    })
}
