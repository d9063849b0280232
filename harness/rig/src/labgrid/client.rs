//! `labgrid-client`, run for one place.

use super::error::{PlaceError, PlaceProblem};
use super::resources::Resources;
use super::shown::Shown;
use crate::error::RigError;
use crate::file::LabgridClient;
use crate::power::{PowerKind, PowerState, PowerSwitch};
use crate::process::{self, Finished, Unfinished, describe};
use hil_clock::{Clock, SharedClock};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Most that is kept of an answer. Those of a place with a handful of resources have a few kilobytes.
const ANSWER: usize = 1 << 20;

/// What the client reads from its environment that would have it do something else than for this place (labgrid
/// `labgrid/remote/client.py`, `main`). How it reaches the coordinator (`LG_COORDINATOR`, `LG_PROXY`) and who it is
/// (`LG_HOSTNAME`, `LG_USERNAME`) stays.
const NOT_OURS: [&str; 7] = [
    "LG_ENV",
    "LG_PLACE",
    "PLACE",
    "LG_STATE",
    "STATE",
    "LG_INITIAL_STATE",
    "LG_TOKEN",
];

/// Runs the program for the place of one board.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) board: String,
    pub(crate) spec: LabgridClient,
    pub(crate) clock: SharedClock,
}

impl Client {
    /// An error about the place.
    pub(super) fn error(&self, problem: PlaceProblem) -> PlaceError {
        PlaceError {
            board: self.board.clone(),
            place: self.spec.place.clone(),
            coordinator: self.spec.coordinator_address(),
            problem: Box::new(problem),
        }
    }

    /// Who has the place.
    pub(super) fn show(&self) -> Result<Shown, PlaceError> {
        let words = ["show"];
        let shown = Shown::parse(&self.run(&words)?).map_err(|what| {
            self.error(PlaceProblem::Answer {
                command: self.command(&words),
                what,
            })
        })?;
        // The program takes a part of a name, or an alias, for the place that has it.
        if shown.name == self.spec.place {
            Ok(shown)
        } else {
            Err(self.error(PlaceProblem::NoSuchPlace(vec![shown.name])))
        }
    }

    pub(super) fn acquire(&self) -> Result<(), PlaceError> {
        self.run(&["acquire"]).map(drop)
    }

    /// Releases a place of which it is not known under which name it was acquired, if that is possible.
    pub(super) fn give_up(&self) {
        if let Err(error) = self.run(&["release"]) {
            tracing::warn!(place = self.spec.place, %error, "the place is still acquired");
        }
    }

    /// Releases the place if `holder` has it, and nobody else's.
    pub(super) fn release_from(&self, holder: &str) -> Result<(), PlaceError> {
        self.run(&["release-from", holder]).map(drop)
    }

    /// What the place is made of. It must be acquired.
    pub(super) fn resources(&self) -> Result<Resources, PlaceError> {
        // An environment file, which is labgrid's form for other programs. It can hold passwords, so it is never quoted.
        let words = ["env"];
        Resources::parse(&self.run(&words)?, &self.spec.place).map_err(|what| {
            self.error(PlaceProblem::Answer {
                command: self.command(&words),
                what: what.to_owned(),
            })
        })
    }

    /// Runs the program; what it wrote to its standard output.
    fn run(&self, words: &[&str]) -> Result<String, PlaceError> {
        let mut command = Command::new(&self.spec.program);
        command.args(self.arguments(words));
        for name in NOT_OURS {
            command.env_remove(name);
        }
        // Ctrl-C at the terminal is the run's business, which goes on to release the place.
        command.process_group(0);
        let problem = match process::run(&mut command, self.spec.within, ANSWER, &*self.clock) {
            Ok(finished) if finished.status.success() => return Ok(finished.stdout),
            Ok(finished) => self.refused(words, finished),
            Err(Unfinished::Start(source)) => PlaceProblem::NoClient {
                program: self.spec.program.clone(),
                source,
            },
            Err(Unfinished::Stuck(stderr)) => PlaceProblem::Silent {
                command: self.command(words),
                within: self.spec.within,
                stderr,
            },
        };
        Err(self.error(problem))
    }

    /// What the program means by its message. These are labgrid 26.0.1's (`labgrid/remote/client.py`); another one is quoted.
    fn refused(&self, words: &[&str], finished: Finished) -> PlaceProblem {
        let stderr = finished.stderr;
        let says = |text: &str| stderr.contains(text);
        if says("Could not connect to coordinator") || says("coordinator is unavailable") {
            PlaceProblem::Unreachable(last_line(&stderr, "coordinator is unavailable: "))
        } else if says(" matches nothing") || says(" matches multiple places ") {
            PlaceProblem::NoSuchPlace(self.places())
        } else if says("has no matching remote resource") {
            PlaceProblem::Unmatched(last_line(&stderr, "Error: "))
        } else if says("has an orphaned resource") {
            PlaceProblem::ExporterGone(last_line(&stderr, "has an orphaned resource "))
        } else if says(" is not acquired") {
            PlaceProblem::TakenAway(last_line(&stderr, "Error: "))
        } else {
            PlaceProblem::Refused {
                command: self.command(words),
                status: describe(finished.status),
                stderr,
            }
        }
    }

    /// The places that the coordinator has, for a message: none where that is not known.
    fn places(&self) -> Vec<String> {
        let mut command = Command::new(&self.spec.program);
        if let Some(coordinator) = &self.spec.coordinator {
            command.args(["-x", coordinator]);
        }
        command.arg("places").env_remove("LG_ENV").process_group(0);
        let answer = process::run(&mut command, self.spec.within, ANSWER, &*self.clock);
        let text = answer.map(|finished| finished.stdout).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.split_whitespace().next())
            .map(str::to_owned)
            .collect()
    }

    fn arguments<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = Vec::new();
        if let Some(coordinator) = &self.spec.coordinator {
            arguments.extend(["-x", coordinator]);
        }
        arguments.extend(["-p", &self.spec.place]);
        arguments.extend(words);
        arguments
    }

    fn command(&self, words: &[&str]) -> String {
        format!("{} {}", self.spec.program, self.arguments(words).join(" "))
    }
}

/// What stands behind `mark` in the last line that has it; all of it where none has.
fn last_line(text: &str, mark: &str) -> String {
    let found = text
        .lines()
        .rev()
        .find_map(|line| line.split_once(mark).map(|(_, rest)| rest));
    found.unwrap_or(text).trim().to_owned()
}

/// labgrid's driver for the power of a place.
#[derive(Debug)]
pub(crate) struct LabgridSwitch {
    pub(crate) client: Client,
    pub(crate) resource: Option<String>,
}

impl PowerSwitch for LabgridSwitch {
    fn switch(&self, to: PowerState) -> Result<(), RigError> {
        let mut words = vec!["power", to.word()];
        words.extend(self.resource.iter().flat_map(|name| ["-n", name]));
        self.client.run(&words)?;
        Ok(())
    }

    fn clock(&self) -> &dyn Clock {
        &*self.client.clock
    }

    fn kind(&self) -> PowerKind {
        PowerKind::Labgrid
    }
}
