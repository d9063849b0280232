//! The SMP server of a Zephyr application, without I/O.
//!
//! Packets go in, packets come out; the flash is behind [`Services`]. The only state is what a real server
//! keeps in RAM, the upload session, and it is gone after a reset. Behaviour is that of Zephyr 4.x, image group with
//! one image or several (`zephyr subsys/mgmt/mcumgr/{smp,grp/os_mgmt,grp/img_mgmt}`).

mod arguments;
mod error;
mod image;
mod os;
mod services;
#[cfg(test)]
mod tests;

pub(super) use arguments::Arguments;
pub(crate) use services::{DeviceError, Place, Services, Slot};

use hil_smp::{HEADER_LEN, Lengths, Map, RawHeader};

use crate::bus::Stopped;
use crate::model::{Confirmation, Feature, SmpModel};
use error::{Failure, Rc};
use image::Session;

/// Operation READ.
const READ: u8 = 0;
/// Operation WRITE. A server answers no other than these two.
const WRITE: u8 = 2;
/// The newest protocol version that is understood: SMP version 2 is 1 on the wire.
const VERSION_2: u8 = 1;

/// What the server says of itself and of the bootloader it was built for.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// `CONFIG_MCUBOOT_BOOTLOADER_MODE_*` as the number of the OS group.
    pub(crate) bootloader_mode: i32,
    /// Whether that bootloader refuses older versions.
    pub(crate) no_downgrade: Feature,
    /// What the application thinks of being confirmed.
    pub(crate) confirmation: Confirmation,
}

/// A reset that a client asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ResetRequest {
    /// What the client wants to be started: 0 is the application, 1 the bootloader (`zephyr
    /// include/zephyr/retention/bootmode.h`).
    pub(crate) boot_mode: u32,
}

/// What came out of one packet.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Handled {
    /// The answers, each a packet.
    pub(crate) responses: Vec<Vec<u8>>,
    /// Set when the device is to be reset soon.
    pub(crate) reset: Option<ResetRequest>,
}

/// An SMP server.
#[derive(Debug)]
pub(crate) struct Server {
    build: SmpModel,
    identity: Identity,
    session: Option<Session>,
}

/// What a command handler works with.
struct Call<'a> {
    payload: &'a [u8],
    services: &'a mut dyn Services,
    reset: &'a mut Option<ResetRequest>,
}

impl Call<'_> {
    fn arguments(&self) -> Result<Arguments, Rc> {
        Arguments::parse(self.payload)
    }
}

impl Server {
    /// A server as it is after a reset.
    pub(crate) fn new(build: SmpModel, identity: Identity) -> Self {
        Self {
            build,
            identity,
            session: None,
        }
    }

    /// Executes the requests in one packet.
    ///
    /// Several requests may stand in a packet. They are answered one by one; the first that fails with an `rc` ends
    /// it, while an `err` of a group does not.
    pub(crate) fn handle(
        &mut self,
        packet: &[u8],
        services: &mut dyn Services,
    ) -> Result<Handled, Stopped> {
        let mut handled = Handled::default();
        let mut rest = packet;
        while let Some(header) = RawHeader::read(rest) {
            rest = &rest[HEADER_LEN..];
            match self.request(&header, rest, services, &mut handled.reset) {
                Ok(response) => handled.responses.push(response),
                Err(Failure::Rc(rc)) => {
                    handled.responses.push(rc_response(&header, rc));
                    break;
                }
                Err(Failure::Stopped(stopped)) => return Err(stopped),
                Err(Failure::Os(_) | Failure::Image(_)) => {
                    unreachable!("`request` turns group errors into answers")
                }
            }
            rest = rest
                .get(usize::from(header.payload_len)..)
                .unwrap_or_default();
        }
        Ok(handled)
    }

    /// The answer that a server gives which has no buffer left to work with.
    pub(crate) fn refuse_for_memory(packet: &[u8]) -> Option<Vec<u8>> {
        RawHeader::read(packet).map(|header| rc_response(&header, Rc::NoMemory))
    }

    fn request(
        &mut self,
        header: &RawHeader,
        rest: &[u8],
        services: &mut dyn Services,
        reset: &mut Option<ResetRequest>,
    ) -> Result<Vec<u8>, Failure> {
        if rest.len() < usize::from(header.payload_len) {
            return Err(Rc::Corrupt.into());
        }
        if header.op != READ && header.op != WRITE {
            return Err(Rc::NotSupported.into());
        }
        if header.version == 0 && !self.build.version_1.is_on() {
            return Err(Rc::TooOld.into());
        }
        if header.version > VERSION_2 {
            return Err(Rc::TooNew.into());
        }
        // As in Zephyr, a decoder sees all that is left of the packet, not only what the header claims.
        let mut call = Call {
            payload: rest,
            services,
            reset,
        };
        let body = match self.dispatch(header, &mut call) {
            Ok(body) => body,
            Err(failure) => {
                let Some(error) = failure.group_error() else {
                    return Err(failure);
                };
                if header.version == 0 {
                    return Err(error.version_1.into());
                }
                Map::new().with(
                    "err",
                    Map::new().with("group", error.group).with("rc", error.code),
                )
            }
        };
        let body = body.encode(Lengths::Indefinite);
        if HEADER_LEN + body.len() > self.build.buf_size as usize {
            return Err(Rc::TooLong.into());
        }
        Ok(packet(header, &body))
    }

    fn dispatch(&mut self, header: &RawHeader, call: &mut Call<'_>) -> Result<Map, Failure> {
        match header.group {
            0 => self.os(header.op, header.command, call),
            1 if call.services.images() > 0 => self.image(header.op, header.command, call),
            _ => Err(Rc::NotSupported.into()),
        }
    }
}

fn rc_response(header: &RawHeader, rc: Rc) -> Vec<u8> {
    packet(
        header,
        &Map::new().with("rc", rc as u8).encode(Lengths::Indefinite),
    )
}

/// The packet that answers the request with this header.
fn packet(request: &RawHeader, body: &[u8]) -> Vec<u8> {
    let length =
        u16::try_from(body.len()).expect("an answer fits the buffer, which is smaller than 64 KiB");
    request
        .response(length)
        .packet(body)
        .expect("the header was made for this body")
}
