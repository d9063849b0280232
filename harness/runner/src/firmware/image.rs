//! One image of a firmware set: what is sent, what names it, and what only the set's key opens.

use hil_image::{DecryptionKey, Image};
use hil_scenario::{Core, ImageRef};
use zeroize::Zeroizing;

/// An image of the firmware set.
pub(crate) struct LoadedImage {
    pub(super) role: ImageRef,
    bytes: Vec<u8>,
    pub(super) hash: Vec<u8>,
    version: String,
    encrypted: bool,
    plain: Option<Zeroizing<Vec<u8>>>,
    /// The key that its payload is encrypted with.
    content_key: Option<Zeroizing<Vec<u8>>>,
    /// The secret that this key is wrapped with, where its scheme has one.
    shared_secret: Option<Zeroizing<Vec<u8>>>,
}

impl LoadedImage {
    pub(super) fn load(role: ImageRef, bytes: &[u8], key: Option<&DecryptionKey>) -> Option<Self> {
        let image = Image::parse(bytes).ok()?;
        let encrypted = image.encryption().is_some();
        let opened = key.filter(|_| encrypted).and_then(|key| {
            let tlv = image.tlvs().find(|tlv| key.opens(tlv.kind))?;
            let content_key = key.unwrap_content_key(tlv.kind, tlv.value).ok()?;
            let plain = image.plain_payload(Some(&content_key)).into_owned();
            let content_key = content_key.expose().to_vec();
            let shared = key.shared_secret(tlv.value);
            Some(((Zeroizing::new(plain), Zeroizing::new(content_key)), shared))
        });
        let (opened, shared_secret) = opened.unzip();
        let (plain, content_key) = opened.unzip();
        Some(Self {
            role,
            hash: image
                .stored_hash()
                .map(|(_, tlv)| tlv.value.to_vec())
                .unwrap_or_default(),
            version: image.header().version.to_string(),
            encrypted,
            plain,
            content_key,
            shared_secret: shared_secret.flatten(),
            bytes: bytes.to_vec(),
        })
    }

    /// What was made of it by damage. Its plain text stays a secret, and where it has no hash left it goes by the one that
    /// it had.
    pub(crate) fn damaged(&self, role: ImageRef, bytes: Vec<u8>) -> Self {
        let loaded = Self::load(role.clone(), &bytes, None);
        let (hash, version) = match loaded {
            Some(loaded) if !loaded.hash.is_empty() => (loaded.hash, loaded.version),
            Some(loaded) => (self.hash.clone(), loaded.version),
            None => (self.hash.clone(), self.version.clone()),
        };
        Self {
            role,
            bytes,
            hash,
            version,
            encrypted: self.encrypted,
            plain: self.plain.clone(),
            content_key: self.content_key.clone(),
            shared_secret: self.shared_secret.clone(),
        }
    }

    /// What is sent to the board.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The value of its hash TLV: what image lists and requests name it by.
    pub(crate) fn hash(&self) -> &[u8] {
        &self.hash
    }

    /// The role that it plays.
    pub(crate) const fn role(&self) -> &ImageRef {
        &self.role
    }

    /// Which core it is for.
    pub(crate) const fn core(&self) -> Core {
        self.role.core
    }

    /// Whether its payload is cipher text.
    pub(crate) const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The payload in clear, where it is encrypted and the firmware set has the key.
    pub(crate) fn plain(&self) -> Option<&[u8]> {
        self.plain.as_ref().map(|plain| plain.as_slice())
    }

    /// The key that its payload is encrypted with, where the firmware set can open it.
    pub(crate) fn content_key(&self) -> Option<&[u8]> {
        self.content_key.as_ref().map(|key| key.as_slice())
    }

    /// The secret that its content key is wrapped with, where the firmware set can open it and its scheme has one.
    pub(crate) fn shared_secret(&self) -> Option<&[u8]> {
        self.shared_secret.as_ref().map(|secret| secret.as_slice())
    }

    /// The payload in clear of an encrypted image, as what is compared takes it.
    pub(crate) fn plain_copy(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.plain.clone()
    }

    /// `2.0.0, hash 0123abcd…`.
    pub(crate) fn label(&self) -> String {
        let start = self.hash.get(..4).unwrap_or(&self.hash);
        format!("{}, hash {}…", self.version, hex::encode(start))
    }
}
