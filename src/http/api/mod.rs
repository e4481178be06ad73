//! What scripts and the page ask for: `GET api/v1/…`, and what others watch a recorder by (`/readyz`, `/metrics`).
//! `API.md` and `openapi.json` say what each answers.
//!
//! Status, latest and issues are published state: they are answered whatever the database does. What is history
//! is a question to the database, with a time limit; when it cannot be answered, that is said (503).

mod answer;
mod download;
mod history;
pub(crate) mod latest;
mod memory;
mod query;
mod ready;
mod series;
mod state;
mod tables;

use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Compress;
use actix_web::{HttpRequest, Resource, web};

pub(super) use answer::is_known;
pub(crate) use memory::Memory;

use super::refusal::Refusal;

/// What is where. (Login, session and the WebSockets are the door's and `live`'s.)
pub(super) fn services(app: &mut web::ServiceConfig) {
    let v1 = web::scope("/api/v1")
        .wrap(Compress::default())
        .service(read("/status", state::status))
        .service(read("/issues", state::issues))
        .service(read("/account", state::account))
        .service(read("/routes", state::routes))
        .service(read("/latest", latest::latest))
        .service(read("/events", history::events))
        .service(read("/gaps", history::gaps))
        .service(read("/series", series::series))
        .service(read("/rows", download::rows))
        .service(read("/openapi.json", document))
        .default_service(web::to(nothing_here));
    app.service(read("/readyz", ready::readyz))
        .service(read("/metrics", ready::metrics))
        .service(v1)
        .service(web::scope("/api").default_service(web::to(nothing_here)));
}

/// An address that is read, and nothing else: the door lets no other method through.
fn read<H, Args>(path: &str, handler: H) -> Resource
where
    H: actix_web::Handler<Args> + Clone,
    Args: actix_web::FromRequest + 'static,
    H::Output: actix_web::Responder + 'static,
{
    web::resource(path).route(web::get().to(handler.clone())).route(web::head().to(handler))
}

async fn nothing_here(request: HttpRequest) -> answer::Answer {
    let message = format!("there is no {}", request.path());
    Err(Refusal::new(StatusCode::NOT_FOUND, message, "api/v1/openapi.json says what there is"))
}

/// Whether only the head of the answer is wanted.
fn is_head(request: &HttpRequest) -> bool {
    request.method() == Method::HEAD
}

/// The interface, for programs.
async fn document(request: HttpRequest) -> answer::Answer {
    query::Query::of(&request, &[])?;
    Ok(answer::text_answer(&request, include_str!("openapi.json").to_owned()))
}
