//! The minutes of a quarter of an hour as one value: a day of a series is then 96 rows instead of 1,440, which
//! takes half the room and a fifth of the time to be read.
//!
//! One after the other, each: the number of the minute (a byte), how many values (LEB128), when the first
//! arrived, in milliseconds after the minute's beginning (LEB128); of more than one value also when the last
//! arrived, after the first (LEB128), sum, smallest, largest, first; then the last one. Numbers with a point
//! are IEEE 754, 8 bytes, little end first.

use barograph_actors::history::rollup::{Bucket, Level};

/// Buckets of a minute as one value, in the order of time. `at`: where the quarter begins; both in milliseconds.
pub(super) fn pack<'a>(
    at: i64,
    minutes: impl IntoIterator<Item = (&'a i64, &'a Bucket)>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (start, b) in minutes {
        bytes.push(u8::try_from((start - at) / Level::Minute.ms()).unwrap_or(0));
        put(&mut bytes, b.count);
        put(&mut bytes, b.first_ms - start);
        if b.count > 1 {
            put(&mut bytes, b.last_ms - b.first_ms);
            for number in [b.sum, b.min, b.max, b.first] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        bytes.extend_from_slice(&b.last.to_le_bytes());
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = number.cast_unsigned();
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest & 0x7f).unwrap_or(0) | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap_or(0));
}

/// Gives the start of each minute, in milliseconds, and what it holds; false if that makes no sense.
pub fn unpack(at: i64, mut bytes: &[u8], mut each: impl FnMut(i64, Bucket)) -> bool {
    while !bytes.is_empty() {
        match take(at, &mut bytes) {
            Some((start, bucket)) => each(start, bucket),
            None => return false,
        }
    }
    true
}

fn take(at: i64, bytes: &mut &[u8]) -> Option<(i64, Bucket)> {
    let minute = take_byte(bytes)?;
    let start = at + i64::from(minute) * Level::Minute.ms();
    let count = take_count(bytes)?;
    let first_ms = start.checked_add(take_count(bytes)?)?;
    if start >= at + Level::Quarter.ms() || count < 1 {
        return None;
    }
    if count == 1 {
        return Some((start, Bucket::of(first_ms, take_number(bytes)?)));
    }
    let last_ms = first_ms.checked_add(take_count(bytes)?)?;
    let (sum, min, max) = (take_number(bytes)?, take_number(bytes)?, take_number(bytes)?);
    let (first, last) = (take_number(bytes)?, take_number(bytes)?);
    Some((start, Bucket { count, sum, min, max, first, first_ms, last, last_ms }))
}

fn take_byte(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

fn take_count(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let byte = take_byte(bytes)?;
        number |= i64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn take_number(bytes: &mut &[u8]) -> Option<f64> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(f64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn minutes_come_out_as_they_went_in() {
        let at = -900_000;
        let mut minutes = BTreeMap::new();
        for (minute, values) in
            [(0, vec![1.5]), (3, vec![2.0, -7.25, 1e300]), (14, vec![0.0; 3_000])]
        {
            for (number, value) in (0_i64..).zip(values) {
                let start = at + minute * 60_000;
                let one = Bucket::of(start + number * 19, value);
                minutes
                    .entry(start)
                    .and_modify(|b: &mut Bucket| b.merge(&one, true))
                    .or_insert(one);
            }
        }
        let bytes = pack(at, &minutes);
        let mut found = BTreeMap::new();
        assert!(unpack(at, &bytes, |start, bucket| assert_eq!(found.insert(start, bucket), None)));
        assert_eq!(found, minutes);
        assert_eq!(bytes.len(), 11 + (1 + 1 + 1 + 1 + 40) + (1 + 2 + 1 + 3 + 40));
        for length in 1..bytes.len() {
            let whole = unpack(at, &bytes[..length], |_, _| {});
            assert_eq!(whole, length == 11 || length == 55, "cut at {length}");
        }
        assert!(!unpack(at, &[15, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], |_, _| {}), "no such minute");
        assert!(!unpack(at, &[0xff; 200], |_, _| {}));
    }
}
