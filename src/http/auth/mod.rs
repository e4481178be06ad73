//! The door of the page: who may come in, and what for. Every request passes [`pass`] first, WebSockets too:
//! those are told with a close code, so what is wrong with them is left to the one who accepts ([`access`]).

mod headers;
mod keys;
mod login;
mod login_throttle;
mod names;
mod sessions;
mod stay;
mod whole;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use barograph_actors::message::event;
use barograph_actors::status::Published;
use barograph_config::{Part, Settings, Watchtower};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tracing::{debug, warn};

use super::connections::HttpPeer;
use super::refusal::{COMMANDS, HttpRefusal, methods_of};
use super::tls::Certificate;
use crate::os::world;
use keys::{Keys, Role};
use login_throttle::LoginThrottle;
use names::Names;
use sessions::Sessions;

pub(super) use login::routes;
pub(super) use stay::Stay;

/// How long it may take until an answer begins.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Wrong tokens are told of at most so often.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What the caller may do, as [`pass`] found it. Handlers of WebSockets accept, look at `refusal`, and close with
/// 1008 and its reason.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    /// May tell the recorder what to do.
    pub(crate) admin: bool,
    /// May look.
    pub(crate) read: bool,
    /// Signed in, or with a token: when the tokens change, this ends.
    pub(crate) by_token: bool,
    /// Where from, for people: an address, or `a Unix socket`.
    pub(crate) from: String,
    /// Why this request is not answered; `None`: it is.
    pub(crate) refusal: Option<HttpRefusal>,
}

/// What the caller may do; nothing, if the request did not pass the guard.
pub(crate) fn access(request: &Parts) -> Access {
    request.extensions.get::<Access>().cloned().unwrap_or_else(|| Access {
        admin: false,
        read: false,
        by_token: false,
        from: "nowhere".to_owned(),
        refusal: Some(HttpRefusal::new(StatusCode::FORBIDDEN, "access denied", "")),
    })
}

/// What outlives the page: sessions and delayed logins. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct AuthState {
    /// The page's certificate.
    pub(super) certificate: Certificate,
    shared: Arc<SharedAuth>,
}

#[derive(Debug, Default)]
struct SharedAuth {
    sessions: Mutex<Sessions>,
    throttle: Mutex<LoginThrottle>,
    told: Mutex<Told>,
    /// A client signed out.
    signed_out: watch::Sender<()>,
}

/// Wrong tokens that were not told of yet.
#[derive(Debug, Default)]
struct Told {
    wrong: u32,
    at: Option<Instant>,
}

impl AuthState {
    /// Reads the certificate again: a renewed one has the same name. Where the page is to be served otherwise, its
    /// next life reads it.
    pub fn reloaded(&self, parts: &[Part], settings: &Settings, published: &Published) {
        let same = !parts.contains(&Part::Watchtower);
        if let (true, Some(files)) = (same, &settings.watchtower.tls)
            && let Err(why) = self.certificate.read(files, published)
        {
            debug!("the page has no certificate yet: {why}");
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.shared.sessions.lock()
    }

    fn throttle(&self) -> MutexGuard<'_, LoginThrottle> {
        self.shared.throttle.lock()
    }

    fn wrong(&self, gate: &Gate, peer: &HttpPeer) {
        let now = Instant::now();
        self.throttle().wrong(peer.address, now);
        let mut told = self.shared.told.lock();
        told.wrong = told.wrong.saturating_add(1);
        if told.at.is_some_and(|at| now.saturating_duration_since(at) < TELL_EVERY) {
            return;
        }
        let count = std::mem::take(&mut told.wrong);
        told.at = Some(now);
        let sentence = format!("{count} failed logins at the page, the last one from {peer}");
        warn!(event = event::LOGIN_REFUSED, count, from = %peer, "{sentence}");
        gate.published.note(event::LOGIN_REFUSED, world::now(), sentence);
    }
}

/// The rules of one life of the page.
#[derive(Debug)]
pub(super) struct Gate {
    door: AuthState,
    names: Names,
    keys: Keys,
    /// Reading needs no token.
    anonymous: bool,
    /// A Unix socket: no network, so the name of the host is not checked.
    by_file: bool,
    /// Faults may be injected.
    fault_injection: bool,
    published: Published,
}

impl Gate {
    pub(super) fn new(
        settings: &Watchtower,
        door: AuthState,
        by_file: bool,
        published: Published,
    ) -> Self {
        Self {
            door,
            names: Names::of_this_machine(&settings.hosts),
            keys: Keys::of(settings),
            anonymous: !settings.reading_needs_a_token(),
            by_file,
            fault_injection: false,
            published,
        }
    }

    /// Whether faults may be injected, which the page shows.
    pub(super) fn with_faults(self, fault_injection: bool) -> Self {
        Self { fault_injection, ..self }
    }

    /// What is wrong with a request before it is looked at who asks.
    fn fault(&self, request: &Parts) -> Option<HttpRefusal> {
        if request.uri.path().contains('%') {
            return Some(no_such_page());
        }
        let host = text_of(request, &header::HOST);
        let named = request.uri.authority().map(|authority| authority.as_str());
        if !self.by_file {
            let hosts = request.headers.get_all(header::HOST).iter().count();
            let Some(host) = host.filter(|_| hosts == 1) else { return Some(no_host()) };
            for name in [Some(host), named].into_iter().flatten() {
                if !self.names.know(name) {
                    return Some(unknown_name(name));
                }
            }
        }
        let origin = request.headers.contains_key(header::ORIGIN);
        let origin = origin.then(|| text_of(request, &header::ORIGIN).unwrap_or_default());
        let is_foreign = origin.is_some_and(|origin| !self.names.are_home_of(origin, host));
        if is_foreign || is_lured(request) {
            return Some(foreign());
        }
        form_fault(request)
    }

    /// Who asks, and whether that is enough.
    fn access(&self, request: &Parts, peer: &HttpPeer) -> Access {
        let from = peer.to_string();
        let fault = self.fault(request);
        let role = if fault.is_none() { self.role(request, peer) } else { Ok(None) };
        let (role, waits) = role.map_or_else(|waits| (None, Some(waits)), |role| (role, None));
        let (admin, read) = (role == Some(Role::Admin), self.anonymous || role.is_some());
        let refusal = fault.or(waits).or_else(|| match Area::of(request.uri.path()) {
            Area::Open => None,
            Area::Look => (!read).then(|| self.needs_token(request)),
            Area::Command => (!admin).then(|| self.needs_admin(role)),
        });
        Access { admin, read, by_token: role.is_some(), from, refusal }
    }

    /// By a token in the request, or else by a session. A wrong token is none, and costs time.
    fn role(&self, request: &Parts, peer: &HttpPeer) -> Result<Option<Role>, HttpRefusal> {
        let bearer = text_of(request, &header::AUTHORIZATION).and_then(bearer);
        match bearer {
            Some(token) => self.open(token, peer).map(|opened| opened.map(|(role, _)| role)),
            None => Ok(self.role_by(&login::numbers(request))),
        }
    }

    fn role_by(&self, numbers: &[String]) -> Option<Role> {
        let now = Instant::now();
        numbers.iter().find_map(|number| self.door.sessions().find(number, &self.keys, now))
    }

    /// Whether one of these is a session.
    fn knows(&self, numbers: &[String]) -> bool {
        self.role_by(numbers).is_some()
    }

    /// Checks a token, unless logins from this address are delayed.
    fn open(
        &self,
        token: &str,
        peer: &HttpPeer,
    ) -> Result<Option<(Role, keys::Print)>, HttpRefusal> {
        let wait = self.door.throttle().wait(peer.address, Instant::now());
        if let Some(wait) = wait {
            return Err(too_many(wait));
        }
        let opened = self.keys.open(token);
        match &opened {
            Some(_) => self.door.throttle().right(peer.address),
            None => self.door.wrong(self, peer),
        }
        Ok(opened)
    }

    fn needs_token(&self, request: &Parts) -> HttpRefusal {
        let shown = request.headers.contains_key(header::AUTHORIZATION)
            || !login::numbers(request).is_empty();
        let message = if shown {
            "this token or session is not valid (any more)"
        } else {
            "this page requires a token"
        };
        let hint = "sign in with the token that is in the file watchtower.read_token_file or \
                    watchtower.admin_token_file names; programs send `Authorization: Bearer TOKEN`";
        HttpRefusal::new(StatusCode::UNAUTHORIZED, message, hint)
    }

    fn needs_admin(&self, role: Option<Role>) -> HttpRefusal {
        if !self.keys.have_admin() {
            let message = "no commands can be given here: there is no admin token";
            let hint =
                "make one with `barograph token FILE`, set watchtower.admin_token_file, and reload";
            return HttpRefusal::new(StatusCode::FORBIDDEN, message, hint);
        }
        let status = if role.is_some() { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
        let hint = "sign in with the token that is in the file watchtower.admin_token_file names";
        HttpRefusal::new(status, "commands need the admin token", hint)
    }
}

/// What a path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Area {
    /// Everybody: the page itself (it asks for a token), signs of life, signing in.
    Open,
    /// Callers that may read.
    Look,
    /// Callers that may give commands.
    Command,
}

impl Area {
    fn of(path: &str) -> Self {
        match path {
            "/api/v1/login" | "/api/v1/logout" | "/api/v1/session" => Self::Open,
            "/metrics" => Self::Look,
            _ if path.starts_with(COMMANDS) => Self::Command,
            _ if path.starts_with("/api/") || path.starts_with("/ws/") => Self::Look,
            _ => Self::Open,
        }
    }
}

/// The door. What it refuses is answered here, except to WebSockets.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let (mut request, body) = request.into_parts();
    let path = request.uri.path().to_owned();
    let access = gate.access(&request, &HttpPeer::of(&request));
    let refused = access.refusal.clone().filter(|_| !is_upgrade(&request));
    request.extensions.insert(access);
    request.extensions.insert(gate);
    let mut answer = match refused {
        Some(refusal) => refusal.answer(&path),
        None => {
            let answer = next.run(Request::from_parts(request, body));
            whole::within(ANSWER_WITHIN, &path, answer).await
        }
    };
    headers::put(answer.headers_mut(), &path);
    answer
}

/// Whether this becomes a WebSocket, which can be told with a close code.
fn is_upgrade(request: &Parts) -> bool {
    let is_websocket = text_of(request, &header::UPGRADE)
        .is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"));
    is_websocket && request.uri.path().starts_with("/ws/") && request.method == Method::GET
}

fn text_of<'a>(request: &'a Parts, name: &header::HeaderName) -> Option<&'a str> {
    request.headers.get(name)?.to_str().ok()
}

/// The token of `Authorization: Bearer TOKEN`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A browser says that a page elsewhere asks; following a link from there is another matter.
fn is_lured(request: &Parts) -> bool {
    let says = |name: &str, what: &str| {
        request.headers.get(name).is_some_and(|value| value.as_bytes() == what.as_bytes())
    };
    says("sec-fetch-site", "cross-site")
        && !(says("sec-fetch-mode", "navigate") && request.method == Method::GET)
}

/// Methods and bodies that nothing here takes.
fn form_fault(request: &Parts) -> Option<HttpRefusal> {
    let encoding = text_of(request, &header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        let hint = "send it without Content-Encoding";
        let message = "a compressed body is not accepted here";
        return Some(HttpRefusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message, hint));
    }
    if !methods_of(request.uri.path()).split(", ").any(|it| it == request.method.as_str()) {
        let message = "this method is not allowed here";
        let hint = "the header Allow lists the methods";
        return Some(HttpRefusal::new(StatusCode::METHOD_NOT_ALLOWED, message, hint));
    }
    if request.method == Method::POST {
        let kind = text_of(request, &header::CONTENT_TYPE).unwrap_or_default();
        let is_json = kind.split(';').next().unwrap_or_default().trim() == "application/json";
        let hint = "send it as application/json";
        let message = "only JSON is accepted here";
        return (!is_json)
            .then(|| HttpRefusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message, hint));
    }
    None
}

/// Nothing here has a name that needs it.
fn no_such_page() -> HttpRefusal {
    let message = "there is no such page";
    HttpRefusal::new(StatusCode::NOT_FOUND, message, "no path here contains a %")
}

fn no_host() -> HttpRefusal {
    let hint = "browsers and curl send one; other programs must send a header `Host:`";
    let message = "the request has no header Host, or more than one";
    HttpRefusal::new(StatusCode::BAD_REQUEST, message, hint)
}

fn unknown_name(name: &str) -> HttpRefusal {
    let name: String = name.chars().filter(|c| c.is_ascii_graphic()).take(80).collect();
    let hint = "if that name is right (a proxy's, or one of this machine), add it to \
                watchtower.hosts and reload; if not, another site directed your browser here";
    let message = format!("{name} is not a known name of this page");
    HttpRefusal::new(StatusCode::MISDIRECTED_REQUEST, message, hint)
}

fn foreign() -> HttpRefusal {
    let message = "a page of another site sent this request";
    let hint = "if that was your own proxy, it must pass on the browser's Host header (nginx: \
                `proxy_set_header Host $http_host`), or the name must be in watchtower.hosts";
    HttpRefusal::new(StatusCode::FORBIDDEN, message, hint)
}

fn too_many(wait: Duration) -> HttpRefusal {
    let message = "too many failed logins from this address";
    let seconds = wait.as_millis().div_ceil(1_000);
    let hint = format!("the next token is checked in {seconds} s");
    let refusal = HttpRefusal::new(StatusCode::TOO_MANY_REQUESTS, message, hint);
    HttpRefusal { again_in: Some(wait), ..refusal }
}
