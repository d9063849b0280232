//! A console of a board: a serial port whose lines are events, and that may go away and come back with the power.

use super::noise::Noise;
use super::power::{LOOK_EVERY, REOPEN_WITHIN};
use super::{BenchError, core_name, rig_core, trouble};
use crate::console::ConsoleLog;
use crate::events::Events;
use crate::trouble::{Checked, Trouble, error_chain};
use hil_clock::SharedClock;
use hil_record::{ConsoleSource, ErrorKind};
use hil_rig::Board;
use hil_scenario::Core;
use hil_smp::{ConsoleEvent, ConsoleKind, UartOptions, UartPort};
use std::sync::Arc;

/// The console of one core; boards exist without one.
pub(super) struct Console {
    pub(super) log: ConsoleLog,
    pub(super) port: Option<UartPort>,
    pub(super) noise: Arc<Noise>,
}

impl Console {
    pub(super) fn open(
        board: &Board,
        core: Core,
        clock: &SharedClock,
        events: &Events,
    ) -> Result<Self, BenchError> {
        let log = ConsoleLog::new(clock.clone());
        let noise = Arc::<Noise>::default();
        if !board.has_uart(rig_core(core)) {
            return Ok(Self {
                log,
                port: None,
                noise,
            });
        }
        let endpoint = board.uart(rig_core(core))?;
        let options = UartOptions {
            baud: endpoint.baud,
            ..UartOptions::default()
        };
        let sink = {
            let log = log.clone();
            let events = events.clone();
            let board = board.name().to_owned();
            let noise = Arc::clone(&noise);
            move |event: ConsoleEvent| match event.kind {
                ConsoleKind::Line(bytes) if noise.line(&bytes) => {
                    let text = printable(&bytes);
                    // The event first: whoever acts on the line does so after it in the stream.
                    events.console(&board, core_name(core), ConsoleSource::Uart, &text);
                    log.push(event.at, text);
                }
                // A flood is told once, by the step that it came in.
                ConsoleKind::Line(_) => log.end(),
                ConsoleKind::Partial(_) => {}
                ConsoleKind::Damaged(error) if noise.damaged() => events.note(
                    Some(&board),
                    format!("an SMP packet was damaged on the {core} console: {error}"),
                ),
                ConsoleKind::Damaged(_) => {}
                ConsoleKind::Gone(cause) => {
                    log.end();
                    events.note(Some(&board), format!("the {core} console is gone: {cause}"));
                }
            }
        };
        let path = endpoint.path.to_string_lossy();
        let port =
            UartPort::open(&path, options, clock.clone(), Box::new(sink)).map_err(|source| {
                BenchError::Port {
                    board: board.name().to_owned(),
                    core,
                    source,
                }
            })?;
        Ok(Self {
            log,
            port: Some(port),
            noise,
        })
    }

    /// Whether the port is there in the rig file and has gone.
    pub(super) fn is_gone(&self) -> bool {
        self.port.as_ref().is_some_and(UartPort::is_gone)
    }

    /// Closes the port, which is about to go away or has gone: the system gives a port that is still open another name.
    pub(super) fn let_go(&mut self) {
        if let Some(port) = &mut self.port {
            port.close();
        }
    }

    /// Opens the port again if it went away with the power, under whatever name it has now.
    pub(super) fn come_back(&mut self, board: &Board, core: Core, clock: &SharedClock) -> Checked {
        let Some(port) = self.port.as_mut().filter(|port| port.is_gone()) else {
            return Ok(());
        };
        let deadline = clock.now() + REOPEN_WITHIN;
        loop {
            let opened = match board.uart(rig_core(core)) {
                Ok(endpoint) => port
                    .reopen_as(&endpoint.path.to_string_lossy(), clock.now())
                    .map_err(|error| Trouble::error(ErrorKind::Port, error_chain(&error))),
                Err(error) => Err(trouble(&error)),
            };
            match opened {
                Err(_) if clock.now() < deadline => clock.sleep(LOOK_EVERY),
                opened => {
                    self.log.begin();
                    return opened;
                }
            }
        }
    }
}

/// A line as text: what is not UTF-8 or not printable is shown as its code, and the terminal's own sequences with it.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for character in String::from_utf8_lossy(bytes).chars() {
        if character.is_control() && character != '\t' {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}
