//! What a client likes best: the lists of `Accept` and `Accept-Encoding` (RFC 9110, 12.4).

use axum::http::{HeaderMap, HeaderName};

/// The names in a header's list without their parameters, those that are liked best first; without those
/// that are not wanted at all. `None`: there is no such header.
pub(super) fn ranked(headers: &HeaderMap, name: HeaderName) -> Option<Vec<&str>> {
    if !headers.contains_key(&name) {
        return None;
    }
    let texts = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut items: Vec<(&str, f32)> = texts.flat_map(|text| text.split(',')).map(item).collect();
    items.retain(|(_, quality)| *quality > 0.0);
    // Stable: those that are liked alike stay in their order.
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
    fn the_best_liked_comes_first_and_the_unwanted_not_at_all() {
        let mut headers = HeaderMap::new();
        assert_eq!(ranked(&headers, ACCEPT), None);
        let list = "a/b;x=1;q=0.5, c/d , e/f;q=0, g/h;q=0.9, */*;q=0.1, i/j;q=x";
        headers.insert(ACCEPT, HeaderValue::from_static(list));
        assert_eq!(ranked(&headers, ACCEPT), Some(vec!["c/d", "g/h", "a/b", "*/*"]));
    }
}
