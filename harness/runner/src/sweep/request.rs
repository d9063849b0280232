//! What an application is asked for, when that is what is interrupted: a mark, which is a few words in a trailer, an upload, an
//! erasure.

use super::recovery;
use crate::context::Context;
use crate::firmware::Firmware;
use crate::link::{Link, Reply, Uploaded};
use crate::step::slot_numbers;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::SimFlash;
use hil_bootloader::predict::{Action, Mark};
use hil_image::Image;
use hil_record::FailKind;
use hil_rig::Route;
use hil_scenario::{Asked, AskedUpload, Core, CutPoint, Request, Sweep};
use hil_smp::{UploadOptions, UploadProgress};
use std::ops::ControlFlow;

/// What the model does for a request, of a board with this flash whose application runs.
pub(super) fn action(firmware: &Firmware, asked: &Asked, booted: &SimFlash) -> Checked<Action> {
    Ok(match asked {
        Asked::Mark(mark) => {
            let image = match mark.image.core {
                Core::App => 0,
                Core::Net => 1,
            };
            Action::Mark {
                image,
                mark: match mark.request {
                    Request::Test => Mark::Test,
                    Request::Confirmed => {
                        let hash = firmware.image(&mark.image)?;
                        if runs(firmware, image, hash.hash(), booted) {
                            Mark::Confirmed
                        } else {
                            Mark::Permanent
                        }
                    }
                },
            }
        }
        Asked::Upload(upload) => Action::Upload {
            image: number(firmware, upload) as usize,
            file: firmware.image(&upload.image)?.bytes().to_vec(),
        },
        Asked::Erase(erase) => Action::EraseSlot {
            slot: firmware.slot(erase.slot)?.area(),
        },
    })
}

/// Whether the image with this hash lies in the primary slot.
fn runs(firmware: &Firmware, image: usize, hash: &[u8], flash: &SimFlash) -> bool {
    let Some(slots) = firmware.set().bootloader.images.get(image) else {
        return false;
    };
    let area = slots.primary;
    let bytes = flash.bytes_at(area.device, area.offset as usize, area.size as usize);
    Image::parse(&bytes).is_ok_and(|found| {
        found
            .stored_hash()
            .is_some_and(|(_, stored)| stored.value == hash)
    })
}

/// The SMP image number of an upload.
fn number(firmware: &Firmware, upload: &AskedUpload) -> u32 {
    let usual = firmware.set().image_number(upload.image.core);
    upload.to.unwrap_or(usual).into()
}

/// Lets the board start, which is held at its first instruction, and waits for its application.
pub(super) fn running(context: &mut Context<'_>, step: &Sweep) -> Checked {
    context.let_go()?;
    recovery::boots(context, step).map(drop)
}

/// Makes the request, and is not interrupted. How far the board was after each chunk of an upload.
pub(super) fn make(context: &mut Context<'_>, step: &Sweep, asked: &Asked) -> Checked<Vec<u64>> {
    let mut ends = Vec::new();
    let reply = match asked {
        Asked::Mark(mark) => {
            let image = context.image(&mark.image)?;
            match context.mark(mark.over, image.hash(), mark.request == Request::Confirmed)? {
                Reply::Done(_) => Reply::Done(()),
                Reply::Refused(refused) => Reply::Refused(refused),
            }
        }
        Asked::Upload(upload) => {
            let image = context.image(&upload.image)?;
            context.sent(&upload.image);
            let options = options(number(context.firmware, upload), step);
            context.ask(upload.over, step.within, |link| {
                ends.clear();
                send(link, image.bytes(), options.clone(), &mut |at| {
                    ends.push(at.offset);
                    ControlFlow::Continue(())
                })
            })?
        }
        Asked::Erase(erase) => context.erase(erase.over, erase.slot)?,
    };
    match reply {
        Reply::Done(()) => Ok(ends),
        Reply::Refused(refused) => Err(Trouble::fail(
            FailKind::Refused,
            format_args!("the board refused {asked}, which is to be interrupted: {refused}"),
        )),
    }
}

/// Makes the request of an application that runs, and returns when the board stands at the end of the route.
pub(super) fn make_and_stop(
    context: &mut Context<'_>,
    step: &Sweep,
    asked: &Asked,
    route: &Route,
    point: &CutPoint,
) -> Checked {
    let over = asked.over();
    match asked {
        Asked::Mark(mark) => {
            let image = context.image(&mark.image)?;
            let confirm = mark.request == Request::Confirmed;
            context.ask_and_stop(over, route, step.within, point, |link| {
                let asked = link.mark(image.hash(), confirm);
                link.unless_stopped(asked)
            })
        }
        Asked::Upload(upload) => {
            let image = context.image(&upload.image)?;
            let options = options(number(context.firmware, upload), step);
            context.ask_and_stop(over, route, step.within, point, |link| {
                let go_on = &mut |_| ControlFlow::Continue(());
                let asked = send(link, image.bytes(), options, go_on);
                link.unless_stopped(asked)
            })
        }
        Asked::Erase(erase) => {
            let (image, number) = slot_numbers(erase.slot);
            context.ask_and_stop(over, route, step.within, point, |link| {
                let asked = link.erase(2 * image + number);
                link.unless_stopped(asked)
            })
        }
    }
}

/// Of an upload that ends with a chunk: where that is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ends {
    /// When the board has answered up to this offset.
    Answered(u64),
    /// When the chunk has been sent that ends at this offset.
    Sent(u64),
}

/// Sends as much of the image as that, and no more.
pub(super) fn send_until(
    context: &mut Context<'_>,
    step: &Sweep,
    upload: &AskedUpload,
    ends: Ends,
) -> Checked {
    if matches!(ends, Ends::Answered(0)) {
        return Ok(());
    }
    let image = context.image(&upload.image)?;
    let options = options(number(context.firmware, upload), step);
    let reply = context.ask(upload.over, step.within, |link| {
        let fuse = link.fuse();
        if let Ends::Sent(offset) = ends {
            fuse.arm(offset);
        }
        let asked = send(link, image.bytes(), options.clone(), &mut |at| match ends {
            Ends::Answered(offset) if at.offset >= offset => ControlFlow::Break(()),
            Ends::Answered(_) | Ends::Sent(_) => ControlFlow::Continue(()),
        });
        let asked = link.unless_stopped(asked);
        fuse.disarm();
        asked
    })?;
    match reply {
        Reply::Done(()) => Ok(()),
        Reply::Refused(refused) => Err(Trouble::fail(
            FailKind::Refused,
            format_args!("the board refused the upload that is to be interrupted: {refused}"),
        )),
    }
}

/// Chunks that are counted go one by one: with several under way, more are with the board than it has answered.
fn options(image: u32, step: &Sweep) -> UploadOptions {
    UploadOptions {
        image,
        window_limit: step.counts_frames().then_some(1),
        ..UploadOptions::default()
    }
}

fn send(
    link: &mut Link,
    file: &[u8],
    options: UploadOptions,
    progress: &mut dyn FnMut(UploadProgress) -> ControlFlow<()>,
) -> Checked<Reply<()>> {
    Ok(match link.upload(file, options, progress)? {
        Uploaded::Refused(refused) => Reply::Refused(refused),
        Uploaded::Complete(_)
        | Uploaded::Stopped { .. }
        | Uploaded::Mismatched
        | Uploaded::GaveUp => Reply::Done(()),
    })
}
