//! What the flash drivers of model firmware do, one operation after the other, in the board's time.
//!
//! On a core with a data watchpoint each store of a driver is shown to it, so that the core can be halted in front of an
//! operation, in it, and behind it. Nothing goes on then but what the flash has begun.

use super::board::{Board, State};
use super::core_bus::CoreHandle;
use super::options::Speed;
use crate::bus::Stopped;
use crate::chip::{Chip, ExternalOperation, Gate, NvmcMode, QspiTask, UnderWay, flash_base};
use hil_clock::Instant;
use std::sync::MutexGuard;
use std::time::Duration;

/// How long short operations are let run before what they did becomes visible; our choice. A power loss comes
/// at worst this much too early for them.
const SLICE: Duration = Duration::from_millis(1);

/// When each of several operations ends that follow each other.
struct Pace {
    start: Instant,
    each: Duration,
    count: u32,
}

impl Pace {
    /// From operation `done` on, now.
    fn from(board: &Board, each: Duration, count: u32, done: u32) -> Self {
        let before = each.saturating_mul(done);
        let now = board.clock.now().since_start();
        Self {
            start: Instant::from_start(now.saturating_sub(before)),
            each,
            count,
        }
    }
}

/// What a QSPI task has the external flash do.
pub(super) struct ExternalWork {
    pub(super) task: QspiTask,
    pub(super) operations: Vec<ExternalOperation>,
}

impl CoreHandle {
    /// Does `count` operations one after the other, each of which takes `each` of board time and is visible
    /// from its end. When the core is stopped, the one under way has not happened, unless the board tears it; when it is
    /// halted, the one under way ends.
    pub(super) fn operate(
        &self,
        count: usize,
        each: Duration,
        what: impl Fn(usize) -> UnderWay,
    ) -> Result<(), Stopped> {
        let core = self.core;
        let board = &*self.board;
        let outside = board.speed.outside(each);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let mut state = self.enter()?;
        let mut pace = Pace::from(board, outside, count, 0);
        for number in 0..count {
            let operation = what(number as usize);
            if state.chip.is_watched(core, operation) {
                state = self.set_mode(state, NvmcMode::of(operation))?;
                pace = Pace::from(board, outside, count, number);
            }
            state.chip.set_flash_busy(core, true);
            state.chip.set_under_way(core, Some(operation));
            if state.chip.is_watched(core, operation) {
                state.chip.store_operation(core, operation);
            }
            state = self.until_end(state, &pace, number)?;
            apply(&mut state.chip, self, operation);
            state.chip.set_under_way(core, None);
            state.chip.set_flash_busy(core, false);
            if board.speed == Speed::Instant {
                state.skipped += each;
            }
            if state.chip.gate(core, self.epoch) != Gate::Go {
                state = self.resume(state)?;
                pace = Pace::from(board, outside, count, number + 1);
            }
            if state.chip.is_watched(core, operation) {
                state = self.set_mode(state, NvmcMode::Read)?;
            }
        }
        Ok(())
    }

    /// Sets the NVMC's mode store by store.
    fn set_mode<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        mode: NvmcMode,
    ) -> Result<MutexGuard<'a, State>, Stopped> {
        for number in 0..Chip::mode_stores(self.core) {
            state.chip.store_mode(self.core, number, mode);
            state = self.resume(state)?;
        }
        Ok(state)
    }

    /// Waits until operation `number` has ended. A core that is halted does not keep it from ending.
    fn until_end<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        pace: &Pace,
        number: u32,
    ) -> Result<MutexGuard<'a, State>, Stopped> {
        let board = &self.board;
        let end = pace.each.saturating_mul(number + 1);
        loop {
            let gate = state.chip.gate(self.core, self.epoch);
            if gate == Gate::Stopped {
                return Err(Stopped);
            }
            let elapsed = if end.is_zero() {
                Duration::ZERO
            } else {
                board.clock.now().saturating_since(pace.start)
            };
            if elapsed >= end {
                return Ok(state);
            }
            let look = match gate {
                Gate::Go => {
                    let all = pace.each.saturating_mul(pace.count);
                    end.max(elapsed + SLICE).min(all)
                }
                // READY comes whoever asks for it.
                Gate::Wait | Gate::Stopped => end,
            };
            let at_most = board.clock.block_for(pace.start + look);
            state = board.wait(state, Some(at_most));
        }
    }

    /// Has the external flash do one task after the other. What is under way there ends by itself, also when the
    /// core is halted meanwhile, and the page of it that has begun also when the core is reset; only a loss of power undoes
    /// it.
    pub(super) fn operate_external(&self, works: Vec<ExternalWork>) -> Result<(), Stopped> {
        let board = &self.board;
        let mut state = self.enter()?;
        for ExternalWork { task, operations } in works {
            state.chip.store_task_setup(task);
            state = self.resume(state)?;
            state.chip.store_task(task);
            for operation in operations {
                state = self.start_external(state, operation)?;
            }
            board.set_now(&mut state);
            state.chip.end_task();
            state = self.resume(state)?;
        }
        Ok(())
    }

    fn start_external<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        operation: ExternalOperation,
    ) -> Result<MutexGuard<'a, State>, Stopped> {
        let board = &self.board;
        board.set_now(&mut state);
        let takes = operation.duration();
        let ends = state.chip.start_external(operation);
        if board.speed == Speed::Instant {
            state.skipped += takes;
            return Ok(state);
        }
        loop {
            if state.chip.gate(self.core, self.epoch) == Gate::Stopped {
                return Err(Stopped);
            }
            let left = ends.saturating_sub(board.uptime(&state));
            if left.is_zero() {
                return Ok(state);
            }
            state = board.wait(state, Some(board.speed.outside(left)));
        }
    }
}

fn apply(chip: &mut Chip, handle: &CoreHandle, operation: UnderWay) {
    let core = handle.core;
    match operation {
        UnderWay::Program { offset, value } => {
            chip.program_word(core, flash_base(core) + offset, value);
        }
        UnderWay::Erase { offset } => chip.erase_page(core, flash_base(core) + offset),
    }
}
