//! `upload`: sends an image over SMP, or a part of it before the power or the link goes.

use crate::context::{Context, LoadedImage};
use crate::events::Events;
use crate::fuse::Fuse;
use crate::history::What;
use crate::link::Uploaded;
use crate::radio::{Intrusion, Second};
use crate::step::answer;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::predict::Sent;
use hil_clock::{Instant, SharedClock};
use hil_image::HashAlgorithm;
use hil_record::{ErrorKind, EventKind, Evidence, FailKind, PowerAction};
use hil_scenario::{Answer, Core, FirmwareSet, LinkLoss, LossPoint, StartsAt, Upload, UploadCut};
use hil_smp::{UploadOptions, UploadProgress};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// Progress is an event for every so many percent of the image.
const PROGRESS_STEP: u64 = 5;

pub(super) fn run(context: &mut Context<'_>, step: &Upload) -> Checked {
    let image = context.image(&step.image)?;
    context.sent(&step.image);
    let number = step
        .to
        .map_or_else(|| usual_number(step, context.firmware.set()), u32::from);
    let announced = match &step.announces {
        Some(other) => Some(context.image(other)?),
        None => None,
    };
    let announced_sha = announced.map(|other| {
        HashAlgorithm::Sha256
            .digest(other.bytes())
            .as_bytes()
            .to_vec()
    });
    let options = UploadOptions {
        announced_sha,
        ..options(step, number)
    };
    let total = image.bytes().len() as u64;
    let end = End::of(step);
    let fuse = context.bench.radio().map(|radio| radio.fuse());
    if let (Some(fuse), Some(LossPoint::LastAnswer)) = (&fuse, end.loss().map(|loss| loss.at)) {
        fuse.arm(total);
    }
    let mut watch = Watch::new(context, step, total);
    let uploaded = context.with_faults(&step.transport_faults, total, |context| {
        context.ask(step.over, step.within, |link| {
            let uploaded =
                link.upload(image.bytes(), options.clone(), &mut |at| watch.progress(at));
            match uploaded {
                // As planned: the end of the image is on its way, and nobody hears the answer.
                Err(Trouble::Lost(_)) if fuse.as_ref().is_some_and(Fuse::is_blown) => {
                    Ok(Uploaded::Stopped { offset: total })
                }
                uploaded => uploaded,
            }
        })
    });
    let Watch {
        reached,
        overdue,
        intrusion,
        ..
    } = watch;
    let uploaded = uploaded?;
    note(context, step, number, &image, &uploaded, reached);
    let intrusion = intrusion.transpose()?;

    match (uploaded, end) {
        (Uploaded::Stopped { offset }, _) if overdue => Err(Trouble::fail(
            FailKind::Protocol,
            format_args!(
                "the upload of {} was at offset {offset} of {total} after {:?}",
                step.image, step.within
            ),
        )),
        (Uploaded::Stopped { offset }, End::PowerCut(cut)) => {
            cut_power(context, cut, offset, total)
        }
        (Uploaded::Stopped { offset }, End::LinkLost(loss)) => {
            lose_link(context, step, loss, offset, total)
        }
        (Uploaded::Mismatched, _) if step.starts_at == Some(StartsAt::End) => Err(Trouble::fail(
            FailKind::Protocol,
            format_args!(
                "the board took the upload of {} up, expected {total}: it has what was announced already",
                step.image
            ),
        )),
        (Uploaded::Mismatched, _) => {
            context.see(Evidence::seen(
                "upload",
                format!(
                    "{total} bytes, of which the board says that they are not what was announced"
                ),
            ));
            Ok(())
        }
        (Uploaded::GaveUp, _) => {
            let after = step.gives_up_after.unwrap_or_default();
            context.see(Evidence::seen(
                "client",
                format!("gave up: the first chunk was not answered within {after:?}"),
            ));
            Ok(())
        }
        (_, End::GivesUp) => Err(Trouble::error(
            ErrorKind::Cut,
            format_args!(
                "the first chunk of {} was answered before the client gave up",
                step.image
            ),
        )
        .with_help(
            "let it give up sooner, or send a larger image: the board erases before it answers",
        )),
        (Uploaded::Complete(_), End::PowerCut(_) | End::LinkLost(_)) => Err(Trouble::error(
            ErrorKind::Cut,
            format_args!(
                "the upload of {} was complete before it could be broken off",
                step.image
            ),
        )
        .with_help("break it off at a smaller share of the image")),
        (Uploaded::Stopped { offset }, End::Whole) => Err(Trouble::error(
            ErrorKind::Harness,
            format_args!(
                "the upload of {} stopped at offset {offset} for no reason",
                step.image
            ),
        )),
        (Uploaded::Complete(outcome), End::Whole) => {
            let start = outcome.resumed_at.unwrap_or(0);
            context.see(Evidence::seen(
                "upload",
                format!(
                    "{total} bytes from offset {start} in {} requests, {} timeouts, {} rewinds, {} restarts",
                    outcome.stats.requests,
                    outcome.stats.timeouts,
                    outcome.stats.rewinds,
                    outcome.stats.restarts
                ),
            ));
            accepted(context, step, start, total)?;
            unnoticed(step, start, total)?;
            check_intrusion(context, step, intrusion)
        }
        (Uploaded::Refused(found), _) => {
            let what = format!("upload {}", step.image);
            answer::refused(context, &what, &found, step.expect)
        }
    }
}

fn options(step: &Upload, image: u32) -> UploadOptions {
    let usual = UploadOptions {
        image,
        ..UploadOptions::default()
    };
    match (step.gives_up_after, step.asks_again_after) {
        (Some(first_timeout), _) => UploadOptions {
            first_timeout,
            first_attempts: 1,
            ..usual
        },
        (None, Some(after)) => UploadOptions {
            first_timeout: after,
            timeout: usual.timeout.min(after),
            ..usual
        },
        (None, None) => usual,
    }
}

/// Where an image goes when the scenario does not say: a recovery server takes network core images under 3, whatever slots it
/// has (`NET_CORE_VIRTUAL_PRIMARY_SLOT` in sdk-nrf `modules/mcuboot/hooks/nrf53_hooks.c`).
fn usual_number(step: &Upload, firmware: &FirmwareSet) -> u32 {
    match (step.recovery, step.image.core) {
        (true, Core::Net) => 3,
        (true, Core::App) => 0,
        (false, core) => firmware.image_number(core).into(),
    }
}

/// How an upload is to end.
#[derive(Clone, Copy)]
enum End<'a> {
    Whole,
    PowerCut(&'a UploadCut),
    LinkLost(&'a LinkLoss),
    GivesUp,
}

impl<'a> End<'a> {
    /// A file has at most one of them.
    fn of(step: &'a Upload) -> Self {
        match (&step.power_cut, &step.link_lost) {
            (Some(cut), _) => Self::PowerCut(cut),
            (None, Some(loss)) => Self::LinkLost(loss),
            (None, None) if step.gives_up_after.is_some() => Self::GivesUp,
            (None, None) => Self::Whole,
        }
    }

    const fn loss(self) -> Option<&'a LinkLoss> {
        match self {
            Self::LinkLost(loss) => Some(loss),
            Self::Whole | Self::PowerCut(_) | Self::GivesUp => None,
        }
    }

    /// The offset at which it is stopped.
    fn stops_at(self, total: u64) -> Option<u64> {
        match self {
            Self::PowerCut(cut) => Some(cut.at.of(total)),
            Self::LinkLost(loss) => match loss.at {
                LossPoint::Share(share) => Some(share.of(total)),
                LossPoint::LastAnswer => None,
            },
            // Whatever the board answers was too soon.
            Self::GivesUp => Some(0),
            Self::Whole => None,
        }
    }
}

/// What is done while an upload goes on.
struct Watch {
    events: Events,
    clock: SharedClock,
    board: String,
    image: String,
    deadline: Instant,
    stop_at: Option<u64>,
    /// Another central, when it comes, and for how long it tries.
    second: Option<(Second, u64, Duration)>,
    reached: Option<u64>,
    shown: u64,
    overdue: bool,
    intrusion: Option<Checked<Intrusion>>,
}

impl Watch {
    fn new(context: &mut Context<'_>, step: &Upload, total: u64) -> Self {
        let second = step.second_central.as_ref().and_then(|wanted| {
            let second = context.bench.radio()?.second()?;
            Some((second, wanted.at.of(total), wanted.within))
        });
        Self {
            events: context.events.clone(),
            clock: context.clock.clone(),
            board: context.bench.name.clone(),
            image: step.image.to_string(),
            deadline: context.deadline(step.within),
            stop_at: End::of(step).stops_at(total),
            second,
            reached: None,
            shown: 0,
            overdue: false,
            intrusion: None,
        }
    }

    fn progress(&mut self, at: UploadProgress) -> ControlFlow<()> {
        self.reached = Some(at.offset);
        let percent = at.offset * 100 / at.total.max(1);
        if percent >= self.shown + PROGRESS_STEP || at.offset == at.total {
            self.shown = percent;
            self.events.emit(EventKind::UploadProgress {
                board: self.board.clone(),
                image: self.image.clone(),
                sent: at.offset,
                total: at.total,
            });
        }
        if let Some((second, _, within)) = self.second.take_if(|(_, from, _)| at.offset >= *from) {
            self.intrusion = Some(second.intrude(within));
        }
        self.overdue = self.clock.now() >= self.deadline;
        if self.overdue || self.stop_at.is_some_and(|stop_at| at.offset >= stop_at) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// Notes what the board has got, for the check of the whole flash. `reached` is the last offset that it acknowledged.
fn note(
    context: &mut Context<'_>,
    step: &Upload,
    number: u32,
    image: &Arc<LoadedImage>,
    uploaded: &Uploaded,
    reached: Option<u64>,
) {
    let part = |offset: u64| Sent::Part {
        acknowledged: u32::try_from(offset).unwrap_or(u32::MAX),
    };
    let sent = match (uploaded, reached) {
        // It had what was announced, and nothing was sent.
        (Uploaded::Complete(outcome), _)
            if step.announces.is_some()
                && outcome.resumed_at == Some(image.bytes().len() as u64) =>
        {
            context.done(What::Answered);
            return;
        }
        (Uploaded::Complete(_) | Uploaded::Mismatched, _) => Sent::Whole,
        (Uploaded::Stopped { offset }, _) => part(*offset),
        // It has the first chunk, whenever it comes to it.
        (Uploaded::GaveUp, _) => part(0),
        (Uploaded::Refused(_), Some(offset)) => part(offset),
        // Refused before it began: nothing was written.
        (Uploaded::Refused(_), None) => {
            context.done(What::Answered);
            return;
        }
    };
    let image = Arc::clone(image);
    context.done(if step.recovery {
        What::Recovered {
            number,
            image,
            sent,
        }
    } else {
        What::Uploaded {
            number,
            image,
            sent,
        }
    });
}

/// What was announced as something else was taken without a word.
fn unnoticed(step: &Upload, start: u64, total: u64) -> Checked {
    match &step.announces {
        Some(other) if start < total => Err(Trouble::fail(
            FailKind::NotRefused,
            format_args!(
                "the board took {} that was announced as {other}, and did not say that they differ",
                step.image
            ),
        )
        .with_help("a server compares them when it is built with CONFIG_IMG_ENABLE_IMAGE_CHECK")),
        _ => Ok(()),
    }
}

fn accepted(context: &Context<'_>, step: &Upload, start: u64, total: u64) -> Checked {
    if matches!(step.expect, Answer::Refused(_)) {
        return Err(answer::not_refused(&format!("upload {}", step.image)));
    }
    let expected = match step.starts_at {
        None => return Ok(()),
        Some(StartsAt::Byte(expected)) if u64::from(expected) == start => return Ok(()),
        Some(StartsAt::Byte(expected)) => format!("expected {expected}"),
        Some(StartsAt::End) if start == total => return Ok(()),
        Some(StartsAt::End) => format!("expected {total}: it has the image already"),
        Some(StartsAt::Resumed) => match context.broken_off_at(&step.image) {
            // More may have been under way than was acknowledged.
            Some(offset) if start > 0 && start >= offset => return Ok(()),
            Some(offset) => format!("expected to go on from {offset}, where it was broken off"),
            None => {
                return Err(Trouble::error(
                    ErrorKind::Harness,
                    format_args!(
                        "no upload of {} was broken off, so it cannot be resumed",
                        step.image
                    ),
                )
                .with_help("put an `upload` of the same image with `link_lost` before it"));
            }
        },
    };
    Err(Trouble::fail(
        FailKind::Protocol,
        format_args!(
            "the board took the upload of {} up at offset {start}, {expected}",
            step.image
        ),
    ))
}

/// What became of another central, held against what must.
fn check_intrusion(
    context: &mut Context<'_>,
    step: &Upload,
    intrusion: Option<Intrusion>,
) -> Checked {
    let Some(wanted) = &step.second_central else {
        return Ok(());
    };
    match (intrusion, wanted.expect) {
        (Some(Intrusion::GotIn(how)), Answer::Accepted)
        | (Some(Intrusion::KeptOut(how)), Answer::Refused(_)) => {
            context.see(Evidence::seen("second central", how));
            Ok(())
        }
        (Some(Intrusion::GotIn(how)), Answer::Refused(_)) => Err(Trouble::fail(
            FailKind::NotRefused,
            format_args!("a second central must be kept out, but was connected: {how}"),
        )),
        (Some(Intrusion::KeptOut(how)), Answer::Accepted) => Err(Trouble::fail(
            FailKind::Radio,
            format_args!("a second central must get in, but did not: {how}"),
        )),
        (None, _) => Err(Trouble::error(
            ErrorKind::Harness,
            format_args!(
                "the upload of {} was complete before the second central came",
                step.image
            ),
        )
        .with_help("let it come at a smaller share of the image")),
    }
}

fn lose_link(
    context: &mut Context<'_>,
    step: &Upload,
    loss: &LinkLoss,
    offset: u64,
    total: u64,
) -> Checked {
    if let (LossPoint::LastAnswer, Some(radio)) = (loss.at, context.bench.radio()) {
        radio.flush();
    }
    context.wait(loss.delay)?;
    context
        .bench
        .hang_up("the scenario wants the link to be lost");
    context.broken_off(&step.image, offset);
    let when = match loss.at {
        LossPoint::Share(_) => format!("when the board had {offset} of {total} bytes"),
        LossPoint::LastAnswer => {
            format!("when all {total} bytes had been sent and the last answer had not been heard")
        }
    };
    context.see(Evidence::seen("link lost", when));
    context.wait(loss.off_for)
}

fn cut_power(context: &mut Context<'_>, cut: &UploadCut, offset: u64, total: u64) -> Checked {
    context.wait(cut.delay)?;
    context.power_off(PowerAction::Cut)?;
    context.see(Evidence::seen(
        "power cut",
        format!("when the board had {offset} of {total} bytes"),
    ));
    context.stay_off(cut.off_for)?;
    context.power_on()
}
