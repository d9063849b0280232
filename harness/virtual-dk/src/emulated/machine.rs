//! QEMU's machine with its two ways in: started with a flash, and ended with what the flash holds then.

use super::gdb::Gdb;
use super::process::Process;
use super::qtest::Qtest;
use hil_clock::{Clock, SharedClock};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Flash of the chip in bytes, and of a page (nRF51822 QFAA; FICR.CODESIZE and CODEPAGESIZE say the same).
pub(super) const FLASH: usize = 0x4_0000;
pub(super) const PAGE: usize = 0x400;

/// NVMC of the nRF51 (nRF51 Series Reference Manual 3.0, NVMC).
const CONFIG: u32 = 0x4001_e504;
const ERASEALL: u32 = 0x4001_e50c;
const CONFIG_READ: u32 = 0;
const CONFIG_WRITE: u32 = 1;
const CONFIG_ERASE: u32 = 2;
/// UART0.INTENSET and its bit for a byte that arrived.
const UART_INTENSET: u32 = 0x4000_2304;
const UART_RXDRDY: u32 = 1 << 2;

/// How long QEMU may take until its sockets are there.
const STARTS_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

/// Why the emulator does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// It cannot be started.
    #[error("cannot start `{}`", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It did not open its sockets.
    #[error("QEMU did not start within {within:?}: {said}")]
    Silent {
        /// How long it was waited for.
        within: Duration,
        /// What it said.
        said: String,
    },
    /// It has ended.
    #[error("QEMU has ended")]
    Gone,
    /// It answers what it should not.
    #[error("QEMU answers `{0}`")]
    Answer(String),
    /// A socket.
    #[error("the connection to QEMU")]
    Io(#[from] io::Error),
}

impl EmulatorError {
    /// What a person can try.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Start { .. } => {
                "install QEMU (Debian: `apt-get install qemu-system-arm`), or name its program in the rig file: \
                 `qemu: { program: PATH }`"
            }
            Self::Silent { .. } | Self::Gone | Self::Answer(_) | Self::Io(_) => {
                "try it with QEMU 7.2, with which this was made; firmware that locks its core up ends QEMU"
            }
        }
    }
}

/// A machine that has power. Dropped, it is gone with its flash.
#[derive(Debug)]
pub(super) struct Machine {
    process: Process,
    pub(super) core: Gdb,
    pub(super) bus: Qtest,
}

impl Machine {
    /// Starts one whose flash holds `flash`, with its core at the reset vector. Also the connection to its UART.
    pub(super) fn start(
        program: &Path,
        folder: &Path,
        flash: &[u8],
        clock: &SharedClock,
    ) -> Result<(Self, UnixStream), EmulatorError> {
        let socket = |name: &str| folder.join(name);
        let names = ["gdb", "qtest", "uart"];
        for name in names {
            // Of the machine before.
            let _ = std::fs::remove_file(socket(name));
        }
        let server = |name| format!("unix:{},server=on,wait=off", socket(name).display());
        let mut process = Process::start(
            Command::new(program)
                .args(["-machine", "microbit", "-S", "-nodefaults"])
                .args(["-display", "none", "-monitor", "none"])
                .args(["-serial", &server("uart")])
                .args(["-gdb", &server("gdb")])
                .args(["-qtest", &server("qtest"), "-qtest-log", "none"]),
        )?;
        let mut connect = |name| connect(&socket(name), &mut process, &**clock);
        let [core, bus, uart] = names.map(&mut connect);
        let (core, bus, uart) = (core?, bus?, uart?);
        let mut machine = Self {
            process,
            core: Gdb::new(core)?,
            bus: Qtest::new(bus)?,
        };
        machine.load(flash)?;
        machine.core.reset()?;
        Ok((machine, uart))
    }

    /// Makes the flash of a new machine hold this.
    fn load(&mut self, flash: &[u8]) -> Result<(), EmulatorError> {
        // A new one holds zeros.
        self.bus.write_word(CONFIG, CONFIG_ERASE)?;
        self.bus.write_word(ERASEALL, 1)?;
        self.bus.write_word(CONFIG, CONFIG_WRITE)?;
        for (address, page) in (0..).step_by(PAGE).zip(flash.chunks(PAGE)) {
            if page.iter().any(|&byte| byte != 0xff) {
                self.bus.write(address, page)?;
            }
        }
        self.bus.write_word(CONFIG, CONFIG_READ)?;
        let held = self.bus.read(0, FLASH)?;
        if held == flash {
            Ok(())
        } else {
            Err(EmulatorError::Answer("another flash".to_owned()))
        }
    }

    /// All of its flash.
    pub(super) fn flash(&mut self) -> Result<Vec<u8>, EmulatorError> {
        self.bus.read(0, FLASH)
    }

    /// Whether firmware takes bytes from the UART: its interrupt for them is enabled. QEMU's UART never brings another byte when
    /// some came before (qemu `hw/char/nrf51_uart.c`); on a wire they would be lost.
    pub(super) fn hears(&mut self) -> bool {
        let enabled = self.bus.read_word(UART_INTENSET);
        enabled.is_ok_and(|enabled| enabled & UART_RXDRDY != 0)
    }

    /// Whether it still runs.
    pub(super) fn is_there(&mut self) -> bool {
        self.process.is_there()
    }

    /// What it said before it ended.
    pub(super) fn last_words(&mut self) -> String {
        self.process.last_words()
    }
}

fn connect(
    socket: &Path,
    process: &mut Process,
    clock: &dyn Clock,
) -> Result<UnixStream, EmulatorError> {
    let deadline = clock.now() + STARTS_WITHIN;
    loop {
        if let Ok(stream) = UnixStream::connect(socket) {
            return Ok(stream);
        }
        if !process.is_there() || clock.now() >= deadline {
            return Err(EmulatorError::Silent {
                within: STARTS_WITHIN,
                said: process.last_words(),
            });
        }
        clock.sleep(POLL);
    }
}
