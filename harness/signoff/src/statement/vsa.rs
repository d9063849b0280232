//! The decision (slsa-framework/slsa `docs/spec/v1.0/verification_summary.md`).
//!
//! No SLSA level is claimed: what was verified is that the release's policy was met.

use super::{Predicate, Resource, Statement};
use crate::digest::Sha256;
use crate::judge::Judgement;
use crate::policy::{NamedDigest, Release, Terms, Waiver};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Who decided.
const VERIFIER: &str = "https://github.com/dfu-hil/dfu-hil";

/// What was verified, among the levels that the specification leaves to others.
const LEVEL: &str = "DFU_HIL_SIGNED_OFF";

/// The name of the policy's copy beside the statement.
pub(crate) const POLICY: &str = "policy.yaml";

/// A verification summary.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Vsa {
    verifier: Verifier,
    /// When it was decided.
    #[serde(rename = "timeVerified")]
    pub time: Timestamp,
    /// What was decided on, as a package URL.
    #[serde(rename = "resourceUri")]
    pub resource: String,
    /// By which policy.
    pub policy: Resource,
    /// Digests of the statements on the runs: of what was signed, and not of the envelopes, which get more signatures.
    #[serde(rename = "inputAttestations")]
    pub inputs: Vec<Resource>,
    /// `PASSED`.
    #[serde(rename = "verificationResult")]
    pub result: String,
    #[serde(rename = "verifiedLevels")]
    levels: Vec<String>,
    #[serde(rename = "slsaVersion")]
    slsa: String,
    /// What else was decided.
    #[serde(rename = "https://github.com/dfu-hil/dfu-hil/blob/main/docs/signoff.md#decision")]
    pub decision: Decision,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Verifier {
    id: String,
    version: std::collections::BTreeMap<String, String>,
}

/// What was decided besides.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Decision {
    /// What is signed off.
    pub release: Release,
    /// The other files of the sign-off.
    pub documents: Vec<NamedDigest>,
    /// The waivers without which it would have been refused.
    pub waivers: Vec<Waiver>,
    /// What a reader should know.
    pub warnings: Vec<String>,
}

impl Predicate for Vsa {
    const TYPE: &'static str = "https://slsa.dev/verification_summary/v1";
}

impl Vsa {
    /// The decision on a release that is signed off. `inputs` are the statements on the runs, by file name.
    #[must_use]
    pub fn statement(
        terms: &Terms,
        judgement: &Judgement,
        inputs: Vec<(String, Sha256)>,
        documents: Vec<NamedDigest>,
    ) -> Statement<Self> {
        let predicate = Self {
            verifier: Verifier {
                id: VERIFIER.to_owned(),
                version: [("dfu-hil".to_owned(), env!("CARGO_PKG_VERSION").to_owned())].into(),
            },
            time: judgement.at,
            resource: package_url(&terms.release),
            policy: Resource::at(POLICY, terms.policy_digest),
            inputs: inputs
                .into_iter()
                .map(|(name, digest)| Resource::at(name, digest))
                .collect(),
            result: "PASSED".to_owned(),
            levels: vec![LEVEL.to_owned()],
            slsa: "1.0".to_owned(),
            decision: Decision {
                release: terms.release.clone(),
                documents,
                waivers: judgement.waived.clone(),
                warnings: judgement.warnings.clone(),
            },
        };
        Statement::new(&terms.files(), predicate)
    }
}

/// `pkg:generic/NAME@VERSION` (package-url/purl-spec): there is no registry for firmware.
fn package_url(release: &Release) -> String {
    let escaped = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                write!(out, "%{byte:02X}").expect("a text takes everything");
            }
            out
        })
    };
    format!(
        "pkg:generic/{}@{}",
        escaped(&release.name),
        escaped(&release.version)
    )
}
