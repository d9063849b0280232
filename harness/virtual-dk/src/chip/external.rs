//! The DK's external flash, MX25R6435F: 8 MiB on QSPI, sectors of 4 KiB, kept only where written.

/// Bytes of the external flash (`zephyr boards/nordic/nrf5340dk`: MX25R6435F, 64 Mbit).
pub(crate) const EXTERNAL_FLASH_SIZE: u32 = 8 << 20;

/// Bytes of its smallest erasable unit.
pub(crate) const EXTERNAL_SECTOR: u32 = 4096;

/// The external flash. A sector takes host memory from its first write to its next erase.
#[derive(Debug)]
pub(super) struct ExternalFlash {
    sectors: Vec<Option<Box<[u8]>>>,
}

impl ExternalFlash {
    pub(super) fn new() -> Self {
        Self {
            sectors: vec![None; (EXTERNAL_FLASH_SIZE / EXTERNAL_SECTOR) as usize],
        }
    }

    /// One without a single sector.
    pub(super) fn absent() -> Self {
        Self {
            sectors: Vec::new(),
        }
    }

    /// Whether `offset..offset + length` lies in the flash.
    pub(super) fn contains(offset: u32, length: usize) -> bool {
        offset as usize + length <= EXTERNAL_FLASH_SIZE as usize
    }

    /// Reads what the caller has checked with [`contains`](Self::contains).
    pub(super) fn read(&self, offset: u32, buffer: &mut [u8]) {
        let sector_size = EXTERNAL_SECTOR as usize;
        let mut position = offset as usize;
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
            position += piece.len();
            rest = tail;
        }
    }

    /// Programs: bits only fall.
    pub(super) fn program(&mut self, offset: u32, data: &[u8]) {
        for (position, &new) in (offset as usize..).zip(data) {
            let sector_size = EXTERNAL_SECTOR as usize;
            if let Some(sector) = self.sectors.get_mut(position / sector_size) {
                let bytes = sector.get_or_insert_with(|| vec![0xff; sector_size].into());
                bytes[position % sector_size] &= new;
            }
        }
    }

    /// Erases the sector that holds `offset`.
    pub(super) fn erase_sector(&mut self, offset: u32) {
        if let Some(sector) = self.sectors.get_mut((offset / EXTERNAL_SECTOR) as usize) {
            *sector = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_written_sectors_take_memory() {
        let mut flash = ExternalFlash::new();
        flash.program(0x1000, &[0xff; 0x1800]);
        let kept = |flash: &ExternalFlash| flash.sectors.iter().flatten().count();
        assert_eq!(kept(&flash), 2);
        flash.erase_sector(0x1fff);
        assert_eq!(kept(&flash), 1);
    }

    proptest! {
        #[test]
        fn reads_give_what_was_written_across_sectors(
            offset in 0u32..(3 * EXTERNAL_SECTOR),
            data in prop::collection::vec(any::<u8>(), 1..9000),
        ) {
            let mut flash = ExternalFlash::new();
            flash.program(offset, &data);
            let mut back = vec![0; data.len() + 2];
            flash.read(offset.saturating_sub(1), &mut back);
            let skip = usize::from(offset > 0);
            prop_assert_eq!(&back[skip..skip + data.len()], &data[..]);
            prop_assert_eq!(back[skip + data.len()], 0xff);
        }
    }
}
