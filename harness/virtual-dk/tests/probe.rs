//! Stock probe-rs as the debugger of a virtual DK.

mod bench;

use bench::{attach, flash, greeting_board, noise, start};
use probe_rs::MemoryInterface;
use virtual_dk::VirtualDkOptions;

#[test]
fn both_cores_are_programmed_verified_and_read_back() {
    let dk = start(VirtualDkOptions::default());
    let mut session = attach(&dk);
    let (app, net) = (noise(24 << 10, 1), noise(10 << 10, 2));
    flash(&mut session, &[(0x4000, &app), (0x0100_0800, &net)]).unwrap();
    let mut back = vec![0; app.len()];
    session.core(0).unwrap().read(0x4000, &mut back).unwrap();
    assert!(back == app, "application flash holds what was programmed");
    let mut back = vec![0; net.len()];
    session
        .core(1)
        .unwrap()
        .read(0x0100_0800, &mut back)
        .unwrap();
    assert!(back == net, "network flash holds what was programmed");
}
