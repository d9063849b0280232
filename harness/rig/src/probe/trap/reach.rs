//! Bringing a board to a point of its boot, on whichever core that is.
//!
//! b0n starts when the application core releases the network core, and nothing can be set on a network core that is held
//! off. So the debugger releases it first, before there is a command that b0n could carry out, and halts it; when firmware
//! then releases it, nothing more happens than that the application core meets its watchpoint. The network core is reset
//! into its trap, and finds the command in the RAM that both cores share. It starts more often than firmware asks for
//! that way, and says so on its console.
//!
//! On a chip with erratum 161 the driver's release holds the core off once more in between (nrfx `hal/nrf_reset.h`), and
//! b0n runs for as long as the probe needs to halt it. Nobody has tried whether that is before its first operation; b0n
//! checks the whole update in front of it.

use super::super::context::Context;
use super::super::cortex::{DHCSR, DHCSR_S_HALT};
use super::super::{ProbeSession, SHORT};
use super::route::Route;
use super::watch::{Caught, CoreState, FORCEOFF, Missed, Watch};
use super::{Link, Lost, Trap, dwt};
use crate::core::Core;
use crate::error::{Operation, RigError};
use std::time::Duration;

/// How long the network core is followed before the application core is looked at again: a release that it makes
/// meanwhile waits for this.
const TURN: Duration = Duration::from_millis(50);

/// A board at a point of its boot, or on its way past it. Dropped, it goes on.
#[derive(Debug)]
pub struct Reached<'a> {
    probe: &'a ProbeSession,
    /// The network core's first: it goes first when both are let go.
    traps: Vec<Trap<'a>>,
    caught: Option<Caught>,
    /// Firmware believes that the network core is held off, and it is not.
    holds_network: bool,
}

impl ProbeSession {
    /// Brings a board whose application core stands at its reset vector (after [`reset_and_halt`](Self::reset_and_halt), or
    /// programming with [`Afterwards::Hold`](super::super::Afterwards::Hold)) to a point of the boot that begins there.
    ///
    /// # Errors
    /// Bench trouble, as [`Trap::arm`] and [`Trap::next`]. A point that the boot does not come to within the time is none:
    /// [`Reached::caught`] says so.
    pub fn reach(&self, route: &Route, within: Duration) -> Result<Reached<'_>, RigError> {
        let mut reached = Reached {
            probe: self,
            traps: Vec::new(),
            caught: None,
            holds_network: false,
        };
        match route {
            Route::Start => {}
            Route::Halt {
                core: Core::App,
                watch,
                number,
            } => {
                let mut trap = self.trap(Core::App, watch.clone());
                trap.arm()?;
                reached.caught = Some(trap.nth(*number, within)?);
                reached.traps.push(trap);
            }
            Route::Halt {
                core: Core::Net,
                watch,
                number,
            } => {
                let caught = reached.follow_network(watch, *number, within)?;
                reached.caught = Some(caught);
            }
        }
        Ok(reached)
    }
}

/// Where b0n finds its command, and something that is none (sdk-nrf `include/dfu/pcd.h`; RAM survives a reset).
const COMMAND: u32 = 0x2000_0000;
const NO_COMMAND: u32 = 0;
/// How long a network core may be out of reach before that is taken for switched off: it is so for good then.
const SWITCHED: Duration = Duration::from_millis(20);
/// The register of erratum 161's workaround is set while the driver releases the core.
const ERRATUM_161: u32 = 0x5000_5618;

impl Reached<'_> {
    fn follow_network(
        &mut self,
        watch: &Watch,
        number: u64,
        within: Duration,
    ) -> Result<Caught, RigError> {
        let probe = self.probe;
        let clock = &probe.config.clock;
        let started = clock.now();
        let deadline = started + within;
        let left = || deadline.saturating_since(clock.now());
        probe.write_word(Core::App, COMMAND, NO_COMMAND)?;
        probe.halt(Core::Net)?;
        self.holds_network = true;
        let mut app = probe.trap(Core::App, Watch::NetworkSwitch);
        app.arm()?;
        self.traps.push(app);
        // Halts of earlier starts of the network core.
        let mut before = 0;
        while !left().is_zero() {
            let runs = self.traps.len() > 1;
            let turn = if runs { Duration::ZERO } else { left() };
            let Some(app) = self.traps.last_mut() else {
                break;
            };
            if let Caught::Halted(_) = app.next(turn)? {
                if app.on_core(SHORT, |bus| bus.read(ERRATUM_161))? == 1 {
                    continue;
                }
                let held = app.on_core(SHORT, |bus| bus.read(FORCEOFF))? & 1 == 1;
                let net = if held {
                    probe.halt(Core::Net)?;
                    None
                } else {
                    Some(app.network_start(watch.clone())?)
                };
                app.resume()?;
                self.holds_network = held;
                if runs {
                    let net = self.traps.remove(0);
                    before += net.number();
                    net.forget();
                }
                if let Some(net) = net {
                    self.traps.insert(0, net);
                }
            }
            if let [net, _] = &mut self.traps[..]
                && let Some(Caught::Halted(mut halted)) =
                    net.nth_unless_switched(number - before, left().min(TURN))?
            {
                halted.number += before;
                return Ok(Caught::Halted(halted));
            }
        }
        if let [net, _] = &self.traps[..] {
            before += net.number();
        }
        Ok(Caught::Missed(Missed {
            number: before,
            waited: clock.now().saturating_since(started),
            core: CoreState::Running,
            resets: 0,
        }))
    }

    /// Holds the network core off where firmware believes that it is.
    fn restore_network(&mut self) -> Result<(), RigError> {
        if std::mem::take(&mut self.holds_network) {
            self.probe.request(
                Operation::Trap(Core::Net),
                SHORT,
                |link: &mut Link, context: &Context| link.hold_network(context),
            )?;
        }
        Ok(())
    }
}

impl<'a> Trap<'a> {
    /// Starts the network core once more from its first instruction, with a trap on it, while this one on the application
    /// core stands at [`Watch::NetworkSwitch`] and has let it run. The application core has to be [resumed](Self::resume) for it to go on.
    ///
    /// # Errors
    /// Bench trouble; [`RigError::BadRequest`] when the network core is held off.
    pub fn network_start(&mut self, watch: Watch) -> Result<Self, RigError> {
        self.probe.reset_and_halt(Core::Net)?;
        let mut trap = self.probe.trap(Core::Net, watch);
        trap.arm()?;
        Ok(trap)
    }

    /// As [`nth`](Self::nth) for the network core; `None` when the application core has switched it off meanwhile, and
    /// stands there.
    fn nth_unless_switched(
        &mut self,
        number: u64,
        within: Duration,
    ) -> Result<Option<Caught>, RigError> {
        self.advance(number, within, SWITCHED, |link, context| {
            let status = link.on_armed(context, Core::App, |bus| bus.read(DHCSR))?;
            Ok(if status & DHCSR_S_HALT != 0 {
                Lost::Expected
            } else {
                Lost::Error
            })
        })
    }

    /// The core was reset or held off by somebody else: nothing is to be taken away.
    fn forget(mut self) {
        self.armed = false;
    }
}

impl Drop for Reached<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.restore_network() {
            tracing::warn!(board = self.probe.config.board, %error, "the network core was not held off again");
        }
    }
}

impl Reached<'_> {
    /// Where the board stands, or that it does not; `None` at [`Route::Start`].
    #[must_use]
    pub fn caught(&self) -> Option<&Caught> {
        self.caught.as_ref()
    }

    /// Whether the board stands at the point that was asked for.
    #[must_use]
    pub fn stands(&self) -> bool {
        !matches!(self.caught, Some(Caught::Missed(_)))
    }

    /// Lets the board go on as if nobody had been there.
    ///
    /// # Errors
    /// Bench trouble; a core may still stand then.
    pub fn go_on(mut self) -> Result<(), RigError> {
        if self.caught.is_none() {
            return self.probe.run(Core::App);
        }
        self.restore_network()?;
        self.traps.drain(..).try_for_each(Trap::disarm)
    }

    /// Resets the chip, which ends the boot here. The board boots, and nothing of the traps is left.
    ///
    /// # Errors
    /// Bench trouble.
    pub fn reset(mut self) -> Result<(), RigError> {
        for mut trap in self.traps.drain(..) {
            // The core stands until it is reset.
            trap.on_core(SHORT, dwt::disarm)?;
            trap.armed = false;
        }
        // The reset holds the network core off.
        self.holds_network = false;
        self.probe.reset()
    }

    /// Leaves the board where it stands, without traps, until its power ends or the chip is reset.
    ///
    /// # Errors
    /// Bench trouble; the board may go on then.
    pub fn leave_halted(mut self) -> Result<(), RigError> {
        self.holds_network = false;
        self.traps.drain(..).try_for_each(|trap| {
            if trap.stands {
                trap.leave_halted()
            } else {
                trap.disarm()
            }
        })
    }

    /// The board has lost its power, and the traps with it. Speaks to nobody.
    pub fn power_lost(mut self) {
        self.holds_network = false;
        for trap in self.traps.drain(..) {
            trap.forget();
        }
        self.probe.forget();
    }
}
