//! Starting, stopping and interrupting the board.

use super::smp::{CONNECT_WITHIN, LINK_ATTEMPTS};
use super::{BOOT_BANNERS, Context};
use crate::history::{StartedBy, What};
use crate::link::{Link, Reply};
use crate::trouble::{Checked, Trouble};
use hil_record::{Done, ErrorKind, Evidence, FailKind, PowerAction};
use hil_rig::{FlashImage, Memory, Route, Tear};
use hil_scenario::{Core, CutList, CutPoint, Transport};
use std::time::Duration;

/// How long after a reset command without an answer a boot may begin. Zephyr resets 250 ms after its answer; the rest is
/// for the lines to arrive.
const BOOT_BEGINS_WITHIN: Duration = Duration::from_secs(5);

impl Context<'_> {
    /// Takes the power away.
    pub(crate) fn power_off(&mut self, action: PowerAction) -> Checked {
        let proof = self.bench.power_off(action)?;
        self.see_proof(proof);
        Ok(())
    }

    /// Waits until the power has been off for `off_for`: looking whether it is counts.
    pub(crate) fn stay_off(&self, off_for: Duration) -> Checked {
        let since = self.bench.off_since().unwrap_or_else(|| self.clock.now());
        self.wait_until(since + off_for)
    }

    /// Gives the power back, which starts the board.
    pub(crate) fn power_on(&mut self) -> Checked {
        self.starting(StartedBy::Power);
        let proof = self.bench.power_on()?;
        self.see_proof(proof);
        Ok(())
    }

    pub(super) fn see_proof(&mut self, proof: Option<String>) {
        if let Some(proof) = proof {
            self.see(Evidence::seen("power loss proven by", proof));
        }
    }

    /// Resets the chip and holds it at its first instruction.
    pub(crate) fn hold(&mut self) -> Checked {
        self.bench.hold().map(drop)
    }

    /// The board was stopped, to be started again and again from the flash that it has now. What the history has until then.
    pub(crate) fn stopped(&mut self) -> usize {
        let app = self.console(Core::App).mark();
        self.done(What::Stopped { app });
        self.history.len()
    }

    /// Makes pages of flash hold these bytes, and holds the chip at its first instruction.
    pub(crate) fn restore(&mut self, image: &FlashImage) -> Checked {
        self.bench.restore(image)
    }

    /// Lets a chip start that is held at its first instruction.
    pub(crate) fn let_go(&mut self) -> Checked {
        self.started_by_probe();
        self.bench.let_go()
    }

    /// The chip, held at its first instruction, is about to be let go through the probe.
    pub(crate) fn started_by_probe(&mut self) {
        self.bench.hears();
        self.starting(StartedBy::Probe);
    }

    /// Lets a chip start that is held at its first instruction, and returns when it stands at the end of the route.
    pub(crate) fn let_start_and_stop(
        &mut self,
        route: &Route,
        within: Duration,
        point: &CutPoint,
    ) -> Checked {
        self.started_by_probe();
        let within = self.deadline(within).saturating_since(self.clock.now());
        match self.bench.start_and_stop(route, within)? {
            Ok(()) => Ok(()),
            Err(missed) => Err(Trouble::error(
                ErrorKind::Inconclusive,
                format_args!(
                    "plan drift: the board does not come to {point}: {missed}; {}",
                    self.last_line(Core::App)
                ),
            )
            .with_help(
                "does `bootloader` in the firmware set say how the bootloader was built? A bootloader that does other flash \
                 operations has other points",
            )),
        }
    }

    /// Has the application that runs do something, and returns when it stands at the end of the route.
    pub(crate) fn ask_and_stop(
        &mut self,
        over: Option<Transport>,
        route: &Route,
        within: Duration,
        point: &CutPoint,
        ask: impl FnOnce(&mut Link) -> Checked<Reply<()>> + Send,
    ) -> Checked {
        let over = over.unwrap_or(self.transport);
        let deadline = self.deadline(within);
        self.connect(over, deadline)?;
        let within = deadline.saturating_since(self.clock.now());
        match self.bench.ask_and_stop(route, within, over, ask)? {
            Ok(()) => Ok(()),
            Err(missed) => Err(Trouble::error(
                ErrorKind::Inconclusive,
                format_args!("plan drift: the board does not come to {point}: {missed}"),
            )),
        }
    }

    /// Gives flash of a core that stands what an operation may leave there that was interrupted. What it holds then.
    pub(crate) fn leave_torn(
        &mut self,
        memory: Memory,
        offset: u32,
        after: &[u8],
        tear: Tear,
    ) -> Checked<Vec<u8>> {
        self.bench.leave_torn(memory, offset, after, tear)
    }

    /// What interrupts the board, in words.
    pub(crate) fn interruption(&self) -> &'static str {
        if self.bench.has_power_switch() {
            "interrupted by taking its power away"
        } else {
            "interrupted by a reset through the probe, which is no loss of power"
        }
    }

    /// The command that visits this point again.
    pub(crate) fn repeat_command(&self, cut: &CutList) -> String {
        format!(
            "{} --filter '{}' --cut {cut}",
            self.orders.command,
            self.scenario.split('#').next().unwrap_or_default()
        )
    }

    /// Forgets what was done to the board since the history had so many events: its flash has been put back.
    pub(crate) fn forget_since(&mut self, events: usize) {
        self.tell(Done::PutBack);
        self.history.truncate(events);
    }

    /// Resets the chip through the probe.
    pub(crate) fn reset_through_probe(&mut self) -> Checked {
        self.starting(StartedBy::Probe);
        self.bench.reset()
    }

    /// Pulls the reset pin.
    pub(crate) fn reset_with_pin(&mut self) -> Checked {
        Err(Trouble::error(
            ErrorKind::Board,
            format_args!(
                "board `{}` has no reset pin that can be pulled",
                self.bench.name
            ),
        ))
    }

    /// Has the board reset itself.
    pub(crate) fn reset_over_smp(&mut self) -> Checked<Reply<()>> {
        let over = self.transport;
        let mut attempt = 1;
        let before = self.start;
        let reply = loop {
            // Connected first: the time of the start is that of the request.
            self.connect(over, self.deadline(CONNECT_WITHIN))?;
            if attempt == 1 {
                self.bench.hears();
                self.starting(StartedBy::Smp);
            } else {
                self.starting_again(StartedBy::Smp);
            }
            match self.bench.link(over)?.reset() {
                Ok(Ok(reply)) => break reply,
                // On a link that works, a board that is silent has not done what it must.
                Ok(Err(cause)) if !self.bench.faults.is_armed() => {
                    return Err(Trouble::fail(FailKind::Protocol, cause));
                }
                Ok(Err(cause)) => {
                    if self.boots_without_an_answer(&cause)? {
                        break Reply::Done(());
                    }
                    if attempt >= LINK_ATTEMPTS {
                        return Err(Trouble::fail(FailKind::Protocol, cause));
                    }
                    self.see(Evidence::seen("reset", format!("asked again: {cause}")));
                    attempt += 1;
                }
                Err(Trouble::Lost(cause)) => {
                    self.lost(&cause);
                    if self.boots_without_an_answer(&cause)? {
                        break Reply::Done(());
                    }
                    attempt = self.again(attempt, cause)?;
                }
                Err(trouble) => return Err(trouble),
            }
        };
        if matches!(reply, Reply::Refused(_)) {
            // It goes on running.
            self.start = before;
            self.history.pop();
            self.tell(Done::NotStarted);
            self.done(What::Answered);
        }
        Ok(reply)
    }

    /// Whether the board has done a reset whose answer did not come: over a wireless link the answer takes two connection
    /// events, and the reset ends the link. A board is asked again only when it has not reset.
    fn boots_without_an_answer(&mut self, cause: &str) -> Checked<bool> {
        let boots = |line: &str| BOOT_BANNERS.iter().any(|text| line.contains(text));
        let deadline = self.deadline(BOOT_BEGINS_WITHIN);
        let Some(line) = self.wait_for_line(Core::App, deadline, boots)? else {
            return Ok(false);
        };
        let seen = format!("no answer, but `{}`: {cause}", line.text);
        self.see(Evidence::seen("reset", seen));
        Ok(true)
    }
}
