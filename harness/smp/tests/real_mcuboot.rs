//! The UART client on an emulated nRF51 with real MCUboot and a real Zephyr application, and the bootloader model beside it.
//!
//! What an update does to the flash of that chip, dumped through QEMU's debug stub, is what `hil-bootloader` says: the
//! request of the application, the swap, the revert and the confirmation, byte for byte.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "support/servers.rs"]
mod servers;

use hil_bootloader::{
    Area, BootResult, Config, DeviceId, ImageSlots, Keys, Mode, Pending, Signature, SimFlash, boot,
    set_confirmed, set_pending,
};
use hil_clock::Clock;
use hil_image::{Image, ImageBuilder, ImageVersion};
use hil_smp::message::{ImageState, Reset, SlotState};
use hil_smp::{ConsoleKind, UploadOptions, UploadProof};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use servers::{Board, LONG, Process, connect, fixtures, gdb};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Flash of the chip in bytes, in pages of 1 KiB.
const FLASH: u32 = 0x40000;
const PAGE: u32 = 0x400;
const PRIMARY: u32 = 0x8000;
const SECONDARY: u32 = 0x22000;
const SLOT: u32 = 0x1a000;

/// How the MCUboot of the shipped build was configured: Zephyr's defaults, two slots, nothing signed.
fn config() -> Config {
    let slot = |offset| Area {
        device: DeviceId::AppFlash,
        offset,
        size: SLOT,
    };
    let slots = ImageSlots {
        primary: slot(PRIMARY),
        secondary: slot(SECONDARY),
    };
    let mut config = Config::new(Mode::SwapOffset, Signature::None, slots);
    config.sector_size = PAGE;
    // `BOOT_MAX_IMG_SECTORS_AUTO`: what the slots have.
    config.max_sectors = SLOT / PAGE;
    config
}

/// The emulated nRF51.
struct Nrf51 {
    board: Board,
    stub: PathBuf,
    _sockets: tempfile::TempDir,
}

/// Starts it with what the shipped build puts in its flash: MCUboot, and the application in the primary slot.
fn nrf51(folder: &Path) -> Nrf51 {
    let flash = folder.join("zephyr_4.4.0_smp_server_0eae053d_qemu_cortex_m0_serial.merged.hex");
    let flash = std::fs::read_to_string(flash).unwrap();
    let sockets = tempfile::tempdir().unwrap();
    let stub = sockets.path().join("gdb");
    let mut command = Command::new("qemu-system-arm");
    command
        .args([
            "-cpu",
            "cortex-m0",
            "-machine",
            "microbit",
            "-nographic",
            "-S",
        ])
        .args([
            "-monitor",
            "none",
            "-chardev",
            "pty,id=con",
            "-serial",
            "chardev:con",
        ])
        .args([
            "-chardev",
            &format!("socket,id=gdb,path={},server=on,wait=off", stub.display()),
        ])
        .args(["-gdb", "chardev:gdb"]);
    let board = connect(Process::start(&mut command), Duration::ZERO);
    gdb::program(&connect_to_stub(&stub, board.clock.as_ref()), &flash);
    let mut board = Nrf51 {
        board,
        stub,
        _sockets: sockets,
    };
    board.wait_until_booted();
    board
}

/// QEMU names the pseudo-terminal before it listens on the socket.
fn connect_to_stub(stub: &Path, clock: &dyn Clock) -> UnixStream {
    let deadline = clock.now() + LONG;
    loop {
        match UnixStream::connect(stub) {
            Ok(stream) => return stream,
            Err(error) => assert!(clock.now() < deadline, "{}: {error}", stub.display()),
        }
        clock.sleep(Duration::from_millis(10));
    }
}

/// The shipped application as version 2.0.0, made by our own image builder.
fn update(folder: &Path) -> Vec<u8> {
    let shipped = folder.join("zephyr_4.4.0_smp_server_0eae053d_qemu_cortex_m0_serial.signed.bin");
    let shipped = std::fs::read(shipped).unwrap();
    let image = Image::parse(&shipped).unwrap();
    ImageBuilder::new(image.payload())
        .version("2.0.0".parse::<ImageVersion>().unwrap())
        .build(&mut ChaCha8Rng::seed_from_u64(0))
        .unwrap()
}

impl Nrf51 {
    /// Waits for the application's first own line. The emulated chip never hears anything again when bytes arrive before
    /// its application reads the port. What MCUboot said until then is the result.
    fn wait_until_booted(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let event = self.board.console.recv_timeout(LONG).unwrap();
            if let ConsoleKind::Line(line) = event.kind {
                let line = String::from_utf8_lossy(&line).into_owned();
                if line.contains("smp_sample: build time") {
                    return lines;
                }
                lines.push(line);
            }
        }
    }

    /// All of its flash, while its application runs and leaves it alone.
    fn flash(&self) -> SimFlash {
        let stub = connect_to_stub(&self.stub, self.board.clock.as_ref());
        let bytes = gdb::read(&stub, 0, FLASH);
        SimFlash::new().with_contents(DeviceId::AppFlash, &bytes, 4, PAGE)
    }

    fn upload(&mut self, file: &[u8]) {
        // Longer packets than three lines hang the emulated chip, which has 16 KiB of RAM.
        let options = UploadOptions {
            packet_limit: Some(252),
            ..UploadOptions::default()
        };
        let began = self.board.clock.now();
        let outcome = self
            .board
            .client
            .upload(file, options, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        let took = self.board.clock.now() - began;
        println!(
            "{} bytes in {} ms: {:?}",
            file.len(),
            took.as_millis(),
            outcome.stats
        );
        assert_eq!(outcome.proof, UploadProof::Offset);
    }

    /// Resets, and checks what MCUboot decided and what is in the slots then.
    fn reset(&mut self, swap_type: &str) -> ImageState {
        while self.board.console.try_recv().is_ok() {}
        self.board.client.reset(Reset::default()).unwrap();
        let lines = self.wait_until_booted();
        let decided = format!("Swap type: {swap_type}");
        assert!(
            lines.iter().any(|line| line.contains(&decided)),
            "{lines:#?}"
        );
        let state = self.board.client.image_state().unwrap();
        println!("swap type {swap_type}: {:?}", state.images);
        state
    }
}

fn is(slot: Option<&SlotState>, version: &str, flags: &str) -> bool {
    slot.is_some_and(|slot| {
        let found: String = [
            (slot.active, 'a'),
            (slot.confirmed, 'c'),
            (slot.pending, 'p'),
        ]
        .iter()
        .filter_map(|(set, letter)| set.then_some(letter))
        .collect();
        slot.version.as_deref() == Some(version) && found == flags
    })
}

#[test]
fn real_mcuboot_swaps_reverts_and_keeps_what_our_client_uploads() {
    let Some(folder) = fixtures() else { return };
    let mut board = nrf51(&folder);
    let file = update(&folder);
    let before = board.board.client.image_state().unwrap();
    assert!(is(before.slot(0, 0), "0.0.0", "ac"), "{before:?}");

    board.upload(&file);
    let uploaded = board.board.client.image_state().unwrap();
    let slot = uploaded.slot(0, 1).unwrap();
    assert_eq!(slot.version.as_deref(), Some("2.0.0"));
    let hash = slot.hash.clone().unwrap();
    let (_, stored) = Image::parse(&file).unwrap().stored_hash().unwrap();
    assert_eq!(stored.value, hash);
    let marked = board.board.client.test_image(&hash).unwrap();
    assert!(is(marked.slot(0, 1), "2.0.0", "p"), "{marked:?}");

    let swapped = board.reset("test");
    assert!(is(swapped.slot(0, 0), "2.0.0", "a"), "{swapped:?}");
    assert!(is(swapped.slot(0, 1), "0.0.0", "c"), "{swapped:?}");
    let reverted = board.reset("revert");
    assert!(is(reverted.slot(0, 0), "0.0.0", "ac"), "{reverted:?}");
    assert!(is(reverted.slot(0, 1), "2.0.0", ""), "{reverted:?}");

    board.board.client.test_image(&hash).unwrap();
    let swapped = board.reset("test");
    assert!(is(swapped.slot(0, 0), "2.0.0", "a"), "{swapped:?}");
    let confirmed = board.board.client.confirm_image(None).unwrap();
    assert!(is(confirmed.slot(0, 0), "2.0.0", "ac"), "{confirmed:?}");
    let kept = board.reset("none");
    assert!(is(kept.slot(0, 0), "2.0.0", "ac"), "{kept:?}");

    let refused = board.board.client.erase(Some(0)).unwrap_err();
    println!("erasing the running slot: {refused}");
    assert!(refused.refused().is_some());
    board.board.client.erase(None).unwrap();
    assert_eq!(board.board.client.image_state().unwrap().images.len(), 1);
}

/// Where two flashes differ first, if they do.
fn first_difference(model: &SimFlash, real: &SimFlash) -> Option<String> {
    let (model, real) = (
        model.bytes(DeviceId::AppFlash),
        real.bytes(DeviceId::AppFlash),
    );
    let at = model
        .iter()
        .zip(&real)
        .position(|(model, real)| model != real)?;
    Some(format!(
        "at {at:#07x}: model {:02x?}, real {:02x?}",
        &model[at..at + 4],
        &real[at..at + 4]
    ))
}

/// Boots the model from `before`, and compares what it leaves with the flash of the chip that booted.
fn assert_booted_as_modelled(what: &str, before: &SimFlash, after: &SimFlash, version: &str) {
    let mut model = before.clone();
    let outcome = boot(&config(), &Keys::default(), &mut model, &mut |_| {}).unwrap();
    let BootResult::Boot(image) = &outcome.result else {
        panic!("{what}: the model {}", outcome.result);
    };
    assert_eq!(image.version.to_string(), version, "{what}");
    assert_eq!(first_difference(&model, after), None, "{what}");
    println!(
        "{what}: {} flash operations of the model, the same {FLASH} bytes",
        model.counts().ops()
    );
}

#[test]
fn the_flash_that_real_mcuboot_leaves_is_the_one_that_the_model_predicts() {
    let Some(folder) = fixtures() else { return };
    let mut board = nrf51(&folder);
    let file = update(&folder);

    board.upload(&file);
    let uploaded = board.flash();
    let at = (SECONDARY + PAGE) as usize;
    assert_eq!(
        uploaded.bytes_at(DeviceId::AppFlash, at, file.len()),
        file,
        "swap using offset wants its candidate in the second sector"
    );
    let hash = board.board.client.image_state().unwrap();
    let hash = hash.slot(0, 1).unwrap().hash.clone().unwrap();

    board.board.client.test_image(&hash).unwrap();
    let pending = board.flash();
    let mut model = uploaded.clone();
    set_pending(&config(), &mut model, 0, Pending::Test).unwrap();
    assert_eq!(first_difference(&model, &pending), None, "test requested");

    board.reset("test");
    let on_trial = board.flash();
    assert_booted_as_modelled("test swap", &pending, &on_trial, "2.0.0");
    board.reset("revert");
    let reverted = board.flash();
    assert_booted_as_modelled("revert", &on_trial, &reverted, "0.0.0");

    board.upload(&file);
    board.board.client.test_image(&hash).unwrap();
    let pending = board.flash();
    board.reset("test");
    let on_trial = board.flash();
    assert_booted_as_modelled("second test swap", &pending, &on_trial, "2.0.0");
    board.board.client.confirm_image(None).unwrap();
    let confirmed = board.flash();
    let mut model = on_trial.clone();
    set_confirmed(&config(), &mut model, 0).unwrap();
    assert_eq!(first_difference(&model, &confirmed), None, "confirmed");
    board.reset("none");
    let kept = board.flash();
    assert_booted_as_modelled("boot when confirmed", &confirmed, &kept, "2.0.0");
}
