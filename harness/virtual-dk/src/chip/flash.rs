//! On-chip flash: bits only fall, a page at a time goes back to ones, and a word takes two writes.

use super::torn::{Tearing, UnderWay, Unstable};
use serde::Serialize;

/// Writes that a word takes between two erases of its page (nRF5340 product specification, `n_WRITE`).
const WRITES_PER_WORD: u8 = 2;

/// What has been done to one core's flash since the virtual DK was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct FlashWear {
    /// Pages erased.
    pub page_erases: u64,
    /// Words programmed.
    pub word_writes: u64,
    /// Words programmed more often than the two times that the product specification allows between two
    /// erases. They are programmed all the same, as silicon does; the content is just not guaranteed there.
    pub writes_beyond_limit: u64,
}

/// One core's flash.
#[derive(Debug)]
pub(super) struct Flash {
    bytes: Vec<u8>,
    /// How often each word was written since its page was erased; saturates.
    writes: Vec<u8>,
    page: usize,
    wear: FlashWear,
    unstable: Unstable,
}

impl Flash {
    /// Blank flash of `size` bytes in pages of `page` bytes.
    pub(super) fn new(size: usize, page: usize) -> Self {
        Self {
            bytes: vec![0xff; size],
            writes: vec![0; size / 4],
            page,
            wear: FlashWear::default(),
            unstable: Unstable::new(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn wear(&self) -> FlashWear {
        self.wear
    }

    /// Puts bytes there as a programmer in a factory would: no time, no wear. Beyond the end they are cut.
    pub(super) fn load(&mut self, offset: usize, data: &[u8]) {
        for (byte, &new) in self.bytes.iter_mut().skip(offset).zip(data) {
            *byte = new;
        }
        self.unstable
            .retain(|&at, _| at + 4 <= offset || at >= offset + data.len());
    }

    fn word(&self, offset: usize) -> u32 {
        let word = self.bytes.get(offset..offset + 4);
        word.and_then(|word| word.first_chunk().copied())
            .map_or(u32::MAX, u32::from_le_bytes)
    }

    fn set_word(&mut self, offset: usize, value: u32) {
        if let Some(word) = self.bytes.get_mut(offset..offset + 4) {
            word.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// The power fails in the middle of an operation.
    pub(super) fn tear(&mut self, operation: UnderWay, tearing: &mut Tearing) {
        let progress = tearing.progress();
        match operation {
            UnderWay::Program { offset, value } => {
                let offset = offset as usize;
                let falling = self.word(offset) & !value;
                let fell = tearing.some_of(falling, progress);
                self.program(offset, !fell);
                self.leave_in_between(offset, falling, tearing);
            }
            UnderWay::Erase { offset } => {
                let start = offset as usize / self.page * self.page;
                self.wear.page_erases += 1;
                for offset in (start..start + self.page).step_by(4) {
                    let rising = !self.word(offset);
                    let rose = tearing.some_of(rising, progress);
                    self.set_word(offset, self.word(offset) | rose);
                    self.leave_in_between(offset, rising, tearing);
                }
            }
        }
    }

    fn leave_in_between(&mut self, offset: usize, changing: u32, tearing: &mut Tearing) {
        let between = tearing.in_between(changing);
        if between != 0 && offset + 4 <= self.bytes.len() {
            *self.unstable.entry(offset).or_default() |= between;
        }
    }

    /// Cells that are in between are read anew.
    pub(super) fn read_anew(&mut self, tearing: &mut Tearing) {
        let unstable = std::mem::take(&mut self.unstable);
        for (&offset, &bits) in &unstable {
            let value = self.word(offset) & !bits | tearing.reading(bits);
            self.set_word(offset, value);
        }
        self.unstable = unstable;
    }

    /// Programs the word at `offset` (a multiple of 4, inside the flash): its bits fall where `value` has
    /// zeros.
    pub(super) fn program(&mut self, offset: usize, value: u32) {
        let Some(word) = self.bytes.get_mut(offset..offset + 4) else {
            return;
        };
        for (byte, new) in word.iter_mut().zip(value.to_le_bytes()) {
            *byte &= new;
        }
        // A cell that is programmed to the end is in between no more.
        if let Some(bits) = self.unstable.get_mut(&offset) {
            *bits &= value;
        }
        let writes = &mut self.writes[offset / 4];
        *writes = writes.saturating_add(1);
        self.wear.word_writes += 1;
        if *writes > WRITES_PER_WORD {
            self.wear.writes_beyond_limit += 1;
            tracing::debug!(
                offset = format_args!("{offset:#010x}"),
                writes,
                "word written more often than flash allows between erases"
            );
        }
    }

    /// Erases the page that holds `offset`.
    pub(super) fn erase_page(&mut self, offset: usize) {
        let start = offset / self.page * self.page;
        if let Some(page) = self.bytes.get_mut(start..start + self.page) {
            page.fill(0xff);
            self.writes[start / 4..(start + self.page) / 4].fill(0);
            let end = start + self.page;
            self.unstable.retain(|&at, _| at < start || at >= end);
            self.wear.page_erases += 1;
        }
    }

    pub(super) fn erase_all(&mut self) {
        self.bytes.fill(0xff);
        self.writes.fill(0);
        self.unstable.clear();
        self.wear.page_erases += (self.bytes.len() / self.page) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn word(flash: &Flash, offset: usize) -> u32 {
        u32::from_le_bytes(flash.bytes()[offset..offset + 4].try_into().unwrap())
    }

    #[test]
    fn erasing_brings_back_the_ones_of_one_page_only() {
        let mut flash = Flash::new(0x4000, 0x1000);
        for page in 0..4 {
            flash.program(page * 0x1000, 0x1234_5678);
        }
        flash.erase_page(0x1ffc);
        let first_words: Vec<_> = (0..4).map(|page| word(&flash, page * 0x1000)).collect();
        assert_eq!(
            first_words,
            [0x1234_5678, 0xffff_ffff, 0x1234_5678, 0x1234_5678]
        );
    }

    #[test]
    fn a_third_write_to_a_word_is_counted_until_its_page_is_erased() {
        let mut flash = Flash::new(0x2000, 0x1000);
        for value in [0xffff_fff0, 0xffff_ff00, 0xffff_f000] {
            flash.program(8, value);
        }
        assert_eq!(flash.wear().writes_beyond_limit, 1);
        assert_eq!(
            word(&flash, 8),
            0xffff_f000,
            "the write happens all the same"
        );
        flash.erase_page(8);
        flash.program(8, 0);
        assert_eq!(flash.wear().writes_beyond_limit, 1);
    }

    fn tearing(unstable: bool) -> Tearing {
        Tearing::new(crate::chip::Torn { seed: 7, unstable })
    }

    #[test]
    fn a_torn_word_has_some_of_its_bits() {
        let mut flash = Flash::new(0x1000, 0x1000);
        flash.program(8, 0xffff_0fff);
        let program = UnderWay::Program {
            offset: 8,
            value: 0x0000_00ff,
        };
        flash.tear(program, &mut tearing(false));
        let torn = word(&flash, 8);
        assert_eq!(torn & 0x0000_f000, 0, "what had fallen before stays");
        assert_eq!(torn & 0xff, 0xff, "what must not fall does not");
        assert!(torn != 0xffff_0fff && torn != 0xff, "{torn:#010x}");
    }

    #[test]
    fn a_torn_page_is_between_what_it_was_and_blank() {
        let mut flash = Flash::new(0x2000, 0x1000);
        flash.load(0, &[0x5a; 0x2000]);
        flash.tear(UnderWay::Erase { offset: 0x1000 }, &mut tearing(false));
        let (other, page) = flash.bytes().split_at(0x1000);
        assert!(other.iter().all(|&byte| byte == 0x5a));
        assert!(
            page.iter().all(|&byte| byte & 0x5a == 0x5a),
            "bits only rise"
        );
        assert!(page.iter().any(|&byte| byte != 0x5a));
        assert!(page.iter().any(|&byte| byte != 0xff));
        assert_eq!(flash.wear().page_erases, 1);
    }

    #[test]
    fn cells_in_between_read_differently_until_the_page_is_erased() {
        let mut tearing = tearing(true);
        let mut flash = Flash::new(0x1000, 0x1000);
        flash.load(0, &[0; 0x1000]);
        flash.tear(UnderWay::Erase { offset: 0 }, &mut tearing);
        let mut readings: Vec<Vec<u8>> = (0..3)
            .map(|_| {
                flash.read_anew(&mut tearing);
                flash.bytes().to_vec()
            })
            .collect();
        readings.dedup();
        assert_eq!(readings.len(), 3);
        flash.erase_page(0);
        flash.read_anew(&mut tearing);
        assert!(flash.bytes().iter().all(|&byte| byte == 0xff));
    }

    #[test]
    fn a_cell_that_is_programmed_to_the_end_is_stable_again() {
        let mut tearing = tearing(true);
        let mut flash = Flash::new(0x1000, 0x1000);
        flash.tear(
            UnderWay::Program {
                offset: 0,
                value: 0,
            },
            &mut tearing,
        );
        assert!(!flash.unstable.is_empty());
        flash.program(0, 0);
        flash.read_anew(&mut tearing);
        assert_eq!(word(&flash, 0), 0);
    }

    proptest! {
        #[test]
        fn programming_never_raises_a_bit(first: u32, second: u32) {
            let mut flash = Flash::new(0x1000, 0x1000);
            flash.program(0x10, first);
            flash.program(0x10, second);
            prop_assert_eq!(word(&flash, 0x10), first & second);
        }

        #[test]
        fn nothing_outside_the_flash_is_touched(offset in 0usize..0x3000, value: u32) {
            let mut flash = Flash::new(0x1000, 0x1000);
            flash.program(offset / 4 * 4, value);
            flash.erase_page(offset);
        }
    }
}
