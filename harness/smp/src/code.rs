//! Why a server refused: codes, their names, and both forms in which they come.
//!
//! A v1 server, and the transport and protocol layers of any server, answer `{"rc": n}` with one list of codes for all
//! groups. A command of a v2 server answers `{"err": {"group": g, "rc": n}}` with codes of its group; the group may be
//! another than the request's. `rc: 0` is success (MCUboot always sends it). A client has to take all of them.
//!
//! Codes: `zephyr include/zephyr/mgmt/mcumgr/mgmt/mgmt_defines.h` and `include/zephyr/mgmt/mcumgr/grp/*/*.h`.

use crate::cbor::{CborError, Map};
use crate::header::{Group, Version};
use std::fmt;

/// A code of the protocol layer, and of every group in v1.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct ManagementCode(pub u32);

impl ManagementCode {
    /// Something went wrong.
    pub const UNKNOWN: Self = Self(1);
    /// No buffer was free.
    pub const NO_MEMORY: Self = Self(2);
    /// The request makes no sense.
    pub const INVALID: Self = Self(3);
    /// It took too long.
    pub const TIMEOUT: Self = Self(4);
    /// There is no such thing.
    pub const NO_ENTRY: Self = Self(5);
    /// Not now.
    pub const BAD_STATE: Self = Self(6);
    /// The answer does not fit the buffer.
    pub const MESSAGE_SIZE: Self = Self(7);
    /// The server does not have the command.
    pub const NOT_SUPPORTED: Self = Self(8);
    /// The packet is damaged.
    pub const CORRUPT: Self = Self(9);
    /// Try again later.
    pub const BUSY: Self = Self(10);
    /// Not allowed.
    pub const ACCESS_DENIED: Self = Self(11);
    /// The server does not speak the request's old protocol version.
    pub const UNSUPPORTED_TOO_OLD: Self = Self(12);
    /// The server does not speak the request's new protocol version.
    pub const UNSUPPORTED_TOO_NEW: Self = Self(13);

    /// The name in the Zephyr sources without its prefix.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        if self.0 >= 256 {
            return Some("EPERUSER");
        }
        name_in(MANAGEMENT_NAMES, self.0)
    }
}

impl fmt::Display for ManagementCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (rc {})", self.name().unwrap_or("unnamed"), self.0)
    }
}

impl fmt::Debug for ManagementCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A code of one group in v2.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct GroupCode {
    /// Whose code it is.
    pub group: Group,
    /// The code.
    pub code: u32,
}

/// Codes of the image group that clients and servers act on; [`GroupCode::name`] knows all.
#[expect(missing_docs, reason = "the names are Zephyr's and say all there is")]
pub mod image_code {
    pub const FLASH_OPEN_FAILED: u32 = 10;
    pub const NO_IMAGE: u32 = 3;
    pub const HASH_NOT_FOUND: u32 = 8;
    pub const NO_FREE_SLOT: u32 = 9;
    pub const FLASH_READ_FAILED: u32 = 11;
    pub const FLASH_WRITE_FAILED: u32 = 12;
    pub const FLASH_ERASE_FAILED: u32 = 13;
    pub const INVALID_SLOT: u32 = 14;
    pub const INVALID_OFFSET: u32 = 20;
    pub const INVALID_LENGTH: u32 = 21;
    pub const INVALID_IMAGE_HEADER: u32 = 22;
    pub const INVALID_IMAGE_HEADER_MAGIC: u32 = 23;
    pub const INVALID_HASH: u32 = 24;
    pub const INVALID_FLASH_ADDRESS: u32 = 25;
    pub const VERSION_GET_FAILED: u32 = 26;
    pub const CURRENT_VERSION_IS_NEWER: u32 = 27;
    pub const IMAGE_ALREADY_PENDING: u32 = 28;
    pub const INVALID_IMAGE_TOO_LARGE: u32 = 30;
    pub const INVALID_IMAGE_DATA_OVERRUN: u32 = 31;
    pub const IMAGE_CONFIRMATION_DENIED: u32 = 32;
    pub const IMAGE_SETTING_TEST_TO_ACTIVE_DENIED: u32 = 33;
    pub const ACTIVE_SLOT_NOT_KNOWN: u32 = 34;
}

impl GroupCode {
    /// A code of the OS group.
    #[must_use]
    pub const fn os(code: u32) -> Self {
        Self {
            group: Group::OS,
            code,
        }
    }

    /// A code of the image group; see [`image_code`].
    #[must_use]
    pub const fn image(code: u32) -> Self {
        Self {
            group: Group::IMAGE,
            code,
        }
    }

    /// The name in the Zephyr sources without its prefix.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self.code {
            0 => return Some("OK"),
            1 => return Some("UNKNOWN"),
            _ => {}
        }
        let names: &[&str] = match self.group {
            Group::OS => OS_NAMES,
            Group::IMAGE => IMAGE_NAMES,
            Group::STAT => STAT_NAMES,
            Group::SETTINGS => SETTINGS_NAMES,
            Group::FS => FS_NAMES,
            Group::SHELL => SHELL_NAMES,
            Group::ENUM => ENUM_NAMES,
            Group::BASIC => BASIC_NAMES,
            _ => &[],
        };
        name_in(names, self.code.checked_sub(2)?)
    }

    /// What a server tells a v1 client instead (`zephyr subsys/mgmt/mcumgr/grp/img_mgmt/src/img_mgmt.c`
    /// for the image group; other groups say `EUNKNOWN`).
    #[must_use]
    pub const fn in_v1(self) -> ManagementCode {
        if self.group.id() != Group::IMAGE.id() {
            return ManagementCode::UNKNOWN;
        }
        match self.code {
            3 | 4 => ManagementCode::NO_ENTRY,
            9 | 27 | 28 => ManagementCode::BAD_STATE,
            15 => ManagementCode::NO_MEMORY,
            14 | 19 | 20 | 21 | 22 | 24 | 25 => ManagementCode::INVALID,
            _ => ManagementCode::UNKNOWN,
        }
    }
}

impl fmt::Display for GroupCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` ({} error {})",
            self.name().unwrap_or("unnamed"),
            self.group,
            self.code
        )
    }
}

impl fmt::Debug for GroupCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A server's refusal, in whichever form it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refused {
    /// `rc`: from the protocol layer, or from a v1 server.
    Management {
        /// The code.
        code: ManagementCode,
        /// `rsn`: text from a server built with verbose errors.
        reason: Option<String>,
    },
    /// `err`: from a group of a v2 server.
    Group(GroupCode),
}

impl Refused {
    /// A refusal by the protocol layer, without text.
    #[must_use]
    pub const fn management(code: ManagementCode) -> Self {
        Self::Management { code, reason: None }
    }

    /// The refusal in an answer; `None` when the answer means success.
    ///
    /// # Errors
    ///
    /// When the keys of a refusal hold something else.
    pub fn read(answer: &Map) -> Result<Option<Self>, CborError> {
        if let Some(err) = answer.get::<Map>("err")? {
            let code = err.require::<u32>("rc")?;
            let group = Group::new(err.require::<u16>("group")?);
            return Ok((code != 0).then_some(Self::Group(GroupCode { group, code })));
        }
        match answer.get::<i64>("rc")? {
            None | Some(0) => Ok(None),
            Some(rc) => {
                let reason = answer.get("rsn")?;
                Ok(Some(match u32::try_from(rc) {
                    Ok(code) => Self::Management {
                        code: ManagementCode(code),
                        reason,
                    },
                    // MCUboot passes some errors of its hooks on as they are (mcuboot `boot/boot_serial/src/boot_serial.c`,
                    // `bs_upload`).
                    Err(_) => Self::Management {
                        code: ManagementCode::UNKNOWN,
                        reason: reason.or_else(|| Some(format!("negative rc {rc}"))),
                    },
                }))
            }
        }
    }

    /// The answer that a server sends, in the form that the request's version asks for.
    #[must_use]
    pub fn answer(&self, version: Version) -> Map {
        match (self, version) {
            (Self::Management { code, reason }, _) => Map::new()
                .with("rc", code.0)
                .with_some("rsn", reason.as_deref()),
            (Self::Group(code), Version::V1) => Map::new().with("rc", code.in_v1().0),
            (Self::Group(code), Version::V2) => Map::new().with(
                "err",
                Map::new()
                    .with("group", code.group.id())
                    .with("rc", code.code),
            ),
        }
    }

    /// Whether this is the refusal with this code of the protocol layer.
    #[must_use]
    pub fn is(&self, wanted: ManagementCode) -> bool {
        matches!(self, Self::Management { code, .. } if *code == wanted)
    }

    /// Whether this is the refusal that the Zephyr sources call `name`: one of the image group, or of the protocol layer.
    ///
    /// A v1 server has fewer codes; from one, the code that stands there for the image group's counts.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        match self {
            Self::Group(code) => code.group == Group::IMAGE && code.name() == Some(name),
            Self::Management { code, .. } => {
                code.name() == Some(name)
                    || image_named(name).is_some_and(|image| image.in_v1() == *code)
            }
        }
    }

    /// Names that [`is_called`](Self::is_called) knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        // `EOK` is no refusal.
        let management = MANAGEMENT_NAMES.iter().skip(1);
        IMAGE_NAMES.iter().chain(management).copied()
    }

    /// Whether this is the refusal with this code of a group.
    #[must_use]
    pub fn is_group(&self, wanted: GroupCode) -> bool {
        *self == Self::Group(wanted)
    }
}

impl From<ManagementCode> for Refused {
    fn from(code: ManagementCode) -> Self {
        Self::management(code)
    }
}

impl From<GroupCode> for Refused {
    fn from(code: GroupCode) -> Self {
        Self::Group(code)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Management { code, reason: None } => write!(f, "{code}"),
            Self::Management {
                code,
                reason: Some(reason),
            } => write!(f, "{code}: \"{}\"", reason.escape_debug()),
            Self::Group(code) => write!(f, "{code}"),
        }
    }
}

/// The code of the image group with this name.
fn image_named(name: &str) -> Option<GroupCode> {
    let index = IMAGE_NAMES.iter().position(|known| *known == name)?;
    Some(GroupCode::image(u32::try_from(index).ok()? + 2))
}

fn name_in(names: &[&'static str], index: u32) -> Option<&'static str> {
    names.get(usize::try_from(index).ok()?).copied()
}

/// From 0.
const MANAGEMENT_NAMES: &[&str] = &[
    "EOK",
    "EUNKNOWN",
    "ENOMEM",
    "EINVAL",
    "ETIMEOUT",
    "ENOENT",
    "EBADSTATE",
    "EMSGSIZE",
    "ENOTSUP",
    "ECORRUPT",
    "EBUSY",
    "EACCESSDENIED",
    "UNSUPPORTED_TOO_OLD",
    "UNSUPPORTED_TOO_NEW",
];

/// From 2, as all below.
const OS_NAMES: &[&str] = &[
    "INVALID_FORMAT",
    "QUERY_YIELDS_NO_ANSWER",
    "RTC_NOT_SET",
    "RTC_COMMAND_FAILED",
    "QUERY_RESPONSE_VALUE_NOT_VALID",
];

const IMAGE_NAMES: &[&str] = &[
    "FLASH_CONFIG_QUERY_FAIL",
    "NO_IMAGE",
    "NO_TLVS",
    "INVALID_TLV",
    "TLV_MULTIPLE_HASHES_FOUND",
    "TLV_INVALID_SIZE",
    "HASH_NOT_FOUND",
    "NO_FREE_SLOT",
    "FLASH_OPEN_FAILED",
    "FLASH_READ_FAILED",
    "FLASH_WRITE_FAILED",
    "FLASH_ERASE_FAILED",
    "INVALID_SLOT",
    "NO_FREE_MEMORY",
    "FLASH_CONTEXT_ALREADY_SET",
    "FLASH_CONTEXT_NOT_SET",
    "FLASH_AREA_DEVICE_NULL",
    "INVALID_PAGE_OFFSET",
    "INVALID_OFFSET",
    "INVALID_LENGTH",
    "INVALID_IMAGE_HEADER",
    "INVALID_IMAGE_HEADER_MAGIC",
    "INVALID_HASH",
    "INVALID_FLASH_ADDRESS",
    "VERSION_GET_FAILED",
    "CURRENT_VERSION_IS_NEWER",
    "IMAGE_ALREADY_PENDING",
    "INVALID_IMAGE_VECTOR_TABLE",
    "INVALID_IMAGE_TOO_LARGE",
    "INVALID_IMAGE_DATA_OVERRUN",
    "IMAGE_CONFIRMATION_DENIED",
    "IMAGE_SETTING_TEST_TO_ACTIVE_DENIED",
    "ACTIVE_SLOT_NOT_KNOWN",
];

const STAT_NAMES: &[&str] = &[
    "INVALID_GROUP",
    "INVALID_STAT_NAME",
    "INVALID_STAT_SIZE",
    "WALK_ABORTED",
];

const SETTINGS_NAMES: &[&str] = &[
    "KEY_TOO_LONG",
    "KEY_NOT_FOUND",
    "READ_NOT_SUPPORTED",
    "ROOT_KEY_NOT_FOUND",
    "WRITE_NOT_SUPPORTED",
    "DELETE_NOT_SUPPORTED",
    "SAVE_NOT_SUPPORTED",
];

const FS_NAMES: &[&str] = &[
    "FILE_INVALID_NAME",
    "FILE_NOT_FOUND",
    "FILE_IS_DIRECTORY",
    "FILE_OPEN_FAILED",
    "FILE_SEEK_FAILED",
    "FILE_READ_FAILED",
    "FILE_TRUNCATE_FAILED",
    "FILE_DELETE_FAILED",
    "FILE_WRITE_FAILED",
    "FILE_OFFSET_NOT_VALID",
    "FILE_OFFSET_LARGER_THAN_FILE",
    "CHECKSUM_HASH_NOT_FOUND",
    "MOUNT_POINT_NOT_FOUND",
    "READ_ONLY_FILESYSTEM",
    "FILE_EMPTY",
];

const SHELL_NAMES: &[&str] = &["COMMAND_TOO_LONG", "EMPTY_COMMAND"];

const ENUM_NAMES: &[&str] = &[
    "TOO_MANY_GROUP_ENTRIES",
    "INSUFFICIENT_HEAP_FOR_ENTRIES",
    "INDEX_TOO_LARGE",
];

const BASIC_NAMES: &[&str] = &[
    "FLASH_OPEN_FAILED",
    "FLASH_CONFIG_QUERY_FAIL",
    "FLASH_ERASE_FAILED",
];

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::success("a0", None)]
    #[case::success_with_rc("bf627263 00ff", None)]
    #[case::success_with_err("a163657272a26567726f757001627263 00", None)]
    #[case::v1("bf62726306ff", Some("`EBADSTATE` (rc 6)"))]
    #[case::v1_with_text("a262726301637273 6e64626c 6168", Some("`EUNKNOWN` (rc 1): \"blah\""))]
    #[case::per_user("a162726319012c", Some("`EPERUSER` (rc 300)"))]
    #[case::negative("a162726327", Some("`EUNKNOWN` (rc 1): \"negative rc -8\""))]
    #[case::v2(
        "bf63657272bf6567726f75700162726318 1bffff",
        Some("`CURRENT_VERSION_IS_NEWER` (image error 27)")
    )]
    #[case::v2_of_another_group(
        "a163657272a26567726f7570086272630c",
        Some("`FILE_OFFSET_LARGER_THAN_FILE` (fs error 12)")
    )]
    #[case::v2_unknown_group(
        "a163657272a26567726f757018 4062726307",
        Some("`unnamed` (group 64 error 7)")
    )]
    fn refusals_are_named(#[case] hex: &str, #[case] expected: Option<&str>) {
        let map = Map::decode(&hex::decode(hex.replace(' ', "")).unwrap()).unwrap();
        let refused = Refused::read(&map).unwrap();
        assert_eq!(
            refused.map(|refused| refused.to_string()).as_deref(),
            expected
        );
    }

    #[rstest]
    #[case::first(GroupCode::image(2), "FLASH_CONFIG_QUERY_FAIL")]
    #[case::no_free_slot(GroupCode::image(image_code::NO_FREE_SLOT), "NO_FREE_SLOT")]
    #[case::invalid_hash(GroupCode::image(image_code::INVALID_HASH), "INVALID_HASH")]
    #[case::last(
        GroupCode::image(image_code::ACTIVE_SLOT_NOT_KNOWN),
        "ACTIVE_SLOT_NOT_KNOWN"
    )]
    #[case::os(GroupCode::os(4), "RTC_NOT_SET")]
    fn names_sit_at_their_codes(#[case] code: GroupCode, #[case] name: &str) {
        assert_eq!(code.name(), Some(name));
    }

    #[test]
    fn a_v1_client_gets_one_number() {
        let refused = Refused::from(GroupCode::image(image_code::NO_FREE_SLOT));
        let in_v1 = Refused::read(&refused.answer(Version::V1)).unwrap();
        assert_eq!(in_v1, Some(ManagementCode::BAD_STATE.into()));
        let in_v2 = Refused::read(&refused.answer(Version::V2)).unwrap();
        assert_eq!(in_v2, Some(refused));
    }
}
