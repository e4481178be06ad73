//! The way to end a connection hard: a client that takes nothing cannot be told, and a server's own end of a
//! connection waits until it has taken all.

use std::any::Any;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::{TcpStream, UnixStream};
use rustix::net::Shutdown;
use rustix::net::sockopt::{set_socket_linger, set_socket_send_buffer_size};

/// What the system may hold of a WebSocket's frames that were not taken, in bytes.
const SEND_BUFFER: usize = 64 * 1024;

/// A connection's socket. Its owner is the connection: it ends with it.
#[derive(Debug)]
pub(crate) struct Cord {
    socket: Option<OwnedFd>,
}

/// To be called with each connection.
pub(crate) fn on_connect(connection: &dyn Any, data: &mut Extensions) {
    let tcp = connection.downcast_ref::<TcpStream>().map(AsFd::as_fd);
    let unix = || connection.downcast_ref::<UnixStream>().map(AsFd::as_fd);
    let socket = tcp.or_else(unix).and_then(|socket| socket.try_clone_to_owned().ok());
    data.insert(Rc::new(Cord { socket }));
}

/// Holds the end of a connection, and not the connection.
#[derive(Debug, Default)]
pub(super) struct End(Weak<Cord>);

impl End {
    /// Of the connection of a request that becomes a WebSocket.
    pub(super) fn of(request: &HttpRequest) -> Self {
        let Some(cord) = request.conn_data::<Rc<Cord>>() else { return Self::default() };
        if let Some(socket) = &cord.socket {
            let _as_it_was = set_socket_send_buffer_size(socket, SEND_BUFFER);
        }
        Self(Rc::downgrade(cord))
    }

    /// Both sides have said goodbye: the connection ends, in order.
    pub(super) fn pull(&self) {
        if let Some(cord) = self.0.upgrade()
            && let Some(socket) = &cord.socket
        {
            let _gone = rustix::net::shutdown(socket, Shutdown::Both);
        }
    }

    /// The other side does not answer: the connection is reset, and what was not taken is thrown away.
    pub(super) fn cut(&self) {
        if let Some(cord) = self.0.upgrade()
            && let Some(socket) = &cord.socket
        {
            let _in_order_then = set_socket_linger(socket, Some(Duration::ZERO));
        }
        self.pull();
    }
}
