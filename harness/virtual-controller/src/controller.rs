//! The controller without I/O: packets of the host and calls of boards in, packets for the host out.
//!
//! It is a central's controller that only scans and connects, as of Bluetooth 5.0 and without any optional feature of
//! LE: no extended advertising, no data length extension, no encryption. What it says it supports is what Linux asks for at
//! least; other commands are answered as unknown. Everything on the air arrives at once.

use crate::att::{Effect, Server};
use crate::attributes;
use crate::hci::{self, FromHost, opcode, status};
use crate::l2cap::{self, Pdu, Reassembly};
use hil_clock::Instant;
use std::collections::BTreeMap;
use std::time::Duration;
use virtual_radio::gatt::GattTable;
use virtual_radio::{
    Address, Advertisement, AirCommand, LinkEvent, LinkId, Peripheral, PeripheralId, Reason,
};

/// Between two reports of a board that advertises: Zephyr's `BT_GAP_ADV_FAST_INT_MIN_2`.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// What the host hears a board with.
const RSSI: i8 = -47;
/// ACL packets that the controller has room for.
const BUFFERS: u8 = 8;
/// Handles go from 0x0001 to 0x0eff.
const MOST_HANDLE: u16 = 0x0eff;

#[derive(Debug)]
struct Link {
    id: LinkId,
    handle: u16,
    reassembly: Reassembly,
    server: Server,
    /// Whether the board has been told: that happens when the MTU is known.
    announced: bool,
}

struct Board {
    address: Address,
    table: GattTable,
    peripheral: Box<dyn Peripheral>,
    advertisement: Option<Advertisement>,
    link: Option<Link>,
}

/// A controller with boards on its air.
pub struct Controller {
    address: Address,
    boards: BTreeMap<PeripheralId, Board>,
    scans: bool,
    /// The address that a connection is wanted to, as HCI has it.
    wanted: Option<[u8; 6]>,
    next_report: Option<Instant>,
    links: u64,
    random: u64,
    packets: Vec<Vec<u8>>,
}

/// An address, least significant byte first.
fn reversed(address: Address) -> [u8; 6] {
    let mut bytes = address.bytes();
    bytes.reverse();
    bytes
}

impl Controller {
    /// A controller with this public address.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            boards: BTreeMap::new(),
            scans: false,
            wanted: None,
            next_report: None,
            links: 0,
            random: 0x9e37_79b9_7f4a_7c15,
            packets: Vec::new(),
        }
    }

    /// Takes the packets for the host.
    #[must_use]
    pub fn take_packets(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.packets)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_report
    }

    /// Reports who advertises, if that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_report.is_none_or(|due| due > now) {
            return;
        }
        self.next_report = self.scans.then(|| now + REPORT_INTERVAL);
        for board in self.boards.values() {
            if let Some(advertisement) = &board.advertisement {
                let from = reversed(board.address);
                for (kind, data) in [
                    (0, advertising(advertisement)),
                    (4, response(advertisement)),
                ] {
                    self.packets
                        .push(hci::advertising_report(kind, from, &data, RSSI));
                }
            }
        }
    }

    /// Takes a packet of the host. One that cannot be is dropped.
    pub fn handle_packet(&mut self, packet: &[u8], now: Instant) {
        match hci::parse(packet) {
            Ok(FromHost::Command { opcode, parameters }) => self.command(opcode, parameters, now),
            Ok(FromHost::Acl {
                handle,
                first,
                data,
            }) => self.data(handle, first, data),
            Ok(FromHost::Made { index }) => tracing::info!("the adapter is hci{index}"),
            Err(error) => tracing::warn!(%error, length = packet.len(), "dropped"),
        }
    }

    /// Takes what a board asks.
    pub fn handle_board(&mut self, command: AirCommand) {
        match command {
            AirCommand::Attach {
                board,
                address,
                table,
                peripheral,
            } => {
                let attached = Board {
                    address,
                    table,
                    peripheral,
                    advertisement: None,
                    link: None,
                };
                self.boards.insert(board, attached);
            }
            AirCommand::Detach(id) => {
                self.lose(
                    id,
                    Reason::ConnectionTimeout.code(),
                    Reason::ConnectionTimeout,
                );
                self.boards.remove(&id);
            }
            AirCommand::Advertise(id, advertisement) => {
                if let Some(board) = self.boards.get_mut(&id) {
                    board.advertisement = advertisement.filter(|_| board.link.is_none());
                }
                self.connect();
            }
            AirCommand::Notify(id, characteristic, value) => {
                let links = self.boards.values().filter_map(|board| board.link.as_ref());
                let found = links.into_iter().find(|link| link.id == id);
                let pdu = found.and_then(|link| {
                    let pdu = link.server.notification(characteristic, &value)?;
                    Some((link.handle, pdu))
                });
                match pdu {
                    Some((handle, pdu)) => self.send(handle, l2cap::ATT, &pdu),
                    None => tracing::debug!(?id, characteristic, "notification not sent"),
                }
            }
            AirCommand::DropLink(id, reason) => self.lose(id, reason.code(), reason),
        }
    }

    fn command(&mut self, opcode: u16, parameters: &[u8], now: Instant) {
        match opcode {
            opcode::LE_SET_SCAN_ENABLE => {
                self.scans = parameters.first() == Some(&1);
                self.next_report = self.scans.then_some(now);
                self.complete(opcode, &[status::SUCCESS]);
            }
            opcode::LE_CREATE_CONNECTION => self.create_connection(opcode, parameters),
            opcode::LE_CREATE_CONNECTION_CANCEL => {
                if let Some(peer) = self.wanted.take() {
                    self.complete(opcode, &[status::SUCCESS]);
                    let cancelled = status::UNKNOWN_CONNECTION;
                    self.packets
                        .push(hci::connection_complete(cancelled, 0, peer));
                } else {
                    self.complete(opcode, &[status::DISALLOWED]);
                }
            }
            opcode::DISCONNECT
            | opcode::READ_REMOTE_VERSION
            | opcode::LE_READ_REMOTE_FEATURES
            | opcode::LE_CONNECTION_UPDATE => self.link_command(opcode, parameters),
            opcode::RESET => {
                self.reset();
                self.complete(opcode, &[status::SUCCESS]);
            }
            _ => {
                let returned = self.returned(opcode);
                self.complete(opcode, &returned);
            }
        }
    }

    /// What a command that changes nothing returns.
    fn returned(&mut self, opcode: u16) -> Vec<u8> {
        match opcode {
            // HCI and LMP of version 5.0.
            opcode::READ_LOCAL_VERSION => vec![0, 9, 0, 0, 9, 0xff, 0xff, 0, 0],
            opcode::READ_LOCAL_COMMANDS => supported_commands(),
            // LE, and no BR/EDR.
            opcode::READ_LOCAL_FEATURES => vec![0, 0, 0, 0, 0, 0x60, 0, 0, 0],
            opcode::READ_BD_ADDR => [&[0][..], &reversed(self.address)].concat(),
            opcode::READ_BUFFER_SIZE => vec![0, 0, 4, 0, BUFFERS, 0, 0, 0],
            opcode::LE_READ_BUFFER_SIZE => {
                let [low, high] = u16::try_from(l2cap::PIECE).unwrap_or(27).to_le_bytes();
                vec![0, low, high, BUFFERS]
            }
            opcode::LE_READ_LOCAL_FEATURES => vec![0; 9],
            opcode::LE_READ_ADVERTISING_POWER => vec![0, 0],
            opcode::LE_READ_ACCEPT_LIST_SIZE => vec![0, 8],
            opcode::LE_READ_SUPPORTED_STATES => vec![0, 0xff, 0xff, 0xff, 0xff, 0xff, 3, 0, 0],
            opcode::LE_RAND => {
                // Nothing here is kept secret by it: xorshift.
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                [&[0][..], &self.random.to_le_bytes()].concat()
            }
            opcode::SET_EVENT_MASK
            | opcode::SET_EVENT_MASK_PAGE_2
            | opcode::WRITE_LOCAL_NAME
            | opcode::WRITE_LE_HOST_SUPPORT
            | opcode::LE_SET_EVENT_MASK
            | opcode::LE_SET_RANDOM_ADDRESS
            | opcode::LE_SET_ADVERTISING_PARAMETERS
            | opcode::LE_SET_ADVERTISING_DATA
            | opcode::LE_SET_SCAN_RESPONSE
            | opcode::LE_SET_ADVERTISING_ENABLE
            | opcode::LE_SET_SCAN_PARAMETERS
            | opcode::LE_CLEAR_ACCEPT_LIST
            | opcode::LE_ADD_TO_ACCEPT_LIST
            | opcode::LE_REMOVE_FROM_ACCEPT_LIST => vec![status::SUCCESS],
            _ => {
                tracing::debug!("command {opcode:#06x} is not known");
                vec![status::UNKNOWN_COMMAND]
            }
        }
    }

    fn create_connection(&mut self, opcode: u16, parameters: &[u8]) {
        // Scan interval and window, filter policy, address type and address come first.
        let peer = parameters
            .get(6..12)
            .and_then(|bytes| bytes.try_into().ok());
        let status = match peer {
            None => status::INVALID_PARAMETERS,
            Some(_) if self.wanted.is_some() => status::DISALLOWED,
            Some(_) => status::SUCCESS,
        };
        self.packets.push(hci::command_status(opcode, status));
        if status == status::SUCCESS {
            self.wanted = peer;
            self.connect();
        }
    }

    /// Connects to the wanted board, if it advertises.
    fn connect(&mut self) {
        let Some(peer) = self.wanted else { return };
        let taken: Vec<u16> = self.handles().collect();
        let found = self
            .boards
            .values_mut()
            .find(|board| reversed(board.address) == peer && board.advertisement.is_some());
        let Some(board) = found else { return };
        let free = (1..=MOST_HANDLE).find(|handle| !taken.contains(handle));
        let (Some(handle), Some(advertisement)) = (free, board.advertisement.take()) else {
            return;
        };
        self.wanted = None;
        self.links += 1;
        let name = advertisement.name.unwrap_or_default();
        board.link = Some(Link {
            id: LinkId::new(self.links),
            handle,
            reassembly: Reassembly::default(),
            server: Server::new(attributes::of(&board.table, &name)),
            announced: false,
        });
        self.packets
            .push(hci::connection_complete(status::SUCCESS, handle, peer));
    }

    /// A command that names a link.
    fn link_command(&mut self, opcode: u16, parameters: &[u8]) {
        let word = |at: usize| {
            let bytes = parameters.get(at..at + 2)?.try_into().ok()?;
            Some(u16::from_le_bytes(bytes))
        };
        let handle = word(0).filter(|wanted| self.handles().any(|handle| handle == *wanted));
        let Some(handle) = handle else {
            let unknown = status::UNKNOWN_CONNECTION;
            self.packets.push(hci::command_status(opcode, unknown));
            return;
        };
        self.packets
            .push(hci::command_status(opcode, status::SUCCESS));
        match opcode {
            opcode::DISCONNECT => {
                let linked = |board: &Board| board.link.as_ref().map(|link| link.handle);
                let board = self
                    .boards
                    .iter()
                    .find(|(_, board)| linked(board) == Some(handle));
                if let Some(id) = board.map(|(id, _)| *id) {
                    self.lose(id, status::TERMINATED_BY_LOCAL_HOST, Reason::RemoteUser);
                }
            }
            opcode::READ_REMOTE_VERSION => self.packets.push(hci::remote_version(handle)),
            opcode::LE_READ_REMOTE_FEATURES => self.packets.push(hci::remote_features(handle)),
            _ => {
                // Interval: at least and at most; then latency and timeout.
                let [interval, latency, timeout] = [4, 6, 8].map(|at| word(at).unwrap_or_default());
                self.packets
                    .push(hci::connection_updated(handle, interval, latency, timeout));
            }
        }
    }

    fn data(&mut self, handle: u16, first: bool, data: &[u8]) {
        let linked = |board: &Board| board.link.as_ref().map(|link| link.handle);
        let Some(board) = self
            .boards
            .values_mut()
            .find(|board| linked(board) == Some(handle))
        else {
            return;
        };
        self.packets.push(hci::packet_completed(handle));
        let Some(link) = &mut board.link else { return };
        let answer = match link.reassembly.take(first, data) {
            Some(Pdu {
                channel: l2cap::ATT,
                payload,
            }) => {
                let outcome = link.server.take(&payload);
                let event = outcome.effect.map(|effect| event(link.id, effect));
                // The first PDU is the exchange of the MTU, or there is none.
                announce(&mut *board.peripheral, link);
                if let Some(event) = event {
                    board.peripheral.event(event);
                }
                outcome.response.map(|response| (l2cap::ATT, response))
            }
            // A pairing request is refused: pairing not supported.
            Some(Pdu {
                channel: l2cap::SECURITY,
                payload,
            }) if payload.first() == Some(&1) => Some((l2cap::SECURITY, vec![0x05, 0x05])),
            _ => None,
        };
        if let Some((channel, payload)) = answer {
            self.send(handle, channel, &payload);
        }
    }

    fn send(&mut self, handle: u16, channel: u16, payload: &[u8]) {
        for (number, piece) in l2cap::pieces(channel, payload).iter().enumerate() {
            self.packets.push(hci::acl(handle, number == 0, piece));
        }
    }

    /// Ends a board's link, if it has one. `code` is what the host is told.
    fn lose(&mut self, id: PeripheralId, code: u8, reason: Reason) {
        let Some(board) = self.boards.get_mut(&id) else {
            return;
        };
        let Some(mut link) = board.link.take() else {
            return;
        };
        announce(&mut *board.peripheral, &mut link);
        board.peripheral.event(LinkEvent::Disconnected {
            link: link.id,
            reason,
        });
        self.packets
            .push(hci::disconnection_complete(link.handle, code));
    }

    /// The host begins anew: it has no links, and boards lose theirs.
    fn reset(&mut self) {
        let ids: Vec<PeripheralId> = self.boards.keys().copied().collect();
        for id in ids {
            self.lose(
                id,
                status::TERMINATED_BY_LOCAL_HOST,
                Reason::ConnectionTimeout,
            );
        }
        self.packets.clear();
        self.scans = false;
        self.wanted = None;
        self.next_report = None;
    }

    fn handles(&self) -> impl Iterator<Item = u16> {
        let links = self.boards.values().filter_map(|board| board.link.as_ref());
        links.map(|link| link.handle)
    }

    fn complete(&mut self, opcode: u16, returned: &[u8]) {
        self.packets.push(hci::command_complete(opcode, returned));
    }
}

fn announce(peripheral: &mut dyn Peripheral, link: &mut Link) {
    if !link.announced {
        link.announced = true;
        let mtu = link.server.mtu();
        peripheral.event(LinkEvent::Connected { link: link.id, mtu });
    }
}

fn event(link: LinkId, effect: Effect) -> LinkEvent {
    match effect {
        Effect::Written {
            declaration: characteristic,
            value,
        } => LinkEvent::Written {
            link,
            characteristic,
            value,
        },
        Effect::Subscribed {
            declaration: characteristic,
            wanted,
        } => LinkEvent::Subscribed {
            link,
            characteristic,
            wanted,
        },
    }
}

/// Flags (general discoverable, no BR/EDR) and all services of 128 bits, as far as they fit 31 bytes.
fn advertising(advertisement: &Advertisement) -> Vec<u8> {
    let uuids: Vec<u8> = advertisement
        .services
        .iter()
        .map(|uuid| attributes::uuid_to_le(uuid))
        .filter(|bytes| bytes.len() == 16)
        .take(1)
        .flatten()
        .collect();
    let mut data = vec![2, 0x01, 0x06];
    if !uuids.is_empty() {
        data.extend([17, 0x07]);
        data.extend(uuids);
    }
    data
}

/// The complete name, or as much of it as fits 31 bytes.
fn response(advertisement: &Advertisement) -> Vec<u8> {
    let name = advertisement.name.as_deref().unwrap_or_default().as_bytes();
    let shown = &name[..name.len().min(29)];
    let Some(length) = u8::try_from(shown.len() + 1)
        .ok()
        .filter(|_| !shown.is_empty())
    else {
        return Vec::new();
    };
    let kind = if shown.len() < name.len() { 0x08 } else { 0x09 };
    [&[length, kind][..], shown].concat()
}

/// The bit field of the commands that are answered (core 5.0, volume 2 part E, section 6.27), behind a status.
fn supported_commands() -> Vec<u8> {
    let mut returned = vec![0; 65];
    for (octet, bits) in [
        (0, 0x20),  // Disconnect
        (2, 0x80),  // Read Remote Version Information
        (5, 0xc0),  // Set Event Mask, Reset
        (25, 0xf7), // LE: masks, buffer size, features, random address, advertising
        (26, 0xff), // LE: advertising, scanning, connecting, size and clearing of the accept list
        (27, 0x37), // LE: accept list, connection update, remote features; not: channel classification
    ] {
        returned[1 + octet] = bits;
    }
    returned
}

#[cfg(test)]
#[path = "controller_tests.rs"]
mod tests;
