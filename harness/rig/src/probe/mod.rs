//! The debug probe of one board: everything that the harness does to a chip from outside.
//!
//! Each request goes to a thread of its own with a deadline ([`keeper`]). A connection is opened for a request
//! and closed behind it, so that nothing of a debugger disturbs the firmware between requests and a power cut
//! never meets an open session; only while a core is halted does it stay open. Reading, writing, resetting and
//! halting go straight to the access ports ([`link`]) and never enable halting debug on a core that runs;
//! programming uses a session of the probe library and its flash algorithms
//! ([`program`](mod@program)), with the debug sequence of [`sequence`]. What the chip needs is in small modules that a test can
//! record: [`network`], [`cortex`], [`access`], [`nvmc`], [`qspi`], [`dwt`]. The external flash is reached through the registers of
//! QSPI: addresses from 0x1000_0000 of the application core mean it, whether firmware has opened that window or not.

mod access;
mod bus;
mod context;
mod cortex;
mod dwt;
mod external;
mod firmware;
mod glance;
mod keeper;
mod link;
mod network;
mod nvmc;
mod overtaken;
mod plan;
mod program;
mod qspi;
mod restore;
mod rtt;
mod sequence;
mod tear;
mod trap;

pub use program::{Afterwards, ProgramOptions, ProgramPhase, ProgramProgress, Programmed, Rest};
pub use rtt::RttPiece;
pub use tear::Tear;
pub use trap::{
    Caught, Class, CoreState, Edge, Followed, Halted, Instead, Memory, Missed, Planned, Reached,
    Route, Strayed, Trap, Watch, route,
};

use crate::core::Core;
use crate::error::{Operation, RigError};
use crate::file::{ChipId, ExternalFlash, ProbeSelector, Recover};
use crate::image::FlashImage;
use crate::launcher::VirtualProcess;
use crate::silicon::Silicon;
use context::Context;
use cortex::AfterReset;
pub(crate) use firmware::ProbeFirmware;
use hil_clock::SharedClock;
use keeper::{Keeper, Lost};
use link::Link;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a request that touches a few registers may take: opening a probe on USB takes up to a second or
/// two, a chip that is slow to reset a few hundred milliseconds.
const SHORT: Duration = Duration::from_secs(15);

/// How long one look at RTT may take: opening a probe on USB, and reading 20 KiB. Others wait meanwhile.
const LISTEN: Duration = Duration::from_secs(5);

/// How long erasing both cores may take: 384 pages of at most 89.7 ms (Zephyr `soc/nordic/nrf53/soc.h`), and
/// as much again for the probe.
const ERASE: Duration = Duration::from_secs(75);

/// What a session needs to know.
#[derive(Clone)]
pub(crate) struct ProbeConfig {
    pub(crate) board: String,
    pub(crate) silicon: Silicon,
    pub(crate) selector: ProbeSelector,
    pub(crate) speed_khz: Option<u32>,
    /// The chip that must be there, where that is known.
    pub(crate) chip: Option<ChipId>,
    pub(crate) recover: Recover,
    pub(crate) external_flash: ExternalFlash,
    pub(crate) clock: SharedClock,
    pub(crate) process: Option<Arc<VirtualProcess>>,
    /// The firmware of the probe, once it was told.
    pub(crate) firmware: ProbeFirmware,
}

/// What the chip says that it is.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Identity {
    /// FICR.INFO.DEVICEID: unique to the chip.
    pub device_id: u64,
    /// FICR.INFO.PART: `0x5340`.
    pub part: u32,
    /// FICR.INFO.VARIANT as text: `QKAA`.
    pub variant: String,
    /// The revision of the silicon, by the word in FICR that Nordic's errata headers tell it by; `None` where that is not
    /// written.
    pub revision: Option<u32>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "nRF{:x} {} {:016x}",
            self.part, self.variant, self.device_id
        )
    }
}

/// The debug probe of a board. Requests of several threads follow each other.
#[derive(Debug)]
pub struct ProbeSession {
    config: Arc<ProbeConfig>,
    keeper: Keeper<Link>,
    /// The next look at RTT begins with a search.
    rtt_anew: AtomicBool,
}

impl fmt::Debug for ProbeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeConfig")
            .field("board", &self.board)
            .field("selector", &self.selector)
            .finish_non_exhaustive()
    }
}

impl ProbeSession {
    pub(crate) fn new(config: ProbeConfig) -> Self {
        Self {
            keeper: Keeper::new(format!("probe {}", config.board), config.clock.clone()),
            config: Arc::new(config),
            rtt_anew: AtomicBool::new(false),
        }
    }

    /// A session with a probe that is not part of a rig: for tools and tests.
    #[must_use]
    pub fn with_probe(
        board: &str,
        selector: ProbeSelector,
        recover: Recover,
        clock: SharedClock,
    ) -> Self {
        Self::new(ProbeConfig {
            board: board.to_owned(),
            silicon: Silicon::Nrf5340,
            selector,
            speed_khz: None,
            chip: None,
            recover,
            external_flash: ExternalFlash::default(),
            clock,
            process: None,
            firmware: ProbeFirmware::default(),
        })
    }

    /// The probe's selector, in probe-rs's form.
    #[must_use]
    pub fn selector(&self) -> &str {
        self.config.selector.as_str()
    }

    /// The firmware of the probe in its own words, such as `J-Link OB-nRF5340-NordicSemi compiled Mar  6 2023 14:08:51`.
    /// None before the probe was opened, and for probes that are not asked for it: those that speak CMSIS-DAP.
    #[must_use]
    pub fn firmware(&self) -> Option<String> {
        self.config.firmware.get()
    }

    /// The kind of chip behind it.
    pub(crate) fn silicon(&self) -> Silicon {
        self.config.silicon
    }

    /// The chip that must be there, where the rig file says it.
    pub(crate) fn expected_chip(&self) -> Option<ChipId> {
        self.config.chip
    }

    /// What the chip says that it is. Does not disturb the firmware.
    ///
    /// # Errors
    /// Bench trouble; [`RigError::WrongChip`] when it is not an nRF5340, [`RigError::OtherChip`] when it is not the one of
    /// the rig file.
    pub fn identity(&self) -> Result<Identity, RigError> {
        self.request(Operation::Identity, SHORT, |link, context| {
            link.identity(context)
        })
    }

    /// An error when the rig file says which chip the board has, and it is another one. Asked before anything is written or
    /// erased, each time: boards are swapped also while a run goes on.
    fn same_chip(link: &mut Link, context: &Context) -> Result<(), RigError> {
        match context.config.chip {
            Some(_) => link.identity(context).map(drop),
            None => Ok(()),
        }
    }

    /// Whether the chip's debug port answers: `false` for a chip without power, within milliseconds. Asks nothing of a core.
    ///
    /// # Errors
    /// Bench trouble, above all [`RigError::ProbeOpen`] when there is no probe.
    pub fn chip_answers(&self) -> Result<bool, RigError> {
        self.request(Operation::Identity, SHORT, |link, context| {
            link.abandon();
            glance::chip_answers(context)
        })
    }

    /// Asks the external flash what it is: `Ok` when it is the DK's. Its firmware stands for that moment.
    ///
    /// # Errors
    /// Bench trouble; [`RigError::NoExternalFlash`], [`RigError::ExternalFlashSilent`] and
    /// [`RigError::ExternalFlashOther`] when there is none, or another one.
    pub fn check_external_flash(&self) -> Result<(), RigError> {
        self.request(Operation::ExternalFlash, SHORT, |link, context| {
            link.with_external(context, |_| Ok(()))
        })
    }

    /// Makes the flash hold `image`, verified by reading it back, and resets the chip so that it boots, or stands. Pages
    /// that hold the right bytes already are left alone.
    ///
    /// # Errors
    /// Bench trouble; [`RigError::VerifyFailed`] when flash holds something else afterwards.
    pub fn program(
        &self,
        image: &FlashImage,
        options: &ProgramOptions,
        progress: &mut dyn FnMut(ProgramProgress),
    ) -> Result<Programmed, RigError> {
        let doing = Operation::Program { bytes: image.len() };
        let within = options
            .within
            .unwrap_or_else(|| program::time_for(image, options));
        let image = image.clone();
        let options = options.clone();
        self.request_with(doing, within, progress, move |link, context, progress| {
            Self::same_chip(link, context)?;
            link.rtt_was_reset(Core::App);
            match context.config.silicon {
                Silicon::Nrf5340 => program::program(link, context, &image, &options, progress),
                Silicon::Nrf51 => restore::program(link, context, &image, &options),
            }
        })
    }

    /// Makes the pages that `image` concerns hold its bytes, verified by reading them back, while the chip is held at its first
    /// instruction; it stays there until [`run`](Self::run), a reset or [`detach`](Self::detach). UICR is not touched.
    ///
    /// # Errors
    /// Bench trouble; [`RigError::VerifyFailed`] when flash holds something else afterwards.
    pub fn restore(&self, image: &FlashImage) -> Result<Programmed, RigError> {
        let doing = Operation::Program { bytes: image.len() };
        let within = program::time_for(image, &ProgramOptions::default());
        let image = image.clone();
        self.request(doing, within, move |link, context| {
            restore::restore(link, context, &image)
        })
    }

    /// Compares flash with `image`. Does not disturb the firmware, but that it stands while external flash is read.
    ///
    /// # Errors
    /// Bench trouble; [`RigError::VerifyFailed`] with the first byte that differs.
    pub fn verify(&self, image: &FlashImage) -> Result<(), RigError> {
        let doing = Operation::Verify { bytes: image.len() };
        let image = image.clone();
        let within = time_to_read(image.len());
        self.request(doing, within, move |link, context| {
            program::verify(link, context, &image)
        })
    }

    /// Reads `length` bytes at `address` in the map of `core`: flash, RAM, or registers. A core that runs goes
    /// on running. The network core is released for the time of reading when it is held off.
    ///
    /// What lies in the external flash is read from there through the QSPI peripheral, for which the application core
    /// stands and then goes on: 2 MB/s at best, and everything that was touched is put back. A watchdog that runs in halt
    /// would notice.
    ///
    /// # Errors
    /// Bench trouble, or an address where nothing answers.
    pub fn read(&self, core: Core, address: u32, length: u32) -> Result<Vec<u8>, RigError> {
        let doing = Operation::Read {
            core,
            address,
            length,
        };
        if address.checked_add(length).is_none() {
            return Err(RigError::BadRequest {
                board: self.config.board.clone(),
                what: format!(
                    "{length} bytes at {address:#010x} go beyond the end of the address space"
                ),
            });
        }
        let within = time_to_read(length as usize);
        self.request(doing, within, move |link, context| {
            link.read(context, core, address, length)
        })
    }

    /// Writes one word of RAM or of a register. `address` is a multiple of 4.
    ///
    /// # Errors
    /// Bench trouble, or an address where nothing answers.
    pub fn write_word(&self, core: Core, address: u32, value: u32) -> Result<(), RigError> {
        let doing = Operation::Write { core, address };
        if !address.is_multiple_of(4) {
            return Err(RigError::BadRequest {
                board: self.config.board.clone(),
                what: format!(
                    "{address:#010x} is not the address of a word: it is no multiple of 4"
                ),
            });
        }
        self.request(doing, SHORT, move |link, context| {
            link.write_word(context, core, address, value)
        })
    }

    /// Resets the chip through the application core and lets it run, with nothing of a debugger left behind.
    /// The network core is held off until the firmware releases it.
    ///
    /// # Errors
    /// Bench trouble.
    pub fn reset(&self) -> Result<(), RigError> {
        self.request(Operation::Reset, SHORT, |link, context| {
            link.reset(context, Core::App, AfterReset::Run)
        })
    }

    /// Resets a core (the application core: the chip) and holds it at its first instruction.
    ///
    /// # Errors
    /// Bench trouble.
    pub fn reset_and_halt(&self, core: Core) -> Result<(), RigError> {
        self.request(
            Operation::ResetAndHalt(core),
            SHORT,
            move |link, context| link.reset(context, core, AfterReset::Halt),
        )
    }

    /// Halts a core where it is. It stays halted until [`run`](Self::run), a reset or
    /// [`detach`](Self::detach).
    ///
    /// # Errors
    /// Bench trouble.
    pub fn halt(&self, core: Core) -> Result<(), RigError> {
        self.request(Operation::Halt(core), SHORT, move |link, context| {
            link.halt(context, core)
        })
    }

    /// Lets a core that was halted go on.
    ///
    /// # Errors
    /// Bench trouble.
    pub fn run(&self, core: Core) -> Result<(), RigError> {
        self.request(Operation::Run(core), SHORT, move |link, context| {
            link.run(context, core)
        })
    }

    /// Erases the flash of both cores page by page and resets the chip. UICR and the external flash stay.
    ///
    /// # Errors
    /// Bench trouble.
    pub fn erase(&self) -> Result<(), RigError> {
        self.request(Operation::Erase, ERASE, |link, context| {
            let options = ProgramOptions {
                rest: Rest::Erase,
                ..ProgramOptions::default()
            };
            Self::same_chip(link, context)?;
            link.rtt_was_reset(Core::App);
            let image = FlashImage::new();
            match context.config.silicon {
                Silicon::Nrf5340 => program::program(link, context, &image, &options, &mut |_| {}),
                Silicon::Nrf51 => restore::program(link, context, &image, &options),
            }
            .map(drop)
        })
    }

    /// Erases flash and UICR of both cores through the control access ports, which opens a locked chip, and
    /// writes the words to UICR that keep it open. The rig file must allow it.
    ///
    /// # Errors
    /// Bench trouble; [`RigError::Locked`] when it is not allowed or does not help.
    pub fn recover(&self) -> Result<(), RigError> {
        self.request(Operation::Recover, SHORT, Link::recover)
    }

    /// Lets go of the board: cores that were halted run, and nothing of a debugger is left behind. Does nothing
    /// when no core was halted, as no connection is open then.
    ///
    /// # Errors
    /// Bench trouble.
    pub fn detach(&self) -> Result<(), RigError> {
        self.request(Operation::Detach, SHORT, Link::detach)
    }

    /// Forgets the connection that is open while a core is halted: for a chip that has lost its power. Speaks to nobody.
    pub fn forget(&self) {
        // A thread that hangs is given up by the request that it hangs in.
        let _ = self.request(Operation::Detach, SHORT, |link, _| {
            link.lost_power();
            Ok(())
        });
    }

    /// Takes what a core has printed over SEGGER RTT since it was last asked, up to some KiB. `None` while the probe does something else.
    ///
    /// A core that runs goes on running and does not notice; a network core that is held off stays so. The connection stays open
    /// until anything else is asked of the probe. The control block is looked for in the core's RAM, a part with each call.
    ///
    /// # Errors
    /// Bench trouble.
    pub fn take_rtt(&self, core: Core) -> Result<Option<Vec<RttPiece>>, RigError> {
        let doing = Operation::Rtt(core);
        let context = self.context(&doing);
        let deadline = self.config.clock.now() + LISTEN;
        let anew = self.rtt_anew.swap(false, Ordering::Relaxed);
        let answer = self.keeper.request_if_idle(deadline, move |link| {
            if anew {
                link.look_for_rtt_anew();
            }
            let taken = link.take_rtt(&context, core, deadline);
            if taken.is_err() {
                link.abandon();
            }
            taken
        });
        match answer {
            Some(answer) => self.told(doing, answer).map(Some),
            None => {
                self.rtt_anew.fetch_or(anew, Ordering::Relaxed);
                Ok(None)
            }
        }
    }

    /// The board starts, by whatever means: its next firmware may have its RTT control block elsewhere, and is looked for at once.
    pub fn expect_rtt_anew(&self) {
        self.rtt_anew.store(true, Ordering::Relaxed);
    }

    fn context(&self, doing: &Operation) -> Context {
        Context {
            config: Arc::clone(&self.config),
            doing: doing.clone(),
        }
    }

    fn request<T: Send + 'static>(
        &self,
        doing: Operation,
        within: Duration,
        job: impl FnOnce(&mut Link, &Context) -> Result<T, RigError> + Send + 'static,
    ) -> Result<T, RigError> {
        self.request_with(doing, within, &mut |(): ()| {}, move |link, context, _| {
            job(link, context)
        })
    }

    fn request_with<T: Send + 'static, P: Send + 'static>(
        &self,
        doing: Operation,
        within: Duration,
        progress: &mut dyn FnMut(P),
        job: impl FnOnce(&mut Link, &Context, &mut dyn FnMut(P)) -> Result<T, RigError> + Send + 'static,
    ) -> Result<T, RigError> {
        let context = self.context(&doing);
        let deadline = self.config.clock.now() + within;
        let answer = self
            .keeper
            .request(deadline, progress, move |link, report| {
                link.stop_listening();
                let result = job(link, &context, report);
                if result.is_err() {
                    // The state of the connection is not known any more.
                    link.abandon();
                }
                result
            });
        self.told(doing, answer)
    }

    /// What became of a request.
    fn told<T>(
        &self,
        doing: Operation,
        answer: Result<Result<T, RigError>, Lost>,
    ) -> Result<T, RigError> {
        let board = self.config.board.clone();
        let probe = self.config.selector.to_string();
        let result = answer.unwrap_or_else(|lost| {
            Err(match lost {
                Lost::Stuck { waited } => RigError::ProbeStuck {
                    board,
                    probe,
                    doing,
                    waited,
                },
                Lost::TooMany(lost) => RigError::ProbeHangs {
                    board,
                    probe,
                    doing,
                    lost,
                },
                Lost::Panicked(message) => RigError::ProbePanicked {
                    board,
                    doing,
                    message,
                },
            })
        });
        // A process that is gone explains whatever the probe library says about it.
        result.map_err(|error| {
            match self
                .config
                .process
                .as_ref()
                .and_then(|process| process.ended())
            {
                Some(ended) => ended,
                None => error,
            }
        })
    }
}

/// How long reading may take: a slow probe reads 50 kB/s; we chose 20.
fn time_to_read(bytes: usize) -> Duration {
    SHORT + Duration::from_micros(50 * bytes as u64)
}
