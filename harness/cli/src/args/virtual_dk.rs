//! What is typed for boards that are none.

use clap::Args;
use std::num::NonZeroU16;
use std::path::PathBuf;
use virtual_dk::model::UndescribedApplication;
use virtual_dk::{Cuts, Phy, Speed, Supply, Timing};

/// `dfu-hil emulated-board`.
#[derive(Args, Debug)]
pub(crate) struct EmulatedBoardArgs {
    /// The board's name
    #[arg(long, default_value = "nrf51")]
    pub(crate) name: String,
    /// QEMU for Arm
    #[arg(long, value_name = "PROGRAM", default_value = "qemu-system-arm")]
    pub(crate) emulator: PathBuf,
}

/// `dfu-hil virtual-dk`.
#[derive(Args, Debug)]
pub(crate) struct VirtualDkArgs {
    /// How many boards
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) boards: u16,
    /// Print the endpoints as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep the network core reachable for the probe when it is held off, which real silicon does not
    ///
    /// For tools without a reset sequence that releases FORCEOFF, such as the stock probe-rs command.
    #[arg(long)]
    pub(crate) lenient_forceoff: bool,
    /// Leave the external flash out, as on a board where none is fitted
    #[arg(long)]
    pub(crate) no_external_flash: bool,
    /// What goes with the power: soc, the chip alone; board, the debugger too, so that the probe and the serial ports are
    /// gone while the power is off and the ports have other names afterwards
    #[arg(long, value_name = "WHAT", default_value = "soc")]
    pub(crate) cuts: Cuts,
    /// What the power supplies do: works; ignores, they stay on and say so; stuck, they say off and stay on; slow, they feed
    /// the board for 100 ms more
    #[arg(long, value_name = "HOW", default_value = "works")]
    pub(crate) supply: Supply,
    /// Tear flash operations that are under way when the power fails: a word half written, a page half erased, bits that
    /// read differently after each reset. What exactly follows from this seed
    #[arg(long, value_name = "SEED")]
    pub(crate) torn: Option<u64>,
    /// Leave no bits that read differently after each reset
    #[arg(long, requires = "torn")]
    pub(crate) torn_stable: bool,
    /// Hold a button of every board from the start: 1 to 4, as printed beside it; may be given several times
    ///
    /// `BUTT1 ON` and `BUTT1 OFF` to a board's power supply (SCPI on TCP) press and release it at any time. Button 1 is the
    /// one that MCUboot looks at for serial recovery.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(crate) press: Vec<u8>,
    /// How fast the boards' time runs: 1 as on silicon, 20 a twentieth of the time, `instant` none at all
    #[arg(long, value_name = "FACTOR", default_value = "1")]
    pub(crate) speed: Speed,
    /// Limit the UARTs to this many bits per second of real time
    #[arg(long, value_name = "BAUD", value_parser = clap::value_parser!(u32).range(300..))]
    pub(crate) uart_baud: Option<u32>,
    /// TCP port of the first board's probe; further boards take the ports behind it [default: free ones]
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(crate) probe_port: u16,
    /// Let debuggers move every bit of SWD themselves instead of whole memory accesses
    #[arg(long)]
    pub(crate) slow_probe: bool,
    /// Intel HEX file that is in the flash of every board from the start instead of the demo firmware; may be given
    /// several times
    #[arg(long, value_name = "HEX")]
    pub(crate) load: Vec<PathBuf>,
    /// Start with empty flash instead of the demo firmware
    #[arg(long, conflicts_with = "load")]
    pub(crate) blank: bool,
    /// Firmware set whose bootloaders are real ones: where they are in flash, a board behaves as the set describes them;
    /// may be given several times
    ///
    /// Without --blank and --load the baseline of the first is in the flash from the start.
    #[arg(long, value_name = "FILE")]
    pub(crate) firmware: Vec<PathBuf>,
    /// What the applications of those sets do, which no virtual core can execute: ordinary (an SMP server, confirmed by a
    /// client), self-confirms, no-server, crashes or hangs [default: ordinary]
    #[arg(long, value_name = "BEHAVIOUR", requires = "firmware")]
    pub(crate) application: Option<UndescribedApplication>,
    #[command(flatten)]
    pub(crate) radio: RadioArgs,
}

/// The air of virtual boards.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Bluetooth options")]
pub(crate) struct RadioArgs {
    /// How many Bluetooth adapters can hear the boards: hci0 and so on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) ble_adapters: u16,
    /// ATT MTU of links, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 498, value_parser = clap::value_parser!(u16).range(23..=517))]
    pub(crate) ble_mtu: u16,
    /// Connection interval of links, in microseconds: a multiple of 1250
    #[arg(long, value_name = "US", default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(7_500..=4_000_000))]
    pub(crate) ble_interval_us: u32,
    /// Rate of the radio: 1m or 2m
    #[arg(long, value_name = "PHY", default_value = "2m")]
    pub(crate) ble_phy: Phy,
    /// Most packets in a connection event, each way, as some phones limit it [default: as many as fit]
    #[arg(long, value_name = "N")]
    pub(crate) ble_packets_per_event: Option<NonZeroU16>,
    /// How much of what is sent is lost and has to be sent again, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=99))]
    pub(crate) ble_loss: u8,
    /// Decides what is lost
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) ble_seed: u64,
    /// Whether the air takes its time: instant or realistic
    #[arg(long, value_name = "TIMING", default_value = "instant")]
    pub(crate) ble_timing: Timing,
}
