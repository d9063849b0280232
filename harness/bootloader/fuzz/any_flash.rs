//! Makes a build, a flash and a few boots out of any bytes, and watches that the model survives them. Used by the fuzz
//! target, and with random bytes by a test.

use std::sync::OnceLock;

use hil_bootloader::{
    Area, Config, ContentKeySize, Cut, DeviceId, DowngradePrevention, Encryption, Flash,
    FlashError, ImageSlots, Keys, Line, Mode, Pending, Signature, SimFlash, boot, set_confirmed,
    set_pending, swap_state, swap_type,
};
use hil_image::{DecryptionKey, ImageBuilder, ImageVersion, PrivateKey, PublicKey};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

const SIGNING_PEM: &str = include_str!("../tests/data/golden/keys/root-ec-p256.pem");
const ENCRYPTION_PEM: &str = include_str!("../tests/data/golden/keys/enc-ec256-priv.pem");
const GOOD_MAGIC: [u8; 16] = [
    0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6, 0x79, 0x80,
];

/// Flash accesses, reads too, that no boot of these small boards may need: the longest ones take some ten thousand.
const MOST_ACCESSES: u32 = 2_000_000;

/// Bytes that are used up; zeros when none are left.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn half(&mut self) -> u32 {
        u32::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = usize::from(self.byte()) % most + 1;
        (0..length).map(|_| self.byte()).collect()
    }
}

/// Flash that counts every access, and does not take more than a boot may need.
struct Counted<'a> {
    flash: &'a mut SimFlash,
    accesses: u32,
}

impl Counted<'_> {
    fn count(&mut self) {
        self.accesses += 1;
        assert!(self.accesses < MOST_ACCESSES, "a boot does not end");
    }
}

impl Flash for Counted<'_> {
    fn read(&mut self, device: DeviceId, offset: u32, buffer: &mut [u8]) -> Result<(), FlashError> {
        self.count();
        self.flash.read(device, offset, buffer)
    }

    fn write(&mut self, device: DeviceId, offset: u32, data: &[u8]) -> Result<(), FlashError> {
        self.count();
        self.flash.write(device, offset, data)
    }

    fn erase(&mut self, device: DeviceId, offset: u32, length: u32) -> Result<(), FlashError> {
        self.count();
        self.flash.erase(device, offset, length)
    }
}

/// Images that the boards start from: plain and encrypted ones of several sizes and versions.
fn images() -> &'static [Vec<u8>] {
    static IMAGES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let signing = PrivateKey::from_pem(SIGNING_PEM).expect("the key of the recordings is read");
        let encryption = decryption_key().public();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut images = Vec::new();
        for (major, size) in [(1, 300), (2, 1500), (3, 5000)] {
            let mut payload = vec![0; size];
            rng.fill_bytes(&mut payload);
            let plain = ImageBuilder::new(payload)
                .version(ImageVersion::new(major, 0, 0))
                .header_size(0x80)
                .security_counter(u32::from(major))
                .dependency(major % 2, ImageVersion::new(2, 0, 0))
                .key(&signing);
            for image in [plain.clone(), plain.encrypt(&encryption)] {
                images.push(image.build(&mut rng).expect("an image is built"));
            }
        }
        images
    })
}

fn decryption_key() -> DecryptionKey {
    DecryptionKey::from_pem(ENCRYPTION_PEM).expect("the key of the recordings is read")
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys {
        signing: vec![PublicKey::from_pem(SIGNING_PEM).expect("the key of the recordings is read")],
        encryption: Some(decryption_key()),
    })
}

/// A build with its slots; device sizes follow.
fn build(source: &mut Source<'_>) -> (Config, [u32; 2]) {
    let mode = source.pick(&[
        Mode::SwapMove,
        Mode::SwapOffset,
        Mode::SwapScratch,
        Mode::OverwriteOnly,
        Mode::SingleSlot,
    ]);
    let sector = source.pick(&[512, 1024, 4096]);
    let mut ends = [0_u32; 2];
    let mut area = |sectors: u32, external: bool| {
        let end = &mut ends[usize::from(external)];
        let offset = *end;
        *end += sectors * sector;
        Area {
            device: if external {
                DeviceId::External
            } else {
                DeviceId::AppFlash
            },
            offset,
            size: sectors * sector,
        }
    };
    let (external, count) = (source.byte() & 1 == 1, u32::from(source.byte()) % 2 + 1);
    let mut images = Vec::new();
    for _ in 0..count {
        let sectors = u32::from(source.byte()) % 12 + 1;
        let more = source.pick(&[0, 0, 0, 1, 2]);
        let swapped = source.byte() & 1 == 1;
        let (one, other) = if swapped {
            (sectors + more, sectors)
        } else {
            (sectors, sectors + more)
        };
        images.push(ImageSlots {
            primary: area(one, false),
            secondary: area(other, external),
        });
    }
    let signature = source.pick(&[Signature::None, Signature::None, Signature::EcdsaP256]);
    if mode == Mode::SingleSlot {
        for slots in &mut images {
            *slots = ImageSlots::single(slots.primary);
        }
    }
    let mut config = Config::new(mode, signature, images[0]);
    config.images = images;
    config.encryption = source.pick(&[Encryption::None, Encryption::Ec256]);
    config.content_key = source.pick(&[ContentKeySize::Aes128, ContentKeySize::Aes256]);
    config.save_enctlv = source.byte() & 1 == 1;
    config.downgrade_prevention = source.pick(&[
        DowngradePrevention::None,
        DowngradePrevention::Version,
        DowngradePrevention::SecurityCounter,
    ]);
    config.validate_primary = source.byte() & 1 == 0;
    config.max_sectors = source.pick(&[1, 8, 12, 16, 128]);
    config.max_align = source.pick(&[8, 16, 32]);
    config.write_size = source.pick(&[1, 2, 4, 8]);
    config.sector_size = sector;
    config.line = source.pick(&Line::ALL);
    let scratch = u32::from(source.byte()) % 4;
    config.scratch = (scratch > 0).then(|| area(scratch, false));
    (config, ends)
}

/// Overwrites a part of an area.
fn edit(flash: &mut SimFlash, config: &Config, area: Area, source: &mut Source<'_>) {
    let (offset, bytes) = match source.byte() % 5 {
        0 => (
            source.pick(&[0, config.sector_size]),
            images()[usize::from(source.byte()) % images().len()].clone(),
        ),
        1 => (area.size.saturating_sub(16), GOOD_MAGIC.to_vec()),
        2 => (area.size.saturating_sub(source.half()), source.bytes(16)),
        3 => (u32::from(source.byte()) % 40, source.bytes(4)),
        _ => (source.half(), source.bytes(32)),
    };
    let room = area.size.saturating_sub(offset) as usize;
    let bytes = &bytes[..bytes.len().min(room)];
    flash.edit(area.device, area.offset + offset, bytes);
}

/// Builds a board from `bytes` and boots it: no panic, no boot without an end.
pub(crate) fn boot_any_flash(bytes: &[u8]) {
    let mut source = Source(bytes);
    let (config, [internal, external]) = build(&mut source);
    let mut flash = SimFlash::new()
        .with_device(
            DeviceId::AppFlash,
            internal,
            config.write_size,
            config.sector_size,
        )
        .with_device(
            DeviceId::External,
            external,
            config.write_size,
            config.sector_size,
        );
    let mut areas: Vec<Area> = config
        .images
        .iter()
        .flat_map(|slots| [slots.primary, slots.secondary])
        .collect();
    areas.extend(config.scratch);
    for _ in 0..source.byte() % 24 {
        let area = source.pick(&areas);
        edit(&mut flash, &config, area, &mut source);
    }
    for _ in 0..3 {
        let image = usize::from(source.byte()) % config.images.len();
        let _refusals_are_results = match source.byte() % 8 {
            0 => set_pending(&config, &mut flash, image, Pending::Test),
            1 => set_pending(&config, &mut flash, image, Pending::Permanent),
            2 => set_confirmed(&config, &mut flash, image),
            _ => Ok(()),
        };
        if source.byte() & 1 == 1 {
            flash.cut_at(Cut {
                ops: source.half() % 400,
                torn: source.half(),
            });
        }
        let mut counted = Counted {
            flash: &mut flash,
            accesses: 0,
        };
        let _a_cut_is_a_result = boot(&config, keys(), &mut counted, &mut |_| {});
        flash.power_up();
        for image in 0..config.images.len() {
            let _errors_are_results = swap_type(&config, &mut flash, image);
            let _errors_are_results = swap_state(&config, &mut flash, image);
        }
    }
}
