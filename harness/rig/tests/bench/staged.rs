//! A virtual DK on which an update waits for its boot, and the bootloader model's account of that boot.

use hil_bootloader::sweep::Sweep;
use hil_bootloader::{
    Config, Cut, DeviceId, Keys, NetworkCore, Operation, OperationKind, Pending, SimFlash,
    set_pending,
};
use hil_clock::{SharedClock, SystemClock};
use hil_image::{DecryptionKey, PublicKey};
use hil_rig::{
    Afterwards, Class, Core, FlashImage, ImageFormat, Memory, Planned, ProbeSession,
    ProgramOptions, Recover,
};
use std::sync::Arc;
use std::time::Duration;
use virtual_dk::demo::{DemoSet, Variant};
use virtual_dk::firmware::StockFirmware;
use virtual_dk::{Power, Speed, VirtualDk, VirtualDkOptions};

/// Long enough for any machine; a test that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// What of flash MCUboot and the slots take; behind it is what applications write.
pub(crate) const SETTINGS: u32 = 0xF_C000;

pub(crate) struct Staged {
    pub(crate) dk: VirtualDk,
    pub(crate) clock: SharedClock,
    pub(crate) config: Config,
    pub(crate) keys: Keys,
    /// What the board holds before the boot.
    pub(crate) flash: SimFlash,
    image: FlashImage,
}

impl Staged {
    pub(crate) fn new(variant: Variant) -> Self {
        Self::with(variant, VirtualDkOptions::default())
    }

    /// A board whose flash takes its time.
    pub(crate) fn at_pace_of_silicon(variant: Variant) -> Self {
        let options = VirtualDkOptions::default();
        Self::of(
            variant,
            "update/app_update.bin",
            Speed::Factor(1.0),
            options,
        )
    }

    /// With the update of the network core instead of the application's.
    pub(crate) fn for_network_core(variant: Variant) -> Self {
        Self::of(
            variant,
            "update/net_core_app_update.bin",
            Speed::Instant,
            VirtualDkOptions::default(),
        )
    }

    pub(crate) fn with(variant: Variant, options: VirtualDkOptions) -> Self {
        Self::of(variant, "update/app_update.bin", Speed::Instant, options)
    }

    fn of(variant: Variant, update: &str, speed: Speed, options: VirtualDkOptions) -> Self {
        let set = DemoSet::generate(variant);
        let folder = tempfile::tempdir().unwrap();
        set.write(folder.path()).unwrap();
        let config = variant.bootloader();
        let mut keys = Keys::default();
        for (path, bytes) in set.files() {
            let text = String::from_utf8_lossy(bytes);
            match path.to_str().unwrap() {
                "keys/signing.pub.pem" => keys.signing.push(PublicKey::from_pem(&text).unwrap()),
                "keys/encryption.pem" => {
                    keys.encryption = Some(DecryptionKey::from_pem(&text).unwrap());
                }
                _ => {}
            }
        }
        let mut baseline = FlashImage::new();
        for file in ["baseline/merged.hex", "baseline/merged_CPUNET.hex"] {
            let path = folder.path().join(file);
            if path.exists() {
                baseline.add_file(&path, ImageFormat::Hex).unwrap();
            }
        }
        let mut flash = SimFlash::new()
            .with_device(DeviceId::AppFlash, 0x10_0000, 4, 0x1000)
            .with_device(DeviceId::NetFlash, 0x4_0000, 4, 0x800)
            .with_device(DeviceId::External, 0x80_0000, 4, 0x1000);
        for (address, data) in baseline.segments() {
            if let Some((device, offset)) = place(address) {
                flash.edit(device, offset, data);
            }
        }
        let update = set.file(update).unwrap();
        let secondary = config.images[0].secondary;
        flash.edit(secondary.device, secondary.offset, update);
        set_pending(&config, &mut flash, 0, Pending::Test).unwrap();
        let mut image = FlashImage::new();
        for (device, base) in [
            (DeviceId::AppFlash, 0),
            (DeviceId::NetFlash, 0x0100_0000),
            (DeviceId::External, 0x1000_0000),
        ] {
            for (number, page) in (0u32..).zip(flash.bytes(device).chunks(0x800)) {
                if page.iter().any(|&byte| byte != 0xFF) {
                    image.add_segment(base + number * 0x800, page).unwrap();
                }
            }
        }
        let options = VirtualDkOptions { speed, ..options };
        let dk = VirtualDk::start(options, Arc::new(StockFirmware)).unwrap();
        Self {
            dk,
            clock: Arc::new(SystemClock::new()),
            config,
            keys,
            flash,
            image,
        }
    }

    pub(crate) fn probe(&self) -> ProbeSession {
        let selector = self.dk.endpoints().probe.parse().unwrap();
        ProbeSession::with_probe("dk", selector, Recover::Forbidden, Arc::clone(&self.clock))
    }

    /// Puts everything back to before the boot; the application core stands.
    pub(crate) fn stage(&self, probe: &ProbeSession) {
        let secondary = self.config.images[0].secondary;
        let options = ProgramOptions {
            then: Afterwards::Hold,
            rest: hil_rig::Rest::Erase,
            external: match secondary.device {
                DeviceId::External => {
                    let start = 0x1000_0000 + secondary.offset;
                    std::iter::once(start..start + secondary.size).collect()
                }
                _ => Vec::new(),
            },
            ..ProgramOptions::default()
        };
        probe.program(&self.image, &options, &mut |_| {}).unwrap();
    }

    pub(crate) fn sweep(&self) -> Sweep<'_> {
        Sweep::plan(&self.config, self.keys.clone(), &self.flash).unwrap()
    }

    /// What is wrong with what the board holds, if it should be `expected`: the first byte of each memory that differs.
    pub(crate) fn differs(&self, probe: &ProbeSession, expected: &SimFlash) -> Option<String> {
        let external = self.config.images[0].secondary.device == DeviceId::External;
        let network = self.config.network_core != NetworkCore::None;
        let memories = [
            (true, Core::App, DeviceId::AppFlash, 0, SETTINGS),
            (
                external,
                Core::App,
                DeviceId::External,
                0x1000_0000,
                0x4_0000,
            ),
            (
                network,
                Core::Net,
                DeviceId::NetFlash,
                0x0100_0000,
                0x4_0000,
            ),
        ];
        let there = memories.into_iter().filter(|memory| memory.0);
        let mut memories = there.map(|(_, core, device, base, size)| (core, device, base, size));
        memories.find_map(|(core, device, base, size)| {
            let found = probe.read(core, base, size).unwrap();
            let wanted = expected.bytes_at(device, 0, size as usize);
            let at = found.iter().zip(&wanted).position(|(a, b)| a != b)?;
            Some(format!(
                "{device:?} at {at:#x}: {:#04x}, expected {:#04x}",
                found[at], wanted[at]
            ))
        })
    }

    /// Waits until the board holds this.
    pub(crate) fn wait_for(&self, probe: &ProbeSession, expected: &SimFlash) {
        let deadline = self.clock.now() + PATIENCE;
        while let Some(difference) = self.differs(probe, expected) {
            assert!(self.clock.now() < deadline, "{difference}");
            self.clock.sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn cut_power(&self) {
        self.dk.set_power(Power::Off);
        self.dk.set_power(Power::On);
    }
}

fn place(address: u32) -> Option<(DeviceId, u32)> {
    match address {
        0..0x10_0000 => Some((DeviceId::AppFlash, address)),
        0x0100_0000..0x0104_0000 => Some((DeviceId::NetFlash, address - 0x0100_0000)),
        0x1000_0000..0x1080_0000 => Some((DeviceId::External, address - 0x1000_0000)),
        _ => None,
    }
}

/// The model's operations in the words of the trap.
pub(crate) fn planned(operations: &[Operation]) -> Vec<Planned> {
    operations
        .iter()
        .map(|operation| Planned {
            memory: match operation.device {
                DeviceId::AppFlash => Memory::App,
                DeviceId::NetFlash => Memory::Net,
                DeviceId::External => Memory::External,
                DeviceId::RamFlash => panic!("no flash that a trap sees"),
            },
            class: match operation.kind {
                OperationKind::Write => Class::Write,
                OperationKind::Erase => Class::Erase,
            },
            offset: operation.offset,
            length: operation.length,
        })
        .collect()
}

/// One page or word at a time: the operations as the NVMC sees them, with how many bytes of which one are done before it.
pub(crate) fn units(operations: &[Operation], kind: OperationKind, size: u32) -> Vec<Cut> {
    (0u32..)
        .zip(operations)
        .filter(|(_, operation)| operation.kind == kind)
        .flat_map(|(ops, operation)| {
            (0..operation.length)
                .step_by(size as usize)
                .map(move |torn| Cut { ops, torn })
        })
        .collect()
}
