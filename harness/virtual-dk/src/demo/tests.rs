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
    swap-move-ecdsa-ec256        ce4fbf11e85daeab203ae4a6d9f323b6a6776a268e307e785965dfb236e52dab
    overwrite-rsa2048            2c826b4eed1bf5a34c2ea2732959c92e23152ff1e9994ae3386c7b650f781ca4
    swap-move-external           554926177d69bc1d5c3b26cab0cdda7e78487e28ec85a26fc2bd6ed12e4cf674
    swap-offset-ecdsa-ec256      26b0ea8a1ff3804a4f58e93b785e07ae0424dee72a3befa636317ef1950dd808
    swap-scratch-ecdsa-ec256     8ca78509f58df8d5d47ae44cab6d46b7dc92ed7b0d32369dc5dacd1e7059e975
    swap-move-ed25519-x25519     1cfe54807252307e97c0bf6d5f3054544a695a8d1eb07113a3c1e2ce64051cbc
    swap-move-rsa2048            388a2704362f15d98eb02fa9ced3dd71b14928d2b9023e62943d067c019d05a3
    swap-move-single-core        d84662bc98f984719a9811a1788f95a28f5a32e6b790af0596f00ed97cfd3bed
    swap-move-security-counter   59ae1c3a08258049da8b075908f0b43fa83c220a74cf2487f7589c0caa2e17bb
    simultaneous-overwrite       5833b47cf826b16f311283059cb23f2481ce7a033ae1a1fd968e8c7d8474e0cc
    simultaneous-swap            4b02dd35dc5232d62fb8295268875f51fe2b5ca03dccb0d667d6c7453ae27980
    simultaneous-internal        da0a7a5ccff37027df1277d02c4050398084782c9709141e735d23fa2a39c841
    simultaneous-old-b0n         8cdfc5dfe1ce06e0fc5d4faa24d34d1ad7fc19ca7c27ede1425b1a7cfb068893
    swap-move-b0n-counter        1ed8ef07cacb149fe0a02fb08cb8cbf64c6908444e1b3b4e897eacd823918848
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
