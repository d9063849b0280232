//! Who listens to a run.

use crate::event::Event;
use std::io;

/// Takes the events of a run, to show them, keep them or count them.
///
/// A reporter never decides anything about the run. One that cannot write returns its error; it then gets no
/// further event, and the run goes on with the others, unless it is [essential](Self::is_essential).
pub trait Reporter: Send {
    /// What to call it in messages, such as `journal`.
    fn name(&self) -> &str;

    /// Whether the run must not go on without it: what nobody can read afterwards is not worth the wear of a board.
    fn is_essential(&self) -> bool {
        false
    }

    /// Takes one event. Called for one event at a time, in their order.
    ///
    /// # Errors
    ///
    /// What kept it from being written.
    fn on_event(&mut self, event: &Event) -> io::Result<()>;
}
