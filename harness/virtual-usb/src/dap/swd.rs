//! SWD transfers on the pins, as a probe's firmware makes them (Arm Debug Interface v5.2, B4.2;
//! `ARM-software/CMSIS-DAP Firmware/Source/SW_DP.c`).

use virtual_dk::DebugPins;

/// A request reads.
pub(super) const READ: u8 = 1 << 1;
/// A request goes to an access port.
const TO_AP: u8 = 1;
/// A read of RDBUFF.
const RDBUFF: u8 = READ | 0xc;

/// What a transfer that is not done came to; also the number that CMSIS-DAP has for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ack {
    Ok = 1,
    Wait = 2,
    Fault = 4,
    /// Nobody drove the wire.
    None = 7,
    /// The parity of what was read is wrong.
    Protocol = 8,
}

/// The probe's end of the wire.
#[derive(Debug)]
pub(super) struct Swd {
    pins: DebugPins,
    idle: u8,
    is_reset: bool,
    /// For reads that are compared.
    pub(super) mask: u32,
}

fn bits(value: u64, count: usize) -> impl Iterator<Item = Option<bool>> {
    (0..count).map(move |bit| Some(value >> bit & 1 == 1))
}

fn number(bits: &[bool]) -> u64 {
    let fold = |number, &bit| number << 1 | u64::from(bit);
    bits.iter().rev().fold(0, fold)
}

impl Swd {
    pub(super) const fn new(pins: DebugPins) -> Self {
        Self {
            pins,
            idle: 0,
            is_reset: false,
            mask: u32::MAX,
        }
    }

    /// Cycles after each transfer.
    pub(super) const fn set_idle(&mut self, cycles: u8) {
        self.idle = cycles;
    }

    pub(super) fn set_reset(&mut self, asserted: bool) {
        self.is_reset = asserted;
        self.pins.set_reset(asserted);
    }

    pub(super) const fn is_reset(&self) -> bool {
        self.is_reset
    }

    /// Drives the first `count` bits of `bytes`, least significant first.
    pub(super) fn out(&mut self, bytes: &[u8], count: usize) {
        let bit = |at: usize| Some(bytes[at / 8] >> (at % 8) & 1 == 1);
        self.pins.clock((0..count).map(bit));
    }

    /// Listens for `count` cycles.
    pub(super) fn input(&mut self, count: usize) -> Vec<u8> {
        let bits = self.pins.clock((0..count).map(|_| None));
        bits.chunks(8).map(|byte| number(byte) as u8).collect()
    }

    /// One transfer. `request` has the bits of a CMSIS-DAP request: access port, read, A2, A3.
    pub(super) fn transfer(&mut self, request: u8, value: u32) -> Result<u32, Ack> {
        let fields = u64::from(request & 0xf);
        let parity = u64::from(fields.count_ones() & 1);
        let header = 1 | fields << 1 | parity << 5 | 1 << 7;
        self.pins.clock(bits(header, 8));
        let heard = self.pins.clock([None; 4]);
        let ack = number(&heard[1..]);
        if ack != 0b001 {
            // Whoever drives lets go: after its answer at once, without one after what might be data.
            let off = if matches!(ack, 0b010 | 0b100) { 1 } else { 34 };
            self.pins.clock((0..off).map(|_| None));
            self.rest();
            return Err(match ack {
                0b010 => Ack::Wait,
                0b100 => Ack::Fault,
                _ => Ack::None,
            });
        }
        let read = if request & READ != 0 {
            let heard = self.pins.clock([None; 34]);
            let value = number(&heard[..32]) as u32;
            if u32::from(heard[32]) != value.count_ones() & 1 {
                return Err(Ack::Protocol);
            }
            value
        } else {
            self.pins.clock([None]);
            let parity = u64::from(value.count_ones() & 1);
            self.pins.clock(bits(u64::from(value) | parity << 32, 33));
            0
        };
        self.rest();
        Ok(read)
    }

    fn rest(&mut self) {
        // At least as many as a transfer needs to be over.
        let cycles = usize::from(self.idle.max(8));
        self.pins.clock((0..cycles).map(|_| Some(false)));
    }

    /// A read whose value is that of the register: one of an access port is fetched from RDBUFF.
    pub(super) fn read(&mut self, request: u8) -> Result<u32, Ack> {
        let value = self.transfer(request | READ, 0)?;
        if request & TO_AP != 0 {
            self.read_buffer()
        } else {
            Ok(value)
        }
    }

    /// What the last read of an access port found, and whether the last write went well.
    pub(super) fn read_buffer(&mut self) -> Result<u32, Ack> {
        self.transfer(RDBUFF, 0)
    }
}
