use hil_bootloader::Config;
use hil_image::{DecryptionKey, Image, PrivateKey, PublicKey, Verifier};
use rstest::rstest;
use sha2::{Digest, Sha256};

use super::*;

fn text(set: &DemoSet, path: &str) -> String {
    String::from_utf8(set.file(path).expect("it is in the set").to_vec()).expect("it is text")
}

/// SHA-256 over names and contents of all files.
fn digest(set: &DemoSet) -> String {
    let mut sha = Sha256::new();
    for (path, bytes) in set.files() {
        sha.update(path.to_string_lossy().as_bytes());
        sha.update([0]);
        sha.update((bytes.len() as u64).to_le_bytes());
        sha.update(bytes);
    }
    format!("{:x}", sha.finalize())
}

/// Changes when anything in a set does: the models' format, a key, a build setting. Then put the new values here.
#[test]
fn a_set_is_the_same_bytes_every_time() {
    let digests: Vec<String> = Variant::ALL
        .iter()
        .map(|&variant| {
            format!(
                "{:28} {}",
                variant.name(),
                digest(&DemoSet::generate(variant))
            )
        })
        .collect();
    insta::assert_snapshot!(digests.join("\n"), @r"
    swap-move-ecdsa-ec256        a577f199c54da07759739ddfebd603cf33dc34cb2809b3fcd2c0d34f258ee7d3
    overwrite-rsa2048            d7d04b2bd616ab36d88f9ae10eca46c8a7eb7a9905ae0879f7020939c205e83c
    swap-move-external           bbcff6c0ff1933c50f040c2822db1cd78e8f1c85fd81cadc2d97c962741d3e01
    swap-offset-ecdsa-ec256      90763ed710438f0d1171854eb5cda7cdcd8f1321ac6685aca1d853f605aa4ec9
    swap-scratch-ecdsa-ec256     b56327a2dbb55bb75bc2e4ba421c45a9b7856ad15d56dbaa04d9ea8779ee1c62
    swap-move-ed25519-x25519     fe420b8f00eed2ea17402cc97ee3c02493c024176255bc47093abf4bc13b6dce
    swap-move-rsa2048            f70660eaf595b98940bb4ba0ad692c434c5d76c8df9b3158896638bfd79cdacb
    swap-move-single-core        4d8b536db4e63354b3e88dc04b487eef4f07350337d2b33ebbc31534b160ced6
    swap-move-security-counter   2e8ddecf205a3ca9174d6a03e5adc332de274c78602f692edf64b7c476f70c43
    simultaneous-overwrite       9bef2e48f97bab89e7b1b2202b539699ca57b507e6ad9c828343631b27843dd5
    simultaneous-swap            7770e953297ded73f2a42c6184f9e25e742e0e8196699663580e1a06b228ccb7
    simultaneous-internal        78c8dce144d901576a439f8e22025ab755cfd8c1684ff023c526f7c9464cba9d
    simultaneous-old-b0n         37e2261d4775e4f8714d71bc93e24cfc38892c58281ea3000616c41913897198
    swap-move-b0n-counter        27a88de8c305c1c9fa0b1f73dd6c178562c750862a2f827fe91ad62e4830a315
    sdk-2.3                      6edb880c29ed5622ec0e02dbf01139505dbcfedd2a47fd20a02e2495a52fec5e
    sdk-2.5                      dd7a049aab6623e24407bd68cfa27aef1f86f1252e69d11bbc290881030372c4
    sdk-2.7                      87c76bb034de216d64be68676a23535aff834e2b84d6ff48026b0a0f5f32b23a
    sdk-2.9                      41cb570993b7546930ebb71303ea8a0611df340fbd6f6fd035225add81c3cdab
    sdk-2.9-overwrite            b3947a5459a1fda35fd3aceaf7fe3085ab715f35d56a27e22903c1d356196eec
    sdk-3.4                      945a14dadfb928123f202e195fcf58343b238e0f0ca7c1cd74e23ff964feca79
    few-sectors                  bc03001c4619f25271e685509da12176a79b7219a48c315fb01cce201656d152
    ");
}

#[test]
fn the_firmware_file_describes_the_set() {
    let set = DemoSet::generate(Variant::SWAP_MOVE_ECDSA_EC256);
    insta::assert_snapshot!(text(&set, FIRMWARE_FILE));
}

#[test]
fn every_file_that_the_firmware_file_names_is_there() {
    for &variant in Variant::ALL {
        let set = DemoSet::generate(variant);
        let yaml: serde_yaml::Value =
            serde_yaml::from_str(&text(&set, FIRMWARE_FILE)).expect("it is YAML");
        let mut named = std::collections::BTreeSet::new();
        collect_files(&yaml["releases"], &mut named);
        named.extend(
            yaml["keys"]
                .as_mapping()
                .expect("keys")
                .values()
                .filter_map(|key| key.as_str().map(PathBuf::from)),
        );
        let unnamed = [FIRMWARE_FILE].map(PathBuf::from);
        let there: std::collections::BTreeSet<PathBuf> = set
            .files()
            .map(|(path, _)| path.to_owned())
            .filter(|path| !unnamed.contains(path))
            .collect();
        assert_eq!(there, named, "{variant:?}");
    }
}

fn collect_files(value: &serde_yaml::Value, files: &mut std::collections::BTreeSet<PathBuf>) {
    match value {
        serde_yaml::Value::Mapping(entries) => {
            for (key, value) in entries {
                match value.as_str() {
                    Some(path) if key.as_str() == Some("file") => {
                        files.insert(PathBuf::from(path));
                    }
                    _ => collect_files(value, files),
                }
            }
        }
        serde_yaml::Value::Sequence(values) => {
            values.iter().for_each(|value| collect_files(value, files));
        }
        _ => {}
    }
}

#[test]
fn the_bootloader_in_the_firmware_file_is_the_one_in_flash() {
    for &variant in Variant::ALL {
        let set = DemoSet::generate(variant);
        let yaml: serde_yaml::Value =
            serde_yaml::from_str(&text(&set, FIRMWARE_FILE)).expect("it is YAML");
        let config: Config =
            serde_yaml::from_value(yaml["bootloader"].clone()).expect("the model's own words");
        // Where the slots are is the layout's to say.
        let expected = variant.bootloader();
        let config = Config {
            images: expected.images.clone(),
            scratch: expected.scratch,
            ..config
        };
        assert_eq!(config, expected, "{variant:?}");
    }
}

#[test]
fn private_keys_say_that_they_are_demo_keys_and_can_be_read() {
    let set = DemoSet::generate(Variant::SWAP_MOVE_ECDSA_EC256);
    for path in ["keys/signing.pem", "keys/encryption.pem"] {
        let pem = text(&set, path);
        assert!(pem.starts_with("# Demo key of dfu-hil."), "{path}");
    }
    let private = PrivateKey::from_pem(&text(&set, "keys/signing.pem")).expect("a private key");
    let public = PublicKey::from_pem(&text(&set, "keys/signing.pub.pem")).expect("a public key");
    assert_eq!(private.public(), public);
    DecryptionKey::from_pem(&text(&set, "keys/encryption.pem")).expect("a private key");
}

#[rstest]
#[case::baseline("baseline", true)]
#[case::update("update", true)]
#[case::encrypted("encrypted", true)]
#[case::never_confirms("never-confirms", true)]
#[case::crashes("crashes", true)]
#[case::hangs("hangs", true)]
#[case::self_confirms("self-confirms", true)]
#[case::downgrade("downgrade", true)]
#[case::too_large("too-large", true)]
#[case::wrong_key("wrong-key", false)]
#[case::tampered("tampered", false)]
#[case::unsigned("unsigned", false)]
fn only_images_that_are_meant_to_be_refused_fail_verification(
    #[case] release: &str,
    #[case] good: bool,
) {
    let set = DemoSet::generate(Variant::SWAP_MOVE_ECDSA_EC256);
    let public = PublicKey::from_pem(&text(&set, "keys/signing.pub.pem")).expect("a public key");
    let decryption =
        DecryptionKey::from_pem(&text(&set, "keys/encryption.pem")).expect("a private key");
    let file = set
        .file(format!("{release}/app_update.bin"))
        .expect("it is in the set");
    let image = Image::parse(file).expect("it is an image");
    let verified = Verifier::new([public])
        .decryption(decryption)
        .verify(&image);
    assert_eq!(verified.is_ok(), good, "{verified:?}");
}

#[test]
fn a_set_is_written_as_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = write_firmware_set(&folder.path().join("demo"), Variant::default())
        .expect("it can be written");
    let set = DemoSet::generate(Variant::default());
    for (path, bytes) in set.files() {
        let written = fs::read(file.with_file_name(path)).expect("it was written");
        assert!(written == bytes, "{}", path.display());
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let blocker = folder.path().join("blocker");
    fs::write(&blocker, b"a file").expect("it can be written");
    let error = write_firmware_set(&blocker, Variant::default()).expect_err("a file is no folder");
    assert!(error.to_string().contains("blocker"), "{error}");
}
