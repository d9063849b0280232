//! Where the socket of the bus is: in a folder of its own, with a path that fits.

use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The longest path of a socket (`sockaddr_un`), bytes.
const LONGEST_PATH: usize = 107;

/// Why there is no bus.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// There is no folder for its socket.
    #[error("cannot make a folder for the socket in {}", place.display())]
    Folder {
        /// Where it was to be made.
        place: PathBuf,
        /// Why it was not.
        #[source]
        source: io::Error,
    },
    /// The runtime could not be made.
    #[error("cannot make the runtime of the bus")]
    Runtime(#[source] io::Error),
    /// The bus does not listen.
    #[error("the bus cannot listen on {}", socket.display())]
    Listen {
        /// Its socket.
        socket: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Its thread ended before it had started.
    #[error("the thread of the bus ended")]
    Ended,
}

impl BusError {
    /// What a person can try.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Folder { .. } => {
                "is there a folder for temporary files that can be written to (`TMPDIR`)?"
            }
            Self::Runtime(_) => "raise the limit of open files (`ulimit -n`)",
            Self::Listen { .. } => "set `TMPDIR` to a folder on a file system that has sockets",
            Self::Ended => "start it again with `DFU_HIL_LOG=debug`, and report what it says",
        }
    }
}

/// The folder of the socket, gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Result<Self, BusError> {
        let usual = std::env::temp_dir();
        let mut place = Self::below(&usual)?;
        if place.socket().as_os_str().len() > LONGEST_PATH {
            place = Self::below(Path::new("/tmp"))?;
        }
        Ok(place)
    }

    fn below(parent: &Path) -> Result<Self, BusError> {
        let made = tempfile::Builder::new()
            .prefix("dfu-hil-radio-")
            .tempdir_in(parent);
        made.map(|folder| Self { folder })
            .map_err(|source| BusError::Folder {
                place: parent.to_owned(),
                source,
            })
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("bus")
    }

    /// The address that clients use.
    pub(crate) fn address(&self) -> String {
        format!("unix:path={}", escaped(&self.socket()))
    }
}

/// A path as it stands in an address: other bytes than these are escaped (D-Bus specification, server addresses).
fn escaped(path: &Path) -> String {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|&byte| match byte {
            b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'/' | b'.' | b'*' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02x}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_no_bare_special_characters() {
        let path = Path::new("/tmp/a b,c=d;e%/bus-1_x.y");
        assert_eq!(escaped(path), "/tmp/a%20b%2cc%3dd%3be%25/bus-1_x.y");
    }

    #[test]
    fn the_socket_fits_and_its_folder_goes() {
        let place = Place::new().expect("there is room for temporary files");
        let socket = place.socket();
        assert!(socket.as_os_str().len() <= LONGEST_PATH);
        let folder = socket.parent().expect("it is in a folder").to_owned();
        assert!(folder.is_dir());
        drop(place);
        assert!(!folder.exists());
    }
}
