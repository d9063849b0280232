//! Images built here are imgtool's, byte for byte, but for what is random.
//!
//! Every corpus file that came from one run of imgtool is built again from its payload and the options of
//! that run. Random are ECDSA and RSA signatures, content keys and ephemeral keys; with the content key go the
//! bytes of the encrypted payload, which is compared in clear.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::iter;

use common::{
    Entry, decryption_key, encryption_key, manifest, private_key, public_key, read, sha256,
};
use hil_image::network::{NetworkBuilder, NetworkImage};
use hil_image::{
    AesKeySize, BuildError, HashAlgorithm, Image, ImageBuilder, ImageVersion, KeyTlv, LoadAddress,
    PaddedTrailer, Padding, SavedKeys, SignedData, StoredPayload, TlvKind, TrailerMark, Verifier,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rstest::rstest;

/// The manifest's `payload_rule`.
fn payload(seed: &str, size: usize, stack: u32, base: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 32);
    for number in 0.. {
        if bytes.len() >= size {
            break;
        }
        let block = HashAlgorithm::Sha256.digest(format!("{seed}:{number}").as_bytes());
        bytes.extend_from_slice(block.as_bytes());
    }
    bytes.truncate(size);
    if size >= 8 {
        bytes[..4].copy_from_slice(&stack.to_le_bytes());
        bytes[4..8].copy_from_slice(&((base + 0x400) | 1).to_le_bytes());
    }
    bytes
}

/// Words of a recorded command line; single quotes as `shlex` writes them.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in command.chars() {
        match character {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words
}

fn hex_number(text: &str) -> u32 {
    u32::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

/// The builder with the options of one recorded run of `imgtool sign`.
fn builder(entry: &Entry, payload: Vec<u8>) -> ImageBuilder {
    let command = words(entry.command.as_deref().unwrap());
    let mut words = command.iter().map(String::as_str).skip(2);
    let mut builder = ImageBuilder::new(payload);
    let mut version = ImageVersion::default();
    let mut padding: Option<Padding> = None;
    let mut slot_size = 0;
    while let Some(option) = words.next() {
        let mut value = || words.next().unwrap();
        builder = match option {
            "--header-size" => builder.header_size(hex_number(value()) as u16),
            "--pad-header" => builder,
            "--align" => {
                assert_eq!(value(), "4");
                builder
            }
            "--slot-size" => {
                slot_size = hex_number(value());
                builder
            }
            "--version" => {
                version = value().parse().unwrap();
                builder.version(version)
            }
            "--key" => builder.key(&private_key(key_name(value(), ".pem"))),
            "--encrypt" => builder.encrypt(&encryption_key(key_name(value(), ".pub.pem"))),
            "--encrypt-keylen" => {
                assert_eq!(value(), "256");
                builder.content_key_size(AesKeySize::Aes256)
            }
            "--hmac-sha" => {
                assert_eq!(value(), "512");
                builder.ecies_hash(HashAlgorithm::Sha512)
            }
            "--clear" => builder.stored_payload(StoredPayload::Clear),
            "--public-key-format" => {
                assert_eq!(value(), "full");
                builder.key_tlv(KeyTlv::Full)
            }
            "--sha" => {
                assert_eq!(value(), "512");
                builder.hash(HashAlgorithm::Sha512)
            }
            "--pure" => builder.signed_data(SignedData::Image),
            "--rom-fixed" => builder.load_address(LoadAddress::Rom(hex_number(value()))),
            "--non-bootable" => builder.non_bootable(),
            "--dependencies" => {
                let text = value();
                let (image, minimum) = text[1..text.len() - 1].split_once(", ").unwrap();
                builder.dependency(image.parse().unwrap(), minimum.parse().unwrap())
            }
            "--security-counter" => match value() {
                "auto" => builder.security_counter(version.security_counter()),
                number => builder.security_counter(number.parse().unwrap()),
            },
            "--boot-record" => builder.boot_record(value()),
            // imgtool makes a UUID from the name; the manifest has it.
            "--vid" => {
                value();
                builder.vendor_id(uuid(entry, TlvKind::UUID_VID))
            }
            "--cid" => {
                value();
                builder.class_id(uuid(entry, TlvKind::UUID_CID))
            }
            "--custom-tlv" => {
                let kind = TlvKind(hex_number(value()) as u16);
                let text = value();
                let bytes = match text.strip_prefix("0x") {
                    Some(digits) => hex::decode(digits).unwrap(),
                    None => text.as_bytes().to_vec(),
                };
                builder.custom_tlv(kind, bytes)
            }
            "--pad" | "--test" => {
                padding.get_or_insert_with(|| Padding::new(slot_size));
                builder
            }
            "--confirm" => {
                padding.get_or_insert_with(|| Padding::new(slot_size)).mark =
                    TrailerMark::Confirmed;
                builder
            }
            "--overwrite-only" => {
                padding
                    .get_or_insert_with(|| Padding::new(slot_size))
                    .trailer = PaddedTrailer::OverwriteOnly;
                builder
            }
            "PAYLOAD.bin" => builder,
            output if output == entry.file => builder,
            other => panic!("{}: option `{other}` is not known here", entry.file),
        };
    }
    match padding {
        Some(padding) => builder.pad(padding),
        None => builder,
    }
}

fn key_name<'a>(path: &'a str, suffix: &str) -> &'a str {
    path.strip_prefix("keys/")
        .and_then(|name| name.strip_suffix(suffix))
        .unwrap()
}

fn uuid(entry: &Entry, kind: TlvKind) -> [u8; 16] {
    let bytes = read(&entry.file);
    let image = Image::parse(&bytes).unwrap();
    *image.tlv(kind).unwrap().exactly().unwrap()
}

/// The payload that an image was made from.
fn original_payload(entry: &Entry) -> Vec<u8> {
    let expected = entry.payload.as_ref().unwrap();
    if entry.kind.as_deref() == Some("net") {
        // The signature inside is random: take the bytes, which another test looks into.
        let mut bytes = plain_payload(entry, &read(&entry.file));
        bytes.truncate(expected.size);
        return bytes;
    }
    payload(&expected.seed, expected.size, 0x2007_0000, 0xc200)
}

fn plain_payload(entry: &Entry, bytes: &[u8]) -> Vec<u8> {
    let image = Image::parse(bytes).unwrap();
    let key = match (&entry.enc_key, entry.clear) {
        (Some(name), false) => {
            let tlv = image.tlvs().find(|tlv| tlv.kind.is_content_key()).unwrap();
            Some(
                decryption_key(name)
                    .unwrap_content_key(tlv.kind, tlv.value)
                    .unwrap(),
            )
        }
        _ => None,
    };
    image.plain_payload(key.as_ref()).into_owned()
}

/// Ed25519 has no randomness, so its signatures must be equal too.
fn is_random(kind: TlvKind) -> bool {
    kind == TlvKind::ECDSA_SIG || kind == TlvKind::RSA2048_PSS || kind.is_content_key()
}

fn assert_same_but_for_random_parts(entry: &Entry, built: &[u8], file: &[u8]) {
    let name = &entry.file;
    let (ours, theirs) = (Image::parse(built).unwrap(), Image::parse(file).unwrap());
    assert_eq!(ours.header_bytes(), theirs.header_bytes(), "{name}: header");
    assert_eq!(
        sha256(&plain_payload(entry, built)),
        sha256(&plain_payload(entry, file)),
        "{name}: payload"
    );
    if entry.enc_key.is_none() || entry.clear {
        assert_eq!(ours.payload(), theirs.payload(), "{name}: stored payload");
    } else {
        assert_ne!(ours.payload(), theirs.payload(), "{name}: same key twice");
    }
    assert_eq!(
        ours.protected_bytes(),
        theirs.protected_bytes(),
        "{name}: protected TLVs"
    );
    assert_eq!(ours.tlvs().count(), theirs.tlvs().count(), "{name}: TLVs");
    for (ours, theirs) in iter::zip(ours.tlvs(), theirs.tlvs()) {
        assert_eq!(ours.kind, theirs.kind, "{name}: order of TLVs");
        assert_eq!(ours.area, theirs.area, "{name}: {}", ours.kind);
        if !is_random(ours.kind) {
            assert_eq!(ours.value, theirs.value, "{name}: {}", ours.kind);
        } else if ours.kind != TlvKind::ECDSA_SIG {
            assert_eq!(
                ours.value.len(),
                theirs.value.len(),
                "{name}: {}",
                ours.kind
            );
        }
    }
    // What stands behind the image: erased flash and a trailer, or nothing.
    if file.len() > theirs.len() {
        assert_eq!(built.len(), file.len(), "{name}: padded size");
        let start = ours.len().max(theirs.len());
        assert_eq!(built[start..], file[start..], "{name}: trailer");
        assert!(built[ours.len()..start].iter().all(|byte| *byte == 0xff));
    } else {
        assert_eq!(built.len(), ours.len(), "{name}: bytes behind the image");
    }
}

fn assert_accepted(entry: &Entry, built: &[u8]) {
    let image = Image::parse(built).unwrap();
    let verifier = match &entry.sig_key {
        Some(key) => Verifier::new([public_key(key)]),
        None => Verifier::unsigned(),
    };
    let verifier = match &entry.enc_key {
        Some(key) => verifier.decryption(decryption_key(key)),
        None => verifier,
    };
    let verifier = if entry.clear {
        verifier.stored(StoredPayload::Clear)
    } else {
        verifier
    };
    match verifier.suited_to(&image).verify(&image) {
        Ok(verified) => assert_eq!(verified.signature.is_some(), entry.sig_key.is_some()),
        Err(refusal) => assert_eq!(
            entry.file, "non_bootable_v2.0.0_4k.bin",
            "{}: {refusal}",
            entry.file
        ),
    }
}

#[test]
fn every_imgtool_image_can_be_built_again() {
    let mut rebuilt = 0;
    for entry in manifest().files {
        if entry.command.is_none() {
            continue;
        }
        let original = original_payload(&entry);
        assert_eq!(
            sha256(&original),
            entry.payload.as_ref().unwrap().sha256,
            "{}: payload rule",
            entry.file
        );
        let builder = builder(&entry, original);
        let built = builder
            .build(&mut ChaCha20Rng::seed_from_u64(rebuilt))
            .unwrap();
        assert_same_but_for_random_parts(&entry, &built, &read(&entry.file));
        assert_accepted(&entry, &built);
        let again = builder
            .build(&mut ChaCha20Rng::seed_from_u64(rebuilt))
            .unwrap();
        assert!(built == again, "{}: same seed, other bytes", entry.file);
        rebuilt += 1;
    }
    assert_eq!(rebuilt, 46, "corpus files that imgtool made");
}

#[test]
fn aes_key_wrap_images_can_be_built_again() {
    for (file, size) in [
        ("enc_aeskw128_v2.0.0_8k.bin", AesKeySize::Aes128),
        ("enc_aeskw256_v2.0.0_8k.bin", AesKeySize::Aes256),
    ] {
        let entry = manifest()
            .files
            .into_iter()
            .find(|entry| entry.file == file)
            .unwrap();
        let built = ImageBuilder::new(original_payload(&entry))
            .version(ImageVersion::new(2, 0, 0))
            .key(&private_key("sig-ec256"))
            .encrypt(&encryption_key(entry.enc_key.as_deref().unwrap()))
            .content_key_size(size)
            .build(&mut ChaCha20Rng::seed_from_u64(1))
            .unwrap();
        assert_same_but_for_random_parts(&entry, &built, &read(file));
        assert_accepted(&entry, &built);
    }
}

#[test]
fn network_payloads_can_be_built_again() {
    let mut rebuilt = 0;
    for entry in manifest().files {
        if entry.kind.as_deref() != Some("net") {
            continue;
        }
        let file = &entry.file;
        let theirs = plain_payload(&entry, &read(file));
        let info = NetworkImage::parse(&theirs).unwrap().firmware;
        let seed = &entry.payload.as_ref().unwrap().seed;
        let code = payload(seed, 8192, 0x2101_0000, info.address);
        let mut ours = NetworkBuilder::new(code)
            .version(info.version)
            .address(info.address)
            .valid(info.valid)
            .key(&private_key("b0n-ec256"))
            .build()
            .unwrap();
        if file == "net_bad_b0hash.bin" {
            ours[8192 + 16] ^= 1;
        }
        let signature = ours.len() - 64;
        assert_eq!(ours.len(), theirs.len(), "{file}");
        assert_eq!(ours[..signature], theirs[..signature], "{file}");
        rebuilt += 1;
    }
    assert_eq!(rebuilt, 6);
}

/// Images without randomness for which the corpus has no file: SHA-256 of what imgtool 2.5.0 made from 5,003
/// bytes 0, 1, 2, … with `sign --header-size 0x200 --pad-header --slot-size 0x8000 --version 1.2.3+4` and the
/// options in the comment of each case.
#[rstest]
// --max-align 32 --align 32 --pad
#[case::wide_trailer(
    counting_builder().pad(Padding { max_align: 32, write_size: 32, ..Padding::new(0x8000) }),
    "e81c0ab5db80a4a733c2420e0b25380fc10d79e44480a700a4cb8ddbd3d3b73a"
)]
// --max-align 32 --align 32 --pad --confirm
#[case::wide_trailer_confirmed(
    counting_builder().confirm(Padding { max_align: 32, write_size: 32, ..Padding::new(0x8000) }),
    "c855c257e4cf46541e36156b181b20877a3482bb6e8116a92d9dde86b870610c"
)]
// --align 4 --pad --confirm --overwrite-only
#[case::overwrite_only_confirmed(
    counting_builder().confirm(Padding { trailer: PaddedTrailer::OverwriteOnly, ..Padding::new(0x8000) }),
    "6321e669d7622afef9699e6da0cba18cc07cf2624010e385c13e42ee0383f666"
)]
// --align 4 --sha 384
#[case::sha384(
    counting_builder().hash(HashAlgorithm::Sha384),
    "514ec4a961b8950e342755a2e9252cde559fa710e26cfa6ea02b8178c1c7a173"
)]
// --align 4 --sha 512 --boot-record ABCDEFGHIJKL --security-counter auto
#[case::boot_record_with_sha512(
    counting_builder().hash(HashAlgorithm::Sha512).boot_record("ABCDEFGHIJKL").security_counter(0x0102_0003),
    "336c0faf778a91cf3925203e25cf02db298fb6c742ceb28288c781ec04a56ce5"
)]
// --align 4 --key keys/sig-ed25519.pem --load-addr 0x20000000 --non-bootable -R 0 --pad --confirm
#[case::ram_load_with_zero_as_erased_value(
    counting_builder().key(&private_key("sig-ed25519")).load_address(LoadAddress::Ram(0x2000_0000)).non_bootable().erased_value(0).confirm(Padding::new(0x8000)),
    "5d3e820d67d6c4b8f2318808a884329f8b4b5a61ed55c619bbc7d2dfe8c607b7"
)]
// --align 4 --key keys/sig-ed25519.pem --pure --boot-record X --public-key-format full
#[case::pure_with_boot_record_and_whole_key(
    counting_builder().key(&private_key("sig-ed25519")).signed_data(SignedData::Image).boot_record("X").key_tlv(KeyTlv::Full),
    "83d1916e312348081ff76904a5f0c374d20026f748026296712afe95625a6177"
)]
// --align 8 --max-sectors 256 --pad
#[case::more_sectors(
    counting_builder().pad(Padding { write_size: 8, max_sectors: 256, ..Padding::new(0x8000) }),
    "6321e669d7622afef9699e6da0cba18cc07cf2624010e385c13e42ee0383f666"
)]
// --align 4 --boot-record ABC
#[case::boot_record_without_key(
    counting_builder().boot_record("ABC"),
    "4a26c6698e1eefa75f55746cd23103b4fe98c12c7551fa79396c375e4153f68c"
)]
fn further_options_give_imgtools_bytes(#[case] builder: ImageBuilder, #[case] expected: &str) {
    let built = builder.build(&mut ChaCha20Rng::seed_from_u64(1)).unwrap();
    assert_eq!(sha256(&built), expected);
}

fn counting_builder() -> ImageBuilder {
    let payload: Vec<u8> = (0..5003u32).map(|number| number as u8).collect();
    ImageBuilder::new(payload).version("1.2.3+4".parse().unwrap())
}

/// The least slot that imgtool 2.5.0 fits the same image into with `--align 4 --pad`, without and with
/// `--save-enctlv`; 8 bytes less and it refuses.
#[rstest]
#[case::plain_keys(SavedKeys::Plain, 0x1cc8)]
#[case::whole_tlvs(SavedKeys::Tlv, 0x1d48)]
fn slot_is_too_small_where_imgtool_says_so(#[case] saved_keys: SavedKeys, #[case] least: u32) {
    let fits = |slot_size| {
        counting_builder()
            .key(&private_key("sig-ed25519"))
            .encrypt(&encryption_key("enc-x25519"))
            .pad(Padding {
                saved_keys,
                ..Padding::new(slot_size)
            })
            .build(&mut ChaCha20Rng::seed_from_u64(1))
    };
    assert_eq!(fits(least).unwrap().len(), least as usize);
    assert!(matches!(fits(least - 8), Err(BuildError::SlotSize { .. })));
}
