//! The library as a page to read: `docs/scenarios.md`.
//!
//! Questions first, because that is what people come with; then each scenario with its steps; then the requirements, the
//! other way round.

use super::Chosen;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
<!-- Written by `dfu-hil list --markdown`; do not edit. -->

# The scenario library

What a user asks, and the scenario that answers it by running the update and looking into the flash. How a scenario is written:
[scenario-language.md](scenario-language.md).
";

/// The page of these scenarios.
pub(super) fn page(chosen: &[Chosen<'_>]) -> String {
    let mut out = String::from(INTRODUCTION);
    let variants: usize = chosen.iter().map(|chosen| chosen.variants.len()).sum();
    let _ = writeln!(
        out,
        "\n{} scenarios, {variants} variants.\n\n## Questions\n\n| question | scenario |\n|---|---|",
        chosen.len()
    );
    for Chosen { scenario, .. } in chosen {
        let question = scenario.question.as_deref().unwrap_or(&scenario.summary);
        let _ = writeln!(
            out,
            "| {} | [{name}](#{name}) |",
            one_line(question),
            name = scenario.name
        );
    }
    known_issues(&mut out, chosen);
    references(&mut out, chosen);
    out.push_str("\n## Scenarios\n");
    for chosen in chosen {
        describe(&mut out, chosen);
    }
    requirements(&mut out, chosen);
    out
}

fn known_issues(out: &mut String, chosen: &[Chosen<'_>]) {
    let mut issues = chosen
        .iter()
        .map(|chosen| chosen.scenario)
        .filter_map(|scenario| Some((&scenario.name, scenario.known_issue.as_ref()?)))
        .peekable();
    if issues.peek().is_none() {
        return;
    }
    out.push_str(
        "\n## Known issues\n\nThese scenarios pass as long as the defect is there.\n\n| issue | fixed in | scenario |\n\
         |---|---|---|\n",
    );
    for (name, issue) in issues {
        let fixed = issue.fixed_in.as_deref().unwrap_or("not fixed");
        let _ = writeln!(
            out,
            "| {} | {} | [{name}](#{name}) |",
            one_line(&issue.reference),
            one_line(fixed)
        );
    }
}

fn references(out: &mut String, chosen: &[Chosen<'_>]) {
    let mut reports: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Chosen { scenario, .. } in chosen {
        for reference in &scenario.references {
            reports.entry(reference).or_default().push(&scenario.name);
        }
    }
    if reports.is_empty() {
        return;
    }
    out.push_str(
        "\n## Failures from the field\n\nReports of what went wrong somewhere, and the scenario that tries it.\n\n\
         | report | scenario |\n|---|---|\n",
    );
    for (reference, scenarios) in reports {
        let _ = writeln!(out, "| {} | {} |", one_line(reference), links(&scenarios));
    }
}

fn describe(out: &mut String, chosen: &Chosen<'_>) {
    let Chosen { scenario, variants } = chosen;
    let _ = writeln!(
        out,
        "\n### {}\n\n{}\n",
        scenario.name,
        one_line(&scenario.summary)
    );
    if let Some(question) = &scenario.question {
        let _ = writeln!(out, "* answers: {}", one_line(question));
    }
    let covers = chosen.covers();
    if !covers.is_empty() {
        let _ = writeln!(out, "* covers: {covers}");
    }
    if !scenario.references.is_empty() {
        let _ = writeln!(out, "* reported in: {}", scenario.references.join(", "));
    }
    if let Some(issue) = &scenario.known_issue {
        let _ = writeln!(out, "* shows the known issue {issue}");
    }
    if variants.len() > 1 {
        let names: Vec<_> = variants
            .iter()
            .map(|variant| format!("`{}`", variant.name))
            .collect();
        let _ = writeln!(out, "* variants: {}", names.join(", "));
    }
    let needs = chosen.needs();
    if !needs.is_empty() {
        let _ = writeln!(out, "* needs: {needs}");
    }
    for (check, reason) in &scenario.waived {
        let check = serde_json::to_value(check).unwrap_or_default();
        let _ = writeln!(
            out,
            "* waives `{}`: {}",
            check.as_str().unwrap_or_default(),
            one_line(reason)
        );
    }
    if let Some(variant) = variants.first() {
        let _ = writeln!(out, "\nSteps of `{}`:\n", variant.name);
        for planned in &variant.steps {
            let _ = writeln!(
                out,
                "{}. {}",
                planned.number,
                one_line(&planned.step.to_string())
            );
        }
    }
}

fn requirements(out: &mut String, chosen: &[Chosen<'_>]) {
    let mut covered: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Chosen { scenario, .. } in chosen {
        for requirement in &scenario.requirements {
            covered
                .entry(requirement.as_str())
                .or_default()
                .push(&scenario.name);
        }
    }
    out.push_str("\n## Requirements\n\n| requirement | covered by |\n|---|---|\n");
    for (requirement, scenarios) in covered {
        let _ = writeln!(out, "| {requirement} | {} |", links(&scenarios));
    }
}

/// Links to sections of the page.
fn links(scenarios: &[&str]) -> String {
    let links: Vec<_> = scenarios
        .iter()
        .map(|name| format!("[{name}](#{name})"))
        .collect();
    links.join(", ")
}

/// Text in one line, with nothing that Markdown takes for the end of a table's cell.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}
