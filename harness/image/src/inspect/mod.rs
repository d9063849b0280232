//! What an image file holds and what a bootloader with given keys makes of it, for people and for tools.
//!
//! [`Inspection`] is serialised for tools and has a `Display` for people. It shows no key material and nothing
//! of a decrypted payload but the version and addresses of network core metadata.

mod display;
mod report;

use serde::Serialize;

pub use report::{
    AreaReport, DependencyReport, HeaderReport, NetworkReport, NetworkVerdict, PayloadState,
    TlvReport, TrailerReport, VectorsReport, Verdict,
};

use crate::content_key::ContentKey;
use crate::error::ImageError;
use crate::hash::{Digest, HashAlgorithm};
use crate::header::ImageFlags;
use crate::image::Image;
use crate::keys::KeyRing;
use crate::rules::{HeaderRules, Support};
use crate::tlv::TlvKind;
use crate::verify::{Refusal, StoredPayload, Verified, Verifier};

/// All that can be said about an image file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inspection {
    /// Bytes of the file.
    pub size: usize,
    /// SHA-256 of the whole file.
    pub sha256: Digest,
    /// What a bootloader with the given keys makes of it.
    pub verdict: Verdict,
    /// The header, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderReport>,
    /// TLV areas; empty when the structure is broken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<AreaReport>,
    /// Bytes from the header to the end of the TLVs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_size: Option<usize>,
    /// How the payload lies in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<PayloadState>,
    /// First words of a payload that lies in clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vectors: Option<VectorsReport>,
    /// Hash over header, plain payload and protected TLVs, where the plain payload is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_hash: Option<Digest>,
    /// Demands on other images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<DependencyReport>,
    /// Security counter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_counter: Option<u32>,
    /// Metadata of a network core image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkReport>,
    /// The trailer of a padded file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trailer: Option<TrailerReport>,
}

impl Inspection {
    /// Looks at the bytes of a file.
    #[must_use]
    pub fn of(bytes: &[u8], keys: &KeyRing) -> Self {
        match Image::parse(bytes) {
            Ok(image) => Self::of_image(bytes, &image, keys),
            Err(error) => Self::of_broken(bytes, &error),
        }
    }

    /// Whether a bootloader would refuse the image for sure.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.verdict, Verdict::Refused { .. })
    }

    fn of_broken(bytes: &[u8], error: &ImageError) -> Self {
        Self {
            size: bytes.len(),
            sha256: HashAlgorithm::Sha256.digest(bytes),
            verdict: Verdict::refused(error, error.help()),
            header: HeaderReport::of(bytes),
            areas: Vec::new(),
            image_size: None,
            payload: None,
            vectors: None,
            image_hash: None,
            dependencies: Vec::new(),
            security_counter: None,
            network: None,
            trailer: TrailerReport::of(bytes),
        }
    }

    fn of_image(bytes: &[u8], image: &Image<'_>, keys: &KeyRing) -> Self {
        let judged = Judged::by(image, keys);
        let known = match judged.payload {
            PayloadState::Encrypted => None,
            _ => Some(image.plain_payload(judged.content_key.as_ref())),
        };
        let algorithm = image
            .stored_hash()
            .map_or_else(HashAlgorithm::default, |(algorithm, _)| algorithm);
        Self {
            size: bytes.len(),
            sha256: HashAlgorithm::Sha256.digest(bytes),
            header: HeaderReport::of(bytes),
            areas: AreaReport::of(image, keys),
            image_size: Some(image.len()),
            payload: Some(judged.payload),
            vectors: match judged.payload {
                PayloadState::Plain | PayloadState::Clear => VectorsReport::of(image.payload()),
                PayloadState::Encrypted | PayloadState::Decrypted => None,
            },
            image_hash: known
                .as_deref()
                .map(|payload| image.hash(algorithm, payload)),
            dependencies: DependencyReport::of(image),
            security_counter: image.security_counter().ok().flatten(),
            network: known.as_deref().and_then(NetworkReport::of),
            trailer: TrailerReport::of(&bytes[image.len()..]),
            verdict: judged.verdict,
        }
    }
}

/// A verdict, and what had to be found out for it.
struct Judged {
    verdict: Verdict,
    payload: PayloadState,
    content_key: Option<ContentKey>,
}

impl Judged {
    fn by(image: &Image<'_>, keys: &KeyRing) -> Self {
        if image.encryption().is_none() {
            let loader = loader(image, keys, None);
            return Self::plain(image, keys, &loader, PayloadState::Plain);
        }
        if let Some(refused) = header_refusal(image) {
            return refused;
        }
        if stored_in_clear(image) {
            let loader = loader(image, keys, None).stored(StoredPayload::Clear);
            return Self::plain(image, keys, &loader, PayloadState::Clear);
        }
        Self::encrypted(image, keys)
    }

    fn plain(image: &Image<'_>, keys: &KeyRing, loader: &Verifier, payload: PayloadState) -> Self {
        let verdict = match loader.verify(image) {
            Ok(verified) => accepted(image, keys, &verified, None),
            Err(refusal) => Verdict::refused(&refusal, refusal.help()),
        };
        Self {
            verdict,
            payload,
            content_key: None,
        }
    }

    /// Tries every decryption key of the right scheme; the last refusal is told when none will do.
    fn encrypted(image: &Image<'_>, keys: &KeyRing) -> Self {
        let mut last = None;
        for (name, key) in keys.decryption() {
            if !image.tlvs().any(|tlv| key.opens(tlv.kind)) {
                continue;
            }
            let loader = loader(image, keys, Some(name)).decryption(key.clone());
            match loader.verify(image) {
                Ok(verified) => {
                    return Self {
                        verdict: accepted(image, keys, &verified, Some(name)),
                        payload: PayloadState::Decrypted,
                        content_key: verified.content_key,
                    };
                }
                // The key opens, and something else is wrong: no other key can do better.
                Err(refusal) if !is_about_content_key(&refusal) => {
                    return Self {
                        verdict: Verdict::refused(&refusal, refusal.help()),
                        payload: PayloadState::Decrypted,
                        content_key: loader.content_key(image).ok().flatten(),
                    };
                }
                Err(refusal) => last = Some(refusal),
            }
        }
        let verdict = match last {
            Some(refusal) => Verdict::refused(&refusal, refusal.help()),
            None => Verdict::Undecided {
                reason: "payload is encrypted, and no key was given that opens it".to_owned(),
                help: Some("give the device's decryption key".to_owned()),
            },
        };
        Self {
            verdict,
            payload: PayloadState::Encrypted,
            content_key: None,
        }
    }
}

/// A bootloader with all signing keys of the ring, built as the image needs it.
///
/// The private key that decrypts could sign as well, so the ring has it under both; it counts as a signing key
/// only when the image names it. Without any signing key, signatures are not looked at.
fn loader(image: &Image<'_>, keys: &KeyRing, decrypts: Option<&str>) -> Verifier {
    let named = image.tlv(TlvKind::KEYHASH).map(|tlv| tlv.value);
    let signing: Vec<_> = keys
        .signing()
        .filter(|(name, key)| {
            Some(*name) != decrypts || named == Some(key.key_hash(HashAlgorithm::Sha256).as_bytes())
        })
        .map(|(_, key)| key.clone())
        .collect();
    if signing.is_empty() {
        Verifier::unsigned()
    } else {
        Verifier::new(signing)
    }
    .suited_to(image)
}

/// Rules that no key changes, for an image with an encryption flag.
fn header_refusal(image: &Image<'_>) -> Option<Judged> {
    let rules = HeaderRules {
        encryption: Support::Present,
        ..HeaderRules::default()
    };
    let header = image.header();
    let refusal = if header.flags.contains(ImageFlags::NON_BOOTABLE) {
        Refusal::NotBootable {
            found: header.flags.bits(),
        }
    } else {
        rules.check(header).err()?.into()
    };
    Some(Judged {
        verdict: Verdict::refused(&refusal, refusal.help()),
        payload: PayloadState::Encrypted,
        content_key: None,
    })
}

/// Whether the hash matches the bytes as they are, though the header has an encryption flag.
fn stored_in_clear(image: &Image<'_>) -> bool {
    image.stored_hash().is_some_and(|(algorithm, tlv)| {
        image.hash(algorithm, image.payload()).as_bytes() == tlv.value
    })
}

fn is_about_content_key(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::ContentKey { .. } | Refusal::ContentKeySize { .. } | Refusal::NoContentKey { .. }
    )
}

fn accepted(
    image: &Image<'_>,
    keys: &KeyRing,
    verified: &Verified,
    decrypted_with: Option<&str>,
) -> Verdict {
    let decrypted_with = decrypted_with.map(str::to_owned);
    match &verified.signature {
        None => Verdict::HashMatches { decrypted_with },
        Some(signature) => {
            let algorithm = image
                .stored_hash()
                .map_or_else(HashAlgorithm::default, |(algorithm, _)| algorithm);
            Verdict::Accepted {
                signature: signature.kind,
                signed_by: keys
                    .name_of(&signature.key_hash, algorithm)
                    .unwrap_or_default()
                    .to_owned(),
                key_hash: signature.key_hash.clone(),
                decrypted_with,
            }
        }
    }
}

#[cfg(test)]
mod tests;
