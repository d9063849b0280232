//! Packets in and packets out, on flash in memory; answers compared with recordings of the real server.

use super::*;
use hil_bootloader::{Area, DeviceId, Encryption, ImageSlots, Line, Signature, SimFlash};
use hil_image::{DecryptionKey, Image, ImageBuilder, ImageVersion};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use rstest::rstest;

const SLOT: u32 = 0x1_0000;
/// Recordings of the C code on the host: one image, slots of 64 KiB, words of 4 bytes.
const VECTORS: &str = include_str!("../../../../smp/tests/data/smp-vectors.json");

fn area(offset: u32) -> Area {
    Area {
        device: DeviceId::AppFlash,
        offset,
        size: SLOT,
    }
}

fn config() -> Config {
    let slots = ImageSlots {
        primary: area(0),
        secondary: area(SLOT),
    };
    Config {
        line: Line::Upstream,
        ..Config::new(Mode::SwapMove, Signature::None, slots)
    }
}

/// As the recorded one was built.
fn recorded() -> SerialRecovery {
    SerialRecovery {
        progressive_erase: false,
        image_state: true,
        slot_info: true,
        echo: true,
        params: true,
        ..SerialRecovery::default()
    }
}

fn flash() -> SimFlash {
    SimFlash::new().with_device(DeviceId::AppFlash, 2 * SLOT, 4, 0x1000)
}

fn image(payload: &[u8], version: ImageVersion) -> Vec<u8> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    ImageBuilder::new(payload)
        .version(version)
        .header_size(0x200)
        .build(&mut rng)
        .unwrap()
}

pub(super) fn request(op: u8, group: u8, sequence: u8, command: u8, body: &Map) -> Vec<u8> {
    let body = body.encode(Lengths::Definite);
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let mut packet = vec![
        0x08 | op,
        0,
        length[0],
        length[1],
        0,
        group,
        sequence,
        command,
    ];
    packet.extend(body);
    packet
}

/// The answer as one of the recordings has it.
fn recording(name: &str) -> String {
    let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
    vectors["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|vector| vector["name"] == name)
        .and_then(|vector| vector["frame_hex"].as_str())
        .unwrap_or_else(|| panic!("no recording {name}"))
        .to_owned()
}

/// A server and what it works on.
pub(super) struct Bench {
    pub(super) config: Config,
    pub(super) build: SerialRecovery,
    pub(super) keys: Keys,
    pub(super) flash: SimFlash,
}

impl Bench {
    pub(super) fn new(build: SerialRecovery) -> Self {
        Self {
            config: config(),
            build,
            keys: Keys::default(),
            flash: flash(),
        }
    }

    fn server(&self) -> Recovery<'_> {
        Recovery::new(&self.config, &self.build, &self.keys)
    }

    /// One request to a server that has just started.
    fn ask(&self, packet: &[u8]) -> Option<Answer> {
        handle(&mut self.server(), packet, &mut self.flash.clone())
    }
}

/// One request to a server of a board without a network core.
pub(super) fn handle(
    server: &mut Recovery<'_>,
    packet: &[u8],
    flash: &mut SimFlash,
) -> Option<Answer> {
    let mut board = RecoveryBoard {
        flash,
        network: None,
        log: &mut |_| {},
    };
    server.handle(packet, &mut board).unwrap()
}

fn rc(answer: &Answer) -> Option<u32> {
    Map::decode(&answer.packet[8..]).unwrap().get("rc").unwrap()
}

fn offset(answer: &Answer) -> Option<u32> {
    Map::decode(&answer.packet[8..])
        .unwrap()
        .get("off")
        .unwrap()
}

pub(super) fn chunk(offset: usize, data: &[u8]) -> Map {
    Map::new().with("off", offset as u64).with("data", data)
}

#[rstest]
#[case::echo("mcuboot_os_echo_rsp", request(0, 0, 33, 0, &Map::new().with("d", "hello")))]
#[case::params("mcuboot_os_params_rsp", request(0, 0, 39, 6, &Map::new()))]
#[case::reset("mcuboot_os_reset_rsp", request(2, 0, 66, 5, &Map::new()))]
#[case::unknown_group("mcuboot_unsupported_group_err", request(0, 2, 71, 1, &Map::new()))]
#[case::unknown_hash(
    "mcuboot_img_state_unknown_hash_err",
    request(2, 1, 47, 0, &Map::new().with("hash", &[7_u8; 32][..]))
)]
#[case::first_chunk(
    "mcuboot_img_upload_first_rsp",
    request(2, 1, 49, 1, &chunk(0, &[1; 276]).with("len", 3588))
)]
fn answers_are_those_of_the_real_server(#[case] name: &str, #[case] packet: Vec<u8>) {
    let bench = Bench::new(recorded());
    let answer = bench.ask(&packet).unwrap();
    assert_eq!(hex::encode(answer.packet), recording(name));
}

#[test]
fn the_list_is_that_of_the_real_server() {
    let mut bench = Bench::new(recorded());
    let version = ImageVersion {
        build: 7,
        ..ImageVersion::new(1, 3, 0)
    };
    let image = image(&[0x55; 3000], version);
    bench
        .flash
        .write(DeviceId::AppFlash, 0, &padded(&image))
        .unwrap();
    let answer = bench.ask(&request(0, 1, 45, 0, &Map::new())).unwrap();
    let hash = Image::parse(&image)
        .unwrap()
        .stored_hash()
        .unwrap()
        .1
        .value
        .to_vec();
    let theirs = "339ffa60ebaf457908ef387530d1981fdd1d3d3c47928a809d3583e6f7b37bff";
    assert_eq!(
        hex::encode(answer.packet),
        recording("mcuboot_img_state_read_rsp").replace(theirs, &hex::encode(hash))
    );
}

#[test]
fn slots_are_told_as_the_real_server_does() {
    let bench = Bench::new(recorded());
    let mut server = bench.server();
    server.max_image_size = Some(65_000);
    let packet = request(0, 1, 46, 6, &Map::new());
    let answer = handle(&mut server, &packet, &mut flash()).unwrap();
    assert_eq!(
        hex::encode(answer.packet),
        recording("mcuboot_img_slot_info_rsp")
    );
}

#[rstest]
#[case::nothing(&[])]
#[case::half_a_header(&[8, 0, 0])]
#[case::a_response(&[9, 0, 0, 0, 0, 0, 1, 5])]
#[case::more_than_it_says(&[8, 0, 0, 0, 0, 0, 1, 6, 0xa0])]
fn what_is_no_request_gets_no_answer(#[case] packet: &[u8]) {
    assert_eq!(Bench::new(recorded()).ask(packet), None);
}

#[rstest]
#[case::no_length(chunk(0, &[1; 8]))]
#[case::longer_than_the_slot(chunk(0, &[1; 8]).with("len", SLOT + 1))]
#[case::no_offset(Map::new().with("data", &[1_u8; 8][..]).with("len", 8))]
#[case::no_data(Map::new().with("off", 0).with("len", 8))]
#[case::wrong_type(Map::new().with("off", "0").with("data", &[1_u8; 8][..]).with("len", 8))]
fn a_first_chunk_that_lacks_something_is_invalid(#[case] body: Map) {
    let answer = Bench::new(recorded())
        .ask(&request(2, 1, 0, 1, &body))
        .unwrap();
    assert_eq!((rc(&answer), offset(&answer)), (Some(3), None));
}

/// Uploads in chunks as long as told by `cut`, from wherever the server wants to go on; how many requests that took.
fn upload(bench: &mut Bench, number: Option<u32>, file: &[u8], cut: usize) -> Result<usize, u32> {
    let mut flash = std::mem::take(&mut bench.flash);
    let mut server = bench.server();
    let mut at = 0;
    let mut requests = 0;
    let mut last = After::Wait;
    while at < file.len() {
        let end = file.len().min(at + cut);
        let mut body = chunk(at, &file[at..end]);
        if at == 0 {
            body = body
                .with("len", file.len() as u64)
                .with_some("image", number);
        }
        let packet = request(2, 1, requests as u8, 1, &body);
        let answer = handle(&mut server, &packet, &mut flash).unwrap();
        requests += 1;
        assert!(requests < 10_000, "it gets on");
        match offset(&answer) {
            Some(offset) => at = offset as usize,
            None => {
                bench.flash = flash;
                return Err(rc(&answer).unwrap());
            }
        }
        last = answer.after;
    }
    if last == After::Decrypt {
        server.decrypt(&mut flash).unwrap();
    }
    bench.flash = flash;
    Ok(requests)
}

fn padded(file: &[u8]) -> Vec<u8> {
    let mut padded = file.to_vec();
    padded.resize(file.len().next_multiple_of(4), 0xff);
    padded
}

fn held(bench: &mut Bench, at: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    bench
        .flash
        .read(DeviceId::AppFlash, at, &mut bytes)
        .unwrap();
    bytes
}

#[rstest]
#[case::one_image_ignores_the_number(false, Some(5), Ok(0))]
#[case::no_number(false, None, Ok(0))]
#[case::direct_0(true, Some(0), Ok(0))]
#[case::direct_1(true, Some(1), Ok(0))]
#[case::direct_2(true, Some(2), Ok(SLOT))]
#[case::direct_3(true, Some(3), Err(3))]
fn image_numbers_mean_slots(
    #[case] direct_upload: bool,
    #[case] number: Option<u32>,
    #[case] expected: Result<u32, u32>,
    #[values(false, true)] progressive_erase: bool,
) {
    let mut bench = Bench::new(SerialRecovery {
        direct_upload,
        progressive_erase,
        ..recorded()
    });
    let file: Vec<u8> = (0..5003_u32).map(|n| (n * 7) as u8).collect();
    // What lies there before does not matter: it is erased.
    bench
        .flash
        .write(DeviceId::AppFlash, 0, &[0; 0x2000])
        .unwrap();
    bench
        .flash
        .write(DeviceId::AppFlash, SLOT, &[0; 0x2000])
        .unwrap();
    let uploaded = upload(&mut bench, number, &file, 500);
    assert_eq!(uploaded.map(|_| ()), expected.map(|_| ()));
    if let Ok(at) = expected {
        assert_eq!(held(&mut bench, at, padded(&file).len()), padded(&file));
        let other = SLOT - at;
        assert_eq!(held(&mut bench, other, 0x2000), [0; 0x2000], "untouched");
    }
}

#[test]
fn only_whole_words_are_taken_of_a_chunk_in_the_middle() {
    let mut bench = Bench::new(recorded());
    let file: Vec<u8> = (0..1000_u32).map(|n| n as u8).collect();
    // 101 bytes at a time: 100 are taken.
    assert_eq!(upload(&mut bench, None, &file, 101), Ok(10));
    assert_eq!(held(&mut bench, 0, 1000), file);
}

#[test]
fn a_chunk_from_elsewhere_changes_nothing_and_is_told_what_is_wanted() {
    let bench = Bench::new(recorded());
    let mut server = bench.server();
    let mut flash = flash();
    let mut send = |body: Map| {
        let packet = request(2, 1, 0, 1, &body);
        handle(&mut server, &packet, &mut flash).unwrap()
    };
    let first = send(chunk(0, &[1; 64]).with("len", 200));
    assert_eq!((rc(&first), offset(&first)), (Some(0), Some(64)));
    let gap = send(chunk(128, &[2; 64]));
    assert_eq!((rc(&gap), offset(&gap)), (Some(0), Some(64)));
    let again = send(chunk(0, &[3; 64]).with("len", 200));
    assert_eq!(offset(&again), Some(64), "it starts again, on erased flash");
    let beyond = send(chunk(64, &[4; 140]));
    assert_eq!((rc(&beyond), offset(&beyond)), (Some(3), None));
}

#[rstest]
// Seven sectors and the one with the trailer's beginning.
#[case::progressively(true, 8)]
#[case::at_once(false, 16)]
fn sectors_are_erased_as_they_are_needed_or_all_at_once(
    #[case] progressive_erase: bool,
    #[case] sectors: u32,
) {
    let mut bench = Bench::new(SerialRecovery {
        progressive_erase,
        ..recorded()
    });
    bench.flash.start_trace();
    upload(&mut bench, None, &[0x5a; 0x6057], 512).unwrap();
    let erased: u32 = bench
        .flash
        .take_trace()
        .iter()
        .filter(|operation| operation.kind == hil_bootloader::OperationKind::Erase)
        .map(|operation| operation.length / 0x1000)
        .sum();
    assert_eq!(erased, sectors);
}

#[test]
fn marking_an_image_makes_the_secondary_pending_whatever_was_meant() {
    let mut bench = Bench::new(recorded());
    let running = image(&[1; 1000], ImageVersion::new(1, 0, 0));
    bench
        .flash
        .write(DeviceId::AppFlash, 0, &padded(&running))
        .unwrap();
    let hash = Image::parse(&running)
        .unwrap()
        .stored_hash()
        .unwrap()
        .1
        .value
        .to_vec();
    let mut flash = bench.flash.clone();
    let body = Map::new()
        .with("hash", hash.as_slice())
        .with("confirm", true);
    let packet = request(2, 1, 0, 0, &body);
    let answer = handle(&mut bench.server(), &packet, &mut flash).unwrap();
    assert_eq!(rc(&answer), None, "the list is the answer");
    let swap = hil_bootloader::swap_type(&bench.config, &mut flash, 0).unwrap();
    assert_eq!(swap, hil_bootloader::SwapType::Perm);
}

#[test]
fn an_encrypted_image_is_decrypted_in_the_primary_slot_when_all_of_it_is_there() {
    let secret = p256::SecretKey::random(&mut ChaCha20Rng::seed_from_u64(2));
    let pem =
        p256::pkcs8::EncodePrivateKey::to_pkcs8_pem(&secret, p256::pkcs8::LineEnding::LF).unwrap();
    let key = DecryptionKey::from_pem(&pem).unwrap();
    let payload: Vec<u8> = (0..9000_u32).map(|n| (n / 3) as u8).collect();
    let file = ImageBuilder::new(&payload[..])
        .version(ImageVersion::new(2, 0, 0))
        .header_size(0x200)
        .encrypt(&key.public())
        .build(&mut ChaCha20Rng::seed_from_u64(3))
        .unwrap();
    let mut bench = Bench::new(SerialRecovery {
        direct_upload: true,
        ..recorded()
    });
    bench.config.encryption = Encryption::Ec256;
    bench.keys.encryption = Some(key);
    upload(&mut bench, Some(2), &file, 700).unwrap();
    assert_eq!(
        held(&mut bench, SLOT, file.len()),
        file,
        "not in the secondary slot"
    );
    upload(&mut bench, Some(1), &file, 700).unwrap();
    let held = held(&mut bench, 0, file.len());
    assert_eq!(held[0x200..0x200 + 9000], payload);
    assert_eq!(held[..0x200], file[..0x200], "the flag stays");
    let answer = bench.ask(&request(0, 1, 0, 0, &Map::new())).unwrap();
    let text = String::from_utf8_lossy(&answer.packet).into_owned();
    assert_eq!(
        text.matches("2.0.0").count(),
        2,
        "both are listed as bootable"
    );
}
