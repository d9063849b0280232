//! The steps of a scenario, one file for each; this one chooses the file.

mod answer;
mod erase;
mod expect_boot;
mod expect_console;
mod expect_image_state;
mod expect_net;
mod expect_plain_text;
mod expect_radio;
mod expect_refusal;
mod expect_slot;
mod expect_update;
mod mark;
mod power_cut;
mod power_cycle;
mod program;
mod reset;
mod upload;

use crate::context::Context;
use crate::sweep;
use crate::trouble::Checked;
use hil_scenario::Step;

pub(crate) use expect_boot::runs_in_state;
pub(crate) use expect_image_state::judge as judge_image_list;
pub(crate) use expect_image_state::numbers as slot_numbers;
pub(crate) use expect_net::alive as expect_net_alive;
pub(crate) use expect_refusal::judge_left;

/// Carries a step out. What it saw is in the context's evidence, also when it ends early.
pub(crate) fn run(context: &mut Context<'_>, step: &Step) -> Checked {
    match step {
        Step::Program(release) => program::run(context, release),
        Step::Upload(step) => upload::run(context, step),
        Step::Mark(step) => mark::run(context, step),
        Step::Erase(step) => erase::run(context, step),
        Step::Reset(step) => reset::run(context, step),
        Step::PowerCycle(step) => power_cycle::run(context, step),
        Step::PowerCut(step) => power_cut::run(context, step),
        Step::Sweep(step) => sweep::run(context, step),
        Step::ExpectBoot(step) => expect_boot::run(context, step),
        Step::ExpectSlot(step) => expect_slot::run(context, step),
        Step::ExpectPlainText(step) => expect_plain_text::run(context, step),
        Step::ExpectImageState(step) => expect_image_state::run(context, step),
        Step::ExpectConsole(step) => expect_console::run(context, step),
        Step::ExpectNet(step) => expect_net::run(context, step),
        Step::ExpectRadio(step) => expect_radio::run(context, step),
        Step::ExpectRefusal(step) => expect_refusal::run(context, step),
        Step::ExpectUpdate(step) => expect_update::run(context, step),
    }
}
