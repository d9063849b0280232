//! `dfu-hil rig check`: whether boards are as their rig file says, fact by fact, for people or for machines.

use super::rig::{clock, file, forgive};
use super::run;
use crate::args::rig::RigCheckArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::progress::counted;
use hil_rig::inventory::System;
use hil_rig::inventory::check::{self, Fact, Finding};
use serde::Serialize;

/// What the check of a rig came to. Keys may be added; `format` grows when one changes its meaning.
#[derive(Serialize)]
struct CheckedRig {
    format: u32,
    /// Name of the rig.
    rig: String,
    boards: Vec<CheckedBoard>,
    /// How many facts are not so.
    wrong: usize,
}

#[derive(Serialize)]
struct CheckedBoard {
    /// Its name in the rig file.
    board: String,
    description: String,
    facts: Vec<CheckedFact>,
    /// It was in quarantine, and is not any more: nothing is wrong with it.
    released: bool,
}

#[derive(Serialize)]
struct CheckedFact {
    /// Which, such as `uart app`.
    fact: &'static str,
    status: Status,
    /// What was found.
    found: String,
    /// What to try; none where there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// What was found of a fact, in a word.
#[derive(Clone, Copy, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Status {
    /// It is so, and that was shown.
    Ok,
    /// The rig file says nothing of it, or there is nothing to prove.
    Nothing,
    /// It could not be shown.
    Open,
    /// It is not so.
    Wrong,
}

impl From<Fact> for CheckedFact {
    fn from(fact: Fact) -> Self {
        let (status, found, advice) = match fact.finding {
            Finding::Proven(found) => (Status::Ok, found, None),
            Finding::Nothing(found) => (Status::Nothing, found, None),
            Finding::Open { found, advice } => (Status::Open, found, Some(advice)),
            Finding::Wrong { found, advice } => (Status::Wrong, found, Some(advice)),
        };
        Self {
            fact: fact.what,
            status,
            found,
            advice: advice.filter(|advice| !advice.is_empty()),
        }
    }
}

/// Checks the boards of a rig.
pub(super) fn check(args: &RigCheckArgs) -> Result<Exit, CliError> {
    let clock = clock();
    let mut file = file(&args.rig)?;
    if !args.board.is_empty() {
        file.boards.retain(|board| args.board.contains(&board.name));
        if file.boards.is_empty() {
            return Err(CliError::usage(format_args!(
                "rig `{}` has no entry `{}`",
                file.name,
                args.board.join("`, `")
            )));
        }
    }
    let rig = run::open(&file, &args.firmware, &clock, &run::Queued::default())?;
    let system = System::default();
    let mut checked = CheckedRig {
        format: 1,
        rig: file.name.clone(),
        boards: Vec::new(),
        wrong: 0,
    };
    for board in rig.boards() {
        let description = board.description().unwrap_or("nRF5340 board");
        if !args.json {
            println!("{} ({description})", board.name());
        }
        let facts = check::check(board, &system, &clock);
        if !args.json {
            facts.iter().for_each(|fact| println!("{fact}"));
        }
        let wrong = facts.iter().filter(|fact| fact.finding.is_wrong()).count();
        let released = wrong == 0 && forgive(&file, board.name())?;
        if released && !args.json {
            println!("         out of quarantine: nothing is wrong with it");
        }
        checked.wrong += wrong;
        checked.boards.push(CheckedBoard {
            board: board.name().to_owned(),
            description: description.to_owned(),
            facts: facts.into_iter().map(CheckedFact::from).collect(),
            released,
        });
    }
    let boards = counted(checked.boards.len(), "board");
    match (args.json, checked.wrong) {
        (true, _) => println!("{}", json(&checked)?),
        (false, 0) => println!("{boards}, nothing wrong"),
        (false, wrong) => println!("{boards}, {} wrong", counted(wrong, "fact")),
    }
    Ok(match checked.wrong {
        0 => Exit::Passed,
        _ => Exit::BenchError,
    })
}

fn json(checked: &CheckedRig) -> Result<String, CliError> {
    serde_json::to_string_pretty(checked)
        .map_err(|error| CliError::usage(format_args!("no JSON can be made: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_for_machines_has_every_fact_its_status_and_the_advice() {
        let wrong = CheckedFact {
            fact: "power",
            status: Status::Wrong,
            found: "the board kept its power".to_owned(),
            advice: Some("is the relay in the right cable?".to_owned()),
        };
        let facts = [
            (Status::Ok, "probe", "nRF5340 QKAA ae4f213a3d734e77"),
            (Status::Nothing, "disk", "nothing to look at"),
        ];
        let mut facts: Vec<CheckedFact> = facts
            .into_iter()
            .map(|(status, fact, found)| CheckedFact {
                fact,
                status,
                found: found.to_owned(),
                advice: None,
            })
            .collect();
        facts.push(wrong);
        let checked = CheckedRig {
            format: 1,
            rig: "bench".to_owned(),
            boards: vec![CheckedBoard {
                board: "dk".to_owned(),
                description: "nRF5340 board".to_owned(),
                facts,
                released: false,
            }],
            wrong: 1,
        };
        insta::assert_snapshot!(json(&checked).expect("it can be written"), @r#"
        {
          "format": 1,
          "rig": "bench",
          "boards": [
            {
              "board": "dk",
              "description": "nRF5340 board",
              "facts": [
                {
                  "fact": "probe",
                  "status": "ok",
                  "found": "nRF5340 QKAA ae4f213a3d734e77"
                },
                {
                  "fact": "disk",
                  "status": "nothing",
                  "found": "nothing to look at"
                },
                {
                  "fact": "power",
                  "status": "wrong",
                  "found": "the board kept its power",
                  "advice": "is the relay in the right cable?"
                }
              ],
              "released": false
            }
          ],
          "wrong": 1
        }
        "#);
    }
}
