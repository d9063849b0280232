//! Every scenario of the library fails, for the right reason, on firmware that breaks what the scenario is about.
//!
//! One test for each scenario, with a harness of its own: the scenarios are found and not listed, and as they mostly wait,
//! more of them run at once than there are processors. `just mutation` runs this and prints how many were caught.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::mutation::{Mutation, folder, names};

/// Scenarios at a time when nothing else is asked for (`--test-threads`).
const AT_ONCE: usize = 10;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let tried = Arc::new(AtomicUsize::new(0));
    let caught = Arc::new(AtomicUsize::new(0));
    let scenarios = names(&support::library());
    let mut trials: Vec<Trial> = scenarios
        .iter()
        .map(|scenario| {
            let (tried, caught) = (tried.clone(), caught.clone());
            let scenario = scenario.clone();
            Trial::test(scenario.clone(), move || {
                tried.fetch_add(1, Ordering::SeqCst);
                let cause = Mutation::of(&scenario)?.catch(&scenario)?;
                caught.fetch_add(1, Ordering::SeqCst);
                println!("caught {scenario}: {cause}");
                Ok(())
            })
        })
        .collect();
    trials.push(Trial::test("every_mutation_has_its_scenario", {
        let scenarios = scenarios.clone();
        move || {
            let left: Vec<String> = names(&folder())
                .into_iter()
                .filter(|name| !scenarios.contains(name))
                .collect();
            if left.is_empty() {
                Ok(())
            } else {
                Err(Failed::from(format!("no scenario for: {left:?}")))
            }
        }
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        println!(
            "mutations: {} of {} caught",
            caught.load(Ordering::SeqCst),
            tried.load(Ordering::SeqCst)
        );
    }
    conclusion.exit_code()
}
