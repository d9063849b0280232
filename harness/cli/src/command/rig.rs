//! `dfu-hil rig …`: what is on the bench, whether it is as its rig file says, and who uses it.

use crate::args::rig::{
    BoardArgs, HoldArgs, KickArgs, RigCommand, RigFileArgs, RigImportArgs, ScanArgs,
};
use crate::bench_files;
use crate::command::rig_check;
use crate::error::CliError;
use crate::exit::Exit;
use crate::signals;
use hil_clock::{SharedClock, SystemClock};
use hil_rig::inventory::leases::{self, BoardState, Kick, KickError, Leases};
use hil_rig::inventory::{System, scan, twister};
use hil_rig::{ChipId, Holder, ProbeSession, Recover, RigError, RigFile};
use hil_runner::{CancelToken, error_chain};
use std::sync::Arc;
use std::time::Duration;

/// How often a hold looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Does what was asked for.
pub(crate) fn dispatch(command: &RigCommand) -> Result<Exit, CliError> {
    match command {
        RigCommand::Scan(args) => scan_bench(args),
        RigCommand::Check(args) => rig_check::check(args),
        RigCommand::Status(args) => status(args),
        RigCommand::Hold(args) => hold(args),
        RigCommand::Release(args) => release(args),
        RigCommand::Kick(args) => kick(args),
        RigCommand::Import(args) => import(args),
    }
}

pub(super) fn clock() -> SharedClock {
    Arc::new(SystemClock::new())
}

pub(super) fn file(args: &RigFileArgs) -> Result<RigFile, CliError> {
    bench_files::rig_file(args.rig.as_deref())
}

fn bench_error(error: &RigError) -> CliError {
    let help = Some(error.help()).filter(|help| !help.is_empty());
    CliError::bench(error_chain(error)).with_help(help)
}

fn scan_bench(args: &ScanArgs) -> Result<Exit, CliError> {
    let mut found = scan::scan(&System::default());
    for other in &found.others {
        eprintln!(
            "left out: debugger {} at USB {}, whose number is not that of an nRF5340 DK",
            other.serial, other.place
        );
    }
    if found.boards.is_empty() {
        return Err(CliError::nothing_ran("no nRF5340 DK is plugged in").with_help(Some(
            "is its cable in the debugger's port, and its switch on? a board of your own needs an entry by hand (docs/rigs.md)",
        )));
    }
    if args.chips {
        for board in &mut found.boards {
            let selector = board.selector().parse().map_err(CliError::bench)?;
            let name = &board.device.serial;
            let probe = ProbeSession::with_probe(name, selector, Recover::Forbidden, clock());
            match probe.identity() {
                Ok(identity) => board.chip = Some(ChipId(identity.device_id)),
                Err(error) => eprintln!(
                    "warning: {}\n    try: {}",
                    error_chain(&error),
                    error.help()
                ),
            }
        }
    }
    let text = found.rig_file(&args.name);
    // A name that is none is a mistake of the command line.
    RigFile::parse("scan".as_ref(), &text).map_err(|error| CliError::usage(error_chain(&error)))?;
    print!("{text}");
    Ok(Exit::Passed)
}

fn status(args: &RigFileArgs) -> Result<Exit, CliError> {
    let file = file(args)?;
    let leases = Leases::new(None, clock());
    for status in leases.status(&file).map_err(|error| bench_error(&error))? {
        let words = match status.state {
            BoardState::Virtual => "virtual: started for each run".to_owned(),
            BoardState::Free => "free".to_owned(),
            BoardState::Held(holder) => format!("in use by {holder}"),
            _ => "not known".to_owned(),
        };
        match status.quarantined {
            None => println!("{}: {words}", status.board),
            Some(Ok(quarantined)) => println!(
                "{}: {words}; in quarantine since {:.0}: {}",
                status.board, quarantined.since, quarantined.cause
            ),
            Some(Err(problem)) => println!("{}: {words}; {problem}", status.board),
        }
    }
    Ok(Exit::Passed)
}

fn hold(args: &HoldArgs) -> Result<Exit, CliError> {
    let file = file(&args.rig)?;
    let clock = clock();
    let cancel = CancelToken::new();
    signals::cancel_on(&cancel)
        .map_err(|error| CliError::bench(format_args!("signals cannot be caught: {error}")))?;
    let leases = Leases::new(None, clock.clone());
    let held = leases
        .hold(&file, &args.board, &args.reason)
        .map_err(|error| bench_error(&error))?;
    println!(
        "board `{}` is held; Ctrl-C gives it back, and so does `dfu-hil rig release {}`",
        args.board, args.board
    );
    let end = args.duration.map(|duration| clock.now() + duration);
    while !cancel.is_cancelled() && end.is_none_or(|end| clock.now() < end) {
        clock.sleep(LOOK_EVERY);
    }
    drop(held);
    Ok(Exit::Passed)
}

fn release(args: &BoardArgs) -> Result<Exit, CliError> {
    let file = file(&args.rig)?;
    let leases = Leases::new(None, clock());
    let ended = leases.release(&file, &args.board, args.within);
    let forgiven = match &ended {
        Ok(_) | Err(KickError::Free { .. }) => forgive(&file, &args.board)?,
        Err(_) => false,
    };
    if forgiven {
        println!("board `{}` is out of quarantine", args.board);
    }
    match ended {
        Err(KickError::Free { .. }) if forgiven => Ok(Exit::Passed),
        ended => told(&args.board, ended),
    }
}

/// Forgets the trouble that a board made; whether it had made any.
pub(super) fn forgive(file: &RigFile, board: &str) -> Result<bool, CliError> {
    leases::forgive(file, board)
        .map_err(|error| CliError::bench(error_chain(&error)).with_help(Some("whose file is it?")))
}

fn kick(args: &KickArgs) -> Result<Exit, CliError> {
    let BoardArgs { board, rig, within } = &args.board;
    let how = if args.now {
        Kick::AtOnce
    } else {
        Kick::Politely
    };
    let leases = Leases::new(None, clock());
    told(board, leases.kick(&file(rig)?, board, how, *within))
}

fn told(board: &str, ended: Result<Holder, KickError>) -> Result<Exit, CliError> {
    match ended {
        Ok(holder) => {
            println!("board `{board}` is free; it was in use by {holder}");
            Ok(Exit::Passed)
        }
        Err(error @ KickError::Free { .. }) => Err(CliError::nothing_ran(error)),
        Err(error) => Err(CliError::bench(error_chain(&error)).with_help(error.help())),
    }
}

fn import(args: &RigImportArgs) -> Result<Exit, CliError> {
    let text = std::fs::read_to_string(&args.map).map_err(|error| {
        CliError::usage(format_args!(
            "hardware map `{}` cannot be read: {error}",
            args.map.display()
        ))
    })?;
    let imported = twister::import(&args.map, &text, &args.name, &System::default())
        .map_err(|error| CliError::usage(error_chain(&error)).with_help(error.help()))?;
    for left_out in &imported.left_out {
        eprintln!("left out: {left_out}");
    }
    let Some(text) = imported.rig_file else {
        return Err(CliError::nothing_ran(format_args!(
            "hardware map `{}` has no nRF5340 DK that is connected",
            args.map.display()
        )));
    };
    RigFile::parse("import".as_ref(), &text)
        .map_err(|error| CliError::usage(error_chain(&error)))?;
    print!("{text}");
    Ok(Exit::Passed)
}
