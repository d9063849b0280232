//! `dfu-hil signoff` and `dfu-hil countersign`: signs a release off, when its runs are as the policy asks.

use crate::args::{CountersignArgs, SignoffArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::library::mistakes_in_files;
use crate::progress::counted;
use hil_clock::{Clock as _, SystemClock};
use hil_runner::error_chain;
use hil_signoff::{
    DECISION, Envelope, Evidence, EvidenceError, Judgement, KeyProblem, Policy, Refusal, SignOff,
    SigningKey, TEST_RESULT, Terms, VerifyingKey, judge,
};
use jiff::Timestamp;
use std::fs;
use std::path::Path;

/// Judges, and signs.
pub(crate) fn signoff(args: &SignoffArgs) -> Result<Exit, CliError> {
    let at = now()?;
    let policy = Policy::load(&args.policy).map_err(|mistake| mistakes_in_files(&[mistake]))?;
    let (terms, requirements) =
        Terms::of(&policy).map_err(|mistakes| mistakes_in_files(&mistakes.0))?;
    // Before the judgement: a key that cannot be used is a mistake on the command line.
    let keys = args
        .key
        .iter()
        .map(|path| SigningKey::load(path).map_err(|problem| key_error(&problem)))
        .collect::<Result<Vec<_>, _>>()?;
    if !keys.is_empty() {
        check_empty(&args.out)?;
    }
    let (mut runs, mut unreadable) = (Vec::new(), Vec::new());
    for folder in &args.runs {
        match Evidence::read(folder) {
            Ok(mut run) => {
                super::replay::doubt(folder, &mut run)?;
                runs.push(run);
            }
            Err(error @ EvidenceError::NoRun(_)) => {
                return Err(CliError::usage(&error).with_help(Some(error.help())));
            }
            Err(error) => unreadable.push(Refusal::unreadable(&error)),
        }
    }
    let mut judgement = judge(&terms, &runs, at);
    unreadable.append(&mut judgement.refusals);
    judgement.refusals = unreadable;
    if args.json {
        let json = serde_json::to_string_pretty(&judgement)
            .map_err(|error| CliError::bench(format_args!("no JSON: {error}")))?;
        println!("{json}");
    } else {
        tell(&terms, &judgement);
    }
    if !judgement.is_signed_off() {
        return Ok(Exit::Failed);
    }
    if keys.is_empty() {
        eprintln!("nothing is signed: no --key is given");
        return Ok(Exit::Passed);
    }
    let files = SignOff {
        terms: &terms,
        judgement: &judgement,
        runs: &runs,
        policy: policy.text(),
        requirements: &requirements.text,
    }
    .files(&keys);
    fs::create_dir_all(&args.out).map_err(|error| cannot_write(&args.out, &error))?;
    for (name, bytes) in &files {
        let path = args.out.join(name);
        fs::write(&path, bytes).map_err(|error| cannot_write(&path, &error))?;
    }
    if !args.json {
        println!("sign-off: {}", args.out.display());
        for key in &keys {
            println!("signed with key {}", key.id());
        }
    }
    Ok(Exit::Passed)
}

/// Adds a signature to a sign-off that somebody has signed.
pub(crate) fn countersign(args: &CountersignArgs) -> Result<Exit, CliError> {
    let key = SigningKey::load(&args.key).map_err(|problem| key_error(&problem))?;
    let trusted = VerifyingKey::load(&args.trusted).map_err(|problem| key_error(&problem))?;
    let entries = fs::read_dir(&args.folder).map_err(|error| cannot_read(&args.folder, &error))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name == DECISION || name.ends_with(TEST_RESULT))
        .collect();
    names.sort();
    if !names.iter().any(|name| name == DECISION) {
        return Err(CliError::usage(format_args!(
            "`{}` is no sign-off: it has no `{DECISION}`",
            args.folder.display()
        ))
        .with_help(Some("give the folder that `dfu-hil signoff` wrote")));
    }
    let mut signed = Vec::new();
    for name in &names {
        let path = args.folder.join(name);
        let bytes = fs::read(&path).map_err(|error| cannot_read(&path, &error))?;
        let mut envelope = Envelope::from_json(&bytes)
            .map_err(|error| CliError::usage(format_args!("`{name}`: {error}")))?;
        if let Err(error) = envelope.verified(std::slice::from_ref(&trusted), 1) {
            println!("refused: `{name}` is not to be believed: {error}");
            return Ok(Exit::Failed);
        }
        envelope.add_signature(&key);
        signed.push((path, envelope.to_json()));
    }
    for (path, text) in &signed {
        fs::write(path, text).map_err(|error| cannot_write(path, &error))?;
    }
    println!(
        "{} signed with key {}",
        counted(signed.len(), "statement"),
        key.id()
    );
    Ok(Exit::Passed)
}

fn tell(terms: &Terms, judgement: &Judgement) {
    for refusal in &judgement.refusals {
        println!("{refusal}");
    }
    for warning in &judgement.warnings {
        println!("warning: {warning}");
    }
    for waiver in &judgement.waived {
        println!(
            "waived by {} until {}: {}",
            waiver.by, waiver.expires, waiver.reason
        );
    }
    let release = format!("{} {}", terms.release.name, terms.release.version);
    if judgement.is_signed_off() {
        println!(
            "{release} meets policy `{}`: {}, {}",
            terms.policy,
            counted(terms.scenarios.len(), "scenario"),
            counted(terms.requirements.len(), "requirement")
        );
    } else {
        println!(
            "{release} is refused by policy `{}`: {}",
            terms.policy,
            counted(judgement.refusals.len(), "reason")
        );
    }
}

/// Two sign-offs in one folder could not be told apart.
fn check_empty(out: &Path) -> Result<(), CliError> {
    let empty = fs::read_dir(out).map_or(true, |mut entries| entries.next().is_none());
    if empty {
        return Ok(());
    }
    Err(
        CliError::usage(format_args!("folder `{}` is not empty", out.display()))
            .with_help(Some("give another one with --out")),
    )
}

/// The date of this machine, to the second.
pub(crate) fn now() -> Result<Timestamp, CliError> {
    let now = Timestamp::try_from(SystemClock::new().wall());
    now.and_then(|now| Timestamp::from_second(now.as_second()))
        .map_err(|_| {
            CliError::bench("the clock shows no date that a sign-off can carry")
                .with_help(Some("set the date of this machine"))
        })
}

/// A key that cannot be used.
pub(crate) fn key_error(problem: &KeyProblem) -> CliError {
    CliError::usage(error_chain(problem)).with_help(Some(problem.help()))
}

fn cannot_read(path: &Path, error: &std::io::Error) -> CliError {
    CliError::usage(format_args!("`{}` cannot be read: {error}", path.display()))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> CliError {
    CliError::usage(format_args!(
        "`{}` cannot be written: {error}",
        path.display()
    ))
}
