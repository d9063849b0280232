//! Which scenarios a rule or a waiver means.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A name of scenarios, where `*` stands for any text: `ble-*`, `app-update[uart]`. Without a `[` it means all variants.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Whether it means the scenario variant of this name.
    #[must_use]
    pub fn matches(&self, variant: &str) -> bool {
        if glob(&self.0, variant) {
            return true;
        }
        let scenario = variant.split('[').next().unwrap_or(variant);
        !self.0.contains('[') && glob(&self.0, scenario)
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Each part between stars where it is first found: what is left of the text only grows by waiting.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::all("*", "app-update[uart]", true)]
    #[case::all_variants("app-update", "app-update[uart]", true)]
    #[case::not_a_longer_name("app", "app-update[uart]", false)]
    #[case::one_variant("app-update[uart]", "app-update[uart]", true)]
    #[case::another_variant("app-update[ble]", "app-update[uart]", false)]
    #[case::start("ble-*", "ble-link-lost[ble]", true)]
    #[case::variants_of_a_kind("*[ble]", "app-update[ble]", true)]
    #[case::variants_of_another_kind("*[ble]", "app-update[uart]", false)]
    #[case::middle("a*p*te", "app-update", true)]
    #[case::stars_do_not_overlap("ab*ba", "aba", false)]
    fn a_pattern_means_what_it_looks_like(
        #[case] pattern: &str,
        #[case] variant: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(Pattern::from(pattern).matches(variant), expected);
    }
}
