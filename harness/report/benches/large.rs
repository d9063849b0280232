//! How long the reports of ten thousand results take, and how large they are. Prints numbers, asserts nothing.

#[path = "../tests/support/mod.rs"]
mod support;

use hil_clock::{Clock as _, SystemClock};
use hil_report::{ctrf, html, json, junit, markdown};
use support::{large, record};

const RESULTS: usize = 10_000;

fn main() {
    let events = large(RESULTS);
    println!("{RESULTS} results, {} events", events.len());
    let clock = SystemClock::new();
    let measure = |name: &str, make: &dyn Fn() -> usize| {
        let start = clock.now();
        let size = make();
        let took = clock.now().saturating_since(start);
        println!(
            "{name:>12}: {:6.2} s, {:7.2} MB",
            took.as_secs_f64(),
            size as f64 / 1e6
        );
    };
    measure("record", &|| record(&events).scenarios.len());
    let record = record(&events);
    measure("report.html", &|| html(&record, &events).len());
    measure("result.json", &|| json(&record).len());
    measure("junit.xml", &|| junit(&record).len());
    measure("ctrf.json", &|| ctrf(&record).len());
    measure("summary.md", &|| markdown(&record).len());
    // Linux tells the most memory that a process had.
    if let Ok(status) = std::fs::read_to_string("/proc/self/status")
        && let Some(peak) = status.lines().find(|line| line.starts_with("VmHWM"))
    {
        println!(
            "most memory, with all events in it: {}",
            peak["VmHWM:".len()..].trim()
        );
    }
}
