//! What a programmer puts on the board: that it lies where it belongs, and is the release that it says.

use crate::finding::Finding;
use crate::hex_file::{HexFile, MAX_HEX_BYTES};
use hil_image::{Image, PublicKey};
use hil_scenario::{Core, FirmwareSet, Memory, Region, Release, Slot};

/// Where the application core's UICR starts; it is not flash, and a release may program it.
const APP_UICR: u32 = 0x00FF_8000;
/// Where the network core's UICR starts.
const NET_UICR: u32 = 0x01FF_8000;
/// Bytes of a UICR.
const UICR_BYTES: u32 = 0x1000;

pub(super) fn check(set: &FirmwareSet, signing: Option<&PublicKey>) -> Vec<Finding> {
    set.releases
        .iter()
        .flat_map(|(name, release)| check_release(set, name, release, signing))
        .collect()
}

fn check_release(
    set: &FirmwareSet,
    name: &str,
    release: &Release,
    signing: Option<&PublicKey>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut files = Vec::new();
    for program in &release.program {
        let file = program.file.name();
        if !file.to_ascii_lowercase().ends_with(".hex") {
            findings.push(Finding::note(
                file,
                "is no Intel HEX file: what it programs is not checked",
            ));
            continue;
        }
        if program.file.contents().len() as u64 > MAX_HEX_BYTES {
            findings.push(Finding::error(file, "is too long for an Intel HEX file"));
            continue;
        }
        match HexFile::parse(&String::from_utf8_lossy(program.file.contents())) {
            Ok(hex) => {
                findings.extend(places(file, &hex));
                files.push((file, hex));
            }
            Err(error) => findings.push(
                Finding::error(file, &error)
                    .help("the file is damaged or was not copied completely"),
            ),
        }
    }
    if files.is_empty() {
        return findings;
    }
    findings.extend(bootloader(set, &files, signing));
    findings.extend(primary(set, name, release, &files));
    findings.extend(network(set, name, release, &files));
    findings
}

/// Bytes that lie in no flash of the chip.
fn places(file: &str, hex: &HexFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (address, bytes) in hex.pieces() {
        let end = u64::from(address) + bytes.len() as u64;
        let within =
            |start: u32, size: u32| address >= start && end <= u64::from(start) + u64::from(size);
        let known = within(Memory::App.start(), Memory::App.size())
            || within(Memory::Net.start(), Memory::Net.size())
            || within(APP_UICR, UICR_BYTES)
            || within(NET_UICR, UICR_BYTES);
        if !known {
            let finding = Finding::error(
                file,
                format_args!("has {} bytes at {address:#010x}", bytes.len()),
            )
            .expected("flash of the application core (0x00000000 to 0x000fffff) or of the network core (0x01000000 to 0x0103ffff)");
            findings.push(if (0x1000_0000..0x1800_0000).contains(&address) {
                finding.help("this is a `…_moved_test_update.hex` for the external flash: send the update, do not program it")
            } else if (0x0104_0000..0x0106_0000).contains(&end_address(end)) {
                finding.help("this is a `net_core_app_test_update.hex` or an image with MCUboot's header: program `merged_CPUNET.hex`")
            } else {
                finding.help("program the merged files of a build for the nRF5340")
            });
            break;
        }
    }
    findings
}

fn end_address(end: u64) -> u32 {
    u32::try_from(end).unwrap_or(u32::MAX)
}

fn read(files: &[(&str, HexFile)], region: Region) -> Option<(String, Vec<u8>)> {
    let end = end_address(region.end());
    let mut flash: Option<(String, Vec<u8>)> = None;
    for (file, hex) in files {
        let Some(bytes) = hex.read(region.address, end) else {
            continue;
        };
        match &mut flash {
            None => flash = Some(((*file).to_owned(), bytes)),
            Some((_, all)) => {
                for (old, new) in all.iter_mut().zip(bytes) {
                    if new != 0xFF {
                        *old = new;
                    }
                }
            }
        }
    }
    flash
}

/// The bootloader is there, and has the key that the set's images are signed for.
fn bootloader(
    set: &FirmwareSet,
    files: &[(&str, HexFile)],
    signing: Option<&PublicKey>,
) -> Option<Finding> {
    let region = set.layout.region("app.bootloader")?;
    let names = || {
        let names: Vec<_> = files.iter().map(|(file, _)| *file).collect();
        names.join(", ")
    };
    let Some((file, flash)) = read(files, region) else {
        return Some(
            Finding::error(
                names(),
                format_args!(
                    "programs nothing into `app.bootloader`, {:#010x} to {:#010x}",
                    region.address,
                    region.end() - 1
                ),
            )
            .expected("MCUboot: without it nothing starts")
            .help(
                "program `merged.hex`, not the application's own `zephyr.hex` or `app_signed.hex`",
            ),
        );
    };
    let key = signing?.to_der();
    // RSA keys lie there as the bytes of the file; the others too, from `autogen-pubkey.c`.
    let has_key = flash.windows(key.len()).any(|window| window == key);
    // Models of the virtual DK carry their keys as text.
    let is_model = flash.windows(8).any(|window| window == b"DFUHILMB");
    (!has_key && !is_model).then(|| {
        Finding::warning(file, "has a bootloader without the key in `keys.signing`")
            .expected("the public key among the bootloader's bytes")
            .help("wrong key, or one that is kept in the KMU (CONFIG_BOOT_SIGNATURE_USING_KMU): compare with MCUboot's `autogen-pubkey.c`")
    })
}

/// What starts is the release's own image: the same up to the signature, which two runs of imgtool make differently.
fn primary(
    set: &FirmwareSet,
    name: &str,
    release: &Release,
    files: &[(&str, HexFile)],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let region = set.layout.slot(Slot::AppPrimary);
    if let (Some(region), Some(image)) = (region, release.images.get(&Core::App)) {
        findings.extend(match read(files, region) {
            None => Some(
                Finding::error(
                    files[0].0,
                    format_args!(
                        "programs nothing into `app.primary` at {:#010x}",
                        region.address
                    ),
                )
                .expected("the application behind the bootloader")
                .help("program `merged.hex`; were the two built with the same partitions?"),
            ),
            Some((file, flash)) => match Image::parse(&flash) {
                Err(error) => Some(
                    Finding::error(
                        file,
                        format_args!("has no image at {:#010x}: {error}", region.address),
                    )
                    .expected("a signed application at the start of `app.primary`")
                    .help("is the layout that of this build? see `partitions.yml`"),
                ),
                Ok(programmed) => {
                    let hash =
                        |image: &Image<'_>| image.stored_hash().map(|(_, tlv)| tlv.value.to_vec());
                    let own = Image::parse(image.bytes()).ok();
                    // An encrypted image has flags that its plain copy has not, and so another hash.
                    let same = if image.encrypted {
                        image.version == programmed.header().version
                    } else {
                        own.is_none_or(|own| hash(&own) == hash(&programmed))
                    };
                    (!same).then(|| {
                        Finding::warning(
                            file,
                            format_args!(
                                "has another application than `{}` of release `{name}`: version {}",
                                image.file.name(),
                                programmed.header().version
                            ),
                        )
                        .expected(format_args!("version {} with the same hash", image.version))
                        .help("one of the two is from an earlier build: build again")
                    })
                }
            },
        });
    }
    findings
}

/// What b0n starts is the release's own firmware, byte for byte: it lies in flash without MCUboot's header.
fn network(
    set: &FirmwareSet,
    name: &str,
    release: &Release,
    files: &[(&str, HexFile)],
) -> Option<Finding> {
    let region = set.layout.slot(Slot::NetPrimary)?;
    let image = release.images.get(&Core::Net)?;
    if image.encrypted {
        return None;
    }
    let Some((file, flash)) = read(files, region) else {
        return Some(
            Finding::warning(
                files[0].0,
                format_args!(
                    "programs nothing into `net.primary` at {:#010x}",
                    region.address
                ),
            )
            .expected("the network core's firmware, for the release has an image of it")
            .help("program `merged_CPUNET.hex` too"),
        );
    };
    let own = Image::parse(image.bytes()).ok()?;
    let payload = own.payload();
    let differs = flash
        .iter()
        .zip(payload)
        .position(|(flashed, sent)| flashed != sent)?;
    Some(
        Finding::warning(
            file,
            format_args!(
                "has other network firmware than `{}` of release `{name}`: the first difference is at {:#010x}",
                image.file.name(),
                u64::from(region.address) + differs as u64
            ),
        )
        .expected("the same bytes")
        .help("the firmware was signed for b0n in two runs (only its last 64 bytes differ then), or one of the two is from an earlier build: build again"),
    )
}
