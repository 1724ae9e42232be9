//! Prometheus' text format, as Envoy and the control plane write it.

use std::collections::{BTreeMap, BTreeSet};

/// Lines of an exposition.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Sample>);

/// A line: one series and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric, with `_bucket`, `_sum` and `_count` of a histogram.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Samples {
    /// Reads an exposition; what is no sample is left out.
    #[must_use]
    pub fn read(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// Names of metrics that begin so; a histogram's once, without its endings.
    #[must_use]
    pub fn names(&self, prefix: &str) -> BTreeSet<String> {
        let base = |sample: &Sample| {
            let histogram = sample.labels.contains_key("le")
                || self.0.iter().any(|other| {
                    let base =
                        sample.name.strip_suffix("_sum").or_else(|| sample.name.strip_suffix("_count"));
                    base.is_some_and(|base| other.name.strip_suffix("_bucket") == Some(base))
                });
            let ending = if histogram { sample.name.rfind('_') } else { None };
            ending.and_then(|end| sample.name.get(..end)).unwrap_or(&sample.name).to_owned()
        };
        self.0.iter().filter(|sample| sample.name.starts_with(prefix)).map(base).collect()
    }

    /// Samples of this name with at least these labels; an empty value is the same as none.
    pub fn of<'a>(&'a self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| {
            let has = |(label, value): &(&str, &str)| {
                sample.labels.get(*label).map_or("", String::as_str) == *value
            };
            sample.name == name && labels.iter().all(has)
        })
    }

    /// The sum of them, rounded.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        #[allow(clippy::cast_possible_truncation, reason = "tests count to less than 2^52")]
        let sum = self.of(name, labels).map(|sample| sample.value).sum::<f64>().round() as i64;
        sum
    }
}

/// `name{label="value",…} 1`.
fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, rest) = series.split_once('{').unwrap_or((series, ""));
    let mut labels = BTreeMap::new();
    let mut rest = rest.trim_end_matches('}');
    while let Some((label, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match characters.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, other) => value.push(other),
            }
        };
        labels.insert(label.trim_start_matches(',').to_owned(), value);
        rest = after.get(end + 1..)?;
    }
    Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_their_labels() {
        let text = "# TYPE a counter\na{x=\"1\",y=\"q\\\"\\\\\\n,}\"} 3\na{x=\"1\"} 4\nb 2.6\nh_bucket{le=\"+Inf\"} 1\nh_sum{} 9\nc_sum 1\n";
        let samples = Samples::read(text);
        assert_eq!(samples.sum("a", &[("x", "1")]), 7);
        assert_eq!(samples.sum("a", &[("x", "1"), ("y", "")]), 4);
        assert_eq!(samples.sum("a", &[("y", "q\"\\\n,}")]), 3);
        assert_eq!(samples.sum("b", &[]), 3);
        assert_eq!(samples.names(""), ["a", "b", "c_sum", "h"].map(str::to_owned).into());
    }
}
