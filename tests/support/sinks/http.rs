//! An HTTP server for one thing: to keep what is posted.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::tls::Security;
use super::{Kept, Stream};
use crate::support::wait;

/// Something that was posted.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A status, further header lines (each with its line end), and a body.
    Say(u16, &'static str, String),
    /// The request is taken, and nothing ever comes.
    Hang,
    /// A byte of an endless answer, now and then.
    Drip,
    /// An endless body, as fast as it goes.
    Flood,
    /// A wrong path is repeated, as many servers do.
    Echo,
}

/// The server. Its threads end with the process.
pub(crate) struct HttpSink {
    port: u16,
    scheme: &'static str,
    kept: Kept<Request>,
    reply: Arc<Mutex<Reply>>,
}

impl HttpSink {
    pub(crate) fn start() -> Self {
        Self::serve(None)
    }

    pub(crate) fn start_tls(security: Security) -> Self {
        Self::serve(Some(security))
    }

    fn serve(security: Option<Security>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let scheme = if security.is_some() { "https" } else { "http" };
        let reply = Arc::new(Mutex::new(Reply::Say(200, "", "ok".into())));
        let sink = Self { port, scheme, kept: Kept::default(), reply };
        let (kept, reply) = (sink.kept.clone(), Arc::clone(&sink.reply));
        thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let (kept, reply, security) = (kept.clone(), Arc::clone(&reply), security.clone());
                // Clients that give up, or do not trust us, are part of the tests.
                thread::spawn(move || connection(tcp, security.as_ref(), &kept, &reply));
            }
        });
        sink
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.port)
    }

    pub(crate) fn replies(&self, reply: Reply) {
        *self.reply.lock().unwrap_or_else(PoisonError::into_inner) = reply;
    }

    /// What came so far.
    pub(crate) fn kept(&self) -> Vec<Request> {
        self.kept.lock().clone()
    }

    /// Waits for the first post that is wanted.
    pub(crate) fn gets(
        &self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Request) -> bool,
    ) -> Request {
        let probe = || self.kept().into_iter().find(&wanted);
        wait::until_or(within, probe, || {
            let texts: Vec<String> = self.kept().iter().map(Request::text).collect();
            format!("{what}; came: {texts:#?}")
        })
    }
}

fn connection(
    tcp: TcpStream,
    security: Option<&Security>,
    kept: &Kept<Request>,
    reply: &Mutex<Reply>,
) -> io::Result<()> {
    let stream: Box<dyn Stream> = match security {
        Some(security) => security.accept(tcp)?,
        None => Box::new(tcp),
    };
    let mut reader = BufReader::new(stream);
    let request = read(&mut reader)?;
    let path = request.path.clone();
    kept.lock().push(request);
    let reply = reply.lock().unwrap_or_else(PoisonError::into_inner).clone();
    answer(reader.into_inner(), &reply, &path)
}

fn read(reader: &mut impl BufRead) -> io::Result<Request> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, length)| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Request { path, headers, body })
}

fn answer(mut stream: Box<dyn Stream>, reply: &Reply, path: &str) -> io::Result<()> {
    let endless = "HTTP/1.1 500 Tired\r\nConnection: close\r\n\r\n";
    match reply {
        Reply::Say(status, headers, body) => {
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} Said\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )?;
            stream.flush()
        }
        Reply::Echo => {
            let say = Reply::Say(404, "", format!("Cannot POST {path}"));
            answer(stream, &say, path)
        }
        Reply::Hang => loop {
            thread::park(); // for ever: that is the point
        },
        Reply::Drip => {
            stream.write_all(endless.as_bytes())?;
            loop {
                stream.write_all(b"x")?;
                stream.flush()?;
                thread::sleep(Duration::from_millis(100)); // the pace of the drip
            }
        }
        Reply::Flood => {
            stream.write_all(endless.as_bytes())?;
            loop {
                stream.write_all(&[b'x'; 8192])?;
            }
        }
    }
}
