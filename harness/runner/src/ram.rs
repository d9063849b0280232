//! What an encrypted update leaves in the RAM of a board: read over the access ports while the cores run, never written down.
//!
//! Only the content key is worth a verdict, for MCUboot wipes it before it starts an image ([`Line::wipes_content_keys`]). What else may
//! lie there is upstream's way: the private key and the shared secret are locals of `boot_decrypt_key` that nobody clears
//! (mcuboot `boot/bootutil/src/encrypted.c`), and plain text stays without `CONFIG_MCUBOOT_CLEANUP_RAM` (`boot/zephyr/Kconfig`). It is
//! counted and told. Where something is found is told, never what.

use crate::bench::core_name;
use crate::context::{Context, LoadedImage};
use crate::plaintext::{TellTales, places_of};
use crate::trouble::{Checked, Trouble};
use hil_bootloader::Line;
use hil_record::{Check, Evidence, FailKind, RamPlace, RamRange};
use hil_scenario::{Core, StandingCheck};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long the application has to answer, which tells that MCUboot has done its work: as long as after every scenario.
const RUNS_WITHIN: Duration = Duration::from_secs(30);

/// Bytes on either side that tell a copy of programmed flash, such as the page buffer of a flash loader, from a key by itself (ours).
const AROUND: usize = 16;

/// The RAM of a core as it was read. Wiped when dropped.
struct Dump {
    core: Core,
    address: u32,
    bytes: Zeroizing<Vec<u8>>,
}

impl Dump {
    fn place(&self, offset: usize) -> RamPlace {
        RamPlace {
            core: core_name(self.core),
            address: self.address + offset as u32,
        }
    }
}

/// Searches RAM for what the encrypted images that were sent may have left. `primary` is what the primary slots hold.
pub(crate) fn search(
    context: &mut Context<'_>,
    images: &[Arc<LoadedImage>],
    primary: &[Zeroizing<Vec<u8>>],
    waived: &BTreeMap<StandingCheck, String>,
) -> Checked {
    let opened: Vec<_> = images
        .iter()
        .filter_map(|image| Some((image, image.content_key()?)))
        .collect();
    if opened.is_empty() {
        return Ok(());
    }
    let dumps = match why_not(context, waived)? {
        Some(reason) => {
            context.see(Evidence::seen("RAM", format!("not searched: {reason}")));
            Vec::new()
        }
        None => read(context)?,
    };
    let mut worst = Ok(());
    for (image, key) in opened {
        let judged = content_key(context, image, key, &dumps)?;
        worst = worst.and(judged);
        if !dumps.is_empty() {
            plain_text(context, image, &dumps, primary);
            if let Some(secret) = image.shared_secret() {
                let what = format!("shared secret of {} in RAM", image.role());
                measure(context, what, &[secret.to_vec().into()], &dumps);
            }
        }
    }
    if !dumps.is_empty() {
        let key = context.firmware.private_key();
        measure(context, "private key in RAM".to_owned(), &key, &dumps);
    }
    worst
}

/// Why a content key in RAM is no failure; `None` where it must not be there. `recovered`: serial recovery took the image.
pub(crate) fn excuse(line: Line, recovered: bool) -> Option<String> {
    if recovered {
        Some("serial recovery does not wipe what it decrypts with".to_owned())
    } else if line.wipes_content_keys() {
        None
    } else {
        Some(format!(
            "the compiler of {line} may leave out that MCUboot clears it"
        ))
    }
}

/// Why RAM cannot be searched.
fn why_not(
    context: &mut Context<'_>,
    waived: &BTreeMap<StandingCheck, String>,
) -> Checked<Option<&'static str>> {
    if !context.bench.may_scan_ram() {
        return Ok(Some("the rig file has no `ram-scan: allowed`"));
    }
    if waived.contains_key(&StandingCheck::BothCoresAlive) {
        return Ok(Some(
            "the scenario does not end with an application that runs",
        ));
    }
    // Until it starts an image MCUboot has the key, and must.
    let runs = application_answers(context)?;
    Ok((!runs).then_some("no application answers, so the bootloader may still be at work"))
}

fn application_answers(context: &mut Context<'_>) -> Checked<bool> {
    let deadline = context.deadline(RUNS_WITHIN);
    Ok(context.image_list(deadline)?.is_some())
}

fn read(context: &mut Context<'_>) -> Checked<Vec<Dump>> {
    Core::ALL
        .into_iter()
        .map(|core| {
            let (address, bytes) = context.bench.read_ram(core)?;
            Ok(Dump {
                core,
                address,
                bytes: Zeroizing::new(bytes),
            })
        })
        .collect()
}

/// Looks for the content key of an image, in its whole length. The inner error is its verdict.
fn content_key(
    context: &mut Context<'_>,
    image: &LoadedImage,
    key: &[u8],
    dumps: &[Dump],
) -> Checked<Checked> {
    let mut keys = Vec::new();
    for dump in dumps {
        for offset in places_of(&dump.bytes, key) {
            keys.push((dump.core, dump.place(offset)));
        }
    }
    // A reset that was asked for last may have come only now: once more when an application answers again.
    if !keys.is_empty() && application_answers(context)? {
        let mut stayed = Vec::new();
        for (core, place) in keys {
            let now = context.bench.read(core, place.address, key.len() as u32)?;
            if *Zeroizing::new(now) == key {
                stayed.push((core, place));
            }
        }
        keys = stayed;
    }
    for (core, place) in &keys {
        let end = place.address + key.len() as u32;
        context.bench.left_in_ram(*core, place.address..end);
    }
    let keys: Vec<RamPlace> = keys.into_iter().map(|(_, place)| place).collect();
    let searched = dumps.iter().map(|dump| RamRange {
        core: core_name(dump.core),
        address: dump.address,
        size: dump.bytes.len() as u32,
    });
    context.checked(Check::ContentKeyInRam {
        image: image.role().to_string(),
        searched: searched.collect(),
        keys: keys.clone(),
    });
    let line = context.firmware.set().bootloader.line;
    let what = format!("content key of {} in RAM", image.role());
    let excuse = excuse(line, context.was_recovered(image.role()));
    match (keys.first(), excuse) {
        (None, _) if dumps.is_empty() => {}
        (None, _) => context.see(Evidence::seen(what, "none")),
        (Some(first), Some(excuse)) => {
            let found = format!("{}; {excuse}", told(*first, keys.len(), "place"));
            context.see(Evidence::seen(what, found));
        }
        (Some(first), None) => {
            return Ok(Err(Trouble::fail(
                FailKind::PlainText,
                format_args!(
                    "the content key of the encrypted image ({}) lies in RAM at {}: MCUboot must have wiped it when it \
                     started an image",
                    image.label(),
                    told(*first, keys.len(), "place"),
                ),
            )));
        }
    }
    Ok(Ok(()))
}

/// Counts blocks of the plain text that are not in what runs.
fn plain_text(
    context: &mut Context<'_>,
    image: &LoadedImage,
    dumps: &[Dump],
    primary: &[Zeroizing<Vec<u8>>],
) {
    let Some(plain) = image.plain() else { return };
    let public = context.firmware.public_bytes();
    let elsewhere = primary.iter().map(|slot| slot.as_slice());
    let blocks = TellTales::new(plain, public.into_iter().chain(elsewhere));
    // With nothing to look for, nothing was looked at.
    if blocks.len() == 0 {
        return;
    }
    let mut found = dumps.iter().flat_map(|dump| {
        let offsets = blocks.offsets(&dump.bytes);
        offsets.map(|offset| dump.place(offset))
    });
    let told = match found.next() {
        None => format!("none of {} blocks", blocks.len()),
        Some(first) => told(first, 1 + found.count(), "block"),
    };
    let what = format!(
        "plain text of {} in RAM, not that of a primary slot",
        image.role()
    );
    context.see(Evidence::seen(what, told));
}

/// Counts where a secret lies that MCUboot leaves in RAM: as it is written, and with its least significant byte first, as numbers are
/// kept that are calculated with.
fn measure(
    context: &mut Context<'_>,
    what: String,
    secrets: &[Zeroizing<Vec<u8>>],
    dumps: &[Dump],
) {
    if secrets.is_empty() {
        return;
    }
    let found = secrets_in(dumps, secrets, &context.firmware.public_bytes());
    let told = match found.first() {
        None => "none".to_owned(),
        Some(first) => format!(
            "{}; MCUboot does not wipe it",
            told(*first, found.len(), "place")
        ),
    };
    context.see(Evidence::seen(what, told));
}

/// Where one of the secrets lies, in either order of its bytes, that was not `programmed` there.
fn secrets_in(
    dumps: &[Dump],
    secrets: &[Zeroizing<Vec<u8>>],
    programmed: &[&[u8]],
) -> Vec<RamPlace> {
    let mut found = Vec::new();
    for secret in secrets {
        let turned = Zeroizing::new(secret.iter().rev().copied().collect::<Vec<u8>>());
        for (dump, form) in dumps
            .iter()
            .flat_map(|dump| [(dump, secret), (dump, &turned)])
        {
            let places = places_of(&dump.bytes, form).into_iter();
            let own = places
                .filter(|offset| !is_copy(&dump.bytes, *offset..*offset + form.len(), programmed));
            found.extend(own.map(|offset| dump.place(offset)));
        }
    }
    found
}

/// Whether bytes of RAM are there together with their surroundings in what was programmed, as in the buffer of a flash loader.
fn is_copy(ram: &[u8], place: std::ops::Range<usize>, programmed: &[&[u8]]) -> bool {
    let around = place.start.saturating_sub(AROUND)..(place.end + AROUND).min(ram.len());
    let around = ram.get(around).unwrap_or_default();
    programmed
        .iter()
        .any(|bytes| !places_of(bytes, around).is_empty())
}

/// `0x2007f000 of the app core (2 places)`.
fn told(first: RamPlace, count: usize, of: &str) -> String {
    let RamPlace { core, address } = first;
    let s = if count == 1 { "" } else { "s" };
    format!("{address:#010x} of the {core} core ({count} {of}{s})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::sdk_2_3(Line::Nordic23, false, true)]
    #[case::sdk_2_4(Line::Nordic24, false, false)]
    #[case::newest(Line::Nordic, false, false)]
    #[case::upstream(Line::Upstream, false, false)]
    #[case::serial_recovery(Line::Nordic, true, true)]
    fn a_content_key_in_ram_is_excused_only_where_mcuboot_may_leave_it(
        #[case] line: Line,
        #[case] recovered: bool,
        #[case] excused: bool,
    ) {
        assert_eq!(excuse(line, recovered).is_some(), excused);
    }

    #[test]
    fn a_page_buffer_of_a_flash_loader_is_no_key_that_was_left() {
        let flash: Vec<u8> = (0..=255).collect();
        let mut ram = vec![0; 1024];
        ram[100..356].copy_from_slice(&flash);
        let dump = |bytes: &[u8]| Dump {
            core: Core::Net,
            address: 0x2100_0000,
            bytes: bytes.to_vec().into(),
        };
        let key = [Zeroizing::new(flash[64..96].to_vec())];
        let places = |ram: &[u8]| -> Vec<u32> {
            let found = secrets_in(&[dump(ram)], &key, &[&flash]);
            found.iter().map(|place| place.address).collect()
        };
        assert_eq!(places(&ram), [0; 0]);
        ram[196] ^= 1;
        assert_eq!(places(&ram), [0x2100_00A4]);
        let turned: Vec<u8> = flash[64..96].iter().rev().copied().collect();
        ram[501..533].copy_from_slice(&turned);
        assert_eq!(places(&ram), [0x2100_00A4, 0x2100_01F5]);
    }
}
