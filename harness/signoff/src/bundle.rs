//! The sign-off as a folder of files.
//!
//! ```text
//! signoff/
//!   signoff.html                           for people; prints
//!   vsa.dsse.json                          the decision, signed
//!   20260802T101530Z-01.test-result.dsse.json  each run, signed
//!   terms.json                             what was asked for, with everything that the policy refers to
//!   policy.yaml, requirements.yaml         copies
//! ```

use crate::digest::Sha256;
use crate::document::document;
use crate::dsse::Envelope;
use crate::evidence::Evidence;
use crate::judge::Judgement;
use crate::key::SigningKey;
use crate::policy::{NamedDigest, Terms};
use crate::statement::{TestResult, Vsa};

/// The decision's file.
pub const DECISION: &str = "vsa.dsse.json";

/// What the name of a run's file ends with.
pub const TEST_RESULT: &str = ".test-result.dsse.json";

/// The file with the terms.
pub const TERMS: &str = "terms.json";

/// The file for people.
pub const DOCUMENT: &str = "signoff.html";

/// What goes into a sign-off.
#[derive(Clone, Copy, Debug)]
pub struct SignOff<'a> {
    /// What was asked for.
    pub terms: &'a Terms,
    /// What came of it.
    pub judgement: &'a Judgement,
    /// The runs.
    pub runs: &'a [Evidence],
    /// The text of the policy.
    pub policy: &'a str,
    /// The text of the requirements file.
    pub requirements: &'a str,
}

impl SignOff<'_> {
    /// The files, by name. The same input and keys give the same bytes.
    ///
    /// Only for a judgement that [signs off](Judgement::is_signed_off): of another, nothing is signed.
    #[must_use]
    pub fn files(&self, keys: &[SigningKey]) -> Vec<(String, Vec<u8>)> {
        assert!(
            self.judgement.is_signed_off(),
            "nothing is signed of a release that is refused"
        );
        let mut files: Vec<(String, Vec<u8>)> = vec![
            (
                DOCUMENT.to_owned(),
                document(self.terms, self.judgement, self.runs).into_bytes(),
            ),
            (TERMS.to_owned(), self.terms.to_json().into_bytes()),
            ("policy.yaml".to_owned(), self.policy.into()),
            ("requirements.yaml".to_owned(), self.requirements.into()),
        ];
        let documents = files
            .iter()
            .map(|(name, bytes)| NamedDigest {
                name: name.clone(),
                sha256: Sha256::of(bytes),
            })
            .collect();
        let mut inputs = Vec::new();
        for run in self.runs {
            let payload = TestResult::statement(self.terms, self.judgement, run).to_bytes();
            let name = format!("{}{TEST_RESULT}", run.record.run);
            inputs.push((name.clone(), Sha256::of(&payload)));
            files.push((name, Envelope::sign(payload, keys).to_json().into_bytes()));
        }
        let payload = Vsa::statement(self.terms, self.judgement, inputs, documents).to_bytes();
        let envelope = Envelope::sign(payload, keys);
        files.push((DECISION.to_owned(), envelope.to_json().into_bytes()));
        files
    }
}
