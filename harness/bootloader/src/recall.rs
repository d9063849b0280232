//! What may be kept from one boot to the next without changing what a boot does: answers that depend on bytes alone.
//!
//! A sweep boots hundreds of times from nearly the same flash, and each boot hashes the same image and checks the same
//! signature. [`Recall`] keeps the digests of what was hashed together with the hashed bytes, and the verdicts on
//! signatures. Bytes are compared, never assumed: a boot with a recall does and decides exactly what one without does.

use std::collections::HashMap;

use hil_image::{Digest, HashAlgorithm, Hasher, PublicKey};

/// How many images are kept (ours): the old and the new one, of two image numbers, and one that was damaged.
const IMAGES: usize = 5;
/// Larger images are not kept (ours), in bytes.
const LARGEST: usize = 2 << 20;
/// How many verdicts on signatures are kept (ours).
const SIGNATURES: usize = 64;

/// Digests and verdicts of earlier boots.
#[derive(Default)]
pub struct Recall {
    images: Vec<Known>,
    signatures: HashMap<Signed, Result<(), String>>,
}

/// A signature that was checked.
#[derive(Eq, Hash, PartialEq)]
struct Signed {
    /// Number of the key.
    key: usize,
    digest: Vec<u8>,
    signature: Vec<u8>,
}

struct Known {
    bytes: Vec<u8>,
    digest: Digest,
}

impl std::fmt::Debug for Recall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the bytes: they may be of an image that was decrypted.
        write!(
            f,
            "Recall({} images, {} signatures)",
            self.images.len(),
            self.signatures.len()
        )
    }
}

impl Recall {
    /// Nothing known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A hasher that knows what was hashed before; [`RecallingHasher::finish`] gives the recall back.
    pub(crate) fn hasher(self) -> RecallingHasher {
        RecallingHasher {
            fitting: (0..self.images.len()).collect(),
            recall: self,
            seen: 0,
            computing: None,
        }
    }

    /// Whether `signature` over `digest` is by `key`, the `number`th of the bootloader's keys; in words when not.
    pub(crate) fn verify(
        &mut self,
        number: usize,
        key: &PublicKey,
        digest: &Digest,
        signature: &[u8],
    ) -> Result<(), String> {
        let question = Signed {
            key: number,
            digest: digest.as_bytes().to_vec(),
            signature: signature.to_vec(),
        };
        if let Some(verdict) = self.signatures.get(&question) {
            return verdict.clone();
        }
        let verdict = key
            .verify(digest, signature)
            .map_err(|error| error.to_string());
        if self.signatures.len() >= SIGNATURES {
            self.signatures.clear();
        }
        self.signatures.insert(question, verdict.clone());
        verdict
    }
}

/// SHA-256 over bytes that come in pieces. As long as they are those of a known image, they are compared only.
pub(crate) struct RecallingHasher {
    recall: Recall,
    /// Known images that begin with all that was seen.
    fitting: Vec<usize>,
    /// Bytes seen.
    seen: usize,
    /// Hasher and bytes of an image that is not known.
    computing: Option<(Hasher, Vec<u8>)>,
}

impl RecallingHasher {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, piece: &[u8]) {
        if let Some((hasher, bytes)) = &mut self.computing {
            hasher.update(piece);
            bytes.extend_from_slice(piece);
            return;
        }
        let range = self.seen..self.seen + piece.len();
        let before = self.fitting.first().copied();
        let images = &self.recall.images;
        self.fitting
            .retain(|known| images[*known].bytes.get(range.clone()) == Some(piece));
        if self.fitting.is_empty() {
            let known = before.map_or(&[][..], |known| &images[known].bytes[..self.seen]);
            let mut bytes = known.to_vec();
            bytes.extend_from_slice(piece);
            let mut hasher = Hasher::new(HashAlgorithm::Sha256);
            hasher.update(&bytes);
            self.computing = Some((hasher, bytes));
        }
        self.seen += piece.len();
    }

    /// The digest of all that was seen.
    pub(crate) fn finish(self) -> (Digest, Recall) {
        let Self {
            mut recall,
            fitting,
            seen,
            computing,
        } = self;
        let (digest, bytes) = match computing {
            Some((hasher, bytes)) => (hasher.finish(), bytes),
            None => {
                let whole = fitting
                    .iter()
                    .map(|known| &recall.images[*known])
                    .find(|known| known.bytes.len() == seen);
                if let Some(known) = whole {
                    return (known.digest.clone(), recall);
                }
                let bytes = fitting
                    .first()
                    .map_or(&[][..], |known| &recall.images[*known].bytes[..seen])
                    .to_vec();
                (HashAlgorithm::Sha256.digest(&bytes), bytes)
            }
        };
        if bytes.len() <= LARGEST {
            if recall.images.len() >= IMAGES {
                recall.images.remove(0);
            }
            recall.images.push(Known {
                bytes,
                digest: digest.clone(),
            });
        }
        (digest, recall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(recall: Recall, bytes: &[u8], piece: usize) -> (Digest, Recall) {
        let mut hasher = recall.hasher();
        for piece in bytes.chunks(piece) {
            hasher.update(piece);
        }
        hasher.finish()
    }

    proptest! {
        #[test]
        fn a_recalled_digest_is_the_digest(
            whole in prop::collection::vec(any::<u8>(), 1..200),
            asked in prop::collection::vec((0usize..200, 0usize..200, any::<u8>(), 1usize..64), 1..20),
        ) {
            let mut recall = Recall::new();
            for (length, at, value, piece) in asked {
                // Prefixes of one image, whole or with one byte changed: what begins alike must not be mixed up.
                let mut bytes = whole[..length.min(whole.len())].to_vec();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
                let (digest, next) = hash(recall, &bytes, piece);
                prop_assert_eq!(digest, HashAlgorithm::Sha256.digest(&bytes));
                recall = next;
            }
            prop_assert!(recall.images.len() <= IMAGES);
        }
    }
}
