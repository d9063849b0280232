//! Which driver switches a board, of what its rig file says. The only place that knows them all.

use super::{
    CommandSwitch, Commands, ManualSwitch, Place, PowerKind, PowerSwitch, Ppk2Switch, Programs,
    ResetOnly, SYSFS, ScpiSwitch, SysfsSwitch, UhubctlSwitch, ykush,
};
use crate::error::Purpose;
use crate::file::{PowerSpec, ScpiPlace, UsbSwitch};
use crate::labgrid::{self, LabgridSwitch};
use crate::probe::ProbeSession;
use crate::rig::RigOptions;
use std::sync::Arc;
use std::time::Duration;

/// The driver for what the rig file says.
pub(crate) fn of(
    name: &str,
    spec: &PowerSpec,
    probe: &Arc<ProbeSession>,
    options: &RigOptions,
) -> Arc<dyn PowerSwitch> {
    let board = name.to_owned();
    let clock = options.clock.clone();
    let programs = |within: &Duration| Programs {
        board: name.to_owned(),
        purpose: Purpose::Power,
        within: *within,
        clock: options.clock.clone(),
    };
    match spec {
        PowerSpec::Scpi { supply, words } => {
            let place = match supply {
                ScpiPlace::Tcp(address) => Place::Tcp(*address),
                ScpiPlace::Serial(port) => Place::Serial(port.clone()),
            };
            Arc::new(ScpiSwitch::new(name, place, words.clone(), clock))
        }
        PowerSpec::UsbPort { hub, port, by } => match by {
            UsbSwitch::Uhubctl { program, within } => Arc::new(UhubctlSwitch {
                programs: programs(within),
                program: program.clone(),
                hub: hub.clone(),
                port: *port,
            }),
            UsbSwitch::Sysfs { companion } => Arc::new(SysfsSwitch {
                board,
                devices: SYSFS.into(),
                hubs: [hub].into_iter().chain(companion).cloned().collect(),
                port: *port,
                clock,
            }),
        },
        PowerSpec::Ppk2 { port, mode } => {
            Arc::new(Ppk2Switch::new(name, port.clone(), *mode, clock))
        }
        PowerSpec::Ykush {
            program,
            model,
            serial,
            port,
            within,
        } => Arc::new(CommandSwitch {
            programs: programs(within),
            kind: PowerKind::UsbPort,
            commands: ykush(program, model.as_deref(), serial, *port),
        }),
        PowerSpec::Command { on, off, within } => Arc::new(CommandSwitch {
            programs: programs(within),
            kind: PowerKind::Command,
            commands: Commands {
                on: on.clone(),
                off: off.clone(),
            },
        }),
        PowerSpec::Labgrid { client, resource } => Arc::new(LabgridSwitch {
            client: labgrid::Client {
                board,
                spec: client.clone(),
                clock,
            },
            resource: resource.clone(),
        }),
        PowerSpec::Manual => Arc::new(ManualSwitch {
            board,
            ask: options.ask.clone(),
            clock,
        }),
        PowerSpec::ResetOnly => Arc::new(ResetOnly {
            board,
            probe: Arc::clone(probe),
            clock,
        }),
    }
}
