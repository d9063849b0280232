//! An application: banner, the network core, the SMP server on the UART, and the ways to go wrong.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Display;
use std::time::Duration;

use hil_bootloader::{Config, DowngradePrevention, Mode};
use hil_smp::frame::{self, Decoded, Decoder};
use virtual_radio::gatt::{SMP_HANDLE, SMP_SERVICE};
use virtual_radio::{Advertisement, LinkEvent};

use super::ble::{Central, Reassembly};
use super::console::{self, Level};
use super::flash::SharedBus;
use super::images::SlotServices;
use super::rtt::Rtt;
use super::smp::{Identity, Server, Services};
use super::{BOOT_MODE_ADDRESS, IPC_ADDRESS, IPC_MAGIC, Run};
use crate::bus::{BusError, CoreBus, Stopped};
use crate::model::{
    ApplicationModel, Behaviour, BootloaderSupport, Confirmation, Feature, Link, ResetWay,
};

/// `CONFIG_MCUMGR_GRP_OS_RESET_MS`: from the answer to the reset.
const RESET_DELAY: Duration = Duration::from_millis(250);

/// How often an application looks for its network core before it gives the radio up: for 1000 ms (zephyr
/// `drivers/bluetooth/hci/ipc.c`, `IPC_BOUND_TIMEOUT_IN_MS`). Looks are counted beside the time because board time can run
/// ahead of the other core.
const NETWORK_LOOKS: u32 = 100;

/// How long it listens in between (ours).
const NETWORK_POLL: Duration = Duration::from_millis(10);

/// The longest wait for input (ours): nothing happens in between.
const IDLE: Duration = Duration::from_secs(3600);

/// Runs an application until its core stops.
pub(super) fn run(bus: &mut dyn CoreBus, model: &ApplicationModel) -> Run {
    let rtt = model
        .rtt
        .map(|rtt| Rtt::begin(&mut *bus, rtt))
        .transpose()?;
    let mut application = Application::new(model, rtt);
    application.print(bus, "*** Booting nRF Connect SDK v2.9.0 ***")?;
    application.print(bus, "*** Using Zephyr OS v3.7.99 ***")?;
    let banner = format!("{} {} ({})", model.name, model.version, model.release);
    application.print(bus, &banner)?;
    application.begin(bus.uptime()?);
    bus.write_ram(IPC_ADDRESS, &[0; 8])?;
    bus.force_network_off(false)?;
    loop {
        application.act(bus)?;
        application.listen(bus)?;
    }
}

/// What is known of the network core.
#[derive(Clone, Copy, Debug)]
enum Network {
    /// It was released and has not said anything yet.
    Starting { looks: u32 },
    /// It has spoken, or it is not waited for any more.
    Settled,
}

/// Where a request came from, and its answer goes.
#[derive(Clone, Copy, Debug)]
enum Origin {
    Uart,
    Ble(Central),
}

/// A running application.
struct Application<'a> {
    model: &'a ApplicationModel,
    config: Option<&'a Config>,
    started: Duration,
    rtt: Option<Rtt>,
    server: Server,
    decoder: Decoder,
    reassembly: Reassembly,
    /// The central that is connected.
    central: Option<Central>,
    /// Requests that wait, each in a buffer of the pool, and where they came from.
    requests: VecDeque<(Origin, Vec<u8>)>,
    network: Network,
    /// When a client's reset falls due, in board time.
    reset_at: Option<Duration>,
    /// What that reset is to start.
    boot_mode: u32,
    /// When it confirms itself, in board time.
    confirm_at: Option<Duration>,
}

impl<'a> Application<'a> {
    fn new(model: &'a ApplicationModel, rtt: Option<Rtt>) -> Self {
        let config = match &model.bootloader {
            BootloaderSupport::None => None,
            BootloaderSupport::Mcuboot(config) => Some(config),
        };
        Self {
            model,
            config,
            started: Duration::ZERO,
            rtt,
            server: Server::new(model.smp.clone(), identity(model, config)),
            decoder: Decoder::server(model.smp.buf_size as usize),
            reassembly: Reassembly::new(model.smp.ble_reassembly, model.smp.buf_size),
            central: None,
            requests: VecDeque::new(),
            network: Network::Starting { looks: 0 },
            reset_at: None,
            boot_mode: 0,
            confirm_at: None,
        }
    }

    /// Its clock begins.
    fn begin(&mut self, now: Duration) {
        self.started = now;
        self.confirm_at = match self.model.confirmation {
            Confirmation::BySelf { after_ms } => Some(now + Duration::from_millis(after_ms.into())),
            Confirmation::ByClient | Confirmation::Refused => None,
        };
    }

    /// Prints a line wherever its log goes.
    fn print(&mut self, bus: &mut dyn CoreBus, text: &str) -> Result<(), BusError> {
        console::line(bus, text)?;
        match &mut self.rtt {
            Some(rtt) => rtt.line(bus, text),
            None => Ok(()),
        }
    }

    fn log(
        &mut self,
        bus: &mut dyn CoreBus,
        level: Level,
        module: &str,
        text: impl Display,
    ) -> Result<(), BusError> {
        let line = console::log_line(bus, self.started, level, module, text)?;
        self.print(bus, &line)
    }

    /// Looks whether the network core has said which interface it speaks.
    fn look_for_network_core(&mut self, bus: &mut dyn CoreBus, looks: u32) -> Result<(), BusError> {
        let mut note = [0; 8];
        bus.read(IPC_ADDRESS, &mut note)?;
        let [magic @ .., v0, v1, v2, v3] = note;
        let deadline = self.started + NETWORK_LOOKS * NETWORK_POLL;
        if magic == IPC_MAGIC {
            self.network = Network::Settled;
            self.meet_network_core(bus, u32::from_le_bytes([v0, v1, v2, v3]))?;
        } else if looks >= NETWORK_LOOKS && bus.uptime()? >= deadline {
            self.network = Network::Settled;
            self.log(
                bus,
                Level::Warning,
                "ipc",
                "network core does not answer: no radio",
            )?;
        } else {
            self.network = Network::Starting { looks: looks + 1 };
        }
        Ok(())
    }

    fn meet_network_core(&mut self, bus: &mut dyn CoreBus, version: u32) -> Result<(), BusError> {
        let expected = self.model.ipc_version;
        if version == expected {
            self.log(
                bus,
                Level::Info,
                "ipc",
                format_args!("network core ready, IPC version {version}"),
            )?;
            Ok(self.advertise(bus)?)
        } else {
            let text =
                format!("network core speaks IPC version {version}, expected {expected}: no radio");
            self.log(bus, Level::Error, "ipc", text)
        }
    }

    /// Does what has fallen due.
    fn act(&mut self, bus: &mut dyn CoreBus) -> Result<(), BusError> {
        if let Network::Starting { looks } = self.network {
            self.look_for_network_core(bus, looks)?;
        }
        let now = bus.uptime()?;
        if self.failure_at().is_some_and(|due| due <= now) {
            return Err(self.fail(bus)?.into());
        }
        if self.reset_at.is_some_and(|due| due <= now) {
            let recovery = self
                .config
                .and_then(|config| config.serial_recovery.as_ref());
            if self.boot_mode != 0 && recovery.is_some_and(|recovery| recovery.on_boot_mode) {
                bus.write_ram(BOOT_MODE_ADDRESS, &self.boot_mode.to_le_bytes())?;
            }
            return Err(bus.system_reset().into());
        }
        if self.confirm_at.is_some_and(|due| due <= now) {
            self.confirm_at = None;
            let shared: SharedBus<'_> = RefCell::new(&mut *bus);
            let done = SlotServices::new(&shared, self.config).set_confirmed(0);
            let text = match done {
                Ok(()) => "image confirmed",
                Err(super::smp::DeviceError::Stopped(stopped)) => return Err(stopped.into()),
                Err(_) => "image not confirmed: trailer cannot be written",
            };
            self.log(bus, Level::Info, "app", text)?;
        }
        Ok(())
    }

    /// Takes what arrives on the UART until something else falls due, and answers one request.
    fn listen(&mut self, bus: &mut dyn CoreBus) -> Result<(), BusError> {
        let wait = if self.requests.is_empty() {
            self.time_to_next_event(bus.uptime()?)
        } else {
            Duration::ZERO
        };
        let bytes = bus.uart_read(wait)?;
        self.receive(&bytes);
        self.receive_ble(bus)?;
        self.answer(bus)
    }

    fn receive(&mut self, bytes: &[u8]) {
        if !self.model.links.contains(&Link::Uart) {
            return;
        }
        self.decoder.push(bytes);
        while let Some(decoded) = self.decoder.next() {
            // Damaged frames and text get no answer; neither does a request for which no buffer is left.
            if let Decoded::Packet(packet) = decoded
                && self.free_buffers() > 0
            {
                self.requests.push_back((Origin::Uart, packet));
            }
        }
    }

    fn free_buffers(&self) -> usize {
        let used = self.requests.len() + self.reassembly.buffers();
        (self.model.smp.buf_count as usize).saturating_sub(used)
    }

    /// Advertises the SMP service under `CONFIG_BT_DEVICE_NAME`, if the application was built with Bluetooth.
    fn advertise(&self, bus: &mut dyn CoreBus) -> Result<(), Stopped> {
        if !self.model.links.contains(&Link::Ble) {
            return Ok(());
        }
        bus.ble_require_security(self.model.smp.ble_permission.refusal())?;
        bus.ble_advertise(Advertisement {
            name: Some(self.model.name.clone()),
            services: vec![SMP_SERVICE],
        })
    }

    fn receive_ble(&mut self, bus: &mut dyn CoreBus) -> Result<(), Stopped> {
        for event in bus.ble_events()? {
            match event {
                LinkEvent::Connected { link, mtu } => self.central = Some(Central { link, mtu }),
                LinkEvent::Disconnected { .. } => {
                    self.central = None;
                    self.advertise(bus)?;
                }
                LinkEvent::Written {
                    characteristic: SMP_HANDLE,
                    value,
                    ..
                } => {
                    let free = self.free_buffers();
                    let collected = self.reassembly.collect(&value, free);
                    if let (Ok(Some(packet)), Some(central)) = (collected, self.central) {
                        self.requests.push_back((Origin::Ble(central), packet));
                    }
                }
                LinkEvent::Written { .. } | LinkEvent::Subscribed { .. } => {}
            }
        }
        Ok(())
    }

    fn answer(&mut self, bus: &mut dyn CoreBus) -> Result<(), BusError> {
        // The answer needs a buffer of the same pool.
        let exhausted = self.free_buffers() == 0;
        let Some((origin, request)) = self.requests.pop_front() else {
            return Ok(());
        };
        let responses = if exhausted {
            Server::refuse_for_memory(&request).into_iter().collect()
        } else {
            let shared: SharedBus<'_> = RefCell::new(&mut *bus);
            let handled = self
                .server
                .handle(&request, &mut SlotServices::new(&shared, self.config))?;
            if let Some(reset) = handled.reset {
                self.boot_mode = reset.boot_mode;
                self.reset_at = Some(bus.uptime()? + RESET_DELAY);
            }
            handled.responses
        };
        for response in responses {
            match origin {
                Origin::Uart => {
                    let frame = frame::encode(&response)
                        .expect("an answer fits the buffer, so it fits a frame");
                    bus.uart_write(&frame)?;
                }
                Origin::Ble(central) => {
                    for fragment in central.fragments(&response) {
                        bus.ble_notify(central.link, SMP_HANDLE, fragment)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn time_to_next_event(&self, now: Duration) -> Duration {
        let most = match self.network {
            Network::Starting { .. } => NETWORK_POLL,
            Network::Settled => IDLE,
        };
        let due = [self.failure_at(), self.reset_at, self.confirm_at]
            .into_iter()
            .flatten()
            .min();
        due.map_or(most, |due| due.saturating_sub(now).min(most))
    }

    /// When the application fails, in board time.
    fn failure_at(&self) -> Option<Duration> {
        match self.model.behaviour {
            Behaviour::Normal => None,
            Behaviour::Crashes { after_ms, .. } | Behaviour::Hangs { after_ms, .. } => {
                Some(self.started + Duration::from_millis(after_ms.into()))
            }
        }
    }

    /// Fails, and comes back when the core has stopped.
    fn fail(&mut self, bus: &mut dyn CoreBus) -> Result<Stopped, BusError> {
        let way = match self.model.behaviour {
            Behaviour::Normal => return Ok(bus.hang()),
            Behaviour::Hangs { then, .. } => then,
            Behaviour::Crashes { then, .. } => {
                self.print_fault(bus, then)?;
                then
            }
        };
        match way {
            ResetWay::Never => {}
            ResetWay::AtOnce => return Ok(bus.system_reset()),
            ResetWay::Watchdog { timeout_ms } => {
                bus.wait(Duration::from_millis(timeout_ms.into()))?;
                return Ok(bus.watchdog_reset());
            }
        }
        Ok(bus.hang())
    }

    /// What Zephyr prints when it meets a fault it cannot survive (`zephyr kernel/fatal.c`, `arch/arm/core/cortex_m/fault.c`).
    fn print_fault(&mut self, bus: &mut dyn CoreBus, then: ResetWay) -> Result<(), BusError> {
        for text in [
            "***** USAGE FAULT *****",
            "  Attempt to execute undefined instruction",
            ">>> ZEPHYR FATAL ERROR 36: Unknown error on CPU 0",
            "Current thread: 0x20000a88 (main)",
        ] {
            self.log(bus, Level::Error, "os", text)?;
        }
        match then {
            ResetWay::AtOnce => self.log(bus, Level::Error, "fatal_error", "Resetting system"),
            ResetWay::Never | ResetWay::Watchdog { .. } => {
                self.log(bus, Level::Error, "os", "Halting system")
            }
        }
    }
}

fn identity(model: &ApplicationModel, config: Option<&Config>) -> Identity {
    Identity {
        bootloader_mode: config.map_or(-1, |config| match config.mode {
            Mode::SingleSlot => 0,
            Mode::SwapScratch => 1,
            Mode::OverwriteOnly => 2,
            Mode::SwapMove => 3,
            Mode::SwapOffset => 9,
        }),
        no_downgrade: match config.map(|config| config.downgrade_prevention) {
            Some(DowngradePrevention::Version | DowngradePrevention::SecurityCounter) => {
                Feature::On
            }
            Some(DowngradePrevention::None) | None => Feature::Off,
        },
        confirmation: model.confirmation,
    }
}
