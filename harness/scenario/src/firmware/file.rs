//! The files of a firmware set: inside its folder, read once, known by their hash.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The largest file of a set in bytes (ours): an Intel HEX file of both cores' flash and all external flash has 26 MB.
const MAX_FILE: u64 = 32 * 1024 * 1024;

/// A SHA-256 as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Sha256Hex(pub(super) [u8; 32]);

impl<'de> serde::Deserialize<'de> for Sha256Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut digest = [0; 32];
        hex::decode_to_slice(&text, &mut digest).map_err(|_| {
            serde::de::Error::custom(format_args!(
                "`{text}` is no SHA-256, expected 64 hexadecimal digits"
            ))
        })?;
        Ok(Self(digest))
    }
}

/// A file of a firmware set, as it was when the set was loaded.
#[derive(Clone, Eq, PartialEq)]
pub struct FirmwareFile {
    name: String,
    path: PathBuf,
    digest: [u8; 32],
    contents: Arc<[u8]>,
}

impl FirmwareFile {
    /// Reads the file `name` in `folder`; `expected` is the digest that the set gives for it, if it does.
    pub(super) fn read(
        folder: &Path,
        name: &str,
        expected: Option<&Sha256Hex>,
    ) -> Result<Self, String> {
        let path = inside(folder, name)?;
        let contents = read_limited(&path)
            .map_err(|error| format!("file `{name}` cannot be read: {error}"))?;
        let digest: [u8; 32] = Sha256::digest(&contents).into();
        if let Some(Sha256Hex(expected)) = expected
            && *expected != digest
        {
            return Err(format!(
                "file `{name}` has SHA-256 {}, the firmware set says {}",
                hex::encode(digest),
                hex::encode(expected)
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            path,
            digest,
            contents: contents.into(),
        })
    }

    /// Its name in the firmware set's file: a path relative to that.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of its bytes.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Its bytes.
    #[must_use]
    pub fn contents(&self) -> &[u8] {
        &self.contents
    }
}

impl fmt::Debug for FirmwareFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirmwareFile")
            .field("name", &self.name)
            .field("sha256", &hex::encode(self.digest))
            .field("bytes", &self.contents.len())
            .finish()
    }
}

/// The contents of a regular file that is not larger than any file of a firmware set.
fn read_limited(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut contents = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut contents))
        .map_err(|error| error.to_string())?;
    if contents.len() as u64 > MAX_FILE {
        return Err(format!("it is larger than {MAX_FILE} bytes"));
    }
    Ok(contents)
}

/// The path of a key file: anywhere, for a key stays where its owner keeps it. Relative paths count from `folder`.
pub(super) fn key_path(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let path = folder.join(name);
    let path = std::fs::canonicalize(&path)
        .map_err(|error| format!("key file `{name}` cannot be found: {error}"))?;
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("key file `{name}` is no regular file"))
    }
}

/// The path of `name` in `folder`, which it must not leave: not by `..`, not from the root, not by a link.
pub(super) fn inside(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let relative = Path::new(name);
    let stays = relative
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if name.is_empty() || !stays {
        return Err(format!(
            "file `{name}` does not lie in the firmware set's folder"
        ));
    }
    let real = |path: &Path| std::fs::canonicalize(path);
    let path = folder.join(relative);
    let target = real(&path).map_err(|error| format!("file `{name}` cannot be read: {error}"))?;
    let folder =
        real(folder).map_err(|error| format!("folder of `{name}` cannot be read: {error}"))?;
    if target.starts_with(&folder) {
        Ok(target)
    } else {
        Err(format!(
            "file `{name}` is a link that leads out of the firmware set's folder"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::upwards("../secret")]
    #[case::upwards_inside("app/../../secret")]
    #[case::from_the_root("/etc/hostname")]
    #[case::nothing("")]
    fn a_file_outside_the_folder_is_refused(#[case] name: &str) {
        let folder = tempfile::tempdir().unwrap();
        let error = inside(folder.path(), name).unwrap_err();
        assert_eq!(
            error,
            format!("file `{name}` does not lie in the firmware set's folder")
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_folder_is_refused() {
        let outside = tempfile::NamedTempFile::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("app.bin")).unwrap();
        let error = inside(folder.path(), "app.bin").unwrap_err();
        assert_eq!(
            error,
            "file `app.bin` is a link that leads out of the firmware set's folder"
        );
    }

    #[test]
    fn debug_output_has_no_contents() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("app.bin"), b"abc").unwrap();
        let file = FirmwareFile::read(folder.path(), "app.bin", None).unwrap();
        insta::assert_snapshot!(
            format!("{file:?}"),
            @r#"FirmwareFile { name: "app.bin", sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", bytes: 3 }"#
        );
    }
}
