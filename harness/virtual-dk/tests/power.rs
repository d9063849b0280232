//! Supplies that misbehave, boards whose debugger goes with the power, and torn flash, seen from outside.

mod bench;

use bench::{PATIENCE, Serial, Supply, flash_base, greeting_board, start};
use hil_clock::{Clock as _, SystemClock};
use rstest::rstest;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;
use virtual_dk::bus::Core;
use virtual_dk::{Cuts, Power, Preload, Torn, VirtualDk, VirtualDkOptions};

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    let deadline = clock.now() + PATIENCE;
    while !is_so() {
        assert!(clock.now() < deadline, "never {what}");
        clock.sleep(Duration::from_millis(5));
    }
}

#[rstest]
#[case::works(virtual_dk::Supply::Works, "0", false)]
#[case::ignores(virtual_dk::Supply::Ignores, "1", true)]
#[case::stuck(virtual_dk::Supply::Stuck, "0", true)]
fn what_a_supply_says_and_what_it_does(
    #[case] supply: virtual_dk::Supply,
    #[case] says: &str,
    #[case] still_flows: bool,
) {
    let dk = start(VirtualDkOptions {
        supply,
        ..greeting_board()
    });
    let mut remote = Supply::connect(&dk);
    assert_eq!(remote.ask("OUTP?"), "1");
    remote.tell("OUTP OFF");
    assert_eq!(remote.ask("OUTP?"), says);
    let amperes: f64 = remote.ask("MEAS:CURR?").parse().expect("a number");
    assert_eq!(amperes > 0.001, still_flows, "{amperes}");
    remote.tell("OUTP ON");
    assert_eq!(remote.ask("OUTP?"), "1");
}

fn probe_address(dk: &VirtualDk) -> String {
    dk.endpoints().probe.replace("1d50:6018:", "")
}

fn port(dk: &VirtualDk) -> &Path {
    &dk.endpoints().uart.app
}

#[test]
fn with_board_power_probe_and_ports_go_away_and_come_back() {
    let dk = start(VirtualDkOptions {
        cuts: Cuts::Board,
        ..greeting_board()
    });
    let address = probe_address(&dk);
    assert!(port(&dk).exists() && TcpStream::connect(&address).is_ok());
    for _ in 0..2 {
        dk.set_power(Power::Off);
        wait_until("without its probe", || {
            TcpStream::connect(&address).is_err()
        });
        wait_until("without its port", || !port(&dk).exists());
        dk.set_power(Power::On);
        wait_until("with its probe again", || {
            TcpStream::connect(&address).is_ok()
        });
        wait_until("with its port again", || port(&dk).exists());
    }
    let mut app = Serial::open(port(&dk));
    app.send(b"abc\n");
    assert_eq!(app.line(), "ABC", "the first lines were printed to nobody");
    let folder = port(&dk).parent().expect("it is in a folder").to_owned();
    drop(app);
    drop(dk);
    assert!(!folder.exists(), "nothing is left behind");
}

#[test]
fn a_connection_to_the_probe_ends_with_the_power_of_the_board() {
    let dk = start(VirtualDkOptions {
        cuts: Cuts::Board,
        ..greeting_board()
    });
    let mut connection = TcpStream::connect(probe_address(&dk)).expect("the probe is there");
    connection
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket takes timeouts");
    dk.set_power(Power::Off);
    let read = std::io::Read::read(&mut connection, &mut [0]);
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

/// Pages that are neither as they were nor blank after the power failed in the middle of erases.
fn torn_pages(torn: Option<Torn>) -> usize {
    let old = vec![0x5a; 64 * 4096];
    let options = greeting_board();
    let mut preload = options.preload.clone();
    preload.push(Preload {
        core: Core::App,
        address: flash_base(Core::App) + 0x8_0000,
        data: old.clone(),
    });
    let dk = start(VirtualDkOptions {
        preload,
        torn,
        speed: virtual_dk::Speed::Factor(1.0),
        power: Power::Off,
        ..options
    });
    let mut app = Serial::open(port(&dk));
    dk.set_power(Power::On);
    app.line();
    app.send(b"B");
    // An erase takes 87.5 ms, the writes behind it 0.7 ms: the power nearly always fails in an erase.
    wait_until("erasing", || dk.flash_wear(Core::App).page_erases >= 1);
    dk.set_power(Power::Off);
    dk.set_power(Power::On);
    let mut session = bench::attach(&dk);
    let mut found = vec![0; old.len()];
    let mut core = session.core(0).expect("there is one");
    probe_rs::MemoryInterface::read(&mut core, 0x8_0000, &mut found).expect("flash can be read");
    found
        .chunks(4096)
        .filter(|page| {
            // Behind what was written to it.
            let rest = &page[64..];
            !rest.iter().all(|&byte| byte == 0x5a) && !rest.iter().all(|&byte| byte == 0xff)
        })
        .count()
}

#[test]
fn a_page_is_half_erased_only_where_operations_are_torn() {
    let torn = Torn {
        seed: 7,
        unstable: true,
    };
    assert_eq!(torn_pages(None), 0);
    // Once in a hundred times the power fails between two erases.
    assert!((0..20).any(|_| torn_pages(Some(torn)) == 1));
}
