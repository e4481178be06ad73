//! Signing in: a token for a cookie that scripts cannot read and other sites do not send.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use serde_json::json;

use super::sessions::IDLE_MAX;
use super::{Gate, access, text_of};
use crate::http::api::json_reply;
use crate::http::connections::HttpPeer;
use crate::http::refusal::HttpRefusal;
use crate::wire::page::{Credentials, Session, SignedIn};

/// The cookie's name.
const NAME: &str = "barograph";
/// The same over TLS: browsers accept this prefix only there.
const NAME_SECURE: &str = "__Host-barograph";
/// Most bytes that are read of a request.
const BODY_BYTES_MAX: usize = 4 << 10;

const TOKEN_HINT: &str = "send {\"token\":\"…\"}";

/// Signing in, signing out, and who one is.
pub(in crate::http) fn routes(gate: &Arc<Gate>) -> Router {
    Router::new()
        .route("/api/v1/login", post(login).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)))
        .route("/api/v1/logout", post(logout))
        .route("/api/v1/session", get(session))
        .with_state(Arc::clone(gate))
}

/// The numbers of sessions that a request shows.
pub(super) fn numbers(request: &Parts) -> Vec<String> {
    let of = |name| cookie_of(&request.headers, name).map(str::to_owned);
    [NAME_SECURE, NAME].into_iter().filter_map(of).collect()
}

fn cookie_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    let mut pairs = pairs.map(|(name, value)| (name.trim(), value.trim()));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

async fn login(
    State(gate): State<Arc<Gate>>,
    request: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match signed_in(&gate, &request, body) {
        Ok((cookie, admin)) => {
            ([(header::SET_COOKIE, cookie)], json_reply(&SignedIn { admin })).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// The cookie of a new session, and whether it is an admin's.
fn signed_in(
    gate: &Gate,
    request: &Parts,
    body: Result<Bytes, BytesRejection>,
) -> Result<(HeaderValue, bool), HttpRefusal> {
    let peer = HttpPeer::of(request);
    let body = body.map_err(|error| {
        HttpRefusal::new(error.status(), "the request body cannot be read", TOKEN_HINT)
    })?;
    let Ok(Credentials { token }) = serde_json::from_slice(&body) else {
        return Err(HttpRefusal::bad("the request has no token", TOKEN_HINT));
    };
    let Some((role, print)) = gate.open(token.trim(), &peer)? else {
        let hint = "the tokens are in the files that watchtower.admin_token_file and \
                    watchtower.read_token_file name, as they were at the last reload";
        return Err(HttpRefusal::new(StatusCode::UNAUTHORIZED, "this token is wrong", hint));
    };
    let number = gate.door.sessions().open(print, Instant::now());
    Ok((cookie(request, &peer, &number), role == super::Role::Admin))
}

async fn logout(State(gate): State<Arc<Gate>>, request: Parts) -> Response {
    for number in numbers(&request) {
        gate.door.sessions().close(&number);
    }
    gate.door.shared.signed_out.send_replace(());
    let mut answer = json_reply(&json!({}));
    for name in [NAME_SECURE, NAME] {
        if cookie_of(&request.headers, name).is_some() {
            let secure = if name == NAME_SECURE { "; Secure" } else { "" };
            let gone = format!("{name}=; Path=/; Max-Age=0{secure}");
            answer.headers_mut().append(header::SET_COOKIE, value_of(&gone));
        }
    }
    answer
}

async fn session(State(gate): State<Arc<Gate>>, request: Parts) -> impl IntoResponse {
    let access = access(&request);
    json_reply(&Session {
        admin: access.admin,
        signed_in: access.by_token,
        anonymous_read: gate.anonymous,
        commands: gate.keys.have_admin(),
        fault_injection: gate.fault_injection,
    })
}

/// Secret on the way where the line is: ours, or by the word of a proxy (who lies about it harms only himself).
fn cookie(request: &Parts, peer: &HttpPeer, number: &str) -> HeaderValue {
    let forwarded = HeaderName::from_static("x-forwarded-proto");
    let is_secret = peer.secure || text_of(request, &forwarded) == Some("https");
    let (name, secure) = if is_secret { (NAME_SECURE, "; Secure") } else { (NAME, "") };
    let seconds = IDLE_MAX.as_secs();
    value_of(&format!(
        "{name}={number}; HttpOnly; SameSite=Strict{secure}; Path=/; Max-Age={seconds}"
    ))
}

fn value_of(cookie: &str) -> HeaderValue {
    HeaderValue::from_str(cookie).expect("names and numbers are ASCII")
}
