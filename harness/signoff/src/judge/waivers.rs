//! Waivers, and which of them were needed.

use super::refusal::{Refusal, Rule};
use crate::policy::{Waiver, Waives};
use hil_scenario::RequirementId;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The waivers of the terms, on a day.
pub(super) struct Waivers<'a> {
    today: Date,
    all: Vec<(&'a Waiver, bool)>,
}

impl<'a> Waivers<'a> {
    pub(super) fn new(waivers: &'a [Waiver], at: Timestamp) -> Self {
        Self {
            today: at.to_zoned(TimeZone::UTC).date(),
            all: waivers.iter().map(|waiver| (waiver, false)).collect(),
        }
    }

    /// For a scenario that was skipped or not run: the refusal, unless a waiver holds.
    pub(super) fn skip(
        &mut self,
        name: &str,
        refusal: impl FnOnce() -> Refusal,
    ) -> Option<Refusal> {
        self.find(
            |waives| matches!(waives, Waives::Skip(pattern) if pattern.matches(name)),
            refusal,
        )
    }

    /// For a scenario that passed only after something was tried again.
    pub(super) fn retry(
        &mut self,
        name: &str,
        refusal: impl FnOnce() -> Refusal,
    ) -> Option<Refusal> {
        self.find(
            |waives| matches!(waives, Waives::Retry(pattern) if pattern.matches(name)),
            refusal,
        )
    }

    /// For a requirement that nothing covers.
    pub(super) fn uncovered(
        &mut self,
        id: &RequirementId,
        refusal: impl FnOnce() -> Refusal,
    ) -> Option<Refusal> {
        self.find(
            |waives| matches!(waives, Waives::Uncovered(waived) if waived == id),
            refusal,
        )
    }

    fn find(
        &mut self,
        waives: impl Fn(&Waives) -> bool,
        refusal: impl FnOnce() -> Refusal,
    ) -> Option<Refusal> {
        let mut expired = None;
        for (waiver, used) in self
            .all
            .iter_mut()
            .filter(|(waiver, _)| waives(&waiver.waives))
        {
            if waiver.expires >= self.today {
                *used = true;
                return None;
            }
            *used = true;
            expired = Some(*waiver);
        }
        let refusal = refusal();
        Some(match expired {
            None => refusal,
            Some(waiver) => Refusal::new(
                Rule::Waiver,
                format!(
                    "{}; its waiver by {} expired on {}",
                    refusal.text, waiver.by, waiver.expires
                ),
                "do what was waived, or ask for the waiver again",
            ),
        })
    }

    /// Those that were needed and hold.
    pub(super) fn used(&self) -> Vec<Waiver> {
        let used = self
            .all
            .iter()
            .filter(|(waiver, used)| *used && waiver.expires >= self.today);
        used.map(|(waiver, _)| (*waiver).clone()).collect()
    }

    /// Those that nothing needed, in words: what is no longer so should not stay in the policy.
    pub(super) fn unused(&self) -> Vec<String> {
        let unused = self.all.iter().filter(|(_, used)| !used);
        unused
            .map(|(waiver, _)| {
                let what = match &waiver.waives {
                    Waives::Skip(pattern) => format!("skip: {pattern}"),
                    Waives::Retry(pattern) => format!("retry: {pattern}"),
                    Waives::Uncovered(id) => format!("uncovered: {id}"),
                };
                format!("waiver `{what}` by {} waives nothing", waiver.by)
            })
            .collect()
    }
}
