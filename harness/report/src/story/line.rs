//! A line of the merged log.

use hil_record::{
    ConsoleSource, CoreName, Course, Direction, EventKind, LinkEnd, PowerAction, SmpPacket,
};

/// What sort of thing a line tells. The order is that of the report's filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Step,
    Console,
    Rtt,
    Smp,
    Power,
    Probe,
    Link,
    Retry,
    Note,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Step,
        Self::Console,
        Self::Rtt,
        Self::Smp,
        Self::Power,
        Self::Probe,
        Self::Link,
        Self::Retry,
        Self::Note,
    ];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Console => "console",
            Self::Rtt => "RTT",
            Self::Smp => "SMP",
            Self::Power => "power",
            Self::Probe => "probe",
            Self::Link => "link",
            Self::Retry => "retry",
            Self::Note => "note",
        }
    }
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    /// In milliseconds since the start of the run.
    pub(crate) at: u64,
    pub(crate) kind: Kind,
    pub(crate) core: Option<CoreName>,
    pub(crate) text: String,
    /// Packets of an upload that follow each other are one line.
    upload: Option<Packets>,
}

#[derive(Clone, Copy, Debug)]
struct Packets {
    count: u64,
    bytes: u64,
    last_at: u64,
}

impl LogLine {
    pub(crate) fn new(at: u64, kind: Kind, text: impl Into<String>) -> Self {
        Self {
            at,
            kind,
            core: None,
            text: text.into(),
            upload: None,
        }
    }

    /// The line for an event, and its board; none for those that the report shows otherwise.
    pub(crate) fn of(at: u64, event: &EventKind) -> Option<(Option<&str>, Self)> {
        let line = |kind, text: String| Self::new(at, kind, text);
        Some(match event {
            EventKind::Console {
                board,
                core,
                source,
                text,
            } => {
                let kind = match source {
                    ConsoleSource::Rtt => Kind::Rtt,
                    _ => Kind::Console,
                };
                let mut line = line(kind, text.clone());
                line.core = Some(*core);
                (Some(board.as_str()), line)
            }
            EventKind::Smp(packet) => (Some(packet.board.as_str()), Self::packet(at, packet)),
            EventKind::LinkConnected(link) => (
                Some(link.board.as_str()),
                line(
                    Kind::Link,
                    format!(
                        "connected through {} to {}, MTU {}, after {} ms of scan, {} ms of connecting and {} ms of discovery",
                        link.adapter,
                        link.address.as_deref().unwrap_or("an unknown address"),
                        link.mtu,
                        link.scan_ms,
                        link.connect_ms,
                        link.discover_ms
                    ),
                ),
            ),
            EventKind::TransportFault(fault) => (
                Some(fault.board.as_str()),
                line(
                    Kind::Link,
                    format!(
                        "fault {} of the step over {}: {}: {} (seed {})",
                        fault.number, fault.over, fault.what, fault.packet, fault.seed
                    ),
                ),
            ),
            EventKind::LinkEnded { board, how, cause } => {
                let how = match how {
                    LinkEnd::Closed => "closed",
                    LinkEnd::Lost => "lost",
                };
                (
                    Some(board.as_str()),
                    line(Kind::Link, format!("{how}: {cause}")),
                )
            }
            EventKind::Power {
                board,
                action,
                latency_us,
            } => {
                let text = match action {
                    PowerAction::On => "power on",
                    PowerAction::Off => "power off",
                    PowerAction::Cut => "power cut",
                };
                let text = match latency_us {
                    Some(took) => format!("{text} (the switch took {} ms)", took.div_ceil(1000)),
                    None => text.to_owned(),
                };
                (Some(board.as_str()), line(Kind::Power, text))
            }
            EventKind::Button {
                board,
                button,
                pressed,
            } => {
                let what = if *pressed { "pressed" } else { "let go" };
                let text = format!("button `{button}` {what}");
                (Some(board.as_str()), line(Kind::Power, text))
            }
            EventKind::Probe {
                board,
                action,
                detail,
            } => (
                Some(board.as_str()),
                line(Kind::Probe, format!("{action} {detail}")),
            ),
            EventKind::Retry {
                board,
                what,
                attempt,
                limit,
                cause,
            } => (
                Some(board.as_str()),
                line(
                    Kind::Retry,
                    format!("{what} again, attempt {attempt} of {limit}: {cause}"),
                ),
            ),
            EventKind::Course(Course::Again(again)) => (
                Some(again.board.as_str()),
                line(
                    Kind::Retry,
                    format!(
                        "{} is tried again, attempt {} of {}",
                        again.scenario, again.attempt, again.limit
                    ),
                ),
            ),
            EventKind::Course(Course::Resumed(resumed)) => (
                None,
                line(
                    Kind::Note,
                    format!("the run went on at {}", resumed.resumed),
                ),
            ),
            EventKind::Health(health) => (Some(health.board()), line(Kind::Note, health.words())),
            EventKind::Note { board, text } => (board.as_deref(), line(Kind::Note, text.clone())),
            EventKind::SweepPlanned(plan) => (
                Some(plan.board.as_str()),
                line(Kind::Note, crate::progress::sweep_in_words(plan)),
            ),
            EventKind::SweepPoint(point) => {
                let came_to = point.problem.as_ref().unwrap_or(&point.came_to);
                let text = format!("cut {}: {came_to}", point.cut);
                (Some(point.board.as_str()), line(Kind::Note, text))
            }
            EventKind::SweepFinished(totals) => (
                Some(totals.board.as_str()),
                line(Kind::Note, format!("sweep: {totals}")),
            ),
            EventKind::RunStarted(_)
            | EventKind::Inputs { .. }
            | EventKind::RunFinished { .. }
            | EventKind::Course(Course::Shard(_) | Course::Part(_) | Course::Night(_))
            | EventKind::ScenarioStarted(_)
            | EventKind::ScenarioFinished { .. }
            | EventKind::StepStarted { .. }
            | EventKind::StepFinished { .. }
            | EventKind::Checked(_)
            | EventKind::Done(_)
            | EventKind::Wear(_)
            | EventKind::Flash(_)
            | EventKind::UploadProgress { .. } => return None,
        })
    }

    fn packet(at: u64, packet: &SmpPacket) -> Self {
        let arrow = match packet.direction {
            Direction::ToBoard => "→",
            Direction::FromBoard => "←",
        };
        let name = Command::of(&packet.hex);
        let what = name
            .as_ref()
            .map_or_else(|| packet.summary.clone(), Command::text);
        let mut line = Self::new(
            at,
            Kind::Smp,
            format!("{arrow} {what}, {} bytes  {}", packet.length, packet.hex),
        );
        if name.is_some_and(|command| command.is_upload()) {
            line.upload = Some(Packets {
                count: 1,
                bytes: packet.length,
                last_at: at,
            });
        }
        line
    }

    /// Takes a line in that goes on with the same upload.
    pub(crate) fn join(&mut self, next: &Self) -> bool {
        let (Some(mine), Some(others)) = (&mut self.upload, &next.upload) else {
            return false;
        };
        mine.count += others.count;
        mine.bytes += others.bytes;
        mine.last_at = others.last_at;
        self.text = format!(
            "⇄ image upload, {} packets, {} bytes, until {}.{:03} s",
            mine.count,
            mine.bytes,
            mine.last_at / 1000,
            mine.last_at % 1000
        );
        true
    }
}

/// The header of an SMP packet (Zephyr `include/zephyr/mgmt/mcumgr/smp/smp.h`, `struct smp_hdr`).
struct Command {
    op: u8,
    group: u16,
    command: u8,
}

impl Command {
    fn of(hex: &str) -> Option<Self> {
        let byte = |at: usize| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok();
        Some(Self {
            op: byte(0)? & 7,
            group: u16::from_be_bytes([byte(4)?, byte(5)?]),
            command: byte(7)?,
        })
    }

    const fn is_upload(&self) -> bool {
        self.group == 1 && self.command == 1
    }

    /// In the words of Zephyr's groups (`mgmt/mcumgr/mgmt/mgmt_defines.h` and the `grp` headers).
    fn text(&self) -> String {
        let op = match self.op {
            0 => "read",
            1 => "read answer",
            2 => "write",
            3 => "write answer",
            _ => "reserved operation",
        };
        let name = match (self.group, self.command) {
            (0, 0) => "os echo",
            (0, 2) => "os task statistics",
            (0, 4) => "os date and time",
            (0, 5) => "os reset",
            (0, 6) => "os parameters",
            (0, 7) => "os info",
            (0, 8) => "os bootloader info",
            (1, 0) => "image state",
            (1, 1) => "image upload",
            (1, 5) => "image erase",
            (1, 6) => "image slot info",
            (group, command) => return format!("{op} group {group} command {command}"),
        };
        format!("{name}, {op}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn what_comes_over_rtt_is_of_another_kind_than_what_comes_over_the_serial_port() {
        let line = |source| {
            let event = EventKind::Console {
                board: "dk1".to_owned(),
                core: CoreName::App,
                source,
                text: "ready".to_owned(),
            };
            let (board, line) = LogLine::of(5, &event).expect("it is shown");
            (
                board.map(str::to_owned),
                line.kind.word(),
                line.core,
                line.text,
            )
        };
        let shown = |word| {
            (
                Some("dk1".to_owned()),
                word,
                Some(CoreName::App),
                "ready".to_owned(),
            )
        };
        assert_eq!(line(ConsoleSource::Uart), shown("console"));
        assert_eq!(line(ConsoleSource::Rtt), shown("RTT"));
    }

    #[rstest]
    #[case::read(
        "0800000100010000a0",
        "→ image state, read, 9 bytes  0800000100010000a0"
    )]
    #[case::unknown_group(
        "0a00000100400003a0",
        "→ write group 64 command 3, 9 bytes  0a00000100400003a0"
    )]
    #[case::no_header("0a", "→ what the sender says, 1 bytes  0a")]
    fn a_packet_is_told_by_its_command(#[case] hex: &str, #[case] expected: &str) {
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let packet = SmpPacket::new("dk1", Direction::ToBoard, &bytes, "what the sender says");
        assert_eq!(LogLine::packet(0, &packet).text, expected);
    }

    #[test]
    fn packets_of_an_upload_are_one_line() {
        let packet = SmpPacket::new("dk1", Direction::ToBoard, &[2, 0, 0, 8, 0, 1, 7, 1], "");
        let mut first = LogLine::packet(1000, &packet);
        assert!(first.join(&LogLine::packet(1250, &packet)));
        assert_eq!(
            first.text,
            "⇄ image upload, 2 packets, 16 bytes, until 1.250 s"
        );
        assert!(!first.join(&LogLine::new(1300, Kind::Power, "power cut")));
    }
}
