//! What flash must result: a board in memory to which things are done, and which explains each boot.
//!
//! ```
//! use hil_bootloader::predict::{Action, Board};
//! # use hil_bootloader::*;
//! # let area = |offset| Area { device: DeviceId::AppFlash, offset, size: 0x8000 };
//! # let slots = ImageSlots { primary: area(0x8000), secondary: area(0x10000) };
//! # let config = Config::new(Mode::SwapMove, Signature::None, slots);
//! let flash = SimFlash::new().with_device(DeviceId::AppFlash, 0x20000, 4, 0x1000);
//! let mut board = Board::new(&config, Keys::default(), flash);
//! let step = board.apply(&Action::Reset)?;
//! println!("{step}");
//! # Ok::<(), hil_bootloader::predict::PredictError>(())
//! ```

mod application;
mod compare;
mod forecast;
mod place;
mod recovery;
mod server;
mod unsure;

pub use application::{Request, Sent};
pub use compare::{Comparison, Difference, Match, Mismatch};
pub use forecast::Forecast;
pub use place::Place;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use thiserror::Error;

use crate::b0n::{self, AppMemory, B0nConfig, B0nOutcome, VersionCommand};
use crate::config::{Config, Keys, NetworkCore};
use crate::flash::{Area, DeviceId, Flash, FlashError};
use crate::loader::boot_recalling;
use crate::log::LogLine;
use crate::marks::{MarkError, Pending, set_confirmed, set_pending};
use crate::network::RAM_FLASH_ADDRESS;
use crate::outcome::Outcome;
use crate::pcd::{NetworkPower, PcdBoard, Waited};
use crate::recall::Recall;
use crate::recovery::hand_over_recovered;
use crate::sim::{Counts, Cut, SimFlash};

/// Something that is done to a board.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Bytes are put into flash, as a programmer or an upload does: sets bits too, and is no flash operation of the
    /// bootloader.
    Program {
        /// The device.
        device: DeviceId,
        /// First byte, from the start of the device.
        offset: u32,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Flash is erased, as an upload does before it writes.
    Erase {
        /// The device.
        device: DeviceId,
        /// First byte, from the start of the device.
        offset: u32,
        /// Length in bytes.
        length: u32,
    },
    /// The application makes a request.
    Mark {
        /// Image number.
        image: usize,
        /// What it asks for.
        mark: Mark,
    },
    /// The application's SMP server takes an image, as one that erases at the first chunk.
    Upload {
        /// SMP image number.
        image: usize,
        /// All of it.
        file: Vec<u8>,
    },
    /// The application's SMP server erases a slot.
    EraseSlot {
        /// The slot.
        slot: Area,
    },
    /// The board starts: MCUboot runs, then b0n where there is a network core.
    Reset,
    /// The board starts, and the power fails at a flash operation of the bootloaders.
    ResetAndCut(Cut),
}

/// What an application asks of MCUboot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mark {
    /// Run the image in the secondary slot once.
    Test,
    /// Run the image in the secondary slot from now on.
    Permanent,
    /// Keep the running image.
    Confirmed,
}

/// What one action came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// The action, in words.
    pub action: String,
    /// How the boot went; `None` when there was none, or when the power failed in it.
    pub outcome: Option<Outcome>,
    /// What b0n came to at the end of the boot; `None` without a network core or without a running application.
    pub network: Option<B0nOutcome>,
    /// MCUboot's console lines.
    pub console: Vec<LogLine>,
    /// Flash operations of the bootloaders.
    pub counts: Counts,
    /// Whether the power failed.
    pub cut: bool,
}

impl fmt::Display for Step {
    /// The action, and under it each decision with its reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        if self.cut {
            write!(
                f,
                "\n  power failed after {} flash operations",
                self.counts.ops()
            )?;
        }
        if let Some(outcome) = &self.outcome {
            for decision in &outcome.decisions {
                write!(f, "\n  {decision}")?;
            }
            write!(f, "\n  {}", outcome.result)?;
        }
        match &self.network {
            None => Ok(()),
            Some(B0nOutcome::Boot { vector_table }) => {
                write!(f, "\n  network core: starts at {vector_table:#010x}")
            }
            Some(B0nOutcome::Done(_)) => write!(f, "\n  network core: update done"),
            Some(B0nOutcome::Failed { reason }) => write!(f, "\n  network core: failed, {reason}"),
            Some(B0nOutcome::Fault) => write!(f, "\n  network core: has no application"),
        }
    }
}

/// Why an action cannot be predicted.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum PredictError {
    /// The range does not lie in the device.
    #[error("`{device}` has no bytes {offset:#010x}..+{length:#x}")]
    OutOfRange {
        /// The device.
        device: DeviceId,
        /// First byte, from the start of the device.
        offset: u32,
        /// Length in bytes.
        length: usize,
    },
    /// The request of the application was refused, as it would be on the board.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// Flash failed for another reason than the cut that was asked for.
    #[error(transparent)]
    Flash(#[from] FlashError),
}

/// A board in memory: flash of both cores and the RAM that the cores share.
#[derive(Debug)]
pub struct Board<'a> {
    config: &'a Config,
    keys: Keys,
    recall: Recall,
    parts: Rc<RefCell<Parts>>,
}

#[derive(Debug)]
struct Parts {
    flash: SimFlash,
    ram: Vec<u8>,
    b0n: B0nConfig,
    network: Option<B0nOutcome>,
    network_power: NetworkPower,
}

/// Start and length of the RAM region that both cores reach (`pcd_sram`).
const RAM_START: u32 = 0x2000_0000;
const RAM_SIZE: usize = 0x2000;

impl<'a> Board<'a> {
    /// A board with these contents. What the application core's flash holds is not looked at until it is reset.
    #[must_use]
    pub fn new(config: &'a Config, keys: Keys, flash: SimFlash) -> Self {
        let b0n = B0nConfig {
            slot: config.network_slot,
            least_version: config.b0n.least_version,
            version_command: if config.b0n.version_command {
                VersionCommand::Answered
            } else {
                VersionCommand::Ignored
            },
        };
        let parts = Parts {
            flash,
            ram: vec![0; RAM_SIZE],
            b0n,
            network: None,
            network_power: NetworkPower::Held,
        };
        Self {
            config,
            keys,
            recall: Recall::new(),
            parts: Rc::new(RefCell::new(parts)),
        }
    }

    /// A copy of the flash as it is now.
    #[must_use]
    pub fn flash(&self) -> SimFlash {
        self.parts.borrow().flash.clone()
    }

    /// Takes the flash away; the board has none until [`load`](Self::load).
    #[must_use]
    pub fn take_flash(&mut self) -> SimFlash {
        std::mem::take(&mut self.parts.borrow_mut().flash)
    }

    /// Puts other flash on the board, which has been without power meanwhile.
    pub fn load(&mut self, flash: SimFlash) {
        let mut parts = self.parts.borrow_mut();
        parts.flash = flash;
        parts.ram.fill(0);
    }

    /// Does one thing to the board.
    ///
    /// # Errors
    /// The action cannot be done on a real board either.
    pub fn apply(&mut self, action: &Action) -> Result<Step, PredictError> {
        match action {
            Action::Program {
                device,
                offset,
                bytes,
            } => {
                self.edit(*device, *offset, bytes)?;
                Ok(Step::quiet(format!(
                    "{} bytes put at {offset:#010x} of {device}",
                    bytes.len()
                )))
            }
            Action::Erase {
                device,
                offset,
                length,
            } => {
                self.edit(
                    *device,
                    *offset,
                    &vec![crate::pages::ERASED; *length as usize],
                )?;
                Ok(Step::quiet(format!(
                    "{length} bytes erased at {offset:#010x} of {device}"
                )))
            }
            Action::Mark { image, mark } => {
                let flash = &mut self.parts.borrow_mut().flash;
                flash.power_up();
                let words = match mark {
                    Mark::Test => {
                        set_pending(self.config, flash, *image, Pending::Test)?;
                        "pending for a test"
                    }
                    Mark::Permanent => {
                        set_pending(self.config, flash, *image, Pending::Permanent)?;
                        "pending for good"
                    }
                    Mark::Confirmed => {
                        set_confirmed(self.config, flash, *image)?;
                        "confirmed"
                    }
                };
                Ok(Step::quiet(format!("image {image} marked {words}")))
            }
            Action::Upload { image, file } => {
                let flash = &mut self.parts.borrow_mut().flash;
                flash.power_up();
                server::upload(self.config, flash, *image, file)?;
                Ok(Step::quiet(format!(
                    "{} bytes uploaded to image {image}",
                    file.len()
                )))
            }
            Action::EraseSlot { slot } => {
                let flash = &mut self.parts.borrow_mut().flash;
                flash.power_up();
                server::erase(self.config, flash, *slot)?;
                Ok(Step::quiet("a slot erased over SMP".to_owned()))
            }
            Action::Reset => self.reset(None),
            Action::ResetAndCut(cut) => self.reset(Some(*cut)),
        }
    }

    /// Does several things, one after the other.
    ///
    /// # Errors
    /// The first action that cannot be done.
    pub fn apply_all(&mut self, actions: &[Action]) -> Result<Vec<Step>, PredictError> {
        actions.iter().map(|action| self.apply(action)).collect()
    }

    fn edit(&self, device: DeviceId, offset: u32, bytes: &[u8]) -> Result<(), PredictError> {
        let flash = &mut self.parts.borrow_mut().flash;
        let end = (offset as usize).checked_add(bytes.len());
        if end.is_none_or(|end| end > flash.size(device)) {
            return Err(PredictError::OutOfRange {
                device,
                offset,
                length: bytes.len(),
            });
        }
        flash.edit(device, offset, bytes);
        Ok(())
    }

    /// Serial recovery has put a file into its slot in RAM and has b0n copy it; what b0n came to, if it was asked.
    pub(crate) fn recover_network(
        &mut self,
        slot: Area,
        file: &[u8],
    ) -> Result<Option<B0nOutcome>, PredictError> {
        {
            let mut parts = self.parts.borrow_mut();
            parts.flash.power_up();
            parts.network = None;
            parts.network_power = NetworkPower::Held;
            let flash = std::mem::take(&mut parts.flash);
            let size = slot.offset.saturating_add(slot.size);
            let (write, sector) = (self.config.write_size, self.config.sector_size);
            parts.flash = flash.with_device(DeviceId::RamFlash, size, write, sector);
        }
        self.edit(slot.device, slot.offset, file)?;
        let handed = hand_over_recovered(
            self.config,
            slot,
            &mut Shared(Rc::clone(&self.parts)),
            &mut Shared(Rc::clone(&self.parts)),
            &mut |_| {},
        );
        let mut parts = self.parts.borrow_mut();
        parts.flash = std::mem::take(&mut parts.flash).without_device(DeviceId::RamFlash);
        handed?;
        Ok(parts.network.take())
    }

    fn reset(&mut self, cut: Option<Cut>) -> Result<Step, PredictError> {
        {
            let mut parts = self.parts.borrow_mut();
            parts.flash.power_up();
            parts.network = None;
            // An application core reset holds the network core off.
            parts.network_power = NetworkPower::Held;
            if let Some(cut) = cut {
                parts.flash.cut_at(cut);
            }
            if let Some(primary) = self.config.virtual_primary() {
                let flash = std::mem::take(&mut parts.flash);
                let size = primary.offset.saturating_add(primary.size);
                let (write, sector) = (self.config.write_size, self.config.sector_size);
                parts.flash = flash.with_device(DeviceId::RamFlash, size, write, sector);
            }
        }
        let mut console = Vec::new();
        let with_network = self.config.network_core != NetworkCore::None;
        let mut flash = Shared(Rc::clone(&self.parts));
        let mut network = Shared(Rc::clone(&self.parts));
        let network = with_network.then_some(&mut network as &mut dyn PcdBoard);
        let booted = boot_recalling(
            self.config,
            &self.keys,
            &mut flash,
            network,
            &mut self.recall,
            &mut |line| console.push(line),
        );
        let outcome = match booted {
            Ok(outcome) => Some(outcome),
            Err(FlashError::PowerLost) => None,
            Err(error) => return Err(error.into()),
        };
        let starts = matches!(
            &outcome,
            Some(Outcome {
                result: crate::outcome::BootResult::Boot(_),
                ..
            })
        );
        if with_network && starts {
            // The application releases the network core; the answer of an update still stands in RAM.
            match Shared(Rc::clone(&self.parts)).network_power(NetworkPower::Running) {
                Ok(()) | Err(FlashError::PowerLost) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut parts = self.parts.borrow_mut();
        let step = Step {
            action: match cut {
                None => "reset".to_owned(),
                Some(Cut { ops, torn: 0 }) => format!("reset, power cut at flash operation {ops}"),
                Some(Cut { ops, torn }) => {
                    format!("reset, power cut {torn} bytes into flash operation {ops}")
                }
            },
            outcome,
            network: parts.network.take(),
            console,
            counts: parts.flash.counts(),
            cut: parts.flash.is_off(),
        };
        if step.cut {
            // RAM is lost with the power.
            parts.ram.fill(0);
        }
        parts.flash = std::mem::take(&mut parts.flash).without_device(DeviceId::RamFlash);
        parts.flash.power_up();
        Ok(step)
    }
}

impl Step {
    fn quiet(action: String) -> Self {
        Self {
            action,
            outcome: None,
            network: None,
            console: Vec::new(),
            counts: Counts::default(),
            cut: false,
        }
    }
}

/// The parts of a board as each of its cores has them.
struct Shared(Rc<RefCell<Parts>>);

impl Flash for Shared {
    fn read(&mut self, device: DeviceId, offset: u32, buffer: &mut [u8]) -> Result<(), FlashError> {
        self.0.borrow_mut().flash.read(device, offset, buffer)
    }

    fn write(&mut self, device: DeviceId, offset: u32, data: &[u8]) -> Result<(), FlashError> {
        self.0.borrow_mut().flash.write(device, offset, data)
    }

    fn erase(&mut self, device: DeviceId, offset: u32, length: u32) -> Result<(), FlashError> {
        self.0.borrow_mut().flash.erase(device, offset, length)
    }
}

impl PcdBoard for Shared {
    fn write_ram(&mut self, address: u32, data: &[u8]) -> Result<(), FlashError> {
        AppMemory::write(self, address, data)
    }

    fn read_ram(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), FlashError> {
        AppMemory::read(self, address, buffer)
    }

    /// Releasing the network core runs b0n to its end: nothing else happens on the board meanwhile.
    fn network_power(&mut self, power: NetworkPower) -> Result<(), FlashError> {
        let before = std::mem::replace(&mut self.0.borrow_mut().network_power, power);
        if before == NetworkPower::Held && power == NetworkPower::Running {
            let config = self.0.borrow().b0n;
            let outcome = b0n::run(
                &config,
                &mut Self(Rc::clone(&self.0)),
                &mut Self(Rc::clone(&self.0)),
                &mut |_| {},
            )?;
            self.0.borrow_mut().network = Some(outcome);
        }
        Ok(())
    }

    /// b0n has run to its end when it was released: what has not happened by now never does.
    fn wait(&mut self, _: Duration) -> Result<Waited, FlashError> {
        Ok(Waited::InVain)
    }
}

impl AppMemory for Shared {
    fn read(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), FlashError> {
        let mut parts = self.0.borrow_mut();
        match ram_range(address, buffer.len()) {
            Some(range) => {
                if let Some(bytes) = parts.ram.get(range) {
                    buffer.copy_from_slice(bytes);
                }
                Ok(())
            }
            None => match address.checked_sub(RAM_FLASH_ADDRESS) {
                Some(offset) if (offset as usize) < parts.flash.size(DeviceId::RamFlash) => {
                    parts.flash.read(DeviceId::RamFlash, offset, buffer)
                }
                _ => parts.flash.read(DeviceId::AppFlash, address, buffer),
            },
        }
    }

    fn write(&mut self, address: u32, data: &[u8]) -> Result<(), FlashError> {
        let mut parts = self.0.borrow_mut();
        let range = ram_range(address, data.len());
        match range.and_then(|range| parts.ram.get_mut(range)) {
            Some(bytes) => {
                bytes.copy_from_slice(data);
                Ok(())
            }
            None => Err(FlashError::Device {
                device: DeviceId::RamFlash,
                offset: address,
                reason: "not in the RAM that both cores reach".to_owned(),
            }),
        }
    }
}

fn ram_range(address: u32, length: usize) -> Option<std::ops::Range<usize>> {
    let start = address.checked_sub(RAM_START)? as usize;
    let end = start.checked_add(length)?;
    (end <= RAM_SIZE).then_some(start..end)
}
