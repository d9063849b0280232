//! How a virtual DK is made, and why it could not be.

use crate::bus::Core;
use crate::chip::{Button, ExternalPart, ForceOffView, Power, Torn};
use crate::emulated::EmulatorError;
use hil_clock::{SharedClock, SystemClock};
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use virtual_radio::AirHandle;

/// How a board's time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many seconds on the board for a second outside; 1.0 is a DK's own pace.
    Factor(f64),
    /// What the board waits for takes no time at all: flash operations and waits return at once, and the
    /// board's clock jumps ahead by what they would have taken.
    Instant,
}

impl Speed {
    /// How long `board` lasts outside the board.
    pub(crate) fn outside(self, board: Duration) -> Duration {
        match self {
            Self::Factor(factor) => {
                Duration::try_from_secs_f64(board.as_secs_f64() / factor).unwrap_or(Duration::MAX)
            }
            Self::Instant => Duration::ZERO,
        }
    }

    /// How much of the board's time passes while `outside` does.
    pub(crate) fn on_board(self, outside: Duration) -> Duration {
        match self {
            Self::Factor(factor) => {
                Duration::try_from_secs_f64(outside.as_secs_f64() * factor).unwrap_or(Duration::MAX)
            }
            Self::Instant => outside,
        }
    }
}

impl Default for Speed {
    /// The pace of a DK.
    fn default() -> Self {
        Self::Factor(1.0)
    }
}

/// A speed was not understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("speed is `{found}`, expected a number above 0 or `instant`")]
pub struct ParseSpeedError {
    found: String,
}

impl FromStr for Speed {
    type Err = ParseSpeedError;

    /// `1`, `0.5`, `20`, or `instant`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "instant" {
            return Ok(Self::Instant);
        }
        match text.parse() {
            Ok(factor) if factor > 0.0 && f64::is_finite(factor) => Ok(Self::Factor(factor)),
            _ => Err(ParseSpeedError {
                found: text.to_owned(),
            }),
        }
    }
}

/// How the probe lets a debugger work.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Accelerators {
    /// The probe does whole memory accesses: about 2 MB/s.
    #[default]
    On,
    /// The debugger moves every bit of SWD itself: about 50 kB/s, and nothing between it and the debug port.
    Off,
}

/// What the power supply does when it is told to switch.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Supply {
    /// It switches.
    #[default]
    Works,
    /// It does not switch off, and says so when it is asked.
    Ignores,
    /// It says that it is off, but its relay is stuck and the power stays.
    Stuck,
    /// It switches off, but the capacitors behind it feed the board for another 100 ms.
    Slow,
}

/// What is supplied through the power supply.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Cuts {
    /// The chip: debugger and serial ports have power of their own.
    #[default]
    Soc,
    /// The whole board: its debugger goes off with it, so that the probe refuses connections and the serial ports are
    /// gone, and they come back with the power, the ports under other names.
    Board,
}

/// A word of an option was not understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("found `{found}`, expected {expected}")]
pub struct ParseWordError {
    found: String,
    expected: &'static str,
}

impl FromStr for Supply {
    type Err = ParseWordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "works" => Ok(Self::Works),
            "ignores" => Ok(Self::Ignores),
            "stuck" => Ok(Self::Stuck),
            "slow" => Ok(Self::Slow),
            found => Err(ParseWordError {
                found: found.to_owned(),
                expected: "`works`, `ignores`, `stuck` or `slow`",
            }),
        }
    }
}

impl FromStr for Cuts {
    type Err = ParseWordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "soc" => Ok(Self::Soc),
            "board" => Ok(Self::Board),
            found => Err(ParseWordError {
                found: found.to_owned(),
                expected: "`soc` or `board`",
            }),
        }
    }
}

/// Bytes that are in a core's flash or UICR when the board is first powered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Preload {
    /// Whose flash.
    pub core: Core,
    /// On that core's bus.
    pub address: u32,
    /// What to put there.
    pub data: Vec<u8>,
}

/// How a virtual DK is made.
#[derive(Clone, Debug)]
pub struct VirtualDkOptions {
    /// Decides the device id in FICR; shown in endpoints.
    pub name: String,
    /// What the debugger finds at the network core's port while the core is held off.
    pub force_off: ForceOffView,
    /// What the board takes its time from: the system's clock, unless whoever uses the board is somewhere with another one.
    pub clock: SharedClock,
    /// How the board's time passes.
    pub speed: Speed,
    /// Limits both UARTs, each way, to this many baud (ten bits a byte) of real time; `None` is as fast as
    /// the host goes.
    pub uart_baud: Option<u32>,
    /// How the probe lets a debugger work.
    pub accelerators: Accelerators,
    /// Flash and UICR contents to begin with. Without any the board is as delivered: blank and open.
    pub preload: Vec<Preload>,
    /// Whether the board has an external flash.
    pub external: ExternalPart,
    /// Buttons that are pressed from the start.
    pub pressed: Vec<Button>,
    /// Whether the board has power at the start.
    pub power: Power,
    /// What the power supply does when it is told to switch.
    pub supply: Supply,
    /// What is supplied through it.
    pub cuts: Cuts,
    /// Whether a flash operation that is under way when the power fails is torn. Without it, it has not happened.
    pub torn: Option<Torn>,
    /// The air that the board is on; without one it has no radio.
    pub air: Option<AirHandle>,
    /// TCP port of the probe on loopback; 0 takes a free one.
    pub probe_port: u16,
    /// TCP port of the power supply on loopback; 0 takes a free one.
    pub power_port: u16,
}

impl Default for VirtualDkOptions {
    fn default() -> Self {
        Self {
            name: "dk1".to_owned(),
            force_off: ForceOffView::default(),
            clock: Arc::new(SystemClock::new()),
            speed: Speed::default(),
            uart_baud: None,
            accelerators: Accelerators::default(),
            preload: Vec::new(),
            external: ExternalPart::default(),
            pressed: Vec::new(),
            power: Power::On,
            supply: Supply::default(),
            cuts: Cuts::default(),
            torn: None,
            air: None,
            probe_port: 0,
            power_port: 0,
        }
    }
}

/// Why a virtual DK did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The emulator did not start.
    #[error(transparent)]
    Emulator(#[from] EmulatorError),
    /// A TCP port could not be opened.
    #[error("cannot listen on 127.0.0.1:{port} for the {endpoint} of `{board}`")]
    Listen {
        /// Which endpoint.
        endpoint: &'static str,
        /// The board's name.
        board: String,
        /// The port asked for; 0 is any.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The folder with the names of the serial ports could not be made.
    #[error("cannot make a folder for the serial ports of `{board}`")]
    PortFolder {
        /// The board's name.
        board: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A pseudo-terminal could not be made.
    #[error("cannot make a pseudo-terminal for the {core:?} UART of `{board}`")]
    Pty {
        /// Whose UART.
        core: Core,
        /// The board's name.
        board: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start a thread for `{board}`")]
    Thread {
        /// The board's name.
        board: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Bytes to preload are not for flash or UICR.
    #[error(
        "nothing to preload at {address:#010x} of the {core:?} core: not its flash or UICR, nor external flash that the board has"
    )]
    Preload {
        /// Whose address.
        core: Core,
        /// Where.
        address: u32,
    },
}

impl StartError {
    /// What a person can try.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Emulator(error) => error.help(),
            Self::Listen { .. } => {
                "another program, perhaps an older virtual DK, has this port: stop it, or use port 0"
            }
            Self::Pty { .. } => {
                "is /dev/pts mounted, and are there pseudo-terminals left (/proc/sys/kernel/pty/max)?"
            }
            Self::PortFolder { .. } => "may you write to the folder for temporary files (TMPDIR)?",
            Self::Thread { .. } => {
                "raise the limit of processes (`ulimit -u`), or start fewer boards"
            }
            Self::Preload { .. } => {
                "the application core has flash at 0x00000000 (1 MiB), the network core at 0x01000000 (256 KiB), and the \
                 external flash, where there is one, is at 0x10000000 (8 MiB)"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::own_pace("1", Ok(Speed::Factor(1.0)))]
    #[case::fast("20", Ok(Speed::Factor(20.0)))]
    #[case::instant("instant", Ok(Speed::Instant))]
    #[case::zero("0", Err(()))]
    #[case::negative("-1", Err(()))]
    #[case::not_a_number("NaN", Err(()))]
    #[case::endless("inf", Err(()))]
    #[case::word("fast", Err(()))]
    fn speeds(#[case] text: &str, #[case] expected: Result<Speed, ()>) {
        assert_eq!(text.parse::<Speed>().map_err(|_| ()), expected);
    }

    #[test]
    fn board_time_scales_both_ways() {
        let twenty = Speed::Factor(20.0);
        assert_eq!(
            twenty.outside(Duration::from_secs(1)),
            Duration::from_millis(50)
        );
        assert_eq!(
            twenty.on_board(Duration::from_millis(50)),
            Duration::from_secs(1)
        );
        assert_eq!(
            Speed::Instant.outside(Duration::from_secs(9)),
            Duration::ZERO
        );
    }
}
