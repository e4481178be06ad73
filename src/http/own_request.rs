//! A request of our own. On a busy machine the threads of the page starve (they have a lower priority), and their sign of
//! life is late; as long as the page answers, it is not silent.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::place::BoundListener;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long an answer proves that the server answers.
const PROOF_FOR: Duration = Duration::from_secs(3);
/// Any answer will do, also a refusal, or that this place is encrypted.
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Where a server listens, as this process reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OwnAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl OwnAddress {
    /// By the name that the socket got first; `None`: it has none.
    pub(super) fn of(bound: &BoundListener) -> Option<Self> {
        match bound {
            BoundListener::Tcp(listener) => listener.local_addr().ok().map(Self::of_port),
            BoundListener::Unix(listener) => {
                listener.local_addr().ok()?.as_pathname().map(|path| Self::Unix(path.to_owned()))
            }
        }
    }

    /// What listens on all addresses is reached on the local one.
    fn of_port(mut address: SocketAddr) -> Self {
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
        Self::Tcp(address)
    }

    /// Waits for the first byte of an answer.
    fn answers(&self) -> io::Result<()> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, ANSWER_WITHIN)?;
                stream.set_read_timeout(Some(ANSWER_WITHIN))?;
                first_byte(stream)
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(ANSWER_WITHIN))?;
                first_byte(stream)
            }
        }
    }
}

fn first_byte(mut stream: impl Read + Write) -> io::Result<()> {
    stream.write_all(REQUEST)?;
    stream.read_exact(&mut [0])
}

/// Sends one request at a time, each on a thread of its own; no caller waits for it.
#[derive(Debug, Default)]
pub(super) struct OwnRequest {
    under_way: Option<Receiver<bool>>,
    answered: Option<Instant>,
}

impl OwnRequest {
    /// Whether the server has answered just now. Returns at once: a request that this call sends shows in a later one.
    pub(super) fn is_answered(&mut self, address: Option<OwnAddress>) -> bool {
        let ended = self.under_way.as_ref().map(Receiver::try_recv);
        match ended {
            Some(Err(TryRecvError::Empty)) => {}
            Some(Ok(true)) => (self.answered, self.under_way) = (Some(Instant::now()), None),
            Some(Ok(false) | Err(TryRecvError::Disconnected)) => self.under_way = None,
            None => {
                self.under_way = address.and_then(ask);
            }
        }
        self.answered.is_some_and(|at| at.elapsed() < PROOF_FOR)
    }
}

fn ask(address: OwnAddress) -> Option<Receiver<bool>> {
    let (tell, ended) = sync_channel(1);
    let work = move || {
        let _nobody_asks_any_more = tell.send(address.answers().is_ok());
    };
    thread::Builder::new().name("own-request".to_owned()).spawn(work).ok().map(|_runs| ended)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn within(limit: Duration, mut probe: impl FnMut() -> bool) -> bool {
        let began = Instant::now();
        while began.elapsed() < limit {
            if probe() {
                return true;
            }
            thread::yield_now();
        }
        false
    }

    #[test]
    fn a_server_that_answers_late_answers_and_one_that_is_silent_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = OwnAddress::Tcp(listener.local_addr().unwrap());
        let mut request = OwnRequest::default();
        let ask = |request: &mut OwnRequest| request.is_answered(Some(address.clone()));
        assert!(!ask(&mut request), "it was just asked");
        let (mut late, _) = listener.accept().unwrap();
        assert!(!within(Duration::from_millis(300), || ask(&mut request)), "nothing is said");
        late.write_all(b"HTTP/1.1 503").unwrap();
        assert!(within(Duration::from_secs(20), || ask(&mut request)));
        assert!(!OwnRequest::default().is_answered(None));
    }

    #[test]
    fn what_listens_on_all_addresses_is_asked_on_the_local_one() {
        let at = |text: &str| OwnAddress::of_port(text.parse().unwrap());
        let tcp = |text: &str| OwnAddress::Tcp(text.parse().unwrap());
        assert_eq!(at("0.0.0.0:80"), tcp("127.0.0.1:80"));
        assert_eq!(at("[::]:80"), tcp("[::1]:80"));
        assert_eq!(at("192.0.2.1:80"), tcp("192.0.2.1:80"));
    }
}
