//! Little-endian fields out of byte slices that may be too short.

/// The `u16` at `offset`, or `None` past the end.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|raw| u16::from_le_bytes(*raw))
}

/// The `u32` at `offset`, or `None` past the end.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|raw| u32::from_le_bytes(*raw))
}

/// `number` rounded up to a multiple of `step`, which must not be 0.
pub(crate) fn round_up(number: usize, step: usize) -> usize {
    number.div_ceil(step) * step
}
