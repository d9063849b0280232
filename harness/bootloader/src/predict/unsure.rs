//! Bytes that an interruption left in a state that nobody can know, and which states are possible.

use crate::flash::DeviceId;
use crate::sim::{Operation, OperationKind};

/// Bytes that hold the old value, or a new one of which some bits may be missing.
///
/// A write clears bits, so a byte that was being written has at least the bits of the new value; an erase sets bits, so
/// a byte that was being erased has at least the bits of the old one.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Unsure {
    pub(super) device: DeviceId,
    /// First byte, from the start of the device.
    pub(super) offset: u32,
    /// What was there before.
    pub(super) old: Vec<u8>,
    /// Bits that are set in any case, if it is not as before.
    pub(super) least: Vec<u8>,
    /// What was interrupted.
    pub(super) cause: Cause,
}

/// What left bytes unsure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// An upload that the power ended.
    Upload,
    /// A copy by b0n that may not have ended.
    Copy,
    /// An operation of the bootloader in which the power failed.
    Operation,
}

impl std::fmt::Debug for Unsure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the bytes: a trailer may hold content keys.
        write!(
            f,
            "Unsure({:#010x}..{:#010x} of {}, {:?})",
            self.offset,
            self.end(),
            self.device,
            self.cause
        )
    }
}

impl Unsure {
    pub(super) fn end(&self) -> u32 {
        self.offset + self.old.len() as u32
    }

    /// Whether flash may hold `found` there.
    pub(super) fn allows(&self, device: DeviceId, offset: u32, found: u8) -> bool {
        let Some(at) = offset.checked_sub(self.offset).map(|at| at as usize) else {
            return false;
        };
        match (self.old.get(at), self.least.get(at)) {
            (Some(old), Some(least)) if self.device == device => {
                found == *old || found & least == *least
            }
            _ => false,
        }
    }

    /// What is left of it when `offset..offset + length` has been erased.
    fn without(&self, offset: u32, length: u32) -> Vec<Self> {
        let end = offset.saturating_add(length);
        let part = |from: u32, to: u32| {
            let range = (from - self.offset) as usize..(to - self.offset) as usize;
            (from < to).then(|| Self {
                offset: from,
                old: self.old[range.clone()].to_vec(),
                least: self.least[range].to_vec(),
                ..*self
            })
        };
        let below = part(self.offset, offset.clamp(self.offset, self.end()));
        let above = part(end.clamp(self.offset, self.end()), self.end());
        below.into_iter().chain(above).collect()
    }
}

/// Forgets what has been erased since.
pub(super) fn after(unsure: &mut Vec<Unsure>, operations: &[Operation]) {
    for operation in operations {
        if operation.kind == OperationKind::Erase {
            erased(unsure, operation.device, operation.offset, operation.length);
        }
    }
}

/// Forgets what lies in an erased range.
pub(super) fn erased(unsure: &mut Vec<Unsure>, device: DeviceId, offset: u32, length: u32) {
    *unsure = std::mem::take(unsure)
        .into_iter()
        .flat_map(|part| {
            if part.device == device {
                part.without(offset, length)
            } else {
                vec![part]
            }
        })
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const APP: DeviceId = DeviceId::AppFlash;

    fn unsure(old: u8, least: u8) -> Unsure {
        Unsure {
            device: APP,
            offset: 0x100,
            old: vec![old; 0x40],
            least: vec![least; 0x40],
            cause: Cause::Operation,
        }
    }

    #[rstest]
    #[case::erased_still(0xff, 0x0f, 0xff, true)]
    #[case::written(0xff, 0x0f, 0x0f, true)]
    #[case::half_written(0xff, 0x0f, 0x3f, true)]
    #[case::a_bit_too_few(0xff, 0x0f, 0x0e, false)]
    #[case::old_value_still(0x55, 0xaa, 0x55, true)]
    #[case::neither_old_nor_new(0x55, 0xaa, 0x54, false)]
    fn a_byte_is_old_or_on_its_way_to_new(
        #[case] old: u8,
        #[case] least: u8,
        #[case] found: u8,
        #[case] allowed: bool,
    ) {
        assert_eq!(unsure(old, least).allows(APP, 0x120, found), allowed);
    }

    #[test]
    fn nothing_is_allowed_outside() {
        for (device, offset) in [(APP, 0xff), (APP, 0x140), (DeviceId::NetFlash, 0x120)] {
            assert!(!unsure(0xff, 0).allows(device, offset, 0xff));
        }
    }

    #[rstest]
    #[case::all(0x0, 0x1000, &[])]
    #[case::the_start(0x0, 0x110, &[(0x110, 0x140)])]
    #[case::the_end(0x130, 0x1000, &[(0x100, 0x130)])]
    #[case::the_middle(0x110, 0x10, &[(0x100, 0x110), (0x120, 0x140)])]
    #[case::below(0x0, 0x100, &[(0x100, 0x140)])]
    #[case::above(0x140, 0x100, &[(0x100, 0x140)])]
    fn what_is_erased_is_known_again(
        #[case] offset: u32,
        #[case] length: u32,
        #[case] left: &[(u32, u32)],
    ) {
        let mut parts = vec![unsure(0xff, 0)];
        erased(&mut parts, APP, offset, length);
        let ranges: Vec<_> = parts.iter().map(|part| (part.offset, part.end())).collect();
        assert_eq!(ranges, left);
    }
}
