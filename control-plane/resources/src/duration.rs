//! Durations as Go and Kubernetes write them: `10s`, `1m30s`, `250ms`, `0`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A length of time, not negative. Zero means "no limit" wherever it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration(std::time::Duration);

/// Not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a duration: write a number with a unit (ms, s, m, h), such as 10s or 1m30s")]
pub struct DurationError;

impl Duration {
    /// Milliseconds, rounded up so that a short limit never becomes "no limit"; at most [`u32::MAX`].
    #[must_use]
    pub fn millis(self) -> u32 {
        u32::try_from(self.0.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
    }
}

impl From<std::time::Duration> for Duration {
    fn from(duration: std::time::Duration) -> Self {
        Self(duration)
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest == "0" {
            return Ok(Self::default());
        }
        let mut seconds = 0.0_f64;
        let mut any = false;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
            let (number, after) = rest.split_at_checked(digits).ok_or(DurationError)?;
            let letters = after.chars().take_while(|c| c.is_alphabetic()).map(char::len_utf8).sum();
            let (unit, after) = after.split_at_checked(letters).ok_or(DurationError)?;
            let unit = match unit {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(DurationError),
            };
            seconds += number.parse::<f64>().map_err(|_| DurationError)? * unit;
            (rest, any) = (after, true);
        }
        if !any {
            return Err(DurationError);
        }
        std::time::Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| DurationError)
    }
}

impl TryFrom<String> for Duration {
    type Error = DurationError;

    fn try_from(text: String) -> Result<Self, DurationError> {
        text.parse()
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^\+?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$",
        })
    }
}

/// In whole milliseconds or seconds.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_nanos() {
            0 => write!(f, "{}s", self.0.as_secs()),
            _ => write!(f, "{}ms", self.0.as_nanos().div_ceil(1_000_000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_go_writes_them() {
        for (text, millis) in [
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("250ms", 250),
            ("0", 0),
            ("0s", 0),
            ("1.5s", 1_500),
            ("1h", 3_600_000),
        ] {
            assert_eq!(text.parse::<Duration>().unwrap().millis(), millis, "{text}");
        }
        assert_eq!("1us".parse::<Duration>().unwrap().millis(), 1);
        assert_eq!("10000h".parse::<Duration>().unwrap().millis(), u32::MAX);
        for bad in ["", "10", "s", "-1s", "1 s", "1x", "1..2s", "1sec", "9e99h", "µ"] {
            assert_eq!(bad.parse::<Duration>(), Err(DurationError), "{bad}");
        }
        assert_eq!("1500ms".parse::<Duration>().unwrap().to_string(), "1500ms");
    }
}
