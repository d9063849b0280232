//! What the flash of a board holds after a scenario, against what was programmed: pages and their hashes, never a byte.
//!
//! A page may hold the plain text of an encrypted image, or a content key in a trailer. A SHA-256 of it tells neither, and
//! tells whether two pages are the same. The bytes of pages that hold no secret are in the [evidence
//! store](crate::Objects) under these hashes; the others are marked as withheld.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The flash of a board after a scenario.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FlashSnapshot {
    /// Name of the board.
    pub board: String,
    /// Name of the scenario variant.
    pub scenario: String,
    /// Its memories.
    pub memories: Vec<MemorySnapshot>,
}

/// One memory of a board.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct MemorySnapshot {
    /// Which, such as `app core`, `net core`, `external flash`.
    pub memory: String,
    /// Its first address.
    pub address: u32,
    /// Its length in bytes; of the external flash, up to the end of its last partition.
    pub size: u32,
    /// Length of a page in bytes: what an erase erases.
    pub page: u32,
    /// What the layout puts there, by address.
    pub partitions: Vec<Partition>,
    /// What held something when it had been programmed: runs of pages that are not blank.
    pub programmed: Vec<PageRun>,
    /// What holds something after the scenario.
    pub found: Vec<PageRun>,
    /// The pages that are not as programmed.
    pub changed: Vec<ChangedPage>,
}

/// A partition of the layout.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Partition {
    /// Its name, such as `app.primary`.
    pub name: String,
    /// Its first address.
    pub address: u32,
    /// Its length in bytes.
    pub size: u32,
    /// Length of the trailer at its end, in bytes, where the bootloader keeps one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailer: Option<u32>,
}

/// Pages that follow each other.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct PageRun {
    /// First address.
    pub address: u32,
    /// Length in bytes.
    pub size: u32,
}

/// A page that is not as programmed.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ChangedPage {
    /// Its first address.
    pub address: u32,
    /// SHA-256 of what was programmed, as hex digits; none when it was blank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programmed: Option<String>,
    /// SHA-256 of what is there, as hex digits; none when it is blank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Its bytes may be secret, and are not in the evidence store.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
}

impl MemorySnapshot {
    /// Compares what was found in a memory with what was programmed, page by page. Bytes that only one of the two has
    /// are taken for blank in the other.
    ///
    /// `page` is in bytes; 0 is taken for the whole memory.
    #[must_use]
    pub fn compare(
        memory: impl Into<String>,
        address: u32,
        page: u32,
        partitions: Vec<Partition>,
        programmed: &[u8],
        found: &[u8],
    ) -> Self {
        let size = programmed.len().max(found.len());
        let step = if page == 0 { size } else { page as usize }.max(1);
        let mut snapshot = Self {
            memory: memory.into(),
            address,
            size: u32::try_from(size).unwrap_or(u32::MAX),
            page,
            partitions,
            programmed: Vec::new(),
            found: Vec::new(),
            changed: Vec::new(),
        };
        for start in (0..size).step_by(step) {
            let at = address.saturating_add(u32::try_from(start).unwrap_or(u32::MAX));
            let length = u32::try_from(step.min(size - start)).unwrap_or(u32::MAX);
            let (before, after) = (part(programmed, start, step), part(found, start, step));
            extend(&mut snapshot.programmed, before, at, length);
            extend(&mut snapshot.found, after, at, length);
            if differ(before, after) {
                snapshot.changed.push(ChangedPage {
                    address: at,
                    programmed: hash(before),
                    found: hash(after),
                    withheld: false,
                });
            }
        }
        snapshot
    }
}

fn part(memory: &[u8], start: usize, length: usize) -> &[u8] {
    let end = start.saturating_add(length).min(memory.len());
    memory.get(start..end).unwrap_or_default()
}

fn differ(one: &[u8], other: &[u8]) -> bool {
    let byte = |page: &[u8], at: usize| page.get(at).copied().unwrap_or(0xFF);
    (0..one.len().max(other.len())).any(|at| byte(one, at) != byte(other, at))
}

fn is_blank(page: &[u8]) -> bool {
    page.iter().all(|&byte| byte == 0xFF)
}

fn hash(page: &[u8]) -> Option<String> {
    (!is_blank(page)).then(|| hex::encode(Sha256::digest(page)))
}

/// Adds a page that holds something to the run before it, or begins another.
fn extend(runs: &mut Vec<PageRun>, page: &[u8], address: u32, size: u32) {
    if is_blank(page) {
        return;
    }
    match runs.last_mut() {
        Some(last) if last.address.saturating_add(last.size) == address => {
            last.size = last.size.saturating_add(size);
        }
        _ => runs.push(PageRun { address, size }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_changed_are_told_by_address_and_hash() {
        let mut programmed = vec![0xFF; 5 * 16];
        programmed[..20].fill(0x11);
        let mut found = programmed.clone();
        found[16..32].fill(0xFF);
        found[40] = 0x22;
        let snapshot =
            MemorySnapshot::compare("app core", 0x1000, 16, Vec::new(), &programmed, &found);
        let run = |address, size| PageRun { address, size };
        assert_eq!(snapshot.programmed, [run(0x1000, 32)]);
        assert_eq!(snapshot.found, [run(0x1000, 16), run(0x1020, 16)]);
        let changed: Vec<_> = snapshot
            .changed
            .iter()
            .map(|page| {
                (
                    page.address,
                    page.programmed.is_some(),
                    page.found.is_some(),
                )
            })
            .collect();
        assert_eq!(changed, [(0x1010, true, false), (0x1020, false, true)]);
        assert_eq!(
            snapshot.changed[1].found.as_deref(),
            Some(hex::encode(Sha256::digest(&found[32..48])).as_str())
        );
    }

    #[test]
    fn no_byte_of_a_page_is_in_a_snapshot() {
        let secret = b"a content key...";
        let snapshot = MemorySnapshot::compare("app core", 0, 16, Vec::new(), &[0xFF; 16], secret);
        let text = serde_json::to_string(&snapshot).unwrap();
        assert!(!text.contains("content") && !text.contains(&hex::encode(secret)));
        assert_eq!(snapshot.changed.len(), 1);
    }

    #[test]
    fn a_memory_that_was_read_only_in_part_is_compared_as_blank_behind_that() {
        let snapshot = MemorySnapshot::compare("net core", 0, 8, Vec::new(), &[0xFF; 20], &[0; 9]);
        assert_eq!(snapshot.size, 20);
        assert_eq!(
            snapshot
                .changed
                .iter()
                .map(|page| page.address)
                .collect::<Vec<_>>(),
            [0, 8]
        );
    }
}
