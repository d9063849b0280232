//! SEGGER RTT of a virtual DK's application core: what the harness hears of it, and the probe library.

mod bench;

use bench::{DEMCR, DHCSR, word};
use hil_clock::{SharedClock, SystemClock};
use hil_rig::{Core, ProbeSession, Recover};
use probe_rs::Permissions;
use probe_rs::probe::list::Lister;
use probe_rs::probe::{DebugProbeSelector, WireProtocol};
use probe_rs::rtt::{ChannelMode, Rtt, ScanRegion};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use virtual_dk::firmware::StockFirmware;
use virtual_dk::model::{
    ApplicationModel, Behaviour, Binary, BootloaderSupport, Confirmation, Model, RttMode, RttModel,
    SmpModel,
};
use virtual_dk::{Preload, Speed, VirtualDk, VirtualDkOptions, bus};

const BLOCK: u32 = 0x2000_9A40;
const BANNER: &str = "logs over RTT 1.0.0 (test)";
/// The last line that it prints before it waits for ever, as there is no network core.
const LAST: &str = "network core does not answer";

fn board() -> VirtualDk {
    let model = ApplicationModel {
        name: "logs over RTT".to_owned(),
        version: "1.0.0".to_owned(),
        release: "test".to_owned(),
        behaviour: Behaviour::Normal,
        confirmation: Confirmation::ByClient,
        ipc_version: 1,
        links: Vec::new(),
        smp: SmpModel::default(),
        bootloader: BootloaderSupport::None,
        rtt: Some(RttModel {
            address: BLOCK,
            mode: RttMode::Skip,
        }),
    };
    let options = VirtualDkOptions {
        speed: Speed::Instant,
        preload: vec![Preload {
            core: bus::Core::App,
            address: 0,
            data: Binary::new(Model::Application(model), 0, 0x2000).build(),
        }],
        ..VirtualDkOptions::default()
    };
    VirtualDk::start(options, Arc::new(StockFirmware)).expect("the board starts")
}

/// What is heard of a board.
struct Ear {
    probe: ProbeSession,
    clock: SharedClock,
    text: String,
}

impl Ear {
    fn of(dk: &VirtualDk) -> Self {
        let clock: SharedClock = Arc::new(SystemClock::new());
        let selector = dk.endpoints().probe.parse().expect("it is a selector");
        Self {
            probe: ProbeSession::with_probe("dk", selector, Recover::Forbidden, clock.clone()),
            clock,
            text: String::new(),
        }
    }

    fn listen(&mut self) {
        let taken = self.probe.take_rtt(Core::App).expect("the board answers");
        for piece in taken.expect("nobody else uses the probe") {
            self.text.push_str(&String::from_utf8_lossy(&piece.bytes));
        }
    }

    /// Listens until a text came so often.
    fn hears(&mut self, text: &str, times: usize) {
        let deadline = self.clock.now() + Duration::from_secs(120);
        while self.text.matches(text).count() < times {
            assert!(self.clock.now() < deadline, "heard only: {}", self.text);
            self.listen();
        }
    }
}

#[test]
fn a_core_is_heard_once_for_each_start_and_does_not_notice() {
    let dk = board();
    let mut ear = Ear::of(&dk);
    ear.hears(LAST, 1);
    assert_eq!(
        word(&ear.probe, Core::App, DHCSR) & 0x0002_0003,
        0,
        "it runs without halting debug"
    );
    assert_eq!(word(&ear.probe, Core::App, DEMCR), 0);
    ear.listen();
    for starts in 2..4 {
        ear.probe.reset().expect("it can be reset");
        ear.hears(LAST, starts);
        ear.listen();
        assert_eq!(ear.text.matches(BANNER).count(), starts, "{}", ear.text);
        assert_eq!(ear.text.matches(LAST).count(), starts, "{}", ear.text);
    }
}

#[test]
fn a_loss_of_power_takes_what_was_not_read_and_the_next_start_is_heard() {
    let dk = board();
    let mut ear = Ear::of(&dk);
    ear.hears(LAST, 1);
    let switch = |word: &str| {
        let mut supply = TcpStream::connect(&dk.endpoints().power).expect("the supply listens");
        let order = format!("OUTP {word};OUTP?\n");
        supply.write_all(order.as_bytes()).expect("it takes it");
        let mut answer = [0; 2];
        std::io::Read::read_exact(&mut supply, &mut answer).expect("it answers");
    };
    switch("OFF");
    ear.probe.forget();
    let taken = ear.probe.take_rtt(Core::App).expect("the probe is there");
    assert_eq!(
        taken,
        Some(Vec::new()),
        "a chip without power tells nothing"
    );
    switch("ON");
    ear.hears(LAST, 2);
    assert_eq!(ear.text.matches(BANNER).count(), 2, "{}", ear.text);
}

#[test]
fn a_network_core_that_is_held_off_stays_so() {
    let dk = board();
    let ear = Ear::of(&dk);
    ear.probe.reset_and_halt(Core::App).expect("it can be held");
    assert_eq!(
        ear.probe.take_rtt(Core::Net).expect("the board answers"),
        Some(Vec::new())
    );
    assert_eq!(word(&ear.probe, Core::App, bench::FORCEOFF) & 1, 1);
}

#[test]
fn the_probe_library_finds_the_same_control_block() {
    let dk = board();
    // Nothing of what was printed is taken by this look.
    let ear = Ear::of(&dk);
    let deadline = ear.clock.now() + Duration::from_secs(120);
    let written = |ear: &Ear| word(&ear.probe, Core::App, BLOCK + 24 + 12);
    while written(&ear) < 150 {
        assert!(ear.clock.now() < deadline, "nothing is printed");
    }
    drop(ear);
    let selector: DebugProbeSelector = dk.endpoints().probe.parse().expect("it is a selector");
    let mut stock = Lister::new().open(selector).expect("it can be opened");
    stock
        .select_protocol(WireProtocol::Swd)
        .expect("it has SWD");
    let mut session = stock
        .attach("nRF5340_xxAA_APPONLY", Permissions::new())
        .expect("the library attaches");
    let mut core = session.core(0).expect("there is a core");
    let found = Rtt::find_control_block(&mut core, &ScanRegion::Ram).expect("there is a block");
    assert_eq!(found, u64::from(BLOCK));
    let mut rtt = Rtt::attach_at(&mut core, found).expect("it is one");
    assert_eq!((rtt.up_channels.len(), rtt.down_channels.len()), (1, 1));
    let up = rtt.up_channel(0).expect("there is a first buffer");
    assert_eq!((up.name(), up.buffer_size()), (Some("Terminal"), 1024));
    let mode = up.mode(&mut core).expect("it is a mode");
    assert_eq!(mode, ChannelMode::NoBlockSkip);
    let mut bytes = [0; 1024];
    let count = up.read(&mut core, &mut bytes).expect("it can be read");
    let text = String::from_utf8_lossy(&bytes[..count]);
    assert!(text.contains(&format!("{BANNER}\r\n")), "{text}");
}
