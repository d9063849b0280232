//! Access ports: whether they let a debugger in, and opening them by erasing.
//!
//! Sources: probe-rs `probe-rs/src/vendor/nordicsemi/sequences/{nrf,nrf53}.rs`; nRF5340 product specification,
//! CTRL-AP.

use super::bus::{Ahb, POLL, SequenceFault};
use super::network::{Release, release_network_core};
use crate::core::Core;
use crate::file::Recover;
use crate::silicon::Silicon;
use hil_clock::Clock;
use probe_rs::architecture::arm::{ArmDebugInterface, ArmError, FullyQualifiedApAddress};
use std::time::Duration;

/// CSW.DeviceEn of an AHB access port: debug access is possible.
const CSW: u64 = 0x00;
const CSW_DEVICE_EN: u32 = 1 << 6;
/// CTRL-AP registers.
const CTRL_ERASEALL: u64 = 0x04;
const CTRL_ERASEALLSTATUS: u64 = 0x08;

/// How long an erase of everything may take: 173 ms by the product specification's electrical data; we chose
/// ten times that for a slow probe.
const ERASE_ALL_WITHIN: Duration = Duration::from_secs(2);
/// How long an access port may take to come alive. A host-side limit, not Nordic's.
const OPEN_WITHIN: Duration = Duration::from_millis(500);

/// The registers of access ports, and time: what unlocking needs, and a test can record.
pub(super) trait Ports {
    fn read(&mut self, port: u8, register: u64) -> Result<u32, ArmError>;
    fn write(&mut self, port: u8, register: u64, value: u32) -> Result<(), ArmError>;
    /// Lets the network core run, through the application core's memory.
    fn release_network_core(&mut self) -> Result<Release, ArmError>;
    fn clock(&self) -> &dyn Clock;
}

/// The access ports behind a probe.
pub(super) struct ProbePorts<'a> {
    pub(super) interface: &'a mut dyn ArmDebugInterface,
    pub(super) clock: &'a dyn Clock,
}

impl Ports for ProbePorts<'_> {
    fn read(&mut self, port: u8, register: u64) -> Result<u32, ArmError> {
        let port = FullyQualifiedApAddress::v1_with_default_dp(port);
        self.interface.read_raw_ap_register(&port, register)
    }

    fn write(&mut self, port: u8, register: u64, value: u32) -> Result<(), ArmError> {
        let port = FullyQualifiedApAddress::v1_with_default_dp(port);
        self.interface.write_raw_ap_register(&port, register, value)
    }

    fn release_network_core(&mut self) -> Result<Release, ArmError> {
        let port = FullyQualifiedApAddress::v1_with_default_dp(Core::App.index());
        let mut memory = self.interface.memory_interface(&port)?;
        release_network_core(&mut Ahb {
            memory: &mut *memory,
            clock: self.clock,
            silicon: Silicon::Nrf5340,
        })
    }

    fn clock(&self) -> &dyn Clock {
        self.clock
    }
}

/// Whether the core's access port lets a debugger in.
pub(super) fn is_open(ports: &mut dyn Ports, core: Core) -> Result<bool, ArmError> {
    Ok(ports.read(core.index(), CSW)? & CSW_DEVICE_EN != 0)
}

/// Erases flash and UICR of a core through its control access port, which also opens its access port.
pub(super) fn erase_all(ports: &mut dyn Ports, core: Core) -> Result<(), ArmError> {
    ports.write(core.control_port(), CTRL_ERASEALL, 1)?;
    let deadline = ports.clock().now() + ERASE_ALL_WITHIN;
    while ports.read(core.control_port(), CTRL_ERASEALLSTATUS)? != 0 {
        if ports.clock().now() >= deadline {
            let what = format!("erasing everything of the {core}");
            let within = ERASE_ALL_WITHIN;
            return Err(SequenceFault::Timeout { what, within }.into());
        }
        ports.clock().sleep(POLL);
    }
    Ok(())
}
/// How far a session reaches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scope {
    /// The application core: the network core is not touched.
    App,
    /// Both cores: the network core is released.
    Both,
}
/// Makes the cores of `scope` accessible. A locked core is erased when that is allowed, and otherwise an error.
pub(super) fn unlock(
    ports: &mut dyn Ports,
    scope: Scope,
    recover: Recover,
) -> Result<(), ArmError> {
    // The application core first: the network core can be released only through it.
    if !is_open(ports, Core::App)? {
        erase_locked(ports, Core::App, recover)?;
        if !is_open(ports, Core::App)? {
            return Err(SequenceFault::Locked { core: Core::App }.into());
        }
    }
    if scope == Scope::App {
        return Ok(());
    }
    ports.release_network_core()?;
    if !opens(ports, Core::Net)? {
        erase_locked(ports, Core::Net, recover)?;
        ports.release_network_core()?;
        if !opens(ports, Core::Net)? {
            return Err(SequenceFault::Locked { core: Core::Net }.into());
        }
    }
    Ok(())
}

fn erase_locked(ports: &mut dyn Ports, core: Core, recover: Recover) -> Result<(), ArmError> {
    match recover {
        Recover::Forbidden => Err(SequenceFault::Locked { core }.into()),
        Recover::Allowed => {
            tracing::warn!("the {core} is locked; erasing everything of it");
            erase_all(ports, core)
        }
    }
}

/// Whether the core's access port opens in time: it does so a moment after the core was released.
pub(super) fn opens(ports: &mut dyn Ports, core: Core) -> Result<bool, ArmError> {
    let deadline = ports.clock().now() + OPEN_WITHIN;
    loop {
        if is_open(ports, core)? {
            return Ok(true);
        }
        if ports.clock().now() >= deadline {
            return Ok(false);
        }
        ports.clock().sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_clock::SimClock;
    use rstest::rstest;

    fn fault(error: &ArmError) -> String {
        SequenceFault::below(error)
            .expect("our own fault")
            .to_string()
    }

    /// A chip with its locks and its switch.
    #[derive(Debug)]
    struct Chip {
        clock: SimClock,
        locked: [bool; 2],
        net_off: bool,
        /// ERASEALLSTATUS stays busy.
        hangs: bool,
        /// Erasing does not open the port.
        stays_locked: bool,
        log: Vec<&'static str>,
    }

    impl Chip {
        fn new(app_locked: bool, net_locked: bool) -> Self {
            Self {
                clock: SimClock::new(),
                locked: [app_locked, net_locked],
                net_off: true,
                hangs: false,
                stays_locked: false,
                log: Vec::new(),
            }
        }
    }

    impl Ports for Chip {
        fn read(&mut self, port: u8, register: u64) -> Result<u32, ArmError> {
            Ok(match (port, register) {
                (0, CSW) => u32::from(!self.locked[0]) << 6,
                (1, CSW) => u32::from(!self.locked[1] && !self.net_off) << 6,
                (2 | 3, CTRL_ERASEALLSTATUS) => u32::from(self.hangs),
                other => panic!("nobody reads {other:?}"),
            })
        }

        fn write(&mut self, port: u8, register: u64, value: u32) -> Result<(), ArmError> {
            assert_eq!((register, value), (CTRL_ERASEALL, 1));
            let core = usize::from(port - 2);
            self.log.push(["erase app", "erase net"][core]);
            self.locked[core] = self.stays_locked;
            Ok(())
        }

        fn release_network_core(&mut self) -> Result<Release, ArmError> {
            assert!(
                !self.locked[0],
                "the switch is behind the application core's port"
            );
            self.log.push("release");
            self.net_off = false;
            Ok(Release::Released)
        }

        fn clock(&self) -> &dyn Clock {
            &self.clock
        }
    }

    #[rstest]
    #[case::open(false, false, Scope::Both, Ok(&["release"][..]))]
    #[case::open_app_only(false, false, Scope::App, Ok(&[][..]))]
    #[case::locked_net_is_nothing_to_app_only(false, true, Scope::App, Ok(&[][..]))]
    #[case::locked_app(true, false, Scope::Both, Ok(&["erase app", "release"][..]))]
    #[case::locked_net(false, true, Scope::Both, Ok(&["release", "erase net", "release"][..]))]
    #[case::both_locked(true, true, Scope::Both, Ok(&["erase app", "release", "erase net", "release"][..]))]
    fn unlocking_erases_what_is_locked_and_nothing_else(
        #[case] app: bool,
        #[case] net: bool,
        #[case] scope: Scope,
        #[case] expected: Result<&[&'static str], ()>,
    ) {
        let mut chip = Chip::new(app, net);
        let result = unlock(&mut chip, scope, Recover::Allowed).map_err(drop);
        assert_eq!(result.map(|()| &chip.log[..]), expected);
    }

    #[rstest]
    #[case::app(true, false, Scope::App, "the application core is locked")]
    #[case::net(false, true, Scope::Both, "the network core is locked")]
    fn nothing_is_erased_without_permission(
        #[case] app: bool,
        #[case] net: bool,
        #[case] scope: Scope,
        #[case] expected: &str,
    ) {
        let mut chip = Chip::new(app, net);
        let error = unlock(&mut chip, scope, Recover::Forbidden).unwrap_err();
        assert_eq!(fault(&error), expected);
        assert!(
            !chip.log.iter().any(|op| op.starts_with("erase")),
            "{:?}",
            chip.log
        );
    }

    #[test]
    fn an_erase_that_does_not_help_is_not_repeated_without_end() {
        let mut chip = Chip::new(true, true);
        chip.stays_locked = true;
        unlock(&mut chip, Scope::Both, Recover::Allowed).unwrap_err();
        assert_eq!(chip.log, ["erase app"]);
    }

    #[test]
    fn an_erase_that_never_ends_is_given_up() {
        let mut chip = Chip::new(true, false);
        chip.hangs = true;
        let error = unlock(&mut chip, Scope::App, Recover::Allowed).unwrap_err();
        assert_eq!(
            fault(&error),
            "erasing everything of the application core did not happen within 2s"
        );
    }
}
