//! What was done to a board since it was programmed, and the flash that must have come of it.
//!
//! Steps note what they did; nothing is computed before the check at the end asks. How often the board booted, and
//! whether a boot had ended when the power went, is taken from the bootloader's console lines and from the answers of
//! the application. What neither tells stays open in the [`Forecast`].

use crate::console::{ConsoleLog, Line, Mark};
use crate::firmware::{Firmware, LoadedImage};
use hil_bootloader::Keys;
use hil_bootloader::predict::{Forecast, PredictError, Request, Sent};
use hil_bootloader::{DeviceId, SimFlash};
use hil_clock::Instant;
use hil_scenario::{Chip, ImageRef, Slot};
use std::sync::Arc;
use std::time::Duration;

/// How long after an SMP reset an answer may be from before it, where the console does not tell (ours; Zephyr resets
/// after 250 ms).
const RESET_IS_OVER: Duration = Duration::from_secs(5);

/// Lines that MCUboot prints once in a boot (mcuboot `boot/zephyr/main.c`). `Image index: 0, Swap type` is not one of them:
/// applications print it too.
const STARTING: &str = "Starting bootloader";
const CHAINLOAD: &str = "Bootloader chainload address offset";
const JUMPING: &str = "Jumping to the first image slot";
const RECOVERY: &str = "Enter the serial recovery mode";
const NOT_BOOTABLE: &str = "Unable to find bootable image";

/// What started the board.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum StartedBy {
    /// It was programmed.
    Program,
    /// It reset itself, as asked over SMP: its application ran until then.
    Smp,
    /// The probe reset it, whatever it was doing.
    Probe,
    /// The power came back, after it went whatever the board was doing.
    Power,
}

/// Something that was done to a board, or seen of it.
#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) at: Instant,
    pub(crate) what: What,
}

/// What was done or seen.
#[derive(Clone)]
pub(crate) enum What {
    /// The board was started; what it printed until then is of the past.
    Started {
        by: StartedBy,
        app: Mark,
        /// The button was held that its bootloader may look at.
        held: bool,
    },
    /// Its application answered.
    Answered,
    /// Its application listed the running image as confirmed.
    ListedConfirmed,
    /// Its application took an image.
    Uploaded {
        number: u32,
        image: Arc<LoadedImage>,
        sent: Sent,
    },
    /// Its bootloader's recovery server took an image.
    Recovered {
        number: u32,
        image: Arc<LoadedImage>,
        sent: Sent,
    },
    /// Its application carried out a request.
    Marked { hash: Vec<u8>, request: Request },
    /// Its application erased a slot.
    Erased { slot: Slot },
    /// It was stopped; what it printed from here to the next start is of starts that were undone.
    Stopped { app: Mark },
}

/// Whether the bootloader's recovery server took this image.
pub(crate) fn was_recovered(history: &[Event], role: &ImageRef) -> bool {
    history
        .iter()
        .any(|event| matches!(&event.what, What::Recovered { image, .. } if image.role() == role))
}

/// Whether the board can be expected to have come to rest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rest {
    /// Its last boot has ended.
    Settled,
    /// It may still be booting.
    Unknown,
}

/// From one start of the board to the next.
struct Run<'a> {
    by: StartedBy,
    at: Instant,
    /// When boots began, as far as the console tells.
    begun: Vec<Instant>,
    /// Whether the console shows the end of the last of them.
    ended: bool,
    /// A button kept the bootloader in recovery before it looked at any slot: the first start was no boot.
    stayed: bool,
    events: &'a [Event],
}

impl<'a> Run<'a> {
    fn new(by: StartedBy, at: Instant, stayed: bool, lines: &[Line], events: &'a [Event]) -> Self {
        let times = |text: &str| -> Vec<Instant> {
            lines
                .iter()
                .filter(|line| line.text.contains(text))
                .map(|line| line.at)
                .collect()
        };
        // A line can get lost on its way; not all of one boot.
        let mut begun = Vec::new();
        for text in [STARTING, CHAINLOAD, JUMPING] {
            let times = times(text);
            if times.len() > begun.len() {
                begun = times;
            }
        }
        let last = |text: &str| lines.iter().rposition(|line| line.text.contains(text));
        let end = last(JUMPING).max(last(NOT_BOOTABLE)).max(last(RECOVERY));
        if stayed && !begun.is_empty() {
            begun.remove(0);
        }
        Self {
            stayed,
            by,
            at,
            begun,
            ended: end.is_some() && end > last(STARTING),
            events,
        }
    }

    /// Whether the last boot that is known of has ended.
    fn rest(&self) -> Rest {
        let after = match (self.begun.last(), self.by) {
            (Some(begun), _) => *begun,
            (None, StartedBy::Smp) => self.at + RESET_IS_OVER,
            (None, StartedBy::Program | StartedBy::Probe | StartedBy::Power) => self.at,
        };
        let witness =
            |event: &Event| event.at >= after && !matches!(event.what, What::Stopped { .. });
        if self.ended || self.events.iter().any(witness) {
            Rest::Settled
        } else {
            Rest::Unknown
        }
    }

    fn begun_before(&self, at: Instant) -> u32 {
        self.begun.iter().filter(|begun| **begun < at).count() as u32
    }
}

/// The flash that a board may hold which held `programmed` before these events, and whether it is at rest.
pub(crate) fn forecast<'a>(
    firmware: &'a Firmware,
    keys: Keys,
    programmed: SimFlash,
    events: &[Event],
    console: &ConsoleLog,
) -> Result<(Forecast<'a>, Rest), PredictError> {
    let mut forecast = Forecast::new(&firmware.set().bootloader, keys, programmed);
    let mut rest = Rest::Unknown;
    // Without such a button the board boots as ever.
    let looks = (firmware.set().bootloader.serial_recovery.as_ref())
        .is_some_and(|build| build.button.is_some());
    let starts: Vec<(usize, StartedBy, Mark, bool)> = events
        .iter()
        .enumerate()
        .filter_map(|(index, event)| match event.what {
            What::Started { by, app, held } => Some((index, by, app, held && looks)),
            _ => None,
        })
        .collect();
    // Lines of the run before that were still on their way when this one was started.
    let mut late_lines = false;
    for (number, (index, by, app, stayed)) in starts.iter().enumerate() {
        let next = starts.get(number + 1);
        let until = next.map_or(events.len(), |(index, ..)| *index);
        let stopped = events[*index..until]
            .iter()
            .find_map(|event| match event.what {
                What::Stopped { app } => Some(app),
                _ => None,
            });
        let lines = console.between(*app, stopped.or_else(|| next.map(|(_, _, app, _)| *app)));
        let run = Run::new(
            *by,
            events[*index].at,
            *stayed,
            &lines,
            &events[*index + 1..until],
        );
        rest = run.rest();
        let interrupted = next.is_some_and(|(_, by, ..)| {
            matches!(by, StartedBy::Power | StartedBy::Probe) && rest == Rest::Unknown
        });
        replay(&mut forecast, firmware, &run, interrupted, late_lines)?;
        if let Some((_, by, ..)) = next {
            forecast.run_ended(*by == StartedBy::Smp)?;
        }
        late_lines = interrupted && run.begun.is_empty();
    }
    Ok((forecast, rest))
}

fn replay(
    forecast: &mut Forecast<'_>,
    firmware: &Firmware,
    run: &Run<'_>,
    interrupted: bool,
    late_lines: bool,
) -> Result<(), PredictError> {
    let mut booted = 0;
    let mut first = true;
    let mut boot = |forecast: &mut Forecast<'_>, times: u32| {
        let least = if late_lines && first {
            (times - 1).max(1)
        } else {
            times
        };
        first = false;
        forecast.boot(Some(least..=times))
    };
    let told = !run.begun.is_empty() || run.stayed;
    if !told && !interrupted {
        forecast.boot(None)?;
    }
    for event in run.events {
        let times = run.begun_before(event.at) - booted;
        if times > 0 {
            boot(forecast, times)?;
            booted += times;
        }
        if !told && run.by == StartedBy::Smp && event.at < run.at + RESET_IS_OVER {
            if !matches!(
                event.what,
                What::Answered | What::ListedConfirmed | What::Stopped { .. }
            ) {
                forecast.give_up(
                    "a request came so soon after an SMP reset that the board may have carried it out before",
                );
            }
            continue;
        }
        match &event.what {
            What::Started { .. } | What::Stopped { .. } | What::Answered => {}
            What::ListedConfirmed => forecast.listed_confirmed()?,
            What::Uploaded {
                number,
                image,
                sent,
            } => forecast.upload(*number as usize, image.bytes(), *sent)?,
            What::Recovered {
                number,
                image,
                sent,
            } => forecast.recovered(*number, image.bytes(), image.plain(), *sent)?,
            What::Marked { hash, request } => forecast.mark(hash, *request)?,
            What::Erased { slot } => match firmware.set().layout.slot(*slot) {
                Some(region) => forecast.erase_slot(region.area())?,
                None => forecast.give_up(format!("slot {slot} is not in the layout")),
            },
        }
    }
    let left = run.begun.len() as u32 - booted;
    if interrupted {
        if !told {
            // Boots that nobody could see may have gone before.
            forecast.boot(Some(0..=3))?;
        } else if left > 1 {
            boot(forecast, left - 1)?;
        }
        forecast.boot_interrupted();
        return Ok(());
    }
    if left > 0 {
        boot(forecast, left)?;
    }
    forecast.may_have_confirmed_itself()
}

/// Flash of both cores, and what counts of the external flash, for the model.
pub(crate) fn flash_of(chip: Chip, app: &[u8], net: &[u8], external: &[u8]) -> SimFlash {
    SimFlash::new()
        .with_contents(DeviceId::AppFlash, app, 4, chip.app_page())
        .with_contents(DeviceId::NetFlash, net, 4, 0x800)
        .with_contents(DeviceId::External, external, 4, 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_clock::{Clock as _, SimClock};
    use rstest::rstest;

    fn at(seconds: u64) -> Instant {
        SimClock::new().now() + Duration::from_secs(seconds)
    }

    fn lines(texts: &[(u64, &str)]) -> Vec<Line> {
        texts
            .iter()
            .map(|(seconds, text)| Line {
                at: at(*seconds),
                text: format!("I: {text}"),
            })
            .collect()
    }

    const BOOT: [(u64, &str); 3] = [(1, STARTING), (2, CHAINLOAD), (2, JUMPING)];
    const SECOND: [(u64, &str); 3] = [(7, STARTING), (8, CHAINLOAD), (8, JUMPING)];

    #[rstest]
    #[case::silent(&[], 0)]
    #[case::once(&BOOT, 1)]
    #[case::twice(&[BOOT, SECOND].concat(), 2)]
    #[case::twice_with_lost_lines(&[BOOT[0], BOOT[2], SECOND[1], SECOND[2]], 2)]
    #[case::what_applications_print_too(&[(1, "Image index: 0, Swap type: none")], 0)]
    fn boots_are_counted_by_lines_that_only_the_bootloader_prints(
        #[case] texts: &[(u64, &str)],
        #[case] boots: usize,
    ) {
        let run = Run::new(StartedBy::Power, at(0), false, &lines(texts), &[]);
        assert_eq!(run.begun.len(), boots);
    }

    #[rstest]
    #[case::nothing_seen(StartedBy::Power, &[], None, Rest::Unknown)]
    #[case::a_boot_that_ended(StartedBy::Power, &BOOT, None, Rest::Settled)]
    #[case::a_boot_that_did_not_end(StartedBy::Power, &BOOT[..1], None, Rest::Unknown)]
    #[case::a_second_boot_that_did_not_end(
        StartedBy::Power,
        &[BOOT[0], BOOT[1], BOOT[2], SECOND[0]],
        None,
        Rest::Unknown
    )]
    #[case::no_image_to_boot(
        StartedBy::Power,
        &[(1, STARTING), (2, NOT_BOOTABLE)],
        None,
        Rest::Settled
    )]
    #[case::an_answer_after_the_boot_began(StartedBy::Smp, &BOOT[..1], Some(3), Rest::Settled)]
    #[case::an_answer_before_the_boot_began(StartedBy::Smp, &BOOT[..1], Some(0), Rest::Unknown)]
    #[case::an_answer_without_a_console(StartedBy::Power, &[], Some(3), Rest::Settled)]
    #[case::an_answer_right_after_an_smp_reset(StartedBy::Smp, &[], Some(3), Rest::Unknown)]
    #[case::an_answer_long_after_an_smp_reset(StartedBy::Smp, &[], Some(6), Rest::Settled)]
    fn a_board_is_at_rest_when_its_last_boot_has_ended(
        #[case] by: StartedBy,
        #[case] texts: &[(u64, &str)],
        #[case] answered: Option<u64>,
        #[case] rest: Rest,
    ) {
        let events: Vec<Event> = answered
            .into_iter()
            .map(|seconds| Event {
                at: at(seconds),
                what: What::Answered,
            })
            .collect();
        let run = Run::new(by, at(0), false, &lines(texts), &events);
        assert_eq!(run.rest(), rest);
    }

    #[test]
    fn requests_come_between_the_boots_that_they_came_between() {
        let lines = lines(&[BOOT, SECOND].concat());
        let run = Run::new(StartedBy::Program, at(0), false, &lines, &[]);
        assert_eq!(run.begun_before(at(0)), 0);
        assert_eq!(run.begun_before(at(5)), 1);
        assert_eq!(run.begun_before(at(9)), 2);
    }

    #[test]
    fn a_start_that_a_button_kept_in_recovery_is_no_boot() {
        let texts = [(1, STARTING), (2, RECOVERY)];
        let run = Run::new(StartedBy::Probe, at(0), true, &lines(&texts), &[]);
        assert_eq!((run.begun.len(), run.rest()), (0, Rest::Settled));
        let again = [&texts[..], &SECOND].concat();
        let run = Run::new(StartedBy::Probe, at(0), true, &lines(&again), &[]);
        assert_eq!(run.begun.len(), 1, "it was reset there");
    }
}
