//! Starting virtual boards, and stopping them on every path.
//!
//! A virtual board is a child process. It prints its endpoints as one line of JSON and runs until its
//! standard input is closed, so it also ends when the harness is killed. Only this module and
//! [`rig`](crate::rig) know that a board may be virtual.

use crate::error::RigError;
use crate::file::{BluetoothSpec, Cuts, ExternalFlash, LinkSpec, Supply, VirtualSpec};
use crate::process::{Stderr, describe};
use hil_ble::Address;
use hil_clock::SharedClock;
use serde::Deserialize;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a virtual board may take to print its endpoints. It takes tens of milliseconds; the rest is for a
/// machine that is busy.
const START_WITHIN: Duration = Duration::from_secs(30);

/// How long it may take to end by itself before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// The endpoints of 64 boards fit well into this.
const LONGEST_LINE: u64 = 64 * 1024;

/// The program that is a virtual DK, usually the running one.
#[derive(Clone, Debug)]
pub struct VirtualLauncher {
    /// The program.
    pub program: PathBuf,
    /// The arguments in front of `--boards N --json`: usually `virtual-dk`.
    pub args: Vec<OsString>,
}

impl VirtualLauncher {
    /// Starts `program virtual-dk`.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: vec!["virtual-dk".into()],
        }
    }

    /// The same for boards that run the real bootloaders of this firmware set as the set describes them.
    ///
    /// A real bootloader does not say how it was built, and a virtual core does not execute it; what it is has to be told
    /// to the board by whoever starts it. Real boards need no such thing.
    #[must_use]
    pub fn with_firmware(mut self, set: &Path) -> Self {
        self.args.extend(["--firmware".into(), set.into()]);
        self
    }
}

/// The air that the rig file wants, as arguments of the virtual DK.
fn radio_arguments(bluetooth: &BluetoothSpec) -> Vec<String> {
    let LinkSpec {
        mtu,
        interval_us,
        phy,
        packets_per_event,
        loss_percent,
        seed,
        timing,
    } = &bluetooth.link;
    let adapters = Some(bluetooth.adapters.len()).filter(|&adapters| adapters > 0);
    [
        (
            "--ble-adapters",
            adapters.map(|adapters| adapters.to_string()),
        ),
        ("--ble-mtu", mtu.map(|mtu| mtu.to_string())),
        (
            "--ble-interval-us",
            interval_us.map(|interval| interval.to_string()),
        ),
        ("--ble-phy", phy.clone()),
        (
            "--ble-packets-per-event",
            packets_per_event.map(|packets| packets.to_string()),
        ),
        ("--ble-loss", loss_percent.map(|loss| loss.to_string())),
        ("--ble-seed", seed.map(|seed| seed.to_string())),
        ("--ble-timing", timing.clone()),
    ]
    .into_iter()
    .filter_map(|(option, value)| Some([option.to_owned(), value?]))
    .flatten()
    .collect()
}

/// The command that is an emulated board.
fn emulated(launcher: &VirtualLauncher, name: &str, emulator: &Path) -> Command {
    let mut command = Command::new(&launcher.program);
    command
        .args(["emulated-board", "--name", name, "--emulator"])
        .arg(emulator);
    command
}

/// The command that is virtual DKs.
fn virtual_dk(
    launcher: &VirtualLauncher,
    spec: &VirtualSpec,
    bluetooth: &BluetoothSpec,
    external_flash: ExternalFlash,
) -> Command {
    let mut command = Command::new(&launcher.program);
    command
        .args(&launcher.args)
        .arg("--boards")
        .arg(spec.count.to_string())
        // What is on a board before it is programmed must not matter; empty flash shows it if it does.
        .args(["--json", "--blank"]);
    if let Some(speed) = &spec.speed {
        command.arg("--speed").arg(speed);
    }
    if spec.cuts == Cuts::Board {
        command.args(["--cuts", "board"]);
    }
    match spec.supply {
        Supply::Works => {}
        Supply::Ignores => drop(command.args(["--supply", "ignores"])),
        Supply::Stuck => drop(command.args(["--supply", "stuck"])),
        Supply::Slow => drop(command.args(["--supply", "slow"])),
    }
    if let Some(torn) = spec.torn {
        command.arg("--torn").arg(torn.seed.to_string());
        if !torn.unstable {
            command.arg("--torn-stable");
        }
    }
    command.args(radio_arguments(bluetooth));
    if external_flash == ExternalFlash::None {
        command.arg("--no-external-flash");
    }
    // Only boards with a firmware set run applications that do not describe themselves.
    if let Some(application) = spec
        .application
        .as_ref()
        .filter(|_| launcher.args.iter().any(|arg| arg == "--firmware"))
    {
        command.arg("--application").arg(application);
    }
    command
}

/// What a virtual DK prints when it is ready.
#[derive(Debug, Deserialize)]
struct Started {
    boards: Vec<VirtualEndpoints>,
    #[serde(default)]
    radio: Option<VirtualRadio>,
}

/// The air of the boards of one process.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct VirtualRadio {
    /// The D-Bus address of the bus that has BlueZ.
    pub(crate) bus: String,
    /// Names of its adapters.
    pub(crate) adapters: Vec<String>,
}

/// A virtual board on the air.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct VirtualBle {
    pub(crate) address: Address,
}

/// Where one virtual board can be reached.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct VirtualEndpoints {
    pub(crate) probe: String,
    pub(crate) uart: VirtualUarts,
    pub(crate) power: SocketAddr,
    #[serde(default)]
    pub(crate) ble: Option<VirtualBle>,
}

/// The pseudo-terminals of one virtual board.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct VirtualUarts {
    pub(crate) app: PathBuf,
    /// A board with one core has none.
    #[serde(default)]
    pub(crate) net: Option<PathBuf>,
}

/// What a process offers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Offer {
    pub(crate) boards: Vec<VirtualEndpoints>,
    pub(crate) radio: Option<VirtualRadio>,
}

/// A process that offers virtual boards. Stopped and reaped when dropped.
#[derive(Debug)]
pub(crate) struct VirtualProcess {
    name: String,
    child: Mutex<Child>,
    /// Closing it asks the child to end.
    life_line: Option<ChildStdin>,
    stderr: Stderr,
    clock: SharedClock,
}

impl VirtualProcess {
    /// Starts the boards of one entry and waits until they say where they are.
    pub(crate) fn start(
        launcher: &VirtualLauncher,
        name: &str,
        spec: &VirtualSpec,
        bluetooth: &BluetoothSpec,
        external_flash: ExternalFlash,
        clock: &SharedClock,
    ) -> Result<(Self, Offer), RigError> {
        let mut command = match &spec.emulator {
            Some(emulator) => emulated(launcher, name, emulator),
            None => virtual_dk(launcher, spec, bluetooth, external_flash),
        };
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // In a group of its own, so that Ctrl-C on the terminal reaches the harness only: it ends the run in good
        // order, and needs the board for that. The board still ends when its standard input is closed.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|source| RigError::VirtualStart {
            board: name.to_owned(),
            program: launcher.program.clone(),
            source,
        })?;
        let stdout = child.stdout.take();
        let mut process = Self {
            name: name.to_owned(),
            life_line: child.stdin.take(),
            stderr: Stderr::collect(child.stderr.take()),
            child: Mutex::new(child),
            clock: clock.clone(),
        };
        let line = process.first_line(stdout)?;
        let started: Started =
            serde_json::from_str(&line).map_err(|source| RigError::VirtualAnswer {
                board: name.to_owned(),
                line: line.chars().take(200).collect(),
                stderr: process.stderr.so_far(),
                source,
            })?;
        if started.boards.len() != spec.count {
            return Err(RigError::VirtualCount {
                board: name.to_owned(),
                asked: spec.count,
                found: started.boards.len(),
            });
        }
        Ok((
            process,
            Offer {
                boards: started.boards,
                radio: started.radio,
            },
        ))
    }

    fn first_line(
        &mut self,
        stdout: Option<impl Read + Send + 'static>,
    ) -> Result<String, RigError> {
        let (sender, receiver) = mpsc::channel();
        if let Some(stdout) = stdout {
            // Reads on after the first line, so that the child never waits for a full pipe.
            let reader = std::thread::Builder::new().name("virtual-dk".to_owned());
            let spawned = reader.spawn(move || {
                let mut stdout = BufReader::new(stdout);
                let mut line = String::new();
                if stdout
                    .by_ref()
                    .take(LONGEST_LINE)
                    .read_line(&mut line)
                    .is_ok_and(|length| length > 0)
                {
                    // The receiver may have given up.
                    let _ = sender.send(line);
                }
                drop(std::io::copy(&mut stdout, &mut std::io::sink()));
            });
            drop(spawned);
        }
        let deadline = self.clock.now() + START_WITHIN;
        match receiver.recv_timeout(self.clock.block_for(deadline)) {
            Ok(line) => Ok(line.trim().to_owned()),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(RigError::VirtualSilent {
                board: self.name.clone(),
                within: START_WITHIN,
                stderr: self.stderr.so_far(),
            }),
            // Its output is closed: it has ended or is about to.
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                self.life_line = None;
                let status = self.wait(STOP_WITHIN);
                Err(self.exited(status))
            }
        }
    }

    /// Why the boards cannot be reached any more, when the process has ended.
    pub(crate) fn ended(&self) -> Option<RigError> {
        let status = self.wait(Duration::ZERO)?;
        Some(self.exited(Some(status)))
    }

    fn exited(&self, status: Option<String>) -> RigError {
        RigError::VirtualExited {
            board: self.name.clone(),
            status: status.unwrap_or_else(|| "its output was closed".to_owned()),
            stderr: self.stderr.when_closed(&*self.clock),
        }
    }

    /// How the process ended, if it does so in time.
    fn wait(&self, within: Duration) -> Option<String> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = self.clock.now() + within;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Some(describe(status)),
                Ok(None) if self.clock.now() < deadline => {
                    self.clock.sleep(Duration::from_millis(2));
                }
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl Drop for VirtualProcess {
    fn drop(&mut self) {
        self.life_line = None;
        if self.wait(STOP_WITHIN).is_none() {
            tracing::warn!(
                board = self.name,
                "the virtual board did not end by itself and is killed"
            );
            let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
            // A child that cannot be killed has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use hil_clock::SystemClock;
    use std::num::NonZeroU16;
    use std::sync::Arc;

    /// A shell in place of the virtual DK: the script sees `--boards N --json` as its arguments.
    fn start(script: &str) -> Result<(VirtualProcess, Vec<VirtualEndpoints>), RigError> {
        let launcher = VirtualLauncher {
            program: "sh".into(),
            args: vec!["-c".into(), script.into(), "virtual-dk".into()],
        };
        let spec = VirtualSpec {
            count: 1,
            speed: None,
            application: None,
            cuts: Cuts::default(),
            supply: Supply::default(),
            torn: None,
            emulator: None,
        };
        let clock: SharedClock = Arc::new(SystemClock::new());
        VirtualProcess::start(
            &launcher,
            "dk",
            &spec,
            &BluetoothSpec::default(),
            ExternalFlash::default(),
            &clock,
        )
        .map(|(process, offer)| (process, offer.boards))
    }

    const LINE: &str = r#"{"boards":[{"name":"dk-1","probe":"1d50:6018:127.0.0.1:4000","uart":{"app":"/dev/pts/8","net":"/dev/pts/9"},"power":"127.0.0.1:4001"}]}"#;

    #[test]
    fn endpoints_are_read_from_the_first_line() {
        let (_process, boards) =
            start(&format!("echo '{LINE}'; echo more; cat >/dev/null")).unwrap();
        assert_eq!(boards.len(), 1);
        assert_eq!(boards[0].probe, "1d50:6018:127.0.0.1:4000");
        assert_eq!(boards[0].uart.net, Some(PathBuf::from("/dev/pts/9")));
        assert_eq!(boards[0].power, "127.0.0.1:4001".parse().unwrap());
    }

    #[test]
    fn the_air_of_the_rig_file_is_passed_on_and_nothing_else() {
        assert_eq!(
            radio_arguments(&BluetoothSpec::default()),
            Vec::<String>::new()
        );
        let bluetooth = BluetoothSpec {
            link: LinkSpec {
                mtu: Some(247),
                interval_us: Some(7500),
                phy: Some("1m".to_owned()),
                packets_per_event: NonZeroU16::new(6),
                loss_percent: Some(2),
                seed: Some(7),
                timing: Some("realistic".to_owned()),
            },
            ..BluetoothSpec::default()
        };
        assert_eq!(
            radio_arguments(&bluetooth).join(" "),
            "--ble-mtu 247 --ble-interval-us 7500 --ble-phy 1m --ble-packets-per-event 6 --ble-loss 2 --ble-seed 7 --ble-timing realistic"
        );
    }

    #[test]
    fn a_board_without_external_flash_is_told_so() {
        let launcher = VirtualLauncher {
            program: "sh".into(),
            args: vec![
                "-c".into(),
                "echo \"$@\" >&2; exit 3".into(),
                "virtual-dk".into(),
            ],
        };
        let spec = VirtualSpec {
            count: 2,
            speed: Some("instant".to_owned()),
            application: None,
            cuts: Cuts::default(),
            supply: Supply::default(),
            torn: None,
            emulator: None,
        };
        let clock: SharedClock = Arc::new(SystemClock::new());
        let error = VirtualProcess::start(
            &launcher,
            "dk",
            &spec,
            &BluetoothSpec::default(),
            ExternalFlash::None,
            &clock,
        )
        .unwrap_err();
        insta::assert_snapshot!(error, @"virtual board `dk` has ended by itself: status 3; it wrote: --boards 2 --json --blank --speed instant --no-external-flash");
    }

    #[test]
    fn the_process_is_gone_when_the_handle_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("ended");
        let script = format!("echo '{LINE}'; cat >/dev/null; touch {}", mark.display());
        let (process, _) = start(&script).unwrap();
        assert!(!mark.exists());
        drop(process);
        assert!(
            mark.exists(),
            "closing standard input lets it end by itself, and it has been waited for"
        );
    }

    #[test]
    fn a_process_that_ends_at_once_is_quoted() {
        let error = start("echo 'address already in use' >&2; exit 3").unwrap_err();
        insta::assert_snapshot!(error, @"virtual board `dk` has ended by itself: status 3; it wrote: address already in use");
    }

    #[test]
    fn a_line_that_is_not_json_is_quoted() {
        let error = start("echo hello; cat >/dev/null").unwrap_err();
        insta::assert_snapshot!(error, @"virtual board `dk` answered `hello`, which are not endpoints");
    }

    #[test]
    fn another_number_of_boards_is_an_error() {
        let error = start(r#"echo '{"boards":[]}'; cat >/dev/null"#).unwrap_err();
        insta::assert_snapshot!(error, @"virtual board `dk`: 1 boards were asked for, 0 are there");
    }

    #[test]
    fn a_process_that_ends_later_is_noticed() {
        let (process, _) = start(&format!("echo '{LINE}'; read line; exit 7")).unwrap();
        let mut process = process;
        assert!(process.ended().is_none());
        process.life_line = None;
        process.wait(Duration::from_secs(60)).unwrap();
        let error = process.ended().unwrap();
        insta::assert_snapshot!(error, @"virtual board `dk` has ended by itself: status 7");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let launcher = VirtualLauncher::new("/nonexistent/dfu-hil");
        let clock: SharedClock = Arc::new(SystemClock::new());
        let error = VirtualProcess::start(
            &launcher,
            "dk",
            &VirtualSpec {
                count: 1,
                speed: None,
                application: None,
                cuts: Cuts::default(),
                supply: Supply::default(),
                torn: None,
                emulator: None,
            },
            &BluetoothSpec::default(),
            ExternalFlash::default(),
            &clock,
        )
        .unwrap_err();
        insta::assert_snapshot!(error, @"cannot start virtual board `dk` with `/nonexistent/dfu-hil`");
    }
}
