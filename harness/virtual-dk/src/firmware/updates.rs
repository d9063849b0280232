//! Whole updates on a board in memory: everything between the client's bytes and the flash is the real thing.

use hil_bootloader::{Encryption, Line, Mode};
use hil_image::Image;
use rstest::rstest;

use super::client;
use super::sim::{Boot, Ended, SimBoard, WATCHDOG_RESET};
use crate::demo::hex_file::segments;
use crate::demo::{DemoSet, Variant};

/// A board with the baseline, and the set it came from.
struct Bench {
    set: DemoSet,
    board: SimBoard,
}

const PRIMARY: u32 = 0xC000;
const SECONDARY: u32 = 0x4C000;
const SLOT: usize = 0x40000;
const SECTOR: u32 = 0x1000;
const NET: u32 = 0x0100_8800;

/// The answers to the requests of a session begin with those of the upload.
fn session(upload: &[u8], then: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    client::upload(upload).into_iter().chain(then).collect()
}

impl Bench {
    fn new(variant: Variant) -> Self {
        let set = set(variant).clone();
        let board = SimBoard::new();
        for (_, text) in set.baseline() {
            for (address, bytes) in segments(text).expect("the generator wrote it") {
                board.program(address, &bytes);
            }
        }
        Self { set, board }
    }

    fn image(&self, path: &str) -> Vec<u8> {
        self.set.file(path).expect("the demo set has it").to_vec()
    }

    fn app(&self, release: &str) -> Vec<u8> {
        self.image(&format!("{release}/app_update.bin"))
    }

    fn net(&self, release: &str) -> Vec<u8> {
        self.image(&format!("{release}/net_core_app_update.bin"))
    }

    /// Uploads an image, marks it for test, resets.
    fn upload_and_test(&self, image: &[u8]) -> Boot {
        let hash = hash(image);
        let boot = self
            .board
            .boot(&session(image, vec![client::test(&hash), client::reset()]));
        assert_eq!(boot.ended, Ended::Reset, "{:?}", boot.console);
        boot
    }

    fn list(&self) -> Vec<String> {
        let boot = self.board.boot(&[client::list()]);
        client::listed(boot.packets.last().expect("the list is answered"))
    }

    /// Whether the primary slot starts with this file.
    fn primary_holds(&self, image: &[u8]) -> bool {
        self.board.flash(PRIMARY, image.len()) == image
    }

    fn secondary_holds(&self, image: &[u8]) -> bool {
        self.board.flash(SECONDARY, image.len()) == image
    }
}

fn set(variant: Variant) -> &'static DemoSet {
    use std::collections::HashMap;
    use std::sync::{LazyLock, OnceLock};
    static SETS: LazyLock<HashMap<Variant, OnceLock<DemoSet>>> = LazyLock::new(|| {
        let cells = Variant::ALL.iter();
        cells.map(|&variant| (variant, OnceLock::new())).collect()
    });
    SETS[&variant].get_or_init(|| DemoSet::generate(variant))
}

fn hash(image: &[u8]) -> Vec<u8> {
    let image = Image::parse(image).expect("demo images parse");
    image
        .stored_hash()
        .expect("demo images have a hash")
        .1
        .value
        .to_vec()
}

#[rstest]
fn the_baseline_boots_and_answers(
    #[values(Variant::SWAP_MOVE_ECDSA_EC256, Variant::OVERWRITE_RSA2048)] variant: Variant,
) {
    let bench = Bench::new(variant);
    let boot = bench.board.boot(&[client::echo("hello"), client::list()]);
    assert_eq!(boot.ended, Ended::Idle);
    assert!(boot.shows("I: Starting bootloader"), "{:?}", boot.console);
    assert!(
        boot.shows("I: Jumping to the first image slot"),
        "{:?}",
        boot.console
    );
    assert!(
        boot.console
            .iter()
            .any(|line| line == "dfu-hil demo app 1.0.0 (baseline)"),
        "{:?}",
        boot.console
    );
    assert!(
        boot.shows("network core ready, IPC version 1"),
        "{:?}",
        boot.console
    );
    assert_eq!(
        boot.net_console.last().map(String::as_str),
        Some("dfu-hil demo net 1.0.0")
    );
    let echoed: Option<String> = client::body(&boot.packets[0]).get("r").expect("text");
    assert_eq!(echoed.as_deref(), Some("hello"));
    assert_eq!(
        client::listed(&boot.packets[1]),
        ["0 1.0.0 bootable confirmed active"]
    );
}

#[test]
fn a_tested_update_runs_and_stays_when_it_is_confirmed() {
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    let update = bench.app("update");
    let boot = bench.upload_and_test(&update);
    let answer = &boot.packets[boot.packets.len() - 2];
    assert_eq!(
        client::listed(answer),
        [
            "0 1.0.0 bootable confirmed active",
            "1 2.0.0 bootable pending"
        ]
    );
    let boot = bench.board.boot(&[client::list(), client::confirm(None)]);
    assert!(
        boot.shows("dfu-hil demo app 2.0.0 (update)"),
        "{:?}",
        boot.console
    );
    assert_eq!(
        client::listed(&boot.packets[0]),
        ["0 2.0.0 bootable active", "1 1.0.0 bootable confirmed"]
    );
    assert_eq!(
        client::listed(&boot.packets[1]),
        ["0 2.0.0 bootable confirmed active", "1 1.0.0 bootable"]
    );
    assert!(bench.primary_holds(&update));
    assert_eq!(
        bench.list(),
        ["0 2.0.0 bootable confirmed active", "1 1.0.0 bootable"]
    );
    assert_eq!(bench.board.dirty_writes(), 0);
}

#[test]
fn an_update_that_is_not_confirmed_reverts() {
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    let update = bench.app("update");
    bench.upload_and_test(&update);
    assert!(bench.board.start().shows("2.0.0 (update)"));
    assert!(bench.board.start().shows("1.0.0 (baseline)"));
    assert_eq!(
        bench.list(),
        ["0 1.0.0 bootable confirmed active", "1 2.0.0 bootable"]
    );
    assert!(bench.secondary_holds(&update));
}

#[test]
fn every_bootloader_updates_and_only_those_that_swap_take_it_back() {
    // One is there to show what a build that updates nothing does, and some have no slot for an update.
    let updating = |variant: &&Variant| {
        **variant != Variant::FEW_SECTORS && variant.bootloader().has_secondary()
    };
    for &variant in Variant::ALL.iter().filter(updating) {
        let bench = Bench::new(variant);
        bench.upload_and_test(&bench.app("update"));
        let boot = bench.board.start();
        assert!(
            boot.shows("2.0.0 (update)"),
            "{variant:?}: {:?}",
            boot.console
        );
        let next = match variant.bootloader().mode {
            Mode::OverwriteOnly | Mode::SingleSlot => "2.0.0 (update)",
            Mode::SwapMove | Mode::SwapOffset | Mode::SwapScratch => "1.0.0 (baseline)",
        };
        let boot = bench.board.start();
        assert!(boot.shows(next), "{variant:?}: {:?}", boot.console);
        assert_eq!(bench.board.dirty_writes(), 0, "{variant:?}");
    }
}

#[test]
fn an_encrypted_update_runs_with_every_kind_of_encryption() {
    for &variant in Variant::ALL {
        let config = variant.bootloader();
        // Older lines look for the network core's images in the cipher text.
        if config.encryption == Encryption::None
            || config.line != Line::Nordic
            || variant == Variant::FEW_SECTORS
            || !config.has_secondary()
        {
            continue;
        }
        let bench = Bench::new(variant);
        bench.upload_and_test(&bench.app("encrypted"));
        let boot = bench.board.start();
        assert!(
            boot.shows("2.0.0 (encrypted)"),
            "{variant:?}: {:?}",
            boot.console
        );
    }
}

#[test]
fn an_update_for_swap_offset_lies_one_sector_up_until_it_is_swapped_in() {
    let bench = Bench::new(Variant::SWAP_OFFSET_ECDSA_EC256);
    let (baseline, update) = (bench.app("baseline"), bench.app("update"));
    let lies_at =
        |offset, image: &[u8]| bench.board.flash(SECONDARY + offset, image.len()) == image;
    bench.upload_and_test(&update);
    assert!(lies_at(SECTOR, &update));
    assert!(bench.board.flash(SECONDARY, SECTOR as usize) == [0xFF; SECTOR as usize]);
    // Swapped out is one sector down, and the server finds it there as long as it may be wanted back.
    assert_eq!(
        bench.list(),
        ["0 2.0.0 bootable active", "1 1.0.0 bootable confirmed"]
    );
    assert!(lies_at(0, &baseline));
    // Reverted: where it was.
    assert_eq!(
        bench.list(),
        ["0 1.0.0 bootable confirmed active", "1 2.0.0 bootable"]
    );
    assert!(lies_at(SECTOR, &update));
}

#[test]
fn what_a_confirmed_update_left_behind_does_not_hinder_the_next_for_swap_offset() {
    let bench = Bench::new(Variant::SWAP_OFFSET_ECDSA_EC256);
    bench.upload_and_test(&bench.app("update"));
    bench.board.boot(&[client::confirm(None)]);
    assert!(
        bench.board.flash(SECONDARY, 4) != [0xFF; 4],
        "the old image"
    );
    // It is not where the server looks.
    assert_eq!(bench.list(), ["0 2.0.0 bootable confirmed active"]);
    let next = bench.app("self-confirms");
    bench.upload_and_test(&next);
    let boot = bench.board.start();
    assert!(boot.shows("2.0.0 (self-confirms)"), "{:?}", boot.console);
}

#[test]
fn an_update_that_crashes_reverts_by_the_reset_of_its_watchdog() {
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    bench.upload_and_test(&bench.app("crashes"));
    let boot = bench.board.boot(&[]);
    assert!(boot.shows("2.0.0 (crashes)"), "{:?}", boot.console);
    assert!(boot.shows("ZEPHYR FATAL ERROR"), "{:?}", boot.console);
    assert_eq!(boot.ended, Ended::Reset);
    assert!(bench.board.start().shows("1.0.0 (baseline)"));
}

#[test]
fn an_update_that_hangs_reverts_by_the_reset_of_its_watchdog() {
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    bench.upload_and_test(&bench.app("hangs"));
    assert_eq!(bench.board.start().ended, Ended::Reset);
    assert_ne!(
        bench.board.reset_reasons() & WATCHDOG_RESET,
        0,
        "RESETREAS says it was the watchdog"
    );
    assert!(bench.board.start().shows("1.0.0 (baseline)"));
}

#[test]
fn an_update_that_refuses_its_confirmation_reverts() {
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    bench.upload_and_test(&bench.app("never-confirms"));
    let boot = bench.board.boot(&[client::confirm(None)]);
    assert_eq!(client::error(&client::body(&boot.packets[0])), "err 1:32");
    assert!(bench.board.start().shows("1.0.0 (baseline)"));
}

#[test]
fn an_update_that_confirms_itself_stays() {
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    bench.upload_and_test(&bench.app("self-confirms"));
    assert!(bench.board.start().shows("image confirmed"));
    assert!(bench.board.start().shows("2.0.0 (self-confirms)"));
}

#[test]
fn an_update_confirmed_before_it_ran_stays() {
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    let update = bench.app("update");
    let hash = hash(&update);
    let boot = bench.board.boot(&session(
        &update,
        vec![client::confirm(Some(&hash)), client::reset()],
    ));
    let answer = &boot.packets[boot.packets.len() - 2];
    assert_eq!(
        client::listed(answer)[1],
        "1 2.0.0 bootable pending permanent"
    );
    assert!(bench.board.start().shows("2.0.0 (update)"));
    assert!(bench.board.start().shows("2.0.0 (update)"));
}

#[test]
fn an_encrypted_update_lies_encrypted_in_the_secondary_and_plain_in_the_primary() {
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    let update = bench.app("encrypted");
    let name = b"dfu-hil demo app";
    let has_name = |bytes: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    assert!(!has_name(&update), "the file is encrypted");
    bench.upload_and_test(&update);
    assert!(bench.secondary_holds(&update));
    let boot = bench.board.boot(&[client::confirm(None)]);
    assert!(boot.shows("2.0.0 (encrypted)"), "{:?}", boot.console);
    assert!(has_name(&bench.board.flash(PRIMARY, SLOT)));
    assert_eq!(
        bench.list(),
        ["0 2.0.0 bootable confirmed active", "1 1.0.0 bootable"]
    );
}

#[rstest]
#[case::wrong_key("wrong-key")]
#[case::tampered("tampered")]
#[case::unsigned("unsigned")]
#[case::downgrade("downgrade")]
fn an_image_that_must_not_run_is_erased(
    #[case] release: &str,
    #[values(Variant::SWAP_MOVE_ECDSA_EC256, Variant::OVERWRITE_RSA2048)] variant: Variant,
) {
    let bench = Bench::new(variant);
    bench.upload_and_test(&bench.app(release));
    assert!(bench.board.start().shows("1.0.0 (baseline)"));
    assert_eq!(bench.list(), ["0 1.0.0 bootable confirmed active"]);
}

#[test]
fn an_overwriting_bootloader_keeps_nothing_of_the_old_image() {
    let bench = Bench::new(Variant::OVERWRITE_RSA2048);
    let update = bench.app("update");
    bench.upload_and_test(&update);
    assert!(bench.board.start().shows("2.0.0 (update)"));
    assert!(bench.board.start().shows("2.0.0 (update)"));
    assert!(bench.primary_holds(&update));
}

#[rstest]
fn a_network_image_goes_to_the_network_core(
    #[values(Variant::SWAP_MOVE_ECDSA_EC256, Variant::OVERWRITE_RSA2048)] variant: Variant,
) {
    let bench = Bench::new(variant);
    let update = bench.net("update");
    bench.upload_and_test(&update);
    let before = bench.board.now();
    let boot = bench.board.start();
    assert!(boot.shows("Turned on network core"), "{:?}", boot.console);
    assert!(boot.shows("1.0.0 (baseline)"), "{:?}", boot.console);
    assert_eq!(
        boot.net_console.last().map(String::as_str),
        Some("dfu-hil demo net 2.0.0")
    );
    assert!(
        bench.board.now() - before >= std::time::Duration::from_secs(1),
        "MCUboot looks once a second"
    );
    let payload = Image::parse(&update)
        .expect("a demo image")
        .payload()
        .to_vec();
    assert_eq!(bench.board.flash(NET, payload.len()), payload);
    let boot = bench.board.start();
    assert!(!boot.shows("Turned on network core"), "the request is gone");
    assert_eq!(
        boot.net_console.last().map(String::as_str),
        Some("dfu-hil demo net 2.0.0")
    );
}

#[test]
fn a_network_image_with_a_wrong_hash_leaves_the_network_core_as_it_is() {
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    let before = bench.board.flash(NET, 0x37800);
    bench.upload_and_test(&bench.net("net-broken"));
    let boot = bench.board.start();
    assert!(
        boot.shows("Network core update failed"),
        "{:?}",
        boot.console
    );
    assert!(boot.shows("1.0.0 (baseline)"), "{:?}", boot.console);
    assert_eq!(bench.board.flash(NET, 0x37800), before);
}

#[test]
fn a_swap_resumes_wherever_the_power_fails() {
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    let update = bench.app("update");
    bench.upload_and_test(&update);
    let uncut = bench.board.fork();
    uncut.start();
    let operations = uncut.ops();
    assert!(
        operations > 100,
        "a swap of ten pages takes more than {operations} operations"
    );
    let expected = uncut.flash(PRIMARY, 2 * SLOT);
    // Every operation is the bootloader's own test; here it matters that the board comes back at all.
    for cut in (0..operations).step_by(17) {
        let board = bench.board.fork();
        board.cut_at(cut);
        assert_eq!(board.start().ended, Ended::PowerLost);
        board.power_cycle();
        assert!(
            board.start().shows("2.0.0 (update)"),
            "cut at operation {cut}"
        );
        assert!(
            board.flash(PRIMARY, 2 * SLOT) == expected,
            "cut at operation {cut}"
        );
    }
}

#[test]
fn an_interrupted_upload_starts_over() {
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    let update = bench.app("update");
    let chunks = client::upload(&update);
    let boot = bench.board.boot(&chunks[..8]);
    let off: Option<u32> = client::body(boot.packets.last().expect("an answer"))
        .get("off")
        .expect("a number");
    assert_eq!(off, Some(8 * 2048));
    let boot = bench.board.boot(&chunks[8..9]);
    let off: Option<u32> = client::body(&boot.packets[0]).get("off").expect("a number");
    assert_eq!(off, Some(0), "the session was in RAM");
    bench.upload_and_test(&update);
    assert!(bench.board.start().shows("2.0.0 (update)"));
}

#[test]
fn an_image_without_room_for_the_swap_stays_where_it_is() {
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    bench.upload_and_test(&bench.app("too-large"));
    assert!(bench.board.start().shows("1.0.0 (baseline)"));
}

#[test]
fn a_core_without_firmware_locks_up_and_shows_nothing() {
    let board = SimBoard::new();
    let boot = board.start();
    assert_eq!(boot.ended, Ended::LockUp);
    assert!(boot.console.is_empty());
}

#[test]
fn an_application_without_a_bootloader_runs_from_the_start_of_flash() {
    use crate::model::{
        ApplicationModel, Behaviour, Binary, BootloaderSupport, Confirmation, Link, Model, SmpModel,
    };
    let model = ApplicationModel {
        name: "bare".to_owned(),
        version: "1.2.3".to_owned(),
        release: "alone".to_owned(),
        behaviour: Behaviour::Normal,
        confirmation: Confirmation::ByClient,
        ipc_version: 1,
        links: vec![Link::Uart],
        smp: SmpModel::default(),
        bootloader: BootloaderSupport::None,
        rtt: None,
    };
    let board = SimBoard::new();
    board.program(
        0,
        &Binary::new(Model::Application(model), 0, 0x2000).build(),
    );
    let boot = board.boot(&[client::echo("x"), client::list()]);
    assert!(boot.shows("bare 1.2.3 (alone)"));
    assert_eq!(
        boot.net_ended,
        Some(Ended::LockUp),
        "there is nothing in network flash"
    );
    assert!(boot.shows("network core does not answer"));
    assert_eq!(client::error(&client::body(&boot.packets[1])), "rc 8");
}

#[rstest]
#[case::the_same(1, "network core ready, IPC version 1")]
#[case::another(2, "network core speaks IPC version 2, expected 1: no radio")]
fn the_cores_compare_their_interface(#[case] version: u32, #[case] expected: &str) {
    use crate::model::{Binary, Model, NetworkModel};
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    let model = NetworkModel {
        name: "net".to_owned(),
        version: "1".to_owned(),
        ipc_version: version,
    };
    // Network firmware in the place of b0n: a network core without a bootloader.
    bench.board.program(
        0x0100_0000,
        &Binary::new(Model::Network(model), 0x0100_0000, 0x1000).build(),
    );
    let boot = bench.board.start();
    assert!(boot.shows(expected), "{:?}", boot.console);
}

/// An image as somebody makes it who knows nothing of the models: a vector table and code, signed for the bootloader.
fn foreign_image(vectors: [u32; 2]) -> Vec<u8> {
    use hil_image::{ImageBuilder, PrivateKey};
    use rand_core::SeedableRng as _;

    let set = set(Variant::SWAP_MOVE_ECDSA_EC256);
    let pem = String::from_utf8_lossy(set.file("keys/signing.pem").expect("the set has its key"));
    let key = PrivateKey::from_pem(&pem).expect("the set's key is a key");
    let mut payload = vec![0x5A; 6000];
    payload[..4].copy_from_slice(&vectors[0].to_le_bytes());
    payload[4..8].copy_from_slice(&vectors[1].to_le_bytes());
    ImageBuilder::new(payload)
        .version("7.1.0".parse().expect("a version"))
        .key(&key)
        .build(&mut rand_chacha::ChaCha8Rng::seed_from_u64(7))
        .expect("the image can be built")
}

#[test]
fn a_signed_image_without_a_description_runs_as_an_application_that_clients_can_confirm() {
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    let image = foreign_image([0x2004_0000, 0x0000_C3C1]);
    bench.upload_and_test(&image);
    let boot = bench.board.boot(&[client::confirm(None), client::list()]);
    assert!(boot.shows("smp_svr 7.1.0"), "{:?}", boot.console);
    let list = client::listed(boot.packets.last().expect("the list is answered"));
    assert!(list[0].contains("7.1.0"), "{list:?}");
    assert!(bench.primary_holds(&image));
}

#[test]
fn a_signed_image_whose_vectors_lead_nowhere_locks_up_and_is_reverted() {
    let bench = Bench::new(Variant::SWAP_MOVE_ECDSA_EC256);
    bench.upload_and_test(&foreign_image([0x5A5A_5A5A, 0x5A5A_5A5A]));
    assert_eq!(bench.board.boot(&[]).ended, Ended::LockUp);
    let boot = bench.board.boot(&[client::list()]);
    assert!(boot.shows("Swap type: revert"), "{:?}", boot.console);
    assert!(boot.shows("1.0.0"), "{:?}", boot.console);
}
