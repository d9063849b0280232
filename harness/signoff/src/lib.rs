//! Release sign-off: holds runs against a policy, signs what came of it, and verifies that a year later.
//!
//! [`Policy`] and [`Requirements`] are files that people write; [`Terms`] are both with everything that they refer to.
//! [`judge`] holds [`Evidence`] (runs, believed only as far as their journals and manifests go) against the terms.
//! [`SignOff`] makes the signed files of it: in-toto statements in DSSE envelopes. [`verify`] checks all of that
//! offline. Nothing here runs a scenario, and no private key appears in any `Debug`, message or file.

mod bundle;
mod digest;
mod document;
mod dsse;
mod evidence;
mod judge;
mod key;
mod matrix;
mod policy;
mod requirements;
mod statement;
#[cfg(test)]
mod test_keys;
mod verify;

pub use bundle::{DECISION, DOCUMENT, SignOff, TERMS, TEST_RESULT};
pub use digest::{NoSha256, Sha256};
pub use dsse::{Envelope, EnvelopeError, IN_TOTO};
pub use evidence::{Evidence, EvidenceError};
pub use judge::{Found, Judgement, Refusal, Rule, Standing, judge};
pub use key::{KeyProblem, SigningKey, VerifyingKey};
pub use matrix::{Covered, Matrix};
pub use policy::{
    Excluded, KnownIssues, NamedDigest, Pattern, Policy, Release, ScenarioTerms, SetTerms, Terms,
    TermsError, VirtualBoards, Waiver, Waives,
};
pub use requirements::{Requirement, Requirements};
pub use statement::{
    Decision, Predicate, Resource, Statement, StatementError, TestResult, TestRun, Vsa,
};
pub use verify::{Check, Complaint, Verification, VerifyRequest, verify};
