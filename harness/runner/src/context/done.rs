//! What was done to the board, which its flash follows from: for the prediction, and for the journal.

use super::Context;
use crate::events::sha256;
use crate::firmware::LoadedImage;
use crate::history::{Event, What};
use hil_bootloader::predict::{Request, Sent};
use hil_record::{Done, SentPart};

impl Context<'_> {
    /// Notes what was done to the board, or seen of it.
    pub(crate) fn done(&mut self, what: What) {
        let told = self.in_words(&what);
        self.tell(told);
        self.history.push(Event {
            at: self.clock.now(),
            what,
        });
    }

    /// The same for the journal.
    fn in_words(&self, what: &What) -> Done {
        let sent = |number: u32, image: &LoadedImage, sent: Sent, recovery: bool| Done::Sent {
            image: image.role().to_string(),
            sha256: if self.firmware.secrets().gives_away(image.bytes()) {
                sha256(image.bytes())
            } else {
                self.events.keep(image.bytes())
            },
            number,
            recovery,
            part: match sent {
                Sent::Whole => SentPart::Whole,
                Sent::Part { acknowledged } => SentPart::Acknowledged(acknowledged),
            },
        };
        match what {
            // Told where the start is.
            What::Started { .. } | What::Answered => Done::Answered,
            What::ListedConfirmed => Done::ListedConfirmed,
            What::Uploaded {
                number,
                image,
                sent: part,
            } => sent(*number, image, *part, false),
            What::Recovered {
                number,
                image,
                sent: part,
            } => sent(*number, image, *part, true),
            What::Marked { hash, request } => Done::Marked {
                hash: hex::encode(hash),
                confirm: *request == Request::Confirm,
            },
            What::Erased { slot } => Done::Erased {
                slot: slot.word().to_owned(),
            },
            What::Stopped { app } => Done::Stopped {
                app_line: app.line(),
            },
        }
    }

    /// What was done to the board since it was programmed.
    pub(crate) fn history(&self) -> &[Event] {
        &self.history
    }
}
