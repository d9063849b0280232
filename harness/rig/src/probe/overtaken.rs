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

/// Whether that, and nothing else, is why something failed. The connection is of no use any more: an answer of the probe may be
/// on the way that nobody has taken.
pub(super) fn was_overtaken(error: &RigError) -> bool {
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
    use probe_rs::probe::DebugProbeError;
    use rstest::rstest;
    use std::io;

    #[rstest]
    #[case::overtaken("endpoint already in use", true)]
    #[case::unplugged("device disconnected", false)]
    #[case::slow("bulk read timed out", false)]
    fn only_an_endpoint_in_use_is_tried_again(#[case] below: &str, #[case] expected: bool) {
        // As probe-rs wraps it.
        let usb = DebugProbeError::Usb(io::Error::other(below.to_owned()));
        let error = RigError::Access {
            board: "dk1".to_owned(),
            doing: Operation::Read {
                core: Core::App,
                address: 0,
                length: 4,
            },
            source: ArmError::Probe(usb).into(),
        };
        assert_eq!(was_overtaken(&error), expected);
    }
}
