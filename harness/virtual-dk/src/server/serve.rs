//! The command `dfu-hil virtual-dk`: boards that any tool can use, until it is told to stop.

use super::hex::{self, LoadError};
use super::options::{Accelerators, Cuts, Preload, Speed, StartError, Supply, VirtualDkOptions};
use super::virtual_dk::{Endpoints, VirtualDk};
use crate::bus::Firmware;
use crate::chip::{Button, ExternalPart, ForceOffView, Torn};
use crate::demo::{DemoSet, Variant};
use crate::firmware::StockFirmware;
use serde::Serialize;
use std::io::{self, Read as _, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use virtual_radio::{AirHandle, RadioError, RadioOptions, VirtualRadio};

/// What the command was asked for.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// How many boards; they are named `dk1`, `dk2` and so on.
    pub boards: usize,
    /// Print the endpoints as one line of JSON instead of text for people.
    pub json: bool,
    /// Keep the network core's debug port alive while the core is held off, for tools that do not release it.
    pub lenient_forceoff: bool,
    /// How the boards' time passes.
    pub speed: Speed,
    /// Limit the UARTs to this many baud.
    pub uart_baud: Option<u32>,
    /// Let debuggers use whole memory accesses.
    pub accelerators: Accelerators,
    /// TCP port of the first board's probe; 0 takes free ones. Further boards take the following ports.
    pub probe_port: u16,
    /// Whether the boards have an external flash.
    pub external: ExternalPart,
    /// What the boards' power supplies do.
    pub supply: Supply,
    /// What is supplied through them.
    pub cuts: Cuts,
    /// Whether flash operations are torn when the power fails. Each board has a seed of its own, counted from this one.
    pub torn: Option<Torn>,
    /// Buttons that are pressed on every board from the start.
    pub pressed: Vec<Button>,
    /// What is in the flash of every board from the start.
    pub contents: Contents,
    /// The Bluetooth adapters that reach all boards, and the links to them; `None` is no radio.
    pub radio: Option<RadioOptions>,
}

/// What is in a board's flash when it is first powered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Contents {
    /// Nothing: the chip as it leaves the factory.
    #[default]
    Blank,
    /// The baseline of the demo firmware: bootloaders, an application with an SMP server, network firmware.
    Demo,
    /// Intel HEX files. Addresses say which core's flash.
    Files(Vec<PathBuf>),
}

impl Contents {
    /// What to put into the flash of a board, as bytes.
    ///
    /// # Errors
    ///
    /// When a file cannot be used.
    pub fn preload(&self) -> Result<Vec<Preload>, LoadError> {
        match self {
            Self::Blank => Ok(Vec::new()),
            Self::Demo => {
                let set = DemoSet::generate(Variant::default());
                set.baseline()
                    .map(|(path, text)| hex::parse_file(path, text))
                    .collect::<Result<Vec<_>, _>>()
                    .map(|files| files.concat())
            }
            Self::Files(paths) => {
                let files: Result<Vec<_>, _> = paths.iter().map(|path| hex::load(path)).collect();
                Ok(files?.concat())
            }
        }
    }
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            boards: 1,
            json: false,
            lenient_forceoff: false,
            speed: Speed::default(),
            uart_baud: None,
            accelerators: Accelerators::default(),
            probe_port: 0,
            external: ExternalPart::default(),
            supply: Supply::default(),
            cuts: Cuts::default(),
            torn: None,
            pressed: Vec::new(),
            contents: Contents::default(),
            radio: Some(RadioOptions::default()),
        }
    }
}

/// Why the command ended early.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A board did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A file to load could not be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The radio did not start.
    #[error(transparent)]
    Radio(#[from] RadioError),
    /// The endpoints could not be printed.
    #[error("cannot write the endpoints to standard output")]
    Print(#[source] io::Error),
    /// The command could not wait for its end.
    #[error("cannot wait for signals")]
    Wait(#[source] io::Error),
}

impl ServeError {
    /// What a person can try.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Start(error) => Some(error.help()),
            Self::Load(error) => Some(error.help()),
            Self::Radio(error) => Some(error.help()),
            Self::Print(_) | Self::Wait(_) => None,
        }
    }
}

#[derive(Serialize)]
struct Started<'a> {
    boards: &'a [&'a Endpoints],
    #[serde(skip_serializing_if = "Option::is_none")]
    radio: Option<RadioEndpoint<'a>>,
}

/// Where clients of BlueZ find the boards.
#[derive(Clone, Copy, Serialize)]
struct RadioEndpoint<'a> {
    bus: &'a str,
    adapters: &'a [String],
}

/// Starts boards that boot whatever their flash holds, as [`serve_with`] does.
///
/// # Errors
///
/// As [`serve_with`].
pub fn serve(options: &ServeOptions) -> Result<(), ServeError> {
    let firmware: Arc<dyn Firmware> = Arc::new(StockFirmware);
    serve_with(options, &firmware)
}

/// Starts the boards with `firmware`, prints their endpoints, and runs until SIGTERM or SIGINT comes or
/// standard input ends.
///
/// # Errors
///
/// When a file cannot be loaded, a board does not start or its endpoints cannot be printed. Nothing is left running then.
pub fn serve_with(options: &ServeOptions, firmware: &Arc<dyn Firmware>) -> Result<(), ServeError> {
    run_until_told(|| {
        let radio = options.radio.map(VirtualRadio::start).transpose()?;
        let air = radio.as_ref().map(VirtualRadio::air);
        let boards = start(options, air.as_ref(), firmware)?;
        let endpoints: Vec<&Endpoints> = boards.iter().map(VirtualDk::endpoints).collect();
        let radio_endpoint = radio.as_ref().map(|radio| RadioEndpoint {
            bus: radio.address(),
            adapters: radio.adapters(),
        });
        let started = Started {
            boards: &endpoints,
            radio: radio_endpoint,
        };
        print(&mut io::stdout().lock(), &started, options.json).map_err(ServeError::Print)?;
        Ok((boards, radio))
    })
}

/// Runs what `start` starts until SIGTERM or SIGINT comes or standard input ends, and drops it then.
pub(crate) fn run_until_told<T>(
    start: impl FnOnce() -> Result<T, ServeError>,
) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Wait)?;
    // From here on a signal is ours to handle: nobody is killed between starting and waiting.
    let mut signals = {
        let _context = runtime.enter();
        (
            signal(SignalKind::terminate()).map_err(ServeError::Wait)?,
            signal(SignalKind::interrupt()).map_err(ServeError::Wait)?,
        )
    };
    let _started = start()?;
    runtime.block_on(async {
        tokio::select! {
            _ = signals.0.recv() => {}
            _ = signals.1.recv() => {}
            () = end_of_stdin() => {}
        }
    });
    Ok(())
}

fn start(
    options: &ServeOptions,
    air: Option<&AirHandle>,
    firmware: &Arc<dyn Firmware>,
) -> Result<Vec<VirtualDk>, ServeError> {
    let preload = options.contents.preload()?;
    let mut boards = Vec::with_capacity(options.boards);
    for number in 0..options.boards {
        let probe_port = match options.probe_port {
            0 => 0,
            first => first.saturating_add(u16::try_from(number).unwrap_or(u16::MAX)),
        };
        let force_off = if options.lenient_forceoff {
            ForceOffView::Lenient
        } else {
            ForceOffView::Faithful
        };
        let board = VirtualDkOptions {
            name: format!("dk{}", number + 1),
            force_off,
            speed: options.speed,
            uart_baud: options.uart_baud,
            accelerators: options.accelerators,
            external: options.external,
            supply: options.supply,
            cuts: options.cuts,
            torn: options.torn.map(|torn| Torn {
                seed: torn.seed.wrapping_add(number as u64),
                ..torn
            }),
            probe_port,
            preload: preload.clone(),
            pressed: options.pressed.clone(),
            air: air.cloned(),
            ..VirtualDkOptions::default()
        };
        boards.push(VirtualDk::start(board, Arc::clone(firmware))?);
    }
    Ok(boards)
}

fn print(out: &mut impl Write, started: &Started<'_>, json: bool) -> io::Result<()> {
    let Started { boards, radio } = started;
    if json {
        let line = serde_json::to_string(started)?;
        writeln!(out, "{line}")?;
    } else {
        for board in *boards {
            writeln!(out, "{}", board.name)?;
            writeln!(out, "  probe     {}", board.probe)?;
            writeln!(out, "  uart app  {}", board.uart.app.display())?;
            writeln!(out, "  uart net  {}", board.uart.net.display())?;
            writeln!(
                out,
                "  power     {} (SCPI; BUTT1 ON presses button 1)",
                board.power
            )?;
            if let Some(ble) = &board.ble {
                writeln!(out, "  ble       {}", ble.address)?;
            }
        }
        if let Some(radio) = radio {
            writeln!(out, "radio")?;
            writeln!(out, "  bus       {}", radio.bus)?;
            writeln!(out, "  adapters  {}", radio.adapters.join(", "))?;
        }
        let first = boards.first().map_or("", |board| &board.probe);
        writeln!(
            out,
            "\nFor instance: probe-rs info --probe {first} --protocol swd"
        )?;
        if let Some(radio) = radio {
            writeln!(
                out,
                "          or: DBUS_SYSTEM_BUS_ADDRESS={} bluetoothctl scan on",
                radio.bus
            )?;
        }
        writeln!(out, "Ctrl-C stops.")?;
    }
    out.flush()
}

/// Whoever started us holds the other end of standard input; it closes when they go, however they go. The
/// thread that waits for that cannot be interrupted, and ends with the process.
async fn end_of_stdin() {
    let (ended, end) = oneshot::channel::<()>();
    let spawned = thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let mut ignored = [0; 256];
            while let Ok(1..) = io::stdin().lock().read(&mut ignored) {}
            drop(ended);
        });
    if let Err(error) = spawned {
        tracing::warn!(%error, "cannot watch standard input: stop with a signal");
        std::future::pending::<()>().await;
    }
    // Dropped rather than sent: either way it is over.
    let _ = end.await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{BleEndpoint, UartEndpoints};

    fn endpoints() -> Endpoints {
        Endpoints {
            name: "dk1".to_owned(),
            probe: "1d50:6018:127.0.0.1:4444".to_owned(),
            uart: UartEndpoints {
                app: "/dev/pts/1".into(),
                net: "/dev/pts/2".into(),
            },
            power: "127.0.0.1:5025".to_owned(),
            ble: Some(BleEndpoint {
                address: "C0:12:34:56:78:9A".to_owned(),
            }),
        }
    }

    fn printed(json: bool) -> String {
        let mut out = Vec::new();
        let started = Started {
            boards: &[&endpoints()],
            radio: Some(RadioEndpoint {
                bus: "unix:path=/tmp/dfu-hil-radio-x/bus",
                adapters: &["hci0".to_owned()],
            }),
        };
        print(&mut out, &started, json).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_is_one_line_that_other_tools_rely_on() {
        insta::assert_snapshot!(
            printed(true),
            @r#"{"boards":[{"name":"dk1","probe":"1d50:6018:127.0.0.1:4444","uart":{"app":"/dev/pts/1","net":"/dev/pts/2"},"power":"127.0.0.1:5025","ble":{"address":"C0:12:34:56:78:9A"}}],"radio":{"bus":"unix:path=/tmp/dfu-hil-radio-x/bus","adapters":["hci0"]}}"#
        );
    }

    #[test]
    fn text_shows_each_endpoint_and_a_command_to_copy() {
        insta::assert_snapshot!(printed(false), @r"
        dk1
          probe     1d50:6018:127.0.0.1:4444
          uart app  /dev/pts/1
          uart net  /dev/pts/2
          power     127.0.0.1:5025 (SCPI; BUTT1 ON presses button 1)
          ble       C0:12:34:56:78:9A
        radio
          bus       unix:path=/tmp/dfu-hil-radio-x/bus
          adapters  hci0

        For instance: probe-rs info --probe 1d50:6018:127.0.0.1:4444 --protocol swd
                  or: DBUS_SYSTEM_BUS_ADDRESS=unix:path=/tmp/dfu-hil-radio-x/bus bluetoothctl scan on
        Ctrl-C stops.
        ");
    }
}
