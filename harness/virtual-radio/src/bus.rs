//! A private D-Bus: busd on the radio's own runtime, with a socket in a folder of its own.

use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zbus::Connection;
use zruntime::{Shared, SharedRuntime, Task};

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
    #[error("the bus does not listen: {what}")]
    Listen {
        /// What it says.
        what: String,
    },
    /// BlueZ cannot come onto the bus.
    #[error("`org.bluez` cannot be offered on the bus")]
    Offer(#[from] zbus::Error),
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
            Self::Listen { .. } | Self::Offer(_) | Self::Ended => {
                "start it again with `RUST_LOG=debug`, and report what it says"
            }
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

    fn socket(&self) -> PathBuf {
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

/// A bus that runs, with a connection of BlueZ on it.
pub(crate) struct Running {
    serving: Task<(), Shared>,
    connection: Connection,
}

impl Running {
    /// Starts the bus on `runtime` and takes the name `org.bluez` on it.
    pub(crate) async fn start(place: &Place, runtime: &SharedRuntime) -> Result<Self, BusError> {
        let address = place.address();
        let mut bus = busd::bus::Bus::for_address(Some(&address))
            .await
            .map_err(|error| BusError::Listen {
                what: format!("{error:#}"),
            })?;
        let serving = runtime.spawn("bus", async move {
            if let Err(error) = bus.run().await {
                tracing::error!("the bus of the virtual radio: {error:#}");
            }
        });
        let connection = zbus::connection::Builder::address(address.as_str())
            .build()
            .await?;
        let rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'";
        connection
            .call_method(
                Some("org.freedesktop.DBus"),
                "/org/freedesktop/DBus",
                Some("org.freedesktop.DBus"),
                "AddMatch",
                &rule,
            )
            .await?;
        connection.request_name("org.bluez").await?;
        Ok(Self {
            serving,
            connection,
        })
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Ends the bus; its clients lose their connections.
    pub(crate) async fn stop(self) {
        let _ = self.connection.close().await;
        let _ = self.serving.cancel().await;
    }
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
