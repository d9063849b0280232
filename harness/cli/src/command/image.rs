//! `dfu-hil image inspect`: what an image file holds, and what a bootloader makes of it.

use crate::args::InspectArgs;
use crate::error::CliError;
use crate::exit::Exit;
use hil_image::KeyRing;
use hil_image::inspect::Inspection;
use hil_runner::error_chain;
use std::fs;

/// Prints the inspection. An image that is refused is a failure; a file that cannot be read, or a key that is none, is
/// a mistake of the command line.
pub(crate) fn inspect(args: &InspectArgs) -> Result<Exit, CliError> {
    let mut keys = KeyRing::new();
    for path in &args.key {
        let text = fs::read_to_string(path).map_err(|error| {
            CliError::usage(format_args!(
                "key `{}` cannot be read: {error}",
                path.display()
            ))
        })?;
        keys.add(&path.display().to_string(), &text)
            .map_err(|error| {
                CliError::usage(format_args!(
                    "key `{}`: {}",
                    path.display(),
                    error_chain(&error)
                ))
                .with_help(error.help())
            })?;
    }
    let bytes = fs::read(&args.file).map_err(|error| {
        CliError::usage(format_args!(
            "image `{}` cannot be read: {error}",
            args.file.display()
        ))
    })?;
    let inspection = Inspection::of(&bytes, &keys);
    if args.json {
        let json = serde_json::to_string_pretty(&inspection).map_err(|error| {
            CliError::usage(format_args!(
                "the inspection cannot be written as JSON: {error}"
            ))
        })?;
        println!("{json}");
    } else {
        println!("{inspection}");
    }
    Ok(if inspection.is_refused() {
        Exit::Failed
    } else {
        Exit::Passed
    })
}
