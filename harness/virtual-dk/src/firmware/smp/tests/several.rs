//! An application for two images: numbers of images and slots, and what is asked of which.

use hil_smp::Map;
use rstest::rstest;

use super::{Device, NET_SECONDARY, SECONDARY, SLOT, client, hash, image, two_images};
use crate::model::{EraseAnswer, MarkRules, SmpModel};

/// Room for two images in a list (`MCUMGR_GRP_IMG_UPDATABLE_IMAGE_NUMBER` wants 512 bytes).
fn roomy() -> SmpModel {
    SmpModel {
        buf_size: 2475,
        ..SmpModel::default()
    }
}

fn device(smp: SmpModel) -> Device {
    let device = Device::built_for(smp, two_images());
    device.program(SECONDARY, &image("2.0.0"));
    device.program(NET_SECONDARY, &image("3.0.0"));
    device
}

/// The list with image numbers: `0.1 2.0.0 bootable pending`.
fn listed(packet: &[u8]) -> Vec<String> {
    let body = client::body(packet);
    let numbers: Vec<u32> = body
        .require::<Vec<Map>>("images")
        .expect("a list")
        .iter()
        .map(|entry| entry.require("image").expect("a number"))
        .collect();
    let lines = client::images(&body);
    let pairs = numbers.iter().zip(lines);
    pairs
        .map(|(image, line)| format!("{image}.{line}"))
        .collect()
}

/// Sends requests, and returns the list that comes of them.
fn after(device: &Device, requests: Vec<Vec<u8>>) -> Vec<String> {
    let all: Vec<_> = requests.into_iter().chain([client::list()]).collect();
    let boot = device.boot(&all);
    listed(boot.packets.last().expect("the list is answered"))
}

#[test]
fn the_list_has_image_numbers_and_nothing_of_the_network_cores_primary_slot() {
    assert_eq!(
        after(&device(roomy()), vec![]),
        [
            "0.0 1.0.0 bootable confirmed active",
            "0.1 2.0.0 bootable",
            "1.1 3.0.0 bootable",
        ]
    );
}

#[rstest]
#[case::network_image_first(["3.0.0", "2.0.0"])]
#[case::application_first(["2.0.0", "3.0.0"])]
fn both_images_can_be_tested_in_any_order(#[case] order: [&str; 2]) {
    let requests = order
        .map(|version| client::test(&hash(&image(version))))
        .to_vec();
    assert_eq!(
        after(&device(roomy()), requests),
        [
            "0.0 1.0.0 bootable confirmed active",
            "0.1 2.0.0 bootable pending",
            "1.1 3.0.0 bootable pending",
        ]
    );
}

#[rstest]
#[case::network_image_first(["3.0.0", "2.0.0"], "1.1 3.0.0 bootable pending")]
#[case::application_first(["2.0.0", "3.0.0"], "1.1 3.0.0 bootable")]
fn a_server_that_asks_for_the_running_image_only_forgets_the_one_that_is_marked_second(
    #[case] order: [&str; 2],
    #[case] network: &str,
) {
    let device = device(SmpModel {
        mark_rules: MarkRules::RunningImage,
        ..roomy()
    });
    let requests: Vec<_> = order
        .map(|version| client::test(&hash(&image(version))))
        .to_vec();
    let boot = device.boot(&requests);
    for packet in &boot.packets {
        assert_eq!(client::error(&client::body(packet)), "", "no error is told");
    }
    assert_eq!(
        listed(boot.packets.last().expect("an answer")),
        [
            "0.0 1.0.0 bootable confirmed active",
            "0.1 2.0.0 bootable pending",
            network,
        ]
    );
}

#[test]
fn a_permanent_request_for_the_network_image_is_written_to_its_own_slot() {
    let request = client::confirm(Some(&hash(&image("3.0.0"))));
    assert_eq!(
        after(&device(roomy()), vec![request])[2],
        "1.1 3.0.0 bootable pending permanent"
    );
}

/// What clients do after the reset: the image is on the network core and in no slot any more.
#[test]
fn a_network_image_that_was_installed_cannot_be_confirmed() {
    let device = Device::built_for(roomy(), two_images());
    let request = client::confirm(Some(&hash(&image("3.0.0"))));
    assert_eq!(device.answer(request), "err 1:8");
}

#[rstest]
#[case::application(0, SECONDARY)]
#[case::network_core(1, NET_SECONDARY)]
fn an_upload_goes_where_its_image_number_says(#[case] number: u32, #[case] slot: u32) {
    let device = Device::built_for(roomy(), two_images());
    let file = image("4.0.0");
    let first = Map::new()
        .with("image", number)
        .with("off", 0)
        .with("len", file.len() as u32)
        .with("data", file[..2048].to_vec());
    let mut requests = vec![client::request(2, 1, 1, &first)];
    requests.extend(client::upload(&file).into_iter().skip(1));
    device.boot(&requests);
    assert_eq!(device.board.flash(slot, file.len()), file);
    let other = SECONDARY + NET_SECONDARY - slot;
    assert_eq!(device.board.flash(other, 4), [0xff; 4]);
}

#[test]
fn an_upload_for_an_image_that_is_not_there_finds_no_slot() {
    let file = image("4.0.0");
    let first = Map::new()
        .with("image", 2)
        .with("off", 0)
        .with("len", file.len() as u32)
        .with("data", file[..512].to_vec());
    let device = Device::built_for(roomy(), two_images());
    assert_eq!(device.answer(client::request(2, 1, 1, &first)), "err 1:9");
}

#[rstest]
#[case::by_default_the_applications(None, "ok", [true, false])]
#[case::the_applications(Some(1), "ok", [true, false])]
#[case::the_network_cores(Some(3), "ok", [false, true])]
#[case::what_runs(Some(0), "err 1:9", [false, false])]
#[case::the_simulated_one_is_blank(Some(2), "ok", [false, false])]
#[case::no_such_slot(Some(4), "err 1:14", [false, false])]
fn slots_to_erase_are_counted_over_all_images(
    #[case] slot: Option<u32>,
    #[case] expected: &str,
    #[case] erased: [bool; 2],
) {
    let device = device(roomy());
    let request = client::request(2, 1, 5, &Map::new().with_some("slot", slot));
    assert_eq!(device.answer(request), expected);
    let blank = |slot| device.board.flash(slot, 4) == [0xff; 4];
    assert_eq!([blank(SECONDARY), blank(NET_SECONDARY)], erased);
}

#[test]
fn an_old_server_says_that_it_failed_to_erase_what_it_erased() {
    let device = device(SmpModel {
        erase_answer: EraseAnswer::Failure,
        ..roomy()
    });
    let request = client::request(2, 1, 5, &Map::new().with("slot", 3));
    assert_eq!(device.answer(request), "rc 1");
    assert_eq!(device.board.flash(NET_SECONDARY, 4), [0xff; 4]);
}

#[test]
fn slot_information_has_both_images_and_where_their_uploads_go() {
    let boot =
        Device::built_for(roomy(), two_images()).boot(&[client::request(0, 1, 6, &Map::new())]);
    let images: Vec<Map> = client::body(&boot.packets[0])
        .require("images")
        .expect("a list");
    for (number, image) in (0_u32..).zip(&images) {
        assert_eq!(image.get("image"), Ok(Some(number)));
        let slots: Vec<Map> = image.require("slots").expect("a list");
        assert_eq!(slots[0], Map::new().with("slot", 0).with("size", SLOT));
        let secondary = Map::new().with("slot", 1).with("size", SLOT);
        assert_eq!(slots[1], secondary.with("upload_image_id", number));
    }
    assert_eq!(images.len(), 2);
}
