//! Reading a folder that somebody else made: nothing outside of it, nothing endless, nothing that is no file.

use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

/// The most names that are looked at in one folder (ours): a build folder has some dozens.
const MAX_ENTRIES: usize = 4096;

/// A folder whose files are read with limits.
#[derive(Clone, Debug)]
pub struct Folder {
    /// As the person named it.
    shown: PathBuf,
    /// Without links.
    real: PathBuf,
}

/// Why a file or a folder of a build tree cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder itself.
    #[error("folder `{}` cannot be read: {why}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file is there and cannot be read.
    #[error("file `{}` cannot be read: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file is larger than any of its kind.
    #[error("file `{}` has {found} bytes, expected at most {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A link that leads elsewhere.
    #[error("file `{}` is a link that leads out of the build folder", path.display())]
    Leaves {
        /// The file.
        path: PathBuf,
    },
}

impl FolderError {
    /// What to try.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "name the folder that `west build` made, usually `build`",
            Self::File { .. } => "check that the file is complete and may be read",
            Self::TooLarge { .. } => "this is no file that the SDK wrote; build again",
            Self::Leaves { .. } => {
                "replace the link by the file: only what lies in the build folder is imported"
            }
        }
    }
}

impl Folder {
    /// Opens the folder at `path`.
    ///
    /// # Errors
    ///
    /// There is no folder.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let error = |why: String| FolderError::Folder {
            path: path.to_owned(),
            why,
        };
        let real = std::fs::canonicalize(path).map_err(|source| error(source.to_string()))?;
        if !real.is_dir() {
            return Err(error("it is no folder".to_owned()));
        }
        Ok(Self {
            shown: path.to_owned(),
            real,
        })
    }

    /// The folder `name` in this one.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and when it lies elsewhere.
    pub fn folder(&self, name: &str) -> Result<Self, FolderError> {
        let shown = self.shown.join(name);
        let inner = Self::open(&shown)?;
        if inner.real.starts_with(&self.real) {
            Ok(inner)
        } else {
            Err(FolderError::Leaves { path: shown })
        }
    }

    /// The path of `name` as the person would write it.
    #[must_use]
    pub fn shown(&self, name: &str) -> String {
        self.shown.join(name).display().to_string()
    }

    /// The folder as the person named it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shown
    }

    /// The folder around it, without links.
    #[must_use]
    pub fn parent(&self) -> Option<&Path> {
        self.real.parent()
    }

    /// Its last component.
    #[must_use]
    pub fn name(&self) -> String {
        self.real
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// Whether there is a file `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        is_inside(name) && self.real.join(name).is_file()
    }

    /// Whether there is a folder `name`.
    #[must_use]
    pub fn has_folder(&self, name: &str) -> bool {
        is_inside(name) && self.real.join(name).is_dir()
    }

    /// The contents of the file `name`, which has at most `limit` bytes; nothing when it is not there.
    ///
    /// # Errors
    ///
    /// It is there, and cannot be read, is no file, is too large, or lies elsewhere.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, FolderError> {
        let shown = self.shown.join(name);
        if !is_inside(name) {
            return Err(FolderError::Leaves { path: shown });
        }
        let path = self.real.join(name);
        let error = |why: String| FolderError::File {
            path: shown.clone(),
            why,
        };
        let real = match std::fs::canonicalize(&path) {
            Ok(real) => real,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(error(source.to_string())),
        };
        if !real.starts_with(&self.real) {
            return Err(FolderError::Leaves { path: shown });
        }
        let metadata = std::fs::metadata(&real).map_err(|source| error(source.to_string()))?;
        // A pipe or a device would block or never end.
        if !metadata.is_file() {
            return Err(error("it is no regular file".to_owned()));
        }
        let too_large = |found| FolderError::TooLarge {
            path: shown.clone(),
            found,
            limit,
        };
        if metadata.len() > limit {
            return Err(too_large(metadata.len()));
        }
        let mut contents = Vec::new();
        std::fs::File::open(&real)
            .and_then(|file| file.take(limit + 1).read_to_end(&mut contents))
            .map_err(|source| error(source.to_string()))?;
        if contents.len() as u64 > limit {
            return Err(too_large(contents.len() as u64));
        }
        Ok(Some(contents))
    }

    /// The same as text; bytes that are none are replaced.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn text(&self, name: &str, limit: u64) -> Result<Option<String>, FolderError> {
        Ok(self
            .read(name, limit)?
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The names of the folders in it, sorted; at most as many as a build folder can have.
    ///
    /// # Errors
    ///
    /// It cannot be listed.
    pub fn folders(&self) -> Result<Vec<String>, FolderError> {
        self.names(|kind| kind.is_dir())
    }

    /// The names of the files in it, sorted; at most as many as a build folder can have.
    ///
    /// # Errors
    ///
    /// It cannot be listed.
    pub fn files(&self) -> Result<Vec<String>, FolderError> {
        self.names(|kind| kind.is_file())
    }

    fn names(
        &self,
        wanted: impl Fn(std::fs::FileType) -> bool,
    ) -> Result<Vec<String>, FolderError> {
        let error = |source: std::io::Error| FolderError::Folder {
            path: self.shown.clone(),
            why: source.to_string(),
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.real)
            .map_err(error)?
            .take(MAX_ENTRIES)
        {
            let entry = entry.map_err(error)?;
            if entry.file_type().is_ok_and(&wanted)
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// Whether a relative path stays where it starts.
fn is_inside(name: &str) -> bool {
    !name.is_empty()
        && Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

/// Whether a name that a file gives is a plain name: no path, no device, nothing that a terminal would act on.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('.')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.+ ()@".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::upwards("../x")]
    #[case::upwards_inside("a/../../x")]
    #[case::from_the_root("/etc/hostname")]
    #[case::nothing("")]
    fn a_name_that_leaves_the_folder_is_refused(#[case] name: &str) {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        assert!(!folder.has(name));
        assert!(matches!(
            folder.read(name, 10),
            Err(FolderError::Leaves { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_folder_is_refused_and_one_inside_is_not() {
        let outside = tempfile::NamedTempFile::new().unwrap();
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("a"), b"x").unwrap();
        std::os::unix::fs::symlink("a", temp.path().join("inner")).unwrap();
        std::os::unix::fs::symlink(outside.path(), temp.path().join("outer")).unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        assert_eq!(folder.read("inner", 10).unwrap(), Some(b"x".to_vec()));
        assert!(matches!(
            folder.read("outer", 10),
            Err(FolderError::Leaves { .. })
        ));
    }

    #[test]
    fn a_file_over_the_limit_and_what_is_no_file_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("a"), b"0123456789a").unwrap();
        std::fs::create_dir(temp.path().join("d")).unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        assert!(matches!(
            folder.read("a", 10),
            Err(FolderError::TooLarge { found: 11, .. })
        ));
        assert!(matches!(
            folder.read("d", 10),
            Err(FolderError::File { .. })
        ));
        assert_eq!(folder.read("not there", 10).unwrap(), None);
    }
}
