//! The policy: what must have been run before a release is signed off.
//!
//! [`Policy`] is the file as a person wrote it, checked. [`Terms`] are the same with everything that it refers to read
//! and turned into plain data (scenarios, requirements, digests of the release's files), so that a judgement can be
//! repeated a year later from the terms alone.

mod file;
mod pattern;
mod terms;

pub use file::{KnownIssues, Policy, VirtualBoards, Waives};
pub use pattern::Pattern;
pub use terms::{
    Excluded, NamedDigest, Release, ScenarioTerms, SetTerms, Terms, TermsError, Waiver,
};
