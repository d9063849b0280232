//! Faults that a step wants on its link: armed before it, told while they happen, and looked for after it.
//!
//! A fault that a scenario wants and that never happened is trouble of the bench: what the scenario is about was not
//! tried, so there is nothing to pass.

use crate::context::Context;
use crate::events::Events;
use crate::trouble::{Checked, Trouble};
use hil_record::{ErrorKind, EventKind, Evidence};
use hil_scenario::{FaultKind as Kind, FaultPlace, FaultWay, FaultWhen, Transport, TransportFault};
use hil_smp::{Direction, Fault, FaultEvent, FaultKind, FaultPlan, FaultSink, Place, When};

/// So many faults of a step are evidence each on its own; all are in the journal.
const SHOWN: usize = 20;

/// Tells faults as events.
pub(crate) fn sink(events: &Events, board: &str, over: Transport) -> FaultSink {
    let (events, board) = (events.clone(), board.to_owned());
    Box::new(move |event| match event {
        FaultEvent::Injected(injected) => {
            let what = match injected.bit {
                Some(bit) => format!("{}, bit {bit}", injected.fault.kind),
                None => injected.fault.kind.to_string(),
            };
            events.emit(EventKind::TransportFault(hil_record::TransportFault {
                board: board.clone(),
                over: over.to_string(),
                direction: match injected.fault.way {
                    Direction::Sent => hil_record::Direction::ToBoard,
                    Direction::Received => hil_record::Direction::FromBoard,
                },
                number: u32::try_from(injected.number + 1).unwrap_or(u32::MAX),
                what,
                packet: injected.packet,
                sequence: injected.sequence,
                seed: injected.fault.seed,
            }));
        }
        // The fault has an event of its own. That its packet cannot be read is what was wanted, and no news for a reader.
        FaultEvent::Damaged(how) => {
            tracing::debug!(board, %over, %how, "a packet was damaged on purpose");
        }
    })
}

/// What the faults of a step are for an upload of `total` bytes.
fn plan(faults: &[TransportFault], total: u64) -> FaultPlan {
    let fault = |fault: &TransportFault| Fault {
        kind: match fault.kind {
            Kind::Drop => FaultKind::Drop,
            Kind::Duplicate => FaultKind::Duplicate,
            Kind::Reorder => FaultKind::Reorder,
            Kind::Delay(by) => FaultKind::Delay(by),
            Kind::Corrupt { byte } => FaultKind::Corrupt { byte },
            Kind::Truncate { keep } => FaultKind::Truncate { keep },
        },
        way: match fault.of {
            FaultWay::Request => Direction::Sent,
            FaultWay::Answer => Direction::Received,
        },
        when: match fault.when {
            FaultWhen::At { place, times } => When::At {
                place: match place {
                    FaultPlace::Only => Place::Any,
                    FaultPlace::First => Place::First,
                    FaultPlace::Share(share) => Place::Offset(share.of(total)),
                    FaultPlace::Last => Place::Last,
                },
                times,
            },
            FaultWhen::Chance(percent) => When::Chance(percent.get()),
        },
        seed: fault.seed,
    };
    FaultPlan {
        total,
        faults: faults.iter().map(fault).collect(),
    }
}

impl Context<'_> {
    /// Does something while the link has these faults, which is evidence. `total` are the bytes of the image that is
    /// uploaded, or 0.
    pub(crate) fn with_faults<T>(
        &mut self,
        faults: &[TransportFault],
        total: u64,
        act: impl FnOnce(&mut Self) -> Checked<T>,
    ) -> Checked<T> {
        if faults.is_empty() {
            return act(self);
        }
        let switch = self.bench.faults.clone();
        switch.arm(&plan(faults, total));
        let acted = act(self);
        let log = switch.disarm();
        for injected in log.injected.iter().take(SHOWN) {
            self.see(Evidence::seen("transport fault", injected.to_string()));
        }
        if log.injected.len() > SHOWN {
            let all = log.injected.len();
            self.see(Evidence::seen(
                "transport fault",
                format!("{all} in all, each in the journal"),
            ));
        }
        let acted = acted?;
        match log.missed.first() {
            None => Ok(acted),
            Some(missed) => Err(Trouble::error(
                ErrorKind::Cut,
                format_args!(
                    "a fault of this step did not happen: {missed}; {} did",
                    log.injected.len()
                ),
            )
            .with_help(
                "the step was over before, or there are fewer packets at that place: lower `times`, or move `at`",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("{ drop: request, at: first }", "drop: the first chunk")]
    #[case("{ duplicate: answer }", "duplicate: the answer to the request")]
    #[case(
        "{ corrupt: request, at: 50%, byte: 9 }",
        "corrupt byte 9: the chunk with byte 500"
    )]
    #[case(
        "{ truncate: answer, at: last, keep: 9 }",
        "truncate after 9 bytes: the answer to the last chunk"
    )]
    #[case(
        "{ delay: answer, chance: 5%, by: 2s }",
        "delay by 2s: 5% of the answers"
    )]
    #[case("{ reorder: request, chance: 5% }", "reorder: 5% of the requests")]
    fn a_step_gets_the_faults_that_its_file_says(#[case] text: &str, #[case] expected: &str) {
        let fault: TransportFault = serde_yaml::from_str(text).unwrap();
        let plan = plan(&[fault], 1000);
        assert_eq!(plan.faults[0].to_string(), expected);
    }
}
