//! A serial port of a DK: USB CDC ACM in front of a UART of the board.
//!
//! As on a DK the lines are connected only while somebody has the port open, which the host tells by DTR: what the board sends
//! otherwise is lost. Requests: USB CDC PSTN 1.2, 6.3.

use crate::device::{Answer, Function, Setup};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const SET_LINE_CODING: u8 = 0x20;
const GET_LINE_CODING: u8 = 0x21;
const SET_CONTROL_LINE_STATE: u8 = 0x22;
const SEND_BREAK: u8 = 0x23;
const DTR: u16 = 1;
/// 115200 baud, one stop bit, no parity, eight bits.
const LINE_CODING: [u8; 7] = [0x00, 0xc2, 0x01, 0x00, 0, 0, 8];

/// Whether somebody has the port open. Clones are the same port.
#[derive(Clone, Debug, Default)]
pub struct Open(Arc<AtomicBool>);

impl Open {
    /// Whether DTR is asserted.
    #[must_use]
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self, open: bool) {
        self.0.store(open, Ordering::Release);
    }
}

/// The port; what it gets from the host goes to `uart`.
#[derive(Debug)]
pub struct SerialPort<W> {
    uart: W,
    open: Open,
    coding: [u8; 7],
}

impl<W: Write> SerialPort<W> {
    /// A port in front of `uart`.
    pub const fn new(uart: W, open: Open) -> Self {
        Self {
            uart,
            open,
            coding: LINE_CODING,
        }
    }
}

impl<W: Write> Function for SerialPort<W> {
    fn receive(&mut self, data: &[u8]) -> Vec<Vec<u8>> {
        if self.open.get()
            && let Err(error) = self.uart.write_all(data)
        {
            // The board is being taken away: on a wire nobody is told either.
            tracing::debug!(%error, "the UART does not take what the host sends");
        }
        Vec::new()
    }

    fn control(&mut self, setup: Setup, data: &[u8]) -> Answer {
        match setup.request {
            SET_LINE_CODING => match data.try_into() {
                Ok(coding) => self.coding = coding,
                Err(_) => return Answer::Stall,
            },
            GET_LINE_CODING => return Answer::Done(self.coding.to_vec()),
            SET_CONTROL_LINE_STATE => self.open.set(setup.value & DTR != 0),
            SEND_BREAK => {}
            _ => return Answer::Stall,
        }
        Answer::Done(Vec::new())
    }

    fn reset(&mut self) {
        self.open.set(false);
        self.coding = LINE_CODING;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn setup(request: u8, value: u16) -> Setup {
        Setup {
            request_type: 0x21,
            request,
            value,
            index: 0,
            length: 0,
        }
    }

    #[test]
    fn bytes_go_to_the_board_only_while_the_port_is_open() {
        let open = Open::default();
        let mut port = SerialPort::new(Vec::new(), open.clone());
        port.receive(b"lost");
        port.control(setup(SET_CONTROL_LINE_STATE, 3), &[]);
        assert!(open.get());
        port.receive(b"heard");
        port.control(setup(SET_CONTROL_LINE_STATE, 2), &[]);
        port.receive(b"lost");
        assert_eq!(port.uart, b"heard");
    }

    #[test]
    fn the_line_coding_is_what_the_host_has_set() {
        let mut port = SerialPort::new(Vec::new(), Open::default());
        assert_eq!(
            port.control(setup(GET_LINE_CODING, 0), &[]),
            Answer::Done(LINE_CODING.to_vec())
        );
        let faster = [0x40, 0x42, 0x0f, 0, 0, 0, 8];
        port.control(setup(SET_LINE_CODING, 0), &faster);
        assert_eq!(
            port.control(setup(GET_LINE_CODING, 0), &[]),
            Answer::Done(faster.to_vec())
        );
        assert_eq!(port.control(setup(SET_LINE_CODING, 0), &[1]), Answer::Stall);
        port.reset();
        assert_eq!(
            port.control(setup(GET_LINE_CODING, 0), &[]),
            Answer::Done(LINE_CODING.to_vec())
        );
    }
}
