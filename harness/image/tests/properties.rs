//! Images of any shape go round, and no bytes at all bring the parser down.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use common::{decryption_key, encryption_key, manifest, private_key, read};
use hil_image::inspect::Inspection;
use hil_image::{
    AesKeySize, HashAlgorithm, Image, ImageBuilder, ImageVersion, KeyRing, KeyTlv, Padding,
    SignedData, TlvKind, Verifier,
};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Everything that may be chosen about an image, by plain values that shrink well.
#[derive(Clone, Debug)]
struct Shape {
    payload: Vec<u8>,
    version: (u8, u8, u16, u32),
    header_size: u16,
    /// 0 ECDSA, 1 Ed25519, 2 Ed25519 over the image itself, 3 none.
    signature: u8,
    key_tlv: bool,
    encryption: Option<usize>,
    long_key: bool,
    security_counter: Option<u32>,
    dependencies: Vec<u8>,
    custom: Vec<(u8, Vec<u8>)>,
    pad: bool,
    seed: u64,
}

const SCHEMES: [&str; 4] = ["enc-ec256", "enc-x25519", "enc-aeskw128", "enc-aeskw256"];

fn shapes() -> impl Strategy<Value = Shape> {
    let first = (
        prop::collection::vec(any::<u8>(), 0..600),
        any::<(u8, u8, u16, u32)>(),
        32u16..0x300,
        0u8..4,
        any::<bool>(),
        prop::option::of(0..SCHEMES.len()),
    );
    let second = (
        any::<bool>(),
        prop::option::of(any::<u32>()),
        prop::collection::vec(any::<u8>(), 0..3),
        prop::collection::vec(
            (0xa0u8..0xff, prop::collection::vec(any::<u8>(), 0..40)),
            0..3,
        ),
        any::<bool>(),
        any::<u64>(),
    );
    (first, second).prop_map(
        |(
            (payload, version, header_size, signature, key_tlv, encryption),
            (long_key, security_counter, dependencies, custom, pad, seed),
        )| Shape {
            payload,
            version,
            header_size,
            signature,
            key_tlv,
            encryption,
            long_key,
            security_counter,
            dependencies,
            custom,
            pad,
            seed,
        },
    )
}

fn build(shape: &Shape) -> Vec<u8> {
    let (major, minor, revision, build) = shape.version;
    let mut builder = ImageBuilder::new(shape.payload.clone())
        .version(ImageVersion {
            major,
            minor,
            revision,
            build,
        })
        .header_size(shape.header_size);
    builder = match shape.signature {
        0 => builder.key(&private_key("sig-ec256")),
        1 => builder.key(&private_key("sig-ed25519")),
        2 => builder
            .key(&private_key("sig-ed25519"))
            .signed_data(SignedData::Image),
        _ => builder.hash(HashAlgorithm::Sha384),
    };
    if shape.key_tlv {
        builder = builder.key_tlv(KeyTlv::Full);
    }
    if let Some(scheme) = shape.encryption {
        builder = builder.encrypt(&encryption_key(SCHEMES[scheme]));
        if shape.long_key {
            builder = builder
                .content_key_size(AesKeySize::Aes256)
                .ecies_hash(HashAlgorithm::Sha512);
        }
    }
    if let Some(counter) = shape.security_counter {
        builder = builder.security_counter(counter);
    }
    for image in &shape.dependencies {
        builder = builder.dependency(*image, ImageVersion::new(1, 2, 3));
    }
    for (kind, value) in &shape.custom {
        builder = builder.custom_tlv(TlvKind(u16::from(*kind)), value.clone());
    }
    if shape.pad {
        builder = builder.pad(Padding::new(0x2000));
    }
    builder
        .build(&mut ChaCha20Rng::seed_from_u64(shape.seed))
        .unwrap()
}

fn loader(shape: &Shape, image: &Image<'_>) -> Verifier {
    let verifier = match shape.signature {
        0 => Verifier::new([common::public_key("sig-ec256")]),
        1 | 2 => Verifier::new([common::public_key("sig-ed25519")]),
        _ => Verifier::unsigned(),
    };
    let verifier = match shape.encryption {
        Some(scheme) => verifier.decryption(decryption_key(SCHEMES[scheme])),
        None => verifier,
    };
    verifier.suited_to(image)
}

/// All that inspection can do, with keys of every kind.
fn ring() -> KeyRing {
    let mut ring = KeyRing::new();
    for name in ["sig-ec256", "sig-ed25519", "enc-ec256", "enc-x25519"] {
        ring.add(name, &common::key_text(&format!("{name}.pem")))
            .unwrap();
    }
    ring
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn built_images_are_parsed_accepted_and_give_their_payload_back(shape in shapes()) {
        let bytes = build(&shape);
        let image = Image::parse(&bytes).unwrap();
        let (major, minor, revision, build) = shape.version;
        prop_assert_eq!(image.header().version, ImageVersion { major, minor, revision, build });
        prop_assert_eq!(image.security_counter().unwrap(), shape.security_counter);
        let dependencies: Vec<_> = image.dependencies().unwrap().iter().map(|dependency| dependency.image).collect();
        prop_assert_eq!(dependencies, shape.dependencies.clone());
        let verified = loader(&shape, &image).verify(&image).unwrap();
        prop_assert_eq!(verified.signature.is_some(), shape.signature != 3);
        let payload = image.plain_payload(verified.content_key.as_ref());
        prop_assert_eq!(&payload[..shape.payload.len()], &shape.payload[..]);
        prop_assert!(payload[shape.payload.len()..].iter().all(|byte| *byte == 0));
        if shape.pad {
            prop_assert_eq!(bytes.len(), 0x2000);
        } else {
            prop_assert_eq!(bytes.len(), image.len());
        }
    }

    #[test]
    fn no_changed_bit_of_what_is_hashed_is_accepted(shape in shapes(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let bytes = build(&shape);
        let hashed = {
            let image = Image::parse(&bytes).unwrap();
            image.area_offset(hil_image::TlvArea::Unprotected).unwrap() as usize
        };
        let mut damaged = bytes;
        damaged[at.index(hashed)] ^= 1 << bit;
        if let Ok(image) = Image::parse(&damaged) {
            prop_assert!(loader(&shape, &image).verify(&image).is_err());
        }
    }

    #[test]
    fn no_mutation_of_a_corpus_file_panics(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        near_the_header in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let files = manifest().files;
        let mut bytes = read(&files[file.index(files.len())].file);
        if bytes.is_empty() {
            return Ok(());
        }
        for (at, byte) in changes {
            let range = if near_the_header { bytes.len().min(32) } else { bytes.len() };
            bytes[at.index(range)] = byte;
        }
        let whole = Inspection::of(&bytes, &ring());
        prop_assert!(!whole.to_string().is_empty());
        bytes.truncate(cut.index(bytes.len()));
        let inspection = Inspection::of(&bytes, &ring());
        prop_assert!(!inspection.to_string().is_empty());
    }

    #[test]
    fn no_bytes_behind_a_valid_magic_panic(mut bytes in prop::collection::vec(any::<u8>(), 32..300), sizes in any::<(u8, u8, u8)>()) {
        bytes[..4].copy_from_slice(&hil_image::IMAGE_MAGIC.to_le_bytes());
        // Small sizes, so that TLV areas are reached.
        bytes[8..16].copy_from_slice(&[32 + sizes.0 % 16, 0, sizes.1, 0, sizes.2, 0, 0, 0]);
        if let Ok(image) = Image::parse(&bytes) {
            prop_assert!(image.len() <= bytes.len());
            let _ = image.dependencies();
            let _ = image.security_counter();
            prop_assert!(Verifier::unsigned().verify(&image).is_err());
        }
    }
}
