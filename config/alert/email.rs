//! Mail by SMTP.

use crate::declare::key::{Complaint, Key, NAMES, PATH, SECRET, TEXT, count, word};
use crate::declare::settings;
use crate::part::Part;
use crate::secret::Secret;
use crate::word::{Word, words};

settings! {
    /// A mail server and who writes to whom.
    pub struct Email in "alert" concerns Part::Alerts;

    /// Host name or address of the mail server.
    host: String = String::new(), TEXT.checked(host).example(r#""mail.example""#).needed();

    /// Its TCP port.
    port: u16 = 0, count(1, 65_535).example("587").absent("587 with starttls, 465 with tls, 25 with none");

    /// Encryption of the connection: "starttls", "tls" from the first byte, or "none" for a server on this machine.
    tls: EmailTls = EmailTls::StartTls, word(EmailTls::WORDS);

    /// The user name at the mail server, with a password, or neither.
    username: Option<String> = None, TEXT.example(r#""barograph@mail.example""#);

    /// Its password, here or in a file of its own.
    password: Option<Secret> = None, SECRET,
        and "password_file" PATH.example(r#""/etc/barograph/mail-password""#)
            .note("A file that holds the password and nothing else.");

    /// The sender's address.
    from: String = String::new(),
        TEXT.checked(mailbox).example(r#""barograph@mail.example""#).needed();

    /// The recipients' addresses; never empty.
    to: Vec<String> = Vec::new(),
        NAMES.checked(mailbox).example(r#"["you@mail.example"]"#).needed();
}

words! {
    /// Encryption of a connection to a mail server.
    pub enum EmailTls, as_str {
        /// The connection begins unencrypted and must become encrypted before anything is sent (the default).
        StartTls = "starttls",
        /// Encrypted from the first byte.
        Tls = "tls",
        /// Unencrypted.
        None = "none",
    }
}

impl EmailTls {
    /// The port on which a mail server takes messages.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

fn host(host: &str, key: &Key) -> Result<String, Complaint> {
    if !host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@".contains(c)) {
        return Ok(host.to_owned());
    }
    let bare = host.rsplit(['/', '@']).find(|part| !part.is_empty()).unwrap_or_default().trim();
    let is_bare = !bare.is_empty() && !bare.contains(char::is_whitespace);
    let example = if is_bare { format!("\"{bare}\"") } else { key.example() };
    Err(Complaint::write("expected a host name or an address alone", example))
}

/// `user@host`, and nothing around it.
fn mailbox(text: &str, key: &Key) -> Result<String, Complaint> {
    let is_address = |text: &str| {
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || "<>,;:\"()".contains(c);
        let parts = text.split_once('@');
        parts.is_some_and(|(user, host)| {
            !user.is_empty() && !host.is_empty() && !host.contains('@') && !text.contains(is_odd)
        })
    };
    if is_address(text) {
        return Ok(text.to_owned());
    }
    let inner = text.split(['<', '>']).find(|part| is_address(part));
    let example = inner.map_or_else(
        || key.example(),
        |address| match key.name {
            "to" => format!("[\"{address}\"]"),
            _ => format!("\"{address}\""),
        },
    );
    Err(Complaint::write(
        "expected a mail address (user@host), without a name or brackets",
        example,
    ))
}
