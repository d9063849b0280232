//! YAML from outside, read only when it is as small as files of this kind are.
//!
//! A few lines of YAML can stand for gigabytes: aliases repeat what they name, and nesting costs stack. So a text is
//! first walked with a budget, which stops in the middle of a bomb, and only then read. serde_yaml expands aliases
//! while it is asked for values, so the walk costs what the budget allows and no more.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_yaml::Value;
use std::cell::Cell;
use std::fmt;

/// The longest text in bytes. The files that people write have some ten kilobytes, those of the SDK three (ours).
pub const MAX_YAML_BYTES: usize = 1024 * 1024;

/// The most values that a text may stand for, with aliases expanded (ours): twenty times the largest file known.
pub const MAX_YAML_NODES: usize = 100_000;

/// The deepest nesting (ours). Files of the SDK have 6 levels, scenarios 8.
pub const MAX_YAML_DEPTH: usize = 32;

/// Parses a text that nobody vouches for.
///
/// # Errors
///
/// It is no YAML, or it is longer, deeper or larger with its aliases expanded than any file of this kind.
pub fn bounded_yaml(text: &str) -> Result<Value, serde_yaml::Error> {
    check_bounds(text)?;
    serde_yaml::from_str(text)
}

/// Walks a text with a budget.
pub(crate) fn check_bounds(text: &str) -> Result<(), serde_yaml::Error> {
    if text.len() > MAX_YAML_BYTES {
        return Err(serde::de::Error::custom(format_args!(
            "{} bytes are too many, expected at most {MAX_YAML_BYTES}",
            text.len()
        )));
    }
    let left = Cell::new(MAX_YAML_NODES);
    Walk {
        left: &left,
        depth: 0,
    }
    .deserialize(serde_yaml::Deserializer::from_str(text))
}

/// Goes through everything, and gives up when there is too much of it.
#[derive(Clone, Copy)]
struct Walk<'a> {
    left: &'a Cell<usize>,
    depth: usize,
}

impl Walk<'_> {
    const fn deeper(self) -> Self {
        Self {
            left: self.left,
            depth: self.depth + 1,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth > MAX_YAML_DEPTH {
            return Err(serde::de::Error::custom(format_args!(
                "nested more than {MAX_YAML_DEPTH} levels deep"
            )));
        }
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(serde::de::Error::custom(format_args!(
                "stands for more than {MAX_YAML_NODES} values when its aliases are expanded"
            )));
        };
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

/// Scalars count as one and are otherwise of no interest here.
macro_rules! scalars {
    ($($method:ident: $type:ty),*) => {
        $(fn $method<E>(self, _: $type) -> Result<(), E> {
            Ok(())
        })*
    };
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    scalars!(visit_bool: bool, visit_i64: i64, visit_i128: i128, visit_u64: u64, visit_u128: u128, visit_f64: f64,
        visit_str: &str);

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    /// An empty text.
    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.deeper())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_key_seed(self.deeper())?.is_some() {
            entries.next_value_seed(self.deeper())?;
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<(), A::Error> {
        let (_tag, content) = data.variant::<serde::de::IgnoredAny>()?;
        content.newtype_variant_seed(self.deeper())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// Ten lists, each of which names the one before ten times: 10^10 values.
    fn bomb() -> String {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let names = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{names}]\n"));
        }
        text
    }

    #[rstest]
    #[case::aliases(
        bomb(),
        "stands for more than 100000 values when its aliases are expanded"
    )]
    #[case::nesting("[".repeat(40) + &"]".repeat(40), "nested more than 32 levels deep")]
    #[case::nesting_without_end("[".repeat(100_000), "nested more than 32 levels deep")]
    #[case::many_values(format!("[{}]", "1,".repeat(150_000)), "stands for more than 100000 values")]
    #[case::long("#".repeat(MAX_YAML_BYTES + 1), "1048577 bytes are too many, expected at most 1048576")]
    #[case::anchor_in_itself("&a [*a]".to_owned(), "recursion limit exceeded")]
    fn a_bomb_is_refused_before_it_goes_off(#[case] text: String, #[case] message: &str) {
        let error = bounded_yaml(&text).unwrap_err().to_string();
        assert!(
            error.contains(message) || error.contains("nested more than"),
            "{error}"
        );
    }

    #[test]
    fn what_the_sdk_writes_is_read() {
        let text = "app:\n  address: 0x10200\n  orig_span: &id001\n  - tfm\n  - app\n  span: *id001\nx: !tag [1]\n";
        let value = bounded_yaml(text).unwrap();
        assert_eq!(value["app"]["span"], value["app"]["orig_span"]);
        assert_eq!(value["app"]["address"], Value::from(0x10200));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9:\\-\\[\\]{}&*!,'\" \n#|>%@`]{0,200}") {
            let _ = bounded_yaml(&text);
        }

        #[test]
        fn what_is_read_is_what_serde_yaml_reads(text in "[a-z0-9:\\-\\[\\]{}, \n]{0,80}") {
            if let Ok(value) = bounded_yaml(&text) {
                prop_assert_eq!(value, serde_yaml::from_str::<Value>(&text).unwrap());
            }
        }
    }
}
