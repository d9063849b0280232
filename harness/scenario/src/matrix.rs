//! The variants of a scenario: every combination of its matrix, and `${variable}` in needs and steps.

use crate::locate::{NodePath, Part, Segment};
use crate::node::{NodeError, kind};
use serde_yaml::{Mapping, Value};
use std::collections::BTreeSet;

/// More variants than this are a slip rather than a wish.
const MOST_VARIANTS: usize = 256;

/// The values of the matrix variables in one variant, in the order of the file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Assignment(Vec<(String, String)>);

impl Assignment {
    pub(crate) fn get(&self, variable: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == variable)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// `[uart]`, or nothing for a scenario without matrix.
    pub(crate) fn suffix(&self) -> String {
        let values: Vec<_> = self.0.iter().map(|(_, value)| value.as_str()).collect();
        match values.as_slice() {
            [] => String::new(),
            values => format!("[{}]", values.join(",")),
        }
    }
}

/// Releases of a firmware set, for matrix variables that take their values from it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReleaseNames {
    /// Those that a board can be programmed with and that have an application.
    pub to_program: Vec<String>,
    /// Those that can be sent: the same, and `update`.
    pub to_send: Vec<String>,
}

impl Default for ReleaseNames {
    /// Those that every set has.
    fn default() -> Self {
        Self {
            to_program: vec!["baseline".to_owned()],
            to_send: vec!["update".to_owned()],
        }
    }
}

impl ReleaseNames {
    /// The words that stand for the lists.
    pub(crate) const WORDS: [&str; 2] = ["releases-to-program", "releases-to-send"];

    fn list(&self, word: &str) -> Option<&[String]> {
        match word {
            "releases-to-program" => Some(&self.to_program),
            "releases-to-send" => Some(&self.to_send),
            _ => None,
        }
    }
}

/// Whether a variable of the matrix takes its values from a firmware set.
pub(crate) fn asks_for_releases(matrix: &Mapping) -> bool {
    matrix
        .values()
        .filter_map(Value::as_str)
        .any(|word| ReleaseNames::WORDS.contains(&word))
}

/// All combinations; the last variable changes fastest. A scenario without matrix has one, the empty one. No combination has
/// one release twice: it would be no update.
pub(crate) fn expand(
    matrix: &Mapping,
    releases: &ReleaseNames,
) -> Result<Vec<Assignment>, NodeError> {
    let mut all = vec![Assignment::default()];
    let mut of_releases: Vec<&str> = Vec::new();
    for (name, values) in matrix {
        let top = vec![Segment::Key("matrix".to_owned())];
        let Some(name) = name.as_str() else {
            return Err(NodeError::new(
                top,
                Part::Key,
                "a matrix variable is not a word",
            ));
        };
        let path = path_to(name);
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(NodeError::new(
                path,
                Part::Key,
                format!("`{name}` is no name for a matrix variable"),
            )
            .advising("use letters, digits and `_`"));
        }
        let values = match values.as_str().and_then(|word| releases.list(word)) {
            Some(list) => {
                of_releases.push(name);
                list.to_vec()
            }
            None => values_of(name, values)?,
        };
        if all.len() * values.len() > MOST_VARIANTS {
            return Err(NodeError::new(
                path,
                Part::Key,
                format!("the matrix makes more than {MOST_VARIANTS} variants"),
            ));
        }
        all = all
            .iter()
            .flat_map(|before| {
                values.iter().map(|value| {
                    let mut with = before.clone();
                    with.0.push((name.to_owned(), value.clone()));
                    with
                })
            })
            .collect();
    }
    all.retain(|assignment| {
        let mut seen = BTreeSet::new();
        let mut chosen = of_releases.iter().filter_map(|name| assignment.get(name));
        chosen.all(|release| seen.insert(release))
    });
    Ok(all)
}

fn path_to(variable: &str) -> NodePath {
    vec![
        Segment::Key("matrix".to_owned()),
        Segment::Key(variable.to_owned()),
    ]
}

fn values_of(name: &str, values: &Value) -> Result<Vec<String>, NodeError> {
    let items = match values {
        Value::Sequence(items) if !items.is_empty() => items,
        other => {
            return Err(NodeError::new(
                path_to(name),
                Part::Value,
                format!(
                    "matrix variable `{name}` is {}, expected a list of its values",
                    kind(other)
                ),
            )
            .advising(match scalar(other) {
                Some(only) => format!(
                    "write `{name}: [{only}]`, or `{name}: releases-to-program` or `releases-to-send` for those of the \
                     firmware set"
                ),
                None => format!("write `{name}: [one, another]`"),
            }));
        }
    };
    let mut seen = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let at = || {
            let mut path = path_to(name);
            path.push(Segment::Index(index));
            path
        };
        let Some(value) = scalar(item) else {
            return Err(NodeError::new(
                at(),
                Part::Value,
                format!(
                    "a value of matrix variable `{name}` is {}, expected a word or a number",
                    kind(item)
                ),
            ));
        };
        if seen.contains(&value) {
            return Err(NodeError::new(
                at(),
                Part::Value,
                format!("matrix variable `{name}` has the value `{value}` twice"),
            ));
        }
        seen.push(value);
    }
    Ok(seen)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => None,
    }
}

/// `value` with its `${variable}`s replaced. The variables that occur are added to `used`.
pub(crate) fn substitute(
    value: &Value,
    path: &mut NodePath,
    assignment: &Assignment,
    used: &mut BTreeSet<String>,
) -> Result<Value, NodeError> {
    match value {
        Value::String(text) => replace(text, path, assignment, used),
        Value::Sequence(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                path.push(Segment::Index(index));
                let item = substitute(item, path, assignment, used);
                path.pop();
                item
            })
            .collect::<Result<_, _>>()
            .map(Value::Sequence),
        Value::Mapping(mapping) => mapping
            .iter()
            .map(|(key, item)| {
                path.push(Segment::Key(key.as_str().unwrap_or_default().to_owned()));
                let item = substitute(item, path, assignment, used);
                path.pop();
                Ok((key.clone(), item?))
            })
            .collect::<Result<_, _>>()
            .map(Value::Mapping),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Tagged(_) => Ok(value.clone()),
    }
}

fn replace(
    text: &str,
    path: &NodePath,
    assignment: &Assignment,
    used: &mut BTreeSet<String>,
) -> Result<Value, NodeError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = from.find('}') else {
            return Err(NodeError::new(
                path.clone(),
                Part::Value,
                format!("`{from}` has no closing `}}`"),
            ));
        };
        let variable = &from[2..end];
        let Some(value) = assignment.get(variable) else {
            let known: Vec<_> = assignment.variables().collect();
            let error = NodeError::unknown(
                path.clone(),
                Part::Value,
                "matrix variable",
                variable,
                known.iter().copied(),
            );
            return Err(if known.is_empty() {
                error.advising(format!(
                    "add `matrix: {{ {variable}: [...] }}` to the scenario"
                ))
            } else {
                error
            });
        };
        used.insert(variable.to_owned());
        out.push_str(value);
        rest = &from[end + 1..];
    }
    out.push_str(rest);
    // A variable that is the whole text stands for its value, so that a number stays a number.
    if used.is_empty()
        || out == text
        || !(text.starts_with("${") && text.find('}') == Some(text.len() - 1))
    {
        return Ok(Value::String(out));
    }
    Ok(match serde_yaml::from_str::<Value>(&out) {
        Ok(number @ Value::Number(_)) => number,
        Ok(_) | Err(_) => Value::String(out),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand_alone(matrix: &Mapping) -> Result<Vec<Assignment>, NodeError> {
        expand(matrix, &ReleaseNames::default())
    }

    #[test]
    fn releases_of_a_set_meet_every_other_one_and_never_themselves() {
        let releases = ReleaseNames {
            to_program: vec!["a".to_owned(), "b".to_owned()],
            to_send: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
        };
        let matrix = mapping("{ from: releases-to-program, to: releases-to-send }");
        assert!(asks_for_releases(&matrix));
        let names: Vec<_> = expand(&matrix, &releases)
            .unwrap()
            .iter()
            .map(Assignment::suffix)
            .collect();
        assert_eq!(names, ["[a,b]", "[a,c]", "[b,a]", "[b,c]"]);
    }

    fn mapping(text: &str) -> Mapping {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn the_last_variable_changes_fastest() {
        let all = expand_alone(&mapping("{ transport: [uart, ble], cut: [10%, 90%] }")).unwrap();
        let names: Vec<_> = all.iter().map(Assignment::suffix).collect();
        assert_eq!(
            names,
            ["[uart,10%]", "[uart,90%]", "[ble,10%]", "[ble,90%]"]
        );
    }

    #[test]
    fn a_variable_is_replaced_anywhere_and_a_number_stays_one() {
        let all = expand_alone(&mapping("{ n: [2], link: [uart] }")).unwrap();
        let value = serde_yaml::from_str("a: ['${n}', { b: 'x ${link} ${n}' }]").unwrap();
        let mut used = BTreeSet::new();
        let value = substitute(&value, &mut Vec::new(), &all[0], &mut used).unwrap();
        assert_eq!(
            value,
            serde_yaml::from_str::<Value>("a: [2, { b: x uart 2 }]").unwrap()
        );
        assert_eq!(used.into_iter().collect::<Vec<_>>(), ["link", "n"]);
    }

    #[test]
    fn a_matrix_that_explodes_is_refused() {
        let many: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let text = format!("{{ a: [{0}], b: [{0}] }}", many.join(", "));
        let error = expand_alone(&mapping(&text)).unwrap_err();
        assert_eq!(error.to_string(), "the matrix makes more than 256 variants");
    }
}
