//! What a person at the bench can do in the next minute.

use super::{Purpose, RigError};

impl RigError {
    /// What a person can try next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::File(error) => error.help().unwrap_or_default(),
            Self::Image(error) => error.help().to_owned(),
            Self::NoSuchBoard { .. } => "choose one of the names in the rig file".into(),
            Self::VirtualStart { .. } => {
                "the rig layer starts the `dfu-hil` program itself as the virtual board: is it still where it \
                 was started from?"
                    .into()
            }
            Self::VirtualSilent { .. } | Self::VirtualAnswer { .. } | Self::VirtualCount { .. } => {
                "run `dfu-hil virtual-dk --json` by hand: it must print one line with its endpoints".into()
            }
            Self::VirtualExited { .. } => {
                "run `dfu-hil virtual-dk --json` by hand and use it until it ends; its error stream says why"
                    .into()
            }
            Self::BoardInUse { .. } => {
                "wait for it, stop it, or run on another board; the lease goes with the process that holds it"
                    .into()
            }
            Self::Place(error) => error.help(),
            Self::AdapterFull { .. } => {
                "wait for those boards, or use another adapter; `max-connections` under `bluetooth.adapters` in the \
                 rig file says how many the adapter is given"
                    .into()
            }
            Self::Lease { path, .. } => {
                let dir = path.parent().map(|dir| dir.display().to_string()).unwrap_or_default();
                format!("make sure that you may write to {dir}")
            }
            Self::ProbeOpen { .. } => {
                "is the board plugged in and switched on, and is no other debugger connected (IDE, J-Link \
                 Commander, nrfutil)? `probe-rs list` shows the probes on USB; on Linux they need a udev rule"
                    .into()
            }
            Self::Attach { .. } => {
                "is the board powered, and is the debugger's switch on the chip and not on the shield? after a \
                 power cut the chip cannot be reached until the power is back"
                    .into()
            }
            Self::Locked { .. } => {
                "recovering the board erases both cores and unlocks it; allow it with `recover: allowed` in the \
                 rig file"
                    .into()
            }
            Self::Access { .. } | Self::ChipTimeout { .. } => {
                "check cable and power, then power the board off and on; if it happens again, lower the probe's \
                 `speed-khz` in the rig file"
                    .into()
            }
            Self::NoWatchpoints { .. } => {
                "is it an nRF5340? cut the power by console line or time instead".into()
            }
            Self::TrapDisturbed { .. } => {
                "is another debugger connected to the chip, or has its firmware breakpoints of its own?".into()
            }
            Self::WrongChip { .. } => "the probe selector of the rig file names another board".into(),
            Self::OtherChip { .. } => {
                "put the board of the rig file back, or give this one its own entry: `chip` there is the FICR device id of the \
                 chip. nothing was programmed"
                    .into()
            }
            Self::VerifyFailed { .. } => {
                "program again; if the same address differs again, its page is worn out or protected".into()
            }
            Self::NoExternalFlash { .. } => {
                "if the board has one, remove that line; else leave out scenarios and files that need one".into()
            }
            Self::ExternalFlashSilent { .. } | Self::ExternalFlashOther { .. } => {
                "is it a DK with its MX25R6435F on P0.13 to P0.18, and is none of these pins used otherwise? for a \
                 board without that part write `external-flash: none` in the rig file"
                    .into()
            }
            Self::UicrHeld { .. } | Self::UicrNotWritten { .. } => {
                "recover the board, which erases flash and UICR of both cores, and program again".into()
            }
            Self::RecoverForbidden { .. } => {
                "if nothing on the board is worth keeping, write `recover: allowed` in the rig file".into()
            }
            Self::BadRequest { .. } => {
                "the board was not touched: correct the address or the length that was asked for".into()
            }
            Self::ProbeStuck { .. } | Self::ProbeHangs { .. } => {
                "unplug the debugger's USB cable and plug it in again, then run again".into()
            }
            Self::ProbePanicked { .. } => {
                "this is a defect of the probe library or of the harness: please report it with the journal".into()
            }
            Self::InstrumentConnect {
                purpose: Purpose::RecoveryButton,
                ..
            } => "is the instrument switched on, and does its SCPI port accept raw TCP at this address?".into(),
            Self::InstrumentAnswer {
                purpose: Purpose::RecoveryButton,
                ..
            } => "send the command of the rig file by hand; `SYST:ERR?` must answer `0` after it".into(),
            Self::CommandStart {
                purpose: Purpose::RecoveryButton,
                ..
            }
            | Self::CommandFailed {
                purpose: Purpose::RecoveryButton,
                ..
            }
            | Self::CommandStuck {
                purpose: Purpose::RecoveryButton,
                ..
            } => "run the command by hand; it must end with status 0 when the button is pressed or let go of".into(),
            Self::Manual {
                purpose: Purpose::RecoveryButton,
                ..
            } => {
                "run in a terminal and answer, or name a relay under `buttons: { recovery: … }` of the board".into()
            }
            Self::NoButton { .. } => {
                "give the board `buttons: { recovery: manual }`, or a relay with `scpi: …` or `command: …`".into()
            }
            Self::InstrumentConnect { .. } => {
                "is the supply switched on, does its SCPI port accept raw TCP at this address, and is its serial port \
                 yours to open?"
                    .into()
            }
            Self::InstrumentAnswer { .. } => {
                "ask the supply by hand (`OUTP ON`, `OUTP?`); it must answer `1` or `ON`. docs/rigs.md has what each \
                 kind of supply must understand"
                    .into()
            }
            Self::PowerNotSwitched { .. } => {
                "switch it by hand: does the board go off? a supply in remote lock-out, a stuck relay or a hub that \
                 cannot switch its ports looks like this"
                    .into()
            }
            Self::PowerPort { .. } => {
                "is the supply plugged in and switched on? `by-id` names under /dev/serial show USB serial number and \
                 interface"
                    .into()
            }
            Self::PowerFile { .. } => {
                "does `uhubctl` show the hub with this port, is Linux 6.0 or later, and may you write that file (a udev \
                 rule, see docs/rigs.md)?"
                    .into()
            }
            Self::CommandStart { .. }
            | Self::CommandFailed { .. }
            | Self::CommandStuck { .. } => {
                "run the command by hand; it must end with status 0 when the power is switched".into()
            }
            Self::Manual { .. } => {
                "run in a terminal and answer, or give the board a power supply in the rig file".into()
            }
            Self::NoPowerSwitch { .. } => {
                "give the board a power supply, for example `power: { scpi: … }` or `power: manual` (docs/rigs.md has all), \
                 or leave out scenarios that cut the power"
                    .into()
            }
            Self::NoUart { .. } => "add it under `uart:` of the board".into(),
            Self::UartNotFound { .. } | Self::UartMissing { .. } => {
                "is the board switched on, with its USB cable in the debugger's port?".into()
            }
            Self::UartAmbiguous { .. } => "name the port by `path:` instead".into(),
            Self::UartList { .. } => "name the port by `path:` in the rig file".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Operation;
    use super::*;
    use crate::core::Core;
    use crate::lease::Holder;
    use crate::silicon::Silicon;
    use std::fmt::Write as _;
    use std::time::Duration;

    fn io() -> std::io::Error {
        std::io::Error::from(std::io::ErrorKind::ConnectionRefused)
    }

    fn board() -> String {
        "left".to_owned()
    }

    fn probe() -> String {
        "1366:1051:001050012345".to_owned()
    }

    fn power() -> String {
        "192.168.0.20:5025".to_owned()
    }

    /// Every message that has no snapshot where it arises, and the advice of all.
    fn errors() -> Vec<RigError> {
        let within = Duration::from_secs(2);
        let doing = Operation::Read {
            core: Core::Net,
            address: 0x0100_8800,
            length: 4096,
        };
        let program = Operation::Program { bytes: 262_144 };
        let json = serde_json::from_str::<u8>("nonsense").unwrap_err();
        let holder = Holder {
            pid: Some(4711),
            user: Some("ada".to_owned()),
            since: Some("2026-03-01T12:00:00Z".to_owned()),
            rig: Some("rack/left".to_owned()),
            reason: None,
        };
        vec![
            RigError::NoSuchBoard {
                rig: "rack".into(),
                board: board(),
                known: "`right`".into(),
            },
            RigError::VirtualStart {
                board: board(),
                program: "/opt/dfu-hil".into(),
                source: io(),
            },
            RigError::VirtualSilent {
                board: board(),
                within,
                stderr: "waiting".into(),
            },
            RigError::VirtualAnswer {
                board: board(),
                line: "nonsense".into(),
                stderr: String::new(),
                source: json,
            },
            RigError::VirtualCount {
                board: board(),
                asked: 2,
                found: 1,
            },
            RigError::VirtualExited {
                board: board(),
                status: "signal 9".into(),
                stderr: String::new(),
            },
            RigError::BoardInUse {
                board: board(),
                holder: Box::new(holder),
            },
            RigError::AdapterFull {
                board: board(),
                adapter: "`hci0`".into(),
                connections: 1,
                holders: "process 42 as `bench/right`".into(),
            },
            RigError::Lease {
                board: board(),
                path: "/tmp/dfu-hil-leases/1.lease".into(),
                source: io(),
            },
            RigError::ProbeOpen {
                board: board(),
                probe: probe(),
                source: io().into(),
            },
            RigError::Attach {
                board: board(),
                probe: probe(),
                doing: program.clone(),
                source: io().into(),
            },
            RigError::Locked {
                board: board(),
                core: Core::Net,
            },
            RigError::Access {
                board: board(),
                doing: doing.clone(),
                source: io().into(),
            },
            RigError::ChipTimeout {
                board: board(),
                doing: program.clone(),
                what: "erasing the page at 0x00007000".into(),
                within,
            },
            RigError::NoWatchpoints {
                board: board(),
                what: "2 watchpoint comparators, expected 4".into(),
            },
            RigError::TrapDisturbed {
                board: board(),
                doing: Operation::Trap(Core::App),
                problem: "the core was halted by a breakpoint".into(),
            },
            RigError::WrongChip {
                board: board(),
                expected: Silicon::Nrf5340,
                found: "part 0x52840, expected 0x5340".to_owned(),
            },
            RigError::OtherChip {
                board: board(),
                found: crate::ChipId(0xae4f_213a_3d73_4e77),
                expected: crate::ChipId(0x6251_19aa_2ac7_5d17),
            },
            RigError::VerifyFailed {
                board: board(),
                core: Core::App,
                address: 0xC000,
                found: 0xFF,
                expected: 0x3D,
                differing: 17,
            },
            RigError::VerifyFailed {
                board: board(),
                core: Core::App,
                address: 0x1000_2000,
                found: 0xFF,
                expected: 0x3D,
                differing: 1,
            },
            RigError::NoExternalFlash { board: board() },
            RigError::ExternalFlashSilent {
                board: board(),
                doing: doing.clone(),
                within,
            },
            RigError::ExternalFlashOther {
                board: board(),
                doing: program.clone(),
                found: [0xEF, 0x40, 0x17],
            },
            RigError::UicrHeld {
                board: board(),
                core: Core::App,
                address: 0x00FF_8100,
                found: 0,
                expected: 1,
            },
            RigError::UicrNotWritten {
                board: board(),
                core: Core::Net,
                address: 0x01FF_8000,
                expected: 0x50FA_50FA,
            },
            RigError::RecoverForbidden { board: board() },
            RigError::BadRequest {
                board: board(),
                what: "0x00000001 is not the address of a word: it is no multiple of 4".into(),
            },
            RigError::ProbeStuck {
                board: board(),
                probe: probe(),
                doing: program.clone(),
                waited: within,
            },
            RigError::ProbeHangs {
                board: board(),
                probe: probe(),
                doing: Operation::Reset,
                lost: 3,
            },
            RigError::ProbePanicked {
                board: board(),
                doing: Operation::Identity,
                message: "no such register".into(),
            },
            RigError::InstrumentConnect {
                board: board(),
                purpose: Purpose::Power,
                address: power(),
                source: io(),
            },
            RigError::InstrumentAnswer {
                board: board(),
                purpose: Purpose::Power,
                address: power(),
                sent: "OUTP ON; OUTP?".into(),
                problem: "no answer within 2s".into(),
            },
            RigError::PowerNotSwitched {
                board: board(),
                supply: "supply at 192.168.0.20:5025".into(),
                wanted: "off",
                found: "sent `OUTP OFF; OUTP?`, it answered `1`, expected `0`".into(),
            },
            RigError::PowerPort {
                board: board(),
                problem: "serial port /dev/ttyACM7 is not there".into(),
            },
            RigError::PowerFile {
                board: board(),
                path: "/sys/bus/usb/devices/1-1:1.0/1-1-port2/disable".into(),
                wanted: "off",
                source: io(),
            },
            RigError::CommandStart {
                board: board(),
                purpose: Purpose::Power,
                command: "relay on".into(),
                source: io(),
            },
            RigError::CommandFailed {
                board: board(),
                purpose: Purpose::Power,
                command: "relay on".into(),
                status: "status 1".into(),
                stderr: "no relay".into(),
            },
            RigError::CommandStuck {
                board: board(),
                purpose: Purpose::Power,
                command: "relay on".into(),
                within,
                stderr: String::new(),
            },
            RigError::Manual {
                board: board(),
                purpose: Purpose::Power,
                wanted: "switched the power off",
                reason: "there is no terminal to ask at".into(),
            },
            RigError::NoPowerSwitch { board: board() },
            RigError::InstrumentAnswer {
                board: board(),
                purpose: Purpose::RecoveryButton,
                address: power(),
                sent: "ROUT:CLOS (@101); SYST:ERR?".into(),
                problem: "it answered `-113,\"Undefined header\"`, expected `0`".into(),
            },
            RigError::CommandFailed {
                board: board(),
                purpose: Purpose::RecoveryButton,
                command: "relay close".into(),
                status: "status 1".into(),
                stderr: "no relay".into(),
            },
            RigError::Manual {
                board: board(),
                purpose: Purpose::RecoveryButton,
                wanted: "pressed the recovery button",
                reason: "there is no terminal to ask at".into(),
            },
            RigError::NoButton { board: board() },
            RigError::NoUart {
                board: board(),
                core: Core::Net,
            },
            RigError::UartNotFound {
                board: board(),
                core: Core::App,
                serial: "1".into(),
                interface: 2,
                seen: "no USB serial port is there at all".into(),
            },
            RigError::UartAmbiguous {
                board: board(),
                core: Core::App,
                serial: "1".into(),
                interface: 2,
                ports: "/dev/ttyACM0 and /dev/ttyACM5".into(),
            },
            RigError::UartMissing {
                board: board(),
                core: Core::App,
                path: "/dev/ttyACM0".into(),
            },
            RigError::UartList {
                board: board(),
                core: Core::App,
                source: io().into(),
            },
        ]
    }

    #[test]
    fn every_message_says_what_happened_where_and_what_to_try() {
        let mut page = String::new();
        for error in errors() {
            writeln!(page, "{error}\n  help: {}\n", error.help()).unwrap();
        }
        insta::assert_snapshot!(page);
    }

    #[test]
    fn what_a_probe_was_doing_is_said_in_words() {
        let doings = [
            Operation::Identity,
            Operation::ExternalFlash,
            Operation::Verify { bytes: 10 },
            Operation::Write {
                core: Core::App,
                address: 0x2000_0000,
            },
            Operation::Rtt(Core::Net),
            Operation::ResetAndHalt(Core::Net),
            Operation::Halt(Core::App),
            Operation::Run(Core::App),
            Operation::Erase,
            Operation::Recover,
            Operation::Detach,
        ];
        let words: Vec<String> = doings.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(words.join("\n"));
    }
}
