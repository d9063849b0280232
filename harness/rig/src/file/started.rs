//! Boards that the harness starts itself, virtual and emulated ones: as the person wrote them, and how they become checked.

use super::checked::Checked;
use super::place::Place;
use super::power::CutsWord;
use super::schema::Described;
use super::{Cuts, RigFileError, Supply, TornSpec, VirtualSpec};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use std::str::FromStr;

/// QEMU for Arm as Debian names it.
const DEFAULT_QEMU: &str = "qemu-system-arm";

/// More boards than this in one process is a typing error: 16 take 400 MB.
const MOST_VIRTUAL_BOARDS: usize = 64;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Virtual {
    count: Option<usize>,
    speed: Option<Checked<Speed>>,
    application: Option<Application>,
    cuts: Option<CutsWord>,
    supply: Option<SupplyWord>,
    torn: Option<Torn>,
}

impl Virtual {
    pub(super) fn check(self, place: &Place<'_>, at: &str) -> Result<VirtualSpec, RigFileError> {
        let count = self.count.unwrap_or(1);
        if !(1..=MOST_VIRTUAL_BOARDS).contains(&count) {
            return Err(place.problem(
                format!("{at}.virtual.count: found {count}, expected 1 to {MOST_VIRTUAL_BOARDS}"),
                "each board of a count gets a name of its own: `dk-1`, `dk-2`, …",
            ));
        }
        Ok(VirtualSpec {
            count,
            speed: self.speed.map(|speed| speed.0.0),
            application: self.application.map(|word| word.word().to_owned()),
            cuts: self.cuts.map_or(Cuts::Soc, CutsWord::checked),
            supply: match self.supply {
                None | Some(SupplyWord::Works) => Supply::Works,
                Some(SupplyWord::Ignores) => Supply::Ignores,
                Some(SupplyWord::Stuck) => Supply::Stuck,
                Some(SupplyWord::Slow) => Supply::Slow,
            },
            torn: self.torn.map(|torn| TornSpec {
                seed: torn.seed,
                unstable: torn.unstable.unwrap_or(true),
            }),
            emulator: None,
        })
    }
}

/// Flash operations that are torn when the power fails.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Torn {
    #[serde(default)]
    seed: u64,
    unstable: Option<bool>,
}

/// What the supply of a virtual board does when it is told to switch off.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum SupplyWord {
    Works,
    Ignores,
    Stuck,
    Slow,
}

/// What an application does on a virtual board that cannot execute it: the words of `dfu-hil virtual-dk --application`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Application {
    Ordinary,
    SelfConfirms,
    NoServer,
    Crashes,
    Hangs,
}

impl Application {
    const fn word(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::SelfConfirms => "self-confirms",
            Self::NoServer => "no-server",
            Self::Crashes => "crashes",
            Self::Hangs => "hangs",
        }
    }
}

/// How fast a virtual board's time passes.
#[derive(Debug)]
struct Speed(String);

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor = text
            .parse::<f64>()
            .is_ok_and(|factor| factor.is_finite() && factor > 0.0);
        if text == "instant" || factor {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is not a speed: expected `instant`, or how many times faster than silicon, for example `1` or `20`"
            ))
        }
    }
}

impl Described for Speed {
    const NAME: &'static str = "Speed";
    const WHAT: &'static str = "`instant`, or how many times faster than silicon";
    const PATTERN: &'static str = r"^(instant|[0-9.]+)$";
    const NUMBER: bool = true;
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Qemu {
    /// QEMU for Arm; `qemu-system-arm` by default.
    program: Option<PathBuf>,
}

impl Qemu {
    pub(super) fn checked(self) -> VirtualSpec {
        let program = self.program.unwrap_or_else(|| DEFAULT_QEMU.into());
        VirtualSpec {
            count: 1,
            speed: None,
            application: None,
            cuts: Cuts::Soc,
            supply: Supply::Works,
            torn: None,
            emulator: Some(program),
        }
    }
}
