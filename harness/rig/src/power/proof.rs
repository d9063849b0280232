//! Whether a board has really lost its power.
//!
//! A supply that says "off" may have a relay that is welded together, or be in front of another board. So what counts is
//! what was seen of the board itself while it should be off. Any sign of life refutes the cut; without one, something has to
//! show that the power is gone. What shows neither way leaves the cut unproven, which is not a pass and not a failure.

use crate::file::Cuts;
use std::fmt;
use std::time::Duration;

/// A board that is fed draws more than this (1 mA; both cores asleep take less, which then proves nothing).
const DRAWS: f64 = 1e-3;
/// A supply that is off delivers less than this: 0.2 mA, above the noise and offset of a bench supply's display.
const NOTHING: f64 = 0.2e-3;

/// What flowed to a board, in amperes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Current {
    /// While it had power, if it was measured then.
    pub on: Option<f64>,
    /// After it was switched off.
    pub off: f64,
}

/// What the probe found when it looked for the chip.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ProbeSight {
    /// The chip answered.
    Answered,
    /// The probe is there, and the chip does not answer it.
    NoChip,
    /// The probe itself is not there.
    NoProbe,
    /// Something else went wrong.
    Unclear(String),
}

/// What was seen of a board while it should be off, and right after.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sighting {
    /// What is switched off: whether the probe should be there.
    pub cuts: Cuts,
    /// What flowed, where the supply can tell.
    pub current: Option<Current>,
    /// What the probe found, where it was asked.
    pub probe: Option<ProbeSight>,
    /// A line of a console, and how long after switching off it came.
    pub console: Option<(String, Duration)>,
    /// RESETREAS of the application core, read after power came back and the board had started anew.
    pub reset_reasons: Option<u32>,
}

/// What that comes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Judgement {
    /// The power was gone, and this shows it.
    Proven(String),
    /// The power was not gone, and this shows it.
    Refuted(String),
    /// Nothing shows it either way; this was seen.
    Open(String),
}

impl Sighting {
    /// Whether the board has lost its power.
    #[must_use]
    pub fn judge(&self) -> Judgement {
        let mut alive = Vec::new();
        let mut gone = Vec::new();
        let mut open = Vec::new();
        match self.current {
            None => {}
            Some(Current { off, .. }) if off > DRAWS => {
                alive.push(format!("{} still flow", Milliamperes(off)));
            }
            Some(Current { on: Some(on), off }) if on > DRAWS && off <= NOTHING => gone.push(
                format!("{} flow, {} before", Milliamperes(off), Milliamperes(on)),
            ),
            Some(Current { on, off }) => open.push(match on {
                Some(on) => format!(
                    "{} flow, {} before, which are too close to tell",
                    Milliamperes(off),
                    Milliamperes(on)
                ),
                None => format!("{} flow", Milliamperes(off)),
            }),
        }
        match (&self.probe, self.cuts) {
            (None, _) => {}
            (Some(ProbeSight::Answered), _) => alive.push("the chip answers the probe".to_owned()),
            (Some(ProbeSight::NoChip), _) => {
                gone.push("the chip does not answer the probe".to_owned());
            }
            (Some(ProbeSight::NoProbe), Cuts::Board) => {
                gone.push("the probe is gone with the board".to_owned());
            }
            (Some(ProbeSight::NoProbe), Cuts::Soc) => {
                open.push("the probe is not there, although it has power of its own".to_owned());
            }
            (Some(ProbeSight::Unclear(what)), _) => {
                open.push(format!("the probe did not find out: {what}"));
            }
        }
        if let Some((line, after)) = &self.console {
            alive.push(format!(
                "`{line}` was printed {} ms later",
                after.as_millis()
            ));
        }
        match self.reset_reasons {
            None => {}
            Some(0) => gone.push("RESETREAS is 0, as after a loss of power".to_owned()),
            Some(reasons) => open.push(format!(
                "RESETREAS is {reasons:#x}, which tells of a reset with power or of one since"
            )),
        }
        if !alive.is_empty() {
            Judgement::Refuted(alive.join(", and "))
        } else if !gone.is_empty() {
            Judgement::Proven(gone.join(", and "))
        } else if open.is_empty() {
            Judgement::Open("nothing on this bench can tell".to_owned())
        } else {
            Judgement::Open(open.join(", and "))
        }
    }
}

/// A current for people.
struct Milliamperes(f64);

impl fmt::Display for Milliamperes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A supply's offset may be below zero.
        write!(f, "{:.2} mA", (self.0 * 1000.0).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn current(on: f64, off: f64) -> Sighting {
        Sighting {
            current: Some(Current {
                on: Some(on / 1000.0),
                off: off / 1000.0,
            }),
            ..Sighting::default()
        }
    }

    fn probe(cuts: Cuts, sight: ProbeSight) -> Sighting {
        Sighting {
            cuts,
            probe: Some(sight),
            ..Sighting::default()
        }
    }

    #[rstest]
    #[case::nothing_to_look_at(Sighting::default(), "open: nothing on this bench can tell")]
    #[case::current_fell(current(4.2, 0.01), "proven: 0.01 mA flow, 4.20 mA before")]
    #[case::offset_below_zero(current(4.2, -0.3), "proven: 0.00 mA flow, 4.20 mA before")]
    #[case::current_goes_on(current(4.2, 4.2), "refuted: 4.20 mA still flow")]
    #[case::fed_by_somebody_else(
        current(0.0, 0.0),
        "open: 0.00 mA flow, 0.00 mA before, which are too close to tell"
    )]
    #[case::asleep(
        current(0.5, 0.0),
        "open: 0.00 mA flow, 0.50 mA before, which are too close to tell"
    )]
    #[case::trickle(
        current(4.2, 0.5),
        "open: 0.50 mA flow, 4.20 mA before, which are too close to tell"
    )]
    #[case::chip_answers(
        probe(Cuts::Soc, ProbeSight::Answered),
        "refuted: the chip answers the probe"
    )]
    #[case::chip_silent(
        probe(Cuts::Soc, ProbeSight::NoChip),
        "proven: the chip does not answer the probe"
    )]
    #[case::probe_gone_with_the_board(
        probe(Cuts::Board, ProbeSight::NoProbe),
        "proven: the probe is gone with the board"
    )]
    #[case::probe_gone_by_itself(
        probe(Cuts::Soc, ProbeSight::NoProbe),
        "open: the probe is not there, although it has power of its own"
    )]
    fn one_sight_is_judged(#[case] seen: Sighting, #[case] expected: &str) {
        assert_eq!(said(&seen), expected);
    }

    #[rstest]
    #[case::power_on_reset(0, "proven: RESETREAS is 0, as after a loss of power")]
    #[case::soft_reset(
        8,
        "open: RESETREAS is 0x8, which tells of a reset with power or of one since"
    )]
    fn the_reasons_of_a_reset_are_judged(#[case] reasons: u32, #[case] expected: &str) {
        let seen = Sighting {
            reset_reasons: Some(reasons),
            ..Sighting::default()
        };
        assert_eq!(said(&seen), expected);
    }

    #[test]
    fn one_sign_of_life_outweighs_everything() {
        let seen = Sighting {
            probe: Some(ProbeSight::NoChip),
            console: Some(("still here".to_owned(), Duration::from_millis(350))),
            reset_reasons: Some(0),
            ..current(4.2, 0.0)
        };
        assert_eq!(
            said(&seen),
            "refuted: `still here` was printed 350 ms later"
        );
    }

    fn said(seen: &Sighting) -> String {
        match seen.judge() {
            Judgement::Proven(why) => format!("proven: {why}"),
            Judgement::Refuted(why) => format!("refuted: {why}"),
            Judgement::Open(why) => format!("open: {why}"),
        }
    }
}
