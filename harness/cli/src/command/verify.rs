//! `dfu-hil verify`: checks a sign-off, with no network and no board.

use super::signoff::{key_error, now};
use crate::args::VerifyArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::library::mistakes_in_files;
use hil_scenario::FirmwareSet;
use hil_signoff::{SetTerms, VerifyRequest, VerifyingKey};
use jiff::tz::TimeZone;

/// Checks it, and tells what was found.
pub(crate) fn verify(args: &VerifyArgs) -> Result<Exit, CliError> {
    let keys = args
        .key
        .iter()
        .map(|path| VerifyingKey::load(path).map_err(|problem| key_error(&problem)))
        .collect::<Result<Vec<_>, _>>()?;
    let firmware = args
        .firmware
        .iter()
        .map(FirmwareSet::load)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|mistake| mistakes_in_files(&[mistake]))?;
    let firmware: Vec<SetTerms> = firmware.iter().map(SetTerms::of).collect();
    let at = match args.at {
        None => now()?,
        Some(date) => date
            .to_zoned(TimeZone::UTC)
            .map_err(|error| CliError::usage(format_args!("`--at {date}`: {error}")))?
            .timestamp(),
    };
    let verification = hil_signoff::verify(&VerifyRequest {
        folder: &args.folder,
        keys: &keys,
        signatures: args.signatures.map_or(keys.len(), usize::from),
        firmware: (!args.without_firmware).then_some(firmware.as_slice()),
        runs: (!args.without_runs).then_some(args.runs.as_path()),
        at,
    });
    for check in &verification.checks {
        println!("{check}");
    }
    if verification.is_good() {
        println!("the sign-off in `{}` verifies", args.folder.display());
        Ok(Exit::Passed)
    } else {
        println!(
            "the sign-off in `{}` does not verify",
            args.folder.display()
        );
        Ok(Exit::Failed)
    }
}
