//! Files that hold, touch, overlap, contradict or lack bytes.

use super::*;

fn load(text: &str) -> Result<FlashImage, ImageError> {
    let mut image = FlashImage::new();
    image.add_bytes(Path::new("app.hex"), text.as_bytes(), ImageFormat::Hex)?;
    Ok(image)
}

fn segments(image: &FlashImage) -> Vec<(u32, Vec<u8>)> {
    image
        .segments()
        .map(|(address, data)| (address, data.to_vec()))
        .collect()
}

#[test]
fn hex_records_that_touch_become_one_segment() {
    let image = load(
        ":020000040001F9\n:04000000010203 04F2\n"
            .replace(' ', "")
            .as_str(),
    );
    // Without an end-of-file record the file may have been cut off.
    assert!(
        matches!(image, Err(ImageError::HexTruncated { lines: 2, .. })),
        "{image:?}"
    );
    let image = load(
        ":020000040001F9\n:0400000001020304F2\n:0200040005 06EF\n:00000001FF\n"
            .replace(' ', "")
            .as_str(),
    )
    .unwrap();
    assert_eq!(segments(&image), [(0x1_0000, vec![1, 2, 3, 4, 5, 6])]);
}

#[test]
fn a_wrong_checksum_is_found_in_its_line() {
    let error = load(":020000040001F9\n:040000000102030400\n:00000001FF\n").unwrap_err();
    insta::assert_snapshot!(error, @"`app.hex` line 2 is not Intel HEX");
}

#[test]
fn bytes_outside_of_the_chip_are_refused() {
    let mut image = FlashImage::new();
    let error = image
        .add_bytes(
            Path::new("ram.bin"),
            &[0; 8],
            ImageFormat::Bin {
                address: 0x2000_0000,
            },
        )
        .unwrap_err();
    insta::assert_snapshot!(error, @"`ram.bin` has 8 bytes for 0x20000000, of which some are neither in flash nor in UICR of an nRF5340, nor in the external flash of its DK");
    let error = image.add_segment(0x000F_FFFC, &[0; 8]).unwrap_err();
    assert!(matches!(
        error,
        ImageError::OutsideFlash {
            address: 0x000F_FFFC,
            length: 8,
            ..
        }
    ));
    image.add_segment(0xFFFF_FFFF, &[0; 8]).unwrap_err();
}

#[test]
fn two_files_may_agree_about_a_byte_and_not_disagree() {
    let mut image = FlashImage::new();
    image.add_segment(0x100, &[1, 2, 3, 4]).unwrap();
    image.add_segment(0x102, &[3, 4, 5]).unwrap();
    assert_eq!(segments(&image), [(0x100, vec![1, 2, 3, 4, 5])]);
    let error = image.add_segment(0x0FF, &[0, 1, 9]).unwrap_err();
    insta::assert_snapshot!(error, @"`<segment>` wants 0x09 at 0x00000101, where another file of the same board already wants 0x02");
    assert_eq!(
        segments(&image),
        [(0x100, vec![1, 2, 3, 4, 5])],
        "a refused segment changes nothing"
    );
}

#[test]
fn a_segment_closes_the_gap_between_two_others() {
    let mut image = FlashImage::new();
    image.add_segment(0x104, &[4]).unwrap();
    image.add_segment(0x100, &[0]).unwrap();
    image.add_segment(0x108, &[8]).unwrap();
    image.add_segment(0x101, &[1, 2, 3]).unwrap();
    assert_eq!(
        segments(&image),
        [(0x100, vec![0, 1, 2, 3, 4]), (0x108, vec![8])]
    );
    image
        .add_segment(0x0FE, &[0xE, 0xF, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
        .unwrap();
    assert_eq!(
        segments(&image),
        [(0x0FE, vec![0xE, 0xF, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])]
    );
}

/// The smallest ELF file with one loadable segment: initialised data, which runs in RAM and lies in flash.
fn elf(physical: u32, data: &[u8]) -> Vec<u8> {
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(16, 0);
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    [2, 40].into_iter().for_each(|value| half(&mut file, value));
    [1, 0, 52, 0, 0]
        .into_iter()
        .for_each(|value| word(&mut file, value));
    [52, 32, 1, 40, 0, 0]
        .into_iter()
        .for_each(|value| half(&mut file, value));
    let length = data.len() as u32;
    [1, 84, 0x2000_0000, physical, length, length, 6, 4]
        .into_iter()
        .for_each(|value| word(&mut file, value));
    file.extend_from_slice(data);
    file
}

#[test]
fn an_elf_segment_belongs_to_its_load_address() {
    let mut image = FlashImage::new();
    image
        .add_bytes(
            Path::new("zephyr.elf"),
            &elf(0x0100_8800, &[1, 2, 3]),
            ImageFormat::Elf,
        )
        .unwrap();
    assert_eq!(segments(&image), [(0x0100_8800, vec![1, 2, 3])]);
}

#[test]
fn an_elf_file_that_was_cut_off_is_refused() {
    let mut file = elf(0, &[1, 2, 3]);
    file.truncate(85);
    let error = FlashImage::new()
        .add_bytes(Path::new("zephyr.elf"), &file, ImageFormat::Elf)
        .unwrap_err();
    insta::assert_snapshot!(error, @"`zephyr.elf` is not a usable ELF file");
}

#[test]
fn a_binary_file_needs_an_address() {
    let error = FlashImage::format_of(Path::new("app.bin"), None).unwrap_err();
    insta::assert_snapshot!(error, @"`app.bin` has no ending that says its format: found `bin`, expected `hex`, `elf`, or `bin` with an address");
    assert_eq!(
        FlashImage::format_of(Path::new("a.HEX"), None).unwrap(),
        ImageFormat::Hex
    );
}
