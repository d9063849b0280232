//! Boards whose application runs without a bootloader: for what is between the harness and an application alone.

use super::broken::{Board, sound_board};
use virtual_dk::bus::Core;
use virtual_dk::model::{
    ApplicationModel, Behaviour, Binary, BootloaderSupport, Confirmation, Link, Model,
    NetworkModel, SmpModel,
};
use virtual_dk::{Preload, Speed, VirtualDkOptions};

/// Flash of the network core.
const NET_FLASH: u32 = 0x0100_0000;

/// An application of this name that serves SMP on this link.
pub(crate) fn application(name: &str, link: Link) -> ApplicationModel {
    ApplicationModel {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        release: "test".to_owned(),
        behaviour: Behaviour::Normal,
        confirmation: Confirmation::ByClient,
        ipc_version: 1,
        links: vec![link],
        smp: SmpModel::default(),
        bootloader: BootloaderSupport::None,
        rtt: None,
    }
}

/// A board that runs it, at twenty times a DK's pace.
pub(crate) fn board(application: ApplicationModel) -> Board {
    let network = NetworkModel {
        name: "net".to_owned(),
        version: "1.0.0".to_owned(),
        ipc_version: 1,
    };
    let preload = [
        (Core::App, 0, Model::Application(application)),
        (Core::Net, NET_FLASH, Model::Network(network)),
    ];
    sound_board(VirtualDkOptions {
        speed: Speed::Factor(20.0),
        preload: preload
            .into_iter()
            .map(|(core, address, model)| Preload {
                core,
                address,
                data: Binary::new(model, address, 0x2000).build(),
            })
            .collect(),
        ..VirtualDkOptions::default()
    })
}
