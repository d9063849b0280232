//! What a sweep leaves: each of its points is judged again from the evidence, and a changed byte is found with the point.

mod support;

use hil_record::{Check, Event, EventKind, Evidence, Objects, RunDirectory, read_journal};
use std::fs;
use std::path::{Path, PathBuf};
use support::forgery::forge;
use support::{Desk, Ended};

/// A request has a few operations, and what a cut leaves is mostly not what the whole request does.
const REQUEST: &str = "\
scenario: request
summary: A permanent request is interrupted.
needs: { bootloader: { mode: swap-move } }
steps:
  - program: baseline
  - expect_boot: { app: baseline, within: 20s }
  - upload: { image: update.app }
  - sweep: { during: { mark: { image: update.app, as: confirmed } }, cuts: every, boots: [baseline, update], within: 20s }
  - expect_boot: { app: baseline, within: 20s }
";

/// One point, and the board is updated once more after it.
const LATER: &str = "\
scenario: request
summary: A request is interrupted, and another update goes in.
needs: { bootloader: { mode: swap-move } }
steps:
  - program: baseline
  - expect_boot: { app: baseline, within: 20s }
  - upload: { image: update.app }
  - sweep: { during: { mark: { image: update.app, as: test } }, cuts: { sample: 1 }, boots: [baseline, update], later_update: [hotfix], within: 20s }
  - expect_boot: { app: baseline, within: 20s }
";

const ENCRYPTED: &str = "\
scenario: encrypted
summary: A swap to an encrypted update is interrupted.
needs: { bootloader: { mode: swap-move, encryption: ec256 } }
steps:
  - program: baseline
  - expect_boot: { app: baseline, within: 20s }
  - upload: { image: encrypted.app }
  - mark: { image: encrypted.app, as: test }
  - sweep: { cuts: { sample: 2 }, boots: [encrypted], in_recovery: 1, within: 20s }
  - expect_boot: { app: encrypted, within: 20s }
";

/// A run of a scenario that passed.
fn ran(scenario: &str) -> (Desk, PathBuf) {
    let desk = Desk::new(1, 20);
    assert_eq!(desk.run(&["demo-firmware", "demo"]).code, Some(0));
    desk.write("sweep.yaml", scenario);
    let ended = desk.run(&[
        "run",
        "sweep.yaml",
        "--rig",
        "rig.yaml",
        "--firmware",
        "demo/firmware.yaml",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let run = desk.runs().pop().expect("it ran");
    (desk, run)
}

fn replay(desk: &Desk, run: &Path, more: &[&str]) -> Ended {
    let run = run.to_string_lossy().into_owned();
    desk.run(&[&["replay", &run], more].concat())
}

/// A cut, and a page of what it left that no other look has seen.
fn a_page_of_a_point(run: &Path) -> (String, String) {
    let journal = read_journal(&RunDirectory::at(run).journal()).expect("the run left a journal");
    let looks: Vec<&Check> = journal
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Checked(made) => Some(&made.check),
            _ => None,
        })
        .collect();
    let page = looks.iter().find_map(|look| {
        let Check::SweepCameTo { cut: Some(cut), .. } = look else {
            return None;
        };
        let seen_elsewhere = |page: &str| {
            let mut others = looks.iter().filter(|other| *other != look);
            others.any(|other| other.objects().contains(&page))
        };
        let mut pages = look.objects().into_iter();
        let page = pages.find(|page| !seen_elsewhere(page));
        page.map(|page| (cut.clone(), page.to_owned()))
    });
    page.expect("a cut in a request leaves something that nothing else does")
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder is ours");
    for entry in fs::read_dir(from).expect("it is there").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("the folder is ours");
        }
    }
}

/// What somebody does to a journal, and what is said of it.
type Forgery = (&'static str, fn(&mut Event, &str, &str), &'static str);

/// Forgeries of one point, which is given with the digest of another page.
const FORGERIES: [Forgery; 6] = [
    (
        "another image ran",
        |event, cut, _| {
            if let Some(Check::SweepCameTo { runs, .. }) = look(event, cut) {
                *runs = Some("00".repeat(32));
            }
        },
        "an image with hash 00000000 runs, expected baseline or update",
    ),
    (
        "no image ran",
        |event, cut, _| {
            if let Some(Check::SweepCameTo { runs, .. }) = look(event, cut) {
                *runs = None;
            }
        },
        "no application answered",
    ),
    (
        "a page was exchanged",
        |event, cut, other| {
            if let Some(Check::SweepCameTo { found, .. }) = look(event, cut) {
                found[0].changed[0].found = Some(other.to_owned());
            }
        },
        "flash is not as the model predicts of this cut",
    ),
    (
        "the look was taken out",
        |event, cut, _| {
            if look(event, cut).is_some() {
                event.kind = nothing();
            }
        },
        "the journal has no look at the flash after cut",
    ),
    (
        "it came to something else",
        |event, cut, _| {
            if let EventKind::SweepPoint(point) = &mut event.kind
                && point.cut == cut
            {
                point.came_to = "boots update, flash as without the cut".to_owned();
            }
        },
        "by the evidence, the journal says `boots update, flash as without the cut`",
    ),
    (
        "more points were counted than there were",
        |event, _, _| {
            if let EventKind::StepFinished { evidence, .. } = &mut event.kind {
                for seen in evidence {
                    if seen.what == Evidence::CUT_POINTS {
                        seen.found = "400".to_owned();
                    }
                }
            }
        },
        "it says that the power was cut at 400 points",
    ),
];

/// The look at what a cut came to, if it is that event.
fn look<'a>(event: &'a mut Event, at: &str) -> Option<&'a mut Check> {
    let EventKind::Checked(made) = &mut event.kind else {
        return None;
    };
    let is_it = matches!(&made.check, Check::SweepCameTo { cut: Some(cut), .. } if cut == at);
    is_it.then_some(&mut made.check)
}

fn nothing() -> EventKind {
    EventKind::Note {
        board: None,
        text: "nothing to see".to_owned(),
    }
}

#[test]
fn every_point_is_judged_again_and_a_change_is_found_with_the_point() {
    let (desk, run) = ran(REQUEST);
    let clean = replay(&desk, &run, &[]);
    assert_eq!(clean.code, Some(0), "{}", clean.all());
    assert!(!clean.stdout.contains("not made again"), "{}", clean.all());
    let (cut, page) = a_page_of_a_point(&run);

    let other = Objects::of_run(&run).put(&[0x5A; 4096]).expect("ours");
    for (name, change, says) in FORGERIES {
        let forged = desk.path(&name.replace(' ', "-"));
        copied(&run, &forged);
        forge(&forged, |event| change(event, &cut, &other));
        let found = replay(&desk, &forged, &[]);
        assert_eq!(found.code, Some(1), "{name}: {}", found.all());
        let step = "refused: step 4 `sweep` of scenario `request`: ";
        let told = found.stdout.lines().any(|line| {
            line.starts_with(step)
                && line.contains(says)
                && (line.contains(&cut) || name == "more points were counted than there were")
        });
        assert!(told, "{name}: {}", found.all());
    }

    // A point that is taken out with all that was seen of it is missed by the plan.
    let forged = desk.path("without-a-point");
    copied(&run, &forged);
    forge(&forged, |event| {
        let is_point = matches!(&event.kind, EventKind::SweepPoint(point) if point.cut == cut);
        if is_point || look(event, &cut).is_some() {
            event.kind = nothing();
        }
    });
    let found = replay(&desk, &forged, &[]);
    assert_eq!(found.code, Some(1), "{}", found.all());
    assert!(
        found.stdout.contains("it passed, but of "),
        "{}",
        found.all()
    );

    // And a byte of a page.
    let path = Objects::path_of(&page).expect("it is a digest");
    let mut bytes = fs::read(run.join(&path)).expect("it is in the store");
    bytes[100] ^= 1;
    fs::write(run.join(&path), bytes).expect("the folder is ours");
    let found = replay(&desk, &run, &[]);
    assert_eq!(found.code, Some(1), "{}", found.all());
    let file = format!("refused: `{path}` has changed since the run ended, in step 4 `sweep`");
    let point = format!(
        "refused: step 4 `sweep` of scenario `request`: at cut {cut}: object `{path}` has changed"
    );
    assert!(found.stdout.contains(&file), "{}", found.all());
    assert!(found.stdout.contains(&point), "{}", found.all());
}

/// What is changed of an event, and what is said of it.
type LaterForgery = (&'static str, fn(&mut Event, &str), &'static str);

const LATER_FORGERIES: [LaterForgery; 4] = [
    (
        "another page",
        |event, other| {
            if let Some(Check::SweepUpdated { found, .. }) = later(event) {
                // Some of the pages of the first one are not as after the start without a cut.
                for page in found.iter_mut().flat_map(|shot| &mut shot.changed) {
                    page.found = Some(other.to_owned());
                }
            }
        },
        "but the flash is not what the bootloader model predicts",
    ),
    (
        "another release",
        |event, _| {
            if let Some(Check::SweepUpdated { release, .. }) = later(event) {
                *release = "crashes".to_owned();
            }
        },
        "`crashes` is no later update of the step",
    ),
    (
        "no look",
        |event, _| {
            if later(event).is_some() {
                event.kind = nothing();
            }
        },
        "the journal has no look at the flash after a later update behind cut ",
    ),
    (
        "another end",
        |event, _| {
            if let EventKind::SweepPoint(point) = &mut event.kind {
                point.came_to = point.came_to.replace("hotfix", "update");
            }
        },
        "; then updated to hotfix` by the evidence, the journal says `",
    ),
];

/// The look at what a later update came to, if it is that event.
fn later(event: &mut Event) -> Option<&mut Check> {
    let EventKind::Checked(made) = &mut event.kind else {
        return None;
    };
    let is_it = matches!(&made.check, Check::SweepUpdated { .. });
    is_it.then_some(&mut made.check)
}

#[test]
fn a_later_update_behind_a_point_is_judged_again_and_a_change_of_it_is_found() {
    let (desk, run) = ran(LATER);
    let clean = replay(&desk, &run, &[]);
    assert_eq!(clean.code, Some(0), "{}", clean.all());
    assert!(!clean.stdout.contains("not made again"), "{}", clean.all());
    let other = Objects::of_run(&run).put(&[0x5A; 4096]).expect("ours");
    for (name, change, says) in LATER_FORGERIES {
        let forged = desk.path(&name.replace(' ', "-"));
        copied(&run, &forged);
        forge(&forged, |event| change(event, &other));
        let found = replay(&desk, &forged, &[]);
        assert_eq!(found.code, Some(1), "{name}: {}", found.all());
        let step = "refused: step 4 `sweep` of scenario `request`: ";
        let mut lines = found.stdout.lines();
        assert!(
            lines.any(|line| line.starts_with(step) && line.contains(says)),
            "{name}: {}",
            found.all()
        );
    }
}

#[test]
fn points_of_an_encrypted_update_are_judged_again_with_its_key_only() {
    let (desk, run) = ran(ENCRYPTED);
    let set = hil_scenario::FirmwareSet::load(desk.path("demo/firmware.yaml")).expect("it is one");
    let key = set.keys.encryption.expect("the demo has one");

    let without = replay(&desk, &run, &[]);
    assert_eq!(without.code, Some(0), "{}", without.all());
    let says = "what a cut leads to where a bootloader decrypts into flash needs the key";
    assert!(without.stdout.contains(says), "{}", without.all());

    let with = replay(&desk, &run, &["--decryption-key", &key.to_string_lossy()]);
    assert_eq!(with.code, Some(0), "{}", with.all());
    assert!(!with.stdout.contains("not made again"), "{}", with.all());
}
