//! The page's files, as they are in the program.

use actix_web::http::header::{self, CacheControl, CacheDirective, ETag, EntityTag};
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::{EmbeddedFile, RustEmbed};

/// The page: HTML, style, scripts.
#[derive(RustEmbed)]
#[folder = "src/watchtower/page/"]
struct Files;

/// Every path that nobody else has.
pub(super) fn services(app: &mut web::ServiceConfig) {
    app.default_service(web::get().to(asset));
}

async fn asset(request: HttpRequest) -> HttpResponse {
    let path = request.path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    match Files::get(path) {
        Some(file) => served(path, file),
        None => HttpResponse::NotFound().body("there is no such page\n"),
    }
}

fn served(path: &str, file: EmbeddedFile) -> HttpResponse {
    let hash = file.metadata.sha256_hash();
    let tag: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    HttpResponse::Ok()
        .insert_header(CacheControl(vec![CacheDirective::NoCache]))
        .insert_header(ETag(EntityTag::new_strong(tag)))
        .insert_header((header::CONTENT_TYPE, kind_of(path)))
        .body(file.data.into_owned())
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
