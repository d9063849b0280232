//! What a place is made of, from the environment file that `labgrid-client env` makes of it.

use super::error::PlaceProblem;
use crate::file::{Cuts, LabgridNames, ProbeSelector};
use crate::inventory::System;
use crate::network_uart::{NetworkPort, Protocol};
use serde::Deserialize;
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};

/// The speed of a `NetworkSerialPort` that says none (labgrid `labgrid/resource/serialport.py`).
const DEFAULT_BAUD: u32 = 115_200;

/// Classes that `labgrid-client power` has a driver for (labgrid `labgrid/remote/client.py`, `power`).
const POWER: [&str; 7] = [
    "NetworkPowerPort",
    "NetworkUSBPowerPort",
    "NetworkSiSPMPowerPort",
    "PDUDaemonPort",
    "TasmotaPowerPort",
    "NetworkYKUSHPowerPort",
    "NetworkSysfsGPIO",
];

/// Those of them that are ports of a USB hub: the debugger goes with the power.
const USB_POWER: [&str; 2] = ["NetworkUSBPowerPort", "NetworkYKUSHPowerPort"];

const SERIAL: &str = "NetworkSerialPort";
const DEBUGGER: &str = "NetworkUSBDebugger";
const SERVICE: &str = "NetworkService";

/// What probe-rs calls a probe that speaks the Black Magic remote protocol on TCP.
const BLACK_MAGIC: &str = "1d50:6018";

/// Names that resources have without the rig file saying so.
const UART_APP: &str = "uart-app";
const UART_NET: &str = "uart-net";
const PROBE: &str = "probe";

/// The resources of a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Resources(Vec<Resource>);

#[derive(Clone, Debug)]
struct Resource {
    name: String,
    class: String,
    /// Not printed: a password can be among them.
    arguments: Arguments,
}

#[derive(Clone, Default)]
struct Arguments(BTreeMap<String, Value>);

impl std::fmt::Debug for Arguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[derive(Deserialize)]
struct Environment {
    targets: BTreeMap<String, Target>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(default)]
    resources: Vec<BTreeMap<String, Option<BTreeMap<String, Value>>>>,
}

/// What switches the power of a place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct PowerResource {
    /// Its name, where the client has to be told.
    pub(super) name: Option<String>,
    /// What it is usually in front of.
    pub(super) cuts: Cuts,
}

impl Resources {
    /// Reads what the client wrote about `place`. The message quotes nothing of it: a password can be in it.
    pub(super) fn parse(text: &str, place: &str) -> Result<Self, &'static str> {
        let mut environment: Environment = serde_yaml::from_str(text)
            .map_err(|_| "it is no environment file of labgrid with `targets`")?;
        let target = environment
            .targets
            .remove(place)
            .ok_or("the environment file has no target of the place's name")?;
        let resources = target.resources.into_iter().flatten();
        Ok(Self(
            resources
                .map(|(class, arguments)| {
                    let arguments = Arguments(arguments.unwrap_or_default());
                    Resource {
                        name: arguments.text("name").unwrap_or_else(|| class.clone()),
                        class,
                        arguments,
                    }
                })
                .collect(),
        ))
    }

    fn of_class(&self, classes: &[&str]) -> Vec<&Resource> {
        let of_class = |resource: &&Resource| classes.contains(&resource.class.as_str());
        self.0.iter().filter(of_class).collect()
    }

    /// Which resources are the serial ports of the application and the network core.
    pub(super) fn uarts(&self, names: &LabgridNames) -> Result<[Option<String>; 2], PlaceProblem> {
        let ports = self.of_class(&[SERIAL]);
        let named = |wanted: &Option<String>, usual: &str| {
            if let Some(name) = wanted {
                return match ports.iter().any(|port| port.name == *name) {
                    true => Ok(Some(name.clone())),
                    false => Err(PlaceProblem::NoResource {
                        what: SERIAL,
                        name: name.clone(),
                        there: names_of(&ports),
                    }),
                };
            }
            let usual = ports.iter().find(|port| port.name == usual);
            Ok(usual.map(|port| port.name.clone()))
        };
        let net = named(&names.uart_net, UART_NET)?;
        let app = match named(&names.uart_app, UART_APP)? {
            Some(app) => Some(app),
            None => {
                let others: Vec<&Resource> = ports
                    .iter()
                    .copied()
                    .filter(|port| Some(&port.name) != net.as_ref())
                    .collect();
                match others.as_slice() {
                    [] => None,
                    [only] => Some(only.name.clone()),
                    several => {
                        return Err(PlaceProblem::Ambiguous {
                            what: "the serial port of the application core",
                            key: "uart: { app: NAME, net: NAME }",
                            there: names_of(several),
                        });
                    }
                }
            }
        };
        Ok([app, net])
    }

    /// Where a serial port is now: an exporter gives it another port each time that it begins to offer it.
    pub(super) fn port(&self, name: &str) -> Result<NetworkPort, PlaceProblem> {
        let ports = self.of_class(&[SERIAL]);
        let port = ports.iter().find(|port| port.name == name);
        let port = port.ok_or_else(|| PlaceProblem::NoResource {
            what: SERIAL,
            name: name.to_owned(),
            there: names_of(&ports),
        })?;
        let (arguments, lacks) = (&port.arguments, |what: &str| port.lacks(what));
        Ok(NetworkPort {
            host: arguments
                .text("host")
                .ok_or_else(|| lacks("says no host"))?,
            port: arguments
                .number("port")
                .ok_or_else(|| lacks("says no port: its exporter does not offer it now"))?,
            protocol: match arguments.text("protocol").as_deref() {
                // What labgrid takes for granted.
                None | Some("rfc2217") => Protocol::Rfc2217,
                Some("raw") => Protocol::Raw,
                Some(_) => {
                    return Err(lacks("has another protocol than `raw` and `rfc2217`"));
                }
            },
            baud: match arguments.0.get("speed") {
                None => DEFAULT_BAUD,
                Some(_) => arguments
                    .number("speed")
                    .ok_or_else(|| lacks("has a speed that is none"))?,
            },
        })
    }

    /// What switches the power, if anything does.
    pub(super) fn power(
        &self,
        wanted: Option<&str>,
    ) -> Result<Option<PowerResource>, PlaceProblem> {
        let switches = self.of_class(&POWER);
        let switch = match (wanted, switches.as_slice()) {
            (Some(name), _) => {
                let switch = switches.iter().find(|switch| switch.name == name);
                *switch.ok_or_else(|| PlaceProblem::NoResource {
                    what: "power resource",
                    name: name.to_owned(),
                    there: names_of(&switches),
                })?
            }
            (None, []) => return Ok(None),
            (None, [only]) => only,
            (None, several) => {
                return Err(PlaceProblem::Ambiguous {
                    what: "the power",
                    key: "power: NAME",
                    there: names_of(several),
                });
            }
        };
        Ok(Some(PowerResource {
            name: wanted.map(str::to_owned),
            cuts: match USB_POWER.contains(&switch.class.as_str()) {
                true => Cuts::Board,
                false => Cuts::Soc,
            },
        }))
    }

    /// The debug probe.
    pub(super) fn probe(
        &self,
        wanted: Option<&str>,
        system: &System,
    ) -> Result<ProbeSelector, PlaceProblem> {
        let all = self.of_class(&[DEBUGGER, SERVICE]);
        let is_probe = |resource: &&Resource| match wanted {
            Some(name) => resource.name == name,
            // Any service may be in a place, and a debugger is one.
            None => resource.class == DEBUGGER || resource.name == PROBE,
        };
        let probes: Vec<&Resource> = all.iter().copied().filter(is_probe).collect();
        match (probes.as_slice(), wanted) {
            ([probe], _) if probe.class == SERVICE => probe.service(),
            ([probe], _) => probe.debugger(system),
            ([], Some(name)) => Err(PlaceProblem::NoResource {
                what: "debug probe",
                name: name.to_owned(),
                there: names_of(&all),
            }),
            ([], None) => Err(PlaceProblem::NoProbe(
                self.0
                    .iter()
                    .map(|resource| format!("{} ({})", resource.name, resource.class))
                    .collect(),
            )),
            (several, _) => Err(PlaceProblem::Ambiguous {
                what: "the debug probe",
                key: "probe: NAME",
                there: names_of(several),
            }),
        }
    }
}

impl Resource {
    fn lacks(&self, what: &str) -> PlaceProblem {
        PlaceProblem::Unavailable {
            name: self.name.clone(),
            class: self.class.clone(),
            what: what.to_owned(),
        }
    }

    /// A service that speaks the Black Magic remote protocol.
    fn service(&self) -> Result<ProbeSelector, PlaceProblem> {
        let host = self.arguments.text("address");
        let host = host.ok_or_else(|| self.lacks("says no address"))?;
        let port: u16 = self
            .arguments
            .number("port")
            .filter(|port| *port != 0)
            .ok_or_else(|| self.lacks("says no port"))?;
        // probe-rs takes no name.
        let address: SocketAddr = match host.parse::<IpAddr>() {
            Ok(ip) => (ip, port).into(),
            Err(_) => (host.as_str(), port)
                .to_socket_addrs()
                .ok()
                .and_then(|mut addresses| addresses.next())
                .ok_or_else(|| self.lacks("has an address that this host cannot find"))?,
        };
        format!("{BLACK_MAGIC}:{address}")
            .parse()
            .map_err(|what: String| self.lacks(&what))
    }

    /// A debugger on USB, which only the host can use that it is plugged into. labgrid says where it is plugged in; the system
    /// says which one is there.
    fn debugger(&self, system: &System) -> Result<ProbeSelector, PlaceProblem> {
        let host = self.arguments.text("host").unwrap_or_default();
        if !is_this_host(&host) {
            return Err(PlaceProblem::ProbeElsewhere {
                name: self.name.clone(),
                host,
            });
        }
        let place = self.arguments.text("path");
        let place = place.ok_or_else(|| self.lacks("says no path on USB: it is not plugged in"))?;
        let device = system
            .usb_devices()
            .into_iter()
            .find(|device| device.place == place)
            .ok_or_else(|| self.lacks(&format!("is at {place} on USB, where nothing is")))?;
        if device.serial.is_empty() {
            return Err(self.lacks(&format!(
                "is at {place} on USB, and what is there has no serial number"
            )));
        }
        let (vendor, product, serial) = (device.vendor, device.product, device.serial);
        format!("{vendor:04x}:{product:04x}:{serial}")
            .parse()
            .map_err(|what: String| self.lacks(&what))
    }
}

impl Arguments {
    fn text(&self, key: &str) -> Option<String> {
        match self.0.get(key)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            // A name or a place on USB can look like a number.
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn number<T: TryFrom<u64>>(&self, key: &str) -> Option<T> {
        T::try_from(self.0.get(key)?.as_u64()?).ok()
    }
}

/// Whether a name is one of this host: only then does the system let a program listen at its address.
fn is_this_host(host: &str) -> bool {
    !host.is_empty() && UdpSocket::bind((host, 0)).is_ok()
}

fn names_of(resources: &[&Resource]) -> Vec<String> {
    resources
        .iter()
        .map(|resource| resource.name.clone())
        .collect()
}

#[cfg(test)]
mod tests;
