//! What is behind the question mark: names that are known, each once, with a value that makes sense.

use std::ops::RangeInclusive;

use axum::http::request::Parts;

use crate::http::refusal::HttpRefusal;

/// Milliseconds since 1970 UTC: any.
pub(super) const ANY_MOMENT: RangeInclusive<i64> = i64::MIN..=i64::MAX;

/// Most characters of a value.
const VALUE_LEN_MAX: usize = 4_000;

/// Most characters of a list.
const LIST_LEN_MAX: usize = 1_000;

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Those of a request that may have these and no others.
    pub(super) fn of(request: &Parts, known: &[&str]) -> Result<Self, HttpRefusal> {
        Self::parse(request.uri.query().unwrap_or_default(), known)
    }

    fn parse(text: &str, known: &[&str]) -> Result<Self, HttpRefusal> {
        let pairs: Vec<(String, String)> =
            form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        for (position, (name, value)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(HttpRefusal::bad(
                    format!("there is no parameter {name:?}"),
                    hint(known),
                ));
            }
            if pairs[..position].iter().any(|(before, _)| before == name) {
                let message = format!("{name} is given twice");
                return Err(HttpRefusal::bad(message, "give each parameter once"));
            }
            if value.len() > VALUE_LEN_MAX {
                let message = format!("{name} is longer than {VALUE_LEN_MAX} bytes");
                return Err(HttpRefusal::bad(message, "ask for less at a time"));
            }
        }
        Ok(Self(pairs))
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A text that must be there.
    pub(super) fn needed(&self, name: &str) -> Result<&str, HttpRefusal> {
        self.text(name).ok_or_else(|| missing(name))
    }

    /// A whole number.
    pub(super) fn whole(
        &self,
        name: &str,
        within: RangeInclusive<i64>,
    ) -> Result<Option<i64>, HttpRefusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse::<i64>().ok().filter(|number| within.contains(number));
        let (least, most) = within.into_inner();
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(HttpRefusal::bad(
                format!("{name} = {text:?} is no whole number from {least} to {most}"),
                "write it in digits; moments are milliseconds since 1970 UTC",
            )),
        }
    }

    /// A whole number that must be there.
    pub(super) fn needed_whole(
        &self,
        name: &str,
        within: RangeInclusive<i64>,
    ) -> Result<i64, HttpRefusal> {
        self.whole(name, within)?.ok_or_else(|| missing(name))
    }

    /// Words with commas between them; at most so many, none of them empty.
    pub(super) fn list(&self, name: &str, most: usize) -> Result<Vec<String>, HttpRefusal> {
        let Some(text) = self.text(name) else { return Ok(Vec::new()) };
        let words: Vec<String> = text.split(',').map(str::to_owned).collect();
        let is_long = text.chars().count() > LIST_LEN_MAX;
        if is_long || words.iter().any(String::is_empty) || words.len() > most {
            let message = format!("{name} = {text:?} is no list of 1 to {most} names");
            return Err(HttpRefusal::bad(message, "write the names with commas between them"));
        }
        Ok(words)
    }
}

fn missing(name: &str) -> HttpRefusal {
    HttpRefusal::bad(
        format!("{name} is missing"),
        "the document at api/v1/openapi.json has an example",
    )
}

fn hint(known: &[&str]) -> String {
    match known {
        [] => "this address takes no parameters".to_owned(),
        known => format!("there are: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_or_said_twice_or_no_number_is_refused() {
        let known = ["from", "except"];
        let parse = |text: &str| Query::parse(text, &known);
        let refused = ["form=1", "from=1&from=2", "from=1&x", &"a".repeat(9_000), "from", "=1"];
        for text in refused {
            let refused = parse(text).and_then(|query| query.whole("from", ANY_MOMENT));
            assert!(refused.is_err(), "{text}");
        }
        for text in ["from=", "from=1.5", "from=x", "from=9223372036854775808", "from=1 "] {
            assert!(parse(text).unwrap().whole("from", ANY_MOMENT).is_err(), "{text}");
        }
        let query = parse("from=-5&except=a,b%2Cc").unwrap();
        assert_eq!(query.whole("from", ANY_MOMENT).unwrap(), Some(-5));
        assert!(query.whole("from", 0..=9).is_err());
        assert_eq!(query.list("except", 3).unwrap(), ["a", "b", "c"]);
        assert!(query.list("except", 2).is_err());
        assert_eq!(parse("").unwrap().whole("from", ANY_MOMENT).unwrap(), None);
        assert!(parse("except=a,,b").unwrap().list("except", 5).is_err());
    }
}
