use rand_core::SeedableRng;

use super::*;
use crate::{
    EncryptionKey, Image, ImageBuilder, ImageVersion, PublicKey, SignatureKind, StoredPayload,
    Verifier,
};

const SLOT: u32 = 0x8000;

fn seeded() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([7; 32])
}

struct Device {
    signing: PrivateKey,
    decryption: DecryptionKey,
}

impl Device {
    fn new() -> Self {
        Self {
            signing: PrivateKey::generate(SignatureKind::EcdsaP256, &mut seeded()),
            decryption: DecryptionKey::EcP256(p256::SecretKey::random(&mut seeded())),
        }
    }

    fn target(&self) -> DamageTarget<'_> {
        DamageTarget {
            signing: Some(&self.signing),
            decryption: Some(&self.decryption),
            slot_size: SLOT,
            largest: SLOT - 0x2000,
            other_core: 0x0100_8800,
            other_image: 1,
            max_align: 8,
        }
    }

    fn image(&self, encrypt: Option<&EncryptionKey>) -> Vec<u8> {
        let payload: Vec<u8> = (0..0x1003_u32).map(|n| (n * 7) as u8).collect();
        let builder = ImageBuilder::new(payload)
            .version(ImageVersion::new(2, 0, 0))
            .security_counter(5)
            .key(&self.signing);
        let builder = match encrypt {
            Some(key) => builder.encrypt(key),
            None => builder,
        };
        builder.build(&mut seeded()).expect("a good image")
    }

    /// What a bootloader with the device's keys says.
    fn verdict(&self, file: &[u8], key: PublicKey) -> String {
        let image = match Image::parse(file) {
            Ok(image) => image,
            Err(error) => return format!("no image: {error}"),
        };
        let verifier = Verifier::new([key])
            .decryption(self.decryption.clone())
            .stored(StoredPayload::AsFlagged)
            .slot_size(SLOT);
        match verifier.verify(&image) {
            Ok(_) => "verified".to_owned(),
            Err(refusal) => refusal.to_string(),
        }
    }

    fn verdicts(&self, file: &[u8]) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        for damage in Damage::ALL {
            let verdict = match damage.apply(file, &self.target()) {
                Ok(damaged) => self.verdict(&damaged, self.signing.public()),
                Err(error) => format!("not made: {error}"),
            };
            // Hashes and signatures say nothing to a reader.
            let verdict = verdict.split(", expected ").next().unwrap_or_default();
            let verdict = verdict.split(" is ").next().unwrap_or_default();
            writeln!(text, "{damage}: {verdict}").expect("writing to a String cannot fail");
        }
        text
    }
}

#[test]
fn a_plain_image_is_damaged_where_the_word_says() {
    let device = Device::new();
    insta::assert_snapshot!(device.verdicts(&device.image(None)));
}

#[test]
fn an_encrypted_image_is_damaged_where_the_word_says() {
    let device = Device::new();
    let file = device.image(Some(&device.decryption.public()));
    insta::assert_snapshot!(device.verdicts(&file));
}

#[test]
fn the_same_damage_is_the_same_bytes_every_time_and_never_the_image_itself() {
    let device = Device::new();
    let file = device.image(None);
    for damage in Damage::ALL {
        let made = damage.apply(&file, &device.target());
        assert_eq!(made, damage.apply(&file, &device.target()), "{damage}");
        assert_ne!(made.as_deref(), Ok(file.as_slice()), "{damage}");
    }
}

#[test]
fn only_what_is_signed_again_needs_the_private_key() {
    let device = Device::new();
    let file = device.image(None);
    let target = DamageTarget {
        signing: None,
        ..device.target()
    };
    for damage in Damage::ALL {
        let made = damage.apply(&file, &target);
        assert_eq!(
            made == Err(DamageError::NoSigningKey),
            damage.signs_again(),
            "{damage}: {made:?}"
        );
    }
}

#[test]
fn the_plain_text_of_an_encrypted_image_is_never_made_a_file() {
    let device = Device::new();
    let file = device.image(Some(&device.decryption.public()));
    let secret = device.image(None);
    let secret = &secret[0x200..0x200 + 64];
    for damage in Damage::ALL {
        if let Ok(made) = damage.apply(&file, &device.target()) {
            let shown = made.windows(secret.len()).any(|window| window == secret);
            assert!(!shown, "{damage}");
        }
    }
}

#[rstest::rstest]
#[case::rsa(SignatureKind::Rsa2048)]
#[case::ed25519(SignatureKind::Ed25519)]
fn a_foreign_key_is_of_the_kind_that_the_device_expects(#[case] kind: SignatureKind) {
    let own = PrivateKey::generate(kind, &mut seeded());
    let file = ImageBuilder::new(vec![1; 64])
        .key(&own)
        .build(&mut seeded())
        .expect("a good image");
    let device = Device::new();
    let made = Damage::ForeignKey
        .apply(&file, &device.target())
        .expect("it needs no key of the device");
    let image = Image::parse(&made).expect("it is an image");
    assert!(image.tlv(kind.tlv_kind()).is_some());
    let refusal = Verifier::new([own.public()]).verify(&image);
    assert!(
        refusal.is_err_and(|refusal| refusal.to_string().contains("key")),
        "it is somebody else's"
    );
}

#[test]
fn an_image_that_is_too_large_to_swap_still_fits_its_slot() {
    let device = Device::new();
    let target = device.target();
    let made = Damage::TooLargeToSwap
        .apply(&device.image(None), &target)
        .expect("there is room");
    assert!(made.len() as u32 > target.largest, "{}", made.len());
    assert!(made.len() as u32 <= target.slot_size, "{}", made.len());
}
