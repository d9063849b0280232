//! The boundary between the air and a board: what a peripheral tells and what it is told.
//!
//! No D-Bus and no BlueZ in here: whatever drives the air (the BlueZ of this crate, or a virtual HCI controller
//! below a real bluetoothd) sees a board through [`Peripheral`], and the board acts through the
//! [`Port`](crate::Port) that it got when it was attached.

use crate::gatt::Uuid;

/// What is on the air of a peripheral that wants to be found and connected to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Advertisement {
    /// `CONFIG_BT_DEVICE_NAME`, in the scan response.
    pub name: Option<String>,
    /// Services that it names, in 128 bits.
    pub services: Vec<Uuid>,
}

/// One connection. A number is never used twice, so what belongs to an earlier connection is told apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LinkId(pub(crate) u64);

impl LinkId {
    /// The link with this number, for who drives an air and numbers its links.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// One board on an air. A number is never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PeripheralId(pub(crate) u64);

/// Why a link ended, as the HCI error codes of the core specification (volume 1, part F) have it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// 0x08: nothing was heard from the other side for the supervision timeout.
    ConnectionTimeout,
    /// 0x13: the other side's user ended it.
    RemoteUser,
    /// 0x15: the other side is powering off.
    RemotePowerOff,
    /// 0x16: this side ended it.
    LocalHost,
    /// 0x3d: a message integrity check failed.
    MicFailure,
    /// 0x3e: the connection failed to be established.
    FailedToEstablish,
}

impl Reason {
    /// The HCI code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::ConnectionTimeout => 0x08,
            Self::RemoteUser => 0x13,
            Self::RemotePowerOff => 0x15,
            Self::LocalHost => 0x16,
            Self::MicFailure => 0x3d,
            Self::FailedToEstablish => 0x3e,
        }
    }
}

/// What happens to a peripheral.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LinkEvent {
    /// A central has connected; advertising has stopped. The MTU is exchanged.
    Connected {
        /// The new link.
        link: LinkId,
        /// ATT MTU in bytes: a write or a notification carries three less.
        mtu: u16,
    },
    /// The central has written a characteristic.
    Written {
        /// On which link.
        link: LinkId,
        /// Declaration handle of the characteristic.
        characteristic: u16,
        /// The bytes.
        value: Vec<u8>,
    },
    /// The central has written the CCC of a characteristic.
    Subscribed {
        /// On which link.
        link: LinkId,
        /// Declaration handle of the characteristic.
        characteristic: u16,
        /// Whether notifications are wanted.
        wanted: bool,
    },
    /// The link is gone.
    Disconnected {
        /// Which link.
        link: LinkId,
        /// Why.
        reason: Reason,
    },
}

/// A board as the air knows it.
pub trait Peripheral: Send {
    /// Takes an event. Called on the radio's thread, in the order in which things happen: must not wait, least of all
    /// for the radio.
    fn event(&mut self, event: LinkEvent);
}

impl<F: FnMut(LinkEvent) + Send> Peripheral for F {
    fn event(&mut self, event: LinkEvent) {
        self(event);
    }
}
