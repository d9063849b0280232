//! The server on a board in memory: requests as bytes on the UART, answers and flash as they come out.

mod general;
mod image;
mod several;
mod upload;

use hil_bootloader::{Area, Config, DeviceId, ImageSlots, Mode, NetworkCore, Signature};
use hil_image::{ImageBuilder, ImageVersion};
use hil_smp::Map;

use crate::firmware::client;
use crate::firmware::sim::{Boot, SimBoard};
use crate::model::{
    ApplicationModel, Behaviour, Binary, BootloaderSupport, Confirmation, Link, Model, SmpModel,
};

const PRIMARY: u32 = 0x1_0000;
const SECONDARY: u32 = 0x3_0000;
const SLOT: u32 = 0x2_0000;
/// Of the second image, in builds that have one.
const NET_SECONDARY: u32 = 0x5_0000;

/// An application at the start of flash that believes in a bootloader: its slots can be given any contents.
struct Device {
    board: SimBoard,
}

impl Device {
    fn new() -> Self {
        Self::with(SmpModel::default())
    }

    fn with(smp: SmpModel) -> Self {
        Self::built_for(smp, one_image())
    }

    fn built_for(smp: SmpModel, bootloader: Config) -> Self {
        let model = ApplicationModel {
            name: "server".to_owned(),
            version: "1.0.0".to_owned(),
            release: "test".to_owned(),
            behaviour: Behaviour::Normal,
            confirmation: Confirmation::ByClient,
            ipc_version: 1,
            links: vec![Link::Uart],
            smp,
            bootloader: BootloaderSupport::Mcuboot(bootloader),
            rtt: None,
        };
        let board = SimBoard::new();
        board.program(
            0,
            &Binary::new(Model::Application(model), 0, 0x2000).build(),
        );
        let device = Self { board };
        device.program(PRIMARY, &image("1.0.0"));
        device
    }

    fn program(&self, address: u32, bytes: &[u8]) {
        self.board.program(address, bytes);
    }

    /// Writes the trailer of a slot as its bootloader leaves it.
    fn trailer(&self, slot: u32, trailer: Trailer) {
        let end = slot + SLOT;
        self.program(end - 16, &trailer.magic);
        self.program(end - 24, &[trailer.image_ok]);
        self.program(end - 32, &[trailer.copy_done]);
    }

    /// Brings the slots into the state that makes a swap type.
    fn next_boot(&self, next: Next) {
        let good = Trailer {
            magic: MAGIC,
            ..Trailer::default()
        };
        match next {
            Next::None => {}
            Next::Test => self.trailer(SECONDARY, good),
            Next::Permanent => self.trailer(
                SECONDARY,
                Trailer {
                    image_ok: 1,
                    ..good
                },
            ),
            Next::Revert => self.trailer(
                PRIMARY,
                Trailer {
                    copy_done: 1,
                    ..good
                },
            ),
        }
    }

    fn boot(&self, requests: &[Vec<u8>]) -> Boot {
        self.board.boot(requests)
    }

    /// The answers to some requests, each in one word or two.
    fn answers(&self, requests: &[Vec<u8>]) -> Vec<String> {
        self.boot(requests)
            .packets
            .iter()
            .map(|packet| answer(packet))
            .collect()
    }

    fn answer(&self, request: Vec<u8>) -> String {
        self.answers(&[request]).join(", ")
    }
}

fn area(offset: u32) -> Area {
    Area {
        device: DeviceId::AppFlash,
        offset,
        size: SLOT,
    }
}

fn one_image() -> Config {
    let slots = ImageSlots {
        primary: area(PRIMARY),
        secondary: area(SECONDARY),
    };
    Config::new(Mode::SwapMove, Signature::EcdsaP256, slots)
}

/// The network core's image is the second one, its primary slot simulated in RAM.
fn two_images() -> Config {
    let mut config = one_image();
    config.network_core = NetworkCore::PcdSimultaneous;
    config.images.push(ImageSlots {
        primary: Area {
            device: DeviceId::RamFlash,
            offset: 0,
            size: SLOT,
        },
        secondary: area(NET_SECONDARY),
    });
    config
}

#[derive(Clone, Copy, Debug)]
enum Next {
    None,
    Test,
    Permanent,
    Revert,
}

#[derive(Clone, Copy, Debug)]
struct Trailer {
    magic: [u8; 16],
    image_ok: u8,
    copy_done: u8,
}

/// `boot_img_magic` of MCUboot.
const MAGIC: [u8; 16] = [
    0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6, 0x79, 0x80,
];

impl Default for Trailer {
    fn default() -> Self {
        Self {
            magic: [0xff; 16],
            image_ok: 0xff,
            copy_done: 0xff,
        }
    }
}

/// A small image with a hash, which is all that the server looks at.
fn image(version: &str) -> Vec<u8> {
    let version: ImageVersion = version.parse().expect("a version");
    let payload: Vec<u8> = (0..3000_u32)
        .map(|n| (n * 7 + u32::from(version.major)) as u8)
        .collect();
    ImageBuilder::new(payload)
        .version(version)
        .header_size(0x200)
        .build(&mut rand_core::OsRng)
        .expect("nothing special is asked for")
}

fn hash(image: &[u8]) -> Vec<u8> {
    let image = hil_image::Image::parse(image).expect("it was just built");
    image.stored_hash().expect("it has a hash").1.value.to_vec()
}

/// An answer in a word or two: its error, its `off`, its images.
fn answer(packet: &[u8]) -> String {
    let body = client::body(packet);
    let error = client::error(&body);
    if !error.is_empty() {
        return error;
    }
    if let Some(off) = body.get::<u32>("off").expect("`off` is a number") {
        return match body.get::<bool>("match").expect("`match` is a truth") {
            Some(matches) => format!("off {off} match {matches}"),
            None => format!("off {off}"),
        };
    }
    if body
        .get::<Vec<Map>>("images")
        .expect("`images` is a list")
        .is_some()
    {
        return client::images(&body).join("; ");
    }
    "ok".to_owned()
}
