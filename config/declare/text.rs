//! Values as the file writes them.

use std::time::Duration;

/// A text as TOML, with its quotes.
pub(crate) fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A key as TOML writes it: in quotes where it needs them.
pub(crate) fn spell_key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { quote(name) }
}

/// Texts as a list in TOML.
pub(crate) fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(", "))
}

/// A duration the way the file writes it, without quotes: in the largest unit that needs no fraction, and in seconds up to
/// two minutes.
pub(crate) fn print_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [
        (31_557_600_000, "year", "years"),
        (86_400_000, "day", "days"),
        (3_600_000, "h", "h"),
        (60_000, "min", "min"),
        (1000, "s", "s"),
        (1, "ms", "ms"),
    ];
    let mixed = humantime::format_duration(duration).to_string();
    let fits = |unit: u128| millis.is_multiple_of(unit) && (unit <= 1000 || millis > 120_000);
    match units.into_iter().find(|(unit, ..)| fits(*unit)) {
        Some(_) if !duration.subsec_nanos().is_multiple_of(1_000_000) => mixed,
        Some((unit, one, _)) if millis == unit => format!("1{one}"),
        // A longer number is refused: see `values::parse_duration`.
        Some((unit, _, many)) if millis / unit < 10_000_000_000 => {
            format!("{}{many}", millis / unit)
        }
        Some(_) | None => mixed,
    }
}

/// A size the way the file writes it, quotes included where it needs them.
pub(crate) fn print_size(size: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| size >= *unit && size.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("\"{} {name}\"", size / unit),
        None => size.to_string(),
    }
}

/// A size in a sentence.
pub(crate) fn spell_size(size: u64) -> String {
    match print_size(size) {
        quoted if quoted.starts_with('"') => quoted.trim_matches('"').to_owned(),
        one if one == "1" => "1 byte".to_owned(),
        bytes => format!("{bytes} bytes"),
    }
}

/// A JSON pointer (RFC 6901) from a pointer, or from the bare name of a field.
///
/// # Errors
///
/// Says what is wrong with a pointer; a bare name always makes one.
pub(crate) fn pointer(field: &str) -> Result<String, &'static str> {
    if field.is_empty() {
        return Ok(String::new());
    }
    if !field.starts_with('/') {
        return Ok(format!("/{}", field.replace('~', "~0").replace('/', "~1")));
    }
    let mut characters = field.chars();
    while let Some(c) = characters.next() {
        if c == '~' && !matches!(characters.next(), Some('0' | '1')) {
            return Err(
                "expected a JSON pointer, in which `~` is written ~0, and a `/` within a name ~1",
            );
        }
    }
    Ok(field.to_owned())
}

/// The shortest way to write a pointer: a bare name where that is one and does not look like a path.
pub(crate) fn print_pointer(pointer: &str) -> &str {
    match pointer.strip_prefix('/') {
        Some(name) if !name.is_empty() && !name.contains(['/', '~', '.', '$']) => name,
        Some(_) | None => pointer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn bare_name_finds_its_field(name in "[^/].{0,8}") {
            let object = serde_json::json!({ name.clone(): 7 });
            let pointer = pointer(&name).unwrap();
            prop_assert_eq!(object.pointer(&pointer), Some(&serde_json::json!(7)));
        }
    }
}
