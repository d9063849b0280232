//! What a run leaves behind: no secret in any file, enough to make every verdict again, and a changed byte is found.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is a failed test"
)]

mod support;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use hil_image::{DecryptionKey, Image};
use hil_record::{Event, EventKind, Objects, RunDirectory, read_journal};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use support::{Desk, Ended};

/// Bytes that are looked for at a time: the block of AES.
const BLOCK: usize = 16;

/// A run of an encrypted update, with the firmware set and its keys beside it.
struct Left {
    desk: Desk,
    run: PathBuf,
}

impl Left {
    fn by(scenario: &str) -> Self {
        let desk = Desk::new(1, 20);
        assert_eq!(desk.run(&["demo-firmware", "demo"]).code, Some(0));
        let ran = desk.run(&[
            "run",
            "--rig",
            "rig.yaml",
            "--firmware",
            "demo/firmware.yaml",
            "--filter",
            scenario,
        ]);
        assert_eq!(ran.code, Some(0), "{}", ran.all());
        let run = desk.runs().pop().unwrap();
        Self { desk, run }
    }

    fn replay(&self, more: &[&str]) -> Ended {
        let run = self.run.to_string_lossy().into_owned();
        self.desk.run(&[&["replay", &run], more].concat())
    }

    /// Every file of the run.
    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.run.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push(entry.path());
                }
            }
        }
        found
    }

    /// As [`support::forgery::forge`].
    fn forge(&self, change: impl FnMut(&mut Event)) {
        support::forgery::forge(&self.run, change);
    }
}

/// What is looked for, in one pass over each file: blocks of bytes, and what they are of.
#[derive(Default)]
struct Wanted(HashMap<[u8; BLOCK], String>);

impl Wanted {
    /// Looks for these blocks as well; there must be some.
    fn add(&mut self, what: &str, blocks: impl IntoIterator<Item = [u8; BLOCK]>) {
        let before = self.0.len();
        self.0
            .extend(blocks.into_iter().map(|block| (block, what.to_owned())));
        assert!(self.0.len() > before, "nothing to look for of {what}");
    }

    /// What is in a file: as it is, as hexadecimal digits, in Base64, or packed in that.
    fn found_in(&self, bytes: &[u8]) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        for bytes in spelled(bytes).iter().map(Vec::as_slice).chain([bytes]) {
            let known = bytes.windows(BLOCK).filter_map(|window| self.0.get(window));
            found.extend(known.map(String::as_str));
        }
        found
    }
}

/// Blocks that give `bytes` away: those that no `public` bytes have and that are not one word over and over.
fn tell_tales(bytes: &[u8], public: &[&[u8]]) -> Vec<[u8; BLOCK]> {
    let known: HashSet<&[u8]> = public
        .iter()
        .flat_map(|bytes| bytes.windows(BLOCK))
        .collect();
    let blocks = bytes.as_chunks::<BLOCK>().0.iter();
    blocks
        .filter(|block| {
            block
                .as_chunks::<4>()
                .0
                .iter()
                .any(|word| *word != block[..4])
        })
        .filter(|block| !known.contains(block.as_slice()))
        .copied()
        .collect()
}

/// What is spelled in a file: runs of hexadecimal digits, runs of Base64, and what is packed in these.
fn spelled(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for run in bytes.split(|byte| !byte.is_ascii_hexdigit()) {
        for from in 0..run.len().min(2) {
            let even = &run[from..run.len() - (run.len() - from) % 2];
            if even.len() >= 2 * BLOCK {
                found.push(hex::decode(even).unwrap());
            }
        }
    }
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    for run in bytes.split(|byte| !is_base64(byte)) {
        for from in 0..run.len().min(4) {
            let whole = &run[from..run.len() - (run.len() - from) % 4];
            if whole.len() < 2 * BLOCK {
                continue;
            }
            let decoded = BASE64_STANDARD_NO_PAD.decode(whole).unwrap();
            if decoded.starts_with(&[0x1F, 0x8B]) {
                let mut unpacked = Vec::new();
                let mut packed = flate2::read::GzDecoder::new(decoded.as_slice());
                // The end of the last chunk is behind its padding.
                let _ = packed.read_to_end(&mut unpacked);
                found.extend(spelled(&unpacked));
                found.push(unpacked);
            }
            found.push(decoded);
        }
    }
    found
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

/// The file of the image that the demo set sends encrypted.
fn encrypted_image(demo: &Path) -> Vec<u8> {
    let set = hil_scenario::FirmwareSet::load(demo.join("firmware.yaml")).unwrap();
    set.releases["encrypted"].images[&hil_scenario::Core::App]
        .bytes()
        .to_vec()
}

fn decryption_key(demo: &Path) -> PathBuf {
    let set = hil_scenario::FirmwareSet::load(demo.join("firmware.yaml")).unwrap();
    set.keys.encryption.unwrap()
}

#[test]
fn no_key_and_no_plain_text_of_an_encrypted_image_is_in_any_file_of_a_run() {
    let left = Left::by("encrypted-app[uart]");
    let demo = left.desk.path("demo");
    let file = encrypted_image(&demo);
    let image = Image::parse(&file).unwrap();
    let pem = fs::read_to_string(decryption_key(&demo)).unwrap();
    let key = DecryptionKey::from_pem(&pem).unwrap();
    let tlv = image.tlvs().find(|tlv| key.opens(tlv.kind)).unwrap();
    let content_key = key.unwrap_content_key(tlv.kind, tlv.value).unwrap();
    let plain = image.plain_payload(Some(&content_key)).into_owned();

    // What is programmed and sent may be read by anybody: the other images of the set share most of their code.
    let set = hil_scenario::FirmwareSet::load(demo.join("firmware.yaml")).unwrap();
    let public: Vec<Vec<u8>> = set
        .files()
        .map(|file| match file.name().ends_with(".hex") {
            true => unhex(&String::from_utf8_lossy(file.contents())),
            false => file.contents().to_vec(),
        })
        .collect();
    let public: Vec<&[u8]> = public.iter().map(Vec::as_slice).collect();
    let private: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(demo.join("keys"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pem"))
        .map(|path| (path.clone(), read(&path)))
        .filter(|(_, pem)| String::from_utf8_lossy(pem).contains("PRIVATE KEY"))
        .collect();
    assert!(!private.is_empty(), "the demo set has private keys");

    let mut wanted = Wanted::default();
    wanted.add("the plain text", tell_tales(&plain, &public));
    wanted.add("the content key", tell_tales(content_key.expose(), &[]));
    // Public keys have their half of a private one's file; what is in the evidence of these must not count.
    let public_keys: Vec<Vec<u8>> = left
        .files()
        .iter()
        .map(|path| read(path))
        .filter(|file| String::from_utf8_lossy(file).contains("-----BEGIN PUBLIC KEY-----"))
        .map(|file| der(&file))
        .collect();
    let known: Vec<&[u8]> = public_keys
        .iter()
        .map(Vec::as_slice)
        .chain(public.iter().copied())
        .collect();
    for (path, pem) in &private {
        wanted.add(&path.display().to_string(), private_part(&der(pem), &known));
    }
    wanted.add("what was sent", tell_tales(image.payload(), &[]));

    // The page of a run has no packets of an upload, but the words of each step, and these only packed.
    let words = b"plain text of encrypted.app is in app.primary only";
    let page = read(&RunDirectory::at(&left.run).html());
    assert!(!page.windows(words.len()).any(|window| window == words));
    wanted.add("the words of a step", tell_tales(words, &[]));

    let mut seen = BTreeSet::new();
    for path in left.files() {
        let name = path
            .strip_prefix(&left.run)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let mut found = wanted.found_in(&read(&path));
        for public in ["what was sent", "the words of a step"] {
            if found.remove(public) {
                let folder = name.split('/').next().unwrap().to_owned();
                seen.insert((public, folder));
            }
        }
        assert!(found.is_empty(), "{found:?} in {name}");
    }
    // The same search finds what is no secret wherever it is: raw, as digits, and packed in the page.
    for (what, place) in [
        ("what was sent", "smp.pcapng"),
        ("what was sent", "journal.jsonl"),
        ("what was sent", Objects::FOLDER),
        ("the words of a step", "report.html"),
    ] {
        assert!(
            seen.contains(&(what, place.to_owned())),
            "{what} is not found in {place}, only {seen:?}"
        );
    }
}

/// What a PEM file holds; some have lines of text above it.
fn der(pem: &[u8]) -> Vec<u8> {
    let body: String = String::from_utf8_lossy(pem)
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----"))
        .collect();
    BASE64_STANDARD.decode(body).unwrap()
}

/// Blocks of a private key: 16 bytes at any place that no public bytes have.
fn private_part(der: &[u8], public: &[&[u8]]) -> Vec<[u8; BLOCK]> {
    let known: HashSet<&[u8]> = public
        .iter()
        .flat_map(|bytes| bytes.windows(BLOCK))
        .collect();
    der.windows(BLOCK)
        .filter(|window| !known.contains(window))
        .map(|window| window.try_into().unwrap())
        .collect()
}

/// The bytes of an Intel HEX file, in the order of its lines.
fn unhex(text: &str) -> Vec<u8> {
    ihex::Reader::new(text)
        .filter_map(|record| match record.unwrap() {
            ihex::Record::Data { value, .. } => Some(value),
            _ => None,
        })
        .flatten()
        .collect()
}

#[test]
fn every_comparison_of_a_run_is_made_again() {
    let left = Left::by("encrypted-app[uart]");
    let without = left.replay(&[]);
    assert_eq!(without.code, Some(0), "{}", without.all());
    assert!(
        without
            .stdout
            .contains("needs the key that images are encrypted for"),
        "{}",
        without.all()
    );
    let key = decryption_key(&left.desk.path("demo"));
    let with = left.replay(&["--decryption-key", &key.to_string_lossy()]);
    assert_eq!(with.code, Some(0), "{}", with.all());
    assert!(!with.stdout.contains("not made again"), "{}", with.all());
    insta::assert_snapshot!(with.stdout);
}

#[test]
fn a_flipped_byte_of_a_page_is_found_with_the_file_and_the_step() {
    let left = Left::by("app-update[uart]");
    let clean = left.replay(&[]);
    assert_eq!(clean.code, Some(0), "{}", clean.all());
    assert!(!clean.stdout.contains("not made again"), "{}", clean.all());
    let events = read_journal(&RunDirectory::at(&left.run).journal())
        .unwrap()
        .events;
    let page = events.iter().find_map(|event| match &event.kind {
        EventKind::Checked(made) if made.step == 4 => made
            .check
            .objects()
            .first()
            .map(|digest| (*digest).to_owned()),
        _ => None,
    });
    let path = Objects::path_of(&page.unwrap()).unwrap();
    let mut bytes = read(&left.run.join(&path));
    bytes[77] ^= 1;
    fs::write(left.run.join(&path), bytes).unwrap();
    let found = left.replay(&[]);
    assert_eq!(found.code, Some(1), "{}", found.all());
    let file = format!(
        "refused: `{path}` has changed since the run ended, in step 4 `expect_slot` of scenario `app-update[uart]`"
    );
    let step = format!(
        "refused: step 4 `expect_slot` of scenario `app-update[uart]`: object `{path}` has changed"
    );
    assert!(found.stdout.contains(&file), "{}", found.all());
    assert!(found.stdout.contains(&step), "{}", found.all());
}

#[test]
fn a_page_that_somebody_exchanged_contradicts_the_verdict() {
    let left = Left::by("app-update[uart]");
    let other = Objects::of_run(&left.run).put(&[0x5A; 4096]).unwrap();
    left.forge(|event| {
        if let EventKind::Checked(made) = &mut event.kind
            && made.step == 4
            && let hil_record::Check::SlotHolds { found, .. } = &mut made.check
        {
            found.changed[1].found = Some(other.clone());
        }
    });
    let found = left.replay(&[]);
    assert_eq!(found.code, Some(1), "{}", found.all());
    let expected = "refused: step 4 `expect_slot` of scenario `app-update[uart]`: it passed, but slot app.secondary holds";
    assert!(found.stdout.contains(expected), "{}", found.all());
}

#[test]
fn a_failure_is_made_again_and_cannot_be_made_a_pass() {
    let desk = Desk::new(1, 20);
    let ran = desk.run_scenario(
        "scenario: wrong\nsummary: An update that nobody sent.\nrequirements: [DFU-APP-1]\nsteps:\n  - program: baseline\n  \
         - expect_boot: { app: baseline }\n  - expect_slot: { slot: app.secondary, holds: update.app }\n",
    );
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    let run = desk.runs().pop().unwrap();
    let left = Left { desk, run };
    let honest = left.replay(&[]);
    assert_eq!(honest.code, Some(0), "{}", honest.all());
    assert!(
        honest.stdout.starts_with(" fail wrong ("),
        "{}",
        honest.all()
    );
    left.forge(|event| {
        if let EventKind::StepFinished {
            number, outcome, ..
        } = &mut event.kind
            && *number == 3
        {
            *outcome = hil_record::Outcome::Pass;
        }
    });
    let found = left.replay(&[]);
    assert_eq!(found.code, Some(1), "{}", found.all());
    let expected = "refused: step 3 `expect_slot` of scenario `wrong`: it passed, but slot app.secondary holds nothing";
    assert!(found.stdout.contains(expected), "{}", found.all());
}

#[test]
fn a_look_that_somebody_took_out_is_missed() {
    let left = Left::by("app-update[uart]");
    left.forge(|event| {
        if let EventKind::Checked(made) = &event.kind
            && matches!(made.check, hil_record::Check::Predicted { .. })
        {
            event.kind = EventKind::Note {
                board: None,
                text: "nothing to see".to_owned(),
            };
        }
    });
    let found = left.replay(&[]);
    assert_eq!(found.code, Some(1), "{}", found.all());
    let expected = "`flash_as_predicted` of scenario `app-update[uart]`: it passed, but the journal has no look at the whole flash";
    assert!(found.stdout.contains(expected), "{}", found.all());
}

#[test]
fn wireshark_decodes_every_captured_packet_with_its_step() {
    let Some(tshark) = support::peers::tshark() else {
        return;
    };
    let left = Left::by("app-update[");
    let dissector = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/wireshark/smp.lua");
    let fields = [
        "frame.interface_name",
        "frame.packet_flags_direction",
        "mcumgr_smp.op",
        "mcumgr_smp.name",
        "frame.comment",
        "_ws.malformed",
    ];
    let read = std::process::Command::new(tshark)
        .arg("-X")
        .arg(format!("lua_script:{}", dissector.display()))
        .arg("-r")
        .arg(left.run.join("smp.pcapng"))
        .args(["-T", "fields", "-E", "separator=|"])
        .args(fields.iter().flat_map(|field| ["-e", field]))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{said}");
    assert!(!said.contains("Lua: "), "{said}");
    let text = String::from_utf8_lossy(&read.stdout);
    let packets: Vec<Vec<&str>> = text.lines().map(|line| line.split('|').collect()).collect();
    let events = read_journal(&RunDirectory::at(&left.run).journal())
        .unwrap()
        .events;
    let sent = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Smp(_)));
    assert_eq!(
        packets.len(),
        sent.count(),
        "every packet of the journal is in the capture"
    );
    for packet in &packets {
        let [interface, direction, op, name, comment, expert] = packet.as_slice() else {
            panic!("{packet:?}");
        };
        assert!(["dk uart", "dk ble"].contains(interface), "{packet:?}");
        // Requests go out (2), answers come in (1).
        let is_request = matches!(*op, "0" | "2");
        assert_eq!(
            *direction,
            if is_request {
                "0x00000002"
            } else {
                "0x00000001"
            },
            "{packet:?}"
        );
        assert!(
            name.starts_with("image ") || name.starts_with("os "),
            "{packet:?}"
        );
        assert!(
            comment.contains("app-update[") && comment.contains(" step "),
            "{packet:?}"
        );
        assert_eq!(*expert, "", "nothing is malformed: {packet:?}");
    }
    let of = |link: &str, name: &str| {
        packets
            .iter()
            .any(|packet| packet[0] == link && packet[3] == name)
    };
    assert!(of("dk uart", "image upload") && of("dk ble", "image upload"));
}
