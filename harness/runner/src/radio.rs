//! The wireless link of a board: made when a step needs it, made again when it was lost, and told in events.
//!
//! A serial port is there or the bench is broken. A wireless link comes and goes with what the board does, so its loss is
//! [`Trouble::Lost`] first, and whoever asked decides whether that was to be expected.

use crate::cancel::CancelToken;
use crate::events::Events;
use crate::faults;
use crate::fuse::{Fuse, Fused};
use crate::link::Link;
use crate::trouble::{Checked, Trouble, error_chain};
use hil_ble::{BleError, BleLink, ConnectWatch, LinkParameters};
use hil_clock::{Instant, SharedClock};
use hil_record::{ErrorKind, EventKind, LinkConnected, LinkEnd};
use hil_rig::{Board, RigError, Seat};
use hil_scenario::Transport;
use hil_smp::{Client, ClientError, FaultSwitch, Faulty};
use std::ops::ControlFlow;
use std::time::Duration;

/// How long what was written may take to leave this host before a link is given up on purpose.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

/// The wireless link of one board.
pub(crate) struct RadioLink {
    board: String,
    clock: SharedClock,
    cancel: CancelToken,
    events: Events,
    ble: BleLink,
    second: Option<BleLink>,
    fuse: Fuse,
    link: Link,
    /// The right to a connection of the adapter, for the time of a scenario.
    seat: Option<Seat>,
    /// The last event says that the link is there.
    told: bool,
}

impl RadioLink {
    /// The link of a board that has a radio; not connected yet.
    pub(crate) fn of(
        board: &Board,
        clock: &SharedClock,
        cancel: &CancelToken,
        events: &Events,
        faults: &FaultSwitch,
    ) -> Option<Self> {
        let radio = board.radio()?;
        let ble = radio.link();
        let fuse = Fuse::default();
        let damaged = {
            let (events, board) = (events.clone(), board.name().to_owned());
            move |damage| {
                events.note(
                    Some(&board),
                    format!("an SMP packet was damaged over ble: {damage}"),
                );
            }
        };
        let told = faults::sink(events, board.name(), Transport::Ble);
        let transport = ble.transport(Box::new(damaged));
        let transport = Faulty::new(transport, clock.clone(), faults.clone(), told);
        let transport = Fused::new(transport, fuse.clone());
        Some(Self {
            board: board.name().to_owned(),
            clock: clock.clone(),
            cancel: cancel.clone(),
            events: events.clone(),
            second: radio.second_link(),
            link: Link::new(transport, (board.name(), "ble"), clock, cancel, events),
            ble,
            fuse,
            seat: None,
            told: false,
        })
    }

    /// Waits until the adapter can hold one more connection, and keeps the right to it until [`end`](Self::end).
    pub(crate) fn reserve(&mut self, board: &Board, deadline: Instant) -> Checked {
        let Some(radio) = board.radio() else {
            return Ok(());
        };
        let cancel = self.cancel.clone();
        let mut go_on = || match cancel.is_cancelled() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        match radio.reserve(deadline, &mut go_on) {
            Ok(seat) => {
                self.seat = Some(seat);
                Ok(())
            }
            Err(_) if self.cancel.is_cancelled() => Err(Trouble::Cancelled),
            Err(error) => Err(Trouble::error(ErrorKind::Radio, error_chain(&error))
                .with_help(RigError::help(&error))),
        }
    }

    /// Connects unless it is connected; what the new link is like, when there is a new one.
    pub(crate) fn connect(&mut self, deadline: Instant) -> Checked<Option<String>> {
        if self.ble.is_connected() {
            return Ok(None);
        }
        self.tell_loss("it was found lost when it was needed again");
        let mut watch = Watch {
            cancel: &self.cancel,
        };
        match self.ble.connect(deadline, &mut watch) {
            Ok(parameters) => {
                self.told = true;
                self.events.emit(EventKind::LinkConnected(connected(
                    &self.board,
                    &parameters,
                )));
                Ok(Some(parameters.to_string()))
            }
            Err(error) => Err(trouble(&self.board, &error)),
        }
    }

    /// SMP over the link.
    pub(crate) fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// What ends an upload between its last chunk and the answer.
    pub(crate) fn fuse(&self) -> Fuse {
        self.fuse.clone()
    }

    /// Another central's link to the same board.
    pub(crate) fn second(&self) -> Option<Second> {
        self.second.clone().map(|link| Second {
            board: self.board.clone(),
            link,
            clock: self.clock.clone(),
            cancel: self.cancel.clone(),
        })
    }

    /// Tells that the link was lost, once.
    pub(crate) fn tell_loss(&mut self, cause: &str) {
        self.tell_end(LinkEnd::Lost, cause);
    }

    /// Waits until everything that was sent has left this host.
    pub(crate) fn flush(&self) {
        // A link that is gone has nothing more to send.
        drop(self.ble.flush(self.clock.now() + FLUSH_WITHIN));
    }

    /// Hangs up.
    pub(crate) fn hang_up(&mut self, why: &str) {
        self.fuse.disarm();
        self.ble.disconnect();
        self.tell_end(LinkEnd::Closed, why);
    }

    /// Hangs up and gives the right to a connection back.
    pub(crate) fn end(&mut self) {
        self.hang_up("the scenario has ended");
        self.seat = None;
    }

    fn tell_end(&mut self, how: LinkEnd, cause: &str) {
        if std::mem::take(&mut self.told) {
            self.events.emit(EventKind::LinkEnded {
                board: self.board.clone(),
                how,
                cause: cause.to_owned(),
            });
        }
    }
}

/// Another central.
pub(crate) struct Second {
    board: String,
    link: BleLink,
    clock: SharedClock,
    cancel: CancelToken,
}

/// What became of another central.
pub(crate) enum Intrusion {
    /// It was connected and answered; how, in words.
    GotIn(String),
    /// It was not; why, in words.
    KeptOut(String),
}

impl Second {
    /// Tries to connect, asks for the image list, and hangs up.
    pub(crate) fn intrude(&self, within: Duration) -> Checked<Intrusion> {
        let mut watch = Watch {
            cancel: &self.cancel,
        };
        let parameters = match self.link.connect(self.clock.now() + within, &mut watch) {
            Ok(parameters) => parameters,
            Err(error) => {
                return match trouble(&self.board, &error) {
                    Trouble::Lost(why) => Ok(Intrusion::KeptOut(why)),
                    trouble => Err(trouble),
                };
            }
        };
        let mut client = Client::new(self.link.transport(Box::new(|_| {})), self.clock.clone());
        let answered = client.image_state();
        self.link.disconnect();
        match answered {
            Ok(list) => Ok(Intrusion::GotIn(format!(
                "{parameters}, listed {} images",
                list.images.len()
            ))),
            Err(ClientError::Transport(error)) => Ok(Intrusion::KeptOut(error_chain(&error))),
            Err(error) => Err(Trouble::fail(
                hil_record::FailKind::Protocol,
                format_args!(
                    "the second central was connected, but: {}",
                    error_chain(&error)
                ),
            )),
        }
    }
}

/// Waits for a link as long as the run goes on.
struct Watch<'a> {
    cancel: &'a CancelToken,
}

impl ConnectWatch for Watch<'_> {
    fn go_on(&mut self) -> bool {
        !self.cancel.is_cancelled()
    }

    fn retry(&mut self, attempt: u32, cause: &BleError) {
        // Not a retry of the report: a board that is booting is waited for. How many attempts it took is in the
        // parameters of the link.
        tracing::debug!(attempt, %cause, "connecting again");
    }
}

/// What the board may have done is not trouble of the bench.
fn trouble(board: &str, error: &BleError) -> Trouble {
    if matches!(error, BleError::Stopped) {
        return Trouble::Cancelled;
    }
    if error.may_be_the_board() {
        return Trouble::Lost(error_chain(error));
    }
    let trouble = Trouble::error(
        ErrorKind::Radio,
        format_args!("board `{board}`: {}", error_chain(error)),
    );
    match error.help() {
        Some(help) => trouble.with_help(help),
        None => trouble,
    }
}

fn connected(board: &str, parameters: &LinkParameters) -> LinkConnected {
    LinkConnected {
        board: board.to_owned(),
        adapter: parameters.adapter.clone(),
        address: parameters.address.map(|address| address.to_string()),
        name: parameters.name.clone(),
        rssi: parameters.rssi,
        mtu: parameters.mtu,
        scan_ms: parameters.scan_ms,
        connect_ms: parameters.connect_ms,
        discover_ms: parameters.discover_ms,
        attempts: parameters.attempts,
        cleared: parameters.cleared,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_ble::{AdapterId, DeviceId, Failure};

    #[test]
    fn a_board_that_is_not_heard_is_not_trouble_of_the_bench() {
        let error = BleError::from(Failure::NotHeard {
            device: DeviceId::Name("dk".to_owned()),
            adapter: "hci0".to_owned(),
            waited_ms: 1000,
            heard: Vec::new(),
        });
        assert!(matches!(trouble("dk", &error), Trouble::Lost(_)));
    }

    #[test]
    fn an_adapter_that_is_not_there_is_trouble_of_the_bench_with_advice() {
        let error = BleError::from(Failure::NoAdapter {
            wanted: AdapterId::from("hci7"),
            there: vec!["`hci0`".to_owned()],
        });
        let Trouble::Error(ErrorKind::Radio, cause, Some(_)) = trouble("dk", &error) else {
            panic!("{:?}", trouble("dk", &error));
        };
        assert_eq!(
            cause,
            "board `dk`: there is no Bluetooth adapter `hci7`; there is `hci0`"
        );
    }
}
