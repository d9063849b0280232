//! Why a command was refused, in the two forms that the protocol has for it.

use crate::bus::Stopped;

/// Errors of SMP itself; also what a version 1 client gets to see (`mgmt.h` of Zephyr).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(in crate::firmware) enum Rc {
    Unknown = 1,
    NoMemory = 2,
    Invalid = 3,
    NotFound = 5,
    BadState = 6,
    TooLong = 7,
    NotSupported = 8,
    Corrupt = 9,
    TooOld = 12,
    TooNew = 13,
}

/// Errors of the OS group that this server gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum OsError {
    InvalidFormat = 2,
    QueryYieldsNoAnswer = 3,
}

/// Errors of the image group (`img_mgmt.h` of Zephyr).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum ImageError {
    NoImage = 3,
    NoTlvs = 4,
    InvalidTlv = 5,
    MultipleHashes = 6,
    InvalidTlvSize = 7,
    HashNotFound = 8,
    NoFreeSlot = 9,
    FlashReadFailed = 11,
    FlashWriteFailed = 12,
    FlashEraseFailed = 13,
    InvalidSlot = 14,
    InvalidOffset = 20,
    InvalidLength = 21,
    InvalidHeader = 22,
    InvalidHeaderMagic = 23,
    InvalidHash = 24,
    VersionGetFailed = 26,
    CurrentVersionIsNewer = 27,
    AlreadyPending = 28,
    InvalidVectorTable = 29,
    TooLarge = 30,
    DataOverrun = 31,
    ConfirmationDenied = 32,
    TestOfActiveDenied = 33,
}

/// Why a command has no answer of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Failure {
    /// The server refused it.
    Rc(Rc),
    /// The OS group did.
    Os(OsError),
    /// The image group did.
    Image(ImageError),
    /// The core is gone.
    Stopped(Stopped),
}

impl Failure {
    /// Group and code of a group's own error.
    pub(super) fn group_error(self) -> Option<GroupError> {
        match self {
            Self::Os(error) => Some(GroupError {
                group: 0,
                code: error as u8,
                version_1: match error {
                    OsError::InvalidFormat => Rc::Invalid,
                    OsError::QueryYieldsNoAnswer => Rc::NotFound,
                },
            }),
            Self::Image(error) => Some(GroupError {
                group: 1,
                code: error as u8,
                version_1: error.version_1(),
            }),
            Self::Rc(_) | Self::Stopped(_) => None,
        }
    }
}

/// A group's error, ready to be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct GroupError {
    pub(super) group: u8,
    pub(super) code: u8,
    /// What a version 1 client is told instead.
    pub(super) version_1: Rc,
}

impl ImageError {
    /// The translation of `img_mgmt_translate_error_code` (`zephyr grp/img_mgmt/src/img_mgmt.c`).
    fn version_1(self) -> Rc {
        match self {
            Self::NoImage | Self::NoTlvs => Rc::NotFound,
            Self::NoFreeSlot | Self::CurrentVersionIsNewer | Self::AlreadyPending => Rc::BadState,
            Self::InvalidSlot
            | Self::InvalidOffset
            | Self::InvalidLength
            | Self::InvalidHeader
            | Self::InvalidHash => Rc::Invalid,
            Self::InvalidTlv
            | Self::MultipleHashes
            | Self::InvalidTlvSize
            | Self::HashNotFound
            | Self::FlashReadFailed
            | Self::FlashWriteFailed
            | Self::FlashEraseFailed
            | Self::InvalidHeaderMagic
            | Self::VersionGetFailed
            | Self::InvalidVectorTable
            | Self::TooLarge
            | Self::DataOverrun
            | Self::ConfirmationDenied
            | Self::TestOfActiveDenied => Rc::Unknown,
        }
    }
}

impl From<Rc> for Failure {
    fn from(rc: Rc) -> Self {
        Self::Rc(rc)
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        Self::Image(error)
    }
}

impl From<OsError> for Failure {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}
