//! Names for SQLite.

/// Longest name of a table or column, in bytes.
pub(crate) const IDENTIFIER_LEN_MAX: usize = 64;

/// Longest name of an index, in bytes: room for `idx_<table>_created`.
pub(crate) const INDEX_LEN_MAX: usize = IDENTIFIER_LEN_MAX + "idx__created".len();

/// Prefixes that are reserved.
const PREFIXES: [&str; 2] = ["barograph_", "sqlite_"];

/// What SQLite (tried with each keyword of its list, 3.40) does not take as a bare name of a table or column.
const RESERVED: &str = "\
    add all alter and as autoincrement between case cast check collate commit constraint \
    create current_date current_time current_timestamp default deferrable delete distinct \
    drop else escape except exists foreign from group having if in index insert intersect \
    into is isnull join limit not nothing notnull null on or order primary raise references \
    returning select set table then to transaction union unique update using values when \
    where";

/// Columns every table has already.
pub(crate) const OWN_COLUMNS: [&str; 2] = ["id", "created_at"];

/// Why a name cannot be an SQL identifier without quoting; `None` if it can.
pub(crate) fn identifier_fault(name: &str, len_max: usize) -> Option<String> {
    let word =
        || is_word_of_sql(name).then(|| "expected a name that is not a word of SQL".to_owned());
    quotable_fault(name, len_max).or_else(word)
}

/// Why a name cannot be an SQL identifier, with quotes where it is a word of SQL; `None` if it can.
pub(crate) fn quotable_fault(name: &str, len_max: usize) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.starts_with(is_start) || !name.chars().all(is_part) {
        let why = "expected a name of letters a to z, digits and _, not beginning with a digit";
        return Some(why.to_owned());
    }
    if name.len() > len_max {
        return Some(format!("expected a name of at most {len_max} characters"));
    }
    if let Some(prefix) = PREFIXES.into_iter().find(|prefix| lower.starts_with(prefix)) {
        return Some(format!(
            "expected a name that does not begin with `{prefix}`, which is reserved"
        ));
    }
    None
}

/// Whether SQLite takes a name only in quotes.
pub(crate) fn is_word_of_sql(name: &str) -> bool {
    RESERVED.split_whitespace().any(|word| word.eq_ignore_ascii_case(name))
}

/// A name like the given one that is an identifier, to be offered in its place.
pub(crate) fn identifier_like(name: &str) -> String {
    let mut better: String = name
        .chars()
        .take(IDENTIFIER_LEN_MAX - 2)
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let lower = better.to_ascii_lowercase();
    if let Some(prefix) = PREFIXES.into_iter().find(|prefix| lower.starts_with(prefix)) {
        better = better[prefix.len()..].to_owned();
    }
    let lower = better.to_ascii_lowercase();
    let taken = is_word_of_sql(&lower) || OWN_COLUMNS.contains(&lower.as_str());
    if taken || !better.starts_with(|c: char| c.is_ascii_alphabetic()) {
        better = format!("x_{better}");
    }
    better
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn offered_name_is_a_good_one(name in ".{0,80}") {
            let offered = identifier_like(&name);
            prop_assert_eq!(identifier_fault(&offered, 64), None, "{}", offered);
        }
    }
}
