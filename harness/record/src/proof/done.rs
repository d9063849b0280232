//! What was done to a board, or seen of it, that its flash follows from.

use serde::{Deserialize, Serialize};

/// Something done to a board.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BoardDone {
    /// Name of the board.
    pub board: String,
    /// What.
    #[serde(flatten)]
    pub what: Done,
}

/// What was done, or seen.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "done", rename_all = "kebab-case")]
pub enum Done {
    /// Both cores hold a release and nothing else: everything before this is of the past.
    Programmed {
        /// Which release of the scenario's firmware set.
        release: String,
        /// SHA-256 of the application core's UICR as it then was.
        app_uicr: String,
        /// SHA-256 of the network core's.
        net_uicr: String,
    },
    /// The board was started.
    Started {
        /// By what.
        by: StartCause,
        /// How many lines the application core had printed since the run began.
        app_line: u64,
        /// The same of the network core.
        net_line: u64,
        /// The button was held that its bootloader may look at.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        held: bool,
    },
    /// The start before did not happen: the board refused it.
    NotStarted,
    /// Its application answered.
    Answered,
    /// Its application listed the running image as confirmed.
    ListedConfirmed,
    /// An image was sent to it.
    Sent {
        /// The role of the image, such as `update.app`.
        image: String,
        /// SHA-256 of the bytes that were sent; they are in the store.
        sha256: String,
        /// SMP image number.
        number: u32,
        /// To the bootloader's recovery server instead of the application.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        recovery: bool,
        /// How much of it the board has taken.
        part: SentPart,
    },
    /// Its application carried out a request for the image with this hash.
    Marked {
        /// The hash as hex digits.
        hash: String,
        /// To keep it, and not only to try it.
        confirm: bool,
    },
    /// Its application erased a slot.
    Erased {
        /// Which.
        slot: String,
    },
    /// It was stopped; what it prints until its next start is of starts that are undone.
    Stopped {
        /// How many lines the application core had printed since the run began.
        app_line: u64,
    },
    /// Its flash is again what it was when it was stopped.
    PutBack,
}

/// What started a board.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartCause {
    /// It was programmed.
    Program,
    /// It reset itself, as asked over SMP.
    Smp,
    /// The probe reset it.
    Probe,
    /// The power came back.
    Power,
}

/// How much of an image a board has taken.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SentPart {
    /// All of it.
    Whole,
    /// This many bytes, as far as it has acknowledged.
    Acknowledged(u32),
}
