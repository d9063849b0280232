//! The firmware set as the steps need it: images with their hash and plain payload, regions of flash, what to program.

use crate::damaged::DamagedImages;
use crate::proof::Secrets;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::{Area, DeviceId, Keys, Mode, Signature, SimFlash};
use hil_image::{DamageError, DecryptionKey, Image, PrivateKey, PublicKey};
use hil_record::{ErrorKind, FirmwareInfo, Partition};
use hil_rig::FlashImage;
use hil_scenario::{Core, FirmwareSet, ImageRef, Memory, Slot, Variant};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// Why a firmware set that was read cannot be used. The command line or a file is wrong, not the bench.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareProblem {
    /// The key that images are encrypted for cannot be read.
    #[error("decryption key `{path}` cannot be read")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The key that images are signed for cannot be read, or is none.
    #[error("signing key `{path}` cannot be used: {reason}")]
    SigningKey {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is no such key.
    #[error("decryption key `{path}` is not usable")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: hil_image::KeyError,
    },
    /// A file to program is damaged, or not for this chip.
    #[error("release `{release}` cannot be programmed")]
    Program {
        /// The release.
        release: String,
        /// Why.
        #[source]
        source: hil_rig::ImageError,
    },
}

impl FirmwareProblem {
    /// What to try.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::KeyFile { .. } => {
                Some("check `keys.encryption` in the firmware set; paths are relative to its file")
            }
            Self::SigningKey { .. } => Some(
                "check `keys.signing` in the firmware set: the PEM of a public key; paths are relative to its file",
            ),
            Self::Key { source, .. } => source.help(),
            Self::Program { source, .. } => Some(source.help()),
        }
    }
}

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

/// An image of the firmware set.
pub(crate) struct LoadedImage {
    role: ImageRef,
    bytes: Vec<u8>,
    hash: Vec<u8>,
    version: String,
    encrypted: bool,
    plain: Option<Zeroizing<Vec<u8>>>,
    /// The key that its payload is encrypted with.
    content_key: Option<Zeroizing<Vec<u8>>>,
}

/// Where the application core sees the external flash (nRF5340 product specification, memory map).
pub(crate) const EXTERNAL_WINDOW: u32 = 0x1000_0000;

/// A part of the flash of one core, or of the external flash, which is in the application core's map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Region {
    pub(crate) core: Core,
    /// First address, in the core's own map.
    pub(crate) address: u32,
    /// Bytes.
    pub(crate) size: u32,
}

impl Region {
    /// All flash of a core.
    pub(crate) const fn whole_flash(core: Core) -> Self {
        let memory = match core {
            Core::App => Memory::App,
            Core::Net => Memory::Net,
        };
        Self {
            core,
            address: memory.start(),
            size: memory.size(),
        }
    }

    /// An area of the bootloader model, which counts from the start of the memory.
    pub(crate) const fn of_area(area: Area) -> Self {
        let (core, start) = match area.device {
            DeviceId::NetFlash => (Core::Net, Self::whole_flash(Core::Net).address),
            DeviceId::External => (Core::App, EXTERNAL_WINDOW),
            DeviceId::AppFlash | DeviceId::RamFlash => {
                (Core::App, Self::whole_flash(Core::App).address)
            }
        };
        Self {
            core,
            address: start + area.offset,
            size: area.size,
        }
    }

    /// Whether a byte lies in both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.device() == other.device()
            && self.address < other.address.saturating_add(other.size)
            && other.address < self.address.saturating_add(self.size)
    }

    /// The device that it lies in, as the bootloader model names it.
    pub(crate) const fn device(&self) -> DeviceId {
        match self.core {
            Core::App if self.address >= EXTERNAL_WINDOW => DeviceId::External,
            Core::App => DeviceId::AppFlash,
            Core::Net => DeviceId::NetFlash,
        }
    }

    /// Its memory, for messages.
    pub(crate) const fn memory(&self) -> &'static str {
        memory_name(self.device())
    }

    /// Where its memory starts, in its core's map.
    const fn memory_start(&self) -> u32 {
        match self.device() {
            DeviceId::External => EXTERNAL_WINDOW,
            _ => Self::whole_flash(self.core).address,
        }
    }

    /// The same for the bootloader model, which counts from the start of the memory.
    pub(crate) const fn area(&self) -> Area {
        Area {
            device: self.device(),
            offset: self.address - self.memory_start(),
            size: self.size,
        }
    }

    /// Whether an address of its core lies in it.
    pub(crate) const fn contains(&self, address: u32) -> bool {
        address >= self.address && address - self.address < self.size
    }

    /// Its bytes in a flash of the bootloader model; shorter when they do not all lie in its device.
    pub(crate) fn bytes_of(&self, flash: &SimFlash) -> Vec<u8> {
        let area = self.area();
        flash.bytes_at(area.device, area.offset as usize, area.size as usize)
    }

    /// Its bytes in a dump of its whole memory.
    pub(crate) fn of_dump<'a>(&self, dump: &'a [u8]) -> &'a [u8] {
        let start = (self.address - self.memory_start()) as usize;
        let end = start + self.size as usize;
        dump.get(start..end.min(dump.len())).unwrap_or_default()
    }
}

/// A device of the bootloader model, for messages.
pub(crate) const fn memory_name(device: DeviceId) -> &'static str {
    match device {
        DeviceId::External => "external flash",
        DeviceId::NetFlash => "net core",
        DeviceId::AppFlash | DeviceId::RamFlash => "app core",
    }
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

impl LoadedImage {
    fn load(role: ImageRef, bytes: &[u8], key: Option<&DecryptionKey>) -> Option<Self> {
        let image = Image::parse(bytes).ok()?;
        let encrypted = image.encryption().is_some();
        let opened = key.filter(|_| encrypted).and_then(|key| {
            let tlv = image.tlvs().find(|tlv| key.opens(tlv.kind))?;
            let content_key = key.unwrap_content_key(tlv.kind, tlv.value).ok()?;
            let plain = image.plain_payload(Some(&content_key)).into_owned();
            let content_key = content_key.expose().to_vec();
            Some((Zeroizing::new(plain), Zeroizing::new(content_key)))
        });
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

    /// Where a slot is.
    pub(crate) fn slot(&self, slot: Slot) -> Checked<Region> {
        self.region(slot.word()).ok_or_else(|| {
            Trouble::error(
                ErrorKind::File,
                format_args!(
                    "slot `{slot}` is not in the layout of firmware set `{}`",
                    self.set.name
                ),
            )
        })
    }

    /// The slots from which firmware runs.
    pub(crate) fn primary_slots(&self) -> Vec<Region> {
        [Slot::AppPrimary, Slot::NetPrimary]
            .iter()
            .filter_map(|slot| self.region(slot.word()))
            .collect()
    }

    /// Whether something of the set runs on the network core.
    pub(crate) fn has_network_core(&self) -> bool {
        self.set.layout.slot(Slot::NetPrimary).is_some()
    }

    /// Whether the bootloader wants an update in the slot's second sector.
    pub(crate) fn lies_one_sector_up(&self, slot: Slot) -> bool {
        self.set.bootloader.mode == Mode::SwapOffset
            && matches!(slot, Slot::AppSecondary | Slot::NetSecondary)
    }

    /// The bootloader's partition of a core.
    pub(crate) fn bootloader(&self, core: Core) -> Option<Region> {
        self.region(&format!("{core}.bootloader"))
    }

    /// The partitions in the external flash, by address. Nothing is known of the rest of it.
    pub(crate) fn external_partitions(&self) -> Vec<Region> {
        let layout = self.set.layout.iter();
        let mut regions: Vec<Region> = layout
            .filter_map(|(name, _)| self.region(name))
            .filter(|region| region.device() == DeviceId::External)
            .collect();
        regions.sort_by_key(|region| region.address);
        regions
    }

    /// Bytes of the external flash up to the end of its last partition.
    pub(crate) fn external_size(&self) -> u32 {
        let last = self.external_partitions().pop();
        last.map_or(0, |region| region.address - EXTERNAL_WINDOW + region.size)
    }

    /// The external flash up to the end of its last partition, where it has one.
    pub(crate) fn external_flash(&self) -> Option<Region> {
        let size = self.external_size();
        (size > 0).then_some(Region {
            core: Core::App,
            address: EXTERNAL_WINDOW,
            size,
        })
    }

    /// Flash that no update may touch: everything but the slots, the scratch areas and the bootloaders, which have a
    /// check of their own. Of the external flash, the other partitions.
    pub(crate) fn untouchable(&self) -> Vec<Region> {
        let changing: Vec<Region> = Slot::ALL
            .iter()
            .map(|slot| slot.word())
            .chain(["app.scratch"])
            .filter_map(|name| self.region(name))
            .collect();
        let mut untouchable = self.external_partitions();
        untouchable.retain(|region| !changing.contains(region));
        for core in Core::ALL {
            let mut taken: Vec<Region> = Slot::ALL
                .iter()
                .map(|slot| slot.word().to_owned())
                .chain([format!("{core}.bootloader"), format!("{core}.scratch")])
                .filter_map(|name| self.region(&name))
                .filter(|region| region.device() == Region::whole_flash(core).device())
                .collect();
            taken.sort_by_key(|region| region.address);
            let whole = Region::whole_flash(core);
            let mut next = whole.address;
            for region in &taken {
                if region.address > next {
                    untouchable.push(Region {
                        core,
                        address: next,
                        size: region.address - next,
                    });
                }
                next = next.max(region.address + region.size);
            }
            let end = whole.address + whole.size;
            if next < end {
                untouchable.push(Region {
                    core,
                    address: next,
                    size: end - next,
                });
            }
        }
        untouchable
    }

    /// The partitions in a memory, by address, with what the bootloader keeps at the ends of its slots.
    pub(crate) fn partitions(&self, device: DeviceId) -> Vec<Partition> {
        let bootloader = &self.set.bootloader;
        let slots = bootloader
            .images
            .iter()
            .flat_map(|slots| [slots.primary, slots.secondary]);
        let has_trailer: Vec<Area> = slots.filter(|area| area.device == device).collect();
        let mut partitions: Vec<Partition> = self
            .set
            .layout
            .iter()
            .filter_map(|(name, _)| Some((name, self.region(name)?)))
            .filter(|(_, region)| region.device() == device)
            .map(|(name, region)| Partition {
                name: name.to_owned(),
                address: region.address,
                size: region.size,
                trailer: has_trailer
                    .contains(&region.area())
                    .then(|| bootloader.trailer_size()),
            })
            .collect();
        partitions.sort_by_key(|partition| partition.address);
        partitions
    }

    /// The partition that an address lies in, for messages.
    pub(crate) fn place(&self, core: Core, address: u32) -> String {
        self.set
            .layout
            .iter()
            .filter_map(|(name, _)| Some((name, self.region(name)?)))
            .find(|(_, region)| region.core == core && region.contains(address))
            .map_or_else(
                || "no partition".to_owned(),
                |(name, _)| format!("`{name}`"),
            )
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

    /// A partition by its name.
    pub(crate) fn region(&self, name: &str) -> Option<Region> {
        let region = self.set.layout.region(name)?;
        let (core, base) = match region.memory {
            Memory::App => (Core::App, 0),
            Memory::Net => (Core::Net, 0),
            Memory::External => (Core::App, EXTERNAL_WINDOW),
        };
        Some(Region {
            core,
            address: base + region.address,
            size: region.size,
        })
    }
}
