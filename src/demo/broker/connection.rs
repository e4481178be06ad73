//! One client's socket: bytes to packets, packets to bytes, and the clock of the keep-alive.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes;
use rumqttc::mqttbytes::v4::{ConnAck, Connect, ConnectReturnCode, Packet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::hub::Violation;
use super::shared::{Membership, Shared};

/// Milliseconds a client may take from connecting to its CONNECT packet.
const HANDSHAKE_MS_MAX: u64 = 10_000;

/// Bytes to make room for before each read.
const READ_BYTES: usize = 8 * 1024;

/// Encoded bytes above which no further packet is drawn from the hub until the socket has taken
/// some.
const OUTGOING_BYTES_MAX: usize = 64 * 1024;

/// Undrawn replies above which a client is not read from. Only one that sends and never reads gets
/// there. Reading must not stop just because the socket takes no more: a client in the middle of
/// writing its acknowledgements may well not read before it is done, and both would wait for ever.
const OUTBOX_LEN_MAX: usize = 10_000;

/// Why a connection ended, other than by DISCONNECT, takeover or mischief.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The socket failed.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
    /// The peer closed it without a DISCONNECT.
    #[error("closed by the peer")]
    ClosedByPeer,
    /// Not MQTT, not MQTT 3.1.1, or too long.
    #[error("bytes that make no packet: {0}")]
    Malformed(#[from] mqttbytes::Error),
    /// Packets that do not belong there.
    #[error("protocol violation: {0}")]
    Violation(#[from] Violation),
    /// No CONNECT in time, or something else first.
    #[error("no CONNECT")]
    NoConnect,
    /// Answered with this code.
    #[error("refused: {0:?}")]
    Refused(ConnectReturnCode),
    /// Nothing heard for one and a half keep-alive intervals.
    #[error("silent for longer than its keep-alive allows")]
    Silent,
}

/// Serves one client until either side ends it.
pub(super) async fn run(mut stream: TcpStream, shared: Arc<Shared>) -> Result<(), Ended> {
    stream.set_nodelay(true)?;
    let packet_bytes_max = shared.with(|hub| hub.limits().packet_bytes_max);
    let mut incoming = BytesMut::new();
    let first_packet = read_connect(&mut stream, &mut incoming, packet_bytes_max);
    let connect = timeout(Duration::from_millis(HANDSHAKE_MS_MAX), first_packet)
        .await
        .map_err(|_elapsed| Ended::NoConnect)??;
    let silence_max = silence_max(connect.keep_alive);
    match Membership::join(shared, connect) {
        Ok(member) => {
            let outgoing = BytesMut::new();
            Conversation { member, packet_bytes_max, silence_max, incoming, outgoing }
                .run(stream)
                .await
        }
        Err(code) => refuse(stream, code).await,
    }
}

/// MQTT-3.1.2-24: one and a half times the keep-alive, which is in seconds; 0 switches it off.
fn silence_max(keep_alive_s: u16) -> Option<Duration> {
    let keep_alive = Duration::from_secs(u64::from(keep_alive_s));
    (keep_alive_s > 0).then(|| keep_alive + keep_alive / 2)
}

async fn read_connect(
    stream: &mut TcpStream,
    incoming: &mut BytesMut,
    packet_bytes_max: usize,
) -> Result<Connect, Ended> {
    loop {
        if let Some(packet) = decode(incoming, packet_bytes_max)? {
            let Packet::Connect(connect) = packet else { return Err(Ended::NoConnect) };
            return Ok(connect);
        }
        incoming.reserve(READ_BYTES);
        if stream.read_buf(incoming).await? == 0 {
            return Err(Ended::ClosedByPeer);
        }
    }
}

/// The next whole packet, if there is one.
fn decode(
    incoming: &mut BytesMut,
    packet_bytes_max: usize,
) -> Result<Option<Packet>, mqttbytes::Error> {
    match Packet::read(incoming, packet_bytes_max) {
        Ok(packet) => Ok(Some(packet)),
        Err(mqttbytes::Error::InsufficientBytes(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn refuse(mut stream: TcpStream, code: ConnectReturnCode) -> Result<(), Ended> {
    let mut outgoing = BytesMut::new();
    Packet::ConnAck(ConnAck::new(code, false)).write(&mut outgoing, usize::MAX)?;
    stream.write_all(&outgoing).await?;
    stream.shutdown().await?;
    Err(Ended::Refused(code))
}

/// A client that was let in.
struct Conversation {
    member: Membership,
    packet_bytes_max: usize,
    /// How long the client may be silent; `None` if for ever.
    silence_max: Option<Duration>,
    /// Bytes read, not yet a whole packet.
    incoming: BytesMut,
    /// Bytes of packets drawn, not yet written.
    outgoing: BytesMut,
}

impl Conversation {
    async fn run(mut self, mut stream: TcpStream) -> Result<(), Ended> {
        let (mut reader, mut writer) = stream.split();
        let mut heard_at = Instant::now();
        // A client may send on without waiting for the CONNACK, so something may be there already.
        self.take_incoming()?;
        loop {
            self.fill_outgoing()?;
            if !self.member.with(|hub, connection| hub.is_attached(connection)) {
                return Ok(());
            }
            let may_read =
                self.member.with(|hub, connection| hub.outbox_len(connection)) < OUTBOX_LEN_MAX;
            self.incoming.reserve(READ_BYTES);
            tokio::select! {
                read = reader.read_buf(&mut self.incoming), if may_read => {
                    if read? == 0 {
                        return Err(Ended::ClosedByPeer);
                    }
                    if self.take_incoming()? > 0 {
                        heard_at = Instant::now();
                    }
                }
                written = writer.write_buf(&mut self.outgoing), if !self.outgoing.is_empty() => {
                    written?;
                }
                () = self.member.rung() => {}
                () = silence(heard_at, self.silence_max) => return Err(Ended::Silent),
            }
        }
    }

    /// Gives all whole packets to the hub; returns how many there were.
    fn take_incoming(&mut self) -> Result<usize, Ended> {
        let (incoming, packet_bytes_max) = (&mut self.incoming, self.packet_bytes_max);
        self.member.with(|hub, connection| {
            let mut taken = 0;
            while let Some(packet) = decode(incoming, packet_bytes_max)? {
                hub.receive(connection, packet)?;
                taken += 1;
            }
            Ok(taken)
        })
    }

    /// Draws packets as far as there is room.
    fn fill_outgoing(&mut self) -> Result<(), Ended> {
        let outgoing = &mut self.outgoing;
        self.member.with(|hub, connection| {
            while outgoing.len() < OUTGOING_BYTES_MAX
                && let Some(packet) = hub.next_packet(connection)
            {
                packet.write(outgoing, usize::MAX)?;
            }
            Ok(())
        })
    }
}

/// Completes when a client that was heard at `heard_at` has been silent for too long.
async fn silence(heard_at: Instant, silence_max: Option<Duration>) {
    match silence_max {
        Some(silence_max) => sleep_until(heard_at + silence_max).await,
        None => std::future::pending().await,
    }
}
