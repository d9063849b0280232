//! Images of the firmware set, and the board's flash.

use super::{Context, Programmed};
use crate::events::sha256;
use crate::firmware::{EXTERNAL_WINDOW, Firmware, LoadedImage, Region};
use crate::history::{self, StartedBy};
use crate::holding::{Expected, Form, Mismatch};
use crate::proof;
use crate::trouble::{Checked, Trouble};
use hil_image::{Image, network};
use hil_record::{Check, Done, ErrorKind, Evidence, StoredForm};
use hil_scenario::{Core, ImageRef, Slot};
use hil_smp::message::ImageState;
use std::sync::Arc;

impl Context<'_> {
    /// An image of the firmware set.
    pub(crate) fn image(&self, role: &ImageRef) -> Checked<Arc<LoadedImage>> {
        self.firmware.image(role)
    }

    /// Remembers that an image was sent, for the checks at the end.
    pub(crate) fn sent(&mut self, role: &ImageRef) {
        self.sent.insert(role.clone());
    }

    /// The encrypted images that were sent to the board.
    pub(crate) fn encrypted_images_sent(&self) -> Vec<Arc<LoadedImage>> {
        self.sent
            .iter()
            .filter_map(|role| self.firmware.image(role).ok())
            .filter(|image| image.is_encrypted())
            .collect()
    }

    /// Whether the bootloader's recovery server took this image since the board was programmed.
    pub(crate) fn was_recovered(&self, role: &ImageRef) -> bool {
        history::was_recovered(&self.history, role)
    }

    /// What the board held when it was programmed; `None` when no step did.
    pub(crate) const fn programmed(&self) -> Option<&Programmed> {
        self.programmed.as_ref()
    }

    /// Programs a release on both cores, erases the rest of their flash and the partitions in the external flash, and starts
    /// the board.
    pub(crate) fn program(&mut self, release: &str) -> Checked {
        let image = self.firmware.program(release)?;
        // What the board ran before must not be taken for what it runs after.
        if self.bench.hold()? {
            self.see(Evidence::seen(
                "locked",
                "access port protection was on: flash and UICR of both cores were erased",
            ));
        }
        self.bench.clear_left_in_ram()?;
        let external = self.firmware.external_partitions();
        let used = self.firmware.external_size();
        let programmed = self.bench.contents_of(release, image, used)?;
        let done = Done::Programmed {
            release: release.to_owned(),
            app_uicr: sha256(&programmed.app_uicr),
            net_uicr: sha256(&programmed.net_uicr),
        };
        self.programmed = Some(programmed);
        self.history.clear();
        self.tell(done);
        self.starting(StartedBy::Program);
        let report = self.bench.program(image, &external)?;
        self.see(Evidence::seen("programmed", report));
        Ok(())
    }

    /// The bytes of a region, read through the probe.
    pub(crate) fn read(&mut self, region: Region) -> Checked<Vec<u8>> {
        self.bench.read(region.core, region.address, region.size)
    }

    /// The external flash as the model of the bootloaders has it: partitions as they are, blank in between.
    pub(crate) fn read_external(&mut self) -> Checked<Vec<u8>> {
        let mut flash = vec![0xFF; self.firmware.external_size() as usize];
        for region in self.firmware.external_partitions() {
            let start = (region.address - EXTERNAL_WINDOW) as usize;
            let bytes = self.read(region)?;
            flash[start..start + bytes.len()].copy_from_slice(&bytes);
        }
        Ok(flash)
    }

    /// The UICR of a core, read through the probe.
    pub(crate) fn read_uicr(&mut self, core: Core) -> Checked<Vec<u8>> {
        self.bench.read_uicr(core)
    }

    /// Compares a slot with an image, and tells it as a check.
    pub(crate) fn slot_holds(
        &mut self,
        slot: Slot,
        image: &LoadedImage,
        form: Form,
    ) -> Checked<Result<(), Mismatch>> {
        let (found, bytes) = self.look_into_slot(slot, image, form)?;
        self.tell_slot(slot, image, form, &bytes)?;
        Ok(found)
    }

    /// Tells that a slot, of which these bytes were read, was compared with an image.
    pub(crate) fn tell_slot(
        &self,
        slot: Slot,
        image: &LoadedImage,
        form: Form,
        bytes: &[u8],
    ) -> Checked {
        self.checked(Check::SlotHolds {
            slot: slot.word().to_owned(),
            image: image.role().to_string(),
            form: match form {
                Form::AsSent => StoredForm::AsSent,
                Form::Plain => StoredForm::Plain,
            },
            found: self.shot(self.firmware.slot(slot)?, bytes),
        });
        Ok(())
    }

    /// Compares a slot with an image; what came of it, and the bytes of the slot.
    pub(crate) fn look_into_slot(
        &mut self,
        slot: Slot,
        image: &LoadedImage,
        form: Form,
    ) -> Checked<(Result<(), Mismatch>, Vec<u8>)> {
        let region = self.firmware.slot(slot)?;
        if form == Form::Plain && image.is_encrypted() && image.plain().is_none() {
            return Err(Trouble::error(
                ErrorKind::File,
                format_args!(
                    "the firmware set's key does not open image {}, so its plain text is not known",
                    image.label()
                ),
            ));
        }
        let bytes = self.read(region)?;
        let found = compare_slot(self.firmware, slot, image, form, &bytes)?;
        Ok((found, bytes))
    }

    /// The firmware version that the network core's flash says in its `fw_info`; the inner error says why none.
    /// With the bytes that it was found in.
    pub(crate) fn network_version(&mut self) -> Checked<(Result<u32, String>, Vec<u8>)> {
        let region = self.firmware.slot(Slot::NetPrimary)?;
        let bytes = self.read(region)?;
        let version = network::FirmwareInfo::find(&bytes)
            .map(|info| info.version)
            .map_err(|error| error.to_string());
        Ok((version, bytes))
    }

    /// Tells the image list that a step has looked at.
    pub(crate) fn tell_list(&self, list: &ImageState) {
        self.checked(Check::ImageList {
            list: proof::listed(list),
        });
    }
}

/// Compares the bytes of a slot with an image. The network core's slot holds the payload only: the firmware as b0n has it.
pub(crate) fn compare_slot(
    firmware: &Firmware,
    slot: Slot,
    image: &LoadedImage,
    form: Form,
    bytes: &[u8],
) -> Checked<Result<(), Mismatch>> {
    let parsed = Image::parse(image.bytes()).map_err(|error| {
        Trouble::error(
            ErrorKind::File,
            format_args!("image {} is damaged: {error}", image.label()),
        )
    })?;
    let expected = match slot {
        Slot::NetPrimary => Expected::payload_only(parsed, image.plain_copy()),
        Slot::AppPrimary | Slot::AppSecondary | Slot::NetSecondary => {
            Expected::new(parsed, image.plain_copy(), form)
        }
    };
    let found = expected.compare(bytes);
    // With swap-offset an upload lies one sector up in the slot, and only what was swapped out at its start.
    let sector = firmware.set().bootloader.sector_size as usize;
    match (firmware.lies_one_sector_up(slot), bytes.get(sector..)) {
        (true, Some(behind)) if found.is_err() => Ok(expected
            .compare(behind)
            .map_err(|mismatch| mismatch.nearer(found.err()))),
        _ => Ok(found),
    }
}
