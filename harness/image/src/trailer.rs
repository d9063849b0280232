//! The trailer at the end of a slot: what is asked of the loader, and how far a swap got.

/// The 16 bytes at the very end of a slot with a request or a swap in it.
///
/// Two kinds: a fixed one for a maximum alignment of 8, and one that starts with the alignment (mcuboot
/// `boot/bootutil/src/bootutil_public.c`).
#[must_use]
pub fn magic(max_align: u32) -> [u8; 16] {
    if max_align <= 8 {
        return [
            0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6,
            0x79, 0x80,
        ];
    }
    let [low, high, ..] = max_align.to_le_bytes();
    [
        low, high, 0x2d, 0xe1, 0x5d, 0x29, 0x41, 0x0b, 0x8d, 0x77, 0x67, 0x9c, 0x11, 0x0f, 0x1f,
        0x8a,
    ]
}
