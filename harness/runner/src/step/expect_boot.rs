//! `expect_boot`: the board boots these releases, and the application answers.
//!
//! Three witnesses must agree: the console, that a boot began since the board was last started; the board's own
//! image list over SMP, which image runs and whether it is confirmed; and the primary slot, read through the
//! probe, byte for byte. An answer from before the restart is not taken for one after it.

use crate::console::Waited;
use crate::context::{BOOT_BANNERS, Context, LoadedImage};
use crate::holding::Form;
use crate::proof;
use crate::step::expect_net;
use crate::trouble::{Checked, Trouble};
use hil_clock::Instant;
use hil_record::{Check, Evidence, FailKind};
use hil_scenario::{BootState, Core, ExpectBoot, ImageRef, Slot};
use hil_smp::message::{ImageState, SlotState};
use std::time::Duration;

/// How long after a restart an answer counts although the console shows no boot. We chose it: longer than the
/// 250 ms after which Zephyr carries out an SMP reset, and boards without a boot banner exist.
const BOOT_WITHOUT_BANNER: Duration = Duration::from_secs(5);

/// How often the image list is asked for while another image answers.
const POLL: Duration = Duration::from_millis(250);

pub(super) fn run(context: &mut Context<'_>, expect: &ExpectBoot) -> Checked {
    let deadline = context.deadline(expect.within);
    if let Some(release) = &expect.app {
        application(context, expect, release, deadline)?;
    }
    if let Some(release) = &expect.net {
        expect_net::holds(context, release, deadline)?;
        expect_net::alive(context, deadline)?;
    }
    Ok(())
}

fn application(
    context: &mut Context<'_>,
    expect: &ExpectBoot,
    release: &str,
    deadline: Instant,
) -> Checked {
    let image_ref = ImageRef::new(release, Core::App);
    let image = context.image(&image_ref)?;
    boot_began(context, deadline)?;

    let mut last = Seen::Nothing;
    let mut latest = None;
    loop {
        match context.image_list(deadline)? {
            None => {}
            Some(list) => match latest
                .insert(list)
                .clone()
                .images
                .into_iter()
                .find(|entry| entry.active && entry.image.unwrap_or(0) == 0)
            {
                Some(active) => {
                    let state = state_of(&active);
                    if active.hash.as_deref() == Some(image.hash())
                        && expect.state.is_none_or(|wanted| wanted == state)
                    {
                        tell(context, &image, expect, latest.as_ref());
                        context.see(Evidence::compared(
                            "running image",
                            describe(&active),
                            image.label(),
                        ));
                        break;
                    }
                    last = Seen::Other(active);
                }
                None => last = Seen::NoneActive,
            },
        }
        if context.clock.now() >= deadline {
            tell(context, &image, expect, latest.as_ref());
            return Err(last.trouble(context, &image_ref, &image, expect));
        }
        context.wait_at_most(POLL, deadline)?;
    }

    context
        .slot_holds(Slot::AppPrimary, &image, Form::Plain)?
        .map_err(|mismatch| {
            Trouble::fail(
                FailKind::SlotContents,
                format_args!(
                    "{image_ref} runs, but slot {} holds {mismatch}",
                    Slot::AppPrimary
                ),
            )
        })
}

/// Whether an image list says that an image runs, in the state with this name.
pub(crate) fn runs_in_state(list: &ImageState, image: &LoadedImage, state: Option<&str>) -> bool {
    let mut entries = list.images.iter();
    entries
        .find(|entry| entry.active && entry.image.unwrap_or(0) == 0)
        .is_some_and(|active| {
            active.hash.as_deref() == Some(image.hash())
                && state.is_none_or(|wanted| wanted == state_word(state_of(active)))
        })
}

/// Tells which image had to run, and the last image list.
fn tell(
    context: &Context<'_>,
    image: &LoadedImage,
    expect: &ExpectBoot,
    list: Option<&ImageState>,
) {
    context.checked(Check::Running {
        image: image.role().to_string(),
        state: expect.state.map(|state| state_word(state).to_owned()),
        list: list.map(proof::listed),
    });
}

/// Waits until the console shows a boot, or so long that an answer cannot be an old one.
fn boot_began(context: &mut Context<'_>, deadline: Instant) -> Checked {
    let mark = context.started_at(Core::App);
    let long_enough = context.start_time() + BOOT_WITHOUT_BANNER;
    let log = context.console(Core::App).clone();
    let waited = log.wait_for(mark, deadline.min(long_enough), &context.cancel, |line| {
        BOOT_BANNERS.iter().any(|text| line.contains(text))
    });
    match waited {
        Waited::Cancelled => Err(Trouble::Cancelled),
        Waited::Found(..) | Waited::TimedOut => Ok(()),
    }
}

fn state_of(active: &SlotState) -> BootState {
    if active.confirmed {
        BootState::Confirmed
    } else {
        BootState::Testing
    }
}

fn state_word(state: BootState) -> &'static str {
    match state {
        BootState::Testing => "testing",
        BootState::Confirmed => "confirmed",
    }
}

fn describe(entry: &SlotState) -> String {
    let version = entry.version.as_deref().unwrap_or("unknown");
    let hash = entry.hash.as_deref().unwrap_or_default();
    let hash = hex::encode(hash.get(..4).unwrap_or(hash));
    format!(
        "version {version} with hash {hash}…, {}",
        state_word(state_of(entry))
    )
}

/// The last thing that was seen while waiting.
enum Seen {
    Nothing,
    NoneActive,
    Other(SlotState),
}

impl Seen {
    fn trouble(
        self,
        context: &Context<'_>,
        image_ref: &ImageRef,
        image: &LoadedImage,
        expect: &ExpectBoot,
    ) -> Trouble {
        let within = expect.within;
        let expected = image.label();
        match self {
            Self::Nothing => Trouble::fail(
                FailKind::NotBooted,
                format_args!(
                    "the board did not boot {image_ref} within {within:?}: no answer over SMP; {}",
                    context.last_line(Core::App)
                ),
            ),
            Self::NoneActive => Trouble::fail(
                FailKind::WrongImage,
                format_args!(
                    "the board's image list has no active image, expected {image_ref} ({expected})"
                ),
            ),
            Self::Other(active) if active.hash.as_deref() == Some(image.hash()) => Trouble::fail(
                FailKind::WrongBootState,
                format_args!(
                    "{image_ref} runs as {}, expected {}",
                    state_word(state_of(&active)),
                    expect.state.map_or("any state", state_word)
                ),
            ),
            Self::Other(active) => Trouble::fail(
                FailKind::WrongImage,
                format_args!(
                    "the board runs {}, expected {image_ref} ({expected})",
                    context
                        .firmware
                        .name_of(active.hash.as_deref().unwrap_or_default())
                        .map_or_else(
                            || describe(&active),
                            |name| format!("{name} ({})", describe(&active))
                        )
                ),
            ),
        }
    }
}
