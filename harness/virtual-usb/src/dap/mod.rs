//! A CMSIS-DAP probe, version 2: commands in packets on two bulk endpoints.
//!
//! Source: CMSIS-DAP 2.1 (`ARM-software/CMSIS-DAP Firmware/Source/DAP.c` and its documentation). SWD only; no SWO, no UART commands, no
//! atomic commands, and DAP_Info says so.

mod swd;

use crate::device::Function;
use swd::{Ack, Line};
use virtual_dk::DebugPins;

/// The class, subclass and protocol of its interface.
pub const CLASS: [u8; 3] = [0xff, 0, 0];
/// Bytes of a packet: one at high speed.
pub const PACKET: u16 = 512;
/// Packets that the host may send without waiting for an answer.
const PACKETS: u8 = 8;

const OK: u8 = 0;
const ERROR: u8 = 0xff;

mod command {
    pub(super) const INFO: u8 = 0x00;
    pub(super) const HOST_STATUS: u8 = 0x01;
    pub(super) const CONNECT: u8 = 0x02;
    pub(super) const DISCONNECT: u8 = 0x03;
    pub(super) const TRANSFER_CONFIGURE: u8 = 0x04;
    pub(super) const TRANSFER: u8 = 0x05;
    pub(super) const TRANSFER_BLOCK: u8 = 0x06;
    pub(super) const TRANSFER_ABORT: u8 = 0x07;
    pub(super) const WRITE_ABORT: u8 = 0x08;
    pub(super) const DELAY: u8 = 0x09;
    pub(super) const RESET_TARGET: u8 = 0x0a;
    pub(super) const SWJ_PINS: u8 = 0x10;
    pub(super) const SWJ_CLOCK: u8 = 0x11;
    pub(super) const SWJ_SEQUENCE: u8 = 0x12;
    pub(super) const SWD_CONFIGURE: u8 = 0x13;
    pub(super) const SWD_SEQUENCE: u8 = 0x1d;
}

/// The probe.
#[derive(Debug)]
pub struct CmsisDap {
    pins: DebugPins,
    serial: String,
    connected: bool,
    is_reset: bool,
    /// Cycles after each transfer.
    idle: u8,
    /// For reads that are compared.
    mask: u32,
}

impl CmsisDap {
    /// A probe on these pins.
    #[must_use]
    pub fn new(pins: DebugPins, serial: &str) -> Self {
        Self {
            pins,
            serial: serial.to_owned(),
            connected: false,
            is_reset: false,
            idle: 0,
            mask: u32::MAX,
        }
    }

    /// The answer to a packet; `None` where there is none.
    fn answer(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let (&id, parameters) = packet.split_first()?;
        if id == command::TRANSFER_ABORT {
            // Transfers are done when their packet is: there is nothing to abort.
            return None;
        }
        let mut answer = vec![id];
        match self.execute(id, &mut Parameters(parameters)) {
            Some(result) => answer.extend(result),
            None => answer[0] = ERROR,
        }
        answer.truncate(usize::from(PACKET));
        Some(answer)
    }

    /// What follows the command's number in its answer; `None` for what is no command, or one that ends too early.
    fn execute(&mut self, id: u8, parameters: &mut Parameters<'_>) -> Option<Vec<u8>> {
        Some(match id {
            command::INFO => self.info(parameters.byte()?),
            command::HOST_STATUS | command::SWD_CONFIGURE => vec![OK],
            command::CONNECT => {
                // 0: the default port, which is SWD; 2: JTAG, which is not there.
                self.connected = matches!(parameters.byte()?, 0 | 1);
                vec![u8::from(self.connected)]
            }
            command::DISCONNECT => {
                self.connected = false;
                vec![OK]
            }
            command::TRANSFER_CONFIGURE => {
                self.idle = parameters.byte()?;
                vec![OK]
            }
            command::TRANSFER => self.transfers(parameters)?,
            command::TRANSFER_BLOCK => self.block(parameters)?,
            command::WRITE_ABORT => {
                parameters.byte()?;
                let value = parameters.word()?;
                vec![match self.line(|line| line.transfer(0, value)) {
                    Ok(_) => OK,
                    Err(_) => ERROR,
                }]
            }
            // The board's time is not the host's: who waits for it looks at the chip.
            command::DELAY => vec![OK],
            // 0: there is no sequence of the device's own.
            command::RESET_TARGET => vec![OK, 0],
            command::SWJ_PINS => self.swj_pins(parameters)?,
            command::SWJ_CLOCK => vec![if parameters.word()? == 0 { ERROR } else { OK }],
            command::SWJ_SEQUENCE => {
                let count = sequence_length(parameters.byte()?, 256);
                let bits = parameters.take(count.div_ceil(8))?;
                self.drive(bits, count);
                vec![OK]
            }
            command::SWD_SEQUENCE => self.sequences(parameters)?,
            _ => return None,
        })
    }

    fn info(&self, what: u8) -> Vec<u8> {
        let text = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.push(0);
            bytes
        };
        let data = match what {
            0x01 => text("dfu-hil"),
            0x02 => text("Virtual nRF5340 DK CMSIS-DAP"),
            0x03 => text(&self.serial),
            0x04 => text("2.1.1"),
            0x05 => text("Nordic Semiconductor"),
            0x06 => text("nRF5340_xxAA"),
            0x09 => text(env!("CARGO_PKG_VERSION")),
            // SWD, and that there are serial ports on the same device.
            0xf0 => vec![1, 1],
            0xfe => vec![PACKETS],
            0xff => PACKET.to_le_bytes().to_vec(),
            _ => Vec::new(),
        };
        let mut answer = vec![data.len() as u8];
        answer.extend(data);
        answer
    }

    /// Does something on the wire in one go.
    fn line<R>(&mut self, action: impl FnOnce(&mut Line<'_, '_>) -> R) -> R {
        let idle = self.idle;
        self.pins.with(|wire| action(&mut Line { wire, idle }))
    }

    /// Drives the first `count` bits of `bytes`, least significant first.
    fn drive(&mut self, bytes: &[u8], count: usize) {
        let bit = |at: usize| Some(bytes[at / 8] >> (at % 8) & 1 == 1);
        self.pins.clock((0..count).map(bit));
    }

    /// DAP_Transfer: single registers, until one is refused.
    fn transfers(&mut self, parameters: &mut Parameters<'_>) -> Option<Vec<u8>> {
        parameters.byte()?;
        let requests = parameters.requests()?;
        let mut mask = self.mask;
        let answer = self.line(|line| transfers(line, &mut mask, &requests));
        self.mask = mask;
        Some(answer)
    }

    /// DAP_TransferBlock: one register, many times.
    fn block(&mut self, parameters: &mut Parameters<'_>) -> Option<Vec<u8>> {
        parameters.byte()?;
        let count = parameters.half()?;
        let request = parameters.byte()?;
        let (done, data, end) = if request & swd::READ != 0 {
            let (values, end) = self.line(|line| line.read_block(request, count));
            let data = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            (values.len() as u16, data, end)
        } else {
            let values = (0..count)
                .map(|_| parameters.word())
                .collect::<Option<Vec<_>>>()?;
            let (done, end) = self.line(|line| write_block(line, request, &values));
            (done, Vec::new(), end)
        };
        let mut answer = done.to_le_bytes().to_vec();
        answer.push(end.err().unwrap_or(Ack::Ok) as u8);
        answer.extend::<Vec<u8>>(data);
        Some(answer)
    }

    /// DAP_SWJ_Pins: nRESET is the only one that is not moved by transfers.
    fn swj_pins(&mut self, parameters: &mut Parameters<'_>) -> Option<Vec<u8>> {
        const RESET: u8 = 1 << 7;
        let (output, select) = (parameters.byte()?, parameters.byte()?);
        parameters.word()?;
        if select & RESET != 0 {
            self.is_reset = output & RESET == 0;
            self.pins.set_reset(self.is_reset);
        }
        Some(vec![if self.is_reset { 0 } else { RESET }])
    }

    /// DAP_SWD_Sequence: bits out and bits in, turnaround included.
    fn sequences(&mut self, parameters: &mut Parameters<'_>) -> Option<Vec<u8>> {
        const INPUT: u8 = 1 << 7;
        let mut answer = vec![OK];
        for _ in 0..parameters.byte()? {
            let info = parameters.byte()?;
            let count = sequence_length(info & 0x3f, 64);
            if info & INPUT != 0 {
                let heard = self.pins.with(|wire| wire.listen(count as u32));
                answer.extend(&heard.to_le_bytes()[..count.div_ceil(8)]);
            } else {
                let bits = parameters.take(count.div_ceil(8))?;
                self.drive(bits, count);
            }
        }
        Some(answer)
    }
}

/// A request of DAP_Transfer with what follows it.
struct Request {
    bits: u8,
    value: u32,
}

impl Request {
    const VALUE_MATCH: u8 = 1 << 4;
    const MATCH_MASK: u8 = 1 << 5;

    const fn is_read(&self) -> bool {
        self.bits & swd::READ != 0
    }
}

/// Answers DAP_Transfer: how many were done, how the last one ended, and what was read.
fn transfers(line: &mut Line<'_, '_>, mask: &mut u32, requests: &[Request]) -> Vec<u8> {
    const MISMATCH: u8 = 1 << 4;
    let (mut last, mut data) = (Ack::Ok as u8, Vec::new());
    let (mut done, mut wrote) = (0, false);
    for request in requests {
        done += 1;
        let result = if request.is_read() {
            line.read(request.bits)
        } else if request.bits & Request::MATCH_MASK != 0 {
            *mask = request.value;
            Ok(0)
        } else {
            wrote = true;
            line.transfer(request.bits, request.value)
        };
        match result {
            Ok(read) if request.is_read() && request.bits & Request::VALUE_MATCH != 0 => {
                if read & *mask != request.value {
                    last |= MISMATCH;
                    break;
                }
            }
            Ok(read) if request.is_read() => data.extend(read.to_le_bytes()),
            Ok(_) => {}
            Err(ack) => {
                last = ack as u8;
                break;
            }
        }
    }
    // Whether the last write went well is known with the next access only.
    if wrote
        && last == Ack::Ok as u8
        && let Err(ack) = line.read_buffer()
    {
        last = ack as u8;
    }
    let mut answer = vec![done, last];
    answer.extend(data);
    answer
}

/// Writes a register with each of `values`; how many were taken.
fn write_block(line: &mut Line<'_, '_>, request: u8, values: &[u32]) -> (u16, Result<(), Ack>) {
    for (done, value) in (0..).zip(values) {
        if let Err(ack) = line.transfer(request, *value) {
            return (done, Err(ack));
        }
    }
    (values.len() as u16, line.read_buffer().map(drop))
}

/// A count of which 0 means the most.
fn sequence_length(count: u8, most: usize) -> usize {
    if count == 0 { most } else { usize::from(count) }
}

impl Function for CmsisDap {
    fn receive(&mut self, data: &[u8]) -> Vec<Vec<u8>> {
        self.answer(data).into_iter().collect()
    }

    fn reset(&mut self) {
        self.connected = false;
    }
}

/// The parameters of a command, read from the front.
struct Parameters<'a>(&'a [u8]);

impl<'a> Parameters<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// Those of DAP_Transfer, behind their count.
    fn requests(&mut self) -> Option<Vec<Request>> {
        let count = self.byte()?;
        let mut requests = Vec::new();
        for _ in 0..count {
            let mut request = Request {
                bits: self.byte()?,
                value: 0,
            };
            if !request.is_read() || request.bits & Request::VALUE_MATCH != 0 {
                request.value = self.word()?;
            }
            requests.push(request);
        }
        Some(requests)
    }

    fn half(&mut self) -> Option<u16> {
        self.take(2)
            .map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn word(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    }
}

#[cfg(test)]
#[path = "../dap_tests.rs"]
mod tests;
