//! Goes once through the events and gives each to the scenario that it belongs to.

use super::{Kind, Log, LogLine, Point, Stories, Story, Sweep, Upload};
use hil_record::{Event, EventKind, RunRecord, Verdict};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// How many lines all logs together have, about; we chose it: some tens of megabytes before they are compressed.
const LINES: usize = 400_000;

/// How many lines of a scenario are kept at least and at most.
const PASSED: (usize, usize) = (40, 400);
const NOT_PASSED: (usize, usize) = (200, 4000);

/// How many points of an upload are kept.
const POINTS: usize = 300;

/// The stories of all scenarios of `record`, in its order.
pub(crate) fn stories<'a>(
    record: &RunRecord,
    events: impl IntoIterator<Item = &'a Event>,
) -> Stories {
    let mut building = Building::new(record);
    for event in events {
        building.take(event);
    }
    for story in &mut building.scenarios {
        for upload in &mut story.uploads {
            thin_out(&mut upload.points);
        }
    }
    Stories {
        scenarios: building.scenarios,
        outside: building.outside,
    }
}

struct Building<'a> {
    scenarios: Vec<Story>,
    outside: Log,
    /// Places in the record of the scenarios that began, by name, in the order in which they began.
    waiting: HashMap<&'a str, VecDeque<usize>>,
    /// What runs, by board and by name.
    on_board: BTreeMap<String, usize>,
    by_name: BTreeMap<String, usize>,
}

impl<'a> Building<'a> {
    fn new(record: &'a RunRecord) -> Self {
        let passed = record.totals.pass.max(1);
        let others = (record.totals.fail + record.totals.error).max(1);
        let share = |number: u64, (least, most): (usize, usize)| {
            (LINES / 2 / usize::try_from(number).unwrap_or(usize::MAX)).clamp(least, most)
        };
        let limit = |verdict| match verdict {
            Verdict::Pass | Verdict::Skip => share(passed, PASSED),
            Verdict::Fail | Verdict::Error => share(others, NOT_PASSED),
        };
        let mut waiting: HashMap<&str, VecDeque<usize>> = HashMap::new();
        for (place, scenario) in record.scenarios.iter().enumerate() {
            if scenario.started_ms.is_some() {
                // All attempts are one story.
                let places = waiting.entry(&scenario.name).or_default();
                places.extend(std::iter::repeat_n(place, 1 + scenario.earlier.len()));
            }
        }
        let log = |limit| Log {
            limit,
            ..Log::default()
        };
        Self {
            scenarios: record
                .scenarios
                .iter()
                .map(|scenario| Story {
                    log: log(limit(scenario.outcome.verdict())),
                    ..Story::default()
                })
                .collect(),
            outside: log(NOT_PASSED.1),
            waiting,
            on_board: BTreeMap::new(),
            by_name: BTreeMap::new(),
        }
    }

    fn take(&mut self, event: &Event) {
        let at = event.at;
        match &event.kind {
            EventKind::ScenarioStarted(started) => {
                let places = self.waiting.get_mut(started.scenario.as_str());
                if let Some(place) = places.and_then(VecDeque::pop_front) {
                    self.on_board.insert(started.board.clone(), place);
                    self.by_name.insert(started.scenario.clone(), place);
                }
            }
            EventKind::ScenarioFinished {
                scenario, board, ..
            } => {
                if let Some(board) = board {
                    self.on_board.remove(board);
                }
                self.by_name.remove(scenario);
            }
            EventKind::StepStarted { scenario, step } => {
                let text = format!("step {}: {}", step.number, step.text);
                self.named(scenario, LogLine::new(at, Kind::Step, text));
            }
            EventKind::StepFinished {
                scenario,
                number,
                outcome,
                ..
            } => {
                let mut text = format!("step {number}: {}", outcome.verdict());
                if let Some(cause) = outcome.cause() {
                    text.push_str(": ");
                    text.push_str(cause);
                }
                self.named(scenario, LogLine::new(at, Kind::Step, text));
            }
            EventKind::UploadProgress {
                board,
                image,
                sent,
                total,
            } => {
                if let Some(story) = self.story_on(board) {
                    progress(&mut story.uploads, at, image, *sent, *total);
                }
            }
            EventKind::SweepPlanned(plan) => {
                if let Some(story) = self.story_on(&plan.board) {
                    story.sweeps.push(Sweep::planned(plan));
                }
                self.line(at, &event.kind);
            }
            EventKind::SweepPoint(point) => {
                if let Some(story) = self.story_on(&point.board)
                    && let Some(sweep) = story.sweeps.last_mut()
                {
                    sweep.points.push(Point::visited(point));
                }
                self.line(at, &event.kind);
            }
            EventKind::Flash(snapshot) => {
                if let Some(place) = self.by_name.get(&snapshot.scenario)
                    && let Some(story) = self.scenarios.get_mut(*place)
                {
                    story.flash = Some(snapshot.clone());
                }
            }
            EventKind::Wear(wear) => {
                if let Some(story) = self.story_on(&wear.board) {
                    story.wear = Some(wear.clone());
                }
            }
            other => self.line(at, other),
        }
    }

    /// What the log says of an event.
    fn line(&mut self, at: u64, event: &EventKind) {
        let Some((board, mut line)) = LogLine::of(at, event) else {
            return;
        };
        match board.and_then(|board| self.story_on(board)) {
            Some(story) => story.log.push(line),
            None => {
                if let Some(board) = board {
                    line.text = format!("{board}: {}", line.text);
                }
                self.outside.push(line);
            }
        }
    }

    fn named(&mut self, scenario: &str, line: LogLine) {
        if let Some(place) = self.by_name.get(scenario)
            && let Some(story) = self.scenarios.get_mut(*place)
        {
            story.log.push(line);
        }
    }

    fn story_on(&mut self, board: &str) -> Option<&mut Story> {
        let place = self.on_board.get(board)?;
        self.scenarios.get_mut(*place)
    }
}

fn progress(uploads: &mut Vec<Upload>, at: u64, image: &str, sent: u64, total: u64) {
    let goes_on = uploads.last().is_some_and(|last| {
        last.image == image
            && last.total == total
            && last
                .points
                .last()
                .is_some_and(|(_, before)| *before <= sent)
    });
    if !goes_on {
        uploads.push(Upload {
            image: image.to_owned(),
            total,
            points: Vec::new(),
        });
    }
    if let Some(upload) = uploads.last_mut() {
        upload.points.push((at, sent));
    }
}

/// Leaves points out evenly, but never the last.
fn thin_out(points: &mut Vec<(u64, u64)>) {
    let step = points.len().div_ceil(POINTS);
    if step > 1 {
        let last = points.len() - 1;
        let mut place = 0;
        points.retain(|_| {
            let keep = place % step == 0 || place == last;
            place += 1;
            keep
        });
    }
}
