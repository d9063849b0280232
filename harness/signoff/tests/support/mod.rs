//! Runs and terms of tests: run folders as the runner leaves them, made without a board.

#![allow(dead_code, reason = "every test file uses its own part of this")]

use hil_record::{
    Again, BoardIdentity, BoardInfo, Course, Event, EventKind, FirmwareInfo, InputFile, InputRole,
    Journal, Manifest, Outcome, Part, RigInfo, RunDirectory, RunRecord, RunStarted,
    ScenarioStarted, SkipKind, StepInfo, SweepPlan, SweepPoint, Tool, read_journal,
};
use hil_signoff::{
    Evidence, KnownIssues, NamedDigest, Release, Requirement, ScenarioTerms, SetTerms, Sha256,
    Terms, VirtualBoards, Waiver, Waives,
};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// When sign-offs of tests are made.
pub(crate) const AT: &str = "2026-08-04T12:00:00Z";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("the date is one")
}

/// A scenario of a run.
#[derive(Clone)]
pub(crate) struct Ran {
    pub(crate) name: &'static str,
    pub(crate) board: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) retries: u32,
    pub(crate) known_issue: Option<&'static str>,
    /// The digest of its file is that of this text.
    pub(crate) file: &'static str,
    /// How its last step ended, when that is not how the scenario did.
    pub(crate) last_step: Option<Outcome>,
    /// Numbers of the flash operations at which its sweep cut the power.
    pub(crate) cut_points: Option<std::ops::Range<u32>>,
    /// How an attempt on another board, `dk-2`, ended before it.
    pub(crate) before: Option<Outcome>,
}

impl Ran {
    pub(crate) fn passed(name: &'static str) -> Self {
        Self {
            name,
            board: "dk-1",
            outcome: Outcome::Pass,
            retries: 0,
            known_issue: None,
            file: name.split('[').next().unwrap_or(name),
            last_step: None,
            cut_points: None,
            before: None,
        }
    }

    pub(crate) fn skipped(name: &'static str, cause: &str) -> Self {
        Self {
            outcome: Outcome::skip(SkipKind::Needs, cause),
            ..Self::passed(name)
        }
    }
}

/// A run to be made.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) id: &'static str,
    pub(crate) started: &'static str,
    /// What the application image holds.
    pub(crate) image: &'static str,
    pub(crate) board: &'static str,
    pub(crate) stopped: bool,
    pub(crate) scenarios: Vec<Ran>,
    /// Device identities of `dk-1` and `dk-2`, where they are known.
    pub(crate) chips: Option<[&'static str; 2]>,
    /// The runs that it was merged of.
    pub(crate) parts: Vec<&'static str>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            id: "20260803T101530Z-01",
            started: "2026-08-03T10:15:30Z",
            image: "app 2.1.0",
            board: "nRF5340 DK; nRF5340 QKAA ae4f213a3d734e77",
            stopped: false,
            chips: None,
            parts: Vec::new(),
            scenarios: vec![Ran::passed("app-update[uart]"), Ran::passed("revert[uart]")],
        }
    }
}

fn set_digest(image: &str) -> Sha256 {
    Sha256::of(format!("set with {image}"))
}

impl Run {
    /// Leaves it in a folder of `runs`.
    pub(crate) fn make(&self, runs: &Path) -> PathBuf {
        let directory = RunDirectory::at(runs.join(self.id));
        std::fs::create_dir_all(directory.path().join("console")).expect("the folder is ours");
        let mut journal = Journal::create(&directory.journal()).expect("the folder is ours");
        for (seq, kind) in (0..).zip(self.events()) {
            let event = Event {
                seq,
                at: seq * 100,
                kind,
            };
            journal.append(&event).expect("the folder is ours");
        }
        let log = directory.path().join("console/dk-1-app.log");
        std::fs::write(log, "*** Booting ***\n").expect("the folder is ours");
        let events = read_journal(&directory.journal())
            .expect("it was just written")
            .events;
        let record = RunRecord::from_events(&events).expect("it is a run");
        let json = serde_json::to_string_pretty(&record).expect("it is JSON");
        std::fs::write(directory.result(), json).expect("the folder is ours");
        let manifest = Manifest::of(&directory, &record).expect("all can be read");
        manifest.write(&directory).expect("the folder is ours");
        directory.path().to_owned()
    }

    pub(crate) fn evidence(&self, runs: &Path) -> Evidence {
        Evidence::read(&self.make(runs)).expect("the run can be read")
    }

    fn events(&self) -> Vec<EventKind> {
        let set = set_digest(self.image).to_string();
        let firmware = FirmwareInfo {
            name: "product".to_owned(),
            digest: set.clone(),
        };
        let input = |role, name: &str, contents: &str, set: Option<String>| InputFile {
            role,
            name: name.to_owned(),
            sha256: Sha256::of(contents).to_string(),
            set,
        };
        let mut inputs = vec![
            input(InputRole::Rig, "rigs/left.yaml", "rig: left", None),
            input(
                InputRole::Firmware,
                "app.bin",
                self.image,
                Some(set.clone()),
            ),
            input(InputRole::Firmware, "net.bin", "net 1", Some(set)),
        ];
        inputs.extend(
            self.scenarios
                .iter()
                .map(|ran| input(InputRole::Scenario, &file_of(ran.name), ran.file, None)),
        );
        let mut kinds = vec![
            EventKind::RunStarted(RunStarted {
                run: self.id.to_owned(),
                started: at(self.started),
                tool: Tool {
                    name: "dfu-hil".to_owned(),
                    version: "0.1.0".to_owned(),
                    commit: None,
                },
                rig: RigInfo {
                    name: "left".to_owned(),
                    boards: [("dk-1", 0), ("dk-2", 1)]
                        .map(|(name, number)| BoardInfo {
                            name: name.to_owned(),
                            description: self.board.to_owned(),
                            identity: self.chips.map(|chips| identity(chips[number])),
                        })
                        .to_vec(),
                },
                firmware: vec![firmware.clone()],
                planned: self
                    .scenarios
                    .iter()
                    .map(|ran| ran.name.to_owned())
                    .collect(),
            }),
            EventKind::Inputs { files: inputs },
        ];
        kinds.extend(self.parts.iter().map(|part| {
            EventKind::Course(Course::Part(Part {
                run: (*part).to_owned(),
                rig: "left".to_owned(),
                manifest: None,
                shard: None,
                started_ms: 0,
            }))
        }));
        for ran in &self.scenarios {
            kinds.extend(scenario(ran, &firmware));
        }
        kinds.push(EventKind::RunFinished {
            stopped: self.stopped,
        });
        kinds
    }
}

fn identity(device_id: &str) -> BoardIdentity {
    BoardIdentity {
        chip: "nRF5340".to_owned(),
        variant: "QKAA".to_owned(),
        device_id: device_id.to_owned(),
        revision: None,
        probe: "1366:1051:001050012345".to_owned(),
        probe_firmware: None,
    }
}

/// What the journal has of a sweep.
fn sweep(ran: &Ran, cuts: &std::ops::Range<u32>) -> Vec<EventKind> {
    let plan = EventKind::SweepPlanned(SweepPlan {
        scenario: ran.name.to_owned(),
        board: ran.board.to_owned(),
        method: "interrupted by taking its power away".to_owned(),
        operations: BTreeMap::from([("app-write".to_owned(), 1000)]),
        digest: Sha256::of("operations").to_string(),
        seen: true,
        strategy: "every".to_owned(),
        seed: 1,
        points: Some(cuts.end - cuts.start),
        all: None,
        visited_before: 0,
    });
    let points = cuts.clone().map(|number| {
        EventKind::SweepPoint(SweepPoint {
            scenario: ran.name.to_owned(),
            board: ran.board.to_owned(),
            cut: format!("boot.app-write.{number}.before"),
            came_to: "boots update, flash as without the cut".to_owned(),
            problem: None,
            took_ms: 900,
        })
    });
    std::iter::once(plan).chain(points).collect()
}

fn file_of(name: &str) -> String {
    let scenario = name.split('[').next().unwrap_or(name);
    format!("scenarios/{scenario}.yaml")
}

fn scenario(ran: &Ran, firmware: &FirmwareInfo) -> Vec<EventKind> {
    let name = || ran.name.to_owned();
    if matches!(ran.outcome, Outcome::Skip { .. }) {
        return vec![EventKind::ScenarioFinished {
            scenario: name(),
            board: None,
            outcome: ran.outcome.clone(),
        }];
    }
    let mut kinds = Vec::new();
    if let Some(before) = &ran.before {
        let first = Ran {
            board: "dk-2",
            outcome: before.clone(),
            before: None,
            ..ran.clone()
        };
        kinds.extend(scenario(&first, firmware));
        kinds.push(EventKind::Course(Course::Again(Again {
            scenario: name(),
            board: first.board.to_owned(),
            attempt: 2,
            limit: 2,
        })));
    }
    kinds.push(EventKind::ScenarioStarted(ScenarioStarted {
        scenario: name(),
        summary: "Shows it.".to_owned(),
        file: file_of(ran.name),
        requirements: vec!["DFU-APP-1".to_owned()],
        known_issue: ran.known_issue.map(str::to_owned),
        board: ran.board.to_owned(),
        firmware: Some(firmware.clone()),
    }));
    kinds.extend((0..ran.retries).map(|retry| EventKind::Retry {
        board: ran.board.to_owned(),
        what: "read image state".to_owned(),
        attempt: retry + 2,
        limit: 5,
        cause: "no answer in 1 s".to_owned(),
    }));
    let steps = [("program", Some(7)), ("both_cores_alive", None)];
    for (number, (step, line)) in (1..).zip(steps) {
        kinds.push(EventKind::StepStarted {
            scenario: name(),
            step: StepInfo {
                number,
                name: step.to_owned(),
                text: step.to_owned(),
                line,
            },
        });
        let last = number == 2;
        let outcome = match &ran.last_step {
            Some(outcome) if last => outcome.clone(),
            None if last => ran.outcome.clone(),
            _ => Outcome::Pass,
        };
        let cuts = ran.cut_points.clone().filter(|_| last);
        kinds.extend(cuts.iter().flat_map(|cuts| sweep(ran, cuts)));
        let evidence =
            cuts.map(|cuts| hil_record::Evidence::seen("cut points", cuts.len().to_string()));
        kinds.push(EventKind::StepFinished {
            scenario: name(),
            number,
            outcome,
            evidence: evidence.into_iter().collect(),
        });
    }
    kinds.push(EventKind::ScenarioFinished {
        scenario: name(),
        board: Some(ran.board.to_owned()),
        outcome: ran.outcome.clone(),
    });
    kinds
}

/// Terms that the default run meets.
pub(crate) fn terms() -> Terms {
    let file = |name: &str, contents: &str| NamedDigest {
        name: name.to_owned(),
        sha256: Sha256::of(contents),
    };
    Terms {
        terms: Terms::FORMAT,
        policy: "release".to_owned(),
        policy_digest: Sha256::of(POLICY),
        release: Release {
            name: "my product".to_owned(),
            version: "2.1.0".to_owned(),
        },
        firmware: vec![SetTerms {
            name: "product".to_owned(),
            digest: set_digest("app 2.1.0"),
            files: vec![file("app.bin", "app 2.1.0"), file("net.bin", "net 1")],
        }],
        max_age_s: 7 * 24 * 3600,
        virtual_boards: VirtualBoards::Refuse,
        known_issues: KnownIssues::Warn,
        requirements: vec![
            requirement("DFU-APP-1", "The application can be updated."),
            requirement(
                "DFU-REVERT-1",
                "An update that nobody confirms is taken back.",
            ),
        ],
        scenarios: vec![
            scenario_terms("app-update[uart]", "DFU-APP-1"),
            scenario_terms("revert[uart]", "DFU-REVERT-1"),
        ],
        excluded: Vec::new(),
        waivers: Vec::new(),
    }
}

pub(crate) const POLICY: &str = "policy: release\n";

pub(crate) fn requirement(id: &str, text: &str) -> Requirement {
    serde_json::from_value(serde_json::json!({ "id": id, "text": text, "source": "PRD 4.1" }))
        .expect("it is a requirement")
}

pub(crate) fn scenario_terms(name: &str, requirement: &str) -> ScenarioTerms {
    ScenarioTerms {
        name: name.to_owned(),
        file: Sha256::of(name.split('[').next().unwrap_or(name)),
        requirements: vec![
            serde_json::from_value(requirement.into()).expect("it is a requirement"),
        ],
        passes: 1,
        boards: 1,
        on: Vec::new(),
        cut_points: 0,
    }
}

pub(crate) fn waiver(waives: Waives, expires: &str) -> Waiver {
    Waiver {
        waives,
        reason: "the bench has no radio yet".to_owned(),
        by: "Jane Doe".to_owned(),
        expires: expires.parse().expect("the date is one"),
    }
}
