//! What every step can be asked: its name, what it does in words, what it needs.

use crate::asked::Asked;
use crate::expect::{BootState, ExpectBoot, ExpectNet, ImageEntry, Presence, SlotContents};
use crate::fault::TransportFault;
use crate::needs::BoardFeature;
use crate::refusal::{ExpectRefusal, Refusal};
use crate::reset::{Button, ResetBy};
use crate::step::{Answer, EraseAnswer, Mark, MarkAnswer, Request, Step, Upload};
use crate::words::{Core, ImageRef, PrintedBy, Slot, Transport};
use std::fmt;

impl Step {
    /// The names of all steps, as files say them.
    pub const NAMES: [&str; 17] = [
        "program",
        "upload",
        "mark",
        "erase",
        "reset",
        "power_cycle",
        "power_cut",
        "sweep",
        "expect_boot",
        "expect_slot",
        "expect_plain_text",
        "expect_image_state",
        "expect_console",
        "expect_net",
        "expect_radio",
        "expect_refusal",
        "expect_update",
    ];

    /// Its name as files say it, such as `expect_slot`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Program(_) => "program",
            Self::Upload(_) => "upload",
            Self::Mark(_) => "mark",
            Self::Erase(_) => "erase",
            Self::Reset(_) => "reset",
            Self::PowerCycle(_) => "power_cycle",
            Self::PowerCut(_) => "power_cut",
            Self::Sweep(_) => "sweep",
            Self::ExpectBoot(_) => "expect_boot",
            Self::ExpectSlot(_) => "expect_slot",
            Self::ExpectPlainText(_) => "expect_plain_text",
            Self::ExpectImageState(_) => "expect_image_state",
            Self::ExpectConsole(_) => "expect_console",
            Self::ExpectNet(_) => "expect_net",
            Self::ExpectRadio(_) => "expect_radio",
            Self::ExpectRefusal(_) => "expect_refusal",
            Self::ExpectUpdate(_) => "expect_update",
        }
    }

    /// The board features that it cannot do without.
    #[must_use]
    pub fn features(&self) -> Vec<BoardFeature> {
        match self {
            Self::PowerCycle(step) => held(step.holding, Some(BoardFeature::Power)),
            Self::Upload(Upload {
                power_cut: Some(_), ..
            }) => vec![BoardFeature::Power],
            Self::Upload(Upload {
                second_central: Some(_),
                ..
            }) => vec![BoardFeature::SecondAdapter],
            Self::PowerCut(step) => vec![BoardFeature::Power, console_of(step.at.core)],
            Self::Reset(step) => {
                let way = match step.by {
                    ResetBy::Pin => Some(BoardFeature::PinReset),
                    ResetBy::Smp | ResetBy::Probe => None,
                };
                held(step.holding, way)
            }
            Self::ExpectConsole(step) => vec![match step.by {
                PrintedBy::Uart => console_of(step.core),
                PrintedBy::Rtt => rtt_of(step.core),
            }],
            Self::ExpectRefusal(ExpectRefusal {
                refusal: Refusal::Boot { says: Some(_), .. },
                ..
            }) => vec![BoardFeature::AppConsole],
            // Only its console tells that the network core runs.
            Self::ExpectBoot(ExpectBoot { net: Some(_), .. })
            | Self::ExpectNet(ExpectNet { alive: Some(_), .. }) => vec![BoardFeature::NetConsole],
            Self::Program(_)
            | Self::Upload(_)
            | Self::Mark(_)
            | Self::Erase(_)
            // Where there is no power switch, a reset through the probe interrupts.
            | Self::Sweep(_)
            | Self::ExpectBoot(_)
            | Self::ExpectSlot(_)
            | Self::ExpectPlainText(_)
            | Self::ExpectImageState(_)
            | Self::ExpectNet(_)
            | Self::ExpectRadio(_)
            | Self::ExpectRefusal(_)
            | Self::ExpectUpdate(_) => Vec::new(),
        }
    }

    /// Whether it is about an update that waits in a slot of its own.
    #[must_use]
    pub fn needs_secondary(&self) -> bool {
        let waits = |slot: Slot| matches!(slot, Slot::AppSecondary | Slot::NetSecondary);
        match self {
            Self::Upload(step) => !step.recovery,
            Self::Mark(_) | Self::ExpectRefusal(_) | Self::ExpectUpdate(_) => true,
            Self::Erase(step) => waits(step.slot),
            Self::ExpectSlot(step) => waits(step.slot),
            Self::ExpectImageState(step) => waits(step.slot),
            Self::Sweep(step) => match &step.during {
                Some(Asked::Mark(_) | Asked::Upload(_)) => true,
                Some(Asked::Erase(erase)) => waits(erase.slot),
                None => false,
            },
            Self::Program(_)
            | Self::Reset(_)
            | Self::PowerCycle(_)
            | Self::PowerCut(_)
            | Self::ExpectBoot(_)
            | Self::ExpectPlainText(_)
            | Self::ExpectConsole(_)
            | Self::ExpectNet(_)
            | Self::ExpectRadio(_) => false,
        }
    }

    /// The link that it names.
    #[must_use]
    pub const fn over(&self) -> Option<Transport> {
        match self {
            Self::Upload(step) => step.over,
            Self::Mark(step) => step.over,
            Self::Erase(step) => step.over,
            Self::ExpectImageState(step) => step.over,
            Self::ExpectRadio(_) => Some(Transport::Ble),
            Self::ExpectRefusal(step) => step.over,
            Self::Sweep(step) => match &step.during {
                Some(asked) => asked.over(),
                None => None,
            },
            Self::Program(_)
            | Self::Reset(_)
            | Self::PowerCycle(_)
            | Self::PowerCut(_)
            | Self::ExpectBoot(_)
            | Self::ExpectSlot(_)
            | Self::ExpectPlainText(_)
            | Self::ExpectConsole(_)
            | Self::ExpectNet(_)
            | Self::ExpectUpdate(_) => None,
        }
    }

    /// What goes wrong on its link.
    #[must_use]
    pub fn transport_faults(&self) -> &[TransportFault] {
        match self {
            Self::Upload(step) => &step.transport_faults,
            Self::Mark(step) => &step.transport_faults,
            Self::Reset(step) => &step.transport_faults,
            Self::Program(_)
            | Self::Erase(_)
            | Self::PowerCycle(_)
            | Self::PowerCut(_)
            | Self::Sweep(_)
            | Self::ExpectBoot(_)
            | Self::ExpectSlot(_)
            | Self::ExpectPlainText(_)
            | Self::ExpectImageState(_)
            | Self::ExpectConsole(_)
            | Self::ExpectNet(_)
            | Self::ExpectRadio(_)
            | Self::ExpectRefusal(_)
            | Self::ExpectUpdate(_) => &[],
        }
    }

    /// The images that it names, each with the key that names it (empty where the step itself does).
    pub(crate) fn images(&self) -> Vec<(&'static str, ImageRef)> {
        let app = |release: &str| ImageRef::new(release, Core::App);
        let net = |release: &str| ImageRef::new(release, Core::Net);
        match self {
            Self::Upload(step) => {
                let announced = step
                    .announces
                    .iter()
                    .map(|image| ("announces", image.clone()));
                [("image", step.image.clone())]
                    .into_iter()
                    .chain(announced)
                    .collect()
            }
            Self::Mark(step) => vec![("image", step.image.clone())],
            Self::ExpectRefusal(step) => vec![("image", step.image.clone())],
            Self::ExpectUpdate(step) => vec![("image", step.image.clone())],
            Self::ExpectBoot(step) => {
                let app = step.app.as_deref().map(|release| ("app", app(release)));
                let net = step.net.as_deref().map(|release| ("net", net(release)));
                app.into_iter().chain(net).collect()
            }
            Self::Sweep(step) => {
                let boots = step.boots.iter().map(|release| ("boots", app(release)));
                let during = step
                    .during
                    .iter()
                    .filter_map(Asked::image)
                    .map(|image| ("during", image.clone()));
                boots.chain(during).collect()
            }
            Self::ExpectSlot(step) => match &step.contents {
                SlotContents::Holds { image, .. } => vec![("holds", image.clone())],
                SlotContents::Erased => Vec::new(),
            },
            Self::ExpectPlainText(step) => vec![("of", step.of.clone())],
            Self::ExpectImageState(step) => match &step.entry {
                ImageEntry::Listed { image, .. } => {
                    image.iter().map(|image| ("image", image.clone())).collect()
                }
                ImageEntry::Absent => Vec::new(),
            },
            Self::ExpectNet(step) => step
                .release
                .as_deref()
                .map(|release| ("release", net(release)))
                .into_iter()
                .collect(),
            Self::Program(_)
            | Self::Erase(_)
            | Self::Reset(_)
            | Self::PowerCycle(_)
            | Self::PowerCut(_)
            | Self::ExpectConsole(_)
            | Self::ExpectRadio(_) => Vec::new(),
        }
    }

    /// The slots that it names, each with the key that names it.
    pub(crate) fn slots(&self) -> Vec<(&'static str, Slot)> {
        match self {
            Self::Erase(step) => vec![("slot", step.slot)],
            Self::ExpectSlot(step) => vec![("slot", step.slot)],
            Self::ExpectImageState(step) => vec![("slot", step.slot)],
            Self::ExpectPlainText(step) => {
                step.only_in.iter().map(|&slot| ("only_in", slot)).collect()
            }
            Self::Sweep(step) => match &step.during {
                Some(Asked::Erase(erase)) => vec![("during", erase.slot)],
                Some(Asked::Mark(_) | Asked::Upload(_)) | None => Vec::new(),
            },
            Self::Program(_)
            | Self::Upload(_)
            | Self::Mark(_)
            | Self::Reset(_)
            | Self::PowerCycle(_)
            | Self::PowerCut(_)
            | Self::ExpectBoot(_)
            | Self::ExpectConsole(_)
            | Self::ExpectNet(_)
            | Self::ExpectRadio(_)
            | Self::ExpectRefusal(_)
            | Self::ExpectUpdate(_) => Vec::new(),
        }
    }
}

/// What a start needs for a button that is held, and for itself.
fn held(button: Option<Button>, itself: Option<BoardFeature>) -> Vec<BoardFeature> {
    let button = button.map(|Button::Recovery| BoardFeature::RecoveryButton);
    itself.into_iter().chain(button).collect()
}

const fn console_of(core: Core) -> BoardFeature {
    match core {
        Core::App => BoardFeature::AppConsole,
        Core::Net => BoardFeature::NetConsole,
    }
}

const fn rtt_of(core: Core) -> BoardFeature {
    match core {
        Core::App => BoardFeature::AppRtt,
        Core::Net => BoardFeature::NetRtt,
    }
}

impl fmt::Display for Step {
    /// What it does, in words, for progress lines and reports.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(release) => write!(f, "program {release}"),
            Self::Upload(step) => upload(f, step),
            Self::Mark(step) => mark(f, step),
            Self::Erase(step) => {
                write!(f, "erase {}", step.slot)?;
                match step.expect {
                    EraseAnswer::Honest(answer) => refused(f, answer),
                    EraseAnswer::Misreported => {
                        f.write_str(", which is reported as failed although it is done")
                    }
                }
            }
            Self::Reset(step) => {
                f.write_str(match step.by {
                    ResetBy::Smp => "reset over SMP",
                    ResetBy::Probe => "reset through the probe",
                    ResetBy::Pin => "reset with the pin",
                })?;
                holding(f, step.holding)?;
                faults(f, &step.transport_faults)?;
                refused(f, step.expect)
            }
            Self::PowerCycle(step) => {
                write!(
                    f,
                    "power off for {}",
                    humantime::format_duration(step.off_for)
                )?;
                holding(f, step.holding)
            }
            Self::PowerCut(step) => {
                write!(f, "cut the power ")?;
                if !step.delay.is_zero() {
                    write!(f, "{} ", humantime::format_duration(step.delay))?;
                }
                write!(f, "after `{}`", step.at.console)
            }
            Self::Sweep(step) => step.fmt(f),
            Self::ExpectBoot(step) => {
                f.write_str("boots")?;
                if let Some(app) = &step.app {
                    write!(f, " {app}")?;
                }
                if let Some(net) = &step.net {
                    let and = if step.app.is_some() { " and" } else { "" };
                    write!(f, "{and} {net} on the network core")?;
                }
                match step.state {
                    None => Ok(()),
                    Some(BootState::Testing) => f.write_str(", on test"),
                    Some(BootState::Confirmed) => f.write_str(", confirmed"),
                }
            }
            Self::ExpectSlot(step) => match &step.contents {
                SlotContents::Erased => write!(f, "{} is erased", step.slot),
                SlotContents::Holds { image, stored } => {
                    write!(f, "{} holds {image}", step.slot)?;
                    stored.map_or(Ok(()), |stored| write!(f, ", {stored}"))
                }
            },
            Self::ExpectPlainText(step) => {
                write!(f, "plain text of {} ", step.of)?;
                let slots: Vec<_> = step.only_in.iter().map(|slot| slot.word()).collect();
                match slots.as_slice() {
                    [] => f.write_str("is nowhere"),
                    slots => write!(f, "is in {} only", slots.join(" and ")),
                }
            }
            Self::ExpectImageState(step) => match &step.entry {
                ImageEntry::Absent => write!(f, "image list has nothing in {}", step.slot),
                ImageEntry::Listed {
                    image,
                    version,
                    flags,
                } => {
                    write!(f, "image list has in {}:", step.slot)?;
                    if let Some(image) = image {
                        write!(f, " {image}")?;
                    }
                    if let Some(version) = version {
                        write!(f, " version {version}")?;
                    }
                    for (flag, name) in [
                        (flags.active, "active"),
                        (flags.pending, "pending"),
                        (flags.confirmed, "confirmed"),
                        (flags.permanent, "permanent"),
                    ] {
                        match flag {
                            Some(true) => write!(f, " {name}")?,
                            Some(false) => write!(f, " not-{name}")?,
                            None => {}
                        }
                    }
                    Ok(())
                }
            },
            Self::ExpectConsole(step) => {
                let presence = match step.presence {
                    Presence::Present => "says",
                    Presence::Absent => "does not say",
                };
                let place = match step.by {
                    PrintedBy::Uart => "console",
                    PrintedBy::Rtt => "RTT",
                };
                write!(f, "{} {place} {presence} `{}`", step.core, step.text)
            }
            Self::ExpectNet(step) => {
                let parts = [
                    step.release
                        .as_ref()
                        .map(|release| format!("has {release}")),
                    step.version
                        .map(|version| format!("has firmware version {version}")),
                    step.alive
                        .map(|alive| if alive { "runs" } else { "does not run" }.to_owned()),
                ];
                let parts: Vec<_> = parts.into_iter().flatten().collect();
                write!(f, "network core {}", parts.join(" and "))
            }
            Self::ExpectRefusal(step) => step.fmt(f),
            Self::ExpectUpdate(step) => {
                write!(
                    f,
                    "update to {}, or refusal as its version asks for",
                    step.image
                )
            }
            Self::ExpectRadio(step) if step.alive => f.write_str("answers over ble"),
            Self::ExpectRadio(step) => write!(
                f,
                "is off the air for {}",
                humantime::format_duration(step.within)
            ),
        }
    }
}

fn holding(f: &mut fmt::Formatter<'_>, button: Option<Button>) -> fmt::Result {
    button.map_or(Ok(()), |button| write!(f, ", holding the {button} button"))
}

fn upload(f: &mut fmt::Formatter<'_>, step: &Upload) -> fmt::Result {
    write!(f, "upload {}", step.image)?;
    if let Some(over) = step.over {
        write!(f, " over {over}")?;
    }
    if let Some(image) = step.to {
        write!(f, " to image {image}")?;
    }
    if step.recovery {
        f.write_str(" through serial recovery")?;
    }
    if let Some(other) = &step.announces {
        write!(f, " announced as {other}")?;
    }
    if let Some(start) = step.starts_at {
        write!(f, " {start}")?;
    }
    if let Some(cut) = &step.power_cut {
        write!(f, ", cut the power at {}", cut.at)?;
    }
    if let Some(loss) = &step.link_lost {
        write!(f, ", lose the link at {}", loss.at)?;
    }
    if let Some(after) = step.gives_up_after {
        write!(f, ", give up after {}", humantime::format_duration(after))?;
    }
    if let Some(after) = step.asks_again_after {
        write!(f, ", ask again after {}", humantime::format_duration(after))?;
    }
    if let Some(second) = &step.second_central {
        let how = match second.expect {
            Answer::Accepted => "gets in",
            Answer::Refused(_) => "is kept out",
        };
        write!(f, ", a second central {how} at {}", second.at)?;
    }
    faults(f, &step.transport_faults)?;
    refused(f, step.expect)
}

fn mark(f: &mut fmt::Formatter<'_>, step: &Mark) -> fmt::Result {
    match step.request {
        Request::Test => write!(f, "mark {} for a test", step.image)?,
        Request::Confirmed => write!(f, "confirm {}", step.image)?,
    }
    faults(f, &step.transport_faults)?;
    match step.expect {
        MarkAnswer::Honest(answer) => refused(f, answer),
        MarkAnswer::Ignored => f.write_str(", which is taken and ignored"),
    }
}

fn faults(f: &mut fmt::Formatter<'_>, faults: &[TransportFault]) -> fmt::Result {
    for (number, fault) in faults.iter().enumerate() {
        let before = if number == 0 { ", while links" } else { " and" };
        write!(f, "{before} {fault}")?;
    }
    Ok(())
}

fn refused(f: &mut fmt::Formatter<'_>, expected: Answer) -> fmt::Result {
    match expected {
        Answer::Accepted => Ok(()),
        Answer::Refused(None) => f.write_str(", which must be refused"),
        Answer::Refused(Some(code)) => write!(f, ", which must be refused with {code}"),
    }
}
