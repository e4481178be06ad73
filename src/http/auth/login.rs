//! Signing in: a token for a cookie that scripts cannot read and other sites do not send.

use std::time::Instant;

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::{StatusCode, header};
use actix_web::{Error, HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::sessions::IDLE_MAX;
use super::{Gate, access, text_of};
use crate::http::connections::Peer;
use crate::http::refusal::Refusal;

/// The cookie's name.
const NAME: &str = "barograph";
/// The same where the line is secret: browsers take such a one from nobody else.
const NAME_SECURE: &str = "__Host-barograph";
/// Most bytes that are read of what somebody sends.
const BODY_BYTES_MAX: usize = 4 << 10;

const TOKEN_HINT: &str = "send {\"token\":\"…\"}";

/// Signing in, signing out, and who one is.
pub(in crate::http) fn services(app: &mut web::ServiceConfig) {
    let body = web::PayloadConfig::new(BODY_BYTES_MAX);
    let login = web::resource("/api/v1/login").app_data(body).route(web::post().to(login));
    app.service(login)
        .service(web::resource("/api/v1/logout").route(web::post().to(logout)))
        .service(
            web::resource("/api/v1/session")
                .route(web::get().to(session))
                .route(web::head().to(session)),
        );
}

/// The numbers of sessions that a request shows.
pub(super) fn numbers(request: &HttpRequest) -> Vec<String> {
    let cookies = [NAME_SECURE, NAME].map(|name| request.cookie(name));
    cookies.into_iter().flatten().map(|cookie| cookie.value().to_owned()).collect()
}

async fn login(
    request: HttpRequest,
    gate: web::Data<Gate>,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    let peer = Peer::of(&request);
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            let status = error.as_response_error().status_code();
            let refusal = Refusal::new(status, "what was sent cannot be read", TOKEN_HINT);
            return refusal.answer(request.path());
        }
    };
    let told: Option<Value> = serde_json::from_slice(&body).ok();
    let Some(token) = told.as_ref().and_then(|told| told["token"].as_str()) else {
        let message = "there is no token in this";
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, message, TOKEN_HINT);
        return refusal.answer(request.path());
    };
    let opened = match gate.open(token.trim(), &peer) {
        Ok(opened) => opened,
        Err(refusal) => return refusal.answer(request.path()),
    };
    let Some((role, print)) = opened else {
        let hint = "the tokens are in the files that watchtower.admin_token_file and \
                    watchtower.read_token_file name, as they were at the last reload";
        let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "this token is wrong", hint);
        return refusal.answer(request.path());
    };
    let number = gate.door.sessions().open(print, Instant::now());
    let admin = role == super::Role::Admin;
    HttpResponse::Ok().cookie(cookie(&request, &peer, number)).json(json!({ "admin": admin }))
}

async fn logout(request: HttpRequest, gate: web::Data<Gate>) -> HttpResponse {
    for number in numbers(&request) {
        gate.door.sessions().close(&number);
    }
    gate.door.shared.signed_out.send_replace(());
    let mut answer = HttpResponse::Ok();
    for cookie in [NAME_SECURE, NAME].iter().filter_map(|name| request.cookie(name)) {
        let mut gone = Cookie::build(cookie.name().to_owned(), "").path("/").finish();
        gone.set_secure(cookie.name() == NAME_SECURE);
        gone.make_removal();
        answer.cookie(gone);
    }
    answer.json(json!({}))
}

async fn session(request: HttpRequest, gate: web::Data<Gate>) -> HttpResponse {
    let access = access(&request);
    HttpResponse::Ok().json(json!({
        "admin": access.admin,
        "signed_in": access.by_token,
        "anonymous_read": gate.anonymous,
        "commands": gate.keys.have_admin(),
        "fault_injection": gate.fault_injection,
    }))
}

/// Secret on the way where the line is: ours, or by the word of a proxy (who lies about it harms only himself).
fn cookie(request: &HttpRequest, peer: &Peer, number: String) -> Cookie<'static> {
    let forwarded = header::HeaderName::from_static("x-forwarded-proto");
    let secure = peer.secure || text_of(request, &forwarded) == Some("https");
    let name = if secure { NAME_SECURE } else { NAME };
    let seconds = i64::try_from(IDLE_MAX.as_secs()).unwrap_or(i64::MAX);
    Cookie::build(name, number)
        .path("/")
        .http_only(true)
        .secure(secure)
        .same_site(SameSite::Strict)
        .max_age(CookieDuration::seconds(seconds))
        .finish()
}
