//! Checks a sign-off, offline: signatures, files, runs, and the judgement itself, made once more.

use crate::bundle::{DECISION, TERMS, TEST_RESULT};
use crate::digest::Sha256;
use crate::dsse::{Envelope, EnvelopeError};
use crate::evidence::Evidence;
use crate::judge::judge;
use crate::key::VerifyingKey;
use crate::policy::{SetTerms, Terms};
use crate::statement::{Predicate, Statement, TestResult, Vsa, subjects};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt;
use std::path::Path;

/// What to check.
#[derive(Clone, Copy, Debug)]
pub struct VerifyRequest<'a> {
    /// The folder of the sign-off.
    pub folder: &'a Path,
    /// Whose signatures are believed.
    pub keys: &'a [VerifyingKey],
    /// How many of them must have signed.
    pub signatures: usize,
    /// The firmware sets at hand; without them only the statements are checked.
    pub firmware: Option<&'a [SetTerms]>,
    /// The folder of the runs; without it only the statements are checked.
    pub runs: Option<&'a Path>,
    /// As of when waivers must hold.
    pub at: Timestamp,
}

/// What was checked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Verification {
    /// In order.
    pub checks: Vec<Check>,
}

/// One thing that was checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Check {
    /// It is as it must be.
    Good(String),
    /// It was not looked at, because nobody asked for it.
    NotChecked(String),
    /// It is not.
    Bad(Complaint),
}

/// What is wrong, and what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Complaint {
    /// What was found.
    pub text: String,
    /// What to do.
    pub help: String,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good(what) => write!(f, "ok: {what}"),
            Self::NotChecked(what) => write!(f, "not checked: {what}"),
            Self::Bad(Complaint { text, help }) => {
                write!(f, "refused: {text}\n   help: {help}")
            }
        }
    }
}

impl Verification {
    /// Whether everything that was checked is as it must be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self
            .checks
            .iter()
            .any(|check| matches!(check, Check::Bad(_)))
    }

    fn good(&mut self, text: impl Into<String>) {
        self.checks.push(Check::Good(text.into()));
    }

    fn bad(&mut self, text: impl Into<String>, help: impl Into<String>) {
        self.checks.push(Check::Bad(Complaint {
            text: text.into(),
            help: help.into(),
        }));
    }

    /// One good line, unless something of it was bad.
    fn section(&mut self, good: impl FnOnce() -> String, work: impl FnOnce(&mut Self)) {
        let before = self.checks.len();
        work(self);
        if self.checks.len() == before {
            self.good(good());
        }
    }
}

const COPY: &str = "take the sign-off from where it was published";

/// Checks a sign-off. Stops early only where nothing that follows could be believed.
#[must_use]
pub fn verify(request: &VerifyRequest<'_>) -> Verification {
    let mut found = Verification::default();
    let Some(decision) = signed::<Vsa>(request, DECISION, &mut found) else {
        return found;
    };
    let vsa = &decision.statement.predicate;
    if vsa.result != "PASSED" {
        found.bad(
            format!("the decision is `{}`", vsa.result),
            "the release is not signed off",
        );
    }
    let terms = documents(request, vsa, &mut found);
    let results = results(request, &decision.statement, &mut found);
    if found.is_good() {
        let count = format!(
            "{} of the {} trusted keys",
            request.signatures.max(1),
            request.keys.len()
        );
        found.good(format!(
            "decision and {} test results are signed by at least {count}",
            results.len()
        ));
    }
    let Some(terms) = terms else { return found };
    firmware(request, &decision.statement, &terms, &mut found);
    waivers(request, vsa, &mut found);
    runs(request, vsa, &terms, &results, &mut found);
    found
}

/// A statement that was signed, and the digest of its bytes.
struct Signed<P> {
    statement: Statement<P>,
    digest: Sha256,
}

fn signed<P: Predicate>(
    request: &VerifyRequest<'_>,
    name: &str,
    found: &mut Verification,
) -> Option<Signed<P>> {
    let bytes = match std::fs::read(request.folder.join(name)) {
        Ok(bytes) => bytes,
        Err(error) => {
            let what = match error.kind() {
                std::io::ErrorKind::NotFound => "is missing".to_owned(),
                _ => format!("cannot be read: {error}"),
            };
            let help = if name == DECISION {
                "give the folder that `dfu-hil signoff` wrote"
            } else {
                COPY
            };
            found.bad(format!("`{name}` {what}"), help);
            return None;
        }
    };
    let checked = Envelope::from_json(&bytes).and_then(|envelope| {
        let payload = envelope
            .verified(request.keys, request.signatures)?
            .to_vec();
        Ok(payload)
    });
    let payload = match checked {
        Ok(payload) => payload,
        Err(error) => {
            let help = match &error {
                EnvelopeError::Signatures { .. } => {
                    "either it was changed after it was signed, or other keys signed it: give the public keys of \
                     those who sign releases"
                }
                _ => COPY,
            };
            found.bad(format!("`{name}` is not to be believed: {error}"), help);
            return None;
        }
    };
    match Statement::from_bytes(&payload) {
        Ok(statement) => Some(Signed {
            statement,
            digest: Sha256::of(&payload),
        }),
        Err(error) => {
            found.bad(
                format!("`{name}` is signed, but {error}"),
                "it was made by another version, or is another file under this name",
            );
            None
        }
    }
}

/// The other files of the sign-off, which the decision names; the terms among them.
fn documents(request: &VerifyRequest<'_>, vsa: &Vsa, found: &mut Verification) -> Option<Terms> {
    let mut terms = None;
    let documents = &vsa.decision.documents;
    let good = || format!("{} documents are as they were signed", documents.len());
    found.section(good, |found| {
        for file in documents {
            let bytes = match std::fs::read(request.folder.join(&file.name)) {
                Ok(bytes) => bytes,
                Err(error) => {
                    found.bad(format!("`{}` cannot be read: {error}", file.name), COPY);
                    continue;
                }
            };
            let digest = Sha256::of(&bytes);
            if digest != file.sha256 {
                found.bad(
                    format!(
                        "`{}` has changed: its SHA-256 is {}…, signed was {}…",
                        file.name,
                        digest.short(),
                        file.sha256.short()
                    ),
                    COPY,
                );
            } else if file.name == TERMS {
                match serde_json::from_slice::<Terms>(&bytes) {
                    Ok(read) if read.terms == Terms::FORMAT => terms = Some(read),
                    Ok(read) => found.bad(
                        format!(
                            "`{TERMS}` has format {}, expected {}",
                            read.terms,
                            Terms::FORMAT
                        ),
                        "verify with the version that signed",
                    ),
                    Err(error) => found.bad(
                        format!("`{TERMS}` cannot be read: {error}"),
                        "verify with the version that signed",
                    ),
                }
            }
        }
        let named = documents.iter().find(|file| file.name == "policy.yaml");
        if !named.is_some_and(|file| vsa.policy.is(file.sha256)) {
            found.bad("the decision is by another policy than `policy.yaml`", COPY);
        }
        if !documents.iter().any(|file| file.name == TERMS) {
            found.bad(format!("the decision does not name `{TERMS}`"), COPY);
        }
    });
    terms
}

/// The statements on the runs, which the decision names.
fn results(
    request: &VerifyRequest<'_>,
    decision: &Statement<Vsa>,
    found: &mut Verification,
) -> Vec<Statement<TestResult>> {
    let mut results = Vec::new();
    for input in &decision.predicate.inputs {
        let name = input.uri.as_deref().unwrap_or_default();
        // A name of a file in the folder, and nothing else.
        if !name.ends_with(TEST_RESULT) || name.contains(['/', '\\']) {
            found.bad(format!("`{name}` is no test result of a sign-off"), COPY);
            continue;
        }
        let Some(result) = signed::<TestResult>(request, name, found) else {
            continue;
        };
        if !input.is(result.digest) {
            found.bad(
                format!("`{name}` is signed, but is not the one that the decision was made on"),
                COPY,
            );
        } else if !result
            .statement
            .subject
            .iter()
            .all(|file| decision.subject.contains(file))
        {
            found.bad(
                format!("`{name}` is about other files than the decision"),
                COPY,
            );
        } else {
            results.push(result.statement);
        }
    }
    results
}

/// The files at hand against those that were signed.
fn firmware(
    request: &VerifyRequest<'_>,
    decision: &Statement<Vsa>,
    terms: &Terms,
    found: &mut Verification,
) {
    if subjects(&terms.files()) != decision.subject {
        found.bad("the decision is about other files than its terms", COPY);
    }
    let Some(sets) = request.firmware else {
        let what = "the firmware files (give the release's set with --firmware)";
        found.checks.push(Check::NotChecked(what.to_owned()));
        return;
    };
    let good = || {
        let count = terms.files().len();
        format!("{count} firmware files are those that were signed off")
    };
    found.section(good, |found| {
        for set in sets {
            if !terms.firmware.iter().any(|signed| signed.name == set.name) {
                found.bad(
                    format!("firmware set `{}` was not signed off", set.name),
                    "give the firmware sets of the release",
                );
            }
        }
        for signed in &terms.firmware {
            let Some(set) = sets.iter().find(|set| set.name == signed.name) else {
                found.bad(
                    format!("firmware set `{}` was signed off, and is not given", signed.name),
                    "give all firmware sets of the release",
                );
                continue;
            };
            let before = found.checks.len();
            for file in &signed.files {
                match set.files.iter().find(|here| here.name == file.name) {
                    Some(here) if here.sha256 == file.sha256 => {}
                    Some(here) => found.bad(
                        format!(
                            "file `{}` of set `{}` has changed: its SHA-256 is {}…, signed off was {}…",
                            file.name,
                            set.name,
                            here.sha256.short(),
                            file.sha256.short()
                        ),
                        "this is not what was tested: do not ship it",
                    ),
                    None => found.bad(
                        format!("file `{}` of set `{}` is missing", file.name, set.name),
                        "give the whole firmware set",
                    ),
                }
            }
            if found.checks.len() == before && set.digest != signed.digest {
                found.bad(
                    format!(
                        "firmware set `{}` has changed: layout, bootloader or roles are others than signed off",
                        set.name
                    ),
                    "give the firmware set of the release",
                );
            }
        }
    });
}

/// A waiver is a loan.
fn waivers(request: &VerifyRequest<'_>, vsa: &Vsa, found: &mut Verification) {
    let today = request.at.to_zoned(TimeZone::UTC).date();
    let good = || match vsa.decision.waivers.len() {
        0 => "nothing was waived".to_owned(),
        count => format!("{count} waivers hold on {today}"),
    };
    found.section(good, |found| {
        for waiver in &vsa.decision.waivers {
            if waiver.expires < today {
                found.bad(
                    format!(
                        "the sign-off rests on a waiver by {} that expired on {}: {}",
                        waiver.by, waiver.expires, waiver.reason
                    ),
                    "sign off again without it; `--at DATE` verifies as of the day when it was shipped",
                );
            }
        }
    });
}

/// The runs themselves, and the judgement on them.
fn runs(
    request: &VerifyRequest<'_>,
    vsa: &Vsa,
    terms: &Terms,
    results: &[Statement<TestResult>],
    found: &mut Verification,
) {
    let Some(folder) = request.runs else {
        let what = "the runs (give the folder that they are in with --runs)";
        found.checks.push(Check::NotChecked(what.to_owned()));
        return;
    };
    let mut evidence = Vec::new();
    let good = || format!("{} runs are whole, as they were signed", results.len());
    found.section(good, |found| {
        for result in results {
            let run = &result.predicate.run;
            let path = folder.join(&run.id);
            if run.id.contains(['/', '\\']) || !path.is_dir() {
                found.bad(
                    format!("run `{}` is missing in `{}`", run.id, folder.display()),
                    "bring its folder back from where it was kept, or give its place with --runs",
                );
                continue;
            }
            match Evidence::read(&path) {
                Ok(read) => {
                    for doubt in &read.doubts {
                        found.bad(format!("run `{}`: {doubt}", run.id), "bring its folder back from where it was kept");
                    }
                    if read.manifest != run.manifest {
                        found.bad(
                            format!(
                                "run `{}`: its manifest has changed: its SHA-256 is {}…, signed was {}…",
                                run.id,
                                read.manifest.short(),
                                run.manifest.short()
                            ),
                            "this is not the run that was signed off",
                        );
                    }
                    evidence.push(read);
                }
                Err(error) => found.bad(format!("run `{}`: {error}", run.id), error.help()),
            }
        }
    });
    if evidence.len() != results.len() || !found.is_good() {
        return;
    }
    let good = || format!("the same judgement comes of them as on {}", vsa.time);
    found.section(good, |found| {
        let again = judge(terms, &evidence, vsa.time);
        for refusal in &again.refusals {
            found.bad(
                format!("judged again, the release is refused: {}", refusal.text),
                refusal.help.as_str(),
            );
        }
        if again.waived != vsa.decision.waivers {
            found.bad(
                "judged again, other waivers are needed than were signed",
                COPY,
            );
        }
        for result in results {
            let of = evidence
                .iter()
                .find(|run| run.record.run == result.predicate.run.id);
            let said = of.map(|run| TestResult::statement(terms, &again, run));
            if said.as_ref() != Some(result) {
                found.bad(
                    format!(
                        "run `{}` says something else than was signed of it",
                        result.predicate.run.id
                    ),
                    COPY,
                );
            }
        }
    });
}
