//! `dfu-hil bootloader`: what the real MCUboot was recorded doing comes out of the command.

#![expect(clippy::expect_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use rstest::rstest;
use serde_json::{Value, json};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use support::{Desk, Ended};

/// The recordings of the project.
fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bootloader/tests/data/golden")
}

/// A recorded case.
fn case(id: &str) -> Value {
    let text = fs::read_to_string(recordings().join("cases.jsonl")).expect("it is in the project");
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("every line is a case"))
        .find(|case| case["id"] == id)
        .expect("there is such a case")
}

/// A desk with a folder `recordings` that holds these cases and all that they refer to.
fn desk_with(cases: &[Value]) -> Desk {
    let desk = Desk::empty();
    let folder = desk.path("recordings");
    for part in ["blobs", "keys"] {
        fs::create_dir_all(folder.join(part)).expect("the folder is ours");
        for entry in fs::read_dir(recordings().join(part)).expect("it is in the project") {
            let entry = entry.expect("it can be listed");
            fs::copy(entry.path(), folder.join(part).join(entry.file_name()))
                .expect("there is room");
        }
    }
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    fs::write(folder.join("cases.jsonl"), lines).expect("the folder is ours");
    desk
}

fn golden(desk: &Desk) -> Ended {
    desk.run(&["bootloader", "golden", "recordings", "--jobs", "2"])
}

#[test]
fn recordings_that_the_model_agrees_with_pass() {
    let desk = desk_with(&[
        case("move-ec256/test-revert"),
        case("offset-ec256/test-revert"),
    ]);
    let ended = golden(&desk);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert_eq!(
        ended.stdout.lines().last(),
        Some("2 cases, 2 passed, 0 failed"),
        "{}",
        ended.all()
    );
}

#[test]
fn a_difference_is_told_and_is_a_failure() {
    let mut changed = case("move-ec256/test-revert");
    changed["steps"][0]["expect"]["trace"][1][2] = 131_040.into();
    let ended = golden(&desk_with(&[changed, case("offset-ec256/test-revert")]));
    assert_eq!(ended.code, Some(1), "{}", ended.all());
    assert!(
        ended
            .stdout
            .contains("step 0: operation 1: recorded W app.primary+0x1ffe0"),
        "{}",
        ended.all()
    );
    assert_eq!(
        ended.stdout.lines().last(),
        Some("2 cases, 1 passed, 1 failed"),
        "{}",
        ended.all()
    );
}

#[test]
fn recordings_that_cannot_be_read_are_a_mistake_of_the_command_line() {
    let ended = golden(&Desk::empty());
    assert_eq!(ended.code, Some(2), "{}", ended.all());
    insta::assert_snapshot!(ended.stderr, @r"
    error: recordings `recordings`: cannot read recordings/cases.jsonl: No such file or directory (os error 2)
    help: the folder must hold `cases.jsonl`, `blobs` and `keys`, as `harness/bootloader/tests/data/golden` does
    ");
}

#[test]
fn recordings_without_a_case_are_never_a_pass() {
    let ended = golden(&desk_with(&[]));
    assert_eq!(ended.code, Some(4), "{}", ended.all());
}

/// The flash that a case begins with: all devices, one after the other.
fn initial_flash(case: &Value) -> Vec<u8> {
    let layout = &case["layout"];
    let size = |device: &str| layout["devices"][device].as_u64().unwrap_or(0) as usize;
    let mut flash = vec![0xff; size("int") + size("ext")];
    for edit in case["flash"]["edits"].as_array().expect("a list") {
        let slot = &layout["slots"][edit["slot"].as_str().expect("a name")];
        let device = if slot["dev"] == "ext" { size("int") } else { 0 };
        let number = |value: &Value| value.as_u64().expect("a number") as usize;
        let start = device + number(&slot["off"]) + number(&edit["off"]);
        let bytes = match edit["blob"].as_str() {
            Some(name) => blob(name),
            None => hex::decode(edit["hex"].as_str().expect("bytes"))
                .expect("hex")
                .repeat(edit["repeat"].as_u64().unwrap_or(1) as usize),
        };
        flash[start..start + bytes.len()].copy_from_slice(&bytes);
    }
    flash
}

fn blob(name: &str) -> Vec<u8> {
    let file = fs::File::open(recordings().join(format!("blobs/{name}.gz"))).expect("recorded");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .expect("it is gzip");
    bytes
}

/// A desk with a case's `config.json` and its flash, `int.bin` and perhaps `ext.bin`; and the arguments that name them.
fn desk_at(case: &Value, flash: &[u8]) -> (Desk, Vec<String>) {
    let desk = Desk::empty();
    let build = json!({ "config": case["config"], "layout": case["layout"] });
    desk.write("config.json", &build.to_string());
    let mut args: Vec<String> = ["--config", "config.json"].map(str::to_owned).to_vec();
    let mut start = 0;
    for device in ["int", "ext"] {
        if let Some(size) = case["layout"]["devices"][device].as_u64() {
            let end = start + size as usize;
            fs::write(desk.path(&format!("{device}.bin")), &flash[start..end]).expect("ours");
            args.extend(["--flash".to_owned(), format!("{device}={device}.bin")]);
            start = end;
        }
    }
    let signing = match case["config"]["signature"].as_str() {
        Some("ecdsa-p256") => Some("root-ec-p256.pem"),
        Some("rsa-2048") => Some("root-rsa-2048.pem"),
        Some("ed25519") => Some("root-ed25519.pem"),
        _ => None,
    };
    let decrypting = (case["config"]["encryption"] == "ec256").then_some("enc-ec256-priv.pem");
    for name in signing.into_iter().chain(decrypting) {
        let path = recordings().join("keys").join(name);
        args.extend(["--key".to_owned(), path.to_string_lossy().into_owned()]);
    }
    (desk, args)
}

/// `--action` for each request before a step.
fn actions(step: &Value) -> Vec<String> {
    let requests = step["actions"].as_array().into_iter().flatten();
    requests
        .flat_map(|request| {
            let name = match request["do"].as_str() {
                Some("perm") => "permanent",
                Some(name) => name,
                None => panic!("a request without a name: {request}"),
            };
            [
                "--action".to_owned(),
                format!("{name}:{}", request["image"]),
            ]
        })
        .collect()
}

fn bootloader(desk: &Desk, command: &str, args: &[String], more: &[&str]) -> Ended {
    let mut all = vec!["bootloader", command];
    all.extend(args.iter().map(String::as_str));
    all.extend(more);
    desk.run(&all)
}

fn json_lines(ended: &Ended) -> Vec<Value> {
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("every line is JSON"))
        .collect()
}

#[rstest]
#[case::swap_move("move-ec256/test-revert")]
#[case::swap_offset("offset-ec256/test-revert")]
#[case::swap_scratch("scratch-ec256/test-revert")]
#[case::overwrite("overwrite-ec256/perm")]
#[case::encrypted("move-ec256-enc/both-with-key")]
#[case::two_images("move-ec256-2img/test-revert")]
#[case::rsa("move-rsa2048/test-revert")]
#[case::nordic("ncs-move-ec256/test-revert")]
#[case::external_flash("ext/scratch-ec256/test-revert")]
#[case::refused("move-ec256/bad-signature")]
fn boots_of_flash_files_are_the_recorded_ones(#[case] id: &str) {
    let case = case(id);
    let (desk, mut args) = desk_at(&case, &initial_flash(&case));
    let steps = case["steps"].as_array().expect("a list");
    args.extend(actions(&steps[0]));
    let boots = steps.len().to_string();
    let ended = bootloader(
        &desk,
        "boot",
        &args,
        &["--boots", &boots, "--trace", "--json"],
    );

    let boots = json_lines(&ended);
    assert_eq!(boots.len(), steps.len());
    for (boot, step) in boots.iter().zip(steps) {
        let expect = &step["expect"];
        for field in ["flash_before", "swap_types_before"] {
            assert_eq!(boot[field], step[field], "{field} of {boot}");
        }
        for field in [
            "result",
            "image",
            "swap_types_after",
            "ops",
            "writes",
            "erases",
            "trailers",
            "flash",
        ] {
            assert_eq!(boot[field], expect[field], "{field} of {boot}");
        }
        if !expect["trace"].is_null() {
            assert_eq!(boot["trace"], expect["trace"], "trace of {boot}");
        }
    }
}

#[test]
fn flash_after_the_last_boot_is_written_and_can_be_booted_again() {
    let case = case("ext/move-ec256/test-revert");
    let (desk, args) = desk_at(&case, &initial_flash(&case));
    let first = bootloader(&desk, "boot", &args, &["--action", "test", "--out", "."]);
    assert_eq!(first.code, Some(0), "{}", first.all());
    let again = json_lines(&bootloader(&desk, "boot", &args, &["--json"]));
    assert_eq!(
        again[0]["flash_before"],
        case["steps"][0]["expect"]["flash"]
    );
    assert_eq!(again[0]["flash"], case["steps"][1]["expect"]["flash"]);
}

#[test]
fn a_torn_cut_leaves_the_recorded_flash() {
    let case = case("move-ec256/sweep-test");
    let (desk, mut args) = desk_at(&case, &initial_flash(&case));
    args.extend(actions(&case["steps"][0]));
    let sweep = &case["sweeps"][1];
    let row = &sweep["cuts"][60];
    let (cut, torn) = (row[0].to_string(), sweep["torn"].to_string());
    let ended = bootloader(
        &desk,
        "boot",
        &args,
        &["--cut", &cut, "--torn", &torn, "--boots", "2", "--json"],
    );
    let boots = json_lines(&ended);
    assert_eq!(boots[0]["result"], "cut");
    assert_eq!(boots[0]["flash"], row[1]);
    assert_eq!(boots[0]["swap_types_after"], row[4]);
    assert_eq!(boots[1]["flash"], row[2]);
}

#[test]
fn a_boot_is_explained_to_people() {
    let case = case("move-ec256/test-revert");
    let (desk, args) = desk_at(&case, &initial_flash(&case));
    let ended = bootloader(&desk, "boot", &args, &["--action", "test"]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    insta::assert_snapshot!(ended.stdout, @r"
    test:0: done
    boot 0: reset
      image 0: test, because secondary magic good, image_ok unset
      boots 2.0.0 at 0x00010000 of app-flash
      swap type test, afterwards revert
      96 flash operations: 79 writes, 17 erases
      trailer of app.primary: good/test/set/unset
      trailer of app.secondary: unset/none/unset/unset
      flash 86d02840aa868a18394a9e28a69cfb67f853f766a14ed01c815bc63644c9eec0
    ");
}

#[test]
fn a_bootloader_of_a_firmware_set_is_taken_too() {
    let case = case("move-ec256/test-revert");
    let (desk, args) = desk_at(&case, &initial_flash(&case));
    desk.write(
        "config.json",
        "mode: swap-move\nsignature: ecdsa-p256\nline: upstream\nimages:\n  \
         - primary: { device: app-flash, offset: 65536, size: 131072 }\n    \
           secondary: { device: app-flash, offset: 196608, size: 131072 }\n",
    );
    let boots = json_lines(&bootloader(
        &desk,
        "boot",
        &args,
        &["--action", "test", "--json"],
    ));
    assert_eq!(boots[0]["flash"], case["steps"][0]["expect"]["flash"]);
}

#[rstest]
#[case::no_key(&["--flash", "int=int.bin"], "error: the bootloader checks signatures, but no key was given that could")]
#[case::device_missing(&["--flash", "ext=int.bin"], "error: the layout has a flash device `int`, but no file was given for it\nhelp: add --flash int=FILE")]
#[case::device_twice(&["--flash", "int=int.bin", "--flash", "app-flash=int.bin"], "was given twice")]
#[case::file_missing(&["--flash", "int=nowhere.bin"], "error: flash file `nowhere.bin`: cannot be read: ")]
#[case::wrong_size(&["--flash", "int=config.json"], "expected the 327680 of `int` in the layout")]
#[case::unknown_device(&["--flash", "flash=int.bin"], "no device `flash`; there are")]
#[case::not_a_pair(&["--flash", "int.bin"], "expected DEV=FILE")]
#[case::unknown_request(&["--flash", "int=int.bin", "--action", "swap"], "no request `swap`; there are `test`, `permanent` and `confirm`")]
#[case::torn_alone(&["--flash", "int=int.bin", "--torn", "4"], "--cut <N>")]
fn wrong_input_is_named(#[case] args: &[&str], #[case] message: &str) {
    let case = case("move-ec256/test-revert");
    let (desk, _) = desk_at(&case, &initial_flash(&case));
    let ended = bootloader(
        &desk,
        "boot",
        &[],
        &[&["--config", "config.json"], args].concat(),
    );
    assert_eq!(ended.code, Some(2), "{}", ended.all());
    assert!(ended.stderr.contains(message), "{}", ended.all());
}

#[rstest]
#[case::mode("mode", json!("swap"), "mode `swap` is not known")]
#[case::sector("sector_size", json!(0), "`sector-size` is 0, expected a multiple of `write-size`, 4")]
#[case::trailer("max_sectors", json!(u32::MAX), "`max-sectors` is 4294967295, expected 1 to 65536")]
#[case::images("images", json!(0), "no slots: `images` is empty")]
#[case::slot("images", json!(2), "layout has no slot `net.primary`")]
fn a_bootloader_that_cannot_be_is_named(
    #[case] field: &str,
    #[case] value: Value,
    #[case] message: &str,
) {
    let mut case = case("move-ec256/test-revert");
    let flash = initial_flash(&case);
    case["config"][field] = value;
    let (desk, args) = desk_at(&case, &flash);
    let ended = bootloader(&desk, "boot", &args, &[]);
    assert_eq!(ended.code, Some(2), "{}", ended.all());
    assert_eq!(
        ended.stderr.lines().next(),
        Some(format!("error: configuration `config.json`: {message}").as_str())
    );
}

#[test]
fn a_request_for_an_image_that_is_not_there_is_a_mistake_of_the_command_line() {
    let case = case("move-ec256/test-revert");
    let (desk, args) = desk_at(&case, &initial_flash(&case));
    let ended = bootloader(&desk, "boot", &args, &["--action", "confirm:1"]);
    assert_eq!(ended.code, Some(2), "{}", ended.all());
    insta::assert_snapshot!(ended.stderr, @"error: there is no image 1 to mark, the bootloader has 1, counted from 0");
}

#[rstest]
#[case::swap_move("move-ec256/sweep-test", 0)]
#[case::torn("overwrite-ec256/sweep-test", 1)]
#[case::swap_offset_permanent("offset-ec256/sweep-perm", 0)]
#[case::encrypted("scratch-ec256-enc/sweep-test", 0)]
#[case::two_devices("ext/move-ec256/sweep-test", 0)]
#[case::a_board_that_never_boots_again("offset-ec256-enc/sweep-test", 0)]
fn every_cut_of_a_sweep_is_the_recorded_one(#[case] id: &str, #[case] sweep: usize) {
    let case = case(id);
    let (desk, mut args) = desk_at(&case, &initial_flash(&case));
    args.extend(actions(&case["steps"][0]));
    let torn = case["sweeps"][sweep]["torn"].as_u64().unwrap_or(0);
    let ended = bootloader(&desk, "sweep", &args, &["--torn", &torn.to_string()]);

    let cuts: Vec<Value> = json_lines(&ended)
        .iter()
        .map(|line| {
            json!([
                line["cut"],
                line["flash_at_cut"],
                line["flash_after"],
                line["version"],
                line["swap_types_at_cut"],
            ])
        })
        .collect();
    let recorded = case["sweeps"][sweep]["cuts"].as_array().expect("a list");
    assert_eq!(&cuts, recorded);
}

#[test]
fn a_summary_of_a_sweep_names_the_cuts_that_end_otherwise() {
    let case = case("move-ec256/sweep-revert");
    let (desk, args) = desk_after("move-ec256/sweep-revert", &[]);
    let sweep = &case["sweeps"][0];
    assert_eq!(sweep["step"], 1, "the revert follows the test of step 0");
    let cuts = sweep["cuts"].as_array().expect("a list");
    let summary = |jobs| {
        let ended = bootloader(&desk, "sweep", &args, &["--summary", "--jobs", jobs]);
        assert_eq!(ended.code, Some(0), "{}", ended.all());
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert!(
            lines[1].starts_with(&format!("{} cut points in ", cuts.len())),
            "{}",
            ended.all()
        );
        [&lines[..1], &lines[2..]].concat().join("\n")
    };
    let alone = summary("1");
    assert_eq!(alone, summary("3"));
    insta::assert_snapshot!(alone, @r"
    uninterrupted: boots 1.0.0+0
       101 x boots 1.0.0+0
    6 cuts end in another flash:
      cut 4 (boot.app-erase.4.before): boots 1.0.0+0
      cut 5 (boot.app-write.5.before): boots 1.0.0+0
      cut 6 (boot.app-write.6.before): boots 1.0.0+0
      cut 7 (boot.app-write.7.before): boots 1.0.0+0
      cut 8 (boot.app-write.8.before): boots 1.0.0+0
      cut 9 (boot.app-erase.9.before): boots 1.0.0+0
    ");
}

/// A desk whose flash is the one that step 0 of a case ends with after `more` was given to it.
fn desk_after(id: &str, more: &[&str]) -> (Desk, Vec<String>) {
    let case = case(id);
    let (desk, args) = desk_at(&case, &initial_flash(&case));
    let mut all = args.clone();
    all.extend(actions(&case["steps"][0]));
    let ended = bootloader(&desk, "boot", &all, &[&["--out", "."], more].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    (desk, args)
}

fn explained(desk: &Desk, args: &[String], more: &[&str]) -> String {
    let ended = bootloader(desk, "explain", args, more);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    ended.stdout
}

#[test]
fn an_update_that_waits_for_its_test_is_explained() {
    let case = case("move-ec256/test-revert");
    let (desk, args) = desk_at(&case, &initial_flash(&case));
    insta::assert_snapshot!(explained(&desk, &args, &["--action", "test"]), @r"
    image 0, swap type by its trailers: test
      app.primary: 0x00010000 of int, 0x20000 bytes
        at 0x0000: version 1.0.0, header 0x200, payload 0x2ee0 bytes, flags none
          unprotected TLV SHA256 (0x0010) at 0x30e4, 32 bytes
          unprotected TLV KEYHASH (0x0001) at 0x3108, 32 bytes
          unprotected TLV ECDSA_SIG (0x0022) at 0x312c, 70 bytes
        trailer: magic good, image_ok set, copy_done unset
          swap_info none of image 0 (0xff), swap_size unset
          swap status: none of 384 entries written
      app.secondary: 0x00030000 of int, 0x20000 bytes
        at 0x0000: version 2.0.0, header 0x200, payload 0x4268 bytes, flags none
          unprotected TLV SHA256 (0x0010) at 0x446c, 32 bytes
          unprotected TLV KEYHASH (0x0001) at 0x4490, 32 bytes
          unprotected TLV ECDSA_SIG (0x0022) at 0x44b4, 72 bytes
        trailer: magic good, image_ok unset, copy_done unset
          swap_info test of image 0 (0x02), swap_size unset
          swap status: none of 384 entries written
    next boot
      image 0: test, because secondary magic good, image_ok unset
      boots 2.0.0 at 0x00010000 of app-flash
      96 flash operations: 79 writes, 17 erases
    console
      Starting bootloader
      Primary image: magic=good, swap_type=0x1, copy_done=0x3, image_ok=0x1
      Secondary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3
      Boot source: none
      Image index: 0, Swap type: test
      Starting swap using move algorithm.
      Bootloader chainload address offset: 0x10000
      Image version: v2.0.0
      Jumping to the first image slot
    ");
}

#[test]
fn an_interrupted_swap_is_explained_without_its_keys() {
    let (desk, args) = desk_after("offset-ec256-enc/both-with-key", &["--cut", "30"]);
    insta::assert_snapshot!(explained(&desk, &args, &[]), @r"
    image 0, swap type by its trailers: none
      app.primary: 0x00010000 of int, 0x20000 bytes
        at 0x0000: version 2.0.0, header 0x200, payload 0x4270 bytes, flags ENCRYPTED_AES128
          not whole: unprotected TLV area magic at offset 0x4470 is 0xffff, expected 0x6907
        trailer: magic good, image_ok unset, copy_done unset
          swap_info test of image 0 (0x02), swap_size 0x457b, TLV sizes 0x10d and 0x10b
          key 0: a key in clear
          key 1: a key in clear
          swap status: 3 of 256 entries written, the last is 2
      app.secondary: 0x00030000 of int, 0x20000 bytes
        at 0x0000: version 1.0.0, header 0x200, payload 0x2ee0 bytes, flags ENCRYPTED_AES128
          not whole: unprotected TLV area magic at offset 0x30e0 is 0x9d7b, expected 0x6907
        at 0x1000: no image, header magic at offset 0x0000 is 0xd6e9de04, expected 0x96f3b83d
        trailer: erased
    next boot
      image 0: interrupted test swap resumed, because the status words of the trailer end at step 2.2
      boots 2.0.0 at 0x00010000 of app-flash
      43 flash operations: 36 writes, 7 erases
    console
      Starting bootloader
      Image index: 0, Swap type: none
      Image index: 0, Swap type: none
      Primary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3
      Secondary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
      Boot source: primary slot
      Image index: 0, Swap type: none
      Image index: 0, Swap type: none
      Starting swap using offset algorithm.
      Image index: 0, Swap type: none
      Image index: 0, Swap type: revert
      Bootloader chainload address offset: 0x10000
      Image version: v2.0.0
      Jumping to the first image slot
    ");
}

#[test]
fn what_is_no_image_is_explained_and_not_a_mistake() {
    let case = case("move-ec256/test-revert");
    let flash = vec![0x5a; initial_flash(&case).len()];
    let (desk, args) = desk_at(&case, &flash);
    insta::assert_snapshot!(explained(&desk, &args, &[]), @r"
    image 0, swap type by its trailers: none
      app.primary: 0x00010000 of int, 0x20000 bytes
        at 0x0000: no image, header magic at offset 0x0000 is 0x5a5a5a5a, expected 0x96f3b83d
        trailer: magic bad, image_ok bad, copy_done bad
          swap_info none of image 0 (0x5a), swap_size 0x5a5a5a5a
          swap status: 384 of 384 entries written, the last is 383
      app.secondary: 0x00030000 of int, 0x20000 bytes
        at 0x0000: no image, header magic at offset 0x0000 is 0x5a5a5a5a, expected 0x96f3b83d
        trailer: magic bad, image_ok bad, copy_done bad
          swap_info none of image 0 (0x5a), swap_size 0x5a5a5a5a
          swap status: 384 of 384 entries written, the last is 383
    next boot
      image 0: no update, because no image header where one must be
      image 0: no image in the primary slot, because image is marked as not bootable
      does not boot: the primary slot of image 0 holds no valid image
      0 flash operations: 0 writes, 0 erases
    console
      Starting bootloader
      Primary image: magic=bad, swap_type=0x1, copy_done=0x2, image_ok=0x2
      Secondary image: magic=bad, swap_type=0x1, copy_done=0x2, image_ok=0x2
      Boot source: none
      Failed reading image headers; Image=0
      Unable to find bootable image
    ");
}

#[test]
fn a_sweep_whose_reader_has_seen_enough_ends_quietly() {
    let case = case("move-ec256/sweep-test");
    let (desk, args) = desk_at(&case, &initial_flash(&case));
    let mut all = vec!["bootloader", "sweep", "--action", "test"];
    all.extend(args.iter().map(String::as_str));
    let mut child = desk
        .command(&all)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(child.stdout.take());
    let ended = Ended::new(&child.wait_with_output().expect("it ends"));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}
