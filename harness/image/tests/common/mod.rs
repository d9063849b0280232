//! The image corpus and its manifest, for the tests beside this folder.

#![allow(
    dead_code,
    reason = "each test program uses its own part of this module"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use hil_image::{DecryptionKey, EncryptionKey, PrivateKey, PublicKey, Verifier};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(crate) struct Manifest {
    pub(crate) keys: BTreeMap<String, Value>,
    pub(crate) files: Vec<Entry>,
}

/// One file of the corpus. Field names are the manifest's.
#[derive(Deserialize)]
pub(crate) struct Entry {
    pub(crate) file: String,
    pub(crate) command: Option<String>,
    pub(crate) payload: Option<Payload>,
    pub(crate) sig_key: Option<String>,
    pub(crate) enc_key: Option<String>,
    pub(crate) check_sig_key: Option<String>,
    pub(crate) check_enc_key: Option<String>,
    #[serde(default)]
    pub(crate) clear: bool,
    pub(crate) kind: Option<String>,
    pub(crate) expect: Expect,
    pub(crate) size: usize,
    pub(crate) sha256: String,
    pub(crate) parse: Option<Parse>,
    pub(crate) check: Option<Check>,
    pub(crate) stored_payload_sha256: Option<String>,
    pub(crate) zero_padding_before_encryption: Option<usize>,
    pub(crate) package: Option<Value>,
}

#[derive(Deserialize)]
pub(crate) struct Payload {
    pub(crate) seed: String,
    pub(crate) size: usize,
    pub(crate) sha256: String,
}

#[derive(Deserialize)]
pub(crate) struct Expect {
    pub(crate) parse: Option<String>,
    pub(crate) bootloader: Option<String>,
    pub(crate) b0n: Option<String>,
    pub(crate) secondary_slot_swap_type: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Parse {
    pub(crate) result: String,
    pub(crate) header: Option<Header>,
    pub(crate) protected: Option<Area>,
    pub(crate) unprotected: Option<Area>,
    pub(crate) hashed_len: Option<usize>,
    pub(crate) image_end: Option<usize>,
    pub(crate) bytes_after_image: Option<usize>,
    pub(crate) trailer: Option<Trailer>,
}

#[derive(Deserialize)]
pub(crate) struct Header {
    pub(crate) load_addr: u32,
    pub(crate) hdr_size: u16,
    pub(crate) protect_tlv_size: u16,
    pub(crate) img_size: u32,
    pub(crate) flags: String,
    pub(crate) flag_names: Vec<String>,
    pub(crate) version: Version,
}

#[derive(Deserialize)]
pub(crate) struct Version {
    pub(crate) major: u8,
    pub(crate) minor: u8,
    pub(crate) revision: u16,
    pub(crate) build: u32,
}

#[derive(Deserialize)]
pub(crate) struct Area {
    pub(crate) offset: u32,
    pub(crate) total: u32,
    pub(crate) tlvs: Vec<Tlv>,
}

#[derive(Deserialize)]
pub(crate) struct Tlv {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) offset: u32,
    pub(crate) len: usize,
    pub(crate) value: String,
}

#[derive(Deserialize)]
pub(crate) struct Trailer {
    pub(crate) magic_offset: u32,
    pub(crate) image_ok_offset: u32,
    pub(crate) image_ok: String,
    pub(crate) copy_done_offset: u32,
    pub(crate) copy_done: String,
    pub(crate) swap_info_offset: u32,
    pub(crate) swap_info: String,
    pub(crate) swap_size_offset: u32,
    pub(crate) swap_size: String,
}

#[derive(Deserialize)]
pub(crate) struct Check {
    pub(crate) content_key: Option<String>,
    pub(crate) content_key_unwrap: Option<String>,
    pub(crate) plain_payload_sha256: Option<String>,
    pub(crate) hash_alg: Option<String>,
    pub(crate) hash: Option<String>,
    pub(crate) hash_ok: Option<bool>,
    pub(crate) signature_ok: Option<bool>,
    pub(crate) keyhash_matches: Option<bool>,
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/images")
}

pub(crate) fn read(file: &str) -> Vec<u8> {
    let path = folder().join(file);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn key_text(file: &str) -> String {
    String::from_utf8(read(&format!("keys/{file}"))).unwrap()
}

pub(crate) fn manifest() -> Manifest {
    serde_json::from_slice(&read("manifest.json")).unwrap()
}

pub(crate) fn public_key(name: &str) -> PublicKey {
    PublicKey::from_pem(&key_text(&format!("{name}.pub.pem"))).unwrap()
}

pub(crate) fn private_key(name: &str) -> PrivateKey {
    PrivateKey::from_pem(&key_text(&format!("{name}.pem"))).unwrap()
}

pub(crate) fn decryption_key(name: &str) -> DecryptionKey {
    if name.starts_with("enc-aeskw") {
        DecryptionKey::from_base64(&key_text(&format!("{name}.b64"))).unwrap()
    } else {
        DecryptionKey::from_pem(&key_text(&format!("{name}.pem"))).unwrap()
    }
}

pub(crate) fn encryption_key(name: &str) -> EncryptionKey {
    if name.starts_with("enc-aeskw") {
        EncryptionKey::from_base64(&key_text(&format!("{name}.b64"))).unwrap()
    } else {
        EncryptionKey::from_pem(&key_text(&format!("{name}.pub.pem"))).unwrap()
    }
}

impl Entry {
    /// The bootloader that the verdict is about: its signing key, and its decryption key if it has one.
    ///
    /// Files that are no image at all name no key; any will do for them.
    pub(crate) fn bootloader(&self) -> Verifier {
        let signing = self.check_sig_key.as_deref().unwrap_or("sig-ec256");
        let verifier = Verifier::new([public_key(signing)]);
        match &self.check_enc_key {
            Some(key) => verifier.decryption(decryption_key(key)),
            None => verifier,
        }
    }

    pub(crate) fn is_package(&self) -> bool {
        self.kind.as_deref() == Some("package")
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hil_image::HashAlgorithm::Sha256.digest(bytes).to_string()
}
