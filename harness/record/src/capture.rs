//! The SMP packets of a run as Wireshark opens them: `smp.pcapng`, written as they go over the links.
//!
//! One interface for each link of a board. A packet is an *exported PDU* (`LINKTYPE_WIRESHARK_UPPER_PDU`, 252): tags that
//! name its dissector and its direction, then the packet itself, header first, as it is above the framing of UART or the
//! fragments of BLE. Wireshark has no dissector for SMP of its own; `tools/wireshark/smp.lua` is one. Without it the
//! comment of each packet tells the step and what the packet says.
//!
//! Times are those of the journal. The journal has the first bytes of a packet; here are all of them.

use crate::course::Course;
use crate::directory::RunDirectory;
use crate::event::{Direction, Event, EventKind, SmpPacket, StepInfo};
use crate::reporter::Reporter;
use jiff::Timestamp;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{Block, PcapNgReader, PcapNgWriter};
use pcap_file::{DataLink, Endianness, PcapError};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;

/// The dissector that packets ask for: the name in `tools/wireshark/smp.lua`.
pub const DISSECTOR: &str = "mcumgr_smp";

/// Tags of an exported PDU (wireshark `epan/exported_pdu.h`): each is a type and a length of 16 bits, big-endian, and a value
/// filled up to 4 bytes, which the length counts.
const TAG_END: u16 = 0;
const TAG_DISSECTOR_NAME: u16 = 12;
const TAG_DIRECTION: u16 = 36;

/// `P2P_DIR_SENT` and `P2P_DIR_RECV` (wireshark `epan/packet_info.h`).
const SENT: u32 = 0;
const RECEIVED: u32 = 1;

/// Directions in the flags of a packet (pcapng, `epb_flags`).
const OUTBOUND: u32 = 2;
const INBOUND: u32 = 1;

/// Timestamps are in units of 10^-9 s, as the crate writes them.
const NANOSECONDS: u8 = 9;

/// The longest text of an option, in bytes (ours): options have 16 bits for it, which the crate does not look at.
const MAX_TEXT: usize = 4096;

/// Where packets of a run are captured.
pub struct Capture<W: Write = File> {
    to: Target<W>,
    started: Option<Timestamp>,
    /// By board and link.
    interfaces: BTreeMap<(String, String), u32>,
    /// The step that runs, by board.
    steps: BTreeMap<String, (String, StepInfo)>,
    /// The board of a scenario that runs.
    boards: BTreeMap<String, String>,
}

/// A file is made when the first packet is there: a run without SMP leaves none.
enum Target<W: Write> {
    Path(PathBuf),
    Writer(Option<W>),
    Open(Box<PcapNgWriter<W>>),
}

impl Capture<File> {
    /// Captures into the folder of a run.
    #[must_use]
    pub fn new(directory: &RunDirectory) -> Self {
        Self::into_target(Target::Path(directory.capture()))
    }
}

impl<W: Write> Capture<W> {
    /// Captures into a writer.
    pub fn to_writer(writer: W) -> Self {
        Self::into_target(Target::Writer(Some(writer)))
    }

    fn into_target(to: Target<W>) -> Self {
        Self {
            to,
            started: None,
            interfaces: BTreeMap::new(),
            steps: BTreeMap::new(),
            boards: BTreeMap::new(),
        }
    }

    /// The writer, when something was written.
    pub fn into_writer(self) -> Option<W> {
        match self.to {
            Target::Open(writer) => Some(writer.into_inner()),
            Target::Path(_) | Target::Writer(_) => None,
        }
    }
}

/// What a capture can be opened on: a path only when it is a file.
pub trait Sink: Write + Sized {
    /// Makes the file at a path.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    fn create(path: &std::path::Path) -> io::Result<Self>;
}

impl Sink for File {
    /// A run that goes on has a capture, which goes on with a section of its own; half a block at its end, as a kill leaves
    /// it, is taken away.
    fn create(path: &std::path::Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let end = end_of_blocks(&mut file)?;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        Ok(file)
    }
}

/// Where the last whole block of a capture of ours ends, in bytes.
fn end_of_blocks(file: &mut File) -> io::Result<u64> {
    let size = file.metadata()?.len();
    let mut end = 0;
    loop {
        let mut head = [0; 8];
        if size - end < head.len() as u64 {
            return Ok(end);
        }
        file.seek(SeekFrom::Start(end))?;
        file.read_exact(&mut head)?;
        // Type and length, little-endian as we write them; a block has at least these and the length once more.
        let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        if length < 12 || length > size - end {
            return Ok(end);
        }
        end += length;
    }
}

impl Sink for Vec<u8> {
    fn create(_: &std::path::Path) -> io::Result<Self> {
        Ok(Self::new())
    }
}

impl<W: Sink> Capture<W> {
    fn writer(&mut self) -> io::Result<&mut PcapNgWriter<W>> {
        let writer = match &mut self.to {
            Target::Open(_) => None,
            Target::Path(path) => Some(W::create(path)?),
            Target::Writer(writer) => writer.take(),
        };
        if let Some(writer) = writer {
            let section = SectionHeaderBlock {
                endianness: Endianness::Little,
                options: vec![SectionHeaderOption::UserApplication(Cow::Borrowed(
                    "dfu-hil",
                ))],
                ..SectionHeaderBlock::default()
            };
            let writer = PcapNgWriter::with_section_header(writer, section).map_err(io_error)?;
            self.to = Target::Open(Box::new(writer));
        }
        match &mut self.to {
            Target::Open(writer) => Ok(writer),
            Target::Path(_) | Target::Writer(_) => {
                Err(io::Error::other("the capture was not opened"))
            }
        }
    }

    fn packet(&mut self, event: &Event, packet: &SmpPacket) -> io::Result<()> {
        let interface_id =
            self.interface(&packet.board, packet.link.as_deref().unwrap_or("smp"))?;
        let mut comment = String::new();
        if let Some((scenario, step)) = self.steps.get(&packet.board) {
            comment = format!("{scenario} step {} `{}`: ", step.number, step.name);
        }
        comment.push_str(&packet.summary);
        cut(&mut comment);
        let (flag, direction) = match packet.direction {
            Direction::ToBoard => (OUTBOUND, SENT),
            Direction::FromBoard => (INBOUND, RECEIVED),
        };
        let mut data = tags(direction);
        let bytes = packet.bytes();
        let whole = u64::from(u32::try_from(data.len()).unwrap_or(0)) + packet.length;
        data.extend_from_slice(&bytes);
        let block = EnhancedPacketBlock {
            interface_id,
            timestamp: self.time(event.at),
            original_len: u32::try_from(whole).unwrap_or(u32::MAX),
            data: Cow::Owned(data),
            options: vec![
                EnhancedPacketOption::Comment(Cow::Owned(comment)),
                EnhancedPacketOption::Flags(flag),
            ],
        };
        self.writer()?.write_pcapng_block(block).map_err(io_error)?;
        Ok(())
    }

    /// The number of the interface of a link.
    fn interface(&mut self, board: &str, link: &str) -> io::Result<u32> {
        let key = (board.to_owned(), link.to_owned());
        if let Some(number) = self.interfaces.get(&key) {
            return Ok(*number);
        }
        let number = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        let mut name = format!("{board} {link}");
        cut(&mut name);
        let block = InterfaceDescriptionBlock {
            linktype: DataLink::WIRESHARK_UPPER_PDU,
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Owned(name)),
                InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
            ],
        };
        self.writer()?.write_pcapng_block(block).map_err(io_error)?;
        self.interfaces.insert(key, number);
        Ok(number)
    }

    /// Since 1970, of a moment that is `at` milliseconds after the start of the run.
    fn time(&self, at: u64) -> Duration {
        let started = self
            .started
            .and_then(|started| u64::try_from(started.as_nanosecond()).ok())
            .unwrap_or_default();
        Duration::from_nanos(started).saturating_add(Duration::from_millis(at))
    }
}

impl<W: Sink + Send> Reporter for Capture<W> {
    fn name(&self) -> &str {
        "capture of SMP packets"
    }

    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            EventKind::RunStarted(start) => self.started = Some(start.started),
            EventKind::Course(Course::Resumed(resumed)) => {
                let since = Duration::from_millis(resumed.at_ms);
                self.started = resumed.resumed.checked_sub(since).ok();
            }
            EventKind::ScenarioStarted(started) => {
                self.boards
                    .insert(started.scenario.clone(), started.board.clone());
            }
            EventKind::ScenarioFinished { scenario, .. } => {
                if let Some(board) = self.boards.remove(scenario) {
                    self.steps.remove(&board);
                }
            }
            EventKind::StepStarted { scenario, step } => {
                if let Some(board) = self.boards.get(scenario) {
                    self.steps
                        .insert(board.clone(), (scenario.clone(), step.clone()));
                }
            }
            EventKind::Smp(packet) => return self.packet(event, packet),
            _ => {}
        }
        Ok(())
    }
}

/// Cuts a text to what fits into an option.
fn cut(text: &mut String) {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
    }
}

/// The packets of a capture, in order: how what a run captured is read again.
///
/// # Errors
///
/// It is no capture, or none of ours.
pub fn packets_of(capture: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    if capture.is_empty() {
        return Ok(found);
    }
    let mut reader = PcapNgReader::new(capture).map_err(io_error)?;
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.map_err(io_error)? {
            let behind = packet.data.get(tags(SENT).len()..);
            let bytes = behind.ok_or_else(|| io::Error::other("a packet has no tags"))?;
            found.push(bytes.to_vec());
        }
    }
    Ok(found)
}

/// The tags in front of a packet.
fn tags(direction: u32) -> Vec<u8> {
    let mut tags = Vec::new();
    let mut tag = |kind: u16, value: &[u8]| {
        let padded = value.len().next_multiple_of(4);
        tags.extend_from_slice(&kind.to_be_bytes());
        tags.extend_from_slice(&u16::try_from(padded).unwrap_or(0).to_be_bytes());
        tags.extend_from_slice(value);
        tags.resize(tags.len() + padded - value.len(), 0);
    };
    tag(TAG_DISSECTOR_NAME, DISSECTOR.as_bytes());
    tag(TAG_DIRECTION, &direction.to_be_bytes());
    tag(TAG_END, &[]);
    tags
}

fn io_error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        error => io::Error::other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_file::pcapng::Block;
    use pcap_file::pcapng::PcapNgReader;
    use proptest::prelude::*;

    fn event(at: u64, kind: EventKind) -> Event {
        Event { seq: 0, at, kind }
    }

    fn packet(board: &str, direction: Direction, bytes: &[u8]) -> EventKind {
        EventKind::Smp(SmpPacket::new(board, direction, bytes, "image upload").over("uart"))
    }

    /// The packets of a capture: interface, time, comment, bytes behind the tags.
    fn read(capture: &[u8]) -> Vec<(u32, Duration, String, Vec<u8>)> {
        let mut reader = PcapNgReader::new(capture).unwrap();
        let mut found = Vec::new();
        while let Some(block) = reader.next_block() {
            if let Block::EnhancedPacket(packet) = block.unwrap() {
                let comment = packet.options.iter().find_map(|option| match option {
                    EnhancedPacketOption::Comment(text) => Some(text.clone().into_owned()),
                    _ => None,
                });
                let tags = tags(0).len();
                found.push((
                    packet.interface_id,
                    packet.timestamp,
                    comment.unwrap_or_default(),
                    packet.data[tags..].to_vec(),
                ));
            }
        }
        found
    }

    #[test]
    fn a_packet_is_captured_whole_with_its_step() {
        let mut capture = Capture::to_writer(Vec::new());
        let step = serde_json::json!({ "number": 3, "name": "upload", "text": "upload update.app", "line": 9 });
        let started = serde_json::json!({
            "scenario": "app-update[uart]", "summary": "", "file": "a.yaml", "board": "dk-1",
        });
        let kinds = [
            EventKind::ScenarioStarted(serde_json::from_value(started).unwrap()),
            EventKind::StepStarted {
                scenario: "app-update[uart]".to_owned(),
                step: serde_json::from_value(step).unwrap(),
            },
            packet("dk-1", Direction::ToBoard, &[7; 300]),
            packet("dk-2", Direction::FromBoard, &[8; 9]),
        ];
        for kind in kinds {
            capture.on_event(&event(1500, kind)).unwrap();
        }
        let found = read(&capture.into_writer().unwrap());
        let at = Duration::from_millis(1500);
        let comment = "app-update[uart] step 3 `upload`: image upload".to_owned();
        assert_eq!(
            found,
            [
                (0, at, comment, vec![7; 300]),
                (1, at, "image upload".to_owned(), vec![8; 9])
            ]
        );
    }

    #[test]
    fn a_comment_that_is_too_long_is_cut_and_the_capture_stays_whole() {
        let mut capture = Capture::to_writer(Vec::new());
        let long = SmpPacket::new("dk", Direction::ToBoard, &[1, 2, 3], "ü".repeat(70_000));
        capture.on_event(&event(0, EventKind::Smp(long))).unwrap();
        let found = read(&capture.into_writer().unwrap());
        assert_eq!(found[0].3, [1, 2, 3]);
        assert_eq!(found[0].2.len(), MAX_TEXT);
    }

    #[test]
    fn a_run_that_goes_on_keeps_what_was_captured_before_it_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::at(folder.path());
        for (number, killed) in [(1_u8, true), (2, false)] {
            let mut capture = Capture::new(&directory);
            capture
                .on_event(&event(0, packet("dk", Direction::ToBoard, &[number])))
                .unwrap();
            drop(capture);
            if killed {
                let mut file = OpenOptions::new()
                    .append(true)
                    .open(directory.capture())
                    .unwrap();
                file.write_all(&[6, 0, 0, 0, 200, 0, 0, 0, 1]).unwrap();
            }
        }
        let found = read(&std::fs::read(directory.capture()).unwrap());
        let bytes: Vec<_> = found.into_iter().map(|(.., bytes)| bytes).collect();
        assert_eq!(bytes, [[1], [2]]);
    }

    #[test]
    fn a_run_without_packets_leaves_no_capture() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::at(folder.path());
        let mut capture = Capture::new(&directory);
        let note = EventKind::RunFinished { stopped: false };
        capture.on_event(&event(0, note)).unwrap();
        drop(capture);
        assert!(!directory.capture().exists());
    }

    proptest! {
        #[test]
        fn every_packet_comes_back_as_it_was(
            packets in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)), 1..12),
        ) {
            let mut capture = Capture::to_writer(Vec::new());
            for (out, bytes) in &packets {
                let direction = if *out { Direction::ToBoard } else { Direction::FromBoard };
                capture.on_event(&event(1, packet("dk", direction, bytes))).unwrap();
            }
            let found: Vec<_> = read(&capture.into_writer().unwrap())
                .into_iter()
                .map(|(.., bytes)| bytes)
                .collect();
            let sent: Vec<_> = packets.into_iter().map(|(_, bytes)| bytes).collect();
            prop_assert_eq!(found, sent);
        }
    }
}
