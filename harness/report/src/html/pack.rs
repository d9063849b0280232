//! Data inside an HTML page: JSON, gzip, Base64. Nothing of it can be taken for markup, and it is a tenth of its size.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::io::Write;

/// `data` as the script of the page unpacks it.
pub(crate) fn pack(data: &impl Serialize) -> String {
    let json = serde_json::to_vec(data).expect("data for the page has text keys only");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&json).expect("memory takes all bytes");
    STANDARD.encode(gzip.finish().expect("memory takes all bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_was_packed_is_no_markup_and_unpacks_to_the_same() {
        let data = vec!["</script><script>alert(1)</script>"; 100];
        let packed = pack(&data);
        assert!(
            packed
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
        );
        let bytes = STANDARD.decode(&packed).unwrap();
        let mut json = String::new();
        flate2::read::GzDecoder::new(bytes.as_slice())
            .read_to_string(&mut json)
            .unwrap();
        assert_eq!(json, serde_json::to_string(&data).unwrap());
        assert_eq!(pack(&data), packed);
    }
}
