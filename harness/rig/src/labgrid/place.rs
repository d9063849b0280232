//! Acquiring places, holding them, and what becomes of them: boards.

use super::client::Client;
use super::error::{PlaceError, PlaceProblem};
use super::ledger::Ledger;
use super::uart::PlaceUart;
use crate::core::Core;
use crate::error::RigError;
use crate::file::{LabgridSpec, PowerSpec, ProbeSpec, RealSpec};
use crate::inventory::System;
use crate::lease::Holder;
use crate::rig::Waiting;
use hil_clock::{Instant, SharedClock};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether a place is free: each look is a program that starts, and people hold places for hours.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A place that is acquired. Dropping it releases it.
#[derive(Debug)]
pub(crate) struct HeldPlace {
    pub(super) client: Client,
    /// `HOST/USER` under which it is acquired.
    holder: String,
    ledger: Option<Ledger>,
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        match self.client.release_from(&self.holder) {
            Ok(()) => self.ledger.iter().for_each(Ledger::forget),
            // The next run takes it over; who does not know that should be told.
            Err(error) => eprintln!("warning: the place is still acquired: {error}"),
        }
    }
}

/// What acquiring needs to know beyond the rig file.
pub(crate) struct Acquiring<'a> {
    pub(crate) clock: &'a SharedClock,
    /// Where it is written down which places are acquired, if anywhere.
    pub(crate) ledger: Option<PathBuf>,
    /// How places are waited for that somebody else has, and until when.
    pub(crate) waiting: Option<(&'a Waiting, Instant)>,
}

/// Acquires the places of these boards, or none: who has one and waits for another would be in everybody's way. The leases on
/// them must be held.
pub(crate) fn acquire_all(
    wanted: &[(&str, String, &LabgridSpec)],
    acquiring: &Acquiring<'_>,
) -> Result<BTreeMap<String, Arc<HeldPlace>>, RigError> {
    let mut told = None;
    loop {
        let taken: Result<BTreeMap<_, _>, PlaceError> = wanted
            .iter()
            .map(|(board, key, spec)| {
                let place = HeldPlace::acquire(board, key, spec, acquiring)?;
                Ok(((*board).to_owned(), Arc::new(place)))
            })
            .collect();
        let error = match taken {
            Ok(taken) => return Ok(taken),
            Err(error) => error,
        };
        let (Some((waiting, until)), Some(holder)) = (acquiring.waiting, holder_of(&error)) else {
            return Err(error.into());
        };
        let news = told.as_ref() != Some(&holder);
        let goes_on = (waiting.told)(news.then_some(&holder)).is_continue();
        let now = acquiring.clock.now();
        if !goes_on || now >= until {
            return Err(error.into());
        }
        told = Some(holder);
        acquiring.clock.sleep_until(until.min(now + LOOK_EVERY));
    }
}

/// Who has a place that can be waited for.
fn holder_of(error: &PlaceError) -> Option<Holder> {
    let (PlaceProblem::InUse { by, since } | PlaceProblem::InUseByHand { by, since }) =
        &*error.problem
    else {
        return None;
    };
    Some(Holder {
        user: Some(by.clone()),
        since: Some(since.clone()),
        reason: Some(format!("labgrid's place `{}`", error.place)),
        ..Holder::default()
    })
}

impl HeldPlace {
    fn acquire(
        board: &str,
        key: &str,
        spec: &LabgridSpec,
        acquiring: &Acquiring<'_>,
    ) -> Result<Self, PlaceError> {
        let client = Client {
            board: board.to_owned(),
            spec: spec.client.clone(),
            clock: acquiring.clock.clone(),
        };
        let ledger = (acquiring.ledger.as_deref()).map(|folder| Ledger::of(folder, key));
        let before = client.show()?;
        if let Some(by) = &before.acquired {
            let by = by.clone();
            // Left by a run of this host that was killed: it has ended, as the lease on the place is ours.
            if ledger.as_ref().is_some_and(|ledger| ledger.knows(&before)) {
                return Ok(Self {
                    client,
                    holder: by,
                    ledger,
                });
            }
            let since = before.since().to_owned();
            // The client knows under which name it would acquire: it says so, and acquires nothing.
            let error = match client.acquire() {
                // Released between the two: it is ours.
                Ok(()) => return Self::acquired(client, ledger),
                Err(error) => error,
            };
            let own = format!("You have already acquired place {}.", before.name);
            return Err(match &*error.problem {
                PlaceProblem::Refused { stderr, .. } if stderr.contains(&own) => {
                    client.error(PlaceProblem::InUseByHand { by, since })
                }
                PlaceProblem::Refused { .. } => client.error(PlaceProblem::InUse { by, since }),
                _ => error,
            });
        }
        match client.acquire() {
            Ok(()) => Self::acquired(client, ledger),
            Err(error) => {
                // Somebody else may have been faster.
                let now = client.show()?;
                Err(match now.acquired.clone() {
                    Some(by) => client.error(PlaceProblem::InUse {
                        by,
                        since: now.since().to_owned(),
                    }),
                    None => error,
                })
            }
        }
    }

    /// The place has just been acquired.
    fn acquired(client: Client, ledger: Option<Ledger>) -> Result<Self, PlaceError> {
        let shown = client.show().inspect_err(|_| client.give_up())?;
        let Some(holder) = shown.acquired.clone() else {
            return Err(client.error(PlaceProblem::TakenAway(String::new())));
        };
        if let Some(Err(error)) = ledger.as_ref().map(|ledger| ledger.write(&shown)) {
            tracing::warn!(place = client.spec.place, %error, "it is not written down that the place is acquired");
        }
        Ok(Self {
            client,
            holder,
            ledger,
        })
    }

    /// The board that the place is, and its serial ports.
    pub(crate) fn board(
        self: &Arc<Self>,
        spec: &LabgridSpec,
        system: &System,
    ) -> Result<(RealSpec, [Option<PlaceUart>; 2]), RigError> {
        let at = |problem| self.client.error(problem);
        let resources = self.client.resources()?;
        let own = &spec.own;
        let probe = match &spec.probe {
            Some(probe) => probe.clone(),
            None => ProbeSpec {
                selector: resources
                    .probe(spec.names.probe.as_deref(), system)
                    .map_err(at)?,
                speed_khz: None,
            },
        };
        let [app, net] = resources.uarts(&spec.names).map_err(at)?;
        let uart = |core, name: Option<String>, own: bool| {
            name.filter(|_| !own)
                .map(|name| {
                    let port = resources.port(&name).map_err(at)?;
                    Ok::<_, PlaceError>(PlaceUart::new(core, name, port, Arc::clone(self)))
                })
                .transpose()
        };
        let uarts = [
            uart(Core::App, app, own.uart_app.is_some())?,
            uart(Core::Net, net, own.uart_net.is_some())?,
        ];
        let (power, usual) = match &own.power {
            Some(power) => (power.clone(), power.usual_cuts()),
            None => match resources.power(spec.names.power.as_deref()).map_err(at)? {
                Some(switch) => {
                    let power = PowerSpec::Labgrid {
                        client: spec.client.clone(),
                        resource: switch.name,
                    };
                    (power, switch.cuts)
                }
                None => (PowerSpec::ResetOnly, PowerSpec::ResetOnly.usual_cuts()),
            },
        };
        let real = RealSpec {
            silicon: crate::silicon::Silicon::Nrf5340,
            chip: own.chip,
            probe,
            uart_app: own.uart_app.clone(),
            uart_net: own.uart_net.clone(),
            ble: own.ble.clone(),
            power,
            cuts: own.cuts.unwrap_or(usual),
            recovery_button: own.recovery_button.clone(),
        };
        Ok((real, uarts))
    }
}
