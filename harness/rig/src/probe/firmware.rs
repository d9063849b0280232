//! Which firmware a debug probe has, as far as the probe library lets on.
//!
//! probe-rs asks a J-Link and a Black Magic Probe for it when it opens them, and tells nobody but its log. So its log is
//! listened to, on the thread that opens the probe and while it does. Another version of probe-rs may word the line
//! otherwise, or not write it: then the firmware is not known, which is all that comes of it. It does not ask probes that
//! speak CMSIS-DAP.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber, dispatcher};

/// Where the lines come from and how they begin (probe-rs 0.32 `probe-rs/src/probe/jlink/mod.rs`,
/// `probe-rs/src/probe/blackmagic/mod.rs`).
const LINES: [(&str, &str); 2] = [
    ("probe_rs::probe::jlink", "J-Link: Firmware version: "),
    ("probe_rs::probe::blackmagic", "Probe version "),
];

/// What probe-rs writes when a J-Link did not tell.
const UNKNOWN: &str = "?";

/// The longest that is taken for a version, in bytes (ours): a J-Link's has less than 112.
const LONGEST: usize = 200;

/// The firmware of a probe, once it was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProbeFirmware(Arc<Mutex<Option<String>>>);

impl ProbeFirmware {
    /// The version in the probe's own words.
    pub(super) fn get(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Opens a probe, and listens for its firmware while that is not known.
    pub(super) fn listen<T>(&self, open: impl FnOnce() -> T) -> T {
        if self.get().is_some() {
            return open();
        }
        let listener = Listener {
            next: dispatcher::get_default(Dispatch::clone),
            heard: self.clone(),
        };
        tracing::subscriber::with_default(listener, open)
    }

    fn hear(&self, line: &str, begins: &str) {
        let Some(version) = line.strip_prefix(begins).map(str::trim) else {
            return;
        };
        if version.is_empty() || version == UNKNOWN || version.len() > LONGEST {
            return;
        }
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *heard = Some(version.to_owned());
    }
}

/// Hears the lines that are wanted, and hands everything on to who listened before.
struct Listener {
    next: Dispatch,
    heard: ProbeFirmware,
}

/// How a wanted line of this kind begins.
fn wanted(metadata: &Metadata<'_>) -> Option<&'static str> {
    let known = LINES
        .iter()
        .find(|(target, _)| *target == metadata.target());
    known
        .filter(|_| *metadata.level() == Level::INFO)
        .map(|(_, begins)| *begins)
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        wanted(metadata).is_some() || self.next.enabled(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        if let Some(begins) = wanted(event.metadata()) {
            let mut line = Line(String::new());
            event.record(&mut line);
            self.heard.hear(&line.0, begins);
        }
        if self.next.enabled(event.metadata()) {
            self.next.event(event);
        }
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.next.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.next.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.next.record_follows_from(span, follows);
    }

    fn enter(&self, span: &Id) {
        self.next.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.next.exit(span);
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.next.clone_span(span)
    }

    fn try_close(&self, span: Id) -> bool {
        self.next.try_close(span)
    }
}

/// The message of an event.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn heard(say: impl FnOnce()) -> Option<String> {
        let firmware = ProbeFirmware::default();
        firmware.listen(say);
        firmware.get()
    }

    #[test]
    fn the_firmware_of_a_j_link_is_heard_from_the_library_s_log() {
        let version = "J-Link OB-nRF5340-NordicSemi compiled Mar  6 2023 14:08:51";
        let found = heard(|| {
            tracing::info!(target: "probe_rs::probe::jlink", "J-Link: Firmware version: {version}");
            tracing::info!(target: "probe_rs::probe::jlink", "J-Link: Hardware version: 1.0.0");
        });
        assert_eq!(found.as_deref(), Some(version));
    }

    #[rstest]
    #[case::not_told("J-Link: Firmware version: ?")]
    #[case::empty("J-Link: Firmware version: ")]
    #[case::another_line("J-Link: Serial number 1050012345")]
    fn what_is_not_told_is_not_known(#[case] line: &str) {
        let found = heard(|| tracing::info!(target: "probe_rs::probe::jlink", "{line}"));
        assert_eq!(found, None);
    }

    #[test]
    fn a_line_of_somebody_else_is_not_taken() {
        let found = heard(|| tracing::info!("Probe version 1.10.0"));
        assert_eq!(found, None);
    }

    #[test]
    fn who_listened_before_still_hears_everything() {
        let outer = ProbeFirmware::default();
        let inner = ProbeFirmware::default();
        outer.listen(|| {
            inner.listen(
                || tracing::info!(target: "probe_rs::probe::blackmagic", "Probe version v1.10.0"),
            );
        });
        assert_eq!(inner.get().as_deref(), Some("v1.10.0"));
        assert_eq!(outer.get().as_deref(), Some("v1.10.0"));
    }
}
