//! A J-Link's transfer that came before the last one was put away.
//!
//! probe-rs opens an endpoint for each transfer to a J-Link and closes it behind that (`probe-rs/src/probe/usb_util.rs`, `InterfaceExt`).
//! nusb tells of a transfer that has ended a moment before the thread that tells it lets go of the endpoint
//! (`nusb src/transfer/internal.rs`, `notify_completion`); who opens the endpoint in that moment is refused
//! (`src/platform/linux_usbfs/device.rs`, `endpoint`). It is rare, and the more so the more processors there are; but nothing is wrong with
//! the board, its probe or the cable.

use crate::error::RigError;
use std::error::Error;

/// The words of nusb 0.2, whose kind of error does not get through probe-rs.
const REFUSAL: &str = "endpoint already in use";

/// Does something that is over with its connection, and does it once more if that is why it failed.
pub(super) fn once_more<T>(
    board: &str,
    mut attempt: impl FnMut() -> Result<T, RigError>,
) -> Result<T, RigError> {
    match attempt() {
        Err(error) if was_overtaken(&error) => {
            tracing::info!(board, %error, "the probe had not put its last transfer away; once more");
            attempt()
        }
        result => result,
    }
}

/// Whether that, and nothing else, is why something failed. The connection is of no use any more: an answer of the probe may be
/// on the way that nobody has taken.
fn was_overtaken(error: &RigError) -> bool {
    let mut next = Some(error as &dyn Error);
    while let Some(error) = next {
        if error.to_string() == REFUSAL {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Core;
    use crate::error::Operation;
    use probe_rs::architecture::arm::ArmError;
    use probe_rs::probe::{DebugProbeError, ProbeError};
    use rstest::rstest;
    use std::io;

    /// As probe-rs' driver for J-Link has it.
    #[derive(Debug, thiserror::Error)]
    #[error("A USB transport error occurred.")]
    struct Jlink(#[source] io::Error);

    impl ProbeError for Jlink {}

    /// As it comes up from nusb.
    fn failure(below: &str) -> RigError {
        let usb = Jlink(io::Error::other(below.to_owned()));
        RigError::Access {
            board: "dk1".to_owned(),
            doing: Operation::Read {
                core: Core::App,
                address: 0,
                length: 4,
            },
            source: ArmError::Probe(DebugProbeError::ProbeSpecific(usb.into())).into(),
        }
    }

    #[rstest]
    #[case::overtaken("endpoint already in use", 2)]
    #[case::unplugged("device disconnected", 1)]
    #[case::slow("bulk read timed out", 1)]
    fn only_an_endpoint_in_use_is_tried_again_and_only_once(
        #[case] below: &str,
        #[case] expected: usize,
    ) {
        let mut attempts = 0;
        let result: Result<(), _> = once_more("dk1", || {
            attempts += 1;
            Err(failure(below))
        });
        assert!(result.is_err());
        assert_eq!(attempts, expected);
    }

    #[test]
    fn what_the_second_try_brings_is_the_answer() {
        let mut answers = [Ok(7), Err(failure(REFUSAL))].into_iter().rev();
        let answer = once_more("dk1", || answers.next().expect("two tries at most"));
        assert_eq!(answer.ok(), Some(7));
    }
}
