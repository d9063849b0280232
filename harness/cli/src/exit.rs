//! Exit codes: part of the public interface, so that a script can tell a broken firmware from a broken bench.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    /// 0: everything that was asked for ran and passed.
    Passed,
    /// 1: at least one scenario failed (`run`), the image is refused (`image inspect`), a firmware set has an image that
    /// cannot work (`firmware import`, `firmware check`), the model differs from a recording (`bootloader golden`), a release
    /// is refused (`signoff`), a sign-off does not verify (`verify`), or the evidence of a run has changed (`replay`).
    ///
    /// Wins over [`Exit::BenchError`] when both happened: that the firmware is wrong is certain, and stays so
    /// when the bench has been repaired. The summary and `result.json` name both.
    Failed,
    /// 2: the command line or a file is wrong. Nothing was run on a board.
    Usage,
    /// 3: the bench failed: a board, a probe, a port or a power supply; or the run was stopped before its end.
    BenchError,
    /// 4: nothing ran: no scenario was selected, or no board can run the ones that were. Never 0.
    NothingRan,
}

impl Exit {
    /// All codes, for the help text.
    pub(crate) const ALL: [Self; 5] = [
        Self::Passed,
        Self::Failed,
        Self::Usage,
        Self::BenchError,
        Self::NothingRan,
    ];

    /// The process's exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::BenchError => 3,
            Self::NothingRan => 4,
        }
    }

    /// What the code says, in a phrase.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Passed => {
                "all that was selected ran and passed; a skip is reported, and is never a pass"
            }
            Self::Failed => {
                "a scenario failed: the firmware is wrong (also when the bench failed elsewhere)"
            }
            Self::Usage => "the command line or a file is wrong; nothing was run",
            Self::BenchError => {
                "the bench failed or the run was stopped; says nothing of the firmware"
            }
            Self::NothingRan => "nothing ran: nothing was selected, or no board fits",
        }
    }

    /// The section on exit codes at the end of `--help`.
    pub(crate) fn help() -> String {
        let mut text = String::from("Exit codes:\n");
        for exit in Self::ALL {
            text.push_str(&format!("  {}  {}\n", exit.code(), exit.meaning()));
        }
        text.pop();
        text
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_documented_ones() {
        insta::assert_snapshot!(Exit::help(), @r"
        Exit codes:
          0  all that was selected ran and passed; a skip is reported, and is never a pass
          1  a scenario failed: the firmware is wrong (also when the bench failed elsewhere)
          2  the command line or a file is wrong; nothing was run
          3  the bench failed or the run was stopped; says nothing of the firmware
          4  nothing ran: nothing was selected, or no board fits
        ");
    }
}
