//! Dates of the Gregorian calendar, as certificates have them and people read them.
//!
//! A year is taken to begin in March here, so that the day that some have more is the last one.

const DAY: i64 = 86_400;
/// Days from the first of March of the year 0 to the start of 1970.
const TO_1970: i64 = 719_468;
/// Days of 400 years, after which the calendar repeats itself.
const ERA: i64 = 146_097;

/// Seconds since 1970 of the start of a day.
pub(crate) fn start(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    (days - TO_1970) * DAY
}

/// The day of this many seconds since 1970, `2026-11-21`.
pub(crate) fn day(seconds: i64) -> String {
    let days = seconds.div_euclid(DAY) + TO_1970;
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (date, seconds, text) in [
            ((1970, 1, 1), 0, "1970-01-01"),
            ((2000, 2, 29), 951_782_400, "2000-02-29"),
            ((1950, 1, 1), -631_152_000, "1950-01-01"),
            ((2026, 11, 21), 1_795_219_200, "2026-11-21"),
            ((9999, 12, 31), 253_402_214_400, "9999-12-31"),
        ] {
            let (year, month, of_month) = date;
            assert_eq!(start(year, month, of_month), seconds, "{text}");
            assert_eq!((day(seconds), day(seconds + DAY - 1)), (text.to_owned(), text.to_owned()));
        }
    }
}
