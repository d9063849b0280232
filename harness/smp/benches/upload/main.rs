//! How fast an image goes over a serial port: this client beside two others, at one and the same server.
//!
//! The server is the model of the tests on a pseudo-terminal, with a 2,475-byte buffer, four times: as fast as it goes,
//! then with answers that come late, then behind a UART of 115,200 baud. Every client is a process of its own, this
//! crate's too, and the time is taken by the server, so nobody pays for being written in Python or started first.
//! `mcumgrctl` and `smpmgr` are looked for in the folder `DFU_HIL_PEERS` and on the path; where they are not, it says so.
//! Prints numbers and judges nothing: `cargo bench -p hil-smp --bench upload`.

#![expect(
    clippy::unwrap_used,
    reason = "the test server that is measured against is made of helpers that may fail"
)]

mod client;
mod server;
#[path = "../../tests/support/mod.rs"]
mod support;

use client::{Client, start_time};
use hil_clock::SystemClock;
use hil_smp::frame::encoded_len;
use server::{BUF_COUNT, BUF_SIZE, Link, Measured, measure};
use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

/// The first argument of the process that is this crate's client.
const OURS: &str = "be-the-client";
/// Bytes of an upload request beside its data, once offsets need four bytes: header, map, `off` and `data`.
const REQUEST_OVERHEAD: usize = 26;

/// One table.
struct Setting {
    title: &'static str,
    link: Link,
    image: usize,
    rounds: usize,
}

const SETTINGS: [Setting; 3] = [
    Setting {
        title: "as fast as it goes",
        link: Link {
            latency: Duration::ZERO,
            baud: None,
        },
        image: 512 * 1024,
        rounds: 9,
    },
    Setting {
        title: "every answer 5 ms late",
        link: Link {
            latency: Duration::from_millis(5),
            baud: None,
        },
        image: 512 * 1024,
        rounds: 3,
    },
    Setting {
        title: "UART of 115,200 baud, each way",
        link: Link {
            latency: Duration::ZERO,
            baud: Some(115_200),
        },
        // A quarter, for time's sake: 16 seconds for each upload.
        image: 128 * 1024,
        rounds: 3,
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [role, port, file] if role == OURS => return client::upload(port, file),
        // To see what a process costs.
        [role] if role == OURS => return Ok(()),
        _ => {}
    }

    let clients = Client::all()?;
    println!("upload to one server with {BUF_COUNT} buffers of {BUF_SIZE} bytes");
    println!(
        "seconds are the server's, from the first upload request to the last answer; median, least and most"
    );
    for client in &clients {
        match start_time(client)? {
            Some(time) => println!(
                "  a process of {:<26} takes {:>7.1} ms to start and end",
                client.name,
                time.as_secs_f64() * 1e3
            ),
            None => println!("  {:<39} not installed", client.name),
        }
    }
    for setting in &SETTINGS {
        run(setting, &clients)?;
    }
    Ok(())
}

fn run(setting: &Setting, clients: &[Client]) -> Result<(), Box<dyn Error>> {
    let (clock, image) = (SystemClock::new(), support::image(setting.image, 5));
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("image.bin");
    std::fs::write(&file, &image)?;

    // Turn by turn, so that a busy minute of the machine hits everybody.
    let mut rows: Vec<Vec<Measured>> = clients.iter().map(|_| Vec::new()).collect();
    let mut troubles = BTreeSet::new();
    for _ in 0..setting.rounds {
        for (client, row) in clients.iter().zip(&mut rows) {
            let Some(program) = &client.program else {
                continue;
            };
            match measure(&clock, setting.link, &image, &|port| {
                client.command(program, port, &file)
            }) {
                Ok(measured) => row.push(measured),
                Err(trouble) => {
                    troubles.insert(format!("{}: {trouble}", client.name));
                }
            }
        }
    }

    println!();
    println!(
        "{}: {} KiB, {} rounds",
        setting.title,
        setting.image / 1024,
        setting.rounds
    );
    println!(
        "  {:<28} {:>8} {:>6} {:>8} {:>17} {:>8} {:>15}",
        "", "requests", "frame", "seconds", "", "kB/s", "whole process"
    );
    let mut rates = Vec::new();
    for (client, row) in clients.iter().zip(&mut rows) {
        row.sort_by_key(|measured| measured.time);
        let (Some(first), Some(last), Some(middle)) =
            (row.first(), row.last(), row.get(row.len() / 2))
        else {
            let why = if client.program.is_none() {
                "not installed"
            } else {
                "failed"
            };
            println!("  {:<28} {why:>8}", client.name);
            rates.push(None);
            continue;
        };
        let mut whole: Vec<Duration> = row.iter().map(|measured| measured.process).collect();
        whole.sort_unstable();
        let rate = setting.image as f64 / 1e3 / middle.time.as_secs_f64();
        println!(
            "  {:<28} {:>8} {:>6} {:>8.4} {:>17} {:>8.2} {:>13.3} s",
            client.name,
            middle.requests,
            middle.longest,
            middle.time.as_secs_f64(),
            format!(
                "{:.4}..{:.4}",
                first.time.as_secs_f64(),
                last.time.as_secs_f64()
            ),
            rate,
            whole[whole.len() / 2].as_secs_f64(),
        );
        rates.push(Some((rate, middle.longest)));
    }
    for trouble in troubles {
        println!("  {trouble}");
    }
    compare(setting, clients, &rates);
    Ok(())
}

/// Ours by each of the others, and by what the wire allows.
fn compare(setting: &Setting, clients: &[Client], rates: &[Option<(f64, usize)>]) {
    let Some(Some((ours, frame))) = rates.first() else {
        return;
    };
    for (client, rate) in clients.iter().zip(rates).skip(1) {
        if let Some((theirs, _)) = rate {
            println!("  {:.2} times the rate of {}", ours / theirs, client.name);
        }
    }
    if let Some(baud) = setting.link.baud {
        // Requests without a gap between them. Each byte takes ten bits.
        let data = frame - REQUEST_OVERHEAD;
        let limit = data as f64 * f64::from(baud) / (10.0 * encoded_len(*frame) as f64) / 1e3;
        println!(
            "  {:.2} % of the wire's limit for frames of {frame} bytes, {limit:.3} kB/s",
            ours / limit * 100.0
        );
    }
}
