//! `expect_net`: what the network core runs.
//!
//! SMP cannot tell: MCUboot's hooks fake the network image's primary slot. So it is read from the network core's flash
//! and its console.

use crate::context::{Context, POLL_FLASH};
use crate::holding::Form;
use crate::trouble::{Checked, Trouble};
use hil_record::{Evidence, FailKind};
use hil_scenario::{Core, ExpectNet, ImageRef, Slot};

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
    loop {
        match context.slot_holds(Slot::NetPrimary, &image, Form::Plain)? {
            Ok(()) => {
                context.see(Evidence::seen(
                    "network core flash",
                    format!("{image_ref} ({})", image.label()),
                ));
                return Ok(());
            }
            Err(mismatch) if context.clock.now() >= deadline => {
                return Err(Trouble::fail(
                    FailKind::NetworkCore,
                    format_args!("network core flash must hold {image_ref} but holds {mismatch}"),
                ));
            }
            Err(_) => context.wait_at_most(POLL_FLASH, deadline)?,
        }
    }
}

fn has_version(context: &mut Context<'_>, version: u32, deadline: hil_clock::Instant) -> Checked {
    loop {
        let found = context.network_version()?;
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

/// Waits until the network core has printed something since the board was last started.
pub(crate) fn alive(context: &mut Context<'_>, deadline: hil_clock::Instant) -> Checked {
    let line = context.wait_for_line(Core::Net, deadline, |_| true)?;
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

fn silent(context: &mut Context<'_>) -> Checked {
    let mark = context.started_at(Core::Net);
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
