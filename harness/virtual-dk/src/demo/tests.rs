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
    swap-move-ecdsa-ec256        2663429139efae75f7f25bc7511ebcd785ed8d72e53f3db94ad95f0af99dc903
    overwrite-rsa2048            d7d04b2bd616ab36d88f9ae10eca46c8a7eb7a9905ae0879f7020939c205e83c
    swap-move-external           bbcff6c0ff1933c50f040c2822db1cd78e8f1c85fd81cadc2d97c962741d3e01
    swap-offset-ecdsa-ec256      5f0d7e2d1075f7c1d2420fbd1ecd1abb43ac07f430ea20581518df3c20860bb1
    swap-scratch-ecdsa-ec256     e4eb3a19328a6e7ee55341ff456db18490360b14c65c5a4879cb9c8c4261db92
    swap-move-ed25519-x25519     0d290946e7363e5e521e98e49892e36457bae63fab7b9dda6c479b2977a9f724
    swap-move-rsa2048            2a006d046ad773ebd7570a8570b0f809824547fee1a193c618818690274a83c7
    swap-move-single-core        4d8b536db4e63354b3e88dc04b487eef4f07350337d2b33ebbc31534b160ced6
    swap-move-security-counter   cde0b27a7dfe114ca5f74ff7e134e7613a2b9a13bdae125890ea1085862c4bb1
    simultaneous-overwrite       9bef2e48f97bab89e7b1b2202b539699ca57b507e6ad9c828343631b27843dd5
    simultaneous-swap            7770e953297ded73f2a42c6184f9e25e742e0e8196699663580e1a06b228ccb7
    simultaneous-internal        78c8dce144d901576a439f8e22025ab755cfd8c1684ff023c526f7c9464cba9d
    simultaneous-old-b0n         37e2261d4775e4f8714d71bc93e24cfc38892c58281ea3000616c41913897198
    swap-move-b0n-counter        7cc3679da8ed268b699bf695fa446618c6027fbd0098692f376d73deff3ff879
    sdk-2.3                      6c349119b86a219667bcc18485ac10b093fb49c0a08cc383b53092a9e5ac355a
    sdk-2.5                      ef51453cdc160ca7bca388cbb24ade1a3bc77b240b3a95347498112a4a2a6786
    sdk-2.7                      cb5fcf523e33a5fdf0123705463d78914990d8f56e8a13e6d78f9b40290473aa
    sdk-2.9                      f31b77aff82d970fb92912c6175a1af7448667bac7046504dba9b8269c39266a
    sdk-2.9-overwrite            b3947a5459a1fda35fd3aceaf7fe3085ab715f35d56a27e22903c1d356196eec
    sdk-3.4                      acb8e17987f2097053be23b77756515f550cb4ce82c970ef8dc666c019384ba1
    few-sectors                  3fabdb5f742c0e8e73ccab6e19ba9821ccd83385307dc32d1b15f52b9b5addda
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
