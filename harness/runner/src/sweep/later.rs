//! That a board which came through an interruption can still be updated: a later, good update goes in and boots.
//!
//! It is done as any client does it: the running image is confirmed where it is on trial, the update is sent, marked for a test,
//! and the board resets itself. The flash must then be what the model makes of all that. Which release it is, is the first of
//! those in the scenario that the firmware set has and that the model says the bootloader takes in the place of what runs.

use crate::context::{Context, LoadedImage};
use crate::firmware::Firmware;
use crate::history::What;
use crate::link::{Reply, Uploaded};
use crate::trouble::{Checked, Trouble};
use crate::{predicted, sweep::recovery};
use hil_bootloader::predict::{Forecast, Request, Sent};
use hil_bootloader::{Area, SimFlash};
use hil_image::Image;
use hil_record::{ErrorKind, FailKind};
use hil_scenario::{Core, ImageRef, Sweep};
use hil_smp::UploadOptions;
use std::ops::ControlFlow;
use std::sync::Arc;

/// An update that a board takes which holds a certain flash, and the flash that must come of it.
pub(super) struct Later<'a> {
    release: String,
    image: Arc<LoadedImage>,
    /// Whether what ran before was confirmed already.
    was_confirmed: bool,
    forecast: Forecast<'a>,
}

/// What runs before the update.
pub(crate) struct Running {
    pub(crate) hash: Vec<u8>,
    pub(crate) confirmed: bool,
}

impl<'a> Later<'a> {
    /// Fails where no release of the step can be a later update for a board that holds `flash`, which is that after the start
    /// that nobody interrupts: nothing would be shown, at any point.
    pub(super) fn must_be_there(context: &Context<'a>, step: &Sweep, flash: &SimFlash) -> Checked {
        if step.later_update.is_empty() {
            return Ok(());
        }
        let slots = context.firmware.set().bootloader.images.first();
        let running = Running {
            hash: slots.map_or_else(Vec::new, |slots| hash_in(flash, slots.primary)),
            confirmed: false,
        };
        Self::choose(context, step, flash, &running).map(drop)
    }

    /// Confirms what runs, sends the update, marks it and has the board reset itself, until it boots.
    pub(super) fn bring_in(
        context: &mut Context<'a>,
        step: &Sweep,
        flash: &SimFlash,
    ) -> Checked<Self> {
        let running = running(context, step)?;
        let later = Self::choose(context, step, flash, &running)?;
        if !running.confirmed {
            match context.mark(None, &running.hash, true)? {
                Reply::Done(_) => context.done(What::Marked {
                    hash: running.hash,
                    request: Request::Confirm,
                }),
                Reply::Refused(refused) => {
                    return Err(refusal("confirm what runs", &refused.to_string()));
                }
            }
        }
        later.send(context, step)?;
        match context.mark(None, later.image.hash(), false)? {
            Reply::Done(_) => context.done(What::Marked {
                hash: later.image.hash().to_vec(),
                request: Request::Test,
            }),
            Reply::Refused(refused) => return Err(refusal("mark it", &refused.to_string())),
        }
        if let Reply::Refused(refused) = context.reset_over_smp()? {
            return Err(refusal("reset", &refused.to_string()));
        }
        let runs = recovery::boots(context, step)?;
        recovery::release_of(
            context.firmware,
            std::slice::from_ref(&later.release),
            &runs,
        )?;
        Ok(later)
    }

    /// The name of the release.
    pub(super) fn release(&self) -> &str {
        &self.release
    }

    /// Whether what ran before it was confirmed already.
    pub(super) const fn was_confirmed(&self) -> bool {
        self.was_confirmed
    }

    /// Compares the flash after it with what must have come of it.
    pub(super) fn check(&self, context: &mut Context<'a>, found: &SimFlash) -> Checked {
        let erases = predicted::compare(context, &self.forecast, found)?;
        context.bench.wear.firmware_did(&erases);
        Ok(())
    }

    fn choose(
        context: &Context<'a>,
        step: &Sweep,
        flash: &SimFlash,
        running: &Running,
    ) -> Checked<Self> {
        for release in known(context, step) {
            let image = context.image(&ImageRef::new(release, Core::App))?;
            if let Some(forecast) = foretell(context.firmware, flash, running, &image)? {
                return Ok(Self {
                    release: release.to_owned(),
                    image,
                    was_confirmed: running.confirmed,
                    forecast,
                });
            }
        }
        Err(none(context, step))
    }

    fn send(&self, context: &mut Context<'a>, step: &Sweep) -> Checked {
        let number = context.firmware.set().image_number(Core::App).into();
        let options = UploadOptions {
            image: number,
            ..UploadOptions::default()
        };
        let deadline = context.deadline(step.within);
        let clock = context.clock.clone();
        let uploaded = context.ask(None, step.within, |link| {
            link.upload(self.image.bytes(), options.clone(), &mut |_| {
                if clock.now() < deadline {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })
        })?;
        match uploaded {
            Uploaded::Complete(_) => {
                context.sent(&ImageRef::new(&self.release, Core::App));
                context.done(What::Uploaded {
                    number,
                    image: Arc::clone(&self.image),
                    sent: Sent::Whole,
                });
                Ok(())
            }
            Uploaded::Refused(refused) => Err(refusal("take it", &refused.to_string())),
            Uploaded::Stopped { offset } => Err(Trouble::fail(
                FailKind::Protocol,
                format_args!(
                    "the upload was at offset {offset} of {} after {:?}",
                    self.image.bytes().len(),
                    step.within
                ),
            )),
            Uploaded::Mismatched | Uploaded::GaveUp => Err(Trouble::fail(
                FailKind::Protocol,
                "the board did not take the whole upload",
            )),
        }
    }
}

/// The releases of the step that the firmware set has an application of which is sent as it is.
fn known<'s>(context: &'s Context<'_>, step: &'s Sweep) -> impl Iterator<Item = &'s str> {
    step.later_update
        .iter()
        .map(String::as_str)
        .filter(|release| {
            context
                .image(&ImageRef::new(*release, Core::App))
                .is_ok_and(|image| !image.is_encrypted())
        })
}

/// The flash that comes of an update with this image; `None` when the bootloader would not take it in the place of what runs.
pub(crate) fn foretell<'a>(
    firmware: &'a Firmware,
    flash: &SimFlash,
    running: &Running,
    image: &LoadedImage,
) -> Checked<Option<Forecast<'a>>> {
    if image.hash() == running.hash {
        return Ok(None);
    }
    let config = &firmware.set().bootloader;
    let mut forecast = Forecast::new(config, firmware.bootloader_keys()?, flash.clone());
    let followed = (|| {
        if running.confirmed {
            forecast.listed_confirmed()?;
        } else {
            forecast.mark(&running.hash, Request::Confirm)?;
        }
        forecast.upload(0, image.bytes(), Sent::Whole)?;
        forecast.mark(image.hash(), Request::Test)?;
        forecast.run_ended(true)?;
        forecast.boot(Some(1..=1))?;
        // The flash before its application ran, and after.
        forecast.may_have_confirmed_itself()
    })();
    followed.map_err(|error| predicted::not_modelled(&error))?;
    let Some(primary) = config.images.first().map(|slots| slots.primary) else {
        return Ok(None);
    };
    // One of those that may be: an application that was built for another mode puts it where it is not looked for.
    let boots = forecast
        .contents(primary)
        .any(|bytes| bytes.starts_with(image.bytes()));
    Ok(boots.then_some(forecast))
}

/// What runs, as the board itself says.
fn running(context: &mut Context<'_>, step: &Sweep) -> Checked<Running> {
    let deadline = context.deadline(step.within);
    let list = context.image_list(deadline)?.ok_or_else(|| {
        Trouble::fail(
            FailKind::NotBooted,
            format_args!("no application answers within {:?}", step.within),
        )
    })?;
    list.images
        .into_iter()
        .find(|entry| entry.active && entry.image.unwrap_or(0) == 0)
        .and_then(|entry| {
            Some(Running {
                hash: entry.hash?,
                confirmed: entry.confirmed,
            })
        })
        .ok_or_else(|| Trouble::fail(FailKind::ImageState, "the board lists no image that runs"))
}

/// The hash of the image in the primary slot; none where there is no image.
fn hash_in(flash: &SimFlash, primary: Area) -> Vec<u8> {
    let bytes = flash.bytes_at(
        primary.device,
        primary.offset as usize,
        primary.size as usize,
    );
    let hash = Image::parse(&bytes)
        .ok()
        .and_then(|image| image.stored_hash().map(|(_, tlv)| tlv.value.to_vec()));
    hash.unwrap_or_default()
}

fn refusal(what: &str, refused: &str) -> Trouble {
    Trouble::fail(
        FailKind::Refused,
        format_args!("the board does not {what}: {refused}"),
    )
}

/// Nothing can be tried.
fn none(context: &Context<'_>, step: &Sweep) -> Trouble {
    Trouble::error(
        ErrorKind::File,
        format_args!(
            "none of {} can be a later update: firmware set `{}` lacks it, or its bootloader does not take it after {}",
            step.later_update.join(", "),
            context.firmware.set().name,
            step.boots.join(" or ")
        ),
    )
    .with_help("add a release that it takes to the firmware set, and to `later_update`")
}
