//! A loss of power, from the moment the supply was told until it is proven that the board really had none.
//!
//! What proves it is looked for in the order of what it costs: the current that flows, then whether the chip answers the
//! probe, both while the power is off; and only when neither tells, the console meanwhile and RESETREAS after the next
//! start. An outage that nothing proves is bench trouble of a kind of its own: the scenario is neither passed nor failed.

use crate::console::{ConsoleLog, Mark};
use crate::trouble::{Checked, Trouble};
use hil_clock::Instant;
use hil_record::ErrorKind;
use hil_rig::{Judgement, PowerSwitch, Sighting};
use std::time::Duration;

/// Lines that come so soon after the power went were on their way. We chose it: USB takes 16 ms, a busy host longer.
const ON_ITS_WAY: Duration = Duration::from_millis(250);

/// An outage that has begun.
#[derive(Debug)]
pub(crate) struct Outage {
    /// When the supply said that it is off.
    pub(crate) since: Instant,
    /// The consoles of both cores, and the places on them.
    marks: [(ConsoleLog, Mark); 2],
    pub(crate) seen: Sighting,
}

impl Outage {
    pub(crate) fn new(since: Instant, consoles: [&ConsoleLog; 2]) -> Self {
        Self {
            since,
            marks: consoles.map(|log| (log.clone(), log.mark())),
            seen: Sighting::default(),
        }
    }

    /// The place on the console of the application core.
    pub(crate) const fn app_mark(&self) -> Mark {
        self.marks[0].1
    }

    /// Looks at what was printed since.
    pub(crate) fn look_at_consoles(&mut self) {
        let late = |(log, mark): &(ConsoleLog, Mark)| {
            log.between(*mark, None)
                .into_iter()
                .find(|line| line.at > self.since + ON_ITS_WAY)
        };
        if let Some(line) = self.marks.iter().find_map(late) {
            let after = line.at.saturating_since(self.since);
            self.seen.console = Some((line.text, after));
        }
    }

    /// What proves the outage, if something does by now; an error when something refutes it.
    pub(crate) fn proof(&self, board: &str, power: &dyn PowerSwitch) -> Checked<Option<String>> {
        match self.seen.judge() {
            Judgement::Proven(why) => Ok(Some(why)),
            Judgement::Open(_) => Ok(None),
            Judgement::Refuted(why) => Err(Trouble::error(
                ErrorKind::Inconclusive,
                format_args!(
                    "board `{board}` did not lose its power: the {} says that it is off, but {why}",
                    power.kind()
                ),
            )
            .with_help(
                "is the relay stuck, is this the supply of another board, or does the board get power from elsewhere \
                 (USB, a shield, the debugger's VTref)? docs/rigs.md has the wiring",
            )),
        }
    }

    /// That nothing has proven the outage.
    pub(crate) fn unproven(&self, board: &str, power: &dyn PowerSwitch) -> Trouble {
        let seen = match self.seen.judge() {
            Judgement::Open(seen) | Judgement::Proven(seen) | Judgement::Refuted(seen) => seen,
        };
        Trouble::error(
            ErrorKind::Inconclusive,
            format_args!(
                "nothing shows that board `{board}` lost its power when the {} was told to switch off: {seen}",
                power.kind()
            ),
        )
        .with_help(
            "a supply that measures current, or a probe that can reach the board, is enough; docs/rigs.md says what is \
             taken as a proof",
        )
    }
}
