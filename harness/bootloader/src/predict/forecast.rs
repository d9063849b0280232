//! The flash that a board may hold after what was done to it, when not everything about that is known.
//!
//! A timed power cut does not say which flash operation it hit, a bootloader without a console does not say how often
//! it ran, and an application may confirm itself. A [`Forecast`] keeps every flash that may have come of it, and next
//! to each what had to be assumed. Bytes that an interruption left between old and new are kept as just that.

use std::ops::RangeInclusive;

use super::unsure::{self, Cause, Unsure};
use super::{Action, Board, PredictError};
use crate::b0n::B0nOutcome;
use crate::config::{Config, Keys};
use crate::flash::{Area, DeviceId};
use crate::sim::{Cut, Operation, OperationKind, SimFlash};

/// Boots after which nothing more can change (ours): a test, its revert, the clean-up after that, and one to spare.
const MOST_BOOTS: u32 = 4;

/// From so many possible states an interrupted boot is followed (ours): each has hundreds of moments.
const MOST_STATES_TO_CUT: usize = 4;

/// Up to this length a torn write is tried word by word instead of being left open (ours): the fields that decide are
/// shorter, and images are copied in pieces of 1024 bytes.
const SHORT_WRITE: u32 = 64;

/// Every flash that a board may hold.
#[derive(Debug)]
pub struct Forecast<'a> {
    pub(super) config: &'a Config,
    board: Board<'a>,
    /// Each flash once, and never none unless the model could not go on.
    pub(super) states: Vec<State>,
    /// The last boot was interrupted, at an operation that is not known.
    interrupted: bool,
    unknown: Option<String>,
    pub(super) notes: Vec<String>,
}

/// One flash that the board may hold.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) flash: SimFlash,
    pub(super) unsure: Vec<Unsure>,
    /// What had to be assumed to get here.
    pub(super) assumed: Vec<String>,
    /// What happened, in words.
    pub(super) story: Vec<String>,
}

impl<'a> Forecast<'a> {
    /// A board that holds `flash` and has not run yet. Devices that it lacks are not compared.
    #[must_use]
    pub fn new(config: &'a Config, keys: Keys, flash: SimFlash) -> Self {
        let outside = areas(config).any(|area| {
            let end = area.offset as usize + area.size as usize;
            end > flash.size(area.device)
        });
        let unknown = if config.images.is_empty() {
            Some("the bootloader's slots are not known".to_owned())
        } else if outside {
            Some("a slot lies in flash whose contents are not known".to_owned())
        } else {
            None
        };
        Self {
            config,
            board: Board::new(config, keys, SimFlash::new()),
            states: vec![State {
                flash,
                unsure: Vec::new(),
                assumed: Vec::new(),
                story: Vec::new(),
            }],
            interrupted: false,
            unknown,
            notes: Vec::new(),
        }
    }

    /// Why there is no forecast any more.
    #[must_use]
    pub fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// What an area of a device may hold: once for each flash that the board may hold.
    pub fn contents(&self, area: Area) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.states.iter().map(move |state| {
            let (start, size) = (area.offset as usize, area.size as usize);
            state.flash.bytes_at(area.device, start, size)
        })
    }

    /// Nobody can say what flash holds from here on.
    pub fn give_up(&mut self, reason: impl Into<String>) {
        self.unknown.get_or_insert_with(|| reason.into());
    }

    /// The board has booted so many times, each time to the end. `None`: it is not known how often.
    ///
    /// # Errors
    /// The model cannot boot this flash.
    pub fn boot(&mut self, times: Option<RangeInclusive<u32>>) -> Result<(), PredictError> {
        if self.unknown.is_some() {
            return Ok(());
        }
        let times = times.unwrap_or(1..=MOST_BOOTS);
        let interrupted = std::mem::take(&mut self.interrupted);
        let mut moments = 0;
        let mut next = States::default();
        for state in std::mem::take(&mut self.states) {
            if interrupted {
                self.cut_anywhere(&state, &mut |forecast, state| {
                    moments += 1;
                    forecast.boot_state(state, &times, &mut next)
                })?;
            } else {
                self.boot_state(state, &times, &mut next)?;
            }
        }
        self.states = next.0;
        if interrupted {
            self.notes.push(format!(
                "a boot was interrupted at a moment that is not known; moments that were followed: {moments}; different \
                 contents of flash after the next boot: {}",
                self.states.len()
            ));
        }
        Ok(())
    }

    /// The board began to boot, and was stopped at a moment that is not known: before the first flash operation, after
    /// the last, or in any between. [`boot`](Self::boot) comes next.
    pub fn boot_interrupted(&mut self) {
        if self.interrupted || self.states.len() > MOST_STATES_TO_CUT {
            self.give_up("a boot was interrupted that followed an interrupted boot");
        }
        self.interrupted = true;
    }

    /// Boots `state` and keeps what it holds after each number of boots in `times`.
    fn boot_state(
        &mut self,
        mut state: State,
        times: &RangeInclusive<u32>,
        next: &mut States,
    ) -> Result<(), PredictError> {
        let mut after = States::default();
        for count in 0..=*times.end() {
            if times.contains(&count) {
                let mut state = state.clone();
                if times.start() != times.end() {
                    state
                        .assumed
                        .push(format!("boots after the board was started: {count}"));
                }
                after.add(state);
            }
            if count < *times.end() {
                let operations = self.run(&mut state)?;
                if operations == 0 && count + 1 > *times.start() {
                    break;
                }
            }
        }
        for state in after.0 {
            next.add(state);
        }
        Ok(())
    }

    /// One boot, to its end; how many flash operations it took.
    fn run(&mut self, state: &mut State) -> Result<usize, PredictError> {
        let mut flash = std::mem::take(&mut state.flash);
        flash.start_trace();
        self.board.load(flash);
        let step = self.board.apply(&Action::Reset)?;
        let mut flash = self.board.flash();
        let operations = flash.take_trace();
        state.flash = flash;
        unsure::after(&mut state.unsure, &operations);
        let moves = operations
            .iter()
            .any(|operation| operation.kind == OperationKind::Write);
        if moves && state.unsure.iter().any(|part| part.cause == Cause::Upload) {
            self.give_up("slots were changed while one held the rest of an upload that was cut");
        }
        if let Some(outcome) = step.outcome {
            let decisions: Vec<String> =
                outcome.decisions.iter().map(ToString::to_string).collect();
            let decisions = if decisions.is_empty() {
                outcome.result.to_string()
            } else {
                format!("{}; {}", decisions.join("; "), outcome.result)
            };
            state.story.push(format!(
                "boot with {} flash operations: {decisions}",
                operations.len()
            ));
        }
        Ok(operations.len())
    }

    /// Visits everything that `state` may hold when its boot was interrupted, one after the other: all together take
    /// too much memory.
    fn cut_anywhere(
        &mut self,
        state: &State,
        visit: &mut dyn FnMut(&mut Self, State) -> Result<(), PredictError>,
    ) -> Result<(), PredictError> {
        let mut whole = state.flash.clone();
        whole.start_trace();
        self.board.load(whole);
        self.board.apply(&Action::Reset)?;
        let operations = self.board.flash().take_trace();
        let mut state = state.clone();
        let mut before = state.flash.clone();
        let mut in_ram = false;
        for (number, operation) in operations.iter().enumerate() {
            let number = number as u32;
            let total = operations.len();
            let say = |torn: &str| format!("the power failed {torn}operation {number} of {total}");
            if operation.device == DeviceId::RamFlash {
                // What a slot in RAM held is lost, however far that was: all such moments in a row are one.
                if !std::mem::replace(&mut in_ram, true) {
                    visit(self, state.with(before.clone(), None, say("at ")))?;
                }
                continue;
            }
            in_ram = false;
            if operation.kind == OperationKind::Write && operation.length <= SHORT_WRITE {
                let word = self.config.write_size.max(1);
                for torn in (0..operation.length).step_by(word as usize) {
                    let flash = self.cut(&state.flash, Cut { ops: number, torn })?;
                    let moment = if torn == 0 { "before " } else { "in " };
                    visit(self, state.with(flash, None, say(moment)))?;
                }
                before = self.cut(
                    &state.flash,
                    Cut {
                        ops: number + 1,
                        torn: 0,
                    },
                )?;
            } else {
                let after = self.cut(
                    &state.flash,
                    Cut {
                        ops: number + 1,
                        torn: 0,
                    },
                )?;
                let unsure = torn(operation, &before, &after);
                // What the next boot decides by may be as before or as after; the bytes themselves are left open.
                visit(self, state.with(before, Some(unsure.clone()), say("at ")))?;
                visit(self, state.with(after.clone(), Some(unsure), say("at ")))?;
                before = after;
            }
            unsure::after(&mut state.unsure, std::slice::from_ref(operation));
        }
        let last = "the power failed after the last operation of a boot".to_owned();
        let booted = state.with(before, None, last);
        if let Some(confirmed) = self.confirmed_by_itself(&booted)? {
            visit(self, confirmed)?;
        }
        visit(self, booted)
    }

    fn cut(&mut self, flash: &SimFlash, cut: Cut) -> Result<SimFlash, PredictError> {
        self.board.load(flash.clone());
        self.board.apply(&Action::ResetAndCut(cut))?;
        Ok(self.board.flash())
    }

    pub(super) fn each(
        &mut self,
        mut work: impl FnMut(&mut Self, State, &mut States) -> Result<(), PredictError>,
    ) -> Result<(), PredictError> {
        if self.unknown.is_some() {
            return Ok(());
        }
        let mut next = States::default();
        for state in std::mem::take(&mut self.states) {
            work(self, state, &mut next)?;
        }
        self.states = next.0;
        Ok(())
    }

    /// Has b0n copy a file of serial recovery to the network core of `state`. The bytes of both flashes are the same length;
    /// what lies between old and new is for the caller to say.
    pub(super) fn recover_network(
        &mut self,
        state: &mut State,
        slot: Area,
        file: &[u8],
    ) -> Result<Option<B0nOutcome>, PredictError> {
        self.board.load(std::mem::take(&mut state.flash));
        let done = self.board.recover_network(slot, file);
        state.flash = self.board.flash();
        done
    }

    pub(super) fn apply(&mut self, state: &mut State, action: &Action) -> Result<(), PredictError> {
        self.board.load(std::mem::take(&mut state.flash));
        let done = self.board.apply(action);
        state.flash = self.board.flash();
        if let Action::Erase {
            device,
            offset,
            length,
        } = action
        {
            unsure::erased(&mut state.unsure, *device, *offset, *length);
        }
        done.map(drop)
    }
}

/// States, each flash once.
#[derive(Debug, Default)]
pub(super) struct States(Vec<State>);

impl States {
    pub(super) fn add(&mut self, state: State) {
        let known = self
            .0
            .iter_mut()
            .find(|known| known.unsure == state.unsure && known.flash.holds_same(&state.flash));
        match known {
            // Either way leads here, so only what both ways assume has to be assumed.
            Some(known) => known
                .assumed
                .retain(|assumed| state.assumed.contains(assumed)),
            None => self.0.push(state),
        }
    }
}

impl State {
    fn with(&self, flash: SimFlash, unsure: Option<Unsure>, assumed: String) -> Self {
        let mut state = self.clone();
        state.flash = flash;
        state.unsure.extend(unsure);
        state.assumed.push(assumed);
        state
    }
}

/// The bytes of an operation that may have been under way.
fn torn(operation: &Operation, before: &SimFlash, after: &SimFlash) -> Unsure {
    let bytes = |flash: &SimFlash| {
        flash.bytes_at(
            operation.device,
            operation.offset as usize,
            operation.length as usize,
        )
    };
    let old = bytes(before);
    Unsure {
        device: operation.device,
        offset: operation.offset,
        least: match operation.kind {
            OperationKind::Write => bytes(after),
            OperationKind::Erase => old.clone(),
        },
        old,
        cause: Cause::Operation,
    }
}

/// Where the bootloader's slots are in flash.
fn areas(config: &Config) -> impl Iterator<Item = Area> + '_ {
    config
        .images
        .iter()
        .flat_map(|slots| [slots.primary, slots.secondary])
        .chain(config.scratch)
        .filter(|area| area.device != DeviceId::RamFlash)
}
