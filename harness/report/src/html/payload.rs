//! The data of the page: an index of all scenarios, and chunks with their details. The names of the keys are those that the
//! scripts in `assets` read.

use super::pack::pack;
use crate::display::visible;
use crate::story::{Kind, Log, Point, Stories, Story, Sweep};
use crate::text::attempt;
use hil_record::{
    BoardWear, CoreName, Evidence, FlashSnapshot, RunRecord, ScenarioRecord, StepRecord,
};
use serde::Serialize;
use std::borrow::Cow;

/// A chunk is closed when it has so many scenarios, or lines of log: one is unpacked whole when one of its scenarios is
/// opened. We chose both.
const CHUNK_SCENARIOS: usize = 100;
const CHUNK_LINES: usize = 5000;

/// How many digits of a page's hash the report has; the journal has all.
const HASH_DIGITS: usize = 12;

/// What is put into the page, packed.
pub(crate) struct Data {
    pub(crate) index: String,
    pub(crate) chunks: Vec<String>,
    pub(crate) outside: String,
}

#[derive(Serialize)]
struct Index<'a> {
    run: &'a str,
    duration: u64,
    kinds: [&'static str; Kind::ALL.len()],
    boards: Vec<Cow<'a, str>>,
    scenarios: Vec<Entry<'a>>,
}

/// A scenario in the list. What it lacks is left out.
#[derive(Serialize)]
struct Entry<'a> {
    name: Cow<'a, str>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    board: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<u64>,
    took: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    flaky: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    requirements: Vec<Cow<'a, str>>,
    chunk: usize,
    place: usize,
}

#[derive(Serialize)]
struct Details<'a> {
    summary: Cow<'a, str>,
    file: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issue: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<Cow<'a, str>>,
    retries: u64,
    /// The attempts before the last one, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<String>,
    steps: Vec<Step<'a>>,
    uploads: Vec<UploadData<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sweeps: Vec<SweepData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flash: Option<FlashSnapshot>,
    /// Runs of pages that were erased: `[address, bytes, how often each]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    worn: Vec<[u64; 3]>,
    log: LogData<'a>,
}

#[derive(Serialize)]
struct Step<'a> {
    number: u32,
    name: Cow<'a, str>,
    text: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cow<'a, str>>,
    start: u64,
    took: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<[Cow<'a, str>; 3]>,
}

/// A point as below, its name, and what is wrong with it.
type BadPoint<'a> = (i32, u32, u8, Cow<'a, str>, Cow<'a, str>);

/// A sweep. A point is `[place of its class or -1, number of its operation, 1 for the first of several in a row]`, followed by
/// its name and what is wrong with it, when something is.
#[derive(Serialize)]
struct SweepData<'a> {
    method: Cow<'a, str>,
    strategy: Cow<'a, str>,
    classes: Vec<Cow<'a, str>>,
    /// How many flash operations the start has.
    operations: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    planned: Option<u32>,
    before: u32,
    points: Vec<(i32, u32, u8)>,
    bad: Vec<BadPoint<'a>>,
}

#[derive(Serialize)]
struct UploadData<'a> {
    image: Cow<'a, str>,
    total: u64,
    points: &'a [(u64, u64)],
}

/// A line is `[at, place of its kind, core or "", text]`.
#[derive(Serialize)]
struct LogData<'a> {
    left_out: u64,
    lines: Vec<(u64, u8, &'static str, Cow<'a, str>)>,
}

/// The data of a page.
pub(crate) fn data(record: &RunRecord, stories: &Stories) -> Data {
    let mut entries = Vec::with_capacity(record.scenarios.len());
    let mut chunks = Vec::new();
    let mut open: Vec<Details<'_>> = Vec::new();
    let mut lines = 0;
    for (scenario, story) in record.scenarios.iter().zip(&stories.scenarios) {
        entries.push(entry(scenario, chunks.len(), open.len()));
        lines += story.log.lines.len();
        open.push(details(scenario, story));
        if open.len() >= CHUNK_SCENARIOS || lines >= CHUNK_LINES {
            chunks.push(pack(&open));
            open.clear();
            lines = 0;
        }
    }
    if !open.is_empty() {
        chunks.push(pack(&open));
    }
    let boards = &record.rig.boards;
    Data {
        index: pack(&Index {
            run: &record.run,
            duration: record.duration_ms,
            kinds: Kind::ALL.map(Kind::word),
            boards: boards.iter().map(|board| visible(&board.name)).collect(),
            scenarios: entries,
        }),
        chunks,
        outside: pack(&log(&stories.outside)),
    }
}

fn entry(scenario: &ScenarioRecord, chunk: usize, place: usize) -> Entry<'_> {
    Entry {
        name: visible(&scenario.name),
        verdict: scenario.outcome.verdict().word(),
        board: scenario.board.as_deref().map(visible),
        start: scenario.started_ms,
        took: scenario.duration_ms,
        cause: scenario.outcome.cause().map(visible),
        flaky: scenario.is_flaky(),
        requirements: scenario.requirements.iter().map(|id| visible(id)).collect(),
        chunk,
        place,
    }
}

fn details<'a>(scenario: &'a ScenarioRecord, story: &'a Story) -> Details<'a> {
    Details {
        summary: visible(&scenario.summary),
        file: visible(&scenario.file),
        kind: scenario.outcome.kind_word(),
        help: scenario.outcome.help().map(visible),
        issue: scenario.known_issue.as_deref().map(visible),
        firmware: scenario.firmware.as_ref().map(|set| visible(&set.name)),
        retries: scenario.retries,
        earlier: scenario
            .earlier
            .iter()
            .map(|one| visible(&attempt(one)).into_owned())
            .collect(),
        steps: scenario.steps.iter().map(step).collect(),
        uploads: story
            .uploads
            .iter()
            .map(|upload| UploadData {
                image: visible(&upload.image),
                total: upload.total,
                points: &upload.points,
            })
            .collect(),
        sweeps: story.sweeps.iter().map(sweep).collect(),
        flash: story.flash.as_ref().map(flash),
        worn: story.wear.iter().flat_map(worn).collect(),
        log: log(&story.log),
    }
}

fn step(step: &StepRecord) -> Step<'_> {
    Step {
        number: step.step.number,
        name: visible(&step.step.name),
        text: visible(&step.step.text),
        line: step.step.line,
        verdict: step.outcome.verdict().word(),
        cause: step.outcome.cause().map(visible),
        start: step.started_ms,
        took: step.duration_ms,
        evidence: step.evidence.iter().map(evidence).collect(),
    }
}

/// What, found, expected or nothing.
fn evidence(evidence: &Evidence) -> [Cow<'_, str>; 3] {
    [
        visible(&evidence.what),
        visible(&evidence.found),
        evidence
            .expected
            .as_deref()
            .map_or(Cow::Borrowed(""), visible),
    ]
}

fn worn(wear: &BoardWear) -> impl Iterator<Item = [u64; 3]> {
    wear.pages.iter().map(|run| {
        let size = u64::from(run.pages) * u64::from(run.page_size());
        [run.address.into(), size, run.erases]
    })
}

fn sweep(sweep: &Sweep) -> SweepData<'_> {
    let mut classes: Vec<&str> = sweep.operations.keys().map(String::as_str).collect();
    let found = sweep.points.iter().filter_map(|point| point.place.as_ref());
    for (class, _) in found {
        if !classes.contains(&class.as_str()) {
            classes.push(class);
        }
    }
    let at = |point: &Point| match &point.place {
        Some((class, index)) => {
            let row = classes.iter().position(|known| known == class);
            let row = row.and_then(|row| i32::try_from(row).ok()).unwrap_or(-1);
            (row, *index, u8::from(point.several))
        }
        None => (-1, 0, u8::from(point.several)),
    };
    let (mut points, mut bad) = (Vec::new(), Vec::new());
    for point in &sweep.points {
        let place = at(point);
        match &point.bad {
            None => points.push(place),
            Some((cut, problem)) => {
                bad.push((place.0, place.1, place.2, visible(cut), visible(problem)));
            }
        }
    }
    SweepData {
        method: visible(&sweep.method),
        strategy: visible(&sweep.strategy),
        operations: sweep.operations.values().sum(),
        planned: sweep.planned,
        before: sweep.before,
        classes: classes.into_iter().map(visible).collect(),
        points,
        bad,
    }
}

/// What a map shows: of hashes, which do not compress, the first digits.
fn flash(snapshot: &FlashSnapshot) -> FlashSnapshot {
    let mut shown = snapshot.clone();
    for memory in &mut shown.memories {
        memory.memory = visible(&memory.memory).into_owned();
        for partition in &mut memory.partitions {
            partition.name = visible(&partition.name).into_owned();
        }
        for page in &mut memory.changed {
            for hash in [&mut page.programmed, &mut page.found]
                .into_iter()
                .flatten()
            {
                *hash = visible(hash).chars().take(HASH_DIGITS).collect();
            }
        }
    }
    shown
}

fn log(log: &Log) -> LogData<'_> {
    LogData {
        left_out: log.left_out,
        lines: log
            .lines
            .iter()
            .map(|line| {
                let core = match line.core {
                    Some(CoreName::App) => "app",
                    Some(CoreName::Net) => "net",
                    None => "",
                };
                (line.at, line.kind as u8, core, visible(&line.text))
            })
            .collect(),
    }
}
