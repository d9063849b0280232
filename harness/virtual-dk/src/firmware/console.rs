//! Text on the core's UART, as Zephyr's console and log print it.

use std::fmt::Display;
use std::time::Duration;

use crate::bus::{CoreBus, Stopped};

/// How loud a log line of an application is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Level {
    Error,
    Warning,
    Info,
}

impl Level {
    fn tag(self) -> &'static str {
        match self {
            Self::Error => "err",
            Self::Warning => "wrn",
            Self::Info => "inf",
        }
    }
}

/// Prints a line; the console ends lines with CR LF.
pub(super) fn line(bus: &mut dyn CoreBus, text: impl Display) -> Result<(), Stopped> {
    bus.uart_write(format!("{text}\r\n").as_bytes())
}

/// A line of the log, with the time since `started` and a module: `[00:00:00.250,000] <inf> app: confirmed`. Zephyr's clock
/// begins with the program, the board's with the power.
pub(super) fn log_line(
    bus: &mut dyn CoreBus,
    started: Duration,
    level: Level,
    module: &str,
    text: impl Display,
) -> Result<String, Stopped> {
    let uptime = bus.uptime()?.saturating_sub(started);
    let seconds = uptime.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (milliseconds, microseconds) = (uptime.subsec_millis(), uptime.subsec_micros() % 1000);
    let tag = level.tag();
    Ok(format!(
        "[{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03},{microseconds:03}] <{tag}> {module}: {text}"
    ))
}
