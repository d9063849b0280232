//! Who presses a board's buttons: as the person wrote it, and how it becomes checked.

use super::checked::Checked;
use super::place::Place;
use super::power::Address;
use super::{ButtonSpec, RigFileError};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Buttons {
    #[serde(
        default,
        deserialize_with = "serde_yaml::with::singleton_map::deserialize"
    )]
    #[schemars(with = "Option<Button>")]
    pub(super) recovery: Option<Button>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) enum Button {
    Scpi(ScpiButton),
    Command(CommandButton),
    Manual,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ScpiButton {
    address: Checked<Address>,
    press: String,
    release: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CommandButton {
    press: Vec<String>,
    release: Vec<String>,
    within_s: Option<u64>,
}

impl Button {
    pub(super) fn check(self, place: &Place<'_>, at: &str) -> Result<ButtonSpec, RigFileError> {
        Ok(match self {
            Self::Scpi(ScpiButton {
                address,
                press,
                release,
            }) => {
                for (name, text) in [("press", &press), ("release", &release)] {
                    if text.trim().is_empty() || text.contains(char::is_control) {
                        return Err(place.problem(
                            format!(
                                "{at}.scpi.{name}: found no command, expected one line of SCPI"
                            ),
                            "for example `ROUT:CLOS (@101)` for a relay across the button",
                        ));
                    }
                }
                ButtonSpec::Scpi {
                    address: address.0.0,
                    press,
                    release,
                }
            }
            Self::Command(CommandButton {
                press,
                release,
                within_s,
            }) => ButtonSpec::Command {
                within: place.commands(
                    &format!("{at}.command"),
                    [("press", &press), ("release", &release)],
                    within_s,
                    "for example `[gpioset, gpiochip0, 17=1]`; no shell reads it",
                )?,
                press,
                release,
            },
            Self::Manual => ButtonSpec::Manual,
        })
    }
}
