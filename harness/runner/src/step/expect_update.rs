//! `expect_update`: an update from the release that was programmed, to what the versions make of it.
//!
//! The bootloader's model says before anything is sent whether it brings the image in; then it is tried.

use crate::context::Context;
use crate::foretold::{Foretold, foretell};
use crate::step::{expect_boot, expect_refusal, mark, reset, upload};
use crate::trouble::{Checked, Trouble};
use hil_bootloader::Mode;
use hil_record::{ErrorKind, Evidence};
use hil_scenario::{
    BootState, ExpectBoot, ExpectRefusal, ExpectUpdate, Mark, MarkAnswer, Refusal, RefusalCode,
    Request, Reset, ResetBy, Upload,
};

/// What evidence calls the outcome, which reports make a grid of.
const OUTCOME: &str = "update";

pub(super) fn run(context: &mut Context<'_>, step: &ExpectUpdate) -> Checked {
    let from = context
        .programmed()
        .map(|programmed| programmed.release.clone())
        .ok_or_else(|| {
            Trouble::error(
                ErrorKind::File,
                "no step programmed the board, so it is not known what the update is of",
            )
            .with_help("put `- program: baseline` before it")
        })?;
    let foretold = foretell(context.firmware, &from, &step.image)
        .map_err(|words| Trouble::error(ErrorKind::File, words))?;
    let refusal = match foretold {
        Foretold::Taken => return taken(context, step, &from),
        Foretold::Upload(code) => Refusal::Upload(known(code)?),
        Foretold::Mark(code) => Refusal::Mark(known(code)?),
        Foretold::Boot { leaves, .. } => Refusal::Boot { says: None, leaves },
    };
    let refused = ExpectRefusal {
        image: step.image.clone(),
        to: None,
        over: None,
        refusal,
        within: step.within,
    };
    expect_refusal::run(context, &refused)?;
    outcome(context, &from, step, "refused");
    Ok(())
}

fn taken(context: &mut Context<'_>, step: &ExpectUpdate, from: &str) -> Checked {
    let request = |request| Mark {
        image: step.image.clone(),
        request,
        over: None,
        expect: MarkAnswer::default(),
        transport_faults: Vec::new(),
    };
    // Without a way back there is no test.
    let first = match context.firmware.set().bootloader.mode {
        Mode::OverwriteOnly | Mode::SingleSlot => BootState::Confirmed,
        Mode::SwapMove | Mode::SwapOffset | Mode::SwapScratch => BootState::Testing,
    };
    let runs = |state| ExpectBoot {
        app: Some(step.image.release_words()),
        net: None,
        state: Some(state),
        within: step.within,
    };
    upload::run(context, &Upload::new(step.image.clone()))?;
    mark::run(context, &request(Request::Test))?;
    reset::run(context, &Reset::by(ResetBy::Smp))?;
    expect_boot::run(context, &runs(first))?;
    mark::run(context, &request(Request::Confirmed))?;
    reset::run(context, &Reset::by(ResetBy::Smp))?;
    expect_boot::run(context, &runs(BootState::Confirmed))?;
    outcome(context, from, step, "updated");
    Ok(())
}

fn outcome(context: &mut Context<'_>, from: &str, step: &ExpectUpdate, word: &str) {
    context.see(Evidence::seen(
        OUTCOME,
        format!("{from} to {}: {word}", step.image),
    ));
}

fn known(code: &str) -> Checked<RefusalCode> {
    RefusalCode::named(code).ok_or_else(|| {
        Trouble::error(
            ErrorKind::Harness,
            format_args!("no SMP server has an error `{code}`"),
        )
    })
}
