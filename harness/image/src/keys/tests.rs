use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rstest::rstest;

use super::*;
use crate::content_key::ContentKey;
use crate::hash::HashAlgorithm;
use crate::header::AesKeySize;
use crate::tlv::TlvKind;

macro_rules! key {
    ($file:literal) => {
        include_str!(concat!("../../tests/data/keys/", $file))
    };
}

macro_rules! corpus_key {
    ($file:literal) => {
        include_str!(concat!("../../tests/data/images/keys/", $file))
    };
}

const PASSWORD: &str = key!("p256.password.pem");
const CERTIFICATE: &str = key!("certificate.pem");
const X25519_PUBLIC: &str = corpus_key!("enc-x25519.pub.pem");

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(7)
}

#[rstest]
#[case::p256(&[key!("p256.pkcs8.pem"), key!("p256.sec1.pem")], key!("p256.spki.pem"), SignatureKind::EcdsaP256)]
#[case::rsa2048(
    &[key!("rsa2048.pkcs8.pem"), key!("rsa2048.pkcs1.pem")],
    key!("rsa2048.spki.pem"),
    SignatureKind::Rsa2048
)]
#[case::rsa3072(
    &[key!("rsa3072.pkcs8.pem"), key!("rsa3072.pkcs1.pem")],
    key!("rsa3072.spki.pem"),
    SignatureKind::Rsa3072
)]
#[case::ed25519(&[corpus_key!("sig-ed25519.pem")], corpus_key!("sig-ed25519.pub.pem"), SignatureKind::Ed25519)]
fn every_form_of_a_key_is_the_same_key(
    #[case] private_forms: &[&str],
    #[case] public_form: &str,
    #[case] kind: SignatureKind,
) {
    let public = PublicKey::from_pem(public_form).unwrap();
    assert_eq!(public.kind(), kind);
    let digest = HashAlgorithm::Sha256.digest(b"an image");
    for form in private_forms {
        let private = PrivateKey::from_pem(form).unwrap();
        assert_eq!(private.public(), public);
        assert_eq!(PublicKey::from_pem(form), Ok(public.clone()));
        let signature = private.sign(&digest, &mut rng()).unwrap();
        assert!(signature.len() <= kind.buffer_len());
        assert_eq!(public.verify(&digest, &signature), Ok(()));
        let other = HashAlgorithm::Sha256.digest(b"another image");
        assert_eq!(
            public.verify(&other, &signature),
            Err(SignatureError::Mismatch)
        );
    }
    assert_eq!(PublicKey::from_der(&public.to_der()), Ok(public));
}

#[test]
fn pkcs1_public_keys_are_read() {
    assert_eq!(
        PublicKey::from_pem(key!("rsa2048.pkcs1-public.pem")),
        PublicKey::from_pem(key!("rsa2048.spki.pem"))
    );
}

#[test]
fn windows_line_ends_and_text_around_the_key_do_no_harm() {
    let text = format!("a comment\n{}\nmore\n", key!("p256.spki.pem")).replace('\n', "\r\n");
    assert_eq!(
        PublicKey::from_pem(&text),
        PublicKey::from_pem(key!("p256.spki.pem"))
    );
}

/// imgtool ships the hash of PKCS#1 for RSA and of SubjectPublicKeyInfo for the others.
#[rstest]
#[case::rsa(key!("rsa2048.spki.pem"), 270)]
#[case::p256(key!("p256.spki.pem"), 91)]
#[case::ed25519(corpus_key!("sig-ed25519.pub.pem"), 44)]
fn hashed_form_has_the_length_that_mcuboot_embeds(#[case] pem: &str, #[case] length: usize) {
    assert_eq!(PublicKey::from_pem(pem).unwrap().to_der().len(), length);
}

#[rstest]
#[case::nothing(
    "",
    "no PEM block found, expected `-----BEGIN PUBLIC KEY-----` or a private key"
)]
#[case::cut(
    "-----BEGIN PUBLIC KEY-----\nMFkw",
    "PEM block `PUBLIC KEY` cannot be decoded: it has no END line"
)]
#[case::password(
    PASSWORD,
    "PEM block is `ENCRYPTED PRIVATE KEY`, expected a key without a password"
)]
#[case::certificate(
    CERTIFICATE,
    "PEM block is `CERTIFICATE`, expected `PUBLIC KEY`, `RSA PUBLIC KEY`, `PRIVATE KEY`, `EC PRIVATE KEY` or `RSA PRIVATE KEY`"
)]
#[case::rsa1024(key!("rsa1024.pem"), "RSA key has 1024 bits, expected 2048 or 3072")]
#[case::x25519(
    X25519_PUBLIC,
    "key algorithm is X25519, expected a key for signatures (ECDSA P-256, RSA or Ed25519)"
)]
fn unusable_signing_key_is_refused(#[case] text: &str, #[case] message: &str) {
    assert_eq!(PublicKey::from_pem(text).unwrap_err().to_string(), message);
}

#[test]
fn other_curves_are_refused() {
    let error = PrivateKey::from_pem(key!("p384.pem")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "key algorithm is elliptic curve 1.3.132.0.34, expected ECDSA P-256, RSA, Ed25519 or X25519"
    );
}

#[test]
fn public_key_is_no_private_key() {
    let error = PrivateKey::from_pem(key!("p256.spki.pem")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "PEM block is `PUBLIC KEY`, expected a private key"
    );
}

#[rstest]
#[case::ed25519(corpus_key!("sig-ed25519.pem"), "key algorithm is Ed25519, expected a key for encryption (ECIES P-256, X25519 or RSA-2048)")]
#[case::rsa3072(key!("rsa3072.pkcs8.pem"), "RSA key has 3072 bits, expected 2048 for encryption")]
fn unusable_decryption_key_is_refused(#[case] text: &str, #[case] message: &str) {
    assert_eq!(
        DecryptionKey::from_pem(text).unwrap_err().to_string(),
        message
    );
}

#[rstest]
#[case::length("AAAA", "base64 key has 3 bytes, expected 16 or 32 bytes")]
#[case::characters(
    "not base64!",
    "base64 key has characters that are not base64, expected 16 or 32 bytes"
)]
fn unusable_base64_key_is_refused(#[case] text: &str, #[case] message: &str) {
    assert_eq!(
        DecryptionKey::from_base64(text).unwrap_err().to_string(),
        message
    );
}

#[test]
fn debug_output_has_no_private_key() {
    let keys = [
        format!(
            "{:?}",
            PrivateKey::from_pem(key!("p256.pkcs8.pem")).unwrap()
        ),
        format!(
            "{:?}",
            PrivateKey::from_pem(key!("rsa2048.pkcs8.pem")).unwrap()
        ),
        format!(
            "{:?}",
            DecryptionKey::from_pem(key!("p256.pkcs8.pem")).unwrap()
        ),
        format!(
            "{:?}",
            DecryptionKey::from_base64("AAECAwQFBgcICQoLDA0ODw==").unwrap()
        ),
        format!(
            "{:?}",
            EncryptionKey::from_base64("AAECAwQFBgcICQoLDA0ODw==").unwrap()
        ),
    ];
    insta::assert_snapshot!(keys.join("\n"), @r"
    PrivateKey(ECDSA P-256, redacted)
    PrivateKey(RSA-2048 PSS, redacted)
    DecryptionKey(ECIES-P256, redacted)
    DecryptionKey(AES-KW, redacted)
    EncryptionKey(AES-KW, redacted)
    ");
}

#[test]
fn ecdsa_signatures_are_deterministic_and_may_be_padded() {
    let key = PrivateKey::from_pem(key!("p256.pkcs8.pem")).unwrap();
    let digest = HashAlgorithm::Sha256.digest(b"an image");
    let mut signature = key.sign(&digest, &mut rng()).unwrap();
    let other_rng = &mut ChaCha20Rng::seed_from_u64(8);
    assert_eq!(signature, key.sign(&digest, other_rng).unwrap());

    signature.resize(72, 0);
    assert_eq!(key.public().verify(&digest, &signature), Ok(()));
    signature.push(1);
    assert_eq!(
        key.public().verify(&digest, &signature),
        Err(SignatureError::Encoding)
    );
}

#[test]
fn ecdsa_refuses_a_digest_of_another_length() {
    let key = PrivateKey::from_pem(key!("p256.pkcs8.pem")).unwrap();
    let digest = HashAlgorithm::Sha512.digest(b"an image");
    assert_eq!(
        key.sign(&digest, &mut rng()).unwrap_err().to_string(),
        "image hash has 64 bytes, expected 32 for ECDSA P-256 signatures"
    );
}

fn scheme(name: &str) -> DecryptionKey {
    match name {
        "p256" => DecryptionKey::from_pem(key!("p256.pkcs8.pem")),
        "x25519" => DecryptionKey::from_pem(corpus_key!("enc-x25519.pem")),
        "rsa" => DecryptionKey::from_pem(key!("rsa2048.pkcs1.pem")),
        "kw128" => DecryptionKey::from_base64(corpus_key!("enc-aeskw128.b64")),
        _ => DecryptionKey::from_base64(corpus_key!("enc-aeskw256.b64")),
    }
    .unwrap()
}

#[rstest]
fn wrapped_keys_open_again_and_have_the_length_of_their_scheme(
    #[values("p256", "x25519", "rsa", "kw128", "kw256")] name: &str,
    #[values(AesKeySize::Aes128, AesKeySize::Aes256)] size: AesKeySize,
    #[values(HashAlgorithm::Sha256, HashAlgorithm::Sha512)] mac: HashAlgorithm,
) {
    let device = scheme(name);
    let key = ContentKey::random(size, &mut rng());
    let (kind, value) = device.public().wrap(&key, mac, &mut rng()).unwrap();
    let length = match kind {
        TlvKind::ENC_RSA2048 => 256,
        TlvKind::ENC_KW => size.len() + 8,
        TlvKind::ENC_EC256 => size.len() + 97,
        TlvKind::ENC_X25519 => size.len() + 64,
        TlvKind::ENC_X25519_SHA512 => size.len() + 96,
        other => panic!("{other}"),
    };
    assert_eq!(value.len(), length);
    assert!(device.opens(kind));
    let opened = device.unwrap_content_key(kind, &value).unwrap();
    assert_eq!(opened.expose(), key.expose());

    for at in 0..value.len() {
        let mut damaged = value.clone();
        damaged[at] ^= 0x01;
        // The point's type byte 0x04 becomes 0x05; all other bytes are covered by MAC or padding.
        let found = device.unwrap_content_key(kind, &damaged);
        assert!(found.is_err(), "{name}: byte {at} is not covered");
        if name == "rsa" && at > 2 {
            break;
        }
    }
    assert!(matches!(
        device.unwrap_content_key(kind, &value[1..]),
        Err(UnwrapError::Length { .. })
    ));
    assert!(matches!(
        device.unwrap_content_key(TlvKind::SHA256, &value),
        Err(UnwrapError::Scheme { .. })
    ));
}

/// What is looked for in a device's RAM must be what is in the key's file, and the secret that a sender shares with it.
#[rstest]
#[case::p256("p256", Some(key!("p256.pkcs8.pem")), 1, true)]
#[case::x25519("x25519", Some(corpus_key!("enc-x25519.pem")), 1, true)]
#[case::rsa("rsa", Some(key!("rsa2048.pkcs1.pem")), 2, false)]
#[case::kw128("kw128", None, 1, false)]
fn exposed_secrets_are_those_of_the_key_file(
    #[case] name: &str,
    #[case] pem: Option<&str>,
    #[case] count: usize,
    #[case] shares: bool,
) {
    let device = scheme(name);
    let der = match pem {
        Some(pem) => {
            let lines = pem.lines().filter(|line| !line.starts_with('-'));
            BASE64.decode(lines.collect::<String>()).unwrap()
        }
        None => BASE64
            .decode(corpus_key!("enc-aeskw128.b64").trim())
            .unwrap(),
    };
    let exposed = device.expose();
    assert_eq!(exposed.len(), count);
    for secret in &exposed {
        assert!(
            der.windows(secret.len())
                .any(|part| part == secret.as_slice())
        );
    }
    let key = ContentKey::random(AesKeySize::Aes128, &mut rng());
    let (_, value) = device
        .public()
        .wrap(&key, HashAlgorithm::Sha256, &mut rng())
        .unwrap();
    let shared = device.shared_secret(&value);
    assert_eq!(
        shared.as_ref().map(|secret| secret.len()),
        shares.then_some(32)
    );
    assert_eq!(device.shared_secret(&value[..8]), None);
}

#[test]
fn another_scheme_is_named() {
    let error = scheme("x25519")
        .unwrap_content_key(TlvKind::ENC_EC256, &[])
        .unwrap_err();
    insta::assert_snapshot!(
        error,
        @"TLV is ENC_EC256 (0x0032), expected ENC_X25519 (0x0033) or ENC_X25519_SHA512 (0x0034) for ECIES-X25519"
    );
}

#[test]
fn ring_uses_each_key_for_all_that_it_is_good_for() {
    let mut ring = KeyRing::new();
    for (name, text) in [
        ("private-ec", key!("p256.pkcs8.pem")),
        ("public-rsa", key!("rsa2048.spki.pem")),
        ("private-rsa3072", key!("rsa3072.pkcs1.pem")),
        ("x25519", corpus_key!("enc-x25519.pem")),
        ("kek", corpus_key!("enc-aeskw128.b64")),
    ] {
        ring.add(name, text).unwrap();
    }
    let signing: Vec<_> = ring.signing().map(|(_, key)| key.kind()).collect();
    assert_eq!(
        signing,
        [
            SignatureKind::EcdsaP256,
            SignatureKind::Rsa2048,
            SignatureKind::Rsa3072
        ]
    );
    let decryption: Vec<_> = ring.decryption().map(|(name, _)| name).collect();
    assert_eq!(decryption, ["private-ec", "x25519", "kek"]);
    assert!(ring.add("x25519-public", X25519_PUBLIC).is_err());
    assert_eq!(ring.add("text", "hello there"), Err(KeyError::NoPem));
}

proptest! {
    #[test]
    fn no_text_panics(
        text in ".{0,200}",
        label in prop::sample::select(vec!["PUBLIC KEY", "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"]),
    ) {
        let _ = KeyRing::new().add("text", &text);
        let pem = format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
        let _ = KeyRing::new().add("pem", &pem);
    }

    #[test]
    fn no_der_panics(der in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = PublicKey::from_der(&der);
    }
}
