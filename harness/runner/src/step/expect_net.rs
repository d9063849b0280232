//! `expect_net`: what the network core runs.
//!
//! SMP cannot tell: MCUboot's hooks fake the network image's primary slot. So it is read from the network core's flash
//! and its console.

use crate::context::{Context, POLL_FLASH};
use crate::holding::Form;
use crate::trouble::{Checked, Trouble};
use hil_record::{Check, ErrorKind, EventKind, Evidence, FailKind};
use hil_scenario::{Core, ExpectNet, ImageRef, PrintedBy, Slot};

pub(super) fn run(context: &mut Context<'_>, expect: &ExpectNet) -> Checked {
    let deadline = context.deadline(expect.within);
    if let Some(release) = &expect.release {
        holds(context, release, deadline)?;
    }
    if let Some(version) = expect.version {
        has_version(context, version, deadline)?;
    }
    match expect.alive {
        Some(true) => alive(context, deadline),
        Some(false) => silent(context),
        None => Ok(()),
    }
}

/// Waits until the network core's flash holds a release's image.
pub(super) fn holds(
    context: &mut Context<'_>,
    release: &str,
    deadline: hil_clock::Instant,
) -> Checked {
    let image_ref = ImageRef::new(release, Core::Net);
    let image = context.image(&image_ref)?;
    let mut lost = Lost::default();
    loop {
        let read = context.look_into_slot(Slot::NetPrimary, &image, Form::Plain);
        let Some((found, bytes)) = lost.tolerate(context, read, deadline)? else {
            continue;
        };
        match found {
            Ok(()) => {
                context.tell_slot(Slot::NetPrimary, &image, Form::Plain, &bytes)?;
                context.see(Evidence::seen(
                    "network core flash",
                    format!("{image_ref} ({})", image.label()),
                ));
                return Ok(());
            }
            Err(mismatch) if context.clock.now() >= deadline => {
                context.tell_slot(Slot::NetPrimary, &image, Form::Plain, &bytes)?;
                return Err(Trouble::fail(
                    FailKind::NetworkCore,
                    format_args!("network core flash must hold {image_ref} but holds {mismatch}"),
                ));
            }
            Err(_) => context.wait_at_most(POLL_FLASH, deadline)?,
        }
    }
}

/// How often reading the network core may fail while it is waited for. Its access port goes away whenever the
/// application core holds it off, which a bootloader does twice in every network core update; in the middle of a read
/// that looks like a broken probe.
const LOST_READS: u32 = 5;

/// Counts reads that failed under way.
#[derive(Default)]
struct Lost {
    reads: u32,
}

impl Lost {
    /// Passes on what was read; `None`, after a pause, when the read failed and may be tried again.
    fn tolerate<T>(
        &mut self,
        context: &Context<'_>,
        read: Checked<T>,
        deadline: hil_clock::Instant,
    ) -> Checked<Option<T>> {
        match read {
            Ok(found) => Ok(Some(found)),
            Err(Trouble::Error(ErrorKind::Probe, cause, _))
                if self.reads < LOST_READS && context.clock.now() < deadline =>
            {
                self.reads += 1;
                context.events.emit(EventKind::Retry {
                    board: context.bench.name.clone(),
                    what: "read network core flash".to_owned(),
                    attempt: self.reads + 1,
                    limit: LOST_READS + 1,
                    cause,
                });
                context.wait_at_most(POLL_FLASH, deadline)?;
                Ok(None)
            }
            Err(trouble) => Err(trouble),
        }
    }
}

fn has_version(context: &mut Context<'_>, version: u32, deadline: hil_clock::Instant) -> Checked {
    let mut lost = Lost::default();
    loop {
        let read = context.network_version();
        let Some((found, bytes)) = lost.tolerate(context, read, deadline)? else {
            continue;
        };
        if matches!(&found, Ok(found) if *found == version) || context.clock.now() >= deadline {
            let region = context.firmware.slot(Slot::NetPrimary)?;
            let found = context.shot(region, &bytes);
            context.checked(Check::NetworkVersion { version, found });
        }
        match found {
            Ok(found) if found == version => {
                context.see(Evidence::compared(
                    "network firmware version",
                    found.to_string(),
                    version.to_string(),
                ));
                return Ok(());
            }
            _ if context.clock.now() < deadline => context.wait_at_most(POLL_FLASH, deadline)?,
            Ok(found) => {
                return Err(Trouble::fail(
                    FailKind::NetworkCore,
                    format_args!(
                        "fw_info in network core flash says version {found}, expected {version}"
                    ),
                ));
            }
            Err(problem) => {
                return Err(Trouble::fail(
                    FailKind::NetworkCore,
                    format_args!(
                        "network core flash holds no firmware of version {version}: {problem}"
                    ),
                ));
            }
        }
    }
}

/// Waits until the network core has printed something since the board was last started. Where its first lines are lost,
/// because the serial ports went away with the power, it is asked through the probe.
pub(crate) fn alive(context: &mut Context<'_>, deadline: hil_clock::Instant) -> Checked {
    if context.bench.is_deaf() {
        return runs_for_the_probe(context, deadline);
    }
    let line = context.wait_for_line(Core::Net, deadline, |_| true)?;
    context.tell_console(Core::Net, PrintedBy::Uart, "", false);
    match line {
        Some(line) => {
            context.see(Evidence::seen("net console", line.text));
            Ok(())
        }
        None => Err(Trouble::fail(
            FailKind::NetworkCore,
            "the network core does not run: nothing on its console since the board was started",
        )),
    }
}

fn runs_for_the_probe(context: &mut Context<'_>, deadline: hil_clock::Instant) -> Checked {
    loop {
        let (runs, registers) = context.bench.network_core_runs()?;
        if runs || context.clock.now() >= deadline {
            context.checked(registers);
        }
        if runs {
            break;
        }
        if context.clock.now() >= deadline {
            return Err(Trouble::fail(
                FailKind::NetworkCore,
                "the network core does not run: the probe sees it held off or locked up",
            ));
        }
        context.wait_at_most(POLL_FLASH, deadline)?;
    }
    context.see(Evidence::seen(
        "network core",
        "released and not locked up, as the probe sees it; its console came back after it had started",
    ));
    Ok(())
}

fn silent(context: &mut Context<'_>) -> Checked {
    let mark = context.started_at(Core::Net);
    context.tell_console(Core::Net, PrintedBy::Uart, "", true);
    match context.console(Core::Net).last_since(mark) {
        None => Ok(()),
        Some(line) => Err(Trouble::fail(
            FailKind::NetworkCore,
            format_args!(
                "the network core runs but must not: it printed `{}`",
                line.text
            ),
        )),
    }
}
