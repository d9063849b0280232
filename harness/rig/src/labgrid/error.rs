//! What can go wrong with a place, and what a person can do about it.

use crate::core::Core;
use std::fmt;
use std::time::Duration;

/// A place that could not be used.
#[derive(Debug, thiserror::Error)]
#[error("board `{board}`, labgrid's place `{place}` (coordinator {coordinator}): {problem}")]
#[non_exhaustive]
pub struct PlaceError {
    /// The board.
    pub board: String,
    /// The place.
    pub place: String,
    /// `HOST:PORT` of the coordinator.
    pub coordinator: String,
    /// Why.
    pub problem: Box<PlaceProblem>,
}

/// Why a place could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceProblem {
    /// The client does not start.
    #[error("cannot start `{program}`: {source}")]
    NoClient {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody answers where the coordinator should be.
    #[error("the coordinator does not answer{}", said(.0))]
    Unreachable(
        /// What the client wrote.
        String,
    ),
    /// The client did not end.
    #[error("`{command}` did not end within {within:?}{}", said(.stderr))]
    Silent {
        /// The command.
        command: String,
        /// How long it was given.
        within: Duration,
        /// What it wrote.
        stderr: String,
    },
    /// The coordinator has no such place.
    #[error("there is no such place; {}", known(.0))]
    NoSuchPlace(
        /// The places that exist.
        Vec<String>,
    ),
    /// Somebody else has acquired it.
    #[error("it is acquired by {by} since {since}")]
    InUse {
        /// `HOST/USER`, as labgrid has it.
        by: String,
        /// Since when, in the coordinator's words for the local time.
        since: String,
    },
    /// It is acquired under our name, and not by a run that is known here.
    #[error(
        "it is acquired by {by} since {since}, which is your own name on this host, and no run of dfu-hil here has done it"
    )]
    InUseByHand {
        /// `HOST/USER`, as labgrid has it.
        by: String,
        /// Since when, in the coordinator's words for the local time.
        since: String,
    },
    /// It was taken away.
    #[error("it was taken away{}", said(.0))]
    TakenAway(
        /// What the client wrote.
        String,
    ),
    /// No exporter offers what it is made of.
    #[error("no exporter offers what the place is made of{}", said(.0))]
    Unmatched(
        /// What the client wrote.
        String,
    ),
    /// The exporter is gone.
    #[error("its exporter is gone{}", said(.0))]
    ExporterGone(
        /// What the client wrote.
        String,
    ),
    /// The client says no.
    #[error("`{command}` ended with {status}{}", said(.stderr))]
    Refused {
        /// The command.
        command: String,
        /// How it ended.
        status: String,
        /// What it wrote.
        stderr: String,
    },
    /// The client says something that is not understood.
    #[error("`{command}` answered something else than expected: {what}")]
    Answer {
        /// The command.
        command: String,
        /// What is wrong.
        what: String,
    },
    /// A resource that the rig file names is not there.
    #[error("it has no {what} `{name}`; it has {}", listed(.there, "none"))]
    NoResource {
        /// What it should be.
        what: &'static str,
        /// The name.
        name: String,
        /// Those of that kind.
        there: Vec<String>,
    },
    /// Several resources could be meant.
    #[error("it has several resources for {what}: {}", listed(.there, "none"))]
    Ambiguous {
        /// What for.
        what: &'static str,
        /// The key in the rig file that decides.
        key: &'static str,
        /// Their names.
        there: Vec<String>,
    },
    /// A resource lacks something, as one whose device is unplugged.
    #[error("resource `{name}` ({class}) {what}")]
    Unavailable {
        /// The resource.
        name: String,
        /// Its class.
        class: String,
        /// What it lacks.
        what: String,
    },
    /// Nothing in it is a probe.
    #[error("nothing in it is a debug probe; it has {}", listed(.0, "nothing at all"))]
    NoProbe(
        /// The resources.
        Vec<String>,
    ),
    /// The probe is on USB of another host.
    #[error("its debug probe `{name}` is on USB of host `{host}`, which is not this one")]
    ProbeElsewhere {
        /// The resource.
        name: String,
        /// The host.
        host: String,
    },
    /// A serial port cannot be opened.
    #[error("the serial port of the {core} (resource `{name}`) at {at} cannot be opened: {why}")]
    Serial {
        /// The core.
        core: Core,
        /// The resource.
        name: String,
        /// Where it is.
        at: String,
        /// Why.
        why: String,
    },
}

impl PlaceError {
    /// Whether it is about a serial port.
    #[must_use]
    pub fn is_about_a_port(&self) -> bool {
        matches!(*self.problem, PlaceProblem::Serial { .. })
    }

    /// What a person can try next.
    #[must_use]
    pub fn help(&self) -> String {
        let Self {
            place, coordinator, ..
        } = self;
        let client = format!("labgrid-client -x {coordinator} -p {place}");
        match &*self.problem {
            PlaceProblem::NoClient { .. } => {
                "install labgrid (`pip install labgrid`), or name the program by `client` under `labgrid`".into()
            }
            PlaceProblem::Unreachable(_) | PlaceProblem::Silent { .. } => format!(
                "does `labgrid-client -x {coordinator} places` list places? the address is that of `coordinator` under `labgrid`, or \
                 of LG_COORDINATOR"
            ),
            PlaceProblem::NoSuchPlace(_) => format!(
                "correct `place` under `labgrid`: it is the whole name; `labgrid-client -x {coordinator} places` lists them"
            ),
            PlaceProblem::InUse { by, .. } => format!(
                "wait for it with `--wait TIME`, or ask {by} to release it; `labgrid-client -x {coordinator} who` tells who has what"
            ),
            PlaceProblem::InUseByHand { .. } => {
                format!("if nobody uses it, release it: `{client} release`")
            }
            PlaceProblem::TakenAway(_) => format!(
                "somebody has released it under the run; `{client} show` tells who has it now"
            ),
            PlaceProblem::Unmatched(_) | PlaceProblem::ExporterGone(_) => format!(
                "start the exporter of the place again (`labgrid-exporter`); `{client} show` has what is there"
            ),
            PlaceProblem::Refused { .. } | PlaceProblem::Answer { .. } => {
                format!("run it by hand; `{client} show` has what labgrid knows of the place")
            }
            PlaceProblem::NoResource { .. } => {
                format!("correct the name under `labgrid`; `{client} show` has all resources")
            }
            PlaceProblem::Ambiguous { key, .. } => {
                format!("name one of them by `{key}` under `labgrid`")
            }
            PlaceProblem::Unavailable { .. } => format!(
                "is the board plugged in at its exporter and switched on? `{client} show` has what the exporter knows"
            ),
            PlaceProblem::NoProbe(_) => {
                "export it as `USBDebugger` on the host where the run is, or as `NetworkService` called `probe` where something \
                 speaks the Black Magic remote protocol; or give the board a `probe` in the rig file"
                    .into()
            }
            PlaceProblem::ProbeElsewhere { host, .. } => format!(
                "run dfu-hil on `{host}`: a debug probe on USB is used by the host that it is plugged into"
            ),
            PlaceProblem::Serial { .. } => {
                "can this host reach the exporter's without labgrid's proxy, and has nobody else the port open (`labgrid-client \
                 console`)?"
                    .into()
            }
        }
    }
}

/// What a program said, if anything.
fn said(text: &str) -> String {
    match text.trim() {
        "" => String::new(),
        text => format!("; labgrid-client wrote: {text}"),
    }
}

fn known(places: &[String]) -> String {
    format!("the coordinator has {}", listed(places, "none"))
}

/// Names for people.
fn listed(names: &[String], none: &str) -> impl fmt::Display + use<> {
    if names.is_empty() {
        return none.to_owned();
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn problems() -> Vec<PlaceProblem> {
        let within = Duration::from_secs(30);
        let by = "lab2/ada".to_owned();
        let since = "2026-03-01 12:00:00".to_owned();
        let command = "labgrid-client -p dk-07 power off".to_owned();
        let names = || vec!["left".to_owned(), "right".to_owned()];
        vec![
            PlaceProblem::NoClient {
                program: "labgrid-client".into(),
                source: std::io::ErrorKind::NotFound.into(),
            },
            PlaceProblem::Unreachable("Connection refused".into()),
            PlaceProblem::Silent {
                command: command.clone(),
                within,
                stderr: String::new(),
            },
            PlaceProblem::NoSuchPlace(Vec::new()),
            PlaceProblem::InUse {
                by: by.clone(),
                since: since.clone(),
            },
            PlaceProblem::InUseByHand { by, since },
            PlaceProblem::TakenAway("place dk-07 is not acquired".into()),
            PlaceProblem::Unmatched("Match x/* has no matching remote resource".into()),
            PlaceProblem::ExporterGone("(exporter x disconnected?)".into()),
            PlaceProblem::Refused {
                command: command.clone(),
                status: "status 1".into(),
                stderr: "no such relay".into(),
            },
            PlaceProblem::Answer {
                command,
                what: "it names no place".into(),
            },
            PlaceProblem::NoResource {
                what: "debug probe",
                name: "middle".into(),
                there: names(),
            },
            PlaceProblem::Ambiguous {
                what: "the power",
                key: "power: NAME",
                there: names(),
            },
            PlaceProblem::Unavailable {
                name: "left".into(),
                class: "NetworkUSBDebugger".into(),
                what: "is at 1-1.4 on USB, where nothing is".into(),
            },
            PlaceProblem::NoProbe(Vec::new()),
            PlaceProblem::ProbeElsewhere {
                name: "left".into(),
                host: "lab3".into(),
            },
            PlaceProblem::Serial {
                core: Core::Net,
                name: "right".into(),
                at: "lab3:4001 (RFC 2217)".into(),
                why: "it closed the connection".into(),
            },
        ]
    }

    #[test]
    fn every_problem_says_what_happened_where_and_what_to_try() {
        let mut page = String::new();
        for problem in problems() {
            let error = PlaceError {
                board: "dk".into(),
                place: "dk-07".into(),
                coordinator: "lab:20408".into(),
                problem: Box::new(problem),
            };
            writeln!(page, "{error}\n  help: {}\n", error.help()).unwrap();
        }
        insta::assert_snapshot!(page);
    }
}
