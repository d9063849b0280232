//! What is to be in flash: segments of bytes at addresses, from HEX, BIN and ELF files.
//!
//! The files are parsed here, and not by the probe library, because the harness compares what they hold with
//! what is in flash before it programs anything, and because an address outside of the chip has to be
//! reported with the file's name before a board is touched.

use crate::core::Region;
use object::{Object, ObjectSegment};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes for the non-volatile memory of one board: segments that neither touch nor overlap.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FlashImage {
    segments: BTreeMap<u32, Vec<u8>>,
}

/// How a file says where its bytes belong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ImageFormat {
    /// Intel HEX: addresses are in the file.
    Hex,
    /// Bytes for one address.
    Bin {
        /// Where the first byte belongs.
        address: u32,
    },
    /// ELF: the loadable segments, at their physical addresses.
    Elf,
}

/// Why a file cannot be programmed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file's name does not say which format it has.
    #[error(
        "`{path}` has no ending that says its format: found `{found}`, expected `hex`, `elf`, or `bin` with an address"
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// The name's ending.
        found: String,
    },
    /// A line of a HEX file is wrong.
    #[error("`{path}` line {line} is not Intel HEX")]
    Hex {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: ihex::ReaderError,
    },
    /// A HEX file has no end-of-file record: it was cut off.
    #[error("`{path}` ends at line {lines} without an end-of-file record")]
    HexTruncated {
        /// The file.
        path: PathBuf,
        /// How many lines it has.
        lines: usize,
    },
    /// The file is not an ELF file that can be used.
    #[error("`{path}` is not a usable ELF file")]
    Elf {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: object::Error,
    },
    /// There is nothing to program in the file.
    #[error("`{path}` holds no bytes to program")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Bytes that belong nowhere on the chip.
    #[error(
        "`{path}` has {length} bytes for {address:#010x}, of which some are neither in flash nor in UICR of an nRF5340"
    )]
    OutsideFlash {
        /// The file.
        path: PathBuf,
        /// Where they begin.
        address: u32,
        /// How many they are.
        length: u64,
    },
    /// Two sources disagree about a byte.
    #[error(
        "`{path}` wants {new:#04x} at {address:#010x}, where another file of the same board already wants {old:#04x}"
    )]
    Conflict {
        /// The file that came second.
        path: PathBuf,
        /// The byte's address.
        address: u32,
        /// What the first one wants.
        old: u8,
        /// What the second one wants.
        new: u8,
    },
}

impl ImageError {
    /// What to try.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check the path; paths in a firmware set are relative to its file",
            Self::UnknownFormat { .. } => {
                "program the `.hex` of the build, or give a `.bin` the address that it belongs to"
            }
            Self::Hex { .. }
            | Self::HexTruncated { .. }
            | Self::Elf { .. }
            | Self::Empty { .. } => {
                "build the file again, or copy it again: it is damaged or not what its name says"
            }
            Self::OutsideFlash { .. } => {
                "application flash is 0x00000000..0x00100000, network flash 0x01000000..0x01040000; was the \
                 file built for another chip, or does it hold a part for the external flash?"
            }
            Self::Conflict { .. } => {
                "program the merged file of the build only, or files that do not overlap"
            }
        }
    }
}

impl FlashImage {
    /// An image without bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file and adds its bytes.
    ///
    /// # Errors
    /// When the file cannot be read or parsed, has bytes outside of the chip's flash and UICR, or wants
    /// another value for a byte that is already in the image.
    pub fn add_file(&mut self, path: &Path, format: ImageFormat) -> Result<(), ImageError> {
        let bytes = std::fs::read(path).map_err(|source| ImageError::Read {
            path: path.to_owned(),
            source,
        })?;
        self.add_bytes(path, &bytes, format)
    }

    /// The format that a file's name says: `.hex`, `.elf`, and `.bin` when `address` is given.
    ///
    /// # Errors
    /// [`ImageError::UnknownFormat`] when the ending says nothing, or is `bin` and there is no address.
    pub fn format_of(path: &Path, address: Option<u32>) -> Result<ImageFormat, ImageError> {
        let ending = path
            .extension()
            .map(|ending| ending.to_string_lossy().to_ascii_lowercase())
            .unwrap_or_default();
        match (ending.as_str(), address) {
            ("hex" | "ihex", _) => Ok(ImageFormat::Hex),
            ("elf", _) => Ok(ImageFormat::Elf),
            ("bin", Some(address)) => Ok(ImageFormat::Bin { address }),
            _ => Err(ImageError::UnknownFormat {
                path: path.to_owned(),
                found: ending,
            }),
        }
    }

    /// Adds the contents of a file; `path` is only for messages.
    ///
    /// # Errors
    /// As [`add_file`](Self::add_file).
    pub fn add_bytes(
        &mut self,
        path: &Path,
        bytes: &[u8],
        format: ImageFormat,
    ) -> Result<(), ImageError> {
        match format {
            ImageFormat::Hex => self.add_hex(path, bytes),
            ImageFormat::Bin { address } => self.add_from(path, address, bytes),
            ImageFormat::Elf => self.add_elf(path, bytes),
        }?;
        if self.segments.is_empty() {
            return Err(ImageError::Empty {
                path: path.to_owned(),
            });
        }
        Ok(())
    }

    /// Adds bytes at an address.
    ///
    /// # Errors
    /// [`ImageError::OutsideFlash`] and [`ImageError::Conflict`], with `<segment>` as the file.
    pub fn add_segment(&mut self, address: u32, data: &[u8]) -> Result<(), ImageError> {
        self.add_from(Path::new("<segment>"), address, data)
    }

    /// The segments in the order of their addresses.
    pub fn segments(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.segments
            .iter()
            .map(|(&address, data)| (address, data.as_slice()))
    }

    /// How many bytes the image holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.segments.values().map(Vec::len).sum()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    fn add_hex(&mut self, path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
        let text = String::from_utf8_lossy(bytes);
        let mut base = 0u32;
        let mut ended = false;
        for (index, record) in ihex::Reader::new(&text).enumerate() {
            let record = record.map_err(|source| ImageError::Hex {
                path: path.to_owned(),
                line: index + 1,
                source,
            })?;
            match record {
                ihex::Record::Data { offset, value } => {
                    let address = base.wrapping_add(u32::from(offset));
                    self.add_from(path, address, &value)?;
                }
                ihex::Record::ExtendedSegmentAddress(address) => base = u32::from(address) * 16,
                ihex::Record::ExtendedLinearAddress(address) => base = u32::from(address) << 16,
                ihex::Record::EndOfFile => ended = true,
                ihex::Record::StartSegmentAddress { .. } | ihex::Record::StartLinearAddress(_) => {}
            }
        }
        if ended {
            Ok(())
        } else {
            Err(ImageError::HexTruncated {
                path: path.to_owned(),
                lines: text.lines().count(),
            })
        }
    }

    fn add_elf(&mut self, path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
        let error = |source| ImageError::Elf {
            path: path.to_owned(),
            source,
        };
        let file =
            object::read::elf::ElfFile32::<object::Endianness>::parse(bytes).map_err(error)?;
        for segment in file.segments() {
            let data = segment.data().map_err(error)?;
            if !data.is_empty() {
                // The load address, not the address at run time: initialised data lies in flash.
                let address = segment.elf_program_header().p_paddr.get(file.endian());
                self.add_from(path, address, data)?;
            }
        }
        Ok(())
    }

    fn add_from(&mut self, path: &Path, address: u32, data: &[u8]) -> Result<(), ImageError> {
        if data.is_empty() {
            return Ok(());
        }
        let length = data.len() as u64;
        let end = u64::from(address) + length;
        let fits = Region::of(address).is_some_and(|region| end <= u64::from(region.range().end));
        if !fits {
            return Err(ImageError::OutsideFlash {
                path: path.to_owned(),
                address,
                length,
            });
        }
        let end = end as u32;
        // Every segment that overlaps or touches is joined, so that the next lookups stay simple. Regions of
        // the chip do not touch, so a joined segment stays inside of one.
        let first = self
            .segments
            .range(..=address)
            .next_back()
            .filter(|&(&start, old)| start + old.len() as u32 >= address)
            .map_or(address, |(&start, _)| start);
        for (&start, old) in self.segments.range(first..end) {
            let from = start.max(address);
            let until = end.min(start + old.len() as u32);
            for at in from..until {
                let (old, new) = (old[(at - start) as usize], data[(at - address) as usize]);
                if old != new {
                    return Err(ImageError::Conflict {
                        path: path.to_owned(),
                        address: at,
                        old,
                        new,
                    });
                }
            }
        }
        let mut bytes = self.segments.remove(&first).unwrap_or_default();
        let mut put = |at: u32, data: &[u8]| {
            let from = (at - first) as usize;
            if bytes.len() < from + data.len() {
                bytes.resize(from + data.len(), 0xFF);
            }
            bytes[from..from + data.len()].copy_from_slice(data);
        };
        put(address, data);
        let later: Vec<u32> = self
            .segments
            .range(address..=end)
            .map(|(&start, _)| start)
            .collect();
        for start in later {
            if let Some(old) = self.segments.remove(&start) {
                put(start, &old);
            }
        }
        self.segments.insert(first, bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
                Path::new("ext.bin"),
                &[0; 8],
                ImageFormat::Bin {
                    address: 0x1000_0000,
                },
            )
            .unwrap_err();
        insta::assert_snapshot!(error, @"`ext.bin` has 8 bytes for 0x10000000, of which some are neither in flash nor in UICR of an nRF5340");
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
}
