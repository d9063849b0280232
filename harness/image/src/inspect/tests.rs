use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn corpus(file: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images");
    fs::read(folder.join(file)).unwrap()
}

/// Keys by file name, as the command line takes them.
fn ring(files: &[&str]) -> KeyRing {
    let mut ring = KeyRing::new();
    for file in files {
        let text = String::from_utf8(corpus(&format!("keys/{file}"))).unwrap();
        ring.add(file, &text).unwrap();
    }
    ring
}

#[test]
fn signed_image_is_shown_with_header_tlvs_and_verdict() {
    let inspection = Inspection::of(
        &corpus("all_protected_v2.0.0_8k.bin"),
        &ring(&["sig-ec256.pub.pem"]),
    );
    insta::assert_snapshot!(inspection);
}

#[test]
fn encrypted_padded_image_is_shown_without_its_keys() {
    let inspection = Inspection::of(
        &corpus("pad_confirm_enc_v2.0.0_8k.bin"),
        &ring(&["sig-ec256.pem", "enc-ec256.pem"]),
    );
    insta::assert_snapshot!(inspection);
}

#[test]
fn network_image_is_shown_with_its_metadata() {
    let inspection = Inspection::of(&corpus("net_wrong_base.bin"), &KeyRing::new());
    insta::assert_snapshot!(inspection);
}

#[test]
fn json_has_the_same_facts() {
    let inspection = Inspection::of(
        &corpus("enc_custom_tlv_v2.0.0_8k.bin"),
        &ring(&["sig-ec256.pub.pem", "enc-ec256.pem"]),
    );
    insta::assert_snapshot!(serde_json::to_string_pretty(&inspection).unwrap());
}

#[rstest]
#[case::plain_without_keys("ec256_v2.0.0_8k.bin", &[], "hash matches; signature not checked, for no key was given")]
#[case::damaged_without_keys(
    "flip_payload.bin",
    &[],
    "refused: image hash in TLV SHA256 (0x0010) at offset 0x2204 is 4a030e218a312a7a42d176115e39fd5a625e5913bc702e65f2065d33ee9a8057, expected 596657766d5c92e75b4e706b111690612943d322b039c5b98e61c1a948dbd299 by the image's own bytes"
)]
#[case::one_of_several_keys(
    "rsa2048_v1.0.0_16k.bin",
    &["sig-ec256.pub.pem", "sig-ed25519.pem", "sig-rsa2048.pub.pem"],
    "accepted: RSA-2048 PSS signature by key `sig-rsa2048.pub.pem` (88798dad2dc05a5f6e6f05e3001f0aa3db1fcd8be0ca94e2cba0df4be5a6e140)"
)]
#[case::pure(
    "ed25519_pure_v2.0.0_4k.bin",
    &["sig-ed25519.pub.pem"],
    "accepted: Ed25519 signature by key `sig-ed25519.pub.pem` (7562fffd928740aff8cee99da2a6a471d90a0f8b22c3899e9aaf23b613d5e4bcf4a81c9a7a2e8ab7cdffceb6ace6cbc85ca646944e297debb5d529e6e71a9fe3)"
)]
#[case::whole_public_key(
    "ec256_pubkey_full_4k.bin",
    &["sig-ec256.pub.pem"],
    "accepted: ECDSA P-256 signature by key `sig-ec256.pub.pem` (bd72acea161a15e276a5d4297c80a9052c960453e9172ece9c9a35288cf6e3f8)"
)]
#[case::other_key(
    "wrong_key_v2.0.0_8k.bin",
    &["sig-rsa2048.pub.pem"],
    "refused: key in TLV KEYHASH (0x0001) at offset 0x2228 has hash 034b63b483bb7d08da7003e97d4ac1c14c24c389910d48d3bd9edafdcce20808, expected 88798dad2dc05a5f6e6f05e3001f0aa3db1fcd8be0ca94e2cba0df4be5a6e140\nhelp: sign with the key that the bootloader was built with, or give that key"
)]
#[case::encrypted_without_keys(
    "enc_x25519_v2.0.0_16k.bin",
    &["sig-ed25519.pub.pem", "enc-ec256.pem"],
    "undecided: payload is encrypted, and no key was given that opens it\nhelp: give the device's decryption key"
)]
#[case::encrypted_for_another_device(
    "enc_wrong_enckey_v2.0.0_8k.bin",
    &["sig-ec256.pub.pem", "enc-ec256.pem"],
    "refused: TLV ENC_EC256 (0x0032) at offset 0x2296 cannot be opened: MAC at value offset 65 does not match the wrapped key: the image was encrypted for another key, or the TLV is damaged"
)]
#[case::second_decryption_key_opens(
    "enc_wrong_enckey_v2.0.0_8k.bin",
    &["sig-ec256.pub.pem", "enc-ec256.pem", "enc-ec256-wrong.pem"],
    "accepted: ECDSA P-256 signature by key `sig-ec256.pub.pem` (bd72acea161a15e276a5d4297c80a9052c960453e9172ece9c9a35288cf6e3f8); decrypted with key `enc-ec256-wrong.pem`"
)]
#[case::decrypted_without_signing_key(
    "enc_aeskw256_v2.0.0_8k.bin",
    &["enc-aeskw256.b64"],
    "hash matches; signature not checked, for no key was given; decrypted with key `enc-aeskw256.b64`"
)]
#[case::decryption_key_alone_is_not_taken_for_the_signing_key(
    "enc_ec256_aes128_v2.0.0_16k.bin",
    &["enc-ec256.pem"],
    "hash matches; signature not checked, for no key was given; decrypted with key `enc-ec256.pem`"
)]
#[case::signature_damaged(
    "flip_signature_tlv.bin",
    &["sig-ec256.pem"],
    "refused: ECDSA P-256 signature at offset 0x224c is wrong for image hash 4a030e218a312a7a42d176115e39fd5a625e5913bc702e65f2065d33ee9a8057, expected one made with key bd72acea161a15e276a5d4297c80a9052c960453e9172ece9c9a35288cf6e3f8: signature does not match the key and the data"
)]
#[case::not_bootable(
    "non_bootable_v2.0.0_4k.bin",
    &["sig-ec256.pem"],
    "refused: `flags` at offset 0x0010 is 0x00000010 with NON_BOOTABLE, expected a bootable image\nhelp: the image was signed with `--non-bootable`"
)]
#[case::clear("enc_ec256_clear_v1.0.0_8k.bin", &["sig-ec256.pub.pem"], "accepted: ECDSA P-256 signature by key `sig-ec256.pub.pem` (bd72acea161a15e276a5d4297c80a9052c960453e9172ece9c9a35288cf6e3f8)")]
#[case::damaged_cipher_text("enc_flip_payload.bin", &["sig-ec256.pub.pem", "enc-ec256.pem"], "refused: image hash in TLV SHA256 (0x0010) at offset 0x4204 is a59ec9f5f576c73ef33c4f9770fe95fc14096fa1bfec1e01ba86d99fd2938170, expected 564163f4c7b9623304c0d5cbb58cb800095a00070680ba9cbdf05f0e5933b8a1 by the image's own bytes")]
#[case::both_flags("enc_both_flags.bin", &["enc-ec256.pem"], "refused: `flags` at offset 0x0010 is 0x0000000c with ENCRYPTED_AES128 and ENCRYPTED_AES256, expected at most one of them")]
#[case::zip("dfu_application.zip", &[], "refused: header magic at offset 0x0000 is 0x04034b50, expected 0x96f3b83d\nhelp: this is a zip: unpack it and take the image of one core")]
#[case::empty("empty.bin", &[], "refused: header at offset 0x0000 needs 32 bytes, 0 are there\nhelp: this is too short to be an image: was the file copied completely?")]
fn verdict_in_words(#[case] file: &str, #[case] keys: &[&str], #[case] verdict: &str) {
    let inspection = Inspection::of(&corpus(file), &ring(keys));
    assert_eq!(inspection.verdict.to_string(), verdict);
    assert_eq!(inspection.is_refused(), verdict.starts_with("refused"));
}

/// Everything secret about the encrypted files, as hex, and the start of their plain payload.
#[rstest]
#[case::text(false)]
#[case::json(true)]
fn nothing_secret_is_ever_shown(#[case] json: bool) {
    let manifest: serde_json::Value = serde_json::from_slice(&corpus("manifest.json")).unwrap();
    let all_keys = [
        "sig-ec256.pem",
        "sig-rsa2048.pem",
        "sig-ed25519.pem",
        "enc-ec256.pem",
        "enc-ec256-wrong.pem",
        "enc-rsa2048.pem",
        "enc-x25519.pem",
        "enc-aeskw128.b64",
        "enc-aeskw256.b64",
    ];
    let keys = ring(&all_keys);
    let mut checked = 0;
    for entry in manifest["files"].as_array().unwrap() {
        let Some(content_key) = entry["check"]["content_key"].as_str() else {
            continue;
        };
        let file = entry["file"].as_str().unwrap();
        let bytes = corpus(file);
        let image = Image::parse(&bytes).unwrap();
        let inspection = Inspection::of(&bytes, &keys);
        let shown = if json {
            serde_json::to_string(&inspection).unwrap()
        } else {
            format!("{inspection}\n{inspection:?}")
        };
        let judged = Judged::by(&image, &keys);
        let payload = image.plain_payload(judged.content_key.as_ref());
        assert!(!shown.contains(content_key), "{file}: content key");
        for chunk in payload.chunks(16).take(40) {
            assert!(!shown.contains(&hex::encode(chunk)), "{file}: payload");
        }
        for tlv in image.tlvs().filter(|tlv| tlv.kind.is_content_key()) {
            let wrapped = hex::encode(&tlv.value[tlv.value.len() - 16..]);
            assert!(!shown.contains(&wrapped), "{file}: wrapped key");
        }
        checked += 1;
    }
    assert_eq!(checked, 14);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let inspection = Inspection::of(&bytes, &KeyRing::new());
        let _ = inspection.to_string();
    }
}
