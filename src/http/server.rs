//! HTTP/1.1 over TCP, TLS or a Unix socket: accepts connections, and passes their requests to a router.

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::connections::{Admitted, Connections, HttpPeer, LOOK_EVERY, Limits, MeteredStream};
use super::place::BoundListener;

/// Largest head of a request, in bytes; hyper reads no further ahead either.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// How long a connection may be idle between two requests. (A head that was begun has less: `Connections`.)
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// The same when more than half of the places are taken.
const HANDSHAKE_IN_A_CROWD: Duration = Duration::from_secs(1);
/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;
/// Bytes of an unread answer that the system keeps for each connection.
const SEND_BUFFER: usize = 64 << 10;
/// Pause after a failed accept: there may be no file descriptors left.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The answer when all places are taken.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 53\r\n\r\n\
    too many look at this page at a time; try again later";
/// The answer to plain HTTP where TLS is expected.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 38\r\n\r\n\
    this page is encrypted: call https://\r\n";

/// A server; it accepts while [`Server::run`] is awaited. Its connections are tasks of the runtime.
pub(crate) struct Server {
    listener: ServerSocket,
    router: Router,
    connections: Arc<Connections>,
    tls: Option<TlsAcceptor>,
}

enum ServerSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Server {
    /// A server on this listener; with an acceptor, over TLS. Must be called within a runtime.
    pub(super) fn new(
        bound: BoundListener,
        router: Router,
        limits: Limits,
        tls: Option<TlsAcceptor>,
    ) -> io::Result<Self> {
        let listener = match bound {
            BoundListener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                ServerSocket::Tcp(TcpListener::from_std(listener)?)
            }
            BoundListener::Unix(listener) => {
                listener.set_nonblocking(true)?;
                ServerSocket::Unix(UnixListener::from_std(listener)?)
            }
        };
        Ok(Self { listener, router, connections: Connections::new(limits), tls })
    }

    /// Accepts connections.
    pub(super) async fn run(self) -> Infallible {
        let server = Arc::new(self);
        tokio::spawn(watch(Arc::clone(&server.connections)));
        loop {
            let accepted = match &server.listener {
                ServerSocket::Tcp(listener) => {
                    let accepted = listener.accept().await;
                    accepted.map(|(stream, address)| server.open_tcp(stream, address))
                }
                ServerSocket::Unix(listener) => {
                    let accepted = listener.accept().await;
                    accepted.map(|(stream, _)| match server.connections.admit(None) {
                        Some(admitted) => server.open(stream, admitted, None, false),
                        None => refuse(stream.into_std()),
                    })
                }
            };
            if accepted.is_err() {
                sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }

    fn open_tcp(self: &Arc<Self>, stream: TcpStream, address: SocketAddr) {
        let Some(admitted) = self.connections.admit(Some(address.ip())) else {
            if self.tls.is_none() {
                refuse(stream.into_std());
            }
            return;
        };
        // Frames are small and must not wait for company.
        let _best_effort = stream.set_nodelay(true);
        let _best_effort = set_socket_send_buffer_size(&stream, SEND_BUFFER);
        let Some(tls) = self.tls.clone() else {
            return self.open(stream, admitted, Some(address), false);
        };
        let server = Arc::clone(self);
        let crowded = self.connections.is_crowded();
        let within = if crowded { HANDSHAKE_IN_A_CROWD } else { HANDSHAKE_WITHIN };
        tokio::spawn(async move {
            if let Ok(Some(stream)) = timeout(within, encrypted(&tls, stream)).await {
                server.open(stream, admitted, Some(address), true);
            }
        });
    }

    /// Answers the requests of a connection, in a task of its own.
    fn open(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        connection: Arc<Admitted>,
        address: Option<SocketAddr>,
        secure: bool,
    ) {
        let peer = HttpPeer { address: address.map(|address| address.ip().to_canonical()), secure };
        let router = TowerToHyperService::new(self.router.clone());
        let stream = MeteredStream::new(stream, Arc::clone(&connection));
        let answer = move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            connection.requested();
            let (connection, answer) = (Arc::clone(&connection), router.call(request));
            async move {
                let answer = answer.await?;
                if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                    connection.upgraded();
                }
                Ok::<_, Infallible>(answer)
            }
        };
        let http = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .timer(TokioTimer::new())
            .header_read_timeout(KEEP_ALIVE)
            .serve_connection(TokioIo::new(stream), service_fn(answer))
            .with_upgrades();
        tokio::spawn(async move {
            // How a connection ends is not logged: clients could fill the log.
            let _why = http.await;
        });
    }
}

/// Sends [`FULL`], if the socket takes it at once.
fn refuse(stream: io::Result<impl Write>) {
    let _best_effort = stream.and_then(|mut stream| stream.write(FULL));
}

async fn encrypted(
    tls: &TlsAcceptor,
    mut stream: TcpStream,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await.ok()? == 0 {
        return None;
    }
    if first != [HANDSHAKE] {
        // What was not read would take our answer along.
        let _read = stream.try_read(&mut [0; 4_096]);
        stream.write_all(PLAIN).await.ok()?;
        return None;
    }
    tls.accept(stream).await.ok()
}

async fn watch(connections: Arc<Connections>) {
    loop {
        connections.look(Instant::now());
        sleep(LOOK_EVERY).await;
    }
}
