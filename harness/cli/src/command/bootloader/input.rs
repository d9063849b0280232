//! What `boot`, `sweep` and `explain` are given: how the bootloader was built, its keys, and flash files.

use crate::args::ModelArgs;
use crate::error::CliError;
use hil_bootloader::golden::{self, RecordedBuild};
use hil_bootloader::{
    Area, Config, DeviceId, Encryption, ImageSlots, Keys, Mode, Signature, SimFlash,
};
use hil_image::{KeyRing, TlvKind};
use hil_runner::error_chain;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Largest number of sectors, and largest sizes of writes and fields in bytes, that are computed with: no bootloader
/// is built with more, and trailers stay far below 4 GiB.
const MOST_SECTORS: u32 = 65_536;
const LARGEST_WRITE: u32 = 1024;

/// A flash device as it was named on the command line.
#[derive(Clone, Debug)]
pub(crate) struct FlashFile {
    name: String,
    device: DeviceId,
    path: PathBuf,
}

impl std::str::FromStr for FlashFile {
    type Err = String;

    /// `DEV=FILE`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, path) = text
            .split_once('=')
            .ok_or("expected DEV=FILE, for instance int=flash.bin")?;
        let device = golden::device(name)
            .or(match name {
                "app-flash" => Some(DeviceId::AppFlash),
                "external" => Some(DeviceId::External),
                "net-flash" => Some(DeviceId::NetFlash),
                _ => None,
            })
            .ok_or_else(|| {
                format!(
                    "no device `{name}`; there are `int` (or `app-flash`), `ext` (or `external`) and `net-flash`"
                )
            })?;
        if path.is_empty() {
            return Err(format!("no file for device `{name}`"));
        }
        Ok(Self {
            name: name.to_owned(),
            device,
            path: path.into(),
        })
    }
}

/// Everything that a boot depends on.
pub(super) struct Model {
    pub(super) config: Config,
    pub(super) flash: SimFlash,
    ring: KeyRing,
    devices: Vec<(String, DeviceId)>,
}

impl Model {
    /// Reads the files, and checks that they fit together.
    pub(super) fn read(args: &ModelArgs) -> Result<Self, CliError> {
        let (config, devices) = read_config(&args.config)?;
        let flash = read_flash(&config, &devices, &args.flash)?;
        let mut ring = KeyRing::new();
        for path in &args.key {
            let wrong = |problem: String| {
                CliError::usage(format_args!("key `{}`: {problem}", path.display()))
            };
            let text = fs::read_to_string(path)
                .map_err(|error| wrong(format!("cannot be read: {error}")))?;
            ring.add(&path.display().to_string(), &text)
                .map_err(|error| wrong(error_chain(&error)).with_help(error.help()))?;
        }
        let devices = args
            .flash
            .iter()
            .map(|file| (file.name.clone(), file.device))
            .collect();
        Ok(Self {
            config,
            flash,
            ring,
            devices,
        })
    }

    /// The keys that the bootloader was built with. Of several that could decrypt, the last one is taken.
    pub(super) fn keys(&self) -> Result<Keys, CliError> {
        let signing: Vec<_> = self.ring.signing().map(|(_, key)| key.clone()).collect();
        if signing.is_empty() && self.config.signature != Signature::None {
            return Err(CliError::usage(
                "the bootloader checks signatures, but no key was given that could",
            )
            .with_help(Some(
                "add --key PEM with the public key that it was built with",
            )));
        }
        if self.config.encryption == Encryption::None {
            return Ok(Keys {
                signing,
                encryption: None,
            });
        }
        let kind = TlvKind(self.config.encryption.tlv_type());
        let fitting: Vec<_> = self
            .ring
            .decryption()
            .filter(|(_, key)| key.opens(kind))
            .collect();
        let Some((name, key)) = fitting.last() else {
            return Err(CliError::usage(format_args!(
                "the bootloader decrypts images with {kind}, but no key was given that could"
            ))
            .with_help(Some(
                "add --key PEM with the private key that it was built with",
            )));
        };
        if fitting.len() > 1 {
            eprintln!(
                "note: `{name}` decrypts, as the last of {} keys that could",
                fitting.len()
            );
        }
        Ok(Keys {
            signing,
            encryption: Some((*key).clone()),
        })
    }

    /// Names and areas of all slots: `app.primary`, `app.secondary`, `net.primary`, …, `scratch`.
    pub(super) fn slots(&self) -> Vec<(String, Area)> {
        named_slots(&self.config)
    }

    /// Writes each device to `DEV.bin` in a folder.
    pub(super) fn write(&self, flash: &SimFlash, folder: &Path) -> Result<(), CliError> {
        let failed = |path: &Path, error: std::io::Error| {
            CliError::usage(format_args!("cannot write `{}`: {error}", path.display()))
        };
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        for (name, device) in &self.devices {
            let path = folder.join(format!("{name}.bin"));
            fs::write(&path, flash.bytes(*device)).map_err(|error| failed(&path, error))?;
        }
        Ok(())
    }
}

/// A device in the words of recordings, where they have one.
pub(super) fn device_name(device: DeviceId) -> String {
    match device {
        DeviceId::AppFlash => "int".to_owned(),
        DeviceId::External => "ext".to_owned(),
        other => other.to_string(),
    }
}

/// An image in the words of recordings, where they have one.
pub(super) fn image_name(number: usize) -> String {
    match number {
        0 => "app".to_owned(),
        1 => "net".to_owned(),
        more => format!("image{more}"),
    }
}

fn named_slots(config: &Config) -> Vec<(String, Area)> {
    let mut slots = Vec::new();
    for (number, ImageSlots { primary, secondary }) in config.images.iter().enumerate() {
        let image = image_name(number);
        slots.push((format!("{image}.primary"), *primary));
        if config.has_secondary() {
            slots.push((format!("{image}.secondary"), *secondary));
        }
    }
    slots.extend(config.scratch.map(|area| ("scratch".to_owned(), area)));
    slots
}

/// The configuration, and the devices that a recording's layout has.
fn read_config(path: &Path) -> Result<(Config, Vec<(String, u32)>), CliError> {
    let wrong = |problem: String| {
        CliError::usage(format_args!(
            "configuration `{}`: {problem}",
            path.display()
        ))
    };
    let text =
        fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let value: Value = match serde_json::from_str(&text) {
        Ok(value) => value,
        Err(_) => serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))?,
    };
    let (config, devices) = if value.get("config").is_some() || value.get("layout").is_some() {
        let build: RecordedBuild =
            serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
        let devices = build
            .devices()
            .map(|(name, size)| (name.to_owned(), size))
            .collect();
        (build.config().map_err(wrong)?, devices)
    } else {
        let config = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
        (config, Vec::new())
    };
    match flaw(&config) {
        Some(problem) => Err(wrong(problem)),
        None => Ok((config, devices)),
    }
}

/// What no bootloader can be built with.
fn flaw(config: &Config) -> Option<String> {
    if config.images.is_empty() {
        return Some("no slots: `images` is empty".to_owned());
    }
    if config.mode == Mode::SwapScratch && config.scratch.is_none() {
        return Some("`swap-scratch` needs an area `scratch`".to_owned());
    }
    for (name, value, most) in [
        ("write-size", config.write_size, LARGEST_WRITE),
        ("max-align", config.max_align, LARGEST_WRITE),
        ("max-sectors", config.max_sectors, MOST_SECTORS),
    ] {
        if value == 0 || value > most {
            return Some(format!("`{name}` is {value}, expected 1 to {most}"));
        }
    }
    let sector = config.sector_size;
    if sector == 0 || !sector.is_multiple_of(config.write_size) {
        return Some(format!(
            "`sector-size` is {sector}, expected a multiple of `write-size`, {}",
            config.write_size
        ));
    }
    named_slots(config)
        .into_iter()
        .find(|(_, area)| {
            area.size == 0
                || !area.offset.is_multiple_of(sector)
                || !area.size.is_multiple_of(sector)
        })
        .map(|(name, area)| {
            format!(
                "slot `{name}` at {:#010x} has {:#x} bytes, expected whole sectors of {sector:#x}",
                area.offset, area.size
            )
        })
}

/// The flash devices, `int` first: their order is the order of the hash.
fn read_flash(
    config: &Config,
    devices: &[(String, u32)],
    files: &[FlashFile],
) -> Result<SimFlash, CliError> {
    let mut files: Vec<&FlashFile> = files.iter().collect();
    files.sort_by_key(|file| match file.device {
        DeviceId::AppFlash => 0,
        DeviceId::External => 1,
        DeviceId::NetFlash | DeviceId::RamFlash => 2,
    });
    if let Some([first, ..]) = files
        .windows(2)
        .find(|pair| matches!(pair, [one, other] if one.device == other.device))
    {
        return Err(CliError::usage(format_args!(
            "flash device `{}` was given twice",
            first.name
        )));
    }
    for (name, _) in devices {
        let device = golden::device(name);
        if !files.iter().any(|file| Some(file.device) == device) {
            return Err(CliError::usage(format_args!(
                "the layout has a flash device `{name}`, but no file was given for it"
            ))
            .with_help(Some(format!("add --flash {name}=FILE"))));
        }
    }
    let mut flash = SimFlash::new();
    for file in files {
        let wrong = |problem: String| {
            CliError::usage(format_args!(
                "flash file `{}`: {problem}",
                file.path.display()
            ))
        };
        let bytes =
            fs::read(&file.path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let expected = devices
            .iter()
            .find(|(name, _)| golden::device(name) == Some(file.device));
        if let Some((name, size)) = expected
            && bytes.len() != *size as usize
        {
            return Err(wrong(format!(
                "holds {} bytes, expected the {size} of `{name}` in the layout",
                bytes.len()
            )));
        }
        flash = flash.with_contents(file.device, &bytes, config.write_size, config.sector_size);
    }
    for (name, area) in named_slots(config) {
        let end = u64::from(area.offset) + u64::from(area.size);
        let size = flash.size(area.device);
        if end > size as u64 {
            let device = device_name(area.device);
            return Err(CliError::usage(format_args!(
                "slot `{name}` ends at {end:#010x} of `{device}`, which has {size:#x} bytes"
            ))
            .with_help(
                (size == 0).then(|| format!("add --flash {device}=FILE with the whole device")),
            ));
        }
    }
    Ok(flash)
}
