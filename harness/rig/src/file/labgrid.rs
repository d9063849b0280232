//! A place of labgrid in a rig file: as the person wrote it, and how it becomes checked.

use super::checked::Checked;
use super::place::Place as Entry;
use super::schema::Described;
use super::{LabgridClient, LabgridNames, RigFileError};
use schemars::JsonSchema;
use serde::Deserialize;
use std::str::FromStr;

/// `labgrid-client` is a Python program that connects to the coordinator each time: half a second to one and a half here. We
/// chose thirty seconds, to leave room for a busy host and a network in between.
const DEFAULT_WITHIN_SECONDS: u64 = 30;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Labgrid {
    /// The name of the place.
    place: Checked<PlaceName>,
    /// `HOST:PORT` of the coordinator; `LG_COORDINATOR` without it.
    coordinator: Option<Checked<Coordinator>>,
    /// The program; `labgrid-client` without it.
    client: Option<String>,
    /// How long the program may take for one thing.
    within_s: Option<u64>,
    /// Which resources of the place are the serial ports, where that is not clear.
    uart: Option<UartNames>,
    /// Which resource is the probe: `probe` without it.
    probe: Option<Checked<ResourceName>>,
    /// Which resource switches the power, where there are several.
    power: Option<Checked<ResourceName>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct UartNames {
    app: Option<Checked<ResourceName>>,
    net: Option<Checked<ResourceName>>,
}

/// A place, whole: not a part of its name as `labgrid-client` takes it, and no reservation.
#[derive(Debug)]
struct PlaceName(String);

impl FromStr for PlaceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let odd = |character: char| character.is_whitespace() || character.is_control();
        if text.is_empty() || text.starts_with(['-', '+']) || text.contains(odd) {
            return Err(format!(
                "`{text}` is not the name of a place: expected one as `labgrid-client places` shows it, without blanks, not \
                 starting with `+` or `-`"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Described for PlaceName {
    const NAME: &'static str = "LabgridPlace";
    const WHAT: &'static str = "Name of a place, as `labgrid-client places` shows it";
    const PATTERN: &'static str = r"^[^\s+-][^\s]*$";
    const NUMBER: bool = true;
}

/// Where a coordinator is.
#[derive(Debug)]
struct Coordinator(String);

impl FromStr for Coordinator {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = match text.rsplit_once(':') {
            // Without brackets it is an address of IPv6.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                port.parse::<u16>().is_ok().then_some(host)
            }
            _ => Some(text),
        };
        let odd = |character: char| {
            character.is_whitespace() || character.is_control() || character == '/'
        };
        match host {
            Some(host) if !host.is_empty() && !host.starts_with('-') && !host.contains(odd) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(format!(
                "`{text}` is not the address of a coordinator: expected `HOST` or `HOST:PORT`, for example `lab.example:20408`"
            )),
        }
    }
}

impl Described for Coordinator {
    const NAME: &'static str = "LabgridCoordinator";
    const WHAT: &'static str = "HOST or HOST:PORT of a coordinator, such as lab.example:20408";
    const PATTERN: &'static str = r"^[^\s/-][^\s/]*$";
}

/// A resource of a place.
#[derive(Debug)]
struct ResourceName(String);

impl FromStr for ResourceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.starts_with('-') || text.contains(char::is_control) {
            return Err(format!(
                "`{text}` is not the name of a resource: expected one as `labgrid-client -p PLACE show` has it in quotes"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Described for ResourceName {
    const NAME: &'static str = "LabgridResource";
    const WHAT: &'static str =
        "Name of a resource, as `labgrid-client -p PLACE show` has it in quotes";
    const PATTERN: &'static str = r"^[^-].*$";
    const NUMBER: bool = true;
}

impl Labgrid {
    pub(super) fn check(
        self,
        entry: &Entry<'_>,
        at: &str,
    ) -> Result<(LabgridClient, LabgridNames), RigFileError> {
        let at = format!("{at}.labgrid");
        let program = self.client.unwrap_or_else(|| "labgrid-client".to_owned());
        if program.is_empty() {
            return Err(entry.problem(
                format!("{at}.client: found no program, expected one"),
                "leave it out for `labgrid-client` in the path",
            ));
        }
        let seconds = self.within_s.unwrap_or(DEFAULT_WITHIN_SECONDS);
        let name = |name: Option<Checked<ResourceName>>| name.map(|name| name.0.0);
        let uart = self.uart.unwrap_or_default();
        let client = LabgridClient {
            program,
            coordinator: self.coordinator.map(|coordinator| coordinator.0.0),
            place: self.place.0.0,
            within: entry.commands(&at, [], Some(seconds), "")?,
        };
        let names = LabgridNames {
            uart_app: name(uart.app),
            uart_net: name(uart.net),
            probe: name(self.probe),
            power: name(self.power),
        };
        Ok((client, names))
    }
}
