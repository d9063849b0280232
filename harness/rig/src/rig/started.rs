//! What a virtual or emulated board said when it started, as the rig file of a board on a bench would say it.

use crate::error::RigError;
use crate::file::{
    ButtonSpec, PowerSpec, ProbeSelector, ProbeSpec, RealSpec, ScpiPlace, ScpiWords, UartPortSpec,
    UartSpec, VirtualSpec,
};
use crate::launcher::VirtualEndpoints;
use crate::silicon::Silicon;

/// A virtual board with the endpoints that it has said: from here on a board like any other.
pub(super) fn as_real(
    name: &str,
    endpoints: VirtualEndpoints,
    spec: &VirtualSpec,
) -> Result<RealSpec, RigError> {
    let emulated = spec.emulator.is_some();
    let selector: ProbeSelector = endpoints
        .probe
        .parse()
        .map_err(|what| RigError::BadRequest {
            board: name.to_owned(),
            what,
        })?;
    let uart = |path| UartSpec {
        port: UartPortSpec::Path(path),
        baud: 115_200,
    };
    let words = ScpiWords::default();
    Ok(RealSpec {
        silicon: if emulated {
            Silicon::Nrf51
        } else {
            Silicon::Nrf5340
        },
        chip: None,
        probe: ProbeSpec {
            selector,
            speed_khz: None,
        },
        uart_app: Some(uart(endpoints.uart.app)),
        uart_net: endpoints.uart.net.map(uart),
        ble: None,
        power: PowerSpec::Scpi {
            supply: ScpiPlace::Tcp(endpoints.power),
            words: if emulated {
                // Nothing flows that could be measured.
                ScpiWords {
                    current: None,
                    ..words
                }
            } else {
                words
            },
        },
        cuts: spec.cuts,
        // Button 1, by a command of the supply.
        recovery_button: (!emulated).then(|| ButtonSpec::Scpi {
            address: endpoints.power,
            press: "BUTT1 ON".to_owned(),
            release: "BUTT1 OFF".to_owned(),
        }),
    })
}
