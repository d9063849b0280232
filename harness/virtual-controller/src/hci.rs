//! HCI packets as a transport carries them (core 5.0, volume 4 part A): a type byte, and the packet.

/// Packet types.
const COMMAND: u8 = 0x01;
const ACL_DATA: u8 = 0x02;
const EVENT: u8 = 0x04;
/// What Linux answers on `/dev/vhci` when the device is made (`linux drivers/bluetooth/hci_vhci.c`).
const VENDOR: u8 = 0xff;

/// Opcodes: group in the upper six bits.
pub(crate) mod opcode {
    pub(crate) const DISCONNECT: u16 = 0x0406;
    pub(crate) const READ_REMOTE_VERSION: u16 = 0x041d;
    pub(crate) const SET_EVENT_MASK: u16 = 0x0c01;
    pub(crate) const RESET: u16 = 0x0c03;
    pub(crate) const WRITE_LOCAL_NAME: u16 = 0x0c13;
    pub(crate) const SET_EVENT_MASK_PAGE_2: u16 = 0x0c63;
    pub(crate) const WRITE_LE_HOST_SUPPORT: u16 = 0x0c6d;
    pub(crate) const READ_LOCAL_VERSION: u16 = 0x1001;
    pub(crate) const READ_LOCAL_COMMANDS: u16 = 0x1002;
    pub(crate) const READ_LOCAL_FEATURES: u16 = 0x1003;
    pub(crate) const READ_BUFFER_SIZE: u16 = 0x1005;
    pub(crate) const READ_BD_ADDR: u16 = 0x1009;
    pub(crate) const LE_SET_EVENT_MASK: u16 = 0x2001;
    pub(crate) const LE_READ_BUFFER_SIZE: u16 = 0x2002;
    pub(crate) const LE_READ_LOCAL_FEATURES: u16 = 0x2003;
    pub(crate) const LE_SET_RANDOM_ADDRESS: u16 = 0x2005;
    pub(crate) const LE_SET_ADVERTISING_PARAMETERS: u16 = 0x2006;
    pub(crate) const LE_READ_ADVERTISING_POWER: u16 = 0x2007;
    pub(crate) const LE_SET_ADVERTISING_DATA: u16 = 0x2008;
    pub(crate) const LE_SET_SCAN_RESPONSE: u16 = 0x2009;
    pub(crate) const LE_SET_ADVERTISING_ENABLE: u16 = 0x200a;
    pub(crate) const LE_SET_SCAN_PARAMETERS: u16 = 0x200b;
    pub(crate) const LE_SET_SCAN_ENABLE: u16 = 0x200c;
    pub(crate) const LE_CREATE_CONNECTION: u16 = 0x200d;
    pub(crate) const LE_CREATE_CONNECTION_CANCEL: u16 = 0x200e;
    pub(crate) const LE_READ_ACCEPT_LIST_SIZE: u16 = 0x200f;
    pub(crate) const LE_CLEAR_ACCEPT_LIST: u16 = 0x2010;
    pub(crate) const LE_ADD_TO_ACCEPT_LIST: u16 = 0x2011;
    pub(crate) const LE_REMOVE_FROM_ACCEPT_LIST: u16 = 0x2012;
    pub(crate) const LE_CONNECTION_UPDATE: u16 = 0x2013;
    pub(crate) const LE_READ_REMOTE_FEATURES: u16 = 0x2016;
    pub(crate) const LE_RAND: u16 = 0x2018;
    pub(crate) const LE_READ_SUPPORTED_STATES: u16 = 0x201c;
}

/// Error codes (core 5.0, volume 2 part D).
pub(crate) mod status {
    pub(crate) const SUCCESS: u8 = 0x00;
    pub(crate) const UNKNOWN_COMMAND: u8 = 0x01;
    pub(crate) const UNKNOWN_CONNECTION: u8 = 0x02;
    pub(crate) const DISALLOWED: u8 = 0x0c;
    pub(crate) const INVALID_PARAMETERS: u8 = 0x12;
    pub(crate) const TERMINATED_BY_LOCAL_HOST: u8 = 0x16;
}

/// A packet from the host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FromHost<'a> {
    /// A command.
    Command { opcode: u16, parameters: &'a [u8] },
    /// Data for a link, or a piece of it.
    Acl {
        handle: u16,
        /// Whether an L2CAP PDU begins with it.
        first: bool,
        data: &'a [u8],
    },
    /// The kernel has made an adapter of this number.
    Made { index: u16 },
}

/// A packet whose lengths do not add up, or of a type that there is no controller for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a packet that a host sends to an LE controller")]
pub(crate) struct Malformed;

/// Reads one packet.
pub(crate) fn parse(packet: &[u8]) -> Result<FromHost<'_>, Malformed> {
    match *packet {
        [COMMAND, low, high, length, ref parameters @ ..]
            if parameters.len() == usize::from(length) =>
        {
            Ok(FromHost::Command {
                opcode: u16::from_le_bytes([low, high]),
                parameters,
            })
        }
        [ACL_DATA, low, high, length_low, length_high, ref data @ ..]
            if data.len() == usize::from(u16::from_le_bytes([length_low, length_high])) =>
        {
            let word = u16::from_le_bytes([low, high]);
            Ok(FromHost::Acl {
                handle: word & 0x0fff,
                // 0b01 continues; 0b00 and 0b10 begin.
                first: (word >> 12) & 3 != 1,
                data,
            })
        }
        [VENDOR, _, low, high] => Ok(FromHost::Made {
            index: u16::from_le_bytes([low, high]),
        }),
        _ => Err(Malformed),
    }
}

/// An event with its parameters. They are shorter than 256 bytes wherever this is called.
fn event(code: u8, parameters: &[&[u8]]) -> Vec<u8> {
    let length: usize = parameters.iter().map(|part| part.len()).sum();
    let mut packet = vec![EVENT, code, u8::try_from(length).unwrap_or(u8::MAX)];
    packet.extend(parameters.concat());
    packet
}

/// Command Complete. `returned` begins with the status.
pub(crate) fn command_complete(opcode: u16, returned: &[u8]) -> Vec<u8> {
    event(0x0e, &[&[1], &opcode.to_le_bytes(), returned])
}

/// Command Status.
pub(crate) fn command_status(opcode: u16, status: u8) -> Vec<u8> {
    event(0x0f, &[&[status, 1], &opcode.to_le_bytes()])
}

/// Disconnection Complete.
pub(crate) fn disconnection_complete(handle: u16, reason: u8) -> Vec<u8> {
    event(
        0x05,
        &[&[status::SUCCESS], &handle.to_le_bytes(), &[reason]],
    )
}

/// Read Remote Version Information Complete: a 5.0 controller of Nordic (company 0x0059).
pub(crate) fn remote_version(handle: u16) -> Vec<u8> {
    let version = [9, 0x59, 0, 0, 0];
    event(0x0c, &[&[status::SUCCESS], &handle.to_le_bytes(), &version])
}

/// Number Of Completed Packets, for one packet.
pub(crate) fn packet_completed(handle: u16) -> Vec<u8> {
    event(0x13, &[&[1], &handle.to_le_bytes(), &[1, 0]])
}

/// LE Connection Complete as central, to a random address. Interval 30 ms, no latency, supervision timeout 720 ms:
/// what the host learns, this air does not keep to it.
pub(crate) fn connection_complete(status: u8, handle: u16, peer: [u8; 6]) -> Vec<u8> {
    event(
        0x3e,
        &[
            &[0x01, status],
            &handle.to_le_bytes(),
            &[0, 1],
            &peer,
            &[0x18, 0, 0, 0, 0x48, 0, 0],
        ],
    )
}

/// LE Advertising Report of one report, from a random address. `kind` is 0 for connectable advertising, 4 for a scan
/// response.
pub(crate) fn advertising_report(kind: u8, from: [u8; 6], data: &[u8], rssi: i8) -> Vec<u8> {
    let length = u8::try_from(data.len()).unwrap_or(u8::MAX);
    event(
        0x3e,
        &[
            &[0x02, 1, kind, 1],
            &from,
            &[length],
            data,
            &rssi.to_le_bytes(),
        ],
    )
}

/// LE Connection Update Complete with the interval (in 1.25 ms), latency and timeout that were asked for.
pub(crate) fn connection_updated(
    handle: u16,
    interval: u16,
    latency: u16,
    timeout: u16,
) -> Vec<u8> {
    let values = [interval, latency, timeout].map(u16::to_le_bytes).concat();
    event(
        0x3e,
        &[&[0x03, status::SUCCESS], &handle.to_le_bytes(), &values],
    )
}

/// LE Read Remote Features Complete: none.
pub(crate) fn remote_features(handle: u16) -> Vec<u8> {
    event(
        0x3e,
        &[&[0x04, status::SUCCESS], &handle.to_le_bytes(), &[0; 8]],
    )
}

/// A piece of an L2CAP PDU for the host.
pub(crate) fn acl(handle: u16, first: bool, data: &[u8]) -> Vec<u8> {
    // Towards the host a PDU begins with 0b10 and is continued with 0b01.
    let flags: u16 = if first { 0x2000 } else { 0x1000 };
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let mut packet = vec![ACL_DATA];
    packet.extend((handle & 0x0fff | flags).to_le_bytes());
    packet.extend(length.to_le_bytes());
    packet.extend(data);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::reset(&[1, 0x03, 0x0c, 0], Ok(FromHost::Command { opcode: opcode::RESET, parameters: &[] }))]
    #[case::scan(&[1, 0x0c, 0x20, 2, 1, 0], Ok(FromHost::Command { opcode: opcode::LE_SET_SCAN_ENABLE, parameters: &[1, 0] }))]
    #[case::first_piece(&[2, 0x40, 0x00, 1, 0, 7], Ok(FromHost::Acl { handle: 0x40, first: true, data: &[7] }))]
    #[case::next_piece(&[2, 0x40, 0x10, 1, 0, 7], Ok(FromHost::Acl { handle: 0x40, first: false, data: &[7] }))]
    #[case::made(&[0xff, 0, 3, 0], Ok(FromHost::Made { index: 3 }))]
    #[case::empty(&[], Err(Malformed))]
    #[case::too_few_parameters(&[1, 0x0c, 0x20, 2, 1], Err(Malformed))]
    #[case::too_much_data(&[2, 0x40, 0, 1, 0, 7, 8], Err(Malformed))]
    #[case::isochronous(&[5, 0, 0, 0, 0], Err(Malformed))]
    fn packets_of_the_host(
        #[case] packet: &[u8],
        #[case] expected: Result<FromHost<'_>, Malformed>,
    ) {
        assert_eq!(parse(packet), expected);
    }

    #[test]
    fn events_carry_their_length() {
        assert_eq!(
            command_complete(opcode::RESET, &[0]),
            [4, 0x0e, 4, 1, 0x03, 0x0c, 0]
        );
        assert_eq!(
            disconnection_complete(0x40, 0x08),
            [4, 0x05, 4, 0, 0x40, 0, 0x08]
        );
        assert_eq!(
            connection_complete(0, 0x40, [1, 2, 3, 4, 5, 0xc6])[..9],
            [4, 0x3e, 19, 1, 0, 0x40, 0, 0, 1]
        );
    }
}
