//! Replaying a whole corpus, and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::golden::corpus::{Corpus, CorpusError};
use crate::golden::replay::{Sampling, consoles, replay};

/// How a corpus is replayed.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many cases at a time.
    pub jobs: usize,
    /// How much of sweeps and variants.
    pub sampling: Sampling,
}

impl Default for Options {
    /// Everything, on one thread.
    fn default() -> Self {
        Self {
            jobs: 1,
            sampling: Sampling::Full,
        }
    }
}

/// What came of one case.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// Its name.
    pub id: String,
    /// What it is about, one sentence.
    pub about: String,
    /// Mode as recordings name it: `move`, `offset`, `scratch`, `overwrite`.
    pub mode: String,
    /// Boots that were compared, without those of sweeps and variants.
    pub boots: usize,
    /// Power cuts of sweeps that were compared, two boots each.
    pub cuts: usize,
    /// Variants that were compared, one boot each.
    pub variants: usize,
    /// How it came out.
    pub(crate) verdict: Verdict,
}

/// How a case came out.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Passed,
    Failed(Vec<String>),
    NotReplayed(String),
}

impl CaseReport {
    /// Whether the model agreed with the recording in everything that was compared.
    #[must_use]
    pub fn passed(&self) -> bool {
        matches!(self.verdict, Verdict::Passed)
    }

    /// The first differences, each with its place; empty when there are none.
    #[must_use]
    pub fn differences(&self) -> &[String] {
        match &self.verdict {
            Verdict::Failed(differences) => differences,
            Verdict::Passed | Verdict::NotReplayed(_) => &[],
        }
    }

    /// Why the model could not replay the case; `None` when it did.
    #[must_use]
    pub fn not_replayed(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::NotReplayed(why) => Some(why),
            Verdict::Passed | Verdict::Failed(_) => None,
        }
    }
}

/// What came of a corpus.
#[derive(Debug)]
pub struct Summary {
    /// All cases in the order of the file.
    pub cases: Vec<CaseReport>,
}

/// Counts of one mode.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ModeTally {
    /// Cases that agree.
    pub passed: usize,
    /// Cases that differ.
    pub failed: usize,
    /// Cases that the model could not replay.
    pub not_replayed: usize,
    /// Boots of steps that were compared.
    pub boots: usize,
    /// Power cuts that were compared.
    pub cuts: usize,
    /// Variants that were compared.
    pub variants: usize,
}

impl Summary {
    /// Cases in which model and recording differ.
    pub fn failed(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases
            .iter()
            .filter(|case| !case.differences().is_empty())
    }

    /// Cases that the model could not replay.
    pub fn not_replayed(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases
            .iter()
            .filter(|case| case.not_replayed().is_some())
    }

    /// Counts per mode.
    #[must_use]
    pub fn by_mode(&self) -> BTreeMap<&str, ModeTally> {
        let mut tallies: BTreeMap<&str, ModeTally> = BTreeMap::new();
        for case in &self.cases {
            let tally = tallies.entry(&case.mode).or_default();
            match case.verdict {
                Verdict::Passed => tally.passed += 1,
                Verdict::Failed(_) => tally.failed += 1,
                Verdict::NotReplayed(_) => {
                    tally.not_replayed += 1;
                    continue;
                }
            }
            tally.boots += case.boots;
            tally.cuts += case.cuts;
            tally.variants += case.variants;
        }
        tallies
    }
}

impl fmt::Display for Summary {
    /// Every difference, every case that was not replayed, and a last line with the counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in self.failed() {
            writeln!(f, "{} differs ({}):", case.id, case.about)?;
            for difference in case.differences() {
                writeln!(f, "  {difference}")?;
            }
        }
        for case in self.not_replayed() {
            writeln!(
                f,
                "{} not replayed: {}",
                case.id,
                case.not_replayed().unwrap_or_default()
            )?;
        }
        for (mode, tally) in self.by_mode() {
            writeln!(
                f,
                "{mode}: {} passed, {} failed, {} not replayed; {} boots, {} cuts, {} variants compared",
                tally.passed,
                tally.failed,
                tally.not_replayed,
                tally.boots,
                tally.cuts,
                tally.variants
            )?;
        }
        let (failed, skipped) = (self.failed().count(), self.not_replayed().count());
        let passed = self.cases.len() - failed - skipped;
        write!(
            f,
            "{} cases, {passed} passed, {failed} failed",
            self.cases.len()
        )?;
        if skipped > 0 {
            write!(f, ", {skipped} not replayed")?;
        }
        Ok(())
    }
}

impl Corpus {
    /// What the model prints in each boot of every case's steps: id of the case, then the lines of MCUboot's library for
    /// each boot.
    ///
    /// # Errors
    /// A case cannot be replayed because something is missing in the corpus.
    pub fn consoles(&self) -> impl Iterator<Item = Result<(&str, Vec<Vec<String>>), CorpusError>> {
        self.cases
            .iter()
            .map(|case| Ok((case.id.as_str(), consoles(self, case)?)))
    }

    /// Replays every case.
    #[must_use]
    pub fn replay(&self, options: &Options) -> Summary {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(self.cases.len()));
        std::thread::scope(|scope| {
            for _ in 0..options.jobs.max(1) {
                scope.spawn(|| {
                    while let Some((index, case)) = {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        self.cases.get(index).map(|case| (index, case))
                    } {
                        let report = replay(self, case, options.sampling).unwrap_or_else(|error| {
                            CaseReport {
                                id: case.id.clone(),
                                about: case.about.clone(),
                                mode: case.config.mode.clone(),
                                boots: 0,
                                cuts: 0,
                                variants: 0,
                                verdict: Verdict::Failed(vec![error.to_string()]),
                            }
                        });
                        done.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push((index, report));
                    }
                });
            }
        });
        let mut cases = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        cases.sort_by_key(|(index, _)| *index);
        Summary {
            cases: cases.into_iter().map(|(_, report)| report).collect(),
        }
    }
}
