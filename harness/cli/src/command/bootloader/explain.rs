//! `dfu-hil bootloader explain`: what stands in the slots, and what the next boot makes of it.

use super::boot::{request, reset};
use super::input::{Model, device_name, image_name};
use super::say;
use crate::args::ModelArgs;
use crate::error::CliError;
use crate::exit::Exit;
use hil_bootloader::predict::{Action, Board};
use hil_bootloader::{Area, Config, ContentKeySize, Encryption, Mode, SimFlash, swap_type};
use hil_image::trailer::{SavedKey, SwapMode, Trailer, TrailerKeys, TrailerLayout};
use hil_image::{AesKeySize, Image, ImageHeader};
use hil_runner::error_chain;
use std::fmt::Write as _;

/// Prints slot by slot what MCUboot finds there, then what it does.
pub(super) fn explain(args: &ModelArgs) -> Result<Exit, CliError> {
    let model = Model::read(args)?;
    let mut board = Board::new(&model.config, model.keys()?, model.flash.clone());
    for refused in request(&model, &mut board, &args.action)? {
        if let Some(error) = refused.error {
            eprintln!("note: {} was refused: {error}", refused.action);
        }
    }
    let mut flash = board.flash();
    let mut text = String::new();
    for (number, slots) in model.config.images.iter().enumerate() {
        let asks = match swap_type(&model.config, &mut flash, number) {
            Ok(swap_type) => swap_type.to_string(),
            Err(error) => error_chain(&error),
        };
        let name = image_name(number);
        line(
            &mut text,
            0,
            format_args!("image {number}, swap type by its trailers: {asks}"),
        );
        slot(
            &mut text,
            &model.config,
            &flash,
            &format!("{name}.primary"),
            slots.primary,
            Role::Primary,
        );
        slot(
            &mut text,
            &model.config,
            &flash,
            &format!("{name}.secondary"),
            slots.secondary,
            Role::Secondary,
        );
    }
    let step = reset(&mut board, &Action::Reset)?;
    line(&mut text, 0, format_args!("next boot"));
    if let Some(outcome) = &step.outcome {
        for decision in &outcome.decisions {
            line(&mut text, 1, decision);
        }
        line(&mut text, 1, &outcome.result);
    }
    let counts = step.counts;
    line(
        &mut text,
        1,
        format_args!(
            "{} flash operations: {} writes, {} erases",
            counts.ops(),
            counts.writes,
            counts.erases
        ),
    );
    line(&mut text, 0, format_args!("console"));
    for said in &step.console {
        line(&mut text, 1, &said.text);
    }
    say(text.trim_end())?;
    Ok(Exit::Passed)
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Role {
    Primary,
    Secondary,
}

fn line(text: &mut String, depth: usize, what: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:width$}{what}", "", width = 2 * depth);
}

fn slot(text: &mut String, config: &Config, flash: &SimFlash, name: &str, area: Area, role: Role) {
    line(
        text,
        1,
        format_args!(
            "{name}: {:#010x} of {}, {:#x} bytes",
            area.offset,
            device_name(area.device),
            area.size
        ),
    );
    // That the slot lies in its device was checked when the files were read.
    let bytes = flash.bytes_at(area.device, area.offset as usize, area.size as usize);
    let bytes = bytes.as_slice();
    image(text, bytes, 0);
    if config.mode == Mode::SwapOffset && role == Role::Secondary {
        // An update lies one sector up, what was swapped out at the start.
        image(text, bytes, config.sector_size as usize);
    }
    trailer(text, config, bytes);
}

/// Header and TLVs of what stands at an offset of a slot.
fn image(text: &mut String, slot: &[u8], offset: usize) {
    let bytes = slot.get(offset..).unwrap_or(&[]);
    let header = bytes.get(..ImageHeader::LEN).unwrap_or(&[]);
    if header.iter().all(|byte| *byte == hil_bootloader::ERASED) {
        line(text, 2, format_args!("at {offset:#06x}: erased"));
        return;
    }
    let header = match ImageHeader::parse(header) {
        Ok(header) => header,
        Err(error) => {
            line(
                text,
                2,
                format_args!("at {offset:#06x}: no image, {}", error_chain(&error)),
            );
            return;
        }
    };
    let flags = header.flags.names();
    line(
        text,
        2,
        format_args!(
            "at {offset:#06x}: version {}, header {:#x}, payload {:#x} bytes, flags {}",
            header.version,
            header.header_size,
            header.image_size,
            if flags.is_empty() {
                "none".to_owned()
            } else {
                flags.join(", ")
            }
        ),
    );
    match Image::parse(bytes) {
        Ok(image) => {
            for tlv in image.tlvs() {
                line(
                    text,
                    3,
                    format_args!(
                        "{} TLV {} at {:#06x}, {} bytes",
                        tlv.area,
                        tlv.kind,
                        offset + tlv.offset as usize,
                        tlv.value.len()
                    ),
                );
            }
        }
        Err(error) => line(text, 3, format_args!("not whole: {}", error_chain(&error))),
    }
}

/// The fields of a trailer and its swap status. Keys are counted, never shown.
fn trailer(text: &mut String, config: &Config, slot: &[u8]) {
    let trailer = match Trailer::read(slot, &layout(config)) {
        Ok(trailer) => trailer,
        Err(error) => {
            line(text, 2, format_args!("no trailer: {}", error_chain(&error)));
            return;
        }
    };
    if trailer.is_erased() {
        line(text, 2, "trailer: erased");
        return;
    }
    line(
        text,
        2,
        format_args!(
            "trailer: magic {}, image_ok {}, copy_done {}",
            trailer.magic, trailer.image_ok, trailer.copy_done
        ),
    );
    let mut fields = format!(
        "swap_info {} of image {} ({:#04x})",
        trailer.swap_info.swap_type, trailer.swap_info.image, trailer.raw_swap_info
    );
    match trailer.swap_size {
        Some(size) => fields.push_str(&format!(", swap_size {size:#x}")),
        None => fields.push_str(", swap_size unset"),
    }
    if let Some((primary, secondary)) = trailer.tlv_sizes {
        fields.push_str(&format!(", TLV sizes {primary:#x} and {secondary:#x}"));
    }
    line(text, 3, fields);
    for (number, key) in trailer.keys.iter().enumerate() {
        let what = match key {
            SavedKey::Erased => "erased",
            SavedKey::Plain(_) => "a key in clear",
            SavedKey::Tlv(_) => "a key TLV",
        };
        line(text, 3, format_args!("key {number}: {what}"));
    }
    let done = trailer.steps_done();
    let last = trailer
        .status
        .iter()
        .rposition(|entry| *entry != trailer.erased);
    line(
        text,
        3,
        match last {
            None => format!(
                "swap status: none of {} entries written",
                trailer.status.len()
            ),
            Some(last) => format!(
                "swap status: {done} of {} entries written, the last is {last}",
                trailer.status.len()
            ),
        },
    );
}

fn layout(config: &Config) -> TrailerLayout {
    let key_size = match config.content_key {
        ContentKeySize::Aes128 => AesKeySize::Aes128,
        ContentKeySize::Aes256 => AesKeySize::Aes256,
    };
    TrailerLayout {
        mode: match config.mode {
            Mode::SwapMove => SwapMode::Move,
            Mode::SwapOffset => SwapMode::Offset,
            Mode::SwapScratch => SwapMode::Scratch,
            Mode::OverwriteOnly | Mode::SingleSlot => SwapMode::Overwrite,
        },
        max_sectors: config.max_sectors,
        write_size: config.write_size,
        max_align: config.max_align,
        keys: match (config.encryption, config.save_enctlv) {
            (Encryption::None, _) => TrailerKeys::None,
            (_, false) => TrailerKeys::Plain(key_size),
            // 256 bytes at the most.
            (scheme, true) => TrailerKeys::Tlv(scheme.tlv_size(config) as u16),
        },
    }
}
