//! The binary form of a description: where it lies, how it is found again, and what makes it invalid.
//!
//! ```text
//! 0x000  initial stack pointer, reset vector, further vectors
//! 0x200  fw_info, in network core binaries (the SDK's default place)
//! 0x400  magic, u32 length of the description, u32 CRC-32 of it, the description in CBOR
//! ```

use super::{Model, ModelError};
use crate::bus::Core;

/// Bytes from the vector table to the block: behind the place of `fw_info` (0x200, 60 bytes) in network images.
pub const BLOCK_OFFSET: u32 = 0x400;

/// The longest description in bytes (ours): the whole block lies within two flash pages.
pub const MAX_DESCRIPTION: usize = 0x1800;

/// Begins a block.
const MAGIC: [u8; 8] = *b"DFUHILMB";

/// Bytes of the block in front of the description.
pub(super) const PREFIX: usize = 16;

const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// The block of `model`: prefix and description.
pub(super) fn encode(model: &Model) -> Vec<u8> {
    let mut description = Vec::new();
    ciborium::into_writer(model, &mut description)
        .expect("a description is plain data and a Vec takes it all");
    assert!(
        description.len() <= MAX_DESCRIPTION,
        "description of {} bytes does not fit {MAX_DESCRIPTION}",
        description.len()
    );
    let mut block = Vec::with_capacity(PREFIX + description.len());
    block.extend_from_slice(&MAGIC);
    block.extend_from_slice(&(description.len() as u32).to_le_bytes());
    block.extend_from_slice(&CRC.checksum(&description).to_le_bytes());
    block.extend_from_slice(&description);
    block
}

pub(super) fn read_at<E>(
    core: Core,
    base: u32,
    mut read: impl FnMut(u32, &mut [u8]) -> Result<(), E>,
) -> Result<Result<Model, ModelError>, E> {
    let mut vectors = [0; 8];
    read(base, &mut vectors)?;
    if let Err(error) = check_vectors(core, base, vectors) {
        return Ok(Err(error));
    }
    let mut prefix = [0; PREFIX];
    read(base + BLOCK_OFFSET, &mut prefix)?;
    let (length, checksum) = match parse_prefix(base, prefix) {
        Ok(parsed) => parsed,
        Err(error) => return Ok(Err(error)),
    };
    let mut description = vec![0; length];
    read(base + BLOCK_OFFSET + PREFIX as u32, &mut description)?;
    Ok(parse_description(core, base, checksum, &description))
}

/// The stack pointer must lie in the core's RAM, the reset vector be a Thumb address in the core's flash.
fn check_vectors(core: Core, base: u32, vectors: [u8; 8]) -> Result<(), ModelError> {
    let [a, b, c, d, e, f, g, h] = vectors;
    let stack_pointer = u32::from_le_bytes([a, b, c, d]);
    let reset = u32::from_le_bytes([e, f, g, h]);
    let (ram, flash) = match core {
        Core::App => (0x2000_0000..=0x2008_0000, 0..0x0010_0000),
        Core::Net => (0x2100_0000..=0x2101_0000, 0x0100_0000..0x0104_0000),
    };
    if ram.contains(&stack_pointer) && reset & 1 == 1 && flash.contains(&reset) {
        Ok(())
    } else {
        Err(ModelError::Vector {
            base,
            stack_pointer,
            reset,
        })
    }
}

fn parse_prefix(base: u32, prefix: [u8; PREFIX]) -> Result<(usize, u32), ModelError> {
    let [magic @ .., l0, l1, l2, l3, c0, c1, c2, c3] = prefix;
    if magic != MAGIC {
        return Err(ModelError::Undescribed { base });
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > MAX_DESCRIPTION {
        let what = format!("it claims {length} bytes, at most {MAX_DESCRIPTION} are possible");
        return Err(ModelError::Damaged { base, what });
    }
    Ok((length, u32::from_le_bytes([c0, c1, c2, c3])))
}

fn parse_description(
    core: Core,
    base: u32,
    checksum: u32,
    description: &[u8],
) -> Result<Model, ModelError> {
    let damaged = |what| ModelError::Damaged { base, what };
    let computed = CRC.checksum(description);
    if computed != checksum {
        return Err(damaged(format!(
            "its checksum is {checksum:#010x}, its bytes give {computed:#010x}"
        )));
    }
    let mut rest = description;
    let model: Model =
        ciborium::from_reader(&mut rest).map_err(|error| damaged(error.to_string()))?;
    if !rest.is_empty() {
        return Err(damaged(format!("{} bytes follow it", rest.len())));
    }
    if model.core() != core {
        return Err(ModelError::WrongCore { base });
    }
    Ok(model)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use rstest::rstest;

    use super::*;
    use crate::model::{Binary, NetworkModel, Symptom};

    fn model() -> Model {
        Model::Network(NetworkModel {
            name: "net".to_owned(),
            version: "1.0.0".to_owned(),
            ipc_version: 1,
        })
    }

    fn bytes() -> Vec<u8> {
        Binary::new(model(), 0x0100_8800, 0x2000).build()
    }

    fn read(core: Core, bytes: &[u8]) -> Result<Model, ModelError> {
        let base = 0x0100_8800;
        let Ok(found) = Model::read_at(core, base, |address, buffer| {
            let start = (address - base) as usize;
            buffer.copy_from_slice(&bytes[start..start + buffer.len()]);
            Ok::<(), Infallible>(())
        });
        found
    }

    #[test]
    fn a_binary_says_what_it_is() {
        assert_eq!(read(Core::Net, &bytes()), Ok(model()));
    }

    #[rstest]
    #[case::erased(0, &[0xff; 8], Symptom::LockUp)]
    #[case::reset_vector_of_arm_code(4, &[0x00, 0x90, 0x00, 0x01], Symptom::LockUp)]
    #[case::stack_in_flash(0, &[0x00, 0x00, 0x00, 0x01], Symptom::LockUp)]
    #[case::no_magic(0x400, &[0xff; 8], Symptom::Hang)]
    #[case::length(0x408, &[0xff; 4], Symptom::Hang)]
    #[case::checksum(0x40c, &[0; 4], Symptom::Hang)]
    #[case::content(0x412, &[0xff], Symptom::Hang)]
    fn a_damaged_binary_does_not_run(
        #[case] offset: usize,
        #[case] with: &[u8],
        #[case] symptom: Symptom,
    ) {
        let mut bytes = bytes();
        bytes[offset..offset + with.len()].copy_from_slice(with);
        assert_eq!(
            read(Core::Net, &bytes)
                .expect_err("the bytes are damaged")
                .symptom(),
            symptom
        );
    }

    #[test]
    fn a_description_with_an_unknown_key_is_refused() {
        let mut value = ciborium::Value::serialized(&model()).expect("plain data");
        let ciborium::Value::Map(entries) = &mut value else {
            panic!("an enum is a map")
        };
        let ciborium::Value::Map(fields) = &mut entries[0].1 else {
            panic!("a struct is a map")
        };
        fields.push(("surprise".into(), 1.into()));
        let mut description = Vec::new();
        ciborium::into_writer(&value, &mut description).expect("a Vec takes it all");
        let checksum = CRC.checksum(&description);
        assert!(parse_description(Core::Net, 0, checksum, &description).is_err());
    }
}
