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
        "`{path}` has {length} bytes for {address:#010x}, of which some are neither in flash nor in UICR of an nRF5340, nor in \
         the external flash of its DK"
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
                "application flash is 0x00000000..0x00100000, network flash 0x01000000..0x01040000, external flash \
                 0x10000000..0x10800000; was the file built for another chip?"
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
mod tests;
