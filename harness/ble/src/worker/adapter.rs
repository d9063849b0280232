//! The adapters of the bus: found by name or address, each with one long-lived stream of events.

use super::call::{ASK_WITHIN, within};
use crate::address::Address;
use crate::failure::Failure;
use crate::peer::AdapterId;
use btleplug::api::{Central as _, CentralEvent, CentralState, Manager as _, ScanFilter};
use btleplug::platform::{Adapter as Central, Manager, PeripheralId};
use futures::StreamExt as _;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Mutex, broadcast};

/// Events that are kept for a task that is slow to take them. Notifications are events of the adapter too, and are
/// left out before they come here.
const KEPT_EVENTS: usize = 256;

/// What an adapter tells its links and searches.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// Something was heard of a device.
    Heard(PeripheralId),
    /// A device is disconnected.
    Disconnected(PeripheralId),
    /// The adapter is off.
    Off,
}

/// The connection to the bus and the adapters that have been used.
#[derive(Default)]
pub(super) struct Radio {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    manager: Option<Manager>,
    adapters: HashMap<String, Arc<Adapter>>,
}

/// One adapter.
pub(super) struct Adapter {
    /// The system's name, such as `hci0`.
    pub(super) name: String,
    pub(super) central: Central,
    events: broadcast::Sender<Told>,
    /// How many searches are under way: the first switches scanning on, the last one off.
    searches: Mutex<usize>,
}

impl Radio {
    /// The adapter that is meant.
    pub(super) async fn adapter(&self, wanted: &AdapterId) -> Result<Arc<Adapter>, Failure> {
        let mut state = self.state.lock().await;
        let manager = match &state.manager {
            Some(manager) => manager.clone(),
            None => {
                let manager = within(ASK_WITHIN, Manager::new()).await.map_err(|error| {
                    Failure::NoBluetooth {
                        message: error.message(),
                    }
                })?;
                state.manager.insert(manager).clone()
            }
        };
        let there = within(ASK_WITHIN, manager.adapters())
            .await
            .map_err(|error| Failure::NoBluetooth {
                message: error.message(),
            })?;
        let mut names = Vec::new();
        for central in there {
            // One that went away in between is not there.
            let Ok(info) = within(ASK_WITHIN, central.adapter_info()).await else {
                continue;
            };
            let name = info.split(' ').next().unwrap_or_default().to_owned();
            let address = within(ASK_WITHIN, central.adapter_address())
                .await
                .ok()
                .flatten()
                .map(|address| Address::new(address.into_inner()));
            let meant = match wanted {
                AdapterId::Name(wanted) => *wanted == name,
                AdapterId::Address(wanted) => address == Some(*wanted),
            };
            if meant {
                if let Some(adapter) = state.adapters.get(&name) {
                    return Ok(Arc::clone(adapter));
                }
                let adapter = Adapter::listen(name.clone(), central).await?;
                state.adapters.insert(name, Arc::clone(&adapter));
                return Ok(adapter);
            }
            names.push(match address {
                Some(address) => format!("`{name}` ({address})"),
                None => format!("`{name}`"),
            });
        }
        names.sort();
        Err(Failure::NoAdapter {
            wanted: wanted.clone(),
            there: names,
        })
    }
}

impl Adapter {
    async fn listen(name: String, central: Central) -> Result<Arc<Self>, Failure> {
        let mut stream = within(ASK_WITHIN, central.events())
            .await
            .map_err(|error| error.of_adapter(&name, "listening to its events"))?;
        let (events, _) = broadcast::channel(KEPT_EVENTS);
        let sender = events.clone();
        tokio::spawn(async move {
            while let Some(event) = stream.next().await {
                let told = match event {
                    CentralEvent::DeviceDiscovered(id)
                    | CentralEvent::DeviceUpdated(id)
                    | CentralEvent::ManufacturerDataAdvertisement { id, .. }
                    | CentralEvent::ServiceDataAdvertisement { id, .. }
                    | CentralEvent::ServicesAdvertisement { id, .. }
                    | CentralEvent::RssiUpdate { id, .. } => Told::Heard(id),
                    CentralEvent::DeviceDisconnected(id) => Told::Disconnected(id),
                    CentralEvent::StateUpdate(CentralState::PoweredOff) => Told::Off,
                    CentralEvent::StateUpdate(_)
                    | CentralEvent::DeviceConnected(_)
                    | CentralEvent::DeviceServicesModified(_) => continue,
                };
                // Nobody may be listening just now.
                let _ = sender.send(told);
            }
        });
        Ok(Arc::new(Self {
            name,
            central,
            events,
            searches: Mutex::new(0),
        }))
    }

    /// What it tells from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Told> {
        self.events.subscribe()
    }

    /// Scans until [`stop_scan`](Self::stop_scan) has been called as often as this.
    pub(super) async fn start_scan(&self) -> Result<(), Failure> {
        let mut searches = self.searches.lock().await;
        if *searches == 0 {
            // Without a filter: several searches share the scan, and not every board advertises its service.
            within(ASK_WITHIN, self.central.start_scan(ScanFilter::default()))
                .await
                .map_err(|error| error.of_adapter(&self.name, "starting to scan"))?;
        }
        *searches += 1;
        Ok(())
    }

    /// Ends a scan.
    pub(super) async fn stop_scan(&self) {
        let mut searches = self.searches.lock().await;
        *searches = searches.saturating_sub(1);
        if *searches == 0
            && let Err(error) = within(ASK_WITHIN, self.central.stop_scan()).await
        {
            // It scans on, which costs air time and nothing else.
            tracing::warn!(
                adapter = self.name,
                error = error.message(),
                "cannot stop scanning"
            );
        }
    }
}
