//! What kind of trouble it is that the rig tells: people who look for the cause begin at the port, the supply, the probe or the board.

use crate::trouble::{Trouble, error_chain};
use hil_record::ErrorKind;
use hil_rig::{Purpose, RigError};

/// What the rig says about itself is never a verdict about firmware.
pub(super) fn trouble(error: &RigError) -> Trouble {
    let kind = match error {
        RigError::File(_) | RigError::Image(_) => ErrorKind::File,
        // A supply that was told and says itself that it is not off: the cut did not happen.
        RigError::PowerNotSwitched { wanted: "off", .. } => ErrorKind::Inconclusive,
        RigError::InstrumentConnect { purpose, .. }
        | RigError::InstrumentAnswer { purpose, .. }
        | RigError::CommandStart { purpose, .. }
        | RigError::CommandFailed { purpose, .. }
        | RigError::CommandStuck { purpose, .. }
        | RigError::Manual { purpose, .. } => match purpose {
            Purpose::Power => ErrorKind::Power,
            Purpose::RecoveryButton => ErrorKind::Board,
        },
        RigError::PowerNotSwitched { .. }
        | RigError::PowerPort { .. }
        | RigError::PowerFile { .. }
        | RigError::NoPowerSwitch { .. } => ErrorKind::Power,
        RigError::Place(error) if error.is_about_a_port() => ErrorKind::Port,
        RigError::NoUart { .. }
        | RigError::UartNotFound { .. }
        | RigError::UartAmbiguous { .. }
        | RigError::UartMissing { .. }
        | RigError::UartList { .. } => ErrorKind::Port,
        RigError::NoButton { .. }
        | RigError::NoSuchBoard { .. }
        | RigError::VirtualStart { .. }
        | RigError::VirtualSilent { .. }
        | RigError::VirtualAnswer { .. }
        | RigError::VirtualCount { .. }
        | RigError::VirtualExited { .. }
        | RigError::BoardInUse { .. }
        | RigError::Place(_)
        | RigError::OtherChip { .. }
        | RigError::NoExternalFlash { .. }
        | RigError::ExternalFlashSilent { .. }
        | RigError::ExternalFlashOther { .. } => ErrorKind::Board,
        _ => ErrorKind::Probe,
    };
    Trouble::error(kind, error_chain(error)).with_help(error.help())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_rig::Core;
    use rstest::rstest;

    #[rstest]
    #[case::a_port_that_is_not_there(
        RigError::UartMissing { board: "dk".to_owned(), core: Core::App, path: "/dev/ttyACM7".into() },
        ErrorKind::Port
    )]
    #[case::one_of_two(
        RigError::UartAmbiguous {
            board: "dk".to_owned(),
            core: Core::Net,
            serial: "001050012345".to_owned(),
            interface: 2,
            ports: "/dev/ttyACM0, /dev/ttyACM1".to_owned(),
        },
        ErrorKind::Port
    )]
    #[case::none_to_switch(RigError::NoPowerSwitch { board: "dk".to_owned() }, ErrorKind::Power)]
    #[case::a_name_that_nobody_has(
        RigError::NoSuchBoard { rig: "desk".to_owned(), board: "dj".to_owned(), known: "dk".to_owned() },
        ErrorKind::Board
    )]
    fn the_kind_says_where_to_look(#[case] error: RigError, #[case] kind: ErrorKind) {
        let found = trouble(&error);
        assert!(
            matches!(&found, Trouble::Error(of, ..) if *of == kind),
            "{found:?}"
        );
    }
}
