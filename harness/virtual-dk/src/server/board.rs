//! One board's state behind its lock, and the threads that its firmware runs on.

use super::core_bus::CoreHandle;
use super::faults::{Fault, Faults};
use super::options::Speed;
use super::radio::Radio;
use crate::bus::{Core, Firmware};
use crate::chip::{Chip, Power, Start, index};
use hil_clock::{Instant, SharedClock};
use rustix::event::{EventfdFlags, eventfd};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::watch;

/// The largest write of the QSPI peripheral is 2 MiB, in pages of 256 bytes.
const MOST_STEPS: usize = 10_000;

/// What a UART has in hand between the firmware and the serial port.
#[derive(Debug, Default)]
pub(super) struct UartBuffers {
    /// From the board to the host.
    pub(super) to_host: VecDeque<u8>,
    /// From the host to the board.
    pub(super) to_board: VecDeque<u8>,
    /// The host does not take bytes: what the board sends is lost, as on a wire.
    pub(super) stalled: bool,
}

/// What everything on the board shares.
pub(super) struct State {
    pub(super) chip: Chip,
    pub(super) uarts: [UartBuffers; 2],
    pub(super) radio: Radio,
    firmware_threads: Vec<JoinHandle<()>>,
    /// When power last came.
    powered_at: Instant,
    /// The debugger, where it has its power from the board.
    usb: Supplied,
    /// When it last came on USB or left it.
    usb_at: Instant,
    /// Board time since then that nobody waited for.
    pub(super) skipped: Duration,
}

/// Whether the debugger of a board that has its power from it is on USB, and since which time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Supplied {
    pub(super) on: bool,
    /// How often it came there.
    pub(super) power_ups: u64,
}

/// One virtual board.
pub(super) struct Board {
    pub(super) name: String,
    /// What its time follows.
    pub(super) clock: SharedClock,
    pub(super) speed: Speed,
    /// A UART with a rate holds few bytes: they go at that rate.
    pub(super) uart_capacity: usize,
    state: Mutex<State>,
    /// Something a firmware thread may be waiting for has happened.
    wakeup: Condvar,
    firmware: Arc<dyn Firmware>,
    /// Counters that become readable when a UART's thread has something to do: bytes for the host, or room
    /// for bytes from it.
    uart_wakeups: [OwnedFd; 2],
    /// For those who wait for power or its loss without a thread.
    supplied: watch::Sender<Supplied>,
    /// What is wrong around it.
    faults: Faults,
    stopping: AtomicBool,
}

impl Board {
    pub(super) fn new(
        name: String,
        chip: Chip,
        clock: SharedClock,
        speed: Speed,
        uart_capacity: usize,
        firmware: Arc<dyn Firmware>,
    ) -> io::Result<Self> {
        let wakeup = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        Ok(Self {
            name,
            speed,
            uart_capacity,
            state: Mutex::new(State {
                chip,
                uarts: Default::default(),
                radio: Radio::default(),
                firmware_threads: Vec::new(),
                powered_at: clock.now(),
                usb: Supplied::default(),
                usb_at: clock.now(),
                skipped: Duration::ZERO,
            }),
            clock,
            wakeup: Condvar::new(),
            firmware,
            uart_wakeups: [wakeup()?, wakeup()?],
            supplied: watch::Sender::default(),
            faults: Faults::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Readable when [`wake_uart`](Self::wake_uart) was called.
    pub(super) fn uart_wakeup(&self, core: Core) -> &OwnedFd {
        &self.uart_wakeups[index(core)]
    }

    /// Makes the UART's thread look at its buffers.
    pub(super) fn wake_uart(&self, core: Core) {
        // It only fails when the counter is full, and then the thread is awake.
        let _ = rustix::io::write(self.uart_wakeup(core), &1u64.to_ne_bytes());
    }

    /// The board is being shut down.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Makes everything that serves the board end soon.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for core in [Core::App, Core::Net] {
            self.wake_uart(core);
        }
        self.wake();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something happens on the board, or for `at_most`.
    pub(super) fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        at_most: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        match at_most {
            None => self
                .wakeup
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(duration) => {
                let waited = self.wakeup.wait_timeout(state, duration);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    pub(super) fn wake(&self) {
        self.wakeup.notify_all();
    }

    /// Does something to the chip, then starts and wakes whatever firmware that concerns.
    pub(super) fn with_chip<R>(self: &Arc<Self>, action: impl FnOnce(&mut Chip) -> R) -> R {
        let mut state = self.lock();
        self.set_now(&mut state);
        let result = action(&mut state.chip);
        if self.speed == Speed::Instant {
            self.skip_external(&mut state);
        }
        self.settle(&mut state);
        result
    }

    /// Tells the chip the board's time.
    pub(super) fn set_now(&self, state: &mut State) {
        let now = self.uptime(state);
        state.chip.set_now(now);
    }

    /// Lets the external flash end what it does without anybody waiting for it.
    fn skip_external(&self, state: &mut State) {
        // A task has at most a step for each page of the flash and some around it.
        for _ in 0..MOST_STEPS {
            let left = state
                .chip
                .external_idle_at()
                .saturating_sub(self.uptime(state));
            if left.is_zero() {
                break;
            }
            state.skipped += left;
            self.set_now(state);
        }
    }

    /// To be called after each change of the chip.
    pub(super) fn settle(self: &Arc<Self>, state: &mut State) {
        if !state.chip.take_changed() {
            return;
        }
        state.radio.settle(&state.chip);
        for start in state.chip.take_starts() {
            self.start_firmware(state, start);
        }
        if state.chip.power() == Power::Off {
            for core in [Core::App, Core::Net] {
                let uart = &mut state.uarts[index(core)];
                if !uart.to_board.is_empty() || !uart.to_host.is_empty() {
                    uart.to_board.clear();
                    uart.to_host.clear();
                    self.wake_uart(core);
                }
            }
        }
        self.wake();
    }

    pub(super) fn set_power(self: &Arc<Self>, power: Power) {
        let mut state = self.lock();
        if state.chip.power() == power {
            return;
        }
        state.powered_at = self.clock.now();
        state.skipped = Duration::ZERO;
        state.chip.set_power(power);
        self.settle(&mut state);
        self.settle_usb(&mut state);
    }

    /// Whether something is wrong around the board.
    pub(super) fn has(&self, fault: Fault) -> bool {
        self.faults.has(fault)
    }

    /// Begins or ends something that is wrong around the board.
    pub(super) fn set_fault(&self, fault: Fault, wrong: bool) {
        let mut state = self.lock();
        self.faults.set(fault, wrong);
        self.settle_usb(&mut state);
        self.wake();
    }

    /// Tells those who wait for the debugger of a board that goes away with its power or its cable.
    fn settle_usb(&self, state: &mut State) {
        let on = state.chip.power() == Power::On && !self.has(Fault::Unplugged);
        if on != state.usb.on {
            state.usb.on = on;
            state.usb.power_ups += u64::from(on);
            state.usb_at = self.clock.now();
            self.supplied.send_replace(state.usb);
        }
        for core in [Core::App, Core::Net] {
            self.wake_uart(core);
        }
    }

    /// Which time the debugger is on USB, and how long; `None` while it is not.
    pub(super) fn on_usb(&self, state: &State) -> Option<(u64, Duration)> {
        let for_so_long = self.clock.now().saturating_since(state.usb_at);
        state.usb.on.then_some((state.usb.power_ups, for_so_long))
    }

    /// Tells of power that comes and goes.
    pub(super) fn supplied(&self) -> watch::Receiver<Supplied> {
        self.supplied.subscribe()
    }

    /// Board time since power-up.
    pub(super) fn uptime(&self, state: &State) -> Duration {
        self.speed
            .on_board(self.clock.now().saturating_since(state.powered_at))
            + state.skipped
    }

    fn start_firmware(self: &Arc<Self>, state: &mut State, start: Start) {
        state
            .firmware_threads
            .retain(|thread| !thread.is_finished());
        // What the host sent to the firmware before is not for this one.
        state.uarts[index(start.core)].to_board.clear();
        self.wake_uart(start.core);
        let board = Arc::clone(self);
        let label = match start.core {
            Core::App => "app",
            Core::Net => "net",
        };
        let spawned = thread::Builder::new()
            .name(format!("{}-{label}", self.name))
            .spawn(move || board.run_firmware(start));
        match spawned {
            Ok(thread) => state.firmware_threads.push(thread),
            Err(error) => {
                tracing::error!(board = self.name, core = ?start.core, %error, "no thread for firmware: lock-up");
                state.chip.lock_up_firmware(start.core);
            }
        }
    }

    fn run_firmware(self: Arc<Self>, start: Start) {
        let mut bus = CoreHandle::new(Arc::clone(&self), start.core, start.epoch);
        let ended = catch_unwind(AssertUnwindSafe(|| self.firmware.run(&mut bus)));
        if ended.is_err() {
            tracing::error!(board = self.name, core = ?start.core, "model firmware panicked: lock-up");
            let mut state = self.lock();
            if state.chip.epoch(start.core) == start.epoch {
                state.chip.lock_up_firmware(start.core);
                self.settle(&mut state);
            }
        }
    }

    /// Takes the power away and waits until no firmware runs any more.
    pub(super) fn shut_down(self: &Arc<Self>) {
        self.set_power(Power::Off);
        loop {
            let threads = std::mem::take(&mut self.lock().firmware_threads);
            if threads.is_empty() {
                return;
            }
            for thread in threads {
                // A panic of firmware was reported where it happened.
                let _ = thread.join();
            }
        }
    }
}
