//! `dfu-hil virtual-dk` by itself: what it prints is enough for a client to use the board, without anything else.

mod support;

use hil_clock::{SharedClock, SystemClock};
use hil_smp::{Client, UartOptions, UartPort};
use std::sync::Arc;
use support::boards::Boards;

#[test]
fn a_board_that_was_just_started_answers_with_the_demo_firmware_and_ends_with_its_input() {
    let mut started = Boards::start(&["--boards", "2"]);
    let boards = started.json()["boards"]
        .as_array()
        .expect("a list of boards");
    assert_eq!(boards.len(), 2);
    for board in boards {
        let keys: Vec<&String> = board.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["ble", "name", "power", "probe", "uart"]);
        let clock: SharedClock = Arc::new(SystemClock::new());
        let path = board["uart"]["app"].as_str().expect("the path of a port");
        let port = UartPort::open(
            path,
            UartOptions::default(),
            Arc::clone(&clock),
            Box::new(|_| {}),
        )
        .expect("the port can be opened");
        let mut client = Client::new(port.transport(), clock);
        let state = client.image_state().expect("the application answers");
        assert_eq!(state.images[0].version.as_deref(), Some("1.0.0"));
    }
    assert_eq!(started.end().code(), Some(0));
}
