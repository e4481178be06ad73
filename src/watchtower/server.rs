//! HTTP: the limits of a connection, and what is where.

use std::io;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};

use super::service::Bound;
use super::{Tower, assets, command, live, socket};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;
/// How long the head of a request may take.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection may be idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long the end of a connection may take.
const DISCONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Threads that may block: for questions to the database, and for looks at its files.
const BLOCKING_THREADS: usize = 4;
/// The niceness of its threads: recording goes first.
const NICE: i32 = 10;

/// A server at this place; it runs while it is awaited. Must be called within an actix system.
pub(super) fn server(bound: Bound, tower: &Tower) -> io::Result<Server> {
    let connections = tower.sources.in_force.now().watchtower.max_connections;
    let tower = web::Data::new(tower.clone());
    let app = move || {
        // On the thread of a worker, whose children inherit it.
        let _not_permitted = rustix::process::nice(NICE);
        App::new().app_data(tower.clone()).configure(|app| services(app, &tower))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .on_connect(socket::on_connect)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .max_connections(connections as usize)
        .backlog(BACKLOG)
        .client_request_timeout(REQUEST_WITHIN)
        .client_disconnect_timeout(DISCONNECT_WITHIN)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(1)
        .disable_signals();
    let server = match bound {
        Bound::Tcp(listener) => server.listen(listener)?,
    };
    Ok(server.run())
}

/// What is where.
fn services(app: &mut web::ServiceConfig, tower: &Tower) {
    app.route("/healthz", web::get().to(healthz));
    live::services(app, tower);
    command::services(app);
    app.configure(assets::services);
}

/// The process lives.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("alive\n")
}
