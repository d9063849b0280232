//! What an application is asked for while a sweep interrupts it, instead of a start.

use crate::cut::Phase;
use crate::step::{Mark, Request};
use crate::words::{ImageRef, Slot, Transport};
use serde::Deserialize;
use std::fmt;

/// What an application is asked for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// A test of an image, or that it be kept.
    Mark(Mark),
    /// To take an image.
    Upload(AskedUpload),
    /// To erase a slot.
    Erase(AskedErase),
}

/// An upload of all of an image. It has fewer words than the step: an upload that is interrupted has no other end.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AskedUpload {
    /// What is sent.
    pub image: ImageRef,
    /// The link; the variant's own when not given.
    pub over: Option<Transport>,
    /// SMP image number; what the firmware set's bootloader wants when not given.
    pub to: Option<u8>,
}

/// An erasure of a slot.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AskedErase {
    /// Which slot.
    pub slot: Slot,
    /// The link; the variant's own when not given.
    pub over: Option<Transport>,
}

impl Asked {
    /// The phase that names of points in it begin with.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self {
            Self::Mark(mark) => match mark.request {
                Request::Test => Phase::Request,
                Request::Confirmed => Phase::Confirm,
            },
            Self::Upload(_) => Phase::Upload,
            Self::Erase(_) => Phase::Erase,
        }
    }

    /// The link that it names.
    #[must_use]
    pub const fn over(&self) -> Option<Transport> {
        match self {
            Self::Mark(mark) => mark.over,
            Self::Upload(upload) => upload.over,
            Self::Erase(erase) => erase.over,
        }
    }

    /// The image that it is about.
    #[must_use]
    pub const fn image(&self) -> Option<&ImageRef> {
        match self {
            Self::Mark(mark) => Some(&mark.image),
            Self::Upload(upload) => Some(&upload.image),
            Self::Erase(_) => None,
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark(mark) => match mark.request {
                Request::Test => write!(f, "the request for a test of {}", mark.image),
                Request::Confirmed => write!(f, "the confirmation of {}", mark.image),
            },
            Self::Upload(upload) => write!(f, "the upload of {}", upload.image),
            Self::Erase(erase) => write!(f, "the erasure of {}", erase.slot),
        }
    }
}
