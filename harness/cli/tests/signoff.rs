//! A release is signed off from real runs of virtual boards, verified, and refused; and implementations that nobody here
//! wrote read what was signed.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is a failed test"
)]

mod support;

use ed25519_dalek::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
use hil_record::{Manifest, RunDirectory};
use hil_scenario::load_scenarios;
use hil_signoff::Requirements;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::peers::python_tools;
use support::{Desk, Ended, library};

const POLICY: &str = "\
policy: nightly
release: { name: demo, version: 1.0.0 }
firmware: [demo/firmware.yaml]
requirements: requirements.yaml
library: [scenarios]
max_age: 1d
virtual_boards: allow
exclude:
  - { scenario: \"*[ble]\", reason: The product has no radio. }
";

const REQUIREMENTS: &str = "\
requirements:
  - { id: DFU-APP-1, text: The application can be updated., source: PRD 4.1 }
  - { id: DFU-CONF-1, text: An update must be confirmed to stay., source: PRD 4.2 }
";

/// A release: firmware, library, requirements, policy and keys; and a run of it.
struct Released {
    desk: Desk,
    run: PathBuf,
}

impl Released {
    fn new() -> Self {
        let desk = Desk::new(1, 20);
        assert_eq!(desk.run(&["demo-firmware", "demo"]).code, Some(0));
        fs::create_dir(desk.path("scenarios")).unwrap();
        fs::copy(
            library().join("app-update.yaml"),
            desk.path("scenarios/app-update.yaml"),
        )
        .unwrap();
        desk.write("requirements.yaml", REQUIREMENTS);
        desk.write("policy.yaml", POLICY);
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let line_end = ed25519_dalek::pkcs8::spki::der::pem::LineEnding::LF;
        desk.write("key.pem", &key.to_pkcs8_pem(line_end).unwrap());
        let public = key.verifying_key().to_public_key_pem(line_end).unwrap();
        desk.write("key.pub.pem", &public);
        let ran = desk.run(&[
            "run",
            "--rig",
            "rig.yaml",
            "--firmware",
            "demo/firmware.yaml",
            "--filter",
            "app-update[uart]",
        ]);
        assert_eq!(ran.code, Some(0), "{}", ran.all());
        let run = desk.runs().pop().unwrap();
        Self { desk, run }
    }

    fn run(&self) -> String {
        self.run.to_string_lossy().into_owned()
    }

    /// Signs with both keys: Ed25519, and the P-256 key of the demo.
    fn signed_off(&self, more: &[&str]) -> Ended {
        let run = self.run();
        let mut args = vec!["signoff", "--policy", "policy.yaml", &run];
        args.extend(more);
        self.desk.run(&args)
    }

    fn sign(&self) {
        let ended = self.signed_off(&["--key", "key.pem", "--key", "demo/keys/signing.pem"]);
        assert_eq!(ended.code, Some(0), "{}", ended.all());
    }

    fn verified(&self, keys: &[&str]) -> Ended {
        let mut args = vec!["verify", "signoff", "--firmware", "demo/firmware.yaml"];
        for key in keys {
            args.extend(["--key", key]);
        }
        self.desk.run(&args)
    }

    fn told(&self, ended: &Ended, code: i32) -> String {
        assert_eq!(ended.code, Some(code), "{}", ended.all());
        let id = self.run.file_name().unwrap().to_string_lossy().into_owned();
        self.desk.redacted(&ended.stdout).replace(&id, "[run]")
    }
}

const BOTH: &[&str] = &["key.pub.pem", "demo/keys/signing.pub.pem"];

#[test]
fn a_release_is_signed_off_verified_and_refused_when_something_changes() {
    let released = Released::new();
    let desk = &released.desk;

    // What the run left says what it was made from.
    let (manifest, _) = Manifest::read(&RunDirectory::at(&released.run)).unwrap();
    let inputs: BTreeSet<&str> = manifest
        .inputs
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    for name in ["Cargo.lock", "rig.yaml", "scenarios/app-update.yaml"] {
        assert!(inputs.contains(name), "{name} is not among {inputs:?}");
    }
    let replayed = released.told(&desk.run(&["replay", &released.run()]), 0);
    insta::assert_snapshot!(replayed, @"
     pass app-update[uart] (24 comparisons)
    1 verdict made again from the journal, 24 comparisons from the evidence; every file is as it was when the run ended
    ");

    // Without a key it is judged only.
    insta::assert_snapshot!(released.told(&released.signed_off(&[]), 0), @"demo 1.0.0 meets policy `nightly`: 1 scenario, 2 requirements");
    assert!(!desk.path("signoff").exists());

    released.sign();
    let good = released.told(&released.verified(BOTH), 0);
    assert!(
        good.ends_with("the sign-off in `signoff` verifies\n"),
        "{good}"
    );
    assert_eq!(good.matches("not checked").count(), 0, "{good}");

    // Another key: of somebody who did not sign.
    let stranger = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
    let line_end = ed25519_dalek::pkcs8::spki::der::pem::LineEnding::LF;
    desk.write(
        "stranger.pub.pem",
        &stranger
            .verifying_key()
            .to_public_key_pem(line_end)
            .unwrap(),
    );
    let refused = released.told(&released.verified(&["stranger.pub.pem"]), 1);
    assert!(
        refused.contains("0 of 1 trusted keys signed it, expected 1"),
        "{refused}"
    );

    // A second sign-off does not go over the first.
    let again = released.signed_off(&["--key", "key.pem"]);
    assert_eq!(again.code, Some(2), "{}", again.all());

    // Firmware that was built again.
    let image = desk.path("demo/firmware.yaml");
    let text = fs::read_to_string(&image).unwrap();
    fs::write(&image, format!("{text}# another set\n")).unwrap();
    let refused = released.told(&released.verified(BOTH), 1);
    assert!(
        refused.contains("has changed: layout, bootloader or roles are others"),
        "{refused}"
    );
    let refused = released.told(&released.signed_off(&[]), 1);
    assert!(
        refused.contains("refused (firmware): run `[run]` ran other firmware"),
        "{refused}"
    );
    fs::write(&image, text).unwrap();

    // A requirement that nothing covers.
    let text = format!(
        "{REQUIREMENTS}  - {{ id: DFU-NET-1, text: So can the network core., source: PRD 4.3 }}\n"
    );
    desk.write("requirements.yaml", &text);
    let refused = released.told(&released.signed_off(&[]), 1);
    assert!(
        refused.contains("requirement `DFU-NET-1` is in no scenario"),
        "{refused}"
    );
    desk.write("requirements.yaml", REQUIREMENTS);

    // A scenario that was not run.
    desk.write("policy.yaml", &POLICY.replace("*[ble]", "none-of-them"));
    let ended = released.signed_off(&[]);
    assert_eq!(
        ended.code,
        Some(2),
        "a rule that means nothing is a mistake"
    );
    assert!(
        ended.stderr.contains("means no scenario of the library"),
        "{}",
        ended.all()
    );
    let everything = POLICY
        .lines()
        .take_while(|line| !line.starts_with("exclude"))
        .collect::<Vec<_>>();
    desk.write("policy.yaml", &everything.join("\n"));
    let refused = released.told(&released.signed_off(&[]), 1);
    assert!(
        refused.contains("scenario `app-update[ble]` was not run"),
        "{refused}"
    );
    desk.write("policy.yaml", POLICY);

    // One byte of the journal.
    let journal = released.run.join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(
        &journal,
        text.replacen("\"verdict\":\"pass\"", "\"verdict\":\"past\"", 1),
    )
    .unwrap();
    let refused = released.told(&desk.run(&["replay", &released.run()]), 1);
    assert!(
        refused.contains("`journal.jsonl` has changed since the run ended, in line")
            && refused.contains("step 1 of scenario `app-update[uart]`"),
        "{refused}"
    );
    let refused = released.told(&released.verified(BOTH), 1);
    assert!(
        refused.contains("step 1 of scenario `app-update[uart]`"),
        "{refused}"
    );
    fs::write(&journal, text).unwrap();

    // A run that is gone.
    fs::rename(&released.run, desk.path("elsewhere")).unwrap();
    let refused = released.told(&released.verified(BOTH), 1);
    assert!(
        refused.contains("run `[run]` is missing in `reports/runs`"),
        "{refused}"
    );
    fs::rename(desk.path("elsewhere"), &released.run).unwrap();
    assert_eq!(released.verified(BOTH).code, Some(0));
}

#[test]
fn a_second_person_signs_later() {
    let released = Released::new();
    let ended = released.signed_off(&["--key", "key.pem"]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert_eq!(
        released.verified(BOTH).code,
        Some(1),
        "one of two keys signed"
    );
    let countersign = |trusted| {
        released.desk.run(&[
            "countersign",
            "signoff",
            "--key",
            "demo/keys/signing.pem",
            "--trusted",
            trusted,
        ])
    };
    assert_eq!(
        countersign("demo/keys/signing.pub.pem").code,
        Some(1),
        "nobody trusted signed"
    );
    let ended = countersign("key.pub.pem");
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert_eq!(released.verified(BOTH).code, Some(0));
    peers_agree(&released);
}

/// Reads envelopes with securesystemslib, and statements with the in-toto project's own types.
const PEER: &str = r#"
import json, sys
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

envelope_file, *key_files = sys.argv[1:]
document = json.load(open(envelope_file))
ids = [signature["keyid"] for signature in document["signatures"]]
keys = [SSlibKey.from_crypto(load_pem_public_key(open(path, "rb").read()), keyid=keyid) for keyid, path in zip(ids, key_files)]
envelope = Envelope.from_dict(document)
accepted = envelope.verify(keys, len(key_files))
assert len(accepted) == len(key_files), accepted
assert envelope.payload_type == "application/vnd.in-toto+json"

statement = Statement.copy_from_pb(json_format.Parse(envelope.payload, statement_pb2.Statement()))
statement.validate()
predicate = json.loads(envelope.payload)["predicate"]
# A list in the specification, a text in this version of the types.
levels = predicate.pop("verifiedLevels", [])
assert isinstance(levels, list), levels
kinds = {
    "https://in-toto.io/attestation/test-result/v0.1": test_result_pb2.TestResult,
    "https://slsa.dev/verification_summary/v1": vsa_pb2.VerificationSummary,
}
parsed = json_format.ParseDict(predicate, kinds[statement.pb.predicate_type](), ignore_unknown_fields=True)
def is_part(part, whole):
    if isinstance(part, dict):
        return all(is_part(value, whole[key]) for key, value in part.items())
    return part == whole
assert is_part(json_format.MessageToDict(parsed), predicate), parsed

for place in (0, len(envelope.payload) // 2, len(envelope.payload) - 1):
    payload = bytearray(envelope.payload)
    payload[place] ^= 1
    tampered = Envelope(bytes(payload), envelope.payload_type, envelope.signatures)
    try:
        tampered.verify(keys, 1)
    except VerificationError:
        continue
    raise AssertionError(f"byte {place} was changed, and the envelope was accepted")
print(statement.pb.predicate_type, sorted(json_format.MessageToDict(parsed)))
"#;

/// securesystemslib and in-toto-attestation accept every envelope, and refuse it with a changed byte.
fn peers_agree(released: &Released) {
    let Some(tools) = python_tools() else { return };
    let python = tools.join("python");
    if !has_modules(&python) {
        assert!(
            std::env::var_os("DFU_HIL_REQUIRE_PEERS").is_none(),
            "securesystemslib and in-toto-attestation are not in {}",
            tools.display()
        );
        println!(
            "skipped: no securesystemslib and in-toto-attestation in {}",
            tools.display()
        );
        return;
    }
    let mut envelopes: Vec<PathBuf> = fs::read_dir(released.desk.path("signoff"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".dsse.json"))
        .collect();
    envelopes.sort();
    assert_eq!(envelopes.len(), 2, "one run and the decision");
    let told: Vec<String> = envelopes
        .iter()
        .map(|envelope| {
            let output = Command::new(&python)
                .args(["-c", PEER])
                .arg(envelope)
                .args(BOTH.iter().map(|key| released.desk.path(key)))
                .output()
                .unwrap();
            let ended = Ended::new(&output);
            assert_eq!(ended.code, Some(0), "{}", ended.all());
            ended.stdout
        })
        .collect();
    insta::assert_snapshot!(told.concat(), @"
    https://in-toto.io/attestation/test-result/v0.1 ['configuration', 'passedTests', 'result']
    https://slsa.dev/verification_summary/v1 ['inputAttestations', 'policy', 'resourceUri', 'slsaVersion', 'timeVerified', 'verificationResult', 'verifier']
    ");
}

fn has_modules(python: &Path) -> bool {
    let imports = "import securesystemslib.dsse, in_toto_attestation.v1.statement";
    let output = Command::new(python).args(["-c", imports]).output();
    output.is_ok_and(|output| output.status.success())
}

/// The other way round, requirements without a scenario, is for a policy to say: a product need not cover all.
#[test]
fn every_requirement_that_a_scenario_of_the_library_names_is_in_the_requirements_file() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/requirements.yaml");
    let known = Requirements::load(docs).unwrap_or_else(|error| panic!("{}", error.render()));
    let ids: BTreeSet<&str> = known.list.iter().map(|one| one.id.as_str()).collect();
    let scenarios = load_scenarios(&[library()]).unwrap();
    let missing: Vec<String> = scenarios
        .iter()
        .flat_map(|scenario| {
            let named = scenario
                .requirements
                .iter()
                .map(hil_scenario::RequirementId::as_str);
            let unknown = named.filter(|id| !ids.contains(id));
            unknown.map(|id| format!("{id}, which `{}` names", scenario.name))
        })
        .collect();
    assert_eq!(
        missing,
        Vec::<String>::new(),
        "add these to docs/requirements.yaml"
    );
}
