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
    swap-move-ecdsa-ec256        73b91a5b0d35cf870e993684fa05de4c94ef604bd5fa8e93dbecb052e635802d
    overwrite-rsa2048            e40f8bc405d4deffb40fb7132797d33f473972a362a6fc00a6132b3a5bf86e96
    swap-move-external           bbcff6c0ff1933c50f040c2822db1cd78e8f1c85fd81cadc2d97c962741d3e01
    swap-offset-ecdsa-ec256      bbdb5fe9151b8d6d8c2ef310e299b01ef292d81f8e6c263579966c18f6d7ede5
    swap-scratch-ecdsa-ec256     a5f034f9593a0a66bc33d238e23085f82842b0b2c38c19b0de7dfb1cceccb4cf
    swap-move-ed25519-x25519     2e74452fc03e94412a395ea7d0a44973ad6bfed1f22c2c34758d2899d7568795
    swap-move-rsa2048            697fd9acf3f989194d2b6c3da987f29f0de7ced93304dcded3a82e1c9b10f0ed
    swap-move-single-core        4d8b536db4e63354b3e88dc04b487eef4f07350337d2b33ebbc31534b160ced6
    swap-move-security-counter   9fe0835ab820978d5cc9afccf83a280c74ea0314bab6b4bb984e53715be71ac5
    simultaneous-overwrite       9bef2e48f97bab89e7b1b2202b539699ca57b507e6ad9c828343631b27843dd5
    simultaneous-swap            7770e953297ded73f2a42c6184f9e25e742e0e8196699663580e1a06b228ccb7
    simultaneous-internal        78c8dce144d901576a439f8e22025ab755cfd8c1684ff023c526f7c9464cba9d
    simultaneous-old-b0n         37e2261d4775e4f8714d71bc93e24cfc38892c58281ea3000616c41913897198
    swap-move-b0n-counter        47f38e4ba29da8029ea713ff358f3473ac0c96d24cb5a4b56d22e4dcd98ce3b6
    sdk-2.3                      ccba2fd1b09dc23700d95475ec561b0a1d135806e7a5bd94d018d71bfa5531d0
    sdk-2.5                      1587b9b71a0f5b86750c1809ec72d0242b950b89048077e04f74c5b346152050
    sdk-2.7                      b8e1e199d592f4b879aa6993eec31e1e5034d27970ce9b60b283ddd6f6655ff6
    sdk-2.9                      8121b94231420d6519c1ec93b9ea06b0b4004903e2685f2586f272f7490c023e
    sdk-2.9-overwrite            d048f9ada9371cc6235a6ecf3c4092285a1b210e371eb49a21a03188608558b1
    sdk-3.4                      f9755d2b4cf7f004d801e52e1ba8924d6a2aef55f20f02ced6a6df7fdb40f0bd
    few-sectors                  264d167b0e349a819364504cc5ba1506bf881f5d0357c0c073a9ae9b43f39371
    single-slot                  a24c6de014e1c90a82ba781a748d0a1a3ea314f4cee3be18a59890bd6bd25de5
    single-slot-sdk-2.6          e1a5aee79d8d3edd130aff392458c0f19ab4e04ba91602c3e82b4be911d9f7a8
    single-slot-sdk-3.4          66e8be2bfae9c0008795ad1fbc1c70f8415667356f216a12e4731f254b8d2206
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
