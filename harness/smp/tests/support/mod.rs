//! Servers to test against: small models of the two that exist, checked against recorded verdicts in `vectors.rs`.

#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod pty;

use hil_clock::{Clock, Instant, SimClock};
use hil_smp::message::{
    Echo, EraseSlot, ImageState, ParamsAnswer, Payload, SlotState, UploadChunk,
};
use hil_smp::{
    Capabilities, ConsoleWire, Group, GroupCode, HEADER_LEN, Lengths, ManagementCode, Map,
    RawHeader, Refused, Transport, TransportError, Version, Wire, WireTransport, WritesWire, ble,
    frame, image_code,
};
use std::collections::VecDeque;
use std::time::Duration;

const SLOT_SIZE: usize = 65536;
const MAGIC: [u8; 4] = [0x3d, 0xb8, 0xf3, 0x96];
const ALIGNMENT: usize = 4;

/// Which server it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Personality {
    /// A Zephyr application; `image_check` compares the SHA-256 at the end (`CONFIG_IMG_ENABLE_IMAGE_CHECK`).
    Application { image_check: bool },
    /// MCUboot's serial recovery; `direct` numbers slots instead of images.
    Recovery { direct: bool },
}

/// The memory of a server, and what it does with requests.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) personality: Personality,
    pub(crate) buf_size: u32,
    pub(crate) buf_count: u32,
    pub(crate) slot_size: usize,
    /// What an upload goes to.
    pub(crate) slot: Vec<u8>,
    /// The slot holds a whole upload.
    pub(crate) complete: bool,
    pub(crate) erases: u32,
    pub(crate) uploads: u32,
    /// The unfinished upload is forgotten before this many more upload requests.
    pub(crate) forget_in: Option<u32>,
    pub(crate) params_supported: bool,
    pub(crate) newest_version: Version,
    session: Option<Session>,
}

#[derive(Clone, Debug)]
struct Session {
    sha: Vec<u8>,
    len: usize,
    off: usize,
}

impl Server {
    pub(crate) fn new(personality: Personality) -> Self {
        let recovery = matches!(personality, Personality::Recovery { .. });
        Self {
            personality,
            buf_size: if recovery { 1024 } else { 384 },
            buf_count: if recovery { 1 } else { 4 },
            slot_size: SLOT_SIZE,
            slot: Vec::new(),
            complete: false,
            erases: 0,
            uploads: 0,
            forget_in: None,
            params_supported: true,
            newest_version: Version::V2,
            session: None,
        }
    }

    /// The server restarts: what it knew about an upload is gone, the slot is not.
    pub(crate) fn reboot(&mut self) {
        self.session = None;
    }

    fn lengths(&self) -> Lengths {
        match self.personality {
            Personality::Application { .. } => Lengths::Definite,
            Personality::Recovery { .. } => Lengths::Indefinite,
        }
    }

    /// The answers to what is in one packet.
    pub(crate) fn handle(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        let application = matches!(self.personality, Personality::Application { .. });
        let mut answers = Vec::new();
        let mut rest = packet;
        while let Some(header) = RawHeader::read(rest) {
            let there = rest.len() - HEADER_LEN;
            let announced = usize::from(header.payload_len);
            let is_request = header.op == 0 || header.op == 2;
            if !application && (announced < there || !is_request) {
                break;
            }
            let newest = self.newest_version.bits();
            let answer = if application && announced > there {
                Err(ManagementCode::CORRUPT.into())
            } else if application && header.version > newest {
                Err(ManagementCode::UNSUPPORTED_TOO_NEW.into())
            } else if !is_request {
                Err(ManagementCode::NOT_SUPPORTED.into())
            } else {
                let payload = &rest[HEADER_LEN..HEADER_LEN + announced.min(there)];
                self.execute(header, payload)
            };
            let failed = answer.is_err();
            let version = header.response(0).version;
            let map = answer.unwrap_or_else(|refused| refused.answer(version));
            let payload = map.encode(self.lengths());
            answers.push(header.response(0).packet(&payload).unwrap());
            if failed || announced >= there {
                break;
            }
            rest = &rest[HEADER_LEN + announced..];
        }
        answers
    }

    fn execute(&mut self, header: RawHeader, payload: &[u8]) -> Result<Map, Refused> {
        let invalid = |_| Refused::from(ManagementCode::INVALID);
        let map = Map::decode(payload).map_err(invalid)?;
        match (header.group, header.command, header.op) {
            (0, 0, _) => {
                let echo = Echo::from_map(&map).map_err(invalid)?;
                Ok(Map::new().with("r", echo.text))
            }
            (0, 6, 0) if self.params_supported => Ok(ParamsAnswer {
                buf_size: self.buf_size,
                buf_count: self.buf_count,
            }
            .to_map()),
            (0, 5, 2) => Ok(self.done(Map::new())),
            (1, 0, 0) => Ok(self.state().to_map()),
            (1, 1, 2) => {
                let chunk = UploadChunk::from_map(&map).map_err(invalid)?;
                self.uploads += 1;
                match self.forget_in {
                    Some(0) => {
                        self.forget_in = None;
                        self.reboot();
                    }
                    Some(left) => self.forget_in = Some(left - 1),
                    None => {}
                }
                match self.personality {
                    Personality::Application { image_check } => {
                        let answer = self.application_upload(chunk, image_check);
                        if answer.is_err() {
                            self.session = None;
                        }
                        answer
                    }
                    Personality::Recovery { direct } => self.recovery_upload(chunk, direct),
                }
            }
            (1, 5, 2) => {
                let erase = EraseSlot::from_map(&map).map_err(invalid)?;
                if erase.slot == Some(0) {
                    return Err(GroupCode::image(image_code::NO_FREE_SLOT).into());
                }
                self.erase();
                self.session = None;
                Ok(Map::new())
            }
            _ => Err(ManagementCode::NOT_SUPPORTED.into()),
        }
    }

    fn done(&self, rest: Map) -> Map {
        match self.personality {
            Personality::Application { .. } => rest,
            Personality::Recovery { .. } => {
                let mut map = Map::new().with("rc", 0);
                for (key, value) in rest.entries() {
                    map = map.with(key, value.clone());
                }
                map
            }
        }
    }

    fn off(&self, off: usize) -> Map {
        self.done(Map::new().with("off", off as u64))
    }

    fn erase(&mut self) {
        self.erases += 1;
        self.slot.clear();
        self.complete = false;
    }

    fn state(&self) -> ImageState {
        let running = SlotState {
            slot: 0,
            version: Some("1.0.0".to_owned()),
            hash: Some(vec![1; 32]),
            bootable: true,
            confirmed: true,
            active: true,
            ..SlotState::default()
        };
        // The images of these tests end with their hash TLV.
        let listed = (self.complete && self.slot.starts_with(&MAGIC)).then(|| SlotState {
            slot: 1,
            version: Some("2.0.0".to_owned()),
            hash: Some(self.slot[self.slot.len() - 32..].to_vec()),
            bootable: true,
            ..SlotState::default()
        });
        ImageState {
            images: std::iter::once(running).chain(listed).collect(),
            split_status: Some(0),
        }
    }

    fn application_upload(&mut self, chunk: UploadChunk, check: bool) -> Result<Map, Refused> {
        let refuse = |code| Err(Refused::from(GroupCode::image(code)));
        let Some(off) = chunk.off else {
            return refuse(image_code::INVALID_OFFSET);
        };
        let data = chunk.data.unwrap_or_default();
        if off == 0 {
            if data.len() < 32 {
                return refuse(image_code::INVALID_IMAGE_HEADER);
            }
            let Some(len) = chunk.len else {
                return refuse(image_code::INVALID_LENGTH);
            };
            if !data.starts_with(&MAGIC) {
                return refuse(image_code::INVALID_IMAGE_HEADER_MAGIC);
            }
            let sha = chunk.sha.unwrap_or_default();
            if sha.len() > 32 {
                return refuse(image_code::INVALID_HASH);
            }
            if let Some(session) = &self.session
                && !sha.is_empty()
                && session.sha == sha
            {
                return Ok(self.off(session.off));
            }
            let len = usize::try_from(len).unwrap();
            if len > self.slot_size {
                return refuse(image_code::INVALID_IMAGE_TOO_LARGE);
            }
            if check && self.complete && sha == digest(&self.slot) {
                return Ok(self.off(len).with("match", true));
            }
            self.erase();
            self.session = Some(Session { sha, len, off: 0 });
        }
        let Some(session) = &mut self.session else {
            return Ok(self.off(0));
        };
        if off != session.off as u64 {
            let wanted = session.off;
            return Ok(self.off(wanted));
        }
        if session.off + data.len() > session.len {
            return refuse(image_code::INVALID_IMAGE_DATA_OVERRUN);
        }
        self.slot.extend_from_slice(&data);
        session.off += data.len();
        let reached = session.off;
        if reached < session.len {
            return Ok(self.off(reached));
        }
        let sha = session.sha.clone();
        self.session = None;
        self.complete = true;
        let answer = self.off(reached);
        Ok(if check && sha.len() == 32 {
            answer.with("match", sha == digest(&self.slot))
        } else {
            answer
        })
    }

    fn recovery_upload(&mut self, chunk: UploadChunk, direct: bool) -> Result<Map, Refused> {
        let invalid = || Err(Refused::from(ManagementCode::INVALID));
        let (Some(off), Some(data)) = (chunk.off, chunk.data) else {
            return invalid();
        };
        if off == 0 {
            let Some(len) = chunk.len else {
                return invalid();
            };
            let slots = if direct { 3 } else { 1 };
            let len = usize::try_from(len).unwrap();
            if chunk.image.unwrap_or(0) >= slots || len > self.slot_size {
                return invalid();
            }
            self.erase();
            self.session = Some(Session {
                sha: Vec::new(),
                len,
                off: 0,
            });
        }
        let Some(session) = &mut self.session else {
            return Ok(self.off(0));
        };
        if off == session.off as u64 && session.off < session.len {
            let last = session.off + data.len() >= session.len;
            let taken = if last {
                session.len - session.off
            } else {
                data.len() / ALIGNMENT * ALIGNMENT
            };
            self.slot.extend_from_slice(&data[..taken]);
            session.off += taken;
            self.complete = session.off == session.len;
        }
        let reached = session.off;
        Ok(self.off(reached))
    }
}

fn digest(bytes: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).to_vec()
}

/// An MCUboot image of about `len` bytes, whose last 32 are its hash TLV.
pub(crate) fn image(len: usize, fill: u8) -> Vec<u8> {
    let payload = len.saturating_sub(32 + 40);
    let mut file = vec![0; 32];
    file[..4].copy_from_slice(&MAGIC);
    file[8..10].copy_from_slice(&32u16.to_le_bytes());
    file[12..16].copy_from_slice(&u32::try_from(payload).unwrap().to_le_bytes());
    file.extend((0..payload).map(|at| (at as u8).wrapping_mul(31).wrapping_add(fill)));
    let hash = digest(&file);
    file.extend([0x07, 0x69, 40, 0, 0x10, 0, 32, 0]);
    file.extend(hash);
    file
}

/// A link in simulated time to a server that works on one request after the other.
#[derive(Debug)]
pub(crate) struct VirtualLink {
    pub(crate) clock: SimClock,
    pub(crate) server: Server,
    /// One way, and also the time for a request.
    pub(crate) latency: Duration,
    /// For a request that makes the server erase.
    pub(crate) erase_time: Duration,
    pub(crate) overhead: usize,
    /// Most requests that the server had and had not answered, at the same time.
    pub(crate) peak: usize,
    pub(crate) longest_packet: usize,
    /// Takes an answer before it is sent: false loses it.
    pub(crate) keeps: fn(&mut Server, &[u8]) -> bool,
    /// What packets are on the wire, for faults that are made there.
    pub(crate) framing: Framing,
    busy_until: Instant,
    answers: VecDeque<(Instant, Option<Vec<u8>>)>,
}

impl VirtualLink {
    pub(crate) fn new(clock: SimClock, server: Server) -> Self {
        Self {
            clock,
            server,
            latency: Duration::from_millis(5),
            erase_time: Duration::from_secs(12),
            overhead: 4,
            peak: 0,
            longest_packet: 0,
            keeps: |_, _| true,
            framing: Framing::console(),
            busy_until: Instant::START,
            answers: VecDeque::new(),
        }
    }
}

impl Transport for VirtualLink {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            link: "virtual link".to_owned(),
            overhead: self.overhead,
            default_buf_size: 384,
        }
    }

    /// What was left of a packet on the wire before meets this one.
    fn send(&mut self, packet: &[u8]) -> Result<(), TransportError> {
        self.longest_packet = self.longest_packet.max(packet.len());
        let pieces = self.wire()?.pieces(packet);
        self.send_pieces(packet, pieces)
    }

    fn recv(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, TransportError> {
        while let Some((due, _)) = self.answers.front() {
            if *due > deadline {
                break;
            }
            self.clock.sleep_until(*due);
            if let Some((_, Some(answer))) = self.answers.pop_front() {
                return Ok(Some(answer));
            }
        }
        self.clock.sleep_until(deadline);
        Ok(None)
    }
}

impl VirtualLink {
    fn serve(&mut self, packet: &[u8]) {
        let now = self.clock.now();
        let erases = self.server.erases;
        let answers = self.server.handle(packet);
        let start = self.busy_until.max(now + self.latency);
        self.busy_until = start
            + if self.server.erases > erases {
                self.erase_time
            } else {
                self.latency
            };
        let due = self.busy_until + self.latency;
        for answer in answers {
            let kept = (self.keeps)(&mut self.server, &answer);
            self.answers.push_back((due, kept.then_some(answer)));
        }
        let open = self.answers.iter().filter(|(due, _)| *due > now).count();
        self.peak = self.peak.max(open);
    }
}

/// The framing of a [`VirtualLink`], as its server receives it.
#[derive(Debug)]
pub(crate) enum Framing {
    Console(frame::Decoder),
    Writes(u16, ble::Reassembler),
}

impl Framing {
    pub(crate) fn console() -> Self {
        Self::Console(frame::Decoder::server(4096))
    }

    pub(crate) fn writes(mtu: u16) -> Self {
        Self::Writes(mtu, ble::Reassembler::default())
    }

    /// The packets that the server gets out of what arrived.
    fn received(&mut self, now: Instant, pieces: &[Vec<u8>]) -> Vec<Vec<u8>> {
        match self {
            Self::Console(decoder) => {
                decoder.push(&pieces.concat());
                std::iter::from_fn(|| decoder.next())
                    .filter_map(|decoded| match decoded {
                        frame::Decoded::Packet(packet) => Some(packet),
                        frame::Decoded::Line(_) | frame::Decoded::Damaged(_) => None,
                    })
                    .collect()
            }
            Self::Writes(_, reassembler) => {
                for piece in pieces {
                    reassembler.push(now, piece);
                }
                std::iter::from_fn(|| reassembler.next_packet())
                    .flatten()
                    .collect()
            }
        }
    }
}

impl WireTransport for VirtualLink {
    fn wire(&self) -> Result<Box<dyn Wire>, TransportError> {
        Ok(match self.framing {
            Framing::Console(_) => Box::new(ConsoleWire::default()),
            Framing::Writes(mtu, _) => Box::new(WritesWire::new(mtu)),
        })
    }

    fn send_pieces(&mut self, _packet: &[u8], pieces: Vec<Vec<u8>>) -> Result<(), TransportError> {
        for packet in self.framing.received(self.clock.now(), &pieces) {
            self.serve(&packet);
        }
        Ok(())
    }
}

/// A map in diagnostic notation, as the vectors have it.
pub(crate) fn diagnostic(map: &Map, lengths: Lengths) -> String {
    let entries: Vec<String> = map
        .entries()
        .map(|(key, value)| format!("\"{key}\": {}", diagnostic_value(value, lengths)))
        .collect();
    let open = match lengths {
        Lengths::Definite => "{",
        Lengths::Indefinite => "{_ ",
    };
    format!("{open}{}}}", entries.join(", "))
}

fn diagnostic_value(value: &ciborium::Value, lengths: Lengths) -> String {
    use ciborium::Value;
    match value {
        Value::Integer(integer) => i128::from(*integer).to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Bool(flag) => flag.to_string(),
        Value::Bytes(bytes) => format!("h'{}'", hex::encode(bytes)),
        Value::Map(_) => {
            use hil_smp::cbor::Field;
            diagnostic(&Map::read(value).unwrap(), lengths)
        }
        Value::Array(items) => {
            let open = if lengths == Lengths::Definite {
                "["
            } else {
                "[_ "
            };
            let items: Vec<_> = items
                .iter()
                .map(|item| diagnostic_value(item, lengths))
                .collect();
            format!("{open}{}]", items.join(", "))
        }
        other => format!("{other:?}"),
    }
}

/// Group of a packet, for tests that look at what went by.
pub(crate) fn address(packet: &[u8]) -> (Group, u8) {
    let header = RawHeader::read(packet).unwrap();
    (Group::new(header.group), header.command)
}
