//! The known name that a misspelt one probably means.

/// Longest name that is compared with the known ones, in bytes.
const NEAREST_LEN_MAX: usize = 100;

/// Our words, and what other programs call the same thing.
const SYNONYMS: [(&str, &str); 12] = [
    ("text", "string str varchar char"),
    ("integer", "int int64 long"),
    ("real", "float double number numeric decimal"),
    ("boolean", "bool"),
    ("json", "object array any"),
    ("warn", "warning"),
    ("warning", "warn"),
    ("debug", "verbose"),
    ("normal", "off"),
    ("tls", "ssl"),
    ("null", "drop ignore"),
    ("3.1.1", "3.1 4"),
];

/// Keys that were renamed, or that other programs have: table, name, and the key to use.
const OTHER_NAMES: [(&str, &str, &str); 11] = [
    ("mqtt", "host", "url"),
    ("mqtt", "broker", "url"),
    ("mqtt", "port", "url"),
    ("mqtt", "user", "username"),
    ("mqtt", "keepalive", "keep_alive"),
    ("database", "file", "path"),
    ("log", "severity", "level"),
    ("metrics", "port", "listen"),
    ("watchtower", "port", "listen"),
    ("route", "filter", "topic"),
    ("route", "name", "table"),
];

/// The key that is meant by another name for it.
pub(crate) fn renamed(table: &str, name: &str) -> Option<&'static str> {
    let found = OTHER_NAMES.iter().find(|(of, other, _)| *of == table && *other == name);
    found.map(|(.., key)| *key)
}

/// The word of a list that was meant: a synonym, or the nearest.
pub(crate) fn nearest_word(wrong: &str, words: &[&'static str]) -> Option<&'static str> {
    let lower = wrong.to_lowercase();
    let is_meant = |(ours, others): &&(&'static str, &str)| {
        words.contains(ours) && others.split(' ').any(|other| other == lower)
    };
    let synonym = SYNONYMS.iter().find(is_meant).map(|(ours, _)| *ours);
    synonym.or_else(|| nearest(wrong, words.iter().copied()))
}

/// The name nearest to a misspelt one, if any is near enough to be meant.
pub(crate) fn nearest<'n>(
    wrong: &str,
    known: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    // The comparison takes memory for the product of both lengths.
    if wrong.len() > NEAREST_LEN_MAX {
        return None;
    }
    let wrong = wrong.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wrong, &name.to_lowercase()), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= 1 + name.chars().count() / 3)
        .map(|(_, name)| name)
}
