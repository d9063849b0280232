//! What has to be done to flash: which pages differ from the image, and how.
//!
//! Knows nothing of probes: flash is read through a closure.

use crate::core::{Core, Region};
use crate::image::FlashImage;
use crate::silicon::Silicon;
use std::collections::BTreeMap;

/// So many bytes of a page are looked at before the whole page is read: in an image that changed, they differ
/// already. We chose it; a reading of 64 bytes costs a probe hardly more than one of 4.
const SAMPLE: usize = 64;

/// A page that the image concerns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Page {
    pub(super) core: Core,
    pub(super) address: u32,
    /// What it is to hold: the image's bytes, and `0xFF` where it has none.
    pub(super) wanted: Vec<u8>,
}

/// What has to be done to a page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    /// It holds what it should.
    Nothing,
    /// It is blank: programming is enough.
    Program,
    /// It is to become blank.
    Erase,
    /// It holds something else.
    EraseAndProgram,
}

impl Change {
    pub(super) fn erases(self) -> bool {
        matches!(self, Self::Erase | Self::EraseAndProgram)
    }

    pub(super) fn programs(self) -> bool {
        matches!(self, Self::Program | Self::EraseAndProgram)
    }
}

/// What happens to flash that the image has no bytes for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Rest {
    /// Pages that the image does not touch keep what they hold. In a page that it touches in part, the other
    /// bytes become blank, so that the result does not depend on what was there.
    #[default]
    Keep,
    /// All other flash of both cores becomes blank. UICR stays.
    Erase,
}

/// The pages that are concerned, in the order of their addresses.
pub(super) fn pages(silicon: Silicon, image: &FlashImage, rest: Rest) -> Vec<Page> {
    let mut pages: BTreeMap<u32, Page> = BTreeMap::new();
    let blank = |core: Core, address: u32| Page {
        core,
        address,
        wanted: vec![0xFF; silicon.page_size(core) as usize],
    };
    if rest == Rest::Erase {
        for core in Core::ALL {
            for address in silicon
                .flash(core)
                .step_by(silicon.page_size(core) as usize)
            {
                pages.insert(address, blank(core, address));
            }
        }
    }
    for (mut address, mut data) in image.segments() {
        let Some(Region::Flash(core)) = Region::of(address) else {
            continue;
        };
        while !data.is_empty() {
            let offset = address % silicon.page_size(core);
            let start = address - offset;
            let length = data.len().min((silicon.page_size(core) - offset) as usize);
            let page = pages.entry(start).or_insert_with(|| blank(core, start));
            page.wanted[offset as usize..][..length].copy_from_slice(&data[..length]);
            address += length as u32;
            data = &data[length..];
        }
    }
    pages.into_values().collect()
}

/// The words of UICR that the image has, in the order of their addresses; bytes that it does not have are
/// `0xFF`, which leaves flash as it is.
pub(super) fn uicr_words(image: &FlashImage) -> Vec<(Core, u32, u32)> {
    let mut words: BTreeMap<u32, (Core, [u8; 4])> = BTreeMap::new();
    for (address, data) in image.segments() {
        let Some(Region::Uicr(core)) = Region::of(address) else {
            continue;
        };
        for (at, &byte) in (address..).zip(data) {
            let (_, bytes) = words.entry(at & !3).or_insert((core, [0xFF; 4]));
            bytes[(at & 3) as usize] = byte;
        }
    }
    words
        .into_iter()
        .map(|(address, (core, bytes))| (core, address, u32::from_le_bytes(bytes)))
        .collect()
}

/// Finds out what has to be done to a page, reading no more of it than necessary. `whole` says that the page
/// probably holds the right bytes, so that a look at its beginning would be wasted.
pub(super) fn compare<E>(
    page: &Page,
    whole: bool,
    mut read: impl FnMut(u32, &mut [u8]) -> Result<(), E>,
) -> Result<Change, E> {
    let mut held = vec![0u8; page.wanted.len()];
    let mut known = 0;
    if !whole {
        known = SAMPLE;
        read(page.address, &mut held[..known])?;
        // Neither right nor blank: nothing in the rest can change what has to be done.
        if held[..known] != page.wanted[..known] && !is_blank(&held[..known]) {
            return Ok(if is_blank(&page.wanted) {
                Change::Erase
            } else {
                Change::EraseAndProgram
            });
        }
    }
    read(page.address + known as u32, &mut held[known..])?;
    Ok(held_change(&held, &page.wanted))
}

/// What has to be done to a page that holds this and is to hold that.
pub(super) fn held_change(held: &[u8], wanted: &[u8]) -> Change {
    if held == wanted {
        Change::Nothing
    } else if is_blank(held) {
        Change::Program
    } else if is_blank(wanted) {
        Change::Erase
    } else {
        Change::EraseAndProgram
    }
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn image(segments: &[(u32, &[u8])]) -> FlashImage {
        let mut image = FlashImage::new();
        for (address, data) in segments {
            image.add_segment(*address, data).unwrap();
        }
        image
    }

    #[test]
    fn a_segment_is_cut_at_the_pages_of_its_core() {
        let app = pages(Silicon::Nrf5340, &image(&[(0xFFE, &[1, 2, 3])]), Rest::Keep);
        assert_eq!(
            app.iter().map(|page| page.address).collect::<Vec<_>>(),
            [0, 0x1000]
        );
        assert_eq!(app[0].wanted[0xFFD..], [0xFF, 1, 2]);
        assert_eq!(app[1].wanted[..2], [3, 0xFF]);
        let net = pages(
            Silicon::Nrf5340,
            &image(&[(0x0100_07FF, &[1, 2])]),
            Rest::Keep,
        );
        assert_eq!(
            net.iter().map(|page| page.address).collect::<Vec<_>>(),
            [0x0100_0000, 0x0100_0800]
        );
        assert_eq!(net[0].wanted.len(), 0x800);
    }

    #[test]
    fn erasing_the_rest_concerns_every_page_of_both_cores() {
        assert_eq!(
            pages(Silicon::Nrf5340, &image(&[(0, &[1])]), Rest::Erase).len(),
            256 + 128
        );
    }

    #[test]
    fn uicr_is_programmed_by_words() {
        let image = image(&[(0x00FF_8001, &[1, 2]), (0x01FF_8000, &[1, 2, 3, 4, 5])]);
        assert_eq!(pages(Silicon::Nrf5340, &image, Rest::Keep), []);
        assert_eq!(
            uicr_words(&image),
            [
                (Core::App, 0x00FF_8000, 0xFF02_01FF),
                (Core::Net, 0x01FF_8000, 0x0403_0201),
                (Core::Net, 0x01FF_8004, 0xFFFF_FF05),
            ]
        );
    }

    const BLANK: [u8; 0x1000] = [0xFF; 0x1000];
    const OLD: [u8; 0x1000] = [0x11; 0x1000];
    const NEW: [u8; 0x1000] = [0x22; 0x1000];
    /// Differs from `NEW` in its last byte only.
    const LATE: [u8; 0x1000] = {
        let mut page = NEW;
        page[0xFFF] = 0x21;
        page
    };
    /// Blank where the sample is taken.
    const BLANK_HEAD: [u8; 0x1000] = {
        let mut page = BLANK;
        page[0x800] = 0;
        page
    };

    #[rstest]
    #[case::equal(NEW, NEW, Change::Nothing)]
    #[case::blank_stays_blank(BLANK, BLANK, Change::Nothing)]
    #[case::fresh(BLANK, NEW, Change::Program)]
    #[case::other(OLD, NEW, Change::EraseAndProgram)]
    #[case::other_in_the_last_byte(LATE, NEW, Change::EraseAndProgram)]
    #[case::blank_only_at_the_beginning(BLANK_HEAD, NEW, Change::EraseAndProgram)]
    #[case::to_become_blank(OLD, BLANK, Change::Erase)]
    #[case::to_become_blank_behind_the_beginning(BLANK_HEAD, BLANK, Change::Erase)]
    fn a_page_is_changed_no_more_than_necessary(
        #[case] held: [u8; 0x1000],
        #[case] wanted: [u8; 0x1000],
        #[case] expected: Change,
        #[values(false, true)] whole: bool,
    ) {
        let page = Page {
            core: Core::App,
            address: 0x3000,
            wanted: wanted.to_vec(),
        };
        let change = compare(&page, whole, |address, buffer| {
            let from = (address - 0x3000) as usize;
            buffer.copy_from_slice(&held[from..from + buffer.len()]);
            Ok::<(), ()>(())
        });
        assert_eq!(change, Ok(expected));
    }

    #[test]
    fn a_page_that_differs_early_is_not_read_to_its_end() {
        let page = Page {
            core: Core::App,
            address: 0,
            wanted: NEW.to_vec(),
        };
        let mut bytes = 0;
        let change = compare(&page, false, |_, buffer| {
            bytes += buffer.len();
            buffer.fill(0x11);
            Ok::<(), ()>(())
        });
        assert_eq!(change, Ok(Change::EraseAndProgram));
        assert_eq!(bytes, SAMPLE);
    }
}
