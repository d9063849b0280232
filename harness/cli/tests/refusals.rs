//! Where scenarios say that an image must be refused is where the model of the demo sets' bootloaders refuses it.
//!
//! The scenarios say it to people, in a table; the model knows it for any firmware set. Neither may be wrong alone.

mod support;

use hil_image::{Damage, Image, PublicKey, StoredPayload, Verifier};
use hil_runner::{Firmware, Foretold, foretell};
use hil_scenario::{
    BoardFeature, Capabilities, Core, ExpectRefusal, FirmwareSet, ImageRef, Leaves, Refusal,
    Scenario, Step, Transport, load_scenarios,
};
use rstest::rstest;
use std::fmt::Write as _;
use std::path::Path;
use virtual_dk::demo::{Variant, write_firmware_set};

fn demo(folder: &Path, variant: Variant) -> Firmware {
    let file = write_firmware_set(folder, variant).expect("the folder can be written to");
    let set = FirmwareSet::load(file).expect("the demo set is in order");
    Firmware::new(set).expect("the demo set is in order")
}

/// The refusals of a scenario on a board with this firmware; none where it does not run there.
fn refusals(scenario: &Scenario, set: &FirmwareSet) -> Vec<(String, ExpectRefusal)> {
    let board = Capabilities {
        board: "any".to_owned(),
        features: [
            BoardFeature::Power,
            BoardFeature::PinReset,
            BoardFeature::AppConsole,
            BoardFeature::NetConsole,
            BoardFeature::SecondAdapter,
            BoardFeature::ExternalFlash,
        ]
        .into(),
        transports: [Transport::Uart, Transport::Ble].into(),
        bootloader: &set.bootloader,
    };
    scenario
        .variants()
        .iter()
        .filter(|variant| variant.unmet(&board).is_none())
        .flat_map(|variant| {
            variant.steps.iter().filter_map(|planned| {
                let Step::ExpectRefusal(refusal) = &planned.step else {
                    return None;
                };
                let at = format!("{} step {}", variant.name, planned.number);
                Some((at, refusal.clone()))
            })
        })
        .collect()
}

fn agrees(wanted: &Refusal, foretold: &Foretold) -> bool {
    match (wanted, foretold) {
        (Refusal::Upload(code), Foretold::Upload(found))
        | (Refusal::Mark(code), Foretold::Mark(found)) => code.name() == *found,
        (
            Refusal::Boot { says, leaves },
            Foretold::Boot {
                console,
                leaves: found,
            },
        ) => {
            let said = says
                .as_ref()
                .is_none_or(|text| console.iter().any(|line| line.contains(text)));
            leaves == found && said
        }
        _ => false,
    }
}

#[test]
fn what_scenarios_say_of_refusals_is_what_the_bootloader_model_does() {
    let scenarios = load_scenarios(&[support::library()]).expect("the library is in order");
    let mut compared = 0;
    let mut wrong = String::new();
    for &variant in Variant::ALL {
        let folder = tempfile::tempdir().expect("a folder for the set");
        let firmware = demo(folder.path(), variant);
        for (at, refusal) in scenarios
            .iter()
            .flat_map(|scenario| refusals(scenario, firmware.set()))
        {
            if firmware.set().image(&refusal.image).is_err() {
                continue;
            }
            let foretold = foretell(&firmware, "baseline", &refusal.image);
            compared += 1;
            if !foretold
                .as_ref()
                .is_ok_and(|foretold| agrees(&refusal.refusal, foretold))
            {
                let name = variant.name();
                writeln!(
                    wrong,
                    "{name}: {at}: {refusal}, but the model: {foretold:?}"
                )
                .expect("writing to a String cannot fail");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compared > 40, "{compared} refusals compared");
}

/// The whole table, for one set of each mode: every damage, and where the model says that it ends.
#[rstest]
#[case::swap("swap-move-ecdsa-ec256")]
#[case::overwrite("overwrite-rsa2048")]
#[case::security_counter("swap-move-security-counter")]
fn every_damage_of_an_application_ends_where_the_table_says(#[case] name: &str) {
    let variant: Variant = name.parse().expect("a demo set");
    let folder = tempfile::tempdir().expect("a folder for the set");
    let firmware = demo(folder.path(), variant);
    insta::assert_snapshot!(
        format!("damages-app-{name}"),
        table(&firmware, "update", Core::App)
    );
}

#[test]
fn every_damage_of_an_encrypted_application_ends_where_the_table_says() {
    let folder = tempfile::tempdir().expect("a folder for the set");
    let firmware = demo(folder.path(), Variant::default());
    insta::assert_snapshot!(
        "damages-encrypted",
        table(&firmware, "encrypted", Core::App)
    );
}

#[test]
fn every_damage_of_a_network_core_image_ends_where_the_table_says() {
    let folder = tempfile::tempdir().expect("a folder for the set");
    let firmware = demo(folder.path(), Variant::default());
    insta::assert_snapshot!("damages-net", table(&firmware, "update", Core::Net));
}

fn table(firmware: &Firmware, release: &str, core: Core) -> String {
    let mut text = String::new();
    for damage in Damage::ALL {
        let role = ImageRef::new(format!("{release}+{damage}"), core);
        let ends = match foretell(firmware, "baseline", &role) {
            Err(why) => format!("- ({why})"),
            Ok(Foretold::Upload(code)) => format!("upload: {code}"),
            Ok(Foretold::Mark(code)) => format!("mark: {code}"),
            Ok(Foretold::Taken) => "taken".to_owned(),
            Ok(Foretold::Boot { console, leaves }) => {
                let leaves = match leaves {
                    Leaves::Erased => "slot erased",
                    Leaves::Image => "image stays",
                    Leaves::Request => "image and request stay",
                    Leaves::Rest => "all but the first sector stays",
                };
                let said = console
                    .iter()
                    .find(|line| line.starts_with("E: ") || line.contains("erased due to"));
                format!("boot: {leaves}; {}", said.map_or("", String::as_str))
            }
        };
        writeln!(text, "{damage:<20} {ends}").expect("writing to a String cannot fail");
    }
    text
}

/// The bootloader's judgement in `hil-image` knows nothing of slots, servers and cores; where it refuses an image, that
/// image must never run.
#[test]
fn what_the_verifier_refuses_is_never_taken() {
    for name in ["swap-move-ecdsa-ec256", "overwrite-rsa2048"] {
        let folder = tempfile::tempdir().expect("a folder for the set");
        let firmware = demo(folder.path(), name.parse().expect("a demo set"));
        let pem = std::fs::read_to_string(folder.path().join("keys/signing.pub.pem"))
            .expect("the set has it");
        let key = PublicKey::from_pem(&pem).expect("a public key");
        for core in Core::ALL {
            for damage in Damage::ALL {
                let role = ImageRef::new(format!("update+{damage}"), core);
                let Ok(bytes) = firmware.bytes_of(&role) else {
                    continue;
                };
                let verifier = Verifier::new([key.clone()]).stored(StoredPayload::AsFlagged);
                let good = Image::parse(&bytes).is_ok_and(|image| verifier.verify(&image).is_ok());
                let foretold = foretell(&firmware, "baseline", &role).expect("it can be made");
                assert!(
                    good || foretold != Foretold::Taken,
                    "{name} {role}: the verifier refuses it, and it is taken"
                );
            }
        }
    }
}
