//! A trap: a core that halts where it drives its flash, through its own data watchpoints.
//!
//! A power cut in the middle of an update is exact and repeatable this way on any board: the core stands at an operation,
//! flash holds what all operations so far have done, and the power is taken away, or the chip reset, when nothing moves.
//! Everything goes through the probe; firmware needs nothing for it.
//!
//! The watchpoints stay through resets of the core and go with its power. As long as the trap is armed the connection to
//! the chip stays open. A trap that is dropped lets the core run again; a board never stays halted.

mod follow;
mod leave;
mod pursuit;
mod reach;
mod route;
mod watch;

pub use follow::{Followed, Instead, Strayed};
pub use reach::Reached;
pub use route::{Planned, Route, route};
pub use watch::{Caught, Class, CoreState, Edge, Halted, Memory, Missed, Watch};

use super::bus::{Bus, wait_for};
use super::context::Context;
use super::cortex::{AfterReset, DEMCR, DHCSR, DHCSR_S_HALT, DHCSR_S_RESET_ST, let_go, reset};
use super::dwt::{self, Condition};
use super::link::{Link, on_bus};
use super::network::hold_network_core;
use super::qspi::{self, TaskDone};
use super::{ProbeSession, SHORT, nvmc};
use crate::core::Core;
use crate::error::{Operation, RigError};
use crate::silicon::Silicon;
use probe_rs::architecture::arm::ArmError;
use pursuit::{End, OUT_OF_REACH, program_counter, pursue, resume};
use std::time::Duration;

/// A core that halts at its flash operations.
///
/// Reading memory and flash through the same session leaves it alone. [`ProbeSession::reset`],
/// [`run`](ProbeSession::run), [`reset_and_halt`](ProbeSession::reset_and_halt) and programming take it away: nothing of a
/// debugger is left behind then, and the trap has to be [armed](Self::arm) again.
///
/// ```no_run
/// # fn cut(probe: &hil_rig::ProbeSession) -> Result<(), hil_rig::RigError> {
/// use hil_rig::{Caught, Core, Watch};
/// use std::time::Duration;
///
/// probe.reset_and_halt(Core::App)?;
/// let mut trap = probe.trap(Core::App, Watch::Erases);
/// trap.arm()?;
/// // The boot goes on to its tenth erase, and stands in front of it.
/// match trap.nth(10, Duration::from_secs(30))? {
///     Caught::Halted(halted) => println!("halted at {:#010x}", halted.pc),
///     Caught::Missed(missed) => println!("{missed}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Trap<'a> {
    probe: &'a ProbeSession,
    core: Core,
    watch: Watch,
    armed: bool,
    stands: bool,
    number: u64,
    resets: u32,
}

/// What is asked of the chip at the halt that somebody waits for.
struct Place {
    pc: u32,
    class: Option<Class>,
    edge: Edge,
    address: Option<u32>,
    length: Option<u32>,
}

/// What it means that the chip is out of reach.
enum Lost {
    Error,
    Expected,
}

/// How going to a halt ended.
enum Outcome {
    Stands(Place),
    Missed(CoreState),
    Gone,
}

impl ProbeSession {
    /// A trap on `core`, which does nothing until it is [armed](Trap::arm).
    #[must_use]
    pub fn trap(&self, core: Core, watch: Watch) -> Trap<'_> {
        Trap {
            probe: self,
            core,
            watch,
            armed: false,
            stands: false,
            number: 0,
            resets: 0,
        }
    }
}

impl Trap<'_> {
    /// Sets the watchpoints, of a core that stands (after [`ProbeSession::reset_and_halt`]) or runs. It does not halt for
    /// that, and counting begins at zero.
    ///
    /// # Errors
    /// Bench trouble; [`RigError::Locked`]; [`RigError::NoWatchpoints`] on a chip whose watchpoints are not those of an
    /// nRF5340; [`RigError::BadRequest`] for something that this core does not have, and for a network core that is held
    /// off.
    pub fn arm(&mut self) -> Result<(), RigError> {
        self.check()?;
        let core = self.core;
        let condition = self.watch.condition(self.probe.config.silicon, core);
        self.stands = self.probe.request(
            Operation::Trap(core),
            SHORT,
            move |link: &mut Link, context: &Context| link.arm(context, core, &condition),
        )?;
        self.armed = true;
        self.number = 0;
        self.resets = 0;
        Ok(())
    }

    /// Watches for something else from now on. Halts are counted on.
    ///
    /// # Errors
    /// As [`arm`](Self::arm).
    pub fn watch(&mut self, watch: Watch) -> Result<(), RigError> {
        self.watch = watch;
        self.check()?;
        if self.armed {
            let condition = self.watch.condition(self.probe.config.silicon, self.core);
            self.on_core(SHORT, move |bus| {
                dwt::set(bus, &condition)?;
                dwt::forget_matches(bus)
            })?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), RigError> {
        match self.watch.problem(self.probe.config.silicon, self.core) {
            None => Ok(()),
            Some(what) => Err(RigError::BadRequest {
                board: self.probe.config.board.clone(),
                what,
            }),
        }
    }

    /// The next halt: the core goes on if it stands, and is waited for.
    ///
    /// # Errors
    /// Bench trouble: above all [`RigError::Access`] or [`RigError::Attach`] when the chip loses its power meanwhile, and
    /// [`RigError::TrapDisturbed`] when something else than a watchpoint has halted it.
    pub fn next(&mut self, within: Duration) -> Result<Caught, RigError> {
        self.nth(self.number + 1, within)
    }

    /// Halt number `number` since the trap was armed; the core passes those before it without a stay. When the core stands
    /// there or behind it already, it is left alone and [`Caught::Halted`] says where it stands.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn nth(&mut self, number: u64, within: Duration) -> Result<Caught, RigError> {
        self.advance(number, within, OUT_OF_REACH, |_, _| Ok(Lost::Error))
            .map(|caught| caught.unwrap_or_else(|| self.missed(Duration::ZERO, CoreState::Running)))
    }

    /// As [`nth`](Self::nth); when the chip has been out of reach for longer than `patience`, `judge` says whether that
    /// is an error, or `None`.
    fn advance(
        &mut self,
        number: u64,
        within: Duration,
        patience: Duration,
        judge: impl FnOnce(&mut Link, &Context) -> Result<Lost, RigError> + Send + 'static,
    ) -> Result<Option<Caught>, RigError> {
        self.check_armed()?;
        let count = number.saturating_sub(self.number);
        let stands = self.stands;
        let watch = self.watch.clone();
        let core = self.core;
        let clock = self.probe.config.clock.clone();
        let started = clock.now();
        let deadline = started + within;
        let doing = Operation::Trap(core);
        let (halts, resets, outcome) =
            self.probe
                .request(doing, within + SHORT, move |link: &mut Link, context| {
                    let (pursuit, place) = link.on_armed(context, core, |bus| {
                        let pursuit = pursue(bus, stands, count, deadline, patience);
                        let place = match pursuit.end {
                            End::Stands => Some(place(bus, core, &watch)?),
                            End::Missed(_) | End::Lost(_) => None,
                        };
                        Ok((pursuit, place))
                    })?;
                    let outcome = match pursuit.end {
                        End::Lost(error) => match judge(link, context)? {
                            Lost::Error => return Err(context.access_error(error)),
                            Lost::Expected => Outcome::Gone,
                        },
                        End::Missed(state) => Outcome::Missed(state),
                        End::Stands => place.map_or(Outcome::Gone, Outcome::Stands),
                    };
                    Ok((pursuit.halts, pursuit.resets, outcome))
                })?;
        self.number += halts;
        self.resets += resets;
        self.stands = matches!(outcome, Outcome::Stands(_));
        Ok(match outcome {
            Outcome::Stands(place) => Some(Caught::Halted(self.halted(&place))),
            Outcome::Missed(state) => {
                Some(self.missed(clock.now().saturating_since(started), state))
            }
            Outcome::Gone => None,
        })
    }

    fn missed(&self, waited: Duration, core: CoreState) -> Caught {
        Caught::Missed(Missed {
            number: self.number,
            waited,
            core,
            resets: self.resets,
        })
    }

    fn halted(&self, place: &Place) -> Halted {
        let memory = match (&self.watch, self.core) {
            (Watch::ExternalTasks, _) => Memory::External,
            (_, Core::App) => Memory::App,
            (_, Core::Net) => Memory::Net,
        };
        Halted {
            number: self.number,
            memory,
            class: place.class,
            edge: place.edge,
            address: place.address,
            length: place.length,
            pc: place.pc,
            resets: self.resets,
        }
    }

    /// Halts since the trap was armed.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Lets a core that stands go on, with the watchpoints set.
    ///
    /// # Errors
    /// Bench trouble.
    pub fn resume(&mut self) -> Result<(), RigError> {
        if std::mem::take(&mut self.stands) {
            self.on_core(SHORT, |bus| resume(bus).and_then(|()| bus.flush()))?;
        }
        Ok(())
    }

    /// Resets the core (the application core: the chip), which ends what firmware did there. It runs, the watchpoints stay
    /// set, and halts are counted from zero.
    ///
    /// # Errors
    /// Bench trouble.
    pub fn reset(&mut self) -> Result<(), RigError> {
        let condition = self.watch.condition(self.probe.config.silicon, self.core);
        self.on_core(SHORT, move |bus| {
            // The watchpoints stay, but a reset lets a core go on that stood: it would be at the first of them already when it
            // is told to.
            reset(bus, AfterReset::Halt)?;
            dwt::arm(bus, &condition)?;
            resume(bus)?;
            bus.flush()
        })?;
        self.stands = false;
        self.number = 0;
        Ok(())
    }

    /// Takes the watchpoints away and lets the core run, as if no debugger had been there.
    ///
    /// # Errors
    /// Bench trouble; the core may still stand then.
    pub fn disarm(mut self) -> Result<(), RigError> {
        self.release()
    }

    /// The chip has lost its power, and the watchpoints with it. Speaks to nobody.
    pub fn power_lost(mut self) {
        self.armed = false;
        self.probe.forget();
    }

    fn release(&mut self) -> Result<(), RigError> {
        if !std::mem::take(&mut self.armed) {
            return Ok(());
        }
        let core = self.core;
        self.probe
            .request(Operation::Trap(core), SHORT, move |link, context| {
                link.disarm(context, core)
            })
    }

    fn check_armed(&self) -> Result<(), RigError> {
        if self.armed {
            return Ok(());
        }
        Err(RigError::BadRequest {
            board: self.probe.config.board.clone(),
            what: format!("the trap on the {} is not armed", self.core),
        })
    }

    fn on_core<T: Send + 'static>(
        &self,
        within: Duration,
        job: impl FnOnce(&mut dyn Bus) -> Result<T, ArmError> + Send + 'static,
    ) -> Result<T, RigError> {
        self.check_armed()?;
        let core = self.core;
        self.probe
            .request(Operation::Trap(core), within, move |link, context| {
                link.on_armed(context, core, job)
            })
    }
}

impl Drop for Trap<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.release() {
            tracing::warn!(board = self.probe.config.board, %error, "the trap on the {} was not taken away", self.core);
        }
    }
}

/// Waits until the flash has ended what it does, and finds out what that was.
fn place(bus: &mut dyn Bus, core: Core, watch: &Watch) -> Result<Place, ArmError> {
    let pc = program_counter(bus)?;
    let class = |config| match config {
        watch::CONFIG_WRITE => Some(Class::Write),
        watch::CONFIG_ERASE => Some(Class::Erase),
        _ => None,
    };
    let mut place = Place {
        pc,
        class: None,
        edge: Edge::After,
        address: None,
        length: None,
    };
    match watch {
        Watch::Erases if bus.silicon() == Silicon::Nrf51 => {
            nvmc::wait_until_ready(bus, core)?;
            place.class = Some(Class::Erase);
            place.length = Some(bus.silicon().page_size(core));
        }
        Watch::Modes | Watch::Erases | Watch::Words => {
            let config = bus.read(bus.silicon().nvmc(core) + watch::CONFIG)?;
            place.class = class(config & 7);
            if place.class.is_some() {
                place.edge = Edge::Before;
            }
        }
        Watch::Ends | Watch::NetworkSwitch => {}
        Watch::Stores(range) => {
            nvmc::wait_until_ready(bus, core)?;
            place.class = class(bus.read(bus.silicon().nvmc(core) + watch::CONFIG)? & 7);
            if range.len() == 4 {
                place.address = Some(range.start);
            }
            place.length = place.class.map(|class| match class {
                Class::Write => 4,
                Class::Erase => bus.silicon().page_size(core),
            });
        }
        Watch::StoreOrErase(address) => {
            if bus.silicon() == Silicon::Nrf51 {
                nvmc::wait_until_ready(bus, core)?;
                let stored = dwt::matched(bus, 0)?;
                place.class = Some(if stored { Class::Write } else { Class::Erase });
                place.address = stored.then_some(*address);
                // Both only when halts were passed since they were last asked.
                if dwt::matched(bus, 1)? == stored {
                    place.class = None;
                }
                return Ok(place);
            }
            let (stored, erases) = (dwt::matched(bus, 0)?, dwt::matched(bus, 3)?);
            if stored {
                nvmc::wait_until_ready(bus, core)?;
                place.address = Some(*address);
            } else if erases {
                place.edge = Edge::Before;
            }
            place.class = class(bus.read(bus.silicon().nvmc(core) + watch::CONFIG)? & 7);
        }
        Watch::ExternalTasks => {
            let written = dwt::matched(bus, 0)?;
            let erased = dwt::matched(bus, 2)?;
            let TaskDone { offset, length } = qspi::finish_task(bus, erased)?;
            // Both only when halts were passed since they were last asked.
            place.class = match (written, erased) {
                (true, false) => Some(Class::Write),
                (false, true) => Some(Class::Erase),
                _ => None,
            };
            place.address = place.class.and(offset);
            place.length = place.class.and(length);
        }
    }
    Ok(place)
}

impl Link {
    /// Says whether the core stands.
    fn arm(
        &mut self,
        context: &Context,
        core: Core,
        condition: &Condition,
    ) -> Result<bool, RigError> {
        let held = self.hold(context)?;
        held.check_alive(context, core)?;
        let stands = on_bus(context, &mut *held.interface, core, |bus| {
            dwt::arm(bus, condition)?;
            // A reset of before is not one of this trap's.
            wait_for(bus, "the end of a reset", SHORT_RESET, DHCSR, |dhcsr| {
                dhcsr & DHCSR_S_RESET_ST == 0
            })?;
            Ok(bus.read(DHCSR)? & DHCSR_S_HALT != 0)
        })?;
        held.arm(core);
        Ok(stands)
    }

    fn on_armed<T>(
        &mut self,
        context: &Context,
        core: Core,
        job: impl FnOnce(&mut dyn Bus) -> Result<T, ArmError>,
    ) -> Result<T, RigError> {
        let held = self.hold(context)?;
        on_bus(context, &mut *held.interface, core, |bus| job(bus))
    }

    /// The network core is held off, as firmware has left it.
    fn hold_network(&mut self, context: &Context) -> Result<(), RigError> {
        let held = self.hold(context)?;
        on_bus(context, &mut *held.interface, Core::App, |bus| {
            hold_network_core(bus)
        })?;
        held.let_go(Core::Net);
        Ok(())
    }

    fn disarm(&mut self, context: &Context, core: Core) -> Result<(), RigError> {
        let held = self.hold(context)?;
        on_bus(context, &mut *held.interface, core, |bus| {
            dwt::disarm(bus)?;
            bus.write(DEMCR, 0)?;
            let_go(bus)
        })?;
        held.let_go(core);
        self.release_if_unused();
        Ok(())
    }
}

/// How long a core may be in reset when it is armed; as long as a reset may take.
const SHORT_RESET: Duration = Duration::from_millis(600);
