//! Preferences of a client: the lists of `Accept` and `Accept-Encoding` (RFC 9110, 12.4).

use axum::http::{HeaderMap, HeaderName};

/// The names in a header's list, without parameters, by descending quality value. Names with a quality of 0 are
/// left out. `None`: the request has no such header.
pub(super) fn ranked(headers: &HeaderMap, name: HeaderName) -> Option<Vec<&str>> {
    if !headers.contains_key(&name) {
        return None;
    }
    let texts = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut items: Vec<(&str, f32)> = texts.flat_map(|text| text.split(',')).map(item).collect();
    items.retain(|(_, quality)| *quality > 0.0);
    // Stable: names of the same quality keep their order.
    items.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    Some(items.into_iter().map(|(name, _)| name).collect())
}

fn item(text: &str) -> (&str, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    (name, quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use axum::http::header::{ACCEPT, HeaderValue};

    use super::*;

    #[test]
    fn names_are_ranked_by_quality_and_quality_zero_is_left_out() {
        let mut headers = HeaderMap::new();
        assert_eq!(ranked(&headers, ACCEPT), None);
        let list = "a/b;x=1;q=0.5, c/d , e/f;q=0, g/h;q=0.9, */*;q=0.1, i/j;q=x";
        headers.insert(ACCEPT, HeaderValue::from_static(list));
        assert_eq!(ranked(&headers, ACCEPT), Some(vec!["c/d", "g/h", "a/b", "*/*"]));
    }
}
