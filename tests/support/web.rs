//! HTTP byte by byte, as a hostile client would speak it, over TCP, a Unix socket or TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// A connection over TLS.
pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    /// Reads one from a connection that the server closes.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        // What came before a reset counts.
        let ended = from.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let broken =
            || ended.err().unwrap_or_else(|| io::Error::other(format!("no HTTP: {text:?}")));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return Err(broken()) };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let Some(status) = status else { return Err(broken()) };
        Ok(Self { status, head: head.to_owned(), body: body.to_owned() })
    }

    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// A connection that waits for nobody longer than anyone should.
pub(crate) fn connect(port: u16) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Sends these bytes, and reads the answer.
pub(crate) fn raw(port: u16, bytes: &[u8]) -> io::Result<Reply> {
    let mut socket = connect(port)?;
    socket.write_all(bytes)?;
    Reply::read(&mut socket)
}

/// A request with these header lines; `Host: localhost` where they name none.
pub(crate) fn request(line: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
    let names = |name: &str| headers.iter().any(|header| header.to_lowercase().starts_with(name));
    if !names("host:") {
        text += "Host: localhost\r\n";
    }
    if !body.is_empty() {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    headers.iter().for_each(|header| text += &format!("{header}\r\n"));
    format!("{text}\r\n{body}").into_bytes()
}

/// Asks, on a connection of its own.
pub(crate) fn ask(port: u16, line: &str, headers: &[&str]) -> Reply {
    raw(port, &request(line, headers, "")).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// Posts JSON.
pub(crate) fn post(port: u16, path: &str, headers: &[&str], json: &str) -> Reply {
    let headers = [headers, &["Content-Type: application/json"]].concat();
    let line = format!("POST {path}");
    raw(port, &request(&line, &headers, json)).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// Asks through a Unix socket.
pub(crate) fn ask_file(path: &Path, line: &str) -> io::Result<Reply> {
    let mut socket = UnixStream::connect(path)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(&request(line, &[], ""))?;
    Reply::read(&mut socket)
}

/// A connection over TLS that trusts this authority alone.
pub(crate) fn tls(port: u16, authority: &Path) -> io::Result<Tls> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(authority).expect("made by openssl");
    roots.add(authority).expect("made by openssl");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let client = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(client, connect(port)?))
}

/// Asks over TLS. With the answer: the certificate that was shown.
pub(crate) fn ask_tls(port: u16, authority: &Path, line: &str) -> io::Result<(Reply, Vec<u8>)> {
    let mut stream = tls(port, authority)?;
    stream.write_all(&request(line, &[], ""))?;
    let reply = Reply::read(&mut stream)?;
    let shown = stream.conn.peer_certificates().and_then(|chain| chain.first());
    Ok((reply, shown.expect("a server has one").to_vec()))
}
