//! What the check of a set says about images that its bootloader does not take, and about what is programmed.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its files has failed"
)]

mod trees;

use hil_build_tree::{BuildTree, ImportOptions, check, import};
use hil_image::{EncryptionKey, ImageBuilder, ImageVersion, PrivateKey};
use hil_scenario::FirmwareSet;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;
use std::path::PathBuf;
use trees::{Build, EC, ENC, Sdk, Update, write_files};

/// An imported set without mistakes, whose text and files can be changed.
struct Set {
    folder: tempfile::TempDir,
    build: Build,
    text: String,
}

impl Set {
    fn new(update: Update) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let build = Build::new(Sdk::V2_9, update);
        build.write(&folder.path().join("old"));
        build.successor().write(&folder.path().join("new"));
        let read = |name: &str| BuildTree::read(&folder.path().join(name)).unwrap();
        let options = ImportOptions {
            name: "sample".to_owned(),
            ..ImportOptions::default()
        };
        let imported = import(&read("old"), &read("new"), &options).unwrap();
        write_files(folder.path(), &imported.files);
        // Files are going to be changed: their digests are not what is tested here.
        let text = imported
            .text
            .lines()
            .map(|line| match line.split_once(", sha256:") {
                Some((before, _)) => format!("{before} }}\n"),
                None => format!("{line}\n"),
            })
            .collect();
        Self {
            folder,
            build,
            text,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn with(mut self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "no `{from}` in\n{}", self.text);
        self.text = self.text.replace(from, to);
        self
    }

    fn file(self, name: &str, bytes: &[u8]) -> Self {
        std::fs::write(self.path(name), bytes).unwrap();
        self
    }

    /// The update of the application, made in another way.
    fn update(self, change: impl FnOnce(ImageBuilder) -> ImageBuilder) -> Self {
        let builder = ImageBuilder::new(self.build.successor().application_payload())
            .version(ImageVersion::new(2, 0, 0))
            .key(&PrivateKey::from_pem(EC).unwrap());
        let image = change(builder)
            .build(&mut ChaCha8Rng::seed_from_u64(7))
            .unwrap();
        self.file("update/zephyr.signed.bin", &image)
    }

    fn told(&self) -> String {
        let file = self.path("firmware.yaml");
        std::fs::write(&file, &self.text).unwrap();
        let set = match FirmwareSet::load(&file) {
            Ok(set) => set,
            Err(error) => panic!("{}", error.render()),
        };
        let lines: Vec<_> = check(&set)
            .unwrap()
            .findings
            .iter()
            .map(ToString::to_string)
            .collect();
        lines
            .join("\n")
            .replace(&self.folder.path().display().to_string(), "~")
    }
}

fn encrypted(builder: ImageBuilder) -> ImageBuilder {
    builder.encrypt(&EncryptionKey::from_pem(ENC).unwrap())
}

#[test]
fn nothing_is_told_of_a_good_set() {
    assert_eq!(Set::new(Update::Swap).told(), "");
}

#[test]
fn an_encrypted_image_for_a_bootloader_that_does_not_decrypt() {
    insta::assert_snapshot!(Set::new(Update::Swap).update(encrypted).told());
}

#[test]
fn an_encrypted_image_without_the_key() {
    let set = Set::new(Update::Swap)
        .update(encrypted)
        .with("encryption: none", "encryption: ec256");
    insta::assert_snapshot!(set.told());
}

#[test]
fn a_downgrade_that_the_bootloader_prevents() {
    let set = Set::new(Update::Swap)
        .update(|image| image.version(ImageVersion::new(0, 9, 0)))
        .with(
            "downgrade-prevention: none",
            "downgrade-prevention: version",
        );
    insta::assert_snapshot!(set.told());
}

#[test]
fn a_missing_security_counter() {
    let set = Set::new(Update::Swap).with(
        "downgrade-prevention: none",
        "downgrade-prevention: security-counter",
    );
    insta::assert_snapshot!(set.told());
}

#[test]
fn an_encrypted_application_that_is_taken_for_network_firmware() {
    let set = Set::new(Update::SwapEncrypted).with("line: nordic-2.9", "line: nordic-2.7");
    insta::assert_snapshot!(set.told());
}

#[test]
fn network_firmware_below_the_counter_of_b0n() {
    let set = Set::new(Update::Swap).with("  line:", "  b0n: { least-version: 7 }\n  line:");
    insta::assert_snapshot!(set.told());
}

#[test]
fn network_firmware_whose_version_mcuboot_does_not_find() {
    let set = Set::new(Update::Swap)
        .with(
            "downgrade-prevention: none",
            "downgrade-prevention: version",
        )
        .with("  line:", "  network-version-check: true\n  line:");
    let image = std::fs::read(set.path("update/signed_by_mcuboot_and_b0_ipc_radio.bin")).unwrap();
    let payload = hil_image::Image::parse(&image).unwrap().payload().to_vec();
    let image = ImageBuilder::new(payload)
        .version(ImageVersion::new(2, 0, 0))
        .key(&PrivateKey::from_pem(EC).unwrap())
        .security_counter(3)
        .build(&mut ChaCha8Rng::seed_from_u64(7))
        .unwrap();
    let set = set.file("update/signed_by_mcuboot_and_b0_ipc_radio.bin", &image);
    insta::assert_snapshot!(set.told());
}

#[test]
fn a_dependency_that_no_bootloader_of_one_image_looks_at() {
    let set =
        Set::new(Update::Swap).update(|image| image.dependency(1, ImageVersion::new(9, 0, 0)));
    insta::assert_snapshot!(set.told());
}

#[test]
fn a_signature_of_another_kind_than_the_key() {
    let set = Set::new(Update::Swap).with("signature: ecdsa-p256", "signature: ed25519");
    insta::assert_snapshot!(set.told());
}

#[test]
fn too_few_sectors() {
    let set = Set::new(Update::Swap).with("max-sectors: 128", "max-sectors: 32");
    insta::assert_snapshot!(set.told());
}

#[test]
fn the_update_of_the_other_core() {
    let set = Set::new(Update::Swap);
    let application = std::fs::read(set.path("update/zephyr.signed.bin")).unwrap();
    let set = set.file(
        "update/signed_by_mcuboot_and_b0_ipc_radio.bin",
        &application,
    );
    insta::assert_snapshot!(set.told());
}

#[test]
fn a_baseline_of_another_build() {
    let set = Set::new(Update::Swap);
    let build = set.build.successor();
    let files = build.files();
    let set = set
        .file("baseline/merged.hex", &files["merged.hex"])
        .file("baseline/merged_CPUNET.hex", &files["merged_CPUNET.hex"]);
    insta::assert_snapshot!(set.told());
}

#[test]
fn the_application_alone_where_everything_should_be_programmed() {
    let set = Set::new(Update::Swap);
    let image = std::fs::read(set.path("baseline/app_programmed.bin"));
    // ECDSA signatures of these images have no randomness, so the file for sending is the one that is programmed.
    assert!(image.is_err());
    let image = std::fs::read(set.path("baseline/zephyr.signed.bin")).unwrap();
    let hex = trees::hex(&[(set.build.primary(), image)]);
    insta::assert_snapshot!(set.file("baseline/merged.hex", &hex).told());
}

#[test]
fn a_hex_file_for_the_external_flash() {
    let set = Set::new(Update::Swap);
    let mut pieces = vec![(0x1000_0000, vec![1; 64])];
    let hex = trees::hex(&pieces);
    let set = set.file("baseline/merged_CPUNET.hex", &hex);
    insta::assert_snapshot!(set.told());
    // A trailer of `net_core_app_test_update.hex` lies behind the network core's flash.
    pieces[0].0 = 0x0104_85F0;
    let set = set.file("baseline/merged_CPUNET.hex", &trees::hex(&pieces));
    assert!(set.told().contains("net_core_app_test_update.hex"));
}

#[test]
fn a_release_that_should_be_refused_and_is_not() {
    let set = Set::new(Update::Swap).with("  update:\n", "  update:\n    refused: it is broken\n");
    insta::assert_snapshot!(set.told());
}
