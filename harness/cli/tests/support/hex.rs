//! Intel HEX files of the demo firmware, for tests that change what is programmed.

use ihex::Record;

/// The file's contents: addresses and bytes, in order; neighbours are one.
pub(crate) fn segments(text: &str) -> Result<Vec<(u32, Vec<u8>)>, String> {
    let mut upper = 0;
    let mut segments: Vec<(u32, Vec<u8>)> = Vec::new();
    for record in ihex::Reader::new(text) {
        match record.map_err(|error| error.to_string())? {
            Record::ExtendedLinearAddress(high) => upper = u32::from(high) << 16,
            Record::Data { offset, value } => {
                let address = upper + u32::from(offset);
                match segments.last_mut() {
                    Some((start, bytes)) if *start + bytes.len() as u32 == address => {
                        bytes.extend(value);
                    }
                    _ => segments.push((address, value)),
                }
            }
            _ => {}
        }
    }
    Ok(segments)
}

/// A file with these contents.
pub(crate) fn render(segments: &[(u32, Vec<u8>)]) -> String {
    let mut records = Vec::new();
    for (start, bytes) in segments {
        // Records begin at multiples of 16, so that none runs over the end of 64 KiB.
        let first = (16 - *start as usize % 16).min(bytes.len());
        let (head, rest) = bytes.split_at(first);
        let mut at = *start;
        for chunk in std::iter::once(head).chain(rest.chunks(16)) {
            records.push(Record::ExtendedLinearAddress((at >> 16) as u16));
            records.push(Record::Data {
                offset: at as u16,
                value: chunk.to_vec(),
            });
            at += chunk.len() as u32;
        }
    }
    records.push(Record::EndOfFile);
    ihex::create_object_file_representation(&records).expect("records of at most 16 bytes")
}
