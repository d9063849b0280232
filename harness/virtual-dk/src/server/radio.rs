//! The board's radio: between the firmware's calls and the air of a virtual radio.
//!
//! The network core runs the controller. So whatever is on the air (advertising, a link) lasts as long as the start of
//! both cores in which the application asked for it: a reset of either, a loss of power or a network core in lock-up
//! silences the board at once, and a central notices by the supervision timeout. An application core that hangs or is
//! halted keeps its link and does not answer; so does a network core that a debugger halts, which on silicon would lose
//! its link after the supervision timeout.

use super::board::Board;
use crate::bus::Core;
use crate::chip::{Chip, Power, Run};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use virtual_radio::gatt::GattTable;
use virtual_radio::{Address, Advertisement, AirHandle, LinkEvent, LinkId, Port, Reason};

/// FICR of the network core: `DEVICEADDR[0]` and `[1]`.
const DEVICE_ADDRESS: [u32; 2] = [0x01ff_02a4, 0x01ff_02a8];
/// Events that wait for firmware that does not take them; what is more is lost, as when the controller's buffers are
/// full. Our choice: several requests of the largest size.
const MOST_EVENTS: usize = 256;

/// What a board has to do with a radio.
#[derive(Debug, Default)]
pub(super) struct Radio {
    port: Option<Port>,
    /// The starts of the two cores that are on the air.
    epochs: Option<[u64; 2]>,
    events: VecDeque<LinkEvent>,
}

/// The address that the controller of this chip has.
pub(super) fn address(chip: &Chip) -> Address {
    Address::static_random(DEVICE_ADDRESS.map(|address| {
        let mut word = [0; 4];
        // FICR is always there.
        let _ = chip.read(Core::Net, address, &mut word);
        u32::from_le_bytes(word)
    }))
}

/// Puts the board on the air; silent until its firmware says something.
pub(super) fn attach(board: &Arc<Board>, air: &AirHandle) {
    let address = address(&board.lock().chip);
    let listener = Weak::clone(&Arc::downgrade(board));
    let port = air.attach(
        address,
        GattTable::smp(),
        Box::new(move |event| {
            if let Some(board) = listener.upgrade() {
                board.lock().radio.take(event);
                board.wake();
            }
        }),
    );
    board.lock().radio.port = Some(port);
}

impl Radio {
    /// Takes the board off the air for good.
    pub(super) fn detach(&mut self) {
        *self = Self::default();
    }

    /// Firmware asks to be found.
    pub(super) fn advertise(&mut self, chip: &Chip, advertisement: Advertisement) {
        if let Some(port) = &self.port
            && controller_runs(chip)
        {
            self.epochs = Some(epochs(chip));
            port.advertise(Some(advertisement));
        }
    }

    /// Firmware says what it wants of a link.
    pub(super) fn require_security(&self, refusal: Option<u8>) {
        if let Some(port) = &self.port {
            port.require_security(refusal);
        }
    }

    pub(super) fn notify(&self, link: LinkId, characteristic: u16, value: Vec<u8>) {
        if let Some(port) = self.port.as_ref().filter(|_| self.epochs.is_some()) {
            port.notify(link, characteristic, value);
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<LinkEvent> {
        self.events.drain(..).collect()
    }

    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    fn take(&mut self, event: LinkEvent) {
        if self.epochs.is_none() {
            return;
        }
        let droppable = matches!(event, LinkEvent::Written { .. });
        if droppable && self.events.len() >= MOST_EVENTS {
            tracing::warn!("the firmware does not take what is written to it: lost");
        } else {
            self.events.push_back(event);
        }
    }

    /// To be called after each change of the chip.
    pub(super) fn settle(&mut self, chip: &Chip) {
        let Some(started) = self.epochs else {
            return;
        };
        if started == epochs(chip) && controller_runs(chip) {
            return;
        }
        self.epochs = None;
        self.events.clear();
        if let Some(port) = &self.port {
            port.advertise(None);
            port.drop_link(Reason::ConnectionTimeout);
        }
    }
}

fn epochs(chip: &Chip) -> [u64; 2] {
    [Core::App, Core::Net].map(|core| chip.epoch(core))
}

fn controller_runs(chip: &Chip) -> bool {
    chip.power() == Power::On
        && match chip.run_state(Core::Net) {
            Run::Running | Run::Asleep | Run::Halted => true,
            Run::Held | Run::LockedUp => false,
        }
}
