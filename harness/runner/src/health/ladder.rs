//! What is tried with a board that made trouble, from what costs least to what costs most, until it answers.

use crate::bench::Bench;
use crate::cancel::CancelToken;
use crate::firmware::Firmware;
use crate::trouble::{Trouble, error_chain};
use hil_clock::SharedClock;
use hil_record::{PowerAction, Rescue, Rung, RungEnd};
use hil_rig::{Board, Cuts, PowerLoss, RigError};
use std::time::Duration;

/// How long the power is away in a power cycle. We chose it: long enough for the capacitors of a DK.
const OFF_FOR: Duration = Duration::from_secs(1);

/// What a scenario begins with, and so what a board is programmed with to see whether it takes it.
const RELEASE: &str = "baseline";

/// What came of one attempt, before the board was asked whether it answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Attempt {
    Done,
    Failed(String),
    /// Not with this board, for this reason.
    NotPossible(String),
}

impl From<Result<(), String>> for Attempt {
    fn from(done: Result<(), String>) -> Self {
        match done {
            Ok(()) => Self::Done,
            Err(problem) => Self::Failed(problem),
        }
    }
}

/// Who the rungs are tried on.
pub(crate) trait Patient {
    /// Whether it has power, the chip tells its id, and its serial ports are open; what is not so.
    fn answers(&mut self) -> Result<(), String>;

    fn attempt(&mut self, rung: Rung) -> Attempt;
}

/// Tries one rung after the other and stops at the first behind which the board answers; otherwise the last thing that it
/// said. Each is told when it is over.
pub(crate) fn climb(
    patient: &mut dyn Patient,
    cancel: &CancelToken,
    told: &mut dyn FnMut(Rescue),
) -> Result<Rung, String> {
    let mut last = "the run was stopped".to_owned();
    for rung in Rung::ALL {
        if cancel.is_cancelled() {
            return Err(last);
        }
        let (end, problem) = match patient.attempt(rung) {
            Attempt::NotPossible(reason) => (RungEnd::NotPossible, Some(reason)),
            Attempt::Failed(problem) => (RungEnd::Silent, Some(problem)),
            Attempt::Done => match patient.answers() {
                Ok(()) => (RungEnd::Answers, None),
                Err(problem) => (RungEnd::Silent, Some(problem)),
            },
        };
        if let (RungEnd::Silent, Some(problem)) = (end, &problem) {
            last.clone_from(problem);
        }
        told(Rescue { rung, end, problem });
        if end == RungEnd::Answers {
            return Ok(rung);
        }
    }
    Err(last)
}

/// Why a board may not be erased.
fn not_allowed() -> Attempt {
    Attempt::NotPossible("its rig file does not say `recover: allowed`".to_owned())
}

fn no_switch() -> Attempt {
    Attempt::NotPossible("nothing can switch its power".to_owned())
}

/// A board that scenarios run on.
pub(crate) struct InUse<'a> {
    pub(crate) bench: &'a mut Bench,
    pub(crate) firmware: &'a Firmware,
}

impl Patient for InUse<'_> {
    fn answers(&mut self) -> Result<(), String> {
        self.bench.answers().map_err(Trouble::words)
    }

    fn attempt(&mut self, rung: Rung) -> Attempt {
        let bench = &mut *self.bench;
        let done = match rung {
            Rung::Probe => {
                bench.reopen();
                Ok(())
            }
            Rung::Reset => bench.reset(),
            Rung::Recover if !bench.may_be_erased() => return not_allowed(),
            Rung::Recover => bench.recover(),
            Rung::PowerCycle if !bench.has_power_switch() => return no_switch(),
            Rung::PowerCycle => bench.power_off(PowerAction::Off).and_then(|_| {
                let until = bench.clock.now() + OFF_FOR;
                bench.cancel.sleep_until(&bench.clock, until);
                bench.power_on().map(drop)
            }),
            Rung::Reprogram => self.firmware.program(RELEASE).and_then(|image| {
                bench.hold()?;
                let external = self.firmware.external_partitions();
                bench.program(image, &external).map(drop)
            }),
        };
        done.map_err(Trouble::words).into()
    }
}

/// A board at the start of a run, whose consoles are not read yet.
pub(crate) struct AtStart<'a> {
    pub(crate) board: &'a Board,
    pub(crate) clock: SharedClock,
    /// The trouble that it made last.
    pub(crate) last: Option<RigError>,
}

impl AtStart<'_> {
    fn tried(&mut self, done: Result<(), RigError>) -> Result<(), String> {
        done.map_err(|error| {
            let words = error_chain(&error);
            self.last = Some(error);
            words
        })
    }
}

impl Patient for AtStart<'_> {
    fn answers(&mut self) -> Result<(), String> {
        let asked = self.board.power().on().and_then(|_| {
            if self.board.cuts() == Cuts::Board {
                // It may have been off, and its debugger with it. What the probe then says is asked below.
                crate::bench::wait_for_debugger(self.board, &*self.clock);
            }
            self.board.probe().identity().map(drop)
        });
        self.tried(asked)
    }

    fn attempt(&mut self, rung: Rung) -> Attempt {
        let board = self.board;
        let done = match rung {
            Rung::Probe => {
                board.probe().forget();
                Ok(())
            }
            Rung::Reset => board.probe().reset(),
            Rung::Recover if !board.may_be_erased() => return not_allowed(),
            Rung::Recover => board.probe().recover(),
            Rung::PowerCycle if board.power().power_loss() != PowerLoss::Real => {
                return no_switch();
            }
            Rung::PowerCycle => board.power().off().and_then(|_| {
                board.probe().forget();
                self.clock.sleep(OFF_FOR);
                board.power().on().map(drop)
            }),
            Rung::Reprogram => {
                return Attempt::NotPossible("no scenario has begun on it".to_owned());
            }
        };
        self.tried(done).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// A board that answers behind one rung, and on which some cannot be tried.
    struct Sick {
        helps: Option<Rung>,
        not_possible: Vec<Rung>,
        tried: Vec<Rung>,
    }

    impl Patient for Sick {
        fn answers(&mut self) -> Result<(), String> {
            match self.helps {
                Some(rung) if self.tried.contains(&rung) => Ok(()),
                _ => Err("it is silent".to_owned()),
            }
        }

        fn attempt(&mut self, rung: Rung) -> Attempt {
            if self.not_possible.contains(&rung) {
                return Attempt::NotPossible("not with this board".to_owned());
            }
            self.tried.push(rung);
            Attempt::Done
        }
    }

    fn climbed(helps: Option<Rung>, not_possible: &[Rung]) -> (Result<Rung, String>, Vec<String>) {
        let mut sick = Sick {
            helps,
            not_possible: not_possible.to_vec(),
            tried: Vec::new(),
        };
        let mut told = Vec::new();
        let end = climb(&mut sick, &CancelToken::new(), &mut |rescue| {
            told.push(rescue.to_string());
        });
        (end, told)
    }

    #[rstest]
    #[case(Rung::Probe, 1)]
    #[case(Rung::Reset, 2)]
    #[case(Rung::Recover, 3)]
    #[case(Rung::PowerCycle, 4)]
    #[case(Rung::Reprogram, 5)]
    fn nothing_is_tried_beyond_the_rung_that_helps(#[case] helps: Rung, #[case] tried: usize) {
        let (end, told) = climbed(Some(helps), &[]);
        assert_eq!(end, Ok(helps));
        assert_eq!(told.len(), tried, "{told:?}");
    }

    #[test]
    fn every_rung_is_told_in_its_order_with_what_came_of_it() {
        let (end, told) = climbed(None, &[Rung::Recover, Rung::PowerCycle]);
        assert_eq!(end, Err("it is silent".to_owned()));
        insta::assert_snapshot!(told.join("\n"), @r"
        probe and ports opened anew: no help: it is silent
        reset through the probe: no help: it is silent
        recover: not possible: not with this board
        power cycle: not possible: not with this board
        programmed anew: no help: it is silent
        ");
    }

    #[test]
    fn a_run_that_is_stopped_climbs_no_further() {
        let cancel = CancelToken::new();
        let mut sick = Sick {
            helps: None,
            not_possible: Vec::new(),
            tried: Vec::new(),
        };
        let stop = cancel.clone();
        let end = climb(&mut sick, &cancel, &mut |_| stop.cancel());
        assert!(end.is_err());
        assert_eq!(sick.tried, [Rung::Probe]);
    }
}
