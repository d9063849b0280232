//! Pressing the button of a board that its bootloader looks at.
//!
//! On a bench that is a relay across the button, or a finger. Nothing here waits: how long it is held is up to the caller.

use crate::error::{Purpose, RigError};
use crate::file::ButtonSpec;
use crate::power::{Asked, Instrument, ManualRequest, ManualSwitch, Place, Programs};
use crate::rig::RigOptions;
use std::fmt::Debug;
use std::sync::Arc;

/// What presses a button.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ButtonKind {
    /// An instrument that understands SCPI on TCP.
    Scpi,
    /// A program each for pressing and letting go.
    Command,
    /// A person.
    Manual,
}

/// The button of one board.
pub trait Button: Debug + Send + Sync {
    /// Presses it, until [`release`](Self::release).
    ///
    /// # Errors
    /// When what presses it cannot be reached or does not do it.
    fn press(&self) -> Result<(), RigError>;

    /// Lets go of it.
    ///
    /// # Errors
    /// As [`press`](Self::press).
    fn release(&self) -> Result<(), RigError>;

    /// What presses it.
    fn kind(&self) -> ButtonKind;
}

/// The button of a board, as its rig file says that it is pressed.
pub(crate) fn of(board: &str, spec: &ButtonSpec, options: &RigOptions) -> Arc<dyn Button> {
    let purpose = Purpose::RecoveryButton;
    match spec {
        ButtonSpec::Scpi {
            address,
            press,
            release,
        } => Arc::new(ScpiButton {
            relay: Instrument::new(board, purpose, Place::Tcp(*address), options.clock.clone()),
            press: press.clone(),
            release: release.clone(),
        }),
        ButtonSpec::Command {
            press,
            release,
            within,
        } => Arc::new(CommandButton {
            programs: Programs {
                board: board.to_owned(),
                purpose,
                within: *within,
                clock: options.clock.clone(),
            },
            press: press.clone(),
            release: release.clone(),
        }),
        ButtonSpec::Manual => Arc::new(ManualButton(ManualSwitch {
            board: board.to_owned(),
            ask: options.ask.clone(),
            clock: options.clock.clone(),
        })),
    }
}

/// A relay across the button, in an instrument.
#[derive(Debug)]
pub(crate) struct ScpiButton {
    pub(crate) relay: Instrument,
    pub(crate) press: String,
    pub(crate) release: String,
}

/// Every instrument has a queue of errors (SCPI-99, SYSTem subsystem): empty, the command was taken.
const NO_ERROR: Asked<'static> = Asked {
    query: "SYST:ERR?",
    expected: ["0", "+0"],
};

impl Button for ScpiButton {
    fn press(&self) -> Result<(), RigError> {
        self.relay.command(&self.press, NO_ERROR)
    }

    fn release(&self) -> Result<(), RigError> {
        self.relay.command(&self.release, NO_ERROR)
    }

    fn kind(&self) -> ButtonKind {
        ButtonKind::Scpi
    }
}

/// Programs that press it and let go.
#[derive(Debug)]
pub(crate) struct CommandButton {
    pub(crate) programs: Programs,
    pub(crate) press: Vec<String>,
    pub(crate) release: Vec<String>,
}

impl Button for CommandButton {
    fn press(&self) -> Result<(), RigError> {
        self.programs.run(&self.press)
    }

    fn release(&self) -> Result<(), RigError> {
        self.programs.run(&self.release)
    }

    fn kind(&self) -> ButtonKind {
        ButtonKind::Command
    }
}

/// A finger.
#[derive(Debug)]
pub(crate) struct ManualButton(pub(crate) ManualSwitch);

impl Button for ManualButton {
    fn press(&self) -> Result<(), RigError> {
        let board = self.0.board.clone();
        let request = ManualRequest::PressRecovery { board };
        self.0.ask_for(
            Purpose::RecoveryButton,
            &request,
            "pressed the recovery button",
        )
    }

    fn release(&self) -> Result<(), RigError> {
        let board = self.0.board.clone();
        let request = ManualRequest::ReleaseRecovery { board };
        self.0.ask_for(
            Purpose::RecoveryButton,
            &request,
            "let go of the recovery button",
        )
    }

    fn kind(&self) -> ButtonKind {
        ButtonKind::Manual
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_clock::{SimClock, SystemClock};
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::Mutex;
    use std::time::Duration;

    #[test]
    fn a_relay_is_closed_and_opened_and_asked_for_errors() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut sent = Vec::new();
            for line in lines.map_while(Result::ok) {
                if line.ends_with('?') {
                    stream.write_all(b"+0,\"No error\"\n").unwrap();
                }
                sent.push(line);
            }
            sent
        });
        let clock = Arc::new(SystemClock::new());
        let button = ScpiButton {
            relay: Instrument::new("left", Purpose::RecoveryButton, Place::Tcp(address), clock),
            press: "ROUT:CLOS (@101)".to_owned(),
            release: "ROUT:OPEN (@101)".to_owned(),
        };
        button.press().unwrap();
        button.release().unwrap();
        drop(button);
        assert_eq!(
            server.join().unwrap(),
            [
                "ROUT:CLOS (@101)",
                "SYST:ERR?",
                "ROUT:OPEN (@101)",
                "SYST:ERR?"
            ]
        );
    }

    #[cfg(unix)]
    #[test]
    fn programs_press_and_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pressed");
        let path = file.to_string_lossy().into_owned();
        let list = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        let button = CommandButton {
            programs: Programs {
                board: "left".to_owned(),
                purpose: Purpose::RecoveryButton,
                within: Duration::from_secs(60),
                clock: Arc::new(SystemClock::new()),
            },
            press: list(&["touch", &path]),
            release: list(&["rm", &path]),
        };
        button.press().unwrap();
        assert!(file.exists());
        button.release().unwrap();
        assert!(!file.exists());
        let error = button.release().unwrap_err().to_string();
        assert!(error.starts_with("recovery button command `rm "), "{error}");
    }

    #[test]
    fn a_person_is_asked_to_press_and_to_let_go() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        let button = ManualButton(ManualSwitch {
            board: "left".to_owned(),
            ask: Some(Arc::new(move |request| {
                heard.lock().unwrap().push(request.to_string());
                Ok(())
            })),
            clock: Arc::new(SimClock::new()),
        });
        button.press().unwrap();
        button.release().unwrap();
        assert_eq!(
            *asked.lock().unwrap(),
            [
                "press the recovery button of board `left` and keep it pressed",
                "let go of the recovery button of board `left`"
            ]
        );
        let nobody = ManualButton(ManualSwitch {
            board: "left".to_owned(),
            ask: None,
            clock: Arc::new(SimClock::new()),
        });
        insta::assert_snapshot!(nobody.press().unwrap_err(), @"board `left`: nobody pressed the recovery button: there is no terminal to ask at");
    }
}
