//! What a fault of the link does to the steps around it.

mod support;

use hil_record::{EventKind, RunDirectory, read_journal};
use support::Desk;

const SCENARIO: &str = "\
scenario: asked-twice
summary: A reset whose request is lost is asked for again.
needs: { bootloader: { mode: swap-move } }
steps:
  - program: baseline
  - expect_boot: { app: baseline, within: 60s }
  - reset: { by: smp, transport_faults: [{ drop: request }] }
  - expect_boot: { app: baseline, within: 60s }
";

/// Zephyr resets 250 ms after its answer: until then what ran before answers still.
#[test]
fn a_board_that_was_asked_twice_for_a_reset_has_booted_before_its_boot_is_believed() {
    let desk = Desk::new(1, 1);
    desk.write("twice.yaml", SCENARIO);
    let ended = desk.run(&["run", "twice.yaml", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let folder = RunDirectory::at(&desk.runs()[0]);
    let journal = read_journal(&folder.journal()).expect("the run left a journal");
    let position = |wanted: &dyn Fn(&EventKind) -> bool| {
        let found = journal.events.iter().rposition(|event| wanted(&event.kind));
        found.expect("it happened")
    };
    let boot = position(
        &|event| matches!(event, EventKind::Console { text, .. } if text.contains("Booting MCUboot")),
    );
    let believed = position(&|event| matches!(event, EventKind::StepFinished { number: 4, .. }));
    assert!(
        boot < believed,
        "the boot is event {boot}, the step ended with {believed}"
    );
}
