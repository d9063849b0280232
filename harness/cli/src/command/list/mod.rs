//! `dfu-hil list`: the scenarios and their variants.

mod markdown;

use crate::args::ListArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::library::{Library, selected};
use hil_scenario::{KnownIssue, RequirementId, Scenario, Variant};
use serde::Serialize;
use std::fmt;

/// One variant in the list.
#[derive(Debug, Serialize)]
struct Row<'a> {
    /// Name of the variant, as filters and reports have it.
    scenario: &'a str,
    /// What it shows.
    summary: &'a str,
    /// The question of a user that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<&'a str>,
    /// The requirements that it covers.
    requirements: Vec<&'a str>,
    /// Reports of what it tries.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    references: &'a [String],
    /// What a board and its bootloader must have.
    needs: Vec<String>,
    /// The defect that it shows to be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    known_issue: Option<&'a KnownIssue>,
    /// Its file.
    file: String,
}

impl<'a> Row<'a> {
    fn of(scenario: &'a Scenario, variant: &'a Variant) -> Self {
        Self {
            scenario: &variant.name,
            summary: scenario.summary.trim(),
            question: scenario.question.as_deref().map(str::trim),
            requirements: scenario
                .requirements
                .iter()
                .map(RequirementId::as_str)
                .collect(),
            references: &scenario.references,
            needs: variant.needs_in_words(),
            known_issue: scenario.known_issue.as_ref(),
            file: scenario.path().display().to_string(),
        }
    }
}

/// A scenario and those of its variants that were asked for.
struct Chosen<'a> {
    scenario: &'a Scenario,
    variants: Vec<&'a Variant>,
}

impl<'a> Chosen<'a> {
    fn of(scenario: &'a Scenario, filters: &[String]) -> Option<Self> {
        let variants: Vec<_> = scenario
            .variants()
            .iter()
            .filter(|variant| selected(filters, &variant.name))
            .collect();
        (!variants.is_empty()).then_some(Self { scenario, variants })
    }

    fn covers(&self) -> String {
        let names = self.scenario.requirements.iter();
        let names: Vec<_> = names.map(RequirementId::as_str).collect();
        names.join(", ")
    }

    /// What all variants need, then what only some do.
    fn needs(&self) -> String {
        let needs: Vec<_> = self
            .variants
            .iter()
            .map(|variant| variant.needs_in_words())
            .collect();
        let in_all = |need: &String| needs.iter().all(|others| others.contains(need));
        let mut words: Vec<String> = Vec::new();
        for need in needs.iter().flatten() {
            let word = if in_all(need) {
                need.clone()
            } else {
                format!("{need} (some variants)")
            };
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words.sort_by_key(|word| word.ends_with("(some variants)"));
        words.join("; ")
    }
}

impl fmt::Display for Chosen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self
            .variants
            .iter()
            .map(|variant| variant.name.as_str())
            .collect();
        writeln!(f, "{}", names.join("  "))?;
        writeln!(f, "    {}", self.scenario.summary.trim())?;
        if let Some(question) = &self.scenario.question {
            writeln!(f, "    answers: {}", question.trim())?;
        }
        let references = self.scenario.references.join(", ");
        for (label, text) in [
            ("covers", self.covers()),
            ("reports", references),
            ("needs", self.needs()),
        ] {
            if !text.is_empty() {
                writeln!(f, "    {:8} {text}", format!("{label}:"))?;
            }
        }
        if let Some(issue) = &self.scenario.known_issue {
            writeln!(f, "    shows:   known issue {issue}")?;
        }
        Ok(())
    }
}

/// Prints the scenarios with what they answer and need, as a JSON list of variants, or as a page of Markdown.
pub(crate) fn list(args: &ListArgs) -> Result<Exit, CliError> {
    let library = Library::load(&args.selection)?;
    let filters = &args.selection.filter;
    let chosen: Vec<Chosen<'_>> = library
        .scenarios
        .iter()
        .filter_map(|scenario| Chosen::of(scenario, filters))
        .collect();
    if chosen.is_empty() {
        return Err(nothing_selected(filters));
    }
    if args.markdown {
        print!("{}", markdown::page(&chosen));
    } else if args.json {
        let rows: Vec<Row<'_>> = chosen
            .iter()
            .flat_map(|chosen| {
                let variants = chosen.variants.iter();
                variants.map(|variant| Row::of(chosen.scenario, variant))
            })
            .collect();
        let json = serde_json::to_string_pretty(&rows).map_err(|error| {
            CliError::usage(format_args!("the list cannot be written as JSON: {error}"))
        })?;
        println!("{json}");
    } else {
        let blocks: Vec<_> = chosen.iter().map(ToString::to_string).collect();
        print!("{}", blocks.join("\n"));
    }
    Ok(Exit::Passed)
}

/// What is said when filters leave nothing.
pub(crate) fn nothing_selected(filters: &[String]) -> CliError {
    CliError::nothing_ran(format_args!(
        "no scenario has `{}` in its name",
        filters.join("` or `")
    ))
    .with_help(Some("`dfu-hil list` shows all names"))
}
