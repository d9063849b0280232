//! What an application asks of MCUboot through the trailers: `boot_set_pending`, `boot_set_confirmed`,
//! `boot_swap_type`; and how the trailers decide the swap type.
//!
//! Source: mcuboot `boot/bootutil/src/bootutil_public.c`.

use thiserror::Error;

use crate::config::{Config, ImageSlots, Mode};
use crate::flash::{Area, Flash, FlashError};
use crate::io::{AreaId, Driver, FlashArea, Io, Step, Stop};
use crate::outcome::SwapType;
use crate::trailer::{Flag, Magic, SwapState};

/// For how long a pending image is to stay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pending {
    /// Until the boot after the next, unless it confirms itself.
    Test,
    /// For good.
    Permanent,
}

/// Why a request of the application was refused.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum MarkError {
    /// Flash could not be read or written, or the power failed.
    #[error(transparent)]
    Flash(#[from] FlashError),
    /// The trailer holds a magic that is neither erased nor right.
    #[error("magic in the trailer of the {slot} slot of image {image} is bad")]
    BadMagic {
        /// Image number.
        image: usize,
        /// `primary` or `secondary`.
        slot: &'static str,
    },
    /// There is no such image.
    #[error("bootloader has no image {0}")]
    NoImage(usize),
    /// There is one slot, and nothing waits in it.
    #[error("bootloader has no secondary slot")]
    NoSecondary,
}

/// `boot_set_pending_multi`: asks for the image in the secondary slot at the next boot. A request that already stands
/// is left as it is, also when it was of the other kind. Over a bad magic the lines up to SDK 3.1 erase the slot.
///
/// # Errors
/// The magic in the trailer is bad, or flash failed.
pub fn set_pending(
    config: &Config,
    flash: &mut dyn Flash,
    image: usize,
    pending: Pending,
) -> Result<(), MarkError> {
    if !config.has_secondary() {
        return Err(MarkError::NoSecondary);
    }
    let area = slots(config, image)?.secondary_area(image);
    let bad = MarkError::BadMagic {
        image,
        slot: "secondary",
    };
    with_io(config, flash, |io| {
        let state = match io.swap_state(area)? {
            Ok(state) => state,
            Err(error) => return Ok(Err(error.into())),
        };
        match state.magic {
            Magic::Good => Ok(Ok(())),
            Magic::Bad => {
                if io.config.line.request_over_bad_magic_erases_slot() {
                    let _ignored_by_the_c_code = io.scramble_slot(area)?;
                }
                Ok(Err(bad))
            }
            Magic::Unset => {
                let mut done = io.write_magic(area)?;
                if done.is_ok() && pending == Pending::Permanent {
                    done = io.write_image_ok(area)?;
                }
                if done.is_ok() {
                    let kind = match pending {
                        Pending::Test => SwapType::Test,
                        Pending::Permanent => SwapType::Perm,
                    };
                    let image = if io.config.line.requests_name_the_first_image() {
                        0
                    } else {
                        image
                    };
                    done = io.write_swap_info(area, kind, image)?;
                }
                Ok(done.map_err(MarkError::from))
            }
        }
    })
}

/// `boot_set_confirmed_multi`: keeps the image in the primary slot. Nothing to do, and no error, when its trailer is
/// erased.
///
/// # Errors
/// The magic in the trailer is bad, or flash failed.
pub fn set_confirmed(
    config: &Config,
    flash: &mut dyn Flash,
    image: usize,
) -> Result<(), MarkError> {
    let area = slots(config, image)?.primary_area(image);
    if config.is_virtual(image) {
        // Simulated in the RAM of the bootloader, which is gone: the application finds an erased trailer.
        return Ok(());
    }
    let bad = MarkError::BadMagic {
        image,
        slot: "primary",
    };
    with_io(config, flash, |io| {
        let state = match io.swap_state(area)? {
            Ok(state) => state,
            Err(error) => return Ok(Err(error.into())),
        };
        match state.magic {
            Magic::Good if state.image_ok == Flag::Unset => {
                Ok(io.write_image_ok(area)?.map_err(MarkError::from))
            }
            Magic::Good | Magic::Unset => Ok(Ok(())),
            Magic::Bad => Ok(Err(bad)),
        }
    })
}

/// `boot_swap_type_multi`: what the trailers ask for, before any image is looked at.
///
/// # Errors
/// There is no such image, or the power failed. Other flash errors are part of the answer, as in the C code.
pub fn swap_type(
    config: &Config,
    flash: &mut dyn Flash,
    image: usize,
) -> Result<SwapType, MarkError> {
    let slots = slots(config, image)?;
    if !config.has_secondary() {
        return Ok(SwapType::None);
    }
    with_io(config, flash, |io| {
        Ok(Ok(io
            .decide_swap_type(
                image,
                slots.primary_area(image),
                slots.secondary_area(image),
            )?
            .swap_type))
    })
}

/// The trailers of both slots, decoded: primary, secondary.
///
/// # Errors
/// There is no such image, or flash failed.
pub fn swap_state(
    config: &Config,
    flash: &mut dyn Flash,
    image: usize,
) -> Result<(SwapState, SwapState), MarkError> {
    let slots = slots(config, image)?;
    with_io(config, flash, |io| {
        let primary = if config.is_virtual(image) {
            Ok(SwapState::EMPTY)
        } else {
            io.swap_state(slots.primary_area(image))?
        };
        let secondary = io.swap_state(slots.secondary_area(image))?;
        Ok(primary
            .and_then(|primary| Ok((primary, secondary?)))
            .map_err(MarkError::from))
    })
}

/// The trailer of any area, decoded.
pub(crate) fn area_swap_state(
    config: &Config,
    flash: &mut dyn Flash,
    area: Area,
) -> Result<SwapState, MarkError> {
    let area = FlashArea {
        id: AreaId::Primary(0),
        area,
    };
    with_io(config, flash, |io| {
        Ok(io.swap_state(area)?.map_err(MarkError::from))
    })
}

fn slots(config: &Config, image: usize) -> Result<ImageSlots, MarkError> {
    config
        .images
        .get(image)
        .copied()
        .ok_or(MarkError::NoImage(image))
}

fn with_io<T>(
    config: &Config,
    flash: &mut dyn Flash,
    run: impl FnOnce(&mut Io<'_>) -> Step<Result<T, MarkError>>,
) -> Result<T, MarkError> {
    let mut silent = |_| {};
    match run(&mut Io {
        config,
        flash,
        log: &mut silent,
    }) {
        Ok(done) => done,
        Err(Stop::PowerLost) => Err(FlashError::PowerLost.into()),
        Err(Stop::Assert(reason) | Stop::Hang(reason)) => Err(FlashError::Device {
            device: crate::DeviceId::AppFlash,
            offset: 0,
            reason,
        }
        .into()),
    }
}

impl ImageSlots {
    pub(crate) fn primary_area(&self, image: usize) -> FlashArea {
        FlashArea {
            id: AreaId::Primary(image),
            area: self.primary,
        }
    }

    pub(crate) fn secondary_area(&self, image: usize) -> FlashArea {
        FlashArea {
            id: AreaId::Secondary(image),
            area: self.secondary,
        }
    }
}

/// A swap type and the trailer fields that made it.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) swap_type: SwapType,
    pub(crate) because: String,
}

/// The table of `boot_swap_type_multi`: rows in order, the secondary slot's first.
fn by_trailers(config: &Config, primary: &SwapState, secondary: &SwapState) -> Decided {
    let (swap_type, because) = if secondary.magic == Magic::Good
        && secondary.image_ok == Flag::Unset
    {
        if config.mode == Mode::SwapOffset && secondary.copy_done == Flag::Set {
            (
                SwapType::Revert,
                "secondary magic good, copy_done set, image_ok unset: a revert was begun"
                    .to_owned(),
            )
        } else {
            (
                SwapType::Test,
                "secondary magic good, image_ok unset".to_owned(),
            )
        }
    } else if secondary.magic == Magic::Good && secondary.image_ok == Flag::Set {
        (
            SwapType::Perm,
            "secondary magic good, image_ok set".to_owned(),
        )
    } else if primary.magic == Magic::Good
        && primary.image_ok == Flag::Unset
        && primary.copy_done == Flag::Set
        && (!config.line.revert_needs_erased_secondary_magic() || secondary.magic == Magic::Unset)
    {
        (
            SwapType::Revert,
            "primary magic good, copy_done set, image_ok unset: never confirmed".to_owned(),
        )
    } else {
        let because = format!(
            "secondary magic {}, image_ok {}; primary magic {}, copy_done {}, image_ok {}",
            secondary.magic, secondary.image_ok, primary.magic, primary.copy_done, primary.image_ok
        );
        (SwapType::None, because)
    };
    Decided { swap_type, because }
}

impl Io<'_> {
    /// `boot_swap_type_multi`, with its console line.
    pub(crate) fn decide_swap_type(
        &mut self,
        image: usize,
        primary: FlashArea,
        secondary: FlashArea,
    ) -> Step<Decided> {
        let primary: Driver<SwapState> = if self.config.is_virtual(image) {
            // `boot_read_swap_state_primary_slot_hook`.
            Ok(SwapState::EMPTY)
        } else {
            self.swap_state(primary)?
        };
        let primary = match primary {
            Ok(state) => state,
            Err(error) => {
                return Ok(Decided {
                    swap_type: SwapType::Panic,
                    because: error.to_string(),
                });
            }
        };
        let secondary = match self.swap_state(secondary)? {
            Ok(state) => state,
            Err(_) => {
                let pair = if self.config.line.dots_image_number() {
                    format!("({image}.)")
                } else {
                    format!("({image})")
                };
                self.info(format!(
                    "Secondary image of image pair {pair} is unreachable. Treat it as empty"
                ));
                SwapState::EMPTY
            }
        };
        let decided = by_trailers(self.config, &primary, &secondary);
        let which = if self.config.line.names_image() {
            format!("Image index: {image}, ")
        } else {
            String::new()
        };
        self.info(format!("{which}Swap type: {}", decided.swap_type));
        Ok(decided)
    }
}
