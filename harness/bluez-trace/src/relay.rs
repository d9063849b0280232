//! Between a client and its bus: passes everything on, and keeps what was said.
//!
//! On a system bus `BecomeMonitor` would show more than one client's conversation, on the virtual radio's bus there is none.
//! A socket in between is the same on both.

use dbus::Message;
use hil_clock::{Instant, SharedClock};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use tempfile::TempDir;

/// The longest message that may be on a bus, in bytes (D-Bus specification, "Message Format").
const LONGEST_MESSAGE: usize = 1 << 27;

/// What was said, in order.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    /// By the client.
    Said(Vec<u8>),
    /// To the client.
    Heard(Vec<u8>),
    /// By nobody on the bus: a line of the trace as it is.
    Note(String),
}

/// The conversation so far.
#[derive(Debug, Default)]
pub(crate) struct Log {
    records: Mutex<Vec<Record>>,
    changed: Condvar,
}

impl Log {
    pub(crate) fn push(&self, record: Record) {
        self.lock().push(record);
        self.changed.notify_all();
    }

    /// All of it.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.lock().clone()
    }

    /// Waits until `is_there` says so of the whole conversation; `false` when `deadline` came first.
    pub(crate) fn wait(
        &self,
        clock: &SharedClock,
        deadline: Instant,
        mut is_there: impl FnMut(&[Record]) -> bool,
    ) -> bool {
        let mut records = self.lock();
        while !is_there(&records) {
            let left = clock.block_for(deadline);
            if left.is_zero() {
                return false;
            }
            records = self
                .changed
                .wait_timeout(records, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that is a bus to its clients. It takes clients until the process ends.
#[derive(Debug)]
pub(crate) struct Relay {
    folder: TempDir,
}

impl Relay {
    /// Listens, and passes on to the bus behind the socket `bus`.
    pub(crate) fn start(bus: PathBuf, log: &Arc<Log>) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bluez-trace-").tempdir()?;
        let listener = UnixListener::bind(folder.path().join("bus"))?;
        let log = Arc::clone(log);
        thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || {
                for client in listener.incoming().flatten() {
                    if let Err(error) = serve(client, &bus, &log) {
                        eprintln!("the bus at {} takes no client: {error}", bus.display());
                    }
                }
            })?;
        Ok(Self { folder })
    }

    /// For `DBUS_SYSTEM_BUS_ADDRESS`.
    pub(crate) fn address(&self) -> String {
        format!("unix:path={}/bus", self.folder.path().display())
    }
}

/// The socket of a bus whose address is `unix:path=…`, the only kind that a system bus or a virtual radio has.
pub(crate) fn socket_of(address: &str) -> Option<PathBuf> {
    let rest = address.strip_prefix("unix:")?;
    let path = rest
        .split(',')
        .find_map(|part| part.strip_prefix("path="))?;
    Some(PathBuf::from(path))
}

fn serve(client: UnixStream, bus: &Path, log: &Arc<Log>) -> io::Result<()> {
    let bus = UnixStream::connect(bus)?;
    for (from, to, is_client) in [
        (client.try_clone()?, bus.try_clone()?, true),
        (bus, client, false),
    ] {
        let log = Arc::clone(log);
        thread::Builder::new()
            .name("relay-one-way".to_owned())
            .spawn(move || {
                if let Err(error) = pass_on(&from, &to, is_client, &log) {
                    eprintln!("a connection to the bus ended: {error}");
                }
                // The other way ends with it.
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            })?;
    }
    Ok(())
}

/// Passes on one way of a connection until it ends.
fn pass_on(
    mut from: &UnixStream,
    mut to: &UnixStream,
    is_client: bool,
    log: &Log,
) -> io::Result<()> {
    let mut splitter = Splitter::new(is_client);
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let length = match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        // Kept before it is passed on: what comes of it is kept behind it.
        for message in splitter.take(&chunk[..length])? {
            log.push(if is_client {
                Record::Said(message)
            } else {
                Record::Heard(message)
            });
        }
        to.write_all(&chunk[..length])?;
    }
}

/// Finds the messages in what goes one way: lines of authentication come first.
struct Splitter {
    is_client: bool,
    is_authenticated: bool,
    buffer: Vec<u8>,
}

impl Splitter {
    const fn new(is_client: bool) -> Self {
        Self {
            is_client,
            is_authenticated: false,
            buffer: Vec::new(),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        self.buffer.extend(bytes);
        self.skip_authentication();
        let mut messages = Vec::new();
        while self.is_authenticated && self.buffer.len() >= 16 {
            let length = Message::demarshal_bytes_needed(&self.buffer)
                .ok()
                .filter(|&length| length <= LONGEST_MESSAGE)
                .ok_or_else(|| io::Error::other("what comes is not D-Bus"))?;
            if self.buffer.len() < length {
                break;
            }
            messages.push(self.buffer.drain(..length).collect());
        }
        Ok(messages)
    }

    /// A client ends it with `BEGIN`. No line of a server begins as a message does, with its byte order (D-Bus specification,
    /// "Authentication Protocol").
    fn skip_authentication(&mut self) {
        while !self.is_authenticated {
            if !self.is_client && matches!(self.buffer.first(), Some(b'l' | b'B')) {
                self.is_authenticated = true;
                return;
            }
            let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") else {
                return;
            };
            let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
            self.is_authenticated = self.is_client && line == b"BEGIN\r\n";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Vec<u8> {
        let mut call = Message::new_method_call("org.bluez", "/", "a.b", "C").expect("it is one");
        call.set_serial(1);
        let mut bytes = Vec::new();
        call.marshal(|part| {
            bytes.extend(part);
            Ok::<_, ()>(())
        })
        .expect("nothing fails");
        bytes
    }

    #[test]
    fn messages_are_found_behind_a_clients_authentication_however_the_bytes_come() {
        let stream = [
            b"\0AUTH EXTERNAL 30\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n".to_vec(),
            message(),
            message(),
        ]
        .concat();
        for size in [1, 7, stream.len()] {
            let mut splitter = Splitter::new(true);
            let mut found = Vec::new();
            for piece in stream.chunks(size) {
                found.extend(splitter.take(piece).expect("it is D-Bus"));
            }
            assert_eq!(found, [message(), message()], "in pieces of {size}");
        }
    }

    #[test]
    fn messages_are_found_behind_a_servers_authentication() {
        let stream = [b"OK 0123\r\nAGREE_UNIX_FD\r\n".to_vec(), message()].concat();
        let mut splitter = Splitter::new(false);
        assert_eq!(splitter.take(&stream).expect("it is D-Bus"), [message()]);
    }

    #[test]
    fn bytes_that_are_no_message_end_the_connection() {
        let mut splitter = Splitter::new(true);
        let stream = [b"BEGIN\r\n".to_vec(), vec![0xff; 32]].concat();
        assert!(splitter.take(&stream).is_err());
    }

    #[test]
    fn the_socket_of_an_address_is_found_among_its_keys() {
        let address = "unix:path=/run/dbus/system_bus_socket,guid=0123";
        let socket = socket_of(address);
        assert_eq!(socket, Some(PathBuf::from("/run/dbus/system_bus_socket")));
        assert_eq!(socket_of("tcp:host=localhost,port=1"), None);
    }
}
