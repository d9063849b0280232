//! Progress as lines, for logs: one when a scenario begins, one when it ends.

use super::tally::Tally;
use hil_record::Reporter;
use hil_record::{Event, EventKind};
use std::io::{self, Write};

/// Writes progress as plain lines.
#[derive(Debug)]
pub(crate) struct Lines<W> {
    out: W,
    tally: Tally,
}

impl<W: Write> Lines<W> {
    pub(crate) fn new(out: W) -> Self {
        Self {
            out,
            tally: Tally::default(),
        }
    }
}

impl<W: Write + Send> Reporter for Lines<W> {
    fn name(&self) -> &str {
        "progress lines"
    }

    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            EventKind::RunStarted(run) => {
                let boards: Vec<String> = run
                    .rig
                    .boards
                    .iter()
                    .map(|board| format!("{} ({})", board.name, board.description))
                    .collect();
                writeln!(
                    self.out,
                    "run {}: {} with firmware `{}` on rig `{}`: {}",
                    run.run,
                    counted(run.planned.len(), "scenario"),
                    run.firmware.name,
                    run.rig.name,
                    boards.join(", ")
                )?;
            }
            EventKind::ScenarioStarted(started) => {
                writeln!(
                    self.out,
                    "      start {} on {}",
                    started.scenario, started.board
                )?;
            }
            EventKind::Retry {
                board,
                what,
                attempt,
                limit,
                cause,
            } => {
                writeln!(
                    self.out,
                    "      retry {attempt}/{limit} on {board}: {what}: {cause}"
                )?;
            }
            EventKind::Note { board, text } => match board {
                Some(board) => writeln!(self.out, "      note  on {board}: {text}")?,
                None => writeln!(self.out, "      note  {text}")?,
            },
            _ => {}
        }
        if let Some(finished) = self.tally.take(event) {
            writeln!(self.out, "{finished}")?;
        }
        Ok(())
    }
}

/// `1 scenario`, `2 scenarios`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_record::{
        BoardInfo, FailKind, FirmwareInfo, Outcome, RigInfo, RunStarted, ScenarioStarted, SkipKind,
        StepInfo, Tool,
    };

    fn events() -> Vec<Event> {
        let text = str::to_owned;
        let kinds = vec![
            EventKind::RunStarted(RunStarted {
                run: text("run-1"),
                started: "2026-01-02T03:04:05Z".parse().unwrap(),
                tool: Tool {
                    name: text("dfu-hil"),
                    version: text("0.1.0"),
                },
                rig: RigInfo {
                    name: text("virtual"),
                    boards: vec![BoardInfo {
                        name: text("vdk-1"),
                        description: text("virtual nRF5340 DK"),
                    }],
                },
                firmware: FirmwareInfo {
                    name: text("demo"),
                    digest: text("00"),
                },
                planned: vec![text("revert"), text("ble-only")],
            }),
            EventKind::ScenarioStarted(ScenarioStarted {
                scenario: text("revert"),
                summary: text("It goes back."),
                file: text("scenarios/revert.yaml"),
                requirements: Vec::new(),
                board: text("vdk-1"),
            }),
            EventKind::StepStarted {
                scenario: text("revert"),
                step: StepInfo {
                    number: 1,
                    name: text("expect_boot"),
                    text: text("baseline boots"),
                    line: Some(4),
                },
            },
            EventKind::StepFinished {
                scenario: text("revert"),
                number: 1,
                outcome: Outcome::fail(FailKind::WrongImage, "runs 2.0.0, expected 1.0.0"),
                evidence: Vec::new(),
            },
            EventKind::ScenarioFinished {
                scenario: text("revert"),
                board: Some(text("vdk-1")),
                outcome: Outcome::fail(FailKind::WrongImage, "runs 2.0.0, expected 1.0.0"),
            },
            EventKind::ScenarioFinished {
                scenario: text("ble-only"),
                board: None,
                outcome: Outcome::skip(SkipKind::Needs, "no board has a radio"),
            },
        ];
        kinds
            .into_iter()
            .zip(0u64..)
            .map(|(kind, seq)| Event {
                seq,
                at: seq * 1000,
                kind,
            })
            .collect()
    }

    #[test]
    fn a_log_shows_each_scenario_with_its_verdict_and_cause() {
        let mut out = Vec::new();
        let mut lines = Lines::new(&mut out);
        for event in events() {
            lines.on_event(&event).unwrap();
        }
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        run run-1: 2 scenarios with firmware `demo` on rig `virtual`: vdk-1 (virtual nRF5340 DK)
              start revert on vdk-1
        1/2 fail  revert on vdk-1 (3.0 s)
            step 1 expect_boot: runs 2.0.0, expected 1.0.0
        2/2 skip  ble-only
            no board has a radio
        ");
    }
}
