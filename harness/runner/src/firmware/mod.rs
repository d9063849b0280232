//! The firmware set as the steps need it: images with their hash and plain payload, regions of flash, what to program.

mod image;
mod layout;
mod problem;
mod region;

pub(crate) use image::LoadedImage;
pub use problem::FirmwareProblem;
pub(crate) use region::{EXTERNAL_WINDOW, Region, memory_name};

use crate::damaged::DamagedImages;
use crate::proof::Secrets;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::{Keys, Signature};
use hil_image::{DamageError, DecryptionKey, PrivateKey, PublicKey};
use hil_record::{ErrorKind, FirmwareInfo};
use hil_rig::FlashImage;
use hil_scenario::{FirmwareSet, ImageRef, Variant};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// A firmware set, ready to be run: every file parsed, every encrypted image decrypted.
pub struct Firmware {
    set: FirmwareSet,
    images: BTreeMap<ImageRef, Arc<LoadedImage>>,
    programs: BTreeMap<String, FlashImage>,
    /// PEM of the key that images are signed for.
    signing: Option<String>,
    /// Signs damaged images again, where the set has it.
    signing_private: Option<PrivateKey>,
    /// PEM of the key that images are encrypted for.
    encryption: Option<Zeroizing<String>>,
    /// The same, read.
    decryption: Option<DecryptionKey>,
    damaged: DamagedImages,
    secrets: OnceLock<Secrets>,
}

/// The private half of the signing key.
fn read_private_key(path: &Path) -> Result<PrivateKey, FirmwareProblem> {
    let problem = |reason: String| FirmwareProblem::SigningKey {
        path: path.to_owned(),
        reason,
    };
    let pem = fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    PrivateKey::from_pem(&Zeroizing::new(pem)).map_err(|error| problem(error.to_string()))
}

/// The PEM of a public key, which is one.
fn read_signing_key(path: &Path) -> Result<String, FirmwareProblem> {
    let problem = |reason: String| FirmwareProblem::SigningKey {
        path: path.to_owned(),
        reason,
    };
    let pem = fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    PublicKey::from_pem(&pem).map_err(|error| problem(error.to_string()))?;
    Ok(pem)
}

/// Its name: what is in it is long, and in part secret.
impl fmt::Debug for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Firmware").field(&self.set.name).finish()
    }
}

impl Firmware {
    /// Parses what the set's files hold.
    ///
    /// # Errors
    ///
    /// A file to program or the decryption key is damaged.
    pub fn new(set: FirmwareSet) -> Result<Self, FirmwareProblem> {
        let signing = set
            .keys
            .signing
            .as_deref()
            .map(read_signing_key)
            .transpose()?;
        let signing_private = set
            .keys
            .signing_private
            .as_deref()
            .map(read_private_key)
            .transpose()?;
        let encryption = set
            .keys
            .encryption
            .as_ref()
            .map(|path| {
                let text = fs::read_to_string(path).map_err(|source| FirmwareProblem::KeyFile {
                    path: path.clone(),
                    source,
                })?;
                let text = Zeroizing::new(text);
                let key =
                    DecryptionKey::from_pem(&text).map_err(|source| FirmwareProblem::Key {
                        path: path.clone(),
                        source,
                    })?;
                Ok((text, key))
            })
            .transpose()?;
        let (encryption, key) = encryption.unzip();
        let images = set
            .roles()
            .filter_map(|(role, image)| {
                let loaded = LoadedImage::load(role.clone(), image.bytes(), key.as_ref())?;
                Some((role, Arc::new(loaded)))
            })
            .collect();
        let mut programs = BTreeMap::new();
        for (name, release) in &set.releases {
            let problem = |source| FirmwareProblem::Program {
                release: name.clone(),
                source,
            };
            let mut image = FlashImage::new();
            for program in &release.program {
                let path = program.file.path();
                let start = Region::whole_flash(program.core).address;
                let format = FlashImage::format_of(path, Some(start)).map_err(problem)?;
                image
                    .add_bytes(path, program.file.contents(), format)
                    .map_err(problem)?;
            }
            programs.insert(name.clone(), image);
        }
        Ok(Self {
            set,
            images,
            programs,
            signing,
            signing_private,
            encryption,
            decryption: key,
            damaged: DamagedImages::default(),
            secrets: OnceLock::new(),
        })
    }

    /// The bytes that are sent for an image, damaged or not.
    ///
    /// # Errors
    ///
    /// The set does not have it, or it cannot be damaged so; in words.
    pub fn bytes_of(&self, role: &ImageRef) -> Result<Vec<u8>, String> {
        let image = self.image(role).map_err(Trouble::words)?;
        Ok(image.bytes().to_vec())
    }

    /// Why an image that a variant names cannot be made of what the set has: a reason to skip it.
    pub(crate) fn unmet(&self, variant: &Variant) -> Option<String> {
        let reasons: Vec<String> = variant
            .images()
            .iter()
            .filter_map(|(role, step)| {
                let whole = self.images.get(&role.whole())?;
                let error = self.damaged(role, whole)?.err()?;
                Some(match error {
                    DamageError::NoSigningKey => format!(
                        "needs the private signing key for `{role}` (step {step}), and firmware set `{}` has no \
                         `keys.signing-private`",
                        self.set.name
                    ),
                    error => format!("`{role}` (step {step}) cannot be made: {error}"),
                })
            })
            .collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// A damaged image; `None` when `role` is a whole one.
    fn damaged(
        &self,
        role: &ImageRef,
        whole: &LoadedImage,
    ) -> Option<Result<Arc<LoadedImage>, DamageError>> {
        role.damage?;
        let (signing, decryption) = (self.signing_private.as_ref(), self.decryption.as_ref());
        Some(
            self.damaged
                .get(role, whole, &self.set, signing, decryption),
        )
    }

    /// The keys that the bootloader was built with.
    pub(crate) fn bootloader_keys(&self) -> Checked<Keys> {
        if self.signing.is_none() && self.set.bootloader.signature != Signature::None {
            return Err(Trouble::NotPossible(format!(
                "firmware set `{}` does not give the key that images are signed for",
                self.set.name
            )));
        }
        let damaged = |error: hil_image::KeyError| {
            Trouble::error(
                ErrorKind::File,
                format_args!(
                    "a key of firmware set `{}` is damaged: {error}",
                    self.set.name
                ),
            )
        };
        Ok(Keys {
            signing: self
                .signing
                .iter()
                .map(|pem| PublicKey::from_pem(pem))
                .collect::<Result<_, _>>()
                .map_err(damaged)?,
            encryption: self
                .encryption
                .as_ref()
                .map(|pem| DecryptionKey::from_pem(pem))
                .transpose()
                .map_err(damaged)?,
        })
    }

    /// The private key that images are encrypted for, as a loader has it in RAM.
    pub(crate) fn private_key(&self) -> Vec<Zeroizing<Vec<u8>>> {
        self.decryption
            .as_ref()
            .map(DecryptionKey::expose)
            .unwrap_or_default()
    }

    /// PEM of the public key that its images are signed for.
    #[must_use]
    pub fn signing_key(&self) -> Option<&str> {
        self.signing.as_deref()
    }

    /// The set.
    #[must_use]
    pub fn set(&self) -> &FirmwareSet {
        &self.set
    }

    /// Its name and digest, for events.
    pub(crate) fn info(&self) -> FirmwareInfo {
        FirmwareInfo {
            name: self.set.name.clone(),
            digest: self.set.digest_hex(),
        }
    }

    /// An image by its role.
    pub(crate) fn image(&self, role: &ImageRef) -> Checked<Arc<LoadedImage>> {
        let whole = self.images.get(&role.whole()).ok_or_else(|| {
            Trouble::error(
                ErrorKind::File,
                format_args!("firmware set `{}` has no image `{role}`", self.set.name),
            )
        })?;
        match self.damaged(role, whole) {
            None => Ok(whole.clone()),
            Some(made) => made.map_err(|error| {
                Trouble::error(
                    ErrorKind::File,
                    format_args!("image `{role}` cannot be made: {error}"),
                )
            }),
        }
    }

    /// An image as a run has sent it. A damaged one is kept as that, for it may take a key that is not here to make it
    /// again; any other must be the set's own.
    pub(crate) fn recalled(
        &self,
        role: &ImageRef,
        bytes: Vec<u8>,
    ) -> Result<Arc<LoadedImage>, String> {
        let name = &self.set.name;
        let whole = self
            .images
            .get(&role.whole())
            .ok_or_else(|| format!("firmware set `{name}` has no image `{role}`"))?;
        if role.damage.is_some() {
            let made = whole.damaged(role.clone(), bytes);
            return Ok(self.damaged.put(role, made));
        }
        if whole.bytes() == bytes {
            Ok(Arc::clone(whole))
        } else {
            Err(format!(
                "what was sent as `{role}` is not what firmware set `{name}` has"
            ))
        }
    }

    /// The role that an image with this hash plays.
    pub(crate) fn role_of(&self, hash: &[u8]) -> Option<ImageRef> {
        self.images
            .values()
            .find(|image| !hash.is_empty() && image.hash == hash)
            .map(|image| image.role.clone())
    }

    /// The same in words.
    pub(crate) fn name_of(&self, hash: &[u8]) -> Option<String> {
        self.role_of(hash).map(|role| role.to_string())
    }

    /// What a release programs.
    pub(crate) fn program(&self, release: &str) -> Checked<&FlashImage> {
        self.programs
            .get(release)
            .filter(|image| !image.is_empty())
            .ok_or_else(|| {
                Trouble::error(
                    ErrorKind::File,
                    format_args!(
                        "release `{release}` of firmware set `{}` has nothing to program",
                        self.set.name
                    ),
                )
            })
    }

    /// All bytes of the set that are no secret: files to program, and images as they are sent.
    pub(crate) fn public_bytes(&self) -> Vec<&[u8]> {
        let programmed = self
            .programs
            .values()
            .flat_map(FlashImage::segments)
            .map(|(_, bytes)| bytes);
        let sent = self.images.values().map(|image| image.bytes());
        programmed.chain(sent).collect()
    }

    /// Whether an image of the set is encrypted, so that what a board makes of it is a secret.
    pub(crate) fn has_secrets(&self) -> bool {
        self.encryption.is_some() || self.images.values().any(|image| image.is_encrypted())
    }

    /// The plain payloads and content keys of its encrypted images, where it can open them.
    pub(crate) fn opened(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.images
            .values()
            .filter_map(|image| Some((image.plain()?, image.content_key()?)))
    }

    /// Whether it can open every encrypted image that it has.
    pub(crate) fn opens_all(&self) -> bool {
        self.images
            .values()
            .all(|image| !image.is_encrypted() || image.plain().is_some())
    }

    /// What of a board's memories must not be written down.
    pub(crate) fn secrets(&self) -> &Secrets {
        self.secrets.get_or_init(|| Secrets::of(self))
    }

    /// All images as they are sent.
    pub(crate) fn sent_bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.images.values().map(|image| image.bytes())
    }
}
