//! What the history keeps of a run.

use crate::sweeps::{self, SweepEntry};
use hil_record::{
    Ending, Event, EventKind, FirmwareInfo, InputRole, Outcome, RunRecord, ScenarioRecord, Verdict,
};
use std::collections::BTreeMap;

/// A run as the history keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RunEntry {
    /// Identifier of the run. Together with the rig it is unique: benches name runs by the second.
    pub run: String,
    /// Name of the rig.
    pub rig: String,
    /// The folder it was read from.
    pub folder: String,
    /// When it began, in milliseconds since 1970, UTC.
    pub started_ms: i64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    pub ending: Ending,
    /// What ran it, such as `dfu-hil 0.1.0`.
    pub tool: String,
    /// The firmware sets, by name.
    pub firmware: Vec<FirmwareInfo>,
    /// Every attempt at every scenario variant, also those that were skipped.
    pub results: Vec<ResultEntry>,
    /// Every upload that came to its end.
    pub uploads: Vec<UploadEntry>,
    /// Every sweep that began, with its points.
    pub sweeps: Vec<SweepEntry>,
}

/// One attempt at a scenario variant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResultEntry {
    /// Name of the variant.
    pub scenario: String,
    /// Name of the board in the rig; none when it never began.
    pub board: Option<String>,
    /// How the attempt ended.
    pub verdict: Verdict,
    /// The kind of cause, such as `wrong-image`.
    pub kind: Option<String>,
    /// Why.
    pub cause: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How often something had to be tried again within it.
    pub retries: u64,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// Whether it is the last one, whose verdict is that of the variant.
    pub last: bool,
    /// Whether it passed only when it was tried again, after trouble of the bench.
    pub flaky: bool,
    /// What it was made from: firmware, scenario file and tool by digest or version. Results that have the same should
    /// have the same verdict.
    pub basis: String,
}

/// An upload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UploadEntry {
    /// Name of the scenario variant.
    pub scenario: String,
    /// Name of the board.
    pub board: String,
    /// What was sent, such as `update.app`.
    pub image: String,
    /// Bytes between the first and the last report of progress.
    pub bytes: u64,
    /// Milliseconds between them.
    pub duration_ms: u64,
}

impl RunEntry {
    /// What is kept of a run. `events` are those that the record was made from; without them there are no uploads and no
    /// sweeps.
    #[must_use]
    pub fn of<'a>(
        record: &RunRecord,
        events: impl IntoIterator<Item = &'a Event, IntoIter: Clone>,
        folder: &str,
    ) -> Self {
        let files: BTreeMap<&str, &str> = record
            .inputs
            .iter()
            .filter(|input| input.role == InputRole::Scenario)
            .map(|input| (input.name.as_str(), input.sha256.as_str()))
            .collect();
        let events = events.into_iter();
        let started_ms = record.started.as_millisecond();
        let mut results = Vec::new();
        for scenario in &record.scenarios {
            let firmware = scenario.firmware.as_ref().map(|set| set.digest.as_str());
            let file = files.get(scenario.file.as_str()).copied();
            let basis = [firmware, file, Some(record.tool.version.as_str())]
                .map(Option::unwrap_or_default)
                .join(" ");
            attempts(&mut results, scenario, &basis);
        }
        Self {
            run: record.run.clone(),
            rig: record.rig.name.clone(),
            folder: folder.to_owned(),
            started_ms,
            duration_ms: record.duration_ms,
            ending: record.ending,
            tool: format!("{} {}", record.tool.name, record.tool.version),
            firmware: record.firmware.clone(),
            results,
            uploads: uploads(events.clone()),
            sweeps: sweeps::of_events(events, started_ms),
        }
    }
}

fn attempts(results: &mut Vec<ResultEntry>, scenario: &ScenarioRecord, basis: &str) {
    let entry = |board: &Option<String>, outcome: &Outcome, duration_ms, retries| ResultEntry {
        scenario: scenario.name.clone(),
        board: board.clone(),
        verdict: outcome.verdict(),
        kind: outcome.kind_word(),
        cause: outcome.cause().map(str::to_owned),
        duration_ms,
        retries,
        attempt: 0,
        last: false,
        flaky: false,
        basis: basis.to_owned(),
    };
    let mut all: Vec<ResultEntry> = scenario
        .earlier
        .iter()
        .map(|one| entry(&one.board, &one.outcome, one.duration_ms, one.retries))
        .collect();
    all.push(ResultEntry {
        last: true,
        flaky: scenario.is_flaky(),
        ..entry(
            &scenario.board,
            &scenario.outcome,
            scenario.duration_ms,
            scenario.retries,
        )
    });
    for (number, one) in (1..).zip(&mut all) {
        one.attempt = number;
    }
    results.append(&mut all);
}

/// An upload that goes on.
struct Open {
    image: String,
    first: (u64, u64),
    last: (u64, u64),
    total: u64,
}

impl Open {
    /// The upload, when the board has acknowledged all of it and it took long enough to be measured.
    fn close(self, scenario: &str, board: &str) -> Option<UploadEntry> {
        let (from, to) = (self.first, self.last);
        (to.1 == self.total && to.0 > from.0 && to.1 > from.1).then(|| UploadEntry {
            scenario: scenario.to_owned(),
            board: board.to_owned(),
            image: self.image,
            bytes: to.1 - from.1,
            duration_ms: to.0 - from.0,
        })
    }
}

/// The uploads of a run. One is followed by another when the image is another one or the count goes back.
fn uploads<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<UploadEntry> {
    let mut done = Vec::new();
    let mut running: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open: BTreeMap<&str, Open> = BTreeMap::new();
    for event in events {
        match &event.kind {
            EventKind::ScenarioStarted(started) => {
                running.insert(&started.board, &started.scenario);
            }
            EventKind::ScenarioFinished {
                board: Some(board), ..
            } => {
                let scenario = running.remove(board.as_str());
                let upload = open.remove(board.as_str());
                done.extend(upload.zip(scenario).and_then(|(o, s)| o.close(s, board)));
            }
            EventKind::UploadProgress {
                board,
                image,
                sent,
                total,
            } => {
                let point = (event.at, *sent);
                match open.get_mut(board.as_str()) {
                    Some(one) if one.image == *image && one.last.1 <= *sent => one.last = point,
                    _ => {
                        let new = Open {
                            image: image.clone(),
                            first: point,
                            last: point,
                            total: *total,
                        };
                        let before = open.insert(board, new);
                        let scenario = running.get(board.as_str());
                        done.extend(before.zip(scenario).and_then(|(o, s)| o.close(s, board)));
                    }
                }
            }
            _ => {}
        }
    }
    done
}
