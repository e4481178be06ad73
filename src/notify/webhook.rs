//! A JSON object by POST, signed where there is a key. docs/alerts.md has its schema.
//!
//! The signature is over the body alone, and the body holds the time of the attempt (`at`) and the alert's
//! `id`: both are signed with it, and a receiver that refuses what is old or known cannot be fooled by a
//! repetition.

use std::fmt::Write as _;

use barograph_actors::health::notify::notification::Notification;
use barograph_actors::health::notify::notifier::Failure;
use barograph_config::{Alert, Secret};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::http::{OutgoingRequest, post};

/// `sha256=` and the hexadecimal HMAC-SHA256 of the body.
const SIGNATURE: &str = "X-Barograph-Signature";

pub(super) fn deliver(
    alert: &Alert,
    url: &Secret,
    headers: &[(String, Secret)],
    secret: Option<&Secret>,
    notification: &Notification,
) -> Result<String, Failure> {
    let mut json = notification.json();
    json["channel"] = alert.name.as_str().into();
    let body = json.to_string().into_bytes();
    let own = headers.iter().map(|(name, value)| (name.as_str(), value.expose().to_owned()));
    let signature = secret.map(|secret| (SIGNATURE, sign(secret.expose().as_bytes(), &body)));
    let headers = own.chain(signature).collect();
    post(
        alert,
        OutgoingRequest { url: url.expose(), content_type: "application/json", headers, body },
    )
}

fn sign(key: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(body);
    let mut signature = "sha256=".to_owned();
    for byte in mac.finalize().into_bytes() {
        write!(signature, "{byte:02x}").expect("a String takes everything");
    }
    signature
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_rfc_4231() {
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign(b"Jefe", b"what do ya want for nothing?"), expected);
    }
}
