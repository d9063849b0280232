//! The files of a firmware set: inside its folder, read once, known by their hash.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// A file of a firmware set, as it was when the set was loaded.
#[derive(Clone, Eq, PartialEq)]
pub struct FirmwareFile {
    name: String,
    path: PathBuf,
    digest: [u8; 32],
    contents: Arc<[u8]>,
}

impl FirmwareFile {
    /// Reads the file `name` in `folder`.
    pub(super) fn read(folder: &Path, name: &str) -> Result<Self, String> {
        let path = inside(folder, name)?;
        let contents = std::fs::read(&path)
            .map_err(|error| format!("file `{name}` cannot be read: {error}"))?;
        Ok(Self {
            name: name.to_owned(),
            path,
            digest: Sha256::digest(&contents).into(),
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
        let file = FirmwareFile::read(folder.path(), "app.bin").unwrap();
        insta::assert_snapshot!(
            format!("{file:?}"),
            @r#"FirmwareFile { name: "app.bin", sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", bytes: 3 }"#
        );
    }
}
