//! The attribute protocol of a peripheral (core 5.0, volume 3 part F): requests in, responses out.

use crate::attributes::{Attribute, PRIMARY_SERVICE, Role, Uuid};
use std::collections::BTreeMap;

/// The MTU before it is exchanged, bytes.
pub(crate) const DEFAULT_MTU: u16 = 23;
/// The MTU that the server offers: `CONFIG_BT_L2CAP_TX_MTU` of the demo firmware, as the virtual radio has it.
const SERVER_MTU: u16 = 498;

mod error {
    pub(super) const INVALID_HANDLE: u8 = 0x01;
    pub(super) const READ_NOT_PERMITTED: u8 = 0x02;
    pub(super) const WRITE_NOT_PERMITTED: u8 = 0x03;
    pub(super) const INVALID_PDU: u8 = 0x04;
    pub(super) const NOT_SUPPORTED: u8 = 0x06;
    pub(super) const INVALID_OFFSET: u8 = 0x07;
    pub(super) const NOT_FOUND: u8 = 0x0a;
    pub(super) const INVALID_LENGTH: u8 = 0x0d;
    pub(super) const UNSUPPORTED_GROUP: u8 = 0x10;
}

/// What a PDU did to the board.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    /// The characteristic that is declared at this handle was written.
    Written { declaration: u16, value: Vec<u8> },
    /// Its configuration was.
    Subscribed { declaration: u16, wanted: bool },
}

/// What comes of a PDU.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) response: Option<Vec<u8>>,
    pub(crate) effect: Option<Effect>,
}

/// A refusal: the handle that it names, and why.
type Refusal = (u16, u8);

/// The server's side of one link.
#[derive(Debug)]
pub(crate) struct Server {
    attributes: Vec<Attribute>,
    mtu: u16,
    /// Configuration bits by the handle of the characteristic's declaration.
    configured: BTreeMap<u16, u16>,
}

impl Server {
    pub(crate) fn new(attributes: Vec<Attribute>) -> Self {
        Self {
            attributes,
            mtu: DEFAULT_MTU,
            configured: BTreeMap::new(),
        }
    }

    /// ATT MTU in bytes.
    pub(crate) fn mtu(&self) -> u16 {
        self.mtu
    }

    /// The PDU that notifies this value, if the central wants it and it fits.
    pub(crate) fn notification(&self, declaration: u16, value: &[u8]) -> Option<Vec<u8>> {
        let wanted = self
            .configured
            .get(&declaration)
            .is_some_and(|bits| bits & 1 != 0);
        if !wanted || value.len() + 3 > usize::from(self.mtu) {
            return None;
        }
        let mut pdu = vec![0x1b];
        pdu.extend(declaration.saturating_add(1).to_le_bytes());
        pdu.extend(value);
        Some(pdu)
    }

    /// Answers a PDU of the central.
    pub(crate) fn take(&mut self, pdu: &[u8]) -> Outcome {
        let Some((&opcode, rest)) = pdu.split_first() else {
            return Outcome::default();
        };
        let mut effect = None;
        let answer = match opcode {
            0x02 => self.exchange_mtu(rest),
            0x04 => self.find_information(rest),
            0x06 => self.find_by_type_value(rest),
            0x08 => self.read_by_type(rest),
            0x0a => self.read(0x0b, rest),
            0x0c => self.read(0x0d, rest),
            0x10 => self.read_by_group(rest),
            0x12 => self.write(rest).map(|done| {
                effect = done;
                vec![0x13]
            }),
            0x52 => {
                effect = self.write(rest).ok().flatten();
                return Outcome {
                    response: None,
                    effect,
                };
            }
            // Commands and the confirmation of an indication get no answer.
            other if other & 0x40 != 0 || other == 0x1e => return Outcome::default(),
            _ => Err((0, error::NOT_SUPPORTED)),
        };
        let response = answer.unwrap_or_else(|(handle, code)| {
            let [low, high] = handle.to_le_bytes();
            vec![0x01, opcode, low, high, code]
        });
        Outcome {
            response: Some(response),
            effect,
        }
    }

    fn exchange_mtu(&mut self, rest: &[u8]) -> Result<Vec<u8>, Refusal> {
        let asked = rest
            .try_into()
            .map(u16::from_le_bytes)
            .map_err(|_| (0, error::INVALID_PDU))?;
        self.mtu = asked.clamp(DEFAULT_MTU, SERVER_MTU);
        let [low, high] = SERVER_MTU.to_le_bytes();
        Ok(vec![0x03, low, high])
    }

    fn find_information(&self, rest: &[u8]) -> Result<Vec<u8>, Refusal> {
        let (first, last, _) = range(rest)?;
        let mut entries = Vec::new();
        for attribute in self.between(first, last) {
            let mut entry = attribute.handle.to_le_bytes().to_vec();
            entry.extend(attribute.uuid.to_le());
            entries.push(entry);
        }
        let format = if entries.first().is_some_and(|entry| entry.len() == 4) {
            1
        } else {
            2
        };
        self.list(&[0x05, format], first, entries.into_iter())
    }

    fn find_by_type_value(&self, rest: &[u8]) -> Result<Vec<u8>, Refusal> {
        let (first, last, rest) = range(rest)?;
        let (kind, value) = rest
            .split_at_checked(2)
            .ok_or((first, error::INVALID_PDU))?;
        let kind = Uuid::from_le(kind);
        let found = self
            .between(first, last)
            .filter_map(|attribute| match attribute.role {
                Role::Service { end }
                    if Some(attribute.uuid) == kind && attribute.value == value =>
                {
                    Some([attribute.handle.to_le_bytes(), end.to_le_bytes()].concat())
                }
                _ => None,
            });
        self.list(&[0x07], first, found)
    }

    fn read_by_type(&self, rest: &[u8]) -> Result<Vec<u8>, Refusal> {
        let (first, last, kind) = range(rest)?;
        let kind = Uuid::from_le(kind).ok_or((first, error::INVALID_PDU))?;
        let mut entries = Vec::new();
        for attribute in self.between(first, last).filter(|found| found.uuid == kind) {
            match self.value(attribute) {
                Ok(value) => entries.push((attribute.handle, value)),
                Err(refusal) if entries.is_empty() => return Err(refusal),
                Err(_) => break,
            }
        }
        // An entry's length is one byte, and one entry has to fit.
        let room = usize::from(self.mtu).saturating_sub(4).min(253);
        let entries = entries.into_iter().map(|(handle, mut value)| {
            value.truncate(room);
            [handle.to_le_bytes().to_vec(), value].concat()
        });
        self.list_of_equals(0x09, first, entries)
    }

    fn read_by_group(&self, rest: &[u8]) -> Result<Vec<u8>, Refusal> {
        let (first, last, kind) = range(rest)?;
        if Uuid::from_le(kind) != Some(PRIMARY_SERVICE) {
            return Err((first, error::UNSUPPORTED_GROUP));
        }
        let services = self
            .between(first, last)
            .filter_map(|attribute| match attribute.role {
                Role::Service { end } => {
                    let handles = [attribute.handle.to_le_bytes(), end.to_le_bytes()].concat();
                    Some([handles, attribute.value.clone()].concat())
                }
                _ => None,
            });
        self.list_of_equals(0x11, first, services)
    }

    /// Read and Read Blob, which is longer by an offset.
    fn read(&self, response: u8, rest: &[u8]) -> Result<Vec<u8>, Refusal> {
        let (handle, offset) = match *rest {
            [low, high] if response == 0x0b => (u16::from_le_bytes([low, high]), 0),
            [low, high, offset_low, offset_high] if response == 0x0d => (
                u16::from_le_bytes([low, high]),
                usize::from(u16::from_le_bytes([offset_low, offset_high])),
            ),
            _ => return Err((0, error::INVALID_PDU)),
        };
        let value = self.value(self.attribute(handle)?)?;
        let rest = value.get(offset..).ok_or((handle, error::INVALID_OFFSET))?;
        let room = usize::from(self.mtu) - 1;
        let mut pdu = vec![response];
        pdu.extend(rest.iter().take(room));
        Ok(pdu)
    }

    fn write(&mut self, rest: &[u8]) -> Result<Option<Effect>, Refusal> {
        let [low, high, value @ ..] = rest else {
            return Err((0, error::INVALID_PDU));
        };
        let handle = u16::from_le_bytes([*low, *high]);
        match self.attribute(handle)?.role {
            Role::Configuration { declaration } => {
                let bits = value
                    .try_into()
                    .map(u16::from_le_bytes)
                    .map_err(|_| (handle, error::INVALID_LENGTH))?;
                self.configured.insert(declaration, bits);
                let wanted = bits & 1 != 0;
                Ok(Some(Effect::Subscribed {
                    declaration,
                    wanted,
                }))
            }
            Role::Value {
                declaration,
                write: true,
                ..
            } => {
                let value = value.to_vec();
                Ok(Some(Effect::Written { declaration, value }))
            }
            _ => Err((handle, error::WRITE_NOT_PERMITTED)),
        }
    }

    fn attribute(&self, handle: u16) -> Result<&Attribute, Refusal> {
        let found = self
            .attributes
            .iter()
            .find(|attribute| attribute.handle == handle);
        found.ok_or((handle, error::INVALID_HANDLE))
    }

    fn between(&self, first: u16, last: u16) -> impl Iterator<Item = &Attribute> {
        self.attributes
            .iter()
            .filter(move |attribute| (first..=last).contains(&attribute.handle))
    }

    fn value(&self, attribute: &Attribute) -> Result<Vec<u8>, Refusal> {
        match attribute.role {
            Role::Value { read: false, .. } => Err((attribute.handle, error::READ_NOT_PERMITTED)),
            Role::Configuration { declaration } => {
                let bits = self
                    .configured
                    .get(&declaration)
                    .copied()
                    .unwrap_or_default();
                Ok(bits.to_le_bytes().to_vec())
            }
            Role::Service { .. } | Role::Fixed | Role::Value { .. } => Ok(attribute.value.clone()),
        }
    }

    /// A response with as many entries of the first one's length as fit, and that length in front of them.
    fn list_of_equals(
        &self,
        response: u8,
        first: u16,
        entries: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Vec<u8>, Refusal> {
        let mut entries = entries.peekable();
        let length = entries.peek().map_or(0, Vec::len);
        let length = u8::try_from(length).map_err(|_| (first, error::NOT_FOUND))?;
        self.list(&[response, length], first, entries)
    }

    fn list(
        &self,
        head: &[u8],
        first: u16,
        entries: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Vec<u8>, Refusal> {
        let mut pdu = head.to_vec();
        let mut length = None;
        for entry in entries {
            let equal = *length.get_or_insert(entry.len()) == entry.len();
            if !equal || pdu.len() + entry.len() > usize::from(self.mtu) {
                break;
            }
            pdu.extend(entry);
        }
        if pdu.len() == head.len() {
            return Err((first, error::NOT_FOUND));
        }
        Ok(pdu)
    }
}

/// The two handles that a search begins with, and what follows them.
fn range(rest: &[u8]) -> Result<(u16, u16, &[u8]), Refusal> {
    let [a, b, c, d, rest @ ..] = rest else {
        return Err((0, error::INVALID_PDU));
    };
    let (first, last) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
    if first == 0 || first > last {
        return Err((first, error::INVALID_HANDLE));
    }
    Ok((first, last, rest))
}

#[cfg(test)]
#[path = "att_tests.rs"]
mod tests;
