//! Starting and stopping leaves nothing behind. Alone in its file: it counts what the process has open.

mod client;

use client::{Client, echo};
use std::path::Path;
use virtual_radio::{RadioOptions, VirtualRadio};

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).expect("it is Linux").count()
}

fn cycle() {
    let radio = VirtualRadio::start(RadioOptions::default()).expect("it starts");
    let port = echo(&radio.air(), [0xc0, 0, 0, 0, 0, 1], "echo");
    let socket = radio
        .address()
        .strip_prefix("unix:path=")
        .expect("it is a path")
        .to_owned();
    zruntime::block_on(async {
        let mut client = Client::connect(radio.address()).await;
        let device = "/org/bluez/hci0/dev_C0_00_00_00_00_01";
        client.find("/org/bluez/hci0", device).await;
        client
            .call(device, "org.bluez.Device1", "Connect", &())
            .await;
        // The client goes in the middle of it, and some do not say goodbye.
        if !socket.len().is_multiple_of(2) {
            client.close().await;
        }
    });
    drop(port);
    drop(radio);
    assert!(!Path::new(&socket).exists(), "the socket is gone");
}

#[test]
fn forty_radios_leave_no_thread_file_or_socket_behind() {
    // The first ones make what is shared by all: the client's runtime, a pool of threads.
    for _ in 0..3 {
        cycle();
    }
    let before = (count("/proc/self/task"), count("/proc/self/fd"));
    for _ in 0..40 {
        cycle();
    }
    let after = (count("/proc/self/task"), count("/proc/self/fd"));
    assert!(
        after.0 <= before.0 && after.1 <= before.1,
        "threads and files before {before:?}, after {after:?}"
    );
}
