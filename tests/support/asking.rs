//! Asking the page: HTTP as a script speaks it, with whatever head is wanted, and bodies of any size.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::scrape::connect;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) head: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// A line of the head; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.head.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The body as text, unpacked.
    pub(crate) fn text(&self) -> String {
        if self.header("content-encoding") != "gzip" {
            return String::from_utf8(self.body.clone()).expect("UTF-8");
        }
        let mut text = String::new();
        GzDecoder::new(&self.body[..]).read_to_string(&mut text).expect("gzip");
        text
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// What an error says.
    pub(crate) fn complaint(&self) -> String {
        self.json()["error"]["message"].as_str().expect("a sentence").to_owned()
    }
}

/// `GET` of a path below the page.
pub(crate) fn get(port: u16, path: &str) -> Reply {
    ask(port, "GET", path, &[]).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The JSON at a path below `api/v1/`.
pub(crate) fn api(port: u16, path: &str) -> Value {
    let reply = get(port, &format!("/api/v1/{path}"));
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

/// Asks, on a connection of its own.
pub(crate) fn ask(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> io::Result<Reply> {
    let mut reader = begin(port, method, path, headers)?;
    let (status, head) = head_of(&mut reader)?;
    let chunked =
        head.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let mut body = Vec::new();
    match chunked && method != "HEAD" {
        true => while read_chunk(&mut reader, &mut body)? {},
        false => drop(reader.read_to_end(&mut body)?),
    }
    Ok(Reply { status, head, body })
}

/// Asks, and leaves the answer to be read.
pub(crate) fn begin(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> io::Result<BufReader<TcpStream>> {
    let mut socket = connect(port)?;
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n");
    socket.write_all(request.as_bytes())?;
    Ok(BufReader::new(socket))
}

/// The status, and the lines of the head.
pub(crate) fn head_of(
    reader: &mut BufReader<TcpStream>,
) -> io::Result<(u16, Vec<(String, String)>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::Error::other(format!("the head ends early: {lines:?}")));
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let status = lines.first().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no HTTP: {lines:?}")))?;
    let head = lines.iter().skip(1).filter_map(|line| line.split_once(": "));
    Ok((status, head.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect()))
}

/// One more chunk; `false`: it was the last. An answer that ends without one is an error.
pub(crate) fn read_chunk(
    reader: &mut BufReader<TcpStream>,
    body: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
    let before = body.len();
    body.resize(before + size, 0);
    reader.read_exact(&mut body[before..])?;
    reader.read_exact(&mut [0; 2])?;
    Ok(size > 0)
}
