//! `dfu-hil bootloader sweep`: one boot, with the power cut at every flash operation.

use super::boot::{booted, decisions, ended, hash, json_line, request, reset, swap_types, version};
use super::input::Model;
use super::{Reader, say};
use crate::args::SweepArgs;
use crate::error::CliError;
use crate::exit::Exit;
use hil_bootloader::Cut;
use hil_bootloader::predict::{Action, Board};
use serde::Serialize;

/// One cut and the clean boot after it.
#[derive(Debug, Serialize)]
struct Line {
    cut: u32,
    torn: u32,
    flash_at_cut: String,
    swap_types_at_cut: Vec<String>,
    flash_after: String,
    result: &'static str,
    version: Option<String>,
    decision: Vec<String>,
}

/// Cuts before each operation that the boot does when it is left alone, and prints a line for each cut.
pub(super) fn sweep(args: &SweepArgs) -> Result<Exit, CliError> {
    let model = Model::read(&args.model)?;
    let mut board = Board::new(&model.config, model.keys()?, model.flash.clone());
    for refused in request(&model, &mut board, &args.model.action)? {
        if let Some(error) = refused.error {
            eprintln!("note: {} was refused: {error}", refused.action);
        }
    }
    let start = board.flash();
    let clean = reset(&mut board, &Action::Reset)?;
    for ops in 0..clean.counts.ops() {
        board.load(start.clone());
        let cut = Cut {
            ops,
            torn: args.torn,
        };
        reset(&mut board, &Action::ResetAndCut(cut))?;
        let at_cut = board.flash();
        let step = reset(&mut board, &Action::Reset)?;
        let line = Line {
            cut: ops,
            torn: args.torn,
            flash_at_cut: hash(&at_cut),
            swap_types_at_cut: swap_types(&model, &at_cut),
            flash_after: hash(&board.flash()),
            result: ended(&step).0,
            version: booted(&step).map(version),
            decision: decisions(&step),
        };
        if say(json_line(&line)?)? == Reader::Gone {
            break;
        }
    }
    Ok(Exit::Passed)
}
