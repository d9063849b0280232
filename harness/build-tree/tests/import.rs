//! Build folders of five SDK lines become firmware sets, and what is missing is told with its reason.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its files has failed"
)]

mod trees;

use hil_bootloader::{Line, Mode};
use hil_build_tree::{BuildTree, Finding, ImportOptions, Report, Severity, check, import};
use hil_scenario::{FirmwareSet, Slot};
use rstest::rstest;
use std::path::{Path, PathBuf};
use trees::{Build, EC_WRONG, ENC, Sdk, Update, write_files};

/// Two build folders, and where the set goes.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new(baseline: &Build, update: &Build) -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        baseline.write(&desk.path("old"));
        update.write(&desk.path("new"));
        std::fs::write(desk.path("enc.pem"), ENC).unwrap();
        desk
    }

    /// The same without some files of the update.
    fn without(sdk: Sdk, update: Update, files: &[&str]) -> Self {
        let baseline = Build::new(sdk, update);
        let desk = Self::new(&baseline, &baseline.successor());
        for file in files {
            std::fs::remove_file(desk.path("new").join(file)).unwrap();
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes a text of the update's build.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path("new").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    fn import(&self) -> Result<Vec<Finding>, Vec<Finding>> {
        let read = |name| BuildTree::read(&self.path(name)).unwrap();
        let options = ImportOptions {
            name: "sample".to_owned(),
            signing_key: None,
            encryption_key: Some(self.path("enc.pem")),
            ..ImportOptions::default()
        };
        let imported = import(&read("old"), &read("new"), &options)?;
        write_files(&self.path("set"), &imported.files);
        std::fs::write(self.path("set/firmware.yaml"), &imported.text).unwrap();
        Ok(imported.findings)
    }

    /// With the same two builds once more, under names of their own.
    fn import_releases(&self) -> Vec<Finding> {
        let read = |name| BuildTree::read(&self.path(name)).unwrap();
        let options = ImportOptions {
            name: "sample".to_owned(),
            encryption_key: Some(self.path("enc.pem")),
            releases: vec![
                ("2.3.0".to_owned(), read("old")),
                ("v2.4.1".to_owned(), read("new")),
            ],
            ..ImportOptions::default()
        };
        let imported = import(&read("old"), &read("new"), &options).unwrap();
        write_files(&self.path("set"), &imported.files);
        std::fs::write(self.path("set/firmware.yaml"), &imported.text).unwrap();
        imported.findings
    }

    fn text(&self) -> String {
        let text = std::fs::read_to_string(self.path("set/firmware.yaml")).unwrap();
        self.neutral(&text)
    }

    fn set(&self) -> FirmwareSet {
        match FirmwareSet::load(self.path("set/firmware.yaml")) {
            Ok(set) => set,
            Err(error) => panic!("{}", error.render()),
        }
    }

    fn check(&self) -> Report {
        check(&self.set()).unwrap()
    }

    /// All that a person is told who imports, without notes.
    fn told(&self) -> String {
        self.findings().join("\n")
    }

    /// The same, one text for each.
    fn findings(&self) -> Vec<String> {
        let mut findings = match self.import() {
            Ok(mut findings) => {
                findings.extend(self.check().findings);
                findings
            }
            Err(findings) => findings,
        };
        findings.retain(|finding| finding.severity != Severity::Note);
        let lines = findings.iter().map(ToString::to_string);
        lines.map(|line| self.neutral(&line)).collect()
    }

    fn neutral(&self, text: &str) -> String {
        text.replace(&self.folder.path().display().to_string(), "~")
    }
}

#[rstest]
fn a_build_of_every_line_becomes_a_set_without_mistakes(
    #[values(Sdk::V2_3, Sdk::V2_5, Sdk::V2_7, Sdk::V2_9, Sdk::V3_0)] sdk: Sdk,
    #[values(Update::Swap, Update::SwapEncrypted, Update::Simultaneous)] update: Update,
) {
    let baseline = Build::new(sdk, update);
    let desk = Desk::new(&baseline, &baseline.successor());
    let lost = told_but_of_cipher_text(&desk, sdk, update);
    assert_eq!(lost, "");
    let report = desk.check();
    let verdicts: Vec<_> = report
        .images
        .iter()
        .map(|image| format!("{} {} {}", image.role, image.version, image.verdict))
        .collect();
    let mut expected = vec!["baseline.app 1.0.0 accepted", "baseline.net 1.0.0 accepted"];
    let verdict = match never_installs(sdk, update) {
        true => "refused",
        false => "accepted",
    };
    let (encrypted, app) = (
        format!("encrypted.app 2.0.0 {verdict}"),
        format!("update.app 2.0.0 {verdict}"),
    );
    if update == Update::SwapEncrypted {
        expected.push(&encrypted);
    }
    expected.extend([&app, "update.net 2.0.0 accepted"]);
    assert_eq!(verdicts, expected);
}

/// Whether the bootloader takes the application's cipher text for network firmware: mended in SDK 2.8.
fn never_installs(sdk: Sdk, update: Update) -> bool {
    update == Update::SwapEncrypted && matches!(sdk, Sdk::V2_3 | Sdk::V2_5 | Sdk::V2_7)
}

/// What is told, without that of an application that never installs.
fn told_but_of_cipher_text(desk: &Desk, sdk: Sdk, update: Update) -> String {
    let findings = desk.findings();
    let left = findings.iter().filter(|finding| {
        let known = "where the bootloader looks for the reset vector";
        !(never_installs(sdk, update) && finding.contains(known))
    });
    left.cloned().collect::<Vec<_>>().join("\n")
}

#[test]
fn every_release_that_is_named_can_be_programmed_and_sent() {
    let build = Build::new(Sdk::V2_7, Update::Swap);
    let desk = Desk::new(&build, &build.successor());
    let findings = desk.import_releases();
    let names = desk.set().release_names();
    assert_eq!(names.to_program, ["2.3.0", "baseline", "v2.4.1"]);
    assert_eq!(names.to_send, ["2.3.0", "baseline", "update", "v2.4.1"]);
    let told: Vec<_> = findings
        .iter()
        .filter(|finding| finding.severity != Severity::Note)
        .map(ToString::to_string)
        .collect();
    assert!(
        !told.iter().any(|told| told.contains("`2.3.0`")),
        "{told:?}"
    );
}

#[rstest]
#[case::child_images(Sdk::V2_5, 1)]
#[case::sysbuild(Sdk::V2_7, 1)]
#[case::nobody_numbered_the_network_core(Sdk::V3_0, -1)]
fn a_build_of_one_slot_becomes_a_set_without_mistakes(
    #[case] sdk: Sdk,
    #[case] network_image: i32,
) {
    let baseline = Build::new(sdk, Update::SingleSlot);
    let desk = Desk::new(&baseline, &baseline.successor());
    assert_eq!(desk.told(), "");
    let set = desk.set();
    assert_eq!(set.bootloader.mode, Mode::SingleSlot);
    let slots = set.bootloader.images[0];
    assert_eq!(slots.primary, slots.secondary);
    let recovery = set.bootloader.serial_recovery.unwrap();
    assert!(recovery.network_core);
    assert_eq!(recovery.network_image, network_image);
    for image in desk.check().images {
        assert_eq!(image.verdict.to_string(), "accepted", "{}", image.role);
    }
}

/// There was a slot for updates before: nothing of MCUboot's goes there, so it is none.
#[test]
fn a_build_of_one_slot_leaves_another_partition_alone() {
    let baseline = Build::new(Sdk::V2_7, Update::Swap);
    let desk = Desk::new(&baseline, &baseline.successor());
    for tree in ["old", "new"] {
        let path = desk.path(tree).join("mcuboot/zephyr/.config");
        let text = std::fs::read_to_string(&path).unwrap();
        let single = text
            .replace("# CONFIG_SINGLE_APPLICATION_SLOT is not set", "")
            .replace(
                "CONFIG_BOOT_SWAP_USING_MOVE=y",
                "CONFIG_SINGLE_APPLICATION_SLOT=y",
            );
        std::fs::write(path, single).unwrap();
    }
    assert_eq!(desk.told(), "");
    assert_eq!(desk.set().layout.slot(Slot::AppSecondary), None);
}

#[rstest]
#[case::child_images(Sdk::V2_5)]
#[case::sysbuild(Sdk::V2_9)]
fn mcuboot_as_a_second_stage_is_told_and_counts_as_one_bootloader(#[case] sdk: Sdk) {
    let baseline = Build {
        second_stage: true,
        ..Build::new(sdk, Update::Swap)
    };
    let desk = Desk::new(&baseline, &baseline.successor());
    insta::assert_snapshot!("second_stage", desk.told());
    let bootloader = desk.set().layout.region("app.bootloader").unwrap();
    assert_eq!((bootloader.address, bootloader.size), (0, 0x3_0000));
}

#[test]
fn what_b0n_was_built_with_is_read_where_its_options_are() {
    let desk = Desk::without(Sdk::V2_7, Update::Swap, &[]);
    std::fs::create_dir_all(desk.path("old/b0n/zephyr")).unwrap();
    let options = "CONFIG_PCD_READ_NETCORE_APP_VERSION=y\n";
    std::fs::write(desk.path("old/b0n/zephyr/.config"), options).unwrap();
    desk.import().unwrap();
    assert!(desk.set().bootloader.b0n.version_command);
    assert!(!desk.set().bootloader.network_version_check);
}

#[test]
fn sectors_that_are_counted_when_mcuboot_is_compiled_are_those_of_the_largest_slot() {
    let desk = Desk::without(Sdk::V3_0, Update::Swap, &[]);
    let path = desk.path("old/mcuboot/zephyr/.config");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("CONFIG_BOOT_MAX_IMG_SECTORS_AUTO=y\n");
    std::fs::write(path, text).unwrap();
    desk.import().unwrap();
    assert_eq!(desk.set().bootloader.max_sectors, 64);
}

/// With images by the real imgtool.
#[test]
fn images_by_imgtool_are_taken_from_every_line() {
    let Some(tools) = std::env::var_os("DFU_HIL_PEERS").map(PathBuf::from) else {
        assert!(
            std::env::var_os("DFU_HIL_REQUIRE_PEERS").is_none(),
            "DFU_HIL_REQUIRE_PEERS is set, but DFU_HIL_PEERS is not"
        );
        println!("skipped: DFU_HIL_PEERS does not name a folder with imgtool");
        return;
    };
    for sdk in Sdk::ALL {
        for update in [Update::Swap, Update::SwapEncrypted, Update::Simultaneous] {
            let baseline = Build {
                imgtool: Some(tools.join("imgtool")),
                ..Build::new(sdk, update)
            };
            let desk = Desk::new(&baseline, &baseline.successor());
            let told = told_but_of_cipher_text(&desk, sdk, update);
            assert_eq!(told, "", "{sdk:?} {update:?}");
        }
    }
}

#[test]
fn the_set_of_child_images_with_encryption() {
    let baseline = Build::new(Sdk::V2_5, Update::SwapEncrypted);
    let desk = Desk::new(&baseline, &baseline.successor());
    desk.import().unwrap();
    insta::with_settings!({ filters => vec![("sha256: [0-9a-f]{64}", "sha256: …")] }, {
        insta::assert_snapshot!(desk.text());
    });
}

#[test]
fn the_set_of_a_simultaneous_sysbuild() {
    let baseline = Build::new(Sdk::V2_9, Update::Simultaneous);
    let desk = Desk::new(&baseline, &baseline.successor());
    desk.import().unwrap();
    insta::with_settings!({ filters => vec![("sha256: [0-9a-f]{64}", "sha256: …")] }, {
        insta::assert_snapshot!(desk.text());
    });
}

#[rstest]
#[case::child_images(Sdk::V2_3, Line::Nordic23)]
#[case::sdk_2_5(Sdk::V2_5, Line::Nordic25)]
#[case::sysbuild(Sdk::V2_7, Line::Nordic27)]
#[case::sdk_2_9(Sdk::V2_9, Line::Nordic29)]
#[case::sdk_3_0(Sdk::V3_0, Line::Nordic30)]
fn the_version_of_the_sdk_tells_the_line_of_its_mcuboot(#[case] sdk: Sdk, #[case] line: Line) {
    let desk = Desk::without(sdk, Update::Swap, &[]);
    assert_eq!(desk.told(), "");
    assert_eq!(desk.set().bootloader.line, line);
}

/// A bootloader that was not built with the SDK of the application, or from a checkout of its own.
#[test]
fn the_headers_of_mcuboot_go_before_those_of_the_application() {
    let desk = Desk::without(Sdk::V2_9, Update::Swap, &[]);
    let header = |name: &str, text: &str| {
        let folder = desk.path("old/mcuboot/zephyr/include/generated");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
    };
    header("ncs_version.h", "#define NCS_VERSION_STRING \"2.7.0\"\n");
    desk.import().unwrap();
    assert_eq!(desk.set().bootloader.line, Line::Nordic27);

    header("app_version.h", "#define APP_BUILD_VERSION ae1ee57f3906\n");
    desk.import().unwrap();
    assert_eq!(desk.set().bootloader.line, Line::Nordic30);
}

#[rstest]
#[case::development("2.5.99-dev1", Line::Nordic26)]
#[case::before_all("2.1.0", Line::Nordic23)]
#[case::no_version("main", Line::Nordic)]
fn a_line_that_is_not_certain_is_told(#[case] version: &str, #[case] line: Line) {
    let desk = Desk::without(Sdk::V2_5, Update::Swap, &[]);
    let header = desk.path("old/zephyr/include/generated/ncs_version.h");
    std::fs::write(
        header,
        format!("#define NCS_VERSION_STRING \"{version}\"\n"),
    )
    .unwrap();
    insta::assert_snapshot!(format!("line_not_certain_{line:?}"), desk.told());
    assert_eq!(desk.set().bootloader.line, line);
}

#[test]
fn a_build_that_tells_no_version_is_taken_for_a_new_one() {
    let desk = Desk::without(Sdk::V2_5, Update::Swap, &[]);
    std::fs::remove_file(desk.path("old/zephyr/include/generated/ncs_version.h")).unwrap();
    insta::assert_snapshot!(desk.told());
}

/// Published build folders: every `.bin` and `.hex` of an RSA image have different signatures.
#[test]
fn the_baseline_is_the_image_as_it_is_programmed() {
    let baseline = Build::new(Sdk::V2_7, Update::Simultaneous);
    let desk = Desk::new(&baseline, &baseline.successor());
    desk.import().unwrap();
    let sent = std::fs::read(desk.path("old/app/zephyr/zephyr.signed.bin")).unwrap();
    let programmed = std::fs::read(desk.path("set/baseline/app_programmed.bin")).unwrap();
    assert_ne!(sent, programmed);
    let signature = 256;
    let before = sent.len() - signature;
    assert_eq!(sent[..before], programmed[..before]);
}

#[test]
fn a_file_that_changed_after_the_import_is_noticed() {
    let baseline = Build::new(Sdk::V2_7, Update::Swap);
    let desk = Desk::new(&baseline, &baseline.successor());
    desk.import().unwrap();
    let file = desk.path("set/update/zephyr.signed.bin");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[0x300] ^= 1;
    std::fs::write(file, bytes).unwrap();
    let error = FirmwareSet::load(desk.path("set/firmware.yaml")).unwrap_err();
    assert!(
        error.message.contains("has SHA-256") && error.message.contains("the firmware set says"),
        "{error}"
    );
}

#[test]
fn private_keys_are_neither_copied_nor_printed() {
    let baseline = Build::new(Sdk::V3_0, Update::SwapEncrypted);
    let desk = Desk::new(&baseline, &baseline.successor());
    let told = desk.told();
    let secret: Vec<&str> = ENC.lines().filter(|line| !line.starts_with('-')).collect();
    for folder in ["set", "set/keys", "set/baseline", "set/update"] {
        for entry in std::fs::read_dir(desk.path(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                assert!(!text.contains("PRIVATE KEY"), "{}", path.display());
                assert!(!text.contains(secret[0]), "{}", path.display());
            }
        }
    }
    assert!(!told.contains(secret[0]));
    assert!(desk.text().contains("encryption: ~/enc.pem"));
}

fn keyless_zip(sdk: Sdk) -> &'static str {
    if sdk.is_sysbuild() {
        "dfu_application.zip"
    } else {
        "zephyr/dfu_application.zip"
    }
}

#[rstest]
#[case::child_images(Sdk::V2_5, &["zephyr/net_core_app_update.bin"], "zephyr/.config", "CONFIG_NRF53_UPGRADE_NETWORK_CORE=y", "# CONFIG_NRF53_UPGRADE_NETWORK_CORE is not set")]
#[case::sysbuild(Sdk::V2_7, &["signed_by_mcuboot_and_b0_ipc_radio.bin"], "zephyr/.config", "SB_CONFIG_NETCORE_APP_UPDATE=y", "# SB_CONFIG_NETCORE_APP_UPDATE is not set")]
#[case::sysbuild_without_b0n(Sdk::V3_0, &["signed_by_mcuboot_and_b0_ipc_radio.bin"], "zephyr/.config", "SB_CONFIG_SECURE_BOOT_NETCORE=y", "# SB_CONFIG_SECURE_BOOT_NETCORE is not set")]
#[case::unfinished(Sdk::V2_9, &["signed_by_mcuboot_and_b0_ipc_radio.bin"], "zephyr/.config", "SB_CONFIG_DFU_ZIP_NET=y", "SB_CONFIG_DFU_ZIP_NET=y")]
fn no_network_update(
    #[case] sdk: Sdk,
    #[case] files: &[&str],
    #[case] config: &str,
    #[case] from: &str,
    #[case] to: &str,
) {
    // Not in a zip of one image, so that there is no second place to take it from.
    let desk = Desk::without(sdk, Update::Swap, files);
    if from != to {
        desk.edit(config, from, to);
    }
    insta::assert_snapshot!(format!("no_network_update_{sdk:?}"), desk.told());
}

#[rstest]
#[case::child_images(Sdk::V2_3)]
#[case::sysbuild(Sdk::V2_9)]
fn no_zip(#[case] sdk: Sdk) {
    let desk = Desk::without(sdk, Update::Swap, &[keyless_zip(sdk)]);
    if sdk.is_sysbuild() {
        desk.edit(
            "zephyr/.config",
            "SB_CONFIG_DFU_ZIP=y",
            "# SB_CONFIG_DFU_ZIP is not set",
        );
    }
    insta::assert_snapshot!(format!("no_zip_{sdk:?}"), desk.told());
}

#[test]
fn a_missing_image_is_taken_from_the_zip() {
    let files = [
        "app/zephyr/zephyr.signed.bin",
        "signed_by_mcuboot_and_b0_ipc_radio.bin",
    ];
    let desk = Desk::without(Sdk::V2_7, Update::Simultaneous, &files);
    assert_eq!(desk.told(), "");
    assert!(desk.text().contains("file: update/ipc_radio.bin"));
}

#[test]
fn no_signed_application() {
    let files = ["app/zephyr/zephyr.signed.bin", "dfu_application.zip"];
    let desk = Desk::without(Sdk::V2_7, Update::Swap, &files);
    insta::assert_snapshot!(desk.told());
}

#[test]
fn unsigned_firmware_in_place_of_the_update() {
    let desk = Desk::without(Sdk::V2_7, Update::Swap, &["dfu_application.zip"]);
    let unsigned = std::fs::read(desk.path("new/app/zephyr/zephyr.bin")).unwrap();
    std::fs::write(desk.path("new/app/zephyr/zephyr.signed.bin"), unsigned).unwrap();
    insta::with_settings!({ filters => vec![("is 0x[0-9a-f]{8}", "is 0x…")] }, {
        insta::assert_snapshot!(desk.told());
    });
}

#[rstest]
#[case::network_without_metadata("network_without_metadata", |build: &mut Build| build.network_metadata = false)]
#[case::too_large("too_large", |build: &mut Build| build.application_size = 0x3_E000 - 0x200)]
#[case::wrong_key("wrong_key", |build: &mut Build| build.key = EC_WRONG)]
#[case::same_version("same_version", |build: &mut Build| build.version = "1.0.0")]
#[case::older_version("older_version", |build: &mut Build| build.version = "0.9.0")]
#[case::load_address("load_address", |build: &mut Build| build.linked_to = Some(0x4_C200))]
#[case::network_for_application("network_for_application", |build: &mut Build| build.linked_to = Some(0x0100_8800))]
fn wrong_updates(#[case] name: &str, #[case] change: fn(&mut Build)) {
    let baseline = Build::new(Sdk::V2_9, Update::Swap);
    let mut update = baseline.successor();
    change(&mut update);
    let desk = Desk::new(&baseline, &update);
    insta::assert_snapshot!(format!("wrong_update_{name}"), desk.told());
}

#[test]
fn a_build_for_other_partitions() {
    let baseline = Build::new(Sdk::V2_7, Update::Swap);
    let desk = Desk::new(
        &baseline,
        &Build::new(Sdk::V2_7, Update::Simultaneous).successor(),
    );
    insta::assert_snapshot!(desk.told());
}

#[test]
fn a_build_for_one_core_is_no_mistake() {
    for sdk in [Sdk::V2_5, Sdk::V2_7] {
        let baseline = Build {
            network: false,
            ..Build::new(sdk, Update::Swap)
        };
        let desk = Desk::new(&baseline, &baseline.successor());
        assert_eq!(desk.told(), "", "{sdk:?}");
        let findings = desk.import().unwrap();
        assert!(
            findings
                .iter()
                .any(|finding| finding.found.contains("application core alone")),
            "{findings:?}"
        );
    }
}

#[test]
fn a_baseline_that_was_not_finished_gives_no_set() {
    let baseline = Build::new(Sdk::V2_3, Update::Swap);
    let desk = Desk::new(&baseline, &baseline.successor());
    for file in [
        "zephyr/merged.hex",
        "mcuboot/zephyr/.config",
        "partitions.yml",
    ] {
        std::fs::remove_file(desk.path("old").join(file)).unwrap();
    }
    insta::assert_snapshot!(desk.told());
}

#[test]
fn a_bomb_in_a_table_is_refused_with_its_place() {
    let desk = Desk::without(Sdk::V2_7, Update::Swap, &[]);
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let names = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{names}]\n"));
    }
    std::fs::write(desk.path("new/partitions.yml"), text).unwrap();
    let error = BuildTree::read(&desk.path("new")).unwrap_err();
    let error = desk.neutral(&error.to_string());
    assert!(
        error.starts_with("file `~/new/partitions.yml` cannot be read: is not YAML: ")
            && error.contains("stands for more than 100000 values"),
        "{error}"
    );
}

#[test]
fn other_chips_and_folders_are_named() {
    let desk = Desk::without(Sdk::V2_7, Update::Swap, &[]);
    desk.edit("app/zephyr/.config", "\"nrf5340\"", "\"nrf9151\"");
    let error = |path: &Path| {
        let error = BuildTree::read(path).unwrap_err();
        desk.neutral(&format!("{error}\n{}", error.help()))
    };
    std::fs::create_dir(desk.path("empty")).unwrap();
    let errors = [
        error(&desk.path("new")),
        error(&desk.path("empty")),
        error(desk.folder.path()),
        error(&desk.path("nowhere")),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}
