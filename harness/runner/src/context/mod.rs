//! What a step has to work with: one board, the firmware set, the time that is left, and a place for evidence.

mod console;
mod done;
mod evidence;
mod flash;
mod power;
mod programmed;
mod smp;
mod start;

pub(crate) use flash::compare_slot;
pub(crate) use programmed::Programmed;

use crate::bench::Bench;
use crate::cancel::CancelToken;
use crate::console::Mark;
use crate::events::Events;
use crate::firmware::Firmware;
use crate::history::Event;
use crate::plan::Job;
use crate::sweep::SweepOrders;
use crate::trouble::{Checked, Trouble};
use hil_clock::{Instant, SharedClock};
use hil_record::{ErrorKind, Evidence};
use hil_scenario::{Core, ImageRef, Transport};
use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) use crate::firmware::LoadedImage;

/// How often flash is read while it is waited for. We chose it: a read takes tens of milliseconds on a bench.
pub(crate) const POLL_FLASH: Duration = Duration::from_millis(500);

/// How long a request over SMP that needs no flash work may take with all its retries.
pub(crate) const SMP_WITHIN: Duration = Duration::from_secs(10);

/// Lines with which a boot begins: MCUboot's, and Zephyr's banner.
pub(crate) const BOOT_BANNERS: [&str; 2] = ["*** Booting ", "Starting bootloader"];

/// What a step works with.
pub(crate) struct Context<'a> {
    pub(crate) bench: &'a mut Bench,
    pub(crate) firmware: &'a Firmware,
    pub(crate) clock: SharedClock,
    pub(crate) cancel: CancelToken,
    pub(crate) events: Events,
    /// Name of the variant.
    pub(crate) scenario: String,
    /// What is wanted of its sweep.
    pub(crate) orders: SweepOrders,
    /// Number of the step that runs.
    pub(crate) step: u32,
    /// Whether the events tell what the flash holds at the end.
    pub(crate) flash_told: bool,
    transport: Transport,
    /// When the scenario as a whole has to have ended.
    limit: Instant,
    start: Start,
    programmed: Option<Programmed>,
    /// What was done since.
    history: Vec<Event>,
    sent: BTreeSet<ImageRef>,
    /// The upload that was broken off last, and how far it was.
    broken_off: Option<(ImageRef, u64)>,
    /// The recovery button is held.
    held: bool,
    evidence: Vec<Evidence>,
}

/// When the board was last started by a step, on the clock and on both consoles.
#[derive(Clone, Copy, Debug)]
struct Start {
    at: Instant,
    app: Mark,
    net: Mark,
    /// Over RTT.
    app_rtt: Mark,
    net_rtt: Mark,
}

impl<'a> Context<'a> {
    /// A context for the variant of a job.
    pub(crate) fn new(
        bench: &'a mut Bench,
        firmware: &'a Firmware,
        job: &Job,
        limit: Duration,
    ) -> Self {
        let variant = &job.variant;
        let clock = bench.clock.clone();
        let now = clock.now();
        let start = Start {
            at: now,
            app: bench.console(Core::App).mark(),
            net: bench.console(Core::Net).mark(),
            app_rtt: bench.rtt(Core::App).mark(),
            net_rtt: bench.rtt(Core::Net).mark(),
        };
        Self {
            firmware,
            cancel: bench.cancel.clone(),
            events: bench.events.clone(),
            scenario: variant.name.clone(),
            orders: job.sweep.clone(),
            step: 0,
            flash_told: false,
            transport: variant.transport,
            limit: now + limit,
            clock,
            start,
            programmed: None,
            history: Vec::new(),
            sent: BTreeSet::new(),
            broken_off: None,
            held: false,
            evidence: Vec::new(),
            bench,
        }
    }

    /// Records something that was seen.
    pub(crate) fn see(&mut self, evidence: Evidence) {
        self.evidence.push(evidence);
    }

    /// How much was seen so far in this step.
    pub(crate) fn seen(&self) -> usize {
        self.evidence.len()
    }

    /// Forgets what was seen since then: what is the same for each of hundreds of points tells nobody anything.
    pub(crate) fn unsee(&mut self, seen: usize) {
        self.evidence.truncate(seen);
    }

    /// Time that does not count for the scenario's limit.
    pub(crate) fn does_not_count(&mut self, took: Duration) {
        self.limit = self.limit + took;
    }

    /// What was seen since this was last asked.
    pub(crate) fn take_evidence(&mut self) -> Vec<Evidence> {
        std::mem::take(&mut self.evidence)
    }

    /// `within` from now, or the end of the time for the whole scenario if that is earlier.
    pub(crate) fn deadline(&self, within: Duration) -> Instant {
        (self.clock.now() + within).min(self.limit)
    }

    /// An error when the scenario as a whole has taken too long.
    pub(crate) fn in_time(&self) -> Checked {
        if self.clock.now() < self.limit {
            Ok(())
        } else {
            Err(Trouble::error(
                ErrorKind::Deadline,
                "the scenario has taken longer than any scenario may",
            ))
        }
    }

    /// Waits; an error only when the run is stopped.
    pub(crate) fn wait(&self, duration: Duration) -> Checked {
        self.wait_until(self.clock.now() + duration)
    }

    /// Waits until `deadline`; an error only when the run is stopped.
    pub(crate) fn wait_until(&self, deadline: Instant) -> Checked {
        if self.cancel.sleep_until(&self.clock, deadline) {
            Ok(())
        } else {
            Err(Trouble::Cancelled)
        }
    }

    /// Waits for `duration`, but not beyond `deadline`.
    pub(crate) fn wait_at_most(&self, duration: Duration, deadline: Instant) -> Checked {
        self.wait_until((self.clock.now() + duration).min(deadline))
    }
}
