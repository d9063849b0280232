//! Ports with a test at the other end of the connection.

use super::*;
use hil_clock::SystemClock;
use proptest::prelude::*;
use std::fs::{File, OpenOptions};
use std::net::{Shutdown, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;

/// The other end is a thread of this process: it answers as soon as the machine lets it.
const WITHIN: Duration = Duration::from_secs(120);

fn clock() -> SharedClock {
    Arc::new(SystemClock::new())
}

fn port(listener: &TcpListener, protocol: Protocol) -> NetworkPort {
    NetworkPort {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port(),
        protocol,
        baud: 115_200,
    }
}

fn opened(uart: &NetworkUart) -> File {
    let noctty = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(noctty);
    options.open(uart.path()).unwrap()
}

/// A port and the other end of its connection. The server says `says` first.
fn pair(protocol: Protocol, says: &[u8]) -> (NetworkUart, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let says = says.to_vec();
    let port = port(&listener, protocol);
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&says).unwrap();
        stream
    });
    let uart = NetworkUart::open(&port, WITHIN, &clock()).unwrap();
    (uart, server.join().unwrap())
}

fn read_exactly(from: &mut impl io::Read, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn bytes_go_both_ways_as_they_are() {
    let (uart, mut server) = pair(Protocol::Raw, b"");
    let mut host = opened(&uart);
    let all: Vec<u8> = (0..=255).collect();
    host.write_all(&all).unwrap();
    assert_eq!(read_exactly(&mut server, 256), all);
    // The other end notices that the port is open only now and then.
    server.write_all(b"\x00").unwrap();
    assert_eq!(read_exactly(&mut host, 1), b"\x00");
    server.write_all(&all).unwrap();
    assert_eq!(read_exactly(&mut host, 256), all);
}

#[test]
fn a_connection_that_ends_takes_the_port_away() {
    let (uart, server) = pair(Protocol::Raw, b"");
    let mut host = opened(&uart);
    server.shutdown(Shutdown::Both).unwrap();
    let mut byte = [0];
    // Hung up: the end of the file, or an error, as the system likes.
    assert!(!matches!(host.read(&mut byte), Ok(1..)));
    drop(host);
    drop(uart);
}

#[test]
fn what_a_board_sends_to_nobody_is_lost() {
    let (uart, mut server) = pair(Protocol::Raw, b"");
    // More than a pseudo-terminal and the connection can keep: it is taken all the same.
    server.write_all(&[b'x'; 8 << 20]).unwrap();
    assert!(uart.is_open());
}

/// Agrees to everything and says 115,200 baud.
const AGREES: &[u8] =
    b"\xff\xfd\x2c\xff\xfd\x00\xff\xfb\x00\xff\xfa\x2c\x65\x00\x01\xc2\x00\xff\xf0";

#[test]
fn a_byte_that_telnet_begins_with_is_one_byte_at_the_port() {
    let (uart, mut server) = pair(Protocol::Rfc2217, AGREES);
    let mut host = opened(&uart);
    host.write_all(b"a\xffb").unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"a\xff\xffb") {
        seen.extend(read_exactly(&mut server, 1));
    }
    server.write_all(b"a\xff\xffb").unwrap();
    assert_eq!(read_exactly(&mut host, 3), b"a\xffb");
}

#[test]
fn a_server_without_rfc_2217_is_told_from_one_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let refuses = port(&listener, Protocol::Rfc2217);
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"\xff\xfe\x2c").unwrap();
        stream
    });
    let refused = NetworkUart::open(&refuses, WITHIN, &clock()).unwrap_err();
    insta::assert_snapshot!(refused, @"it speaks Telnet, and refuses RFC 2217 (option 44)");
    drop(server.join().unwrap());
    let gone = NetworkUart::open(&refuses, WITHIN, &clock()).unwrap_err();
    assert!(matches!(gone, NetworkPortError::Connect(_)), "{gone}");
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = port(&listener, Protocol::Rfc2217);
    let error = NetworkUart::open(&silent, Duration::from_millis(50), &clock()).unwrap_err();
    assert!(matches!(error, NetworkPortError::Silent(_)), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn nothing_is_lost_or_changed_in_a_long_stream(seed: u8, length in 1_usize..200_000) {
        let bytes: Vec<u8> = (0..length).map(|at| (at as u8).wrapping_mul(seed | 1)).collect();
        let (uart, mut server) = pair(Protocol::Rfc2217, AGREES);
        let mut host = opened(&uart);
        // Only once the port is known to be open is nothing lost.
        host.write_all(b"ready\n").unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"ready\n") {
            seen.extend(read_exactly(&mut server, 1));
        }
        let mut escaped = Vec::new();
        for &byte in &bytes {
            escaped.push(byte);
            if byte == 0xff {
                escaped.push(byte);
            }
        }
        let sender = std::thread::spawn(move || {
            server.write_all(&escaped).unwrap();
            server
        });
        prop_assert_eq!(read_exactly(&mut host, length), bytes);
        drop(sender.join().unwrap());
    }
}
