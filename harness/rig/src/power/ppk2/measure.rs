//! What the samples of a PPK2 mean: its description has the calibration, a sample the range and the ADC's counts.

/// Bytes of a sample.
pub(super) const SAMPLE: usize = 4;

/// Volts of an ADC count, behind its amplifier.
const VOLTS_PER_COUNT: f64 = 1.8 / 163_840.0;
/// The ADC has 14 bits of the 16 that the calibration counts.
const COUNTS_PER_STEP: u32 = 4;

/// Measuring ranges, from the smallest current to the largest.
const RANGES: usize = 5;

/// How counts become amperes, for each range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Calibration {
    ranges: [Range; RANGES],
    /// Of the output.
    volts: f64,
}

/// The names are those of its description.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    /// Ohms of the shunt.
    r: f64,
    /// Gains: of the square, and of the value.
    gs: f64,
    gi: f64,
    /// Counts at no current.
    o: f64,
    /// Offsets in amperes: for each volt, and as such.
    s: f64,
    i: f64,
    /// Of the user.
    ug: f64,
}

impl Calibration {
    /// Reads a description; what it leaves out but for the shunts is as without calibration.
    pub(super) fn parse(description: &str, millivolts: u16) -> Result<Self, String> {
        let value = |name: &str, range: usize, otherwise: Option<f64>| {
            let key = format!("{name}{range}");
            description
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(found, _)| found.trim() == key)
                .and_then(|(_, value)| value.trim().parse::<f64>().ok())
                .filter(|value| value.is_finite())
                .or(otherwise)
                .ok_or_else(|| {
                    format!("its description has no `{key}`, expected the calibration of a PPK2")
                })
        };
        let mut ranges = [Range {
            r: 1.0,
            gs: 1.0,
            gi: 1.0,
            o: 0.0,
            s: 0.0,
            i: 0.0,
            ug: 1.0,
        }; RANGES];
        for (number, range) in ranges.iter_mut().enumerate() {
            *range = Range {
                r: value("R", number, None)?,
                gs: value("GS", number, Some(range.gs))?,
                gi: value("GI", number, Some(range.gi))?,
                o: value("O", number, Some(range.o))?,
                s: value("S", number, Some(range.s))?,
                i: value("I", number, Some(range.i))?,
                ug: value("UG", number, Some(range.ug))?,
            };
            if range.r <= 0.0 {
                return Err(format!(
                    "its description has `R{number}: {}`, expected ohms",
                    range.r
                ));
            }
        }
        Ok(Self {
            ranges,
            volts: f64::from(millivolts) / 1000.0,
        })
    }

    /// The mean of these samples, in amperes.
    pub(super) fn average(&self, bytes: &[u8]) -> f64 {
        let samples = bytes.chunks_exact(SAMPLE);
        let count = samples.len().max(1);
        let sum: f64 = samples
            .map(|sample| {
                let word = sample
                    .iter()
                    .rev()
                    .fold(0, |word, &byte| word << 8 | u32::from(byte));
                self.amperes(word)
            })
            .sum();
        sum / count as f64
    }

    /// One sample: ADC counts in bits 0 to 13, range in 14 to 16.
    fn amperes(&self, sample: u32) -> f64 {
        let counts = f64::from((sample & 0x3fff) * COUNTS_PER_STEP);
        let range = self.ranges[((sample >> 14 & 7) as usize).min(RANGES - 1)];
        let plain = (counts - range.o) * VOLTS_PER_COUNT / range.r;
        range.ug * (plain * (range.gs * plain + range.gi) + range.s * self.volts + range.i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SHUNTS: &str = "R0: 1000\nR1: 100\nR2: 10\nR3: 1\nR4: 0.05\n";

    #[rstest]
    #[case::nothing("", "no `R0`")]
    #[case::a_range_is_missing("R0: 1\nR1: 1\nR2: 1\nR3: 1\n", "no `R4`")]
    #[case::no_number("R0: many\n", "no `R0`")]
    #[case::no_shunt("R0: 0\n", "`R0: 0`")]
    fn a_description_without_shunts_is_refused(#[case] text: &str, #[case] expected: &str) {
        let problem = Calibration::parse(text, 3000).unwrap_err();
        assert!(problem.contains(expected), "{problem}");
    }

    #[rstest]
    #[case::smallest_range(0, 1000.0)]
    #[case::middle_range(2, 10.0)]
    #[case::largest_range(4, 0.05)]
    #[case::beyond_the_largest(6, 0.05)]
    fn a_sample_is_counted_in_the_shunt_of_its_range(#[case] range: u32, #[case] ohms: f64) {
        let calibration = Calibration::parse(SHUNTS, 3000).unwrap();
        let plain = 400.0 * VOLTS_PER_COUNT / ohms;
        let found = calibration.average(&(100 | range << 14).to_le_bytes());
        let expected = plain * (plain + 1.0);
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn offsets_and_gains_count() {
        let text = format!("{SHUNTS}GS3: 0\nGI3: 2\nO3: 400\nS3: 0.001\nI3: 0.002\nUG3: 3\n");
        let calibration = Calibration::parse(&text, 2000).unwrap();
        let found = calibration.average(&(100u32 | 3 << 14).to_le_bytes());
        assert!((found - 3.0 * (0.002 + 0.002)).abs() < 1e-12, "{found}");
    }
}
