//! Intel HEX, as the SDK's merge script writes it: records of 16 bytes, ascending, type 04 in front of each 64 KiB.

use ihex::Record;

/// A file with these segments; each is an address and bytes.
pub fn render(segments: &[(u32, &[u8])]) -> Vec<u8> {
    let mut records = Vec::new();
    let mut upper = None;
    for (address, bytes) in segments {
        let mut offset = 0;
        while offset < bytes.len() {
            let at = address + offset as u32;
            if upper != Some((at >> 16) as u16) {
                upper = Some((at >> 16) as u16);
                records.push(Record::ExtendedLinearAddress((at >> 16) as u16));
            }
            // A record ends at a multiple of 16, so that it never runs over the 64 KiB.
            let length = (bytes.len() - offset).min(16 - (at % 16) as usize);
            let value = bytes[offset..offset + length].to_vec();
            records.push(Record::Data {
                offset: at as u16,
                value,
            });
            offset += length;
        }
    }
    records.push(Record::EndOfFile);
    let mut text = ihex::create_object_file_representation(&records)
        .expect("records of at most 16 bytes, one end");
    text.push('\n');
    text.into_bytes()
}

/// The records of a file as addresses and bytes, in order; neighbours are one.
///
/// # Errors
///
/// A line is no record.
pub fn segments(text: &str) -> Result<Vec<(u32, Vec<u8>)>, ihex::ReaderError> {
    let mut upper = 0;
    let mut segments: Vec<(u32, Vec<u8>)> = Vec::new();
    for record in ihex::Reader::new(text) {
        match record? {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hex_file_reads_as_the_merge_script_writes_it() {
        let text = render(&[(0xFFF8, &[0x11; 12]), (0x0100_0000, &[0x22; 2])]);
        insta::assert_snapshot!(String::from_utf8_lossy(&text), @r"
        :020000040000FA
        :08FFF800111111111111111179
        :020000040001F9
        :0400000011111111B8
        :020000040100F9
        :020000002222BA
        :00000001FF
        ");
    }
}
