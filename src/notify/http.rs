//! One POST: bounded in time and in what is read of the answer; redirects are not followed, for the URL
//! that a person wrote is the one that gets the secret.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use barograph_actors::health::notify::notifier::Failure;
use barograph_config::Alert;
use tokio_rustls::rustls::crypto::ring;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Error};

use super::{failure, trust};

/// Read of an answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Shown of an answer, in characters.
const ANSWER_LEN_MAX: usize = 200;
const USER_AGENT: &str = concat!("barograph/", env!("CARGO_PKG_VERSION"));

/// What is sent.
pub(super) struct OutgoingRequest<'r> {
    pub(super) url: &'r str,
    pub(super) content_type: &'r str,
    /// Values may hold UTF-8.
    pub(super) headers: Vec<(&'r str, String)>,
    pub(super) body: Vec<u8>,
}

/// Posts, and gives the status and the beginning of the answer.
///
/// # Errors
/// It was not answered with 2xx.
pub(super) fn post(alert: &Alert, request: OutgoingRequest<'_>) -> Result<String, Failure> {
    let place = alert.channel.destination();
    let agent = agent(alert, request.url)?;
    let mut builder = agent.post(request.url).header("Content-Type", request.content_type);
    for (name, value) in &request.headers {
        builder = builder.header(*name, value.as_bytes());
    }
    let sent = builder.send(&request.body[..]);
    let mut response = sent.map_err(|error| explain(&error, &place, alert.timeout))?;
    let status = response.status();
    let retry_after = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok().map(Duration::from_secs));
    let mut body = Vec::new();
    // The status has come; a body that breaks off changes nothing.
    let read = response.body_mut().as_reader().take(ANSWER_BYTES_MAX).read_to_end(&mut body);
    if let Err(error) = read {
        tracing::debug!("the answer broke off: {error}");
    }
    let said = format!("{status}{}", glimpse(&body));
    if status.is_success() {
        return Ok(said);
    }
    let hint = match status.as_u16() {
        300..=399 => {
            "redirects are not followed: write the address it leads to into the alert's url"
        }
        401 | 403 => "look at the alert's token, secret or url",
        404 | 410 => "look at the alert's url: what it leads to is not there (any more)",
        429 => "it is asked too often: lower max_per_hour",
        _ => "look at what it says",
    };
    Err(Failure { said: format!("{place} answers {said}"), hint: hint.to_owned(), retry_after })
}

fn agent(alert: &Alert, url: &str) -> Result<Agent, Failure> {
    let mut tls =
        TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()));
    if url.starts_with("https") {
        let authorities = trust::authorities(alert)?;
        let roots =
            authorities.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect();
        tls = tls.root_certs(RootCerts::Specific(Arc::new(roots)));
    }
    let config = Agent::config_builder()
        .timeout_global(Some(alert.timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(USER_AGENT)
        .tls_config(tls.build())
        .build();
    Ok(config.new_agent())
}

/// In our words: those of the library may repeat the URL.
#[allow(clippy::wildcard_enum_match_arm, reason = "the library's own; it may get more")]
fn explain(error: &Error, place: &str, timeout: Duration) -> Failure {
    let timeout = humantime::format_duration(timeout);
    match error {
        Error::Timeout(_) => failure(
            format!("{place} did not answer within {timeout}"),
            "look at the other side, and at the network between",
        ),
        Error::HostNotFound => failure(
            format!("the name in {place} cannot be resolved"),
            "look at the alert's url, and at DNS",
        ),
        Error::Io(error) => {
            let is_tls =
                error.get_ref().is_some_and(|inner| inner.to_string().contains("certificate"));
            let hint = if is_tls {
                "look at the alert's ca_file and at the server's certificate"
            } else {
                "is it running, and is the address right?"
            };
            failure(format!("{place} cannot be reached: {error}"), hint)
        }
        Error::Rustls(error) => failure(
            format!("no trusted connection to {place}: {error}"),
            "look at the alert's ca_file and at the server's certificate",
        ),
        Error::ConnectionFailed => failure(
            format!("{place} cannot be reached"),
            "is it running, and is the address right?",
        ),
        Error::Protocol(error) => failure(
            format!("{place} does not speak HTTP as we know it: {error}"),
            "is the address right, and http:// or https://?",
        ),
        Error::BadUri(_) | Error::Http(_) => {
            failure("this cannot be sent".into(), "look at the alert's url and headers")
        }
        other => failure(format!("{place}: {other}"), "look at the alert's url"),
    }
}

/// The beginning of an answer, on one line and harmless to a terminal.
fn glimpse(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    let shown: String = line.chars().take(ANSWER_LEN_MAX).collect();
    if shown.is_empty() { shown } else { format!(": {shown}") }
}
