//! SEGGER RTT as Zephyr has it (`modules/segger`, with its defaults): a control block in the core's RAM with three buffers each
//! way, of which the first ones are there from the start. A debugger takes what is in them.
//!
//! Layout and order of writes are those of `SEGGER_RTT.c` (`_DoInit`, `SEGGER_RTT_WriteSkipNoLock`, `SEGGER_RTT_WriteNoLock`); what
//! becomes of lines that find no room is Zephyr's (`subsys/logging/backends/log_backend_rtt.c`, drop mode).

use std::fmt::Display;

use crate::bus::{BusError, CoreBus};
use crate::model::{RttMode, RttModel};

const ID: [u8; 16] = *b"SEGGER RTT\0\0\0\0\0\0";

/// `CONFIG_SEGGER_RTT_MAX_NUM_UP_BUFFERS` and `…_DOWN_BUFFERS`.
const BUFFERS: u32 = 3;

/// `CONFIG_SEGGER_RTT_BUFFER_SIZE_UP` and `…_DOWN`, in bytes.
const UP_SIZE: u32 = 1024;
const DOWN_SIZE: u32 = 16;

/// Of a buffer's descriptor: name, start, size, WrOff, RdOff, flags.
const DESCRIPTOR: u32 = 24;

/// The block itself, in front of its buffers.
const BLOCK: u32 = 24 + 2 * BUFFERS * DESCRIPTOR;

/// Of both first buffers. On silicon it lies in flash.
const NAME: &[u8; 9] = b"Terminal\0";

/// Where WrOff of up buffer 0 is in the block; RdOff follows.
const WRITE_OFFSET: u32 = 24 + 12;

/// The most that Zephyr's log counts in its note of dropped lines (`DROP_MAX`).
const MOST_DROPPED: u32 = 99;

/// The RTT of a program that runs.
#[derive(Debug)]
pub(super) struct Rtt {
    block: u32,
    mode: RttMode,
    /// Lines that found no room since the last one that did.
    dropped: u32,
    /// A line with the note of them was tried, whether it found room or not.
    noted: bool,
}

impl Rtt {
    /// Clears the RAM, as the C start-up code does, and sets the block up. Its id comes last: a debugger that finds it finds the rest.
    pub(super) fn begin(bus: &mut dyn CoreBus, model: RttModel) -> Result<Self, BusError> {
        let block = model.address;
        let up = block + BLOCK;
        let down = up + UP_SIZE;
        let name = down + DOWN_SIZE;
        let all = BLOCK + UP_SIZE + DOWN_SIZE + NAME.len() as u32;
        bus.write_ram(block, &vec![0; all as usize])?;
        bus.write_ram(name, NAME)?;
        let flags = match model.mode {
            RttMode::Skip => 0,
            RttMode::Trim => 1,
        };
        let words = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        bus.write_ram(block + 16, &words(&[BUFFERS, BUFFERS]))?;
        let first_up = [name, up, UP_SIZE, 0, 0, flags];
        bus.write_ram(block + 24, &words(&first_up))?;
        let first_down = [name, down, DOWN_SIZE, 0, 0, flags];
        bus.write_ram(block + 24 + BUFFERS * DESCRIPTOR, &words(&first_down))?;
        bus.write_ram(block, &ID)?;
        Ok(Self {
            block,
            mode: model.mode,
            dropped: 0,
            noted: false,
        })
    }

    /// Prints a line.
    pub(super) fn line(
        &mut self,
        bus: &mut dyn CoreBus,
        text: impl Display,
    ) -> Result<(), BusError> {
        let line = format!("{text}\r\n");
        if self.mode == RttMode::Trim {
            return self.write(bus, line.as_bytes()).map(drop);
        }
        // The note needs room together with its line. Its digits overwrite the CR of its own end (`line_out_drop_mode`).
        let line = match self.dropped.min(MOST_DROPPED) {
            1.. if self.noted => line,
            0 => line,
            few @ 1..10 => format!("messages dropped:   {few} \n{line}"),
            many => format!("messages dropped:  >{many}\n{line}"),
        };
        self.noted = self.dropped > 0;
        if self.write(bus, line.as_bytes())? {
            self.dropped = 0;
            self.noted = false;
        } else {
            self.dropped += 1;
        }
        Ok(())
    }

    /// Writes up to the read offset, which the debugger moves; one byte stays free. Whether all of it is there.
    fn write(&self, bus: &mut dyn CoreBus, bytes: &[u8]) -> Result<bool, BusError> {
        let mut offsets = [0; 8];
        bus.read(self.block + WRITE_OFFSET, &mut offsets)?;
        let [w0, w1, w2, w3, r0, r1, r2, r3] = offsets;
        let write = u32::from_le_bytes([w0, w1, w2, w3]) % UP_SIZE;
        let read = u32::from_le_bytes([r0, r1, r2, r3]) % UP_SIZE;
        let free = ((read + UP_SIZE - write - 1) % UP_SIZE) as usize;
        let fits = bytes.len() <= free;
        let bytes = match self.mode {
            RttMode::Skip if !fits => return Ok(false),
            RttMode::Skip => bytes,
            RttMode::Trim => &bytes[..bytes.len().min(free)],
        };
        let to_end = (UP_SIZE - write) as usize;
        let (first, second) = bytes.split_at(bytes.len().min(to_end));
        let start = self.block + BLOCK;
        bus.write_ram(start + write, first)?;
        if !second.is_empty() {
            bus.write_ram(start, second)?;
        }
        // Behind the bytes: whoever sees the offset sees them.
        let write = (write + bytes.len() as u32) % UP_SIZE;
        bus.write_ram(self.block + WRITE_OFFSET, &write.to_le_bytes())?;
        Ok(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sim::SimBoard;
    use super::*;
    use rstest::rstest;

    const BLOCK: u32 = 0x2000_0800;

    /// Takes what is there, as a debugger does.
    fn take(bus: &mut dyn CoreBus) -> String {
        let mut word = |at: u32| {
            let mut bytes = [0; 4];
            bus.read(BLOCK + at, &mut bytes).expect("it is RAM");
            u32::from_le_bytes(bytes)
        };
        let (start, size) = (word(28), word(32));
        let (write, read) = (word(36), word(40));
        let mut ring = vec![0; size as usize];
        bus.read(start, &mut ring).expect("it is RAM");
        let count = (write + size - read) % size;
        let bytes: Vec<u8> = (0..count)
            .map(|at| ring[((read + at) % size) as usize])
            .collect();
        bus.write_ram(BLOCK + 40, &write.to_le_bytes())
            .expect("it is RAM");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn begin(bus: &mut dyn CoreBus, mode: RttMode) -> Rtt {
        let address = BLOCK;
        Rtt::begin(bus, RttModel { address, mode }).expect("it is RAM")
    }

    /// `line_out_drop_mode` tries the note once: together with the line that comes behind the first dropped one.
    #[rstest]
    #[case::one(1, "messages dropped:   1 \nnext\r\n")]
    #[case::several(5, "next\r\n")]
    fn lines_without_room_are_dropped(#[case] lost: u32, #[case] then: &str) {
        let board = SimBoard::new();
        let bus = &mut board.bus();
        let mut rtt = begin(bus, RttMode::Skip);
        for _ in 0..10 + lost {
            rtt.line(bus, "x".repeat(98)).expect("it is RAM");
        }
        let text = take(bus);
        assert_eq!(text.len(), 1000, "the eleventh would need 1100 of 1023");
        rtt.line(bus, "next").expect("it is RAM");
        assert_eq!(take(bus), then);
        rtt.line(bus, "and on").expect("it is RAM");
        assert_eq!(take(bus), "and on\r\n");
    }

    #[test]
    fn what_fits_of_a_line_is_there_when_it_is_trimmed() {
        let board = SimBoard::new();
        let bus = &mut board.bus();
        let mut rtt = begin(bus, RttMode::Trim);
        for _ in 0..11 {
            rtt.line(bus, "x".repeat(98)).expect("it is RAM");
        }
        assert_eq!(take(bus).len(), 1023);
        rtt.line(bus, "next").expect("it is RAM");
        assert_eq!(take(bus), "next\r\n");
    }

    #[test]
    fn a_buffer_that_is_read_never_loses_a_line() {
        let board = SimBoard::new();
        let bus = &mut board.bus();
        let mut rtt = begin(bus, RttMode::Skip);
        for number in 0..1000 {
            rtt.line(bus, number).expect("it is RAM");
            assert_eq!(take(bus), format!("{number}\r\n"));
        }
    }
}
