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
    swap-move-ecdsa-ec256        e7ce8c6b113234acacddc0efb0f3b6dd3c7abe8636ed3ee54ec66112b2269ed9
    overwrite-rsa2048            eb26ead65cd61749743ea9511e8f284e5e0289f3cd28fdd22410dd1de91a7ff5
    swap-move-external           aa19872a8838cac3c6e7b7429f6aab583c0f724cece1d9ca71844f5b9e91974d
    swap-offset-ecdsa-ec256      7b10acd04dab9f67c5460c2c85127a38c7c30914dae845aba54e67d53a9a056f
    swap-scratch-ecdsa-ec256     4d88b5222d4e1a83d311b31ffaac9e27515544572769c86a849361e7b9fbc955
    swap-move-ed25519-x25519     8a711122e82c43e8845ecf7b56006a4ba90b4c6453695e761cdd3646dfe32e1e
    swap-move-rsa2048            003d756c37166e9881611c548b42485e130fa9c72c572a4e827cab9193620914
    swap-move-single-core        d3689cf8e532e7d5e9f7fc3ce1f7a8e60c60831b97d0f02e7f372208b6de724e
    swap-move-security-counter   b2f942fcdfdc87a9663155431dfd68c4e120fcfd2935368eb1bea302ee591e95
    simultaneous-overwrite       25a855f4f8fadabc626b4cdffd1adfc922bc224e3657d8e2aec1f72c4883a812
    simultaneous-swap            d2709645ce1a4684578c748b8980c7289e297e03d74263a67329264cc622f631
    simultaneous-internal        884008722b0b94203bcc78169f027b3e0106d7612b8ec3cc1dd96b99db459061
    simultaneous-old-b0n         1f21c594824256c9388db6731342ab68284d0ee8326b53e6eccb57a5025948a3
    swap-move-b0n-counter        a72dd75701a5882e3ddd35014f1111a54b5019f4bbdaaf4e42511a298d9555ad
    sdk-2.3                      d03d398a1b958089a791578c6b9aac43525dd3d1ed65455ddb971cd75b2f722d
    sdk-2.5                      f91c646c8e077e02892a839e0b8c6f028222895ce26aa4dfb52281a943239d46
    sdk-2.7                      de8e736a66be538f1efaa49f5a8535e82bcc30fcbd66993301370fb66f8504ff
    sdk-2.9                      2e092c903f788aed2e0b0848b1c0813934170fec61eff786f22a48a4009b68a0
    sdk-2.9-overwrite            0df0374780d442a5642a516ff93039f5521d7b9ecf34734826de633e4d53e2d8
    sdk-3.4                      9d2fb28149370934767f90f95e03c487a546d5be340f47fbbc21a5680478193f
    few-sectors                  2229506994c910a74666eb5167db5a0adb4f1d6bfccb6eba3d5773e7ea1345fe
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
#[case::hotfix("hotfix", true)]
#[case::big("big", true)]
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
fn the_big_image_has_100_kib_and_leaves_room_for_a_swap() {
    let set = DemoSet::generate(Variant::SWAP_MOVE_ECDSA_EC256);
    let image = set.file("big/app_update.bin").expect("it is in the set");
    assert!((100 * 1024..128 * 1024).contains(&image.len()));
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
