//! Builds with several images: what one image asks of another, and what an interrupted update of several looks like.
//!
//! Source: `boot_verify_dependencies`, `boot_review_image_swap_types` in `boot/bootutil/src/loader.c` of mcuboot and of
//! sdk-mcuboot.

use std::cmp::Ordering;

use hil_image::ImageVersion;

use crate::io::Step;
use crate::outcome::SwapType;
use crate::state::{Loader, PRIMARY, SECONDARY, reason};
use crate::tlv::{Found, Wanted};

const TLV_DEPENDENCY: u16 = 0x40;
const DEPENDENCY_LEN: usize = 12;

/// How the dependencies of one image came out.
enum Dependencies {
    Met,
    /// A TLV has the wrong length (`BOOT_EBADIMAGE`).
    Malformed(String),
    /// Anything else: not satisfied, no such image, unreadable.
    Unmet(String),
}

/// Whether the current image resumed an interrupted swap.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Swap {
    Resumed,
    NotBegun,
}

impl Loader<'_> {
    /// `boot_verify_dependencies`. The upstream line gives up the updates of all images for any failure; the Nordic line
    /// only for a malformed TLV, and otherwise stops looking.
    pub(crate) fn verify_dependencies(&mut self) -> Step<()> {
        for image in 0..self.images.len() {
            self.current = image;
            let slot = match self.image().swap_type {
                SwapType::None | SwapType::Fail => PRIMARY,
                _ => SECONDARY,
            };
            let (all, why) = match self.verify_dependencies_of(slot)? {
                Dependencies::Met => continue,
                Dependencies::Malformed(why) => (true, why),
                Dependencies::Unmet(why) => (self.line().dependency_cancels_all_updates(), why),
            };
            if all {
                self.decided("no image is updated", why);
                for image in &mut self.images {
                    image.swap_type = SwapType::None;
                }
                self.current = self.images.len() - 1;
            } else {
                let swap_type = self.image().swap_type;
                self.decided(swap_type.to_string(), why);
            }
            break;
        }
        Ok(())
    }

    fn verify_dependencies_of(&mut self, slot: usize) -> Step<Dependencies> {
        let area = self.area(slot);
        let header = self.header(slot);
        let start = self.image_start(area);
        let mut walk =
            match self
                .io
                .walk_tlvs(area, &header, start, Wanted::Protected(TLV_DEPENDENCY))?
            {
                Ok(walk) => walk,
                Err(why) => return Ok(Dependencies::Unmet(why)),
            };
        loop {
            let entry = match self.io.next_tlv(&mut walk)? {
                Found::Entry(entry) => entry,
                Found::End => return Ok(Dependencies::Met),
                Found::Broken(why) => return Ok(Dependencies::Unmet(why)),
            };
            if usize::from(entry.length) != DEPENDENCY_LEN {
                let why = format!("its dependency TLV has {} bytes", entry.length);
                return Ok(Dependencies::Malformed(why));
            }
            let bytes = match self.io.read_bytes::<DEPENDENCY_LEN>(area, entry.offset)? {
                Ok(bytes) => bytes,
                Err(error) => return Ok(Dependencies::Unmet(reason(&error))),
            };
            let on = usize::from(bytes[0]);
            let Some(other) = self.images.get(on) else {
                return Ok(Dependencies::Unmet(format!(
                    "it depends on image {on}, which does not exist"
                )));
            };
            let needed = ImageVersion {
                major: bytes[4],
                minor: bytes[5],
                revision: u16::from_le_bytes([bytes[6], bytes[7]]),
                build: u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
            };
            let from = if other.swap_type.is_upgrade() {
                SECONDARY
            } else {
                PRIMARY
            };
            let found = other.headers[from].version();
            if self.io.config.compare_versions(&found, &needed) == Ordering::Less {
                let image = self.image_mut();
                image.swap_type = match image.swap_type {
                    SwapType::Test | SwapType::Perm => SwapType::None,
                    SwapType::None => SwapType::Revert,
                    other => other,
                };
                let why =
                    format!("it depends on image {on} being at least {needed}, it is {found}");
                return Ok(Dependencies::Unmet(why));
            }
        }
    }

    /// `boot_review_image_swap_types`: after a cut, an image that was already updated looks as if it had to revert. It
    /// has not when a later image is still on its way.
    pub(crate) fn review_swap_types(&mut self, swap: Swap) {
        let own = self.image().swap_type;
        if swap == Swap::NotBegun && matches!(own, SwapType::None | SwapType::Revert) {
            return;
        }
        for image in 0..self.current {
            if self.images[image].swap_type == SwapType::Revert {
                self.images[image].swap_type = SwapType::None;
                let later = self.current;
                self.decisions.push(crate::outcome::Decision {
                    image: Some(image),
                    what: "not reverted".to_owned(),
                    because: format!(
                        "the update of image {later} that belongs to it is not finished"
                    ),
                });
            }
        }
    }
}
