//! The steps of a scenario: what the harness does to a board, and what must then be so.
//!
//! One enum, externally tagged (`- upload: { … }`) and closed to unknown keys. A `match` on [`Step`] has no
//! catch-all arm, so that the compiler lists every place that a new step needs.

use crate::expect::{
    ExpectBoot, ExpectConsole, ExpectImageState, ExpectNet, ExpectPlainText, ExpectSlot,
};
use crate::fault::TransportFault;
use crate::radio::{ExpectRadio, LinkLoss, SecondCentral, StartsAt};
use crate::refusal::{ExpectRefusal, ExpectUpdate, RefusalCode};
use crate::reset::{PowerCycle, Reset};
use crate::sweep::Sweep;
use crate::units::{self, Percent};
use crate::words::{Core, ImageRef, Slot, Transport};
use serde::Deserialize;
use std::time::Duration;

/// One thing that the harness does or checks.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Programs the files of a release through the probe, on both cores, and starts the board.
    ///
    /// Flash that no file covers is erased, so that the board's state is the release and nothing else.
    Program(String),
    /// Sends an image to the board over SMP.
    Upload(Upload),
    /// Requests a test or a confirmation of an image over SMP.
    Mark(Mark),
    /// Erases a slot over SMP.
    Erase(Erase),
    /// Restarts the board with the power staying on.
    Reset(Reset),
    /// Takes the power away and gives it back.
    PowerCycle(PowerCycle),
    /// Takes the power away at a console line, and gives it back.
    PowerCut(PowerCut),
    /// Interrupts the next start at many points, each time from the same flash, and checks what comes of each.
    Sweep(Sweep),
    /// The board boots these releases.
    ExpectBoot(ExpectBoot),
    /// The bytes in a slot, read through the probe.
    ExpectSlot(ExpectSlot),
    /// The plain text of an encrypted image is in these slots and nowhere else in flash.
    ExpectPlainText(ExpectPlainText),
    /// What the board's own image list says about a slot, over SMP.
    ExpectImageState(ExpectImageState),
    /// A text on a core's console.
    ExpectConsole(ExpectConsole),
    /// What the network core runs.
    ExpectNet(ExpectNet),
    /// Whether the board is on the air.
    ExpectRadio(ExpectRadio),
    /// An image is refused, where and how it must be, and everything is as before.
    ExpectRefusal(ExpectRefusal),
    /// An update comes to what its version makes of it: it runs and stays, or is refused as older.
    ExpectUpdate(ExpectUpdate),
}

/// Sends an image over SMP; with a `power_cut` or a `link_lost`, only part of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// What is sent.
    pub image: ImageRef,
    /// The link; the variant's own ([`Variant::transport`](crate::Variant::transport)) when not given.
    pub over: Option<Transport>,
    /// SMP image number (0 for the application; a network core image goes to 0 as well where the bootloader has
    /// one image). Not given: the number that the firmware set's bootloader wants for this image.
    pub to: Option<u8>,
    /// Whether it goes to the bootloader's recovery server instead of the application: straight into the slot that the
    /// number in `to` means there, unchecked.
    #[serde(default)]
    pub recovery: bool,
    /// Whether the board has to take it.
    #[serde(default)]
    pub expect: Answer,
    /// The image whose SHA-256 the client announces instead of the sent one's own. The board must say in the end that the two
    /// are not the same; with `starts_at: end` that it has the announced one already.
    pub announces: Option<ImageRef>,
    /// Where the board must take the upload up; 0 means from the start. Not given: anywhere.
    pub starts_at: Option<StartsAt>,
    /// Cuts the power when this much has been sent. The step then ends with the power back on; the upload is
    /// not finished.
    pub power_cut: Option<UploadCut>,
    /// Loses the link at this moment. The step then ends without a link; the upload is not finished here.
    pub link_lost: Option<LinkLoss>,
    /// The client waits no longer than this for the answer to its first chunk, and gives up. The upload is not finished.
    #[serde(default, deserialize_with = "units::some_duration")]
    pub gives_up_after: Option<Duration>,
    /// The client waits so long for the answer to its first chunk before it sends it again, and no longer than that for
    /// any other one. 40 s and 5 s when not given.
    #[serde(default, deserialize_with = "units::some_duration")]
    pub asks_again_after: Option<Duration>,
    /// Another central wants the board at this moment. The upload goes on.
    pub second_central: Option<SecondCentral>,
    /// What goes wrong on the link meanwhile.
    #[serde(default)]
    pub transport_faults: Vec<TransportFault>,
    /// How long it may take.
    #[serde(default = "units::upload_within", deserialize_with = "units::duration")]
    pub within: Duration,
}

impl Upload {
    /// An upload of all of it, with everything as it is when a scenario says nothing.
    #[must_use]
    pub fn new(image: ImageRef) -> Self {
        Self {
            gives_up_after: None,
            asks_again_after: None,
            image,
            over: None,
            to: None,
            recovery: false,
            expect: Answer::Accepted,
            announces: None,
            starts_at: None,
            power_cut: None,
            link_lost: None,
            second_central: None,
            transport_faults: Vec::new(),
            within: units::upload_within(),
        }
    }
}

/// The end of the power during an upload.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct UploadCut {
    /// How much of the image the board has acknowledged when the power goes.
    pub at: Percent,
    /// How long after that.
    #[serde(default, deserialize_with = "units::duration")]
    pub delay: Duration,
    /// How long the power stays away.
    #[serde(default = "units::off_for", deserialize_with = "units::duration")]
    pub off_for: Duration,
}

/// What the board answers to a request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Answer {
    /// It does what was asked.
    #[default]
    Accepted,
    /// It answers with an error: with this one, where the scenario says which. No answer at all is not a refusal.
    Refused(Option<RefusalCode>),
}

/// Requests that an image be tested or made permanent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Which image, by its hash: the one that waits in a secondary slot, or the one that runs.
    pub image: ImageRef,
    /// What is requested.
    #[serde(rename = "as")]
    pub request: Request,
    /// The link; the variant's own when not given.
    pub over: Option<Transport>,
    /// Whether the board has to take the request.
    #[serde(default)]
    pub expect: MarkAnswer,
    /// What goes wrong on the link meanwhile.
    #[serde(default)]
    pub transport_faults: Vec<TransportFault>,
}

/// What the board makes of a [`Mark`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MarkAnswer {
    /// It says what it does.
    Honest(Answer),
    /// It answers without an error, and marks nothing: a defect of servers for several images.
    Ignored,
}

/// What [`Mark`] requests.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Run it once; go back at the next reset when it was not confirmed by then.
    Test,
    /// Keep it.
    Confirmed,
}

/// Erases a slot over SMP.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    /// Which slot.
    pub slot: Slot,
    /// The link; the variant's own when not given.
    pub over: Option<Transport>,
    /// Whether the board has to do it (a slot with a pending update is refused).
    #[serde(default)]
    pub expect: EraseAnswer,
}

/// What the board makes of an [`Erase`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EraseAnswer {
    /// It says what it does.
    Honest(Answer),
    /// It answers with an error, and erases: a defect of servers for several images.
    Misreported,
}

/// Takes the power away at a moment in the boot, and gives it back.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PowerCut {
    /// The moment.
    pub at: CutAt,
    /// How long after that.
    #[serde(default, deserialize_with = "units::duration")]
    pub delay: Duration,
    /// How long the power stays away.
    #[serde(default = "units::off_for", deserialize_with = "units::duration")]
    pub off_for: Duration,
    /// A text that the same console must not have shown before the power went. If it did, the cut came too
    /// late and the step proves nothing: a bench error, not a failure of the firmware.
    pub before: Option<String>,
    /// How long to wait for the moment.
    #[serde(
        default = "units::console_within",
        deserialize_with = "units::duration"
    )]
    pub within: Duration,
}

/// The moment of a [`PowerCut`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CutAt {
    /// Text in a console line, since the board was last started by a step.
    pub console: String,
    /// Whose console.
    #[serde(default = "units::app")]
    pub core: Core,
}
