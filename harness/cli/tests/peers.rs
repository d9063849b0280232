//! Tools that nobody here wrote, on the virtual DK: imgtool makes images, smpmgr updates with them, probe-rs programs.
//!
//! The Python tools are looked for in the folder `DFU_HIL_PEERS`; without it these tests say `skipped` and pass, unless
//! `DFU_HIL_REQUIRE_PEERS` is set (CI sets both). The `probe-rs` and `mcumgrctl` commands take minutes to build, so their
//! tests run wherever the commands are on the path, and say so where they are not.

mod support;

use hil_clock::SystemClock;
use hil_image::{Damage, Image, PublicKey, Verifier};
use hil_record::Verdict;
use hil_rig::{Core, ProbeSelector, ProbeSession, Recover};
use hil_runner::Firmware;
use hil_scenario::{FirmwareSet, ImageRef};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use support::boards::Boards;
use support::peers::python_tools;
use support::{Desk, Ended, library};

/// Where the demo's layout has the slots, and how large they are.
const PRIMARY: u32 = 0xC000;
const SECONDARY: u32 = 0x4_C000;
const SLOT: u32 = 0x4_0000;
/// Where a payload behind the usual header starts to run, as a vector (bit 0 is Thumb).
const RESET_VECTOR: u32 = PRIMARY + 0x200 + 0x101;
/// How often a client asks again whether the board is back: each try waits by itself.
const TRIES: usize = 40;

/// A command on the path, or nothing.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    if found.is_none() {
        println!("skipped: `{name}` is not on the path");
    }
    found
}

/// A virtual board, which ends with this value.
struct Board(Boards);

impl Board {
    fn start(args: &[&str]) -> Self {
        Self(Boards::start(args))
    }

    fn probe(&self) -> &str {
        self.0.text("/boards/0/probe")
    }

    fn app_uart(&self) -> &str {
        self.0.text("/boards/0/uart/app")
    }

    /// Reads application flash through the probe.
    fn flash(&self, address: u32, length: usize) -> Vec<u8> {
        let selector: ProbeSelector = self.probe().parse().expect("the selector is probe-rs's");
        let clock = Arc::new(SystemClock::new());
        let probe = ProbeSession::with_probe("dk", selector, Recover::Forbidden, clock);
        probe
            .read(Core::App, address, u32::try_from(length).expect("it fits"))
            .expect("the board can be read")
    }
}

fn run(program: &Path, args: &[&str]) -> Ended {
    let output = Command::new(program)
        .args(args)
        .env("NO_COLOR", "1")
        .env("COLUMNS", "200")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
    Ended::new(&output)
}

fn succeeds(program: &Path, args: &[&str]) -> String {
    let ended = run(program, args);
    assert_eq!(
        ended.code,
        Some(0),
        "{} {args:?}\n{}",
        program.display(),
        ended.all()
    );
    ended.stdout
}

/// The demo firmware, and a payload of somebody else signed by imgtool for its bootloader.
struct Images {
    desk: Desk,
    imgtool: PathBuf,
}

impl Images {
    fn new(tools: &Path) -> Self {
        let desk = Desk::empty();
        assert_eq!(desk.run(&["demo-firmware", "demo"]).code, Some(0));
        let mut payload: Vec<u8> = (0..30_000_u32)
            .map(|byte| (byte * 7 + byte / 251) as u8)
            .collect();
        payload[..4].copy_from_slice(&0x2004_0000_u32.to_le_bytes());
        payload[4..8].copy_from_slice(&RESET_VECTOR.to_le_bytes());
        fs::write(desk.path("payload.bin"), payload).expect("the folder is ours");
        Self {
            desk,
            imgtool: tools.join("imgtool"),
        }
    }

    fn path(&self, name: &str) -> String {
        self.desk.path(name).to_string_lossy().into_owned()
    }

    fn sign(&self, name: &str, version: &str, more: &[&str]) -> PathBuf {
        let (key, payload, image) = (
            self.path("demo/keys/signing.pem"),
            self.path("payload.bin"),
            self.path(name),
        );
        let mut args = vec![
            "sign",
            "--key",
            &key,
            "--header-size",
            "0x200",
            "--pad-header",
            "--align",
            "4",
            "--slot-size",
            "0x40000",
            "--version",
            version,
        ];
        args.extend(more);
        args.extend([payload.as_str(), image.as_str()]);
        succeeds(&self.imgtool, &args);
        image.into()
    }
}

/// A client on the application's serial port.
struct Smpmgr<'a> {
    program: PathBuf,
    board: &'a Board,
}

impl Smpmgr<'_> {
    fn command(&self, args: &[&str]) -> Ended {
        let mut all = vec!["--port", self.board.app_uart(), "--timeout", "10"];
        all.extend(args);
        run(&self.program, &all)
    }

    fn succeeds(&self, args: &[&str]) -> String {
        let ended = self.command(args);
        assert_eq!(ended.code, Some(0), "smpmgr {args:?}\n{}", ended.all());
        ended.stdout
    }

    /// The image list, once it shows `version` in slot 0.
    fn list_with(&self, version: &str) -> Vec<Entry> {
        let mut last = String::new();
        for _ in 0..TRIES {
            let ended = self.command(&["image", "state-read"]);
            let entries = entries(&ended.stdout);
            if entries
                .first()
                .is_some_and(|entry| entry.version == version)
            {
                return entries;
            }
            last = ended.all();
        }
        panic!("{version} never came up in slot 0; last:\n{last}");
    }
}

/// What smpmgr prints of a slot.
#[derive(Debug, Default)]
struct Entry {
    version: String,
    hash: String,
    flags: Vec<String>,
}

fn entries(text: &str) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("slot=") {
            found.push(Entry::default());
        }
        let Some(entry) = found.last_mut() else {
            continue;
        };
        if let Some(version) = line.strip_prefix("version='") {
            entry.version = version.trim_end_matches("',").to_owned();
        } else if let Some((name, "True")) = line.trim_end_matches(',').split_once('=') {
            entry.flags.push(name.to_owned());
        } else if let Some(hash) = line
            .split(|byte: char| !byte.is_ascii_hexdigit())
            .find(|run| run.len() == 64)
        {
            entry.hash = hash.to_owned();
        }
    }
    found
}

#[test]
fn smpmgr_updates_tests_and_confirms_an_image_that_imgtool_made() {
    let Some(tools) = python_tools() else { return };
    let images = Images::new(&tools);
    let image = images.sign("update.bin", "7.8.9", &[]);
    let board = Board::start(&[]);
    let smpmgr = Smpmgr {
        program: tools.join("smpmgr"),
        board: &board,
    };

    let before = smpmgr.list_with("1.0.0");
    assert_eq!(before.len(), 1, "{before:?}");
    smpmgr.succeeds(&["image", "upload", &image.to_string_lossy()]);
    let uploaded = smpmgr.list_with("1.0.0");
    assert_eq!(uploaded[1].version, "7.8.9");
    let file = fs::read(&image).expect("imgtool wrote it");
    assert_eq!(
        board.flash(SECONDARY, file.len()),
        file,
        "the slot holds what was sent"
    );

    smpmgr.succeeds(&["image", "state-write", &uploaded[1].hash]);
    smpmgr.succeeds(&["os", "reset"]);
    let testing = smpmgr.list_with("7.8.9");
    assert_eq!(testing[0].flags, ["bootable", "active"], "{testing:?}");
    smpmgr.succeeds(&["image", "state-write", "--confirm"]);
    smpmgr.succeeds(&["os", "reset"]);
    let confirmed = smpmgr.list_with("7.8.9");
    assert_eq!(
        confirmed[0].flags,
        ["bootable", "confirmed", "active"],
        "{confirmed:?}"
    );
    assert_eq!(
        board.flash(PRIMARY, file.len()),
        file,
        "the primary slot holds what was sent"
    );
}

/// What somebody does who has a binary and a key and no build system: the image is a release like any other.
#[test]
fn an_image_signed_by_hand_with_imgtool_is_a_release_that_scenarios_update_to() {
    let Some(tools) = python_tools() else { return };
    let images = Images::new(&tools);
    let image = images.sign("by-hand.bin", "2.0.1", &[]);
    let desk = &images.desk;
    fs::copy(image, desk.path("demo/update/app_update.bin")).expect("both folders are ours");
    desk.write(
        "rig.yaml",
        "rig: test\nboards:\n  - name: dk\n    virtual: { speed: 20 }\n",
    );
    let check = desk.run(&["firmware", "check", "demo/firmware.yaml"]);
    assert_eq!(check.code, Some(0), "{}", check.all());
    let scenario = |name: &str| library().join(name).to_string_lossy().into_owned();
    let ended = desk.run(&[
        "run",
        &scenario("app-update.yaml"),
        &scenario("recovery-by-button.yaml"),
        "--rig",
        "rig.yaml",
        "--firmware",
        "demo/firmware.yaml",
        "--json",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let record = ended.record();
    assert!(
        record
            .scenarios
            .iter()
            .all(|ran| ran.outcome.verdict() == Verdict::Pass),
        "{}",
        ended.all()
    );
}

#[test]
fn smpmgr_update_that_nobody_confirms_reverts() {
    let Some(tools) = python_tools() else { return };
    let images = Images::new(&tools);
    let image = images.sign("update.bin", "2.5.0+77", &[]);
    let board = Board::start(&[]);
    let smpmgr = Smpmgr {
        program: tools.join("smpmgr"),
        board: &board,
    };

    let before = smpmgr.list_with("1.0.0")[0].hash.clone();
    smpmgr.succeeds(&["image", "upload", &image.to_string_lossy()]);
    let hash = smpmgr.list_with("1.0.0")[1].hash.clone();
    smpmgr.succeeds(&["image", "state-write", &hash]);
    smpmgr.succeeds(&["os", "reset"]);
    assert_eq!(smpmgr.list_with("2.5.0.77")[0].hash, hash);
    smpmgr.succeeds(&["os", "reset"]);
    assert_eq!(smpmgr.list_with("1.0.0")[0].hash, before);
}

#[test]
fn an_image_that_imgtool_encrypted_lies_encrypted_in_the_secondary_slot_and_plain_in_the_primary() {
    let Some(tools) = python_tools() else { return };
    let images = Images::new(&tools);
    let key = images.path("demo/keys/encryption.pem");
    let image = images.sign("encrypted.bin", "3.0.0", &["--encrypt", &key]);
    let board = Board::start(&[]);
    let smpmgr = Smpmgr {
        program: tools.join("smpmgr"),
        board: &board,
    };

    smpmgr.list_with("1.0.0");
    smpmgr.succeeds(&["image", "upload", &image.to_string_lossy()]);
    let file = fs::read(&image).expect("imgtool wrote it");
    let plain = fs::read(images.desk.path("payload.bin")).expect("we wrote it");
    assert_eq!(
        board.flash(SECONDARY, file.len()),
        file,
        "cipher text is stored"
    );
    let hash = smpmgr.list_with("1.0.0")[1].hash.clone();
    smpmgr.succeeds(&["image", "state-write", &hash]);
    smpmgr.succeeds(&["os", "reset"]);
    smpmgr.list_with("3.0.0");
    assert_eq!(
        board.flash(PRIMARY + 0x200, plain.len()),
        plain,
        "plain text runs"
    );
    let secondary = board.flash(SECONDARY, SLOT as usize);
    assert!(
        !secondary
            .windows(64)
            .any(|window| window == &plain[64..128]),
        "no plain text is left in the secondary slot"
    );
}

#[test]
fn imgtool_verifies_the_images_of_the_demo_firmware() {
    let Some(tools) = python_tools() else { return };
    let images = Images::new(&tools);
    let key = images.path("demo/keys/signing.pub.pem");
    for (name, good) in [
        ("baseline/app_update.bin", true),
        ("baseline/net_core_app_update.bin", true),
        ("update/app_update.bin", true),
        ("update/net_core_app_update.bin", true),
        ("tampered/app_update.bin", false),
        ("wrong-key/app_update.bin", false),
    ] {
        let ended = run(
            &images.imgtool,
            &[
                "verify",
                "--key",
                &key,
                &images.path(&format!("demo/{name}")),
            ],
        );
        assert_eq!(ended.code == Some(0), good, "{name}: {}", ended.all());
    }
}

/// What imgtool does not look at, and a bootloader does: the hash that names the key, and the flags.
const IMGTOOL_OVERLOOKS: [&str; 3] = ["flip-key-hash", "encrypted-flag", "not-bootable"];

#[test]
fn imgtool_refuses_damaged_images_where_the_bootloader_does() {
    let Some(tools) = python_tools() else { return };
    let images = Images::new(&tools);
    let key = images.path("demo/keys/signing.pub.pem");
    let pem = fs::read_to_string(&key).expect("the set has it");
    let verifier = Verifier::new([PublicKey::from_pem(&pem).expect("a public key")]);
    let set = FirmwareSet::load(images.path("demo/firmware.yaml")).expect("it is in order");
    let firmware = Firmware::new(set).expect("it is in order");
    let mut differ = Vec::new();
    for damage in Damage::ALL {
        let role = ImageRef::new(format!("update+{damage}"), hil_scenario::Core::App);
        let Ok(bytes) = firmware.bytes_of(&role) else {
            continue;
        };
        let file = images.path(&format!("{damage}.bin"));
        fs::write(&file, &bytes).expect("the folder can be written to");
        let ours = Image::parse(&bytes).is_ok_and(|image| verifier.verify(&image).is_ok());
        let theirs = run(&images.imgtool, &["verify", "--key", &key, &file]).code == Some(0);
        match (ours, theirs) {
            (false, true) => differ.push(damage.word()),
            _ => assert_eq!(ours, theirs, "{damage}"),
        }
    }
    assert_eq!(differ, IMGTOOL_OVERLOOKS);
}

#[test]
fn the_stock_probe_rs_command_programs_reads_and_verifies() {
    let Some(probe_rs) = on_path("probe-rs") else {
        return;
    };
    let desk = Desk::empty();
    assert_eq!(desk.run(&["demo-firmware", "demo"]).code, Some(0));
    // Stock probe-rs 0.32 has no reset sequence that releases the network core.
    let board = Board::start(&["--lenient-forceoff", "--blank"]);
    let target = [
        "--probe",
        board.probe(),
        "--chip",
        "nRF5340_xxAA",
        "--protocol",
        "swd",
    ];
    for file in ["baseline/merged.hex", "baseline/merged_CPUNET.hex"] {
        let file = desk.path("demo").join(file).to_string_lossy().into_owned();
        let download = [
            &["download"],
            &target[..],
            &["--binary-format", "hex", "--verify", &file],
        ]
        .concat();
        succeeds(&probe_rs, &download);
        let verify = [&["verify"], &target[..], &["--binary-format", "hex", &file]].concat();
        succeeds(&probe_rs, &verify);
    }
    let read = [&["read"], &target[..], &["b32", "0xC000", "1"]].concat();
    assert!(
        succeeds(&probe_rs, &read).contains("96f3b83d"),
        "the image header's magic"
    );
    succeeds(&probe_rs, &[&["reset"], &target[..]].concat());
}

#[test]
fn mcumgrctl_updates_and_reverts() {
    let Some(mcumgrctl) = on_path("mcumgrctl") else {
        return;
    };
    let desk = Desk::empty();
    assert_eq!(desk.run(&["demo-firmware", "demo"]).code, Some(0));
    let file = |name: &str| desk.path("demo").join(name).to_string_lossy().into_owned();
    let board = Board::start(&[]);
    let command = |args: &[&str]| {
        let all = [&["--serial", board.app_uart(), "--timeout", "5000"], args].concat();
        run(&mcumgrctl, &all)
    };
    let wait_for = |version: &str| {
        (0..TRIES)
            .find(|_| {
                let list = command(&["image", "get-state"]).stdout;
                list.lines()
                    .find(|line| line.contains("version:"))
                    .is_some_and(|line| line.contains(version))
            })
            .unwrap_or_else(|| panic!("{version} never came up in slot 0"));
    };
    wait_for("1.0.0");
    let update = command(&["firmware", "update", &file("update/app_update.bin")]);
    assert_eq!(update.code, Some(0), "{}", update.all());
    wait_for("2.0.0");
    let reset = command(&["os", "system-reset"]);
    assert_eq!(reset.code, Some(0), "{}", reset.all());
    wait_for("1.0.0");
}
