//! Classes of idle time.
//!
//! Envoy has no header for a stream's idle time, only a field of the route. So there is a route for each of a few
//! classes, which the plugin chooses by the header [`IDLE`](crate::header::IDLE). The control plane rounds up what an
//! Application asks for ([`Idle::at_least`]).

use serde::{Deserialize, Serialize};

/// How long a stream may be idle where no class is named, milliseconds (decision 21).
pub const DEFAULT_MS: u64 = 5 * 60 * 1000;

/// A class other than the [default](DEFAULT_MS). On the wire and in the header it is its [word](Idle::as_str).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Idle {
    /// 30 seconds.
    #[serde(rename = "30s")]
    HalfMinute,
    /// 2 minutes.
    #[serde(rename = "2m")]
    TwoMinutes,
    /// 15 minutes.
    #[serde(rename = "15m")]
    QuarterHour,
    /// 1 hour.
    #[serde(rename = "1h")]
    Hour,
    /// No limit.
    #[serde(rename = "none")]
    Unlimited,
}

/// Every class, the shortest first, with its word.
pub const CLASSES: &[(Idle, &str)] = &[
    (Idle::HalfMinute, "30s"),
    (Idle::TwoMinutes, "2m"),
    (Idle::QuarterHour, "15m"),
    (Idle::Hour, "1h"),
    (Idle::Unlimited, "none"),
];

impl Idle {
    /// The word in records and in the header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        CLASSES.iter().find(|(class, _)| *class == self).map_or("none", |(_, word)| word)
    }

    /// The class of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        CLASSES.iter().find(|(_, known)| *known == word).map(|(class, _)| *class)
    }

    /// Its time, milliseconds; 0 is no limit, as in Envoy's `idle_timeout`.
    #[must_use]
    pub fn ms(self) -> u64 {
        match self {
            Self::HalfMinute => 30_000,
            Self::TwoMinutes => 120_000,
            Self::QuarterHour => 900_000,
            Self::Hour => 3_600_000,
            Self::Unlimited => 0,
        }
    }

    /// The shortest class that allows at least `ms` milliseconds, 0 being no limit; none is the
    /// [default](DEFAULT_MS).
    #[must_use]
    pub fn at_least(ms: u64) -> Option<Self> {
        match ms {
            0 => Some(Self::Unlimited),
            1..=30_000 => Some(Self::HalfMinute),
            30_001..=120_000 => Some(Self::TwoMinutes),
            120_001..=DEFAULT_MS => None,
            300_001..=900_000 => Some(Self::QuarterHour),
            900_001..=3_600_000 => Some(Self::Hour),
            _ => Some(Self::Unlimited),
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn words_are_those_of_serde_and_read_back() {
        for (class, word) in CLASSES {
            assert_eq!(serde_json::to_string(class).unwrap(), format!("\"{word}\""));
            assert_eq!((class.as_str(), Idle::from_word(word)), (*word, Some(*class)));
        }
        assert_eq!(Idle::from_word("5m"), None);
    }

    #[test]
    fn times_are_rounded_up_to_a_class() {
        for (asked, class) in [
            (1, Some(Idle::HalfMinute)),
            (30_001, Some(Idle::TwoMinutes)),
            (120_001, None),
            (DEFAULT_MS, None),
            (DEFAULT_MS + 1, Some(Idle::QuarterHour)),
            (3_600_000, Some(Idle::Hour)),
            (3_600_001, Some(Idle::Unlimited)),
            (0, Some(Idle::Unlimited)),
        ] {
            assert_eq!(Idle::at_least(asked), class, "{asked}");
        }
        for (class, _) in CLASSES {
            assert_eq!(Idle::at_least(class.ms()), Some(*class));
        }
    }
}
