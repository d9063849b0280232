//! The server of the tests on a pseudo-terminal, with the wire and the latency that a board would have.
//!
//! Requests are read as soon as they are there, and counted as arrived when a UART would have carried their last byte;
//! answers are written when it would have carried theirs. What a request costs the server is the same for every client.

use crate::support::{Personality, Server};
use hil_clock::{Clock, Instant, SystemClock};
use hil_smp::RawHeader;
use hil_smp::frame::{Decoded, Decoder, encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::collections::VecDeque;
use std::error::Error;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

/// Bytes of one of the server's buffers: what Nordic recommends for updates over Bluetooth.
pub(crate) const BUF_SIZE: u32 = 2475;
/// How many the server has, Zephyr's default.
pub(crate) const BUF_COUNT: u32 = 4;
const SLOT_SIZE: usize = 1 << 20;
/// Bytes that a host's driver takes before a writer has to wait; Linux gives a serial port 4 KiB.
const HOST_BUFFER: usize = 4096;
/// A client that takes longer than this hangs.
const LONGEST: Duration = Duration::from_secs(300);

/// What is between client and server.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    /// Every answer is this late. Others are worked on meanwhile.
    pub(crate) latency: Duration,
    /// Bits per second each way, ten for a byte; `None` takes no time.
    pub(crate) baud: Option<u32>,
}

/// One upload.
pub(crate) struct Measured {
    /// Upload requests.
    pub(crate) requests: u32,
    /// Bytes of the longest one.
    pub(crate) longest: usize,
    /// From the first byte of the first upload request to the last byte of the last answer to one.
    pub(crate) time: Duration,
    /// From before the client's process to after it.
    pub(crate) process: Duration,
}

/// Has a client upload `image`, and serves it meanwhile.
pub(crate) fn measure(
    clock: &SystemClock,
    link: Link,
    image: &[u8],
    client: &dyn Fn(&str) -> Command,
) -> Result<Measured, Box<dyn Error>> {
    let mut board = Board::new(clock, link)?;
    let mut errors = tempfile::tempfile()?;
    let start = clock.now();
    let mut process = client(&board.path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors.try_clone()?)
        .spawn()?;
    let mut output = process.stdout.take().ok_or("the process has no output")?;
    let served = board.serve(&mut output, start + LONGEST);
    if served.is_err() {
        process.kill()?;
    }
    let status = process.wait()?;
    let whole = clock.now() - start;
    served?;
    if !status.success() {
        let mut said = String::new();
        errors.seek(SeekFrom::Start(0))?;
        errors.read_to_string(&mut said)?;
        return Err(format!("it ended with {status}: {}", said.trim()).into());
    }
    if !board.server.complete || board.server.slot != image {
        return Err("the server does not have the image".into());
    }
    let (Some(first), Some(last)) = (board.first_request, board.last_answer) else {
        return Err("the server was not asked".into());
    };
    Ok(Measured {
        requests: board.server.uploads,
        longest: board.longest,
        time: last - first,
        process: whole,
    })
}

/// The server and its end of the pseudo-terminal.
struct Board<'a> {
    clock: &'a SystemClock,
    path: String,
    master: File,
    /// Keeps the terminal as it is while nobody has it open.
    _slave: OwnedFd,
    server: Server,
    decoder: Decoder,
    latency: Duration,
    incoming: Wire,
    outgoing: Wire,
    /// When the first byte came of the frame that is coming.
    frame_began: Option<Instant>,
    answers: VecDeque<Answer>,
    longest: usize,
    first_request: Option<Instant>,
    last_answer: Option<Instant>,
}

struct Answer {
    due: Instant,
    bytes: Vec<u8>,
    to_upload: bool,
}

impl<'a> Board<'a> {
    fn new(clock: &'a SystemClock, link: Link) -> Result<Self, Box<dyn Error>> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let path = ptsname(&master, Vec::new())?.into_string()?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(&path, flags, Mode::empty())?;
        let mut termios = rustix::termios::tcgetattr(&slave)?;
        termios.make_raw();
        rustix::termios::tcsetattr(&slave, rustix::termios::OptionalActions::Now, &termios)?;

        let mut server = Server::new(Personality::Application { image_check: true });
        server.buf_size = BUF_SIZE;
        server.buf_count = BUF_COUNT;
        server.slot_size = SLOT_SIZE;
        Ok(Self {
            clock,
            path,
            master: master.into(),
            _slave: slave,
            server,
            decoder: Decoder::server(BUF_SIZE as usize),
            latency: link.latency,
            incoming: Wire::new(link.baud),
            outgoing: Wire::new(link.baud),
            frame_began: None,
            answers: VecDeque::new(),
            longest: 0,
            first_request: None,
            last_answer: None,
        })
    }

    /// Serves until the process at the other end of `output` closes it.
    fn serve(&mut self, output: &mut ChildStdout, deadline: Instant) -> Result<(), Box<dyn Error>> {
        let mut buffer = [0; HOST_BUFFER];
        loop {
            self.answer()?;
            let now = self.clock.now();
            if now >= deadline {
                return Err("the client hangs".into());
            }
            let room = self.incoming.room(now);
            let mut wake = deadline;
            if let Some(answer) = self.answers.front() {
                wake = wake.min(answer.due);
            }
            let listens = match room {
                Ok(_) => PollFlags::IN,
                Err(free) => {
                    wake = wake.min(free);
                    PollFlags::empty()
                }
            };
            let timeout: Timespec = wake.saturating_since(now).try_into()?;
            let mut ready = [
                PollFd::new(&self.master, listens),
                PollFd::new(&*output, PollFlags::IN),
            ];
            poll(&mut ready, Some(&timeout))?;
            let [port, said] = [ready[0].revents(), ready[1].revents()];
            if port.contains(PollFlags::IN)
                && let Ok(room) = room
            {
                let count = self.master.read(&mut buffer[..room])?;
                self.received(&buffer[..count])?;
            } else if !said.is_empty() && output.read(&mut buffer)? == 0 {
                return Ok(());
            }
        }
    }

    fn received(&mut self, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
        let now = self.clock.now();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (from, to) = self.incoming.carry(now, piece.len());
            let began = *self.frame_began.get_or_insert(from);
            self.decoder.push(piece);
            while let Some(decoded) = self.decoder.next() {
                match decoded {
                    Decoded::Packet(packet) => {
                        self.frame_began = None;
                        self.request(&packet, began, to)?;
                    }
                    other => return Err(format!("the client sent {other:?}").into()),
                }
            }
        }
        Ok(())
    }

    fn request(
        &mut self,
        packet: &[u8],
        began: Instant,
        arrived: Instant,
    ) -> Result<(), Box<dyn Error>> {
        let to_upload = RawHeader::read(packet)
            .is_some_and(|header| (header.group, header.command, header.op) == (1, 1, 2));
        if to_upload {
            self.first_request.get_or_insert(began);
            self.longest = self.longest.max(packet.len());
        }
        for answer in self.server.handle(packet) {
            let bytes = encode(&answer)?;
            let (_, due) = self.outgoing.carry(arrived + self.latency, bytes.len());
            self.answers.push_back(Answer {
                due,
                bytes,
                to_upload,
            });
        }
        Ok(())
    }

    /// Sends what is due.
    fn answer(&mut self) -> Result<(), Box<dyn Error>> {
        while let Some(answer) = self.answers.front()
            && answer.due <= self.clock.now()
        {
            self.master.write_all(&answer.bytes)?;
            if answer.to_upload {
                self.last_answer = Some(self.clock.now());
            }
            self.answers.pop_front();
        }
        Ok(())
    }
}

/// One direction of the UART.
struct Wire {
    baud: Option<u32>,
    /// When it has carried all it was given.
    free: Instant,
}

impl Wire {
    fn new(baud: Option<u32>) -> Self {
        Self {
            baud,
            free: Instant::START,
        }
    }

    /// When the first of `bytes`, given at `now`, goes out and the last has arrived.
    fn carry(&mut self, now: Instant, bytes: usize) -> (Instant, Instant) {
        let from = now.max(self.free);
        self.free = from + self.time(bytes);
        (from, self.free)
    }

    /// How many bytes the host's driver takes, or when it takes some again.
    fn room(&self, now: Instant) -> Result<usize, Instant> {
        let full = self.time(HOST_BUFFER);
        if full.is_zero() {
            return Ok(HOST_BUFFER);
        }
        let waiting = self.free.saturating_since(now);
        let most = full - self.time(HOST_BUFFER / 4);
        if waiting > most {
            return Err(now + (waiting - most));
        }
        let share = (full - waiting).as_secs_f64() / full.as_secs_f64();
        Ok((share * HOST_BUFFER as f64) as usize)
    }

    fn time(&self, bytes: usize) -> Duration {
        self.baud.map_or(Duration::ZERO, |baud| {
            Duration::from_nanos(bytes as u64 * 10_000_000_000 / u64::from(baud.max(1)))
        })
    }
}
