//! A serial port of a place, opened when it is first used and again when it has gone.

use super::error::PlaceProblem;
use super::place::HeldPlace;
use crate::core::Core;
use crate::error::RigError;
use crate::network_uart::{NetworkPort, NetworkUart};
use crate::uart::UartEndpoint;
use std::sync::{Arc, Mutex, PoisonError};

/// A serial port of a place.
#[derive(Debug)]
pub(crate) struct PlaceUart {
    core: Core,
    /// The resource.
    name: String,
    open: Mutex<Opened>,
    // Behind what is open: the connection ends before the place is released.
    place: Arc<HeldPlace>,
}

#[derive(Debug)]
struct Opened {
    /// Where it was said to be; not known any more once it has been used.
    fresh: Option<NetworkPort>,
    baud: u32,
    uart: Option<NetworkUart>,
}

impl PlaceUart {
    pub(super) fn new(core: Core, name: String, port: NetworkPort, place: Arc<HeldPlace>) -> Self {
        Self {
            core,
            name,
            open: Mutex::new(Opened {
                baud: port.baud,
                fresh: Some(port),
                uart: None,
            }),
            place,
        }
    }

    /// The port as a path. A connection that has ended is made anew, to wherever the exporter offers the port now.
    pub(crate) fn endpoint(&self) -> Result<UartEndpoint, RigError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let baud = open.baud;
        let endpoint = |uart: &NetworkUart| UartEndpoint {
            path: uart.path().to_owned(),
            baud,
        };
        if let Some(uart) = open.uart.as_ref().filter(|uart| uart.is_open()) {
            return Ok(endpoint(uart));
        }
        open.uart = None;
        let client = &self.place.client;
        let port = match open.fresh.take() {
            Some(port) => port,
            None => client
                .resources()?
                .port(&self.name)
                .map_err(|problem| client.error(problem))?,
        };
        let uart = NetworkUart::open(&port, client.spec.within, &client.clock).map_err(|why| {
            client.error(PlaceProblem::Serial {
                core: self.core,
                name: self.name.clone(),
                at: port.to_string(),
                why: why.to_string(),
            })
        })?;
        Ok(endpoint(open.uart.insert(uart)))
    }
}
