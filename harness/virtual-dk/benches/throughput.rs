//! How fast a debugger programs a virtual DK, and what boards cost. Prints numbers; asserts nothing about them.
//!
//! `cargo bench -p virtual-dk`

#[path = "../tests/bench/mod.rs"]
mod bench;

use bench::{attach, flash, noise, start};
use hil_clock::{Clock as _, SystemClock};
use probe_rs::MemoryInterface as _;
use std::time::Duration;
use virtual_dk::{VirtualDk, VirtualDkOptions};

const BOARDS: usize = 16;

fn main() {
    let clock = SystemClock::new();
    let timed = |what: &str, bytes: usize, action: &mut dyn FnMut()| {
        let before = clock.now();
        action();
        let took = clock.now().saturating_since(before);
        println!(
            "{what:<44} {:>8.3} s {:>8.2} MB/s",
            took.as_secs_f64(),
            rate(bytes, took)
        );
    };
    let (app, net) = (noise(1 << 20, 1), noise(256 << 10, 2));
    let dk = start(VirtualDkOptions::default());
    let mut session = attach(&dk);
    timed("app 1 MiB: erase, program, verify", app.len(), &mut || {
        flash(&mut session, &[(0, &app)]).expect("it is programmed");
    });
    timed(
        "net 256 KiB: erase, program, verify",
        net.len(),
        &mut || {
            flash(&mut session, &[(0x0100_0000, &net)]).expect("it is programmed");
        },
    );
    let mut back = vec![0; app.len()];
    timed("app 1 MiB: read back", app.len(), &mut || {
        let mut core = session.core(0).expect("the core is there");
        core.read(0, &mut back).expect("it is read");
    });
    drop(session);
    timed("attach and detach", 0, &mut || drop(attach(&dk)));
    drop(dk);

    let before = resident_mib();
    let boards: Vec<VirtualDk> = (0..BOARDS)
        .map(|_| start(VirtualDkOptions::default()))
        .collect();
    for dk in &boards {
        flash(&mut attach(dk), &[(0, &app)]).expect("it is programmed");
    }
    println!(
        "{BOARDS} boards with 1 MiB each: {:.0} MiB resident, of which {before:.0} MiB before them",
        resident_mib()
    );
}

fn rate(bytes: usize, took: Duration) -> f64 {
    bytes as f64 / took.as_secs_f64() / 1e6
}

/// This process's resident memory, the debugger's included.
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
        .unwrap_or(f64::NAN);
    kib / 1024.0
}
