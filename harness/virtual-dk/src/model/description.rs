//! What a model binary can say of itself.

use std::fmt;
use std::str::FromStr;

use hil_bootloader::Config;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// Whether a piece of firmware was built with something.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// Built in.
    #[default]
    On,
    /// Left out.
    Off,
}

impl Feature {
    /// Whether it is built in.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

/// Where a bootloader prints its log. The Thingy:53 build of MCUboot prints nothing.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsoleOutput {
    /// Log lines with the prefixes of Zephyr's minimal log mode.
    #[default]
    Log,
    /// Not a byte.
    Silent,
    /// The same lines over SEGGER RTT, and nothing on the UART (`CONFIG_RTT_CONSOLE`): as in builds whose UART is for serial
    /// recovery. Bootloaders of the application core only.
    Rtt,
}

/// Text that must not be shown: a private key in PEM, or a symmetric one in base64.
///
/// A bootloader that decrypts has its key in flash, so the model has it too; it never appears in `Debug` output.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// MCUboot as it was built for a board.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct McubootModel {
    /// Name and version that its banner shows.
    pub version: String,
    /// The build: mode, algorithms, slots.
    pub config: Config,
    /// Public keys that images may be signed with, PEM.
    pub signing_keys: Vec<String>,
    /// The key that decrypts images: a private key in PEM, or a key to unwrap with (AES-KW) in base64.
    pub encryption_key: Option<Secret>,
    /// Whether it logs.
    pub console: ConsoleOutput,
    /// What an application does that it starts and that says nothing of itself; the default where this says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undescribed: Option<UndescribedApplication>,
}

/// What an application does that says nothing of itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UndescribedApplication {
    /// How it runs.
    pub behaviour: Behaviour,
    /// What it does with its own confirmation.
    pub confirmation: Confirmation,
    /// Links on which its SMP server answers; none for an application without one.
    pub links: Vec<Link>,
    /// Its SMP server.
    #[serde(default, skip_serializing_if = "is_default")]
    pub smp: SmpModel,
}

impl Default for UndescribedApplication {
    /// An SMP server on its links, and nothing that confirms it but a client.
    fn default() -> Self {
        Self {
            behaviour: Behaviour::Normal,
            confirmation: Confirmation::ByClient,
            links: vec![Link::Uart, Link::Ble],
            smp: SmpModel::default(),
        }
    }
}

/// A word is none for an [`UndescribedApplication`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{found}` is no behaviour, expected `ordinary`, `self-confirms`, `no-server`, `crashes` or `hangs`"
)]
pub struct ParseBehaviourError {
    found: String,
}

impl FromStr for UndescribedApplication {
    type Err = ParseBehaviourError;

    /// The words of rig files. Times are those of the demo firmware.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let watchdog = ResetWay::Watchdog { timeout_ms: 2000 };
        let mut application = Self::default();
        match text {
            "ordinary" => {}
            "self-confirms" => {
                application.confirmation = Confirmation::BySelf { after_ms: 1000 };
            }
            "no-server" => application.links = Vec::new(),
            "crashes" => {
                application.behaviour = Behaviour::Crashes {
                    after_ms: 100,
                    then: watchdog,
                };
            }
            "hangs" => {
                application.behaviour = Behaviour::Hangs {
                    after_ms: 1000,
                    then: watchdog,
                };
            }
            found => {
                return Err(ParseBehaviourError {
                    found: found.to_owned(),
                });
            }
        }
        Ok(application)
    }
}

/// b0n, the immutable bootloader of the network core.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct B0nModel {
    /// Name and version.
    pub version: String,
    /// Start of the network firmware in network flash (0x0100_8800 in the SDK).
    pub application: u32,
    /// Bytes of flash that the network firmware may fill.
    pub application_size: u32,
    /// The least `fw_info` version that it takes: the monotonic counter, in builds that have one.
    pub least_version: Option<u32>,
    /// `PCD_READ_NETCORE_APP_VERSION`.
    pub version_command: Feature,
    /// Whether it logs.
    pub console: ConsoleOutput,
}

/// An application and what it does after it has started.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ApplicationModel {
    /// Name on the console.
    pub name: String,
    /// Version on the console; the image header has its own.
    pub version: String,
    /// Which release of a firmware set it is, on the console.
    pub release: String,
    /// How it runs.
    pub behaviour: Behaviour,
    /// What it does with its own confirmation.
    pub confirmation: Confirmation,
    /// Version of the interface to the network core: both cores must agree.
    pub ipc_version: u32,
    /// Links on which its SMP server answers.
    pub links: Vec<Link>,
    /// Its SMP server.
    pub smp: SmpModel,
    /// What it knows of the bootloader it was built for. Without it there is no image management.
    pub bootloader: BootloaderSupport,
    /// Its log goes over SEGGER RTT too (`CONFIG_LOG_BACKEND_RTT`), beside the UART.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt: Option<RttModel>,
}

/// SEGGER RTT as firmware was built with it (`CONFIG_USE_SEGGER_RTT`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RttModel {
    /// Where the linker has put `_SEGGER_RTT`, in the core's RAM.
    pub address: u32,
    /// What is done with a line for which there is no room.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: RttMode,
}

/// What becomes of a text that does not fit into the buffer (`CONFIG_SEGGER_RTT_MODE_*`).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RttMode {
    /// `NO_BLOCK_SKIP`: it is dropped, and Zephyr's log says later how many were.
    #[default]
    Skip,
    /// `NO_BLOCK_TRIM`: as much of it is there as fits.
    Trim,
}

/// Version of the interface between the cores that firmware without a description speaks (ours): that of the demo's.
const ORDINARY_IPC_VERSION: u32 = 1;

impl ApplicationModel {
    /// What an application is taken for that says nothing of itself: a Zephyr sample with an SMP server on its links,
    /// Zephyr's default buffers, and nothing that confirms it but a client.
    #[must_use]
    pub fn ordinary(version: hil_image::ImageVersion, bootloader: Config) -> Self {
        Self::undescribed(version, bootloader, UndescribedApplication::default())
    }

    /// The same with another behaviour.
    #[must_use]
    pub fn undescribed(
        version: hil_image::ImageVersion,
        bootloader: Config,
        application: UndescribedApplication,
    ) -> Self {
        let UndescribedApplication {
            behaviour,
            confirmation,
            links,
            smp,
        } = application;
        Self {
            name: "smp_svr".to_owned(),
            version: version.to_string(),
            release: "no description".to_owned(),
            behaviour,
            confirmation,
            ipc_version: ORDINARY_IPC_VERSION,
            links,
            smp,
            bootloader: BootloaderSupport::Mcuboot(bootloader),
            rtt: None,
        }
    }
}

/// What an application knows of its bootloader: compiled in, right or wrong, as in a real build.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootloaderSupport {
    /// Built to run without a bootloader.
    None,
    /// Built for MCUboot with these slots.
    Mcuboot(Config),
}

/// How an application runs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Behaviour {
    /// It runs until it is reset.
    Normal,
    /// It faults.
    #[serde(rename_all = "kebab-case")]
    Crashes {
        /// Milliseconds from its start to the fault.
        after_ms: u32,
        /// How the core gets out of it.
        then: ResetWay,
    },
    /// It stops doing anything.
    #[serde(rename_all = "kebab-case")]
    Hangs {
        /// Milliseconds from its start.
        after_ms: u32,
        /// How the core gets out of it.
        then: ResetWay,
    },
}

/// What ends a fault or a hang.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum ResetWay {
    /// Nothing: the core stays as it is until somebody resets it.
    Never,
    /// The fault handler resets the chip (`CONFIG_RESET_ON_FATAL_ERROR`, on by default in the SDK).
    AtOnce,
    /// The watchdog does.
    #[serde(rename_all = "kebab-case")]
    Watchdog {
        /// Milliseconds after which it bites.
        timeout_ms: u32,
    },
}

/// What an application does about its own confirmation.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Confirmation {
    /// A client confirms it over SMP.
    ByClient,
    /// It confirms itself.
    #[serde(rename_all = "kebab-case")]
    BySelf {
        /// Milliseconds from its start.
        after_ms: u32,
    },
    /// It refuses to be confirmed: SMP answers `IMAGE_CONFIRMATION_DENIED`.
    Refused,
}

/// A way to reach the SMP server.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// The core's UART, in console framing.
    Uart,
    /// Bluetooth LE; needs a network core that speaks the same IPC version.
    Ble,
}

/// What the SMP characteristic wants of a central's link before it can be written or subscribed to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlePermission {
    /// `MCUMGR_TRANSPORT_BT_PERM_RW`: nothing.
    #[default]
    Open,
    /// `MCUMGR_TRANSPORT_BT_PERM_RW_ENCRYPT`: encryption.
    Encrypted,
    /// `MCUMGR_TRANSPORT_BT_PERM_RW_AUTHEN`: encryption with keys of an authenticated pairing.
    Authenticated,
}

impl BlePermission {
    /// The ATT error that a central without a pairing gets, for writes and for the CCC
    /// (`zephyr subsys/mgmt/mcumgr/transport/src/smp_bt.c`, `subsys/bluetooth/host/gatt.c`: `bt_gatt_check_perm`). Later
    /// versions of Zephyr say 0x05 for both; BlueZ makes the same of either.
    pub(crate) fn refusal(self) -> Option<u8> {
        match self {
            Self::Open => None,
            Self::Encrypted => Some(0x0f),
            Self::Authenticated => Some(0x05),
        }
    }

    /// What a description need not say.
    fn is_open(&self) -> bool {
        *self == Self::Open
    }
}

/// What a server with several images looks at before it marks one of them.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkRules {
    /// What the next start will do with that image.
    #[default]
    EachImage,
    /// What the next start will do with the running image, whichever is to be marked: once the application is to be tested,
    /// a test of the network core's image is taken without an error and nothing is written (zephyr
    /// `img_mgmt_set_next_boot_slot` as it was first written).
    RunningImage,
}

/// What a server answers to an erase that it has carried out.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EraseAnswer {
    /// That it has.
    #[default]
    Honest,
    /// An error (NCSDK-11432: SDK 1.7, applications for several images).
    Failure,
}

/// What a description need not say.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The SMP server of an application: what Zephyr's Kconfig decides at build time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SmpModel {
    /// `MCUMGR_TRANSPORT_NETBUF_SIZE` in bytes: SMP header and payload of a request or an answer.
    pub buf_size: u32,
    /// `MCUMGR_TRANSPORT_NETBUF_COUNT`: requests and answers that can exist at once.
    pub buf_count: u32,
    /// `MCUMGR_TRANSPORT_BT_REASSEMBLY`: requests over Bluetooth may be larger than a write.
    #[serde(default, skip_serializing_if = "is_built_in")]
    pub ble_reassembly: Feature,
    /// Which links its characteristic takes.
    #[serde(default, skip_serializing_if = "BlePermission::is_open")]
    pub ble_permission: BlePermission,
    /// OS echo.
    pub echo: Feature,
    /// OS params.
    pub params: Feature,
    /// OS task statistics.
    pub task_statistics: Feature,
    /// OS info.
    pub os_info: Feature,
    /// OS bootloader information.
    pub bootloader_info: Feature,
    /// `IMG_ENABLE_IMAGE_CHECK`: compares the slot with the SHA-256 that the client sent.
    pub image_check: Feature,
    /// Image slot information.
    pub slot_info: Feature,
    /// `MCUMGR_GRP_IMG_FRUGAL_LIST`: the image list has only the flags that are set.
    pub frugal_list: Feature,
    /// Largest upload in bytes, when the build checks it (`MCUMGR_GRP_IMG_TOO_LARGE_*`).
    pub max_image_size: Option<u32>,
    /// `MCUMGR_SMP_SUPPORT_ORIGINAL_PROTOCOL`: answers version 1 requests.
    pub version_1: Feature,
    /// What it looks at before it marks an image.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mark_rules: MarkRules,
    /// What it answers to an erase.
    #[serde(default, skip_serializing_if = "is_default")]
    pub erase_answer: EraseAnswer,
}

/// What a description need not say.
fn is_built_in(feature: &Feature) -> bool {
    feature.is_on()
}

impl Default for SmpModel {
    /// Zephyr's defaults, with echo, params, OS and bootloader information on.
    fn default() -> Self {
        Self {
            buf_size: 384,
            buf_count: 4,
            ble_reassembly: Feature::On,
            ble_permission: BlePermission::Open,
            echo: Feature::On,
            params: Feature::On,
            task_statistics: Feature::Off,
            os_info: Feature::On,
            bootloader_info: Feature::On,
            image_check: Feature::Off,
            slot_info: Feature::On,
            frugal_list: Feature::Off,
            max_image_size: None,
            version_1: Feature::On,
            mark_rules: MarkRules::EachImage,
            erase_answer: EraseAnswer::Honest,
        }
    }
}

/// The firmware of the network core.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NetworkModel {
    /// Name on the console.
    pub name: String,
    /// Version on the console.
    pub version: String,
    /// Version of the interface to the application core.
    pub ipc_version: u32,
}

impl NetworkModel {
    /// What network firmware is taken for that says nothing of itself.
    #[must_use]
    pub fn ordinary() -> Self {
        Self {
            name: "network core".to_owned(),
            version: "(no description)".to_owned(),
            ipc_version: ORDINARY_IPC_VERSION,
        }
    }
}
