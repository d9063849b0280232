//! The same requests to the real MCUboot, which runs in QEMU, and to the model: the same answers, byte for byte.
//!
//! The builds are fetched by `.ci/fetch-zephyr-servers`; without them the test says `skipped`, unless
//! `DFU_HIL_REQUIRE_PEERS` is set. QEMU starts them without an application, so that they stay in recovery.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::tests::{Bench, chunk, handle, request};
use super::*;
use hil_smp::frame::{self, Decoded, Decoder};

/// Far longer than QEMU needs to start, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// More than the largest slot of these builds.
const TOO_LARGE: u32 = 64 << 20;

/// A real recovery server on a socket.
struct Real {
    qemu: Child,
    socket: TcpStream,
    decoder: Decoder,
}

impl Real {
    fn start(build: &Path) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let mut load = std::ffi::OsString::from("loader,file=");
        load.push(build);
        let qemu = Command::new("qemu-system-arm")
            .args(["-cpu", "cortex-m3", "-machine", "mps2-an385", "-nographic"])
            .arg("-chardev")
            .arg(format!(
                "socket,id=con,host=127.0.0.1,port={port},server=off"
            ))
            .args([
                "-serial",
                "chardev:con",
                "-serial",
                "null",
                "-monitor",
                "none",
            ])
            .arg("-device")
            .arg(load)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("QEMU starts");
        let (socket, _) = listener.accept().expect("QEMU connects");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("it can be set");
        Self {
            qemu,
            socket,
            decoder: Decoder::new(),
        }
    }

    fn ask(&mut self, packet: &[u8]) -> Vec<u8> {
        let frame = frame::encode(packet).expect("it fits a frame");
        self.socket.write_all(&frame).expect("QEMU takes it");
        let mut bytes = [0; 4096];
        loop {
            while let Some(decoded) = self.decoder.next() {
                if let Decoded::Packet(packet) = decoded {
                    return packet;
                }
            }
            let length = self.socket.read(&mut bytes).expect("an answer comes");
            assert_ne!(length, 0, "QEMU has ended");
            self.decoder.push(&bytes[..length]);
        }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// Builds whose serial port has the console's framing.
fn builds() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("DFU_HIL_ZEPHYR_SERVERS") else {
        assert!(
            std::env::var_os("DFU_HIL_REQUIRE_PEERS").is_none(),
            "DFU_HIL_REQUIRE_PEERS is set, but DFU_HIL_ZEPHYR_SERVERS is not"
        );
        println!("skipped: DFU_HIL_ZEPHYR_SERVERS is not set (see .ci/fetch-zephyr-servers)");
        return Vec::new();
    };
    let mut builds: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".hex") && name.contains("serial_recovery") && !name.contains("raw")
        })
        .collect();
    builds.sort();
    assert_ne!(builds, [] as [PathBuf; 0], "the folder has such builds");
    builds
}

/// Whether a server carries a request out, or does not know it.
fn knows(real: &mut Real, op: u8, group: u8, command: u8, body: &Map) -> bool {
    let answer = real.ask(&request(op, group, 0, command, body));
    Map::decode(&answer[8..]).unwrap().get::<u32>("rc").unwrap() != Some(rc::NOT_SUPPORTED)
}

#[test]
fn the_real_server_gives_the_same_answers() {
    for path in builds() {
        let mut real = Real::start(&path);
        let hello = Map::new().with("d", "hello");
        let mut bench = Bench::new(SerialRecovery {
            params: knows(&mut real, 0, 0, 6, &Map::new()),
            echo: knows(&mut real, 2, 0, 0, &hello),
            image_state: knows(&mut real, 2, 1, 0, &Map::new()),
            slot_info: knows(&mut real, 0, 1, 6, &Map::new()),
            ..SerialRecovery::default()
        });
        if bench.build.params {
            let answer = real.ask(&request(0, 0, 0, 6, &Map::new()));
            let answer = Map::decode(&answer[8..]).unwrap();
            bench.build.buf_size = answer.require("buf_size").unwrap();
        }
        println!("{}: {:?}", path.display(), bench.build);
        let some = Map::new();
        let mut requests = vec![
            request(0, 1, 1, 0, &some),
            request(2, 1, 2, 5, &some),
            request(0, 0, 3, 6, &some),
            request(2, 0, 4, 0, &hello),
            request(2, 0, 5, 1, &some),
            request(0, 0, 6, 7, &some),
            request(0, 0, 7, 8, &some),
            request(0, 63, 8, 0, &some),
            request(0, 2, 9, 1, &some),
        ];
        let upload = |sequence, body: Map| request(2, 1, sequence, 1, &body);
        requests.extend([
            // What a first chunk may lack.
            upload(10, chunk(0, &[1; 40])),
            upload(11, Map::new().with("off", 0).with("len", 40)),
            upload(12, Map::new().with("data", &[1_u8; 40][..]).with("len", 40)),
            upload(13, chunk(0, &[1; 40]).with("len", TOO_LARGE)),
            upload(14, chunk(0, &[1; 40]).with("len", "40")),
            // An upload of 203 bytes: gaps, repeats, what is no whole word, what is too much.
            upload(15, chunk(0, &[1; 43]).with("len", 203)),
            upload(16, chunk(100, &[1; 20])),
            upload(17, chunk(40, &[2; 50])),
            upload(18, chunk(40, &[2; 50])),
            upload(19, chunk(88, &[3; 200])),
            upload(20, chunk(88, &[3; 115])),
            upload(21, chunk(88, &[3; 115])),
            upload(22, chunk(0, &[4; 64]).with("len", 64).with("image", 0)),
            request(0, 1, 23, 0, &some),
        ]);
        let mut server = Recovery::new(&bench.config, &bench.build, &bench.keys);
        let mut flash = bench.flash.clone();
        for packet in &requests {
            let theirs = real.ask(packet);
            let ours = handle(&mut server, packet, &mut flash).unwrap();
            assert_eq!(
                hex::encode(ours.packet),
                hex::encode(theirs),
                "{} to {}",
                hex::encode(packet),
                path.display()
            );
        }
    }
}
