//! On-chip flash: bits only fall, a page at a time goes back to ones, and a word takes two writes.

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
}

impl Flash {
    /// Blank flash of `size` bytes in pages of `page` bytes.
    pub(super) fn new(size: usize, page: usize) -> Self {
        Self {
            bytes: vec![0xff; size],
            writes: vec![0; size / 4],
            page,
            wear: FlashWear::default(),
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
            self.wear.page_erases += 1;
        }
    }

    pub(super) fn erase_all(&mut self) {
        self.bytes.fill(0xff);
        self.writes.fill(0);
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
