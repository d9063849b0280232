//! Uploading an image: chunks out, offsets in, until the server has all of it. No I/O, and no clock.
//!
//! The server's `off` is the only truth: it says how far the server is, whatever was sent. Everything else follows from
//! what servers do (`zephyr subsys/mgmt/mcumgr/grp/img_mgmt/src/img_mgmt.c`, `mcuboot
//! boot/boot_serial/src/boot_serial.c`):
//!
//! * The first chunk is sent alone and waits long: the server erases the slot before it answers. Only it carries the
//!   length, and the SHA-256 of the file, by which a Zephyr server finds an unfinished upload again and answers with
//!   a larger offset.
//! * Then several chunks may be under way, as many as the server has buffers, less one for the answer. A server works in
//!   order, so an answer for a later chunk settles the earlier ones.
//! * An offset that is smaller than expected means that a chunk was lost (or, in MCUboot, taken in part): go on from
//!   there. Offset 0 means that the session is gone: start again with the first chunk.
//! * When the answer to the last chunk is missing, sending the chunk again is no way to find out: a Zephyr server
//!   that has the whole image has forgotten the session and answers 0. So ask for the image list first, and only
//!   when the image is not in it go on from the last offset.

mod chunk;
mod machine;
mod mcuboot;
mod window;

pub use machine::Upload;

use crate::code::Refused;
use std::time::Duration;

/// How to upload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UploadOptions {
    /// Which image; 0 is left out of the request, as it is the default everywhere.
    pub image: u32,
    /// Ask the server to refuse an image that is not newer than what runs.
    pub newer_only: bool,
    /// Bytes of one packet at most, when less than what the server announces is wanted.
    pub packet_limit: Option<usize>,
    /// Requests under way at most, when fewer than what the server announces are wanted. 1 means one by one.
    pub window_limit: Option<usize>,
    /// Chunks end at a multiple of this many bytes: the flash's write size. MCUboot takes only whole writes.
    pub alignment: usize,
    /// Time for the answer to the first chunk, during which the slot is erased.
    pub first_timeout: Duration,
    /// Time for the answers to all other chunks, counted from the last sign of life.
    pub timeout: Duration,
    /// How often the first chunk is sent before giving up.
    pub first_attempts: u32,
    /// How many tries in a row may bring nothing new before giving up.
    pub attempts: u32,
    /// How often the server may lose the upload and have it started again.
    pub restarts: u32,
    /// The SHA-256 that is announced with the first chunk instead of the file's own: what a client does that has mixed up two
    /// files.
    pub announced_sha: Option<Vec<u8>>,
    /// The hash by which the image list knows the image; found in an MCUboot image by itself.
    pub image_hash: Option<Vec<u8>>,
}

impl Default for UploadOptions {
    fn default() -> Self {
        Self {
            image: 0,
            newer_only: false,
            packet_limit: None,
            window_limit: None,
            // Writes of nRF51, nRF52 and nRF53 flash.
            alignment: 4,
            // What clients in the field wait; a large external slot takes tens of seconds to erase.
            first_timeout: Duration::from_secs(40),
            timeout: Duration::from_secs(5),
            first_attempts: 3,
            attempts: 6,
            restarts: 3,
            announced_sha: None,
            image_hash: None,
        }
    }
}

/// What server and link allow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UploadLimits {
    /// Bytes of one packet: the server's buffer less what the link's framing needs of it.
    pub packet: usize,
    /// Requests under way: the server's buffers less one, at least 1.
    pub window: usize,
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UploadProgress {
    /// Bytes that the server has.
    pub offset: u64,
    /// Bytes of the image.
    pub total: u64,
    /// What it took so far.
    pub stats: UploadStats,
}

/// What an upload took. Retries are never silent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UploadStats {
    /// Packets sent.
    pub requests: u32,
    /// Times that an answer did not come.
    pub timeouts: u32,
    /// Times that the server asked for an earlier chunk.
    pub rewinds: u32,
    /// Times that the server had no buffer or was busy.
    pub busy: u32,
    /// Times that the server had lost the upload.
    pub restarts: u32,
    /// Packets received that belong to nothing: late, twice, or damaged.
    pub strays: u32,
    /// Most requests that were under way at a time.
    pub peak_in_flight: u32,
}

/// What happens during an upload.
#[derive(Clone, Debug, PartialEq)]
pub enum UploadEvent {
    /// The server has more than before.
    Progress(UploadProgress),
    /// The server already had the first bytes from an earlier try.
    Resumed {
        /// It goes on from here.
        at: u64,
    },
    /// An answer did not come; what is missing goes out again.
    TimedOut {
        /// The last offset that the server named.
        offset: u64,
        /// How many tries in a row have brought nothing, this one included.
        attempt: u32,
    },
    /// The server asked for an earlier chunk.
    Rewound {
        /// Where the chunk would have ended.
        from: u64,
        /// What the server wants.
        to: u64,
    },
    /// The server is busy or out of buffers; it gets a pause.
    Busy {
        /// Its words.
        refused: Refused,
    },
    /// The server has lost the upload, which starts again.
    Restarted {
        /// How far it was.
        at: u64,
    },
    /// The answer to the last chunk is missing; the image list will tell.
    Checking,
    /// All is there. Nothing follows.
    Done(UploadOutcome),
    /// It will not work. Nothing follows.
    Failed(UploadError),
}

/// How an upload ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UploadOutcome {
    /// Where the proof is from.
    pub proof: UploadProof,
    /// Where it went on from, when the server had a part already.
    pub resumed_at: Option<u64>,
    /// What it took.
    pub stats: UploadStats,
}

/// How it is known that the server has the whole image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UploadProof {
    /// The server's offset is the length.
    Offset,
    /// The server also compared the SHA-256 of the file with what is in the slot.
    Matched,
    /// The last answer was lost, but the image list has the image's hash.
    ImageList,
}

/// Why an upload failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UploadError {
    /// Nothing to upload.
    #[error("the image is empty")]
    Empty,
    /// Not even one byte fits.
    #[error("no image data fits a packet of {limit} bytes")]
    PacketTooSmall {
        /// Bytes of a packet.
        limit: usize,
    },
    /// The server said no.
    #[error("server refused the chunk at offset {offset}: {refused}")]
    Refused {
        /// The chunk's offset in bytes.
        offset: u64,
        /// Its words.
        refused: Refused,
    },
    /// Answers stopped coming, or stopped saying anything new.
    #[error(
        "no progress beyond offset {offset} of {total} in {attempts} tries over {waited_ms} ms: {last}"
    )]
    Stuck {
        /// The last offset that the server named, in bytes.
        offset: u64,
        /// Bytes of the image.
        total: u64,
        /// Tries in a row.
        attempts: u32,
        /// Since the last progress.
        waited_ms: u128,
        /// What went wrong last.
        last: Trouble,
    },
    /// The server lost the upload too often.
    #[error("server lost the upload {restarts} times, the last time at offset {offset} of {total}")]
    Lost {
        /// How far it was the last time, in bytes.
        offset: u64,
        /// Bytes of the image.
        total: u64,
        /// How often.
        restarts: u32,
    },
    /// The offset makes no sense.
    #[error("server asks for offset {offset} of an image of {total} bytes")]
    BeyondEnd {
        /// In bytes.
        offset: u64,
        /// Bytes of the image.
        total: u64,
    },
    /// The server has all bytes, but not the right ones.
    #[error("server has all {total} bytes, but their SHA-256 is not that of the image")]
    Mismatch {
        /// Bytes of the image.
        total: u64,
    },
}

/// What keeps an upload from going on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// No answer.
    Silence,
    /// The server asks for the same offset again and again.
    SameOffset,
    /// The server is busy or out of buffers.
    Busy(Refused),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silence => f.write_str("no answer"),
            Self::SameOffset => f.write_str("the server keeps asking for the same offset"),
            Self::Busy(refused) => write!(f, "the server answers {refused}"),
        }
    }
}
