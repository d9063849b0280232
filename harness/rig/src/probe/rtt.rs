//! SEGGER RTT: what a core prints into its own RAM, taken from there while the core runs.
//!
//! The layout is SEGGER's (`RTT/SEGGER_RTT.h`, `SEGGER_RTT_CB` and `SEGGER_RTT_BUFFER_UP`, on a machine of 32 bits): an id of 16
//! bytes, the counts of up and down buffers, then six words for each buffer. Only up buffer 0 is read, the one that
//! `printk` and Zephyr's log go to by default; others carry what is no text, such as SystemView.
//!
//! The probe library has a reader (`probe_rs::rtt`), which is not used here: it wants a core of a debug session, and beginning and
//! ending a session halts every core to clear breakpoints (`probe-rs/src/session.rs`, `clear_all_hw_breakpoints`). A network core
//! that is halted under a Bluetooth link loses it. Over the access port alone a core does not notice, but that its unread bytes get
//! fewer. Tests hold the same RAM against the library's reader.
//!
//! A core that starts anew begins its block anew, and until then the old one is still in RAM, which survives a reset. [`Reader`]
//! tells them apart by the offset that it wrote last: firmware sets it to 0 (`_DoInit`), and nobody else moves it.

use super::bus::Ahb;
use probe_rs::architecture::arm::ArmError;
use std::ops::Range;

/// What a control block begins with. Firmware writes it last (`SEGGER_RTT.c`, `_DoInit`).
const ID: [u8; 16] = *b"SEGGER RTT\0\0\0\0\0\0";

/// The id, two counts and the descriptor of up buffer 0.
const HEAD: usize = 24 + 24;

/// Where RdOff of up buffer 0 is in the block.
const READ_OFFSET: u32 = 24 + 16;

/// More buffers than this are no control block; the probe library has the same bound.
const MOST_BUFFERS: u32 = 255;

/// How much RAM is searched in one go after a start, and how much once a core was heard. We chose both: the slowest probe reads 50 kB/s, and
/// what else is asked of it waits meanwhile.
const LOOK_AT: u32 = 16 * 1024;
const LOOK_AT_REST: u32 = 2 * 1024;

/// Bytes of one block that are taken in one go (ours).
const MOST_TAKEN: u32 = 4096;

/// Blocks that are followed at once: those of a bootloader and an application, and two more (ours).
const MOST_BLOCKS: usize = 4;

/// Bytes that a core printed over RTT.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RttPiece {
    /// The address of the control block.
    pub block: u32,
    /// The core has begun this block anew, or bytes were lost: what came from it before is not continued.
    pub anew: bool,
    /// What it printed.
    pub bytes: Vec<u8>,
}

impl RttPiece {
    /// A piece of what a core prints: for tests of those who read it.
    pub fn new(block: u32, anew: bool, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            block,
            anew,
            bytes: bytes.into(),
        }
    }
}

/// RAM of a core.
pub(super) trait Ram {
    fn read(&mut self, address: u32, into: &mut [u8]) -> Result<(), ArmError>;
    fn write_word(&mut self, address: u32, value: u32) -> Result<(), ArmError>;
}

impl Ram for Ahb<'_> {
    fn read(&mut self, address: u32, into: &mut [u8]) -> Result<(), ArmError> {
        self.memory.read(u64::from(address), into)
    }

    fn write_word(&mut self, address: u32, value: u32) -> Result<(), ArmError> {
        self.memory.write_word_32(u64::from(address), value)?;
        self.memory.flush()
    }
}

/// Finds control blocks in the RAM of a core, and takes what is in them.
#[derive(Debug)]
pub(super) struct Reader {
    ram: Range<u32>,
    blocks: Vec<Block>,
    /// Where blocks were: the same firmware has its block there again.
    known: Vec<u32>,
    /// Where the search goes on.
    next: u32,
    /// The core may have started, and has not been heard since: the search is quick.
    hurry: bool,
}

/// A control block that was found.
#[derive(Debug)]
struct Block {
    address: u32,
    /// RdOff as it was left.
    read: u32,
    /// It was there before the last start, and the core has not begun it anew yet.
    stale: bool,
    /// It was seen.
    found: bool,
}

/// Up buffer 0 of a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct UpBuffer {
    start: u32,
    size: u32,
    write: u32,
    read: u32,
}

impl Reader {
    pub(super) const fn new(ram: Range<u32>) -> Self {
        Self {
            next: ram.start,
            ram,
            blocks: Vec::new(),
            known: Vec::new(),
            hurry: true,
        }
    }

    /// The core was reset by the harness. Its RAM is as it was, so what is left in a block was printed before, and is not taken any more.
    pub(super) fn was_reset(&mut self) {
        // Where nothing was ever taken from a block, nothing can come twice.
        self.blocks.retain_mut(|block| {
            block.stale = true;
            block.read != 0
        });
        self.look_anew();
    }

    /// The chip lost its power, and its RAM with it.
    pub(super) fn lost_power(&mut self) {
        self.blocks.clear();
        self.look_anew();
    }

    /// The core starts, or may have: its control block is looked for from the start of its RAM.
    pub(super) const fn look_anew(&mut self) {
        self.next = self.ram.start;
        self.hurry = true;
    }

    /// Takes what is there, and looks further for blocks.
    pub(super) fn take(&mut self, ram: &mut dyn Ram) -> Result<Vec<RttPiece>, ArmError> {
        let found = self.look(ram)?;
        for address in self.known.iter().copied().chain(found) {
            if self.blocks.len() < MOST_BLOCKS && self.blocks.iter().all(|b| b.address != address) {
                self.blocks.push(Block {
                    address,
                    read: 0,
                    stale: false,
                    found: false,
                });
            }
        }
        let mut pieces = Vec::new();
        let mut vanished = false;
        for mut block in std::mem::take(&mut self.blocks) {
            let known = self.known.contains(&block.address);
            let taken = match block.take(ram, &self.ram) {
                // What was taken from another block is not lost with the connection; the error comes again.
                Err(_) if !pieces.is_empty() => continue,
                taken => taken?,
            };
            match taken {
                Some(piece) => {
                    pieces.extend(piece);
                    if !known {
                        self.known.push(block.address);
                    }
                    self.blocks.push(block);
                }
                // The core clears its RAM as it starts. What was only a guess has not vanished.
                None => vanished |= block.found,
            }
        }
        let most = self.known.len().saturating_sub(MOST_BLOCKS);
        self.known.drain(..most);
        if vanished {
            self.look_anew();
        }
        Ok(pieces)
    }

    /// Searches the next part of RAM. The last part is followed by the first.
    fn look(&mut self, ram: &mut dyn Ram) -> Result<Vec<u32>, ArmError> {
        let most = if self.hurry { LOOK_AT } else { LOOK_AT_REST };
        let start = self.next;
        let end = start.saturating_add(most).min(self.ram.end);
        // An id that begins in this part may end in the next.
        let until = end.saturating_add(ID.len() as u32).min(self.ram.end);
        let mut bytes = vec![0; until.saturating_sub(start) as usize];
        ram.read(start, &mut bytes)?;
        self.next = end;
        if end >= self.ram.end {
            self.next = self.ram.start;
            self.hurry = self.blocks.iter().all(|block| block.stale);
        }
        // The block begins with words, and so do its addresses.
        let words = bytes.windows(ID.len()).step_by(4);
        Ok((start..end)
            .step_by(4)
            .zip(words)
            .filter(|(_, window)| *window == ID)
            .map(|(address, _)| address)
            .collect())
    }
}

impl Block {
    /// Takes what is in it: a piece, or none when there is nothing new. `None` when it is no control block any more.
    fn take(
        &mut self,
        ram: &mut dyn Ram,
        all: &Range<u32>,
    ) -> Result<Option<Option<RttPiece>>, ArmError> {
        let Some(up) = self.look(ram, all)? else {
            return Ok(None);
        };
        self.found = true;
        let anew = up.read != self.read;
        if self.stale && !anew {
            return Ok(Some(None));
        }
        self.stale = false;
        self.read = up.read;
        let bytes = up.unread(ram)?;
        if bytes.is_empty() {
            return Ok(Some(anew.then_some(RttPiece {
                block: self.address,
                anew,
                bytes,
            })));
        }
        // The core may have started in between, or moved RdOff by itself (`SEGGER_RTT_WriteWithOverwriteNoLock`). Then these
        // bytes are not what was printed, and the next look tells what is.
        let again = self.look(ram, all)?;
        let same = |now: &UpBuffer| (now.start, now.size, now.read) == (up.start, up.size, up.read);
        if !again.as_ref().is_some_and(same) {
            return Ok(again.map(|_| None));
        }
        let read = (up.read + bytes.len() as u32) % up.size;
        ram.write_word(self.address + READ_OFFSET, read)?;
        self.read = read;
        Ok(Some(Some(RttPiece {
            block: self.address,
            anew,
            bytes,
        })))
    }

    fn look(&self, ram: &mut dyn Ram, all: &Range<u32>) -> Result<Option<UpBuffer>, ArmError> {
        let fits = self
            .address
            .checked_add(HEAD as u32)
            .is_some_and(|end| end <= all.end);
        if !fits {
            return Ok(None);
        }
        let mut head = [0; HEAD];
        ram.read(self.address, &mut head)?;
        Ok(UpBuffer::parse(&head, all))
    }
}

impl UpBuffer {
    /// Up buffer 0 of a block, or `None` for what only looks like one.
    fn parse(head: &[u8; HEAD], ram: &Range<u32>) -> Option<Self> {
        let words = head.strip_prefix(&ID)?.as_chunks::<4>().0;
        let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
        let (buffers, _down, _name) = (words.next()?, words.next()?, words.next()?);
        let (start, size) = (words.next()?, words.next()?);
        let (write, read) = (words.next()?, words.next()?);
        let inside = ram.contains(&start) && start.checked_add(size)? <= ram.end;
        let plausible = (1..=MOST_BUFFERS).contains(&buffers) && write < size && read < size;
        (inside && plausible).then_some(Self {
            start,
            size,
            write,
            read,
        })
    }

    /// What firmware has written and nobody has taken: up to its write offset, around the end.
    fn unread(&self, ram: &mut dyn Ram) -> Result<Vec<u8>, ArmError> {
        let runs = if self.read <= self.write {
            [self.read..self.write, 0..0]
        } else {
            [self.read..self.size, 0..self.write]
        };
        let mut bytes = Vec::new();
        for run in runs {
            let room = MOST_TAKEN - bytes.len() as u32;
            let length = (run.end - run.start).min(room) as usize;
            let from = bytes.len();
            bytes.resize(from + length, 0);
            if length > 0 {
                ram.read(self.start + run.start, &mut bytes[from..])?;
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
