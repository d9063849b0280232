//! The result of one run (in-toto/attestation `spec/predicates/test-result.md`, v0.1).

use super::{Predicate, Resource, Statement};
use crate::digest::Sha256;
use crate::evidence::Evidence;
use crate::judge::{Judgement, Standing};
use crate::policy::Terms;
use hil_record::{InputRole, Verdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a run found.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TestResult {
    /// `PASSED`, `WARNED` or `FAILED`.
    pub result: String,
    /// What it was run with: rig, scenarios, lock file of the tool.
    pub configuration: Vec<Resource>,
    /// Scenario variants that passed.
    #[serde(rename = "passedTests")]
    pub passed: Vec<String>,
    /// Scenario variants that passed, and the sign-off says what a reader should know of that.
    #[serde(rename = "warnedTests")]
    pub warned: Vec<String>,
    /// Scenario variants that did not pass; what was skipped is in none of the lists.
    #[serde(rename = "failedTests")]
    pub failed: Vec<String>,
    /// Which run it was.
    #[serde(rename = "https://github.com/dfu-hil/dfu-hil/blob/main/docs/signoff.md#run")]
    pub run: TestRun,
}

/// A run as a statement names it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TestRun {
    /// Its identifier.
    pub id: String,
    /// When it began, UTC.
    pub started: Timestamp,
    /// Digest of its manifest, which has the digest of every file of the run.
    pub manifest: Sha256,
    /// Its boards, in words.
    pub boards: Vec<String>,
    /// What ran it.
    pub tool: String,
}

impl Predicate for TestResult {
    const TYPE: &'static str = "https://in-toto.io/attestation/test-result/v0.1";
}

impl TestResult {
    /// What a run that was judged found, as a statement about those of the release's files that it ran.
    #[must_use]
    pub fn statement(terms: &Terms, judgement: &Judgement, run: &Evidence) -> Statement<Self> {
        let record = &run.record;
        let (mut good, mut warned, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for scenario in &record.scenarios {
            let name = scenario.name.clone();
            let standing = judgement.scenarios.iter().find(|found| found.name == name);
            match scenario.outcome.verdict() {
                Verdict::Pass => {
                    let clean = standing.is_none_or(|found| found.standing == Standing::Passed);
                    if clean { &mut good } else { &mut warned }.push(name);
                }
                Verdict::Fail | Verdict::Error => failed.push(name),
                Verdict::Skip => {}
            }
        }
        let result = if !failed.is_empty() {
            "FAILED"
        } else if !warned.is_empty() {
            "WARNED"
        } else {
            "PASSED"
        };
        let configuration = record
            .inputs
            .iter()
            .filter(|input| input.role != InputRole::Firmware)
            .filter_map(|input| Some(Resource::named(&input.name, input.sha256.parse().ok()?)))
            .collect();
        let boards = &record.rig.boards;
        let predicate = Self {
            result: result.to_owned(),
            configuration,
            passed: good,
            warned,
            failed,
            run: TestRun {
                id: record.run.clone(),
                started: record.started,
                manifest: run.manifest,
                boards: boards
                    .iter()
                    .map(|board| format!("{}: {}", board.name, board.description))
                    .collect(),
                tool: format!("{} {}", record.tool.name, record.tool.version),
            },
        };
        let ran = terms.files_of(|set| {
            let digest = set.digest.to_string();
            record.firmware.iter().any(|info| info.digest == digest)
        });
        Statement::new(&ran, predicate)
    }
}
