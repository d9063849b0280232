//! The debug probe of a board: as the person wrote it, and how it becomes checked.

use super::checked::Checked;
use super::place::Place;
use super::schema::Described;
use super::{ProbeSelector, ProbeSpec, RigFileError};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Probe {
    selector: Checked<ProbeSelector>,
    speed_khz: Option<u32>,
}

impl Probe {
    pub(super) fn check(self, place: &Place<'_>, at: &str) -> Result<ProbeSpec, RigFileError> {
        if let Some(khz @ (0 | 50_001..)) = self.speed_khz {
            return Err(place.problem(
                format!("{at}.probe.speed-khz: found {khz}, expected 1 to 50000"),
                "4000 is a good value for the debugger on a DK",
            ));
        }
        Ok(ProbeSpec {
            selector: self.selector.0,
            speed_khz: self.speed_khz,
        })
    }
}

impl Described for ProbeSelector {
    const NAME: &'static str = "ProbeSelector";
    const WHAT: &'static str = "Probe in probe-rs's form VID:PID:SERIAL, such as 1366:1051:001050012345; `dfu-hil rig scan` shows those that are there";
    const PATTERN: &'static str = r"^[0-9a-fA-F]{4}:[0-9a-fA-F]{4}:.+$";
}
