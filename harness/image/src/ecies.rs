//! ECIES as MCUboot does it, for P-256 and X25519.
//!
//! The value of the TLV is the sender's ephemeral public key, a MAC over the wrapped key, and the content
//! key encrypted with AES-CTR from counter 0. Both keys for that come from HKDF over the shared secret,
//! without salt (mcuboot `boot/bootutil/src/encrypted.c`; imgtool `image.py`, `ecies_hkdf`).

use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use p256::ecdh::EphemeralSecret;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use rand_core::CryptoRngCore;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::content_key::ContentKey;
use crate::hash::HashAlgorithm;
use crate::header::AesKeySize;
use crate::keys::UnwrapError;

/// Bytes of an uncompressed P-256 point.
pub(crate) const P256_POINT: usize = 65;
/// Bytes of an X25519 public key.
pub(crate) const X25519_POINT: usize = 32;

/// The `info` that MCUboot gives to HKDF, without a terminating zero.
const INFO: &[u8] = b"MCUBoot_ECIES_v1";

/// A shared secret; both curves give 32 bytes.
pub(crate) type Shared = Zeroizing<[u8; 32]>;

/// The parts of a TLV value.
pub(crate) struct Ecies<'a> {
    /// The sender's ephemeral public key.
    pub(crate) public: &'a [u8],
    mac: &'a [u8],
    wrapped: &'a [u8],
    hash: HashAlgorithm,
}

impl<'a> Ecies<'a> {
    /// Splits a value; `None` when its length fits neither key size.
    pub(crate) fn split(value: &'a [u8], point: usize, hash: HashAlgorithm) -> Option<Self> {
        let (public, rest) = value.split_at_checked(point)?;
        let (mac, wrapped) = rest.split_at_checked(hash.len())?;
        matches!(wrapped.len(), 16 | 32).then_some(Self {
            public,
            mac,
            wrapped,
            hash,
        })
    }

    /// Checks the MAC and decrypts the content key.
    pub(crate) fn open(&self, shared: &Shared) -> Result<ContentKey, UnwrapError> {
        let size = if self.wrapped.len() == 16 {
            AesKeySize::Aes128
        } else {
            AesKeySize::Aes256
        };
        let derived = derive(shared, self.hash, size);
        let mac = mac(self.hash, &derived[size.len()..], self.wrapped);
        let bad_mac = UnwrapError::Mac {
            offset: self.public.len(),
        };
        if !bool::from(mac.as_slice().ct_eq(self.mac)) {
            return Err(bad_mac);
        }
        let mut content_key = Zeroizing::new(self.wrapped.to_vec());
        let Some(wrapping) = ContentKey::from_bytes(&derived[..size.len()]) else {
            return Err(bad_mac);
        };
        wrapping.apply(0, &mut content_key);
        ContentKey::from_bytes(&content_key).ok_or(bad_mac)
    }
}

/// Makes a TLV value.
pub(crate) fn seal(
    public: &[u8],
    shared: &Shared,
    hash: HashAlgorithm,
    content_key: &ContentKey,
) -> Vec<u8> {
    let size = content_key.size();
    let derived = derive(shared, hash, size);
    let wrapping = ContentKey::from_bytes(&derived[..size.len()])
        .expect("the slice has the length of an AES key");
    let mut wrapped = content_key.expose().to_vec();
    wrapping.apply(0, &mut wrapped);
    let mac = mac(hash, &derived[size.len()..], &wrapped);
    [public, &mac, &wrapped].concat()
}

/// Wrapping key and MAC key in one piece.
fn derive(shared: &Shared, hash: HashAlgorithm, size: AesKeySize) -> Zeroizing<Vec<u8>> {
    const REASON: &str = "HKDF gives up to 255 times its hash";
    let mut derived = Zeroizing::new(vec![0; size.len() + hash.len()]);
    match hash {
        HashAlgorithm::Sha512 => Hkdf::<Sha512>::new(None, shared.as_slice())
            .expand(INFO, &mut derived)
            .expect(REASON),
        _ => Hkdf::<Sha256>::new(None, shared.as_slice())
            .expand(INFO, &mut derived)
            .expect(REASON),
    }
    derived
}

fn mac(hash: HashAlgorithm, key: &[u8], wrapped: &[u8]) -> Vec<u8> {
    const REASON: &str = "HMAC takes keys of any length";
    match hash {
        HashAlgorithm::Sha512 => {
            let mut mac = Hmac::<Sha512>::new_from_slice(key).expect(REASON);
            mac.update(wrapped);
            mac.finalize().into_bytes().to_vec()
        }
        _ => {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect(REASON);
            mac.update(wrapped);
            mac.finalize().into_bytes().to_vec()
        }
    }
}

/// ECDH of the device's key with a sender's point; `None` when it is not one.
pub(crate) fn p256_shared(device: &p256::SecretKey, sender: &[u8]) -> Option<Shared> {
    let sender = p256::PublicKey::from_sec1_bytes(sender).ok()?;
    let shared = p256::ecdh::diffie_hellman(device.to_nonzero_scalar(), sender.as_affine());
    Some(Zeroizing::new((*shared.raw_secret_bytes()).into()))
}

/// A fresh public key and its secret shared with the device.
pub(crate) fn p256_ephemeral(
    device: &p256::PublicKey,
    rng: &mut impl CryptoRngCore,
) -> (Vec<u8>, Shared) {
    let secret = EphemeralSecret::random(rng);
    let public = secret.public_key().to_encoded_point(false);
    let shared = secret.diffie_hellman(device);
    (
        public.as_bytes().to_vec(),
        Zeroizing::new((*shared.raw_secret_bytes()).into()),
    )
}

/// X25519 of the device's key with a sender's; `None` for a point that gives an all-zero secret.
pub(crate) fn x25519_shared(device: &x25519_dalek::StaticSecret, sender: &[u8]) -> Option<Shared> {
    let sender = <[u8; X25519_POINT]>::try_from(sender).ok()?;
    let shared = device.diffie_hellman(&sender.into());
    shared
        .was_contributory()
        .then(|| Zeroizing::new(shared.to_bytes()))
}

/// A fresh public key and its secret shared with the device.
pub(crate) fn x25519_ephemeral(
    device: &x25519_dalek::PublicKey,
    rng: &mut impl CryptoRngCore,
) -> (Vec<u8>, Shared) {
    let secret = x25519_dalek::StaticSecret::random_from_rng(&mut *rng);
    let public = x25519_dalek::PublicKey::from(&secret);
    let shared = secret.diffie_hellman(device);
    (
        public.as_bytes().to_vec(),
        Zeroizing::new(shared.to_bytes()),
    )
}
