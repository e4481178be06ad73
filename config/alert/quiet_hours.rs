//! `quiet_hours = "22:00-07:00"`: a period of each day in local time.

use std::fmt;

use toml::de::DeValue;

use crate::declare::key::{Complaint, Key, Spec};
use crate::declare::text::quote;
use crate::declare::values::Scalar;

/// A period of each day, in local time, perhaps over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    /// Its first minute, counted from midnight, 0 to 1439.
    pub from_minute: u16,
    /// The first minute after it, counted from midnight, 0 to 1439; less than `from_minute`: on the next day.
    pub to_minute: u16,
}

impl Scalar for QuietHours {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        let why = "expected two times of day and a `-`, in quotes";
        let text = value.as_str().ok_or_else(|| Complaint::write(why, key.example()))?;
        Self::parse(text).map_err(|why| Complaint::write(why, key.example()))
    }

    fn print(&self, _spec: &Spec) -> String {
        quote(&self.to_string())
    }
}

/// Minutes of a day.
const DAY: u16 = 24 * 60;

impl QuietHours {
    /// Whether a minute of the day, counted from local midnight, is quiet.
    pub fn contains(&self, minute: u16) -> bool {
        let (from, to) = (self.from_minute, self.to_minute);
        if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to }
    }

    /// Reads `22:00-07:00`; the error says why a text is something else.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (from, to) = text.split_once('-').ok_or("expected two times of day and a `-`")?;
        let (from_minute, to_minute) = (minute_of_day(from)?, minute_of_day(to)?);
        if from_minute == to_minute {
            return Err("expected an end that differs from the beginning");
        }
        Ok(Self { from_minute, to_minute })
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from_minute, self.to_minute);
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

fn minute_of_day(text: &str) -> Result<u16, &'static str> {
    let number = |text: &str, digits: std::ops::RangeInclusive<usize>| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| is_number && digits.contains(&text.len()))
    };
    let (hour, minute) = text.trim().split_once(':').ok_or("expected hours and minutes")?;
    let (hour, minute) = number(hour, 1..=2)
        .zip(number(minute, 2..=2))
        .ok_or("expected hours and minutes as numbers, the minutes with two digits")?;
    if minute >= 60 || hour * 60 + minute >= DAY {
        return Err("expected times of day from 00:00 to 23:59");
    }
    Ok(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn what_is_printed_is_read_and_holds_its_minutes(from in 0..DAY, length in 1..DAY, minute in 0..DAY) {
            let hours = QuietHours { from_minute: from, to_minute: (from + length) % DAY };
            prop_assert_eq!(QuietHours::parse(&hours.to_string()), Ok(hours));
            // Any minute, and those at both edges.
            for minute in [minute, from, hours.to_minute, (from + DAY - 1) % DAY] {
                let passed = (minute + DAY - from) % DAY;
                prop_assert_eq!(hours.contains(minute), passed < length, "{}", minute);
            }
        }
    }
}
