//! SWD transfers on the pins, as a probe's firmware makes them (Arm Debug Interface v5.2, B4.2;
//! `ARM-software/CMSIS-DAP Firmware/Source/SW_DP.c`).

use virtual_dk::Wire;

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

/// The wire, and how many cycles it rests after each transfer.
#[derive(Debug)]
pub(super) struct Line<'a, 'b> {
    pub(super) wire: &'a mut Wire<'b>,
    pub(super) idle: u8,
}

impl Line<'_, '_> {
    /// One transfer. `request` has the bits of a CMSIS-DAP request: access port, read, A2, A3.
    pub(super) fn transfer(&mut self, request: u8, value: u32) -> Result<u32, Ack> {
        let fields = u64::from(request & 0xf);
        let parity = u64::from(fields.count_ones() & 1);
        self.wire.drive(1 | fields << 1 | parity << 5 | 1 << 7, 8);
        // The turnaround, and three bits.
        let ack = self.wire.listen(4) >> 1;
        if ack != 0b001 {
            // Whoever drives lets go: after its answer at once, without one after what might be data.
            let off = if matches!(ack, 0b010 | 0b100) { 1 } else { 34 };
            self.wire.listen(off);
            self.rest();
            return Err(match ack {
                0b010 => Ack::Wait,
                0b100 => Ack::Fault,
                _ => Ack::None,
            });
        }
        let mut read = 0;
        if request & READ != 0 {
            // With its parity, and the turnaround.
            let heard = self.wire.listen(34);
            read = heard as u32;
            if heard >> 32 & 1 != u64::from(read.count_ones() & 1) {
                return Err(Ack::Protocol);
            }
        } else {
            self.wire.listen(1);
            let parity = u64::from(value.count_ones() & 1);
            self.wire.drive(u64::from(value) | parity << 32, 33);
        }
        self.rest();
        Ok(read)
    }

    fn rest(&mut self) {
        // At least as many as a transfer needs to be over.
        self.wire.drive(0, u32::from(self.idle.clamp(8, 64)));
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

    /// Reads a register `count` times, as a block. Of an access port each read gives what the one before found.
    pub(super) fn read_block(&mut self, request: u8, count: u16) -> (Vec<u32>, Result<(), Ack>) {
        let mut values = Vec::new();
        let to_ap = request & TO_AP != 0;
        for number in 0..count {
            match self.transfer(request | READ, 0) {
                Ok(_) if to_ap && number == 0 => {}
                Ok(value) => values.push(value),
                Err(ack) => return (values, Err(ack)),
            }
        }
        if to_ap && count > 0 {
            match self.read_buffer() {
                Ok(value) => values.push(value),
                Err(ack) => return (values, Err(ack)),
            }
        }
        (values, Ok(()))
    }
}
