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
    swap-move-ecdsa-ec256        1e4e88612bc37b3711b5e6a158bed710f5cc7701262a1bacf42497a77618a97c
    overwrite-rsa2048            2c826b4eed1bf5a34c2ea2732959c92e23152ff1e9994ae3386c7b650f781ca4
    swap-move-external           3114458c7fcafea18250e26696bc0f3f249b185ea1c7f9f3ce2047465da7e4a7
    swap-offset-ecdsa-ec256      26b0ea8a1ff3804a4f58e93b785e07ae0424dee72a3befa636317ef1950dd808
    swap-scratch-ecdsa-ec256     8ca78509f58df8d5d47ae44cab6d46b7dc92ed7b0d32369dc5dacd1e7059e975
    swap-move-ed25519-x25519     2e28bddeb40ee1d768cd9fd2884a09cf1e4e6705b3dcbb78c4d6c42f338d3706
    swap-move-rsa2048            b42a8a3d319347341c1df1281193b4bb472bbb663afc50ad2f60b298b085f0f9
    swap-move-single-core        41de60d97f56aedc9745962f6930843b8624ea4b3d3a900380603d6b52e87f46
    swap-move-security-counter   eb0671f3b643a91e460a127b82c7abb0c2d3178c0f8671296341e60e9e955685
    simultaneous-overwrite       a1472a5fb81dd4b4ad70f168c68de80e8828f42d19938b7e99344b374a031b34
    simultaneous-swap            be65d0dc7c5487b68e32ce712d9c46d1d83ded991ce58b41a7de3c8c83c772d3
    simultaneous-internal        da0a7a5ccff37027df1277d02c4050398084782c9709141e735d23fa2a39c841
    simultaneous-old-b0n         8cdfc5dfe1ce06e0fc5d4faa24d34d1ad7fc19ca7c27ede1425b1a7cfb068893
    swap-move-b0n-counter        677ec6055fd3b4789ec86e01807805bd2adca872523a2096c3ceb6ac26c16aea
    sdk-2.3                      ba2f8a4b5f3532b5a16f9d9561b840f2d4aa0e322e1b2d1063a9d78f3518167d
    sdk-2.5                      81c99a581c2634ef01a704e6babc63fef200317a808129cecc8521da94d50364
    sdk-2.7                      c48a82f90b324f36b89f7475cd4ce2d56b76dc20bf0878b3385ad0c3a904084f
    sdk-2.9                      a50de222f4f864e184c5d1db124a7cc7df0cb20e045fbe40dce438af10dcb11c
    sdk-2.9-overwrite            0336dc708596e16836837e71254feeeb82416e6defd84aee21c0bfcb080a93c6
    sdk-3.4                      e9c879d59ba56db4ad5673f64a4cf3fe2d8306ff614847203b6a35cbcda564eb
    few-sectors                  f00ce5a6c95238820c2eda63b12b61f4c0da0ba906c27faf300b547460659694
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
