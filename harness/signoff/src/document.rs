//! The sign-off for people: one HTML file, without scripts or anything from elsewhere, that prints on A4.

use crate::evidence::Evidence;
use crate::judge::{Judgement, Standing};
use crate::policy::{Terms, Waiver, Waives};
use jiff::Timestamp;
use std::fmt;
use std::fmt::Write as _;

const STYLE: &str = "\
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem;break-after:avoid}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #8886}
thead{display:table-header-group}tr{break-inside:avoid}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
.verdict{font-weight:700;border:2px solid;padding:.4rem .8rem;display:inline-block;margin:1rem 0}
@media print{body{margin:0;max-width:none;font-size:10pt}code{font-size:8pt}@page{size:A4;margin:18mm}}";

/// Text of a person or a file, in HTML.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A page that is being written.
struct Page(String);

impl Page {
    fn heading(&mut self, text: &str) {
        self.0.push_str(&format!("<h2>{}</h2>\n", Text(text)));
    }

    fn paragraph(&mut self, text: &str) {
        self.0.push_str(&format!("<p>{}</p>\n", Text(text)));
    }

    /// A table whose cells are texts; those of columns that start with `#` are names of things.
    fn table(&mut self, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        self.0.push_str("<table><thead><tr>");
        for title in head {
            let title = Text(title.trim_start_matches('#'));
            self.0.push_str(&format!("<th scope=\"col\">{title}</th>"));
        }
        self.0.push_str("</tr></thead><tbody>\n");
        for row in rows {
            self.0.push_str("<tr>");
            for (title, cell) in head.iter().zip(&row) {
                let cell = Text(cell);
                let cell = if title.starts_with('#') {
                    format!("<td><code>{cell}</code></td>")
                } else {
                    format!("<td>{cell}</td>")
                };
                self.0.push_str(&cell);
            }
            self.0.push_str("</tr>\n");
        }
        self.0.push_str("</tbody></table>\n");
    }
}

/// The document.
pub(crate) fn document(terms: &Terms, judgement: &Judgement, runs: &[Evidence]) -> String {
    let release = format!("{} {}", terms.release.name, terms.release.version);
    let mut page = Page(String::new());
    page.0.push_str(&format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Sign-off of {0}</title>\n\
         <style>{STYLE}</style></head><body>\n<h1>Firmware update sign-off</h1>\n<p>{0}</p>\n",
        Text(&release)
    ));
    let verdict = match (judgement.is_signed_off(), judgement.warnings.is_empty()) {
        (true, true) => "SIGNED OFF",
        (true, false) => "SIGNED OFF, WITH WARNINGS",
        (false, _) => "REFUSED",
    };
    page.0
        .push_str(&format!("<p class=\"verdict\">{verdict}</p>\n"));
    page.paragraph(&format!(
        "Judged on {} by policy \u{201c}{}\u{201d} (SHA-256 {}). This page is a reading copy: what counts are the signed \
         files beside it, checked with dfu-hil verify.",
        date(judgement.at), terms.policy, terms.policy_digest
    ));
    if !judgement.refusals.is_empty() {
        page.heading("Why it is refused");
        let rows = judgement.refusals.iter();
        page.table(
            &["Rule", "What was found", "What to do"],
            rows.map(|refusal| {
                vec![
                    refusal.rule.word().to_owned(),
                    refusal.text.clone(),
                    refusal.help.clone(),
                ]
            }),
        );
    }
    if !judgement.warnings.is_empty() {
        page.heading("Warnings");
        let rows = judgement.warnings.iter();
        page.table(
            &["What a reader should know"],
            rows.map(|text| vec![text.clone()]),
        );
    }
    page.heading("Waivers");
    if judgement.waived.is_empty() {
        page.paragraph("Nothing was waived.");
    } else {
        let rows = judgement.waived.iter();
        page.table(
            &["#What", "Why", "Who answers for it", "Until"],
            rows.map(waiver),
        );
    }
    page.heading("Firmware files");
    let files = terms.files();
    page.table(
        &["#File", "#SHA-256"],
        files
            .iter()
            .map(|file| vec![file.name.clone(), file.sha256.to_string()]),
    );
    page.heading("Runs");
    page.table(
        &[
            "#Run",
            "Began",
            "Tool",
            "Boards",
            "#SHA-256 of the manifest",
        ],
        runs.iter().map(run),
    );
    page.heading("Requirements");
    page.table(
        &["#Requirement", "What must be so", "Source", "#Scenarios"],
        judgement.matrix.requirements.iter().map(|row| {
            let by: Vec<String> = row
                .by
                .iter()
                .map(|(name, counts)| match counts {
                    true => name.clone(),
                    false => format!("{name} (does not count)"),
                })
                .collect();
            vec![
                row.requirement.id.to_string(),
                row.requirement.text.clone(),
                row.requirement.source.clone(),
                if by.is_empty() {
                    "none".to_owned()
                } else {
                    by.join(", ")
                },
            ]
        }),
    );
    page.heading("Scenarios");
    page.table(
        &["#Scenario", "Result", "#Requirements", "Passes", "#Boards"],
        judgement.scenarios.iter().map(|found| {
            let standing = match found.standing {
                Standing::Passed => "passed",
                Standing::Warned => "passed, with a warning",
                Standing::Waived => "waived",
                Standing::Refused => "refused",
            };
            let requirements = judgement.matrix.scenarios.get(&found.name);
            vec![
                found.name.clone(),
                standing.to_owned(),
                requirements.map_or_else(String::new, |ids| ids.join(", ")),
                found.passes.to_string(),
                found.boards.join(", "),
            ]
        }),
    );
    if !terms.excluded.is_empty() {
        page.heading("Scenarios that the release cannot have");
        page.table(
            &["#Scenario", "Why"],
            terms
                .excluded
                .iter()
                .map(|one| vec![one.name.clone(), one.reason.clone()]),
        );
    }
    page.0.push_str("</body></html>\n");
    page.0
}

/// A date for people.
fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn run(run: &Evidence) -> Vec<String> {
    let record = &run.record;
    let boards = record.rig.boards.iter();
    let boards: Vec<String> = boards
        .map(|board| format!("{}/{}: {}", record.rig.name, board.name, board.description))
        .collect();
    vec![
        record.run.clone(),
        date(record.started),
        format!("{} {}", record.tool.name, record.tool.version),
        boards.join("; "),
        run.manifest.to_string(),
    ]
}

fn waiver(waiver: &Waiver) -> Vec<String> {
    let what = match &waiver.waives {
        Waives::Skip(pattern) => format!("skip: {pattern}"),
        Waives::Retry(pattern) => format!("retry: {pattern}"),
        Waives::Uncovered(id) => format!("uncovered: {id}"),
    };
    vec![
        what,
        waiver.reason.clone(),
        waiver.by.clone(),
        waiver.expires.to_string(),
    ]
}
