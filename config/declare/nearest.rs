//! The known name that a misspelt one probably means.

/// Longest name that is compared with the known ones, in bytes.
const NEAREST_LEN_MAX: usize = 100;

/// Words of other programs, and ours for the same thing.
const SYNONYMS: [(&str, &str); 24] = [
    ("string", "text"),
    ("str", "text"),
    ("varchar", "text"),
    ("int", "integer"),
    ("int64", "integer"),
    ("long", "integer"),
    ("float", "real"),
    ("double", "real"),
    ("number", "real"),
    ("numeric", "real"),
    ("decimal", "real"),
    ("bool", "boolean"),
    ("object", "json"),
    ("array", "json"),
    ("any", "json"),
    ("warning", "warn"),
    ("warn", "warning"),
    ("verbose", "debug"),
    ("off", "normal"),
    ("ssl", "tls"),
    ("drop", "null"),
    ("ignore", "null"),
    ("3.1", "3.1.1"),
    ("5.0", "5"),
];

/// The word of a list that was meant: a synonym, or the nearest.
pub(crate) fn nearest_word(wrong: &str, words: &[&'static str]) -> Option<&'static str> {
    let lower = wrong.to_lowercase();
    let mut synonyms = SYNONYMS.iter().filter(|(other, _)| *other == lower);
    let synonym = synonyms.find(|(_, ours)| words.contains(ours)).map(|(_, ours)| *ours);
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

#[cfg(test)]
mod tests {
    use super::{nearest, nearest_word};

    #[test]
    fn nearest_name_is_offered_only_when_near() {
        let known = ["url", "keep_alive", "client_id"];
        assert_eq!(nearest("keepalive", known), Some("keep_alive"));
        assert_eq!(nearest("Client-ID", known), Some("client_id"));
        assert_eq!(nearest("uri", known), Some("url"));
        assert_eq!(nearest("colour", known), None);
    }

    #[test]
    fn synonym_is_offered_before_a_word_that_is_spelt_alike() {
        let types = ["integer", "real", "text", "boolean", "json"];
        assert_eq!(nearest_word("string", &types), Some("text"));
        assert_eq!(nearest_word("INT", &types), Some("integer"));
        assert_eq!(nearest_word("warning", &["error", "warn", "info"]), Some("warn"));
    }
}
