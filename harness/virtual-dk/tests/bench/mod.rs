//! What the tests of the virtual DK share: a small firmware, a debugger, serial ports, a supply's client.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary includes it and uses a part of it"
)]

pub mod proxy;

use probe_rs::architecture::arm::dp::DpAddress;
use probe_rs::architecture::arm::memory::ArmMemoryInterface;
use probe_rs::architecture::arm::sequences::{ArmDebugSequence, DefaultArmSequence};
use probe_rs::architecture::arm::{ArmDebugInterface, ArmError, FullyQualifiedApAddress};
use probe_rs::config::{DebugSequence, Registry};
use probe_rs::flashing::{DownloadOptions, FlashProgress};
use probe_rs::probe::list::Lister;
use probe_rs::probe::{DebugProbeError, DebugProbeSelector, Probe, WireProtocol};
use probe_rs::{CoreType, Permissions, Session, Target};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use virtual_dk::bus::{Core, CoreBus, Firmware, Stopped};
use virtual_dk::{Preload, Speed, VirtualDk, VirtualDkOptions};

/// Long enough for any machine; a test that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Says hello with the word at 0x400 of its flash (0x01000400 for the network core), then echoes what it
/// receives in capitals. `N` releases the network core, `R` resets, `H` hangs, `L` locks up, `B` starts a long
/// series of flash writes at offset 0x80000, each after an erase.
pub struct Greeter;

impl Firmware for Greeter {
    fn run(&self, bus: &mut dyn CoreBus) -> Stopped {
        match greet(bus) {
            Ok(never) => never,
            Err(virtual_dk::bus::BusError::Stopped(stopped)) => stopped,
            Err(fault) => panic!("{fault}"),
        }
    }
}

fn greet(bus: &mut dyn CoreBus) -> Result<Stopped, virtual_dk::bus::BusError> {
    let base = flash_base(bus.core());
    let mut word = [0; 4];
    bus.read(base + 0x400, &mut word)?;
    let reasons = bus.reset_reasons()?;
    let hello = format!(
        "{:?} {:08x} reasons {reasons:x}\r\n",
        bus.core(),
        u32::from_le_bytes(word)
    );
    bus.uart_write(hello.as_bytes())?;
    loop {
        for byte in bus.uart_read(Duration::from_secs(1))? {
            match byte {
                b'N' => bus.force_network_off(false)?,
                b'R' => return Ok(bus.system_reset()),
                b'H' => return Ok(bus.hang()),
                b'L' => return Ok(bus.lock_up()),
                b'B' => {
                    for page in 0.. {
                        let address = base + 0x8_0000 + page % 64 * 4096;
                        bus.flash_erase(address, 4096)?;
                        bus.flash_write(address, &[0; 64])?;
                    }
                }
                other => bus.uart_write(&[other.to_ascii_uppercase()])?,
            }
        }
    }
}

pub fn flash_base(core: Core) -> u32 {
    match core {
        Core::App => 0,
        Core::Net => 0x0100_0000,
    }
}

/// A vector table, and a word at 0x400 for the greeting.
pub fn program_of(core: Core, word: u32) -> Vec<u8> {
    let (stack, base) = match core {
        Core::App => (0x2000_8000u32, 0u32),
        Core::Net => (0x2100_8000, 0x0100_0000),
    };
    let mut bytes = vec![0xff; 0x404];
    bytes[0..4].copy_from_slice(&stack.to_le_bytes());
    bytes[4..8].copy_from_slice(&(base + 0x201).to_le_bytes());
    bytes[0x400..].copy_from_slice(&word.to_le_bytes());
    bytes
}

/// A board on which both cores hold the greeter.
pub fn greeting_board() -> VirtualDkOptions {
    let preload = |core, word| Preload {
        core,
        address: flash_base(core),
        data: program_of(core, word),
    };
    VirtualDkOptions {
        speed: Speed::Factor(1000.0),
        preload: vec![preload(Core::App, 0xa1), preload(Core::Net, 0xb1)],
        ..VirtualDkOptions::default()
    }
}

pub fn start(options: VirtualDkOptions) -> VirtualDk {
    VirtualDk::start(options, Arc::new(Greeter)).expect("a virtual DK starts")
}

// ---- The debugger ----

/// Opens the board's probe as the user of a tool does.
pub fn open_probe(dk: &VirtualDk) -> Result<Probe, DebugProbeError> {
    open_selector(&dk.endpoints().probe)
}

pub fn open_selector(selector: &str) -> Result<Probe, DebugProbeError> {
    let selector: DebugProbeSelector = selector.parse().expect("a selector");
    let mut probe = Lister::new().open(selector)?;
    probe.select_protocol(WireProtocol::Swd)?;
    Ok(probe)
}

/// Attaches as a tool does that knows nothing of FORCEOFF after a reset.
pub fn attach_stock(dk: &VirtualDk, permissions: Permissions) -> Result<Session, probe_rs::Error> {
    open_probe(dk)?.attach("nRF5340_xxAA", permissions)
}

/// Attaches as a tool does that releases the network core whenever the application core was reset.
pub fn attach(dk: &VirtualDk) -> Session {
    try_attach(dk, Permissions::new()).expect("a debugger attaches")
}

pub fn try_attach(dk: &VirtualDk, permissions: Permissions) -> Result<Session, probe_rs::Error> {
    open_probe(dk)?.attach(releasing_target(), permissions)
}

/// The chip as probe-rs knows it, with [`ReleasingSequence`].
pub fn releasing_target() -> Target {
    let mut target = Registry::from_builtin_families()
        .get_target_by_name("nRF5340_xxAA")
        .expect("probe-rs knows the chip");
    target.debug_sequence = DebugSequence::Arm(Arc::new(ReleasingSequence));
    target
}

/// The order of things that silicon needs: application core first, FORCEOFF released before the network core is
/// touched and after each reset of the application core.
#[derive(Debug)]
struct ReleasingSequence;

const APP_BUS: FullyQualifiedApAddress = FullyQualifiedApAddress::v1_with_default_dp(0);
const NET_BUS: FullyQualifiedApAddress = FullyQualifiedApAddress::v1_with_default_dp(1);
const APP_CONTROL: FullyQualifiedApAddress = FullyQualifiedApAddress::v1_with_default_dp(2);
const NET_CONTROL: FullyQualifiedApAddress = FullyQualifiedApAddress::v1_with_default_dp(3);

fn release(memory: &mut dyn ArmMemoryInterface) -> Result<(), ArmError> {
    memory.write_word_32(0x5000_5614, 0)?;
    memory.flush()
}

impl ArmDebugSequence for ReleasingSequence {
    fn debug_device_unlock(
        &self,
        interface: &mut dyn ArmDebugInterface,
        _default_ap: &FullyQualifiedApAddress,
        _permissions: &Permissions,
    ) -> Result<(), ArmError> {
        for (bus, control) in [(APP_BUS, APP_CONTROL), (NET_BUS, NET_CONTROL)] {
            if bus == NET_BUS {
                release(&mut *interface.memory_interface(&APP_BUS)?)?;
            }
            if interface.read_raw_ap_register(&bus, 0)? & 0x40 == 0 {
                interface.write_raw_ap_register(&control, 4, 1)?;
                while interface.read_raw_ap_register(&control, 8)? != 0 {}
            }
        }
        release(&mut *interface.memory_interface(&APP_BUS)?)
    }

    fn reset_system(
        &self,
        memory: &mut dyn ArmMemoryInterface,
        core_type: CoreType,
        debug_base: Option<u64>,
    ) -> Result<(), ArmError> {
        let bus = memory.fully_qualified_address();
        DefaultArmSequence::create().reset_system(memory, core_type, debug_base)?;
        if bus == APP_BUS {
            release(memory)?;
        }
        Ok(())
    }
}

/// The debug interface without a session, for what sessions hide.
pub fn with_raw_interface<R>(
    dk: &VirtualDk,
    action: impl FnOnce(&mut dyn ArmDebugInterface) -> Result<R, ArmError>,
) -> Result<R, ArmError> {
    let mut probe = open_probe(dk).expect("the probe opens");
    probe.attach_to_unspecified().expect("the probe is ready");
    let mut interface = probe
        .try_into_arm_debug_interface(DefaultArmSequence::create())
        .map_err(|(_, error)| error)?;
    interface.select_debug_port(DpAddress::Default)?;
    action(&mut *interface)
}

/// Erases, programs and verifies with the chip's flash algorithms.
pub fn flash(
    session: &mut Session,
    parts: &[(u64, &[u8])],
) -> Result<(), probe_rs::flashing::FlashError> {
    let mut loader = session.target().flash_loader();
    for &(address, data) in parts {
        loader.add_data(address, data)?;
    }
    let mut options = DownloadOptions::default();
    options.verify = true;
    options.progress = FlashProgress::empty();
    loader.commit(session, options)
}

/// Bytes that look like nothing in particular.
pub fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

// ---- Serial ports and the supply ----

/// A serial port of the board, as a terminal program has it.
pub struct Serial(serialport::TTYPort);

impl Serial {
    pub fn open(path: &std::path::Path) -> Self {
        let port = serialport::new(path.to_string_lossy(), 115_200)
            .timeout(PATIENCE)
            .open_native()
            .expect("the serial port opens");
        Self(port)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the port takes bytes");
    }

    /// Waits for the rest of a line.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            self.0.read_exact(&mut byte).unwrap_or_else(|error| {
                panic!(
                    "no line after {:?}: {error}",
                    String::from_utf8_lossy(&line)
                )
            });
            match byte[0] {
                b'\n' => return String::from_utf8_lossy(&line).trim_end().to_owned(),
                other => line.push(other),
            }
        }
    }

    pub fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).expect("bytes come");
        bytes
    }
}

/// A client of the power supply.
pub struct Supply(BufReader<TcpStream>);

impl Supply {
    pub fn connect(dk: &VirtualDk) -> Self {
        let socket = TcpStream::connect(&dk.endpoints().power).expect("the supply listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self(BufReader::new(socket))
    }

    pub fn tell(&mut self, command: &str) {
        let line = format!("{command}\n");
        self.0
            .get_mut()
            .write_all(line.as_bytes())
            .expect("the supply takes commands");
    }

    pub fn ask(&mut self, query: &str) -> String {
        self.tell(query);
        let mut line = String::new();
        self.0.read_line(&mut line).expect("the supply answers");
        line.trim_end().to_owned()
    }
}
