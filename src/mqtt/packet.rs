//! What a broker says, in one vocabulary for both protocol versions.

use barograph_actors::ports::{BrokerRefusal, Down, DownKind, Filter, Publication};
use barograph_config::{Mqtt, Qos};
use bytes::{Bytes, BytesMut};

use super::outgoing::Takes;

/// A packet from the broker.
#[derive(Debug)]
pub(super) enum Packet {
    /// It answers CONNECT; `refused` says why not.
    ConnAck { session_present: bool, refused: Option<Down>, takes: Takes },
    /// A message.
    Publish(Publish),
    /// The release of a QoS 2 message.
    PubRel(u16),
    /// It answers SUBSCRIBE, filter by filter.
    SubAck(u16, Vec<Result<Qos, BrokerRefusal>>),
    /// It answers UNSUBSCRIBE.
    UnsubAck(u16),
    /// It answers a PUBLISH of QoS 1.
    PubAck(u16, Result<(), BrokerRefusal>),
    /// It answers PINGREQ.
    PingResp,
    /// It ends the connection and says why (MQTT 5).
    Disconnect(Down),
    /// A packet that a broker does not send to such a client.
    Unexpected(#[expect(dead_code, reason = "read by Debug, for the message")] String),
}

impl Packet {
    /// Whether it has an answer, now or when its message is stored.
    pub(super) fn is_answered(&self) -> bool {
        match self {
            // Nothing waits for an answer at QoS 0: the kernel takes its time, and the broker sends more in one go.
            Self::Publish(_) | Self::PubRel(_) => true,
            Self::ConnAck { .. }
            | Self::SubAck(..)
            | Self::UnsubAck(_)
            | Self::PubAck(..)
            | Self::PingResp
            | Self::Disconnect(_)
            | Self::Unexpected(_) => false,
        }
    }
}

/// A message as it came.
#[derive(Debug)]
pub(super) struct Publish {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    pub(super) dup: bool,
    pub(super) packet_id: u16,
    /// User properties (MQTT 5).
    pub(super) properties: Vec<(String, String)>,
    /// The identifier of the one subscription that it came by, 0 if that has none (MQTT 5).
    pub(super) subscription: Option<u32>,
}

/// What becomes of the session after the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// The broker keeps it, and for it what we have not acknowledged.
    Session,
    /// Nothing: the command only looks.
    Nothing,
}

/// The broker sent what is not MQTT as we know it.
#[derive(Debug, thiserror::Error)]
pub(super) enum MalformedPacket {
    /// Four bytes of length without an end.
    #[error("a packet length of more than four bytes")]
    Length,
    /// The codec cannot read it.
    #[error(transparent)]
    Codec(Box<dyn std::error::Error + Send + Sync>),
    /// The topic is no text.
    #[error("a topic that is not UTF-8")]
    Topic(#[from] std::string::FromUtf8Error),
    /// Only a PUBLISH may be that large.
    #[error("a packet of type {kind} with {size} bytes")]
    TooLarge { kind: u8, size: u64 },
    /// The head of a PUBLISH that is larger than is taken in.
    #[error("an oversized message whose head cannot be read")]
    Head,
    /// There is no such quality of service.
    #[error("a message of QoS 3")]
    Qos,
}

/// One protocol version: bytes to [`Packet`]s and back. Encoders append to `out`.
pub(super) trait Wire {
    /// CONNECT. `out` is empty.
    fn connect(&self, settings: &Mqtt, will: Option<&Publication>, keep: Keep, out: &mut BytesMut);
    /// SUBSCRIBE to these filters, under an identifier where the version has them.
    fn subscribe(
        &self,
        packet_id: u16,
        filters: &[Filter],
        identifier: Option<u32>,
        out: &mut BytesMut,
    );
    /// UNSUBSCRIBE from these filters.
    fn unsubscribe(&self, packet_id: u16, filters: &[String], out: &mut BytesMut);
    /// PUBLISH; the packet id at QoS 1.
    fn publish(&self, message: &Publication, packet_id: Option<u16>, out: &mut BytesMut);
    /// PUBACK.
    fn puback(&self, packet_id: u16, out: &mut BytesMut);
    /// PUBREC.
    fn pubrec(&self, packet_id: u16, out: &mut BytesMut);
    /// PUBCOMP.
    fn pubcomp(&self, packet_id: u16, out: &mut BytesMut);
    /// PINGREQ.
    fn pingreq(&self, out: &mut BytesMut);
    /// DISCONNECT.
    fn disconnect(&self, out: &mut BytesMut);
    /// Takes one whole packet, which `input` begins with.
    ///
    /// # Errors
    /// It is not what the standard says.
    fn decode(&self, input: &mut BytesMut) -> Result<Packet, MalformedPacket>;
    /// PUBLISH has properties between packet id and payload.
    fn has_properties(&self) -> bool;
}

/// The frame that `input` begins with: (bytes of the fixed header, bytes after it), or `None` while
/// too little has come.
///
/// # Errors
/// Four bytes of length without an end: not MQTT.
pub(super) fn frame(input: &[u8]) -> Result<Option<(usize, usize)>, MalformedPacket> {
    let Some(rest) = input.get(1..) else { return Ok(None) };
    let mut length = 0_usize;
    for (index, byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((index + 2, length)));
        }
    }
    if rest.len() >= 4 { Err(MalformedPacket::Length) } else { Ok(None) }
}

/// The broker refused us: the words for the kinds that a person can do something about.
pub(super) fn refused(kind: DownKind, code: &str) -> Down {
    let advice = match kind {
        DownKind::Credentials => {
            "look at mqtt.username, mqtt.password and the broker's access rules"
        }
        DownKind::Protocol => "look at mqtt.protocol: the broker may speak another version",
        DownKind::Dns
        | DownKind::Refused
        | DownKind::Timeout
        | DownKind::Tls
        | DownKind::TakenOver
        | DownKind::Closed
        | DownKind::Network
        | DownKind::Deaf
        | DownKind::WindowFull => "look at the broker's log",
    };
    Down { kind, message: format!("the broker refused the connection ({code}); {advice}") }
}

#[cfg(test)]
mod tests {
    use super::frame;

    #[test]
    fn a_frame_is_known_from_its_first_bytes() {
        type PacketCase<'a> = (&'a [u8], Result<Option<(usize, usize)>, ()>);
        let table: &[PacketCase<'_>] = &[
            (&[], Ok(None)),
            (&[0x30], Ok(None)),
            (&[0x30, 0x00], Ok(Some((2, 0)))),
            (&[0x30, 0x7f], Ok(Some((2, 127)))),
            (&[0x30, 0x80], Ok(None)),
            (&[0x30, 0x80, 0x01], Ok(Some((3, 128)))),
            (&[0x30, 0xff, 0xff, 0xff, 0x7f], Ok(Some((5, 268_435_455)))),
            (&[0x30, 0xff, 0xff, 0xff, 0xff], Err(())),
        ];
        for (bytes, expected) in table {
            assert_eq!(&frame(bytes).map_err(|_| ()), expected, "{bytes:x?}");
        }
    }
}
