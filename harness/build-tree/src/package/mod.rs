//! `dfu_application.zip`: a manifest and the images that it names.
//!
//! A zip from outside is read as if it were an attack. Real ones have two or three stored members without folders, so
//! everything else is refused by name: paths, links, folders, encryption, members that no manifest needs in numbers,
//! two members of one name, sizes that are no update's, and contents that are longer than declared.

use crate::folder::is_plain_name;
use crate::manifest::{MAX_MANIFEST_BYTES, Manifest, ManifestError};
use crate::partitions::shortened;
use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use zip::{CompressionMethod, ZipArchive};

/// The longest zip in bytes (ours): both slots of an nRF5340 and all external flash have 9.3 MB.
pub const MAX_ZIP_BYTES: u64 = 16 * 1024 * 1024;
/// The longest member in bytes (ours): all external flash of the DK.
const MAX_MEMBER_BYTES: u64 = 8 * 1024 * 1024;
/// The longest members together in bytes (ours).
const MAX_TOTAL_BYTES: u64 = 16 * 1024 * 1024;
/// The most members (ours): six images and a manifest are possible.
const MAX_MEMBERS: usize = 16;
/// How much shorter than its contents a member may be stored. Code compresses two to one, erased flash a thousand to
/// one; an update that is nearly all erased flash is none (ours).
const MAX_RATIO: u64 = 200;
/// Members up to this length may be as dense as they like (ours).
const RATIO_FROM_BYTES: u64 = 64 * 1024;

/// The name of the manifest's member.
const MANIFEST: &str = "manifest.json";
/// Starts the end record of a zip (APPNOTE 4.3.16).
const END_SIGNATURE: &[u8] = b"PK\x05\x06";

/// An unpacked package.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Package {
    /// What its manifest says.
    pub manifest: Manifest,
    /// Members by name, without the manifest.
    pub members: BTreeMap<String, Vec<u8>>,
}

/// Why a zip is no package, or not one that is unpacked here.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PackageError {
    /// Not a zip, or a damaged one.
    #[error("is no zip, or a damaged one: {0}")]
    Zip(String),
    /// Too long.
    #[error("has {found} bytes, expected at most {MAX_ZIP_BYTES}")]
    Large {
        /// Its length in bytes.
        found: u64,
    },
    /// Too many members.
    #[error("has {found} members, expected at most {MAX_MEMBERS}: the images and `manifest.json`")]
    Members {
        /// How many.
        found: usize,
    },
    /// Two members of one name, of which every reader takes another.
    #[error(
        "lists {listed} members, but only {different} different names: every tool takes another one of two with the same name"
    )]
    SameName {
        /// Entries of the directory.
        listed: usize,
        /// Names among them.
        different: usize,
    },
    /// A member that would be written elsewhere.
    #[error("member `{name}` is {what}, expected a plain file name")]
    Name {
        /// Its name, as far as it can be shown.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// A password, or a method that the SDK does not use.
    #[error("member `{name}` is {what}, expected a stored or deflated one without a password")]
    Stored {
        /// Its name.
        name: String,
        /// How it is stored.
        what: String,
    },
    /// A member that is no update.
    #[error("member `{name}` would have {found} bytes, expected at most {limit}")]
    MemberSize {
        /// Its name.
        name: String,
        /// Its declared length in bytes.
        found: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A member that is a bomb.
    #[error(
        "member `{name}` unpacks {packed} bytes to {found}, expected at most {MAX_RATIO} times as many"
    )]
    Ratio {
        /// Its name.
        name: String,
        /// Its stored length in bytes.
        packed: u64,
        /// Its declared length in bytes.
        found: u64,
    },
    /// A member that lies about its length.
    #[error("member `{name}` unpacks to {relation} {declared} bytes that its entry declares")]
    Declared {
        /// Its name.
        name: String,
        /// `more than the` or `fewer than the`.
        relation: &'static str,
        /// The declared length in bytes.
        declared: u64,
    },
    /// No manifest.
    #[error("has no `{MANIFEST}`")]
    NoManifest,
    /// A manifest that is none.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An image that the manifest names and the zip has not.
    #[error("`{MANIFEST}` names `{0}`, which is not in the zip")]
    Missing(String),
    /// An image of another length than the manifest says.
    #[error("member `{name}` has {found} bytes, `{MANIFEST}` says {expected}")]
    ManifestSize {
        /// Its name.
        name: String,
        /// Its length in bytes.
        found: u64,
        /// The length by the manifest.
        expected: u64,
    },
}

impl PackageError {
    /// What to try.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::NoManifest => {
                "is this the SDK's own `dfu_application.zip`? other zips of a build folder have no manifest"
            }
            Self::Missing(_) | Self::ManifestSize { .. } | Self::Manifest(_) => {
                "the zip was changed or half written: build again, or delete it and build again"
            }
            Self::Zip(_) => "was the file copied completely?",
            _ => "this is not what the SDK packs: take the zip from a build folder that you trust",
        }
    }
}

impl Package {
    /// Unpacks a package, in memory.
    ///
    /// # Errors
    ///
    /// It is no zip, none that is unpacked here, or its manifest and members do not fit together.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackageError> {
        if bytes.len() as u64 > MAX_ZIP_BYTES {
            return Err(PackageError::Large {
                found: bytes.len() as u64,
            });
        }
        let listed = entries_listed(bytes)
            .ok_or_else(|| PackageError::Zip("it has no end record".to_owned()))?;
        // Before the directory is read: its length is not trusted either.
        if listed > MAX_MEMBERS {
            return Err(PackageError::Members { found: listed });
        }
        let mut archive = ZipArchive::new(Cursor::new(bytes))
            .map_err(|error| PackageError::Zip(error.to_string()))?;
        if archive.len() > MAX_MEMBERS {
            return Err(PackageError::Members {
                found: archive.len(),
            });
        }
        if archive.len() != listed {
            return Err(PackageError::SameName {
                listed,
                different: archive.len(),
            });
        }
        let mut members = BTreeMap::new();
        let mut left = MAX_TOTAL_BYTES;
        for index in 0..archive.len() {
            let (name, contents) = unpack(&mut archive, index, left)?;
            left = left.saturating_sub(contents.len() as u64);
            members.insert(name, contents);
        }
        let manifest = members.remove(MANIFEST).ok_or(PackageError::NoManifest)?;
        let manifest = Manifest::parse(&manifest)?;
        for file in &manifest.files {
            let member = members
                .get(&file.file)
                .ok_or_else(|| PackageError::Missing(shortened(&file.file)))?;
            let found = member.len() as u64;
            if let Some(expected) = file.size.filter(|size| *size != found) {
                return Err(PackageError::ManifestSize {
                    name: shortened(&file.file),
                    found,
                    expected,
                });
            }
        }
        Ok(Self { manifest, members })
    }
}

/// How many entries the end record counts.
fn entries_listed(bytes: &[u8]) -> Option<usize> {
    let at = bytes
        .windows(END_SIGNATURE.len())
        .rposition(|window| window == END_SIGNATURE)?;
    let count = bytes.get(at + 10..at + 12)?;
    Some(usize::from(u16::from_le_bytes([count[0], count[1]])))
}

fn unpack(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    index: usize,
    left: u64,
) -> Result<(String, Vec<u8>), PackageError> {
    // Raw first: what is refused by its entry is never unpacked.
    let damaged = |error: zip::result::ZipError| PackageError::Zip(error.to_string());
    {
        let raw = archive.by_index_raw(index).map_err(damaged)?;
        let name = shortened(raw.name());
        if let Some(what) = wrong_name(raw.name(), raw.unix_mode()) {
            return Err(PackageError::Name { name, what });
        }
        let method = raw.compression();
        if raw.encrypted()
            || !matches!(
                method,
                CompressionMethod::Stored | CompressionMethod::Deflated
            )
        {
            let what = if raw.encrypted() {
                "encrypted".to_owned()
            } else {
                format!("packed by {method}")
            };
            return Err(PackageError::Stored { name, what });
        }
        let limit = match raw.name() {
            MANIFEST => MAX_MANIFEST_BYTES,
            _ => MAX_MEMBER_BYTES.min(left),
        };
        let (found, packed) = (raw.size(), raw.compressed_size());
        if found > limit {
            return Err(PackageError::MemberSize { name, found, limit });
        }
        if found > RATIO_FROM_BYTES && found / packed.max(1) > MAX_RATIO {
            return Err(PackageError::Ratio {
                name,
                packed,
                found,
            });
        }
    }
    let member = archive.by_index(index).map_err(damaged)?;
    let (name, declared) = (member.name().to_owned(), member.size());
    let mut contents = Vec::new();
    let wrong = |relation| PackageError::Declared {
        name: name.clone(),
        relation,
        declared,
    };
    member
        .take(declared + 1)
        .read_to_end(&mut contents)
        .map_err(|error| PackageError::Zip(format!("member `{name}`: {error}")))?;
    match (contents.len() as u64).cmp(&declared) {
        std::cmp::Ordering::Equal => Ok((name, contents)),
        std::cmp::Ordering::Greater => Err(wrong("more than the")),
        std::cmp::Ordering::Less => Err(wrong("fewer than the")),
    }
}

/// Upper bits of a Unix mode: the kind of file; a link.
const KIND_OF_FILE: u32 = 0o170_000;
const LINK: u32 = 0o120_000;
const REGULAR: u32 = 0o100_000;

fn wrong_name(name: &str, mode: Option<u32>) -> Option<&'static str> {
    let kind = mode.map_or(0, |mode| mode & KIND_OF_FILE);
    if kind == LINK {
        Some("a link")
    } else if name.ends_with('/') || name.ends_with('\\') {
        Some("a folder")
    } else if name.split(['/', '\\']).any(|part| part == "..") {
        Some("a path that leads upwards")
    } else if name.starts_with(['/', '\\']) || name.chars().nth(1) == Some(':') {
        Some("an absolute path")
    } else if name.contains(['/', '\\']) {
        Some("a path")
    } else if !is_plain_name(name) {
        Some("a name with unusual characters")
    } else if kind != 0 && kind != REGULAR {
        Some("a special file")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
