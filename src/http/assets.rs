//! The page's files, as they are in the program. Each is compressed once, and has a tag by its content: a browser
//! asks whether it is still the same, and after an update it is not.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::LazyLock;

use axum::http::header::{self, HeaderMap};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::api::{is_known, nothing_here};
use super::quality::ranked;

/// The page: HTML, style, scripts.
#[derive(RustEmbed)]
#[folder = "src/http/web/"]
struct PageFiles;

/// All of them, by path.
static ASSETS: LazyLock<BTreeMap<String, Asset>> = LazyLock::new(|| {
    let packed = |path: std::borrow::Cow<'static, str>| {
        let asset = Asset::of(&path, &PageFiles::get(&path)?);
        Some((path.into_owned(), asset))
    };
    PageFiles::iter().filter_map(packed).collect()
});

/// A file, ready to be sent.
#[derive(Debug)]
struct Asset {
    kind: &'static str,
    tag: String,
    plain: Bytes,
    /// By gzip.
    packed: Bytes,
}

impl Asset {
    fn of(path: &str, file: &EmbeddedFile) -> Self {
        let hash = file.metadata.sha256_hash();
        let tag: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            kind: kind_of(path),
            // Weak: compressed or not, it is the same.
            tag: format!("W/\"{tag}\""),
            plain: Bytes::copy_from_slice(&file.data),
            packed: packed(&file.data),
        }
    }
}

fn packed(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.expect("memory takes what is written").into()
}

/// Every path without a route of its own.
pub(super) async fn asset(request: Parts) -> Response {
    const TEXT: [(header::HeaderName, &str); 1] =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    if request.method != Method::GET && request.method != Method::HEAD {
        let allowed = [(header::ALLOW, "GET, HEAD")];
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return (status, allowed, TEXT, "the page can only be read\n").into_response();
    }
    let path = request.uri.path();
    if path == "/api" || path.starts_with("/api/") {
        return nothing_here(path).into_response();
    }
    let path = path.trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    match ASSETS.get(path) {
        Some(asset) => served(&request.headers, asset),
        None => (StatusCode::NOT_FOUND, TEXT, "there is no such page\n").into_response(),
    }
}

fn served(request: &HeaderMap, asset: &Asset) -> Response {
    let head = [
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, asset.tag.as_str()),
        (header::VARY, "Accept-Encoding"),
    ];
    if is_known(request, &asset.tag) {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    let kind = [(header::CONTENT_TYPE, asset.kind)];
    if takes_gzip(request) && asset.packed.len() < asset.plain.len() {
        let encoding = [(header::CONTENT_ENCODING, "gzip")];
        return (head, kind, encoding, asset.packed.clone()).into_response();
    }
    (head, kind, asset.plain.clone()).into_response()
}

/// Who does not say takes it as it is.
fn takes_gzip(request: &HeaderMap) -> bool {
    let wanted = ranked(request, header::ACCEPT_ENCODING).unwrap_or_default();
    wanted.into_iter().find(|name| ["gzip", "identity"].contains(name)) == Some("gzip")
}

fn kind_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some(_) | None => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::http::Request;
    use axum::http::header::{HeaderName, HeaderValue};

    use super::*;

    /// All of the page, compressed, in bytes.
    const PAGE_MAX: usize = 150_000;

    async fn answer(method: Method, path: &str, head: Option<(HeaderName, &str)>) -> Response {
        let request = Request::builder().method(method).uri(path);
        let request = match head {
            Some((name, value)) => request.header(name, value),
            None => request,
        };
        asset(request.body(()).unwrap().into_parts().0).await
    }

    #[test]
    fn the_page_is_small() {
        let size: usize = ASSETS.values().map(|asset| asset.packed.len()).sum();
        assert!(size <= PAGE_MAX, "{size} bytes of {} files", ASSETS.len());
        assert!(ASSETS.len() > 20, "{}", ASSETS.len());
    }

    #[tokio::test]
    async fn a_file_is_sent_once_and_compressed_to_who_takes_it() {
        let whole = answer(Method::GET, "/", None).await;
        assert_eq!(whole.status(), StatusCode::OK);
        let kind = whole.headers().get(header::CONTENT_TYPE);
        assert_eq!(kind, Some(&HeaderValue::from_static("text/html; charset=utf-8")));
        let tag = whole.headers().get(header::ETAG).unwrap().clone();
        let asked = (header::IF_NONE_MATCH, tag.to_str().unwrap());
        let known = answer(Method::GET, "/", Some(asked)).await;
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(known.headers().get(header::ETAG), Some(&tag));
        let takes = async |what: &str| {
            answer(Method::GET, "/app.js", Some((header::ACCEPT_ENCODING, what))).await
        };
        for what in ["gzip", "gzip, deflate, br, zstd", "br;q=1, gzip;q=0.5, *;q=0.1"] {
            let packed = takes(what).await;
            assert_eq!(packed.headers().get(header::CONTENT_ENCODING).unwrap(), "gzip", "{what}");
            assert_eq!(packed.headers().get(header::VARY).unwrap(), "Accept-Encoding");
        }
        for what in ["identity", "br", "gzip;q=0"] {
            assert_eq!(takes(what).await.headers().get(header::CONTENT_ENCODING), None, "{what}");
        }
        let sent = to_bytes(takes("identity").await.into_body(), usize::MAX).await.unwrap();
        assert_eq!(sent, PageFiles::get("app.js").unwrap().data.as_ref());
    }

    #[tokio::test]
    async fn nothing_beside_the_page_is_sent_and_nothing_is_taken() {
        for path in [
            "/../API.md",
            "/..%2fAPI.md",
            "/%2e%2e/API.md",
            "/./app.js/../../API.md",
            "/lib/../../mod.rs",
            "//etc/passwd",
            "/etc/passwd",
            "/app.js/",
            "/lib",
            "/lib/",
            "/API.md",
            "/app.js%00.html",
        ] {
            let answer = answer(Method::GET, path, None).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        }
        let posted = answer(Method::POST, "/", None).await;
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(posted.headers().get(header::ALLOW).unwrap(), "GET, HEAD");
    }

    #[test]
    fn every_kind_of_file_is_known() {
        let unknown: Vec<&String> = ASSETS
            .iter()
            .filter(|(path, asset)| {
                asset.kind.starts_with("text/plain") && !path.ends_with("LICENSE")
            })
            .map(|(path, _)| path)
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
