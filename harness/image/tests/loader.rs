//! What a bootloader makes of images that imgtool does not make.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::fs;
use std::path::Path;

use common::{encryption_key, private_key, public_key};
use hil_image::{
    AesKeySize, BuildError, HashAlgorithm, Image, ImageBuilder, ImageFlags, ImageVersion, KeyTlv,
    LoadAddress, Padding, PrivateKey, Refusal, SignedData, StoredPayload, TlvKind, UnprotectedTlvs,
    Verified, Verifier,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rstest::rstest;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(42)
}

fn build(builder: &ImageBuilder) -> Vec<u8> {
    builder.build(&mut rng()).unwrap()
}

fn judge(verifier: &Verifier, bytes: &[u8]) -> Result<Verified, Refusal> {
    verifier.verify(&Image::parse(bytes)?)
}

fn builder() -> ImageBuilder {
    ImageBuilder::new(vec![0x5a; 100]).version(ImageVersion::new(1, 0, 0))
}

/// A key that is not in the corpus.
fn rsa3072() -> PrivateKey {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/keys");
    PrivateKey::from_pem(&fs::read_to_string(folder.join("rsa3072.pkcs1.pem")).unwrap()).unwrap()
}

fn loader() -> Verifier {
    Verifier::new([public_key("sig-ec256")])
}

/// KEYHASH and signature of one key over the hash of an image.
fn signature_tlvs(key: &PrivateKey, image: &[u8]) -> [(TlvKind, Vec<u8>); 2] {
    let image = Image::parse(image).unwrap();
    let digest = image.hash(HashAlgorithm::Sha256, image.payload());
    [
        (
            TlvKind::KEYHASH,
            key.public()
                .key_hash(HashAlgorithm::Sha256)
                .as_bytes()
                .to_vec(),
        ),
        (
            key.kind().tlv_kind(),
            key.sign(&digest, &mut rng()).unwrap(),
        ),
    ]
}

/// An image with these TLVs behind its hash.
fn with_tlvs(tlvs: impl IntoIterator<Item = (TlvKind, Vec<u8>)>) -> Vec<u8> {
    let builder = tlvs.into_iter().fold(builder(), |builder, (kind, value)| {
        builder.unprotected_tlv(kind, value)
    });
    build(&builder)
}

#[test]
fn a_signature_by_an_unknown_key_is_passed_over_for_the_next_one() {
    let unsigned = build(&builder());
    let good = signature_tlvs(&private_key("sig-ec256"), &unsigned);
    let unknown = signature_tlvs(&private_key("sig-ec256-wrong"), &unsigned);
    let other_kind = signature_tlvs(&private_key("sig-ed25519"), &unsigned);
    for order in [
        [unknown.clone(), other_kind.clone(), good.clone()],
        [good.clone(), other_kind.clone(), unknown.clone()],
    ] {
        let bytes = with_tlvs(order.concat());
        let verified = judge(&loader(), &bytes).unwrap();
        let signature = verified.signature.unwrap();
        assert_eq!(signature.key_hash.as_bytes(), good[0].1);
    }
    let bytes = with_tlvs([unknown, other_kind].concat());
    assert!(matches!(
        judge(&loader(), &bytes),
        Err(Refusal::UnknownKey { .. })
    ));
}

/// The loader's variable is overwritten by each signature that it checks.
#[test]
fn the_last_checked_signature_decides() {
    let unsigned = build(&builder());
    let good = signature_tlvs(&private_key("sig-ec256"), &unsigned);
    let mut bad = good.clone();
    *bad[1].1.last_mut().unwrap() ^= 1;
    let bytes = with_tlvs([bad.clone(), good.clone()].concat());
    assert!(judge(&loader(), &bytes).is_ok());
    let bytes = with_tlvs([good, bad].concat());
    assert!(matches!(
        judge(&loader(), &bytes),
        Err(Refusal::Signature { .. })
    ));
}

#[test]
fn a_key_counts_for_one_signature_only() {
    let unsigned = build(&builder());
    let [key, signature] = signature_tlvs(&private_key("sig-ec256"), &unsigned);
    let bytes = with_tlvs([signature.clone(), key.clone()]);
    let refusal = judge(&loader(), &bytes).unwrap_err();
    insta::assert_snapshot!(
        refusal,
        @"signature at offset 0x028c has no KEYHASH (0x0001) TLV in front of it, expected one that names the key"
    );
    let mut second = signature.clone();
    second.1[10] ^= 1;
    let bytes = with_tlvs([key, signature, second]);
    assert!(judge(&loader(), &bytes).is_ok(), "second one has no key");
}

#[test]
fn a_signature_alone_is_not_enough_without_the_hash() {
    let unsigned = build(&builder());
    let tlvs = signature_tlvs(&private_key("sig-ec256"), &unsigned);
    let mut bytes = with_tlvs(tlvs);
    // The hash TLV is the first of the unprotected area: make its type that of SHA-384.
    let at = 0x200 + 100 + 4;
    assert_eq!(bytes[at], 0x10);
    bytes[at] = 0x11;
    let refusal = judge(&loader(), &bytes).unwrap_err();
    insta::assert_snapshot!(
        refusal,
        @"TLV areas from offset 0x0264 have an image hash in SHA384 (0x0011), expected an image hash in SHA256 (0x0010)"
    );
}

#[rstest]
#[case::dependency(TlvKind::DEPENDENCY, 12)]
#[case::vendor(TlvKind(0x00a0), 3)]
fn unprotected_area_takes_listed_tlvs_only(#[case] kind: TlvKind, #[case] length: usize) {
    let image = builder()
        .key(&private_key("sig-ec256"))
        .unprotected_tlv(kind, vec![0; length]);
    let bytes = build(&image);
    assert!(matches!(
        judge(&loader(), &bytes),
        Err(Refusal::NotAllowed { .. })
    ));
    assert!(judge(&loader().unprotected_tlvs(UnprotectedTlvs::Any), &bytes).is_ok());
    let bytes = build(
        &builder()
            .key(&private_key("sig-ec256"))
            .custom_tlv(kind, vec![0; length]),
    );
    assert!(judge(&loader(), &bytes).is_ok(), "protected it is welcome");
}

#[test]
fn signatures_longer_than_the_loaders_buffer_are_refused() {
    let unsigned = build(&builder());
    let [key, mut signature] = signature_tlvs(&private_key("sig-ec256"), &unsigned);
    signature.1.resize(128, 0);
    let bytes = with_tlvs([key.clone(), signature.clone()]);
    assert!(judge(&loader(), &bytes).is_ok(), "padded with zeros");
    signature.1.push(0);
    let bytes = with_tlvs([key, signature]);
    insta::assert_snapshot!(
        judge(&loader(), &bytes).unwrap_err(),
        @"ECDSA P-256 signature at offset 0x02b0 has 129 bytes, expected at most 128"
    );
}

#[test]
fn rsa_3072_images_are_built_and_accepted() {
    let key = rsa3072();
    let bytes = build(&builder().key(&key));
    assert_eq!(
        Image::parse(&bytes)
            .unwrap()
            .tlv(TlvKind::RSA3072_PSS)
            .unwrap()
            .value
            .len(),
        384
    );
    assert!(judge(&Verifier::new([key.public()]), &bytes).is_ok());
    insta::assert_snapshot!(
        judge(&loader(), &with_tlvs([])).unwrap_err(),
        @"TLV areas from offset 0x0264 have no signature, expected ECDSA P-256"
    );
}

#[rstest]
#[case(HashAlgorithm::Sha384, TlvKind::SHA384)]
#[case(HashAlgorithm::Sha512, TlvKind::SHA512)]
fn unsigned_images_may_have_a_longer_hash(#[case] hash: HashAlgorithm, #[case] kind: TlvKind) {
    let mut bytes = build(&builder().hash(hash));
    assert!(Image::parse(&bytes).unwrap().tlv(kind).is_some());
    assert!(judge(&Verifier::unsigned().hash(hash), &bytes).is_ok());
    assert!(judge(&Verifier::unsigned(), &bytes).is_err());
    bytes[0x210] ^= 1;
    assert!(matches!(
        judge(&Verifier::unsigned().hash(hash), &bytes),
        Err(Refusal::Hash { .. })
    ));
}

#[test]
fn rsa_and_ecdsa_cannot_sign_a_longer_hash_or_the_image_itself() {
    let image = builder()
        .key(&private_key("sig-ec256"))
        .hash(HashAlgorithm::Sha512);
    assert!(matches!(
        image.build(&mut rng()),
        Err(BuildError::Sign { .. })
    ));
    let image = builder()
        .key(&private_key("sig-rsa2048"))
        .signed_data(SignedData::Image);
    insta::assert_snapshot!(
        image.build(&mut rng()).unwrap_err(),
        @"key is RSA-2048 PSS, expected Ed25519 for a signature over the image itself"
    );
}

#[test]
fn content_key_must_have_the_length_that_the_flags_say() {
    let mut bytes = build(
        &builder()
            .key(&private_key("sig-ec256"))
            .encrypt(&encryption_key("enc-ec256")),
    );
    bytes[0x10] = 0x08;
    let loader = loader().decryption(common::decryption_key("enc-ec256"));
    insta::assert_snapshot!(
        judge(&loader, &bytes).unwrap_err(),
        @"TLV ENC_EC256 (0x0032) at offset 0x0306 holds an AES-128 key, expected AES-256 as in `flags` at offset 0x0010"
    );
    let other = self::loader().decryption(common::decryption_key("enc-x25519"));
    insta::assert_snapshot!(
        judge(&other, &bytes).unwrap_err(),
        @"unprotected TLV area at offset 0x0270 has ENC_EC256 (0x0032), expected a content key for ECIES-X25519"
    );
}

#[test]
fn image_must_be_smaller_than_the_slot() {
    let bytes = build(&builder().key(&private_key("sig-ec256")));
    assert!(judge(&loader().slot_size(0x265), &bytes).is_ok());
    assert!(matches!(
        judge(&loader().slot_size(0x264), &bytes),
        Err(Refusal::Header(_))
    ));
}

#[rstest]
#[case::header(builder().header_size(31), "header size is 31 bytes, expected at least 32")]
#[case::tlv(
    builder().custom_tlv(TlvKind(0xa0), vec![0; 70_000]),
    "value of TLV vendor (0x00a0) is 70000 bytes, expected at most 65535"
)]
#[case::area(
    builder().custom_tlv(TlvKind(0xa0), vec![0; 40_000]).custom_tlv(TlvKind(0xa1), vec![0; 40_000]),
    "protected TLV area is 80012 bytes, expected at most 65535"
)]
#[case::boot_record(
    builder().boot_record("thirteen char"),
    "software type of the boot record is 13 bytes, expected at most 12"
)]
#[case::slot(
    builder().pad(Padding::new(0x8b8)),
    "image is 652 bytes and its trailer 1584, expected at most 2232 together"
)]
#[case::write_size(
    builder().pad(Padding { write_size: 3, ..Padding::new(0x8000) }),
    "trailer write size is 3, expected a power of two from 1 to 32"
)]
fn impossible_image_is_refused(#[case] builder: ImageBuilder, #[case] message: &str) {
    assert_eq!(builder.build(&mut rng()).unwrap_err().to_string(), message);
}

#[test]
fn every_choice_of_the_builder_is_seen_in_the_image() {
    let bytes = build(
        &builder()
            .load_address(LoadAddress::Ram(0x2000_0000))
            .flags(ImageFlags::PIC)
            .erased_value(0)
            .header_size(0x40)
            .key(&private_key("sig-ed25519"))
            .key_tlv(KeyTlv::Full)
            .encrypt(&encryption_key("enc-x25519"))
            .content_key_size(AesKeySize::Aes256)
            .stored_payload(StoredPayload::Clear)
            .security_counter(7)
            .dependency(1, ImageVersion::new(3, 0, 0)),
    );
    let image = Image::parse(&bytes).unwrap();
    assert_eq!(
        image.header().flags.names(),
        ["PIC", "ENCRYPTED_AES256", "RAM_LOAD"]
    );
    assert_eq!(image.header().load_address, 0x2000_0000);
    assert!(image.header_bytes()[32..].iter().all(|byte| *byte == 0));
    assert_eq!(image.payload().len(), 112, "64 + 100 rounded up to 16");
    assert_eq!(&image.payload()[..100], [0x5a; 100]);
    assert_eq!(image.security_counter(), Ok(Some(7)));
    assert_eq!(image.dependencies().unwrap()[0].image, 1);
    let key = image.tlv(TlvKind::PUBKEY).unwrap().value;
    assert_eq!(key, public_key("sig-ed25519").to_der());
    let loader = Verifier::new([public_key("sig-ed25519")])
        .suited_to(&image)
        .stored(StoredPayload::Clear);
    assert!(loader.verify(&image).is_ok());
}
