//! A USB device without I/O: commands of the host go in, replies come out.
//!
//! It answers the standard requests of chapter 9 itself, from its descriptors, and gives everything else to the [`Function`]
//! that the endpoint or interface belongs to.

use crate::descriptor::{self, Configuration, Endpoint, Identity, MS_REQUEST, Strings, kind};
use crate::pipe::Pipe;
use crate::usbip::{Command, Data, Reply, Urb};

/// A setup packet (Universal Serial Bus Specification 2.0, 9.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Setup {
    /// Direction, type and recipient.
    pub request_type: u8,
    /// The request.
    pub request: u8,
    /// Its value.
    pub value: u16,
    /// An interface or an endpoint, mostly.
    pub index: u16,
    /// Bytes of the data stage at most.
    pub length: u16,
}

impl From<[u8; 8]> for Setup {
    fn from(bytes: [u8; 8]) -> Self {
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Self {
            request_type: bytes[0],
            request: bytes[1],
            value: word(2),
            index: word(4),
            length: word(6),
        }
    }
}

/// What a control request comes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It is done; what goes to the host, if it asked for something.
    Done(Vec<u8>),
    /// There is no such request.
    Stall,
}

/// What a device can do, at its endpoints.
pub trait Function {
    /// Bytes from the host; what they lead to on the endpoint to the host.
    fn receive(&mut self, data: &[u8]) -> Vec<Vec<u8>>;

    /// A request of its class to its interface.
    fn control(&mut self, _setup: Setup, _data: &[u8]) -> Answer {
        Answer::Stall
    }

    /// The host has (re)configured the device.
    fn reset(&mut self) {}
}

/// A function and its endpoints.
pub struct Port {
    /// What it does.
    pub function: Box<dyn Function>,
    /// Its interfaces.
    pub interfaces: std::ops::Range<u8>,
    /// Number of its two data endpoints.
    pub endpoint: u8,
    /// Data for the host.
    pub pipe: Pipe,
    /// Number of its notification endpoint, which never has anything to say.
    pub notify: Option<(u8, Pipe)>,
}

/// A device with its functions.
pub struct Device {
    descriptor: Vec<u8>,
    configuration: Vec<u8>,
    strings: Strings,
    /// The Microsoft OS 2.0 set, where Windows is to use WinUSB.
    winusb: Option<Vec<u8>>,
    ports: Vec<Port>,
    configured: u8,
}

/// Requests (Universal Serial Bus Specification 2.0, table 9-4).
mod request {
    pub(super) const GET_STATUS: u8 = 0;
    pub(super) const CLEAR_FEATURE: u8 = 1;
    pub(super) const SET_FEATURE: u8 = 3;
    pub(super) const SET_ADDRESS: u8 = 5;
    pub(super) const GET_DESCRIPTOR: u8 = 6;
    pub(super) const GET_CONFIGURATION: u8 = 8;
    pub(super) const SET_CONFIGURATION: u8 = 9;
    pub(super) const GET_INTERFACE: u8 = 10;
    pub(super) const SET_INTERFACE: u8 = 11;
}

impl Device {
    /// A device that has no functions yet.
    #[must_use]
    pub fn builder(identity: &Identity) -> Builder {
        let mut strings = Strings::default();
        let indexes = [&identity.manufacturer, &identity.name, &identity.serial]
            .map(|text| strings.index(text));
        Builder {
            identity: identity.clone(),
            indexes,
            strings,
            configuration: Configuration::default(),
            winusb: None,
            ports: Vec::new(),
        }
    }

    /// Does what the host asks for. A transfer that waits is answered later.
    pub fn handle(&mut self, command: Command) -> Vec<Reply> {
        match command {
            Command::Submit(urb) if urb.endpoint == 0 => vec![self.control(&urb)],
            Command::Submit(urb) => self.transfer(urb),
            Command::Unlink { number, victim } => {
                let waiting = self.ports.iter_mut().any(|port| {
                    port.pipe.unlink(victim)
                        || port
                            .notify
                            .as_mut()
                            .is_some_and(|(_, pipe)| pipe.unlink(victim))
                });
                vec![Reply::Unlinked { number, waiting }]
            }
        }
    }

    /// Gives bytes to the host on the data endpoint of a function, by its number.
    pub fn push(&mut self, port: usize, data: Vec<u8>) -> Vec<Reply> {
        self.ports
            .get_mut(port)
            .map_or_else(Vec::new, |port| port.pipe.push(data))
    }

    fn transfer(&mut self, urb: Urb) -> Vec<Reply> {
        let Urb {
            number,
            endpoint,
            data,
            ..
        } = urb;
        for port in &mut self.ports {
            match (&data, &mut port.notify) {
                (Data::Out(bytes), _) if port.endpoint == endpoint => {
                    let mut replies = vec![Reply::Out {
                        number,
                        taken: bytes.len(),
                    }];
                    for message in port.function.receive(bytes) {
                        replies.extend(port.pipe.push(message));
                    }
                    return replies;
                }
                (Data::In(length), _) if port.endpoint == endpoint => {
                    return port.pipe.ask(number, *length);
                }
                (Data::In(length), Some((notify, pipe))) if *notify == endpoint => {
                    return pipe.ask(number, *length);
                }
                _ => {}
            }
        }
        vec![Reply::Stalled { number }]
    }

    fn control(&mut self, urb: &Urb) -> Reply {
        let setup = Setup::from(urb.setup);
        let sent: &[u8] = match &urb.data {
            Data::Out(data) => data,
            Data::In(_) => &[],
        };
        const CLASS: u8 = 1;
        let answer = match setup.request_type >> 5 & 3 {
            0 => self.standard(setup),
            CLASS => self.of_class(setup, sent),
            // Windows asks for the Microsoft OS 2.0 set by index 7.
            _ if setup.request == MS_REQUEST && setup.index == 7 => {
                self.winusb.clone().map_or(Answer::Stall, Answer::Done)
            }
            _ => Answer::Stall,
        };
        let number = urb.number;
        match (answer, &urb.data) {
            (Answer::Stall, _) => Reply::Stalled { number },
            (Answer::Done(_), Data::Out(data)) => Reply::Out {
                number,
                taken: data.len(),
            },
            (Answer::Done(mut data), Data::In(length)) => {
                data.truncate((*length).min(usize::from(setup.length)));
                Reply::In { number, data }
            }
        }
    }

    fn of_class(&mut self, setup: Setup, data: &[u8]) -> Answer {
        let interface = setup.index as u8;
        self.ports
            .iter_mut()
            .find(|port| port.interfaces.contains(&interface))
            .map_or(Answer::Stall, |port| port.function.control(setup, data))
    }

    fn standard(&mut self, setup: Setup) -> Answer {
        match setup.request {
            request::GET_STATUS => Answer::Done(vec![0, 0]),
            // A halted endpoint never is: nothing stalls outside of endpoint 0.
            request::CLEAR_FEATURE | request::SET_FEATURE | request::SET_ADDRESS => {
                Answer::Done(Vec::new())
            }
            request::GET_DESCRIPTOR => self.descriptor(setup).map_or(Answer::Stall, Answer::Done),
            request::GET_CONFIGURATION => Answer::Done(vec![self.configured]),
            request::SET_CONFIGURATION => {
                self.configured = setup.value as u8;
                for port in &mut self.ports {
                    port.function.reset();
                    port.pipe.clear();
                }
                Answer::Done(Vec::new())
            }
            request::GET_INTERFACE => Answer::Done(vec![0]),
            // No interface has a second setting.
            request::SET_INTERFACE if setup.value == 0 => Answer::Done(Vec::new()),
            _ => Answer::Stall,
        }
    }

    fn descriptor(&self, setup: Setup) -> Option<Vec<u8>> {
        let [index, kind] = setup.value.to_le_bytes();
        match kind {
            kind::DEVICE => Some(self.descriptor.clone()),
            kind::CONFIGURATION if index == 0 => Some(self.configuration.clone()),
            kind::STRING => self.strings.descriptor(index),
            kind::QUALIFIER => Some(descriptor::qualifier().to_vec()),
            kind::BOS => self.winusb.as_ref().map(|set| descriptor::bos(set.len())),
            _ => None,
        }
    }
}

/// A device that is being put together. Endpoints are numbered in the order of what is added.
pub struct Builder {
    identity: Identity,
    /// Of the strings in the device descriptor.
    indexes: [u8; 3],
    strings: Strings,
    configuration: Configuration,
    winusb: Option<Vec<u8>>,
    ports: Vec<Port>,
}

impl Builder {
    fn next_endpoint(&self) -> u8 {
        let used = |port: &Port| if port.notify.is_some() { 2 } else { 1 };
        1 + self.ports.iter().map(used).sum::<u8>()
    }

    /// A serial port: two interfaces, three endpoints.
    #[must_use]
    pub fn serial_port(mut self, name: &str, pipe: Pipe, function: Box<dyn Function>) -> Self {
        let string = self.strings.index(name);
        let first = self.configuration.next_interface();
        let notify = self.next_endpoint();
        let endpoint = notify + 1;
        self.configuration.serial_port(
            string,
            Endpoint::InterruptIn(notify),
            [Endpoint::BulkOut(endpoint), Endpoint::BulkIn(endpoint)],
        );
        self.ports.push(Port {
            function,
            interfaces: first..first + 2,
            endpoint,
            pipe,
            notify: Some((notify, Pipe::new(crate::pipe::Framing::Messages, 0))),
        });
        self
    }

    /// A debug probe: one interface of a vendor's own class, two endpoints. CMSIS-DAP wants the one from the host first.
    #[must_use]
    pub fn probe(
        mut self,
        name: &str,
        class: [u8; 3],
        winusb: bool,
        pipe: Pipe,
        function: Box<dyn Function>,
    ) -> Self {
        let string = self.strings.index(name);
        let interface = self.configuration.next_interface();
        let endpoint = self.next_endpoint();
        self.configuration.interface(
            class,
            string,
            &[Endpoint::BulkOut(endpoint), Endpoint::BulkIn(endpoint)],
        );
        if winusb {
            self.winusb = Some(descriptor::winusb(interface));
        }
        self.ports.push(Port {
            function,
            interfaces: interface..interface + 1,
            endpoint,
            pipe,
            notify: None,
        });
        self
    }

    /// The device.
    #[must_use]
    pub fn build(self) -> Device {
        Device {
            descriptor: descriptor::device(&self.identity, self.indexes, self.winusb.is_some()),
            configuration: self.configuration.descriptor(),
            strings: self.strings,
            winusb: self.winusb,
            ports: self.ports,
            configured: 0,
        }
    }
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
