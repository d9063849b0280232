//! The arguments of a request, decoded with zcbor's rules.
//!
//! An unknown key is skipped, a known one may appear once and must have its type, what follows the map is not looked
//! at, and no map at all is an error (`zephyr subsys/mgmt/mcumgr/util/src/zcbor_bulk.c`). A client's decoder has other
//! rules.

use ciborium::Value;

use super::error::Rc;

/// The arguments of a request.
#[derive(Debug)]
pub(in crate::firmware) struct Arguments(Vec<(Value, Value)>);

impl Arguments {
    /// Decodes one CBOR map; what follows it is not looked at.
    pub(in crate::firmware) fn parse(payload: &[u8]) -> Result<Self, Rc> {
        match ciborium::from_reader::<Value, _>(payload) {
            Ok(Value::Map(entries)) if entries.iter().all(|(key, _)| key.is_text()) => {
                Ok(Self(entries))
            }
            _ => Err(Rc::Invalid),
        }
    }

    fn get(&self, key: &str) -> Result<Option<&Value>, Rc> {
        let mut found = self
            .0
            .iter()
            .filter(|(name, _)| name.as_text() == Some(key));
        let value = found.next().map(|(_, value)| value);
        match found.next() {
            None => Ok(value),
            Some(_) => Err(Rc::Invalid),
        }
    }

    fn convert<'a, T>(
        &'a self,
        key: &str,
        convert: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Rc> {
        self.get(key)?
            .map(|value| convert(value).ok_or(Rc::Invalid))
            .transpose()
    }

    /// An unsigned integer of 32 bits: also `size_t` has no more on this core.
    pub(in crate::firmware) fn uint(&self, key: &str) -> Result<Option<u32>, Rc> {
        self.convert(key, |value| {
            value
                .as_integer()
                .and_then(|integer| u32::try_from(integer).ok())
        })
    }

    pub(in crate::firmware) fn text(&self, key: &str) -> Result<Option<&str>, Rc> {
        self.convert(key, Value::as_text)
    }

    pub(in crate::firmware) fn bytes(&self, key: &str) -> Result<Option<&[u8]>, Rc> {
        self.convert(key, |value| value.as_bytes().map(Vec::as_slice))
    }

    pub(in crate::firmware) fn boolean(&self, key: &str) -> Result<Option<bool>, Rc> {
        self.convert(key, Value::as_bool)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::not_a_map("80")]
    #[case::cut_short("a1636f")]
    #[case::number_as_key("a10101")]
    #[case::four_gigabytes_of_text("a17affffffff61")]
    #[case::nothing("")]
    fn what_is_no_map_of_texts_is_invalid(#[case] payload: &str) {
        let payload = hex::decode(payload).expect("hex");
        assert_eq!(Arguments::parse(&payload).err(), Some(Rc::Invalid));
    }

    #[rstest]
    #[case::definite("a1636f666605", Ok(Some(5)))]
    #[case::indefinite("bf636f666605ff", Ok(Some(5)))]
    #[case::absent("a0", Ok(None))]
    #[case::unknown_key_beside("a2616183010203636f666605", Ok(Some(5)))]
    #[case::twice("a2636f666605636f666606", Err(Rc::Invalid))]
    #[case::text("a1636f66666135", Err(Rc::Invalid))]
    #[case::negative("a1636f666624", Err(Rc::Invalid))]
    #[case::more_than_32_bits("a1636f66661b0000000100000000", Err(Rc::Invalid))]
    #[case::trailing_bytes("a1636f666605ffff", Ok(Some(5)))]
    fn an_offset_is_read_as_zcbor_reads_it(
        #[case] payload: &str,
        #[case] expected: Result<Option<u32>, Rc>,
    ) {
        let payload = hex::decode(payload).expect("hex");
        assert_eq!(
            Arguments::parse(&payload).and_then(|arguments| arguments.uint("off")),
            expected
        );
    }
}
