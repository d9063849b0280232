//! Proving what a rig file says of a board: fact by fact, each with what was found and, where it is not so, what to do.
//!
//! It resets the board and takes its power away, so it is for a bench on which nothing runs; the lease of the board sees to
//! that. Nothing is programmed or erased.

use super::system::{System, UsbDevice};
use crate::core::Core;
use crate::error::RigError;
use crate::file::{ChipId, Cuts};
use crate::power::{Judgement, PowerLoss, ProbeSight};
use crate::rig::Board;
use hil_ble::ConnectWatch;
use hil_clock::{Instant, SharedClock};
use hil_smp::{
    Client, ClientError, ClientOptions, ConsoleEvent, ConsoleKind, Patience, UartOptions, UartPort,
};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a board may take to print something after a start: MCUboot looks at both slots first.
const SAYS_WITHIN: Duration = Duration::from_secs(5);

/// How long a debugger may take to come back with the power.
const DEBUGGER_WITHIN: Duration = Duration::from_secs(10);

/// How long a board may take to be found on the air after a start.
const RADIO_WITHIN: Duration = Duration::from_secs(20);

/// How often something is looked at that has to come back.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// An SMP server answers an echo within milliseconds; a board that has just started is asked again.
const ECHO: Patience = Patience {
    timeout: Duration::from_secs(1),
    attempts: 3,
};

/// A fact of a rig file, and whether it is so.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Fact {
    /// Which, in a word or two.
    pub what: &'static str,
    /// What was found.
    pub finding: Finding,
}

/// What was found of a fact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Finding {
    /// It is so, and this shows it.
    Proven(String),
    /// The rig file says nothing of it, or there is nothing to prove.
    Nothing(String),
    /// It could not be shown, which need not mean that it is not so.
    Open {
        /// What was found.
        found: String,
        /// What to try.
        advice: String,
    },
    /// It is not so.
    Wrong {
        /// What was found.
        found: String,
        /// What to do.
        advice: String,
    },
}

impl Finding {
    /// Whether it is not so.
    #[must_use]
    pub const fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong { .. })
    }

    fn wrong(error: &RigError) -> Self {
        Self::Wrong {
            found: chain(error),
            advice: error.help(),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, found, advice) = match &self.finding {
            Finding::Proven(found) => ("ok", found, None),
            Finding::Nothing(found) => ("-", found, None),
            Finding::Open { found, advice } => ("open", found, Some(advice)),
            Finding::Wrong { found, advice } => ("WRONG", found, Some(advice)),
        };
        write!(f, "{word:>5}  {:<13} {found}", self.what)?;
        match advice {
            Some(advice) if !advice.is_empty() => write!(f, "\n       {:<13} try: {advice}", ""),
            _ => Ok(()),
        }
    }
}

/// Goes through the facts of a board, from the probe to the radio.
#[must_use]
pub fn check(board: &Board, system: &System, clock: &SharedClock) -> Vec<Fact> {
    let device = probe_on_usb(board, system);
    let mut facts = vec![
        fact("rights", rights(board, device.as_ref(), system)),
        fact("probe", probe(board)),
        fact("disk", disk(device.as_ref())),
    ];
    let ports = Ports::open(board, clock);
    facts.push(fact("power", power(board, clock)));
    facts.extend(ports.roles(board, clock));
    facts.push(fact("radio", radio(board, clock)));
    facts
}

const fn fact(what: &'static str, finding: Finding) -> Fact {
    Fact { what, finding }
}

/// The debugger as the system sees it; `None` when it is not on USB.
fn probe_on_usb(board: &Board, system: &System) -> Option<UsbDevice> {
    let serial = board.probe().selector().splitn(3, ':').nth(2)?;
    system.usb_device(serial)
}

fn rights(board: &Board, device: Option<&UsbDevice>, system: &System) -> Finding {
    let Some(device) = device else {
        let selector = board.probe().selector();
        return Finding::Nothing(format!("probe {selector} is not on USB here"));
    };
    let files = device.ports.iter().map(|port| &port.path);
    for file in [&device.node].into_iter().chain(files) {
        if let Err(error) = system.may_use(file) {
            return Finding::Wrong {
                found: format!("{} cannot be opened: {error}", file.display()),
                advice: if *file == device.node {
                    "install the udev rules of your probe (probe-rs and SEGGER have some), then plug it in again".to_owned()
                } else {
                    "add yourself to the group that owns it (often `dialout`), and log in again"
                        .to_owned()
                },
            };
        }
    }
    Finding::Proven(format!(
        "{} and {} serial ports can be opened",
        device.node.display(),
        device.ports.len()
    ))
}

fn probe(board: &Board) -> Finding {
    match board.probe().identity() {
        Ok(identity) if board.chip().is_some() => Finding::Proven(format!("{identity}")),
        Ok(identity) => Finding::Proven(format!(
            "{identity}; another board would be taken for it without `chip: \"{}\"`",
            ChipId(identity.device_id)
        )),
        Err(error) => Finding::wrong(&error),
    }
}

fn disk(device: Option<&UsbDevice>) -> Finding {
    match device {
        None => Finding::Nothing("nothing to look at".to_owned()),
        Some(device) if device.mass_storage => Finding::Wrong {
            found: "the debugger is a disk too: the system may write to it, and drops bytes of its serial ports".to_owned(),
            advice: "`MSDDisable` in J-Link Commander, then plug it in again".to_owned(),
        },
        Some(_) => Finding::Proven("the debugger is no disk".to_owned()),
    }
}

/// Takes the power away and gives it back. A board without a switch is reset, so that it starts anew all the same.
fn power(board: &Board, clock: &SharedClock) -> Finding {
    let power = board.power();
    if power.power_loss() != PowerLoss::Real {
        return match board.probe().reset() {
            Ok(()) => Finding::Nothing("nothing switches it; the board was reset".to_owned()),
            Err(error) => Finding::wrong(&error),
        };
    }
    let on = power.current().ok().flatten();
    let switched = match power.off() {
        Ok(switched) => switched,
        Err(error) => {
            // Whatever the supply made of it, the board is to be powered.
            return match power.on() {
                Ok(_) => Finding::wrong(&error),
                Err(again) => Finding::wrong(&again),
            };
        }
    };
    board.probe().forget();
    let seen = board.look_while_off(&**clock, on, || power.current().ok().flatten());
    if let Err(error) = power.on() {
        return Finding::wrong(&error);
    }
    let deadline = clock.now() + DEBUGGER_WITHIN;
    while board.look_for_chip() != ProbeSight::Answered {
        if clock.now() >= deadline {
            return Finding::Wrong {
                found: format!(
                    "the chip does not answer {DEBUGGER_WITHIN:?} after the power came back"
                ),
                advice: "is the switch in front of this board, and its own switch on?".to_owned(),
            };
        }
        clock.sleep(LOOK_EVERY);
    }
    match seen.judge() {
        Judgement::Proven(how) => Finding::Proven(format!(
            "{how}; switched off in {} ms",
            switched.took.as_millis()
        )),
        Judgement::Refuted(how) => Finding::Wrong {
            found: format!("the board kept its power: {how}"),
            advice: match board.cuts() {
                Cuts::Soc => "is the switch in front of this board, and is nothing else feeding it (USB, a shield)?",
                Cuts::Board => "is the switch in front of this board? where only the chip loses power, say `cuts: soc`",
            }
            .to_owned(),
        },
        Judgement::Open(how) => Finding::Open {
            found: format!("nothing shows whether the power was gone: {how}"),
            advice: "a supply that measures the current shows it".to_owned(),
        },
    }
}

/// The serial ports of a board while it starts anew.
struct Ports {
    app: Option<Opened>,
    net: Option<Opened>,
}

struct Opened {
    port: Result<UartPort, String>,
    path: String,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Opened {
    fn said(&self) -> Option<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.first().cloned()
    }
}

impl Ports {
    fn open(board: &Board, clock: &SharedClock) -> Self {
        let open = |core| {
            if !board.has_uart(core) {
                return None;
            }
            let lines = Arc::new(Mutex::new(Vec::new()));
            let (path, port) = match board.uart(core) {
                Ok(endpoint) => {
                    let options = UartOptions {
                        baud: endpoint.baud,
                        ..UartOptions::default()
                    };
                    let path = endpoint.path.display().to_string();
                    let sink = {
                        let lines = Arc::clone(&lines);
                        move |event: ConsoleEvent| {
                            if let ConsoleKind::Line(line) = event.kind {
                                let text = String::from_utf8_lossy(&line);
                                let text = text.trim().escape_debug().to_string();
                                if !text.is_empty() {
                                    lines
                                        .lock()
                                        .unwrap_or_else(PoisonError::into_inner)
                                        .push(text);
                                }
                            }
                        }
                    };
                    let port = UartPort::open(&path, options, clock.clone(), Box::new(sink));
                    (path, port.map_err(|error| chain(&error)))
                }
                Err(error) => (String::new(), Err(chain(&error))),
            };
            Some(Opened { port, path, lines })
        };
        Self {
            app: open(Core::App),
            net: open(Core::Net),
        }
    }

    /// Which core is on which port: the application's answers an SMP echo, the network core's only talks.
    fn roles(mut self, board: &Board, clock: &SharedClock) -> [Fact; 2] {
        for (core, opened) in [(Core::App, &mut self.app), (Core::Net, &mut self.net)] {
            if let Some(opened) = opened
                && let Ok(port) = &mut opened.port
                && port.is_gone()
                && let Ok(endpoint) = board.uart(core)
            {
                // It went away with the power, and may have another name now.
                let path = endpoint.path.display().to_string();
                let again = port.reopen_as(&path, clock.now() + DEBUGGER_WITHIN);
                if let Err(error) = again {
                    opened.port = Err(chain(&error));
                }
            }
        }
        let deadline = clock.now() + SAYS_WITHIN;
        let quiet = |opened: &Option<Opened>| {
            opened
                .as_ref()
                .is_some_and(|opened| opened.port.is_ok() && opened.said().is_none())
        };
        while (quiet(&self.app) || quiet(&self.net)) && clock.now() < deadline {
            clock.sleep(LOOK_EVERY);
        }
        let answers = |opened: &Option<Opened>| match opened {
            Some(Opened { port: Ok(port), .. }) => echoes(port, clock),
            _ => false,
        };
        let app = answers(&self.app);
        let net = !app && answers(&self.net);
        [
            fact("uart app", app_role(self.app.as_ref(), app, net)),
            fact("uart net", net_role(self.net.as_ref(), net)),
        ]
    }
}

const PORT_ADVICE: &str =
    "is it in use by a terminal program? `dfu-hil rig scan` shows the ports that are there";
const SWAP_ADVICE: &str = "the ports of both cores are mixed up in the rig file: change them over";

fn app_role(opened: Option<&Opened>, answers: bool, net_answers: bool) -> Finding {
    let Some(opened) = opened else {
        return Finding::Nothing("the rig file has none".to_owned());
    };
    match (&opened.port, opened.said()) {
        (Err(error), _) => Finding::Wrong {
            found: error.clone(),
            advice: PORT_ADVICE.to_owned(),
        },
        (Ok(_), _) if answers => {
            Finding::Proven(format!("an SMP server answers on {}", opened.path))
        }
        (Ok(_), _) if net_answers => Finding::Wrong {
            found: format!(
                "nobody answers SMP on {}, but on the port of the network core",
                opened.path
            ),
            advice: SWAP_ADVICE.to_owned(),
        },
        (Ok(_), Some(line)) => Finding::Open {
            found: format!("nobody answers SMP on {}, which says `{line}`", opened.path),
            advice: "the firmware on the board may have no SMP server on this port: run a scenario, then check again".to_owned(),
        },
        (Ok(_), None) => Finding::Open {
            found: format!("{} is silent after a start", opened.path),
            advice: "the board may be blank: run a scenario, which programs it, then check again".to_owned(),
        },
    }
}

fn net_role(opened: Option<&Opened>, answers: bool) -> Finding {
    let Some(opened) = opened else {
        return Finding::Nothing("the rig file has none".to_owned());
    };
    match (&opened.port, opened.said()) {
        (Err(error), _) => Finding::Wrong {
            found: error.clone(),
            advice: PORT_ADVICE.to_owned(),
        },
        (Ok(_), _) if answers => Finding::Wrong {
            found: format!(
                "an SMP server answers on {}: it is the application core's",
                opened.path
            ),
            advice: SWAP_ADVICE.to_owned(),
        },
        (Ok(_), Some(line)) => Finding::Proven(format!("{} says `{line}`", opened.path)),
        (Ok(_), None) => Finding::Open {
            found: format!("{} is silent after a start", opened.path),
            advice: "the network core may be blank, or its firmware has no console".to_owned(),
        },
    }
}

/// Whether somebody sends back what only we know.
fn echoes(port: &UartPort, clock: &SharedClock) -> bool {
    let options = ClientOptions {
        patience: ECHO,
        ..ClientOptions::default()
    };
    let nonce = format!(
        "dfu-hil {}",
        clock.now().saturating_since(Instant::START).as_nanos()
    );
    let mut client = Client::with_options(port.transport(), clock.clone(), options);
    match client.echo(&nonce) {
        Ok(answer) => answer == nonce,
        // A server that was built without echo has answered all the same.
        Err(error) => matches!(error, ClientError::Refused { .. }),
    }
}

fn radio(board: &Board, clock: &SharedClock) -> Finding {
    let Some(radio) = board.radio() else {
        return Finding::Nothing("the rig file has no `ble`".to_owned());
    };
    let link = radio.link();
    let connected = link.connect(clock.now() + RADIO_WITHIN, &mut Patiently);
    match connected {
        Ok(parameters) => {
            link.disconnect();
            Finding::Proven(parameters.to_string())
        }
        Err(error) if error.may_be_the_board() => Finding::Open {
            found: chain(&error),
            advice: "the firmware on the board may not advertise: run a scenario over `ble`, then check again; else look at \
                     its address and at the distance"
                .to_owned(),
        },
        Err(error) => Finding::Wrong {
            found: chain(&error),
            advice: error.help().unwrap_or_default().to_owned(),
        },
    }
}

struct Patiently;

impl ConnectWatch for Patiently {
    fn go_on(&mut self) -> bool {
        true
    }

    fn retry(&mut self, attempt: u32, cause: &hil_ble::BleError) {
        tracing::debug!(attempt, %cause, "connecting again");
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}
