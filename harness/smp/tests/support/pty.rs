//! A server at the other end of a pseudo-terminal.

use super::Server;
use hil_smp::frame::{Decoded, Decoder, encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Serves SMP on a pseudo-terminal until it is dropped; then the port is gone.
pub(crate) struct PtyServer {
    pub(crate) path: String,
    pub(crate) server: Arc<Mutex<Server>>,
    /// Text that the other side typed, which is not SMP.
    pub(crate) typed: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    master: Arc<File>,
    /// Keeps the terminal as it is while nobody has it open.
    _slave: OwnedFd,
}

impl PtyServer {
    /// `chatter` is written before every answer, as a log would be.
    pub(crate) fn start(server: Server, chatter: &'static [u8]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let path = path.into_string().unwrap();
        let slave = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let mut termios = rustix::termios::tcgetattr(&slave).unwrap();
        termios.make_raw();
        let now = rustix::termios::OptionalActions::Now;
        rustix::termios::tcsetattr(&slave, now, &termios).unwrap();

        let master = Arc::new(File::from(master));
        let server = Arc::new(Mutex::new(server));
        let typed = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (master, server) = (master.clone(), server.clone());
            let (typed, stop) = (typed.clone(), stop.clone());
            std::thread::spawn(move || serve(&master, &server, &typed, &stop, chatter))
        };
        Self {
            path,
            server,
            typed,
            stop,
            thread: Some(thread),
            master,
            _slave: slave,
        }
    }

    /// Writes console text.
    pub(crate) fn say(&self, text: &[u8]) {
        (&*self.master).write_all(text).unwrap();
    }
}

impl Drop for PtyServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn serve(
    master: &File,
    server: &Mutex<Server>,
    typed: &Mutex<Vec<Vec<u8>>>,
    stop: &AtomicBool,
    chatter: &[u8],
) {
    let mut decoder = Decoder::server(4096);
    let mut buffer = [0; 4096];
    let tick = Timespec {
        tv_sec: 0,
        tv_nsec: 10_000_000,
    };
    while !stop.load(Ordering::Relaxed) {
        let mut ready = [PollFd::new(master, PollFlags::IN)];
        if poll(&mut ready, Some(&tick)).unwrap() == 0 {
            continue;
        }
        let mut port = master;
        let count = port.read(&mut buffer).unwrap();
        decoder.push(&buffer[..count]);
        while let Some(decoded) = decoder.next() {
            match decoded {
                Decoded::Packet(packet) => {
                    for answer in server.lock().unwrap().handle(&packet) {
                        port.write_all(chatter).unwrap();
                        port.write_all(&encode(&answer).unwrap()).unwrap();
                    }
                }
                Decoded::Line(line) => typed.lock().unwrap().push(line),
                Decoded::Damaged(_) => {}
            }
        }
    }
}
