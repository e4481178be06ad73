//! HTTP: one path, two methods, small limits.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::{self, Accept, Header};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

use crate::metrics::{Exposition, Form};

/// Where the metrics are, by Prometheus' convention.
pub(super) const PATH: &str = "/metrics";

/// Connections at a time: a scraper or two, and a person who looks.
const CONNECTIONS_MAX: usize = 16;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 16;
/// How long the head of a request may take.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection may be idle; shorter than a scrape interval, which is a new connection.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long the end of a connection may take.
const DISCONNECT_WITHIN: Duration = Duration::from_secs(1);

/// A server on this listener; it runs while it is awaited. Must be called within an actix system. The
/// head of a request is bounded by actix-http (128 KiB); bodies are not read.
pub(super) fn server(listener: TcpListener, exposition: &Arc<Exposition>) -> io::Result<Server> {
    let exposition = web::Data::from(Arc::clone(exposition));
    let app = move || {
        let metrics = web::resource(PATH)
            .route(web::get().to(metrics))
            .route(web::head().to(metrics))
            .default_service(web::to(other_method));
        App::new().app_data(exposition.clone()).service(metrics).default_service(web::to(elsewhere))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .worker_max_blocking_threads(1)
        .max_connections(CONNECTIONS_MAX)
        .backlog(BACKLOG)
        .client_request_timeout(REQUEST_WITHIN)
        .client_disconnect_timeout(DISCONNECT_WITHIN)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

async fn metrics(request: HttpRequest, exposition: web::Data<Exposition>) -> HttpResponse {
    answer(&request, &exposition)
}

/// All metrics, in the form that the client likes best.
pub(crate) fn answer(request: &HttpRequest, exposition: &Exposition) -> HttpResponse {
    let form = Accept::parse(request).map_or(Form::Prometheus, |accept| wanted(&accept));
    match exposition.page(form) {
        Ok(page) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, form.content_type()))
            .insert_header((header::VARY, "Accept"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(page),
        Err(_) => HttpResponse::InternalServerError().body("the metrics could not be written\n"),
    }
}

async fn other_method() -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((header::ALLOW, "GET, HEAD"))
        .body("metrics can only be read\n")
}

async fn elsewhere() -> HttpResponse {
    HttpResponse::NotFound().body("the metrics are at /metrics\n")
}

/// The form that the client likes best; Prometheus' own for whoever does not say.
fn wanted(accept: &Accept) -> Form {
    let known = accept.ranked().into_iter().find_map(|kind| match kind.essence_str() {
        "application/openmetrics-text" => Some(Form::OpenMetrics),
        "text/plain" | "text/*" | "*/*" => Some(Form::Prometheus),
        _ => None,
    });
    known.unwrap_or(Form::Prometheus)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_form_is_the_one_that_is_liked_best() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
                          version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let table = [
            (prometheus, Form::OpenMetrics),
            ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.1", Form::Prometheus),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Form::Prometheus),
            ("application/json", Form::Prometheus),
            ("*/*", Form::Prometheus),
        ];
        for (text, expected) in table {
            let request =
                TestRequest::get().insert_header((header::ACCEPT, text)).to_http_request();
            let accept = Accept::parse(&request).unwrap();
            assert_eq!(wanted(&accept), expected, "{text}");
        }
    }
}
