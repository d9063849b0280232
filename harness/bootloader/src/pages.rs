//! The bytes of one flash device, shared between copies until one of them changes.
//!
//! A sweep looks at hundreds of moments of one boot, and a forecast keeps every flash that a board may hold. Nearly all
//! of their bytes are the same, so copies share pages, and pages that are erased are one and the same page.

use std::sync::{Arc, LazyLock};

/// Value of an erased byte.
pub const ERASED: u8 = 0xff;

/// Bytes of a page. It is a matter of memory only, and has nothing to do with the sectors of the flash.
const PAGE: usize = 4096;

type Page = [u8; PAGE];

static BLANK: LazyLock<Arc<Page>> = LazyLock::new(|| Arc::new([ERASED; PAGE]));

/// Bytes in pages; cloning copies no byte.
#[derive(Clone)]
pub(crate) struct Pages {
    pages: Vec<Arc<Page>>,
    size: usize,
}

impl Pages {
    /// Erased bytes.
    pub(crate) fn erased(size: usize) -> Self {
        Self {
            pages: vec![Arc::clone(&BLANK); size.div_ceil(PAGE)],
            size,
        }
    }

    /// These bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let page = |bytes: &[u8]| {
            if bytes.iter().all(|byte| *byte == ERASED) {
                return Arc::clone(&BLANK);
            }
            let mut page = [ERASED; PAGE];
            page[..bytes.len()].copy_from_slice(bytes);
            Arc::new(page)
        };
        Self {
            pages: bytes.chunks(PAGE).map(page).collect(),
            size: bytes.len(),
        }
    }

    /// How many bytes there are.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Whether `offset..offset + length` are among them.
    pub(crate) fn holds(&self, offset: usize, length: usize) -> bool {
        offset
            .checked_add(length)
            .is_some_and(|end| end <= self.size)
    }

    /// Copies bytes from `offset` into `buffer`; what lies behind the end is left out.
    pub(crate) fn read(&self, offset: usize, buffer: &mut [u8]) {
        let mut rest = buffer;
        for (page, range) in self.pieces(offset, rest.len()) {
            let (now, later) = rest.split_at_mut(range.len());
            now.copy_from_slice(&self.pages[page][range]);
            rest = later;
        }
    }

    /// Sets bytes to anything; what does not fit is left out.
    pub(crate) fn set(&mut self, offset: usize, data: &[u8]) {
        self.change(offset, data, <[u8]>::copy_from_slice);
    }

    /// Clears bits as programming does; tells whether a 0 was asked to become 1, which stays 0.
    pub(crate) fn program(&mut self, offset: usize, data: &[u8]) -> bool {
        let mut dirty = false;
        self.change(offset, data, |cells, data| {
            if cells == &BLANK[..cells.len()] {
                // The usual case, and by far the fastest.
                cells.copy_from_slice(data);
                return;
            }
            for (cell, value) in cells.iter_mut().zip(data) {
                dirty |= *value & !*cell != 0;
                *cell &= *value;
            }
        });
        dirty
    }

    /// Erases bytes.
    pub(crate) fn erase(&mut self, offset: usize, length: usize) {
        for (page, range) in self.pieces(offset, length) {
            if range.len() == PAGE {
                self.pages[page] = Arc::clone(&BLANK);
            } else {
                Arc::make_mut(&mut self.pages[page])[range].fill(ERASED);
            }
        }
    }

    /// All bytes, piece by piece.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces(0, self.size)
            .map(|(page, range)| &self.pages[page][range])
    }

    /// A copy of some bytes; shorter where the device ends.
    pub(crate) fn copy(&self, offset: usize, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length.min(self.size));
        for (page, range) in self.pieces(offset, length) {
            bytes.extend_from_slice(&self.pages[page][range]);
        }
        bytes
    }

    /// The bytes as pieces of pages: index of the page, and which of its bytes.
    fn pieces(
        &self,
        offset: usize,
        length: usize,
    ) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> + use<> {
        let end = offset.saturating_add(length).min(self.size);
        let mut at = offset;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let (page, start) = (at / PAGE, at % PAGE);
            let length = (end - at).min(PAGE - start);
            at += length;
            Some((page, start..start + length))
        })
    }

    fn change(&mut self, offset: usize, data: &[u8], mut change: impl FnMut(&mut [u8], &[u8])) {
        let mut rest = data;
        for (page, range) in self.pieces(offset, data.len()) {
            let (now, later) = rest.split_at(range.len());
            change(&mut Arc::make_mut(&mut self.pages[page])[range], now);
            rest = later;
        }
    }
}

impl PartialEq for Pages {
    /// Pages that are still shared are not looked at.
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size
            && self
                .pages
                .iter()
                .zip(&other.pages)
                .all(|(one, other)| Arc::ptr_eq(one, other) || one == other)
    }
}

impl Eq for Pages {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is done to a device.
    #[derive(Clone, Debug)]
    enum Change {
        Set(usize, Vec<u8>),
        Program(usize, Vec<u8>),
        Erase(usize, usize),
    }

    const SIZE: usize = 3 * PAGE + 100;

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let data = || prop::collection::vec(any::<u8>(), 0..2 * PAGE);
        let change = prop_oneof![
            (0..SIZE, data()).prop_map(|(at, data)| Change::Set(at, data)),
            (0..SIZE, data()).prop_map(|(at, data)| Change::Program(at, data)),
            (0..SIZE, 0..SIZE).prop_map(|(at, length)| Change::Erase(at, length)),
        ];
        prop::collection::vec(change, 0..12)
    }

    fn apply(bytes: &mut [u8], change: &Change) {
        match change {
            Change::Set(at, data) => {
                for (cell, value) in bytes[*at..].iter_mut().zip(data) {
                    *cell = *value;
                }
            }
            Change::Program(at, data) => {
                for (cell, value) in bytes[*at..].iter_mut().zip(data) {
                    *cell &= *value;
                }
            }
            Change::Erase(at, length) => {
                let end = at.saturating_add(*length).min(bytes.len());
                bytes[*at..end].fill(ERASED);
            }
        }
    }

    proptest! {
        #[test]
        fn pages_hold_what_plain_bytes_would_and_copies_stay_as_they_were(changes in changes()) {
            let mut plain = vec![ERASED; SIZE];
            let mut pages = Pages::erased(SIZE);
            let mut copies = Vec::new();
            for change in &changes {
                copies.push((plain.clone(), pages.clone()));
                apply(&mut plain, change);
                match change {
                    Change::Set(at, data) => pages.set(*at, data),
                    Change::Program(at, data) => drop(pages.program(*at, data)),
                    Change::Erase(at, length) => pages.erase(*at, *length),
                }
            }
            copies.push((plain, pages));
            for (plain, pages) in copies {
                prop_assert_eq!(&pages.copy(0, SIZE), &plain);
                prop_assert_eq!(&pages.chunks().collect::<Vec<_>>().concat(), &plain);
                prop_assert!(pages == Pages::from_bytes(&plain));
                let mut part = vec![0; PAGE];
                pages.read(PAGE - 7, &mut part);
                prop_assert_eq!(&part[..], &plain[PAGE - 7..2 * PAGE - 7]);
            }
        }
    }

    #[test]
    fn programming_says_when_a_bit_could_not_be_set() {
        let mut pages = Pages::erased(PAGE);
        assert!(!pages.program(0, &[0x0f]));
        assert!(!pages.program(0, &[0x0f]));
        assert!(pages.program(0, &[0xf0]));
        assert_eq!(pages.copy(0, 1), [0x00]);
    }

    #[test]
    fn ranges_behind_the_end_are_told_apart_from_those_before_it() {
        let pages = Pages::erased(SIZE);
        assert!(pages.holds(SIZE, 0) && pages.holds(0, SIZE));
        assert!(!pages.holds(1, SIZE) && !pages.holds(usize::MAX, 2));
        assert_eq!(pages.copy(SIZE - 2, 10).len(), 2);
    }
}
