//! Every file of the corpus gives the verdict that its manifest entry tells.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::fmt::Write as _;

use common::{Entry, decryption_key, manifest, public_key, read, sha256};
use hil_image::network::{NetworkImage, NetworkRefusal, NetworkRules};
use hil_image::trailer::{FlagState, MagicState, SwapMode, SwapType, Trailer, TrailerLayout};
use hil_image::{
    HashAlgorithm, HeaderRefusal, Image, ImageError, ImageVersion, KeyTlv, Refusal, SignedData,
    StoredPayload, TlvArea, UnwrapError, Verified, Verifier,
};

/// What a bootloader makes of a file, from bytes to verdict.
fn judge(verifier: &Verifier, bytes: &[u8]) -> Result<Verified, Refusal> {
    verifier.verify(&Image::parse(bytes)?)
}

fn accepts(verifier: &Verifier, bytes: &[u8]) -> bool {
    judge(verifier, bytes).is_ok()
}

macro_rules! refuses {
    ($verifier:expr, $bytes:expr, $pattern:pat) => {
        matches!(judge($verifier, $bytes), Err($pattern))
    };
}

/// Whether our verdict is the one that the manifest words; `None` for words that are not known here.
fn verdict_holds(entry: &Entry, bytes: &[u8]) -> Option<bool> {
    let loader = &entry.bootloader();
    let expected = entry.expect.bootloader.as_deref()?;
    Some(match expected {
        "accept"
        | "accept (the bytes after the TLV area are never looked at)"
        | "accept by hash and signature; a loader that checks the reset vector reads TLV bytes there and rejects"
        | "accept; reject and erase when downgrade prevention is on and 1.0.0 runs"
        | "accept; equal to 1.0.0 unless build numbers are compared"
        | "accept when image 1 is (or becomes) >= 2.0.0, else no update"
        | "accept when image 0 is (or becomes) >= 2.0.0" => accepts(loader, bytes),
        text if text.starts_with("two-image build: dependency pass fails") => {
            let image = Image::parse(bytes).ok()?;
            accepts(loader, bytes) && image.dependencies().ok()?[0].image == 7
        }
        text if text.starts_with("hash and signature are good;")
            || text.starts_with("shared slot: the reset vector is read from ciphertext") =>
        {
            accepts(loader, bytes)
        }
        "accept only if built without a signature type; otherwise reject: no signature" => {
            accepts(&Verifier::unsigned(), bytes)
                && refuses!(loader, bytes, Refusal::NoSignature { .. })
        }
        "accept only with MCUBOOT_HW_KEY" => {
            accepts(&loader.clone().key_tlv(KeyTlv::Full), bytes)
                && refuses!(loader, bytes, Refusal::NoKey { .. })
        }
        "accept only with MCUBOOT_SHA512" => {
            accepts(&loader.clone().hash(HashAlgorithm::Sha512), bytes)
                && refuses!(
                    loader,
                    bytes,
                    Refusal::KeyLength { .. } | Refusal::NoHash { .. }
                )
        }
        "accept only with MCUBOOT_SIGN_PURE" => {
            let pure = loader
                .clone()
                .hash(HashAlgorithm::Sha512)
                .signed_data(SignedData::Image);
            accepts(&pure, bytes)
                && refuses!(
                    loader,
                    bytes,
                    Refusal::KeyLength { .. } | Refusal::NoHash { .. }
                )
                && refuses!(
                    &loader.clone().hash(HashAlgorithm::Sha512),
                    bytes,
                    Refusal::Signature { .. }
                )
        }
        "accept with the matching decryption key; reject in a build without encryption" => {
            let plain_loader = Verifier::new([public_key(entry.check_sig_key.as_deref()?)]);
            accepts(loader, bytes)
                && refuses!(
                    &plain_loader,
                    bytes,
                    Refusal::Header(HeaderRefusal::Encrypted { .. })
                )
        }
        "accept in the primary slot; in the secondary slot it is decrypted to garbage and rejected" => {
            accepts(&loader.clone().stored(StoredPayload::Clear), bytes)
                && refuses!(loader, bytes, Refusal::Hash { .. })
        }
        "reject: not bootable (secondary slot: trailer erased, no swap)" => {
            refuses!(loader, bytes, Refusal::NotBootable { .. })
        }
        "reject: MAC over the wrapped key fails with keys/enc-ec256.pem"
        | "reject: MAC of the key TLV" => refuses!(
            loader,
            bytes,
            Refusal::ContentKey {
                source: UnwrapError::Mac { .. },
                ..
            }
        ),
        "reject: key hash unknown, so no signature is checked"
        | "reject: key not found (imgtool verify ignores KEYHASH and says OK)" => {
            refuses!(loader, bytes, Refusal::UnknownKey { .. })
        }
        "reject: hash" => refuses!(loader, bytes, Refusal::Hash { .. }),
        "reject: signature" => refuses!(loader, bytes, Refusal::Signature { .. }),
        "reject: no signature TLV" => refuses!(loader, bytes, Refusal::NoSignature { .. }),
        "reject: header invalid" => refuses!(
            loader,
            bytes,
            Refusal::Header(HeaderRefusal::BothEncryptionFlags { .. })
        ),
        "reject: no TLV area" => {
            refuses!(
                loader,
                bytes,
                Refusal::Image(ImageError::AreaTruncated { .. })
            )
        }
        "reject: erased bytes in the signature" => {
            // In a file the bytes are missing; in a slot they are erased, and the signature is wrong.
            let mut slot = bytes.to_vec();
            slot.resize(bytes.len() + 64, 0xff);
            refuses!(
                loader,
                bytes,
                Refusal::Image(ImageError::AreaOverrun { .. })
            ) && refuses!(loader, &slot, Refusal::Signature { .. })
        }
        "reject: TLV magic" => {
            refuses!(loader, bytes, Refusal::Image(ImageError::AreaMagic { .. }))
        }
        "reject: magic" => refuses!(loader, bytes, Refusal::Image(ImageError::Magic { .. })),
        "reject: unsafe addition" => {
            refuses!(
                loader,
                bytes,
                Refusal::Image(ImageError::SizeOverflow { .. })
            )
        }
        "no image (erased header)" => refuses!(
            loader,
            bytes,
            Refusal::Image(ImageError::Erased | ImageError::HeaderTruncated { available: 0 })
        ),
        "reject" => match entry.file.as_str() {
            "trunc_header.bin" => refuses!(
                loader,
                bytes,
                Refusal::Image(ImageError::HeaderTruncated { available: 20 })
            ),
            "bad_tlv_len.bin" => {
                refuses!(loader, bytes, Refusal::Image(ImageError::TlvOverrun { .. }))
            }
            "bad_hdr_size.bin" => refuses!(
                loader,
                bytes,
                Refusal::Image(ImageError::AreaTruncated { .. })
            ),
            "bad_prot_size.bin" => refuses!(
                loader,
                bytes,
                Refusal::Image(ImageError::ProtectedMissing { .. })
            ),
            _ => return None,
        },
        _ => return None,
    })
}

#[test]
fn every_file_gives_the_bootloader_verdict_of_the_manifest() {
    let files = manifest().files;
    assert_eq!(files.len(), 72);
    for entry in &files {
        let bytes = read(&entry.file);
        assert_eq!(bytes.len(), entry.size, "{}", entry.file);
        assert_eq!(sha256(&bytes), entry.sha256, "{}", entry.file);
        if entry.is_package() {
            assert_eq!(entry.expect.parse.as_deref(), Some("package"));
            package_holds_its_images(entry, &bytes);
            continue;
        }
        let expected = &entry.expect.bootloader;
        match verdict_holds(entry, &bytes) {
            Some(true) => {}
            Some(false) => panic!(
                "{}: expected {expected:?}, the verdict is {:?}",
                entry.file,
                judge(&entry.bootloader(), &bytes)
            ),
            None => panic!("{}: verdict {expected:?} is not known here", entry.file),
        }
    }
}

/// A package is not an image itself; the images inside are the corpus files, which have their own entries.
fn package_holds_its_images(entry: &Entry, bytes: &[u8]) {
    assert!(
        matches!(Image::parse(bytes), Err(ImageError::Magic { .. })),
        "{}",
        entry.file
    );
    let package = entry.package.as_ref().unwrap();
    if let Some(images) = package["images"].as_array() {
        for image in images {
            let at = image["offset"].as_u64().unwrap() as usize;
            let size = image["size"].as_u64().unwrap() as usize;
            let inner = &bytes[at..at + size];
            assert_eq!(inner, read(image["file"].as_str().unwrap()));
            assert_eq!(Image::parse(inner).unwrap().len(), size);
        }
    } else {
        // Members are stored without compression, so an image starts at each magic in the zip.
        let sizes: Vec<_> = (0..bytes.len())
            .filter_map(|at| Some(Image::parse(&bytes[at..]).ok()?.len()))
            .collect();
        let expected: Vec<_> = package["manifest"]["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| file["size"].as_u64().unwrap() as usize)
            .collect();
        assert_eq!(sizes, expected, "{}", entry.file);
    }
}

#[test]
fn every_header_and_tlv_is_where_the_manifest_says() {
    let mut parsed = 0;
    let files = manifest().files;
    for entry in &files {
        let Some(expected) = &entry.parse else {
            assert!(entry.is_package(), "{}", entry.file);
            continue;
        };
        let bytes = read(&entry.file);
        let image = match (expected.result.as_str(), Image::parse(&bytes)) {
            ("ok", Ok(image)) => image,
            ("error", Err(_)) => continue,
            (result, found) => panic!("{}: expected {result}, found {found:?}", entry.file),
        };
        parsed += 1;
        let file = &entry.file;
        let header = expected.header.as_ref().unwrap();
        assert_eq!(image.header().load_address, header.load_addr, "{file}");
        assert_eq!(image.header().header_size, header.hdr_size, "{file}");
        assert_eq!(
            image.header().protected_tlv_size,
            header.protect_tlv_size,
            "{file}"
        );
        assert_eq!(image.header().image_size, header.img_size, "{file}");
        assert_eq!(
            format!("{:#010x}", image.header().flags.bits()),
            header.flags,
            "{file}"
        );
        assert_eq!(image.header().flags.names(), header.flag_names, "{file}");
        let version = &header.version;
        assert_eq!(
            image.header().version,
            ImageVersion {
                major: version.major,
                minor: version.minor,
                revision: version.revision,
                build: version.build,
            },
            "{file}"
        );
        assert_eq!(image.header().emit(), bytes[..32], "{file}");
        assert_eq!(Some(image.len()), expected.image_end, "{file}");
        assert_eq!(
            Some(image.area_offset(TlvArea::Unprotected).unwrap() as usize),
            expected.hashed_len,
            "{file}"
        );
        for (area, expected) in [
            (TlvArea::Protected, &expected.protected),
            (TlvArea::Unprotected, &expected.unprotected),
        ] {
            let found: Vec<_> = image.tlvs().filter(|tlv| tlv.area == area).collect();
            assert_eq!(
                image.area_offset(area),
                expected.as_ref().map(|area| area.offset),
                "{file}"
            );
            let expected_tlvs = expected.as_ref().map_or(&[][..], |area| &area.tlvs);
            assert_eq!(found.len(), expected_tlvs.len(), "{file} {area}");
            for (found, expected) in found.iter().zip(expected_tlvs) {
                assert_eq!(format!("{:#06x}", found.kind.0), expected.kind, "{file}");
                assert_eq!(
                    found.kind.name().unwrap_or("VENDOR"),
                    expected.name,
                    "{file}"
                );
                assert_eq!(found.offset, expected.offset, "{file}");
                assert_eq!(found.value.len(), expected.len, "{file}");
                assert_eq!(hex::encode(found.value), expected.value, "{file}");
            }
        }
    }
    let sound = |entry: &&Entry| {
        entry
            .parse
            .as_ref()
            .is_some_and(|parse| parse.result == "ok")
    };
    assert_eq!(parsed, files.iter().filter(sound).count());
    assert_eq!(parsed, 59, "files with a sound structure");
}

#[test]
fn every_hash_signature_key_and_payload_is_what_the_manifest_says() {
    let mut signatures = 0;
    let mut decrypted = 0;
    for entry in manifest().files {
        let Some(check) = &entry.check else { continue };
        let file = &entry.file;
        let bytes = read(file);
        let image = Image::parse(&bytes).unwrap();
        assert_eq!(
            Some(sha256(image.payload())),
            entry.stored_payload_sha256,
            "{file}"
        );
        let mut content_key = None;
        if let (Some(tlv), Some(key)) = (
            image.tlvs().find(|tlv| tlv.kind.is_content_key()),
            &entry.check_enc_key,
        ) {
            match decryption_key(key).unwrap_content_key(tlv.kind, tlv.value) {
                Ok(key) => {
                    assert_eq!(check.content_key_unwrap.as_deref(), Some("ok"), "{file}");
                    assert_eq!(Some(hex::encode(key.expose())), check.content_key, "{file}");
                    decrypted += 1;
                    content_key = Some(key);
                }
                Err(_) => {
                    let expected = check.content_key_unwrap.as_deref().unwrap();
                    assert!(expected.starts_with("failed"), "{file}: {expected}");
                    continue;
                }
            }
        } else {
            assert_eq!(check.content_key_unwrap, None, "{file}");
        }
        if entry.clear {
            content_key = None;
        }
        let payload = image.plain_payload(content_key.as_ref());
        assert_eq!(Some(sha256(&payload)), check.plain_payload_sha256, "{file}");
        let (algorithm, tlv) = image.stored_hash().unwrap();
        let expected = match check.hash_alg.as_deref() {
            Some("sha256") => HashAlgorithm::Sha256,
            Some("sha512") => HashAlgorithm::Sha512,
            other => panic!("{file}: {other:?}"),
        };
        assert_eq!(algorithm, expected, "{file}");
        let digest = image.hash(algorithm, &payload);
        assert_eq!(Some(digest.to_string()), check.hash, "{file}");
        assert_eq!(
            Some(tlv.value == digest.as_bytes()),
            check.hash_ok,
            "{file}"
        );
        let Some(expected) = check.signature_ok else {
            continue;
        };
        let key = public_key(entry.check_sig_key.as_deref().unwrap());
        let signature = image.tlv(key.kind().tlv_kind()).unwrap();
        let found = if image.tlv(hil_image::TlvKind::SIG_PURE).is_some() {
            key.verify_pure(&image.signed_bytes(&payload), signature.value)
        } else {
            key.verify(&digest, signature.value)
        };
        assert_eq!(found.is_ok(), expected, "{file}: {found:?}");
        signatures += 1;
        if let Some(expected) = check.keyhash_matches {
            let stored = image.tlv(hil_image::TlvKind::KEYHASH).unwrap();
            let algorithm = if stored.value.len() == 64 {
                HashAlgorithm::Sha512
            } else {
                HashAlgorithm::Sha256
            };
            assert_eq!(
                key.key_hash(algorithm).as_bytes() == stored.value,
                expected,
                "{file}"
            );
        }
    }
    assert_eq!((signatures, decrypted), (55, 14));
}

#[test]
fn every_key_hash_is_the_manifests() {
    let mut hashes = 0;
    for (name, key) in manifest().keys {
        let Some(expected) = key["keyhash_sha256"].as_str() else {
            continue;
        };
        let key = public_key(&name);
        assert_eq!(key.key_hash(HashAlgorithm::Sha256).to_string(), expected);
        assert_eq!(common::private_key(&name).public(), key, "{name}");
        hashes += 1;
    }
    assert_eq!(hashes, 8);
}

#[test]
fn every_padded_file_has_the_trailer_of_the_manifest() {
    let mut padded = 0;
    for entry in manifest().files {
        let Some(expected) = entry
            .parse
            .as_ref()
            .and_then(|parse| parse.trailer.as_ref())
        else {
            continue;
        };
        let file = &entry.file;
        let slot = read(file);
        let layout = TrailerLayout::new(SwapMode::Move);
        let fields = layout.fields(slot.len() as u32).unwrap();
        assert_eq!(fields.magic, expected.magic_offset, "{file}");
        assert_eq!(fields.image_ok, expected.image_ok_offset, "{file}");
        assert_eq!(fields.copy_done, expected.copy_done_offset, "{file}");
        assert_eq!(fields.swap_info, expected.swap_info_offset, "{file}");
        assert_eq!(fields.swap_size, expected.swap_size_offset, "{file}");
        let trailer = Trailer::read(&slot, &layout).unwrap();
        assert_eq!(trailer.magic, MagicState::Good, "{file}");
        let image_ok = match expected.image_ok.as_str() {
            "0x01" => FlagState::Set,
            _ => FlagState::Unset,
        };
        assert_eq!(trailer.image_ok, image_ok, "{file}");
        assert_eq!(trailer.copy_done, FlagState::Unset, "{file}");
        assert_eq!(trailer.swap_size, None, "{file}");
        assert_eq!(
            format!("{:#04x}", trailer.raw_swap_info),
            expected.swap_info,
            "{file}"
        );
        let request = match entry.expect.secondary_slot_swap_type.as_deref() {
            Some("perm") | None => SwapType::Perm,
            Some("test" | "test (overwrite)") => SwapType::Test,
            Some(other) => panic!("{file}: {other}"),
        };
        assert_eq!(trailer.request(), request, "{file}");
        padded += 1;
    }
    assert_eq!(padded, 5);
}

#[test]
fn every_network_file_gives_the_b0n_verdict_of_the_manifest() {
    let mut checked = 0;
    for entry in manifest().files {
        if entry.kind.as_deref() != Some("net") {
            continue;
        }
        let file = &entry.file;
        let bytes = read(file);
        let image = Image::parse(&bytes).unwrap();
        let key = entry.bootloader().content_key(&image).unwrap();
        let payload = image.plain_payload(key.as_ref());
        let found = NetworkImage::check(&payload, &NetworkRules::default());
        match entry.expect.b0n.as_deref() {
            None => {
                let found = found.unwrap_or_else(|refusal| panic!("{file}: {refusal}"));
                let expected = if file.contains("fw1") { 1 } else { 2 };
                assert_eq!(found.firmware.version, expected, "{file}");
            }
            Some("reject before copying: PCD status FAIL") => {
                assert!(matches!(found, Err(NetworkRefusal::Hash { .. })), "{file}");
            }
            Some("reject: invalidated") => assert!(
                matches!(found, Err(NetworkRefusal::Invalidated { found: 0, .. })),
                "{file}"
            ),
            Some("reject: destination differs from fw_info.address") => assert!(
                matches!(found, Err(NetworkRefusal::Address { .. })),
                "{file}"
            ),
            Some(other) => panic!("{file}: {other}"),
        }
        checked += 1;
    }
    assert_eq!(checked, 6);
}

#[test]
fn every_refusal_says_field_offset_found_and_expected() {
    let mut text = String::new();
    for entry in manifest().files {
        let bytes = read(&entry.file);
        let Err(refusal) = judge(&entry.bootloader(), &bytes) else {
            continue;
        };
        writeln!(text, "{}:\n  {refusal}", entry.file).unwrap();
        let mut source = std::error::Error::source(&refusal);
        while let Some(cause) = source {
            writeln!(text, "  because {cause}").unwrap();
            source = cause.source();
        }
        if let Some(help) = refusal.help() {
            writeln!(text, "  help: {help}").unwrap();
        }
    }
    insta::assert_snapshot!(text);
}
