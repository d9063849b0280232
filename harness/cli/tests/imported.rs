//! Build folders of the SDK: imported, checked, and run on the virtual rig, where their binaries are opaque.

mod support;
#[path = "../../build-tree/tests/trees/mod.rs"]
mod trees;

use rstest::rstest;
use std::fs;
use support::{Desk, Ended, broken, library};
use trees::{Build, Sdk, Update};
use virtual_dk::demo::Variant;
use virtual_dk::{Speed, VirtualDkOptions};

/// A desk with two builds of one application, imported.
fn imported(sdk: Sdk, update: Update, rest: &[&str]) -> (Desk, Ended) {
    let desk = Desk::new(1, 20);
    let baseline = Build::new(sdk, update);
    baseline.write(&desk.path("old/build"));
    baseline.successor().write(&desk.path("new/build"));
    desk.write("enc.pem", trees::ENC);
    let mut args = vec![
        "firmware",
        "import",
        "--baseline",
        "old/build",
        "--update",
        "new",
        "--out",
        "set",
    ];
    args.extend(rest);
    let ended = desk.run(&args);
    (desk, ended)
}

/// Runs a scenario, or a folder of them, with the imported set.
fn run(desk: &Desk, scenario: &str) -> Ended {
    desk.run(&[
        "run",
        scenario,
        "--rig",
        "rig.yaml",
        "--firmware",
        "set/firmware.yaml",
    ])
}

#[test]
fn an_imported_set_passes_its_check() {
    let (desk, ended) = imported(Sdk::V2_7, Update::Swap, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert_eq!(ended.stdout, "set/firmware.yaml\n");
    let ended = desk.run(&["firmware", "check", "set/firmware.yaml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert!(
        ended
            .stdout
            .contains("4 images in firmware `app`: 0 errors, 0 warnings; SHA-256 "),
        "{}",
        ended.stdout
    );
    let ended = desk.run(&["firmware", "check", "set/firmware.yaml", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
    assert_eq!(json["images"][3]["role"], "update.net");
    assert_eq!(json["images"][3]["verdict"], "accepted");
    assert_eq!(json["findings"], serde_json::json!([]));
}

#[test]
fn the_demo_sets_pass_their_check() {
    for variant in Variant::ALL.iter().map(|variant| variant.name()) {
        let desk = Desk::empty();
        let ended = desk.run(&["demo-firmware", "demo", "--variant", variant]);
        assert_eq!(ended.code, Some(0), "{}", ended.all());
        let ended = desk.run(&["firmware", "check", "demo/firmware.yaml"]);
        let mistakes: Vec<&str> = ended
            .stderr
            .lines()
            .chain(ended.stdout.lines())
            .filter(|line| line.starts_with("error"))
            .collect();
        // What these sets are there for: an image that never installs, and slots that the bootloader has too few sectors for.
        match variant {
            "sdk-2.3" | "sdk-2.5" | "sdk-2.7" => assert!(
                matches!(mistakes[..], [one] if one.contains("encrypted/app_update.bin: is encrypted, and has 0x")),
                "{variant}: {mistakes:?}"
            ),
            "few-sectors" => assert!(
                matches!(mistakes[..], [one] if one.contains("`app.secondary` has 65 sectors")),
                "{variant}: {mistakes:?}"
            ),
            _ => assert_eq!(ended.code, Some(0), "{variant}\n{}", ended.all()),
        }
        assert!(
            ended
                .stdout
                .contains("refused, as intended: wrong-key/app_update.bin"),
            "{}",
            ended.stdout
        );
    }
}

#[test]
fn a_set_that_is_there_is_not_written_over() {
    let (desk, _) = imported(Sdk::V2_7, Update::Swap, &[]);
    let args = [
        "firmware",
        "import",
        "--baseline",
        "old",
        "--update",
        "new",
        "--out",
        "set",
    ];
    let ended = desk.run(&args);
    assert_eq!(ended.code, Some(2));
    insta::assert_snapshot!(ended.stderr, @r"
    error: `set/firmware.yaml` is there already
    help: name another place with `--out`, or write over it with `--force`
    ");
    let mut args = args.to_vec();
    args.push("--force");
    assert_eq!(desk.run(&args).code, Some(0));
}

#[test]
fn the_exit_code_tells_a_wrong_image_from_a_wrong_file() {
    let (desk, _) = imported(Sdk::V2_7, Update::Swap, &[]);
    // The same build as both: an update to itself cannot work.
    let ended = desk.run(&[
        "firmware",
        "import",
        "--baseline",
        "old",
        "--update",
        "old",
        "--out",
        "same.yaml",
    ]);
    assert_eq!(ended.code, Some(1), "{}", ended.all());
    let ended = desk.run(&["firmware", "check", "same.yaml"]);
    assert_eq!(ended.code, Some(1), "{}", ended.all());
    let ended = desk.run(&["firmware", "check", "nowhere.yaml"]);
    assert_eq!(ended.code, Some(2), "{}", ended.all());
    let ended = desk.run(&["firmware", "import", "--baseline", "old", "--update", "set"]);
    assert_eq!(ended.code, Some(2), "{}", ended.all());
}

/// Everything that needs only the two releases of an import.
#[test]
fn an_imported_set_is_updated_on_a_virtual_board() {
    let (desk, ended) = imported(Sdk::V2_9, Update::Swap, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    fs::create_dir(desk.path("mine")).expect("the folder is ours");
    for name in ["app-update", "net-update", "app-then-net"] {
        let name = format!("{name}.yaml");
        fs::copy(library().join(&name), desk.path("mine").join(&name)).expect("it is there");
    }
    let ended = run(&desk, "mine");
    assert_eq!(ended.code, Some(0), "{}", ended.all());
}

/// A network core image of one's own comes out of both build systems under another name, and in another folder.
#[rstest]
#[case::child_images(Sdk::V2_5)]
#[case::sysbuild(Sdk::V2_7)]
fn a_network_core_image_of_ones_own_is_updated_from_either_build_system(#[case] sdk: Sdk) {
    let (desk, ended) = imported(sdk, Update::Swap, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let scenario = library().join("net-update.yaml");
    let ended = run(&desk, &scenario.to_string_lossy());
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert!(ended.stderr.contains("PASS net-update"), "{}", ended.all());
}

/// Up to SDK 2.7 an encrypted application is taken for network firmware: a set of such a build must not do better.
#[rstest]
#[case::with_the_defect(Sdk::V2_5, 1, "encrypted-taken-for-network.yaml")]
#[case::without(Sdk::V2_9, 0, "encrypted-app.yaml")]
fn an_imported_set_with_encryption_does_on_a_virtual_board_what_its_line_does(
    #[case] sdk: Sdk,
    #[case] told: i32,
    #[case] scenario: &str,
) {
    let (desk, ended) = imported(sdk, Update::SwapEncrypted, &["--encryption-key", "enc.pem"]);
    assert_eq!(ended.code, Some(told), "{}", ended.all());
    let scenario = library().join(scenario);
    let ended = run(&desk, &scenario.to_string_lossy());
    assert_eq!(ended.code, Some(0), "{}", ended.all());
}

/// Overwrite-only has no way back, and RSA makes what is programmed differ from what is sent in its signature.
#[test]
fn an_imported_set_with_an_external_slot_is_updated_on_a_virtual_board() {
    let (desk, ended) = imported(Sdk::V3_0, Update::Simultaneous, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let scenario = library().join("overwrite-app.yaml");
    let ended = run(&desk, &scenario.to_string_lossy());
    assert_eq!(ended.code, Some(0), "{}", ended.all());
}

/// What published builds for this chip are, of an SDK whose bootloader does not name images on the console and of later ones.
#[rstest]
#[case::sdk_2_3(Sdk::V2_3)]
#[case::sdk_2_7(Sdk::V2_7)]
#[case::sdk_3_0(Sdk::V3_0)]
fn an_imported_set_of_both_cores_is_updated_at_once_on_a_virtual_board(#[case] sdk: Sdk) {
    let (desk, ended) = imported(sdk, Update::Simultaneous, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let scenario = library().join("both-simultaneous.yaml");
    let ended = run(&desk, &scenario.to_string_lossy());
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let passed = "PASS both-simultaneous[overwrite-only]";
    assert!(ended.stderr.contains(passed), "{}", ended.all());
}

/// The list of both cores' images comes with the answer to a mark, and does not fit into every buffer.
#[rstest]
#[case::as_it_was_built("2475", 0)]
#[case::too_small("300", 1)]
fn a_virtual_board_answers_with_the_buffers_that_the_set_tells(
    #[case] buf_size: &str,
    #[case] code: i32,
) {
    let (desk, _) = imported(Sdk::V2_7, Update::Simultaneous, &[]);
    let path = desk.path("set/firmware.yaml");
    let text = fs::read_to_string(&path).expect("it was written");
    let built = "buf-size: 2475\n";
    assert!(text.contains(built), "{text}");
    let other = text.replace(built, &format!("buf-size: {buf_size}\n"));
    fs::write(&path, other).expect("it is ours");
    let scenario = library().join("both-simultaneous.yaml");
    let ended = run(&desk, &scenario.to_string_lossy());
    assert_eq!(ended.code, Some(code), "{}", ended.all());
    assert_eq!(
        ended.stderr.contains("`EMSGSIZE` (rc 7)"),
        code == 1,
        "{}",
        ended.all()
    );
}

#[test]
fn an_imported_set_with_one_slot_is_updated_through_recovery_on_a_virtual_board() {
    let (desk, ended) = imported(Sdk::V2_7, Update::SingleSlot, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    fs::create_dir(desk.path("mine")).expect("the folder is ours");
    for name in [
        "single-slot-recovery",
        "single-slot-network-core",
        "app-update",
    ] {
        let name = format!("{name}.yaml");
        fs::copy(library().join(&name), desk.path("mine").join(&name)).expect("it is there");
    }
    let ended = run(&desk, "mine");
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    for told in [
        "PASS single-slot-recovery",
        "PASS single-slot-network-core",
        "needs a bootloader in mode `swap`",
    ] {
        assert!(ended.stderr.contains(told), "{told}: {}", ended.all());
    }
}

#[test]
fn an_imported_set_with_mcuboot_behind_b0_is_updated_on_a_virtual_board() {
    let desk = Desk::new(1, 20);
    let baseline = Build {
        second_stage: true,
        ..Build::new(Sdk::V2_9, Update::Swap)
    };
    baseline.write(&desk.path("old/build"));
    baseline.successor().write(&desk.path("new/build"));
    let ended = desk.run(&[
        "firmware",
        "import",
        "--baseline",
        "old",
        "--update",
        "new",
        "--out",
        "set",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert!(ended.stderr.contains("second stage"), "{}", ended.all());
    let scenario = library().join("app-update.yaml");
    let ended = run(&desk, &scenario.to_string_lossy());
    assert_eq!(ended.code, Some(0), "{}", ended.all());
}

/// The board cannot execute the real application; the rig file says what it does.
#[test]
fn a_rig_file_says_what_real_applications_do() {
    let (desk, _) = imported(Sdk::V2_7, Update::Swap, &[]);
    desk.write(
        "rig.yaml",
        "rig: test\nboards:\n  - name: dk\n    virtual: { speed: 20, application: self-confirms }\n",
    );
    desk.write(
        "confirms.yaml",
        "scenario: confirms\nsummary: Confirms itself.\nsteps:\n  - program: baseline\n  \
         - expect_boot: { app: baseline, within: 60s }\n  - upload: { image: update.app, over: uart }\n  \
         - mark: { image: update.app, as: test }\n  - reset: smp\n  \
         - expect_boot: { app: update, state: confirmed, within: 120s }\n",
    );
    let ended = run(&desk, "confirms.yaml");
    assert_eq!(ended.code, Some(0), "{}", ended.all());
}

#[test]
fn a_virtual_board_without_the_set_does_not_know_its_bootloader() {
    let (desk, _) = imported(Sdk::V2_9, Update::Swap, &[]);
    // A rig of a board that somebody else has started, and not told of the set.
    let board = broken::sound_board(VirtualDkOptions {
        speed: Speed::Factor(20.0),
        ..VirtualDkOptions::default()
    });
    desk.rig_for(&board);
    desk.write(
        "boots.yaml",
        "scenario: boots\nsummary: Starts.\nsteps:\n  - program: baseline\n  - expect_boot: { app: baseline, within: 5s }\n",
    );
    let ended = run(&desk, "boots.yaml");
    assert_eq!(ended.code, Some(1), "{}", ended.all());
}
