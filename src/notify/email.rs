//! Mail by SMTP: the subject is the sentence, the lines fit a terminal.

use std::error::Error as _;
use std::io;

use barograph_actors::health::notify::notification::Notification;
use barograph_actors::health::notify::notifier::Failure;
use barograph_config::{Alert, Email, EmailTls};
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};

use super::{failure, trust};
use crate::text::wrapped_at;

/// Columns of a mail.
const WIDTH: usize = 72;
/// Longest text, in characters; `barograph status` has the rest.
const TEXT_MAX: usize = 20_000;

pub(super) fn deliver(
    alert: &Alert,
    email: &Email,
    told: &Notification,
) -> Result<String, Failure> {
    let message = message(email, told)?;
    let transport = transport(alert, email)?;
    match transport.send(&message) {
        Ok(reply) => {
            let words = reply.first_line().unwrap_or_default();
            Ok(format!("{} {words}", reply.code()).trim_end().to_owned())
        }
        Err(error) => Err(explain(&error, alert, email)),
    }
}

fn message(email: &Email, told: &Notification) -> Result<Message, Failure> {
    let bad = |what: &dyn std::fmt::Display| {
        failure(format!("the mail cannot be written: {what}"), "look at the alert's from and to")
    };
    let mailbox = |address: &str| address.parse::<Mailbox>().map_err(|error| bad(&error));
    let mut builder = Message::builder().from(mailbox(&email.from)?).subject(told.subject());
    for address in &email.to {
        builder = builder.to(mailbox(address)?);
    }
    let text: String = told.text(TEXT_MAX).lines().map(|line| wrapped_at(line, 0, WIDTH)).collect();
    // RFC 3834: out-of-office answers stay away.
    let automatic = HeaderValue::new(
        HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".to_owned(),
    );
    builder
        .message_id(Some(format!("<{}@barograph>", told.id)))
        .raw_header(automatic)
        .header(ContentType::TEXT_PLAIN)
        .body(text)
        .map_err(|error| bad(&error))
}

fn transport(alert: &Alert, email: &Email) -> Result<SmtpTransport, Failure> {
    let tls = match email.tls {
        EmailTls::None => Tls::None,
        EmailTls::StartTls => Tls::Required(parameters(alert, email)?),
        EmailTls::Tls => Tls::Wrapper(parameters(alert, email)?),
    };
    let mut builder = SmtpTransport::builder_dangerous(&email.host)
        .port(email.port)
        .tls(tls)
        .timeout(Some(alert.timeout));
    if let (Some(user), Some(password)) = (&email.username, &email.password) {
        let password = password.expose().to_owned();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}

fn parameters(alert: &Alert, email: &Email) -> Result<TlsParameters, Failure> {
    let bad =
        |error: Error| failure(format!("TLS: {error}"), "look at the alert's host and ca_file");
    let mut builder =
        TlsParameters::builder(email.host.clone()).certificate_store(CertificateStore::None);
    for authority in trust::authorities(alert)? {
        builder =
            builder.add_root_certificate(Certificate::from_der(authority.to_vec()).map_err(bad)?);
    }
    builder.build().map_err(bad)
}

fn explain(error: &Error, alert: &Alert, email: &Email) -> Failure {
    let place = format!("{}:{}", email.host, email.port);
    if error.is_timeout() || has_run_out(error) {
        let timeout = humantime::format_duration(alert.timeout);
        let hint = "look at the mail server, and at the network between";
        return failure(format!("{place} did not answer within {timeout}"), hint);
    }
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !said.contains(&cause_text) {
            said = format!("{said}: {cause_text}");
        }
        source = cause.source();
    }
    let code = error.status().map(u16::from);
    let hint = match code {
        Some(530 | 534 | 535) => "look at the alert's username and password",
        Some(550..=559) => "look at the alert's from and to",
        Some(_) => "look at what the mail server says",
        None if error.is_tls() || said.contains("certificate") => {
            "look at the alert's tls and ca_file, and at the server's certificate"
        }
        None => "look at the alert's host, port and tls",
    };
    failure(format!("{place}: {said}"), hint)
}

/// The socket's time limit; the library takes it for any other error of the network.
fn has_run_out(error: &Error) -> bool {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    io.is_some_and(|io| matches!(io.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
}

#[cfg(test)]
mod tests {
    use super::*;
    use barograph_actors::message::delivery::UnixMillis;

    #[test]
    fn lines_fit_and_the_subject_is_the_sentence() {
        let email = Email {
            host: "localhost".into(),
            port: 25,
            tls: EmailTls::None,
            username: None,
            password: None,
            from: "barograph@mail.example".into(),
            to: vec!["you@mail.example".into(), "me@mail.example".into()],
        };
        let told = Notification::test("7".into(), "attic", UnixMillis(0));
        let mail = message(&email, &told).expect("a mail").formatted();
        let mail = String::from_utf8(mail).expect("ASCII");
        assert!(mail.contains("Subject: [attic] a test: alerts arrive here\r\n"), "{mail}");
        assert!(mail.contains("To: you@mail.example, me@mail.example\r\n"), "{mail}");
        let (_, body) = mail.split_once("\r\n\r\n").expect("head and body");
        assert!(body.lines().all(|line| line.len() <= WIDTH) && body.lines().count() > 1, "{body}");
    }
}
