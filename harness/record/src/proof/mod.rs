//! What makes a verdict again: what was done to a board, and what each check saw, as data.
//!
//! A step's outcome is a sentence for people. Beside it the journal has a [`Check`] for each comparison that the step
//! made, with the expectation and what was found: pages of flash by their digest (the bytes are in the
//! [store](crate::Objects)), lines of a console by their number, the board's image list as it answered. Whoever has these and
//! the firmware set can make the comparison again without a board.

mod check;
mod done;
mod shot;

pub use check::{Answered, Check, CheckMade, ListedImage, RamPlace, RamRange, StoredForm};
pub use done::{BoardDone, Done, SentPart, StartCause};
pub use shot::{MeasuredImage, RegionShot};
