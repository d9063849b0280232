//! A virtual DK with firmware that can be watched, and what tests of the probe do with it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses some of it; a panic is a failed test"
)]

pub(crate) mod staged;

use hil_clock::{SharedClock, SystemClock};
use hil_rig::{Core, FlashImage, ProbeSession, ProgramOptions, Programmed, Recover};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use virtual_dk::bus::{self, BusError, CoreBus, Firmware, Stopped};
use virtual_dk::{Preload, VirtualDk, VirtualDkOptions};

pub(crate) const DHCSR: u32 = 0xE000_EDF0;
pub(crate) const DEMCR: u32 = 0xE000_EDFC;
pub(crate) const FORCEOFF: u32 = 0x5000_5614;
/// Where the firmware of these tests counts.
pub(crate) const HEARTBEAT: u32 = 0x2000_1000;

/// Firmware that counts its starts, and beats in RAM as long as it runs.
#[derive(Debug, Default)]
pub(crate) struct Beating {
    app_starts: AtomicU32,
    net_starts: AtomicU32,
}

impl Beating {
    pub(crate) fn starts(&self) -> (u32, u32) {
        (
            self.app_starts.load(Ordering::SeqCst),
            self.net_starts.load(Ordering::SeqCst),
        )
    }
}

impl Firmware for Beating {
    fn run(&self, bus: &mut dyn CoreBus) -> Stopped {
        let (starts, at) = match bus.core() {
            bus::Core::App => (&self.app_starts, HEARTBEAT),
            bus::Core::Net => (&self.net_starts, 0x2100_1000),
        };
        starts.fetch_add(1, Ordering::SeqCst);
        for beat in 0u32.. {
            match bus.write_ram(at, &beat.to_le_bytes()) {
                Ok(()) => {}
                Err(BusError::Stopped(stopped)) => return stopped,
                Err(BusError::Fault { .. }) => return bus.lock_up(),
            }
            if let Err(stopped) = bus.wait(Duration::from_millis(1)) {
                return stopped;
            }
        }
        bus.hang()
    }
}

pub(crate) struct Bench {
    pub(crate) firmware: Arc<Beating>,
    pub(crate) dk: VirtualDk,
    pub(crate) clock: SharedClock,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(VirtualDkOptions::default())
    }

    pub(crate) fn with(options: VirtualDkOptions) -> Self {
        let firmware = Arc::new(Beating::default());
        // Without a vector table a core locks up and runs nothing.
        let vectors = |core, address, [stack, entry]: [u32; 2]| Preload {
            core,
            address,
            data: [stack.to_le_bytes(), entry.to_le_bytes()].concat(),
        };
        let options = VirtualDkOptions {
            preload: vec![
                vectors(bus::Core::App, 0, [0x2001_0000, 0x101]),
                vectors(bus::Core::Net, 0x0100_0000, [0x2101_0000, 0x0100_0101]),
            ],
            ..options
        };
        let dk = VirtualDk::start(options, Arc::clone(&firmware) as Arc<dyn Firmware>).unwrap();
        let clock: SharedClock = Arc::new(SystemClock::new());
        Self {
            firmware,
            dk,
            clock,
        }
    }

    pub(crate) fn probe(&self) -> ProbeSession {
        self.probe_with(Recover::Forbidden)
    }

    pub(crate) fn probe_with(&self, recover: Recover) -> ProbeSession {
        let selector = self.dk.endpoints().probe.parse().unwrap();
        ProbeSession::with_probe("dk", selector, recover, Arc::clone(&self.clock))
    }

    /// Waits until something is so; a broken one ends the test after a minute instead of never.
    pub(crate) fn wait_until(&self, what: &str, mut is: impl FnMut() -> bool) {
        let deadline = self.clock.now() + Duration::from_secs(60);
        while !is() {
            assert!(self.clock.now() < deadline, "{what} within a minute");
            self.clock.sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn wait_for_starts(&self, app: u32, net: u32) {
        self.wait_until(
            &format!("{app} starts of the application and {net} of the network core"),
            || self.firmware.starts() == (app, net),
        );
    }

    pub(crate) fn wears(&self) -> [virtual_dk::FlashWear; 2] {
        [
            self.dk.flash_wear(bus::Core::App),
            self.dk.flash_wear(bus::Core::Net),
        ]
    }
}

pub(crate) fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

pub(crate) fn image(segments: &[(u32, &[u8])]) -> FlashImage {
    let mut image = FlashImage::new();
    for (address, data) in segments {
        image.add_segment(*address, data).unwrap();
    }
    image
}

pub(crate) fn program(probe: &ProbeSession, image: &FlashImage) -> Programmed {
    probe
        .program(image, &ProgramOptions::default(), &mut |_| {})
        .unwrap()
}

pub(crate) fn word(probe: &ProbeSession, core: Core, address: u32) -> u32 {
    let bytes = probe.read(core, address, 4).unwrap();
    u32::from_le_bytes(bytes.try_into().unwrap())
}
