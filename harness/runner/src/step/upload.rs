//! `upload`: sends an image over SMP, or a part of it before the power goes.

use crate::context::{Context, LoadedImage};
use crate::history::What;
use crate::link::Uploaded;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::predict::Sent;
use hil_record::{ErrorKind, EventKind, Evidence, FailKind, PowerAction};
use hil_scenario::{Answer, Upload, UploadCut};
use hil_smp::{UploadOptions, UploadProgress};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Progress is an event for every so many percent of the image.
const PROGRESS_STEP: u64 = 5;

pub(super) fn run(context: &mut Context<'_>, step: &Upload) -> Checked {
    context.over(step.over)?;
    let image = context.image(&step.image)?;
    context.sent(&step.image);
    let number = u32::from(step.to.unwrap_or(0));
    let options = UploadOptions {
        image: number,
        ..UploadOptions::default()
    };
    let total = image.bytes().len() as u64;
    let stop_at = step.power_cut.as_ref().map(|cut| cut.at.of(total));
    let deadline = context.deadline(step.within);

    let events = context.events.clone();
    let board = context.bench.name.clone();
    let clock = context.clock.clone();
    let name = step.image.to_string();
    let mut reached = None;
    let mut shown = 0;
    let mut overdue = false;
    let mut progress = |at: UploadProgress| {
        reached = Some(at.offset);
        let percent = at.offset * 100 / at.total.max(1);
        if percent >= shown + PROGRESS_STEP || at.offset == at.total {
            shown = percent;
            events.emit(EventKind::UploadProgress {
                board: board.clone(),
                image: name.clone(),
                sent: at.offset,
                total: at.total,
            });
        }
        overdue = clock.now() >= deadline;
        if overdue || stop_at.is_some_and(|stop_at| at.offset >= stop_at) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let uploaded = context
        .bench
        .link()?
        .upload(image.bytes(), options, &mut progress)?;
    note(context, step, number, &image, &uploaded, reached);

    match (uploaded, &step.power_cut) {
        (Uploaded::Stopped { offset }, _) if overdue => Err(Trouble::fail(
            FailKind::Protocol,
            format_args!(
                "the upload of {} was at offset {offset} of {total} after {:?}",
                step.image, step.within
            ),
        )),
        (Uploaded::Stopped { offset }, Some(cut)) => cut_power(context, cut, offset, total),
        (Uploaded::Complete(_), Some(_)) => Err(Trouble::error(
            ErrorKind::Cut,
            format_args!(
                "the upload of {} was complete before the power could be cut",
                step.image
            ),
        )
        .with_help("cut at a smaller share of the image")),
        (Uploaded::Stopped { offset }, None) => Err(Trouble::error(
            ErrorKind::Harness,
            format_args!(
                "the upload of {} stopped at offset {offset} for no reason",
                step.image
            ),
        )),
        (Uploaded::Complete(outcome), None) => {
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
            accepted(step, start)
        }
        (Uploaded::Refused(reason), _) if step.expect == Answer::Refused => {
            context.see(Evidence::seen("upload", format!("refused: {reason}")));
            Ok(())
        }
        (Uploaded::Refused(reason), _) => Err(Trouble::fail(
            FailKind::Refused,
            format_args!("the board refused the upload of {}: {reason}", step.image),
        )),
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
        (Uploaded::Complete(_), _) => Sent::Whole,
        (Uploaded::Stopped { offset }, _) => part(*offset),
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

fn accepted(step: &Upload, start: u64) -> Checked {
    if step.expect == Answer::Refused {
        return Err(Trouble::fail(
            FailKind::NotRefused,
            format_args!(
                "the board accepted the upload of {}, which it must refuse",
                step.image
            ),
        ));
    }
    match step.starts_at {
        Some(expected) if u64::from(expected) != start => Err(Trouble::fail(
            FailKind::Protocol,
            format_args!(
                "the board took the upload of {} up at offset {start}, expected {expected}",
                step.image
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

fn cut_power(context: &mut Context<'_>, cut: &UploadCut, offset: u64, total: u64) -> Checked {
    context.wait(cut.delay)?;
    context.power_off(PowerAction::Cut)?;
    context.see(Evidence::seen(
        "power cut",
        format!("when the board had {offset} of {total} bytes"),
    ));
    context.wait(cut.off_for)?;
    context.power_on()
}
