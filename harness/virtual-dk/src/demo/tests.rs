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
    swap-move-ecdsa-ec256        f02a21eb2831e2506736ae67eef7c34bc897ab0711cdf6f587b7c208d1928d6e
    overwrite-rsa2048            f148252fb36a1cfa134588ded51e633fa1a1c38bb4579c3d3c22907ea1e0b417
    swap-move-external           996f25ba62f7578be033f0aa599cfd4d063e4c3abe662011735ced2a05a87344
    swap-offset-ecdsa-ec256      60b7c44bce5727c935e4e934a67c63d638cc79d22c82db168695d0ed9a65067e
    swap-scratch-ecdsa-ec256     18bfbbb368ea2448ec237558acbcbaabcccc0e498f97d53b3924a9ed213e72a6
    swap-move-ed25519-x25519     7c87a8f78d43352c75fe8d20e449d190f460c5f0a7282f056ae16dbf5f4fcb8b
    swap-move-rsa2048            d76bd18846895011a2eb834103b35268cf81d9e6cd7231193ae2cbe08b8c0e7b
    swap-move-single-core        41de60d97f56aedc9745962f6930843b8624ea4b3d3a900380603d6b52e87f46
    swap-move-security-counter   a3e988aed281935ae75a6f41a46d71fb1cedf4bf999be56d6f660e29dfe0cf47
    simultaneous-overwrite       d45134569b180b674d2e9c7dd6bcb1ab441c72d3715e8bbcb170641ce8008fd7
    simultaneous-swap            8d2e91fc51a7cc5d26264c03b804aec0f0aadd028b092d16ec745252c5a6db16
    simultaneous-internal        5c0bb958ee567291dc04a6fd002c2f635d6228cbb8c3bbb0ac41f6362f4de9ae
    simultaneous-old-b0n         d6763b61b89d86f5b89c292b1808d028caf1eb583b9f39c958a2057c2ce28d65
    swap-move-b0n-counter        a27eab40b9ff3aad982242f3bedb7ae8f9fc0dcf511658f5df719fe35183d224
    sdk-2.3                      9609d15edbe9a3b002fe2c47d88735a119057fddc2dda202da90b106d21b8f19
    sdk-2.5                      dfccc4b82b987d65f8a556736eb0e71057cb6a134caf1a4039cb27aec415f70b
    sdk-2.7                      43b8c8550a4e214c6a88cfdfd2912d5f523ecb1ba2dfc1369d9cf405e5f12e8b
    sdk-2.9                      eabd31c8eb075f7d83bcdcda5ef028f35e30666d87903dadae74765d65d20bad
    sdk-2.9-overwrite            4e50ef57fcb11f8a2b6c01f495677754d3fa2ae05c72c24a3cf864e932fda990
    sdk-3.4                      e3622f19529e1ee5733b419b01260c6ea2a8d4bb5f07745a30c5318a535755a0
    few-sectors                  f2a80bcd97337b298904e153e4a948c64c28bf312c9a2b5918a6d7154b80c75f
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
        let unnamed = [FIRMWARE_FILE, "keys/signing.pem"].map(PathBuf::from);
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
