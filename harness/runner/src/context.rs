//! What a step has to work with: one board, the firmware set, the time that is left, and a place for evidence.

use crate::bench::{Bench, core_name, rig_core};
use crate::cancel::{CancelToken, POLL};
use crate::console::{ConsoleLog, Line, Mark, Waited};
use crate::events::{Events, sha256};
use crate::firmware::{EXTERNAL_WINDOW, Firmware, Region};
use crate::history::{Event, StartedBy, What};
use crate::holding::{Expected, Form, Mismatch};
use crate::link::{Link, Reply};
use crate::plan::Job;
use crate::proof;
use crate::step::slot_numbers;
use crate::sweep::SweepOrders;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::DeviceId;
use hil_bootloader::predict::{Request, Sent};
use hil_clock::{Instant, SharedClock};
use hil_image::{Image, network};
use hil_record::{
    BoardDone, Check, CheckMade, Done, ErrorKind, EventKind, Evidence, FailKind, PowerAction,
    RegionShot, SentPart, StartCause, StoredForm,
};
use hil_rig::{FlashImage, Route};
use hil_scenario::{Button, Core, CutList, CutPoint, ImageRef, Slot, Transport};
use hil_smp::message::ImageState;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use crate::firmware::LoadedImage;

/// How often flash is read while it is waited for. We chose it: a read takes tens of milliseconds on a bench.
pub(crate) const POLL_FLASH: Duration = Duration::from_millis(500);

/// How long a request over SMP that needs no flash work may take with all its retries.
pub(crate) const SMP_WITHIN: Duration = Duration::from_secs(10);

/// How long making a wireless link may take. We chose it: a board that is up is connected within a second or two, one that
/// boots within ten.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// How often a wireless link may be lost in one step before the bench is at fault. We chose it: once is life, three times
/// is a pattern.
const LINK_ATTEMPTS: u32 = 3;

/// Lines with which a boot begins: MCUboot's, and Zephyr's banner.
pub(crate) const BOOT_BANNERS: [&str; 2] = ["*** Booting ", "Starting bootloader"];

/// How long after a reset command without an answer a boot may begin. Zephyr resets 250 ms after its answer; the rest is
/// for the lines to arrive.
const BOOT_BEGINS_WITHIN: Duration = Duration::from_secs(5);

/// What a step works with.
pub(crate) struct Context<'a> {
    pub(crate) bench: &'a mut Bench,
    pub(crate) firmware: &'a Firmware,
    pub(crate) clock: SharedClock,
    pub(crate) cancel: CancelToken,
    pub(crate) events: Events,
    /// Name of the variant.
    pub(crate) scenario: String,
    /// What is wanted of its sweep.
    pub(crate) orders: SweepOrders,
    /// Number of the step that runs.
    pub(crate) step: u32,
    /// Whether the events tell what the flash holds at the end.
    pub(crate) flash_told: bool,
    transport: Transport,
    /// When the scenario as a whole has to have ended.
    limit: Instant,
    start: Start,
    programmed: Option<Programmed>,
    /// What was done since.
    history: Vec<Event>,
    sent: BTreeSet<ImageRef>,
    /// The upload that was broken off last, and how far it was.
    broken_off: Option<(ImageRef, u64)>,
    /// The recovery button is held.
    held: bool,
    evidence: Vec<Evidence>,
}

/// When the board was last started by a step, on the clock and on both consoles.
#[derive(Clone, Copy, Debug)]
struct Start {
    at: Instant,
    app: Mark,
    net: Mark,
}

/// What was in the board's memories when it had been programmed and had not run yet.
pub(crate) struct Programmed {
    /// Of which release.
    pub(crate) release: String,
    pub(crate) app: Vec<u8>,
    pub(crate) net: Vec<u8>,
    /// From its start to the end of the last partition there.
    pub(crate) external: Vec<u8>,
    pub(crate) app_uicr: Vec<u8>,
    pub(crate) net_uicr: Vec<u8>,
}

impl Programmed {
    /// The flash in a region.
    pub(crate) fn flash(&self, region: Region) -> &[u8] {
        region.of_dump(match region.device() {
            DeviceId::External => &self.external,
            DeviceId::NetFlash => &self.net,
            DeviceId::AppFlash | DeviceId::RamFlash => &self.app,
        })
    }

    /// Puts programmed bytes where they belong. UICR bits only fall; flash was blank before.
    pub(crate) fn put(&mut self, address: u32, bytes: &[u8]) {
        let external = EXTERNAL_WINDOW..EXTERNAL_WINDOW + self.external.len() as u32;
        let memories = [
            (external, &mut self.external),
            (rig_core(Core::App).flash(), &mut self.app),
            (rig_core(Core::Net).flash(), &mut self.net),
            (rig_core(Core::App).uicr(), &mut self.app_uicr),
            (rig_core(Core::Net).uicr(), &mut self.net_uicr),
        ];
        for (range, memory) in memories {
            if range.contains(&address) {
                let start = (address - range.start) as usize;
                for (old, new) in memory.iter_mut().skip(start).zip(bytes) {
                    *old &= new;
                }
            }
        }
    }

    /// The UICR of a core.
    pub(crate) fn uicr(&self, core: Core) -> &[u8] {
        match core {
            Core::App => &self.app_uicr,
            Core::Net => &self.net_uicr,
        }
    }
}

impl<'a> Context<'a> {
    /// A context for the variant of a job.
    pub(crate) fn new(
        bench: &'a mut Bench,
        firmware: &'a Firmware,
        job: &Job,
        limit: Duration,
    ) -> Self {
        let variant = &job.variant;
        let clock = bench.clock.clone();
        let now = clock.now();
        let start = Start {
            at: now,
            app: bench.console(Core::App).mark(),
            net: bench.console(Core::Net).mark(),
        };
        Self {
            firmware,
            cancel: bench.cancel.clone(),
            events: bench.events.clone(),
            scenario: variant.name.clone(),
            orders: job.sweep.clone(),
            step: 0,
            flash_told: false,
            transport: variant.transport,
            limit: now + limit,
            clock,
            start,
            programmed: None,
            history: Vec::new(),
            sent: BTreeSet::new(),
            broken_off: None,
            held: false,
            evidence: Vec::new(),
            bench,
        }
    }

    /// Records something that was seen.
    pub(crate) fn see(&mut self, evidence: Evidence) {
        self.evidence.push(evidence);
    }

    /// Tells what a step has compared, for whoever makes its verdict again.
    pub(crate) fn checked(&self, check: Check) {
        self.events.emit(EventKind::Checked(CheckMade {
            board: self.bench.name.clone(),
            scenario: self.scenario.clone(),
            step: self.step,
            check,
        }));
    }

    /// What was read from a region, with the pages that hold no secret in the evidence store.
    pub(crate) fn shot(&self, region: Region, found: &[u8]) -> RegionShot {
        let blank;
        let before = match &self.programmed {
            Some(programmed) => programmed.flash(region),
            None => {
                blank = vec![0xFF; found.len()];
                &blank
            }
        };
        let damaged: Vec<_> = self
            .sent
            .iter()
            .filter_map(|role| self.firmware.image(role).ok())
            .collect();
        let sent: Vec<&[u8]> = self
            .firmware
            .sent_bytes()
            .chain(damaged.iter().map(|image| image.bytes()))
            .collect();
        let secrets = self.firmware.secrets();
        let keep = |bytes: &[u8]| self.events.keep(bytes);
        proof::shot(region, before, found, secrets, &sent, keep, sha256)
    }

    /// Tells what was done to the board, for whoever makes the prediction of its flash again.
    fn tell(&self, what: Done) {
        self.events.emit(EventKind::Done(BoardDone {
            board: self.bench.name.clone(),
            what,
        }));
    }

    /// How much was seen so far in this step.
    pub(crate) fn seen(&self) -> usize {
        self.evidence.len()
    }

    /// Forgets what was seen since then: what is the same for each of hundreds of points tells nobody anything.
    pub(crate) fn unsee(&mut self, seen: usize) {
        self.evidence.truncate(seen);
    }

    /// Time that does not count for the scenario's limit.
    pub(crate) fn does_not_count(&mut self, took: Duration) {
        self.limit = self.limit + took;
    }

    /// What was seen since this was last asked.
    pub(crate) fn take_evidence(&mut self) -> Vec<Evidence> {
        std::mem::take(&mut self.evidence)
    }

    /// `within` from now, or the end of the time for the whole scenario if that is earlier.
    pub(crate) fn deadline(&self, within: Duration) -> Instant {
        (self.clock.now() + within).min(self.limit)
    }

    /// An error when the scenario as a whole has taken too long.
    pub(crate) fn in_time(&self) -> Checked {
        if self.clock.now() < self.limit {
            Ok(())
        } else {
            Err(Trouble::error(
                ErrorKind::Deadline,
                "the scenario has taken longer than any scenario may",
            ))
        }
    }

    /// Waits; an error only when the run is stopped.
    pub(crate) fn wait(&self, duration: Duration) -> Checked {
        self.wait_until(self.clock.now() + duration)
    }

    /// Waits until `deadline`; an error only when the run is stopped.
    pub(crate) fn wait_until(&self, deadline: Instant) -> Checked {
        if self.cancel.sleep_until(&self.clock, deadline) {
            Ok(())
        } else {
            Err(Trouble::Cancelled)
        }
    }

    /// Waits for `duration`, but not beyond `deadline`.
    pub(crate) fn wait_at_most(&self, duration: Duration, deadline: Instant) -> Checked {
        self.wait_until((self.clock.now() + duration).min(deadline))
    }

    // The consoles.

    /// All lines of a core.
    pub(crate) fn console(&self, core: Core) -> &ConsoleLog {
        self.bench.console(core)
    }

    /// The place on a console where the board was last started by a step.
    pub(crate) const fn started_at(&self, core: Core) -> Mark {
        match core {
            Core::App => self.start.app,
            Core::Net => self.start.net,
        }
    }

    /// Tells that the lines of a console since the board was last started were looked through for a text.
    pub(crate) fn tell_console(&self, core: Core, text: &str, absent: bool) {
        self.checked(Check::Console {
            core: core_name(core),
            text: text.to_owned(),
            absent,
            from: self.started_at(core).line(),
            to: self.console(core).mark().line(),
        });
    }

    /// When the board was last started by a step.
    pub(crate) const fn start_time(&self) -> Instant {
        self.start.at
    }

    /// That a line did not come since the board was last started: the firmware's fault, unless the first lines are lost
    /// because the serial ports came back after the power did.
    pub(crate) fn line_missing(&self, sentence: impl std::fmt::Display) -> Trouble {
        if !self.bench.is_deaf() {
            return Trouble::fail(FailKind::Console, sentence);
        }
        Trouble::error(
            ErrorKind::Port,
            format_args!(
                "{sentence}; it may have been printed before the serial ports were there again, which go away with the power \
                 of this board"
            ),
        )
        .with_help(
            "what a board prints in the first second after power comes is lost with `cuts: board`; cut the chip alone \
             (`cuts: soc`), or leave out scenarios that look for lines of the boot",
        )
    }

    /// Waits for a line since the board was last started; `None` when it did not come.
    pub(crate) fn wait_for_line(
        &self,
        core: Core,
        deadline: Instant,
        wanted: impl Fn(&str) -> bool,
    ) -> Checked<Option<Line>> {
        let log = self.bench.console(core);
        match log.wait_for(self.started_at(core), deadline, &self.cancel, wanted) {
            Waited::Found(line, _) => Ok(Some(line)),
            Waited::TimedOut => Ok(None),
            Waited::Cancelled => Err(Trouble::Cancelled),
        }
    }

    /// The last thing that a core has printed since it was started, for messages.
    pub(crate) fn last_line(&self, core: Core) -> String {
        match self.console(core).last_since(self.started_at(core)) {
            Some(line) => format!("the last line of the {core} console is `{}`", line.text),
            None => format!("the {core} console has shown nothing since the board was started"),
        }
    }

    /// Has the board started while a button is held, and holds it for `hold_for` after that.
    pub(crate) fn holding(
        &mut self,
        button: Option<Button>,
        hold_for: Duration,
        start: impl FnOnce(&mut Self) -> Checked,
    ) -> Checked {
        let Some(button) = button else {
            return start(self);
        };
        self.bench.press(button)?;
        self.held = true;
        let started = start(self);
        self.held = false;
        // A button that is still held at the end of the scenario is let go of then.
        started?;
        self.wait(hold_for)?;
        self.bench.release(button)
    }

    /// The board is about to be started by a step: what was printed until now is of the past.
    fn starting(&mut self, by: StartedBy) {
        self.start = Start {
            at: self.clock.now(),
            app: self.console(Core::App).mark(),
            net: self.console(Core::Net).mark(),
        };
        let app = self.start.app;
        let held = self.held;
        self.history.push(Event {
            at: self.start.at,
            what: What::Started { by, app, held },
        });
        self.tell(Done::Started {
            by: match by {
                StartedBy::Program => StartCause::Program,
                StartedBy::Smp => StartCause::Smp,
                StartedBy::Probe => StartCause::Probe,
                StartedBy::Power => StartCause::Power,
            },
            app_line: app.line(),
            net_line: self.start.net.line(),
            held,
        });
    }

    /// Notes what was done to the board, or seen of it.
    pub(crate) fn done(&mut self, what: What) {
        let told = self.in_words(&what);
        self.tell(told);
        self.history.push(Event {
            at: self.clock.now(),
            what,
        });
    }

    /// The same for the journal.
    fn in_words(&self, what: &What) -> Done {
        let sent = |number: u32, image: &LoadedImage, sent: Sent, recovery: bool| Done::Sent {
            image: image.role().to_string(),
            sha256: if self.firmware.secrets().gives_away(image.bytes()) {
                sha256(image.bytes())
            } else {
                self.events.keep(image.bytes())
            },
            number,
            recovery,
            part: match sent {
                Sent::Whole => SentPart::Whole,
                Sent::Part { acknowledged } => SentPart::Acknowledged(acknowledged),
            },
        };
        match what {
            // Told where the start is.
            What::Started { .. } | What::Answered => Done::Answered,
            What::ListedConfirmed => Done::ListedConfirmed,
            What::Uploaded {
                number,
                image,
                sent: part,
            } => sent(*number, image, *part, false),
            What::Recovered {
                number,
                image,
                sent: part,
            } => sent(*number, image, *part, true),
            What::Marked { hash, request } => Done::Marked {
                hash: hex::encode(hash),
                confirm: *request == Request::Confirm,
            },
            What::Erased { slot } => Done::Erased {
                slot: slot.word().to_owned(),
            },
            What::Stopped { app } => Done::Stopped {
                app_line: app.line(),
            },
        }
    }

    /// What was done to the board since it was programmed.
    pub(crate) fn history(&self) -> &[Event] {
        &self.history
    }

    // Images and flash.

    /// An image of the firmware set.
    pub(crate) fn image(&self, role: &ImageRef) -> Checked<Arc<LoadedImage>> {
        self.firmware.image(role)
    }

    /// Remembers that an image was sent, for the checks at the end.
    pub(crate) fn sent(&mut self, role: &ImageRef) {
        self.sent.insert(role.clone());
    }

    /// The encrypted images that were sent to the board.
    pub(crate) fn encrypted_images_sent(&self) -> Vec<Arc<LoadedImage>> {
        self.sent
            .iter()
            .filter_map(|role| self.firmware.image(role).ok())
            .filter(|image| image.is_encrypted())
            .collect()
    }

    /// What the board held when it was programmed; `None` when no step did.
    pub(crate) const fn programmed(&self) -> Option<&Programmed> {
        self.programmed.as_ref()
    }

    /// Programs a release on both cores, erases the rest of their flash and the partitions in the external flash, and starts
    /// the board.
    pub(crate) fn program(&mut self, release: &str) -> Checked {
        let image = self.firmware.program(release)?;
        // What the board ran before must not be taken for what it runs after.
        if self.bench.hold()? {
            self.see(Evidence::seen(
                "locked",
                "access port protection was on: flash and UICR of both cores were erased",
            ));
        }
        let external = self.firmware.external_partitions();
        let used = self.firmware.external_size();
        let programmed = self.bench.contents_of(release, image, used)?;
        let done = Done::Programmed {
            release: release.to_owned(),
            app_uicr: sha256(&programmed.app_uicr),
            net_uicr: sha256(&programmed.net_uicr),
        };
        self.programmed = Some(programmed);
        self.history.clear();
        self.tell(done);
        self.starting(StartedBy::Program);
        let report = self.bench.program(image, &external)?;
        self.see(Evidence::seen("programmed", report));
        Ok(())
    }

    /// The bytes of a region, read through the probe.
    pub(crate) fn read(&mut self, region: Region) -> Checked<Vec<u8>> {
        self.bench.read(region.core, region.address, region.size)
    }

    /// The external flash as the model of the bootloaders has it: partitions as they are, blank in between.
    pub(crate) fn read_external(&mut self) -> Checked<Vec<u8>> {
        let mut flash = vec![0xFF; self.firmware.external_size() as usize];
        for region in self.firmware.external_partitions() {
            let start = (region.address - EXTERNAL_WINDOW) as usize;
            let bytes = self.read(region)?;
            flash[start..start + bytes.len()].copy_from_slice(&bytes);
        }
        Ok(flash)
    }

    /// The UICR of a core, read through the probe.
    pub(crate) fn read_uicr(&mut self, core: Core) -> Checked<Vec<u8>> {
        self.bench.read_uicr(core)
    }

    /// Compares a slot with an image, and tells it as a check.
    pub(crate) fn slot_holds(
        &mut self,
        slot: Slot,
        image: &LoadedImage,
        form: Form,
    ) -> Checked<Result<(), Mismatch>> {
        let (found, bytes) = self.look_into_slot(slot, image, form)?;
        self.tell_slot(slot, image, form, &bytes)?;
        Ok(found)
    }

    /// Tells that a slot, of which these bytes were read, was compared with an image.
    pub(crate) fn tell_slot(
        &self,
        slot: Slot,
        image: &LoadedImage,
        form: Form,
        bytes: &[u8],
    ) -> Checked {
        self.checked(Check::SlotHolds {
            slot: slot.word().to_owned(),
            image: image.role().to_string(),
            form: match form {
                Form::AsSent => StoredForm::AsSent,
                Form::Plain => StoredForm::Plain,
            },
            found: self.shot(self.firmware.slot(slot)?, bytes),
        });
        Ok(())
    }

    /// Compares a slot with an image; what came of it, and the bytes of the slot.
    pub(crate) fn look_into_slot(
        &mut self,
        slot: Slot,
        image: &LoadedImage,
        form: Form,
    ) -> Checked<(Result<(), Mismatch>, Vec<u8>)> {
        let region = self.firmware.slot(slot)?;
        if form == Form::Plain && image.is_encrypted() && image.plain().is_none() {
            return Err(Trouble::error(
                ErrorKind::File,
                format_args!(
                    "the firmware set's key does not open image {}, so its plain text is not known",
                    image.label()
                ),
            ));
        }
        let bytes = self.read(region)?;
        let found = compare_slot(self.firmware, slot, image, form, &bytes)?;
        Ok((found, bytes))
    }

    /// The firmware version that the network core's flash says in its `fw_info`; the inner error says why none.
    /// With the bytes that it was found in.
    pub(crate) fn network_version(&mut self) -> Checked<(Result<u32, String>, Vec<u8>)> {
        let region = self.firmware.slot(Slot::NetPrimary)?;
        let bytes = self.read(region)?;
        let version = network::FirmwareInfo::find(&bytes)
            .map(|info| info.version)
            .map_err(|error| error.to_string());
        Ok((version, bytes))
    }

    /// Tells the image list that a step has looked at.
    pub(crate) fn tell_list(&self, list: &ImageState) {
        self.checked(Check::ImageList {
            list: proof::listed(list),
        });
    }

    // Starting and stopping the board.

    /// Takes the power away.
    pub(crate) fn power_off(&mut self, action: PowerAction) -> Checked {
        let proof = self.bench.power_off(action)?;
        self.see_proof(proof);
        Ok(())
    }

    /// Waits until the power has been off for `off_for`: looking whether it is counts.
    pub(crate) fn stay_off(&self, off_for: Duration) -> Checked {
        let since = self.bench.off_since().unwrap_or_else(|| self.clock.now());
        self.wait_until(since + off_for)
    }

    /// Gives the power back, which starts the board.
    pub(crate) fn power_on(&mut self) -> Checked {
        self.starting(StartedBy::Power);
        let proof = self.bench.power_on()?;
        self.see_proof(proof);
        Ok(())
    }

    fn see_proof(&mut self, proof: Option<String>) {
        if let Some(proof) = proof {
            self.see(Evidence::seen("power loss proven by", proof));
        }
    }

    /// Resets the chip and holds it at its first instruction.
    pub(crate) fn hold(&mut self) -> Checked {
        self.bench.hold().map(drop)
    }

    /// The board was stopped, to be started again and again from the flash that it has now. What the history has until then.
    pub(crate) fn stopped(&mut self) -> usize {
        let app = self.console(Core::App).mark();
        self.done(What::Stopped { app });
        self.history.len()
    }

    /// Makes pages of flash hold these bytes, and holds the chip at its first instruction.
    pub(crate) fn restore(&mut self, image: &FlashImage) -> Checked {
        self.bench.restore(image)
    }

    /// Lets a chip start that is held at its first instruction.
    pub(crate) fn let_go(&mut self) -> Checked {
        self.started_by_probe();
        self.bench.let_go()
    }

    /// The chip, held at its first instruction, is about to be let go through the probe.
    pub(crate) fn started_by_probe(&mut self) {
        self.bench.hears();
        self.starting(StartedBy::Probe);
    }

    /// Lets a chip start that is held at its first instruction, and returns when it stands at the end of the route.
    pub(crate) fn let_start_and_stop(
        &mut self,
        route: &Route,
        within: Duration,
        point: &CutPoint,
    ) -> Checked {
        self.started_by_probe();
        let within = self.deadline(within).saturating_since(self.clock.now());
        match self.bench.start_and_stop(route, within)? {
            Ok(()) => Ok(()),
            Err(missed) => Err(Trouble::error(
                ErrorKind::Inconclusive,
                format_args!(
                    "plan drift: the board does not come to {point}: {missed}; {}",
                    self.last_line(Core::App)
                ),
            )
            .with_help(
                "does `bootloader` in the firmware set say how the bootloader was built? A bootloader that does other flash \
                 operations has other points",
            )),
        }
    }

    /// Has the application that runs do something, and returns when it stands at the end of the route.
    pub(crate) fn ask_and_stop(
        &mut self,
        over: Option<Transport>,
        route: &Route,
        within: Duration,
        point: &CutPoint,
        ask: impl FnOnce(&mut Link) -> Checked<Reply<()>>,
    ) -> Checked {
        let over = over.unwrap_or(self.transport);
        let deadline = self.deadline(within);
        self.connect(over, deadline)?;
        let within = deadline.saturating_since(self.clock.now());
        match self.bench.ask_and_stop(route, within, over, ask)? {
            Ok(()) => Ok(()),
            Err(missed) => Err(Trouble::error(
                ErrorKind::Inconclusive,
                format_args!("plan drift: the board does not come to {point}: {missed}"),
            )),
        }
    }

    /// What interrupts the board, in words.
    pub(crate) fn interruption(&self) -> &'static str {
        if self.bench.has_power_switch() {
            "interrupted by taking its power away"
        } else {
            "interrupted by a reset through the probe, which is no loss of power"
        }
    }

    /// The command that visits this point again.
    pub(crate) fn repeat_command(&self, cut: &CutList) -> String {
        format!(
            "{} --filter '{}' --cut {cut}",
            self.orders.command,
            self.scenario.split('#').next().unwrap_or_default()
        )
    }

    /// Forgets what was done to the board since the history had so many events: its flash has been put back.
    pub(crate) fn forget_since(&mut self, events: usize) {
        self.tell(Done::PutBack);
        self.history.truncate(events);
    }

    /// Resets the chip through the probe.
    pub(crate) fn reset_through_probe(&mut self) -> Checked {
        self.starting(StartedBy::Probe);
        self.bench.reset()
    }

    /// Pulls the reset pin.
    pub(crate) fn reset_with_pin(&mut self) -> Checked {
        Err(Trouble::error(
            ErrorKind::Board,
            format_args!(
                "board `{}` has no reset pin that can be pulled",
                self.bench.name
            ),
        ))
    }

    /// Has the board reset itself.
    pub(crate) fn reset_over_smp(&mut self) -> Checked<Reply<()>> {
        let over = self.transport;
        let mut attempt = 1;
        let before = self.start;
        let reply = loop {
            // Connected first: the time of the start is that of the request.
            self.connect(over, self.deadline(CONNECT_WITHIN))?;
            if attempt == 1 {
                self.bench.hears();
                self.starting(StartedBy::Smp);
            }
            match self.bench.link(over)?.reset() {
                Ok(Ok(reply)) => break reply,
                // On a link that works, a board that is silent has not done what it must.
                Ok(Err(cause)) if !self.bench.faults.is_armed() => {
                    return Err(Trouble::fail(FailKind::Protocol, cause));
                }
                Ok(Err(cause)) => {
                    if self.boots_without_an_answer(&cause)? {
                        break Reply::Done(());
                    }
                    if attempt >= LINK_ATTEMPTS {
                        return Err(Trouble::fail(FailKind::Protocol, cause));
                    }
                    self.see(Evidence::seen("reset", format!("asked again: {cause}")));
                    attempt += 1;
                }
                Err(Trouble::Lost(cause)) => {
                    self.lost(&cause);
                    if self.boots_without_an_answer(&cause)? {
                        break Reply::Done(());
                    }
                    attempt = self.again(attempt, cause)?;
                }
                Err(trouble) => return Err(trouble),
            }
        };
        if matches!(reply, Reply::Refused(_)) {
            // It goes on running.
            self.start = before;
            self.history.pop();
            self.tell(Done::NotStarted);
            self.done(What::Answered);
        }
        Ok(reply)
    }

    /// Whether the board has done a reset whose answer did not come: over a wireless link the answer takes two connection
    /// events, and the reset ends the link. A board is asked again only when it has not reset.
    fn boots_without_an_answer(&mut self, cause: &str) -> Checked<bool> {
        let boots = |line: &str| BOOT_BANNERS.iter().any(|text| line.contains(text));
        let deadline = self.deadline(BOOT_BEGINS_WITHIN);
        let Some(line) = self.wait_for_line(Core::App, deadline, boots)? else {
            return Ok(false);
        };
        let seen = format!("no answer, but `{}`: {cause}", line.text);
        self.see(Evidence::seen("reset", seen));
        Ok(true)
    }

    // SMP.

    /// The image list over the variant's own link; `None` when it did not come until `deadline`.
    pub(crate) fn image_list(&mut self, deadline: Instant) -> Checked<Option<ImageState>> {
        self.image_list_over(None, deadline)
    }

    /// The image list. A link that is lost, or cannot be made, is tried again until `deadline`: a board may be booting.
    pub(crate) fn image_list_over(
        &mut self,
        over: Option<Transport>,
        deadline: Instant,
    ) -> Checked<Option<ImageState>> {
        let over = over.unwrap_or(self.transport);
        let list = loop {
            let asked = self
                .connect(over, deadline)
                .and_then(|()| self.bench.link(over)?.image_list(deadline));
            match asked {
                Ok(list) => break list,
                Err(Trouble::Lost(cause)) => {
                    self.lost(&cause);
                    if self.clock.now() >= deadline {
                        self.see(Evidence::seen("no link", cause));
                        break None;
                    }
                    self.wait_at_most(POLL, deadline)?;
                }
                Err(trouble) => return Err(trouble),
            }
        };
        if let Some(list) = &list {
            let confirmed = list
                .images
                .iter()
                .any(|entry| entry.active && entry.confirmed && entry.image.unwrap_or(0) == 0);
            self.done(if confirmed {
                What::ListedConfirmed
            } else {
                What::Answered
            });
        }
        Ok(list)
    }

    /// Requests a test of an image, or confirms it. What the board made of it is for the step to note.
    pub(crate) fn mark(
        &mut self,
        over: Option<Transport>,
        hash: &[u8],
        confirm: bool,
    ) -> Checked<Reply<ImageState>> {
        self.ask(over, SMP_WITHIN, |link| link.mark(hash, confirm))
    }

    /// Erases a slot. What the board made of it is for the step to note.
    pub(crate) fn erase(&mut self, over: Option<Transport>, slot: Slot) -> Checked<Reply<()>> {
        let (image, number) = slot_numbers(slot);
        self.ask(over, SMP_WITHIN, |link| link.erase(2 * image + number))
    }

    /// Asks over a step's link, or the variant's own. A link that is lost on the way is made again, and what was asked is
    /// asked again: so it has to be something that may be asked twice. `within` is for making a link the second time.
    pub(crate) fn ask<T>(
        &mut self,
        over: Option<Transport>,
        within: Duration,
        mut ask: impl FnMut(&mut Link) -> Checked<T>,
    ) -> Checked<T> {
        let over = over.unwrap_or(self.transport);
        let mut attempt = 1;
        loop {
            let deadline = self.deadline(within.max(CONNECT_WITHIN));
            self.connect(over, deadline)?;
            match ask(self.bench.link(over)?) {
                Err(Trouble::Lost(cause)) => {
                    self.lost(&cause);
                    attempt = self.again(attempt, cause)?;
                }
                asked => return asked,
            }
        }
    }

    /// The number of the next attempt after the link was lost, which is told; an error when it was lost too often.
    fn again(&self, attempt: u32, cause: String) -> Checked<u32> {
        if attempt >= LINK_ATTEMPTS {
            return Err(Trouble::error(
                ErrorKind::Radio,
                format_args!(
                    "the link to board `{}` was lost {attempt} times in one step, the last time: {cause}",
                    self.bench.name
                ),
            )
            .with_help(
                "look for resets in the board's console log; if there is none, look at distance and interference",
            ));
        }
        self.events.emit(EventKind::Retry {
            board: self.bench.name.clone(),
            what: "make the link".to_owned(),
            attempt: attempt + 1,
            limit: LINK_ATTEMPTS,
            cause,
        });
        Ok(attempt + 1)
    }

    /// Makes the link of a step, and keeps what it is like as evidence.
    pub(crate) fn connect(&mut self, over: Transport, deadline: Instant) -> Checked {
        if let Some(link) = self.bench.connect(over, deadline)? {
            self.see(Evidence::seen("link", link));
        }
        Ok(())
    }

    fn lost(&mut self, cause: &str) {
        if let Some(radio) = self.bench.radio() {
            radio.tell_loss(cause);
        }
    }

    /// Remembers how far an upload was when its link went.
    pub(crate) fn broken_off(&mut self, role: &ImageRef, offset: u64) {
        self.broken_off = Some((role.clone(), offset));
    }

    /// How far the last upload of an image was when its link went.
    pub(crate) fn broken_off_at(&self, role: &ImageRef) -> Option<u64> {
        self.broken_off
            .as_ref()
            .filter(|(broken_off, _)| broken_off == role)
            .map(|(_, offset)| *offset)
    }
}

/// Compares the bytes of a slot with an image. The network core's slot holds the payload only: the firmware as b0n has it.
pub(crate) fn compare_slot(
    firmware: &Firmware,
    slot: Slot,
    image: &LoadedImage,
    form: Form,
    bytes: &[u8],
) -> Checked<Result<(), Mismatch>> {
    let parsed = Image::parse(image.bytes()).map_err(|error| {
        Trouble::error(
            ErrorKind::File,
            format_args!("image {} is damaged: {error}", image.label()),
        )
    })?;
    let expected = match slot {
        Slot::NetPrimary => Expected::payload_only(parsed, image.plain_copy()),
        Slot::AppPrimary | Slot::AppSecondary | Slot::NetSecondary => {
            Expected::new(parsed, image.plain_copy(), form)
        }
    };
    let found = expected.compare(bytes);
    // With swap-offset an upload lies one sector up in the slot, and only what was swapped out at its start.
    let sector = firmware.set().bootloader.sector_size as usize;
    match (firmware.lies_one_sector_up(slot), bytes.get(sector..)) {
        (true, Some(behind)) if found.is_err() => Ok(expected
            .compare(behind)
            .map_err(|mismatch| mismatch.nearer(found.err()))),
        _ => Ok(found),
    }
}
