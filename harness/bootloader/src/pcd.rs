//! The command block through which MCUboot asks b0n to update the network core (PCD), and MCUboot's side of it.
//!
//! Source: sdk-nrf `subsys/pcd/src/pcd.c`, `include/dfu/pcd.h`.

use std::time::Duration;

use crate::flash::FlashError;
use crate::log::{Level, LogLine};

/// Where the block lies in application RAM by default (`pm.yml.pcd`).
pub const COMMAND_ADDRESS: u32 = 0x2000_0000;

/// Length of the block in bytes.
pub const COMMAND_LEN: usize = 16;

/// How long MCUboot waits between two looks at the status. Shorter, and the network core could not write its answer.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);

const MAGIC_COPY: u32 = 0xb5b4_b3b6;
const MAGIC_READ_VERSION: u32 = 0xdca3_45ea;
const MAGIC_DONE: u32 = 0xf103_ce5d;
const MAGIC_FAIL: u32 = 0x25ba_fc15;

/// First word of the block: the request, later the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// Requested: copy an image to network flash.
    Copy,
    /// Requested: report the version of the network core's application.
    ReadVersion,
    /// Answered: done.
    Done,
    /// Answered: failed. Every word that is none of the other three counts as this.
    Failed,
}

impl Status {
    /// The word in RAM.
    #[must_use]
    pub fn magic(self) -> u32 {
        match self {
            Self::Copy => MAGIC_COPY,
            Self::ReadVersion => MAGIC_READ_VERSION,
            Self::Done => MAGIC_DONE,
            Self::Failed => MAGIC_FAIL,
        }
    }

    /// What a word in RAM means.
    #[must_use]
    pub fn from_magic(magic: u32) -> Self {
        match magic {
            MAGIC_COPY => Self::Copy,
            MAGIC_READ_VERSION => Self::ReadVersion,
            MAGIC_DONE => Self::Done,
            _ => Self::Failed,
        }
    }
}

/// The command block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PcdCommand {
    /// Request or answer.
    pub status: Status,
    /// Address in application memory of what is to be copied, or where a version is to be put.
    pub data: u32,
    /// Bytes to copy.
    pub length: u32,
    /// Where to, from the start of network flash, in bytes.
    pub offset: u32,
}

impl PcdCommand {
    /// The bytes in RAM.
    #[must_use]
    pub fn encode(&self) -> [u8; COMMAND_LEN] {
        let mut bytes = [0; COMMAND_LEN];
        let words = [self.status.magic(), self.data, self.length, self.offset];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads the block back from RAM. Any bytes mean something.
    #[must_use]
    pub fn decode(bytes: &[u8; COMMAND_LEN]) -> Self {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self {
            status: Status::from_magic(word(0)),
            data: word(4),
            length: word(8),
            offset: word(12),
        }
    }
}

/// Whether the network core is held off (RESET.NETWORK.FORCEOFF) or runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NetworkPower {
    /// FORCEOFF is 1.
    Held,
    /// FORCEOFF is 0: the core starts from its flash.
    Running,
}

/// What MCUboot reaches of the board when it updates the network core.
///
/// Every method returns [`FlashError::PowerLost`] once the application core is reset or without power; the caller
/// unwinds.
pub trait PcdBoard {
    /// Writes bytes of application RAM.
    ///
    /// # Errors
    /// The core is gone, or the access failed.
    fn write_ram(&mut self, address: u32, data: &[u8]) -> Result<(), FlashError>;

    /// Reads bytes of application RAM.
    ///
    /// # Errors
    /// The core is gone, or the access failed.
    fn read_ram(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), FlashError>;

    /// Holds or releases the network core.
    ///
    /// # Errors
    /// The core is gone, or the access failed.
    fn network_power(&mut self, power: NetworkPower) -> Result<(), FlashError>;

    /// Lets `duration` of the board's time pass.
    ///
    /// # Errors
    /// The core is gone.
    fn wait(&mut self, duration: Duration) -> Result<Waited, FlashError>;
}

/// What waiting for the network core came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Waited {
    /// Time has passed.
    Passed,
    /// Nothing will change any more, however long one waits: only a board in memory can know that.
    InVain,
}

/// How an update of the network core ended, seen from MCUboot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NetworkUpdate {
    /// b0n copied and validated it; the core is held off again.
    Done,
    /// b0n refused, or nothing was to be copied. The core is left running.
    Failed,
    /// b0n never answers: MCUboot waits for ever.
    Silent,
}

/// What b0n said of the version of the network core's application, seen from MCUboot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NetworkVersion {
    /// Its `fw_info` version; 0 also where it has no `fw_info`, which b0n does not tell apart.
    Known(u32),
    /// b0n reported a failure.
    Failed,
    /// b0n never answers: MCUboot waits for ever.
    Silent,
}

/// Where MCUboot has the version put (ours: in a build it is on its stack).
const VERSION_ADDRESS: u32 = COMMAND_ADDRESS + 0x100;

/// `pcd_network_core_update`: hands `length` bytes at `source` (an address in application memory) to b0n, which puts
/// them at `offset` in network flash, and waits for its answer.
///
/// There is no limit to the waiting, as on silicon; a watchdog or a person ends it, and then `board` reports
/// [`FlashError::PowerLost`].
///
/// # Errors
/// What `board` reports.
pub fn update_network_core(
    board: &mut dyn PcdBoard,
    source: u32,
    length: u32,
    offset: u32,
    log: &mut dyn FnMut(LogLine),
) -> Result<NetworkUpdate, FlashError> {
    let Some(command) = copy_command(board, source, length, offset, log)? else {
        return Ok(NetworkUpdate::Failed);
    };
    give_command(board, &command, log)?;
    wait_for_answer(board, command.status, log)
}

/// `pcd_network_core_app_version`: asks b0n for the version of its application. As for an update, there is no limit to the
/// waiting, and the lines on the console are the same.
///
/// # Errors
/// What `board` reports.
pub fn read_network_version(
    board: &mut dyn PcdBoard,
    offset: u32,
    log: &mut dyn FnMut(LogLine),
) -> Result<NetworkVersion, FlashError> {
    board.write_ram(VERSION_ADDRESS, &[0; 4])?;
    board.network_power(NetworkPower::Held)?;
    let command = PcdCommand {
        status: Status::ReadVersion,
        data: VERSION_ADDRESS,
        length: 4,
        offset,
    };
    give_command(board, &command, log)?;
    Ok(match wait_for_answer(board, command.status, log)? {
        NetworkUpdate::Done => {
            let mut version = [0; 4];
            board.read_ram(VERSION_ADDRESS, &mut version)?;
            NetworkVersion::Known(u32::from_le_bytes(version))
        }
        NetworkUpdate::Failed => NetworkVersion::Failed,
        NetworkUpdate::Silent => NetworkVersion::Silent,
    })
}

/// Waits until b0n has put an answer in the place of the command.
fn wait_for_answer(
    board: &mut dyn PcdBoard,
    command: Status,
    log: &mut dyn FnMut(LogLine),
) -> Result<NetworkUpdate, FlashError> {
    let answer = loop {
        let waited = board.wait(POLL_INTERVAL)?;
        let status = status(board)?;
        if status != command {
            break status;
        }
        if waited == Waited::InVain {
            return Ok(NetworkUpdate::Silent);
        }
    };
    if answer == Status::Failed {
        log(LogLine {
            level: Level::Error,
            text: "Network core update failed".to_owned(),
        });
        return Ok(NetworkUpdate::Failed);
    }
    board.network_power(NetworkPower::Held)?;
    log(LogLine {
        level: Level::Info,
        text: "Turned off network core".to_owned(),
    });
    Ok(NetworkUpdate::Done)
}

/// `pcd_network_core_update_initiate`, as serial recovery uses it: the same, without waiting for the answer. The network
/// core is left running, and [`is_copying`] says whether it still works. Whether the command was given.
///
/// # Errors
/// What `board` reports.
pub fn begin_update(
    board: &mut dyn PcdBoard,
    source: u32,
    length: u32,
    offset: u32,
    log: &mut dyn FnMut(LogLine),
) -> Result<bool, FlashError> {
    let Some(command) = copy_command(board, source, length, offset, log)? else {
        return Ok(false);
    };
    give_command(board, &command, log)?;
    board.wait(POLL_INTERVAL)?;
    Ok(true)
}

/// Whether b0n has not answered yet: as long as that, serial recovery refuses to reset the board.
///
/// # Errors
/// What `board` reports.
pub fn is_copying(board: &mut dyn PcdBoard) -> Result<bool, FlashError> {
    Ok(status(board)? == Status::Copy)
}

fn status(board: &mut dyn PcdBoard) -> Result<Status, FlashError> {
    let mut magic = [0; 4];
    board.read_ram(COMMAND_ADDRESS, &mut magic)?;
    Ok(Status::from_magic(u32::from_le_bytes(magic)))
}

/// Holds the network core off; the command for a copy, or `None` when there is nothing to copy.
fn copy_command(
    board: &mut dyn PcdBoard,
    source: u32,
    length: u32,
    offset: u32,
    log: &mut dyn FnMut(LogLine),
) -> Result<Option<PcdCommand>, FlashError> {
    board.network_power(NetworkPower::Held)?;
    if source == 0 || length == 0 {
        log(LogLine {
            level: Level::Info,
            text: "Error while writing PCD cmd: -22".to_owned(),
        });
        return Ok(None);
    }
    Ok(Some(PcdCommand {
        status: Status::Copy,
        data: source,
        length,
        offset,
    }))
}

/// `network_core_pcd_cmdset`: starts the network core, which is held off, with a command.
fn give_command(
    board: &mut dyn PcdBoard,
    command: &PcdCommand,
    log: &mut dyn FnMut(LogLine),
) -> Result<(), FlashError> {
    board.write_ram(COMMAND_ADDRESS, &command.encode())?;
    board.network_power(NetworkPower::Running)?;
    log(LogLine {
        level: Level::Info,
        text: "Turned on network core".to_owned(),
    });
    Ok(())
}
