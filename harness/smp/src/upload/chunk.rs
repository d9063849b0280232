//! How much of an image fits one packet.

use crate::cbor::Lengths;
use crate::header::HEADER_LEN;
use crate::message::{Payload, UploadChunk};

/// A Zephyr server looks into the image header, which has to be whole in the first chunk
/// (`zephyr subsys/mgmt/mcumgr/grp/img_mgmt/src/zephyr_img_mgmt.c`).
const IMAGE_HEADER: usize = 32;
/// A server takes the start of the SHA-256 as the name of the upload; fewer bytes would be a poor name.
const SHORTEST_SHA: usize = 8;

/// What is sent of an image, packet by packet.
#[derive(Debug)]
pub(super) struct Chunks {
    pub(super) file: Vec<u8>,
    /// Everything that only the first chunk carries.
    pub(super) first: UploadChunk,
    pub(super) limit: usize,
    pub(super) alignment: usize,
}

impl Chunks {
    pub(super) fn total(&self) -> u64 {
        self.file.len() as u64
    }

    /// The chunk at `offset`; `None` when not a byte of it fits. `offset` is less than the total.
    pub(super) fn at(&self, offset: u64) -> Option<UploadChunk> {
        let start = usize::try_from(offset).ok()?;
        let rest = self.file.get(start..).filter(|rest| !rest.is_empty())?;
        let mut chunk = if start == 0 {
            self.first_without_data(rest.len())
        } else {
            UploadChunk::default()
        };
        chunk.off = Some(offset);
        let fits = self.fits(&chunk).min(rest.len());
        let length = if fits < rest.len() {
            self.aligned(start, fits)
        } else {
            fits
        };
        if length == 0 {
            return None;
        }
        chunk.data = Some(rest[..length].to_vec());
        Some(chunk)
    }

    /// The first chunk with as much of the hash as leaves room for the image header.
    fn first_without_data(&self, rest: usize) -> UploadChunk {
        let mut chunk = UploadChunk {
            off: Some(0),
            ..self.first.clone()
        };
        let wanted = IMAGE_HEADER.min(rest);
        while self.fits(&chunk) < wanted {
            match &mut chunk.sha {
                Some(sha) if sha.len() > SHORTEST_SHA => sha.truncate(sha.len() - 1),
                Some(_) => chunk.sha = None,
                None => break,
            }
        }
        chunk
    }

    /// Bytes of data that fit beside the other keys of `chunk`.
    fn fits(&self, chunk: &UploadChunk) -> usize {
        let empty = UploadChunk {
            data: Some(Vec::new()),
            ..chunk.clone()
        };
        // Without the one byte that says how long the empty data is.
        let fixed = HEADER_LEN + empty.to_map().encode(Lengths::Definite).len() - 1;
        let room = self.limit.saturating_sub(fixed);
        (room.saturating_sub(5)..=room)
            .rev()
            .find(|&data| data + head(data) <= room)
            .unwrap_or(0)
    }

    /// As much of `length` as ends at a multiple of the alignment, if anything is left then.
    fn aligned(&self, start: usize, length: usize) -> usize {
        let alignment = self.alignment.max(1);
        let end = (start + length) / alignment * alignment;
        match end.checked_sub(start) {
            None | Some(0) => length,
            Some(aligned) => aligned,
        }
    }
}

/// Bytes that say how long a CBOR byte string is.
const fn head(length: usize) -> usize {
    match length {
        0..24 => 1,
        24..256 => 2,
        256..65536 => 3,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Version;
    use crate::message::Command;
    use proptest::prelude::*;
    use rstest::rstest;

    fn chunks(file: usize, limit: usize) -> Chunks {
        Chunks {
            file: vec![0x5a; file],
            first: UploadChunk {
                len: Some(file as u64),
                sha: Some(vec![0xab; 32]),
                ..UploadChunk::default()
            },
            limit,
            alignment: 4,
        }
    }

    fn data(chunk: &UploadChunk) -> usize {
        chunk.data.as_ref().map_or(0, Vec::len)
    }

    fn packet_len(chunk: &UploadChunk) -> usize {
        chunk.packet(0, Version::V2).unwrap().len()
    }

    /// Requests for 512 KiB, by bytes of the server's buffer.
    #[rstest]
    #[case::bluetooth_size(2475, 215)]
    #[case::recovery(1024, 529)]
    #[case::zephyr_default(384, 1488)]
    #[case::small(96, 8133)]
    fn requests_for_512_kib(#[case] buf_size: usize, #[case] expected: usize) {
        let chunks = chunks(512 * 1024, buf_size - 4);
        let mut offset = 0;
        let mut requests = 0;
        while offset < chunks.total() {
            offset += data(&chunks.at(offset).unwrap()) as u64;
            requests += 1;
        }
        assert_eq!(requests, expected);
    }

    #[rstest]
    #[case::all_of_the_hash(124, Some(32), 56)]
    #[case::half_of_the_hash(92, Some(24), 32)]
    #[case::shortest_hash(75, Some(8), 32)]
    #[case::no_hash(64, None, 32)]
    fn image_header_comes_before_the_hash(
        #[case] limit: usize,
        #[case] sha: Option<usize>,
        #[case] expected: usize,
    ) {
        let first = chunks(100_000, limit).at(0).unwrap();
        assert_eq!(first.sha.as_ref().map(Vec::len), sha);
        assert_eq!(data(&first), expected);
    }

    #[test]
    fn nothing_fits_a_tiny_packet() {
        assert_eq!(chunks(100, 20).at(0), None);
    }

    proptest! {
        #[test]
        fn every_packet_is_within_the_limit_and_as_full_as_alignment_allows(
            file in 1usize..200_000, limit in 62usize..3000, at in any::<prop::sample::Index>(),
        ) {
            let chunks = chunks(file, limit);
            for offset in [0, at.index(file) as u64] {
                let chunk = chunks.at(offset).unwrap();
                let length = packet_len(&chunk);
                let end = offset + data(&chunk) as u64;
                prop_assert!(length <= limit);
                if end < file as u64 {
                    prop_assert!(end.is_multiple_of(4) || data(&chunk) < 4);
                    prop_assert!(length + 5 > limit, "{length} of {limit}");
                }
            }
        }
    }
}
