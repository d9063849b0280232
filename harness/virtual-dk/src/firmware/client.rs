//! A client for the tests of this folder: requests as plain bytes, answers as maps.

use hil_smp::{Lengths, Map, RawHeader};

/// A v2 request.
pub(crate) fn request(op: u8, group: u16, command: u8, arguments: &Map) -> Vec<u8> {
    versioned(1, op, group, command, arguments)
}

/// A request of any protocol version.
pub(crate) fn versioned(version: u8, op: u8, group: u16, command: u8, arguments: &Map) -> Vec<u8> {
    raw(
        version,
        op,
        group,
        command,
        &arguments.encode(Lengths::Definite),
    )
}

/// A request with any payload.
pub(crate) fn raw(version: u8, op: u8, group: u16, command: u8, payload: &[u8]) -> Vec<u8> {
    let [l1, l0] = (payload.len() as u16).to_be_bytes();
    let [g1, g0] = group.to_be_bytes();
    let mut packet = vec![version << 3 | op, 0, l1, l0, g1, g0, 42, command];
    packet.extend_from_slice(payload);
    packet
}

pub(crate) fn echo(text: &str) -> Vec<u8> {
    request(2, 0, 0, &Map::new().with("d", text))
}

pub(crate) fn reset() -> Vec<u8> {
    request(2, 0, 5, &Map::new())
}

pub(crate) fn list() -> Vec<u8> {
    request(0, 1, 0, &Map::new())
}

pub(crate) fn test(hash: &[u8]) -> Vec<u8> {
    request(
        2,
        1,
        0,
        &Map::new()
            .with("hash", hash.to_vec())
            .with("confirm", false),
    )
}

pub(crate) fn confirm(hash: Option<&[u8]>) -> Vec<u8> {
    let arguments = Map::new()
        .with_some("hash", hash.map(<[u8]>::to_vec))
        .with("confirm", true);
    request(2, 1, 0, &arguments)
}

pub(crate) fn erase() -> Vec<u8> {
    request(2, 1, 5, &Map::new())
}

/// All chunks of a file, as a client sends them that has the server's buffer size.
pub(crate) fn upload(file: &[u8]) -> Vec<Vec<u8>> {
    let size = 2048;
    file.chunks(size)
        .enumerate()
        .map(|(number, data)| {
            let chunk = Map::new()
                .with("off", (number * size) as u32)
                .with("data", data.to_vec());
            let first = number == 0;
            request(
                2,
                1,
                1,
                &chunk.with_some("len", first.then_some(file.len() as u32)),
            )
        })
        .collect()
}

/// The body of an answer.
pub(crate) fn body(packet: &[u8]) -> Map {
    let header = RawHeader::read(packet).expect("an answer has a header");
    let payload = &packet[hil_smp::HEADER_LEN..];
    assert_eq!(
        usize::from(header.payload_len),
        payload.len(),
        "the header tells the length"
    );
    Map::decode(payload).expect("an answer is a CBOR map")
}

/// The error in an answer: `rc 8` or `err 1:27`; empty when there is none.
pub(crate) fn error(body: &Map) -> String {
    if let Some(err) = body.get::<Map>("err").expect("`err` is a map") {
        let group: u32 = err.require("group").expect("an error has a group");
        let rc: u32 = err.require("rc").expect("an error has a code");
        return format!("err {group}:{rc}");
    }
    match body.get::<i64>("rc").expect("`rc` is a number") {
        Some(rc) => format!("rc {rc}"),
        None => String::new(),
    }
}

/// An image list in one line a slot: `0 1.0.0 active confirmed`.
pub(crate) fn images(body: &Map) -> Vec<String> {
    let images: Vec<Map> = body.require("images").expect("a list of images");
    images
        .iter()
        .map(|image| {
            let slot: u32 = image.require("slot").expect("a slot");
            let version: String = image.require("version").expect("a version");
            let flags = ["bootable", "pending", "confirmed", "active", "permanent"];
            let set = flags
                .into_iter()
                .filter(|flag| image.get::<bool>(flag).expect("a flag") == Some(true));
            set.fold(format!("{slot} {version}"), |line, flag| {
                format!("{line} {flag}")
            })
        })
        .collect()
}

/// What a list says of the slots, in an answer.
pub(crate) fn listed(packet: &[u8]) -> Vec<String> {
    images(&body(packet))
}
