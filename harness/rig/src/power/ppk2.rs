//! Nordic's Power Profiler Kit II: a supply (or a switch in the line of another one) that measures microamperes.
//!
//! It is a serial port on USB with commands of one byte and arguments; it acknowledges nothing, so what it did is only
//! known from what flows. Source: `IRNAS/ppk2-api-python src/ppk2_api/ppk2_api.py`. Not tried on a real one yet.

mod measure;

use super::wire::{Missed, Place, WITHIN, Wire};
use super::{PowerKind, PowerState, PowerSwitch};
use crate::error::{Purpose, RigError};
use crate::file::{Ppk2Mode, UartSpec};
use hil_clock::{Clock, SharedClock};
use measure::{Calibration, SAMPLE};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Commands.
mod command {
    pub(super) const AVERAGE_START: u8 = 0x06;
    pub(super) const AVERAGE_STOP: u8 = 0x07;
    pub(super) const DEVICE_RUNNING_SET: u8 = 0x0c;
    pub(super) const REGULATOR_SET: u8 = 0x0d;
    pub(super) const SET_POWER_MODE: u8 = 0x11;
    pub(super) const GET_META_DATA: u8 = 0x19;
}

/// Arguments of SET_POWER_MODE.
const AMPERE_METER: u8 = 1;
const SOURCE_METER: u8 = 2;

/// What its description ends with.
const END: &[u8] = b"END";
/// It has about 600 bytes.
const LONGEST_DESCRIPTION: usize = 4096;
/// Samples of one reading, of 100,000 a second: 2 ms. Ours, to average over the switching of its ranges.
const SAMPLES: usize = 200;
/// How long the port must be silent for what was sent before to be over; our choice.
const QUIET: Duration = Duration::from_millis(30);
/// More bytes than this before it is silent are no PPK2's: two seconds of samples.
const MOST_STALE: usize = 1 << 20;

/// The PPK2 of one board.
#[derive(Debug)]
pub(crate) struct Ppk2Switch {
    board: String,
    place: Place,
    mode: Ppk2Mode,
    clock: SharedClock,
    connection: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    wire: Wire,
    calibration: Calibration,
}

impl Ppk2Switch {
    pub(crate) fn new(board: &str, port: UartSpec, mode: Ppk2Mode, clock: SharedClock) -> Self {
        Self {
            board: board.to_owned(),
            place: Place::Serial(port),
            mode,
            clock,
            connection: Mutex::new(None),
        }
    }

    /// Runs `job` on the open PPK2. One that failed is opened anew for the next job.
    fn with<T>(&self, job: impl FnOnce(&mut Open) -> Result<T, RigError>) -> Result<T, RigError> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let open = match connection.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let result = job(connection.insert(open));
        if result.is_err() {
            *connection = None;
        }
        result
    }

    fn open(&self) -> Result<Open, RigError> {
        let mut wire = self.place.open(&self.board, Purpose::Power)?;
        // It may still be measuring for somebody who went away.
        self.send(&mut wire, &[command::AVERAGE_STOP], "AVERAGE_STOP")?;
        self.drain(&mut wire, "AVERAGE_STOP")?;
        self.send(&mut wire, &[command::GET_META_DATA], "GET_META_DATA")?;
        let description = self.description(&mut wire)?;
        let calibration = Calibration::parse(&description, self.mode.millivolts())
            .map_err(|problem| self.answer_error("GET_META_DATA", problem))?;
        let millivolts = self.mode.millivolts();
        let [high, low] = millivolts.to_be_bytes();
        let mode = match self.mode {
            Ppk2Mode::Source { .. } => SOURCE_METER,
            Ppk2Mode::Ampere { .. } => AMPERE_METER,
        };
        self.send(
            &mut wire,
            &[command::REGULATOR_SET, high, low],
            "REGULATOR_SET",
        )?;
        self.send(
            &mut wire,
            &[command::SET_POWER_MODE, mode],
            "SET_POWER_MODE",
        )?;
        Ok(Open { wire, calibration })
    }

    fn send(&self, wire: &mut Wire, bytes: &[u8], sent: &str) -> Result<(), RigError> {
        wire.write(bytes)
            .map_err(|_| self.answer_error(sent, "it does not take bytes any more".to_owned()))
    }

    /// Reads until nothing comes any more.
    fn drain(&self, wire: &mut Wire, sent: &str) -> Result<(), RigError> {
        let mut stale = 0;
        let mut buffer = [0; 4096];
        while stale < MOST_STALE {
            let deadline = self.clock.now() + QUIET;
            match wire.read(&mut buffer, deadline, &*self.clock) {
                Ok(length) => stale += length,
                Err(Missed::Silent) => return Ok(()),
                Err(Missed::Closed) => return Err(self.gone(sent)),
            }
        }
        Err(self.answer_error(sent, "it does not stop sending".to_owned()))
    }

    fn description(&self, wire: &mut Wire) -> Result<String, RigError> {
        let sent = "GET_META_DATA";
        let deadline = self.clock.now() + WITHIN;
        let mut text = Vec::new();
        let mut buffer = [0; 512];
        while !text.windows(END.len()).any(|window| window == END) {
            if text.len() > LONGEST_DESCRIPTION {
                let problem = format!("its description is longer than {LONGEST_DESCRIPTION} bytes");
                return Err(self.answer_error(sent, problem));
            }
            match wire.read(&mut buffer, deadline, &*self.clock) {
                Ok(length) => text.extend_from_slice(&buffer[..length]),
                Err(Missed::Silent) => {
                    let problem = format!("no description within {WITHIN:?}");
                    return Err(self.answer_error(sent, problem));
                }
                Err(Missed::Closed) => return Err(self.gone(sent)),
            }
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn samples(&self, open: &mut Open) -> Result<f64, RigError> {
        let sent = "AVERAGE_START";
        let deadline = self.clock.now() + WITHIN;
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while bytes.len() < SAMPLES * SAMPLE {
            match open.wire.read(&mut buffer, deadline, &*self.clock) {
                Ok(length) => bytes.extend_from_slice(&buffer[..length]),
                Err(Missed::Silent) => {
                    let problem = format!(
                        "{} samples within {WITHIN:?}, expected {SAMPLES}",
                        bytes.len() / SAMPLE
                    );
                    return Err(self.answer_error(sent, problem));
                }
                Err(Missed::Closed) => return Err(self.gone(sent)),
            }
        }
        Ok(open.calibration.average(&bytes[..SAMPLES * SAMPLE]))
    }

    fn gone(&self, sent: &str) -> RigError {
        self.answer_error(sent, "its serial port went away".to_owned())
    }

    fn answer_error(&self, sent: &str, problem: String) -> RigError {
        RigError::InstrumentAnswer {
            board: self.board.clone(),
            purpose: Purpose::Power,
            address: self.place.to_string(),
            sent: sent.to_owned(),
            problem,
        }
    }
}

impl PowerSwitch for Ppk2Switch {
    fn switch(&self, to: PowerState) -> Result<(), RigError> {
        let running = u8::from(to == PowerState::On);
        self.with(|open| {
            let bytes = [command::DEVICE_RUNNING_SET, running];
            self.send(&mut open.wire, &bytes, "DEVICE_RUNNING_SET")
        })
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn kind(&self) -> PowerKind {
        PowerKind::Ppk2
    }

    fn current(&self) -> Result<Option<f64>, RigError> {
        self.with(|open| {
            self.send(&mut open.wire, &[command::AVERAGE_START], "AVERAGE_START")?;
            let amperes = self.samples(open);
            self.send(&mut open.wire, &[command::AVERAGE_STOP], "AVERAGE_STOP")?;
            self.drain(&mut open.wire, "AVERAGE_STOP")?;
            amperes.map(Some)
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::fake_port::FakePort;
    use super::*;
    use hil_clock::SystemClock;
    use std::sync::Arc;
    use std::thread::JoinHandle;

    const DESCRIPTION: &str = "Calibrated: 0\nR0: 1000.0\nR1: 100.0\nR2: 10.0\nR3: 1.0\nR4: 0.05\nGS0: 1.0\n\
        O0: 100.0\nO3: 20.0\nGI0: 1.0\nS0: 0.0\nI0: 0.0\nUG3: 1.0\nHW: 9173\nmode: 2\nVDD: 3000\nIA: 49\nEND\n";

    /// A PPK2 that draws so many ADC counts in range 3 when its output is on, until the port is closed by sending 0xff.
    /// Gives what it was told.
    fn ppk2(counts: u32, description: &'static str) -> (UartSpec, JoinHandle<Vec<u8>>) {
        let mut port = FakePort::open();
        let spec = port.spec();
        let device = std::thread::spawn(move || {
            let mut told = Vec::new();
            let mut on = false;
            let next = |port: &mut FakePort| port.read_until(|heard| heard.len() == 1)[0];
            loop {
                let command = next(&mut port);
                let arguments = match command {
                    0xff => return told,
                    command::REGULATOR_SET => 2,
                    command::SET_POWER_MODE | command::DEVICE_RUNNING_SET => 1,
                    _ => 0,
                };
                told.push(command);
                for _ in 0..arguments {
                    told.push(next(&mut port));
                }
                match command {
                    command::GET_META_DATA => port.write(description.as_bytes()),
                    command::DEVICE_RUNNING_SET => on = told.last() == Some(&1),
                    command::AVERAGE_START => {
                        let counts = if on { counts } else { 5 };
                        let sample = (counts | 3 << 14).to_le_bytes();
                        port.write(&sample.repeat(250));
                    }
                    _ => {}
                }
            }
        });
        (spec, device)
    }

    fn switch(spec: UartSpec) -> Ppk2Switch {
        let clock = Arc::new(SystemClock::new());
        Ppk2Switch::new("left", spec, Ppk2Mode::Source { millivolts: 3000 }, clock)
    }

    /// Ends the device, which may be gone before all of this is through.
    fn hang_up(power: &Ppk2Switch) {
        drop(power.with(|open| power.send(&mut open.wire, &[0xff], "the end")));
    }

    #[test]
    fn it_is_set_up_once_and_then_switches() {
        let (spec, device) = ppk2(0, DESCRIPTION);
        let power = switch(spec);
        power.on().unwrap();
        power.off().unwrap();
        hang_up(&power);
        assert_eq!(
            device.join().unwrap(),
            [0x07, 0x19, 0x0d, 0x0b, 0xb8, 0x11, 2, 0x0c, 1, 0x0c, 0],
            "stop, describe, 3000 mV, source, on, off"
        );
    }

    #[test]
    fn the_current_is_that_of_its_calibration() {
        // (4 * 100 - 20) * 1.8 / 163840 / 1.0 ohm, and the square of that.
        let (spec, device) = ppk2(100, DESCRIPTION);
        let power = switch(spec);
        power.on().unwrap();
        let on = power.current().unwrap().unwrap();
        power.off().unwrap();
        let off = power.current().unwrap().unwrap();
        hang_up(&power);
        device.join().unwrap();
        assert!((on - 0.004_192_2).abs() < 1e-6, "{on}");
        assert!(off.abs() < 1e-6, "{off}");
    }

    #[test]
    fn a_device_that_describes_itself_otherwise_is_no_ppk2() {
        let (spec, _device) = ppk2(0, "Hello!\nEND");
        let path = match &spec.port {
            crate::file::UartPortSpec::Path(path) => path.display().to_string(),
            crate::file::UartPortSpec::Usb { .. } => String::new(),
        };
        let error = switch(spec)
            .on()
            .unwrap_err()
            .to_string()
            .replace(&path, "PORT");
        insta::assert_snapshot!(error, @"power supply of board `left` at PORT: sent `GET_META_DATA`, its description has no `R0`, expected the calibration of a PPK2");
    }
}
