//! CTRF as its reference implementation sees it: the npm package `ctrf`, whose folder `DFU_HIL_CTRF` names. Without it the test
//! says `skipped` and passes, unless `DFU_HIL_REQUIRE_PEERS` is set (CI sets both).

mod support;

use hil_report::ctrf;
use std::process::Command;
use support::{hostile, record, tried_again};

/// Reads a report, and ends with 0 when it is valid.
const VALIDATE: &str = "
const [, folder, file] = process.argv;
import(folder + '/dist/index.js').then((ctrf) => {
  const found = ctrf.validate(JSON.parse(require('fs').readFileSync(file)));
  console.log(JSON.stringify(found));
  process.exit(found.valid ? 0 : 1);
});";

#[test]
fn the_reference_implementation_takes_the_report_and_refuses_a_damaged_one() {
    let Some(package) = std::env::var_os("DFU_HIL_CTRF") else {
        assert!(
            std::env::var_os("DFU_HIL_REQUIRE_PEERS").is_none(),
            "DFU_HIL_REQUIRE_PEERS is set, but DFU_HIL_CTRF is not"
        );
        println!("skipped: DFU_HIL_CTRF does not name the folder of the npm package `ctrf`");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ctrf.json");
    let validate = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let output = Command::new("node")
            .arg("-e")
            .arg(VALIDATE)
            .arg(&package)
            .arg(&file)
            .output()
            .expect("node starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        println!("{said}");
        (output.status.code(), said)
    };
    let report = ctrf(&record(&hostile()));
    assert_eq!(validate(&report).0, Some(0));
    assert_eq!(validate(&ctrf(&record(&tried_again()))).0, Some(0));
    let damaged = report.replace("\"rawStatus\"", "\"verdict\"");
    let (code, said) = validate(&damaged);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("\"valid\":false"), "{said}");
}
