//! What is done with a board: everything our client does with one in a run, and after that what BlueZ refuses.

use crate::line::Names;
use crate::onlooker::{Objects, Onlooker, options};
use crate::relay::{Log, Record, Relay, socket_of};
use crate::trace;
use dbus::arg::AppendAll;
use hil_ble::{
    AdapterId, Address, BleLink, BleTransport, BleWorker, DeviceId, Patient, Peer, WorkerLauncher,
};
use hil_clock::SharedClock;
use hil_smp::Client;
use hil_smp::message::Reset;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";
const ADAPTER: &str = "org.bluez.Adapter1";
const DEVICE: &str = "org.bluez.Device1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// Of the GATT service: it can be read and not be written.
const DATABASE_HASH: &str = "00002b2a-0000-1000-8000-00805f9b34fb";
const SMP: &str = "da2e7828-fbce-4e01-ae9e-261174997c48";

/// How long one of the client's steps may take: a board that resets is back within seconds, on an emulated processor
/// within a minute.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where to do it.
#[derive(Debug)]
pub(crate) struct Place {
    /// The bus, `unix:path=…`.
    pub(crate) bus: String,
    /// The adapter's name.
    pub(crate) adapter: String,
    /// The board's address.
    pub(crate) board: Address,
    /// The program that is a Bluetooth worker with the argument `ble-worker`.
    pub(crate) worker: PathBuf,
}

/// Does it, and gives the trace.
pub(crate) fn run(place: &Place, clock: &SharedClock) -> Result<Vec<String>, Box<dyn Error>> {
    let names = Names::of(&place.adapter, &place.board.to_string());
    let socket = socket_of(&place.bus)
        .ok_or_else(|| format!("`{}` is no bus of the form unix:path=…", place.bus))?;
    let log = Arc::new(Log::default());
    let relay = Relay::start(socket, &log)?;
    let launcher = WorkerLauncher::new(&place.worker);
    let worker = Arc::new(BleWorker::new(
        launcher,
        Some(relay.address()),
        clock.clone(),
    ));
    let peer = Peer {
        adapter: AdapterId::from(place.adapter.as_str()),
        device: DeviceId::Address(place.board),
    };
    let link = BleLink::new(worker, peer);
    let damaged = Box::new(|damage| eprintln!("a packet was damaged: {damage}"));
    let mut scene = Scene {
        onlooker: Onlooker::new(&place.bus, &names)?,
        smp: Client::new(link.transport(damaged), clock.clone()),
        link,
        names: &names,
        clock,
        log: &log,
        objects: Objects::new(),
    };
    let played = scene.play();
    // While the client is there: what is still said to it when it leaves depends on how fast it does.
    let lines = trace::lines(&log.records(), &names);
    drop(scene);
    drop(relay);
    played.map_err(|error| format!("{error}, after:\n{}", lines.join("\n")))?;
    Ok(lines)
}

struct Scene<'a> {
    onlooker: Onlooker<'a>,
    smp: Client<BleTransport>,
    link: BleLink,
    names: &'a Names,
    clock: &'a SharedClock,
    log: &'a Log,
    /// As they were last noted.
    objects: Objects,
}

impl Scene<'_> {
    fn play(&mut self) -> Result<(), Box<dyn Error>> {
        // Whether an adapter is on from the start is a matter of bluetoothd's configuration (`AutoEnable`).
        self.onlooker.set_powered(true)?;
        self.note_objects("before")?;

        self.note("# the client connects");
        self.connect()?;
        self.note_objects("while connected")?;
        self.note("# an echo over SMP");
        self.smp.echo("hello")?;
        self.note("# what another client asks for while connected");
        self.refusals_while_connected()?;

        self.note("# the board resets");
        self.smp.reset(Reset::default())?;
        self.until_hung_up()?;
        self.link.disconnect();
        self.note_objects("after that")?;
        self.note("# what another client asks for without a connection");
        self.refusals_without_connection()?;

        self.note("# the client connects again");
        self.connect()?;
        self.note_objects("while connected again")?;
        self.note("# an echo over SMP");
        self.smp.echo("again")?;

        self.note("# the client disconnects");
        self.link.disconnect();
        self.until_hung_up()?;
        self.note_objects("after that")?;
        self.note_interfaces()?;

        self.note("# the adapter is switched off");
        self.switch(false)?;
        self.note_objects("after that")?;
        self.note("# what another client asks for while it is off");
        self.refusals_without_power();

        self.note("# the adapter is switched on");
        self.switch(true)?;
        self.note_objects("after that")
    }

    /// Switches the adapter, and waits until the client was told.
    fn switch(&self, on: bool) -> Result<(), Box<dyn Error>> {
        let told = format!("Powered: {on}");
        self.onlooker.set_powered(on)?;
        self.until(&told, |said| said.iter().any(|line| line.contains(&told)))
    }

    fn connect(&self) -> Result<(), Box<dyn Error>> {
        self.link
            .connect(self.clock.now() + PATIENCE, &mut Patient)?;
        Ok(())
    }

    /// Waits until the client has hung up and was told that the connection is gone, in whichever order: it is lost first when the
    /// board goes, and hung up first when the client goes.
    fn until_hung_up(&self) -> Result<(), Box<dyn Error>> {
        self.until("the connection has ended", |said| {
            has(said, "< DEV Device1 {Connected: false") && has(said, "< Disconnect")
        })
    }

    /// Waits until `is_there` says so of what was said in this part.
    fn until(
        &self,
        what: &str,
        is_there: impl Fn(&[String]) -> bool,
    ) -> Result<(), Box<dyn Error>> {
        let deadline = self.clock.now() + PATIENCE;
        let told = self.log.wait(self.clock, deadline, |records| {
            let lines = trace::lines(records, self.names);
            let part = lines.iter().rposition(|line| line.starts_with('#'));
            is_there(&lines[part.unwrap_or(0)..])
        });
        if told {
            Ok(())
        } else {
            Err(format!("nobody said within {PATIENCE:?} that {what}").into())
        }
    }

    /// None of this changes anything: a byte more for the board's SMP server would spoil the next request, so what is written
    /// must be refused.
    fn refusals_while_connected(&self) -> Result<(), Box<dyn Error>> {
        let (adapter, device) = (&*self.names.adapter, &*self.names.device);
        let characteristic = &*self.characteristic(SMP)?;
        let hash = &*self.characteristic(DATABASE_HASH)?;
        let stranger = dbus::Path::from("/org/bluez/nowhere");
        self.ask(adapter, ADAPTER, "StopDiscovery", ());
        self.ask(adapter, ADAPTER, "StartDiscovery", ("too much",));
        self.ask(adapter, ADAPTER, "RemoveDevice", (stranger,));
        self.ask(adapter, ADAPTER, "Nonsense", ());
        self.ask(adapter, "org.bluez.Nonsense1", "StartDiscovery", ());
        self.ask("/org/bluez/hci9", ADAPTER, "StartDiscovery", ());
        for (key, value) in [("Transport", "carrier pigeon"), ("Nonsense", "")] {
            let filter = options(&[(key, value)]);
            self.ask(adapter, ADAPTER, "SetDiscoveryFilter", (filter,));
        }
        for (interface, name) in [
            (ADAPTER, "Nonsense"),
            ("org.bluez.Nonsense1", "Address"),
            (DEVICE, "Address"),
        ] {
            self.ask(adapter, PROPERTIES, "Get", (interface, name));
        }
        self.ask(adapter, PROPERTIES, "GetAll", ("org.bluez.Nonsense1",));
        for (interface, name) in [
            (ADAPTER, "Address"),
            (ADAPTER, "Powered"),
            (ADAPTER, "Nonsense"),
            ("org.bluez.Nonsense1", "Address"),
        ] {
            let text = dbus::arg::Variant("text");
            self.ask(adapter, PROPERTIES, "Set", (interface, name, text));
        }
        self.ask(device, DEVICE, "Connect", ());
        self.ask(device, DEVICE, "CancelPairing", ());
        self.ask(device, PROPERTIES, "Get", (DEVICE, "RSSI"));
        self.ask(characteristic, CHARACTERISTIC, "StopNotify", ());
        self.ask(characteristic, CHARACTERISTIC, "StartNotify", ());
        self.ask(characteristic, CHARACTERISTIC, "StartNotify", ());
        self.ask(characteristic, CHARACTERISTIC, "StopNotify", ());
        self.ask(characteristic, CHARACTERISTIC, "ReadValue", (options(&[]),));
        self.write(characteristic, 496, "command");
        self.write(characteristic, 1, "carrier pigeon");
        self.write(hash, 1, "request");
        Ok(())
    }

    fn refusals_without_connection(&self) -> Result<(), Box<dyn Error>> {
        let characteristic = &*self.characteristic(SMP)?;
        self.ask(&self.names.device, DEVICE, "Disconnect", ());
        self.ask(characteristic, PROPERTIES, "Get", (CHARACTERISTIC, "MTU"));
        self.ask(characteristic, CHARACTERISTIC, "ReadValue", (options(&[]),));
        self.write(characteristic, 1, "command");
        self.write(characteristic, 1, "request");
        self.ask(characteristic, CHARACTERISTIC, "StopNotify", ());
        Ok(())
    }

    fn refusals_without_power(&self) {
        let (adapter, device) = (&*self.names.adapter, &*self.names.device);
        self.ask(adapter, ADAPTER, "StartDiscovery", ());
        self.ask(adapter, ADAPTER, "StopDiscovery", ());
        self.ask(adapter, ADAPTER, "SetDiscoveryFilter", (options(&[]),));
        let board = dbus::Path::from(device);
        self.ask(adapter, ADAPTER, "RemoveDevice", (board,));
        self.ask(device, DEVICE, "Connect", ());
    }

    fn ask<A: AppendAll>(&self, path: &str, interface: &str, member: &str, arguments: A) {
        self.note_all(self.onlooker.attempt(path, interface, member, arguments));
    }

    fn write(&self, characteristic: &str, length: usize, kind: &str) {
        let arguments = (vec![0u8; length], options(&[("type", kind)]));
        let [asked, answered] =
            self.onlooker
                .attempt(characteristic, CHARACTERISTIC, "WriteValue", arguments);
        // 496 zeros would make the longest line of all.
        let zeros = format!("hex {}", "00".repeat(length));
        self.note(&asked.replace(&zeros, &format!("{length} × 00")));
        self.note(&answered);
    }

    /// The object of the characteristic with this UUID.
    fn characteristic(&self, uuid: &str) -> Result<String, Box<dyn Error>> {
        let uuid = format!("UUID: \"{uuid}\"");
        let mut objects = self.objects.iter();
        let found = objects.find(|(_, lines)| lines.iter().any(|line| line.contains(&uuid)));
        let (path, _) =
            found.ok_or_else(|| format!("the board has no characteristic with {uuid}"))?;
        Ok(path.clone())
    }

    /// Notes the objects, as far as they are not as they were noted last.
    fn note_objects(&mut self, when: &str) -> Result<(), Box<dyn Error>> {
        self.note(&format!("# objects {when}, where they differ"));
        let objects = self.onlooker.objects()?;
        for (path, lines) in &objects {
            let before = self.objects.get(path);
            let mut news = lines
                .iter()
                .filter(|line| !before.is_some_and(|before| before.contains(*line)))
                .peekable();
            if news.peek().is_some() {
                self.note(&format!("  {}", self.names.short(path)));
            }
            self.note_all(news.map(|line| format!("    {line}")));
        }
        for path in self.objects.keys() {
            if !objects.contains_key(path) {
                self.note(&format!("  {} is gone", self.names.short(path)));
            }
        }
        self.objects = objects;
        Ok(())
    }

    /// Notes what objects say that they have. An interface is noted once, and again where another object says something else.
    fn note_interfaces(&self) -> Result<(), Box<dyn Error>> {
        self.note("# introspection");
        let mut known: Vec<String> = Vec::new();
        for path in self.objects.keys() {
            self.note(&format!("  {}", self.names.short(path)));
            for line in self.onlooker.introspection(path)? {
                let child = line.strip_prefix("node ");
                if child.is_some_and(|child| !self.names.concerns(&format!("{path}/{child}"))) {
                    continue;
                }
                let name = line.split(';').next().unwrap_or_default();
                let shown = if known.contains(&line) { name } else { &line };
                self.note(&format!("    {shown}"));
                known.push(line);
            }
        }
        Ok(())
    }

    fn note(&self, line: &str) {
        self.log.push(Record::Note(line.to_owned()));
    }

    fn note_all(&self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            self.log.push(Record::Note(line));
        }
    }
}

/// Whether a line begins so.
fn has(lines: &[String], start: &str) -> bool {
    lines.iter().any(|line| line.starts_with(start))
}
