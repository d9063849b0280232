//! `program`: programs a release on both cores, erases the rest of flash, and starts the board.

use crate::context::Context;
use crate::trouble::Checked;

pub(super) fn run(context: &mut Context<'_>, release: &str) -> Checked {
    context.program(release)
}
