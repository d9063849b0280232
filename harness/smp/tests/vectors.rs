//! Every recorded vector, byte for byte: `data/smp-vectors.json`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod support;

use hil_smp::frame::{Decoded, Decoder, encode};
use hil_smp::message::{
    BootloaderInfo, BootloaderInfoAnswer, Command, Done, Echo, EchoAnswer, EraseSlot, ImageState,
    OsInfo, Params, ParamsAnswer, Payload, ReadImageState, Reset, SlotInfo, SlotInfoAnswer,
    UploadAnswer, UploadChunk, WriteImageState,
};
use hil_smp::{Group, Header, Lengths, Map, Op, RawHeader, Refused, Version};
use serde_json::Value;
use support::{Personality, Server, diagnostic};

const SLOT_IMAGE_CHECK: Personality = Personality::Application { image_check: true };

fn file() -> Value {
    serde_json::from_str(include_str!("data/smp-vectors.json")).unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn wire(value: &Value) -> Vec<u8> {
    list(value, "uart_lines").iter().flat_map(bytes).collect()
}

fn vectors(malformed: bool) -> Vec<Value> {
    let file = file();
    let vectors: Vec<Value> = list(&file, "vectors")
        .iter()
        .filter(|vector| (text(vector, "kind") == "malformed") == malformed)
        .cloned()
        .collect();
    assert_eq!(vectors.len(), if malformed { 41 } else { 91 });
    vectors
}

fn decode(mut decoder: Decoder, wire: &[u8]) -> Vec<Decoded> {
    // Byte by byte, the worst that a port can do.
    for byte in wire {
        decoder.push(std::slice::from_ref(byte));
    }
    std::iter::from_fn(|| decoder.next()).collect()
}

#[test]
fn every_good_frame_is_decoded_by_both_sides() {
    for vector in vectors(false) {
        let name = text(&vector, "name");
        let packet = bytes(&vector["frame_hex"]);
        let expected = [Decoded::Packet(packet)];
        assert_eq!(decode(Decoder::new(), &wire(&vector)), expected, "{name}");
        assert_eq!(
            decode(Decoder::server(2048), &wire(&vector)),
            expected,
            "{name}"
        );
    }
}

#[test]
fn frames_are_encoded_as_by_an_encoder_that_splits_as_zephyr_does() {
    // Shorter lines, or a checksum on two lines: these are read, and written our way.
    const SPLIT_OTHERWISE: &[&str] = &[
        "framing_boundary_frame_91_py",
        "framing_same_frame_py_line127",
        "framing_crc_one_byte_each_line",
    ];
    for vector in vectors(false) {
        let name = text(&vector, "name");
        let ours = encode(&bytes(&vector["frame_hex"])).unwrap();
        assert_eq!(
            ours != wire(&vector),
            SPLIT_OTHERWISE.contains(&name),
            "{name}"
        );
    }
}

#[test]
fn every_header_is_read_and_written() {
    for vector in vectors(false) {
        let name = text(&vector, "name");
        let packet = bytes(&vector["frame_hex"]);
        let (header, payload) =
            Header::parse(&packet).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = &vector["header"];
        assert_eq!(u64::from(header.op.bits()), expected["op"], "{name}");
        assert_eq!(
            u64::from(header.version.bits()),
            expected["version"],
            "{name}"
        );
        assert_eq!(u64::from(header.group.id()), expected["group"], "{name}");
        assert_eq!(u64::from(header.sequence), expected["sequence"], "{name}");
        assert_eq!(u64::from(header.command), expected["command"], "{name}");
        assert_eq!(header.packet(payload).unwrap(), packet, "{name}");
    }
}

#[test]
fn every_payload_is_read_and_written_byte_for_byte() {
    for vector in vectors(false) {
        let name = text(&vector, "name");
        let packet = bytes(&vector["frame_hex"]);
        let payload = &packet[8..];
        let map = Map::decode(payload).unwrap_or_else(|error| panic!("{name}: {error}"));
        let lengths = if payload[0] == 0xbf {
            Lengths::Indefinite
        } else {
            Lengths::Definite
        };
        assert_eq!(map.encode(lengths), payload, "{name}");
        let diag = text(&vector, "cbor_diag");
        if !diag.contains("...") {
            assert_eq!(diagnostic(&map, lengths), diag, "{name}");
        }
    }
}

/// What a typed command makes of a payload and back: the map, if it is one of ours.
fn typed(header: &Header, map: &Map) -> Option<Result<Map, hil_smp::CborError>> {
    fn through<P: Payload>(map: &Map) -> Option<Result<Map, hil_smp::CborError>> {
        Some(P::from_map(map).map(|payload| payload.to_map()))
    }
    let response = matches!(header.op, Op::ReadResponse | Op::WriteResponse);
    match (header.group, header.command, header.op, response) {
        (Group::OS, Echo::COMMAND, _, false) => through::<Echo>(map),
        (Group::OS, Echo::COMMAND, _, true) => through::<EchoAnswer>(map),
        (Group::OS, Reset::COMMAND, _, false) => through::<Reset>(map),
        (Group::OS, Reset::COMMAND, _, true) => through::<Done>(map),
        (Group::OS, Params::COMMAND, _, false) => through::<Params>(map),
        (Group::OS, Params::COMMAND, _, true) => through::<ParamsAnswer>(map),
        (Group::OS, OsInfo::COMMAND, _, false) => through::<OsInfo>(map),
        (Group::OS, BootloaderInfo::COMMAND, _, false) => through::<BootloaderInfo>(map),
        (Group::OS, BootloaderInfo::COMMAND, _, true) => through::<BootloaderInfoAnswer>(map),
        (Group::IMAGE, 0, Op::Read, _) => through::<ReadImageState>(map),
        (Group::IMAGE, 0, Op::Write, _) => through::<WriteImageState>(map),
        (Group::IMAGE, 0, _, true) => through::<ImageState>(map),
        (Group::IMAGE, UploadChunk::COMMAND, _, false) => through::<UploadChunk>(map),
        (Group::IMAGE, UploadChunk::COMMAND, _, true) => through::<UploadAnswer>(map),
        (Group::IMAGE, EraseSlot::COMMAND, _, false) => through::<EraseSlot>(map),
        (Group::IMAGE, EraseSlot::COMMAND, _, true) => through::<Done>(map),
        (Group::IMAGE, SlotInfo::COMMAND, _, false) => through::<SlotInfo>(map),
        (Group::IMAGE, SlotInfo::COMMAND, _, true) => through::<SlotInfoAnswer>(map),
        _ => None,
    }
}

#[test]
fn typed_messages_make_the_bytes_that_were_recorded() {
    // Same content in another order, or with what says nothing: read alike, written our way.
    const OTHERWISE: &[&str] = &[
        "py_os_reset_force_as_int_req",
        "msmp_os_reset_force_int_v1_req",
        "msmp_img_upload_first_image1_upgrade_v1_req",
        "msmp_img_upload_second_v1_req",
        "mcuboot_img_state_read_rsp",
        "mcuboot_img_upload_first_rsp",
        "mcuboot_os_reset_rsp",
        "sim_legacy_rc_upload_rsp",
    ];
    let mut exact = 0;
    for vector in vectors(false) {
        let name = text(&vector, "name");
        let packet = bytes(&vector["frame_hex"]);
        let (header, payload) = Header::parse(&packet).unwrap();
        let map = Map::decode(payload).unwrap();
        let response = matches!(header.op, Op::ReadResponse | Op::WriteResponse);
        let refused = Refused::read(&map).unwrap();
        assert_eq!(
            refused.is_some(),
            text(&vector, "kind") == "error",
            "{name}"
        );
        let lengths = if payload[0] == 0xbf {
            Lengths::Indefinite
        } else {
            Lengths::Definite
        };
        if let Some(refused) = refused {
            assert!(response, "{name}");
            assert_eq!(
                refused.answer(Version::V2).encode(lengths),
                payload,
                "{name}"
            );
            continue;
        }
        match typed(&header, &map) {
            None => {}
            Some(Err(error)) => {
                // `force` as a number: servers ignore what they cannot read and reset without force.
                assert!(name.contains("force"), "{name}: {error}");
                assert!(error.to_string().contains("`force`"), "{error}");
            }
            Some(Ok(again)) if OTHERWISE.contains(&name) => {
                assert_eq!(typed(&header, &again), Some(Ok(again.clone())), "{name}");
            }
            Some(Ok(again)) => {
                assert_eq!(again.encode(lengths), payload, "{name}");
                exact += 1;
            }
        }
    }
    assert!(exact >= 50, "only {exact} messages were typed");
}

/// What a server answers to the bytes of a vector, as the vectors write it; `no response` if nothing.
fn answers(server: &mut Server, wire: &[u8]) -> Vec<String> {
    let mut decoder = Decoder::server(2048);
    decoder.push(wire);
    let mut answers = Vec::new();
    while let Some(decoded) = decoder.next() {
        if let Decoded::Packet(packet) = decoded {
            for answer in server.handle(&packet) {
                let header = RawHeader::read(&answer).unwrap();
                let lengths = if answer[8] == 0xbf {
                    Lengths::Indefinite
                } else {
                    Lengths::Definite
                };
                let map = Map::decode(&answer[8..]).unwrap();
                answers.push(format!(
                    "{} seq={}",
                    diagnostic(&map, lengths),
                    header.sequence
                ));
            }
        }
    }
    answers
}

fn verdict(value: &Value) -> Vec<String> {
    match value.as_array() {
        Some(answers) => answers
            .iter()
            .map(|answer| answer.as_str().unwrap().to_owned())
            .collect(),
        None => {
            assert_eq!(value, "no response");
            Vec::new()
        }
    }
}

#[test]
fn malformed_input_gets_the_answer_that_a_zephyr_server_gives() {
    for vector in vectors(true) {
        let name = text(&vector, "name");
        let expected = match name {
            // The recorded model is stricter than Zephyr's base64 decoder, which takes a carriage return.
            "bad_crlf_line_endings" => vec!["{\"r\": \"hello\"} seq=42".to_owned()],
            _ => verdict(&vector["verdicts"]["zephyr_server_model"]),
        };
        let mut server = Server::new(SLOT_IMAGE_CHECK);
        assert_eq!(answers(&mut server, &wire(&vector)), expected, "{name}");
    }
}

#[test]
fn malformed_input_gets_the_answer_that_mcuboot_gives() {
    // MCUboot on the host has neither a line limit nor a limit of depth.
    const ONLY_ON_THE_HOST: &[&str] = &[
        "bad_line_longer_than_128",
        "bad_nested_arrays_300_deep_unknown_key",
    ];
    for vector in vectors(true) {
        let name = text(&vector, "name");
        if ONLY_ON_THE_HOST.contains(&name) {
            continue;
        }
        let expected = verdict(&vector["verdicts"]["mcuboot_boot_serial"]);
        let mut server = Server::new(Personality::Recovery { direct: false });
        assert_eq!(answers(&mut server, &wire(&vector)), expected, "{name}");
    }
}

#[test]
fn after_any_malformed_input_the_next_packet_arrives() {
    let packet = Params.packet(9, Version::V2).unwrap();
    for vector in vectors(true) {
        for mut decoder in [Decoder::new(), Decoder::server(2048)] {
            decoder.push(&wire(&vector));
            decoder.push(&encode(&packet).unwrap());
            let last = std::iter::from_fn(|| decoder.next()).last();
            assert_eq!(
                last,
                Some(Decoded::Packet(packet.clone())),
                "{}",
                text(&vector, "name")
            );
        }
    }
}

/// Runs the scenario's requests against a server and compares each answer.
fn replay(scenario: &Value, verdicts: &str, personality: Personality) {
    let mut server = Server::new(personality);
    let expected = verdict(&scenario[verdicts]);
    let requests = list(scenario, "requests");
    assert_eq!(requests.len(), expected.len());
    for (request, expected) in requests.iter().zip(expected) {
        let what = format!(
            "{} {verdicts}: {}",
            text(scenario, "name"),
            text(request, "what")
        );
        assert_eq!(answers(&mut server, &wire(request)), [expected], "{what}");
    }
}

#[test]
fn every_upload_scenario_ends_as_recorded() {
    let file = file();
    let mut replayed = 0;
    for scenario in list(&file, "scenarios") {
        if scenario.get("requests").is_some() {
            replay(scenario, "zephyr_server_model", SLOT_IMAGE_CHECK);
            replay(
                scenario,
                "mcuboot_boot_serial",
                Personality::Recovery { direct: false },
            );
        } else {
            let direct = text(scenario, "name") == "mcuboot_image_number_direct_upload";
            for try_of in list(scenario, "mcuboot_boot_serial") {
                let mut server = Server::new(Personality::Recovery { direct });
                let answers = answers(&mut server, &wire(try_of));
                assert_eq!(answers, verdict(&try_of["response"]), "{try_of}");
            }
        }
        replayed += 1;
    }
    assert_eq!(replayed, 11);
}
