//! Which step of a scenario looks for what a board prints right after its power came.
//!
//! Where a switch takes the debugger's power too, the serial ports come back some seconds after the chip has started (USB has
//! to find them again), and what it printed by then is lost: neither that a line is there nor that it is not can be told.
//! Whether a scenario depends on it can be read from its steps, so that it is not begun on such a board.

use crate::expect::ExpectConsole;
use crate::refusal::{ExpectRefusal, Refusal};
use crate::step::{Answer, Step, Upload};
use crate::variant::PlannedStep;
use crate::words::PrintedBy;

/// What a step makes of the consoles of a board whose serial ports go with its power.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Started {
    /// The power came: the first lines are lost.
    ByPower,
    /// The power was there: all lines are heard.
    Otherwise,
}

/// The first step that looks at a console for what was printed since the power came.
pub(crate) fn after_power_on(steps: &[PlannedStep]) -> Option<&PlannedStep> {
    let mut last = Started::Otherwise;
    for planned in steps {
        if last == Started::ByPower && looks_at_lines(&planned.step) {
            return Some(planned);
        }
        last = start(&planned.step).unwrap_or(last);
    }
    None
}

/// Whether a step looks for lines of the start before it.
const fn looks_at_lines(step: &Step) -> bool {
    match step {
        Step::ExpectConsole(ExpectConsole { by, .. }) => matches!(by, PrintedBy::Uart),
        // For the line at which it takes the power.
        Step::PowerCut(_) => true,
        // These look at the start that they make themselves, or ask the probe where the console was not there.
        Step::Program(_)
        | Step::Upload(_)
        | Step::Mark(_)
        | Step::Erase(_)
        | Step::Reset(_)
        | Step::PowerCycle(_)
        | Step::Sweep(_)
        | Step::ExpectBoot(_)
        | Step::ExpectSlot(_)
        | Step::ExpectPlainText(_)
        | Step::ExpectImageState(_)
        | Step::ExpectNet(_)
        | Step::ExpectRadio(_)
        | Step::ExpectRefusal(_)
        | Step::ExpectUpdate(_) => false,
    }
}

/// How a step starts the board, if it does.
const fn start(step: &Step) -> Option<Started> {
    match step {
        Step::PowerCycle(_)
        | Step::PowerCut(_)
        | Step::Sweep(_)
        | Step::Upload(Upload {
            power_cut: Some(_), ..
        }) => Some(Started::ByPower),
        Step::Program(_)
        | Step::ExpectUpdate(_)
        | Step::ExpectRefusal(ExpectRefusal {
            refusal: Refusal::Boot { .. },
            ..
        }) => Some(Started::Otherwise),
        Step::Reset(reset) => match reset.expect {
            Answer::Accepted => Some(Started::Otherwise),
            Answer::Refused(_) => None,
        },
        Step::Upload(_)
        | Step::Mark(_)
        | Step::Erase(_)
        | Step::ExpectBoot(_)
        | Step::ExpectSlot(_)
        | Step::ExpectPlainText(_)
        | Step::ExpectImageState(_)
        | Step::ExpectConsole(_)
        | Step::ExpectNet(_)
        | Step::ExpectRadio(_)
        | Step::ExpectRefusal(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use rstest::rstest;

    #[rstest]
    #[case::power_cycle("[{ power_cycle: {} }, { expect_console: { text: none } }]", Some(2))]
    #[case::not_there(
        "[{ power_cycle: {} }, { expect_console: { text: none, absent: true } }]",
        Some(2)
    )]
    #[case::power_cut_in_an_upload(
        "[{ upload: { image: update.app, power_cut: { at: 50% } } }, { expect_console: { text: none } }]",
        Some(2)
    )]
    #[case::next_cut(
        "[{ power_cycle: {} }, { power_cut: { at: { console: moving } } }]",
        Some(2)
    )]
    #[case::both_after_a_reset(
        "[{ reset: smp }, { power_cut: { at: { console: moving } } }, { reset: probe }, { expect_console: { text: none } }]",
        None
    )]
    #[case::a_refused_reset_starts_nothing(
        "[{ power_cycle: {} }, { reset: { by: smp, expect: refused } }, { expect_console: { text: none } }]",
        Some(3)
    )]
    #[case::over_rtt(
        "[{ power_cycle: {} }, { expect_console: { text: none, by: rtt } }]",
        None
    )]
    #[case::other_witnesses(
        "[{ power_cycle: {} }, { expect_boot: { app: update, net: update } }, { expect_net: { alive: true } }]",
        None
    )]
    fn lines_of_a_start_by_power_are_known_from_the_steps(
        #[case] steps: &str,
        #[case] expected: Option<u32>,
    ) {
        let text = format!("scenario: sample\nsummary: A sample.\nsteps: {steps}\n");
        let scenario = Scenario::parse("sample.yaml", &text).expect("it has no mistakes");
        let steps = &scenario.variants()[0].steps;
        let found = after_power_on(steps).map(|step| step.number);
        assert_eq!(found, expected);
    }
}
