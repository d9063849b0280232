//! What our client and BlueZ say to each other about one board, as text: the same on every BlueZ that behaves the same.
//!
//! `bluez-trace BOARD [BUS [ADAPTER]]` does one scenario ([`scenario`]) with the board of that address, with the client that
//! scenarios are run with ([`hil_ble`]) and the BlueZ on that bus (`unix:path=…`; the system's own by default), and prints
//! the conversation ([`trace`]). The test of this crate runs it with the virtual radio, `tools/bench-vm/run --traces` with bluetoothd, and
//! both compare with the same file, `tests/data/bluez-5.66.txt`.
//!
//! It knows nothing of what BlueZ should say, and does not know whether one is virtual.

#[cfg(target_os = "linux")]
mod line;
#[cfg(target_os = "linux")]
mod onlooker;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
mod scenario;
#[cfg(target_os = "linux")]
mod trace;

/// Where Linux distributions have it (D-Bus specification, "Well-known Message Bus Instances"; `/var/run` is `/run`).
#[cfg(target_os = "linux")]
const SYSTEM_BUS: &str = "unix:path=/run/dbus/system_bus_socket";

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (board, bus, adapter) = match arguments[..] {
        ["ble-worker"] => return Ok(hil_ble::worker::run()?),
        [board] => (board, SYSTEM_BUS, "hci0"),
        [board, bus] => (board, bus, "hci0"),
        [board, bus, adapter] => (board, bus, adapter),
        _ => return Err("usage: bluez-trace BOARD [BUS [ADAPTER]]".into()),
    };
    let place = scenario::Place {
        bus: bus.to_owned(),
        adapter: adapter.to_owned(),
        board: board.parse()?,
        worker: std::env::current_exe()?,
    };
    let clock: hil_clock::SharedClock = std::sync::Arc::new(hil_clock::SystemClock::new());
    for line in scenario::run(&place, &clock)? {
        println!("{line}");
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("BlueZ is on Linux only");
    std::process::exit(2);
}
