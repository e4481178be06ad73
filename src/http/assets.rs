//! The page's files, as they are in the program. Each is compressed once, and has a tag by its content: a browser
//! asks whether it is still the same, and after an update it is not.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::LazyLock;

use actix_web::http::header::{
    self, AcceptEncoding, CacheControl, CacheDirective, ETag, Encoding, EntityTag, Header,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::api::is_known;

/// The page: HTML, style, scripts.
#[derive(RustEmbed)]
#[folder = "src/http/web/"]
struct Files;

/// All of them, by path.
static ASSETS: LazyLock<BTreeMap<String, Asset>> = LazyLock::new(|| {
    let packed = |path: std::borrow::Cow<'static, str>| {
        let asset = Asset::of(&path, &Files::get(&path)?);
        Some((path.into_owned(), asset))
    };
    Files::iter().filter_map(packed).collect()
});

/// A file, ready to be sent.
#[derive(Debug)]
struct Asset {
    kind: &'static str,
    tag: EntityTag,
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
            tag: EntityTag::new_weak(tag),
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

/// Every path that nobody else has.
pub(super) fn services(app: &mut web::ServiceConfig) {
    app.default_service(web::to(asset));
}

async fn asset(request: HttpRequest) -> HttpResponse {
    if *request.method() != Method::GET && *request.method() != Method::HEAD {
        return HttpResponse::MethodNotAllowed()
            .insert_header((header::ALLOW, "GET, HEAD"))
            .content_type("text/plain; charset=utf-8")
            .body("the page can only be read\n");
    }
    let path = request.path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    match ASSETS.get(path) {
        Some(asset) => served(&request, asset),
        None => HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("there is no such page\n"),
    }
}

fn served(request: &HttpRequest, asset: &Asset) -> HttpResponse {
    let known = is_known(request, &asset.tag);
    let status = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut response = HttpResponse::build(status);
    response
        .insert_header(CacheControl(vec![CacheDirective::NoCache]))
        .insert_header(ETag(asset.tag.clone()))
        .insert_header((header::VARY, "Accept-Encoding"));
    if known {
        return response.finish();
    }
    response.insert_header((header::CONTENT_TYPE, asset.kind));
    if takes_gzip(request) && asset.packed.len() < asset.plain.len() {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
        return response.body(asset.packed.clone());
    }
    response.body(asset.plain.clone())
}

/// Who does not say takes it as it is.
fn takes_gzip(request: &HttpRequest) -> bool {
    if !request.headers().contains_key(header::ACCEPT_ENCODING) {
        return false;
    }
    let ours = [Encoding::gzip(), Encoding::identity()];
    let wanted = AcceptEncoding::parse(request).ok();
    wanted.is_some_and(|wanted| wanted.negotiate(ours.iter()) == Some(Encoding::gzip()))
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
    use actix_web::body::{MessageBody, to_bytes};
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::*;

    /// All of the page, compressed, in bytes.
    const PAGE_MAX: usize = 150_000;

    fn answer(request: TestRequest) -> HttpResponse {
        actix_web::rt::System::new().block_on(asset(request.to_http_request()))
    }

    #[test]
    fn the_page_is_small() {
        let size: usize = ASSETS.values().map(|asset| asset.packed.len()).sum();
        assert!(size <= PAGE_MAX, "{size} bytes of {} files", ASSETS.len());
        assert!(ASSETS.len() > 20, "{}", ASSETS.len());
    }

    #[test]
    fn a_file_is_sent_once_and_compressed_to_who_takes_it() {
        let whole = answer(TestRequest::with_uri("/"));
        assert_eq!(whole.status(), StatusCode::OK);
        let kind = whole.headers().get(header::CONTENT_TYPE);
        assert_eq!(kind, Some(&HeaderValue::from_static("text/html; charset=utf-8")));
        let tag = whole.headers().get(header::ETAG).unwrap().clone();
        let known = TestRequest::with_uri("/").insert_header((header::IF_NONE_MATCH, tag.clone()));
        let known = answer(known);
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(known.headers().get(header::ETAG), Some(&tag));
        let takes = |what: &str| {
            answer(TestRequest::with_uri("/app.js").insert_header((header::ACCEPT_ENCODING, what)))
        };
        for what in ["gzip", "gzip, deflate, br, zstd", "br;q=1, gzip;q=0.5, *;q=0.1"] {
            let packed = takes(what);
            assert_eq!(packed.headers().get(header::CONTENT_ENCODING).unwrap(), "gzip", "{what}");
            assert_eq!(packed.headers().get(header::VARY).unwrap(), "Accept-Encoding");
        }
        for what in ["identity", "br", "gzip;q=0"] {
            assert_eq!(takes(what).headers().get(header::CONTENT_ENCODING), None, "{what}");
        }
        let runtime = actix_web::rt::System::new();
        let sent = runtime.block_on(to_bytes(takes("identity").into_body().boxed())).unwrap();
        assert_eq!(sent, Files::get("app.js").unwrap().data.as_ref());
    }

    #[test]
    fn nothing_beside_the_page_is_sent_and_nothing_is_taken() {
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
            assert_eq!(
                answer(TestRequest::with_uri(path)).status(),
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
        let posted = answer(TestRequest::with_uri("/").method(Method::POST));
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
