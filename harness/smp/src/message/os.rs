//! The OS group: echo, reset, buffer sizes, and what the server says about itself.
//!
//! Keys: `zephyr doc/services/device_mgmt/smp_groups/smp_group_0.rst` and
//! `subsys/mgmt/mcumgr/grp/os_mgmt/src/os_mgmt.c`.

use super::{Command, Done, Payload};
use crate::cbor::{CborError, Map};
use crate::header::{Group, Op};
use std::fmt;

/// Asks for the same text back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Echo {
    /// `d`
    pub text: String,
}

/// The text of an [`Echo`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EchoAnswer {
    /// `r`
    pub text: String,
}

impl Payload for Echo {
    fn to_map(&self) -> Map {
        Map::new().with("d", self.text.as_str())
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        Ok(Self {
            text: map.require("d")?,
        })
    }
}

impl Command for Echo {
    type Answer = EchoAnswer;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 0;
    const OP: Op = Op::Write;
    const NAME: &'static str = "echo";
}

impl Payload for EchoAnswer {
    fn to_map(&self) -> Map {
        Map::new().with("r", self.text.as_str())
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        Ok(Self {
            text: map.require("r")?,
        })
    }
}

/// Asks for the date and time of the board.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReadDateTime;

/// The board's date and time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReadDateTimeAnswer {
    /// `YYYY-MM-DDTHH:MM:SS`, with a fraction on some servers.
    pub text: String,
}

impl Payload for ReadDateTime {
    fn to_map(&self) -> Map {
        Map::new()
    }

    fn from_map(_: &Map) -> Result<Self, CborError> {
        Ok(Self)
    }
}

impl Command for ReadDateTime {
    type Answer = ReadDateTimeAnswer;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 4;
    const OP: Op = Op::Read;
    const NAME: &'static str = "date and time";
}

impl Payload for ReadDateTimeAnswer {
    fn to_map(&self) -> Map {
        Map::new().with("datetime", self.text.as_str())
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        Ok(Self {
            text: map.require("datetime")?,
        })
    }
}

/// Asks for a reset; the server answers, and resets 250 ms later.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reset {
    /// Also when the application objects.
    pub force: Option<bool>,
    /// 0 is a normal start, 1 asks MCUboot to stay in serial recovery.
    pub boot_mode: Option<u8>,
}

impl Payload for Reset {
    fn to_map(&self) -> Map {
        Map::new()
            .with_some("force", self.force)
            .with_some("boot_mode", self.boot_mode)
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        Ok(Self {
            force: map.get("force")?,
            boot_mode: map.get("boot_mode")?,
        })
    }
}

impl Command for Reset {
    type Answer = Done;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 5;
    const OP: Op = Op::Write;
    const NAME: &'static str = "reset";
}

/// Asks for the server's buffers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Params;

/// The server's buffers. They hold requests and answers: as many requests may be under way as there are buffers,
/// less one for the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ParamsAnswer {
    /// Bytes of one buffer: header, payload, and on the console framing 4 bytes more.
    pub buf_size: u32,
    /// How many buffers.
    pub buf_count: u32,
}

impl Payload for Params {
    fn to_map(&self) -> Map {
        Map::new()
    }

    fn from_map(_: &Map) -> Result<Self, CborError> {
        Ok(Self)
    }
}

impl Command for Params {
    type Answer = ParamsAnswer;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 6;
    const OP: Op = Op::Read;
    const NAME: &'static str = "buffer parameters";
}

impl Payload for ParamsAnswer {
    fn to_map(&self) -> Map {
        Map::new()
            .with("buf_size", self.buf_size)
            .with("buf_count", self.buf_count)
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        Ok(Self {
            buf_size: map.require("buf_size")?,
            buf_count: map.require("buf_count")?,
        })
    }
}

/// Asks about the operating system and the application.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OsInfo {
    /// Letters of `snrvbmpioa`, as `uname` has them; the server's default is `s`.
    pub format: Option<String>,
}

/// The answer to [`OsInfo`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OsInfoAnswer {
    /// The parts that were asked for, with blanks between.
    pub output: String,
}

impl Payload for OsInfo {
    fn to_map(&self) -> Map {
        Map::new().with_some("format", self.format.as_deref())
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        Ok(Self {
            format: map.get("format")?,
        })
    }
}

impl Command for OsInfo {
    type Answer = OsInfoAnswer;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 7;
    const OP: Op = Op::Read;
    const NAME: &'static str = "OS info";
}

impl Payload for OsInfoAnswer {
    fn to_map(&self) -> Map {
        Map::new().with("output", self.output.as_str())
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        Ok(Self {
            output: map.require("output")?,
        })
    }
}

/// Asks about the bootloader.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BootloaderInfo {
    /// Nothing asks for the name, `mode` for the mode.
    pub query: Option<String>,
}

/// The answer to [`BootloaderInfo`]: what the query asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BootloaderInfoAnswer {
    /// `MCUboot`
    pub bootloader: Option<String>,
    /// How it updates.
    pub mode: Option<BootloaderMode>,
    /// Older versions are refused.
    pub no_downgrade: Option<bool>,
}

/// How MCUboot updates (`zephyr include/zephyr/mgmt/mcumgr/grp/os_mgmt/os_mgmt.h`, `mcuboot bootutil/boot_status.h`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct BootloaderMode(pub i32);

impl BootloaderMode {
    /// Swap with a scratch area.
    pub const SWAP_SCRATCH: Self = Self(1);
    /// Overwrite only.
    pub const OVERWRITE_ONLY: Self = Self(2);
    /// Swap by moving sectors up.
    pub const SWAP_MOVE: Self = Self(3);
    /// Swap with the secondary image one sector up.
    pub const SWAP_OFFSET: Self = Self(9);

    /// The mode in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "single slot",
            1 => "swap using scratch",
            2 => "overwrite only",
            3 => "swap using move",
            4 => "direct XIP",
            5 => "direct XIP with revert",
            6 => "RAM load",
            7 => "firmware loader",
            8 => "single slot RAM load",
            9 => "swap using offset",
            _ => "unknown",
        }
    }
}

impl fmt::Display for BootloaderMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

impl Payload for BootloaderInfo {
    fn to_map(&self) -> Map {
        Map::new().with_some("query", self.query.as_deref())
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        Ok(Self {
            query: map.get("query")?,
        })
    }
}

impl Command for BootloaderInfo {
    type Answer = BootloaderInfoAnswer;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 8;
    const OP: Op = Op::Read;
    const NAME: &'static str = "bootloader info";
}

impl Payload for BootloaderInfoAnswer {
    fn to_map(&self) -> Map {
        Map::new()
            .with_some("bootloader", self.bootloader.as_deref())
            .with_some("mode", self.mode.map(|mode| mode.0))
            .with_some("no-downgrade", self.no_downgrade)
    }

    fn from_map(map: &Map) -> Result<Self, CborError> {
        Ok(Self {
            bootloader: map.get("bootloader")?,
            mode: map.get("mode")?.map(BootloaderMode),
            no_downgrade: map.get("no-downgrade")?,
        })
    }
}
