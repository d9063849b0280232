//! Content keys: from an image's TLV, into and out of the trailer.
//!
//! Source: `boot_enc_load` in mcuboot `boot/bootutil/src/encrypted.c`, `boot_read_enc_key` and `boot_write_enc_keys` in
//! `boot/bootutil/src/bootutil_misc.c`.

use hil_image::{ContentKey, TlvKind};

use crate::header::Header;
use crate::io::{Driver, FlashArea, OrAssert, Step, Stop};
use crate::state::{Loader, PRIMARY, Progress, SECONDARY, reason};
use crate::tlv::{Found, Wanted};

/// What became of loading a key.
pub(crate) enum KeyLoad {
    /// It is in the key field of the progress.
    Loaded,
    /// One is in use already, or the image has no key TLV: the C code does not tell these apart.
    Skipped,
    Failed(String),
}

impl Loader<'_> {
    /// `boot_enc_load`: unwraps the key in the image's TLV into the progress.
    pub(crate) fn load_content_key(
        &mut self,
        slot: usize,
        header: &Header,
        area: FlashArea,
        progress: &mut Progress,
    ) -> Step<KeyLoad> {
        if self.image().content_keys[slot].is_some() {
            return Ok(KeyLoad::Skipped);
        }
        let encryption = self.io.config.encryption;
        let start = self.image_start(area);
        let mut walk =
            match self
                .io
                .walk_tlvs(area, header, start, Wanted::Type(encryption.tlv_type()))?
            {
                Ok(walk) => walk,
                Err(why) => return Ok(KeyLoad::Failed(why)),
            };
        let entry = match self.io.next_tlv(&mut walk)? {
            Found::Entry(entry) => entry,
            Found::End => return Ok(KeyLoad::Skipped),
            Found::Broken(why) => return Ok(KeyLoad::Failed(why)),
        };
        let expected = encryption.tlv_size(self.io.config);
        if u32::from(entry.length) != expected {
            return Ok(KeyLoad::Failed(format!(
                "key TLV has {} bytes, not {expected}",
                entry.length
            )));
        }
        let mut value = vec![0; usize::from(entry.length)];
        if let Err(error) = self.io.read(area, entry.offset, &mut value)? {
            return Ok(KeyLoad::Failed(reason(&error)));
        }
        if self.io.config.save_enctlv {
            progress.tlv_fields[slot].erase();
            progress.tlv_fields[slot].set(&value);
        }
        Ok(match self.unwrap(&value) {
            Ok(key) => {
                progress.key_fields[slot].set(key.expose());
                KeyLoad::Loaded
            }
            Err(why) => KeyLoad::Failed(why),
        })
    }

    /// `boot_decrypt_key`.
    fn unwrap(&self, value: &[u8]) -> Result<ContentKey, String> {
        let key = self
            .keys
            .encryption
            .as_ref()
            .ok_or("the bootloader has no key to decrypt with")?;
        let kind = TlvKind(self.io.config.encryption.tlv_type());
        let value = value
            .get(..self.io.config.encryption.tlv_size(self.io.config) as usize)
            .unwrap_or(value);
        let content_key = key
            .unwrap_content_key(kind, value)
            .map_err(|error| error.to_string())?;
        // An RSA TLV has the same length for both sizes of content keys: only the unwrapped key tells.
        let (found, room) = (
            content_key.expose().len(),
            self.io.config.content_key.bytes(),
        );
        if found > room as usize {
            return Err(format!("content key has {found} bytes, not {room}"));
        }
        Ok(content_key)
    }

    /// `boot_enc_set_key`: puts the key of the progress to use.
    pub(crate) fn use_key_field(&mut self, slot: usize, progress: &Progress) {
        let length = self.io.config.content_key.bytes() as usize;
        let key = progress.key_fields[slot]
            .0
            .get(..length)
            .and_then(ContentKey::from_bytes);
        self.image_mut().content_keys[slot] = key;
    }

    /// The keys of an interrupted swap, from its trailer.
    pub(crate) fn resume_content_keys(
        &mut self,
        area: FlashArea,
        progress: &mut Progress,
    ) -> Step<()> {
        for slot in [PRIMARY, SECONDARY] {
            self.image_mut().content_keys[slot] = None;
            if self.read_key_field(area, slot, progress)? {
                self.use_key_field(slot, progress);
            }
        }
        Ok(())
    }

    /// `boot_read_enc_key`: whether there is a key. An unusable TLV is only an assertion in the Nordic line.
    fn read_key_field(
        &mut self,
        area: FlashArea,
        slot: usize,
        progress: &mut Progress,
    ) -> Step<bool> {
        let offset = self.io.config.key_offset(area, slot);
        let line = self.io.config.line;
        let saved = self.io.config.save_enctlv;
        let field = if saved {
            &mut progress.tlv_fields[slot]
        } else {
            &mut progress.key_fields[slot]
        };
        if let Err(error) = self.io.read(area, offset, &mut field.0)? {
            if line.insists_on_kept_keys() {
                return Err(Stop::Assert(format!(
                    "the key of slot {slot} is read: {error}"
                )));
            }
            return Ok(false);
        }
        if field.is_erased() {
            if line.tells_missing_key() {
                self.io.error("boot_read_enc_key: No key, read all 0xFF");
            }
            return Ok(false);
        }
        if saved {
            match self.unwrap(&progress.tlv_fields[slot].0) {
                Ok(key) => progress.key_fields[slot].set(key.expose()),
                Err(why) if line.insists_on_kept_keys() => {
                    return Err(Stop::Assert(format!(
                        "the key of slot {slot} is unwrapped: {why}"
                    )));
                }
                Err(_) => return Ok(false),
            }
        }
        if line.insists_on_kept_keys() {
            let length = self.io.config.content_key.bytes() as usize;
            return Ok(progress.key_fields[slot]
                .0
                .iter()
                .take(length)
                .any(|byte| *byte != 0xff));
        }
        Ok(true)
    }

    /// Writes the keys; only older lines look at whether they were written.
    pub(crate) fn keep_keys(&mut self, area: FlashArea, progress: &Progress) -> Step<()> {
        let written = self.write_key_fields(area, progress)?;
        if self.io.config.line.insists_on_written_keys() {
            return written.or_assert("the keys are written");
        }
        Ok(())
    }

    /// `boot_write_enc_keys`: slot 0 first.
    fn write_key_fields(&mut self, area: FlashArea, progress: &Progress) -> Step<Driver> {
        let fields = if self.io.config.save_enctlv {
            &progress.tlv_fields
        } else {
            &progress.key_fields
        };
        for slot in [PRIMARY, SECONDARY] {
            let offset = self.io.config.key_offset(area, slot);
            if let Err(error) = self.io.write(area, offset, &fields[slot].0)? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}
