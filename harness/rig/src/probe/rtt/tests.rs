//! The reader on RAM that a test writes as firmware does.

use super::*;
use proptest::prelude::*;
use rstest::rstest;

const RAM: Range<u32> = 0x2000_0000..0x2000_8000;
const BLOCK: u32 = 0x2000_5678;
const BUFFER: u32 = 0x2000_6000;

/// What a core does to its RAM.
type Change = fn(&mut Memory);

/// RAM, and what a core does to it while it is looked at.
struct Memory {
    bytes: Vec<u8>,
    reads: usize,
    /// Runs in front of this read.
    meanwhile: Option<(usize, Change)>,
}

impl Memory {
    fn new() -> Self {
        Self {
            bytes: vec![0; RAM.len()],
            reads: 0,
            meanwhile: None,
        }
    }

    fn with_block(size: u32) -> Self {
        let mut memory = Self::new();
        memory.begin(BLOCK, size);
        memory
    }

    /// `_DoInit`.
    fn begin(&mut self, block: u32, size: u32) {
        for (index, word) in [3, 3, 0, BUFFER, size, 0, 0, 0].into_iter().enumerate() {
            self.put(block + 16 + 4 * index as u32, word);
        }
        self.at(block, 16).copy_from_slice(&ID);
    }

    /// `SEGGER_RTT_WriteSkipNoLock`: all of it or nothing.
    fn print(&mut self, block: u32, text: &[u8]) -> bool {
        let [size, write, read] = [32, 36, 40].map(|at| self.word(block + at));
        let free = (read + size - write - 1) % size;
        if text.len() as u32 > free {
            return false;
        }
        for (index, &byte) in text.iter().enumerate() {
            let at = (write + index as u32) % size;
            self.at(BUFFER + at, 1)[0] = byte;
        }
        self.put(block + 36, (write + text.len() as u32) % size);
        true
    }

    fn at(&mut self, address: u32, length: usize) -> &mut [u8] {
        let from = (address - RAM.start) as usize;
        &mut self.bytes[from..from + length]
    }

    fn put(&mut self, address: u32, word: u32) {
        self.at(address, 4).copy_from_slice(&word.to_le_bytes());
    }

    fn word(&mut self, address: u32) -> u32 {
        u32::from_le_bytes(self.at(address, 4).try_into().expect("four bytes"))
    }
}

impl Ram for Memory {
    fn read(&mut self, address: u32, into: &mut [u8]) -> Result<(), ArmError> {
        if let Some((_, act)) = self.meanwhile.take_if(|(at, _)| *at == self.reads) {
            act(self);
        }
        self.reads += 1;
        into.copy_from_slice(self.at(address, into.len()));
        Ok(())
    }

    fn write_word(&mut self, address: u32, value: u32) -> Result<(), ArmError> {
        self.put(address, value);
        Ok(())
    }
}

/// Takes until the whole RAM was searched, as text.
fn heard(reader: &mut Reader, memory: &mut Memory) -> String {
    (0..3)
        .flat_map(|_| reader.take(memory).expect("RAM answers"))
        .map(|piece| String::from_utf8_lossy(&piece.bytes).into_owned())
        .collect()
}

#[test]
fn what_was_printed_comes_once() {
    let mut memory = Memory::with_block(64);
    let mut reader = Reader::new(RAM);
    memory.print(BLOCK, b"hello\r\n");
    assert_eq!(heard(&mut reader, &mut memory), "hello\r\n");
    assert_eq!(heard(&mut reader, &mut memory), "");
    memory.print(BLOCK, b"again");
    assert_eq!(heard(&mut reader, &mut memory), "again");
}

#[test]
fn a_block_across_two_parts_of_the_search_is_found() {
    for block in [
        RAM.start + LOOK_AT - 4,
        RAM.start + LOOK_AT - 12,
        RAM.end - HEAD as u32,
    ] {
        let mut memory = Memory::new();
        memory.begin(block, 64);
        memory.print(block, b"found");
        assert_eq!(
            heard(&mut Reader::new(RAM), &mut memory),
            "found",
            "{block:#010x}"
        );
    }
}

#[test]
fn a_line_that_has_no_room_is_not_there_and_the_next_one_is() {
    let mut memory = Memory::with_block(16);
    let mut reader = Reader::new(RAM);
    assert!(memory.print(BLOCK, b"0123456789"));
    assert!(!memory.print(BLOCK, b"abcdef"), "one byte stays free");
    assert_eq!(heard(&mut reader, &mut memory), "0123456789");
    assert!(memory.print(BLOCK, b"abcdefghijklmno"));
    assert_eq!(heard(&mut reader, &mut memory), "abcdefghijklmno");
}

#[test]
fn what_is_left_of_a_block_from_before_a_reset_is_not_taken() {
    let mut memory = Memory::with_block(64);
    let mut reader = Reader::new(RAM);
    memory.print(BLOCK, b"before");
    heard(&mut reader, &mut memory);
    memory.print(BLOCK, b"late");
    reader.was_reset();
    assert_eq!(heard(&mut reader, &mut memory), "");
    memory.at(BLOCK, HEAD).fill(0);
    assert_eq!(heard(&mut reader, &mut memory), "");
    memory.begin(BLOCK, 64);
    memory.print(BLOCK, b"after");
    assert_eq!(heard(&mut reader, &mut memory), "after");
}

#[test]
fn a_core_that_resets_itself_is_heard_from_its_beginning() {
    let mut memory = Memory::with_block(64);
    let mut reader = Reader::new(RAM);
    memory.print(BLOCK, b"before");
    heard(&mut reader, &mut memory);
    memory.begin(BLOCK, 64);
    memory.print(BLOCK, b"after the start");
    let pieces = reader.take(&mut memory).expect("RAM answers");
    assert_eq!(pieces.len(), 1);
    assert!(pieces[0].anew);
    assert_eq!(pieces[0].bytes, b"after the start");
}

#[test]
fn a_block_that_the_next_firmware_has_elsewhere_is_found_beside_the_old_one() {
    let mut memory = Memory::with_block(64);
    let mut reader = Reader::new(RAM);
    memory.print(BLOCK, b"old");
    heard(&mut reader, &mut memory);
    reader.was_reset();
    let other = 0x2000_1000;
    memory.begin(other, 64);
    memory.print(other, b"new");
    assert_eq!(heard(&mut reader, &mut memory), "new");
}

#[test]
fn after_a_loss_of_power_the_block_is_looked_for_anew() {
    let mut memory = Memory::with_block(64);
    let mut reader = Reader::new(RAM);
    memory.print(BLOCK, b"before");
    heard(&mut reader, &mut memory);
    reader.lost_power();
    memory.bytes.fill(0);
    assert_eq!(heard(&mut reader, &mut memory), "");
    let other = 0x2000_0100;
    memory.begin(other, 64);
    memory.print(other, b"after");
    reader.look_anew();
    assert_eq!(heard(&mut reader, &mut memory), "after");
}

/// Reads of the third round: a part of RAM, the block, its bytes, the block again.
#[rstest]
#[case::before_the_bytes(2)]
#[case::before_the_second_look(3)]
fn a_core_that_starts_while_it_is_read_is_neither_garbled_nor_told_twice(#[case] read: usize) {
    let mut memory = Memory::with_block(64);
    let mut reader = Reader::new(RAM);
    memory.print(BLOCK, b"first");
    heard(&mut reader, &mut memory);
    memory.print(BLOCK, b"lost");
    memory.reads = 0;
    memory.meanwhile = Some((read, |memory| {
        memory.begin(BLOCK, 64);
        memory.print(BLOCK, b"anew");
    }));
    assert_eq!(heard(&mut reader, &mut memory), "anew");
}

#[rstest]
#[case::no_buffers(16, 0)]
#[case::too_many_buffers(16, 256)]
#[case::buffer_outside_ram(28, 0x1000_0000)]
#[case::buffer_beyond_the_end(28, 0x2000_7FF0)]
#[case::write_offset_beyond_the_buffer(36, 64)]
#[case::read_offset_beyond_the_buffer(40, 64)]
#[case::size_of_the_whole_address_space(32, u32::MAX)]
fn what_only_looks_like_a_control_block_is_left_alone(#[case] at: u32, #[case] word: u32) {
    let mut memory = Memory::with_block(64);
    memory.print(BLOCK, b"text");
    memory.put(BLOCK + at, word);
    let before = memory.bytes.clone();
    assert_eq!(heard(&mut Reader::new(RAM), &mut memory), "");
    assert!(memory.bytes == before, "nothing was written");
}

proptest! {
    #[test]
    fn every_text_that_had_room_comes_in_order(
        size in 2u32..80,
        texts in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..40), any::<bool>()), 1..40),
    ) {
        let mut memory = Memory::with_block(size);
        let mut reader = Reader::new(RAM);
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        let mut take = |memory: &mut Memory| {
            for piece in reader.take(memory).expect("RAM answers") {
                found.extend(piece.bytes);
            }
        };
        for _ in 0..3 {
            take(&mut memory);
        }
        for (text, now) in &texts {
            if memory.print(BLOCK, text) {
                expected.extend_from_slice(text);
            }
            if *now {
                take(&mut memory);
            }
        }
        take(&mut memory);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_in_ram_are_survived(head in prop::collection::vec(any::<u8>(), HEAD - 16)) {
        let mut memory = Memory::new();
        memory.at(BLOCK + 16, head.len()).copy_from_slice(&head);
        memory.at(BLOCK, 16).copy_from_slice(&ID);
        let mut reader = Reader::new(RAM);
        for _ in 0..3 {
            reader.take(&mut memory).expect("RAM answers");
        }
    }
}
