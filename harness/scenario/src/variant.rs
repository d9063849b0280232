//! A scenario with one combination of its matrix, and whether a board can run it.

use crate::first_lines::after_power_on;
use crate::needs::{BoardFeature, Capabilities, ModeNeed, Needs, Unmet, uses_external_flash};
use crate::reset::{Reset, ResetBy};
use crate::step::Step;
use crate::words::{ImageRef, Transport};
use hil_bootloader::Config;
use std::collections::{BTreeMap, BTreeSet};

/// A scenario with one combination of its matrix: what runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The scenario's name with the values of the matrix, such as `encrypted-app[uart]`.
    pub name: String,
    /// What the board must have, besides what the steps say.
    pub needs: Needs,
    /// The link of steps that do not name one: the matrix variable `transport`, otherwise UART.
    pub transport: Transport,
    /// The steps in order; never empty.
    pub steps: Vec<PlannedStep>,
}

/// A step and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedStep {
    /// Its number, from 1.
    pub number: u32,
    /// Its line in the file, from 1.
    pub line: u32,
    /// What it does.
    pub step: Step,
}

impl Variant {
    /// About how often it starts its board: each step once, and a sweep with each of its points. For comparing, where nobody
    /// knows how long variants take.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.steps.iter().fold(0, |starts: u32, planned| {
            starts.saturating_add(match &planned.step {
                Step::Sweep(sweep) => sweep.starts(),
                _ => 1,
            })
        })
    }

    /// Why it cannot run with this bootloader, on whatever board; `None` when it can.
    #[must_use]
    pub fn unmet_by(&self, bootloader: &Config) -> Option<Unmet> {
        let mut unmet = self.needs.bootloader.unmet_by(bootloader);
        unmet.extend(self.no_secondary(bootloader));
        if self.needs.board.contains(&BoardFeature::ExternalFlash)
            && !uses_external_flash(bootloader)
        {
            unmet.push(
                "needs a slot in the external flash, this bootloader has none there".to_owned(),
            );
        }
        Unmet::of(unmet)
    }

    /// Why it cannot run on a board with these capabilities; `None` when it can.
    #[must_use]
    pub fn unmet(&self, has: &Capabilities<'_>) -> Option<Unmet> {
        let mut unmet = self.needs.bootloader.unmet_by(has.bootloader);
        unmet.extend(self.no_secondary(has.bootloader));
        for (feature, because) in self.features() {
            if !has.features.contains(&feature) {
                unmet.push(match because {
                    Some(step) => format!(
                        "needs {} {feature} (step {} `{}`), board `{}` has none",
                        feature.article(),
                        step.number,
                        step.step.name(),
                        has.board
                    ),
                    None => format!(
                        "needs {} {feature}, board `{}` has none",
                        feature.article(),
                        has.board
                    ),
                });
            }
        }
        let needs_external = self.needs.board.contains(&BoardFeature::ExternalFlash);
        if !needs_external
            && uses_external_flash(has.bootloader)
            && !has.features.contains(&BoardFeature::ExternalFlash)
        {
            unmet.push(format!(
                "the firmware set has a slot in the external flash, board `{}` has none",
                has.board
            ));
        }
        for transport in self.transports() {
            if !has.transports.contains(&transport) {
                unmet.push(format!(
                    "needs SMP over `{transport}`, board `{}` has no such link",
                    has.board
                ));
            }
        }
        unmet.extend(
            self.steps
                .iter()
                .filter_map(|planned| self.not_wireless(planned))
                .chain(
                    self.steps
                        .iter()
                        .filter_map(|planned| self.meaningless(planned)),
                ),
        );
        Unmet::of(unmet)
    }

    /// What it needs, for people: `a bootloader with mode swap, encryption ec256`, `a power switch`.
    #[must_use]
    pub fn needs_in_words(&self) -> Vec<String> {
        let bootloader = self.needs.bootloader.in_words();
        let bootloader = (!bootloader.is_empty())
            .then(|| format!("a bootloader with {}", bootloader.join(", ")));
        let features = self.features().into_keys();
        let features = features.map(|feature| format!("{} {feature}", feature.article()));
        let links = self.transports().into_iter();
        let links = links.filter(|link| *link != Transport::Uart);
        bootloader
            .into_iter()
            .chain(features)
            .chain(links.map(|link| format!("SMP over {link}")))
            .collect()
    }

    /// The first step that wants an update to wait in a slot, where the bootloader has none for it. A scenario that asks for
    /// such a bootloader is about that.
    fn no_secondary(&self, bootloader: &Config) -> Option<String> {
        if bootloader.has_secondary() || self.needs.bootloader.mode == Some(ModeNeed::SingleSlot) {
            return None;
        }
        let step = self
            .steps
            .iter()
            .find(|planned| planned.step.needs_secondary())?;
        Some(format!(
            "needs a bootloader with a secondary slot (step {} `{}`), this one is `{}`",
            step.number,
            step.step.name(),
            bootloader.mode
        ))
    }

    /// What a step asks of a link that has no wire.
    fn not_wireless(&self, planned: &PlannedStep) -> Option<String> {
        let Step::Upload(upload) = &planned.step else {
            return None;
        };
        let key = match (&upload.link_lost, &upload.second_central) {
            (Some(_), _) => "link_lost",
            (None, Some(_)) => "second_central",
            (None, None) => return None,
        };
        let over = self.link_of(&planned.step)?;
        (over != Transport::Ble).then(|| {
            format!(
                "`{key}` (step {} `upload`) needs SMP over `ble`, it goes over `{over}`",
                planned.number
            )
        })
    }

    /// A fault that the link of its step cannot have.
    fn meaningless(&self, planned: &PlannedStep) -> Option<String> {
        let over = self.link_of(&planned.step)?;
        let mut faults = planned.step.transport_faults().iter();
        let (fault, why) = faults.find_map(|fault| Some((fault, fault.not_over(over)?)))?;
        Some(format!(
            "cannot {fault} over `{over}` (step {} `{}`): {why}",
            planned.number,
            planned.step.name()
        ))
    }

    /// The images that its steps name, each with the first step that does.
    #[must_use]
    pub fn images(&self) -> BTreeMap<ImageRef, u32> {
        let mut images = BTreeMap::new();
        for planned in &self.steps {
            for (_, image) in planned.step.images() {
                images.entry(image).or_insert(planned.number);
            }
        }
        images
    }

    /// The links that it goes over.
    #[must_use]
    pub fn transports(&self) -> BTreeSet<Transport> {
        self.steps
            .iter()
            .filter_map(|planned| self.link_of(&planned.step))
            .collect()
    }

    /// The link of a step that talks SMP.
    fn link_of(&self, step: &Step) -> Option<Transport> {
        step.over().or(match step {
            Step::Upload(_)
            | Step::Mark(_)
            | Step::Erase(_)
            | Step::ExpectImageState(_)
            | Step::ExpectBoot(_)
            | Step::ExpectRefusal(_)
            | Step::ExpectUpdate(_)
            | Step::Reset(Reset {
                by: ResetBy::Smp, ..
            }) => Some(self.transport),
            Step::Reset(_)
            | Step::Program(_)
            | Step::PowerCycle(_)
            | Step::PowerCut(_)
            | Step::Sweep(_)
            | Step::ExpectSlot(_)
            | Step::ExpectPlainText(_)
            | Step::ExpectConsole(_)
            | Step::ExpectNet(_)
            | Step::ExpectRadio(_) => None,
        })
    }

    /// What the board must have, with the first step that needs it where one does.
    fn features(&self) -> BTreeMap<BoardFeature, Option<&PlannedStep>> {
        let mut features: BTreeMap<_, _> = self
            .needs
            .board
            .iter()
            .map(|&feature| (feature, None))
            .collect();
        for planned in &self.steps {
            for feature in planned.step.features() {
                features.entry(feature).or_insert(Some(planned));
            }
        }
        if let Some(step) = after_power_on(&self.steps) {
            features
                .entry(BoardFeature::ConsoleAtPowerOn)
                .or_insert(Some(step));
        }
        features
    }
}
