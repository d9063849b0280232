//! What the virtual BlueZ knows: adapters, the devices that each has seen, peripherals, and links between them.

use crate::address::Address;
use crate::gatt::{GattTable, Uuid};
use crate::link::Air;
pub(crate) use crate::peripheral::PeripheralId;
use crate::peripheral::{Advertisement, LinkId, Peripheral};
use std::collections::{BTreeMap, BTreeSet};
use zbus::Message;

/// Number of an adapter: 0 is hci0.
pub(crate) type AdapterIndex = usize;

/// A client of the bus, by its unique name.
pub(crate) type Client = String;

/// An adapter as BlueZ shows it.
#[derive(Debug)]
pub(crate) struct Adapter {
    pub(crate) path: String,
    pub(crate) address: Address,
    pub(crate) alias: String,
    pub(crate) powered: bool,
    pub(crate) discoverable: bool,
    pub(crate) pairable: bool,
    /// What each client has asked for with `SetDiscoveryFilter`.
    pub(crate) filters: BTreeMap<Client, Filter>,
    /// Who discovers, and with what filter.
    pub(crate) sessions: BTreeMap<Client, Filter>,
    /// What was last told of discovering.
    pub(crate) said_discovering: bool,
    pub(crate) devices: BTreeMap<PeripheralId, Device>,
}

impl Adapter {
    pub(crate) fn new(index: AdapterIndex, address: Address) -> Self {
        Self {
            path: format!("/org/bluez/hci{index}"),
            address,
            alias: "dfu-hil virtual radio".to_owned(),
            powered: true,
            discoverable: false,
            pairable: false,
            filters: BTreeMap::new(),
            sessions: BTreeMap::new(),
            said_discovering: false,
            devices: BTreeMap::new(),
        }
    }

    pub(crate) fn is_discovering(&self) -> bool {
        self.powered && !self.sessions.is_empty()
    }
}

/// What a client wants to discover.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    /// Services of which a device must name one; empty is any device.
    pub(crate) uuids: Vec<String>,
    /// The weakest signal in dBm.
    pub(crate) rssi: Option<i16>,
    /// How the address or the name must begin.
    pub(crate) pattern: Option<String>,
    /// Every advertisement is reported, not only the first.
    pub(crate) duplicates: bool,
    /// Devices of BR/EDR only: there is none.
    pub(crate) classic_only: bool,
}

impl Filter {
    pub(crate) fn matches(&self, address: Address, advertised: &Advertisement, rssi: i16) -> bool {
        let services = self.uuids.is_empty()
            || advertised
                .services
                .iter()
                .any(|service| self.uuids.iter().any(|wanted| wanted == service));
        let pattern = self.pattern.as_ref().is_none_or(|pattern| {
            address.to_string().starts_with(pattern.as_str())
                || advertised
                    .name
                    .as_ref()
                    .is_some_and(|name| name.starts_with(pattern.as_str()))
        });
        !self.classic_only && services && pattern && self.rssi.is_none_or(|least| rssi >= least)
    }
}

/// A device as an adapter knows it.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) path: String,
    pub(crate) address: Address,
    pub(crate) name: Option<String>,
    /// What a client called it.
    pub(crate) alias: Option<String>,
    pub(crate) uuids: Vec<Uuid>,
    pub(crate) rssi: Option<i16>,
    pub(crate) trusted: bool,
    pub(crate) blocked: bool,
    pub(crate) connected: bool,
    pub(crate) resolved: bool,
    /// The `Connect` that is being carried out.
    pub(crate) connecting: Option<Message>,
    pub(crate) link: Option<LinkId>,
    /// The attributes that are shown; they stay when the link goes.
    pub(crate) table: GattTable,
    /// Of each characteristic by its declaration handle.
    pub(crate) characteristics: BTreeMap<u16, CharacteristicState>,
}

impl Device {
    pub(crate) fn new(adapter: &str, address: Address) -> Self {
        Self {
            path: format!("{adapter}/{}", address.path_element()),
            address,
            name: None,
            alias: None,
            uuids: Vec::new(),
            rssi: None,
            trusted: false,
            blocked: false,
            connected: false,
            resolved: false,
            connecting: None,
            link: None,
            table: GattTable::default(),
            characteristics: BTreeMap::new(),
        }
    }

    pub(crate) fn shown_alias(&self) -> String {
        self.alias
            .clone()
            .or_else(|| self.name.clone())
            .unwrap_or_else(|| self.address.alias())
    }
}

/// What is known of a characteristic's value and of who wants to hear of it.
#[derive(Debug, Default)]
pub(crate) struct CharacteristicState {
    pub(crate) value: Vec<u8>,
    pub(crate) notifying: bool,
    /// Notify sessions, and whether each is registered on the present link. They outlive a link.
    pub(crate) sessions: BTreeMap<Client, bool>,
}

/// A board on the air.
pub(crate) struct OnAir {
    pub(crate) address: Address,
    pub(crate) table: GattTable,
    pub(crate) board: Box<dyn Peripheral>,
    pub(crate) advertisement: Option<Advertisement>,
    /// Its one connection (`CONFIG_BT_MAX_CONN=1`).
    pub(crate) link: Option<LinkId>,
    pub(crate) faults: Faults,
}

/// What a test has broken about a peripheral.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Faults {
    /// Connections fail to be established.
    pub(crate) refuse: bool,
    /// Services are never resolved.
    pub(crate) never_resolve: bool,
    /// Characteristics need a paired central: the ATT error that says so.
    pub(crate) security: Option<u8>,
    /// So many of the next written fragments get lost above the link layer.
    pub(crate) lose_writes: u32,
    /// So many of the next notifications do.
    pub(crate) lose_notifications: u32,
}

/// A connection between an adapter and a peripheral.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) adapter: AdapterIndex,
    pub(crate) peripheral: PeripheralId,
    pub(crate) air: Air<OnLink>,
    /// The peripheral is gone, and the central has not noticed yet.
    pub(crate) cut: bool,
    /// Characteristics to whose notifications the central has subscribed.
    pub(crate) subscribed: BTreeSet<u16>,
    /// Writes that wait for room.
    pub(crate) waiting: std::collections::VecDeque<(Message, u16, Vec<u8>)>,
}

/// Something under way on a link.
#[derive(Debug)]
pub(crate) enum OnLink {
    /// A write command or request; a request is answered.
    Write {
        characteristic: u16,
        value: Vec<u8>,
        request: Option<Message>,
    },
    /// A read request.
    Read {
        characteristic: u16,
        request: Message,
    },
    /// The CCC is written, for the `StartNotify` of a client where one waits.
    Subscribe {
        characteristic: u16,
        wanted: bool,
        request: Option<Message>,
    },
    /// The answer to a request: success, a value, or an ATT error.
    Response {
        request: Message,
        result: Result<Option<Vec<u8>>, u8>,
        characteristic: u16,
    },
    /// The answer to the write of a CCC.
    Subscribed {
        characteristic: u16,
        request: Option<Message>,
        error: Option<u8>,
    },
    /// A notification.
    Notification { characteristic: u16, value: Vec<u8> },
}
