//! Several runs as one: the events of shards, on one clock, as the events of a run.
//!
//! The result is a journal like any other, so that reports, sign-off and history need to know nothing of it. Which runs it
//! was made of is in it ([`Part`]), with the digests of their manifests.

use crate::course::{Course, Part};
use crate::event::{BoardInfo, Event, EventKind, InputFile, RigInfo, RunStarted};
use std::collections::{BTreeMap, BTreeSet};

/// A run that is to be part of another.
#[derive(Clone, Debug)]
pub struct MergePart {
    /// Its events.
    pub events: Vec<Event>,
    /// SHA-256 of its manifest as hex digits, where it has one.
    pub manifest: Option<String>,
}

/// Why runs do not make one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MergeError {
    /// There is nothing to merge.
    #[error("there is no run to merge")]
    Nothing,
    /// A journal is of no run.
    #[error("the events of run number {number} do not begin with the start of a run")]
    NoStart {
        /// Its place in the list, from 1.
        number: usize,
    },
    /// A scenario is in two of them.
    #[error("scenario `{scenario}` is in both `{first}` and `{second}`")]
    Twice {
        /// The variant.
        scenario: String,
        /// One of the runs.
        first: String,
        /// The other.
        second: String,
    },
    /// Shards of different cuts.
    #[error(
        "`{first}` and `{second}` are shards of different cuts: their scenarios or their histories were not the same"
    )]
    OtherCut {
        /// One of the runs.
        first: String,
        /// The other.
        second: String,
    },
    /// A shard is missing.
    #[error("only {there} of {variants} scenarios are there: shards {missing} are missing")]
    Missing {
        /// How many variants are there.
        there: u64,
        /// How many all shards have.
        variants: u64,
        /// Which, such as `2/3`.
        missing: String,
    },
    /// They tested different things under one name.
    #[error("`{first}` and `{second}` ran different firmware under the name `{set}`")]
    Firmware {
        /// One of the runs.
        first: String,
        /// The other.
        second: String,
        /// The firmware set.
        set: String,
    },
}

impl MergeError {
    /// What to try.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Nothing | Self::NoStart { .. } => {
                "give the folders of runs, such as reports/runs/20260802T101530Z-01"
            }
            Self::Twice { .. } => {
                "merge is for shards; `dfu-hil signoff` and `dfu-hil history` take several runs of the same scenarios as they are"
            }
            Self::OtherCut { .. } => {
                "give all shards the same scenarios and a copy of the same history, and run them again"
            }
            Self::Missing { .. } => {
                "give these as well; one that was killed goes on with `dfu-hil run --resume`"
            }
            Self::Firmware { .. } => "run all shards with the same firmware",
        }
    }
}

/// One part, taken apart.
struct Opened {
    start: RunStarted,
    events: Vec<Event>,
    manifest: Option<String>,
    /// In milliseconds since the start of the whole.
    offset: u64,
    /// The boards of this part that are called otherwise in the whole.
    renamed: BTreeMap<String, String>,
}

/// The events of a run `run` that is made of `parts`.
///
/// # Errors
///
/// The parts do not make one run, see [`MergeError`].
pub fn merge(run: &str, parts: Vec<MergePart>) -> Result<Vec<Event>, MergeError> {
    let mut opened = Vec::new();
    for (number, part) in (1..).zip(parts) {
        let mut events = part.events.into_iter();
        let Some(Event {
            kind: EventKind::RunStarted(start),
            ..
        }) = events.next()
        else {
            return Err(MergeError::NoStart { number });
        };
        opened.push(Opened {
            start,
            events: events.collect(),
            manifest: part.manifest,
            offset: 0,
            renamed: BTreeMap::new(),
        });
    }
    // The order in which they were given is nobody's business.
    opened.sort_by(|a, b| (a.start.started, &a.start.run).cmp(&(b.start.started, &b.start.run)));
    let Some(first) = opened.first() else {
        return Err(MergeError::Nothing);
    };
    let (started, tool) = (first.start.started, first.start.tool.clone());
    for part in &mut opened {
        let offset = part.start.started.duration_since(started).as_millis();
        part.offset = u64::try_from(offset).unwrap_or_default();
    }
    once_each(&opened)?;
    whole(&opened)?;
    let firmware = firmware(&opened)?;
    let boards = boards(&mut opened);
    let mut rigs: Vec<&str> = opened
        .iter()
        .map(|part| part.start.rig.name.as_str())
        .collect();
    rigs.dedup();
    let start = RunStarted {
        run: run.to_owned(),
        started,
        tool,
        rig: RigInfo {
            name: rigs.join("+"),
            boards,
        },
        firmware,
        planned: opened
            .iter()
            .flat_map(|part| part.start.planned.iter().cloned())
            .collect(),
    };
    Ok(events(start, opened))
}

fn once_each(parts: &[Opened]) -> Result<(), MergeError> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for part in parts {
        for name in &part.start.planned {
            if let Some(first) = seen.insert(name, &part.start.run) {
                return Err(MergeError::Twice {
                    scenario: name.clone(),
                    first: first.to_owned(),
                    second: part.start.run.clone(),
                });
            }
        }
    }
    Ok(())
}

/// Shards make a whole: of one cut, and none is missing.
fn whole(parts: &[Opened]) -> Result<(), MergeError> {
    let mut first: Option<(&crate::Shard, &str)> = None;
    let mut there = 0;
    let mut seen = BTreeSet::new();
    for part in parts {
        let shards = part.events.iter().filter_map(|event| match &event.kind {
            EventKind::Course(Course::Shard(shard)) => Some(shard),
            _ => None,
        });
        for shard in shards {
            let (one, of) = *first.get_or_insert((shard, &part.start.run));
            if (&one.cut, one.count) != (&shard.cut, shard.count) {
                return Err(MergeError::OtherCut {
                    first: of.to_owned(),
                    second: part.start.run.clone(),
                });
            }
            there += part.start.planned.len() as u64;
            seen.insert(shard.index);
        }
    }
    match first {
        Some((shard, _)) if there < shard.variants => {
            let missing: Vec<String> = (1..=shard.count)
                .filter(|index| !seen.contains(index))
                .map(|index| format!("{index}/{}", shard.count))
                .collect();
            Err(MergeError::Missing {
                there,
                variants: shard.variants,
                missing: missing.join(", "),
            })
        }
        Some(_) | None => Ok(()),
    }
}

fn firmware(parts: &[Opened]) -> Result<Vec<crate::FirmwareInfo>, MergeError> {
    let mut sets: Vec<(crate::FirmwareInfo, &str)> = Vec::new();
    for part in parts {
        for set in &part.start.firmware {
            match sets.iter().find(|(known, _)| known.name == set.name) {
                Some((known, _)) if known == set => {}
                Some((_, first)) => {
                    return Err(MergeError::Firmware {
                        first: (*first).to_owned(),
                        second: part.start.run.clone(),
                        set: set.name.clone(),
                    });
                }
                None => sets.push((set.clone(), &part.start.run)),
            }
        }
    }
    Ok(sets.into_iter().map(|(set, _)| set).collect())
}

/// All boards, each under a name of its own: of the second board of a name the run is told too.
fn boards(parts: &mut [Opened]) -> Vec<BoardInfo> {
    let mut all: Vec<BoardInfo> = Vec::new();
    for part in parts {
        let later = part.events.iter().filter_map(|event| match &event.kind {
            EventKind::Course(Course::Resumed(resumed)) => Some(&resumed.rig.boards),
            _ => None,
        });
        let mut own: Vec<BoardInfo> = part.start.rig.boards.clone();
        own.extend(later.flatten().cloned());
        let taken: BTreeSet<String> = all.iter().map(|board| board.name.clone()).collect();
        for board in own {
            let mut board = board;
            if taken.contains(&board.name) {
                let name = format!("{}@{}", board.name, part.start.run);
                part.renamed.insert(board.name, name.clone());
                board.name = name;
            }
            if !all.iter().any(|known| known.is_same(&board)) {
                all.push(board);
            }
        }
    }
    all
}

/// All events in the order of time, between one start and one end.
fn events(start: RunStarted, parts: Vec<Opened>) -> Vec<Event> {
    let mut head = vec![EventKind::RunStarted(start)];
    let mut inputs: Vec<InputFile> = Vec::new();
    let mut stopped = Some(false);
    let mut body: Vec<(u64, EventKind)> = Vec::new();
    let mut courses = Vec::new();
    for part in parts {
        let mut shard = None;
        let mut ended = None;
        for event in part.events {
            let at = event.at.saturating_add(part.offset);
            match event.kind {
                EventKind::RunStarted(_) => {}
                EventKind::Inputs { files } => {
                    for file in files {
                        if !inputs.contains(&file) {
                            inputs.push(file);
                        }
                    }
                }
                EventKind::RunFinished { stopped } => ended = Some(stopped),
                EventKind::Course(Course::Shard(of)) => shard = Some(of),
                mut kind => {
                    if matches!(kind, EventKind::Course(Course::Resumed(_))) {
                        ended = None;
                    }
                    rename(&mut kind, &part.renamed);
                    body.push((at, kind));
                }
            }
        }
        // Without an end of one part the whole has none.
        stopped = stopped.zip(ended).map(|(all, this)| all || this);
        courses.push(EventKind::Course(Course::Part(Part {
            run: part.start.run,
            rig: part.start.rig.name,
            manifest: part.manifest,
            shard,
            started_ms: part.offset,
        })));
    }
    // Stable: events of one part stay in their order.
    body.sort_by_key(|(at, _)| *at);
    let last = body.last().map_or(0, |(at, _)| *at);
    head.push(EventKind::Inputs { files: inputs });
    head.append(&mut courses);
    let end = stopped.map(|stopped| (last, EventKind::RunFinished { stopped }));
    let all = head
        .into_iter()
        .map(|kind| (0, kind))
        .chain(body)
        .chain(end);
    (0..)
        .zip(all)
        .map(|(seq, (at, kind))| Event { seq, at, kind })
        .collect()
}

/// Calls the boards of an event as the whole does.
fn rename(kind: &mut EventKind, names: &BTreeMap<String, String>) {
    let board = match kind {
        EventKind::ScenarioStarted(started) => &mut started.board,
        EventKind::ScenarioFinished {
            board: Some(board), ..
        }
        | EventKind::Note {
            board: Some(board), ..
        }
        | EventKind::Console { board, .. }
        | EventKind::LinkEnded { board, .. }
        | EventKind::Power { board, .. }
        | EventKind::Button { board, .. }
        | EventKind::Probe { board, .. }
        | EventKind::UploadProgress { board, .. }
        | EventKind::Retry { board, .. } => board,
        EventKind::Smp(packet) => &mut packet.board,
        EventKind::LinkConnected(link) => &mut link.board,
        EventKind::Flash(snapshot) => &mut snapshot.board,
        EventKind::Wear(wear) => &mut wear.board,
        EventKind::TransportFault(fault) => &mut fault.board,
        EventKind::SweepPlanned(plan) => &mut plan.board,
        EventKind::SweepPoint(point) => &mut point.board,
        EventKind::SweepFinished(totals) => &mut totals.board,
        EventKind::Checked(made) => &mut made.board,
        EventKind::Done(done) => &mut done.board,
        EventKind::Course(Course::Again(again)) => &mut again.board,
        EventKind::Health(health) => health.board_mut(),
        EventKind::Course(Course::Resumed(resumed)) => {
            for board in &mut resumed.rig.boards {
                if let Some(name) = names.get(&board.name) {
                    board.name.clone_from(name);
                }
            }
            return;
        }
        EventKind::RunStarted(_)
        | EventKind::Inputs { .. }
        | EventKind::RunFinished { .. }
        | EventKind::Course(Course::Shard(_) | Course::Part(_) | Course::Night(_))
        | EventKind::ScenarioFinished { board: None, .. }
        | EventKind::StepStarted { .. }
        | EventKind::StepFinished { .. }
        | EventKind::Note { board: None, .. } => return,
    };
    if let Some(name) = names.get(board) {
        board.clone_from(name);
    }
}
