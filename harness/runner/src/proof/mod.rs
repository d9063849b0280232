//! What checks leave behind, so that their verdicts can be made again without a board.
//!
//! A check hands the bytes that it has read to [`Context::shot`](crate::context::Context::shot), which keeps pages that
//! hold no secret in the evidence store, and tells with [`Context::checked`](crate::context::Context::checked) what it
//! compared. Nothing here decides a verdict.

mod listed;
mod secrets;
mod shot;

pub(crate) use listed::{image_state, listed, role};
pub(crate) use secrets::Secrets;
pub(crate) use shot::{page_size, shot};
