//! The power and the buttons of a board: switching, what goes away and comes back with the power, and the proof that it was
//! gone.

use super::{Bench, trouble};
use crate::console::Waited;
use crate::context::BOOT_BANNERS;
use crate::outage::Outage;
use crate::trouble::{Checked, Trouble, error_chain};
use hil_clock::{Clock, Instant};
use hil_record::{EventKind, PowerAction};
use hil_rig::{Board, Cuts, Judgement, PowerSwitch, ProbeSight, RigError, Switched};
use hil_scenario::{Button, Core};
use std::sync::Arc;
use std::time::Duration;

/// How long the debugger, with its serial ports, may take to come back after the power did: a device on USB is found again
/// by the system within a few seconds.
pub(super) const REOPEN_WITHIN: Duration = Duration::from_secs(15);

/// How often it is looked for meanwhile.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// RESETREAS of the application core (nRF5340 product specification, RESET).
const RESETREAS: u32 = 0x5000_5400;

/// How long a board that has power again may take to print the first line of its boot, where that is waited for.
const BOOT_SHOWS_WITHIN: Duration = Duration::from_secs(10);

/// Waits until the probe is there and reaches the chip; `false` when it is not in time.
pub(crate) fn wait_for_debugger(board: &Board, clock: &dyn Clock) -> bool {
    let deadline = clock.now() + REOPEN_WITHIN;
    loop {
        match board.look_for_chip() {
            ProbeSight::Answered => return true,
            _ if clock.now() >= deadline => return false,
            _ => clock.sleep(LOOK_EVERY),
        }
    }
}

/// What flows, where the supply can tell; trouble with that is no trouble with switching.
pub(super) fn measured(power: &dyn PowerSwitch) -> Option<f64> {
    match power.current() {
        Ok(amperes) => amperes,
        Err(error) => {
            tracing::info!(
                error = error_chain(&error),
                "no current from the power supply"
            );
            None
        }
    }
}

impl Bench {
    /// Takes the power away, and looks whether it is gone: what proves it, if something does already.
    pub(crate) fn power_off(&mut self, action: PowerAction) -> Checked<Option<String>> {
        self.rtt.pause();
        let switched = self.power.off().map_err(|error| trouble(&error))?;
        let mut outage = Outage::new(self.clock.now(), [&self.app.log, &self.net.log]);
        self.power_event(action, switched);
        // Whatever the probe held of the chip is lost.
        self.board.probe().forget();
        outage.seen = self
            .board
            .look_while_off(&*self.clock, self.drawn, || measured(&*self.power));
        if self.board.cuts() == Cuts::Board {
            self.app.let_go();
            self.net.let_go();
        }
        let outage = self.outage.insert(outage);
        outage.proof(&self.name, &*self.power)
    }

    /// When the power went, while it is off.
    pub(crate) fn off_since(&self) -> Option<Instant> {
        self.outage.as_ref().map(|outage| outage.since)
    }

    /// Gives the power back, and waits for what went away with it. What proves that the power was gone, if nothing did
    /// before.
    pub(crate) fn power_on(&mut self) -> Checked<Option<String>> {
        let outage = self.outage.take();
        let outage = outage.filter(|outage| !matches!(outage.seen.judge(), Judgement::Proven(_)));
        let outage = outage.map(|mut outage| {
            outage.look_at_consoles();
            outage
        });
        self.switch_on()?;
        match outage {
            None => Ok(None),
            Some(outage) => self.prove_afterwards(outage).map(Some),
        }
    }

    pub(super) fn switch_on(&mut self) -> Checked {
        let switched = self.power.on().map_err(|error| trouble(&error))?;
        self.power_event(PowerAction::On, switched);
        self.deaf = self.board.cuts() == Cuts::Board;
        let clock = self.clock.clone();
        self.app.come_back(&self.board, Core::App, &clock)?;
        self.net.come_back(&self.board, Core::Net, &clock)?;
        if self.board.cuts() == Cuts::Board {
            if !wait_for_debugger(&self.board, &*clock) {
                // Says why, which the look did not.
                self.board
                    .probe()
                    .identity()
                    .map_err(|error| trouble(&error))?;
            }
            // While a system finds a device again, its ports may come and go once more before they stay.
            self.app.come_back(&self.board, Core::App, &clock)?;
            self.net.come_back(&self.board, Core::Net, &clock)?;
        }
        self.drawn = measured(&*self.power).or(self.drawn);
        self.rtt.go_on();
        Ok(())
    }

    /// Looks for a proof once the power is back.
    fn prove_afterwards(&mut self, mut outage: Outage) -> Checked<String> {
        if let Some(proof) = outage.proof(&self.name, &*self.power)? {
            return Ok(proof);
        }
        let log = &self.app.log;
        let deadline = self.clock.now() + BOOT_SHOWS_WITHIN;
        let booting = |line: &str| BOOT_BANNERS.iter().any(|banner| line.contains(banner));
        let started = self.app.port.is_some()
            && match log.wait_for(outage.app_mark(), deadline, &self.cancel, booting) {
                Waited::Found(..) => true,
                Waited::TimedOut => false,
                Waited::Cancelled => return Err(Trouble::Cancelled),
            };
        // Without a new start it is 0 on a board to which nothing happened, too.
        if started {
            let bytes = self.read(Core::App, RESETREAS, 4)?;
            outage.seen.reset_reasons = bytes.first_chunk().copied().map(u32::from_le_bytes);
        }
        let proof = outage.proof(&self.name, &*self.power)?;
        proof.ok_or_else(|| outage.unproven(&self.name, &*self.power))
    }

    /// Presses a button, until [`release`](Self::release).
    pub(crate) fn press(&mut self, button: Button) -> Checked {
        let hand = self.button(button)?;
        self.button_event(button, true);
        // Also when it is not known whether it was.
        self.pressed = true;
        hand.press().map_err(|error| trouble(&error))
    }

    /// Lets go of it.
    pub(crate) fn release(&mut self, button: Button) -> Checked {
        self.button(button)?
            .release()
            .map_err(|error| trouble(&error))?;
        self.pressed = false;
        self.button_event(button, false);
        Ok(())
    }

    fn button(&self, button: Button) -> Checked<Arc<dyn hil_rig::Button>> {
        let Button::Recovery = button;
        self.board.recovery_button().ok_or_else(|| {
            trouble(&RigError::NoButton {
                board: self.name.clone(),
            })
        })
    }

    fn button_event(&self, button: Button, pressed: bool) {
        self.events.emit(EventKind::Button {
            board: self.name.clone(),
            button: button.to_string(),
            pressed,
        });
    }

    fn power_event(&self, action: PowerAction, switched: Switched) {
        self.events.emit(EventKind::Power {
            board: self.name.clone(),
            action,
            latency_us: u64::try_from(switched.took.as_micros()).ok(),
        });
    }
}
