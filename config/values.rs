//! One TOML value into one of ours, or the complaint that tells what to write.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use toml::de::{DeInteger, DeValue};

use crate::keys::{Key, Wants, nearest};
use crate::problems::Complaint;
use crate::words::Word;

/// Longest text, in bytes: what one MQTT string can hold.
pub(crate) const TEXT_BYTES_MAX: usize = 65_535;

/// Longest text of a duration, in bytes.
const DURATION_LEN_MAX: usize = 64;

/// Most digits of one number in a duration.
const DURATION_DIGITS_MAX: usize = 10;

/// Largest whole number that an `f64` holds without rounding.
const EXACT_MAX: i64 = 1 << 53;

/// A text that is not empty and holds no NUL.
pub(crate) fn text(value: &DeValue<'_>, key: &Key) -> Result<String, Complaint> {
    let text = value.as_str().ok_or_else(|| wrong_type(value, key))?;
    if text.is_empty() {
        return Err(Complaint::write("the text is empty", key.example));
    }
    if text.contains('\0') {
        return Err(Complaint::write("the text holds a NUL character", key.example));
    }
    if text.len() > TEXT_BYTES_MAX {
        let why = format!("the text is {} bytes long, {TEXT_BYTES_MAX} is the most", text.len());
        return Err(Complaint::write(why, key.example));
    }
    Ok(text.to_owned())
}

/// A path; nothing is looked up.
pub(crate) fn path(value: &DeValue<'_>, key: &Key) -> Result<PathBuf, Complaint> {
    text(value, key).map(PathBuf::from)
}

/// `true` or `false`.
pub(crate) fn flag(value: &DeValue<'_>, key: &Key) -> Result<bool, Complaint> {
    value.as_bool().ok_or_else(|| wrong_type(value, key))
}

/// One of the words of an enum.
pub(crate) fn word<W: Word>(value: &DeValue<'_>, key: &Key) -> Result<W, Complaint> {
    let known = || W::ALL.iter().map(|word| word.word());
    let list = || known().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    let Some(given) = value.as_str() else {
        let raw = value.as_integer().map(DeInteger::as_str);
        let example = known().find(|word| Some(*word) == raw);
        let example = example.map_or(key.example.to_owned(), |word| format!("\"{word}\""));
        let why = format!("{} stands here, where one of {} is wanted", kind(value), list());
        return Err(Complaint::write(why, example));
    };
    W::ALL.iter().find(|word| word.word() == given).copied().ok_or_else(|| {
        let example = nearest(given, known());
        let example = example.map_or(key.example.to_owned(), |word| format!("\"{word}\""));
        Complaint::write(format!("the words known here are {}", list()), example)
    })
}

/// A whole number within the key's limits.
pub(crate) fn whole(value: &DeValue<'_>, key: &Key) -> Result<i64, Complaint> {
    let Wants::Whole { min, max } = key.wants else {
        unreachable!("{} is not declared as a whole number", key.name);
    };
    let number = value.as_integer().ok_or_else(|| wrong_type(value, key))?;
    match integer(number) {
        Some(number) if (min..=max).contains(&number) => Ok(number),
        Some(_) | None => Err(Complaint::write(
            format!("a whole number from {min} to {max} is wanted"),
            key.example,
        )),
    }
}

/// A finite number; a whole one must fit without rounding.
pub(crate) fn real(value: &DeValue<'_>, key: &Key) -> Result<f64, Complaint> {
    if let Some(number) = value.as_integer() {
        let exact = integer(number).filter(|n| (-EXACT_MAX..=EXACT_MAX).contains(n));
        // Exact: the range was just checked.
        return exact.map(|n| n as f64).ok_or_else(|| {
            Complaint::write("the number is too large to be kept exactly", key.example)
        });
    }
    let number = value.as_float().ok_or_else(|| wrong_type(value, key))?;
    let number = number.as_str().parse::<f64>().ok().filter(|n| n.is_finite());
    number.ok_or_else(|| Complaint::write("a finite number is wanted", key.example))
}

fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A duration within the key's limits. The integer 0 needs no unit.
pub(crate) fn duration(value: &DeValue<'_>, key: &Key) -> Result<Duration, Complaint> {
    let Wants::Duration { min, max, whole_seconds } = key.wants else {
        unreachable!("{} is not declared as a duration", key.name);
    };
    let duration = match (value.as_integer(), value.as_str()) {
        (Some(number), _) if integer(number) == Some(0) => Duration::ZERO,
        (Some(number), _) => return Err(unit_needed(number.as_str(), key)),
        (None, Some(text)) => parse_duration(text, key)?,
        (None, None) => return Err(wrong_type(value, key)),
    };
    let limit = |what: &str, limit: Duration| {
        let limit = print_duration(limit);
        Complaint::write(format!("{what} {limit}"), format!("\"{limit}\""))
    };
    if duration < min {
        return Err(limit("too short: the least is", min));
    }
    if duration > max {
        return Err(limit("too long: the most is", max));
    }
    if whole_seconds && duration.subsec_nanos() != 0 {
        let rounded = print_duration(Duration::from_secs(duration.as_secs().max(1)));
        return Err(Complaint::write(
            "MQTT counts this in whole seconds",
            format!("\"{rounded}\""),
        ));
    }
    Ok(duration)
}

fn unit_needed(number: &str, key: &Key) -> Complaint {
    let example = match number.parse::<u32>() {
        Ok(number) => format!("\"{number}s\""),
        Err(_) => key.example.to_owned(),
    };
    Complaint::write("a duration needs its unit", example)
}

/// humantime 2.4 panics where a sum of parts is exactly the largest number of seconds and a rest of nanoseconds
/// carries over; with at most 32 numbers of at most ten digits no sum of years comes near it.
fn parse_duration(text: &str, key: &Key) -> Result<Duration, Complaint> {
    let bare = text.trim();
    if !bare.is_empty() && bare.chars().all(|c| c.is_ascii_digit()) {
        return match bare.trim_start_matches('0') {
            "" => Ok(Duration::ZERO),
            number => Err(unit_needed(number, key)),
        };
    }
    if text.len() > DURATION_LEN_MAX || longest_number(text) > DURATION_DIGITS_MAX {
        return Err(Complaint::write("that is no duration anybody will wait for", key.example));
    }
    humantime::parse_duration(text).map_err(|error| {
        let why = match error {
            humantime::DurationError::UnknownUnit { unit, .. } if !unit.is_empty() => {
                format!("there is no unit of time `{unit}`: known are ms, s, min, h, days, weeks")
            }
            humantime::DurationError::UnknownUnit { .. } => "a duration needs its unit".to_owned(),
            humantime::DurationError::Empty => "the duration is empty".to_owned(),
            humantime::DurationError::InvalidCharacter(_)
            | humantime::DurationError::NumberExpected(_)
            | humantime::DurationError::NumberOverflow => {
                "a duration is a number and its unit (ms, s, min, h, days, weeks)".to_owned()
            }
        };
        Complaint::write(why, key.example)
    })
}

/// Digits of the longest number; humantime reads `1 000` as one number.
fn longest_number(text: &str) -> usize {
    text.split(|c: char| !(c.is_ascii_digit() || c.is_whitespace()))
        .map(|number| number.chars().filter(char::is_ascii_digit).count())
        .max()
        .unwrap_or(0)
}

/// A duration the way the file writes it.
pub(crate) fn print_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// A size in bytes within the key's limits.
pub(crate) fn size(value: &DeValue<'_>, key: &Key) -> Result<u64, Complaint> {
    let Wants::Size { min, max } = key.wants else {
        unreachable!("{} is not declared as a size", key.name);
    };
    let size = match (value.as_integer(), value.as_str()) {
        (Some(number), _) => integer(number).and_then(|number| u64::try_from(number).ok()),
        (None, Some(text)) => match text.parse::<ByteSize>() {
            Ok(size) => Some(size.as_u64()),
            Err(_) => {
                let why = "a size is a number and its unit (B, KiB, MiB, GiB)";
                return Err(Complaint::write(why, key.example));
            }
        },
        (None, None) => return Err(wrong_type(value, key)),
    };
    size.filter(|size| (min..=max).contains(size)).ok_or_else(|| {
        let why = format!("a size from {} to {} is wanted", spell_size(min), spell_size(max));
        Complaint::write(why, key.example)
    })
}

/// A size the way the file writes it, quotes included where it needs them.
pub(crate) fn print_size(size: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| size >= *unit && size.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("\"{} {name}\"", size / unit),
        None => size.to_string(),
    }
}

fn spell_size(size: u64) -> String {
    match print_size(size) {
        quoted if quoted.starts_with('"') => quoted.trim_matches('"').to_owned(),
        bytes => format!("{bytes} bytes"),
    }
}

/// The complaint about a value of another type than the key wants.
pub(crate) fn wrong_type(value: &DeValue<'_>, key: &Key) -> Complaint {
    let wanted = match key.wants {
        Wants::Text => "a text in quotes",
        Wants::Secret => "a secret in quotes",
        Wants::Url | Wants::SecretUrl => "a URL in quotes",
        Wants::Path => "a path in quotes",
        Wants::Word => "a word in quotes",
        Wants::Duration { .. } => "a duration in quotes, with its unit,",
        Wants::Size { .. } => "a size in quotes, with its unit,",
        Wants::Whole { .. } => "a whole number",
        Wants::Real => "a number",
        Wants::Flag => "true or false, without quotes,",
        Wants::Names => "a list of names",
        Wants::Table => "a table",
        Wants::Tables => "a list of tables",
    };
    let why = format!("{} stands here, where {wanted} is wanted", kind(value));
    let is_header = key.example.starts_with('[') && !matches!(key.wants, Wants::Names);
    if is_header {
        Complaint::advise(
            why,
            format!("write: {}, and the keys in the lines below it", key.example),
        )
    } else {
        Complaint::write(why, offer(value, key).unwrap_or_else(|| key.example.to_owned()))
    }
}

/// The same value with its quotes taken off, or put on, where that is all that is wrong.
fn offer(value: &DeValue<'_>, key: &Key) -> Option<String> {
    match key.wants {
        Wants::Text | Wants::Path => value.as_integer().map(|number| format!("\"{number}\"")),
        Wants::Whole { .. } => value.as_str()?.parse::<i64>().ok().map(|n| n.to_string()),
        Wants::Real => {
            let number = value.as_str()?.parse::<f64>().ok().filter(|n| n.is_finite())?;
            Some(format!("{number:?}"))
        }
        Wants::Flag => value.as_str()?.parse::<bool>().ok().map(|flag| flag.to_string()),
        Wants::Secret | Wants::Url | Wants::SecretUrl | Wants::Word => None,
        Wants::Duration { .. } | Wants::Size { .. } => None,
        Wants::Names | Wants::Table | Wants::Tables => None,
    }
}

/// What a value is, in a person's words.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
