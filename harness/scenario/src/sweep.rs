//! `sweep`: one start of the board, or something that its application does, interrupted at many points, one after the other.
//!
//! The step stands where a scenario would reset the board. It says which points are visited and what must be so after each;
//! where they are in the flash of this firmware is found when it runs.

use crate::asked::Asked;
use crate::cut::Edge;
use crate::units;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// Interrupts the next start of the board at many points, each time from the same flash.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Which points.
    pub cuts: Strategy,
    /// On which sides of each of them: `before`, `inside`, `after`.
    #[serde(default = "before", deserialize_with = "sides")]
    pub at: Vec<Edge>,
    /// The releases of which the application may run after an interruption and the start that follows it.
    #[serde(deserialize_with = "releases")]
    pub boots: Vec<String>,
    /// The releases to one of which the board is updated after each point, when it has come through it: the first that the
    /// firmware set has and that the bootloader takes in the place of what runs. None: it is not.
    #[serde(default)]
    pub later_update: Vec<String>,
    /// What the application is asked for after the start, when that is what is interrupted and not the start itself.
    pub during: Option<Asked>,
    /// So many points in the start that follows an interruption, which is then interrupted too.
    #[serde(default)]
    pub in_recovery: u32,
    /// Several interruptions in a row.
    pub bursts: Option<Bursts>,
    /// What the sampling begins with: the same number gives the same points.
    #[serde(default = "first_seed")]
    pub seed: u64,
    /// How long the power stays away, where it is what is taken away.
    #[serde(default = "off_for", deserialize_with = "units::duration")]
    pub off_for: Duration,
    /// How long one start may take.
    #[serde(default = "units::boot_within", deserialize_with = "units::duration")]
    pub within: Duration,
}

impl Sweep {
    /// Whether its points are chunks of an upload.
    #[must_use]
    pub const fn counts_frames(&self) -> bool {
        matches!(self.cuts, Strategy::Frames(_))
    }

    /// About how often it starts the board: for comparing, as how many operations there are is known when they are foretold.
    #[must_use]
    pub fn starts(&self) -> u32 {
        /// More than any sample in use (ours).
        const MANY: u32 = 1000;
        let sides = u32::try_from(self.at.len()).unwrap_or(u32::MAX);
        let points = match self.cuts {
            Strategy::Every => MANY,
            Strategy::Sample(points) | Strategy::Frames(points) => points.get(),
            Strategy::Bisect => MANY.ilog2(),
        };
        let rows = self.bursts.map_or(0, |bursts| {
            bursts.cuts.get().saturating_mul(bursts.rows.get())
        });
        let interruptions = points
            .saturating_mul(sides)
            .saturating_add(self.in_recovery.saturating_mul(2))
            .saturating_add(rows);
        // The start that is interrupted and the one after it; a later update is one more, and is sent and asked for before.
        let each = if self.later_update.is_empty() { 2 } else { 4 };
        interruptions.saturating_mul(each)
    }
}

/// Which points of a sweep are visited.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Strategy {
    /// Each flash operation.
    Every,
    /// So many, chosen by the seed: the first and the last of each class of operation, and the others in proportion to how
    /// many of their class there are.
    Sample(NonZeroU32),
    /// So many chunks of an upload instead: the first, the last, and others evenly between them.
    Frames(NonZeroU32),
    /// Halves the list of operations until the neighbours are known between which it changes what a cut leads to.
    Bisect,
}

/// Interruptions in a row: a contact that bounces, a battery that cannot start the board.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Bursts {
    /// How many interruptions.
    pub cuts: NonZeroU32,
    /// How many such rows.
    #[serde(default = "one")]
    pub rows: NonZeroU32,
}

const fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

const fn first_seed() -> u64 {
    1
}

/// Proves that the power was gone where the supply measures current; what a scenario wants to be slower it says.
const fn off_for() -> Duration {
    Duration::from_millis(100)
}

fn before() -> Vec<Edge> {
    vec![Edge::Before]
}

fn sides<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Edge>, D::Error> {
    #[derive(Clone, Copy, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Side {
        Before,
        Inside,
        After,
    }
    let sides = Vec::<Side>::deserialize(deserializer)?;
    let mut edges: Vec<Edge> = sides
        .into_iter()
        .map(|side| match side {
            Side::Before => Edge::Before,
            Side::Inside => Edge::Torn,
            Side::After => Edge::After,
        })
        .collect();
    edges.sort_unstable();
    edges.dedup();
    if edges.is_empty() {
        return Err(D::Error::custom(
            "no side: expected some of `before`, `inside`, `after`",
        ));
    }
    Ok(edges)
}

fn releases<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let releases = Vec::<String>::deserialize(deserializer)?;
    if releases.is_empty() {
        return Err(D::Error::custom(
            "no release: a board that may boot nothing after a cut cannot be checked",
        ));
    }
    Ok(releases)
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str("every"),
            Self::Sample(count) => write!(f, "sample:{count}"),
            Self::Frames(count) => write!(f, "frames:{count}"),
            Self::Bisect => f.write_str("bisect"),
        }
    }
}

impl FromStr for Strategy {
    type Err = String;

    /// As on a command line: `every`, `sample:12`, `frames:3`, `bisect`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |count: &str| {
            count
                .parse()
                .map_err(|_| format!("`{count}` is no number of points, expected 1 or more"))
        };
        match text.split_once(':') {
            Some(("sample", count)) => number(count).map(Self::Sample),
            Some(("frames", count)) => number(count).map(Self::Frames),
            None if text == "every" => Ok(Self::Every),
            None if text == "bisect" => Ok(Self::Bisect),
            _ => Err(format!(
                "`{text}` is no strategy, expected `every`, `sample:12`, `frames:3` or `bisect`"
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Strategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Counted {
            Sample(NonZeroU32),
            Frames(NonZeroU32),
        }

        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Strategy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "`every`, `bisect`, or a map such as `{ sample: 12 }` or `{ frames: 3 }`",
                )
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Strategy, E> {
                match text {
                    "every" => Ok(Strategy::Every),
                    "bisect" => Ok(Strategy::Bisect),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Strategy, A::Error> {
                Ok(
                    match Counted::deserialize(MapAccessDeserializer::new(map))? {
                        Counted::Sample(count) => Strategy::Sample(count),
                        Counted::Frames(count) => Strategy::Frames(count),
                    },
                )
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl fmt::Display for Sweep {
    /// In words, for progress lines and reports.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.during {
            None => f.write_str("interrupt the next start ")?,
            Some(asked) => write!(f, "interrupt {asked} ")?,
        }
        match self.cuts {
            Strategy::Every => f.write_str("at every flash operation")?,
            Strategy::Sample(count) => write!(f, "at {count} of its flash operations")?,
            Strategy::Frames(count) => write!(f, "at {count} of its chunks")?,
            Strategy::Bisect => f.write_str("at flash operations, halving")?,
        }
        if self.at != [Edge::Before] {
            let sides: Vec<&str> = self
                .at
                .iter()
                .map(|edge| match edge {
                    Edge::Before => "before",
                    Edge::Torn | Edge::Inside(_) => "inside",
                    Edge::After => "after",
                })
                .collect();
            write!(f, " ({})", sides.join(", "))?;
        }
        if self.in_recovery > 0 {
            write!(f, ", {} more in the start after that", self.in_recovery)?;
        }
        if let Some(bursts) = self.bursts {
            write!(f, ", {} times {} in a row", bursts.rows, bursts.cuts)?;
        }
        if !self.later_update.is_empty() {
            f.write_str(", and update it after each")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn sample(count: u32) -> Strategy {
        Strategy::Sample(NonZeroU32::new(count).unwrap())
    }

    #[rstest]
    #[case::every("every", Some(Strategy::Every))]
    #[case::bisect("bisect", Some(Strategy::Bisect))]
    #[case::sample("{ sample: 12 }", Some(sample(12)))]
    #[case::frames("{ frames: 3 }", Some(Strategy::Frames(NonZeroU32::new(3).unwrap())))]
    #[case::both("{ sample: 12, frames: 3 }", None)]
    #[case::nothing("{ sample: 0 }", None)]
    #[case::misspelt("{ samples: 3 }", None)]
    #[case::unknown("some", None)]
    fn a_strategy_is_a_word_or_a_number_of_points(
        #[case] text: &str,
        #[case] expected: Option<Strategy>,
    ) {
        assert_eq!(serde_yaml::from_str(text).ok(), expected);
    }

    #[rstest]
    #[case(Strategy::Every)]
    #[case(Strategy::Bisect)]
    #[case(sample(7))]
    #[case(Strategy::Frames(NonZeroU32::new(2).unwrap()))]
    fn a_strategy_on_a_command_line_is_read_as_it_is_shown(#[case] strategy: Strategy) {
        assert_eq!(strategy.to_string().parse(), Ok(strategy));
    }

    #[test]
    fn a_sweep_says_only_what_differs_from_the_usual() {
        let sweep: Sweep =
            serde_yaml::from_str("{ cuts: { sample: 12 }, boots: [update], bursts: { cuts: 3 } }")
                .unwrap();
        assert_eq!((sweep.seed, sweep.in_recovery), (1, 0));
        assert_eq!(
            sweep.to_string(),
            "interrupt the next start at 12 of its flash operations, 1 times 3 in a row"
        );
    }

    #[rstest]
    #[case::nothing_said("", Some(vec![Edge::Before]))]
    #[case::one("at: [inside],", Some(vec![Edge::Torn]))]
    #[case::in_one_order("at: [after, inside, before, after],", Some(vec![Edge::Before, Edge::Torn, Edge::After]))]
    #[case::none("at: [],", None)]
    #[case::no_side("at: [beside],", None)]
    fn points_are_on_the_sides_that_are_asked_for(
        #[case] at: &str,
        #[case] expected: Option<Vec<Edge>>,
    ) {
        let read =
            serde_yaml::from_str::<Sweep>(&format!("{{ {at} cuts: every, boots: [update] }}"));
        assert_eq!(read.ok().map(|sweep| sweep.at), expected);
    }

    #[test]
    fn a_sweep_says_what_it_interrupts_and_on_which_sides() {
        let sweep: Sweep = serde_yaml::from_str(
            "{ during: !upload { image: update.app }, cuts: { frames: 3 }, at: [inside, after], boots: [baseline] }",
        )
        .unwrap();
        assert_eq!(
            sweep.to_string(),
            "interrupt the upload of update.app at 3 of its chunks (inside, after)"
        );
    }

    #[test]
    fn a_sweep_says_that_it_updates_the_board_after_each_point() {
        let sweep: Sweep =
            serde_yaml::from_str("{ cuts: every, boots: [update], later_update: [hotfix] }")
                .unwrap();
        assert_eq!(
            sweep.to_string(),
            "interrupt the next start at every flash operation, and update it after each"
        );
    }

    #[test]
    fn a_sweep_after_which_nothing_may_boot_is_refused() {
        let read = serde_yaml::from_str::<Sweep>("{ cuts: every, boots: [] }");
        assert!(read.is_err());
    }

    #[rstest]
    #[case::a_sample("{ cuts: { sample: 6 }, boots: [update] }", 12)]
    #[case::on_two_sides("{ cuts: { sample: 6 }, at: [before, after], boots: [update] }", 24)]
    #[case::updated_later("{ cuts: { sample: 6 }, boots: [update], later_update: [hotfix] }", 24)]
    #[case::in_recovery_too(
        "{ cuts: { sample: 6 }, boots: [update], in_recovery: 1, bursts: { cuts: 3 } }",
        22
    )]
    fn a_sweep_starts_its_board_several_times_for_each_point(
        #[case] text: &str,
        #[case] starts: u32,
    ) {
        let sweep: Sweep = serde_yaml::from_str(text).unwrap();
        assert_eq!(sweep.starts(), starts);
    }
}
