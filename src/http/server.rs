//! HTTP: the way of a connection, and what is where.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_rt::net::{TcpStream, UnixStream};
use actix_server::{Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_factory, fn_service,
    map_config,
};
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::{App, Error, HttpResponse, web};
use barograph_actors::supervisor::Pulse;
use parking_lot::Mutex;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::process::{
    Resource, Rlimit, getpid, getpriority_process, getrlimit, setpriority_process, setrlimit,
};
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::auth::{self, Gate};
use super::connections::{HttpConnection, LOOK_EVERY, Limits, Lines};
use super::place::Bound;
use super::{Tower, api, assets, command, live};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;
/// How long the head of a connection's first request may take; so may a handshake.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);
/// The same when there is a crowd.
const HANDSHAKE_IN_A_CROWD: Duration = Duration::from_secs(1);
/// How long a connection may be idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long the end of a connection may take.
const DISCONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Threads that may block: for questions to the database, and for looks at its files.
const BLOCKING_THREADS: usize = 4;
/// By so much its threads are nicer than the process: recording goes first.
const NICER: i32 = 10;
/// Files that are left for the recording, and for whatever else is open.
const FILES_KEPT: u64 = 128;
/// Connections that end, and are not yet gone, beyond the limit.
const ENDING: usize = 64;
/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

/// What the system holds of answers that are not taken, in bytes for each connection.
const SEND_BUFFER: usize = 64 << 10;

/// For whom there is no room.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 53\r\n\r\n\
    too many look at this page at a time; try again later";
/// For who speaks HTTP where TLS is spoken.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 38\r\n\r\n\
    this page is encrypted: call https://\r\n";

/// The sign of life of the thread that answers; `None`: there is no such thread now.
pub(super) type WorkerPulse = Arc<Mutex<Option<Pulse>>>;

/// What a worker is made of.
#[derive(Clone)]
struct Recipe {
    tower: Tower,
    gate: web::Data<Gate>,
    limits: Limits,
    tls: Option<TlsAcceptor>,
    pulse: WorkerPulse,
}

/// A server at this place; it runs while it is awaited. Must be called within an actix system.
pub(super) fn server(
    bound: Bound,
    tower: &Tower,
    gate: Gate,
    tls: Option<TlsAcceptor>,
    pulse: &WorkerPulse,
) -> io::Result<Server> {
    let settings = tower.sources.in_force.now();
    let all = (settings.watchtower.max_connections as usize).min(files_for_connections());
    let per_address = settings.watchtower.max_connections_per_address as usize;
    let recipe = Recipe {
        tower: tower.clone(),
        gate: web::Data::new(gate),
        limits: Limits { all, per_address },
        tls,
        pulse: Arc::clone(pulse),
    };
    // Threads inherit it; that of the listener is the caller's.
    let of_process = getpriority_process(Some(getpid())).unwrap_or(0);
    let _not_permitted = setpriority_process(None, of_process.saturating_add(NICER));
    let builder = ServerBuilder::new()
        .workers(1)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .max_concurrent_connections(all + ENDING)
        .backlog(BACKLOG)
        .shutdown_timeout(1)
        .disable_signals();
    let builder = match bound {
        Bound::Tcp(listener) => builder.listen("watchtower", listener, move || {
            worker(recipe.clone(), |stream: TcpStream, hall: Rc<Hall>| hall.tcp(stream))
        })?,
        Bound::Unix(listener) => builder.listen_uds("watchtower", listener, move || {
            worker(recipe.clone(), |stream: UnixStream, hall: Rc<Hall>| hall.unix(stream))
        })?,
    };
    Ok(builder.run())
}

/// A connection that was let in, and its address.
type Opened = Option<(HttpConnection, Option<SocketAddr>)>;

/// Runs on the thread of a worker.
fn worker<Io, Open, Opening>(
    recipe: Recipe,
    open: Open,
) -> impl ServiceFactory<Io, Config = (), Response = (), Error = (), InitError = ()>
where
    Io: 'static,
    Open: Fn(Io, Rc<Hall>) -> Opening + Clone + 'static,
    Opening: Future<Output = Opened> + 'static,
{
    fn_factory(move || {
        let (recipe, open) = (recipe.clone(), open.clone());
        async move {
            let http = Rc::new(http(recipe.gate, recipe.tower).new_service(()).await?);
            let hall = Rc::new(Hall { lines: Lines::new(recipe.limits), tls: recipe.tls });
            actix_rt::spawn(watch(Rc::clone(&hall), recipe.pulse));
            let serve = move |stream: Io| {
                let (http, opening) = (Rc::clone(&http), open(stream, Rc::clone(&hall)));
                async move {
                    if let Some(opened) = opening.await {
                        // Why a connection ended is its client's affair.
                        let _why = http.call(opened).await;
                    }
                    Ok::<(), ()>(())
                }
            };
            Ok::<_, ()>(fn_service(serve))
        }
    })
}

/// HTTP/1.1, with the door before everything.
fn http(
    gate: web::Data<Gate>,
    tower: Tower,
) -> impl ServiceFactory<
    (HttpConnection, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> {
    let app = App::new()
        .app_data(gate)
        .app_data(web::Data::new(tower.clone()))
        .wrap(from_fn(auth::pass))
        .configure(|app| services(app, &tower));
    let app = app.into_factory().map_err(answered);
    HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(REQUEST_WITHIN)
        .client_disconnect_timeout(DISCONNECT_WITHIN)
        .on_connect_ext(|line: &HttpConnection, data| {
            data.insert(line.peer());
        })
        .h1(map_config(app, |()| AppConfig::default()))
}

/// What did not even become an answer has the headers of one.
fn answered(error: Error) -> HttpResponse {
    let mut answer = error.error_response();
    auth::put_headers(answer.headers_mut(), "/api/");
    answer
}

/// Where connections come in.
struct Hall {
    lines: Rc<Lines>,
    tls: Option<TlsAcceptor>,
}

impl Hall {
    async fn tcp(self: Rc<Self>, stream: TcpStream) -> Opened {
        let address = stream.peer_addr().ok()?;
        let Some(admitted) = self.lines.admit(Some(address.ip())) else {
            if self.tls.is_none() {
                let _best_effort = stream.try_write(FULL);
            }
            return None;
        };
        // Frames are small and must not wait for company.
        let _best_effort = stream.set_nodelay(true);
        let _best_effort = set_socket_send_buffer_size(&stream, SEND_BUFFER);
        let Some(tls) = &self.tls else {
            return Some((HttpConnection::new(stream, admitted, false), Some(address)));
        };
        let crowded = self.lines.is_crowded();
        let within = if crowded { HANDSHAKE_IN_A_CROWD } else { REQUEST_WITHIN };
        let stream = timeout(within, encrypted(tls, stream)).await.ok()??;
        Some((HttpConnection::new(stream, admitted, true), Some(address)))
    }

    async fn unix(self: Rc<Self>, stream: UnixStream) -> Opened {
        let Some(admitted) = self.lines.admit(None) else {
            let _best_effort = stream.try_write(FULL);
            return None;
        };
        Some((HttpConnection::new(stream, admitted, false), None))
    }
}

async fn encrypted(
    tls: &TlsAcceptor,
    mut stream: TcpStream,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await.ok()? == 0 {
        return None;
    }
    if first != [HANDSHAKE] {
        // What was not read would take our answer along.
        let _read = stream.try_read(&mut [0; 4_096]);
        stream.write_all(PLAIN).await.ok()?;
        return None;
    }
    tls.accept(stream).await.ok()
}

/// The worker's sign of life, and its look at all connections.
async fn watch(hall: Rc<Hall>, place: WorkerPulse) {
    let beating = Beating { place, pulse: Pulse::new() };
    *beating.place.lock() = Some(beating.pulse.clone());
    loop {
        beating.pulse.beat();
        hall.lines.look(Instant::now());
        sleep(LOOK_EVERY).await;
    }
}

/// A worker that is gone is not one that hangs.
struct Beating {
    place: WorkerPulse,
    pulse: Pulse,
}

impl Drop for Beating {
    fn drop(&mut self) {
        *self.place.lock() = None;
    }
}

/// How long the thread that answers has given no sign of life; `None`: there is none.
pub(super) fn since_last_beat(pulse: &WorkerPulse) -> Option<Duration> {
    pulse.lock().as_ref().map(Pulse::since_last_beat)
}

/// As many as there can be without taking files from the recording. The limit that may be raised is.
fn files_for_connections() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { maximum } else { current };
    let limit = limit.unwrap_or(u64::MAX);
    usize::try_from(limit.saturating_sub(FILES_KEPT).max(1)).unwrap_or(usize::MAX)
}

/// What is where.
fn services(app: &mut web::ServiceConfig, tower: &Tower) {
    app.route("/healthz", web::get().to(healthz))
        .configure(auth::services)
        .configure(api::services)
        .configure(|app| live::services(app, tower))
        .configure(command::services)
        .configure(assets::services);
}

/// The process lives.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("alive\n")
}
