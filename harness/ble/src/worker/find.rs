//! Finding a board: listening until it advertises.

use super::adapter::{Adapter, Told};
use super::call::{ASK_WITHIN, CallError, millis, within};
use crate::address::Address;
use crate::failure::{Failure, Heard};
use crate::peer::DeviceId;
use btleplug::api::{Central as _, Peripheral as _, PeripheralProperties};
use btleplug::platform::{Peripheral, PeripheralId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

/// How long to listen for another one of the same name. We chose it: ten times the longest interval at which Zephyr
/// advertises by default (100 to 150 ms, `zephyr include/zephyr/bluetooth/gap.h`).
const OTHERS_WITHIN: Duration = Duration::from_millis(1500);

/// How often the system is asked for all that it knows: it does not tell when a name became known.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// A board that can be connected.
pub(super) struct Found {
    pub(super) peripheral: Peripheral,
    pub(super) heard: Heard,
}

/// Listens until `device` is heard; `limit` is the longest.
pub(super) async fn find(
    adapter: &Arc<Adapter>,
    device: &DeviceId,
    limit: Duration,
) -> Result<Found, Failure> {
    let mut search = Search {
        adapter,
        device,
        events: adapter.subscribe(),
        heard: HashMap::new(),
        matching: HashMap::new(),
    };
    adapter.start_scan().await?;
    let ended = tokio::time::timeout(limit, search.run()).await;
    adapter.stop_scan().await;
    match ended {
        Ok(result) => result,
        Err(_) => Err(search.not_heard(limit)),
    }
}

struct Search<'a> {
    adapter: &'a Arc<Adapter>,
    device: &'a DeviceId,
    events: tokio::sync::broadcast::Receiver<Told>,
    heard: HashMap<PeripheralId, Heard>,
    matching: HashMap<PeripheralId, Peripheral>,
}

impl Search<'_> {
    async fn run(&mut self) -> Result<Found, Failure> {
        self.look_at_all().await?;
        let mut look = tokio::time::interval(LOOK_EVERY);
        let others = tokio::time::sleep(OTHERS_WITHIN);
        tokio::pin!(others);
        let mut waiting_for_others = false;
        loop {
            if !self.matching.is_empty() {
                if matches!(self.device, DeviceId::Address(_)) {
                    return self.only();
                }
                if !waiting_for_others {
                    waiting_for_others = true;
                    others
                        .as_mut()
                        .reset(tokio::time::Instant::now() + OTHERS_WITHIN);
                }
            }
            tokio::select! {
                told = self.events.recv() => match told {
                    Ok(Told::Heard(id)) => self.look_at(&id).await?,
                    Ok(Told::Disconnected(_)) => {}
                    Ok(Told::Off) => return Err(self.adapter_off()),
                    Err(RecvError::Lagged(_)) => self.look_at_all().await?,
                    // The sender lives as long as the adapter.
                    Err(RecvError::Closed) => std::future::pending().await,
                },
                _ = look.tick() => self.look_at_all().await?,
                () = &mut others, if waiting_for_others => return self.only(),
            }
        }
    }

    async fn look_at_all(&mut self) -> Result<(), Failure> {
        let all = within(ASK_WITHIN, self.adapter.central.peripherals())
            .await
            .map_err(|error| self.failed(&error))?;
        for peripheral in all {
            self.look(peripheral).await?;
        }
        Ok(())
    }

    async fn look_at(&mut self, id: &PeripheralId) -> Result<(), Failure> {
        match within(ASK_WITHIN, self.adapter.central.peripheral(id)).await {
            Ok(peripheral) => self.look(peripheral).await,
            // Forgotten by the system since.
            Err(CallError::Said(_)) => Ok(()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    async fn look(&mut self, peripheral: Peripheral) -> Result<(), Failure> {
        let address = Some(Address::new(peripheral.address().into_inner()))
            .filter(|address| *address != Address::new([0; 6]));
        // Most of what is heard on a bench is something else: nothing is asked about it.
        if let DeviceId::Address(wanted) = self.device
            && address != Some(*wanted)
        {
            let heard = Heard {
                address,
                name: None,
                rssi: None,
            };
            self.heard.entry(peripheral.id()).or_insert(heard);
            return Ok(());
        }
        let properties = match within(ASK_WITHIN, peripheral.properties()).await {
            Ok(Some(properties)) => properties,
            Ok(None) | Err(CallError::Said(_)) => return Ok(()),
            Err(error) => return Err(self.failed(&error)),
        };
        let connected = within(ASK_WITHIN, peripheral.is_connected())
            .await
            .unwrap_or(false);
        // The system remembers devices that have long gone; only one that it hears has a signal strength.
        if properties.rssi.is_none() && !connected {
            return Ok(());
        }
        let heard = Heard {
            address,
            name: properties.local_name.clone(),
            rssi: properties.rssi,
        };
        let id = peripheral.id();
        self.heard.insert(id.clone(), heard);
        if self.matches(address, &properties) {
            self.matching.insert(id, peripheral);
        }
        Ok(())
    }

    fn matches(&self, address: Option<Address>, properties: &PeripheralProperties) -> bool {
        match self.device {
            DeviceId::Address(wanted) => address == Some(*wanted),
            DeviceId::Name(wanted) => properties.local_name.as_ref() == Some(wanted),
            DeviceId::SmpService => properties
                .services
                .contains(&Uuid::from_u128(hil_smp::ble::SERVICE)),
        }
    }

    /// The one that matches, or why it is not known which.
    fn only(&mut self) -> Result<Found, Failure> {
        let mut matching = self.matching.drain();
        match (matching.next(), matching.next()) {
            (Some((id, peripheral)), None) => {
                let unknown = Heard {
                    address: None,
                    name: None,
                    rssi: None,
                };
                let heard = self.heard.remove(&id).unwrap_or(unknown);
                Ok(Found { peripheral, heard })
            }
            (first, second) => {
                let ids = first
                    .into_iter()
                    .chain(second)
                    .chain(matching)
                    .map(|(id, _)| id);
                let mut heard: Vec<Heard> =
                    ids.filter_map(|id| self.heard.get(&id).cloned()).collect();
                heard.sort_by_key(|heard| heard.address);
                Err(Failure::Ambiguous {
                    device: self.device.clone(),
                    adapter: self.adapter.name.clone(),
                    heard,
                })
            }
        }
    }

    fn not_heard(&self, limit: Duration) -> Failure {
        let mut heard: Vec<Heard> = self.heard.values().cloned().collect();
        heard.sort_by_key(|heard| heard.address);
        Failure::NotHeard {
            device: self.device.clone(),
            adapter: self.adapter.name.clone(),
            waited_ms: millis(limit),
            heard,
        }
    }

    fn failed(&self, error: &CallError) -> Failure {
        error.of_adapter(&self.adapter.name, "listening for boards")
    }

    fn adapter_off(&self) -> Failure {
        Failure::Adapter {
            adapter: self.adapter.name.clone(),
            doing: "listening for boards".to_owned(),
            message: "it was switched off or unplugged".to_owned(),
        }
    }
}
