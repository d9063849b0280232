//! What a verification refuses, with its reason.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is a failed test"
)]

mod support;

use hil_signoff::{
    Envelope, Evidence, SetTerms, SignOff, SigningKey, Statement, Terms, VerifyRequest,
    VerifyingKey, Vsa, Waives, judge, verify,
};
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use rstest::rstest;
use std::fs;
use std::path::PathBuf;
use support::{AT, POLICY, Ran, Run, at, terms, waiver};

fn key(number: u8) -> SigningKey {
    let key = ed25519_dalek::SigningKey::from_bytes(&[number; 32]);
    let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap();
    SigningKey::from_pem("key.pem".as_ref(), &pem).unwrap()
}

fn p256_key(number: u8) -> SigningKey {
    let key = p256::SecretKey::from_slice(&[number; 32]).unwrap();
    let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap();
    SigningKey::from_pem("key.pem".as_ref(), &pem).unwrap()
}

/// A sign-off on disk, and all that belongs to it.
struct Signed {
    folder: tempfile::TempDir,
    firmware: Vec<SetTerms>,
    trusted: Vec<VerifyingKey>,
    signatures: usize,
    at: &'static str,
}

impl Signed {
    fn new() -> Self {
        Self::of(&terms(), &Run::default(), &[key(1), p256_key(2)])
    }

    fn of(terms: &Terms, run: &Run, keys: &[SigningKey]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runs = [run.evidence(&folder.path().join("runs"))];
        let judgement = judge(terms, &runs, at(AT));
        let files = SignOff {
            terms,
            judgement: &judgement,
            runs: &runs,
            policy: POLICY,
            requirements: "requirements: []\n",
        }
        .files(keys);
        fs::create_dir(folder.path().join("signoff")).unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join("signoff").join(name), bytes).unwrap();
        }
        Self {
            folder,
            firmware: terms.firmware.clone(),
            trusted: keys.iter().map(SigningKey::public).collect(),
            signatures: keys.len(),
            at: AT,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn change(&self, name: &str, from: &str, to: &str) {
        let path = self.path(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "`{from}` is not in {name}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    fn verified(&self) -> String {
        let verification = verify(&VerifyRequest {
            folder: &self.path("signoff"),
            keys: &self.trusted,
            signatures: self.signatures,
            firmware: Some(&self.firmware),
            runs: Some(&self.path("runs")),
            at: at(self.at),
        });
        let lines: Vec<String> = verification
            .checks
            .iter()
            .map(ToString::to_string)
            .filter(|line| !verification.is_good() || line.starts_with("ok"))
            .collect();
        lines
            .join("\n")
            .replace(&self.path("runs").display().to_string(), "runs")
    }

    /// Only what is wrong.
    fn refused(&self) -> String {
        let text = self.verified();
        let wrong: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("ok"))
            .collect();
        wrong.join("\n")
    }
}

const RESULT: &str = "signoff/20260803T101530Z-01.test-result.dsse.json";

#[test]
fn a_sign_off_that_nobody_touched_verifies() {
    insta::assert_snapshot!(Signed::new().verified(), @"
    ok: 4 documents are as they were signed
    ok: decision and 1 test results are signed by at least 2 of the 2 trusted keys
    ok: 2 firmware files are those that were signed off
    ok: nothing was waived
    ok: 1 runs are whole, as they were signed
    ok: the same judgement comes of them as on 2026-08-04T12:00:00Z
    ");
}

#[test]
fn the_same_sign_off_made_twice_has_the_same_bytes() {
    let (one, two) = (Signed::new(), Signed::new());
    for entry in fs::read_dir(one.path("signoff")).unwrap() {
        let name = entry.unwrap().file_name();
        let read = |signed: &Signed| fs::read(signed.path("signoff").join(&name)).unwrap();
        assert!(read(&one) == read(&two), "{name:?} differs");
    }
}

#[test]
fn a_key_of_somebody_else_is_refused() {
    let mut signed = Signed::new();
    signed.trusted = vec![key(9).public()];
    signed.signatures = 1;
    insta::assert_snapshot!(signed.verified(), @"
    refused: `vsa.dsse.json` is not to be believed: 0 of 1 trusted keys signed it, expected 1; it has 2 signatures, by fd110d30…, 5a07a723…
       help: either it was changed after it was signed, or other keys signed it: give the public keys of those who sign releases
    ");
}

#[test]
fn one_of_two_signatures_is_not_enough_when_two_are_asked_for() {
    let mut signed = Signed::of(&terms(), &Run::default(), &[key(1)]);
    signed.trusted.push(p256_key(2).public());
    signed.signatures = 2;
    let text = signed.verified();
    assert!(
        text.contains("1 of 2 trusted keys signed it, expected 2"),
        "{text}"
    );
    signed.signatures = 1;
    assert_eq!(signed.refused(), "");
}

#[rstest]
#[case::decision("signoff/vsa.dsse.json")]
#[case::result(RESULT)]
fn a_statement_with_a_changed_byte_is_refused(#[case] name: &str) {
    let signed = Signed::new();
    let text = fs::read_to_string(signed.path(name)).unwrap();
    // Inside the payload.
    let at = text.find("payload\": \"").unwrap() + 200;
    let other = if text.as_bytes()[at] == b'A' {
        "B"
    } else {
        "A"
    };
    let mut changed = text.clone();
    changed.replace_range(at..=at, other);
    fs::write(signed.path(name), changed).unwrap();
    let text = signed.refused();
    assert!(text.contains("0 of 2 trusted keys signed it"), "{text}");
}

#[test]
fn a_changed_document_is_refused() {
    let signed = Signed::new();
    signed.change("signoff/signoff.html", "SIGNED OFF", "SIGNED  OFF");
    let text = signed.refused();
    assert!(
        text.starts_with("refused: `signoff.html` has changed: its SHA-256 is "),
        "{text}"
    );
}

#[test]
fn terms_that_were_changed_are_refused() {
    let signed = Signed::new();
    signed.change("signoff/terms.json", "\"passes\": 1", "\"passes\": 0");
    assert!(
        signed
            .refused()
            .starts_with("refused: `terms.json` has changed")
    );
}

#[test]
fn a_changed_firmware_file_is_refused() {
    let mut signed = Signed::new();
    signed.firmware[0].files[0].sha256 = hil_signoff::Sha256::of("app 2.1.0, built again");
    insta::assert_snapshot!(signed.refused(), @"
    refused: file `app.bin` of set `product` has changed: its SHA-256 is 451e16c0…, signed off was 2bfc195d…
       help: this is not what was tested: do not ship it
    ");
}

#[test]
fn firmware_that_was_not_signed_off_is_refused() {
    let mut signed = Signed::new();
    signed.firmware[0].name = "another".to_owned();
    insta::assert_snapshot!(signed.refused(), @"
    refused: firmware set `another` was not signed off
       help: give the firmware sets of the release
    refused: firmware set `product` was signed off, and is not given
       help: give all firmware sets of the release
    ");
}

#[test]
fn a_missing_run_is_refused() {
    let signed = Signed::new();
    fs::remove_dir_all(signed.path("runs/20260803T101530Z-01")).unwrap();
    insta::assert_snapshot!(signed.refused(), @"
    refused: run `20260803T101530Z-01` is missing in `runs`
       help: bring its folder back from where it was kept, or give its place with --runs
    ");
}

#[test]
fn a_missing_test_result_is_refused() {
    let signed = Signed::new();
    fs::remove_file(signed.path(RESULT)).unwrap();
    insta::assert_snapshot!(signed.refused(), @"
    refused: `20260803T101530Z-01.test-result.dsse.json` is missing
       help: take the sign-off from where it was published
    ");
}

#[test]
fn a_run_with_a_changed_byte_is_refused_with_file_and_step() {
    let signed = Signed::new();
    let journal = "runs/20260803T101530Z-01/journal.jsonl";
    signed.change(
        journal,
        "\"name\":\"both_cores_alive\"",
        "\"name\":\"both_cores_Alive\"",
    );
    insta::assert_snapshot!(signed.refused(), @"
    refused: run `20260803T101530Z-01`: `journal.jsonl` has changed since the run ended, in line 7: up to the start of step 2 `both_cores_alive` of scenario `app-update[uart]`
       help: bring its folder back from where it was kept
    ");
}

#[test]
fn a_run_that_was_made_anew_is_not_the_one_that_was_signed() {
    let signed = Signed::new();
    fs::remove_dir_all(signed.path("runs/20260803T101530Z-01")).unwrap();
    let run = Run {
        scenarios: vec![Ran::passed("revert[uart]"), Ran::passed("app-update[uart]")],
        ..Run::default()
    };
    run.make(&signed.path("runs"));
    let text = signed.refused();
    assert!(text.contains("its manifest has changed"), "{text}");
}

#[test]
fn a_waiver_that_has_expired_is_refused_and_the_day_of_shipping_can_be_given() {
    let mut terms = terms();
    terms.waivers = vec![waiver(Waives::Retry("app-*".into()), "2026-08-31")];
    let run = Run {
        scenarios: vec![
            Ran {
                retries: 1,
                ..Ran::passed("app-update[uart]")
            },
            Ran::passed("revert[uart]"),
        ],
        ..Run::default()
    };
    let mut signed = Signed::of(&terms, &run, &[key(1)]);
    assert_eq!(signed.refused(), "");
    signed.at = "2026-09-01T00:00:00Z";
    insta::assert_snapshot!(signed.refused(), @"
    refused: the sign-off rests on a waiver by Jane Doe that expired on 2026-08-31: the bench has no radio yet
       help: sign off again without it; `--at DATE` verifies as of the day when it was shipped
    ");
}

/// Somebody with a trusted key signs what the runs do not say.
#[test]
fn a_signature_does_not_stand_for_a_judgement() {
    let signed = Signed::new();
    let run = Run {
        scenarios: vec![Ran::passed("app-update[uart]")],
        ..Run::default()
    };
    fs::remove_dir_all(signed.path("runs/20260803T101530Z-01")).unwrap();
    let evidence = Evidence::read(&run.make(&signed.path("runs"))).unwrap();
    let mut judgement = judge(&terms(), std::slice::from_ref(&evidence), at(AT));
    judgement.refusals.clear();
    let files = SignOff {
        terms: &terms(),
        judgement: &judgement,
        runs: &[evidence],
        policy: POLICY,
        requirements: "requirements: []\n",
    }
    .files(&[key(1), p256_key(2)]);
    for (name, bytes) in files {
        fs::write(signed.path("signoff").join(name), bytes).unwrap();
    }
    let text = signed.refused();
    assert!(
        text.starts_with(
            "refused: judged again, the release is refused: scenario `revert[uart]` was not run"
        ),
        "{text}"
    );
}

/// Digests of runs change whenever a format of the run's folder gets a key.
fn without_digests() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("[0-9a-f]{64}", "[sha256]");
    settings
}

/// What was signed, read from the envelope.
fn payload(signed: &Signed, file: &str) -> serde_json::Value {
    let envelope = Envelope::from_json(&fs::read(signed.path(file)).unwrap()).unwrap();
    let payload = envelope.verified(&signed.trusted, 2).unwrap();
    serde_json::from_slice(payload).unwrap()
}

#[test]
fn a_test_result_is_that_of_the_specification() {
    let text = serde_json::to_string_pretty(&payload(&Signed::new(), RESULT)).unwrap();
    without_digests().bind(|| insta::assert_snapshot!("test_result", text));
}

#[rstest]
#[case("/_type", "https://in-toto.io/Statement/v1")]
#[case("/predicateType", "https://slsa.dev/verification_summary/v1")]
#[case("/subject/0/name", "app.bin")]
#[case("/predicate/verificationResult", "PASSED")]
#[case("/predicate/verifiedLevels/0", "DFU_HIL_SIGNED_OFF")]
#[case("/predicate/timeVerified", "2026-08-04T12:00:00Z")]
#[case("/predicate/resourceUri", "pkg:generic/my%20product@2.1.0")]
#[case("/predicate/policy/uri", "policy.yaml")]
#[case(
    "/predicate/inputAttestations/0/uri",
    "20260803T101530Z-01.test-result.dsse.json"
)]
fn a_decision_is_that_of_the_specification(#[case] pointer: &str, #[case] expected: &str) {
    let decision = payload(&Signed::new(), "signoff/vsa.dsse.json");
    assert_eq!(
        decision
            .pointer(pointer)
            .and_then(serde_json::Value::as_str),
        Some(expected)
    );
}

#[test]
fn a_statement_of_another_kind_is_refused() {
    let signed = Signed::new();
    fs::copy(signed.path(RESULT), signed.path("signoff/vsa.dsse.json")).unwrap();
    let text = signed.refused();
    assert!(
        text.contains("it says `https://in-toto.io/attestation/test-result/v0.1`, expected `https://slsa.dev/verification_summary/v1`"),
        "{text}"
    );
    assert!(Statement::<Vsa>::from_bytes(b"{}").is_err());
}

#[test]
fn the_document_says_what_was_signed_off() {
    let signed = Signed::new();
    let page = fs::read_to_string(signed.path("signoff/signoff.html")).unwrap();
    without_digests().bind(|| insta::assert_snapshot!("document", &page));
    assert!(!page.contains("<script"), "the page runs nothing");
    assert!(
        !page.contains("src="),
        "the page needs nothing from elsewhere"
    );
}

#[test]
fn no_private_key_is_in_any_file() {
    let signed = Signed::new();
    let secret = [1_u8; 32];
    for entry in fs::read_dir(signed.path("signoff")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!bytes.windows(32).any(|part| part == secret));
        assert!(!text.contains(&hex::encode(secret)) && !text.contains("PRIVATE KEY"));
    }
    assert!(!format!("{:?}", key(1)).contains("01, 01"));
}
