//! MCUboot on the application core.

use std::cell::RefCell;
use std::fmt::Display;
use std::time::Duration;

use hil_bootloader::{
    Area, BootResult, BootedImage, Flash as _, FlashError, Keys, LogLine, RecoveryButton,
    SerialRecovery, boot_with_network,
};
use hil_image::{DecryptionKey, KeyError, PublicKey};
use hil_smp::frame::{self, Decoded, Decoder};

use super::flash::{BusFlash, SharedBus, run_address};
use super::recovery::{After, Recovery, RecoveryBoard};
use super::rtt::Rtt;
use super::{BOOT_MODE_ADDRESS, Run, console, start};
use crate::bus::{BusError, CoreBus, Stopped};
use crate::model::{ApplicationModel, ConsoleOutput, McubootModel, Model, RttMode, RttModel};

/// Where the RTT control block of a bootloader lies that prints there (ours): in front of what the application of the demo has, as in
/// builds whose two programs are linked for the same RAM.
const RTT: RttModel = RttModel {
    address: 0x2000_0400,
    mode: RttMode::Skip,
};

/// Where its log goes.
enum Output {
    Uart,
    Nowhere,
    Rtt(Rtt),
}

impl Output {
    fn begin(bus: &mut dyn CoreBus, model: &McubootModel) -> Result<Self, BusError> {
        Ok(match model.console {
            ConsoleOutput::Log => Self::Uart,
            ConsoleOutput::Silent => Self::Nowhere,
            ConsoleOutput::Rtt => Self::Rtt(Rtt::begin(bus, RTT)?),
        })
    }

    fn line(&mut self, bus: &mut dyn CoreBus, text: impl Display) -> Result<(), BusError> {
        match self {
            Self::Uart => Ok(console::line(bus, text)?),
            Self::Nowhere => Ok(()),
            Self::Rtt(rtt) => rtt.line(bus, text),
        }
    }
}

/// Runs MCUboot, and then what it starts.
pub(super) fn run(bus: &mut dyn CoreBus, model: &McubootModel) -> Run {
    let mut output = Output::begin(bus, model)?;
    output.line(
        bus,
        format_args!("*** Booting MCUboot {} ***", model.version),
    )?;
    output.line(bus, "*** Using nRF Connect SDK v2.9.0 ***")?;
    output.line(bus, "*** Using Zephyr OS v3.7.99 ***")?;
    let output = &mut output;
    let keys = match keys(model) {
        Ok(keys) => keys,
        Err(error) => {
            tracing::warn!("MCUboot model has a key that cannot be used: {error}");
            return Err(bus.hang().into());
        }
    };
    erase_ram_slot(bus, model)?;
    // Before anything is swapped; what is pending stays so (mcuboot `boot/zephyr/main.c`).
    if let Some(build) = &model.config.serial_recovery
        && let Some(button) = &build.button
        && is_held(bus, button)?
    {
        output.line(bus, "I: Starting bootloader")?;
        return recover(bus, model, build, &keys, output);
    }
    let began = bus.uptime()?;
    let result = boot(bus, model, &keys, output)?;
    if let Some(build) = &model.config.serial_recovery {
        // In this order, and only after slots were swapped (the same).
        if build.on_boot_mode && take_boot_mode(bus)? {
            return recover(bus, model, build, &keys, output);
        }
        if build.wait_ms > 0 {
            let window = Duration::from_millis(build.wait_ms.into());
            let left = window.saturating_sub(bus.uptime()?.saturating_sub(began));
            let until = bus.uptime()? + left.max(Duration::from_millis(1));
            serve(bus, model, build, &keys, output, Some(until))?;
        }
        if build.on_no_image && matches!(result, BootResult::NoBoot { .. }) {
            return recover(bus, model, build, &keys, output);
        }
    }
    match result {
        BootResult::Boot(image) => jump(bus, model, image),
        BootResult::NoBoot { reason } => {
            tracing::info!("MCUboot does not boot: {reason}");
            Err(bus.hang().into())
        }
        BootResult::Hang { what } => {
            tracing::info!("MCUboot hangs: {what}");
            Err(bus.hang().into())
        }
        BootResult::Assert { what } => {
            tracing::info!("MCUboot stops on an assertion: {what}");
            Err(bus.hang().into())
        }
    }
}

fn keys(model: &McubootModel) -> Result<Keys, KeyError> {
    let signing = model
        .signing_keys
        .iter()
        .map(|pem| PublicKey::from_pem(pem))
        .collect::<Result<_, _>>()?;
    let encryption = model
        .encryption_key
        .as_ref()
        .map(|key| {
            let text = key.reveal();
            if text.contains("-----BEGIN") {
                DecryptionKey::from_pem(text)
            } else {
                DecryptionKey::from_base64(text)
            }
        })
        .transpose()?;
    Ok(Keys {
        signing,
        encryption,
    })
}

fn boot(
    bus: &mut dyn CoreBus,
    model: &McubootModel,
    keys: &Keys,
    output: &mut Output,
) -> Result<BootResult, BusError> {
    let shared: SharedBus<'_> = RefCell::new(bus);
    let mut stopped = None;
    let mut log = |line: LogLine| {
        if stopped.is_none() {
            stopped = output.line(*shared.borrow_mut(), line).err();
        }
    };
    let mut flash = BusFlash::new(&shared);
    let mut network = BusFlash::new(&shared);
    let outcome = boot_with_network(
        &model.config,
        keys,
        &mut flash,
        Some(&mut network),
        &mut log,
    );
    if let Some(stopped) = stopped {
        return Err(stopped);
    }
    match outcome {
        Ok(outcome) => {
            for decision in &outcome.decisions {
                tracing::debug!("MCUboot: {decision}");
            }
            Ok(outcome.result)
        }
        Err(FlashError::PowerLost) => Err(Stopped.into()),
        Err(error) => {
            tracing::warn!("MCUboot cannot use its flash: {error}");
            Err(shared.borrow_mut().hang().into())
        }
    }
}

/// The flash simulator erases its RAM when it starts.
fn erase_ram_slot(bus: &mut dyn CoreBus, model: &McubootModel) -> Result<(), BusError> {
    let Some(Area {
        device,
        offset,
        size,
    }) = model.config.ram_slot()
    else {
        return Ok(());
    };
    let shared: SharedBus<'_> = RefCell::new(bus);
    match BusFlash::new(&shared).erase(device, offset, size) {
        Ok(()) => {}
        Err(FlashError::PowerLost) => return Err(Stopped.into()),
        Err(error) => tracing::warn!("MCUboot cannot simulate a slot in RAM: {error}"),
    }
    Ok(())
}

/// Whether the button is pressed, and stays so for as long as it must (`io_detect_pin` in mcuboot `boot/zephyr/io.c`).
fn is_held(bus: &mut dyn CoreBus, button: &RecoveryButton) -> Result<bool, BusError> {
    const SETTLE: Duration = Duration::from_millis(50);
    const LOOK: Duration = Duration::from_millis(1);
    // Active low, as the buttons of the DK are.
    if bus.read_input(button.pin)? {
        return Ok(false);
    }
    if button.delay_ms == 0 {
        return Ok(true);
    }
    bus.wait(SETTLE)?;
    let until = bus.uptime()? + Duration::from_millis(button.delay_ms.into());
    loop {
        if bus.read_input(button.pin)? {
            return Ok(false);
        }
        if bus.uptime()? >= until {
            return Ok(true);
        }
        bus.wait(LOOK)?;
    }
}

/// Whether the application wants its bootloader to stay; asked once.
fn take_boot_mode(bus: &mut dyn CoreBus) -> Result<bool, BusError> {
    const BOOTLOADER: u32 = 1;
    let mut word = [0; 4];
    bus.read(BOOT_MODE_ADDRESS, &mut word)?;
    let wanted = u32::from_le_bytes(word) == BOOTLOADER;
    if wanted {
        bus.write_ram(BOOT_MODE_ADDRESS, &[0; 4])?;
    }
    Ok(wanted)
}

/// Serial recovery, which only a reset ends.
fn recover(
    bus: &mut dyn CoreBus,
    model: &McubootModel,
    build: &SerialRecovery,
    keys: &Keys,
    output: &mut Output,
) -> Run {
    output.line(bus, "I: Enter the serial recovery mode")?;
    serve(bus, model, build, keys, output, None)?;
    // Without an end it does not come back.
    Err(bus.hang().into())
}

/// Answers requests: until `until` when none comes before, in board time, and else for ever.
fn serve(
    bus: &mut dyn CoreBus,
    model: &McubootModel,
    build: &SerialRecovery,
    keys: &Keys,
    output: &mut Output,
    until: Option<Duration>,
) -> Result<(), BusError> {
    /// From the answer to the reset (`bs_reset`).
    const RESET_DELAY: Duration = Duration::from_millis(250);
    /// The longest wait for input (ours): nothing happens in between.
    const IDLE: Duration = Duration::from_secs(3600);
    let mut recovery = Recovery::new(&model.config, build, keys);
    let mut decoder = Decoder::server(build.buf_size as usize);
    let mut until = until;
    loop {
        let wait = match until {
            None => IDLE,
            Some(until) => until.saturating_sub(bus.uptime()?),
        };
        if wait.is_zero() {
            return Ok(());
        }
        decoder.push(&bus.uart_read(wait)?);
        while let Some(decoded) = decoder.next() {
            let Decoded::Packet(packet) = decoded else {
                continue;
            };
            let shared: SharedBus<'_> = RefCell::new(&mut *bus);
            let mut stopped = None;
            let mut log = |line: LogLine| {
                if stopped.is_none() {
                    stopped = output.line(*shared.borrow_mut(), line).err();
                }
            };
            let mut board = RecoveryBoard {
                flash: &mut BusFlash::new(&shared),
                network: Some(&mut BusFlash::new(&shared)),
                log: &mut log,
            };
            let answer = recovery.handle(&packet, &mut board).map_err(|_| Stopped)?;
            if let Some(stopped) = stopped {
                return Err(stopped);
            }
            let Some(answer) = answer else { continue };
            until = None;
            let bytes = frame::encode(&answer.packet).unwrap_or_default();
            bus.uart_write(&bytes)?;
            match answer.after {
                After::Wait => {}
                After::Reset => {
                    bus.wait(RESET_DELAY)?;
                    return Err(bus.system_reset().into());
                }
                After::Decrypt => {
                    let shared: SharedBus<'_> = RefCell::new(&mut *bus);
                    recovery
                        .decrypt(&mut BusFlash::new(&shared))
                        .map_err(|_| Stopped)?;
                }
            }
        }
    }
}

/// Whether the reset vector of an image lies in its own payload. Elsewhere is whatever is there, which is no firmware that was
/// linked together with it.
fn starts_in_itself(
    bus: &mut dyn CoreBus,
    image: &BootedImage,
    address: u32,
) -> Result<bool, BusError> {
    const IMAGE_SIZE: u32 = 12;
    const RESET_VECTOR: u32 = 4;
    let mut word = |at: u32| {
        let mut bytes = [0; 4];
        bus.read(at, &mut bytes)?;
        Ok::<_, BusError>(u32::from_le_bytes(bytes))
    };
    let size = word(
        address
            .wrapping_sub(image.header_size)
            .wrapping_add(IMAGE_SIZE),
    )?;
    let vector = word(address.wrapping_add(RESET_VECTOR))?;
    Ok(vector
        .checked_sub(address)
        .is_some_and(|offset| offset < size))
}

/// Starts the image; the lines that MCUboot prints about it are the boot's own.
fn jump(bus: &mut dyn CoreBus, model: &McubootModel, image: BootedImage) -> Run {
    match run_address(image.device, image.offset + image.header_size) {
        Ok(address) => {
            if !starts_in_itself(bus, &image, address)? {
                tracing::warn!("MCUboot jumps out of the image that it starts");
                return Err(bus.lock_up().into());
            }
            let undescribed = ApplicationModel::undescribed(
                image.version,
                model.config.clone(),
                model.undescribed.clone().unwrap_or_default(),
            );
            start(bus, address, Some(Model::Application(undescribed)))
        }
        Err(error) => {
            tracing::warn!("MCUboot starts what is not in the core's map: {error}");
            Err(bus.lock_up().into())
        }
    }
}
