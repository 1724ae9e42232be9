//! Medians, and how far the values about them lie apart.

use std::fmt;

/// What repeated measurements gave: the middle value, and the two between which half of all lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    low: f64,
    high: f64,
}

impl Spread {
    /// Of these values; all not a number if there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self { median: quantile(&values, 0.5), low: quantile(&values, 0.25), high: quantile(&values, 0.75) }
    }

    /// Most values are above zero: what was measured is more than the noise of the run.
    pub(crate) fn is_more_than_noise(&self) -> bool {
        self.low > 0.0
    }
}

/// `1.234 (1.20–1.26)`: as many digits as the format asks for.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(3);
        let Self { median, low, high } = self;
        if f.sign_plus() {
            return write!(f, "{median:+.digits$} ({low:+.digits$} to {high:+.digits$})");
        }
        write!(f, "{median:.digits$} ({low:.digits$}–{high:.digits$})")
    }
}

/// The middle value; of an even number the mean of the two.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    Spread::of(values).median
}

/// The value that `part` (0 to 1) of these do not exceed.
pub(crate) fn at(values: &[f64], part: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    quantile(&values, part)
}

/// Between the two nearest values, as far as `part` lies between them.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a small count")]
    let position = sorted.len().saturating_sub(1) as f64 * part;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let index = position as usize;
    match (sorted.get(index), sorted.get(index + 1)) {
        (Some(lower), Some(upper)) => lower + (upper - lower) * position.fract(),
        (Some(last), None) => *last,
        (None, _) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_middle_values() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median([]).is_nan());
    }

    #[test]
    fn half_of_all_values_lie_in_the_range() {
        let spread = Spread::of([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 90.0]);
        assert_eq!(format!("{spread:.1}"), "5.0 (3.0–7.0)");
        assert_eq!(format!("{spread:+.0}"), "+5 (+3 to +7)");
    }
}
