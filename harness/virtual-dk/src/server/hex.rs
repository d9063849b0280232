//! Intel HEX files as the first contents of a board's flash.

use super::options::Preload;
use crate::bus::Core;
use std::io;
use std::path::{Path, PathBuf};

/// Network core addresses; all others are the application core's, the external flash's among them.
const NET: std::ops::Range<u32> = 0x0100_0000..0x0200_0000;

/// A HEX file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not Intel HEX.
    #[error("`{}`, record {record}: not Intel HEX", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Which record, counted from 1.
        record: usize,
        /// Why.
        #[source]
        source: ihex::ReaderError,
    },
}

impl LoadError {
    /// What a person can try.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Read { .. } => "does the file exist, and may you read it?",
            Self::Format { .. } => "give a `.hex` file as a build leaves it, such as `merged.hex`",
        }
    }
}

/// Reads a file.
pub(super) fn load(path: &Path) -> Result<Vec<Preload>, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse_file(path, &text)
}

/// Takes the text of the file `path`, from wherever it came.
pub(super) fn parse_file(path: &Path, text: &str) -> Result<Vec<Preload>, LoadError> {
    parse(text).map_err(|(record, source)| LoadError::Format {
        path: path.to_owned(),
        record,
        source,
    })
}

/// The contiguous runs of bytes in a file's text.
fn parse(text: &str) -> Result<Vec<Preload>, (usize, ihex::ReaderError)> {
    let mut runs: Vec<Preload> = Vec::new();
    let mut upper = 0u32;
    for (number, record) in (1..).zip(ihex::Reader::new(text)) {
        match record.map_err(|error| (number, error))? {
            ihex::Record::Data { offset, value } => {
                let address = upper.wrapping_add(u32::from(offset));
                match runs.last_mut() {
                    Some(run) if run.address.wrapping_add(run.data.len() as u32) == address => {
                        run.data.extend(value);
                    }
                    _ => runs.push(Preload {
                        core: if NET.contains(&address) {
                            Core::Net
                        } else {
                            Core::App
                        },
                        address,
                        data: value,
                    }),
                }
            }
            ihex::Record::ExtendedLinearAddress(high) => upper = u32::from(high) << 16,
            ihex::Record::ExtendedSegmentAddress(segment) => upper = u32::from(segment) << 4,
            ihex::Record::EndOfFile => break,
            // Entry points: the chip starts from its vector tables.
            ihex::Record::StartSegmentAddress { .. } | ihex::Record::StartLinearAddress(_) => {}
        }
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_decide_the_core_and_neighbours_are_joined() {
        let text = ":020000040000FA\n:0400000001020304F2\n:0400040005060708DE\n:020000040100F9\n:02000000AABB99\n:020000041000EA\n:02000000CCDD55\n:00000001FF\n";
        let runs = parse(text).unwrap();
        assert_eq!(
            runs,
            [
                Preload {
                    core: Core::App,
                    address: 0,
                    data: vec![1, 2, 3, 4, 5, 6, 7, 8]
                },
                Preload {
                    core: Core::Net,
                    address: NET.start,
                    data: vec![0xaa, 0xbb]
                },
                Preload {
                    core: Core::App,
                    address: 0x1000_0000,
                    data: vec![0xcc, 0xdd]
                },
            ]
        );
    }

    #[test]
    fn a_bad_record_is_named() {
        let text = ":0400000001020304F2\n:0400040005060708DD\n";
        assert_eq!(parse(text).map_err(|(record, _)| record), Err(2));
    }

    #[test]
    fn a_missing_file_says_which() {
        let error = load(Path::new("/nonexistent/merged.hex")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read `/nonexistent/merged.hex`");
    }
}
