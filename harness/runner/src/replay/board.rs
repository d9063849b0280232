//! What the journal tells of each board, up to a moment: its consoles, what it was programmed with, what was done since.

use super::Judged;
use super::inputs::Inputs;
use crate::console::{ConsoleLog, Line, Mark};
use crate::context::Programmed;
use crate::firmware::{Firmware, Region};
use crate::history::{self, StartedBy, What};
use crate::proof::role;
use hil_bootloader::predict::{Request, Sent};
use hil_clock::{Instant, SimClock};
use hil_record::{
    BoardDone, ConsoleSource, CoreName, Done, Event, EventKind, FirmwareInfo, SentPart, StartCause,
};
use hil_scenario::{Core, Slot};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// All boards of a run.
pub(super) struct Boards(BTreeMap<String, BoardState>);

/// What is known of a board.
#[derive(Default)]
pub(super) struct BoardState {
    /// What its cores printed, by each way.
    printed: BTreeMap<(CoreName, ConsoleSource), Printed>,
    /// What it held when it was programmed; none when no step did.
    pub(super) programmed: Option<Programmed>,
    /// Digests of UICR at that time, of the application core and the network core.
    pub(super) uicr: Option<(String, String)>,
    /// What was done since.
    pub(super) history: Vec<history::Event>,
}

/// All lines of a core that came by one way.
#[derive(Default)]
struct Printed {
    lines: Vec<Line>,
    /// How many lines there had been when the run went on: the program counts anew then.
    before: usize,
    /// The same up to the event that is looked at.
    seen: usize,
}

/// The moment of an event: the journal has milliseconds, and the order within one.
fn moment(event: &Event) -> Instant {
    let within = Duration::from_nanos(event.seq % 1_000_000);
    Instant::from_start(Duration::from_millis(event.at) + within)
}

impl Boards {
    /// Reads all consoles: which lines count is told by their number.
    pub(super) fn new(events: &[Event]) -> Self {
        let mut boards: BTreeMap<String, BoardState> = BTreeMap::new();
        for event in events {
            if let EventKind::Console {
                board,
                core,
                source,
                text,
            } = &event.kind
            {
                let board = boards.entry(board.clone()).or_default();
                let printed = board.printed.entry((*core, *source)).or_default();
                printed.lines.push(Line {
                    at: moment(event),
                    text: text.clone(),
                });
            }
        }
        Self(boards)
    }

    /// A line was printed.
    pub(super) fn printed(&mut self, board: &str, core: CoreName, source: ConsoleSource) {
        let board = self.0.get_mut(board);
        if let Some(printed) = board.and_then(|board| board.printed.get_mut(&(core, source))) {
            printed.seen += 1;
        }
    }

    /// The run goes on in another process, which numbers the lines of these boards from 0. In a run that was put together
    /// of several, those of the other parts go on as they were.
    pub(super) fn resumed<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            if let Some(board) = self.0.get_mut(name) {
                for printed in board.printed.values_mut() {
                    printed.before = printed.seen;
                }
            }
        }
    }

    pub(super) fn get(&self, board: &str) -> Option<&BoardState> {
        self.0.get(board)
    }

    /// A scenario begins on a board: nothing of what was before counts.
    pub(super) fn begin(&mut self, board: &str) {
        let board = self.0.entry(board.to_owned()).or_default();
        board.programmed = None;
        board.uicr = None;
        board.history.clear();
    }

    /// Takes what was done to a board.
    pub(super) fn take(
        &mut self,
        event: &Event,
        done: &BoardDone,
        set: Option<&FirmwareInfo>,
        inputs: &mut Inputs<'_>,
    ) -> Result<(), Judged> {
        let objects = inputs.objects();
        let firmware = inputs
            .firmware(set)
            .map_err(|problem| Judged::Broken(problem.to_owned()))?;
        let board = self.0.entry(done.board.clone()).or_default();
        let what = match &done.what {
            Done::Programmed {
                release,
                app_uicr,
                net_uicr,
            } => {
                board.programmed = Some(contents_of(firmware, release)?);
                board.uicr = Some((app_uicr.clone(), net_uicr.clone()));
                board.history.clear();
                return Ok(());
            }
            Done::NotStarted => {
                board.history.pop();
                return Ok(());
            }
            Done::PutBack => {
                let stopped = |event: &history::Event| matches!(event.what, What::Stopped { .. });
                let kept = board.history.iter().rposition(stopped);
                board.history.truncate(kept.map_or(0, |index| index + 1));
                return Ok(());
            }
            Done::Stopped { app_line } => What::Stopped {
                app: Mark::behind(*app_line),
            },
            Done::Started {
                by, app_line, held, ..
            } => What::Started {
                by: match by {
                    StartCause::Program => StartedBy::Program,
                    StartCause::Smp => StartedBy::Smp,
                    StartCause::Probe => StartedBy::Probe,
                    StartCause::Power => StartedBy::Power,
                },
                app: Mark::behind(*app_line),
                held: *held,
            },
            Done::Answered => What::Answered,
            Done::ListedConfirmed => What::ListedConfirmed,
            Done::Sent {
                image,
                sha256,
                number,
                recovery,
                part,
            } => {
                let name = role(image).ok_or_else(|| {
                    Judged::Broken(format!("the journal names an image `{image}`"))
                })?;
                let bytes = match objects.get(sha256) {
                    Ok(bytes) => bytes,
                    Err(error) => return Err(Judged::Broken(error.to_string())),
                };
                let image = firmware.recalled(&name, bytes).map_err(Judged::Broken)?;
                let sent = match part {
                    SentPart::Whole => Sent::Whole,
                    SentPart::Acknowledged(acknowledged) => Sent::Part {
                        acknowledged: *acknowledged,
                    },
                };
                let number = *number;
                if *recovery {
                    What::Recovered {
                        number,
                        image,
                        sent,
                    }
                } else {
                    What::Uploaded {
                        number,
                        image,
                        sent,
                    }
                }
            }
            Done::Marked { hash, confirm } => What::Marked {
                hash: hex::decode(hash)
                    .map_err(|_| Judged::Broken(format!("`{hash}` is no hash of an image")))?,
                request: if *confirm {
                    Request::Confirm
                } else {
                    Request::Test
                },
            },
            Done::Erased { slot } => What::Erased {
                slot: Slot::ALL
                    .into_iter()
                    .find(|known| known.word() == slot)
                    .ok_or_else(|| Judged::Broken(format!("there is no slot `{slot}`")))?,
            },
        };
        board.history.push(history::Event {
            at: moment(event),
            what,
        });
        Ok(())
    }
}

impl BoardState {
    /// The lines of a core that came by this way.
    pub(super) fn lines(
        &self,
        core: CoreName,
        source: ConsoleSource,
        from: u64,
        to: u64,
    ) -> &[Line] {
        let lines = self
            .printed
            .get(&(core, source))
            .and_then(|printed| printed.lines.get(printed.before..))
            .unwrap_or_default();
        let end = usize::try_from(to).unwrap_or(usize::MAX).min(lines.len());
        let start = usize::try_from(from).unwrap_or(usize::MAX);
        lines.get(start..end).unwrap_or_default()
    }

    /// The console of the application core up to a line.
    pub(super) fn console(&self, to: u64) -> ConsoleLog {
        let log = ConsoleLog::new(Arc::new(SimClock::new()));
        for line in self.lines(CoreName::App, ConsoleSource::Uart, 0, to) {
            log.push(line.at, line.text.as_str());
        }
        log
    }
}

/// What the memories hold when they have been programmed with a release.
fn contents_of(firmware: &Firmware, release: &str) -> Result<Programmed, Judged> {
    let image = firmware
        .program(release)
        .map_err(|trouble| Judged::Broken(trouble.words()))?;
    let blank = |core| vec![0xFF; Region::whole_flash(core).size as usize];
    let mut contents = Programmed {
        release: release.to_owned(),
        app: blank(Core::App),
        net: blank(Core::Net),
        external: vec![0xFF; firmware.external_size() as usize],
        app_uicr: Vec::new(),
        net_uicr: Vec::new(),
    };
    for (address, bytes) in image.segments() {
        contents.put(address, bytes);
    }
    Ok(contents)
}
