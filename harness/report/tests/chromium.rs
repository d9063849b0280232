//! The HTML report in a real browser: quiet, filtered, used with the keyboard, read by an accessibility checker, printed.
//!
//! Needs Chromium (`DFU_HIL_CHROMIUM` names the program) and playwright and axe in the Python environment that
//! `DFU_HIL_PEERS` names. Without them the tests say `skipped` and pass, unless `DFU_HIL_REQUIRE_PEERS` is set (CI sets it).
//! `DFU_HIL_SCREENSHOTS` names a folder that keeps the screenshots and the PDF.

mod support;

use hil_report::{html, index};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{hostile, large, overview, record, swept};

/// Chromium, and the Python that has playwright.
fn browser() -> Option<(PathBuf, PathBuf)> {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let found = path("DFU_HIL_CHROMIUM").zip(path("DFU_HIL_PEERS"));
    if found.is_none() {
        assert!(
            path("DFU_HIL_REQUIRE_PEERS").is_none(),
            "DFU_HIL_REQUIRE_PEERS is set, but DFU_HIL_CHROMIUM or DFU_HIL_PEERS is not"
        );
        println!(
            "skipped: DFU_HIL_CHROMIUM and DFU_HIL_PEERS do not name Chromium and the Python tools"
        );
    }
    found.map(|(chromium, tools)| (chromium, tools.join("python")))
}

fn browse(arguments: [&str; 3]) {
    let Some((chromium, python)) = browser() else {
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/browse.py");
    let output = Command::new(&python)
        .arg(script)
        .arg(chromium)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_report_is_read_filtered_and_printed_in_a_browser() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    let events = hostile();
    std::fs::write(&page, html(&record(&events), &events)).unwrap();
    let shots = shots(folder.path());
    browse(["hostile", page.to_str().unwrap(), shots.to_str().unwrap()]);
}

/// Where screenshots go, and whether somebody keeps them.
fn shots(folder: &Path) -> PathBuf {
    let kept = std::env::var_os("DFU_HIL_SCREENSHOTS").map(PathBuf::from);
    kept.unwrap_or_else(|| folder.join("shots"))
}

#[test]
fn a_sweep_is_a_map_of_its_points_with_the_bad_ones_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    let events = swept();
    std::fs::write(&page, html(&record(&events), &events)).unwrap();
    let shots = shots(folder.path());
    browse(["sweep", page.to_str().unwrap(), shots.to_str().unwrap()]);
}

#[test]
fn the_page_over_all_runs_is_read_without_scripts_and_printed() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("index.html");
    std::fs::write(&page, index(&overview(), Path::new("/bench/reports"))).unwrap();
    let shots = shots(folder.path());
    browse(["index", page.to_str().unwrap(), shots.to_str().unwrap()]);
}

#[test]
fn ten_thousand_results_can_be_browsed() {
    if browser().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    let events = large(10_000);
    std::fs::write(&page, html(&record(&events), &events)).unwrap();
    browse(["large", page.to_str().unwrap(), "10000"]);
}
