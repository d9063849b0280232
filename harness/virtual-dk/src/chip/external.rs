//! The memory of the DK's external flash, MX25R6435F: 8 MiB in sectors of 4 KiB, kept only where written.
//!
//! Only the array: what the part makes of commands is [`mx25r`](super::mx25r), and how the chip reaches it
//! [`qspi`](super::qspi).

use super::torn::Tearing;
use serde::Serialize;

/// Bytes of the external flash (`zephyr boards/nordic/nrf5340dk`: MX25R6435F, 64 Mbit).
pub(crate) const EXTERNAL_FLASH_SIZE: u32 = 8 << 20;

/// Bytes of its smallest erasable unit.
pub(crate) const EXTERNAL_SECTOR: u32 = 4096;

/// Bytes that one program command takes (the same table, page size).
pub(crate) const EXTERNAL_PAGE: u32 = 256;

/// What has been done to the external flash since the virtual DK was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ExternalWear {
    /// Sectors of 4 KiB erased; a larger erase counts each of its sectors.
    pub sector_erases: u64,
    /// Program commands, of at most 256 bytes each.
    pub page_programs: u64,
}

/// The array. A sector takes host memory from its first write to its next erase.
#[derive(Debug)]
pub(super) struct ExternalFlash {
    sectors: Vec<Option<Box<[u8]>>>,
    wear: ExternalWear,
}

impl ExternalFlash {
    pub(super) fn new() -> Self {
        Self {
            sectors: vec![None; (EXTERNAL_FLASH_SIZE / EXTERNAL_SECTOR) as usize],
            wear: ExternalWear::default(),
        }
    }

    pub(super) fn wear(&self) -> ExternalWear {
        self.wear
    }

    /// Whether `offset..offset + length` lies in the flash.
    pub(super) fn contains(offset: u32, length: usize) -> bool {
        (offset as usize)
            .checked_add(length)
            .is_some_and(|end| end <= EXTERNAL_FLASH_SIZE as usize)
    }

    /// Reads; behind the last byte comes the first one again, as in the part.
    pub(super) fn read(&self, offset: u32, buffer: &mut [u8]) {
        let sector_size = EXTERNAL_SECTOR as usize;
        let mut position = (offset % EXTERNAL_FLASH_SIZE) as usize;
        let mut rest = buffer;
        while !rest.is_empty() {
            let within = position % sector_size;
            let (piece, tail) = rest.split_at_mut((sector_size - within).min(rest.len()));
            match self.sectors.get(position / sector_size) {
                Some(Some(sector)) => {
                    piece.copy_from_slice(&sector[within..within + piece.len()]);
                }
                _ => piece.fill(0xff),
            }
            position = (position + piece.len()) % EXTERNAL_FLASH_SIZE as usize;
            rest = tail;
        }
    }

    /// One program command: bits only fall. More than a page starts again at the beginning of that page.
    pub(super) fn program_page(&mut self, offset: u32, data: &[u8]) {
        let page = offset % EXTERNAL_FLASH_SIZE / EXTERNAL_PAGE * EXTERNAL_PAGE;
        for (number, &new) in data.iter().enumerate() {
            let at = page + (offset + number as u32) % EXTERNAL_PAGE;
            *self.byte_mut(at) &= new;
        }
        self.wear.page_programs += 1;
    }

    /// The power fails in a program command: the bytes that had not had their turn are as they were.
    pub(super) fn tear_program(&mut self, offset: u32, data: &[u8], tearing: &mut Tearing) {
        let progress = tearing.progress();
        let torn: Vec<u8> = data
            .iter()
            .map(|&byte| !(tearing.some_of(u32::from(!byte), progress) as u8))
            .collect();
        self.program_page(offset, &torn);
    }

    /// The power fails in an erase: some of the bits have risen.
    pub(super) fn tear_erase(&mut self, offset: u32, length: u32, tearing: &mut Tearing) {
        let progress = tearing.progress();
        let first = offset % EXTERNAL_FLASH_SIZE / EXTERNAL_SECTOR;
        let count = length.div_ceil(EXTERNAL_SECTOR);
        for sector in self
            .sectors
            .iter_mut()
            .skip(first as usize)
            .take(count as usize)
        {
            for byte in sector.iter_mut().flat_map(|sector| sector.iter_mut()) {
                *byte |= tearing.some_of(u32::from(!*byte), progress) as u8;
            }
            self.wear.sector_erases += 1;
        }
    }

    /// Puts bytes there as a programmer in a factory would: no time, no wear. Beyond the end they are cut.
    pub(super) fn load(&mut self, offset: u32, data: &[u8]) {
        for (at, &new) in (offset..EXTERNAL_FLASH_SIZE).zip(data) {
            *self.byte_mut(at) = new;
        }
    }

    fn byte_mut(&mut self, offset: u32) -> &mut u8 {
        let sector = &mut self.sectors[(offset / EXTERNAL_SECTOR) as usize];
        let bytes = sector.get_or_insert_with(|| vec![0xff; EXTERNAL_SECTOR as usize].into());
        &mut bytes[(offset % EXTERNAL_SECTOR) as usize]
    }

    /// Erases the sectors that `offset..offset + length` covers.
    pub(super) fn erase(&mut self, offset: u32, length: u32) {
        let first = offset % EXTERNAL_FLASH_SIZE / EXTERNAL_SECTOR;
        let count = length.div_ceil(EXTERNAL_SECTOR);
        for sector in self
            .sectors
            .iter_mut()
            .skip(first as usize)
            .take(count as usize)
        {
            *sector = None;
            self.wear.sector_erases += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Programs as a driver does: page by page.
    fn program(flash: &mut ExternalFlash, offset: u32, data: &[u8]) {
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let room = (EXTERNAL_PAGE - at % EXTERNAL_PAGE) as usize;
            let (page, tail) = rest.split_at(room.min(rest.len()));
            flash.program_page(at, page);
            at += page.len() as u32;
            rest = tail;
        }
    }

    #[test]
    fn only_written_sectors_take_memory() {
        let mut flash = ExternalFlash::new();
        program(&mut flash, 0x1000, &[0xff; 0x1800]);
        let kept = |flash: &ExternalFlash| flash.sectors.iter().flatten().count();
        assert_eq!(kept(&flash), 2);
        flash.erase(0x1fff, 1);
        assert_eq!(kept(&flash), 1);
    }

    #[test]
    fn a_program_command_stays_in_its_page() {
        let mut flash = ExternalFlash::new();
        flash.program_page(0x1fe, &[1, 2, 3, 4]);
        let mut page = [0; 0x102];
        flash.read(0x100, &mut page);
        assert_eq!((page[0xfe], page[0xff]), (1, 2));
        assert_eq!(
            (page[0], page[1], page[0x100], page[0x101]),
            (3, 4, 0xff, 0xff),
            "it wraps instead of going on into the next page"
        );
    }

    #[test]
    fn each_erased_sector_and_each_program_command_is_counted() {
        let mut flash = ExternalFlash::new();
        program(&mut flash, 0, &[0; 0x1000]);
        flash.erase(0, 0x1_0000);
        assert_eq!(
            flash.wear(),
            ExternalWear {
                sector_erases: 16,
                page_programs: 16
            }
        );
    }

    #[test]
    fn reading_goes_on_at_the_beginning_behind_the_end() {
        let mut flash = ExternalFlash::new();
        flash.load(0, &[1]);
        flash.load(EXTERNAL_FLASH_SIZE - 1, &[9, 8]);
        let mut both = [0; 2];
        flash.read(EXTERNAL_FLASH_SIZE - 1, &mut both);
        assert_eq!(both, [9, 1], "what did not fit was cut");
    }

    proptest! {
        #[test]
        fn reads_give_what_was_written_across_sectors(
            offset in 0u32..(3 * EXTERNAL_SECTOR),
            data in prop::collection::vec(any::<u8>(), 1..9000),
        ) {
            let mut flash = ExternalFlash::new();
            program(&mut flash, offset, &data);
            let mut back = vec![0; data.len() + 2];
            flash.read(offset.saturating_sub(1), &mut back);
            let skip = usize::from(offset > 0);
            prop_assert_eq!(&back[skip..skip + data.len()], &data[..]);
            prop_assert_eq!(back[skip + data.len()], 0xff);
        }
    }
}
