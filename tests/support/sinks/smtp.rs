//! A mail server that keeps what it takes: SMTP with STARTTLS, TLS from the first byte, or in the clear,
//! with a user or without.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use super::tls::Security;
use super::{Kept, Stream};
use crate::support::wait;

/// A mail that was taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// Head and body.
    pub(crate) data: String,
    pub(crate) encrypted: bool,
    /// The user and password that were given.
    pub(crate) user: Option<(String, String)>,
}

/// How it is spoken to.
#[derive(Clone, Default)]
pub(crate) struct Manners {
    pub(crate) starttls: Option<Security>,
    pub(crate) tls: Option<Security>,
    /// Who may send.
    pub(crate) user: Option<(&'static str, &'static str)>,
}

/// The server. Its threads end with the process.
pub(crate) struct SmtpSink {
    pub(crate) port: u16,
    kept: Kept<Mail>,
}

impl SmtpSink {
    pub(crate) fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let sink =
            Self { port: listener.local_addr().expect("bound").port(), kept: Kept::default() };
        let kept = sink.kept.clone();
        thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let (kept, manners) = (kept.clone(), manners.clone());
                // Clients that give up, or do not trust us, are part of the tests.
                thread::spawn(move || serve(tcp, &manners, &kept));
            }
        });
        sink
    }

    pub(crate) fn kept(&self) -> Vec<Mail> {
        self.kept.lock().clone()
    }

    /// Waits for the first mail that holds this.
    pub(crate) fn gets(&self, words: &str, within: Duration) -> Mail {
        let probe = || self.kept().into_iter().find(|mail| mail.data.contains(words));
        wait::until_or(within, probe, || format!("a mail with {words:?}: {:#?}", self.kept()))
    }
}

fn serve(tcp: TcpStream, manners: &Manners, kept: &Kept<Mail>) -> io::Result<()> {
    let plain = tcp.try_clone()?;
    let mut stream: BufReader<Box<dyn Stream>> = BufReader::new(match &manners.tls {
        Some(security) => security.accept(tcp)?,
        None => Box::new(tcp),
    });
    let mut mail = Mail { encrypted: manners.tls.is_some(), ..Mail::default() };
    say(&mut stream, "220 sink ready")?;
    loop {
        let line = read_line(&mut stream)?;
        let (verb, rest) = line.split_once(' ').unwrap_or((line.as_str(), ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" => {
                let starttls = manners.starttls.is_some() && !mail.encrypted;
                let offer = if starttls { "250-STARTTLS\r\n" } else { "" };
                say(&mut stream, &format!("250-sink\r\n{offer}250 AUTH PLAIN LOGIN"))?;
            }
            "STARTTLS" => {
                let Some(security) = manners.starttls.clone() else { return Ok(()) };
                say(&mut stream, "220 go on")?;
                stream = BufReader::new(security.accept(plain.try_clone()?)?);
                mail = Mail { encrypted: true, ..Mail::default() };
            }
            "AUTH" => {
                mail.user = Some(credentials(rest));
                let known = |(user, word): (&str, &str)| (user.to_owned(), word.to_owned());
                if mail.user == manners.user.map(known) {
                    say(&mut stream, "235 welcome")?;
                } else {
                    say(&mut stream, "535 5.7.8 who are you?")?;
                }
            }
            "MAIL" if manners.user.is_some() && mail.user.is_none() => {
                say(&mut stream, "530 5.7.0 authentication required")?;
            }
            "MAIL" => {
                mail.from = address(rest);
                say(&mut stream, "250 ok")?;
            }
            "RCPT" => {
                mail.to.push(address(rest));
                say(&mut stream, "250 ok")?;
            }
            "DATA" => {
                say(&mut stream, "354 go on")?;
                mail.data = read_data(&mut stream)?;
                kept.lock().push(mail.clone());
                say(&mut stream, "250 2.0.0 queued as 4711")?;
            }
            "QUIT" => return say(&mut stream, "221 bye"),
            _ => say(&mut stream, "250 ok")?,
        }
    }
}

fn say(stream: &mut BufReader<Box<dyn Stream>>, words: &str) -> io::Result<()> {
    let stream = stream.get_mut();
    write!(stream, "{words}\r\n")?;
    stream.flush()
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn read_data(stream: &mut impl BufRead) -> io::Result<String> {
    let mut data = String::new();
    loop {
        let line = read_line(stream)?;
        if line == "." {
            return Ok(data);
        }
        data += line.strip_prefix('.').unwrap_or(&line);
        data.push('\n');
    }
}

fn address(parameter: &str) -> String {
    let inside = parameter.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or(parameter, |(address, _)| address).to_owned()
}

/// `PLAIN` with its answer in the same line: base64 of NUL user NUL password.
fn credentials(parameter: &str) -> (String, String) {
    let encoded = parameter.strip_prefix("PLAIN ").expect("PLAIN, in one line");
    let decoded = base64(encoded);
    let mut parts = decoded.split(|byte| *byte == 0).skip(1);
    let mut part = || String::from_utf8(parts.next().expect("a part").to_vec()).expect("UTF-8");
    (part(), part())
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |byte: u8| DIGITS.iter().position(|known| *known == byte).expect("base64");
    let (mut bits, mut count, mut bytes) = (0_usize, 0, Vec::new());
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        bits = (bits << 6 | digit(byte)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).expect("eight bits"));
        }
    }
    bytes
}
