//! What can be told of a firmware set without a board: every image against the bootloader that the set describes.

mod image;
mod program;
mod release;
mod size;

use crate::finding::{Finding, Severity, worst};
use hil_bootloader::{Encryption, Signature};
use hil_image::{DecryptionKey, KeyError, PublicKey, SignatureKind};
use hil_scenario::{FirmwareSet, ImageRef};
use serde::Serialize;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The longest key file in bytes (ours): that of RSA-3072 has 2.5 kB.
const MAX_KEY_FILE: u64 = 64 * 1024;

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the set.
    pub firmware: String,
    /// SHA-256 over the set's file and all files that it names.
    pub digest: String,
    /// Every image, by its role.
    pub images: Vec<CheckedImage>,
    /// What is not fine, in the order of the set.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The weightiest finding.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        worst(&self.findings)
    }
}

/// An image of the set.
#[derive(Clone, Debug, Serialize)]
pub struct CheckedImage {
    /// Its role, such as `update.app`.
    pub role: String,
    /// Its file, relative to the set's.
    pub file: String,
    /// Length in bytes.
    pub bytes: usize,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Version in its header.
    pub version: String,
    /// Value of its hash TLV: what image lists name it by.
    pub hash: String,
    /// What the set's bootloader makes of it.
    pub verdict: Verdict,
}

/// What a bootloader makes of an image.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is taken.
    Accepted,
    /// It is refused.
    Refused,
    /// It is refused, as it is meant to be.
    RefusedAsIntended,
    /// A key is missing to tell.
    Undecided,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::RefusedAsIntended => "refused, as intended",
            Self::Undecided => "undecided",
        })
    }
}

/// Why a set cannot be checked: a file is wrong, not the firmware.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A key file cannot be read.
    #[error("key `{}` cannot be read: {why}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A key file is none.
    #[error("key `{}` is not usable: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
}

impl CheckError {
    /// What to try.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::KeyFile { .. } => {
                Some("check `keys` in the firmware set; relative paths count from its file")
            }
            Self::Key { source, .. } => source.help(),
        }
    }
}

/// The keys of the set, read.
struct Keys {
    signing: Option<PublicKey>,
    encryption: Option<DecryptionKey>,
}

/// Checks a set.
///
/// # Errors
///
/// A key file cannot be used.
pub fn check(set: &FirmwareSet) -> Result<Report, CheckError> {
    let keys = read_keys(set)?;
    let mut findings = check_keys(set, &keys);
    findings.extend(size::check_slots(set));
    let mut images = Vec::new();
    for (role, image) in set.roles() {
        let release = set.releases.get(&role.release);
        let intended = release.and_then(|release| release.refused.as_deref());
        let (verdict, mut found) = image::check(set, &keys, &role, image);
        found.extend(release::check(set, &role, image));
        let errors = worst(&found) == Some(Severity::Error);
        let verdict = match (verdict, errors, intended) {
            (Verdict::Accepted | Verdict::Undecided, false, Some(_)) => {
                findings.push(not_refused(&role, image.file.name(), intended));
                verdict
            }
            (_, true, Some(_)) => Verdict::RefusedAsIntended,
            (_, true, None) => Verdict::Refused,
            (verdict, false, _) => verdict,
        };
        if verdict != Verdict::RefusedAsIntended {
            findings.extend(found);
        }
        let parsed = hil_image::Image::parse(image.bytes()).ok();
        images.push(CheckedImage {
            role: role.to_string(),
            file: image.file.name().to_owned(),
            bytes: image.bytes().len(),
            sha256: hex::encode(image.file.digest()),
            version: image.version.to_string(),
            hash: parsed
                .and_then(|parsed| Some(hex::encode(parsed.stored_hash()?.1.value)))
                .unwrap_or_default(),
            verdict,
        });
    }
    findings.extend(never_encrypted(set));
    findings.extend(program::check(set, keys.signing.as_ref()));
    Ok(Report {
        firmware: set.name.clone(),
        digest: set.digest_hex(),
        images,
        findings,
    })
}

/// A bootloader that decrypts, and nothing for it to decrypt.
fn never_encrypted(set: &FirmwareSet) -> Option<Finding> {
    let decrypts = set.bootloader.encryption != Encryption::None;
    let none = !set.roles().any(|(_, image)| image.encrypted);
    (decrypts && none).then(|| {
        Finding::note(
            set.path.display(),
            "has no encrypted image, though its bootloader decrypts: what is sent can be read on the way",
        )
        .help("send the `.encrypted.bin` files of the build (SB_CONFIG_BOOT_ENCRYPTION=y)")
    })
}

fn not_refused(role: &ImageRef, file: &str, why: Option<&str>) -> Finding {
    Finding::error(file, format_args!("`{role}` would be accepted"))
        .expected(format_args!(
            "an image that is refused: {}",
            why.unwrap_or_default()
        ))
        .help("take `refused` from its release, or put the image there that it speaks of")
}

fn read_keys(set: &FirmwareSet) -> Result<Keys, CheckError> {
    Ok(Keys {
        signing: read_key(set.keys.signing.as_deref(), PublicKey::from_pem)?,
        encryption: read_key(set.keys.encryption.as_deref(), DecryptionKey::from_pem)?,
    })
}

fn read_key<T>(
    path: Option<&Path>,
    parse: fn(&str) -> Result<T, KeyError>,
) -> Result<Option<T>, CheckError> {
    let Some(path) = path else {
        return Ok(None);
    };
    parse(&key_text(path)?)
        .map(Some)
        .map_err(|source| CheckError::Key {
            path: path.to_owned(),
            source,
        })
}

/// A key's text, wiped when it is dropped.
fn key_text(path: &Path) -> Result<zeroize::Zeroizing<String>, CheckError> {
    let mut text = zeroize::Zeroizing::new(String::new());
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_KEY_FILE).read_to_string(&mut text))
        .map_err(|error| CheckError::KeyFile {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
    Ok(text)
}

fn check_keys(set: &FirmwareSet, keys: &Keys) -> Vec<Finding> {
    let file = set.path.display();
    let mut findings = Vec::new();
    let wanted = match set.bootloader.signature {
        Signature::EcdsaP256 => Some(SignatureKind::EcdsaP256),
        Signature::Rsa2048 => Some(SignatureKind::Rsa2048),
        Signature::Rsa3072 => Some(SignatureKind::Rsa3072),
        Signature::Ed25519 => Some(SignatureKind::Ed25519),
        Signature::None => None,
    };
    match (wanted, &keys.signing) {
        (Some(wanted), Some(key)) if key.kind() != wanted => findings.push(
            Finding::error(
                &file,
                format_args!("`keys.signing` is a key for {}", key.kind()),
            )
            .expected(format_args!("{wanted}, as `bootloader.signature` says"))
            .help("one of the two is of another build: both come from MCUboot's `.config` (CONFIG_BOOT_SIGNATURE_TYPE_…)"),
        ),
        (Some(_), None) => findings.push(
            Finding::warning(&file, "gives no `keys.signing`: signatures are not checked")
                .expected("the public key that images are signed for")
                .help("add `keys: { signing: FILE }`; the public half is enough"),
        ),
        _ => {}
    }
    if let Some(name) = keys.signing.as_ref().and_then(crate::keys::published) {
        findings.push(
            Finding::warning(
                &file,
                format_args!("`keys.signing` is `{name}` from MCUboot's repository"),
            )
            .expected("a key of your own")
            .help("everybody has its private half and can sign updates for these devices: set SB_CONFIG_BOOT_SIGNATURE_KEY_FILE (from SDK 2.7 on) or CONFIG_BOOT_SIGNATURE_KEY_FILE in MCUboot's configuration (before)"),
        );
    }
    let wanted = match set.bootloader.encryption {
        Encryption::None => None,
        Encryption::Ec256 => Some(matches!(keys.encryption, Some(DecryptionKey::EcP256(_)))),
        Encryption::X25519 | Encryption::X25519Sha512 => {
            Some(matches!(keys.encryption, Some(DecryptionKey::X25519(_))))
        }
        Encryption::Rsa2048 => Some(matches!(keys.encryption, Some(DecryptionKey::Rsa2048(_)))),
        Encryption::AesKw => Some(matches!(keys.encryption, Some(DecryptionKey::AesKw(_)))),
    };
    if let (Some(false), Some(key)) = (wanted, &keys.encryption) {
        findings.push(
            Finding::error(&file, format_args!("`keys.encryption` is a key for {}", key.scheme()))
                .expected(format_args!(
                    "one for `bootloader.encryption: {}`",
                    serde_json::to_value(set.bootloader.encryption)
                        .ok()
                        .and_then(|word| word.as_str().map(str::to_owned))
                        .unwrap_or_default()
                ))
                .help("the type of signature chooses the scheme: RSA rsa-2048, ECDSA P-256 ec256, Ed25519 x25519"),
        );
    }
    findings
}
