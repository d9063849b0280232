//! A night: the library within a budget, and then points of sweeps that were tested least.
//!
//! The time that the library leaves is filled with *slices*: a sweep of the library that visits a few points which are chosen by
//! the history, and not those that its file says. A slice is a scenario of the run like any other, with a name that says of
//! which sweep it is.

use crate::event::FirmwareInfo;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// What stands between the name of a sweep and the number of a slice of it.
const SLICE: &str = "#slice-";

/// The name of a slice, such as `sweep-test-swap#slice-3`.
#[must_use]
pub fn slice_name(variant: &str, number: u64) -> String {
    format!("{variant}{SLICE}{number}")
}

/// The variant of which this is the name of a slice; none where it is not one.
#[must_use]
pub fn slice_of(name: &str) -> Option<&str> {
    let (variant, number) = name.rsplit_once(SLICE)?;
    number.parse::<u64>().is_ok().then_some(variant)
}

/// The variant whose points are visited under this name: it may be that of a slice, or of a part (`swap#2/4`).
#[must_use]
pub fn sweep_variant(name: &str) -> &str {
    if let Some(variant) = slice_of(name) {
        return variant;
    }
    let part = name.rsplit_once('#').filter(|(_, part)| {
        part.split_once('/').is_some_and(|(number, of)| {
            number.parse::<usize>().is_ok() && of.parse::<usize>().is_ok()
        })
    });
    part.map_or(name, |(variant, _)| variant)
}

/// What a night came to besides the verdicts.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Night {
    /// The time that it had, in milliseconds: nothing began that would have ended later.
    pub budget_ms: u64,
    /// How much of each sweep has been tested, this night included.
    pub coverage: Vec<SweepCoverage>,
}

impl Night {
    /// Takes in another part of the same night, which had other points of the same sweeps.
    pub(crate) fn and(&mut self, other: &Self) {
        self.budget_ms = self.budget_ms.max(other.budget_ms);
        for theirs in &other.coverage {
            let same = |ours: &&mut SweepCoverage| {
                ours.scenario == theirs.scenario && ours.firmware == theirs.firmware
            };
            match self.coverage.iter_mut().find(same) {
                None => self.coverage.push(theirs.clone()),
                Some(ours) => ours.and(theirs),
            }
        }
    }
}

/// How much of a sweep has been tested on a rig with one firmware set.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SweepCoverage {
    /// Name of the variant.
    pub scenario: String,
    /// The firmware: another build begins anew.
    pub firmware: FirmwareInfo,
    /// How many points there are; 0 when that is not known yet, because none was visited.
    pub points: u64,
    /// How many of them were tested at least once.
    pub tested: u64,
    /// How many of these for the first time in this night.
    pub new: u64,
    /// How many were visited in this night, those included that had been visited before.
    pub tonight: u64,
    /// How many did not come to what they must in one of their last two visits. They come first in the next night.
    pub suspect: u64,
    /// When the point was visited that was not for the longest time, UTC; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
}

impl SweepCoverage {
    fn and(&mut self, other: &Self) {
        self.points = self.points.max(other.points);
        // What was tested before is the same for both. Slices have no point in common; the few that the library has of a sweep may
        // be among those of another host.
        self.tested = (self.tested + other.new).min(self.points);
        self.new = (self.new + other.new).min(self.tested);
        self.tonight += other.tonight;
        self.suspect = self.suspect.max(other.suspect);
        self.oldest = match (self.oldest, other.oldest) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
    }

    /// `312 of 476 points tested, oldest 3 nights ago`, as seen from a night that began at `now`.
    #[must_use]
    pub fn words(&self, now: Timestamp) -> String {
        if self.points == 0 {
            return "no point tested yet".to_owned();
        }
        let mut words = format!("{} of {} points tested", self.tested, self.points);
        if let Some(oldest) = self.oldest {
            let _ = write!(words, ", oldest {}", ago(oldest, now));
        }
        if self.new > 0 {
            let _ = write!(words, ", {} new", self.new);
        }
        if self.suspect > 0 {
            let _ = write!(words, ", {} to look at", self.suspect);
        }
        words
    }
}

/// Which night it was, seen from another one. Nights begin at about the same time of day: twelve hours more or less are no other
/// night.
fn ago(then: Timestamp, now: Timestamp) -> String {
    match (now.duration_since(then).as_hours() + 12) / 24 {
        ..=0 => "tonight".to_owned(),
        1 => "last night".to_owned(),
        nights => format!("{nights} nights ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::slice("swap[uart]#slice-3", "swap[uart]")]
    #[case::part("swap[uart]#2/4", "swap[uart]")]
    #[case::whole("swap[uart]", "swap[uart]")]
    #[case::no_number("swap#slice-x", "swap#slice-x")]
    #[case::no_part("swap#one", "swap#one")]
    fn the_points_of_a_name_are_those_of_its_sweep(#[case] name: &str, #[case] variant: &str) {
        assert_eq!(sweep_variant(name), variant);
    }

    #[test]
    fn a_slice_is_called_after_its_sweep() {
        let name = slice_name("swap[uart]", 12);
        assert_eq!(slice_of(&name), Some("swap[uart]"));
        assert_eq!(slice_of("swap#2/4"), None, "a part is no slice");
    }

    fn coverage(tested: u64, new: u64, oldest: Option<&str>) -> SweepCoverage {
        SweepCoverage {
            scenario: "swap".to_owned(),
            firmware: FirmwareInfo {
                name: "demo".to_owned(),
                digest: "ab".to_owned(),
            },
            points: 476,
            tested,
            new,
            tonight: new,
            suspect: 0,
            oldest: oldest.map(|text| text.parse().expect("it is a time")),
        }
    }

    const NOW: &str = "2026-08-10T21:30:00Z";

    #[rstest]
    #[case::three_nights(
        312,
        0,
        Some("2026-08-07T21:30:00Z"),
        "312 of 476 points tested, oldest 3 nights ago"
    )]
    #[case::late_in_that_night(
        312,
        0,
        Some("2026-08-08T03:10:00Z"),
        "312 of 476 points tested, oldest 3 nights ago"
    )]
    #[case::last_night(
        40,
        8,
        Some("2026-08-09T23:00:00Z"),
        "40 of 476 points tested, oldest last night, 8 new"
    )]
    #[case::this_night(
        8,
        8,
        Some("2026-08-11T02:00:00Z"),
        "8 of 476 points tested, oldest tonight, 8 new"
    )]
    #[case::nothing(0, 0, None, "0 of 476 points tested")]
    fn how_much_was_tested_is_told_in_nights(
        #[case] tested: u64,
        #[case] new: u64,
        #[case] oldest: Option<&str>,
        #[case] words: &str,
    ) {
        let now = NOW.parse().expect("it is a time");
        assert_eq!(coverage(tested, new, oldest).words(now), words);
    }

    #[test]
    fn parts_of_a_night_add_what_each_has_tested_first() {
        let mut whole = Night {
            budget_ms: 1,
            coverage: vec![coverage(110, 10, Some("2026-08-07T21:30:00Z"))],
        };
        whole.and(&Night {
            budget_ms: 1,
            coverage: vec![coverage(107, 7, Some("2026-08-06T21:30:00Z"))],
        });
        let [one] = whole.coverage.as_slice() else {
            panic!("one sweep: {whole:?}");
        };
        assert_eq!((one.tested, one.new, one.tonight), (117, 17, 17));
    }
}
