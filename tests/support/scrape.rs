//! A scraper: HTTP as a client on the wire sees it, and the samples of a page of metrics.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::wait;

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Asks, on a connection of its own.
pub(crate) fn ask(port: u16, request: &str, accept: &str) -> io::Result<Answer> {
    let mut socket = connect(port)?;
    let head = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    socket.write_all(head.as_bytes())?;
    let mut text = String::new();
    socket.read_to_string(&mut text)?;
    let broken = || io::Error::other(format!("no HTTP: {text:?}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(broken)?;
    Ok(Answer { status, head: head.to_lowercase(), body: body.to_owned() })
}

/// A connection that waits for no answer longer than anyone should.
pub(crate) fn connect(port: u16) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Samples by name and labels, as the page spells them.
#[derive(Debug, Clone)]
pub(crate) struct Scrape {
    pub(crate) page: String,
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    /// Scrapes, in Prometheus' text format; waits until somebody answers.
    pub(crate) fn of(port: u16) -> Self {
        let page = wait::until_or(
            PATIENCE * 3,
            || ask(port, "GET /metrics", "text/plain").ok().filter(|answer| answer.status == 200),
            || format!("nobody serves metrics on port {port}"),
        );
        Self::read(page.body)
    }

    fn read(page: String) -> Self {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("name value");
            (name.to_owned(), value.parse().expect("a number"))
        });
        Self { samples: samples.collect(), page }
    }

    /// One sample, by its name with labels.
    pub(crate) fn value(&self, sample: &str) -> f64 {
        let found = self.samples.get(sample).copied();
        found.unwrap_or_else(|| panic!("no {sample} in\n{}", self.page))
    }

    /// All samples of a name, whose labels have this text in them.
    pub(crate) fn sum(&self, name: &str, label: &str) -> f64 {
        let of =
            |sample: &&String| sample.split('{').next() == Some(name) && sample.contains(label);
        let found: Vec<f64> =
            self.samples.iter().filter(|(sample, _)| of(sample)).map(|(_, n)| *n).collect();
        assert!(!found.is_empty(), "no {name} with {label} in\n{}", self.page);
        found.iter().sum()
    }

    /// What may only grow: counters, and the parts of histograms.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (&String, f64)> {
        let grows = |name: &str| {
            ["_total", "_count", "_sum", "_bucket"].iter().any(|ending| name.ends_with(ending))
        };
        let samples = self.samples.iter();
        samples.filter(move |(s, _)| s.split('{').next().is_some_and(grows)).map(|(s, n)| (s, *n))
    }

    /// No counter of an earlier scrape is missing here, or lower.
    pub(crate) fn is_not_below(&self, earlier: &Self) {
        for (sample, before) in earlier.counters() {
            let now = self.value(sample);
            assert!(now >= before, "{sample} went from {before} to {now}");
        }
    }

    /// Whether Prometheus' own tool finds nothing wrong with it; what it says.
    pub(crate) fn passes_promtool(&self) -> Result<(), String> {
        let mut command = Command::new("promtool");
        command.args(["check", "metrics"]).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut tool = command.spawn().expect("asked for with Need::Promtool");
        let mut stdin = tool.stdin.take().expect("piped");
        stdin.write_all(self.page.as_bytes()).expect("it reads");
        drop(stdin);
        let said = tool.wait_with_output().expect("it ends");
        let words = [said.stdout, said.stderr].concat();
        let words = String::from_utf8_lossy(&words).into_owned();
        if said.status.success() && words.is_empty() { Ok(()) } else { Err(words) }
    }
}
