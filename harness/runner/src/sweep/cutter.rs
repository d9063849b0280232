//! How a board is stopped at a point, and how it is interrupted there.
//!
//! Stopping and interrupting are two things. A board is *stopped* at a flash operation by its own debug unit, exactly and as
//! often as is wanted; or, where that cannot be, by the clock, somewhere near. It is *interrupted* by taking its power away, or,
//! where the rig has no switch, by a reset through the probe, which is no loss of power: RAM stays, and flash is never left
//! half written.

use super::foretold::Foretold;
use super::trap::ByTrap;
use crate::context::Context;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::{DeviceId, Operation, OperationKind};
use hil_record::{ErrorKind, Evidence, PowerAction};
use hil_scenario::{Core, CutPoint, Edge, Sweep};
use std::time::Duration;

/// How far a way of stopping can be trusted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Aim {
    /// The board stands at the point.
    Exact,
    /// It is near it: where it was is seen from its flash.
    Near,
}

/// A way to stop a board at a point.
pub(super) trait Cutter {
    /// In words, for reports.
    fn words(&self) -> &'static str;

    fn aim(&self) -> Aim;

    /// The board is held at its first instruction: starts it, without a cut.
    fn dry_run(
        &mut self,
        context: &mut Context<'_>,
        foretold: &Foretold<'_>,
        step: &Sweep,
    ) -> Checked;

    /// That start has ended, well. Whether the board was seen to do what is foretold; trouble when it did something else.
    fn after_dry_run(
        &mut self,
        context: &mut Context<'_>,
        foretold: &Foretold<'_>,
    ) -> Checked<bool>;

    /// The board is held at its first instruction. Starts it, and returns when it has come to the point, before which it does
    /// `done`.
    fn stop_at(
        &mut self,
        context: &mut Context<'_>,
        point: &CutPoint,
        done: &[Operation],
        step: &Sweep,
    ) -> Checked;
}

/// The best way that there is for this board, which is held at its first instruction. A request cannot be met by the clock.
pub(super) fn choose(context: &mut Context<'_>, request: bool) -> Checked<Box<dyn Cutter>> {
    if (!context.orders.by_time || request) && context.bench.can_be_stopped()? {
        return Ok(Box::new(ByTrap::default()));
    }
    if request {
        return Err(Trouble::error(
            ErrorKind::Cut,
            "the clock cannot stop a board in a request, which takes it less than a millisecond, and its core has no watchpoints",
        ));
    }
    Ok(Box::new(ByTime::default()))
}

/// Interrupts a board that has come to a point. It starts again where its power was taken and given back, and is held at its
/// first instruction where it was reset.
pub(super) fn interrupt(context: &mut Context<'_>, step: &Sweep) -> Checked<Left> {
    if context.bench.has_power_switch() {
        context.power_off(PowerAction::Cut)?;
        context.stay_off(step.off_for)?;
        context.power_on()?;
        Ok(Left::Starting)
    } else {
        context.hold()?;
        Ok(Left::Held)
    }
}

/// How an interruption leaves a board.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Left {
    /// It starts.
    Starting,
    /// It stands at its first instruction.
    Held,
}

/// The longest that flash operations take (nRF5340 product specification, NVMC; MX25R6435F data sheet, typical): what matters is
/// how they compare.
const ERASE: Duration = Duration::from_micros(87_500);
const WORD: Duration = Duration::from_micros(41);
const EXTERNAL_ERASE: Duration = Duration::from_millis(58);
const EXTERNAL_PAGE: Duration = Duration::from_micros(850);

/// Lines with which MCUboot begins to change flash (mcuboot `boot/bootutil/src/{swap_move,swap_offset,swap_scratch,loader}.c`),
/// and the one after which it does not any more.
const BEGINS: [&str; 2] = ["Starting swap using", "upgrade secondary slot"];
const ENDS: &str = "Jumping to the first image slot";

/// Waits as long as it took the board to come to the point when nobody interrupted it.
#[derive(Debug, Default)]
struct ByTime {
    /// How long after a start each operation is under way.
    due: Vec<Duration>,
}

impl Cutter for ByTime {
    fn words(&self) -> &'static str {
        "stopped by the clock, near the point"
    }

    fn aim(&self) -> Aim {
        Aim::Near
    }

    fn dry_run(
        &mut self,
        context: &mut Context<'_>,
        _foretold: &Foretold<'_>,
        _step: &Sweep,
    ) -> Checked {
        context.let_go()
    }

    fn after_dry_run(
        &mut self,
        context: &mut Context<'_>,
        foretold: &Foretold<'_>,
    ) -> Checked<bool> {
        let began = context.start_time();
        let log = context.console(Core::App);
        let mark = context.started_at(Core::App);
        let when = |texts: &[&str]| {
            let found = log.find(mark, |line| texts.iter().any(|text| line.contains(text)));
            found.map(|(line, _)| line.at.saturating_since(began))
        };
        let end = when(&[ENDS]).unwrap_or_else(|| context.clock.now().saturating_since(began));
        let lengths: Vec<Duration> = foretold
            .operations()
            .map(|operation| length(operation.device, operation.kind, operation.length))
            .collect();
        let begin = when(&BEGINS);
        self.due = schedule(&lengths, begin, end);
        context.see(Evidence::seen(
            "start without a cut",
            format!(
                "{} ms, of which flash operations take {} ms",
                end.as_millis(),
                {
                    let first = self.due.first().copied().unwrap_or(end);
                    end.saturating_sub(first).as_millis()
                }
            ),
        ));
        Ok(false)
    }

    fn stop_at(
        &mut self,
        context: &mut Context<'_>,
        point: &CutPoint,
        _done: &[Operation],
        _step: &Sweep,
    ) -> Checked {
        if point.edge == Edge::Torn {
            return Err(Trouble::error(
                ErrorKind::Cut,
                format_args!("the clock cannot stop a board at {point}: it hits near a point, and not inside one"),
            )
            .with_help("leave `--by-time` out, or choose a point before or after the operation"));
        }
        let due = self
            .due
            .get(point.index as usize)
            .copied()
            .unwrap_or_default();
        context.let_go()?;
        context.wait_until(context.start_time() + due)
    }
}

/// When each of several operations is under way, if they are the last thing that a start does: half of its own time after it
/// begins. All of them are stretched to the time from `begin` to `end`, where the former is known.
fn schedule(lengths: &[Duration], begin: Option<Duration>, end: Duration) -> Vec<Duration> {
    let total: Duration = lengths.iter().sum();
    if total.is_zero() {
        return vec![end; lengths.len()];
    }
    let span = begin.map_or_else(|| total.min(end), |begin| end.saturating_sub(begin));
    let first = end.saturating_sub(span);
    let mut before = Duration::ZERO;
    lengths
        .iter()
        .map(|length| {
            let middle = before + *length / 2;
            before += *length;
            first + span.mul_f64(middle.as_secs_f64() / total.as_secs_f64())
        })
        .collect()
}

/// How long an operation takes.
fn length(device: DeviceId, kind: OperationKind, bytes: u32) -> Duration {
    match (device, kind) {
        (DeviceId::External, OperationKind::Erase) => EXTERNAL_ERASE * bytes.div_ceil(0x1000),
        (DeviceId::External, OperationKind::Write) => EXTERNAL_PAGE * bytes.div_ceil(0x100),
        (DeviceId::NetFlash, OperationKind::Erase) => ERASE * bytes.div_ceil(0x800),
        (_, OperationKind::Erase) => ERASE * bytes.div_ceil(0x1000),
        (_, OperationKind::Write) => WORD * bytes.div_ceil(4),
    }
}

/// That a board which was stopped near a point is not where the model knows it to be.
pub(super) fn nowhere(point: &CutPoint) -> Trouble {
    Trouble::fail(
        hil_record::FailKind::StandingCheck,
        format_args!(
            "interrupted near {point}, the flash is what no interruption of that start can leave, whichever operation it hits"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn operations_are_spread_over_the_time_that_they_were_seen_to_take() {
        let due = schedule(&[MS(10), MS(80), MS(10)], Some(MS(500)), MS(700));
        assert_eq!(due, [MS(510), MS(600), MS(690)]);
    }

    #[test]
    fn without_a_line_that_begins_them_they_take_as_long_as_flash_takes() {
        let due = schedule(&[MS(10), MS(10)], None, MS(100));
        assert_eq!(due, [MS(85), MS(95)]);
    }

    #[test]
    fn a_board_that_is_faster_than_flash_is_not_waited_for_before_it_starts() {
        let due = schedule(&[MS(100), MS(100)], None, MS(50));
        assert!(due.iter().all(|due| *due <= MS(50)), "{due:?}");
    }

    #[test]
    fn nothing_is_due_where_nothing_is_done() {
        assert!(schedule(&[], Some(MS(1)), MS(2)).is_empty());
    }

    #[test]
    fn an_erasure_takes_as_long_as_its_pages() {
        assert_eq!(
            length(DeviceId::NetFlash, OperationKind::Erase, 0x1000),
            ERASE * 2
        );
        assert_eq!(
            length(DeviceId::AppFlash, OperationKind::Erase, 0x1000),
            ERASE
        );
        assert_eq!(
            length(DeviceId::AppFlash, OperationKind::Write, 1024),
            WORD * 256
        );
    }
}
