//! A small MQTT 3.1.1 broker in this process, so that `barograph demo` needs no Mosquitto.
//!
//! It has QoS 0 and 1 in both directions, takes QoS 2 from publishers, and has kept sessions, wildcards, keep-alive
//! and session takeover. It delivers unacknowledged messages again with DUP, their packet ids and their order.
//! rumqttc's codec reads and writes the packets.
//!
//! It is not for production: it stores nothing on disk, has no TLS, no MQTT 5, no retained messages, no wills, no
//! access control, no `$SYS` topics, no bound on the number of its clients, and compares each message with each
//! subscription. rumqttd was rejected: 193 more crates, no way to stop it, and redeliveries with new packet ids and
//! without DUP, which no recorder can recognise.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use parking_lot::Mutex;
use rumqttc::mqttbytes::Error;
use rumqttc::mqttbytes::v4::{ConnAck, Packet};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, warn};

mod hub;

use hub::DemoSessions;

/// Pause after a failed accept. The usual cause, too many open files, does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A client's time from connecting to its CONNECT packet.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Bytes of one packet from a client, without its fixed header. A longer one ends its connection.
const PACKET_BYTES_MAX: usize = 1024 * 1024;

/// A broker that is bound to its port and not yet serving.
#[derive(Debug)]
pub struct DemoBroker {
    listener: TcpListener,
    /// Where clients reach it, with the port that the system chose.
    pub local_addr: SocketAddr,
    hub: Arc<Mutex<DemoSessions>>,
}

impl DemoBroker {
    /// Binds to `addr`; port 0 lets the system choose one. Connections wait in the system until
    /// [`DemoBroker::serve`].
    ///
    /// # Errors
    /// What the system answers, for example that the address is in use.
    pub async fn bind(addr: SocketAddr) -> io::Result<DemoBroker> {
        let listener = TcpListener::bind(addr).await?;
        let local_addr = listener.local_addr()?;
        Ok(DemoBroker { listener, local_addr, hub: Arc::default() })
    }

    /// Serves clients until `shutdown` completes, then closes every connection.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let hub = Arc::clone(&self.hub);
                        connections.spawn(async move {
                            let ended = exchange(stream, &hub).await;
                            debug!(%peer, ?ended, "demo broker: connection ended");
                        });
                    }
                    Err(error) => {
                        warn!(%error, "demo broker: cannot accept a connection; trying again");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = connections.join_next() => if let Err(cause) = ended {
                    error!(%cause, "demo broker: a connection failed; its client must connect again");
                },
            }
        }
        connections.shutdown().await;
    }
}

async fn exchange(mut stream: TcpStream, hub: &Mutex<DemoSessions>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut incoming = BytesMut::new();
    let first = timeout(HANDSHAKE_MAX, read_packet(&mut stream, &mut incoming)).await??;
    let Packet::Connect(connect) = first else { return Err(invalid("no CONNECT")) };
    let silence_max = match connect.keep_alive {
        0 => Duration::MAX,
        // MQTT-3.1.2-24.
        seconds => Duration::from_secs(u64::from(seconds)) * 3 / 2,
    };
    let admitted = hub.lock().connect(connect);
    let (client, mut packets) = match admitted {
        Ok(admitted) => admitted,
        Err(code) => {
            return write_packet(&mut stream, &Packet::ConnAck(ConnAck::new(code, false))).await;
        }
    };
    let (mut reader, mut writer) = stream.split();
    let read = async {
        loop {
            let packet = timeout(silence_max, read_packet(&mut reader, &mut incoming)).await??;
            hub.lock().receive(&client, packet).map_err(invalid)?;
        }
    };
    // Apart from reading: a client may first write all its acknowledgements and only then read.
    let write = async {
        while let Some(packet) = packets.recv().await {
            write_packet(&mut writer, &packet).await?;
        }
        Ok(())
    };
    let ended = tokio::select! { ended = read => ended, ended = write => ended };
    hub.lock().leave(&client);
    ended
}

async fn read_packet(
    stream: &mut (impl AsyncRead + Unpin),
    incoming: &mut BytesMut,
) -> io::Result<Packet> {
    loop {
        match Packet::read(incoming, PACKET_BYTES_MAX) {
            Ok(packet) => return Ok(packet),
            Err(Error::InsufficientBytes(_)) => {}
            Err(error) => return Err(invalid(error)),
        }
        if stream.read_buf(incoming).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn write_packet(stream: &mut (impl AsyncWrite + Unpin), packet: &Packet) -> io::Result<()> {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, usize::MAX).map_err(invalid)?;
    stream.write_all(&bytes).await
}

fn invalid(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause)
}

#[cfg(test)]
mod tests;
