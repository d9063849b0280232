//! The one thing an upload needs to know about MCUboot's image format: the hash by which a server lists the image.

/// `IMAGE_MAGIC`, `IMAGE_TLV_INFO_MAGIC` and the hash TLVs of `mcuboot boot/bootutil/include/bootutil/image.h`.
const IMAGE_MAGIC: u32 = 0x96f3_b83d;
const TLV_INFO_MAGIC: u16 = 0x6907;
const HASH_TLVS: [u16; 3] = [0x10, 0x11, 0x12];

/// The hash TLV of an MCUboot image; `None` when `file` is not one.
pub(super) fn listed_hash(file: &[u8]) -> Option<Vec<u8>> {
    if u32_at(file, 0)? != IMAGE_MAGIC {
        return None;
    }
    let header = usize::from(u16_at(file, 8)?);
    let protected = usize::from(u16_at(file, 10)?);
    let payload = usize::try_from(u32_at(file, 12)?).ok()?;
    let area = header.checked_add(payload)?.checked_add(protected)?;
    if u16_at(file, area)? != TLV_INFO_MAGIC {
        return None;
    }
    let end = area
        .checked_add(usize::from(u16_at(file, area + 2)?))?
        .min(file.len());
    let mut at = area + 4;
    while at + 4 <= end {
        let kind = u16_at(file, at)?;
        let length = usize::from(u16_at(file, at + 2)?);
        let value = at + 4;
        if HASH_TLVS.contains(&kind) {
            return file.get(value..value + length).map(<[u8]>::to_vec);
        }
        at = value + length;
    }
    None
}

fn u16_at(file: &[u8], at: usize) -> Option<u16> {
    let bytes = file.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

fn u32_at(file: &[u8], at: usize) -> Option<u32> {
    let bytes = file.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn image(protected: u16, tlvs: &[(u16, &[u8])]) -> Vec<u8> {
        let mut file = vec![0; 32 + 100 + usize::from(protected)];
        file[0..4].copy_from_slice(&IMAGE_MAGIC.to_le_bytes());
        file[8..10].copy_from_slice(&32u16.to_le_bytes());
        file[10..12].copy_from_slice(&protected.to_le_bytes());
        file[12..16].copy_from_slice(&100u32.to_le_bytes());
        let length: usize = 4 + tlvs.iter().map(|(_, value)| 4 + value.len()).sum::<usize>();
        file.extend(TLV_INFO_MAGIC.to_le_bytes());
        file.extend(u16::try_from(length).unwrap().to_le_bytes());
        for (kind, value) in tlvs {
            file.extend(kind.to_le_bytes());
            file.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
            file.extend_from_slice(value);
        }
        file
    }

    #[test]
    fn hash_is_found_behind_other_entries() {
        let file = image(
            12,
            &[(0x01, &[1; 5]), (0x10, &[0xab; 32]), (0x22, &[2; 70])],
        );
        assert_eq!(listed_hash(&file), Some(vec![0xab; 32]));
    }

    #[test]
    fn other_files_have_none() {
        assert_eq!(listed_hash(b"not an image"), None);
        assert_eq!(listed_hash(&image(0, &[(0x22, &[2; 70])])), None);
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic(at in 0usize..200, value in any::<u8>(), cut in 0usize..260) {
            let mut file = image(0, &[(0x10, &[0xab; 32])]);
            file.resize(file.len().max(at + 1), 0);
            file[at] = value;
            file.truncate(cut);
            let _ = listed_hash(&file);
        }
    }
}
