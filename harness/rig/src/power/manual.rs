//! A person switches, or presses a button, when the harness asks: any bench can run every scenario on its first day.

use super::{PowerKind, PowerState, PowerSwitch};
use crate::error::{Purpose, RigError};
use hil_clock::{Clock, SharedClock};
use std::fmt;
use std::sync::Arc;

/// What a person is asked to do.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ManualRequest {
    /// Switch the board on.
    PowerOn {
        /// The board.
        board: String,
    },
    /// Switch the board off.
    PowerOff {
        /// The board.
        board: String,
    },
    /// Press the button that the board's bootloader looks at, and keep it pressed.
    PressRecovery {
        /// The board.
        board: String,
    },
    /// Let go of it.
    ReleaseRecovery {
        /// The board.
        board: String,
    },
}

impl fmt::Display for ManualRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerOn { board } => write!(f, "switch board `{board}` on"),
            Self::PowerOff { board } => write!(f, "switch board `{board}` off"),
            Self::PressRecovery { board } => write!(
                f,
                "press the recovery button of board `{board}` and keep it pressed"
            ),
            Self::ReleaseRecovery { board } => {
                write!(f, "let go of the recovery button of board `{board}`")
            }
        }
    }
}

/// Asks a person and returns when they have done it, or why they have not.
pub type Ask = Arc<dyn Fn(&ManualRequest) -> Result<(), String> + Send + Sync>;

/// The person at one board.
#[derive(Clone)]
pub(crate) struct ManualSwitch {
    pub(crate) board: String,
    pub(crate) ask: Option<Ask>,
    pub(crate) clock: SharedClock,
}

impl fmt::Debug for ManualSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualSwitch")
            .field("board", &self.board)
            .finish_non_exhaustive()
    }
}

impl ManualSwitch {
    /// Has the person do something; `wanted` is what they have not done when they have not.
    pub(crate) fn ask_for(
        &self,
        purpose: Purpose,
        request: &ManualRequest,
        wanted: &'static str,
    ) -> Result<(), RigError> {
        let answer = match &self.ask {
            Some(ask) => ask(request),
            None => Err("there is no terminal to ask at".to_owned()),
        };
        answer.map_err(|reason| RigError::Manual {
            board: self.board.clone(),
            purpose,
            wanted,
            reason,
        })
    }
}

impl PowerSwitch for ManualSwitch {
    fn switch(&self, to: PowerState) -> Result<(), RigError> {
        let board = self.board.clone();
        let (request, wanted) = match to {
            PowerState::On => (ManualRequest::PowerOn { board }, "switched the power on"),
            PowerState::Off => (ManualRequest::PowerOff { board }, "switched the power off"),
        };
        self.ask_for(Purpose::Power, &request, wanted)
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn kind(&self) -> PowerKind {
        PowerKind::Manual
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_clock::SimClock;
    use std::sync::Mutex;

    #[test]
    fn a_person_is_asked_in_words() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        let power = ManualSwitch {
            board: "left".into(),
            ask: Some(Arc::new(move |request| {
                heard.lock().unwrap().push(request.to_string());
                Ok(())
            })),
            clock: Arc::new(SimClock::new()),
        };
        power.off().unwrap();
        power.on().unwrap();
        assert_eq!(
            *asked.lock().unwrap(),
            ["switch board `left` off", "switch board `left` on"]
        );
    }

    #[test]
    fn nobody_to_ask_is_an_error() {
        let power = ManualSwitch {
            board: "left".into(),
            ask: None,
            clock: Arc::new(SimClock::new()),
        };
        insta::assert_snapshot!(power.off().unwrap_err(), @"board `left`: nobody switched the power off: there is no terminal to ask at");
    }
}
