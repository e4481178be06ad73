//! One TOML value into one of ours, or the complaint that tells what to write.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use toml::de::{DeInteger, DeValue};

use crate::declare::key::{Complaint, Key, Spec, Wants};
use crate::declare::nearest::nearest_word;
use crate::declare::text::{pointer, print_duration, print_pointer, print_size, quote};

/// Longest text, in bytes: what one MQTT string can hold.
pub(crate) const TEXT_BYTES_MAX: usize = 65_535;

/// Longest text of a duration, in bytes.
const DURATION_LEN_MAX: usize = 64;

/// Most digits of one number in a duration.
const DURATION_DIGITS_MAX: usize = 10;

/// Largest whole number that an `f64` holds without rounding.
const EXACT_MAX: i64 = 1 << 53;

/// What one key can hold.
pub(crate) trait Scalar: Sized {
    /// Reads it, or says why it is wrong.
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint>;

    /// As TOML.
    fn print(&self, spec: &Spec) -> String;
}

/// A text, or a field of the message: a JSON pointer, or a bare name that becomes one.
impl Scalar for String {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        if !matches!(key.spec.wants, Wants::Pointer) {
            return text(value, key);
        }
        let field = value.as_str().ok_or_else(|| unexpected(value, key))?;
        pointer(field).map_err(|why| {
            let escaped = field.replace("~0", "~").replace('~', "~0");
            Complaint::write(why, quote(&escaped))
        })
    }

    fn print(&self, spec: &Spec) -> String {
        let is_pointer = matches!(spec.wants, Wants::Pointer);
        quote(if is_pointer { print_pointer(self) } else { self })
    }
}

/// Nothing is looked up.
impl Scalar for PathBuf {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        text(value, key).map(Self::from)
    }

    fn print(&self, _spec: &Spec) -> String {
        quote(&self.to_string_lossy())
    }
}

impl Scalar for bool {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        value.as_bool().ok_or_else(|| unexpected(value, key))
    }

    fn print(&self, _spec: &Spec) -> String {
        self.to_string()
    }
}

/// A finite number; a whole one must fit without rounding.
impl Scalar for f64 {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        let number = match (value.as_integer(), value.as_float()) {
            // Exact: the range is checked.
            (Some(number), _) => whole_of(number)
                .filter(|number| (-EXACT_MAX..=EXACT_MAX).contains(number))
                .map(|number| number as Self),
            (None, Some(number)) => number.as_str().parse::<Self>().ok().filter(|n| n.is_finite()),
            (None, None) => None,
        };
        number.ok_or_else(|| unexpected(value, key))
    }

    /// Debug of a finite number is TOML: `-60.0`, `1e300`.
    fn print(&self, _spec: &Spec) -> String {
        format!("{self:?}")
    }
}

/// The integer 0 needs no unit.
impl Scalar for Duration {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        let duration = match (value.as_integer().and_then(whole_of), value.as_str()) {
            (Some(0), _) => Some(Self::ZERO),
            (_, Some(text)) => parse_duration(text),
            (_, None) => None,
        };
        let Wants::Duration { min, max, whole_seconds } = key.spec.wants else {
            unreachable!("{} is not declared as a duration", key.name);
        };
        duration
            .filter(|duration| (min..=max).contains(duration))
            .filter(|duration| !whole_seconds || duration.subsec_nanos() == 0)
            .ok_or_else(|| unexpected(value, key))
    }

    fn print(&self, _spec: &Spec) -> String {
        quote(&print_duration(*self))
    }
}

/// Whole numbers; the declared limits must make them fit. A `u64` may also be a size.
macro_rules! whole_numbers {
    ($($type:ty),+) => {
        $(impl Scalar for $type {
            fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
                let number = if let Wants::Size { min, max } = key.spec.wants {
                    size_of(value).filter(|size| (min..=max).contains(size))
                } else if let Wants::Whole { min, max } = key.spec.wants {
                    let number = value.as_integer().and_then(whole_of);
                    let number = number.filter(|number| (min..=max).contains(number));
                    number.map(|number| u64::try_from(number).expect("no limit is negative"))
                } else {
                    unreachable!("{} is not declared as a number", key.name)
                };
                let number = number.ok_or_else(|| unexpected(value, key))?;
                Ok(Self::try_from(number).expect("the declared limits are those of the type"))
            }

            fn print(&self, spec: &Spec) -> String {
                let is_size = matches!(spec.wants, Wants::Size { .. });
                if is_size { print_size(u64::from(*self)) } else { self.to_string() }
            }
        })+
    };
}

whole_numbers!(u16, u32, u64);

/// An address of this machine and a port.
impl Scalar for SocketAddr {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        let why = "expected an address of this machine and a port (0.0.0.0: on all addresses)";
        let like = |text: &str| Complaint::write(why, quote(&address_like(text, 9464).to_string()));
        match value.as_integer() {
            Some(port) => Err(like(port.as_str())),
            None => text(value, key).and_then(|text| text.parse().map_err(|_| like(&text))),
        }
    }

    fn print(&self, _spec: &Spec) -> String {
        quote(&self.to_string())
    }
}

/// A value of the wrong type, out of bounds or malformed: says what the key expects, and offers the value that was
/// probably meant.
pub(crate) fn unexpected(value: &DeValue<'_>, key: &Key) -> Complaint {
    let why = format!("expected {}", key.expected());
    let example = key.example();
    if matches!(key.spec.wants, Wants::Table | Wants::Tables | Wants::Section(_)) {
        return Complaint::advise(
            why,
            format!("write: {example}, and its keys in the lines below it"),
        );
    }
    Complaint::write(why, meant(value, key).unwrap_or(example))
}

/// The value that was meant, where it can be told from the one that was written.
fn meant(value: &DeValue<'_>, key: &Key) -> Option<String> {
    let text = value.as_str().map(str::trim);
    match key.spec.wants {
        Wants::Text | Wants::Path | Wants::Pointer => {
            value.as_integer().map(|number| format!("\"{number}\""))
        }
        Wants::Word(words) => {
            let number = value.as_integer().map(DeInteger::as_str);
            nearest_word(text.or(number)?, words).map(|word| format!("\"{word}\""))
        }
        Wants::Whole { min, max } => {
            let number = match (value.as_integer(), value.as_float(), text) {
                (Some(number), ..) => whole_of(number)?,
                (None, Some(number), _) => number.as_str().parse::<f64>().ok()?.round() as i64,
                (None, None, text) => text?.parse().ok()?,
            };
            Some(number.clamp(min, max).to_string())
        }
        Wants::Real => {
            let number = text?.replace(',', ".").parse::<f64>().ok().filter(|n| n.is_finite())?;
            Some(format!("{number:?}"))
        }
        Wants::Flag => match text.map(str::to_lowercase).as_deref() {
            Some("true" | "yes" | "on") => Some("true".to_owned()),
            Some("false" | "no" | "off") => Some("false".to_owned()),
            Some(_) | None => None,
        },
        Wants::Duration { .. } => meant_duration(value, key),
        Wants::Size { min, max } => {
            let size = size_of(value).or_else(|| {
                let number = format!("{} MiB", leading_number(text?)?);
                number.parse::<ByteSize>().ok().map(|size| size.as_u64())
            });
            size.map(|size| print_size(size.clamp(min, max)))
        }
        Wants::Names => Some(format!("[{}]", quote(text.filter(|text| !text.is_empty())?))),
        Wants::Secret | Wants::Url | Wants::SecretUrl => None,
        Wants::Constant | Wants::Constants => None,
        Wants::Table | Wants::Tables | Wants::Section(_) => None,
    }
}

/// A bare number means seconds; what is out of bounds becomes the bound.
fn meant_duration(value: &DeValue<'_>, key: &Key) -> Option<String> {
    let Wants::Duration { min, max, whole_seconds } = key.spec.wants else { return None };
    let meant = match (value.as_integer(), value.as_str()) {
        (Some(number), _) => u64::try_from(whole_of(number)?).ok().map(Duration::from_secs)?,
        (None, Some(text)) => match parse_duration(text) {
            Some(duration) => duration,
            None => Duration::from_secs(leading_number(text)?.parse().ok()?),
        },
        (None, None) => return None,
    };
    let meant = meant.clamp(min, max);
    let meant = if whole_seconds { Duration::from_secs(meant.as_secs()) } else { meant };
    Some(quote(&print_duration(meant)))
}

fn leading_number(text: &str) -> Option<&str> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (1..=DURATION_DIGITS_MAX).contains(&end).then(|| &text[..end])
}

/// A text that is not empty and holds no NUL, checked as its key is declared.
pub(crate) fn text(value: &DeValue<'_>, key: &Key) -> Result<String, Complaint> {
    let text = value.as_str().ok_or_else(|| unexpected(value, key))?;
    let fault = if text.is_empty() {
        "expected a text that is not empty".to_owned()
    } else if text.contains('\0') {
        "expected a text without NUL characters".to_owned()
    } else if text.len() > TEXT_BYTES_MAX {
        format!("expected at most {TEXT_BYTES_MAX} bytes, got {}", text.len())
    } else {
        return key.spec.check.map_or_else(|| Ok(text.to_owned()), |check| check(text, key));
    };
    Err(Complaint::write(fault, key.example()))
}

/// The address that was probably meant.
pub(crate) fn address_like(text: &str, default_port: u16) -> SocketAddr {
    let text = text.trim().trim_start_matches("http://").trim_end_matches('/');
    if let Ok(address) = text.trim_matches(['[', ']']).parse() {
        return SocketAddr::new(address, default_port);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((text, text));
    let local = IpAddr::from([127, 0, 0, 1]);
    let everywhere = IpAddr::from([0, 0, 0, 0]);
    let address = if host == "*" { everywhere } else { host.parse().unwrap_or(local) };
    SocketAddr::new(address, port.parse().unwrap_or(default_port))
}

pub(crate) fn whole_of(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// humantime 2.4 panics where a sum of parts is exactly the largest number of seconds and a rest of nanoseconds
/// carries over; with at most 32 numbers of at most ten digits no sum of years comes near it.
fn parse_duration(text: &str) -> Option<Duration> {
    let bare = text.trim();
    if !bare.is_empty() && bare.bytes().all(|byte| byte == b'0') {
        return Some(Duration::ZERO);
    }
    if text.len() > DURATION_LEN_MAX || longest_number(text) > DURATION_DIGITS_MAX {
        return None;
    }
    humantime::parse_duration(text).ok()
}

/// Digits of the longest number; humantime reads `1 000` as one number.
fn longest_number(text: &str) -> usize {
    text.split(|c: char| !(c.is_ascii_digit() || c.is_whitespace()))
        .map(|number| number.chars().filter(char::is_ascii_digit).count())
        .max()
        .unwrap_or(0)
}

fn size_of(value: &DeValue<'_>) -> Option<u64> {
    match (value.as_integer(), value.as_str()) {
        (Some(number), _) => whole_of(number).and_then(|number| u64::try_from(number).ok()),
        (None, Some(text)) => text.parse::<ByteSize>().ok().map(|size| size.as_u64()),
        (None, None) => None,
    }
}
