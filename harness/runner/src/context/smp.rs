//! Requests over SMP, over whichever link: a link that is lost is made again.

use super::{Context, SMP_WITHIN};
use crate::cancel::POLL;
use crate::history::What;
use crate::link::{Link, Reply};
use crate::step::slot_numbers;
use crate::trouble::{Checked, Trouble};
use hil_clock::Instant;
use hil_record::{ErrorKind, EventKind, Evidence};
use hil_scenario::{ImageRef, Slot, Transport};
use hil_smp::message::ImageState;
use std::time::Duration;

/// How long making a wireless link may take. We chose it: a board that is up is connected within a second or two, one that
/// boots within ten.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// How often a wireless link may be lost in one step before the bench is at fault. We chose it: once is life, three times
/// is a pattern.
pub(super) const LINK_ATTEMPTS: u32 = 3;

impl Context<'_> {
    /// The image list over the variant's own link; `None` when it did not come until `deadline`.
    pub(crate) fn image_list(&mut self, deadline: Instant) -> Checked<Option<ImageState>> {
        self.image_list_over(None, deadline)
    }

    /// The image list. A link that is lost, or cannot be made, is tried again until `deadline`: a board may be booting.
    pub(crate) fn image_list_over(
        &mut self,
        over: Option<Transport>,
        deadline: Instant,
    ) -> Checked<Option<ImageState>> {
        let over = over.unwrap_or(self.transport);
        let list = loop {
            let asked = self
                .connect(over, deadline)
                .and_then(|()| self.bench.link(over)?.image_list(deadline));
            match asked {
                Ok(list) => break list,
                Err(Trouble::Lost(cause)) => {
                    self.lost(&cause);
                    if self.clock.now() >= deadline {
                        self.see(Evidence::seen("no link", cause));
                        break None;
                    }
                    self.wait_at_most(POLL, deadline)?;
                }
                Err(trouble) => return Err(trouble),
            }
        };
        if let Some(list) = &list {
            let confirmed = list
                .images
                .iter()
                .any(|entry| entry.active && entry.confirmed && entry.image.unwrap_or(0) == 0);
            self.done(if confirmed {
                What::ListedConfirmed
            } else {
                What::Answered
            });
        }
        Ok(list)
    }

    /// Requests a test of an image, or confirms it. What the board made of it is for the step to note.
    pub(crate) fn mark(
        &mut self,
        over: Option<Transport>,
        hash: &[u8],
        confirm: bool,
    ) -> Checked<Reply<ImageState>> {
        self.ask(over, SMP_WITHIN, |link| link.mark(hash, confirm))
    }

    /// Erases a slot. What the board made of it is for the step to note.
    pub(crate) fn erase(&mut self, over: Option<Transport>, slot: Slot) -> Checked<Reply<()>> {
        let (image, number) = slot_numbers(slot);
        self.ask(over, SMP_WITHIN, |link| link.erase(2 * image + number))
    }

    /// Asks over a step's link, or the variant's own. A link that is lost on the way is made again, and what was asked is
    /// asked again: so it has to be something that may be asked twice. `within` is for making a link the second time.
    pub(crate) fn ask<T>(
        &mut self,
        over: Option<Transport>,
        within: Duration,
        mut ask: impl FnMut(&mut Link) -> Checked<T>,
    ) -> Checked<T> {
        let over = over.unwrap_or(self.transport);
        let mut attempt = 1;
        loop {
            let deadline = self.deadline(within.max(CONNECT_WITHIN));
            self.connect(over, deadline)?;
            match ask(self.bench.link(over)?) {
                Err(Trouble::Lost(cause)) => {
                    self.lost(&cause);
                    attempt = self.again(attempt, cause)?;
                }
                asked => return asked,
            }
        }
    }

    /// The number of the next attempt after the link was lost, which is told; an error when it was lost too often.
    pub(super) fn again(&self, attempt: u32, cause: String) -> Checked<u32> {
        if attempt >= LINK_ATTEMPTS {
            return Err(Trouble::error(
                ErrorKind::Radio,
                format_args!(
                    "the link to board `{}` was lost {attempt} times in one step, the last time: {cause}",
                    self.bench.name
                ),
            )
            .with_help(
                "look for resets in the board's console log; if there is none, look at distance and interference",
            ));
        }
        self.events.emit(EventKind::Retry {
            board: self.bench.name.clone(),
            what: "make the link".to_owned(),
            attempt: attempt + 1,
            limit: LINK_ATTEMPTS,
            cause,
        });
        Ok(attempt + 1)
    }

    /// Makes the link of a step, and keeps what it is like as evidence.
    pub(crate) fn connect(&mut self, over: Transport, deadline: Instant) -> Checked {
        if let Some(link) = self.bench.connect(over, deadline)? {
            self.see(Evidence::seen("link", link));
        }
        Ok(())
    }

    pub(super) fn lost(&mut self, cause: &str) {
        if let Some(radio) = self.bench.radio() {
            radio.tell_loss(cause);
        }
    }

    /// Remembers how far an upload was when its link went.
    pub(crate) fn broken_off(&mut self, role: &ImageRef, offset: u64) {
        self.broken_off = Some((role.clone(), offset));
    }

    /// How far the last upload of an image was when its link went.
    pub(crate) fn broken_off_at(&self, role: &ImageRef) -> Option<u64> {
        self.broken_off
            .as_ref()
            .filter(|(broken_off, _)| broken_off == role)
            .map(|(_, offset)| *offset)
    }
}
