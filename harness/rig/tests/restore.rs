//! Flash is put back while the chip stands, and nothing runs before it is let go.

mod bench;

use bench::{Bench, DHCSR, FORCEOFF, HEARTBEAT, image, noise, program, word};
use hil_rig::Core;
use virtual_dk::bus;

/// DHCSR: the core is halted (Armv8-M Architecture Reference Manual, D1.2.53).
const S_HALT: u32 = 1 << 17;

#[test]
fn pages_are_put_back_and_the_chip_does_not_start_before_it_is_let_go() {
    let bench = Bench::new();
    let probe = bench.probe();
    let (app, net) = (noise(0x3000, 1), noise(0x1800, 2));
    let whole = image(&[(0x4000, &app), (0x0100_1000, &net)]);
    program(&probe, &whole);
    let mut other = app.clone();
    other[0x1008] ^= 0x10;
    let mut other_net = net.clone();
    other_net[0x805] ^= 0x10;
    program(
        &probe,
        &image(&[(0x4000, &other), (0x0100_1000, &other_net)]),
    );
    bench.wait_until("the firmware runs", || {
        word(&probe, Core::App, HEARTBEAT) > 0
    });
    let before = bench.wears();

    let done = probe.restore(&whole).unwrap();
    assert_eq!((done.pages, done.changed, done.erased), (3 + 3, 2, 2));
    assert_eq!(done.erased_pages, [0x5000, 0x0100_1800]);
    assert_eq!(
        word(&probe, Core::App, DHCSR) & S_HALT,
        S_HALT,
        "it is held"
    );
    assert_eq!(
        word(&probe, Core::App, FORCEOFF),
        1,
        "so is the network core"
    );
    let after = bench.dk.flash_wear(bus::Core::App);
    assert_eq!(after.page_erases - before[0].page_erases, 1);
    assert_eq!(after.writes_beyond_limit, 0);
    assert_eq!(probe.read(Core::App, 0x4000, 0x3000).unwrap(), app);

    probe.run(Core::App).unwrap();
    let beat = word(&probe, Core::App, HEARTBEAT);
    bench.wait_until("it runs", || word(&probe, Core::App, HEARTBEAT) > beat);
    assert_eq!(probe.read(Core::Net, 0x0100_1000, 0x1800).unwrap(), net);
}

#[test]
fn a_restoring_that_has_nothing_to_do_changes_no_flash() {
    let bench = Bench::new();
    let probe = bench.probe();
    let whole = image(&[(0, &noise(0x2000, 3))]);
    program(&probe, &whole);
    let before = bench.wears();
    let done = probe.restore(&whole).unwrap();
    assert_eq!((done.pages, done.changed), (2, 0));
    assert_eq!(bench.wears(), before);
}
