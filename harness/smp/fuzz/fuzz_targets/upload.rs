//! A server that answers an upload with whatever it likes, and whenever: it ends, and never sends too much.
#![no_main]

use hil_clock::Instant;
use hil_smp::message::{Command, Done, Payload, UploadAnswer, UploadChunk};
use hil_smp::{Header, Lengths, Upload, UploadLimits, UploadOptions, Version};
use libfuzzer_sys::fuzz_target;
use std::collections::VecDeque;
use std::time::Duration;

fuzz_target!(|steps: Vec<(u8, u16)>| {
    let limits = UploadLimits {
        packet: 124,
        window: 3,
    };
    let file = vec![0x5a; 2000];
    let options = UploadOptions::default();
    let mut now = Instant::START;
    let mut upload = Upload::new(now, file, options, limits, Version::V2, 0)
        .expect("data fits 124 bytes");
    let mut sent: VecDeque<Vec<u8>> = VecDeque::new();
    for (step, value) in steps {
        while let Some(packet) = upload.poll_transmit(now) {
            assert!(packet.len() <= limits.packet);
            sent.push_back(packet);
        }
        while upload.poll_event().is_some() {}
        if upload.poll_timeout().is_none() {
            return;
        }
        let index = usize::from(step / 8) % sent.len().max(1);
        match (step % 8, sent.get(index)) {
            (0, _) => {
                now = upload.poll_timeout().unwrap_or(now);
                upload.handle_timeout(now);
            }
            (1, _) => now = now + Duration::from_millis(u64::from(value)),
            (2, _) => {
                sent.pop_front();
            }
            (3, Some(request)) => answer(&mut upload, now, request, &Done.to_map().encode(Lengths::Definite)),
            (_, Some(request)) => {
                let off = match step % 8 {
                    4 => u64::from(value) % 2001,
                    _ => honest(request),
                };
                let body = UploadAnswer { off, matches: None }.to_map();
                answer(&mut upload, now, request, &body.encode(Lengths::Indefinite));
            }
            _ => {}
        }
    }
});

/// Where the chunk ends.
fn honest(request: &[u8]) -> u64 {
    let map = hil_smp::Map::decode(&request[8..]).expect("our own request");
    UploadChunk::from_map(&map).map_or(0, |chunk| {
        chunk.off.unwrap_or(0) + chunk.data.map_or(0, |data| data.len() as u64)
    })
}

fn answer(upload: &mut Upload, now: Instant, request: &[u8], payload: &[u8]) {
    let (header, _) = Header::parse(request).expect("our own request");
    let header = Header {
        op: header.op.response(),
        ..header
    };
    debug_assert_eq!(UploadChunk::COMMAND, 1);
    upload.handle_packet(now, &header.packet(payload).expect("a short answer"));
}
