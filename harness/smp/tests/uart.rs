//! The serial port, at a pseudo-terminal with a server behind it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod support;

use hil_clock::{Instant, SharedClock, SystemClock};
use hil_smp::{
    Client, ConsoleEvent, ConsoleKind, Transport, TransportError, UartOptions, UartPort,
    UploadOptions, UploadProof,
};
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use support::pty::PtyServer;
use support::{Personality, Server, image};

/// Longer than anything here takes, on the slowest machine.
const LONG: Duration = Duration::from_secs(60);

fn application() -> Server {
    Server::new(Personality::Application { image_check: true })
}

fn clock() -> SharedClock {
    Arc::new(SystemClock::new())
}

fn open(path: &str, clock: &SharedClock) -> (UartPort, Receiver<ConsoleEvent>) {
    let (events, console) = channel();
    let sink = Box::new(move |event| {
        let _ = events.send(event);
    });
    let port = UartPort::open(path, UartOptions::default(), clock.clone(), sink).unwrap();
    (port, console)
}

fn next(console: &Receiver<ConsoleEvent>) -> ConsoleKind {
    console.recv_timeout(LONG).unwrap().kind
}

fn line(text: &str) -> ConsoleKind {
    ConsoleKind::Line(text.as_bytes().to_vec())
}

#[test]
fn image_arrives_while_the_console_chatters_and_every_line_is_kept() {
    let mut server = application();
    server.buf_size = 2475;
    let pty = PtyServer::start(server, b"[00:01] <inf> app: busy\r\n");
    let clock = clock();
    let (port, console) = open(&pty.path, &clock);
    let mut client = Client::new(port.transport(), clock);
    let file = image(50_000, 5);
    let mut steps = Vec::new();
    let outcome = client
        .upload(&file, UploadOptions::default(), &mut |step| {
            steps.push(step.offset);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(outcome.proof, UploadProof::Matched);
    assert_eq!(pty.server.lock().unwrap().slot, file);
    assert!(steps.is_sorted());
    assert_eq!(steps.last(), Some(&50_000));
    assert_eq!(client.echo("still there").unwrap(), "still there");
    // The buffers, the chunks, the echo: each answer had a line before it.
    drop(port);
    let lines: Vec<_> = console.iter().map(|event| event.kind).collect();
    assert_eq!(lines.len() as u32, outcome.stats.requests + 2);
    assert!(
        lines
            .iter()
            .all(|kind| *kind == line("[00:01] <inf> app: busy"))
    );
}

#[test]
fn text_arrives_without_smp_and_a_prompt_without_its_line_end() {
    let pty = PtyServer::start(application(), b"");
    let clock = clock();
    let before = clock.now();
    let (port, console) = open(&pty.path, &clock);
    pty.say(b"*** Booting Zephyr OS ***\r\nuart:~$ ");
    let event = console.recv_timeout(LONG).unwrap();
    assert_eq!(event.kind, line("*** Booting Zephyr OS ***"));
    assert!(event.at >= before && event.at <= clock.now());
    assert_eq!(next(&console), ConsoleKind::Partial(b"uart:~$ ".to_vec()));
    pty.say(b"reset\r\n");
    assert_eq!(next(&console), line("uart:~$ reset"));
    drop(port);
}

#[test]
fn damaged_frame_is_told_and_the_next_one_arrives() {
    let pty = PtyServer::start(application(), b"\x06\x09AANBQUE=\n");
    let clock = clock();
    let (port, console) = open(&pty.path, &clock);
    let mut client = Client::new(port.transport(), clock);
    assert_eq!(client.echo("hello").unwrap(), "hello");
    assert!(matches!(next(&console), ConsoleKind::Damaged(_)));
}

#[test]
fn typed_text_reaches_the_board() {
    let pty = PtyServer::start(application(), b"");
    let clock = clock();
    let (port, _console) = open(&pty.path, &clock);
    port.type_text(b"kernel version\n").unwrap();
    // The answer to a packet that was sent later shows that the text is there.
    Client::new(port.transport(), clock).echo("x").unwrap();
    assert_eq!(*pty.typed.lock().unwrap(), [b"kernel version".to_vec()]);
}

#[test]
fn port_in_use_is_refused_by_name() {
    let pty = PtyServer::start(application(), b"");
    let clock = clock();
    let (first, _console) = open(&pty.path, &clock);
    let sink = Box::new(|_| {});
    let error = UartPort::open(&pty.path, UartOptions::default(), clock.clone(), sink).unwrap_err();
    let shown = error.to_string().replace(&pty.path, "PORT");
    insta::assert_snapshot!(shown, @"serial port `PORT` is in use by another program");
    insta::assert_snapshot!(error.help().unwrap(), @"close the terminal program or the other run that has the port open; `fuser PORT` names it");
    drop(first);
    open(&pty.path, &clock);
}

#[test]
fn missing_port_is_refused_by_name() {
    let sink = Box::new(|_| {});
    let error =
        UartPort::open("/dev/no-such-port", UartOptions::default(), clock(), sink).unwrap_err();
    assert!(
        matches!(error, TransportError::NotFound { .. }),
        "{error:?}"
    );
    insta::assert_snapshot!(error, @"there is no serial port `/dev/no-such-port`");
}

#[test]
fn silence_of_the_link_is_no_error() {
    let pty = PtyServer::start(application(), b"");
    let clock = clock();
    let (port, _console) = open(&pty.path, &clock);
    let mut transport = port.transport();
    let deadline = clock.now() + Duration::from_millis(20);
    assert!(matches!(transport.recv(deadline), Ok(None)));
    assert!(clock.now() >= deadline);
}

#[test]
fn port_that_goes_away_is_told_and_can_be_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("port");
    let name = path.to_str().unwrap();
    let clock = clock();

    let pty = PtyServer::start(application(), b"");
    symlink(&pty.path, &path).unwrap();
    let (mut port, console) = open(name, &clock);
    let mut transport = port.transport();
    drop(pty);
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(next(&console), ConsoleKind::Gone(_)));
    assert!(port.is_gone());
    let error = transport.recv(clock.now() + LONG).unwrap_err();
    assert!(
        matches!(&error, TransportError::Gone { port, .. } if port == name),
        "{error:?}"
    );
    assert!(transport.send(&[0; 8]).is_err());

    let error = port.reopen(Instant::START).unwrap_err();
    assert!(
        matches!(error, TransportError::NotFound { .. }),
        "{error:?}"
    );
    assert!(transport.send(&[0; 8]).is_err());

    let pty = PtyServer::start(application(), b"");
    symlink(&pty.path, &path).unwrap();
    port.reopen(clock.now() + LONG).unwrap();
    let mut client = Client::new(transport, clock);
    assert_eq!(client.echo("back").unwrap(), "back");
    pty.say(b"hello again\n");
    assert_eq!(next(&console), line("hello again"));
}

#[test]
fn closed_port_says_so() {
    let pty = PtyServer::start(application(), b"");
    let clock = clock();
    let (port, _console) = open(&pty.path, &clock);
    let mut transport = port.transport();
    drop(port);
    let error = transport.recv(clock.now() + LONG).unwrap_err();
    assert!(matches!(error, TransportError::Gone { .. }));
}
