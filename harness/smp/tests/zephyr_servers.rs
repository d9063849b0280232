//! The UART client against real servers: Zephyr 4.4 applications that run here as Linux programs.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "support/servers.rs"]
mod servers;

use hil_smp::message::ParamsAnswer;
use hil_smp::{ClientError, ManagementCode, UploadOptions};
use serde_json::Value;
use servers::{Process, connect, fixtures};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Zephyr's simulated UART looks for bytes every 10 ms or so, and has room for two lines.
const LINE_GAP: Duration = Duration::from_millis(20);

/// A build that the folder holds.
struct Build {
    config: String,
    artifact: String,
    transport: String,
    params: ParamsAnswer,
}

fn native_builds(folder: &Path) -> Vec<Build> {
    let manifest = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    manifest
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["target"] == "native_sim")
        .map(|entry| Build {
            config: entry["config"].as_str().unwrap().to_owned(),
            artifact: entry["artifact"].as_str().unwrap().to_owned(),
            transport: entry["transport"].as_str().unwrap().to_owned(),
            params: ParamsAnswer {
                buf_size: number(&entry["buf_size"]),
                buf_count: number(&entry["buf_count"]),
            },
        })
        .filter(|build| folder.join(&build.artifact).is_file())
        .collect()
}

/// Text for an echo request of exactly `packet` bytes: 8 of header, 1 of map, 2 of key, then the text with its length.
fn echo_text(packet: usize) -> String {
    let text = packet - 11;
    let head = match text {
        0..25 => 1,
        25..258 => 2,
        _ => 3,
    };
    "x".repeat(text - head)
}

fn is_not_supported<T: std::fmt::Debug>(result: Result<T, ClientError>) -> bool {
    match result {
        Err(error) => error
            .refused()
            .is_some_and(|refused| refused.is(ManagementCode::NOT_SUPPORTED)),
        Ok(_) => false,
    }
}

#[test]
fn every_native_server_on_a_serial_console_is_spoken_to_with_its_largest_packets() {
    let Some(folder) = fixtures() else { return };
    let builds = native_builds(&folder);
    let mut spoken = Vec::new();
    for build in &builds {
        let Build { config, params, .. } = build;
        if build.transport != "serial" {
            println!("{config}: not spoken, its transport is {}", build.transport);
            continue;
        }
        let mut command = Command::new(folder.join(&build.artifact));
        let process = Process::start(command.current_dir(&folder));
        let line_gap = if config.contains("bigrx") {
            Duration::ZERO
        } else {
            LINE_GAP
        };
        let mut board = connect(process, line_gap);
        let client = &mut board.client;
        assert_eq!(client.echo("hello").unwrap(), "hello", "{config}");

        let announced = client.params();
        if config.contains("noparams") {
            assert!(is_not_supported(announced), "{config}");
        } else {
            assert_eq!(announced.unwrap(), *params, "{config}");
            let too_long = client.echo(&echo_text(params.buf_size as usize - 3));
            assert!(
                matches!(too_long, Err(ClientError::TooLong { .. })),
                "{config}: {too_long:?}"
            );
        }
        let largest = echo_text(params.buf_size as usize - 4);
        for text in [largest.as_str(), "", &largest] {
            assert_eq!(client.echo(text).unwrap(), text, "{config}");
        }
        match client.os_info("s") {
            Ok(system) => assert_eq!(system, "Zephyr", "{config}"),
            refused => assert!(is_not_supported(refused), "{config}"),
        }
        // These builds have no slots: everything about images is refused, not ignored.
        assert!(is_not_supported(client.image_state()), "{config}");
        assert!(is_not_supported(client.slot_info()), "{config}");
        let upload = client.upload(&[0; 500], UploadOptions::default(), &mut |_| {
            ControlFlow::Continue(())
        });
        assert!(is_not_supported(upload), "{config}");
        println!(
            "{config}: buffers {} x {}, echo of {} bytes",
            params.buf_count,
            params.buf_size,
            largest.len()
        );
        spoken.push(config.as_str());
    }
    for wanted in [
        "serial",
        "serial_bigrx",
        "serial_line512",
        "serial_noparams",
        "serial_buf2048",
    ] {
        assert!(spoken.contains(&wanted), "{wanted} is not among {spoken:?}");
    }
}
